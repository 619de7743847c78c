package acceptance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

const goodPassword = "Correct-horse-9"

// holdings is how much a user has of everything that a user can have.
type holdings struct {
	Password                                      bool
	Keys, Devices, SSHKeys, Certificates, GitSets int
	Groups, Attached, Inline                      int
	Boundary                                      bool
	Path, Prefix                                  string // of the user: path, and what the ID begins with
}

// holds asks for everything that a user has.
func (c *caller) holds(t testing.TB, user string) holdings {
	t.Helper()
	ctx, name := t.Context(), &user
	u := must(c.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))(t).User
	_, err := c.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
	if got := code(err); got != "" && got != "NoSuchEntity" {
		t.Fatal(err)
	}
	return holdings{
		Password:     err == nil,
		Keys:         len(must(c.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: name}))(t).AccessKeyMetadata),
		Devices:      len(must(c.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name}))(t).MFADevices),
		SSHKeys:      len(must(c.iam.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: name}))(t).SSHPublicKeys),
		Certificates: len(must(c.iam.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: name}))(t).Certificates),
		GitSets:      len(must(c.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: name}))(t).ServiceSpecificCredentials),
		Groups:       len(must(c.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: name}))(t).Groups),
		Attached:     len(must(c.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: name}))(t).AttachedPolicies),
		Inline:       len(must(c.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: name}))(t).PolicyNames),
		Boundary:     u.PermissionsBoundary != nil,
		Path:         *u.Path, Prefix: (*u.UserId)[:4],
	}
}

// TestFreshUser: a new user has nothing and may do nothing, not even with what is the user's own; each thing is a step of its own.
func TestFreshUser(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	root, ctx, name := c.root(a), t.Context(), aws.String("fresh")
	must(root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	must(root.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("Everybody")}))(t)
	want := holdings{Path: "/", Prefix: "AIDA"}
	check := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(want, root.holds(t, *name)); diff != "" {
			t.Errorf("the user has (-want +got):\n%s", diff)
		}
	}
	t.Run("nothing", func(t *testing.T) {
		checklist.Shows(t, "S1-102", "S1-139")
		check(t)
	})
	var user *caller
	t.Run("step by step", func(t *testing.T) {
		checklist.Shows(t, "S1-104", "S1-116")
		must(root.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(goodPassword)}))(t)
		want.Password = true
		check(t)
		user = c.key(t, root, *name)
		want.Keys = 1
		check(t)
		must(root.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: aws.String("Everybody")}))(t)
		want.Groups = 1
		check(t)
		_, err := user.iam.ListRoles(ctx, &iam.ListRolesInput{})
		denied(t, err, a.ARN("user/fresh"), "iam:ListRoles", a.ARN("role/"), noIdentityPolicy("iam:ListRoles"))
		must(root.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
		want.Attached = 1
		check(t)
		must(user.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t)
		must(root.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
		// Somebody for programs is a user like one for people: without a password, with a key.
		c.user(t, root, "service")
		if diff := cmp.Diff(holdings{Keys: 1, Path: "/", Prefix: "AIDA"}, root.holds(t, "service")); diff != "" {
			t.Errorf("the other user has (-want +got):\n%s", diff)
		}
	})
	serial, pw := aws.String(a.ARN("mfa/fresh")), aws.String(goodPassword)
	for action, do := range map[string]func() error{
		"GetUser":         func() error { return failure(user.iam.GetUser(ctx, &iam.GetUserInput{})) },
		"CreateAccessKey": func() error { return failure(user.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})) },
		"ListAccessKeys":  func() error { return failure(user.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{})) },
		"DeleteAccessKey": func() error {
			return failure(user.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: &user.id}))
		},
		"UpdateAccessKey": func() error {
			return failure(user.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: &user.id, Status: types.StatusTypeInactive}))
		},
		"ChangePassword": func() error {
			return failure(user.iam.ChangePassword(ctx, &iam.ChangePasswordInput{OldPassword: pw, NewPassword: aws.String(goodPassword + "0")}))
		},
		"UpdateLoginProfile": func() error {
			return failure(user.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, Password: aws.String(goodPassword + "0")}))
		},
		"DeleteLoginProfile": func() error {
			return failure(user.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name}))
		},
		"CreateVirtualMFADevice": func() error {
			return failure(user.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name}))
		},
		"EnableMFADevice": func() error {
			return failure(user.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: name, SerialNumber: serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")}))
		},
		"DeactivateMFADevice": func() error {
			return failure(user.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{SerialNumber: serial}))
		},
		"UploadSSHPublicKey": func() error {
			return failure(user.iam.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: name, SSHPublicKeyBody: aws.String("ssh-rsa AAAA")}))
		},
		"UploadSigningCertificate": func() error {
			return failure(user.iam.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{CertificateBody: aws.String("none")}))
		},
		"CreateServiceSpecificCredential": func() error {
			return failure(user.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: name, ServiceName: aws.String("codecommit.amazonaws.com")}))
		},
	} {
		t.Run("not "+action, func(t *testing.T) {
			checklist.Shows(t, "S1-103")
			err := do()
			if got := code(err); got != "AccessDenied" || !strings.Contains(err.Error(), noIdentityPolicy("iam:"+action)) {
				t.Errorf("a user without permissions: %v", err)
			}
		})
	}
	want.Attached = 0
	check(t)
}

