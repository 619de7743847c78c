package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// mfaRows are the permission rows of the operations on MFA devices: those on a device's use are about its user, those on virtual
// devices as such about the device. The keys iam:RegisterSecurityKey and iam:FIDO-… of EnableMFADevice are about security keys,
// which this API does not register.
var mfaRows = map[string]gate.Row{
	"CreateVirtualMFADevice": {Decides: gate.ByPolicy, Checks: gate.Checks(createMFADeviceChecks)},
	"DeleteVirtualMFADevice": {Decides: gate.ByPolicy,
		Checks: on(deviceCheck, "iam:DeleteVirtualMFADevice", func(in *shape.DeleteVirtualMFADeviceRequest) string { return in.SerialNumber })},
	"EnableMFADevice": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:EnableMFADevice", func(in *shape.EnableMFADeviceRequest) string { return in.UserName })},
	"ResyncMFADevice": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:ResyncMFADevice", func(in *shape.ResyncMFADeviceRequest) string { return in.UserName })},
	"DeactivateMFADevice": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		name := gate.Input[*shape.DeactivateMFADeviceRequest](c).UserName
		if err := notRoots(c, name); err != nil {
			return nil, err
		}
		return ownerChecks(c, "iam:DeactivateMFADevice", name)
	}},
	"GetMFADevice": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:GetMFADevice", gate.Input[*shape.GetMFADeviceRequest](c).UserName)
	}},
	"ListMFADevices": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:ListMFADevices", gate.Input[*shape.ListMFADevicesRequest](c).UserName)
	}},
	"ListVirtualMFADevices": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:ListVirtualMFADevices")},
	"TagMFADevice": {Decides: gate.ByPolicy,
		Checks: tagging(deviceCheck, "iam:TagMFADevice",
			func(in *shape.TagMFADeviceRequest) (string, []shape.Tag) { return in.SerialNumber, in.Tags })},
	"UntagMFADevice": {Decides: gate.ByPolicy,
		Checks: untagging(deviceCheck, "iam:UntagMFADevice",
			func(in *shape.UntagMFADeviceRequest) (string, []string) { return in.SerialNumber, in.TagKeys })},
	"ListMFADeviceTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(deviceCheck, "iam:ListMFADeviceTags", func(in *shape.ListMFADeviceTagsRequest) string { return in.SerialNumber })},
}

// deviceCheck asks for one action on a device. A serial number that is no device's ARN names one that the account could have; one
// of another account is refused to everybody.
func deviceCheck(c *gate.Call, action, serial string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: entity.MFADeviceARN(c.Account(), "/", serial), ResourceAccount: c.Account()}
	if a, err := arn.Parse(serial); err == nil && a.Service() == "iam" && strings.HasPrefix(a.Resource(), "mfa/") {
		check.Resource, check.ResourceAccount = serial, a.Account()
	}
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if d, ok := snapshot.ItemNamed[*entity.MFADevice](account, serial); ok {
			check.Resource = d.Record.ARN()
		}
	}
	return check
}

// createMFADeviceChecks: making a device with tags needs iam:TagMFADevice on it too ("Tag IAM resources").
func createMFADeviceChecks(c *gate.Call, in *shape.CreateVirtualMFADeviceRequest) []authorizer.Check {
	create := authorizer.Check{
		Action: "iam:CreateVirtualMFADevice", Resource: entity.MFADeviceARN(c.Account(), orRoot(in.Path), in.VirtualMFADeviceName),
		RequestTags: entityTags(in.Tags),
	}
	return withTagging(create, "iam:TagMFADevice")
}

// notRoots refuses to let the root user's own devices be changed through the API: that is done while signed in to the console
// (S1-222; DeactivateMFADevice in the API Reference lets root leave the name out only in a session of AssumeRoot).
func notRoots(c *gate.Call, name *string) error {
	if name == nil && c.Caller.Principal.Type == policy.Root && !c.Caller.AssumedRoot {
		return fault.New(fault.Invalid, "Must specify userName when calling with non-User credentials")
	}
	return nil
}

