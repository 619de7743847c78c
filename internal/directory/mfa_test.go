package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

const (
	rfcSeed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	token   = "GAHT12345678"

	sayWrong  = "Authentication code for device is not valid."
	sayInUse  = "MFA Device is already in use."
	sayTheirs = "MFA Device invalid for user."
)

func sayNoDevice(serial string) string {
	return "VirtualMFADevice with serial number " + serial + " does not exist."
}

// code is what a device or token shows, skip steps from now; for one that is not there it is nothing's code.
func (w *world) code(serial string, skip int64) secret.Text {
	w.t.Helper()
	s := w.state()
	var sealed []byte
	for _, it := range s.items {
		if d, ok := it.(*entity.MFADevice); ok && d.Serial == serial {
			sealed = d.Sealed
		}
	}
	if t := s.tokens[entity.FoldName(serial)]; t != nil {
		serial, sealed = t.Serial, t.Sealed
	}
	if sealed == nil {
		return secret.New("000000")
	}
	text, err := w.ring.Open(seal.TOTPSeed, sealed, []byte(serial))
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := credential.ParseSeed(secret.New(string(text)))
	if err != nil {
		w.t.Fatal(err)
	}
	return credential.Code(raw, credential.StepAt(w.now)+skip)
}

// tick lets n steps pass.
func (w *world) tick(n int) { w.now = w.now.Add(time.Duration(n) * credential.CodeStep) }

// virtual makes a virtual device.
func (w *world) virtual(account, name string) string {
	w.t.Helper()
	return get(w, func(tx *directory.Tx) (*directory.IssuedMFADevice, error) {
		return tx.CreateVirtualMFADevice(account, directory.NewVirtualMFA{Name: name})
	}).Serial
}

// enable enables a device with codes of this step and the next, which is then the present one.
func (w *world) enable(t directory.Target, serial string) error {
	w.t.Helper()
	one, two := w.code(serial, 0), w.code(serial, 1)
	w.tick(1)
	proof, err := w.dir.VerifyEnabling(context.Background(), "", t, serial, one, two)
	if err != nil {
		return err
	}
	return w.try(func(tx *directory.Tx) error { _, err := tx.EnableMFADevice(t, proof); return err })
}

func (w *world) mustEnable(t directory.Target, serial string) {
	w.t.Helper()
	if err := w.enable(t, serial); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) resync(t directory.Target, serial string, one, two secret.Text) error {
	w.t.Helper()
	proof, err := w.dir.VerifyResync(context.Background(), "", t, serial, one, two)
	if err != nil {
		return err
	}
	return w.try(func(tx *directory.Tx) error { return tx.ResyncMFADevice(t, proof) })
}

// verify verifies one code for a user by name.
func (w *world) verify(user, serial string, code secret.Text) error {
	return w.dir.VerifyCode(context.Background(), home, w.state().user(user).ID, serial, code)
}

// is expects an error of a kind with a sentence; an empty sentence is success.
func is(t reporter, what string, err error, kind fault.Kind, message string) {
	t.Helper()
	if message == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if !errors.Is(err, kind) || fault.MessageOf(err) != message {
		t.Errorf("%s: got %v, want %v: %s", what, err, kind, message)
	}
}