// device makes a virtual device, gives it to a user and returns what it shows.
func (c *caller) device(t testing.TB, user, name string) (serial string, codes func(steps int64) *string) {
	t.Helper()
	made := must(c.iam.CreateVirtualMFADevice(t.Context(), &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name}))(t).VirtualMFADevice
	seed := must(credential.ParseSeed(secret.New(string(made.Base32StringSeed))))(t)
	now := credential.StepAt(time.Now())
	codes = func(steps int64) *string { return aws.String(credential.Code(seed, now+steps).Reveal()) }
	must(c.iam.EnableMFADevice(t.Context(), &iam.EnableMFADeviceInput{
		UserName: &user, SerialNumber: made.SerialNumber, AuthenticationCode1: codes(-1), AuthenticationCode2: codes(0),
	}))(t)
	return *made.SerialNumber, codes
}

// TestUserWithEverything: one user carries every kind of credentials at once, loses them for a while, and goes after all of them.
func TestUserWithEverything(t *testing.T) {
	c, srv := newCloud(t)
	admin, ctx, name := c.admin(t, srv.Account(t)), t.Context(), aws.String("loaded")
	first := c.user(t, admin, *name, iamReadOnlyAccess)
	second := c.key(t, admin, *name)
	password := &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(goodPassword)}
	must(admin.iam.CreateLoginProfile(ctx, password))(t)
	ssh := must(admin.iam.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: name, SSHPublicKeyBody: aws.String(testenv.SSHKey(t, 2048))}))(t).SSHPublicKey
	git := must(admin.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{
		UserName: name, ServiceName: aws.String("codecommit.amazonaws.com"),
	}))(t).ServiceSpecificCredential
	cert := must(admin.iam.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{
		UserName: name, CertificateBody: &testenv.Issue(t, testenv.CertificateOf{Name: "loaded"}).Body,
	}))(t).Certificate
	serial, _ := admin.device(t, *name, *name)
	admin.inline(t, *name, "own", statement("Allow", "s3:*", "*"))
	admin.group(t, "Readers", iamReadOnlyAccess)
	admin.member(t, *name, "Readers")
	want := holdings{Password: true, Keys: 2, Devices: 1, SSHKeys: 1, Certificates: 1, GitSets: 1, Groups: 1, Attached: 1, Inline: 1, Path: "/", Prefix: "AIDA"}
	check := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(want, admin.holds(t, *name)); diff != "" {
			t.Errorf("the user has (-want +got):\n%s", diff)
		}
	}
	t.Run("all at once", func(t *testing.T) {
		checklist.Shows(t, "S1-101")
		check(t)
		first.arn(t)
		second.arn(t)
	})
	t.Run("absent for a while", func(t *testing.T) {
		checklist.Shows(t, "S1-130", "S1-192")
		status := func(s types.StatusType) {
			t.Helper()
			for _, k := range []*caller{first, second} {
				must(admin.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: &k.id, Status: s}))(t)
			}
		}
		status(types.StatusTypeInactive)
		must(admin.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name}))(t)
		for _, k := range []*caller{first, second} {
			_, err := k.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
		}
		want.Password = false
		check(t)
		status(types.StatusTypeActive)
		must(admin.iam.CreateLoginProfile(ctx, password))(t)
		want.Password = true
		check(t)
		must(first.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t)
		second.arn(t)
	})
	// The order is the guide's: keys and certificates, password, device, policies, groups.
	steps := []func() error{
		func() error {
			return failure(admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &first.id}))
		},
		func() error {
			return failure(admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &second.id}))
		},
		func() error {
			return failure(admin.iam.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: name, CertificateId: cert.CertificateId}))
		},
		func() error {
			return failure(admin.iam.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: name, SSHPublicKeyId: ssh.SSHPublicKeyId}))
		},
		func() error {
			return failure(admin.iam.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: git.ServiceSpecificCredentialId}))
		},
		func() error {
			return failure(admin.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name}))
		},
		func() error {
			return failure(admin.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: &serial}))
		},
		func() error {
			return failure(admin.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))
		},
		func() error {
			return failure(admin.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("own")}))
		},
		func() error {
			return failure(admin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: aws.String("Readers")}))
		},
	}
	t.Run("deleted last", func(t *testing.T) {
		checklist.Shows(t, "S1-128", "S1-129", "S1-191", "S1-196")
		remove := func() error { return failure(admin.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})) }
		for i, step := range steps {
			if got := code(remove()); got != "DeleteConflict" {
				t.Fatalf("before step %d: %q, want DeleteConflict", i, got)
			}
			must(0, step())(t)
		}
		must(0, remove())(t)
		// A user of the same name has none of it back.
		must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
		want = holdings{Path: "/", Prefix: "AIDA"}
		check(t)
		_, err := first.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
		_, err = admin.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: &first.id, Status: types.StatusTypeActive})
		refused(t, err, "NoSuchEntity", "The Access Key with id "+first.id+" cannot be found.")
	})
}

