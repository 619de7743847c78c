// Package fault holds the one error type that crosses package borders inside Ostiary.
//
// An [Error] has a kind from a closed list, the subject it speaks of, a message that may be shown to the caller (AWS's
// sentence where AWS has one) and a cause that may not. Kinds say what went wrong in the domain's words; they are not AWS
// error codes: each service maps kinds to its own codes at the edge, in one table. An error that is no *Error is
// [Internal], and nothing of its text is ever shown.
package fault

import (
	"errors"
	"fmt"
)

// Kind classifies an error. A Kind is itself an error, so that errors.Is(err, fault.NotFound) works.
type Kind uint8

// The closed list of kinds. [Kinds] walks it.
const (
	Internal Kind = iota // anything unforeseen; shows nothing

	// What the request says.
	Invalid           // a parameter breaks a rule of the model (ValidationError)
	InvalidInput      // a parameter is well formed but not acceptable here (InvalidInput, InvalidParameterValue)
	MalformedDocument // a policy document that cannot be read or is not valid for its use
	MalformedInput    // the request cannot be decoded at all
	UnknownOperation  // no such action or version
	Unbuilt           // the operation is known and not built yet
	TooLarge          // the request is larger than the limit
	TooSlow           // the request did not come in time
	MarkerInvalid     // a pagination marker this server did not give out

	// What the state says.
	NotFound             // the named thing does not exist
	Exists               // the name is taken
	DeleteConflict       // the thing is still in use
	LimitExceeded        // a quota would be passed
	Unmodifiable         // the thing may not be changed by this caller (service-linked roles, AWS managed policies)
	NotAttachable        // the policy may not be attached to this kind of entity
	Conflict             // somebody else changed the thing at the same moment
	TemporarilyUnchanged // the thing is in a state in which it cannot be changed right now
	WeakPassword         // a password that the account's rules do not allow
	WrongCaller          // the operation is not for this kind of caller
	FeatureOn            // a feature is on already
	FeatureOff           // a feature is off
	NoOrganization       // the account is in no organization
	NotAdministrator     // the account is neither its organization's management account nor a delegated administrator
	NotManagement        // the account is not its organization's management account
	PartialOrganization  // the organization does not have all features
	NoTrustedAccess      // the organization does not let the service in
	ReportMissing        // a report was asked for that was not generated
	ReportExpired        // the report is too old
	ReportInProgress     // the report is being generated
	TooManyReports       // as many reports are being generated as may be

	// Who calls.
	MissingAuthentication // no credentials in the request
	IncompleteSignature   // the signature's parts do not add up
	UnknownKey            // no such access key, or it is inactive, or its token does not belong to it
	BadSignature          // the signature is not the one computed here
	SignatureExpired      // the signature's time is outside the window
	ExpiredCredentials    // temporary credentials past their time
	OptInRequired         // the caller's account is closed or suspended

	WrongCode // a one-time code that is not right, or not any more

	// May they.
	Denied // the decision was deny

	// Sessions and federation.
	PackedPolicyTooLarge // session policies and tags do not fit
	RegionDisabled       // the endpoint is not active for the account
	RejectedClaim        // the identity provider's statement does not allow this
	InvalidIdentityToken // the token or assertion cannot be accepted
	InvalidMessage       // an encoded authorization message that cannot be decoded
	ExpiredIdentityToken // the token or assertion is past its time
	TokenTooLarge        // the claims of a token to be made do not fit
	OutlivesSession      // a token to be made would be good for longer than the session that asks for it
	ExpiredTradeIn       // an exchange token of a delegation past its time
	Unreachable          // the identity provider cannot be reached, or does not answer as it should

	// Keys and certificates that callers bring.
	MalformedCertificate // a certificate, chain or private key that cannot be read or does not hold together
	InvalidCertificate   // a certificate that is not valid now
	DuplicateCertificate // a certificate that somebody else has
	KeyPairMismatch      // a private key that is not the certificate's
	InvalidPublicKey     // a public key that is damaged or of a kind or size that is not accepted
	DuplicatePublicKey   // a public key that its owner has already
	UnknownEncoding      // a public key in an encoding that is not accepted
	UnsupportedService   // a service that the request is not meant for

	// The machine.
	Throttled   // too many requests
	Unavailable // a part that is needed cannot be reached; try again
	Stale       // internal: what the decision relied on has changed; authorize again

	kindCount
)

