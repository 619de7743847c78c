package directory

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// NewAccount is an account to be made.
type NewAccount struct {
	ID    string // twelve digits; empty means a random one
	Name  string
	Email string
}

// CreateAccount makes an account and an access key for its root user.
func (tx *Tx) CreateAccount(n NewAccount) (acct *entity.Account, key *IssuedKey, err error) {
	defer tx.note(&err)
	id := n.ID
	if id == "" {
		if id, err = tx.newAccountID(); err != nil {
			return nil, nil, err
		}
	} else if !isAccountID(id) {
		return nil, nil, &fault.Error{Kind: fault.Invalid, Subject: "accountId", Message: "An account ID must be twelve digits."}
	}
	taken, err := read[entity.Account](tx, entity.AccountKey(id))
	if err != nil {
		return nil, nil, err
	}
	if taken != nil {
		return nil, nil, &fault.Error{Kind: fault.Exists, Subject: id, Message: "Account " + id + " already exists."}
	}
	tx.put(entity.AccountKey(id), &entity.Account{ID: id, Name: n.Name, Email: n.Email, CreatedAt: tx.now})
	if key, err = tx.CreateAccessKey(OfRoot(id)); err != nil {
		return nil, nil, err
	}
	if acct, err = tx.account(id); err != nil {
		return nil, nil, err
	}
	return acct, key, nil
}

// newAccountID returns an unused ID between 100000000000 and 999999999999: one that begins with a zero loses it in every
// spreadsheet and YAML file that takes it for a number.
func (tx *Tx) newAccountID() (string, error) {
	const first, span = 100_000_000_000, 900_000_000_000
	source := tx.d.rand
	if source == nil {
		source = rand.Reader
	}
	for {
		var raw [8]byte
		if _, err := io.ReadFull(source, raw[:]); err != nil {
			return "", fault.Wrap(err, "making an account ID")
		}
		n := binary.BigEndian.Uint64(raw[:]) >> (64 - 40)
		if n >= span {
			continue
		}
		id := fmt.Sprint(first + n)
		taken, err := read[entity.Account](tx, entity.AccountKey(id))
		if err != nil {
			return "", err
		}
		if taken == nil {
			return id, nil
		}
	}
}

// account returns an account that must exist.
func (tx *Tx) account(id string) (*entity.Account, error) {
	acct, err := read[entity.Account](tx, entity.AccountKey(id))
	if err != nil {
		return nil, err
	}
	if acct == nil {
		return nil, &fault.Error{Kind: fault.NotFound, Subject: id, Message: "The account " + id + " cannot be found."}
	}
	return acct, nil
}

// SetAlias gives the account an alias in place of the one it has (S1-64). Aliases are unique over the installation; the one
// the account already has counts as taken too.
func (tx *Tx) SetAlias(account, alias string) (err error) {
	defer tx.note(&err)
	if err := checkAlias(alias); err != nil {
		return err
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	taken, err := read[entity.Ref](tx, entity.AliasKey(alias))
	if err != nil {
		return err
	}
	if taken != nil {
		return &fault.Error{Kind: fault.Exists, Subject: alias, Message: "The account alias " + alias + " already exists."}
	}
	if err := checkQuota(acct, AccountAliasesQuota, 1); err != nil {
		return err
	}
	if acct.Alias != "" {
		tx.txn.Delete(entity.AliasKey(acct.Alias))
	}
	acct.Alias = alias
	tx.put(entity.AliasKey(alias), &entity.Ref{Account: account, Kind: entity.KindAccount, ID: account})
	tx.put(entity.AccountKey(account), acct)
	return nil
}

// DeleteAlias takes the account's alias away; alias must be the one it has.
func (tx *Tx) DeleteAlias(account, alias string) (err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	if alias == "" || acct.Alias != alias {
		return &fault.Error{Kind: fault.NotFound, Subject: alias,
			Message: "The account alias with name " + alias + " cannot be found."}
	}
	acct.Alias = ""
	tx.txn.Delete(entity.AliasKey(alias))
	tx.put(entity.AccountKey(account), acct)
	return nil
}

// checkAlias: 3 to 63 lower-case letters, digits and single hyphens inside, and not an account ID (S4-239, S1-66).
func checkAlias(alias string) error {
	ok := len(alias) >= 3 && len(alias) <= 63 && !isAccountID(alias) && !strings.Contains(alias, "--") &&
		!strings.HasPrefix(alias, "-") && !strings.HasSuffix(alias, "-")
	for i := range len(alias) {
		c := alias[i]
		ok = ok && (c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z')
	}
	if !ok {
		return &fault.Error{Kind: fault.Invalid, Subject: "accountAlias",
			Message: "The specified value for accountAlias is invalid. " +
				"It must contain only digits, lowercase letters, and hyphens, it cannot begin or end with a hyphen or contain two in a " +
				"row, and it cannot be a 12-digit number."}
	}
	return nil
}
