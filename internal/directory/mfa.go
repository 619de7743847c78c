package directory

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Lengths of the names of devices and of serial numbers (the API's model).
const (
	maxDeviceName      = 226
	minSerial          = 9
	maxSerial          = 256
	fidoRandom         = 26 // characters that make the serial number of a FIDO device unique
	maxFIDOText        = 1024
	maxCertifications  = 16
	rootAccountsDevice = "root-account" // in place of user/NAME in the serial numbers of the root user's FIDO devices
)

// NewVirtualMFA is a virtual MFA device to be made.
type NewVirtualMFA struct {
	Name string
	Path string // empty means /
	Tags []entity.Tag
}

// IssuedMFADevice is a new virtual device with its seed in the clear: the only time that it is.
type IssuedMFADevice struct {
	*entity.MFADevice
	Seed secret.Text // 64 characters of base32
}

// CreateVirtualMFADevice makes a virtual device, which is nobody's until it is enabled (S1-206, S1-219).
func (tx *Tx) CreateVirtualMFADevice(account string, n NewVirtualMFA) (dev *IssuedMFADevice, err error) {
	defer tx.note(&err)
	if err := checkName("virtualMFADeviceName", n.Name, maxDeviceName); err != nil {
		return nil, err
	}
	path, err := checkPath(n.Path, false)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(acct, entity.KindMFADevice, nil, n.Tags)
	if err != nil {
		return nil, err
	}
	serial := entity.MFADeviceARN(account, path, n.Name)
	if len(serial) > maxSerial || strings.Trim(serial, serialCharacters) != "" {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "path",
			Message: "Path and name of a virtual MFA device must make a serial number: together at most 227 characters of +=,.@-_/: and alphanumeric ones."}
	}
	seed, err := credential.NewSeed(tx.d.rand)
	if err != nil {
		return nil, fault.Wrap(err, "making a seed")
	}
	sealed, err := tx.d.ring.Seal(seal.TOTPSeed, []byte(seed.Reveal()), []byte(serial))
	if err != nil {
		return nil, fault.Wrap(err, "sealing a seed")
	}
	dev = &IssuedMFADevice{&entity.MFADevice{
		Account: account, Serial: serial, Type: entity.VirtualMFA, Path: path, Name: n.Name, CreatedAt: tx.now, Sealed: sealed, Tags: tags,
	}, seed}
	if err := tx.addItem(acct, dev.MFADevice, ""); err != nil {
		return nil, err
	}
	count, err := tx.count(account, entity.KindVirtualMFA, 1)
	if err != nil {
		return nil, err
	}
	return dev, checkQuota(acct, VirtualMFADevicesQuota, count)
}

// serialCharacters are those of a serial number in the API's model.
const serialCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=/:,.@-"

// DeleteVirtualMFADevice deletes a virtual device that is nobody's (S1-218, S3-290), with what is known of its codes.
func (tx *Tx) DeleteVirtualMFADevice(account, serial string) (err error) {
	defer tx.note(&err)
	device, err := tx.virtual(account, serial)
	if err != nil {
		return err
	}
	if device.Owner != "" {
		return deleteConflict("MFA VirtualDevice in use. Must deactivate first.")
	}
	tx.txn.Delete(entity.OneTimeKey(device.Serial))
	if _, err := tx.count(account, entity.KindVirtualMFA, -1); err != nil {
		return err
	}
	return tx.dropItem(device)
}

// enabling is what enabling a device works with.
type enabling struct {
	acct   *entity.Account
	owner  *owner
	device *entity.MFADevice
	token  *entity.HardwareToken // nil for a virtual device
}