func TestVirtualDevices(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann := directory.OfUser(home, "ann")
	made := get(w, func(tx *directory.Tx) (*directory.IssuedMFADevice, error) {
		return tx.CreateVirtualMFADevice(home, directory.NewVirtualMFA{Name: "Phone", Path: "/a/"})
	})
	if made.Serial != "arn:aws:iam::"+home+":mfa/a/Phone" || len(made.Seed.Reveal()) != 64 || made.Owner != "" {
		t.Errorf("made %+v", made.MFADevice)
	}
	for key, value := range w.dump() {
		if strings.Contains(value, made.Seed.Reveal()) {
			t.Errorf("%s holds the seed in the clear", key)
		}
	}
	create := func(name, path string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error {
			_, err := tx.CreateVirtualMFADevice(home, directory.NewVirtualMFA{Name: name, Path: path})
			return err
		}
	}
	w.do(create("Phone", "/b/"))
	w.refuse(fault.Exists, "MFADevice entity at the same path and name already exists.", create("PHONE", "/a/"))
	w.refuse(fault.Invalid, "The specified value for virtualMFADeviceName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", create("a b", ""))
	w.refuse(fault.Invalid, "The specified value for virtualMFADeviceName is invalid. It is longer than the maximum length.", create(strings.Repeat("n", 227), ""))
	const bad = "Path and name of a virtual MFA device must make a serial number: together at most 227 characters of +=,.@-_/: and alphanumeric ones."
	w.do(create(strings.Repeat("n", 226), ""))
	w.refuse(fault.InvalidInput, bad, create(strings.Repeat("n", 226), "/p/"))
	w.refuse(fault.InvalidInput, bad, create("n", "/p!/"))
	w.intact()

	t.Run("quota", func(t *testing.T) {
		checklist.Shows(t, "S4-240")
		if directory.Quota(nil, directory.VirtualMFADevicesQuota) != directory.Quota(nil, directory.UsersQuota) {
			t.Error("not as many devices as users")
		}
		w.do(setQuota(directory.UsersQuota, 3))
		w.refuse(fault.LimitExceeded, "Cannot exceed quota for VirtualMFADevicesPerAccount: 3", create("more", ""))
		w.do(setQuota(directory.VirtualMFADevicesQuota, 4))
		w.do(create("more", ""))
	})
	t.Run("in use", func(t *testing.T) {
		w.mustEnable(ann, made.Serial)
		w.refuse(fault.DeleteConflict, "MFA VirtualDevice in use. Must deactivate first.",
			func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(home, made.Serial) })
		w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete MFA device first.", func(tx *directory.Tx) error { return tx.DeleteUser(home, "ann") })
		w.refuse(fault.NotFound, sayNoDevice(made.Serial), func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(abroad, made.Serial) })
		w.refuse(fault.NotFound, sayNoDevice(made.Serial), func(tx *directory.Tx) error { return tx.TagMFADevice(abroad, made.Serial, nil) })
		w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(ann, strings.ToLower(made.Serial)) })
		w.refuse(fault.NotFound, sayTheirs, func(tx *directory.Tx) error { return tx.DeactivateMFADevice(ann, made.Serial) })
		w.do(func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(home, made.Serial) })
		w.intact()
	})
}

// TestEightDevices: a user and a root user have eight devices at most, each device one owner.
func TestEightDevices(t *testing.T) {
	for name, owner := range map[string]directory.Target{"user": directory.OfUser(home, "ann"), "root user": directory.OfRoot(home)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.do(createUser("ann"))
			w.do(createUser("bob"))
			var serial string
			for i := range 9 {
				serial = w.virtual(home, fmt.Sprint("d", i))
				if i < 8 {
					w.mustEnable(owner, serial)
				}
			}
			checklist.Shows(t, "S1-203", "S2-379", "S4-M58")
			is(t, "a ninth", w.enable(owner, serial), fault.LimitExceeded, "Cannot exceed quota for MFADevicesPerUser: 8")
			w.refuse(fault.LimitExceeded, "Cannot exceed quota for MFADevicesPerUser: 8", func(tx *directory.Tx) error {
				_, err := tx.RegisterFIDODevice(owner, directory.NewFIDO{Name: "key", FIDO: entity.FIDO{CredentialID: []byte("1"), PublicKey: []byte("k")}})
				return err
			})
			is(t, "somebody else's", w.enable(directory.OfUser(home, "bob"), entity.MFADeviceARN(home, "/", "d0")), fault.Exists, sayInUse)
			is(t, "their own", w.enable(owner, entity.MFADeviceARN(home, "/", "d0")), fault.Exists, sayInUse)
			is(t, "the ninth for somebody else", w.enable(directory.OfUser(home, "bob"), serial), 0, "")
			w.intact()
		})
	}
}

