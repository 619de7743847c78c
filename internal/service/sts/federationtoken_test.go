package sts_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// federate asks for credentials of a federated user; change may be nil.
func (w *world) federate(c aws.Credentials, name string, change func(*sdk.GetFederationTokenInput)) (*sdk.GetFederationTokenOutput, error) {
	in := &sdk.GetFederationTokenInput{Name: &name}
	if change != nil {
		change(in)
	}
	return w.sts(c).GetFederationToken(w.t.Context(), in)
}

// federated asks for credentials that have to be given.
func (w *world) federated(c aws.Credentials, name string, change func(*sdk.GetFederationTokenInput)) aws.Credentials {
	w.t.Helper()
	out, err := w.federate(c, name, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials(out.Credentials)
}

// TestGetFederationToken is the whole answer, for a user and for the root user, and who its holder is.
func TestGetFederationToken(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", allow("sts:GetFederationToken", "*"))
	t.Run("the answer", func(t *testing.T) {
		checklist.Shows(t, "S2-309", "S2-310", "S2-312", "S2-335")
		for name, c := range map[string]aws.Credentials{"ann": ann, "root": a.root} {
			out, err := w.federate(c, "Bob", func(in *sdk.GetFederationTokenInput) { in.Policy = document(allow("s3:*", "*")) })
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if u := out.FederatedUser; *u.Arn != "arn:aws:sts::"+a.id+":federated-user/Bob" || *u.FederatedUserId != a.id+":Bob" {
				t.Errorf("%s: %s, %s", name, *u.Arn, *u.FederatedUserId)
			}
			//lint:ignore SA1019 clients still read it, deprecated or not
			if p := out.PackedPolicySize; p == nil || *p < 1 || *p > 20 {
				t.Errorf("%s: a short policy is packed to %v %%", name, p)
			}
			if !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") {
				t.Errorf("%s: the key is %s", name, *out.Credentials.AccessKeyId)
			}
			who, err := w.sts(credentials(out.Credentials)).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *who.Arn != *out.FederatedUser.Arn || *who.UserId != a.id+":Bob" || *who.Account != a.id {
				t.Errorf("%s: holds credentials of %s, %s", name, *who.Arn, *who.UserId)
			}
		}
		out, err := w.federate(ann, "Bob", nil)
		if err != nil {
			t.Fatal(err)
		}
		//lint:ignore SA1019 clients still read it, deprecated or not
		if out.PackedPolicySize != nil {
			t.Error("nothing was packed")
		}
	})
	t.Run("how long it lasts", func(t *testing.T) {
		checklist.Shows(t, "S2-309", "S2-311", "S2-332")
		for _, test := range []struct {
			caller aws.Credentials
			asked  *int32
			want   time.Duration
		}{
			{ann, nil, 12 * time.Hour}, {ann, aws.Int32(900), 15 * time.Minute}, {ann, aws.Int32(129600), 36 * time.Hour},
			{a.root, nil, time.Hour}, {a.root, aws.Int32(900), 15 * time.Minute}, {a.root, aws.Int32(129600), time.Hour},
		} {
			out, err := w.federate(test.caller, "Bob", func(in *sdk.GetFederationTokenInput) { in.DurationSeconds = test.asked })
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(*out.Credentials.Expiration).Round(time.Minute); got != test.want {
				t.Errorf("lasts %s, want %s", got, test.want)
			}
		}
		for seconds, bound := range map[int32]string{899: "greater than or equal to 900", 129601: "less than or equal to 129600"} {
			_, err := w.federate(ann, "Bob", func(in *sdk.GetFederationTokenInput) { in.DurationSeconds = &seconds })
			refused(t, err, 400, "ValidationError", "1 validation error detected: Value '"+map[int32]string{899: "899", 129601: "129601"}[seconds]+
				"' at 'durationSeconds' failed to satisfy constraint: Member must have value "+bound)
		}
	})
	t.Run("what it may call", func(t *testing.T) {
		checklist.Shows(t, "S2-316", "S2-336", "S2-337")
		all := func(in *sdk.GetFederationTokenInput) { in.Policy = document(allow("*", "*")) }
		role := w.role(a, "worker", trusts(a.id))
		for name, c := range map[string]aws.Credentials{"user's": w.federated(w.user(a, "mighty", allow("*", "*")), "Bob", all), "root's": w.federated(a.root, "Bob", all)} {
			_, err := w.iam(static(c)).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
			refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid")
			_, err = w.federate(c, "Eve", nil)
			refused(t, err, 403, "AccessDenied", "Cannot call GetFederationToken with session credentials")
			_, err = w.sts(c).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
			refused(t, err, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
			_, err = w.sts(c).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &ann.AccessKeyID})
			refused(t, err, 403, "AccessDenied", "Cannot call GetAccessKeyInfo with session credentials")
			_, err = w.assume(c, role, nil)
			refused(t, err, 403, "AccessDenied", "Cannot call AssumeRole with session credentials")
			if _, err := w.sts(c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
				t.Errorf("%s session: %v", name, err)
			}
		}
	})
	t.Run("only for who has a long-term key", func(t *testing.T) {
		checklist.Shows(t, "S2-110", "S2-310", "S2-336")
		mighty := w.user(a, "long", allow("*", "*"))
		session, _ := w.getSessionToken(mighty, nil)
		for _, c := range []aws.Credentials{session, w.session(mighty, w.role(a, "second", trusts(a.id), allow("*", "*")), nil)} {
			_, err := w.federate(c, "Bob", nil)
			refused(t, err, 403, "AccessDenied", "Cannot call GetFederationToken with session credentials")
		}
	})
}

