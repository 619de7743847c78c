package oidc

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Claims that AWS gives a meaning ("Passing session tags using AssumeRoleWithWebIdentity" in the IAM User Guide).
const (
	claimTags           = "https://aws.amazon.com/tags"
	claimTagPrefix      = "https://aws.amazon.com/tags/principal_tags/" // the flat form: one claim for each tag
	claimTransitive     = "https://aws.amazon.com/tags/transitive_tag_keys"
	claimSourceIdentity = "https://aws.amazon.com/source_identity"
)

// Tag is a session tag that the token sets.
type Tag struct{ Key, Value string }

// Key is a condition key with its values.
type Key struct {
	Name   string // "idp.example:sub"
	Values []string
	// Session says that the key stays with the session; others are for the trust policy alone.
	Session bool
}

// Identity is what a verified token says.
type Identity struct {
	Subject  string
	Audience string // the client ID that counts: azp, or aud where there is none
	Keys     []Key  // in a fixed order

	Tags              []Tag // in the order of their keys
	TransitiveTagKeys []string
	SourceIdentity    string
	Expires           time.Time
}

// claims are a token's claims as they are used.
type claims struct {
	issuer, subject            string
	audiences                  []string
	party                      string // azp; empty: none
	issued, expires, notBefore time.Time
	amr                        []string
	tags                       []Tag
	transitive                 []string
	source                     string
	others                     map[string]json.RawMessage
}

func readClaims(o map[string]json.RawMessage) (*claims, error) {
	c := &claims{others: o}
	var ok bool
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat"} {
		if _, ok := o[name]; !ok {
			return nil, invalid(sayMissing+name, nil)
		}
	}
	if c.issuer, ok = text(o, "iss"); !ok || c.issuer == "" {
		return nil, invalid(sayClaim+"iss", nil)
	}
	if c.subject, ok = text(o, "sub"); !ok || c.subject == "" || utf8.RuneCountInString(c.subject) > maxSubject || strings.ContainsFunc(c.subject, unicode.IsControl) {
		return nil, invalid(sayClaim+"sub", nil)
	}
	if c.audiences, ok = texts(o, "aud"); !ok || len(c.audiences) == 0 || slices.Contains(c.audiences, "") {
		return nil, invalid(sayClaim+"aud", nil)
	}
	if c.expires, ok = number(o, "exp"); !ok {
		return nil, invalid(sayClaim+"exp", nil)
	}
	if c.issued, ok = number(o, "iat"); !ok {
		return nil, invalid(sayClaim+"iat", nil)
	}
	if _, there := o["nbf"]; there {
		if c.notBefore, ok = number(o, "nbf"); !ok {
			return nil, invalid(sayClaim+"nbf", nil)
		}
	}
	if _, there := o["azp"]; there {
		if c.party, ok = text(o, "azp"); !ok || c.party == "" {
			return nil, invalid(sayClaim+"azp", nil)
		}
	}
	if _, there := o["amr"]; there {
		if c.amr, ok = texts(o, "amr"); !ok {
			return nil, invalid(sayClaim+"amr", nil)
		}
	}
	if _, there := o[claimSourceIdentity]; there {
		if c.source, ok = text(o, claimSourceIdentity); !ok || c.source == "" {
			return nil, invalid(sayClaim+claimSourceIdentity, nil)
		}
	}
	return c, c.readTags(o)
}