// TestSecretIsShownOnce: nothing that can be read later shows a secret access key again, the root user's neither.
func TestSecretIsShownOnce(t *testing.T) {
	plain, srv := newCloud(t)
	c, h := plain.listen()
	a := srv.Account(t)
	root, ctx := c.root(a), t.Context()
	alice := c.user(t, root, "alice", administratorAccess)
	k := must(root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	once := h.forget()
	secrets := map[string]string{alice.id: alice.secret, *k.AccessKeyId: *k.SecretAccessKey}
	checklist.Shows(t, "S1-19", "S1-190", "S1-191", "S1-195")
	for id, text := range secrets {
		if strings.Count(once, text) != 1 || strings.Count(once, id) != 1 {
			t.Errorf("the key %s was not shown once when it was made", id)
		}
	}
	everything(t, root)
	for _, by := range []*caller{root, alice} {
		must(by.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t)
		must(by.iam.GetUser(ctx, &iam.GetUserInput{}))(t)
		for id := range secrets {
			must(by.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id}))(t)
		}
	}
	must(root.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("alice"), AccessKeyId: &alice.id, Status: types.StatusTypeActive}))(t)
	later := h.forget()
	for id, text := range secrets {
		if !strings.Contains(later, id) || strings.Contains(later, text) {
			t.Errorf("the key %s is not listed, or its secret is shown again", id)
		}
	}
	if !strings.Contains(later, "<Status>Active</Status>") {
		t.Error("the status of keys is not listed")
	}
	// What is lost is made anew, and the old one deleted.
	must(root.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: k.AccessKeyId}))(t)
	again := must(root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	if *again.AccessKeyId == *k.AccessKeyId || *again.SecretAccessKey == *k.SecretAccessKey {
		t.Error("the new key is the old one")
	}
}

