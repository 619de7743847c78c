package iam_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	tokenSeed  = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	freeToken  = "GAHT12345678" // in the inventory
	heldToken  = "GAHT87654321" // target's
	otherToken = "ABCD12345678"
)

// codes are the codes of a seed in the step of this moment and the ones after it, beginning skip steps later.
func codes(seed string, skip int64) (first, second *string) {
	raw, err := credential.ParseSeed(secret.New(seed))
	if err != nil {
		panic(err)
	}
	step := credential.StepAt(time.Now()) + skip
	return aws.String(credential.Code(raw, step).Reveal()), aws.String(credential.Code(raw, step+1).Reveal())
}

// enable gives a device to somebody without asking for permission; codes up to that of the present step are used up then.
func (w *world) enable(t directory.Target, serial, seed string) {
	w.t.Helper()
	one, two := codes(seed, -1)
	proof, err := w.dir.VerifyEnabling(w.t.Context(), "", t, serial, secret.New(*one), secret.New(*two))
	if err != nil {
		w.t.Fatal(err)
	}
	w.make(func(tx *directory.Tx) error {
		_, err := tx.EnableMFADevice(t, proof)
		return err
	})
}

// furnishMFA makes a scene with devices.
func furnishMFA(w *world) {
	w.t.Helper()
	w.scene()
	furnishDevices(w)
}

// furnishDevices makes the virtual device /team/phone, tagged color=blue and nobody's, and the token that is target's; another
// token is in the inventory.
func furnishDevices(w *world) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateVirtualMFADevice(w.account, directory.NewVirtualMFA{Name: "phone", Path: "/team/", Tags: []entity.Tag{{Key: "color", Value: "blue"}}})
		for _, serial := range []string{freeToken, heldToken} {
			if err == nil {
				err = tx.LoadToken(serial, secret.New(tokenSeed))
			}
		}
		return err
	})
	w.enable(directory.OfUser(w.account, "target"), heldToken, tokenSeed)
}

func mfaPermissions(w *world) []permission {
	target, phone := aws.String("target"), aws.String(w.arn("mfa/team/phone"))
	return []permission{
		{"CreateVirtualMFADevice", "mfa/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("fresh"), Path: aws.String("/new/")})
			return err
		}},
		{"DeleteVirtualMFADevice", "mfa/team/phone", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: phone})
			return err
		}},
		{"EnableMFADevice", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			one, two := codes(tokenSeed, 0)
			_, err := c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: target, SerialNumber: aws.String(freeToken), AuthenticationCode1: one, AuthenticationCode2: two})
			return err
		}},
		{"ResyncMFADevice", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			one, two := codes(tokenSeed, 1)
			_, err := c.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{UserName: target, SerialNumber: aws.String(heldToken), AuthenticationCode1: one, AuthenticationCode2: two})
			return err
		}},
		{"DeactivateMFADevice", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: aws.String(heldToken)})
			return err
		}},
		{"GetMFADevice", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: target, SerialNumber: aws.String(heldToken)})
			return err
		}},
		{"ListMFADevices", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target})
			return err
		}},
		{"ListVirtualMFADevices", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{})
			return err
		}},
		{"TagMFADevice", "mfa/team/phone", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: phone, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagMFADevice", "mfa/team/phone", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagMFADevice(ctx, &sdk.UntagMFADeviceInput{SerialNumber: phone, TagKeys: []string{"color"}})
			return err
		}},
		{"ListMFADeviceTags", "mfa/team/phone", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListMFADeviceTags(ctx, &sdk.ListMFADeviceTagsInput{SerialNumber: phone})
			return err
		}},
	}
}