// CreateVirtualMFADevice makes a device and shows its seed, as text and as a picture, this once.
func (s *service) CreateVirtualMFADevice(ctx context.Context, c *gate.Call, in *shape.CreateVirtualMFADeviceRequest) (*shape.CreateVirtualMFADeviceResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	shown := account.ID
	if account.Alias != "" {
		shown = account.Alias
	}
	n := directory.NewVirtualMFA{Name: in.VirtualMFADeviceName, Path: orRoot(in.Path), Tags: entityTags(in.Tags)}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateVirtualMFADeviceResponse, error) {
		d, err := tx.CreateVirtualMFADevice(account.ID, n)
		if err != nil {
			return nil, err
		}
		picture, err := credential.QRCode(credential.SeedURI(d.Name, shown, d.Seed))
		if err != nil {
			return nil, err
		}
		return &shape.CreateVirtualMFADeviceResponse{VirtualMFADevice: shape.VirtualMFADevice{
			SerialNumber: d.Serial, Base32StringSeed: []byte(d.Seed.Reveal()), QRCodePNG: picture, Tags: shapeTags(d.Tags),
		}}, nil
	})
}

// DeleteVirtualMFADevice deletes a device that is enabled for nobody.
func (s *service) DeleteVirtualMFADevice(ctx context.Context, c *gate.Call, in *shape.DeleteVirtualMFADeviceRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(c.Account(), in.SerialNumber) })
}

// EnableMFADevice makes a virtual device, or a hardware token of the operator's inventory, a user's.
func (s *service) EnableMFADevice(ctx context.Context, c *gate.Call, in *shape.EnableMFADeviceRequest) error {
	t := directory.OfUser(c.Account(), in.UserName)
	proof, err := s.dir.VerifyEnabling(ctx, c.ID(), t, in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		_, err := tx.EnableMFADevice(t, proof)
		return err
	})
}

// ResyncMFADevice finds out how far a device's clock is off.
func (s *service) ResyncMFADevice(ctx context.Context, c *gate.Call, in *shape.ResyncMFADeviceRequest) error {
	t := directory.OfUser(c.Account(), in.UserName)
	proof, err := s.dir.VerifyResync(ctx, c.ID(), t, in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2)
	if fault.KindOf(err) == fault.TemporarilyUnchanged { // which this operation has no error for
		return &fault.Error{Kind: fault.WrongCode, Subject: in.SerialNumber, Message: fault.MessageOf(err), Cause: err}
	}
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.ResyncMFADevice(t, proof) })
}

// DeactivateMFADevice takes a device from its user.
func (s *service) DeactivateMFADevice(ctx context.Context, c *gate.Call, in *shape.DeactivateMFADeviceRequest) error {
	t, err := owner(c, in.UserName)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeactivateMFADevice(t, in.SerialNumber) })
}

// devicesOf returns the devices of a user or the root user in the order of their serial numbers, and the user's name.
func devicesOf(c *gate.Call, t directory.Target) (devices []deviceItem, name string, err error) {
	account, err := home(c)
	if err != nil {
		return nil, "", err
	}
	owned := account.Owned
	if t.Kind == entity.KindUser {
		u, err := user(c, t.Name)
		if err != nil {
			return nil, "", err
		}
		owned, name = u.Owned, u.Name
	}
	return slices.SortedFunc(snapshot.Owned[*entity.MFADevice](account, owned), func(a, b deviceItem) int {
		return strings.Compare(entity.FoldName(a.Record.Serial), entity.FoldName(b.Record.Serial))
	}), name, nil
}

// deviceItem is a device of a snapshot.
type deviceItem = snapshot.Item[*entity.MFADevice]

// Markers of devices. A serial number may be longer than a marker, so that the part which all ARNs of an account begin with is
// left out: "a" and the rest, or "s" and the serial number of a hardware token.

func devicePlace(account string) func(deviceItem) string {
	return func(d deviceItem) string {
		serial := entity.FoldName(d.Record.Serial)
		if rest, ok := strings.CutPrefix(serial, serialStart(account)); ok {
			return "a" + rest
		}
		return "s" + serial
	}
}

func deviceAfter(account string, m *string) (serial string, err error) {
	key, err := page.Place(m)
	switch {
	case err != nil || key == "":
		return "", err
	case key[0] == 'a':
		return serialStart(account) + key[1:], nil
	case key[0] == 's':
		return key[1:], nil
	}
	return "", fault.New(fault.MarkerInvalid, "Invalid Marker.")
}

func serialStart(account string) string { return "arn:" + entity.Partition + ":iam::" + account + ":" }

