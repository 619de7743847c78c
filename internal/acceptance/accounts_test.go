package acceptance_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// heard is every answer that came back from a server, as it was sent.
type heard struct {
	next aws.HTTPClient
	mu   sync.Mutex
	text bytes.Buffer
}

// listen returns the same endpoint, and what is heard from it.
func (c *cloud) listen() (*cloud, *heard) {
	h := &heard{next: c.sdk}
	return &cloud{url: c.url, http: c.http, sdk: h}, h
}

func (h *heard) Do(r *http.Request) (*http.Response, error) {
	resp, err := h.next.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(body)
	return resp, err
}

// forget returns what was heard until now.
func (h *heard) forget() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.text.Reset()
	return h.text.String()
}

// TestAccounts: what an account is when it is new, and what it shares with others, which is nothing.
func TestAccounts(t *testing.T) {
	c, srv := newCloud(t)
	a, b := srv.Account(t), srv.Account(t)
	root, other, ctx := c.root(a), c.root(b), t.Context()
	t.Run("one identity", func(t *testing.T) {
		checklist.Shows(t, "S1-1", "S1-5")
		if !regexp.MustCompile(`^[0-9]{12}$`).MatchString(a.AccountID) || root.arn(t) != "arn:aws:iam::"+a.AccountID+":root" {
			t.Errorf("the account %s has the root user %s", a.AccountID, root.arn(t))
		}
		all := must(root.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(t)
		if n := len(all.UserDetailList) + len(all.GroupDetailList) + len(all.RoleDetailList) + len(all.Policies); n != 0 {
			t.Errorf("a new account has %d entities", n)
		}
		u := must(root.iam.GetUser(ctx, &iam.GetUserInput{}))(t).User
		if *u.UserId != a.AccountID || *u.Arn != a.ARN("root") {
			t.Errorf("its one identity is %s", *u.Arn)
		}
		// Complete access: service/iam has every operation.
		must(root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("first")}))(t)
		must(root.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
		must(root.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("first")}))(t)
	})
	t.Run("users of one account", func(t *testing.T) {
		checklist.Shows(t, "S1-6", "S1-8")
		name := aws.String("alice")
		ours, theirs := c.user(t, root, *name, administratorAccess), c.user(t, other, *name)
		if ours.arn(t) != a.ARN("user/alice") || theirs.arn(t) != b.ARN("user/alice") {
			t.Errorf("the users are %s and %s", ours.arn(t), theirs.arn(t))
		}
		one, two := must(root.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))(t).User, must(other.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))(t).User
		if *one.UserId == *two.UserId {
			t.Error("two users have one ID")
		}
		// Whoever may do everything in one account reaches nothing in the other.
		_, err := ours.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &theirs.id})
		refused(t, err, "NoSuchEntity", "The Access Key with id "+theirs.id+" cannot be found.")
		role := other.role(t, "app", trusting(b.AccountID), statement("Allow", "*", "*"))
		_, err = ours.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("alice")})
		denied(t, err, a.ARN("user/alice"), "sts:AssumeRole", role, "")
		trust := trusting(a.ARN("user/alice"))
		must(other.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("app"), PolicyDocument: &trust}))(t)
		c.assume(t, ours, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("alice")})
		theirs.arn(t)
	})
}

// TestRootIsUnbound: no policy of the account's says anything to its root user, and none can be given to it.
func TestRootIsUnbound(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	root, ctx, name := c.root(a), t.Context(), aws.String("root")
	checklist.Shows(t, "S1-15", "S1-18", "S1-330")
	k := must(root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	second := c.as(*k.AccessKeyId, *k.SecretAccessKey, "")
	everything := func() {
		t.Helper()
		for _, by := range []*caller{root, second} {
			must(by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("made")}))(t)
			must(by.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(t)
			must(by.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("made")}))(t)
		}
	}
	everything()
	nothing := statement("Deny", "*", "*")
	const missing = "The user with name root cannot be found."
	_, err := root.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: &nothing})
	refused(t, err, "NoSuchEntity", missing)
	_, err = root.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(iamReadOnlyAccess)})
	refused(t, err, "NoSuchEntity", missing)
	_, err = root.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: aws.String(iamReadOnlyAccess)})
	refused(t, err, "NoSuchEntity", missing)
	must(root.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name}))(t)
	_, err = root.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: name})
	refused(t, err, "NoSuchEntity", missing)

	// A user, a group and a role of that name are somebody else.
	user := c.user(t, root, "root", administratorAccess)
	root.inline(t, "root", "nothing", nothing)
	must(root.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: name, PolicyName: name, PolicyDocument: &nothing}))(t)
	must(root.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: name}))(t)
	root.role(t, "root", trusting(a.AccountID), nothing)
	must(root.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: aws.String(iamReadOnlyAccess)}))(t)
	_, err = user.iam.ListUsers(ctx, &iam.ListUsersInput{})
	denied(t, err, a.ARN("user/root"), "iam:ListUsers", a.ARN("user/"), explicitDeny)
	everything()

	// What a role's policy leaves root out of, root can repair.
	closed := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:*"}}`
	for _, document := range []string{closed, trusting(a.AccountID)} {
		must(root.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &document}))(t)
	}
}