// enabling finds a device that t may get: a virtual one of the account, or a token of the inventory, that is nobody's. A token
// that is somebody's in another account is not told from one that is not there.
func (tx *Tx) enabling(t Target, serial string) (*enabling, error) {
	owner, err := tx.owner(t)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return nil, err
	}
	e := &enabling{acct: acct, owner: owner}
	if e.device, err = item[entity.MFADevice](tx, t.Account, serial); err != nil {
		return nil, err
	}
	if e.device == nil {
		if e.token, err = read[entity.HardwareToken](tx, entity.TokenKey(serial)); err != nil {
			return nil, err
		}
		if e.token == nil || e.token.Account != "" {
			return nil, NoSuchDevice(serial)
		}
		e.device = &entity.MFADevice{
			Account: t.Account, Serial: e.token.Serial, Type: entity.HardwareMFA, CreatedAt: tx.now, Sealed: e.token.Sealed,
		}
	}
	if e.device.Owner != "" { // S1-203
		return nil, &fault.Error{Kind: fault.Exists, Subject: serial, Message: "MFA Device is already in use."}
	}
	return e, checkQuota(acct, MFADevicesPerUserQuota, len((*owner.owned)[entity.KindMFADevice])+1)
}

// EnableMFADevice makes a device a user's or root user's; p comes from [Directory.VerifyEnabling] and names it.
func (tx *Tx) EnableMFADevice(t Target, p *CodeProof) (device *entity.MFADevice, err error) {
	defer tx.note(&err)
	if p == nil {
		return nil, tx.redeem(nil, nil)
	}
	e, err := tx.enabling(t, p.serial)
	if err != nil {
		return nil, err
	}
	if err := tx.redeem(p, e.device); err != nil {
		return nil, err
	}
	e.device.Owner, e.device.EnabledAt = e.owner.id, tx.now
	if e.token == nil {
		tx.putItem(e.device)
	} else {
		e.token.Account, e.token.Owner = t.Account, e.owner.id
		tx.put(entity.TokenKey(e.token.Serial), e.token)
		if err := tx.addItem(e.acct, e.device, ""); err != nil {
			return nil, err
		}
	}
	own(e.owner.owned, e.device)
	e.owner.save()
	return e.device, nil
}

// ResyncMFADevice takes a device's clock to be as far off as its codes have shown; p comes from [Directory.VerifyResync]. Failures
// are forgiven with it.
func (tx *Tx) ResyncMFADevice(t Target, p *CodeProof) (err error) {
	defer tx.note(&err)
	if p == nil {
		return tx.redeem(nil, nil)
	}
	_, device, err := tx.ownDevice(t, p.serial)
	if err != nil {
		return err
	}
	return tx.redeem(p, device)
}

// DeactivateMFADevice takes a device from its user or root user (S1-218, S1-245). A virtual device stays, and is nobody's; a
// hardware token goes back to the inventory; the registration of a FIDO device ends. What is known of used codes stays.
func (tx *Tx) DeactivateMFADevice(t Target, serial string) (err error) {
	defer tx.note(&err)
	owner, device, err := tx.ownDevice(t, serial)
	if err != nil {
		return err
	}
	if err := disown(owner.owned, device); err != nil {
		return err
	}
	owner.save()
	switch device.Type {
	case entity.VirtualMFA:
		device.Owner, device.EnabledAt = "", entity.MFADevice{}.EnabledAt
		tx.putItem(device)
		return nil
	case entity.HardwareMFA:
		token, err := must[entity.HardwareToken](tx, entity.TokenKey(device.Serial))
		if err != nil {
			return err
		}
		token.Account, token.Owner = "", ""
		tx.put(entity.TokenKey(device.Serial), token)
	case entity.FIDOMFA:
	}
	return tx.dropItem(device)
}

// ownDevice finds a device of t's: one of somebody else is not it.
func (tx *Tx) ownDevice(t Target, serial string) (*owner, *entity.MFADevice, error) {
	owner, err := tx.owner(t)
	if err != nil {
		return nil, nil, err
	}
	device, err := item[entity.MFADevice](tx, t.Account, serial)
	if err != nil {
		return nil, nil, err
	}
	if device == nil {
		return nil, nil, NoSuchDevice(serial)
	}
	if device.Owner != owner.id {
		return nil, nil, NotTheirDevice(serial)
	}
	return owner, device, nil
}

