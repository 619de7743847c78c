package sts_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

const denyAll = `{"Effect":"Deny","Action":"*","Resource":"*"}`

// getSessionToken gets credentials that have to be given.
func (w *world) getSessionToken(c aws.Credentials, seconds *int32) (aws.Credentials, time.Duration) {
	w.t.Helper()
	out, err := w.sts(c).GetSessionToken(w.t.Context(), &sdk.GetSessionTokenInput{DurationSeconds: seconds})
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials(out.Credentials), time.Until(*out.Credentials.Expiration).Round(time.Minute)
}

// TestGetCallerIdentity answers every kind of caller, also one who is denied everything.
func TestGetCallerIdentity(t *testing.T) {
	checklist.Shows(t, "S2-337")
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", denyAll)
	bob := w.user(a, "bob", allow("sts:*", "*"))
	role := w.session(bob, w.role(a, "worker", trusts(a.id), denyAll), nil)
	limited := w.session(bob, a.arn("role/worker"), func(in *sdk.AssumeRoleInput) { in.Policy = document(denyAll) })
	annToken, _ := w.getSessionToken(ann, nil)
	rootToken, _ := w.getSessionToken(a.root, nil)
	got, err := w.iam(static(a.root)).GetUser(t.Context(), &sdkiam.GetUserInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := w.iam(static(a.root)).GetRole(t.Context(), &sdkiam.GetRoleInput{RoleName: aws.String("worker")})
	if err != nil {
		t.Fatal(err)
	}
	session := "arn:aws:sts::" + a.id + ":assumed-role/worker/session"
	for name, test := range map[string]struct {
		caller  aws.Credentials
		arn, id string
	}{
		"root":           {a.root, a.arn("root"), a.id},
		"root's session": {rootToken, a.arn("root"), a.id},
		"user":           {ann, a.arn("user/ann"), *got.User.UserId},
		"user's session": {annToken, a.arn("user/ann"), *got.User.UserId},
		"role":           {role, session, *worker.Role.RoleId + ":session"},
		"limited role":   {limited, session, *worker.Role.RoleId + ":session"},
	} {
		out, err := w.sts(test.caller).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *out.Arn != test.arn || *out.UserId != test.id || *out.Account != a.id {
			t.Errorf("%s: %s, %s, %s", name, *out.Arn, *out.UserId, *out.Account)
		}
	}
}

// TestGetSessionToken: no permission is needed and no deny binds it (S2-323); how long it lasts (S2-325).
func TestGetSessionToken(t *testing.T) {
	checklist.Shows(t, "S2-323", "S2-324", "S2-325", "S2-332")
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", denyAll)
	for _, test := range []struct {
		caller aws.Credentials
		asked  *int32
		want   time.Duration
	}{
		{ann, nil, 12 * time.Hour}, {ann, aws.Int32(900), 15 * time.Minute}, {ann, aws.Int32(129600), 36 * time.Hour},
		{a.root, nil, time.Hour}, {a.root, aws.Int32(900), 15 * time.Minute}, {a.root, aws.Int32(129600), time.Hour},
	} {
		if _, got := w.getSessionToken(test.caller, test.asked); got != test.want {
			t.Errorf("lasts %s, want %s", got, test.want)
		}
	}
	for seconds, say := range map[int32]string{
		899:    "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
		129601: "1 validation error detected: Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 129600",
	} {
		_, err := w.sts(ann).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{DurationSeconds: &seconds})
		refused(t, err, 400, "ValidationError", say)
	}
}

