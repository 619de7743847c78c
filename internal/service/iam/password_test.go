package iam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
)

const (
	firstPassword  = "First-horse-1"
	secondPassword = "Second-horse-2"
)

// passwordScene makes the user target in /team/ with firstPassword, the user bare without one, and a password policy.
func (w *world) passwordScene() {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "target", Path: "/team/"})
		if err == nil {
			_, err = tx.CreateUser(w.account, directory.NewUser{Name: "bare"})
		}
		return err
	})
	w.password("target")
	must(w.root.UpdateAccountPasswordPolicy(w.t.Context(), &sdk.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(8)}))(w.t)
}

// password gives a user firstPassword.
func (w *world) password(name string) {
	w.t.Helper()
	must(w.root.CreateLoginProfile(w.t.Context(), &sdk.CreateLoginProfileInput{UserName: &name, Password: aws.String(firstPassword)}))(w.t)
}

// opens reports whether a password is that of a user.
func (w *world) opens(name, text string) directory.PasswordState {
	w.t.Helper()
	c, err := w.dir.VerifyPassword(w.t.Context(), directory.OfUser(w.account, name), secret.New(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return c.State
}

// passwordPermissions are the operations on passwords with the one permission that opens each, called on a passwordScene. One is
// left out: ChangePassword, which is about the caller.
func passwordPermissions(*world) []permission {
	target, bare := aws.String("target"), aws.String("bare")
	return []permission{
		{"CreateLoginProfile", "user/bare", "user bare", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: bare, Password: aws.String(firstPassword)})
			return err
		}},
		{"GetLoginProfile", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: target})
			return err
		}},
		{"UpdateLoginProfile", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: target, Password: aws.String(secondPassword)})
			return err
		}},
		{"DeleteLoginProfile", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: target})
			return err
		}},
		{"GetAccountPasswordPolicy", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
			return err
		}},
		{"UpdateAccountPasswordPolicy", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{})
			return err
		}},
		{"DeleteAccountPasswordPolicy", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{})
			return err
		}},
	}
}

// changePassword changes the password of a client's user from the first to the second.
func changePassword(ctx context.Context, c *sdk.Client) error {
	_, err := c.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: aws.String(firstPassword), NewPassword: aws.String(secondPassword)})
	return err
}

// TestChangePasswordPermission holds ChangePassword to its permission row: it asks about the caller and nobody else.
func TestChangePasswordPermission(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	ctx := t.Context()
	caller := w.user("caller")
	w.password("caller")
	w.denied(changePassword(ctx, caller), "caller", "iam:ChangePassword", "user caller")
	w.grant("caller", allow("iam:ChangePassword", w.arn("user/team/target")), allow("iam:ChangePassword", w.arn("group/caller")))
	w.denied(changePassword(ctx, caller), "caller", "iam:ChangePassword", "user caller")
	w.grant("caller", allow("iam:*", "*"), deny("iam:ChangePassword", w.arn("user/caller")))
	refused(t, changePassword(ctx, caller), 403, "AccessDenied", "User: "+w.arn("user/caller")+
		" is not authorized to perform: iam:ChangePassword on resource: user caller with an explicit deny in an identity-based policy")
	if w.opens("caller", firstPassword) != directory.PasswordGood {
		t.Error("a refused call changed the password")
	}
	w.grant("caller", allow("iam:ChangePassword", w.arn("user/caller")))
	if err := changePassword(ctx, caller); err != nil {
		t.Errorf("allowed: %v", err)
	}
	if w.opens("caller", secondPassword) != directory.PasswordGood {
		t.Error("the password is not the new one")
	}
}

func TestLoginProfileLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := w.user("Ann")
	get := func(name string) *types.LoginProfile {
		t.Helper()
		return must(w.root.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: &name}))(t).LoginProfile
	}
	ignore := cmpopts.IgnoreUnexported(types.LoginProfile{})
	var created *types.LoginProfile
	t.Run("operations", func(t *testing.T) {
		checklist.Shows(t, "S1-154")
		_, err := w.root.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: aws.String("ann")})
		refused(t, err, 404, "NoSuchEntity", "Login Profile for User ann cannot be found.")
		created = must(w.root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{
			UserName: aws.String("Ann"), Password: aws.String(firstPassword), PasswordResetRequired: true}))(t).LoginProfile
		recent(t, "CreateDate", created.CreateDate)
		want := &types.LoginProfile{UserName: aws.String("Ann"), CreateDate: created.CreateDate, PasswordResetRequired: true}
		if diff := cmp.Diff(want, created, ignore); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, get("ann"), ignore); diff != "" {
			t.Errorf("read (-want +got):\n%s", diff)
		}
		if w.opens("ann", firstPassword) != directory.PasswordReset {
			t.Error("the first password need not be changed")
		}
		must(w.root.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: aws.String("ann"), Password: aws.String(secondPassword), PasswordResetRequired: aws.Bool(false)}))(t)
		want.PasswordResetRequired = false
		if diff := cmp.Diff(want, get("Ann"), ignore); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}
		if w.opens("ann", firstPassword) != directory.PasswordWrong || w.opens("ann", secondPassword) != directory.PasswordGood {
			t.Error("the new password is not the one that was set")
		}
		must(w.root.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: aws.String("ann"), PasswordResetRequired: aws.Bool(true)}))(t)
		if w.opens("ann", secondPassword) != directory.PasswordReset {
			t.Error("a reset without a password changed nothing, or the password")
		}
		must(w.root.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: aws.String("ann")}))(t)
	})
	t.Run("keys go on", func(t *testing.T) {
		checklist.Shows(t, "S1-51", "S1-159")
		w.grant("Ann", allow("iam:*LoginProfile", w.arn("user/${aws:username}")))
		_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("Ann")})
		refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete access keys first.")
		must(ann.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{}))(t)
		if w.opens("ann", secondPassword) != directory.PasswordWrong {
			t.Error("a deleted password opens")
		}
		_, err = ann.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{})
		refused(t, err, 404, "NoSuchEntity", "Login Profile for User Ann cannot be found.")
		must(ann.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{Password: aws.String(firstPassword)}))(t)
		if got := must(ann.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{}))(t).LoginProfile; *got.UserName != "Ann" || got.PasswordResetRequired {
			t.Errorf("own profile: %+v", got)
		}
	})
	t.Run("deleting the user", func(t *testing.T) {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: "gone"})
			return err
		})
		w.password("gone")
		_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("gone")})
		refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete login profile first.")
		must(w.root.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: aws.String("gone")}))(t)
		must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("gone")}))(t)
	})
	t.Run("who", func(t *testing.T) {
		calls := map[string]func(*sdk.Client) error{
			"Create": func(c *sdk.Client) error {
				_, err := c.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{Password: aws.String(firstPassword)})
				return err
			},
			"Get": func(c *sdk.Client) error { _, err := c.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{}); return err },
			"Delete": func(c *sdk.Client) error {
				_, err := c.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{})
				return err
			},
		}
		session := w.session("worker", "shift")
		for name, do := range calls {
			t.Run(name, func(t *testing.T) {
				refused(t, do(w.root), 400, "ValidationError", "Must specify userName when calling with root user credentials")
				refused(t, do(session), 400, "ValidationError", "Must specify userName when calling with non-User credentials")
			})
		}
	})
	t.Run("nothing of a password is recorded", func(t *testing.T) {
		for _, e := range w.events() {
			for _, text := range []string{firstPassword, secondPassword, "argon2"} {
				if bytes.Contains(e, []byte(text)) {
					t.Errorf("an event shows %s: %s", text, e)
				}
			}
		}
	})
}