// TagMFADevice adds tags to a virtual device, and replaces those with the same keys.
func (tx *Tx) TagMFADevice(account, serial string, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	device, err := tx.virtual(account, serial)
	if err != nil {
		return err
	}
	return tx.tagItem(device, &device.Tags, tags)
}

// UntagMFADevice removes tags from a virtual device; keys that it does not have are no error.
func (tx *Tx) UntagMFADevice(account, serial string, keys []string) (err error) {
	defer tx.note(&err)
	device, err := tx.virtual(account, serial)
	if err != nil {
		return err
	}
	tx.untagItem(device, &device.Tags, keys)
	return nil
}

// virtual finds a virtual device of the account.
func (tx *Tx) virtual(account, serial string) (*entity.MFADevice, error) {
	device, err := item[entity.MFADevice](tx, account, serial)
	if err == nil && (device == nil || device.Type != entity.VirtualMFA) {
		return nil, NoSuchDevice(serial)
	}
	return device, err
}

// NewFIDO is a FIDO device that its user has registered in a ceremony that is not the directory's.
type NewFIDO struct {
	Name string // the user's word for it
	entity.FIDO
}

// RegisterFIDODevice makes a passkey or security key a user's or root user's device. AWS's API has no such operation: its console
// does it. Credential ID, public key and attestation come from the registration, which the caller has verified; a credential
// is registered once in an account.
func (tx *Tx) RegisterFIDODevice(t Target, n NewFIDO) (device *entity.MFADevice, err error) {
	defer tx.note(&err)
	if err := checkName("deviceName", n.Name, maxUserName); err != nil {
		return nil, err
	}
	if err := checkFIDO(&n.FIDO); err != nil {
		return nil, err
	}
	owner, err := tx.owner(t)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return nil, err
	}
	ids := (*owner.owned)[entity.KindMFADevice]
	if err := checkQuota(acct, MFADevicesPerUserQuota, len(ids)+1); err != nil {
		return nil, err
	}
	for _, id := range ids {
		other, err := itemByID[entity.MFADevice](tx, t.Account, id)
		if err != nil {
			return nil, err
		}
		if other.FIDO != nil && string(other.FIDO.CredentialID) == string(n.CredentialID) {
			return nil, &fault.Error{Kind: fault.Exists, Subject: other.Serial, Message: "MFA Device is already in use."}
		}
	}
	whose := rootAccountsDevice
	if t.Kind == entity.KindUser {
		u, err := tx.user(t.Account, t.Name)
		if err != nil {
			return nil, err
		}
		whose = "user/" + u.Name
	}
	random, err := credential.NewSeed(tx.d.rand)
	if err != nil {
		return nil, fault.Wrap(err, "making a serial number")
	}
	fido := n.FIDO
	fido.Certified = maps.Clone(fido.Certified)
	device = &entity.MFADevice{
		Account: t.Account, Serial: entity.FIDODeviceARN(t.Account, whose, n.Name+"-"+random.Reveal()[:fidoRandom]), Type: entity.FIDOMFA,
		Name: n.Name, CreatedAt: tx.now, Owner: owner.id, EnabledAt: tx.now, FIDO: &fido,
	}
	if err := tx.addItem(acct, device, ""); err != nil {
		return nil, err
	}
	own(owner.owned, device)
	owner.save()
	return device, nil
}

// checkFIDO holds a registration to what the API can show of it and to sizes that any authenticator stays below.
func checkFIDO(f *entity.FIDO) error {
	bad := len(f.CredentialID) == 0 || len(f.CredentialID) > maxFIDOText || len(f.PublicKey) == 0 || len(f.PublicKey) > maxFIDOText ||
		len(f.AAGUID) > maxDeviceName || len(f.Attestation) > maxDeviceName || len(f.Certified) > maxCertifications
	for key, value := range f.Certified {
		bad = bad || !isCertification(key, 128) || !isCertification(value, 32)
	}
	if bad {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "registration", Message: "The registration of the security key is not complete."}
	}
	return nil
}