// TestWhoTakesCodes: two operations have parameters for a one-time code, and no other takes one: an unknown parameter is refused.
func TestWhoTakesCodes(t *testing.T) {
	checklist.Shows(t, "S1-252")
	for name, o := range shape.API.Operations {
		in := reflect.TypeOf(o.NewInput()).Elem()
		_, serial := in.FieldByName("SerialNumber")
		_, code := in.FieldByName("TokenCode")
		if takes := name == "AssumeRole" || name == "GetSessionToken"; serial != takes || code != takes {
			t.Errorf("%s takes a serial number: %v, a code: %v", name, serial, code)
		}
	}
}

// TestWhoMayFederate: the permission is asked for on the federated user's ARN, and tags need one more.
func TestWhoMayFederate(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	arn := func(name string) string { return "arn:aws:sts::" + a.id + ":federated-user/" + name }
	const no = "because no identity-based policy allows the sts:GetFederationToken action"
	t.Run("by name", func(t *testing.T) {
		checklist.Shows(t, "S2-317")
		nobody := w.user(a, "nobody", allow("iam:*", "*"))
		_, err := w.federate(nobody, "Manager1", nil)
		denied(t, err, a.arn("user/nobody"), "sts:GetFederationToken", arn("Manager1"), no)
		boss := w.user(a, "boss", allow("sts:GetFederationToken", arn("Manager*")))
		w.federated(boss, "Manager1", nil)
		_, err = w.federate(boss, "Clerk", nil)
		denied(t, err, a.arn("user/boss"), "sts:GetFederationToken", arn("Clerk"), no)
		barred := w.user(a, "barred", allow("*", "*"), strings.Replace(allow("sts:GetFederationToken", arn("Manager*")), "Allow", "Deny", 1))
		w.federated(barred, "Clerk", nil)
		_, err = w.federate(barred, "Manager1", nil)
		denied(t, err, a.arn("user/barred"), "sts:GetFederationToken", arn("Manager1"), "with an explicit deny in an identity-based policy")
	})
	t.Run("with tags", func(t *testing.T) {
		with := func(pairs ...string) func(*sdk.GetFederationTokenInput) {
			return func(in *sdk.GetFederationTokenInput) { in.Tags = tags(pairs...) }
		}
		plain := w.user(a, "plain", allow("sts:GetFederationToken", "*"))
		_, err := w.federate(plain, "Bob", with("team", "red"))
		denied(t, err, a.arn("user/plain"), "sts:TagSession", arn("Bob"), "because no identity-based policy allows the sts:TagSession action")
		tagger := w.user(a, "tagger", allow("sts:GetFederationToken", "*"),
			`{"Effect":"Allow","Action":"sts:TagSession","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"red"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}`)
		w.federated(tagger, "Bob", with("team", "red"))
		for _, pairs := range [][]string{{"team", "blue"}, {"team", "red", "more", "1"}} {
			_, err = w.federate(tagger, "Bob", with(pairs...))
			denied(t, err, a.arn("user/tagger"), "sts:TagSession", arn("Bob"), "because no identity-based policy allows the sts:TagSession action")
		}
		for say, pairs := range map[string][]string{
			"Duplicate tag keys found. Please note that Tag keys are case insensitive.": {"a", "1", "A", "2"},
			"Tag keys that begin with aws: are reserved and cannot be set: aws:x":       {"aws:x", "1"},
		} {
			_, err = w.federate(a.root, "Bob", with(pairs...))
			refused(t, err, 400, "InvalidParameterValue", say)
		}
	})
}

