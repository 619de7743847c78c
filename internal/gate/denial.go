package gate

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/denial"
)

// denial is AWS's sentence for a denied call. Somebody whom only an identity provider knows has no ARN that it could name.
func (g *Gate) denial(c *Call, d *authorizer.Decision) string {
	if c.Asserted != nil {
		return notAuthorized(d.Check.Action)
	}
	message := d.Message()
	if c.service.Encodes {
		if encoded := g.encoded(c, d); encoded != "" {
			message += ". Encoded authorization failure message: " + encoded
		}
	}
	return message
}

func notAuthorized(action string) string { return "Not authorized to perform " + action }

// encoded is the message that sts:DecodeAuthorizationMessage opens for callers of the denied caller's account. There is none where
// the resource is another account's: its tags and its policy are not for the caller's account to read. What keeps it from being made is
// logged; the call is denied all the same.
func (g *Gate) encoded(c *Call, d *authorizer.Decision) string {
	context := g.authorizer.Context(c.Snapshot, c.Caller, &c.Env, d.Check)
	own := slices.ContainsFunc(context, func(k authorizer.Key) bool {
		return k.Name == "aws:ResourceAccount" && slices.Equal(k.Values, []string{c.Account()})
	})
	if !own {
		return ""
	}
	x := g.authorizer.Explain(c.Snapshot, c.Caller, &c.Env, d.Check)
	message, err := denial.Of(c.Caller, d.Check, x, context).Seal(g.ring, c.Account(), c.Now())
	if err != nil {
		g.log.Error("an authorization message could not be made", "request", c.event.requestID, "err", err)
	}
	return message
}
