package iam_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// TestPasswordsBesideOthers: a password beside the other credentials of its user.
func TestPasswordsBesideOthers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	t.Run("temporary, and a device", func(t *testing.T) {
		checklist.Shows(t, "S1-60", "S1-108")
		w.user("newcomer")
		in := &sdk.CreateLoginProfileInput{UserName: aws.String("newcomer"), Password: aws.String(firstPassword), PasswordResetRequired: true}
		if made := must(w.root.CreateLoginProfile(ctx, in))(t).LoginProfile; !made.PasswordResetRequired {
			t.Errorf("made %+v", made)
		}
		if got := w.opens("newcomer", firstPassword); got != directory.PasswordReset {
			t.Errorf("the password is %v", got)
		}
		phone := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: in.UserName}))(t).VirtualMFADevice
		w.enable(directory.OfUser(w.account, "newcomer"), *phone.SerialNumber, string(phone.Base32StringSeed))
		if got := must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: in.UserName}))(t).MFADevices; len(got) != 1 {
			t.Errorf("the devices are %+v", got)
		}
	})
	t.Run("keys outlive the password", func(t *testing.T) {
		checklist.Shows(t, "S1-179")
		caller := w.user("keyed", allow("iam:GetUser", "*"))
		w.password("keyed")
		must(w.root.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{MaxPasswordAge: aws.Int32(1), HardExpiry: aws.Bool(true)}))(t)
		w.later(48 * time.Hour)
		if got := w.opens("keyed", firstPassword); got != directory.PasswordLocked {
			t.Errorf("the password is %v", got)
		}
		must(caller.GetUser(ctx, &sdk.GetUserInput{}))(t)
		must(w.root.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{}))(t)
		if got := w.opens("keyed", firstPassword); got != directory.PasswordGood {
			t.Errorf("without a policy the password is %v", got)
		}
	})
}
