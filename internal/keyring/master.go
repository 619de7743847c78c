package keyring

import (
	"context"
	"errors"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// BeginMaster puts the ring into the store a second time, wrapped under next. Nodes start with either key from then on, and no key is
// rotated. Beginning again with the same or with another next key replaces what was begun. master must open the ring as it is.
func BeginMaster(ctx context.Context, st store.Store, master, next seal.Master) error {
	if master == next {
		return fault.New(fault.Invalid, "The new master key is the one in use.")
	}
	_, err := st.Update(ctx, func(tx store.Txn) error {
		wrapped, err := system(tx, entity.SysRing)
		if err != nil {
			return err
		}
		ring, err := seal.Unmarshal(wrapped, master)
		if err != nil {
			return err
		}
		fresh, err := ring.Marshal(next)
		if err == nil {
			tx.Put(entity.SystemKey(entity.SysNextRing), fresh)
		}
		return err
	})
	return err
}

// EndMaster leaves only the ring that is wrapped under next: the old master key opens nothing any more. It does nothing where
// that is so already. It fails with [fault.Conflict] where no change to that key was begun.
func EndMaster(ctx context.Context, st store.Store, next seal.Master) error {
	_, err := st.Update(ctx, func(tx store.Txn) error {
		wrapped, err := system(tx, entity.SysRing)
		if err != nil {
			return err
		}
		if _, err := seal.Unmarshal(wrapped, next); err == nil {
			tx.Delete(entity.SystemKey(entity.SysNextRing))
			return nil
		}
		fresh, err := system(tx, entity.SysNextRing)
		if err != nil {
			return err
		}
		if _, err := seal.Unmarshal(fresh, next); err != nil {
			if errors.Is(err, seal.ErrMaster) || fresh == nil {
				return fault.New(fault.Conflict, "No change to this master key was begun.")
			}
			return err
		}
		tx.Put(entity.SystemKey(entity.SysRing), fresh)
		tx.Delete(entity.SystemKey(entity.SysNextRing))
		return nil
	})
	return err
}
