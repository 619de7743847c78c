package directory

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// PreparePassword is FirstPassword or NextPassword for what the transaction itself sees, for random sequences of verbs.
func (tx *Tx) PreparePassword(t Target, text string) (n *NewPassword, err error) {
	defer tx.note(&err)
	r, err := tx.passwordRecords(t)
	if err != nil {
		return nil, err
	}
	return tx.d.newPassword(context.Background(), r, secret.New(text))
}