// deviceCalls are the operations on one device by its serial number; those on a user's device are about target's.
func deviceCalls(w *world) (users, devices calls) {
	ctx, c, target := w.t.Context(), w.root, aws.String("target")
	users = calls{
		"EnableMFADevice": func(serial string) error {
			one, two := codes(tokenSeed, 1)
			_, err := c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: target, SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two})
			return err
		},
		"ResyncMFADevice": func(serial string) error {
			one, two := codes(tokenSeed, 1)
			_, err := c.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{UserName: target, SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two})
			return err
		},
		"DeactivateMFADevice": func(serial string) error {
			_, err := c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: &serial})
			return err
		},
		"GetMFADevice": func(serial string) error {
			_, err := c.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: target, SerialNumber: &serial})
			return err
		},
	}
	devices = calls{
		"DeleteVirtualMFADevice": func(serial string) error {
			_, err := c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
			return err
		},
		"TagMFADevice": func(serial string) error {
			_, err := c.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: &serial, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagMFADevice": func(serial string) error {
			_, err := c.UntagMFADevice(ctx, &sdk.UntagMFADeviceInput{SerialNumber: &serial, TagKeys: []string{"k"}})
			return err
		},
		"ListMFADeviceTags": func(serial string) error {
			_, err := c.ListMFADeviceTags(ctx, &sdk.ListMFADeviceTagsInput{SerialNumber: &serial})
			return err
		},
	}
	return users, devices
}

func mfaErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	users, devices := deviceCalls(w)
	phone, nothing := w.arn("mfa/team/phone"), w.arn("mfa/nothing")
	add := func(e apiError) { all = append(all, e) }
	missing := func(operation, message string, do func() error) {
		add(apiError{operation: operation, code: "NoSuchEntity", message: message, do: do})
	}
	noDevice := func(serial string) string {
		return "VirtualMFADevice with serial number " + serial + " does not exist."
	}
	for operation, do := range devices {
		for _, serial := range []string{nothing, w.arn("mfa/phone"), otherToken, heldToken} {
			missing(operation, noDevice(serial), func() error { return do(serial) })
		}
	}
	for operation, do := range users {
		for _, serial := range []string{nothing, otherToken} {
			message := noDevice(serial)
			if operation == "GetMFADevice" {
				message = "MFA Device invalid for user."
			}
			missing(operation, message, func() error { return do(serial) })
		}
		if operation != "EnableMFADevice" { // a device that is there, and not theirs
			missing(operation, "MFA Device invalid for user.", func() error { return do(phone) })
		}
	}
	const nobody = "The user with name nobody cannot be found."
	name, one, two := aws.String("nobody"), aws.String("123456"), aws.String("234567")
	missing("EnableMFADevice", nobody, func() error {
		_, err := c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: name, SerialNumber: &phone, AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	})
	missing("ResyncMFADevice", nobody, func() error {
		_, err := c.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{UserName: name, SerialNumber: &phone, AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	})
	missing("DeactivateMFADevice", nobody, func() error {
		_, err := c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: name, SerialNumber: &phone})
		return err
	})
	missing("GetMFADevice", nobody, func() error {
		_, err := c.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: name, SerialNumber: &phone})
		return err
	})
	missing("ListMFADevices", nobody, func() error {
		_, err := c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: name})
		return err
	})
	const wrong = "Authentication code for device is not valid."
	enable := func(serial string, one, two *string) error {
		_, err := c.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: aws.String("target"), SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	}
	resync := func(one, two *string) error {
		_, err := c.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{UserName: aws.String("target"), SerialNumber: aws.String(heldToken), AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	}
	tryOften := func(do func() error) func() error {
		return func() error {
			for i := range 5 {
				if err := do(); err == nil || !strings.Contains(err.Error(), wrong) {
					return fmt.Errorf("attempt %d: %w", i, err)
				}
			}
			return nil
		}
	}
	turned := func(do func(one, two *string) error) func() error {
		return func() error { one, two := codes(tokenSeed, 1); return do(two, one) }
	}
	wrongEnable := turned(func(one, two *string) error { return enable(freeToken, one, two) })
	const tooOften = "Too many authentication codes for this device were not valid. Wait a few minutes and try again."
	create := func(in sdk.CreateVirtualMFADeviceInput) func() error {
		return func() error { _, err := c.CreateVirtualMFADevice(ctx, &in); return err }
	}
	twice := sdkTags("key", "1", "key", "2")
	for _, e := range []apiError{
		{operation: "CreateVirtualMFADevice", code: "EntityAlreadyExists", message: "MFADevice entity at the same path and name already exists.",
			do: create(sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("PHONE"), Path: aws.String("/team/")})},
		{operation: "CreateVirtualMFADevice", code: "InvalidInput", message: "Duplicate tag keys found.",
			do: create(sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("fresh"), Tags: twice})},
		{operation: "CreateVirtualMFADevice", code: "InvalidInput",
			message: "Path and name of a virtual MFA device must make a serial number: together at most 227 characters of +=,.@-_/: and alphanumeric ones.",
			do:      create(sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(strings.Repeat("n", 200)), Path: aws.String("/" + strings.Repeat("p", 26) + "/")})},
		{operation: "CreateVirtualMFADevice", code: "LimitExceeded", message: "Cannot exceed quota for VirtualMFADevicesPerAccount: 1",
			quota: directory.VirtualMFADevicesQuota, n: 1, do: create(sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("fresh")})},
		{operation: "DeleteVirtualMFADevice", code: "DeleteConflict", message: "MFA VirtualDevice in use. Must deactivate first.",
			first: func() error {
				made, err := c.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("used")})
				if err == nil {
					one, two := codes(string(made.VirtualMFADevice.Base32StringSeed), 0)
					err = enable(*made.VirtualMFADevice.SerialNumber, one, two)
				}
				return err
			},
			do: func() error { return devices["DeleteVirtualMFADevice"](w.arn("mfa/used")) }},
		{operation: "EnableMFADevice", code: "EntityAlreadyExists", message: "MFA Device is already in use.",
			do: func() error { return users["EnableMFADevice"](heldToken) }},
		{operation: "EnableMFADevice", code: "LimitExceeded", message: "Cannot exceed quota for MFADevicesPerUser: 1",
			quota: directory.MFADevicesPerUserQuota, n: 1, do: func() error { return users["EnableMFADevice"](freeToken) }},
		{operation: "EnableMFADevice", code: "InvalidAuthenticationCode", message: wrong, do: wrongEnable, counted: true},
		{operation: "EnableMFADevice", code: "EntityTemporarilyUnmodifiable", message: tooOften, first: tryOften(wrongEnable),
			do: func() error { return users["EnableMFADevice"](freeToken) }},
		{operation: "ResyncMFADevice", code: "InvalidAuthenticationCode", message: wrong, do: turned(resync), counted: true},
		{operation: "ResyncMFADevice", code: "InvalidAuthenticationCode", message: tooOften, first: tryOften(turned(resync)),
			do: func() error { return users["ResyncMFADevice"](heldToken) }},
		{operation: "TagMFADevice", code: "InvalidInput", message: "Duplicate tag keys found.", do: func() error {
			_, err := c.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: &phone, Tags: twice})
			return err
		}},
		{operation: "TagMFADevice", code: "LimitExceeded", message: "Cannot exceed quota for TagsPerResource: 1",
			quota: directory.TagsPerResourceQuota, n: 1, do: func() error { return devices["TagMFADevice"](phone) }},
	} {
		add(e)
	}
	return all
}

