package policygen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

var types = map[policy.PrincipalType]string{policy.User: "user", policy.Root: "root", policy.AssumedRole: "assumed-role", policy.FederatedUser: "federated-user",
	policy.WebIdentity: "web-identity", policy.SAML: "saml", policy.ServicePrincipal: "service", policy.Anonymous: "anonymous"}

// Archive writes the case as package policytest reads it, with the given expectation. What the format cannot hold has to be
// repaired by hand: text that is no UTF-8 or begins with a space comes in Go's notation, and the ARN of a holder of a provider's token is
// left out.
func (c *Case) Archive(title, expect string) string {
	var b strings.Builder
	c.Documents(func(name string, _ policy.Kind, d *policy.Document) {
		text, err := d.MarshalJSON()
		if err != nil {
			text = []byte(err.Error())
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, text, "", " ") != nil || len(text) < 100 {
			pretty.Reset()
			pretty.Write(text)
		}
		fmt.Fprintf(&b, "-- %s --\n%s\n", name, &pretty)
	})
	if c.SessionPassed && len(c.Session) == 0 {
		b.WriteString("# an empty list of session policies was passed\n")
	}
	r := &c.Request
	fmt.Fprintf(&b, "-- case %s --\nprincipal: %s", title, types[r.Principal.Type])
	p := &r.Principal
	name, provider := p.ARN+p.Service, p.Provider
	if p.Type == policy.WebIdentity || p.Type == policy.SAML {
		name, provider = provider, ""
	}
	if name != "" {
		fmt.Fprintf(&b, " %s", plain(name))
	}
	for _, a := range [][2]string{{"id", p.UniqueID}, {"account", p.Account}, {"role", p.RoleARN}, {"issuer", p.IssuerUserARN}, {"provider", provider}} {
		if a[1] != "" {
			fmt.Fprintf(&b, " %s=%s", a[0], plain(a[1]))
		}
	}
	if p.ServiceLinked {
		b.WriteString(" service-linked")
	}
	fmt.Fprintf(&b, "\naction: %s\nresource: %s\n", plain(r.Action), plain(r.Resource))
	if r.ResourceAccount != "" {
		fmt.Fprintf(&b, "account: %s\n", r.ResourceAccount)
	}
	for name, values := range c.Question(nil).Context.All() {
		fmt.Fprintf(&b, "context: %s =", name)
		for i, v := range values {
			if i > 0 {
				b.WriteString(" |")
			}
			if v == "" {
				v = `""`
			}
			b.WriteString(" " + plain(v))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "expect: %s\n", expect)
	return b.String()
}

func plain(s string) string {
	if strings.TrimSpace(s) != s || strings.ToValidUTF8(s, "") != s || strings.ContainsAny(s, "\n\x00") {
		return fmt.Sprintf("%q", s)
	}
	return s
}
