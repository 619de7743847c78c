package sts

import (
	"time"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Limits of session policies: what the inline one and the ARNs of managed ones may be together in plain text, and how many
// managed ones there may be (S4-M21).
const (
	maxPolicyText  = 2048
	maxPolicyARNs  = 10
	sayTooManyARNs = "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: " +
		"Member must have length less than or equal to 10"
)

// sayRegionDisabled is AWS's sentence for an endpoint that is not active for the account.
const sayRegionDisabled = "STS is not activated in this region for account:%s. Your account administrator can activate STS in this region using the IAM Console."

// maxMinimumToken is the largest size that a caller may ask a token to have.
const maxMinimumToken = 4096

// issued is what a session's holder gets.
type issued struct {
	credentials *shape.Credentials
	packed      *int // percent of the packed limit; nil where no policy and no tag was passed
	size        int  // of the token, in bytes
	utilization int  // percent of the largest token
}

// issue gives the claims a key and a token. A token may be asked to be larger than it is, for clients that want to try
// what they do with large ones.
//
// The account that the credentials are for decides whether it has the region (S2-366), and of what version tokens of the global
// endpoint are; those of regional endpoints are good everywhere.
func (s *service) issue(c *gate.Call, claims *session.Claims, minimum *int) (*issued, error) {
	account, ok := c.Snapshot.Account(claims.Account)
	if !ok {
		return nil, &fault.Error{Kind: fault.Internal, Subject: claims.Account} // what is in it was found
	}
	if !directory.STSActive(account.Account, c.Region(), s.region) {
		return nil, fault.New(fault.RegionDisabled, sayRegionDisabled, claims.Account)
	}
	claims.DefaultRegions = c.Global() && directory.TokenVersion(account.Account) == 1
	claims.Expires = claims.Expires.Truncate(time.Second) // what is answered has whole seconds (S1-388), and is when it ends
	var err error
	claims.AccessKeyID, claims.Secret, err = credential.NewAccessKey(entity.PrefixTemporaryKey, claims.Account, s.rand)
	if err != nil {
		return nil, fault.Wrap(err, "making a temporary access key")
	}
	out := new(issued)
	packed, err := session.PackedPolicySize(claims.Policy, claims.PolicyARNs, claims.Tags, claims.TransitiveTagKeys)
	if err != nil {
		return nil, err
	}
	if packed > 0 {
		out.packed = &packed
	}
	size := 0
	if minimum != nil {
		if *minimum > maxMinimumToken {
			return nil, fault.New(fault.Invalid, "The requested MinimumSessionTokenSize exceeds the limit of %d bytes.", maxMinimumToken)
		}
		size = *minimum
	}
	token, err := session.Issue(s.ring, claims, size)
	if err != nil {
		return nil, err
	}
	out.size, out.utilization = len(token), (100*len(token)+session.MaxToken-1)/session.MaxToken
	out.credentials = &shape.Credentials{
		AccessKeyId: claims.AccessKeyID, SecretAccessKey: claims.Secret, SessionToken: secret.New(token), Expiration: claims.Expires.UTC(),
	}
	return out, nil
}

// roleSession begins the claims of a role session: what all ways to one have in common.
func roleSession(c *gate.Call, r snapshot.Role, name string, life time.Duration) *session.Claims {
	return &session.Claims{
		Kind: session.AssumedRole, Account: r.Account, PrincipalID: r.ID, Name: r.Name, SessionName: name,
		Issued: c.Now(), Expires: c.Now().Add(life), Region: c.Region(),
	}
}

// assumed is the user of a role session, for answers.
func assumed(claims *session.Claims) *shape.AssumedRoleUser {
	return &shape.AssumedRoleUser{Arn: entity.AssumedRoleARN(claims.Account, claims.Name, claims.SessionName), AssumedRoleId: claims.ID()}
}

// stated is a text for an answer, and nil where there is none.
func stated(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// setPolicies checks and takes the session policies that the caller passed.
func (s *service) setPolicies(claims *session.Claims, c *gate.Call, inline *string, managed []shape.PolicyDescriptorType) error {
	if len(managed) > maxPolicyARNs {
		return fault.New(fault.Invalid, sayTooManyARNs)
	}
	length := 0
	if inline != nil {
		doc, err := policy.Parse([]byte(*inline))
		if err == nil {
			err = doc.Check(policy.Session)
		}
		if err != nil {
			return &fault.Error{Kind: fault.MalformedDocument, Subject: "Policy", Message: err.Error()}
		}
		claims.Policy, length = *inline, utf8.RuneCountInString(*inline)
	}
	for _, d := range managed {
		if d.Arn == nil {
			return fault.New(fault.Invalid, "1 validation error detected: Value null at 'policyArns' failed to satisfy constraint: Member must not be null")
		}
		if !s.managedPolicy(c, claims.Account, *d.Arn) {
			return fault.New(fault.InvalidInput, "The session policy %s does not exist or is not a managed policy of the account.", *d.Arn)
		}
		claims.PolicyARNs = append(claims.PolicyARNs, *d.Arn)
		length += len(*d.Arn)
	}
	if length > maxPolicyText {
		return fault.New(fault.PackedPolicyTooLarge, "The session policies are longer than %d characters together.", maxPolicyText)
	}
	return nil
}

// managedPolicy reports whether the ARN names an AWS managed policy or one of the account.
func (s *service) managedPolicy(c *gate.Call, account, text string) bool {
	if _, ok := s.managed.ByARN(text); ok {
		return true
	}
	owner, ok := c.Snapshot.Account(account)
	if !ok {
		return false
	}
	_, ok = owner.PolicyByARN(text)
	return ok
}
