// Package sigv4 verifies AWS Signature Version 4, in the Authorization header and in the query string, and its asymmetric
// sibling SigV4A. It is the server's half of the protocol: [Parse] reads what a request presents, [Verifier.Verify] decides
// whether the holder of the secret signed this request, at this time, for this scope.
//
// The package knows no keys, accounts or services and does no I/O: the caller looks up the secret of
// [Presented.AccessKeyID] and says which service it serves. It uses the standard library only. A [Signer] is included for
// tests and simple clients; the package's own tests hold the verifier against foreign signers, never against this one alone.
//
// What is strict here and why:
//
//   - one mechanism per request: a header and a query signature together are refused, and so is anything given twice;
//   - the Host header, the date, X-Amz-Target, X-Amz-Region-Set and X-Amz-Security-Token must be among the signed headers
//     where they are present, because the server acts on them;
//   - a signed body is always compared with the hash of the body that arrived; UNSIGNED-PAYLOAD needs the server's consent,
//     and signatures of chunked bodies (STREAMING-…) are refused;
//   - signatures and hashes are compared in constant time.
//
// Sources: "AWS Signature Version 4 for API requests" and "Troubleshoot Signature Version 4 signing for AWS API requests" in
// the IAM User Guide; "Authenticating Requests" in the Amazon S3 API Reference; checklist items S2-298 to S2-300, S5-16 to S5-19.
package sigv4

import (
	"net/http"
	"time"
)

// Names of algorithms and other fixed words of the protocol.
const (
	AlgorithmHMAC  = "AWS4-HMAC-SHA256"       // SigV4
	AlgorithmECDSA = "AWS4-ECDSA-P256-SHA256" // SigV4A

	// Terminator ends every credential scope.
	Terminator = "aws4_request"

	// UnsignedPayload stands in X-Amz-Content-Sha256 where the body is not covered by the signature.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	// TimeFormat is the layout of X-Amz-Date.
	TimeFormat = "20060102T150405Z"

	// MaxExpires is the longest life of a presigned request.
	MaxExpires = 604800 * time.Second

	// DefaultExpires is the life of a presigned request that does not say one. SDKs presign STS requests without
	// X-Amz-Expires, and AWS accepts those for 15 minutes.
	DefaultExpires = 15 * time.Minute

	// DefaultSkew is how far the time of a header signature may be from the server's.
	DefaultSkew = 5 * time.Minute
)

// Form says where a request carries its signature.
type Form uint8

// The forms.
const (
	FormHeader Form = iota // in the Authorization header
	FormQuery              // in the query string: a presigned request
)

// String returns "header" or "query".
func (f Form) String() string {
	if f == FormQuery {
		return "query"
	}
	return "header"
}

// Presented is what a request presents as proof of who sent it. Nothing in it is to be believed before
// [Verifier.Verify] returned nil. Its strings may share memory with the request; do not change the request between
// [Parse] and Verify. A Presented is not changed by Verify and may be read by several goroutines.
type Presented struct {
	Form        Form
	Algorithm   string // AlgorithmHMAC or AlgorithmECDSA
	AccessKeyID string
	Date        string // day of the scope, YYYYMMDD
	Region      string // region of the scope; empty for SigV4A
	Service     string // service of the scope
	RegionSet   string // X-Amz-Region-Set as sent, for SigV4A: a comma-separated list of regions with wildcards

	SignedHeaders string        // as presented: lower case, sorted, separated by semicolons
	Time          time.Time     // when it was signed, UTC
	Expires       time.Duration // of a presigned request; zero in the header form
	SecurityToken string        // session token; empty where there is none

	signature   string // hexadecimal, as presented: anything at all
	timestamp   string // Time in TimeFormat, as in the string to sign
	scope       string // date/region/service/aws4_request as presented
	payload     string // X-Amz-Content-Sha256 as presented; empty where absent
	signs       uint8  // which headers that matter are among SignedHeaders
	tokenSigned bool   // the signature covers the token, wherever it stands
	request     *http.Request
}
