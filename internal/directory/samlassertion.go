package directory

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// sweepAssertions is how many forgotten assertions one use takes out: more than it puts in, so that they do not pile up.
const sweepAssertions = 8

// UseAssertion uses up an assertion of a SAML provider, by its ID: of all who present it, on all nodes, exactly one succeeds
// (D18). It is remembered until forget, a time that follows from the assertion alone, and after which it is refused for its age
// anyway. One that was used is a fault of kind InvalidIdentityToken; where the store cannot be reached nobody succeeds.
func (d *Directory) UseAssertion(ctx context.Context, account, providerID, assertionID string, forget time.Time) error {
	sum := sha256.Sum256([]byte(assertionID))
	key := entity.UsedAssertionKey(forget, account, providerID, sum[:])
	var old [][]byte
	err := d.store.View(ctx, func(r store.Reader) error {
		old = nil
		until := entity.UsedAssertionKey(d.now(), "", "", nil)
		for e, err := range r.Range(entity.UsedAssertions) {
			if err != nil {
				return err
			}
			if string(e.Key) >= string(until) || len(old) == sweepAssertions {
				break
			}
			old = append(old, append([]byte(nil), e.Key...))
		}
		return nil
	})
	if err != nil {
		return storeError(fault.Wrap(err, "looking for assertions to forget"))
	}
	_, err = d.store.Update(ctx, func(txn store.Txn) error {
		_, used, err := txn.Get(key)
		if err != nil {
			return fault.Wrap(err, "reading "+keyenc.Print(key))
		}
		if used {
			return fault.New(fault.InvalidIdentityToken, "The SAML assertion has been used already.")
		}
		txn.Put(key, entity.Encode(&entity.UsedAssertion{}))
		for _, k := range old {
			txn.Delete(k)
		}
		return nil
	})
	if err != nil {
		return storeError(err)
	}
	return nil
}
