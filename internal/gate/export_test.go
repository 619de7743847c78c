package gate

// For the tests of this package.
const UnknownKeyLookups = unknownKeyLookups

var (
	QueryCodes = queryCodes
	JSONCodes  = jsonCodes
)