var mfaCannot = map[string]map[string]string{
	"EntityTemporarilyUnmodifiable": {"DeactivateMFADevice": "a device can be taken away at any time"},
	"InvalidInput":                  {"UntagMFADevice": byConstraint, "ListMFADeviceTags": byConstraint},
	"LimitExceeded": {"DeactivateMFADevice": nothingGrows, "DeleteVirtualMFADevice": nothingGrows,
		"ResyncMFADevice": "attempts that come too often are answered as wrong codes are"},
}

// TestVirtualMFADevice is the life of a virtual device, as the guide tells it.
func TestVirtualMFADevice(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, target := t.Context(), aws.String("target")
	must(w.root.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("acme")}))(t)
	made := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{
		VirtualMFADeviceName: aws.String("BobsMFA"), Tags: sdkTags("Key", "1", "key", "2"),
	}))(t).VirtualMFADevice
	serial, seed := w.arn("mfa/BobsMFA"), string(made.Base32StringSeed)
	t.Run("made", func(t *testing.T) {
		checklist.Shows(t, "S1-216", "S1-217")
		if *made.SerialNumber != serial || made.EnableDate != nil || made.User != nil {
			t.Errorf("made %+v", made)
		}
		if raw, err := credential.ParseSeed(secret.New(seed)); err != nil || len(seed) != 64 || len(raw) != 40 {
			t.Errorf("a seed of %d characters: %v", len(seed), err)
		}
		want, err := credential.QRCode(credential.SeedURI("BobsMFA", "acme", secret.New(seed)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, made.QRCodePNG) {
			t.Error("the picture does not show the seed of this device")
		}
		if _, err := png.Decode(bytes.NewReader(made.QRCodePNG)); err != nil {
			t.Error(err)
		}
		equalNames(t, "tags", textTags(made.Tags), []string{"Key=1", "key=2"})
	})
	devices := func(status types.AssignmentStatusType) []types.VirtualMFADevice {
		t.Helper()
		return must(w.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{AssignmentStatus: status}))(t).VirtualMFADevices
	}
	serials := func(status types.AssignmentStatusType) (all []string) {
		for _, d := range devices(status) {
			all = append(all, *d.SerialNumber)
			if d.Base32StringSeed != nil || d.QRCodePNG != nil {
				t.Error("a seed is shown again")
			}
		}
		return all
	}
	count := func(all, used, roots int32) {
		t.Helper()
		m := must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
		if m["MFADevices"] != all || m["MFADevicesInUse"] != used || m["AccountMFAEnabled"] != roots {
			t.Errorf("the summary counts %d devices, %d in use, %d of root", m["MFADevices"], m["MFADevicesInUse"], m["AccountMFAEnabled"])
		}
	}
	t.Run("nobody's", func(t *testing.T) {
		checklist.Shows(t, "S1-206", "S1-219")
		equalNames(t, "all", serials(""), []string{serial})
		equalNames(t, "assigned", serials(types.AssignmentStatusTypeAssigned), nil)
		equalNames(t, "unassigned", serials(types.AssignmentStatusTypeUnassigned), []string{serial})
		count(1, 0, 0)
		listed := must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target}))(t)
		if listed.MFADevices == nil || len(listed.MFADevices) != 0 || listed.IsTruncated {
			t.Errorf("the user has %+v", listed)
		}
	})
	enable := func(user string, one, two *string) error {
		_, err := w.root.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{
			UserName: &user, SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two,
		})
		return err
	}
	one, two := codes(seed, 0)
	t.Run("enabled", func(t *testing.T) {
		checklist.Shows(t, "S1-207", "S1-203")
		refused(t, enable("target", two, one), 403, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
		if err := enable("TARGET", one, two); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"target", "other"} {
			if user == "other" {
				must(w.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: &user}))(t)
			}
			refused(t, enable(user, one, two), 409, "EntityAlreadyExists", "MFA Device is already in use.")
		}
	})
	t.Run("in use", func(t *testing.T) {
		got := must(w.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{SerialNumber: &serial, UserName: target}))(t)
		recent(t, "EnableDate", got.EnableDate)
		if *got.SerialNumber != serial || *got.UserName != "target" || got.Certifications != nil {
			t.Errorf("got %+v", got)
		}
		list := must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target}))(t).MFADevices
		if len(list) != 1 || *list[0].SerialNumber != serial || *list[0].UserName != "target" || !list[0].EnableDate.Equal(*got.EnableDate) {
			t.Errorf("ListMFADevices answers %+v", list)
		}
		u := must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: target}))(t).User
		assigned := devices(types.AssignmentStatusTypeAssigned)
		if len(assigned) != 1 || assigned[0].User == nil || *assigned[0].User.Arn != *u.Arn || *assigned[0].User.UserId != *u.UserId ||
			!assigned[0].EnableDate.Equal(*got.EnableDate) || assigned[0].Tags != nil {
			t.Errorf("assigned: %+v", assigned)
		}
		equalNames(t, "unassigned", serials(types.AssignmentStatusTypeUnassigned), nil)
		count(1, 1, 0)
		_, err := w.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
		refused(t, err, 409, "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
	})
	t.Run("in the way of deleting the user", func(t *testing.T) {
		user := aws.String("gone")
		must(w.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: user}))(t)
		fresh := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: user}))(t).VirtualMFADevice
		w.enable(directory.OfUser(w.account, "gone"), *fresh.SerialNumber, string(fresh.Base32StringSeed))
		_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: user})
		refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete MFA device first.")
		must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: user, SerialNumber: fresh.SerialNumber}))(t)
		must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: user}))(t)
		must(w.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: fresh.SerialNumber}))(t)
	})
	t.Run("synchronized again", func(t *testing.T) {
		checklist.Shows(t, "S1-241")
		one, two := codes(seed, 40) // a clock that is 20 minutes ahead
		in := &sdk.ResyncMFADeviceInput{UserName: target, SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two}
		must(w.root.ResyncMFADevice(ctx, in))(t)
		_, err := w.root.ResyncMFADevice(ctx, in)
		refused(t, err, 403, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	})
	t.Run("tags", func(t *testing.T) {
		tag := func() []string {
			return textTags(must(w.root.ListMFADeviceTags(ctx, &sdk.ListMFADeviceTagsInput{SerialNumber: &serial}))(t).Tags)
		}
		equalNames(t, "at first", tag(), []string{"Key=1", "key=2"})
		must(w.root.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: &serial, Tags: sdkTags("Key", "3", "a", "4")}))(t)
		must(w.root.UntagMFADevice(ctx, &sdk.UntagMFADeviceInput{SerialNumber: &serial, TagKeys: []string{"key", "none"}}))(t)
		equalNames(t, "then", tag(), []string{"a=4", "Key=3"})
		p := sdk.NewListMFADeviceTagsPaginator(w.root, &sdk.ListMFADeviceTagsInput{SerialNumber: &serial, MaxItems: aws.Int32(1)})
		var pages []string
		for p.HasMorePages() {
			pages = append(pages, textTags(must(p.NextPage(ctx))(t).Tags)...)
		}
		equalNames(t, "in pages", pages, []string{"a=4", "Key=3"})
	})
	t.Run("deactivated and deleted", func(t *testing.T) {
		checklist.Shows(t, "S1-218", "S1-244", "S3-290", "S1-437")
		must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: &serial}))(t)
		equalNames(t, "unassigned", serials(types.AssignmentStatusTypeUnassigned), []string{serial})
		_, err := w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: &serial})
		refused(t, err, 404, "NoSuchEntity", "MFA Device invalid for user.")
		one, two := codes(seed, 42) // the seed is still the device's
		if err := enable("other", one, two); err != nil {
			t.Error(err)
		}
		must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("other"), SerialNumber: &serial}))(t)
		must(w.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial}))(t)
		equalNames(t, "all", serials(types.AssignmentStatusTypeAny), nil)
		_, err = w.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
		refused(t, err, 404, "NoSuchEntity", "VirtualMFADevice with serial number "+serial+" does not exist.")
		again := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("BobsMFA")}))(t).VirtualMFADevice
		if bytes.Equal(again.Base32StringSeed, made.Base32StringSeed) {
			t.Error("a new device has the old seed")
		}
		count(1, 0, 0)
	})
}