// TestPasswordEvents: the events of the operations, with what they show of the request and the answer.
func TestPasswordEvents(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	caller := w.user("caller", allow("iam:*", "*"))
	w.password("caller")
	for _, p := range append(passwordPermissions(w), permission{operation: "ChangePassword", do: changePassword}) {
		before := len(w.events())
		if err := p.do(t.Context(), caller); err != nil {
			t.Fatalf("%s: %v", p.operation, err)
		}
		var found bool
		for _, raw := range w.events() {
			var e struct {
				Name    string         `json:"eventName"`
				Request map[string]any `json:"requestParameters"`
				User    struct {
					Name string `json:"userName"`
				} `json:"userIdentity"`
				Error string `json:"errorCode"`
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			if e.Name != p.operation || e.User.Name != "caller" {
				continue
			}
			found = true
			for name, value := range e.Request {
				if strings.Contains(strings.ToLower(name), "password") && strings.HasSuffix(strings.ToLower(name), "password") && value != "HIDDEN_DUE_TO_SECURITY_REASONS" && value != false {
					t.Errorf("%s shows %s: %v", p.operation, name, value)
				}
			}
		}
		if wrote := !strings.HasPrefix(p.operation, "Get"); found != wrote || (len(w.events()) > before) != wrote {
			t.Errorf("%s: an event was written with a change: %v", p.operation, found)
		}
	}
}

func TestPasswordErrors(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	ctx := t.Context()
	target, bare, nobody := aws.String("target"), aws.String("bare"), aws.String("nobody")
	weak := aws.String("short")
	const (
		noUser    = "The user with name nobody cannot be found."
		noProfile = "Login Profile for User bare cannot be found."
		tooShort  = "Password should have a minimum length of 8"
	)
	caller := w.user("caller", allow("iam:ChangePassword", "*"))
	occur := make(map[string]bool)
	expect := func(operation string, err error, status int, code, message string) {
		t.Helper()
		occur[operation+" "+code] = true
		refused(t, err, status, code, message)
	}
	create := func(name, password *string) error {
		_, err := w.root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: name, Password: password})
		return err
	}
	update := func(name, password *string) error {
		_, err := w.root.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: name, Password: password})
		return err
	}
	changeTo := func(c *sdk.Client, old, password string) error {
		_, err := c.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: &old, NewPassword: &password})
		return err
	}
	expect("CreateLoginProfile", create(nobody, aws.String(firstPassword)), 404, "NoSuchEntity", noUser)
	expect("CreateLoginProfile", create(target, aws.String(firstPassword)), 409, "EntityAlreadyExists", "Login Profile for user target already exists.")
	expect("CreateLoginProfile", create(bare, weak), 400, "PasswordPolicyViolation", tooShort)
	expect("CreateLoginProfile", create(bare, nil), 400, "ValidationError", "1 validation error detected: Value null at 'password' failed to satisfy constraint: Member must not be null")
	expect("UpdateLoginProfile", update(nobody, nil), 404, "NoSuchEntity", noUser)
	expect("UpdateLoginProfile", update(bare, aws.String(firstPassword)), 404, "NoSuchEntity", noProfile)
	expect("UpdateLoginProfile", update(bare, nil), 404, "NoSuchEntity", noProfile)
	expect("UpdateLoginProfile", update(target, weak), 400, "PasswordPolicyViolation", tooShort)
	_, err := w.root.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: bare})
	expect("DeleteLoginProfile", err, 404, "NoSuchEntity", noProfile)
	_, err = w.root.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: nobody})
	expect("GetLoginProfile", err, 404, "NoSuchEntity", noUser)
	expect("ChangePassword", changeTo(caller, firstPassword, secondPassword), 404, "NoSuchEntity", "Login Profile for User caller cannot be found.")
	w.password("caller")
	expect("ChangePassword", changeTo(caller, secondPassword, secondPassword), 403, "AccessDenied", "The old password was incorrect.")
	expect("ChangePassword", changeTo(caller, firstPassword, "short"), 400, "PasswordPolicyViolation", tooShort)
	for _, c := range []*sdk.Client{w.root, w.session("worker", "shift")} {
		expect("ChangePassword", changeTo(c, firstPassword, secondPassword), 400, "InvalidUserType", "Only IAM Users can change their own password")
	}
	if w.opens("caller", firstPassword) != directory.PasswordGood || w.opens("target", firstPassword) != directory.PasswordGood {
		t.Error("a refused call changed a password")
	}
	remove := func() error {
		_, err := w.root.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{})
		return err
	}
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.LoginProfilesPerUserQuota, new(0))
		return err
	})
	expect("CreateLoginProfile", create(bare, aws.String(firstPassword)), 409, "LimitExceeded", "Cannot exceed quota for LoginProfilesPerUser: 0")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.LoginProfilesPerUserQuota, nil)
		return err
	})
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	expect("DeleteAccountPasswordPolicy", remove(), 404, "NoSuchEntity", "The account policy with name PasswordPolicy cannot be found.")
	_, err = w.root.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
	expect("GetAccountPasswordPolicy", err, 404, "NoSuchEntity", "The Password Policy with domain name "+w.account+" cannot be found.")
	expect("CreateLoginProfile", create(bare, aws.String("password1")), 400, "PasswordPolicyViolation", "Password should meet 1 more of the following requirements: "+
		"Password should have at least one uppercase letter, Password should have at least one symbol")

	service := iam.New(iam.Config{})
	for _, p := range append(passwordPermissions(w), permission{operation: "ChangePassword"}) {
		for _, code := range service.API.Operations[p.operation].Errors {
			_, never := neverOccurs[code]
			why, not := passwordsCannot[code][p.operation]
			if not {
				checklist.Excludes(t, "iam "+p.operation, code, why)
			}
			if occurs := occur[p.operation+" "+code]; occurs == (not || never) {
				t.Errorf("%s answers %s: seen %v, said not to %v", p.operation, code, occurs, not || never)
			}
		}
	}
}

