package authorizer_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/policy"
)

// TestMessages is the table of AWS's sentences (S4-M6).
func TestMessages(t *testing.T) {
	caller := &authorizer.Caller{Principal: policy.Principal{ARN: "arn:aws:iam::111122223333:user/ann", Account: acct}}
	const who = "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: s3:GetObject"
	const on = who + " on resource: arn:aws:s3:::b"
	plain := authorizer.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::b"}
	own, foreign, trust, foreignTrust, shown, nowhere := plain, plain, plain, plain, plain, plain
	own.ResourceAccount, foreign.ResourceAccount, foreignTrust.ResourceAccount = acct, other, other
	trust.Trust, foreignTrust.Trust = true, true
	shown.Shown = "user bob"
	nowhere.Resource = ""
	for _, test := range []struct {
		layer    policy.Layer
		explicit bool
		check    authorizer.Check
		want     string
	}{
		{policy.LayerIdentity, false, plain, on + " because no identity-based policy allows the s3:GetObject action"},
		{policy.LayerIdentity, true, plain, on + " with an explicit deny in an identity-based policy"},
		{policy.LayerResource, false, plain, on + " because no resource-based policy allows the s3:GetObject action"},
		{policy.LayerResource, true, own, on + " with an explicit deny in a resource-based policy"},
		{policy.LayerResource, false, trust, on + " because no role trust policy allows the s3:GetObject action"},
		{policy.LayerResource, true, trust, on + " with an explicit deny in a role trust policy"},
		{policy.LayerBoundary, false, plain, on + " because no permissions boundary allows the s3:GetObject action"},
		{policy.LayerBoundary, true, plain, on + " with an explicit deny in a permissions boundary"},
		{policy.LayerSession, false, plain, on + " because no session policy allows the s3:GetObject action"},
		{policy.LayerSession, true, plain, on + " with an explicit deny in a session policy"},
		{policy.LayerServiceControl, false, plain, on + " because no service control policy allows the s3:GetObject action"},
		{policy.LayerServiceControl, true, plain, on + " with an explicit deny in a service control policy"},
		{policy.LayerResourceControl, false, plain, on + " because no resource control policy allows the s3:GetObject action"},
		{policy.LayerResourceControl, true, plain, on + " with an explicit deny in a resource control policy"},
		{policy.LayerNone, false, plain, on},
		// What the owner of a foreign resource has decided is not the caller's to know; what their own account has is.
		{policy.LayerResource, false, foreign, on}, {policy.LayerResource, true, foreign, on},
		{policy.LayerResource, false, foreignTrust, on}, {policy.LayerResource, true, foreignTrust, on},
		{policy.LayerResourceControl, true, foreign, on},
		{policy.LayerIdentity, false, foreign, on + " because no identity-based policy allows the s3:GetObject action"},
		{policy.LayerServiceControl, true, foreign, on + " with an explicit deny in a service control policy"},
		{policy.LayerIdentity, false, shown, who + " on resource: user bob because no identity-based policy allows the s3:GetObject action"},
		{policy.LayerIdentity, false, nowhere, who + " because no identity-based policy allows the s3:GetObject action"},
	} {
		d := authorizer.Decision{Caller: caller, Check: &test.check, Decision: policy.Decision{Layer: test.layer, Explicit: test.explicit}}
		if got := d.Message(); got != test.want {
			t.Errorf("%v, explicit %v:\ngot  %s\nwant %s", test.layer, test.explicit, got, test.want)
		}
	}
}
