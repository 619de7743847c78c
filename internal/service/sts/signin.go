package sts

import (
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// maxSignInRoles is how many pairs of an assertion the sign-in endpoint looks at: a page could not show more.
const maxSignInRoles = 200

// SignIn answers what the sign-in endpoint asks about SAML responses before and after AssumeRoleWithSAML, which it calls for the user
// (S2-212). It is safe for concurrent use.
type SignIn struct{ s *service }

// NewSignIn returns it, for the settings of the service itself: Ring and SAMLEndpoints are needed.
func NewSignIn(c Config) *SignIn {
	return &SignIn{&service{ring: c.Ring, samlEndpoints: c.SAMLEndpoints}}
}

// Read returns what a SAML response offers: the pairs of role and provider in its order (S2-213). The response is verified with the
// keys of every provider that it names, and pairs are returned whose provider it verifies for and whose role is of that provider's
// account; whether there are such roles, and whether they let the subject in, is told by AssumeRoleWithSAML. Where it verifies for none,
// the error is that of the first. An encrypted response is refused: it does not say openly whose it is.
func (i *SignIn) Read(s *snapshot.Snapshot, response secret.Text, now time.Time) (*saml.Offer, error) {
	raw, err := saml.Decode(response.Reveal())
	if err != nil {
		return nil, err
	}
	providers, err := saml.Providers(raw)
	if err != nil {
		return nil, err
	}
	offer := new(saml.Offer)
	var refusal error
	for _, provider := range providers[:min(len(providers), maxSignInRoles)] {
		claims, err := i.verified(s, provider, raw, now)
		if err != nil {
			if refusal == nil {
				refusal = err
			}
			continue
		}
		offer.Roles, offer.Duration = append(offer.Roles, claims.Roles...), claims.Duration
	}
	switch {
	case len(offer.Roles) == 0 && refusal != nil:
		return nil, refusal
	case len(offer.Roles) == 0:
		return nil, fault.New(fault.Denied, saml.NotAuthorized)
	case len(offer.Roles) > maxSignInRoles:
		return nil, fault.New(fault.InvalidIdentityToken, "The SAML response offers more than %d roles.", maxSignInRoles)
	}
	return offer, nil
}

// verified is what the response asks for with one provider, once it is verified with that one's keys.
func (i *SignIn) verified(s *snapshot.Snapshot, provider string, raw []byte, now time.Time) (*saml.Claims, error) {
	p, err := samlProvider(s, provider)
	if err != nil {
		return nil, err
	}
	trust, err := i.s.trust(p)
	if err != nil {
		return nil, err
	}
	a, err := saml.Verify(raw, trust, now)
	if err != nil {
		return nil, err
	}
	claims, err := a.Claims()
	if err != nil {
		return nil, err
	}
	claims.Roles = slices.DeleteFunc(claims.Roles, func(pair saml.RolePair) bool {
		account, ok := roleAccount(pair.Role)
		return pair.Provider != provider || !ok || account != p.Account
	})
	return claims, nil
}