// passwordsCannot are errors that the model lists and for which there is no occasion.
var passwordsCannot = map[string]map[string]string{
	"LimitExceeded": {
		"UpdateLoginProfile": nothingGrows, "DeleteLoginProfile": nothingGrows, "ChangePassword": nothingGrows,
		"UpdateAccountPasswordPolicy": "an account has one policy", "DeleteAccountPasswordPolicy": nothingGrows,
	},
	"EntityTemporarilyUnmodifiable": {"UpdateLoginProfile": atOnce, "DeleteLoginProfile": atOnce, "ChangePassword": atOnce},
	"NoSuchEntity":                  {"UpdateAccountPasswordPolicy": "it makes the policy where there is none"},
	"MalformedPolicyDocument":       {"UpdateAccountPasswordPolicy": "it takes no document"},
}

// atOnce is why nothing is temporarily unmodifiable.
const atOnce = "what was made can be changed at once"

func TestAccountPasswordPolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	update := func(in sdk.UpdateAccountPasswordPolicyInput) error {
		_, err := w.root.UpdateAccountPasswordPolicy(ctx, &in)
		return err
	}
	get := func() *types.PasswordPolicy {
		t.Helper()
		return must(w.root.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	}
	equal := func(t *testing.T, want types.PasswordPolicy) {
		t.Helper()
		if diff := cmp.Diff(&want, get(), cmpopts.IgnoreUnexported(types.PasswordPolicy{})); diff != "" {
			t.Errorf("policy (-want +got):\n%s", diff)
		}
	}
	t.Run("all options, then none", func(t *testing.T) {
		checklist.Shows(t, "S1-164")
		if err := update(sdk.UpdateAccountPasswordPolicyInput{
			MinimumPasswordLength: aws.Int32(12), RequireSymbols: true, RequireNumbers: true, RequireUppercaseCharacters: true, RequireLowercaseCharacters: true,
			AllowUsersToChangePassword: true, MaxPasswordAge: aws.Int32(90), PasswordReusePrevention: aws.Int32(5), HardExpiry: aws.Bool(true),
		}); err != nil {
			t.Fatal(err)
		}
		equal(t, types.PasswordPolicy{
			MinimumPasswordLength: aws.Int32(12), RequireSymbols: true, RequireNumbers: true, RequireUppercaseCharacters: true, RequireLowercaseCharacters: true,
			AllowUsersToChangePassword: true, ExpirePasswords: true, MaxPasswordAge: aws.Int32(90), PasswordReusePrevention: aws.Int32(5), HardExpiry: aws.Bool(true),
		})
		if err := update(sdk.UpdateAccountPasswordPolicyInput{RequireNumbers: true}); err != nil {
			t.Fatal(err)
		}
		equal(t, types.PasswordPolicy{MinimumPasswordLength: aws.Int32(6), RequireNumbers: true, HardExpiry: aws.Bool(false)})
		must(w.root.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{}))(t)
	})
	t.Run("ranges", func(t *testing.T) {
		checklist.Shows(t, "S1-166", "S1-174", "S1-175")
		for _, c := range []struct {
			in      sdk.UpdateAccountPasswordPolicyInput
			message string
		}{
			{sdk.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(5)}, "Value '5' at 'minimumPasswordLength' failed to satisfy constraint: Member must have value greater than or equal to 6"},
			{sdk.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(129)}, "Value '129' at 'minimumPasswordLength' failed to satisfy constraint: Member must have value less than or equal to 128"},
			{sdk.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(0)}, "Value '0' at 'maxPasswordAge' failed to satisfy constraint: Member must have value greater than or equal to 1"},
			{sdk.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(1096)}, "Value '1096' at 'maxPasswordAge' failed to satisfy constraint: Member must have value less than or equal to 1095"},
			{sdk.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(0)}, "Value '0' at 'passwordReusePrevention' failed to satisfy constraint: Member must have value greater than or equal to 1"},
			{sdk.UpdateAccountPasswordPolicyInput{PasswordReusePrevention: aws.Int32(25)}, "Value '25' at 'passwordReusePrevention' failed to satisfy constraint: Member must have value less than or equal to 24"},
		} {
			refused(t, update(c.in), 400, "ValidationError", "1 validation error detected: "+c.message)
		}
		for _, in := range []sdk.UpdateAccountPasswordPolicyInput{
			{MinimumPasswordLength: aws.Int32(6), MaxPasswordAge: aws.Int32(1), PasswordReusePrevention: aws.Int32(1)},
			{MinimumPasswordLength: aws.Int32(128), MaxPasswordAge: aws.Int32(1095), PasswordReusePrevention: aws.Int32(24)},
		} {
			if err := update(in); err != nil {
				t.Error(err)
			}
			if p := get(); *p.MaxPasswordAge != *in.MaxPasswordAge || *p.PasswordReusePrevention != *in.PasswordReusePrevention || *p.MinimumPasswordLength != *in.MinimumPasswordLength {
				t.Errorf("%+v", p)
			}
		}
	})
	t.Run("of one account", func(t *testing.T) {
		// Another account's passwords and rules are its own.
		w.make(func(tx *directory.Tx) error {
			other, _, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
			if err == nil {
				_, err = tx.CreateUser(other.ID, directory.NewUser{Name: "bare"})
			}
			return err
		})
		_, err := w.root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: aws.String("bare"), Password: aws.String(firstPassword)})
		refused(t, err, 404, "NoSuchEntity", "The user with name bare cannot be found.")
	})
}