// isCertification: 1 to n characters from U+0020 to U+00FF (the API's model).
func isCertification(s string, n int) bool {
	count := 0
	for _, r := range s {
		if count++; r < ' ' || r > 0xFF {
			return false
		}
	}
	return count >= 1 && count <= n
}

// LoadToken puts a hardware token into the operator's inventory (S1-229): the serial number that is printed on it and its
// seed in base32, as its maker gave it.
func (tx *Tx) LoadToken(serial string, seed secret.Text) (err error) {
	defer tx.note(&err)
	if len(serial) < minSerial || len(serial) > maxSerial || strings.Trim(serial, serialCharacters) != "" || strings.HasPrefix(strings.ToLower(serial), "arn:") {
		return &fault.Error{Kind: fault.Invalid, Subject: "SerialNumber", Message: fmt.Sprintf(
			"The serial number must be %d to %d of the characters a-z, A-Z, 0-9 and _+=/:,.@-, and no ARN.", minSerial, maxSerial)}
	}
	if _, err := credential.ParseSeed(seed); err != nil {
		return &fault.Error{Kind: fault.Invalid, Subject: "Seed", Message: "The seed must be 16 to 64 bytes in base32, in capitals and without padding."}
	}
	key := entity.TokenKey(serial)
	have, err := read[entity.HardwareToken](tx, key)
	if err != nil {
		return err
	}
	if have != nil {
		return &fault.Error{Kind: fault.Exists, Subject: serial, Message: "The token " + have.Serial + " is in the inventory already."}
	}
	sealed, err := tx.d.ring.Seal(seal.TOTPSeed, []byte(seed.Reveal()), []byte(serial))
	if err != nil {
		return fault.Wrap(err, "sealing a seed")
	}
	tx.put(key, &entity.HardwareToken{Serial: serial, Sealed: sealed, LoadedAt: tx.now})
	return nil
}

// RemoveToken takes a hardware token that is nobody's out of the inventory, with what is known of its codes.
func (tx *Tx) RemoveToken(serial string) (err error) {
	defer tx.note(&err)
	token, err := read[entity.HardwareToken](tx, entity.TokenKey(serial))
	if err != nil {
		return err
	}
	if token == nil {
		return &fault.Error{Kind: fault.NotFound, Subject: serial, Message: "There is no token " + serial + " in the inventory."}
	}
	if token.Account != "" {
		return &fault.Error{Kind: fault.Conflict, Subject: serial, Message: "The token " + token.Serial + " is in use in the account " +
			token.Account + ": deactivate it first."}
	}
	tx.txn.Delete(entity.TokenKey(serial))
	tx.txn.Delete(entity.OneTimeKey(token.Serial))
	return nil
}

// Tokens lists at most n tokens of the inventory whose folded serial numbers are greater than after, in their order. The seeds
// stay sealed.
func (d *Directory) Tokens(ctx context.Context, after string, n int) (tokens []entity.HardwareToken, err error) {
	err = d.store.View(ctx, func(r store.Reader) error {
		tokens = nil
		for e, err := range r.Range(entity.TokenPlane) {
			if err != nil {
				return err
			}
			token, err := entity.Decode[entity.HardwareToken](e.Value)
			if err != nil {
				return fault.Wrap(err, "reading a token")
			}
			if after != "" && entity.FoldName(token.Serial) <= entity.FoldName(after) {
				continue
			}
			if len(tokens) == n {
				return nil
			}
			tokens = append(tokens, *token)
		}
		return nil
	})
	return tokens, storeError(err)
}

// NoSuchDevice is AWS's sentence for a device that is not there, whatever its kind.
func NoSuchDevice(serial string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: serial, Message: "VirtualMFADevice with serial number " + serial + " does not exist."}
}

// NotTheirDevice is AWS's sentence for a device that is not enabled for the user who is named.
func NotTheirDevice(serial string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: serial, Message: "MFA Device invalid for user."}
}