// TestWhatSessionsMayCall holds D2 and the table of S2 section AA.
func TestWhatSessionsMayCall(t *testing.T) {
	checklist.Shows(t, "S1-260")
	w := newWorld(t)
	a := w.account("a")
	everything := allow("*", "*")
	ann := w.user(a, "ann", everything)
	role := w.role(a, "worker", trusts(a.id), everything)
	user, _ := w.getSessionToken(ann, nil)
	root, _ := w.getSessionToken(a.root, nil)
	worker := w.session(user, role, nil) // AssumeRole is open to GetSessionToken credentials

	keyInfo := func(c aws.Credentials) error {
		_, err := w.sts(c).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &ann.AccessKeyID})
		return err
	}
	again := func(c aws.Credentials) error {
		_, err := w.sts(c).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
		return err
	}
	users := func(c aws.Credentials) error {
		_, err := w.iam(static(c)).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
		return err
	}
	checklist.Shows(t, "S2-329")
	for _, c := range []aws.Credentials{user, root} {
		refused(t, users(c), 403, "InvalidClientTokenId", "The security token included in the request is invalid")
		refused(t, again(c), 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
		refused(t, keyInfo(c), 403, "AccessDenied", "Cannot call GetAccessKeyInfo with session credentials")
	}
	checklist.Shows(t, "S2-110", "S2-336")
	refused(t, again(worker), 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err := w.federate(worker, "Bob", nil)
	refused(t, err, 403, "AccessDenied", "Cannot call GetFederationToken with session credentials")
	for _, c := range []aws.Credentials{ann, a.root, worker} {
		if err := users(c); err != nil {
			t.Error(err)
		}
		if err := keyInfo(c); err != nil {
			t.Error(err)
		}
	}
	// What the user may not, its session may not either.
	if _, err := w.iam(static(a.root)).DeleteUserPolicy(t.Context(), &sdkiam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("test")}); err != nil {
		t.Fatal(err)
	}
	checklist.Shows(t, "S2-303", "S2-328")
	_, err = w.assume(user, role, nil)
	denied(t, err, a.arn("user/ann"), "sts:AssumeRole", role, noIdentity)
}

// TestWithoutPermissions: what a user may ask STS for to whom nothing is allowed.
func TestWithoutPermissions(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id))
	nobody := w.user(a, "nobody")
	checklist.Shows(t, "S2-345")
	w.getSessionToken(nobody, nil)
	_, err := w.assume(nobody, role, nil)
	denied(t, err, a.arn("user/nobody"), "sts:AssumeRole", role, noIdentity)
	_, err = w.federate(nobody, "Bob", nil)
	denied(t, err, a.arn("user/nobody"), "sts:GetFederationToken", "arn:aws:sts::"+a.id+":federated-user/Bob",
		"because no identity-based policy allows the sts:GetFederationToken action")
}

// TestGetAccessKeyInfo: the account is in the ID; whether there is such a key is not told (D21).
func TestGetAccessKeyInfo(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	ann := w.user(a, "ann", allow("sts:GetAccessKeyInfo", "*"))
	worker := w.session(w.user(b, "bob", allow("sts:*", "*")), w.role(b, "worker", trusts(b.id)), nil)
	for id, want := range map[string]string{ann.AccessKeyID: a.id, b.root.AccessKeyID: b.id, worker.AccessKeyID: b.id, "AKIA" + b.root.AccessKeyID[4:13] + "AAAAAAA": b.id} {
		out, err := w.sts(ann).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &id})
		if err != nil || *out.Account != want {
			t.Errorf("%s: %v, %v", id, out, err)
		}
	}
	_, err := w.sts(ann).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAIOSFODNN7EXAMPLE")})
	refused(t, err, 400, "ValidationError", "Invalid AccessKeyId provided: AKIAIOSFODNN7EXAMPLE")
	nobody := w.user(a, "nobody")
	_, err = w.sts(nobody).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &nobody.AccessKeyID})
	denied(t, err, a.arn("user/nobody"), "sts:GetAccessKeyInfo", "*", "because no identity-based policy allows the sts:GetAccessKeyInfo action")
}

// TestMinimumSessionTokenSize: a token may be asked to be larger than it need be.
func TestMinimumSessionTokenSize(t *testing.T) {
	checklist.Shows(t, "S2-305")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("iam:ListUsers", "*"))
	ann := w.user(a, "ann", allow("sts:*", "*"))
	for _, size := range []int32{0, 1, 1000, 4096} {
		out, err := w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.MinimumSessionTokenSize = &size })
		if err != nil {
			t.Fatal(err)
		}
		n := int32(len(*out.Credentials.SessionToken))
		if n < size || out.SessionTokenSize == nil || *out.SessionTokenSize != n || *out.SessionTokenUtilization < 1 || *out.SessionTokenUtilization > 100 {
			t.Errorf("asked for %d: got %d, said %v", size, n, out.SessionTokenSize)
		}
		if got := w.may(credentials(out.Credentials)); got != "users" {
			t.Errorf("a token of %d characters may list %q", n, got)
		}
		token, err := w.sts(ann).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{MinimumSessionTokenSize: &size})
		if err != nil || int32(len(*token.Credentials.SessionToken)) < size {
			t.Errorf("GetSessionToken: %v", err)
		}
	}
	_, err := w.assume(ann, role, func(in *sdk.AssumeRoleInput) { in.MinimumSessionTokenSize = aws.Int32(4097) })
	refused(t, err, 400, "ValidationError", "The requested MinimumSessionTokenSize exceeds the limit of 4096 bytes.")
}