// ListMFADevices lists the devices that are enabled for a user.
func (s *service) ListMFADevices(_ context.Context, c *gate.Call, in *shape.ListMFADevicesRequest) (*shape.ListMFADevicesResponse, error) {
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	all, name, err := devicesOf(c, t)
	if err != nil {
		return nil, err
	}
	after, err := deviceAfter(c.Account(), in.Marker)
	if err != nil {
		return nil, err
	}
	devices, next := page.Take(slices.Values(all), in.MaxItems,
		func(d deviceItem) bool { return entity.FoldName(d.Record.Serial) > after }, devicePlace(c.Account()))
	out := &shape.ListMFADevicesResponse{IsTruncated: truncated(next), Marker: next, MFADevices: make([]shape.MFADevice, 0, len(devices))}
	for _, d := range devices {
		out.MFADevices = append(out.MFADevices, shape.MFADevice{EnableDate: d.Record.EnabledAt, SerialNumber: d.Record.Serial, UserName: name})
	}
	return out, nil
}

// GetMFADevice shows a device that is enabled for the user who is named, or for the caller.
func (s *service) GetMFADevice(_ context.Context, c *gate.Call, in *shape.GetMFADeviceRequest) (*shape.GetMFADeviceResponse, error) {
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	devices, name, err := devicesOf(c, t)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		if !strings.EqualFold(d.Record.Serial, in.SerialNumber) {
			continue
		}
		out := &shape.GetMFADeviceResponse{SerialNumber: d.Record.Serial, EnableDate: new(d.Record.EnabledAt)}
		if name != "" {
			out.UserName = &name
		}
		if d.Record.FIDO != nil {
			out.Certifications = d.Record.FIDO.Certified
		}
		return out, nil
	}
	return nil, directory.NotTheirDevice(in.SerialNumber)
}

// ListVirtualMFADevices lists the account's virtual devices in the order of their serial numbers, without tags.
func (s *service) ListVirtualMFADevices(_ context.Context, c *gate.Call, in *shape.ListVirtualMFADevicesRequest) (*shape.ListVirtualMFADevicesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := deviceAfter(account.ID, in.Marker)
	if err != nil {
		return nil, err
	}
	status := deref(in.AssignmentStatus, "Any")
	devices, next := page.Take(snapshot.Items[*entity.MFADevice](account, after), in.MaxItems, func(d deviceItem) bool {
		assigned := d.Record.Owner != ""
		return d.Record.Type == entity.VirtualMFA && (status == "Any" || assigned == (status == "Assigned"))
	}, devicePlace(account.ID))
	out := &shape.ListVirtualMFADevicesResponse{
		IsTruncated: truncated(next), Marker: next, VirtualMFADevices: make([]shape.VirtualMFADevice, 0, len(devices)),
	}
	for _, d := range devices {
		out.VirtualMFADevices = append(out.VirtualMFADevices, listedDevice(account, d.Record))
	}
	return out, nil
}

// listedDevice is a virtual device as the list shows it: without its seed, with the user it is enabled for.
func listedDevice(account snapshot.Account, d *entity.MFADevice) shape.VirtualMFADevice {
	out := shape.VirtualMFADevice{SerialNumber: d.Serial}
	if d.Owner == "" {
		return out
	}
	out.EnableDate = new(d.EnabledAt)
	if d.Owner == account.ID {
		out.User = &shape.User{Arn: entity.RootARN(account.ID), CreateDate: account.CreatedAt, UserId: account.ID}
	} else if u, ok := account.UserByID(d.Owner); ok {
		out.User = new(listedUser(u.User))
	}
	return out
}

// TagMFADevice adds tags to a virtual device or replaces their values.
func (s *service) TagMFADevice(ctx context.Context, c *gate.Call, in *shape.TagMFADeviceRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.TagMFADevice(c.Account(), in.SerialNumber, entityTags(in.Tags))
	})
}

// UntagMFADevice removes tags; keys that are not there are no error.
func (s *service) UntagMFADevice(ctx context.Context, c *gate.Call, in *shape.UntagMFADeviceRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.UntagMFADevice(c.Account(), in.SerialNumber, in.TagKeys)
	})
}

// ListMFADeviceTags lists a virtual device's tags in the order of their keys.
func (s *service) ListMFADeviceTags(_ context.Context, c *gate.Call, in *shape.ListMFADeviceTagsRequest) (*shape.ListMFADeviceTagsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	d, ok := snapshot.ItemNamed[*entity.MFADevice](account, in.SerialNumber)
	if !ok || d.Record.Type != entity.VirtualMFA {
		return nil, directory.NoSuchDevice(in.SerialNumber)
	}
	tags, next, err := tagPage(d.Record.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListMFADeviceTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}
