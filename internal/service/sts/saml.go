package sts

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/trail"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Assertions uses up SAML assertions of providers that want each to be used once: a *[directory.Directory].
type Assertions interface {
	// UseAssertion succeeds once for each assertion: see [directory.Directory.UseAssertion].
	UseAssertion(ctx context.Context, account, providerID, assertionID string, forget time.Time) error
}

// What SAML assertions for AWS are made for (S2-173, S2-175, S2-177).
const (
	samlEndpoint = "https://signin.aws.amazon.com/saml"
	samlAudience = "urn:amazon:webservices"
)

// regionalEndpoint is AWS's sign-in in a region.
var regionalEndpoint = regexp.MustCompile(`^https://[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}\.signin\.aws\.amazon\.com/saml$`)

const (
	noProvider = "Specified provider doesn't exist (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlManifestNotFoundException)"
	samlAction = "sts:AssumeRoleWithSAML"
)

// samlCaller is what a verified assertion comes to.
type samlCaller struct {
	assertion *saml.Assertion
	claims    *saml.Claims
	provider  *entity.SAMLProvider
}

// verifySAML finds out who calls AssumeRoleWithSAML: the response is verified against the provider that the caller names, which
// has to be of the role's account, and the assertion has to name the pair of the two (S2-208). Whether there is such a role is
// told by nothing here.
func (s *service) verifySAML(_ context.Context, c *gate.Call) (*gate.Assertion, error) {
	in := gate.Input[*shape.AssumeRoleWithSAMLRequest](c)
	account, ok := roleAccount(in.RoleArn)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is invalid", in.RoleArn)
	}
	p, err := samlProvider(c.Snapshot, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	raw, err := saml.Decode(in.SAMLAssertion.Reveal())
	if err != nil {
		return nil, err
	}
	trust, err := s.trust(p)
	if err != nil {
		return nil, err
	}
	a, err := saml.Verify(raw, trust, c.Now())
	if err != nil {
		return nil, err
	}
	claims, err := a.Claims()
	if err != nil {
		return nil, err
	}
	if account != p.Account || !slices.Contains(claims.Roles, saml.RolePair{Role: in.RoleArn, Provider: in.PrincipalArn}) {
		return nil, fault.New(fault.Denied, saml.NotAuthorized)
	}
	for _, t := range claims.Tags {
		if !isStatedTag(t.Key, t.Value) {
			return nil, fault.New(fault.InvalidIdentityToken, "The assertion states an invalid session tag.")
		}
	}
	return samlAssertion(c, in, &samlCaller{a, claims, p})
}

// samlProvider finds a provider by its ARN.
func samlProvider(s *snapshot.Snapshot, text string) (*entity.SAMLProvider, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" || !strings.HasPrefix(a.Resource(), "saml-provider/") {
		return nil, fault.New(fault.Invalid, "%s is invalid", text)
	}
	if account, ok := s.Account(a.Account()); ok {
		name := strings.TrimPrefix(a.Resource(), "saml-provider/")
		if it, ok := snapshot.ItemNamed[*entity.SAMLProvider](account, name); ok && it.Record.Name == name {
			return it.Record, nil
		}
	}
	return nil, fault.New(fault.InvalidIdentityToken, noProvider)
}

// trust is what is believed of a provider.
func (s *service) trust(p *entity.SAMLProvider) (*saml.Trust, error) {
	t := &saml.Trust{
		ValidUntil: p.ValidUntil, RequireEncryption: p.EncryptionMode == "Required", AllowCBC: p.AllowCBC,
		Recipient: func(url string) bool { return s.samlRecipient(p, url) },
		Audience: func(name string) bool {
			return name == samlAudience || s.samlRecipient(p, name) || s.samlRecipient(nil, name)
		},
	}
	for _, idp := range p.IdPs {
		t.IdPs = append(t.IdPs, saml.IdP{EntityID: idp.EntityID, Certificates: idp.Certificates})
	}
	for _, k := range p.PrivateKeys {
		text, err := s.ring.Open(seal.PrivateKey, k.Sealed, []byte(k.ID))
		if err != nil {
			return nil, fault.Wrap(err, "opening a private key of "+p.ID)
		}
		key, err := saml.ParsePrivateKey(text)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Internal, Subject: p.ID, Cause: err}
		}
		t.DecryptionKeys = append(t.DecryptionKeys, key)
	}
	return t, nil
}

