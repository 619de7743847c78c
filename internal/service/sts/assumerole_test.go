package sts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// Reasons in denials.
const (
	noIdentity = "because no identity-based policy allows the sts:AssumeRole action"
	noTrust    = "because no role trust policy allows the sts:AssumeRole action"
)

// TestProvider: the SDK's own provider gets credentials of a role and uses them.
func TestProvider(t *testing.T) {
	checklist.Shows(t, "S2-88", "S2-298")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("iam:ListUsers", "*"))
	ann := w.user(a, "ann", allow("sts:AssumeRole", role))
	p := stscreds.NewAssumeRoleProvider(w.sts(ann), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = "work", 20*time.Minute
	})
	c, err := p.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(c.Expires); left > 20*time.Minute || left < 19*time.Minute {
		t.Errorf("expires in %s", left)
	}
	if _, err := w.iam(p).ListUsers(t.Context(), &sdkiam.ListUsersInput{}); err != nil {
		t.Error(err)
	}
	out, err := w.sts(c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Arn != "arn:aws:sts::"+a.id+":assumed-role/worker/work" || *out.Account != a.id || !strings.HasPrefix(*out.UserId, "AROA") || !strings.HasSuffix(*out.UserId, ":work") {
		t.Errorf("the session is %s, %s of %s", *out.Arn, *out.UserId, *out.Account)
	}
}

// packed is the PackedPolicySize of an answer.
func packed(out *sdk.AssumeRoleOutput) *int32 {
	//lint:ignore SA1019 clients still read it, deprecated or not
	return out.PackedPolicySize
}

// TestAnswer is the whole answer of AssumeRole.
func TestAnswer(t *testing.T) {
	checklist.Shows(t, "S1-387", "S1-391", "S2-94", "S2-108", "S2-109")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	out, err := w.assume(ann, role, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := out.Credentials; !strings.HasPrefix(*c.AccessKeyId, "ASIA") || len(*c.AccessKeyId) != 20 || len(*c.SecretAccessKey) != 40 || len(*c.SessionToken) > 4096 ||
		time.Until(*c.Expiration) > time.Hour || time.Until(*c.Expiration) < 59*time.Minute {
		t.Errorf("credentials %s until %v", *c.AccessKeyId, c.Expiration)
	}
	if u := out.AssumedRoleUser; *u.Arn != "arn:aws:sts::"+a.id+":assumed-role/worker/session" || !strings.HasPrefix(*u.AssumedRoleId, "AROA") {
		t.Errorf("user %s %s", *u.Arn, *u.AssumedRoleId)
	}
	if packed(out) != nil || out.SourceIdentity != nil {
		t.Error("nothing was packed, and no source identity given")
	}
	if out, err = w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy = document(allow("s3:*", "*")) }); err != nil {
		t.Fatal(err)
	}
	if p := packed(out); p == nil || *p < 1 || *p > 20 {
		t.Errorf("a short policy is packed to %v %%", p)
	}
}

