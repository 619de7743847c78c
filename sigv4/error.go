package sigv4

// Kind classifies an [Error] by what the edge answers. The comment of each kind names the codes of the Query protocol and,
// after a slash, of the JSON protocols.
type Kind uint8

// The closed list of kinds.
const (
	Missing        Kind = iota + 1 // no signature: MissingAuthenticationToken / MissingAuthenticationTokenException
	Incomplete                     // the parts are missing, doubled or malformed: IncompleteSignature / IncompleteSignatureException
	MalformedQuery                 // the query string cannot be decoded: MalformedQueryString
	Unsupported                    // a mechanism that is not supported here, such as a chunked signature: IncompleteSignature
	Scope                          // date, region, service or terminator are wrong: SignatureDoesNotMatch / InvalidSignatureException
	Unsigned                       // a header that must be signed is not: SignatureDoesNotMatch / InvalidSignatureException
	Mismatch                       // the signature is not the one computed here: SignatureDoesNotMatch / InvalidSignatureException
	PayloadHash                    // the body is not the signed one: SignatureDoesNotMatch / InvalidSignatureException
	Expired                        // signed too long ago: SignatureDoesNotMatch / InvalidSignatureException
	NotYet                         // signed in the future: SignatureDoesNotMatch / InvalidSignatureException
)

var kindNames = [...]string{
	Missing: "missing authentication", Incomplete: "incomplete signature", MalformedQuery: "malformed query string",
	Unsupported: "unsupported signature", Scope: "wrong credential scope", Unsigned: "header not signed",
	Mismatch: "signature mismatch", PayloadHash: "payload hash mismatch", Expired: "signature expired",
	NotYet: "signature not yet current",
}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown kind"
}

// Error makes a Kind usable as a target of errors.Is.
func (k Kind) Error() string { return k.String() }

// Error says why a request is not authenticated.
type Error struct {
	Kind    Kind
	Message string // AWS's sentence; it holds nothing secret and may be logged

	// Canonical and StringToSign are what the server computed, for a Mismatch. They repeat the request's own signed
	// headers, among them the session token: show them to the sender, keep them out of logs.
	Canonical    string
	StringToSign string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is e's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Reply returns the text for the sender: the message and, for a [Mismatch], the strings the server computed, in the form in
// which AWS shows them.
func (e *Error) Reply() string {
	if e.Canonical == "" {
		return e.Message
	}
	return e.Message + "\n\nThe Canonical String for this request should have been\n'" + e.Canonical +
		"'\n\nThe String-to-Sign should have been\n'" + e.StringToSign + "'\n"
}