// TestFederationTokenErrors: what is refused of names and policies. RegionDisabledException is in TestFlowF21.
func TestFederationTokenErrors(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	policies := func(arns ...string) func(*sdk.GetFederationTokenInput) {
		return func(in *sdk.GetFederationTokenInput) {
			for _, arn := range arns {
				in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: &arn})
			}
		}
	}
	inline := func(text string) func(*sdk.GetFederationTokenInput) {
		return func(in *sdk.GetFederationTokenInput) { in.Policy = &text }
	}
	_, err := w.federate(a.root, "x", nil)
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2")
	_, err = w.federate(a.root, strings.Repeat("x", 33), nil)
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value '"+strings.Repeat("x", 33)+"' at 'name' failed to satisfy constraint: Member must have length less than or equal to 32")
	_, err = w.federate(a.root, "a/b", nil)
	refused(t, err, 400, "ValidationError", `1 validation error detected: Value 'a/b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	_, err = w.federate(a.root, "Bob", inline(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`))
	if err == nil || !strings.Contains(err.Error(), "MalformedPolicyDocument") {
		t.Errorf("a session policy with a principal: %v", err)
	}
	_, err = w.federate(a.root, "Bob", inline("{"))
	if err == nil || !strings.Contains(err.Error(), "MalformedPolicyDocument") {
		t.Errorf("half a session policy: %v", err)
	}
	_, err = w.federate(a.root, "Bob", func(in *sdk.GetFederationTokenInput) {
		in.Policy = document(allow("s3:*", "arn:aws:s3:::"+strings.Repeat("x", 1000)+"/"+strings.Repeat("y", 925)))
		policies("arn:aws:iam::aws:policy/ReadOnlyAccess")(in)
	})
	refused(t, err, 400, "PackedPolicyTooLarge", "The session policies are longer than 2048 characters together.")
	theirs, err := w.iam(static(b.root)).CreatePolicy(t.Context(), &sdkiam.CreatePolicyInput{PolicyName: aws.String("theirs"), PolicyDocument: document(allow("s3:*", "*"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, arn := range []string{*theirs.Policy.Arn, a.arn("policy/nosuch"), "arn:aws:iam::aws:policy/NoSuchThing"} {
		_, err = w.federate(a.root, "Bob", policies(arn))
		refused(t, err, 400, "InvalidParameterValue", "The session policy "+arn+" does not exist or is not a managed policy of the account.")
	}
	w.federated(a.root, "Bob", policies("arn:aws:iam::aws:policy/ReadOnlyAccess"))
}

// TestFederationEndsWithItsUser: a user who is deleted takes the sessions of federated users along.
func TestFederationEndsWithItsUser(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", allow("*", "*"))
	c := w.federated(ann, "Bob", nil)
	rest := w.federated(a.root, "Bob", nil)
	root := w.iam(static(a.root))
	// The key that asked for it may go: the session is the user's.
	if _, err := root.DeleteAccessKey(t.Context(), &sdkiam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &ann.AccessKeyID}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.sts(c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
		t.Errorf("without the key: %v", err)
	}
	if _, err := root.DeleteUserPolicy(t.Context(), &sdkiam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("test")}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.DeleteUser(t.Context(), &sdkiam.DeleteUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	w.user(a, "ann", allow("*", "*")) // another of that name
	_, err := w.sts(c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	if _, err := w.sts(rest).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
		t.Errorf("the root user's: %v", err)
	}
	w.offset.Add(int64(time.Hour))
	_, err = w.sts(rest).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	refused(t, err, 403, "ExpiredToken", "The security token included in the request is expired")
}
