package directory

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// How far from the expected step a code may be, in steps of 30 seconds to either side. AWS publishes none of these numbers.
const (
	codeReach   = 1    // of one code: the step before and the one after are good too
	enableReach = 60   // of a pair when a device is enabled: half an hour, for those who type slowly (S1-208)
	resyncReach = 2880 // of a pair when a device is synchronized again: a day
)

// How often somebody may be wrong. A single guess hits one of three codes in a million, so that the last failure below is the
// end of a chance of one in 6,000; a pair is guessed with one in 170 million in the widest window, and never more than once in the
// longest wait.
const (
	freeFailures = 5                // in a row, before the next attempt has to wait
	firstWait    = 30 * time.Second // after these; it doubles with each further failure
	longestWait  = time.Hour
	lastFailure  = 50 // from here on no single code is good until a pair of codes is: see ResyncMFADevice
)

// waitAfter is how long a device takes no code after its nth failure in a row.
func waitAfter(failures int) time.Duration {
	wait := firstWait
	if failures < freeFailures {
		return 0
	}
	for ; failures > freeFailures && wait < longestWait; failures-- {
		wait *= 2
	}
	return min(wait, longestWait)
}

// VerifyCode verifies a one-time code for a sign-in or a session, and uses it up: owner is the unique ID of the user who calls, or
// the account ID for the root user, and serial the serial number of a device that must be enabled for exactly this owner.
//
// It reads the store, not a snapshot, and returns nil only after the use of the code is on record there: a code is accepted once on all
// nodes together, and when the store cannot be reached the answer is [fault.Unavailable], never yes (D18). A device of which too many
// codes were wrong takes none for a while, then none at all until it is synchronized; whoever asks cannot tell that from a wrong
// code. Errors: [fault.NotFound] where the device is not there, not the owner's or shows no codes; [fault.WrongCode] for all else
// that is wrong with the code. The time that it takes does not depend on the code.
func (d *Directory) VerifyCode(ctx context.Context, account, owner, serial string, code secret.Text) error {
	var refusal error
	_, err := d.store.Update(ctx, func(txn store.Txn) error {
		refusal = nil
		tx := d.begin(txn)
		device, err := item[entity.MFADevice](tx, account, serial)
		if err != nil {
			return err
		}
		if device == nil || device.Owner == "" || device.Owner != owner || device.Type == entity.FIDOMFA {
			refusal = NoSuchDevice(serial)
			return nil
		}
		used, seed, err := tx.codes(device)
		if err != nil {
			return err
		}
		if used.Failures >= lastFailure || tx.waits(used) {
			refusal = wrongCode(serial)
			return nil
		}
		near := credential.StepAt(tx.instant) + steps(used.Drift)
		step, ok := credential.FindCode(seed, code, credential.Window{Near: near, Reach: codeReach, After: used.Step})
		if ok {
			// Slowly: who types slowly is no clock that loses.
			used = &entity.OneTime{Step: step, Drift: used.Drift + step - near}
		} else {
			tx.missed(used)
			refusal = wrongCode(serial)
		}
		tx.put(entity.OneTimeKey(device.Serial), used)
		return nil
	})
	if err != nil {
		return storeError(err)
	}
	return refusal
}

// CodeProof says that a pair of codes of one device was right. Only the directory makes one.
type CodeProof struct {
	account, serial string
	sealed          []byte // the seed that the codes were made from
	used            entity.OneTime
}

// VerifyEnabling verifies two consecutive codes of a device that is to be enabled for t, a user or root user, and uses them up. The
// window is wide, and how far the device's clock is off goes into the proof (S1-208). What [Tx.EnableMFADevice] would refuse is
// refused here before the codes are looked at.
//
// call names the request that brings the codes: when it is decided anew it may bring them again. Errors: those of EnableMFADevice;
// [fault.WrongCode]; [fault.TemporarilyUnchanged] where too many codes of the device were wrong and it is not yet time to try again.
func (d *Directory) VerifyEnabling(ctx context.Context, call string, t Target, serial string, first, second secret.Text) (*CodeProof, error) {
	return d.verifyPair(ctx, call, enableReach, first, second, func(tx *Tx) (*entity.MFADevice, error) {
		e, err := tx.enabling(t, serial)
		if err != nil {
			return nil, err
		}
		return e.device, nil
	})
}