// samlRecipient reports whether a URL is where assertions of a provider may be sent: AWS's sign-in, global or of a region, or
// one of the operator's, with or without the provider's ID. Providers that require encryption must be named by their ID
// ("Configure SAML assertions for the authentication response"). A nil provider is any.
func (s *service) samlRecipient(p *entity.SAMLProvider, url string) bool {
	named := false
	if p != nil {
		url, named = strings.CutSuffix(url, "/acs/"+p.ID)
		if p.EncryptionMode == "Required" && !named {
			return false
		}
	}
	return url == samlEndpoint || regionalEndpoint.MatchString(url) || slices.Contains(s.samlEndpoints, url)
}

// samlAssertion makes the caller and the questions of a verified assertion.
func samlAssertion(c *gate.Call, in *shape.AssumeRoleWithSAMLRequest, v *samlCaller) (*gate.Assertion, error) {
	p := v.provider
	caller := &authorizer.Caller{Principal: policy.Principal{Type: policy.SAML, Provider: p.ARN()}, Provider: p.ARN()}
	for _, k := range v.assertion.Keys(p.Account, p.Name) {
		caller.Keys = append(caller.Keys, authorizer.Key{Name: k.Name, Values: k.Values})
	}
	check := authorizer.Check{
		Action: samlAction, Resource: in.RoleArn, ResourceAccount: p.Account, Trust: true, RequestTags: samlTags(v.claims),
		Keys: []authorizer.Key{{Name: "sts:RoleSessionName", Values: []string{v.claims.SessionName}}},
	}
	if r, ok := findRole(c.Snapshot, in.RoleArn); ok {
		check.Policy = r.Trust()
	}
	if len(v.claims.TransitiveTags) > 0 {
		check.Keys = append(check.Keys, authorizer.Key{Name: "sts:TransitiveTagKeys", Values: v.claims.TransitiveTags})
	}
	if v.claims.SourceIdentity != "" {
		check.Keys = append(check.Keys, authorizer.Key{Name: "sts:SourceIdentity", Values: []string{v.claims.SourceIdentity}})
	}
	parameters, err := samlParameters(in, v)
	if err != nil {
		return nil, err
	}
	qualifier := saml.NameQualifier(v.assertion.Issuer, p.Account, p.Name)
	return &gate.Assertion{
		Caller: caller, Account: p.Account, Checks: sessionChecks(check, len(v.claims.Tags) > 0, v.claims.SourceIdentity != ""), Verified: v,
		Provider: p.ARN(), ProviderType: "AWS::IAM::SAMLProvider", RequestParameters: parameters,
		Identity: trail.Identity{ // S2-396
			Type: trail.TypeSAMLUser, PrincipalID: qualifier + ":" + v.assertion.Subject, UserName: v.assertion.Subject, IdentityProvider: qualifier,
		},
	}, nil
}

// samlParameters are the request's parameters as its event has them: with the assertion's ID, never the assertion, and with the
// session name that it states (S2-414).
func samlParameters(in *shape.AssumeRoleWithSAMLRequest, v *samlCaller) (json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(in.AppendEvent(nil), &all); err != nil {
		return nil, fault.Wrap(err, "reading the parameters of an event")
	}
	delete(all, "sAMLAssertion")
	for name, value := range map[string]string{"SAMLAssertionID": v.assertion.ID, "roleSessionName": v.claims.SessionName} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fault.Wrap(err, "writing the parameters of an event")
		}
		all[name] = text
	}
	return json.Marshal(all)
}