// TestCodesAreUsedUp: each code is accepted once, and none before the latest.
func TestCodesAreUsedUp(t *testing.T) {
	checklist.Shows(t, "S1-205")
	w := newWorld(t)
	w.do(createUser("ann"))
	w.do(createUser("bob"))
	serial := w.virtual(home, "ann")
	is(t, "before it is enabled", w.verify("ann", serial, w.code(serial, 0)), fault.NotFound, sayNoDevice(serial))
	w.mustEnable(directory.OfUser(home, "ann"), serial)
	is(t, "a code it was enabled with", w.verify("ann", serial, w.code(serial, 0)), fault.WrongCode, sayWrong)
	is(t, "the first of them", w.verify("ann", serial, w.code(serial, -1)), fault.WrongCode, sayWrong)
	is(t, "the next", w.verify("ann", serial, w.code(serial, 1)), 0, "")
	is(t, "the next again", w.verify("ann", serial, w.code(serial, 1)), fault.WrongCode, sayWrong)
	w.tick(3)
	is(t, "one before", w.verify("ann", strings.ToUpper(serial), w.code(serial, -1)), 0, "")
	is(t, "now", w.verify("ann", serial, w.code(serial, 0)), 0, "")
	is(t, "one before, when a later one was used", w.verify("ann", serial, w.code(serial, -1)), fault.WrongCode, sayWrong)
	is(t, "somebody else", w.verify("bob", serial, w.code(serial, 1)), fault.NotFound, sayNoDevice(serial))
	is(t, "another account", w.dir.VerifyCode(context.Background(), abroad, w.state().user("ann").ID, serial, w.code(serial, 1)), fault.NotFound, sayNoDevice(serial))
	is(t, "no owner", w.dir.VerifyCode(context.Background(), home, "", w.virtual(home, "free"), w.code(serial, 1)), fault.NotFound, sayNoDevice(entity.MFADeviceARN(home, "/", "free")))

	// The seed stays when the device is enabled anew, and so does what was used of it.
	used := w.code(serial, 0)
	w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(directory.OfUser(home, "ann"), serial) })
	is(t, "deactivated", w.verify("ann", serial, w.code(serial, 1)), fault.NotFound, sayNoDevice(serial))
	_, err := w.dir.VerifyEnabling(context.Background(), "", directory.OfUser(home, "bob"), serial, used, w.code(serial, 1))
	is(t, "enabled with a used code", err, fault.WrongCode, sayWrong)
	w.tick(1)
	is(t, "enabled for somebody else", w.enable(directory.OfUser(home, "bob"), serial), 0, "")
	w.tick(1)
	is(t, "somebody else's now", w.verify("bob", serial, w.code(serial, 0)), 0, "")
	w.intact()
}

