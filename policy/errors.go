package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// SyntaxError is one problem of a document.
type SyntaxError struct {
	Pos    Position // zero when the document did not come from text
	Path   string   // like Statement[2].Condition.StringLike; empty for the document
	Msg    string   // AWS's sentence, see the package comment
	Detail string   // what is wrong, in our words
	rank   int
}

// Error returns Msg.
func (e *SyntaxError) Error() string { return e.Msg }

// String returns place and problem for people: "3:14: Statement[0].Effect: must be Allow or Deny".
func (e *SyntaxError) String() string {
	s := e.Detail
	if s == "" {
		s = e.Msg
	}
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Pos.Line > 0 {
		s = fmt.Sprintf("%d:%d: %s", e.Pos.Line, e.Pos.Column, s)
	}
	return s
}

// Errors lists the problems of a document, never empty. The one that AWS's API would report comes first.
type Errors []*SyntaxError

// Error returns the Msg of the first problem.
func (e Errors) Error() string {
	if len(e) == 0 {
		return msgSyntax
	}
	return e[0].Msg
}

// Unwrap gives errors.Is and errors.As every problem.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, x := range e {
		out[i] = x
	}
	return out
}

// err returns nil for no problems, or the problems in the order in which AWS's API would report them: by sentence, then by place.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *SyntaxError) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Pos.Offset, b.Pos.Offset))
	})
	return e
}

// AWS's sentences, as its API shows them behind MalformedPolicyDocument.
const (
	msgSyntax      = "Syntax errors in policy."
	msgVersion     = "Policy document must be version 2012-10-17 or greater."
	msgLegacy      = "The policy failed legacy parsing"
	msgNoPrincipal = "Policy document should not specify a principal."
	msgSid         = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	msgSidTwice    = "Statement IDs (SID) in a single policy must be unique."
	msgActions     = "Policy statement must contain actions."
	msgResources   = "Policy statement must contain resources."
	msgVendor      = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	msgColon       = "Actions/Condition can contain only one colon."
	msgVendorBad   = "Vendor %s is not valid"
	msgResource    = `Resource %s must be in ARN format or "*".`
	msgPartition   = `Partition "%s" is not valid for resource "%s".`
	msgResVendor   = "Resource vendor must be fully qualified and cannot contain regexes."
	msgIAMRegion   = "IAM resource %s cannot contain region information."
	msgIAMPath     = `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, ` +
		`server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`
	msgPrincipal     = `Invalid principal in policy: "%s":"%s"`
	msgNeedPrincipal = "Missing required field Principal"
	msgTrustResource = "Has prohibited field Resource"
	msgTrustAction   = "AssumeRole policy may only specify STS AssumeRole actions."
	msgS3Region      = "Resource %s can not contain region information."
)

// ranks order the sentences as AWS reports them: the grammar first, then the elements one after the other.
const (
	rankSyntax = iota
	rankVersion
	rankLegacy
	rankPrincipal
	rankSid
	rankNoAction
	rankResource
	rankAction
	rankNoResource
	rankCondition
)