// VerifyResync verifies two consecutive codes of a device that is enabled for t, in a wider window than [Directory.VerifyEnabling] and
// otherwise like it, for [Tx.ResyncMFADevice].
func (d *Directory) VerifyResync(ctx context.Context, call string, t Target, serial string, first, second secret.Text) (*CodeProof, error) {
	return d.verifyPair(ctx, call, resyncReach, first, second, func(tx *Tx) (*entity.MFADevice, error) {
		_, device, err := tx.ownDevice(t, serial)
		if err == nil && device.Type == entity.FIDOMFA {
			return nil, wrongCode(serial)
		}
		return device, err
	})
}

func (d *Directory) verifyPair(ctx context.Context, call string, reach int64, first, second secret.Text,
	find func(*Tx) (*entity.MFADevice, error)) (proof *CodeProof, err error) {
	var refusal error
	_, err = d.store.Update(ctx, func(txn store.Txn) error {
		refusal, proof = nil, nil
		tx := d.begin(txn)
		device, err := find(tx)
		if err != nil {
			return err
		}
		used, seed, err := tx.codes(device)
		if err != nil {
			return err
		}
		now := credential.StepAt(tx.instant)
		w := credential.Window{Near: now, Reach: reach, After: used.Step}
		switch again := call != "" && used.Call == call; {
		case again: // only the codes that this call has used up
			w = credential.Window{Near: used.Step, After: used.Step - 2}
		case tx.waits(used):
			return &fault.Error{Kind: fault.TemporarilyUnchanged, Subject: device.Serial,
				Message: "Too many authentication codes for this device were not valid. Wait a few minutes and try again."}
		}
		step, ok := credential.FindCodes(seed, first, second, w)
		if !ok {
			tx.missed(used)
			tx.put(entity.OneTimeKey(device.Serial), used)
			refusal = wrongCode(device.Serial)
			return nil
		}
		// The failures go when the proof is used.
		used.Step, used.Call = step+1, call
		tx.put(entity.OneTimeKey(device.Serial), used)
		proof = &CodeProof{account: device.Account, serial: device.Serial, sealed: device.Sealed,
			used: entity.OneTime{Step: used.Step, Call: call, Drift: (used.Step - now) * quarters}}
		return nil
	})
	switch {
	case err != nil:
		return nil, storeError(err)
	case refusal != nil:
		return nil, refusal
	}
	return proof, nil
}

// quarters is how finely a drift is kept: see [entity.OneTime].
const quarters = 4

// steps rounds a drift to whole steps.
func steps(drift int64) int64 { return int64(math.Floor(float64(drift)/quarters + 0.5)) }

// codes reads what is known of a device's codes, and its seed.
func (tx *Tx) codes(device *entity.MFADevice) (*entity.OneTime, []byte, error) {
	used, err := read[entity.OneTime](tx, entity.OneTimeKey(device.Serial))
	if err != nil {
		return nil, nil, err
	}
	if used == nil {
		used = new(entity.OneTime)
	}
	text, err := tx.d.ring.Open(seal.TOTPSeed, device.Sealed, []byte(device.Serial))
	if err != nil {
		return nil, nil, fault.Wrap(err, "opening the seed of an MFA device")
	}
	seed, err := credential.ParseSeed(secret.New(string(text)))
	return used, seed, err
}

// waits reports whether it is too early for another attempt.
func (tx *Tx) waits(used *entity.OneTime) bool {
	return tx.now.Before(used.FailedAt.Add(waitAfter(used.Failures)))
}

// missed counts a failure.
func (tx *Tx) missed(used *entity.OneTime) {
	used.Failures++
	used.FailedAt = tx.now
}

// redeem takes a proof for what it proves: that the codes were those of this device, which still has the seed that it had.
func (tx *Tx) redeem(p *CodeProof, device *entity.MFADevice) error {
	if p == nil {
		return errors.New("directory: an MFA device without a proof")
	}
	if p.account != device.Account || p.serial != device.Serial || string(p.sealed) != string(device.Sealed) {
		return &fault.Error{Kind: fault.TemporarilyUnchanged, Subject: device.Serial,
			Message: "The MFA device has changed in the meantime. Submit your request again."}
	}
	tx.put(entity.OneTimeKey(device.Serial), &p.used)
	return nil
}

// wrongCode is AWS's sentence for a code that is not the device's, or not any more.
func wrongCode(serial string) error {
	return &fault.Error{Kind: fault.WrongCode, Subject: serial, Message: "Authentication code for device is not valid."}
}