// TestHardwareMFADevice: a token is known by its serial number and needs no create call.
func TestHardwareMFADevice(t *testing.T) {
	w := newWorld(t)
	furnishMFA(w)
	ctx, target := t.Context(), aws.String("target")
	enable := func(user, serial string, skip int64) error {
		one, two := codes(tokenSeed, skip)
		_, err := w.root.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: &user, SerialNumber: &serial, AuthenticationCode1: one, AuthenticationCode2: two})
		return err
	}
	t.Run("enabled by its serial number", func(t *testing.T) {
		checklist.Shows(t, "S1-227", "S1-228")
		if err := enable("target", freeToken, 0); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target}))(t).MFADevices {
			got = append(got, *d.SerialNumber)
		}
		equalNames(t, "devices", got, []string{freeToken, heldToken})
		virtual := must(w.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{}))(t).VirtualMFADevices
		if len(virtual) != 1 || *virtual[0].SerialNumber != w.arn("mfa/team/phone") {
			t.Errorf("virtual devices: %+v", virtual)
		}
	})
	t.Run("one user's at a time", func(t *testing.T) {
		checklist.Shows(t, "S1-229")
		must(w.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("other")}))(t)
		refused(t, enable("other", freeToken, 2), 409, "EntityAlreadyExists", "MFA Device is already in use.")
		refused(t, enable("other", otherToken, 2), 404, "NoSuchEntity", "VirtualMFADevice with serial number "+otherToken+" does not exist.")
		must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: aws.String(freeToken)}))(t)
		if err := enable("other", freeToken, 2); err != nil {
			t.Error(err)
		}
	})
	t.Run("in pages", func(t *testing.T) {
		must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("other"), SerialNumber: aws.String(freeToken)}))(t)
		if err := enable("target", freeToken, 4); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("n", 226)
		for _, name := range []string{"one", long} {
			d := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name}))(t).VirtualMFADevice
			w.enable(directory.OfUser(w.account, "target"), *d.SerialNumber, string(d.Base32StringSeed))
		}
		var got []string
		p := sdk.NewListMFADevicesPaginator(w.root, &sdk.ListMFADevicesInput{UserName: target, MaxItems: aws.Int32(1)})
		for p.HasMorePages() {
			for _, d := range must(p.NextPage(ctx))(t).MFADevices {
				got = append(got, *d.SerialNumber)
			}
		}
		equalNames(t, "devices", got, []string{w.arn("mfa/" + long), w.arn("mfa/one"), freeToken, heldToken})
		got = nil
		v := sdk.NewListVirtualMFADevicesPaginator(w.root, &sdk.ListVirtualMFADevicesInput{MaxItems: aws.Int32(1)})
		for v.HasMorePages() {
			for _, d := range must(v.NextPage(ctx))(t).VirtualMFADevices {
				got = append(got, *d.SerialNumber)
			}
		}
		equalNames(t, "virtual devices", got, []string{w.arn("mfa/" + long), w.arn("mfa/one"), w.arn("mfa/team/phone")})
		_, err := w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target, Marker: aws.String("MTp4")})
		refused(t, err, 400, "ValidationError", "Invalid Marker.")
	})
}

