package acceptance_test

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// TestForceMFA is E6 (guide L1605-1833): the policy Force_MFA as the guide prints it, without the damage of its pages, and what the guide
// says of first passwords under it.
func TestForceMFA(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("MFAUser")
	text := string(must(os.ReadFile("../../policy/testdata/guide/004-L1653.json"))(t))
	p := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("Force_MFA"), PolicyDocument: &text}))(t).Policy
	admin.group(t, "EC2MFA", *p.Arn)
	must(admin.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String("EC2MFA"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonEC2FullAccess")}))(t)
	user := c.user(t, admin, *name)
	admin.member(t, *name, "EC2MFA")
	must(admin.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(goodPassword), PasswordResetRequired: true}))(t)
	password := goodPassword
	change := func() error {
		next := password + "0"
		err := failure(user.iam.ChangePassword(ctx, &iam.ChangePasswordInput{OldPassword: &password, NewPassword: &next}))
		if err == nil {
			password = next
		}
		return err
	}
	version := func(t *testing.T, document string) {
		t.Helper()
		must(admin.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: &document, SetAsDefault: true}))(t)
	}
	const who, what = "user MFAUser", "iam:ChangePassword"

	t.Run("as printed", func(t *testing.T) {
		checklist.Shows(t, "S1-430", "S1-50")
		must(user.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
		must(user.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{}))(t)
		_, err := user.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: aws.String("Administrator")})
		denied(t, err, a.ARN("user/MFAUser"), "iam:ListMFADevices", "user Administrator", noIdentityPolicy("iam:ListMFADevices"))
		_, err = user.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
		denied(t, err, a.ARN("user/MFAUser"), "iam:GetLoginProfile", who, explicitDeny)
		denied(t, change(), a.ARN("user/MFAUser"), what, who, explicitDeny)
	})
	added := strings.Replace(text, `"NotAction": [`, `"NotAction": ["iam:ChangePassword", "iam:CreateLoginProfile",`, 1)
	t.Run("with the two actions added", func(t *testing.T) {
		checklist.Shows(t, "S1-432")
		version(t, added)
		must(0, change())(t)
		_, err := user.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
		denied(t, err, a.ARN("user/MFAUser"), "iam:GetLoginProfile", who, explicitDeny)
	})
	t.Run("with the two actions moved", func(t *testing.T) {
		checklist.Shows(t, "S1-432")
		moved := strings.NewReplacer(`        "iam:ChangePassword",`, "", `        "iam:CreateLoginProfile",`, "").Replace(added)
		version(t, moved)
		denied(t, change(), a.ARN("user/MFAUser"), what, who, noIdentityPolicy(what))
		must(admin.iam.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: true}))(t)
		must(0, change())(t)
		must(admin.iam.DeleteAccountPasswordPolicy(ctx, &iam.DeleteAccountPasswordPolicyInput{}))(t)
	})
	t.Run("with a device of one's own", func(t *testing.T) {
		checklist.Shows(t, "S1-430", "S1-343")
		version(t, text)
		serial, codes := user.device(t, *name, *name)
		_, err := user.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: &serial})
		denied(t, err, a.ARN("user/MFAUser"), "iam:DeactivateMFADevice", who, explicitDeny)
		k := must(user.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: &serial, TokenCode: codes(1)}))(t).Credentials
		proven := c.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
		must(proven.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name}))(t)
		_, err = proven.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: aws.String("Administrator")})
		denied(t, err, a.ARN("user/MFAUser"), "iam:GetLoginProfile", "user Administrator", noIdentityPolicy("iam:GetLoginProfile"))
		must(proven.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: &serial}))(t)
	})
}
