package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Sealed is a sealed value in a record.
type Sealed struct {
	Purpose    seal.Purpose
	Associated string // data that it is bound to
	Value      []byte
}

// sealedField is a sealed value that can be replaced.
type sealedField struct {
	purpose    seal.Purpose
	associated string
	value      *[]byte
	fixed      time.Time // until then it must stay as it is, byte for byte; zero: it need not
}

// SealedValues returns the sealed values of a record as it stands in the store. A record that has none, of whatever kind, gives
// none; one that should have some and cannot be read is an error.
func SealedValues(key, value []byte) ([]Sealed, error) {
	_, fields, err := sealedIn(key, value)
	if err != nil {
		return nil, err
	}
	all := make([]Sealed, 0, len(fields))
	for _, f := range fields {
		all = append(all, Sealed{Purpose: f.purpose, Associated: f.associated, Value: *f.value})
	}
	return all, nil
}

// sealedIn reads a record that may have sealed values, and says where they are. record is nil for one that has none by its kind.
func sealedIn(key, value []byte) (record any, fields []sealedField, err error) {
	parts, err := keyenc.Decode(key)
	if err != nil || len(parts) < 2 {
		return nil, nil, err
	}
	plane, _ := parts[0].(string)
	kind, _ := parts[1].(string)
	switch {
	case plane == "iss" && len(parts) == 2:
		k, err := entity.Decode[entity.IssuerKeys](value)
		if err != nil {
			return nil, nil, err
		}
		for i := range k.Keys {
			s := &k.Keys[i]
			fields = append(fields, sealedField{purpose: seal.TokenKey, associated: entity.IssuerKeyBinding(kind, s.ID), value: &s.Sealed})
		}
		return k, fields, nil
	case len(parts) < 3:
	case plane == "id" && kind == "key":
		k, err := entity.Decode[entity.AccessKey](value)
		if err != nil {
			return nil, nil, err
		}
		return k, []sealedField{{purpose: seal.AccessKeySecret, associated: k.ID, value: &k.Sealed}}, nil
	case plane == "otp" && kind == "token":
		t, err := entity.Decode[entity.HardwareToken](value)
		if err != nil {
			return nil, nil, err
		}
		return t, []sealedField{{purpose: seal.TOTPSeed, associated: t.Serial, value: &t.Sealed}}, nil
	case plane == "id" && kind == "item" && len(parts) == 5:
		of, _ := parts[3].(string)
		it, err := entity.DecodeItem(entity.Kind(of), value)
		if err != nil {
			return nil, nil, err
		}
		return it, sealedInItem(it), nil
	}
	return nil, nil, nil
}

func sealedInItem(it entity.Item) (fields []sealedField) {
	switch it := it.(type) {
	case *entity.MFADevice:
		if it.Sealed != nil {
			fields = append(fields, sealedField{purpose: seal.TOTPSeed, associated: it.Serial, value: &it.Sealed})
		}
	case *entity.ServerCertificate:
		fields = append(fields, sealedField{purpose: seal.PrivateKey, associated: it.ID, value: &it.Sealed})
	case *entity.ServiceCredential:
		fields = append(fields, sealedField{purpose: seal.ServiceSecret, associated: it.ID, value: &it.Sealed})
	case *entity.SAMLProvider:
		for i := range it.PrivateKeys {
			k := &it.PrivateKeys[i]
			fields = append(fields, sealedField{purpose: seal.PrivateKey, associated: k.ID, value: &k.Sealed})
		}
	case *entity.DelegationRequest:
		if it.Token != nil { // it was sent, as it is
			fields = append(fields, sealedField{purpose: seal.DelegationToken, associated: it.ID, value: &it.Token, fixed: it.ExpiresAt})
		}
	}
	return fields
}

// Reseal seals anew, under the key that is current, what the records under some keys have sealed under another. It returns how
// many records it wrote. A record that is gone, or that has nothing to seal anew (yet), is left alone. Forty keys and their
// partners fit into a transaction. It changes nothing that anybody can see, and leaves no event.
func (d *Directory) Reseal(ctx context.Context, keys [][]byte, current uint32) (written int, err error) {
	_, err = d.store.Update(ctx, func(txn store.Txn) error {
		written = 0
		tx := d.begin(txn)
		for _, key := range keys {
			n, err := tx.reseal(key, current)
			if err != nil {
				return fault.Wrap(err, "sealing "+keyenc.Print(key)+" anew")
			}
			written += n
		}
		return nil
	})
	return written, storeError(err)
}

// reseal seals one record's values anew.
func (tx *Tx) reseal(key []byte, current uint32) (written int, err error) {
	e, ok, err := tx.txn.Get(key)
	if err != nil || !ok {
		return 0, err
	}
	record, fields, err := sealedIn(key, e.Value)
	if err != nil || record == nil {
		return 0, err
	}
	// A hardware token and the device that it is have one text sealed once: they change together.
	if t, ok := record.(*entity.HardwareToken); ok && t.Account != "" {
		return tx.reseal(entity.ItemKey(t.Account, entity.KindMFADevice, t.Serial), current)
	}
	changed := false
	for _, f := range fields {
		if id, ok := seal.KeyOf(*f.value); ok && id == current || tx.now.Before(f.fixed) {
			continue
		}
		text, err := tx.d.ring.Open(f.purpose, *f.value, []byte(f.associated))
		if err != nil {
			return 0, err
		}
		if *f.value, err = tx.d.ring.Seal(f.purpose, text, []byte(f.associated)); err != nil {
			return 0, err
		}
		changed = true
	}
	if !changed {
		return 0, nil
	}
	tx.put(key, record)
	device, ok := record.(*entity.MFADevice)
	if !ok || device.Type != entity.HardwareMFA {
		return 1, nil
	}
	token, err := must[entity.HardwareToken](tx, entity.TokenKey(device.Serial))
	if err != nil {
		return 0, err
	}
	if token.Account != device.Account {
		return 0, fmt.Errorf("directory: the token %s is not the device's", token.Serial)
	}
	token.Sealed = device.Sealed
	tx.put(entity.TokenKey(device.Serial), token)
	return 2, nil
}