// TestOwnMFADevices: users manage their own devices by leaving out the name where the API lets them; the root user's are not managed
// through the API.
func TestOwnMFADevices(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := w.user("ann", allow("iam:*MFADevice*", "*"))
	bob := w.user("bob")
	made := must(ann.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ann")}))(t).VirtualMFADevice
	one, two := codes(string(made.Base32StringSeed), 0)
	must(ann.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: aws.String("ann"), SerialNumber: made.SerialNumber, AuthenticationCode1: one, AuthenticationCode2: two}))(t)
	if got := must(ann.ListMFADevices(ctx, &sdk.ListMFADevicesInput{}))(t).MFADevices; len(got) != 1 || *got[0].UserName != "ann" {
		t.Errorf("ann's devices: %+v", got)
	}
	if got := must(ann.GetMFADevice(ctx, &sdk.GetMFADeviceInput{SerialNumber: made.SerialNumber}))(t); *got.UserName != "ann" {
		t.Errorf("ann's device: %+v", got)
	}
	_, err := bob.ListMFADevices(ctx, &sdk.ListMFADevicesInput{})
	w.denied(err, "bob", "iam:ListMFADevices", "user bob")

	t.Run("root's device", func(t *testing.T) {
		checklist.Shows(t, "S1-213", "S1-222", "S1-438")
		d := must(w.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("root-account-mfa-device")}))(t).VirtualMFADevice
		w.enable(directory.OfRoot(w.account), *d.SerialNumber, string(d.Base32StringSeed)) // as the console does
		_, err := w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{SerialNumber: d.SerialNumber})
		refused(t, err, 400, "ValidationError", "Must specify userName when calling with non-User credentials")
		_, err = w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{SerialNumber: d.SerialNumber, UserName: aws.String("ann")})
		refused(t, err, 404, "NoSuchEntity", "MFA Device invalid for user.")
		if got := must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{}))(t).MFADevices; len(got) != 1 || *got[0].SerialNumber != *d.SerialNumber {
			t.Errorf("root's devices: %+v", got)
		}
		var users []string
		for _, d := range must(w.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{}))(t).VirtualMFADevices {
			users = append(users, *d.User.Arn)
		}
		equalNames(t, "users", users, []string{w.arn("user/ann"), w.arn("root")})
		if m := must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap; m["AccountMFAEnabled"] != 1 || m["MFADevicesInUse"] != 2 {
			t.Errorf("the summary says %v", m)
		}
	})
	must(ann.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
	if got := must(ann.ListMFADevices(ctx, &sdk.ListMFADevicesInput{}))(t).MFADevices; len(got) != 0 {
		t.Errorf("ann still has %+v", got)
	}
}