// TestForgottenPassword: only an administrator gives a user another one.
func TestForgottenPassword(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("forgetful")
	user := c.user(t, admin, *name, ownPassword)
	must(admin.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(goodPassword)}))(t)
	change := func(old, next string) error {
		return failure(user.iam.ChangePassword(ctx, &iam.ChangePasswordInput{OldPassword: &old, NewPassword: &next}))
	}
	checklist.Shows(t, "S1-161", "S1-185")
	if got := code(change("A-wild-guess-1", "Another-horse-8")); got != "AccessDenied" {
		t.Errorf("with a wrong password: %q", got)
	}
	_, err := user.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, Password: aws.String("Another-horse-8")})
	denied(t, err, a.ARN("user/forgetful"), "iam:UpdateLoginProfile", "user forgetful", noIdentityPolicy("iam:UpdateLoginProfile"))
	_, err = user.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name})
	denied(t, err, a.ARN("user/forgetful"), "iam:DeleteLoginProfile", "user forgetful", noIdentityPolicy("iam:DeleteLoginProfile"))
	must(admin.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, Password: aws.String("Reset-horse-7"), PasswordResetRequired: aws.Bool(true)}))(t)
	if got := code(change(goodPassword, "Another-horse-8")); got != "AccessDenied" {
		t.Errorf("with the password of before: %q", got)
	}
	must(0, change("Reset-horse-7", "Another-horse-8"))(t)
}

// TestWhatSigns: a key ID is nothing without its secret, and temporary credentials are nothing without their token.
func TestWhatSigns(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	role := admin.role(t, "app", trusting(a.AccountID), "")
	session := c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")})
	session.arn(t)
	other := c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("other")})
	checklist.Shows(t, "S1-200", "S1-389")
	if strings.ContainsAny(session.token, " \r\n") || !strings.HasPrefix(session.id, "ASIA") {
		t.Errorf("%s has the token %q", session.id, session.token)
	}
	for name, row := range map[string]struct {
		by   *caller
		want string
	}{
		"another secret":           {c.as(admin.id, session.secret, ""), "SignatureDoesNotMatch"},
		"no such key":              {c.as("AKIAIOSFODNN7EXAMPLE", admin.secret, ""), "InvalidClientTokenId"},
		"no token":                 {c.as(session.id, session.secret, ""), "InvalidClientTokenId"},
		"a token that was cut":     {c.as(session.id, session.secret, session.token[:len(session.token)-4]), "InvalidClientTokenId"},
		"another session's token":  {c.as(session.id, session.secret, other.token), "InvalidClientTokenId"},
		"another session's secret": {c.as(session.id, other.secret, session.token), "SignatureDoesNotMatch"},
	} {
		if _, err := row.by.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); code(err) != row.want {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
}

// TestServerCertificateOfAnywhere: a certificate from outside is taken in whatever region, and none without its private key, as those of
// Certificate Manager would be.
func TestServerCertificateOfAnywhere(t *testing.T) {
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	checklist.Shows(t, "S1-325")
	for _, region := range []string{"eu-west-1", "ap-southeast-2", "us-east-1"} {
		cert := testenv.Issue(t, testenv.CertificateOf{Name: "site"})
		must(admin.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{
			ServerCertificateName: &region, CertificateBody: &cert.Body, PrivateKey: &cert.PEM,
		}, func(o *iam.Options) { o.Region = region }))(t)
	}
	if all := must(admin.iam.ListServerCertificates(ctx, &iam.ListServerCertificatesInput{}))(t).ServerCertificateMetadataList; len(all) != 3 {
		t.Errorf("%d certificates", len(all))
	}
	cert := testenv.Issue(t, testenv.CertificateOf{Name: "managed elsewhere"})
	_, err := admin.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{
		ServerCertificateName: aws.String("keyless"), CertificateBody: &cert.Body, PrivateKey: aws.String(""),
	})
	if got := code(err); got != "ValidationError" {
		t.Errorf("without a private key: %v", err)
	}
}