// TestDrift: how far a clock is off is found out when a device is enabled, and followed.
func TestDrift(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann := directory.OfUser(home, "ann")
	pair := func(serial string, skip int64) error {
		proof, err := w.dir.VerifyEnabling(context.Background(), "", ann, serial, w.code(serial, skip), w.code(serial, skip+1))
		if err != nil {
			return err
		}
		return w.try(func(tx *directory.Tx) error { _, err := tx.EnableMFADevice(ann, proof); return err })
	}
	t.Run("late submission", func(t *testing.T) {
		checklist.Shows(t, "S1-208", "S1-209", "S1-436")
		serial := w.virtual(home, "late")
		is(t, "enabled ten minutes late", pair(serial, -20), 0, "")
		is(t, "the present code", w.verify("ann", serial, w.code(serial, 0)), fault.WrongCode, sayWrong)
		is(t, "the code of ten minutes ago", w.verify("ann", serial, w.code(serial, -18)), 0, "")
		is(t, "synchronized, with a used code", w.resync(ann, serial, w.code(serial, -18), w.code(serial, -17)), fault.WrongCode, sayWrong)
		is(t, "synchronized, the wrong way round", w.resync(ann, serial, w.code(serial, 1), w.code(serial, 0)), fault.WrongCode, sayWrong)
		is(t, "synchronized", w.resync(ann, serial, w.code(serial, 0), w.code(serial, 1)), 0, "")
		w.tick(2)
		is(t, "the present code, after that", w.verify("ann", serial, w.code(serial, 0)), 0, "")
	})
	t.Run("too late", func(t *testing.T) {
		checklist.Shows(t, "S1-208", "S1-209", "S1-436")
		serial := w.virtual(home, "toolate")
		is(t, "enabled after 31 minutes", pair(serial, -62), fault.WrongCode, sayWrong)
		is(t, "enabled after 30 minutes", pair(serial, -60), 0, "")
		is(t, "synchronized to more than a day ahead", w.resync(ann, serial, w.code(serial, 2881), w.code(serial, 2882)), fault.WrongCode, sayWrong)
		is(t, "synchronized to a day ahead", w.resync(ann, serial, w.code(serial, 2879), w.code(serial, 2880)), 0, "")
		is(t, "its next code", w.verify("ann", serial, w.code(serial, 2881)), 0, "")
	})
	t.Run("slow typing", func(t *testing.T) {
		serial := w.virtual(home, "typist")
		w.mustEnable(ann, serial)
		for range 10 {
			w.tick(100)
			is(t, "a step late", w.verify("ann", serial, w.code(serial, -1)), 0, "")
		}
		w.tick(100)
		is(t, "in time", w.verify("ann", serial, w.code(serial, 0)), 0, "")
	})
	t.Run("a clock that loses", func(t *testing.T) {
		serial := w.virtual(home, "slow")
		w.mustEnable(ann, serial)
		for n := int64(1); n < 80; n++ {
			w.tick(100)
			is(t, fmt.Sprint("time ", n), w.verify("ann", serial, w.code(serial, -n/8)), 0, "")
		}
		w.tick(1)
		is(t, "the true time", w.verify("ann", serial, w.code(serial, 0)), fault.WrongCode, sayWrong)
	})
}

// TestWaiting: wrong codes make a device wait, longer each time, and at last until it is synchronized.
func TestWaiting(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann := directory.OfUser(home, "ann")
	serial := w.virtual(home, "ann")
	w.mustEnable(ann, serial)
	wrong := func() {
		t.Helper()
		is(t, "a wrong code", w.verify("ann", serial, w.code(serial, 500)), fault.WrongCode, sayWrong)
	}
	failures := func() int { return w.state().oneTime[serial].Failures }
	for range 5 {
		wrong()
	}
	w.tick(1)
	w.now = w.now.Add(-time.Second)
	before := w.dump()
	is(t, "a right code too early", w.verify("ann", serial, w.code(serial, 1)), fault.WrongCode, sayWrong)
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		t.Errorf("an attempt that was not looked at wrote:\n%s", diff)
	}
	_, err := w.dir.VerifyResync(context.Background(), "", ann, serial, w.code(serial, 1), w.code(serial, 2))
	is(t, "a pair too early", err, fault.TemporarilyUnchanged, "Too many authentication codes for this device were not valid. Wait a few minutes and try again.")
	w.now = w.now.Add(time.Second)
	wrong() // the sixth: now it is a minute
	w.tick(1)
	is(t, "after half a minute", w.verify("ann", serial, w.code(serial, 1)), fault.WrongCode, sayWrong)
	if failures() != 6 {
		t.Errorf("%d failures", failures())
	}
	w.tick(1)
	is(t, "after a minute", w.verify("ann", serial, w.code(serial, 0)), 0, "")
	if failures() != 0 {
		t.Errorf("%d failures after a right code", failures())
	}

	for n := 1; n <= 50; n++ {
		w.now = w.now.Add(time.Hour) // never longer
		if wrong(); failures() != n {
			t.Fatalf("attempt %d was not looked at", n)
		}
	}
	w.now = w.now.Add(1000 * time.Hour)
	is(t, "after fifty", w.verify("ann", serial, w.code(serial, 0)), fault.WrongCode, sayWrong)
	if failures() != 50 {
		t.Errorf("%d failures", failures())
	}
	is(t, "synchronized", w.resync(ann, serial, w.code(serial, 0), w.code(serial, 1)), 0, "")
	w.tick(2)
	is(t, "then", w.verify("ann", serial, w.code(serial, 0)), 0, "")
}