// TestUsersMayChange: with the account's setting every user may change their own password and read the rules, and nobody needs
// a policy for it; without it a policy is needed.
func TestUsersMayChange(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	ctx := t.Context()
	set := func(may bool) {
		t.Helper()
		must(w.root.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: may}))(t)
	}
	n := 0
	change := func(c *sdk.Client, old string) (string, error) {
		n++
		next := strings.Repeat("x", n) + firstPassword
		_, err := c.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: &old, NewPassword: &next})
		return next, err
	}
	read := func(c *sdk.Client) error {
		_, err := c.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
		return err
	}
	ann := w.user("Ann")
	w.password("Ann")
	_, err := change(ann, firstPassword)
	w.denied(err, "Ann", "iam:ChangePassword", "user Ann")
	w.denied(read(ann), "Ann", "iam:GetAccountPasswordPolicy", "*")
	set(true)
	present := firstPassword
	t.Run("set", func(t *testing.T) {
		checklist.Shows(t, "S1-171", "S1-172", "S1-181", "S3-288")
		if present, err = change(ann, present); err != nil {
			t.Fatal(err)
		}
		if w.opens("Ann", present) != directory.PasswordGood {
			t.Error("the password is not the new one")
		}
		if err := read(ann); err != nil {
			t.Error(err)
		}
		_, err := ann.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: aws.String("Ann"), Password: aws.String(firstPassword)})
		w.denied(err, "Ann", "iam:UpdateLoginProfile", "user Ann")
	})
	t.Run("in a path and renamed", func(t *testing.T) {
		must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("Ann"), NewPath: aws.String("/a/b/"), NewUserName: aws.String("Annie")}))(t)
		if present, err = change(ann, present); err != nil {
			t.Fatal(err)
		}
		must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("Annie"), NewPath: aws.String("/"), NewUserName: aws.String("Ann")}))(t)
	})
	t.Run("an explicit deny wins", func(t *testing.T) {
		checklist.Shows(t, "S1-50")
		w.grant("Ann", deny("iam:ChangePassword", "*"))
		_, err := change(ann, present)
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/Ann")+" is not authorized to perform: iam:ChangePassword on resource: user Ann with an explicit deny in an identity-based policy")
	})
	t.Run("unset", func(t *testing.T) {
		checklist.Shows(t, "S1-173", "S1-160")
		w.grant("Ann", allow("s3:GetObject", "*"))
		set(false)
		_, err := change(ann, present)
		w.denied(err, "Ann", "iam:ChangePassword", "user Ann")
		w.denied(read(ann), "Ann", "iam:GetAccountPasswordPolicy", "*")
		must(w.root.UpdateLoginProfile(ctx, &sdk.UpdateLoginProfileInput{UserName: aws.String("Ann"), PasswordResetRequired: aws.Bool(true)}))(t)
		_, err = change(ann, present)
		w.denied(err, "Ann", "iam:ChangePassword", "user Ann")
	})
	t.Run("by a policy", func(t *testing.T) {
		checklist.Shows(t, "S1-173", "S1-186", "S1-188", "S3-12", "S3-348")
		w.grant("Ann", allow("iam:ChangePassword", w.arn("user/${aws:username}")), allow("iam:GetAccountPasswordPolicy", "*"))
		if present, err = change(ann, present); err != nil {
			t.Fatal(err)
		}
		if err := read(ann); err != nil {
			t.Error(err)
		}
		w.grant("Ann", allow("iam:ChangePassword", "*"))
		if present, err = change(ann, present); err != nil {
			t.Fatal(err)
		}
		if w.opens("Ann", present) != directory.PasswordGood || w.opens("target", firstPassword) != directory.PasswordGood {
			t.Error("it is not the caller's own password that was changed")
		}
	})
	t.Run("no policy", func(t *testing.T) {
		w.grant("Ann", allow("s3:GetObject", "*"))
		set(true)
		must(w.root.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{}))(t)
		_, err := change(ann, present)
		w.denied(err, "Ann", "iam:ChangePassword", "user Ann")
	})
}

