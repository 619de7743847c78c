package authorizer

import (
	"cmp"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// Message is AWS's sentence for a denial: who, which action, which resource, and why (S4-M6). Why is left out where it would
// tell a caller of another account something about the resource's owner: AWS leaves it out there too.
func (d *Decision) Message() string {
	var b strings.Builder
	b.WriteString("User: ")
	b.WriteString(cmp.Or(d.Caller.Principal.ARN, d.Caller.Principal.Service))
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(d.Check.Action)
	if resource := cmp.Or(d.Check.Shown, d.Check.Resource); resource != "" {
		b.WriteString(" on resource: ")
		b.WriteString(resource)
	}
	if why := d.why(); why != "" {
		b.WriteByte(' ')
		b.WriteString(why)
	}
	return b.String()
}

func (d *Decision) why() string {
	foreign := d.Check.ResourceAccount != "" && d.Check.ResourceAccount != d.Caller.Principal.Account
	if foreign && (d.Layer == policy.LayerResource || d.Layer == policy.LayerResourceControl) {
		return ""
	}
	kind := d.layerName()
	if kind == "" {
		return ""
	}
	if d.Explicit {
		article := "a "
		if kind[0] == 'i' {
			article = "an "
		}
		return "with an explicit deny in " + article + kind
	}
	return "because no " + kind + " allows the " + d.Check.Action + " action"
}

// layerName is AWS's name for the kind of policy that decided.
func (d *Decision) layerName() string {
	switch d.Layer {
	case policy.LayerIdentity:
		return "identity-based policy"
	case policy.LayerResource:
		if d.Check.Trust {
			return "role trust policy"
		}
		return "resource-based policy"
	case policy.LayerBoundary:
		return "permissions boundary"
	case policy.LayerSession:
		return "session policy"
	case policy.LayerServiceControl:
		return "service control policy"
	case policy.LayerResourceControl:
		return "resource control policy"
	case policy.LayerNone:
		return ""
	}
	return ""
}