// broken is a store that can be made not to answer.
type broken struct {
	store.Store
	err error
}

func (b *broken) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.Store.Update(ctx, fn)
}

// TestCodesWithoutStore: when the store cannot be reached no code is good, and neither is one whose use may not be on record.
func TestCodesWithoutStore(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	serial := w.virtual(home, "ann")
	w.mustEnable(directory.OfUser(home, "ann"), serial)
	b := &broken{Store: w.store}
	w.dir = directory.New(directory.Config{Store: b, Ring: w.ring, Now: func() time.Time { return w.now }})
	for _, b.err = range []error{store.ErrUnavailable, store.ErrUnknownOutcome, store.ErrClosed} {
		is(t, "a right code", w.verify("ann", serial, w.code(serial, 1)), fault.Unavailable, "The request has failed due to a temporary failure of the server.")
		_, err := w.dir.VerifyResync(context.Background(), "", directory.OfUser(home, "ann"), serial, w.code(serial, 1), w.code(serial, 2))
		is(t, "a right pair", err, fault.Unavailable, "The request has failed due to a temporary failure of the server.")
	}
	b.err = nil
	is(t, "the same code later", w.verify("ann", serial, w.code(serial, 1)), 0, "")
}

// TestOneCodeManyAtOnce: of many who bring one code at the same moment one gets in.
func TestOneCodeManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	serial := w.virtual(home, "ann")
	w.mustEnable(directory.OfUser(home, "ann"), serial)
	code, id := w.code(serial, 1), w.state().user("ann").ID
	results := make(chan error)
	const n = 4 // fewer than make the device wait
	for range n {
		go func() { results <- w.dir.VerifyCode(context.Background(), home, id, serial, code) }()
	}
	in := 0
	for range n {
		if err := <-results; err == nil {
			in++
		} else if !errors.Is(err, fault.WrongCode) {
			t.Error(err)
		}
	}
	if in != 1 {
		t.Errorf("%d of %d got in", in, n)
	}
}