// TestFIDODevice: what the console has registered is listed, with its certifications, and can be taken away.
func TestFIDODevice(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, target := t.Context(), aws.String("target")
	var d *entity.MFADevice
	w.make(func(tx *directory.Tx) (err error) {
		d, err = tx.RegisterFIDODevice(directory.OfUser(w.account, "target"), directory.NewFIDO{Name: "yubikey", FIDO: entity.FIDO{
			CredentialID: []byte("id"), PublicKey: []byte("key"), Certified: map[string]string{"FIDO-certification": "L1", "FIPS-140-2-certification": "L2"},
		}})
		return err
	})
	got := must(w.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: target, SerialNumber: &d.Serial}))(t)
	if diff := cmp.Diff(map[string]string{"FIDO-certification": "L1", "FIPS-140-2-certification": "L2"}, got.Certifications); diff != "" {
		t.Errorf("certifications (-want +got):\n%s", diff)
	}
	list := must(w.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: target}))(t).MFADevices
	if len(list) != 1 || !strings.HasPrefix(*list[0].SerialNumber, w.arn("u2f/user/target/yubikey-")) {
		t.Errorf("devices: %+v", list)
	}
	_, err := w.root.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{UserName: target, SerialNumber: &d.Serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("234567")})
	refused(t, err, 403, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	must(w.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: target, SerialNumber: &d.Serial}))(t)
	_, err = w.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: target, SerialNumber: &d.Serial})
	refused(t, err, 404, "NoSuchEntity", "MFA Device invalid for user.")
}