// TestBothSidesMustAllow: who may have a session, in one account and across two (S2-101, S4-M12, S4-M15).
func TestBothSidesMustAllow(t *testing.T) {
	checklist.Shows(t, "S1-6", "S1-334", "S1-374", "S2-1", "S2-3", "S2-4", "S2-101", "S3-7", "S3-8", "S3-9", "S3-53", "S3-393")
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	may, mayNot := w.user(a, "may", allow("sts:*", "*")), w.user(a, "maynot")
	u, v := a.arn("user/may"), a.arn("user/maynot")
	byAccount := w.role(a, "byaccount", trusts(a.id))
	byName := w.role(a, "byname", trusts(v))
	closed := w.role(a, "closed", trusts(b.id))
	refuses := w.role(a, "refuses", *document(trust(a.id, "", "sts:AssumeRole"), strings.Replace(trust(u, "", "sts:AssumeRole"), "Allow", "Deny", 1)))
	theirs := w.role(b, "theirs", trusts(a.id))
	theirsByName := w.role(b, "theirsbyname", trusts(v))
	theirsClosed := w.role(b, "theirsclosed", trusts(b.id))

	for _, role := range []string{byAccount, theirs} {
		if _, err := w.assume(may, role, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.assume(mayNot, byName, nil); err != nil { // named in person, in the same account (S4-M7)
		t.Error(err)
	}
	try := func(c aws.Credentials, caller, role, why string) {
		t.Helper()
		_, err := w.assume(c, role, nil)
		denied(t, err, caller, "sts:AssumeRole", role, why)
	}
	try(mayNot, v, byAccount, noIdentity)
	try(mayNot, v, theirs, noIdentity)
	try(mayNot, v, theirsByName, noIdentity) // across accounts the name does not do
	try(may, u, refuses, "with an explicit deny in a role trust policy")
	// A role that is not there is answered like one that does not trust the caller.
	try(may, u, closed, noTrust)
	try(may, u, a.arn("role/nosuch"), noTrust)
	try(may, u, a.arn("role/path/byaccount"), noTrust)
	try(may, u, theirsClosed, "")
	try(may, u, b.arn("role/nosuch"), "")
	try(may, u, "arn:aws:iam::999999999999:role/nosuch", "")
	try(mayNot, v, theirsClosed, noIdentity)
	try(mayNot, v, b.arn("role/nosuch"), noIdentity)

	for _, bad := range []string{a.arn("user/may"), a.arn("role/"), "arn:aws:iam::aws:role/x1234567890", "arn:aws:s3:::role/bucket12345", strings.Repeat("x", 30)} {
		_, err := w.assume(may, bad, nil)
		refused(t, err, 400, "ValidationError", bad+" is invalid")
	}
}

// TestRootAssumesNothing (D1, S2-100), with its long-term key or a session of it.
func TestRootAssumesNothing(t *testing.T) {
	checklist.Shows(t, "S2-100", "S2-381")
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	const say = "Roles may not be assumed by root accounts."
	for _, role := range []string{w.role(a, "ours", trusts(a.id)), w.role(b, "theirs", trusts(a.arn("root"))), a.arn("role/nosuch")} {
		_, err := w.assume(a.root, role, nil)
		refused(t, err, 403, "AccessDenied", say)
		out, err := w.sts(a.root).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.assume(credentials(out.Credentials), role, nil)
		refused(t, err, 403, "AccessDenied", say)
	}
}

// TestExternalID (S2-113 to S2-116).
func TestExternalID(t *testing.T) {
	checklist.Shows(t, "S2-113", "S2-114", "S2-116", "S3-394")
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	role := w.role(b, "deputy", *document(trust(a.id, `{"StringEquals":{"sts:ExternalId":"12345"}}`, "sts:AssumeRole")))
	plain := w.role(b, "plain", trusts(a.id))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	with := func(id string) func(*sdk.AssumeRoleInput) {
		return func(in *sdk.AssumeRoleInput) { in.ExternalId = &id }
	}
	w.session(ann, role, with("12345"))
	for _, change := range []func(*sdk.AssumeRoleInput){nil, with("67890"), with("123456")} {
		_, err := w.assume(ann, role, change)
		denied(t, err, a.arn("user/ann"), "sts:AssumeRole", role, "")
	}
	w.session(ann, plain, with("12345")) // harmless where nobody asks
}

// TestSessionPolicies: inline and managed ones add up, and limit what the role may (S2-103, S4-M21).
func TestSessionPolicies(t *testing.T) {
	checklist.Shows(t, "S2-103", "S2-338")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("iam:ListUsers", "*"), allow("iam:ListGroups", "*"))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	root := w.iam(static(a.root))
	made, err := root.CreatePolicy(t.Context(), &sdkiam.CreatePolicyInput{PolicyName: aws.String("users"), PolicyDocument: document(allow("iam:ListUsers", "*"))})
	if err != nil {
		t.Fatal(err)
	}
	managed := made.Policy.Arn
	const aws1 = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
	policies := func(arns ...string) (out []types.PolicyDescriptorType) {
		for i := range arns {
			out = append(out, types.PolicyDescriptorType{Arn: &arns[i]})
		}
		return out
	}
	for name, test := range map[string]struct {
		inline *string
		arns   []string
		want   string
	}{
		"none":                       {nil, nil, "users groups"},
		"inline":                     {document(allow("iam:ListGroups", "*")), nil, "groups"},
		"inline, more than the role": {document(allow("*", "*")), nil, "users groups"},
		"inline, something else":     {document(allow("s3:*", "*")), nil, ""},
		"inline, a deny":             {document(allow("*", "*"), strings.Replace(allow("iam:ListUsers", "*"), "Allow", "Deny", 1)), nil, "groups"},
		"managed":                    {nil, []string{*managed}, "users"},
		"managed by AWS":             {nil, []string{aws1}, "users groups"},
		"both":                       {document(allow("iam:ListGroups", "*")), []string{*managed}, "users groups"},
	} {
		c := w.session(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy, in.PolicyArns = test.inline, policies(test.arns...) })
		if got := w.may(c); got != test.want {
			t.Errorf("%s: may list %q, want %q", name, got, test.want)
		}
	}

	// What a managed one says counts when the session is used; one that is gone grants nothing.
	c := w.session(ann, role, func(in *sdk.AssumeRoleInput) { in.PolicyArns = policies(*managed) })
	both := w.session(ann, role, func(in *sdk.AssumeRoleInput) {
		in.Policy, in.PolicyArns = document(allow("iam:ListGroups", "*")), policies(*managed)
	})
	if _, err := root.CreatePolicyVersion(t.Context(), &sdkiam.CreatePolicyVersionInput{PolicyArn: managed, PolicyDocument: document(allow("iam:ListGroups", "*")), SetAsDefault: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.may(c); got != "groups" {
		t.Errorf("after a new version: %q", got)
	}
	if _, err := root.DeletePolicyVersion(t.Context(), &sdkiam.DeletePolicyVersionInput{PolicyArn: managed, VersionId: aws.String("v1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.DeletePolicy(t.Context(), &sdkiam.DeletePolicyInput{PolicyArn: managed}); err != nil {
		t.Fatal(err)
	}
	if got := w.may(c); got != "" {
		t.Errorf("with a deleted session policy: %q", got)
	}
	if got := w.may(both); got != "groups" {
		t.Errorf("with a deleted session policy beside another: %q", got)
	}
	_, err = w.iam(static(c)).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/worker/session", "iam:ListUsers", a.arn("user/"), "because no session policy allows the iam:ListUsers action")
}

// TestBadSessionPolicies: every way to get them wrong.
func TestBadSessionPolicies(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	role := w.role(a, "worker", trusts(a.id))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	theirs, err := w.iam(static(b.root)).CreatePolicy(t.Context(), &sdkiam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: document(allow("*", "*"))})
	if err != nil {
		t.Fatal(err)
	}
	for text, say := range map[string]string{
		`x`:                              "Syntax errors in policy.",
		`{"Version":"2012-10-17"}`:       "Syntax errors in policy.",
		*document(allow("nocolon", "*")): "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		*document(allow("s3:*", "x")):    `Resource x must be in ARN format or "*".`,
		trusts(a.id):                     "Policy document should not specify a principal.",
	} {
		_, err := w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy = &text })
		refused(t, err, 400, "MalformedPolicyDocument", say)
	}
	arns := func(list ...string) func(*sdk.AssumeRoleInput) {
		return func(in *sdk.AssumeRoleInput) {
			for i := range list {
				in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &list[i]})
			}
		}
	}
	for _, arn := range []string{a.arn("policy/nosuch"), *theirs.Policy.Arn, "arn:aws:iam::aws:policy/NoSuchPolicy"} {
		_, err := w.assume(ann, role, arns(arn))
		refused(t, err, 400, "InvalidParameterValue", "The session policy "+arn+" does not exist or is not a managed policy of the account.")
	}
	eleven := make([]string, 11)
	for i := range eleven {
		eleven[i] = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	}
	_, err = w.assume(ann, role, arns(eleven...))
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")
	w.session(ann, role, arns(eleven[:10]...))

	long := allow("s3:GetObject", "arn:aws:s3:::"+strings.Repeat("b", 2048-len(*document(allow("s3:GetObject", "arn:aws:s3:::")))))
	w.session(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy = document(long) })
	_, err = w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy = aws.String(*document(long) + " ") })
	refused(t, err, 400, "PackedPolicyTooLarge", "The session policies are longer than 2048 characters together.")
}