// TestAdministratorIsNotRoot: a user who may do everything reaches neither the root user's credentials nor what the account was
// opened with.
func TestAdministratorIsNotRoot(t *testing.T) {
	plain, srv := newCloud(t)
	c, h := plain.listen()
	const email, holder = "owner@example.com", "Owner of Everything"
	status, answer := c.operator(t, "POST", "accounts", srv.OperatorToken, `{"Name":"`+holder+`","Email":"`+email+`","Alias":"owned"}`)
	if status != http.StatusOK {
		t.Fatalf("making an account: %d %s", status, answer)
	}
	var made struct{ AccountId, AccessKeyId, SecretAccessKey string }
	for name, into := range map[string]*string{"AccountId": &made.AccountId, "AccessKeyId": &made.AccessKeyId, "SecretAccessKey": &made.SecretAccessKey} {
		must(0, jsonField([]byte(answer), name, into))(t)
	}
	a := ostiarytest.Account{AccountID: made.AccountId, AccessKeyID: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey}
	root, admin, ctx := c.root(a), c.admin(t, a), t.Context()
	none := func(err error) {
		t.Helper()
		if got := code(err); got != "NoSuchEntity" {
			t.Errorf("got %v, want NoSuchEntity", err)
		}
	}
	t.Run("access keys", func(t *testing.T) {
		checklist.Shows(t, "S1-10", "S1-16", "S1-17")
		for _, user := range []*string{nil, aws.String("root"), aws.String("Root"), &a.AccountID} {
			_, err := admin.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: &root.id, Status: types.StatusTypeInactive})
			none(err)
			_, err = admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: &root.id})
			none(err)
			if user == nil {
				continue
			}
			_, err = admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user})
			none(err)
			_, err = admin.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user})
			none(err)
		}
		keys := must(admin.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t).AccessKeyMetadata
		if len(keys) != 1 || *keys[0].AccessKeyId != admin.id {
			t.Errorf("the administrator's own keys: %+v", keys)
		}
		fresh := must(admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
		if *fresh.UserName != "Administrator" || c.as(*fresh.AccessKeyId, *fresh.SecretAccessKey, "").arn(t) != a.ARN("user/Administrator") {
			t.Errorf("the new key is %s's", *fresh.UserName)
		}
		root.arn(t)
	})
	t.Run("password and devices", func(t *testing.T) {
		checklist.Shows(t, "S1-10", "S1-16", "S1-17")
		password, serial := aws.String("Correct-horse-9"), aws.String(a.ARN("mfa/root-account-mfa-device"))
		must(root.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("root-account-mfa-device")}))(t)
		for _, user := range []string{"root", "Root", a.AccountID} {
			_, err := admin.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &user, Password: password})
			none(err)
			_, err = admin.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: &user, Password: password})
			none(err)
			_, err = admin.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: &user})
			none(err)
			_, err = admin.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: &user, SerialNumber: serial,
				AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")})
			none(err)
			_, err = admin.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: &user, SerialNumber: serial})
			none(err)
		}
		_, err := admin.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{}) // the caller's own, and there is none
		none(err)
	})
	t.Run("profile", func(t *testing.T) {
		checklist.Shows(t, "S1-10", "S1-16")
		must(admin.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t)
		everything(t, admin)
		must(admin.iam.GetUser(ctx, &iam.GetUserInput{}))(t)
		must(admin.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
		said := h.forget()
		if !strings.Contains(said, a.AccountID) || !strings.Contains(said, "owned") {
			t.Fatal("nothing was heard: this test proves nothing")
		}
		for _, secret := range []string{email, holder} {
			if strings.Contains(said, secret) {
				t.Errorf("an answer tells %s", secret)
			}
		}
	})
}