// TestStalePassword: a password is not written where something that decided has changed since: the permission by the
// account's setting, and the rules.
func TestStalePassword(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	ctx := t.Context()
	must(w.root.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: true}))(t)
	caller := w.user("caller")
	w.password("caller")
	w.store.behind(func() {
		w.commit(func(tx *directory.Tx) error { return tx.DeletePasswordPolicy(w.account) })
	})
	_, err := caller.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: aws.String(firstPassword), NewPassword: aws.String(secondPassword)})
	w.denied(err, "caller", "iam:ChangePassword", "user caller")
	if !w.store.asked {
		t.Error("nobody asked for the newest state: the test proves nothing")
	}
	if w.opens("caller", firstPassword) != directory.PasswordGood {
		t.Error("the password was changed")
	}
}

// TestPasswordLastUsed: users show when their password was last used, if they have one and it was.
func TestPasswordLastUsed(t *testing.T) {
	w := newWorld(t)
	w.passwordScene()
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	account := w.account
	ids := make(map[string]string)
	show := func() map[string]*time.Time {
		t.Helper()
		all := make(map[string]*time.Time)
		for _, u := range must(w.root.ListUsers(ctx, &sdk.ListUsersInput{}))(t).Users {
			ids[*u.UserName], all[*u.UserName] = *u.UserId, u.PasswordLastUsed
			got := must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: u.UserName}))(t).User.PasswordLastUsed
			if !cmp.Equal(got, u.PasswordLastUsed) {
				t.Errorf("%s: listed as %v, read as %v", *u.UserName, u.PasswordLastUsed, got)
			}
		}
		return all
	}
	checklist.Shows(t, "S1-119", "S1-274")
	if diff := cmp.Diff(map[string]*time.Time{"target": nil, "bare": nil}, show()); diff != "" {
		t.Errorf("never used (-want +got):\n%s", diff)
	}
	w.usage.Password(account, ids["target"], at)
	w.usage.Password(account, ids["bare"], at) // who has none
	if diff := cmp.Diff(map[string]*time.Time{"target": &at, "bare": nil}, show()); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	if err := w.usage.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	must(w.root.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: aws.String("target")}))(t)
	w.password("target")
	if got := show()["target"]; got != nil {
		t.Errorf("another password was last used %v", got)
	}
	root := func() *time.Time { return must(w.root.GetUser(ctx, &sdk.GetUserInput{}))(t).User.PasswordLastUsed }
	w.usage.Password(account, account, at)
	if got := root(); got != nil {
		t.Errorf("the root user has no password and used it %v", got)
	}
	summary := func() int32 {
		return must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap["AccountPasswordPresent"]
	}
	if summary() != 0 {
		t.Error("the root user has a password already")
	}
	n, err := w.dir.FirstPassword(ctx, directory.OfRoot(account), secret.New(firstPassword))
	if err != nil {
		t.Fatal(err)
	}
	w.make(func(tx *directory.Tx) error { _, err := tx.CreateLoginProfile(n, false); return err })
	if got := root(); got == nil || !got.Equal(at) || summary() != 1 {
		t.Errorf("the root user's password was used %v, present %d", got, summary())
	}
}
