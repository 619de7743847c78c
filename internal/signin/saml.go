package signin

import (
	"net/http"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// ResponseReader reads what SAML responses offer: the service of STS does.
type ResponseReader interface {
	Read(s *snapshot.Snapshot, response secret.Text, now time.Time) (*saml.Offer, error)
}

// samlResponse signs somebody in with a SAML response (S2-212): it calls AssumeRoleWithSAML for them and begins a console session with
// what it gets. The session lasts as long as the assertion says, an hour where it does not, not longer than the provider's own session
// with the user, and what is longer than the role's maximum is refused, as AWS's sign-in does (S2-181, S2-182, S2-214).
//
// A response that offers several roles needs roleIndex, the ARN of one of them, as AWS's page of roles sends it; without it the answer is
// 300 with the roles to choose from (S2-213). RelayState is where to go, if it is a destination of [Destinations]; identity providers use
// it for notes of their own, so that anything else leads to the console's home.
func (h *Handler) samlResponse(w http.ResponseWriter, r *http.Request) {
	began := h.now()
	if err := h.signInWithSAML(w, r); err != nil {
		h.refuse(w, r, "saml", began, err)
		return
	}
	h.meter.Request(apiName, "saml", "", h.now().Sub(began))
}

func (h *Handler) signInWithSAML(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r, maxSAML, "SAMLResponse", "RelayState", "roleIndex")
	if err != nil {
		return err
	}
	if h.saml == nil || f["SAMLResponse"] == "" {
		return invalid("There is no SAMLResponse.")
	}
	if err := h.gate.Stranger(r, nil); err != nil { // verifying costs something, whoever asks
		return err
	}
	s, err := h.gate.Current()
	if err != nil {
		return err
	}
	offer, err := h.saml.Read(s, secret.New(f["SAMLResponse"]), h.now())
	if err != nil {
		return err
	}
	pair, chosen, err := choose(offer.Roles, f["roleIndex"])
	if err != nil {
		return err
	}
	if !chosen {
		h.offerRoles(w, offer.Roles)
		return nil
	}
	in := &shape.AssumeRoleWithSAMLRequest{RoleArn: pair.Role, PrincipalArn: pair.Provider, SAMLAssertion: secret.New(f["SAMLResponse"])}
	if offer.Duration > 0 {
		n := int(offer.Duration / time.Second)
		in.DurationSeconds = &n
	}
	out, err := h.gate.Present(r.Context(), r, shape.API, "AssumeRoleWithSAML", in)
	if err != nil {
		return err
	}
	issued, err := session.Open(h.ring, out.(*shape.AssumeRoleWithSAMLResponse).Credentials.SessionToken.Reveal())
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Subject: pair.Role, Cause: err} // it was issued a moment ago
	}
	claims, err := h.asConsole(issued, issued.Expires)
	if err != nil {
		return err
	}
	holder, err := h.gate.Standing(r.Context(), claims)
	if err != nil {
		return err
	}
	to, err := h.destinations.Resolve(f["RelayState"])
	if err != nil {
		to = ConsolePath + "/"
	}
	return h.begin(w, r, holder, "", to, to)
}

// choose is the pair that the user wants: the one there is, or the one that they named.
func choose(pairs []saml.RolePair, role string) (pair saml.RolePair, chosen bool, err error) {
	if role == "" {
		return pairs[0], len(pairs) == 1, nil
	}
	at := slices.IndexFunc(pairs, func(p saml.RolePair) bool { return p.Role == role })
	if at < 0 {
		return pair, false, fault.New(fault.Denied, saml.NotAuthorized)
	}
	return pairs[at], true, nil
}

// offerRoles answers with the roles to choose from.
func (h *Handler) offerRoles(w http.ResponseWriter, pairs []saml.RolePair) {
	type role struct {
		Role     string `json:"RoleArn"`
		Provider string `json:"PrincipalArn"`
	}
	answer := struct{ Roles []role }{}
	for _, p := range pairs {
		answer.Roles = append(answer.Roles, role(p))
	}
	writeJSON(w, http.StatusMultipleChoices, answer)
}