// TestProofs: a proof is good for the device and the seed that it was made with, and a call may bring its codes twice.
func TestProofs(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann, ctx := directory.OfUser(home, "ann"), context.Background()
	serial := w.virtual(home, "ann")
	proof := func(call string) (*directory.CodeProof, error) {
		return w.dir.VerifyEnabling(ctx, call, ann, serial, w.code(serial, 0), w.code(serial, 1))
	}
	first, err := proof("call-1")
	is(t, "the first time", err, 0, "")
	_, err = proof("call-1")
	is(t, "the same call again", err, 0, "")
	_, err = proof("call-2")
	is(t, "another call", err, fault.WrongCode, sayWrong)
	_, err = w.dir.VerifyEnabling(ctx, "call-1", ann, serial, w.code(serial, 1), w.code(serial, 2))
	is(t, "the same call with other codes", err, fault.WrongCode, sayWrong)

	w.do(func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(home, serial) })
	w.virtual(home, "ann")
	w.refuse(fault.TemporarilyUnchanged, "The MFA device has changed in the meantime. Submit your request again.",
		func(tx *directory.Tx) error { _, err := tx.EnableMFADevice(ann, first); return err })
	for name, verb := range map[string]func(*directory.Tx) error{
		"enable": func(tx *directory.Tx) error { _, err := tx.EnableMFADevice(ann, nil); return err },
		"resync": func(tx *directory.Tx) error { return tx.ResyncMFADevice(ann, nil) },
	} {
		if err := w.try(verb); err == nil {
			t.Errorf("%s without a proof", name)
		}
	}
	w.intact()
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann, theirs := directory.OfUser(home, "ann"), directory.OfRoot(abroad)
	load := func(serial, seed string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.LoadToken(serial, secret.New(seed)) }
	}
	remove := func(serial string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.RemoveToken(serial) }
	}
	const badSerial = "The serial number must be 9 to 256 of the characters a-z, A-Z, 0-9 and _+=/:,.@-, and no ARN."
	for _, bad := range []string{"", "12345678", strings.Repeat("1", 257), "GAHT 12345678", "GAHT12345678\n", "arn:aws:iam::111111111111:mfa/x", "ARN:12345"} {
		w.refuse(fault.Invalid, badSerial, load(bad, rfcSeed))
	}
	w.refuse(fault.Invalid, "The seed must be 16 to 64 bytes in base32, in capitals and without padding.", load(token, "geheim"))
	is(t, "an unknown token", w.enable(ann, token), fault.NotFound, sayNoDevice(token))
	w.do(load(token, rfcSeed))
	w.do(load("ABCD12345678", rfcSeed))
	w.refuse(fault.Exists, "The token GAHT12345678 is in the inventory already.", load("gaht12345678", rfcSeed))
	w.intact()

	t.Run("one user's at a time", func(t *testing.T) {
		checklist.Shows(t, "S1-229", "S1-203")
		w.mustEnable(ann, strings.ToLower(token))
		if d := w.state().items[fmt.Sprintf(`("id", "item", %q, "mfa", %q)`, home, token)]; d == nil {
			t.Error("the device has another serial number than the inventory")
		}
		is(t, "the same user", w.enable(ann, token), fault.Exists, sayInUse)
		is(t, "another account", w.enable(theirs, token), fault.NotFound, sayNoDevice(token))
		w.refuse(fault.Conflict, "The token GAHT12345678 is in use in the account "+home+": deactivate it first.", remove(token))
		w.refuse(fault.NotFound, sayNoDevice(token), func(tx *directory.Tx) error { return tx.DeleteVirtualMFADevice(home, token) })
		w.tick(1)
		is(t, "its next code", w.verify("ann", token, w.code(token, 0)), 0, "")
		w.intact()
	})
	t.Run("back to the inventory", func(t *testing.T) {
		used := w.code(token, 0)
		w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(ann, token) })
		w.intact()
		_, err := w.dir.VerifyEnabling(context.Background(), "", theirs, token, used, w.code(token, 1))
		is(t, "a code that was used in the other account", err, fault.WrongCode, sayWrong)
		checklist.Shows(t, "S2-379")
		w.tick(1)
		is(t, "another account's root user", w.enable(theirs, token), 0, "")
		w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(theirs, token) })
		w.do(remove(token))
		w.refuse(fault.NotFound, "There is no token GAHT12345678 in the inventory.", remove(token))
		w.intact()
	})
	t.Run("root's", func(t *testing.T) {
		checklist.Shows(t, "S1-29")
		root := directory.OfRoot(home)
		w.do(load(token, rfcSeed))
		phone := get(w, func(tx *directory.Tx) (*directory.IssuedMFADevice, error) {
			return tx.CreateVirtualMFADevice(home, directory.NewVirtualMFA{Name: "root-account-mfa-device"})
		})
		w.tick(4)
		is(t, "a hardware device", w.enable(root, token), 0, "")
		is(t, "a virtual device", w.enable(root, phone.Serial), 0, "")
		is(t, "one by text message", w.enable(root, "arn:aws:iam::"+home+":sms-mfa/root"), fault.NotFound, sayNoDevice("arn:aws:iam::"+home+":sms-mfa/root"))
		if got := w.state().user("ann").Owned[entity.KindMFADevice]; len(got) != 0 {
			t.Errorf("a user has %v", got)
		}
		if got := w.state().accounts[home].Owned[entity.KindMFADevice]; len(got) != 2 {
			t.Errorf("the root user has %v", got)
		}
		w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(root, token) })
		w.do(remove(token))
		w.intact()
	})
	t.Run("listed", func(t *testing.T) {
		w.do(load("efgh12345678", rfcSeed))
		w.do(load("BCDE12345678", rfcSeed))
		var got []string
		for after := ""; ; {
			page, err := w.dir.Tokens(context.Background(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range page {
				got = append(got, token.Serial)
			}
			if len(page) < 2 {
				break
			}
			after = page[1].Serial
		}
		if diff := cmp.Diff([]string{"ABCD12345678", "BCDE12345678", "efgh12345678"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	for key, value := range w.dump() {
		if strings.Contains(value, rfcSeed) {
			t.Errorf("%s holds a seed in the clear", key)
		}
	}
}

func TestFIDODevices(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("ann"))
	ann := directory.OfUser(home, "ann")
	key := directory.NewFIDO{Name: "yubikey", FIDO: entity.FIDO{
		CredentialID: []byte{1, 2}, PublicKey: []byte{3}, AAGUID: "cb69481e-8ff7-4039-93ec-0a2729a154a8", Attestation: "packed",
		Certified: map[string]string{"FIDO-certification": "L1", "FIPS-140-2-certification": "L2"},
	}}
	register := func(t directory.Target, n directory.NewFIDO) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.RegisterFIDODevice(t, n); return err }
	}
	d := get(w, func(tx *directory.Tx) (*entity.MFADevice, error) { return tx.RegisterFIDODevice(ann, key) })
	if !strings.HasPrefix(d.Serial, "arn:aws:iam::"+home+":u2f/user/ann/yubikey-") || d.Owner != w.state().user("ann").ID || d.EnabledAt.IsZero() {
		t.Errorf("registered %+v", d)
	}
	if diff := cmp.Diff(&key.FIDO, d.FIDO); diff != "" {
		t.Errorf("the registration (-given +kept):\n%s", diff)
	}
	w.refuse(fault.Exists, sayInUse, register(ann, key))
	other := key
	other.CredentialID = []byte{9}
	w.do(register(ann, other))
	root := get(w, func(tx *directory.Tx) (*entity.MFADevice, error) {
		return tx.RegisterFIDODevice(directory.OfRoot(home), other)
	})
	if !strings.HasPrefix(root.Serial, "arn:aws:iam::"+home+":u2f/root-account/yubikey-") {
		t.Errorf("registered %+v", root)
	}
	for name, spoil := range map[string]func(*directory.NewFIDO){
		"no credential":     func(n *directory.NewFIDO) { n.CredentialID = nil },
		"long credential":   func(n *directory.NewFIDO) { n.CredentialID = make([]byte, 1025) },
		"no key":            func(n *directory.NewFIDO) { n.PublicKey = nil },
		"empty certificate": func(n *directory.NewFIDO) { n.Certified = map[string]string{"FIDO-certification": ""} },
		"long certificate": func(n *directory.NewFIDO) {
			n.Certified = map[string]string{"FIDO-certification": strings.Repeat("x", 33)}
		},
		"strange characters": func(n *directory.NewFIDO) { n.Certified = map[string]string{"FIDO-certification\n": "L1"} },
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			bad := key
			bad.CredentialID = []byte{7}
			spoil(&bad)
			w.refuse(fault.InvalidInput, "The registration of the security key is not complete.", register(ann, bad))
		})
	}
	w.t = t
	w.refuse(fault.NotFound, "The user with name nobody cannot be found.", register(directory.OfUser(home, "nobody"), key))
	is(t, "a code of a security key", w.verify("ann", d.Serial, secret.New("123456")), fault.NotFound, sayNoDevice(d.Serial))
	is(t, "a pair of codes", w.resync(ann, d.Serial, secret.New("123456"), secret.New("123456")), fault.WrongCode, sayWrong)
	w.refuse(fault.NotFound, sayNoDevice(d.Serial), func(tx *directory.Tx) error { return tx.TagMFADevice(home, d.Serial, nil) })
	w.do(func(tx *directory.Tx) error { return tx.DeactivateMFADevice(ann, d.Serial) })
	w.refuse(fault.NotFound, sayNoDevice(d.Serial), func(tx *directory.Tx) error { return tx.DeactivateMFADevice(ann, d.Serial) })
	w.do(register(ann, key))
	w.intact()
}