// readTags reads session tags in either form: one claim with principal_tags and transitive_tag_keys, or a claim for each tag. A
// value is a text, or a list of one. A tag that is given twice is refused.
func (c *claims) readTags(o map[string]json.RawMessage) error {
	bad := invalid(sayClaim+claimTags, nil)
	found := make(map[string]string)
	add := func(tags map[string]json.RawMessage, prefix string) bool {
		for name := range tags {
			key, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			values, ok := texts(tags, name)
			if _, twice := found[key]; !ok || len(values) != 1 || twice {
				return false
			}
			found[key] = values[0]
		}
		return true
	}
	if !add(o, claimTagPrefix) {
		return bad
	}
	if raw, there := o[claimTags]; there {
		outer, err := object(raw)
		if err != nil {
			return bad
		}
		for name := range outer {
			if name != "principal_tags" && name != "transitive_tag_keys" {
				return bad
			}
		}
		if inner, there := outer["principal_tags"]; there {
			tags, err := object(inner)
			if err != nil || !add(tags, "") {
				return bad
			}
		}
		if !c.addTransitive(outer, "transitive_tag_keys") {
			return bad
		}
	}
	if !c.addTransitive(o, claimTransitive) {
		return bad
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		c.tags = append(c.tags, Tag{key, found[key]})
	}
	return nil
}

func (c *claims) addTransitive(o map[string]json.RawMessage, name string) bool {
	if _, there := o[name]; !there {
		return true
	}
	keys, ok := texts(o, name)
	if !ok || c.transitive != nil {
		return false
	}
	c.transitive = keys
	return true
}

// texts reads a string, or an array of strings.
func texts(o map[string]json.RawMessage, name string) (all []string, ok bool) {
	if one, ok := text(o, name); ok {
		return []string{one}, true
	}
	raw := o[name]
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var values []*string // null is no string
	if json.Unmarshal(raw, &values) != nil {
		return nil, false
	}
	all = make([]string, 0, len(values))
	for _, v := range values {
		if v == nil {
			return nil, false
		}
		all = append(all, *v)
	}
	return all, true
}

// identity is what is told of verified claims.
func (c *claims) identity(p *Provider) *Identity {
	id := &Identity{Subject: c.subject, Audience: c.party, Tags: c.tags, TransitiveTagKeys: c.transitive, SourceIdentity: c.source, Expires: c.expires}
	if id.Audience == "" {
		id.Audience = c.audiences[0]
	}
	// Names of keys begin with the provider's URL without its scheme (S2-144, S2-145; "Available keys for AWS OIDC federation").
	provider := strings.TrimPrefix(p.Issuer, "https://")
	add := func(name string, session bool, values ...string) {
		id.Keys = append(id.Keys, Key{provider + ":" + name, values, session})
	}
	add("sub", true, c.subject)
	add("aud", true, id.Audience)
	add("oaud", false, c.audiences...)
	if len(c.amr) > 0 {
		add("amr", true, c.amr...)
	}
	for _, name := range append([]string{"email"}, namedClaims(provider)...) {
		if value, ok := scalar(c.others[name]); ok {
			add(name, false, value)
		}
	}
	return id
}

// scalar is a text, number or truth value as a condition's value.
func scalar(raw json.RawMessage) (string, bool) {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case bool, float64:
		return string(raw), true
	}
	return "", false
}

// The claims of well-known providers that trust policies can test (Service Authorization Reference, sts, as of 2026).
var (
	gitHubClaims = []string{"actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id",
		"repository_owner_id", "workflow"}
	gitLabClaims = []string{"namespace_id", "pipeline_source", "project_id", "ref_protected", "runner_environment", "user_access_level",
		"user_email", "user_id", "user_login"}
	buildkiteClaims = []string{"build_branch", "cluster_id", "cluster_name", "organization_id", "organization_slug", "pipeline_id", "pipeline_slug"}
)

// namedClaims are the claims of the provider, by its URL without scheme, that have condition keys.
func namedClaims(provider string) []string {
	host, path, deep := strings.Cut(provider, "/")
	switch {
	case host == "token.actions.githubusercontent.com":
		return gitHubClaims
	case !deep && strings.HasPrefix(host, "token.actions.") && strings.HasSuffix(host, ".ghe.com"):
		return gitHubClaims
	case !deep && host == "gitlab.com":
		return gitLabClaims
	case !deep && host == "agent.buildkite.com":
		return buildkiteClaims
	case host == "oidc.circleci.com" && strings.HasPrefix(path, "org/"):
		return []string{"oidc.circleci.com/project-id"}
	}
	return nil
}
