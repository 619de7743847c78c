package session

// Encode and Decode are the fields without the seal, for tests.
var (
	Encode = (*Claims).encode
	Decode = decode
	Write  = write
)