var kindNames = [kindCount]string{
	Internal: "internal", Invalid: "invalid", InvalidInput: "invalid input", MalformedDocument: "malformed document",
	MalformedInput: "malformed input", UnknownOperation: "unknown operation", Unbuilt: "not built", TooLarge: "too large",
	TooSlow:       "too slow",
	MarkerInvalid: "invalid marker",
	NotFound:      "not found", Exists: "exists", DeleteConflict: "delete conflict", LimitExceeded: "limit exceeded",
	Unmodifiable: "unmodifiable", NotAttachable: "not attachable", Conflict: "conflict", TemporarilyUnchanged: "temporarily unmodifiable",
	WeakPassword: "weak password", WrongCaller: "wrong kind of caller",
	FeatureOn: "feature on", FeatureOff: "feature off", NoOrganization: "no organization", NotAdministrator: "not an administrator",
	NotManagement: "not the management account", PartialOrganization: "partial organization", NoTrustedAccess: "no trusted access",
	ReportMissing: "report missing", ReportExpired: "report expired", ReportInProgress: "report in progress", TooManyReports: "too many reports",
	MissingAuthentication: "missing authentication", IncompleteSignature: "incomplete signature", UnknownKey: "unknown key",
	BadSignature: "bad signature", SignatureExpired: "signature expired", ExpiredCredentials: "expired credentials", OptInRequired: "opt-in required",
	WrongCode:            "wrong code",
	Denied:               "denied",
	PackedPolicyTooLarge: "packed policy too large", RegionDisabled: "region disabled", RejectedClaim: "rejected claim",
	InvalidIdentityToken: "invalid identity token", InvalidMessage: "invalid message",
	ExpiredIdentityToken: "expired identity token", TokenTooLarge: "token too large", OutlivesSession: "outlives the session",
	ExpiredTradeIn: "expired exchange token", Unreachable: "identity provider unreachable",
	MalformedCertificate: "malformed certificate", InvalidCertificate: "invalid certificate", DuplicateCertificate: "duplicate certificate",
	KeyPairMismatch: "key pair mismatch", InvalidPublicKey: "invalid public key", DuplicatePublicKey: "duplicate public key",
	UnknownEncoding: "unknown encoding", UnsupportedService: "unsupported service",
	Throttled: "throttled", Unavailable: "unavailable", Stale: "stale",
}

// Error makes a Kind usable as a target of errors.Is.
func (k Kind) Error() string { return k.String() }

func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Kinds returns every kind, for the tests that hold each service's table to the list.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Error is the one internal error type.
type Error struct {
	Kind    Kind
	Subject string // what it speaks of: a parameter, an entity's name; for logs and for the edge's tables; may be empty
	Message string // shown to the caller, a whole sentence in AWS's words; must be empty for Internal
	Cause   error  // never shown; may be nil
}

// Error is for logs; callers are shown Message only.
func (e *Error) Error() string {
	s := e.Kind.String()
	if e.Subject != "" {
		s += " " + e.Subject
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is e's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// New returns an error of kind k whose message is made from format.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an internal error that says which step failed: "opening the store: permission denied".
// It keeps the kind of a cause that has one. A nil cause gives nil.
func Wrap(cause error, step string) error {
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", step, cause)
}

// KindOf returns the kind of the first *Error in err's tree, and Internal where there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// MessageOf returns the text that may be shown for err; it is empty where there is none to show.
func MessageOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Internal {
		return e.Message
	}
	return ""
}