func samlTags(c *saml.Claims) []entity.Tag {
	tags := make([]entity.Tag, 0, len(c.Tags))
	for _, t := range c.Tags {
		tags = append(tags, entity.Tag{Key: t.Key, Value: t.Value})
	}
	return tags
}

// samlLife is how long the session lasts: as asked for, an hour by default, within the role's maximum; not longer than the
// assertion wants it, nor than the subject's session with the provider (S2-183, S2-207; DurationSeconds of AssumeRoleWithSAML,
// API Reference).
func samlLife(c *gate.Call, r snapshot.Role, seconds *int, v *samlCaller) (time.Duration, error) {
	life, err := roleLife(c, r, seconds)
	if err != nil {
		return 0, err
	}
	if d := v.claims.Duration; d > 0 {
		life = min(life, d)
	}
	if until := v.assertion.SessionUntil; !until.IsZero() {
		life = min(life, until.Sub(c.Now()))
	}
	if life < time.Second {
		return 0, fault.New(fault.ExpiredIdentityToken, "Response has expired")
	}
	return life, nil
}

// AssumeRoleWithSAML gives credentials of a role session to somebody whom a SAML provider vouches for. Who may have them was
// decided by the role's trust policy.
func (s *service) AssumeRoleWithSAML(ctx context.Context, c *gate.Call, in *shape.AssumeRoleWithSAMLRequest) (*shape.AssumeRoleWithSAMLResponse, error) {
	r, ok := findRole(c.Snapshot, in.RoleArn)
	if !ok {
		return nil, &fault.Error{Kind: fault.Internal, Subject: in.RoleArn} // a role that is not there cannot have been allowed
	}
	v := c.Asserted.Verified.(*samlCaller)
	life, err := samlLife(c, r, in.DurationSeconds, v)
	if err != nil {
		return nil, err
	}
	claims := roleSession(c, r, v.claims.SessionName, life)
	claims.Provider, claims.SourceIdentity, claims.Direct = v.provider.ARN(), v.claims.SourceIdentity, true
	for _, k := range v.assertion.StayingKeys(v.provider.Account, v.provider.Name) {
		claims.Context = append(claims.Context, session.ContextKey{Key: k.Name, Values: k.Values})
	}
	if err := setTags(claims, c.Caller, samlTags(v.claims), v.claims.TransitiveTags); err != nil {
		return nil, fault.New(fault.InvalidIdentityToken, "%s", fault.MessageOf(err)) // the provider's mistake, not the caller's
	}
	if err := s.setPolicies(claims, c, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	issued, err := s.issue(c, claims, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	if err := s.useUp(ctx, v); err != nil {
		return nil, err
	}
	qualifier := saml.NameQualifier(v.assertion.Issuer, v.provider.Account, v.provider.Name)
	return &shape.AssumeRoleWithSAMLResponse{
		Credentials: issued.credentials, SessionTokenSize: &issued.size, SessionTokenUtilization: &issued.utilization, PackedPolicySize: issued.packed,
		Audience: &v.assertion.Recipient, // not the audience (S2-178)
		Issuer:   &v.assertion.Issuer, Subject: &v.assertion.Subject, SubjectType: new(v.assertion.SubjectType()), NameQualifier: &qualifier,
		AssumedRoleUser: assumed(claims), SourceIdentity: stated(claims.SourceIdentity),
	}, nil
}

// useUp uses up the assertion where operator or provider want that it be used once (D18). It is the last step, so that what is
// refused uses nothing up.
func (s *service) useUp(ctx context.Context, v *samlCaller) error {
	if !v.provider.SingleUse && !v.assertion.OneTimeUse {
		return nil
	}
	if s.assertions == nil {
		return errors.New("sts: an assertion is to be used once and nothing remembers")
	}
	return s.assertions.UseAssertion(ctx, v.provider.Account, v.provider.ID, v.assertion.ID, v.assertion.Forget)
}