// TestMFADeviceTagsDecide: a device's tags are aws:ResourceTag, and a device of another account is refused to everybody.
func TestMFADeviceTagsDecide(t *testing.T) {
	w := newWorld(t)
	furnishMFA(w)
	ctx, phone := t.Context(), aws.String(w.arn("mfa/team/phone"))
	ann := w.user("ann", allow("iam:DeleteVirtualMFADevice", "*").when("StringEquals", "aws:ResourceTag/color", "red"))
	del := func(c *sdk.Client, serial string) error {
		_, err := c.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
		return err
	}
	w.denied(del(ann, *phone), "ann", "iam:DeleteVirtualMFADevice", *phone)
	must(w.root.TagMFADevice(ctx, &sdk.TagMFADeviceInput{SerialNumber: phone, Tags: sdkTags("color", "red")}))(t)
	if err := del(ann, strings.ToUpper((*phone)[len(*phone)-5:])); err == nil { // PHONE alone is no serial number of a device
		t.Error("deleted by a part of its serial number")
	}
	foreign := "arn:aws:iam::999988887777:mfa/phone"
	refused(t, del(w.root, foreign), 403, "AccessDenied", "User: "+w.arn("root")+" is not authorized to perform: iam:DeleteVirtualMFADevice on resource: "+foreign)
	if err := del(ann, *phone); err != nil {
		t.Error(err)
	}
}

// TestEnablingIsDecidedAnew: a request that brings codes may be decided twice, and its codes are good both times.
func TestEnablingIsDecidedAnew(t *testing.T) {
	w := newWorld(t)
	furnishMFA(w)
	caller := w.user("caller", allow("iam:*", "*"))
	w.store.behind(func() {
		w.commit(func(tx *directory.Tx) error {
			return tx.Tag(directory.OfUser(w.account, "caller"), []entity.Tag{{Key: "new"}})
		})
	})
	one, two := codes(tokenSeed, 0)
	in := &sdk.EnableMFADeviceInput{UserName: aws.String("target"), SerialNumber: aws.String(freeToken), AuthenticationCode1: one, AuthenticationCode2: two}
	if _, err := caller.EnableMFADevice(t.Context(), in); err != nil {
		t.Error(err)
	}
}
