package sts_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// TestLostDevice: a user without the device gets in by an administrator alone, who takes it off and enables another one.
func TestLostDevice(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	ctx, root, user := t.Context(), w.iam(static(a.root)), aws.String("ann")
	// The guide's: own devices, deactivated only by who shows one.
	ann := w.user(a, "ann", forceMFA, allow("iam:ListGroups", "*"))
	old := w.device(a, "ann")
	deactivate := func(c *sdkiam.Client) error {
		_, err := c.DeactivateMFADevice(ctx, &sdkiam.DeactivateMFADeviceInput{UserName: user, SerialNumber: &old.serial})
		return err
	}
	enable := func(d *device) error {
		_, err := root.EnableMFADevice(ctx, &sdkiam.EnableMFADeviceInput{UserName: user, SerialNumber: &d.serial, AuthenticationCode1: d.next(), AuthenticationCode2: d.next()})
		return err
	}
	t.Run("no recovery by oneself", func(t *testing.T) {
		checklist.Shows(t, "S1-247")
		denied(t, deactivate(w.iam(static(ann))), a.arn("user/ann"), "iam:DeactivateMFADevice", "user ann", "with an explicit deny in an identity-based policy")
		plain, err := w.token(ann, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, deactivate(w.iam(static(plain))), 403, "InvalidClientTokenId", "The security token included in the request is invalid")
		_, err = w.iam(static(ann)).DeleteVirtualMFADevice(ctx, &sdkiam.DeleteVirtualMFADeviceInput{SerialNumber: &old.serial})
		refused(t, err, 409, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
		if err := deactivate(root); err != nil {
			t.Error(err)
		}
	})
	t.Run("the seed lasts as long as the device", func(t *testing.T) {
		checklist.Shows(t, "S1-220")
		again := &device{w, old.serial, old.seed} // the same seed on another telephone
		if err := enable(again); err != nil {
			t.Fatal(err)
		}
		if got := w.may(w.authenticated(ann, again)); got != "users groups" {
			t.Errorf("may list %q", got)
		}
		// It is of no use in another account, neither as this device nor as one of the same name.
		theirs := w.user(b, "ann", allow("sts:*", "*"))
		namesake := w.device(b, "ann")
		_, err := w.token(theirs, &again.serial, again.next())
		refused(t, err, 403, "AccessDenied", wrongDevice)
		_, err = w.token(theirs, &namesake.serial, again.next())
		refused(t, err, 403, "AccessDenied", wrongCode)
	})
	t.Run("replaced", func(t *testing.T) {
		checklist.Shows(t, "S1-210")
		if err := deactivate(root); err != nil {
			t.Fatal(err)
		}
		fresh := w.virtual(a, "ann-2")
		if err := enable(fresh); err != nil {
			t.Fatal(err)
		}
		_, err := w.token(ann, &old.serial, old.next())
		refused(t, err, 403, "AccessDenied", wrongDevice)
		_, err = w.token(ann, &fresh.serial, old.next())
		refused(t, err, 403, "AccessDenied", wrongCode)
		w.authenticated(ann, fresh)
	})
}