// TestDuration holds D1.
func TestDuration(t *testing.T) {
	checklist.Shows(t, "S1-394")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("sts:*", "*"))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	root := w.iam(static(a.root))
	lasting := func(seconds int32) func(*sdk.AssumeRoleInput) {
		return func(in *sdk.AssumeRoleInput) { in.DurationSeconds = &seconds }
	}
	checklist.Shows(t, "S2-332")
	tooLong := "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
	_, err := w.assume(ann, role, lasting(3601))
	refused(t, err, 400, "ValidationError", tooLong)
	_, err = w.assume(ann, role, lasting(899))
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")
	_, err = w.assume(ann, role, lasting(43201))
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200")

	if _, err := root.UpdateRole(t.Context(), &sdkiam.UpdateRoleInput{RoleName: aws.String("worker"), MaxSessionDuration: aws.Int32(43200)}); err != nil {
		t.Fatal(err)
	}
	out, err := w.assume(ann, role, lasting(43200))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 12*time.Hour || left < 12*time.Hour-time.Minute {
		t.Errorf("lasts %s", left)
	}
	if out, err = w.assume(ann, role, nil); err != nil || time.Until(*out.Credentials.Expiration) > time.Hour {
		t.Errorf("without a duration: %v, %v", out, err) // never the role's maximum
	}

	// Chaining: more than an hour is refused, and not cut, whatever the role allows.
	checklist.Shows(t, "S2-100")
	chained := w.session(ann, role, nil)
	_, err = w.assume(chained, role, lasting(3601))
	refused(t, err, 400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	twice := w.session(chained, role, lasting(3600))
	_, err = w.assume(twice, role, lasting(3601))
	refused(t, err, 400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
}

func tags(pairs ...string) (out []types.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// TestTags: session tags need sts:TagSession in the trust policy; transitive ones go on through two hops and cannot be changed
// (S4-M39).
func TestTags(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	red := func(key string) string {
		return `{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/` + key + `":"red"}}}`
	}
	tagged := *document(trust(a.id, "", "sts:AssumeRole", "sts:TagSession"))
	role := w.role(a, "worker", tagged, red("color"), allow("sts:*", "*"))
	untagged := w.role(a, "untagged", trusts(a.id), red("color"))
	picky := w.role(a, "picky", *document(trust(a.id, "", "sts:AssumeRole"), trust(a.id, `{"StringEquals":{"aws:RequestTag/color":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["Color"]}}`, "sts:TagSession")))
	keeping := w.role(a, "keeping", *document(trust(a.id, "", "sts:AssumeRole"), trust(a.id, `{"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":["Color"]}}`, "sts:TagSession")))
	ann := w.user(a, "ann", allow("sts:*", "*"))
	color := func(value string, transitive ...string) func(*sdk.AssumeRoleInput) {
		return func(in *sdk.AssumeRoleInput) { in.Tags, in.TransitiveTagKeys = tags("Color", value), transitive }
	}
	const noTag = "because no role trust policy allows the sts:TagSession action"
	caller := a.arn("user/ann")

	for value, want := range map[string]string{"red": "users", "blue": ""} {
		if got := w.may(w.session(ann, role, color(value))); got != want {
			t.Errorf("color %s: %q", value, got)
		}
	}
	_, err := w.assume(ann, untagged, color("red"))
	denied(t, err, caller, "sts:TagSession", untagged, noTag)
	w.session(ann, picky, color("red"))
	_, err = w.assume(ann, picky, color("blue"))
	denied(t, err, caller, "sts:TagSession", picky, noTag)
	_, err = w.assume(ann, picky, func(in *sdk.AssumeRoleInput) { in.Tags = tags("color", "red", "size", "big") })
	denied(t, err, caller, "sts:TagSession", picky, noTag)
	w.session(ann, keeping, color("red", "Color"))
	_, err = w.assume(ann, keeping, color("red"))
	denied(t, err, caller, "sts:TagSession", keeping, noTag)

	// The role's own tags count, and the session's override them.
	if _, err := w.iam(static(a.root)).TagRole(t.Context(), &sdkiam.TagRoleInput{RoleName: aws.String("worker"),
		Tags: []iamtypes.Tag{{Key: aws.String("COLOR"), Value: aws.String("red")}}}); err != nil {
		t.Fatal(err)
	}
	if got := w.may(w.session(ann, role, nil)); got != "users" {
		t.Errorf("by the role's tag: %q", got)
	}
	if got := w.may(w.session(ann, role, color("blue"))); got != "" {
		t.Errorf("the session's tag does not override the role's: %q", got)
	}

	// Transitive tags.
	second := w.role(a, "second", tagged, red("color"), allow("sts:*", "*"))
	third := w.role(a, "third", tagged, red("color"))
	one := w.session(ann, role, func(in *sdk.AssumeRoleInput) {
		in.Tags, in.TransitiveTagKeys = tags("color", "red", "size", "big"), []string{"color"}
	})
	two := w.session(one, second, func(in *sdk.AssumeRoleInput) { in.Tags = tags("size", "small") })
	three := w.session(two, third, nil)
	for i, c := range []aws.Credentials{one, two, three} {
		if got := w.may(c); got != "users" {
			t.Errorf("after hop %d: %q", i+1, got)
		}
	}
	plain := w.session(ann, role, color("red"))
	if got := w.may(w.session(plain, second, nil)); got != "" {
		t.Errorf("a tag that is not transitive went on: %q", got)
	}
	_, err = w.assume(two, third, color("blue"))
	refused(t, err, 400, "InvalidParameterValue", "One or more of the tags specified in the request are already set as transitive tags in the calling session.")
	_, err = w.assume(two, untagged, nil) // tags that go on need the permission too
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/second/session", "sts:TagSession", untagged, noTag)

	for _, test := range []struct {
		tags       []types.Tag
		transitive []string
		say        string
	}{
		{tags("a", "1", "A", "2"), nil, "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{tags("a", "1"), []string{"b"}, "The specified transitive tag key must be included in the requested tags."},
		{tags("aws:x", "1"), nil, "Tag keys that begin with aws: are reserved and cannot be set: aws:x"},
	} {
		_, err := w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.Tags, in.TransitiveTagKeys = test.tags, test.transitive })
		refused(t, err, 400, "InvalidParameterValue", test.say)
	}
}

// TestSourceIdentity: setting one needs sts:SetSourceIdentity, and it stays through chaining (S4-M39).
func TestSourceIdentity(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	both := *document(trust(a.id, "", "sts:AssumeRole", "sts:SetSourceIdentity"))
	role := w.role(a, "worker", both, allow("sts:*", "*"),
		`{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"aws:SourceIdentity":"alice"}}}`)
	second := w.role(a, "second", both)
	plain := w.role(a, "plain", trusts(a.id))
	picky := w.role(a, "picky", *document(trust(a.id, `{"StringLike":{"sts:SourceIdentity":"a*"}}`, "sts:AssumeRole", "sts:SetSourceIdentity")))
	ann := w.user(a, "ann", allow("sts:*", "*"))
	as := func(name string) func(*sdk.AssumeRoleInput) {
		return func(in *sdk.AssumeRoleInput) { in.SourceIdentity = &name }
	}
	out, err := w.assume(ann, role, as("alice"))
	if err != nil || *out.SourceIdentity != "alice" {
		t.Fatalf("%v, %v", out, err)
	}
	alice := credentials(out.Credentials)
	if got := w.may(alice); got != "users" {
		t.Errorf("alice may list %q", got)
	}
	if got := w.may(w.session(ann, role, as("bob-"))); got != "" {
		t.Errorf("another may list %q", got)
	}
	const no = "because no role trust policy allows the sts:SetSourceIdentity action"
	_, err = w.assume(ann, plain, as("alice"))
	denied(t, err, a.arn("user/ann"), "sts:SetSourceIdentity", plain, no)
	_, err = w.assume(ann, picky, as("bob-"))
	denied(t, err, a.arn("user/ann"), "sts:AssumeRole", picky, noTrust)
	w.session(ann, picky, as("al"))

	// It goes on by itself, needs the permission at every hop, and cannot be changed.
	if out, err = w.assume(alice, second, nil); err != nil || out.SourceIdentity == nil || *out.SourceIdentity != "alice" {
		t.Errorf("%v, %v", out, err)
	}
	if out, err = w.assume(alice, second, as("alice")); err != nil || *out.SourceIdentity != "alice" {
		t.Errorf("%v, %v", out, err)
	}
	_, err = w.assume(alice, plain, nil)
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/worker/session", "sts:SetSourceIdentity", plain, no)
	_, err = w.assume(alice, second, as("mallory"))
	refused(t, err, 403, "AccessDenied", "The source identity of the calling session is already set and cannot be changed.")
}

// TestMadeAgain: an entity that was deleted and made again under its name is another one (S2-22).
func TestMadeAgain(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	root := w.iam(static(a.root))
	ann := w.user(a, "ann", allow("sts:*", "*"))
	role := w.role(a, "worker", trusts(a.arn("user/ann")), allow("iam:ListUsers", "*"))
	bySession := w.role(a, "bysession", trusts(role))
	old := w.session(ann, role, nil)
	w.session(old, bySession, nil)

	// The user.
	for _, step := range []func() error{
		func() error {
			_, err := root.DeleteAccessKey(t.Context(), &sdkiam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.AccessKeyID})
			return err
		},
		func() error {
			_, err := root.DeleteUserPolicy(t.Context(), &sdkiam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("test")})
			return err
		},
		func() error {
			_, err := root.DeleteUser(t.Context(), &sdkiam.DeleteUserInput{UserName: aws.String("ann")})
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	checklist.Shows(t, "S2-22")
	again := w.user(a, "ann", allow("sts:*", "*"))
	_, err := w.assume(again, role, nil)
	denied(t, err, a.arn("user/ann"), "sts:AssumeRole", role, noTrust)
	if got := w.may(old); got != "users" {
		t.Errorf("a session does not live on its caller: %q", got) // S2-338
	}
	if _, err := root.UpdateAssumeRolePolicy(t.Context(), &sdkiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: aws.String(trusts(a.arn("user/ann")))}); err != nil {
		t.Fatal(err)
	}
	fresh := w.session(again, role, nil)

	// The role: its sessions are over, and who trusted it does not trust the new one.
	if _, err := root.DeleteRolePolicy(t.Context(), &sdkiam.DeleteRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("test")}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.DeleteRole(t.Context(), &sdkiam.DeleteRoleInput{RoleName: aws.String("worker")}); err != nil {
		t.Fatal(err)
	}
	w.role(a, "worker", trusts(a.arn("user/ann")), allow("iam:ListUsers", "*"), allow("sts:*", "*"))
	for _, c := range []aws.Credentials{old, fresh} {
		_, err = w.sts(c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	_, err = w.assume(w.session(again, role, nil), bySession, nil)
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/worker/session", "sts:AssumeRole", bySession, noTrust)
}

// TestRevocation: the policy that the console's "Revoke active sessions" writes ends the older sessions only (S2-290, S2-291).
func TestRevocation(t *testing.T) {
	checklist.Shows(t, "S2-291")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("iam:ListUsers", "*"))
	ann := w.user(a, "ann", allow("sts:*", "*"))
	old := w.session(ann, role, nil)
	w.offset.Add(int64(2 * time.Second))
	at := time.Now().Add(time.Duration(w.offset.Load())).UTC().Format("2006-01-02T15:04:05.000Z")
	if _, err := w.iam(static(a.root)).PutRolePolicy(t.Context(), &sdkiam.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("AWSRevokeOlderSessions"),
		PolicyDocument: document(`{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + at + `"}}}`)}); err != nil {
		t.Fatal(err)
	}
	w.offset.Add(int64(2 * time.Second))
	fresh := w.session(ann, role, nil)
	if got := w.may(old); got != "" {
		t.Errorf("the old session may list %q", got)
	}
	if got := w.may(fresh); got != "users" {
		t.Errorf("the new session may list %q", got)
	}
	_, err := w.iam(static(old)).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/worker/session", "iam:ListUsers", a.arn("user/"), "with an explicit deny in an identity-based policy")
}
