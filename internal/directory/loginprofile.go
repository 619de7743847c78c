package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// A password is hashed outside of transactions: hashing is slow on purpose, and a transaction may run several times. Each
// change is two steps: FirstPassword, NextPassword or OwnPassword reads the records, checks the new password and hashes it;
// a verb of Tx writes the result, if the records are still what was read. If not, it fails with [fault.Stale].

// NewPassword is a password that was checked and hashed, for the records as they were. It holds nothing but the hash.
type NewPassword struct {
	target  Target
	user    string // the owner's ID
	was     string // the hash it takes the place of; empty for a first password
	hash    string
	rules   passwordRules
	renewal bool // the same password with another hash: it was held to no rules
}

// FirstPassword prepares the password of a user, or a root user, who has none.
func (d *Directory) FirstPassword(ctx context.Context, t Target, text secret.Text) (*NewPassword, error) {
	r, err := d.passwordRecords(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.profile != nil {
		return nil, hasProfile(t)
	}
	return d.newPassword(ctx, r, text)
}

// NextPassword prepares a password that an administrator sets in place of the one that there is.
func (d *Directory) NextPassword(ctx context.Context, t Target, text secret.Text) (*NewPassword, error) {
	r, err := d.passwordRecords(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.profile == nil {
		return nil, noProfile(t)
	}
	return d.newPassword(ctx, r, text)
}

// OwnPassword prepares a password that its owner sets, who has to know the present one (S1-185). Whether that one has expired
// does not matter here: hard expiry closes the console, which asks [Directory.VerifyPassword] first (S1-177).
func (d *Directory) OwnPassword(ctx context.Context, t Target, present, text secret.Text) (*NewPassword, error) {
	r, err := d.passwordRecords(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.profile == nil {
		return nil, noProfile(t)
	}
	ok, err := d.passwords.Verify(ctx, r.profile.Hash, present)
	if err != nil {
		return nil, hashError(err)
	}
	if !ok {
		return nil, &fault.Error{Kind: fault.Denied, Subject: t.Name, Message: "The old password was incorrect."}
	}
	return d.newPassword(ctx, r, text)
}

// newPassword holds a new password to the rules and hashes it.
func (d *Directory) newPassword(ctx context.Context, r *passwordRecords, text secret.Text) (*NewPassword, error) {
	n := &NewPassword{target: r.target, user: r.owner, rules: rulesFor(r.account, r.target)}
	if err := n.rules.check(text.Reveal()); err != nil {
		return nil, err
	}
	if r.profile != nil {
		n.was = r.profile.Hash
		if err := d.notReused(ctx, &n.rules, r.profile, text); err != nil {
			return nil, err
		}
	}
	hash, err := d.passwords.Hash(ctx, text)
	if err != nil {
		return nil, hashError(err)
	}
	n.hash = hash
	return n, nil
}

// notReused fails where the policy remembers passwords and text is the present one or among so many before it.
func (d *Directory) notReused(ctx context.Context, rules *passwordRules, p *entity.LoginProfile, text secret.Text) error {
	back := rules.policy.ReusePrevention
	if back == 0 {
		return nil
	}
	for _, hash := range append([]string{p.Hash}, p.Previous[:min(back, len(p.Previous))]...) {
		ok, err := d.passwords.Verify(ctx, hash, text)
		if err != nil {
			return hashError(err)
		}
		if ok {
			return &fault.Error{Kind: fault.WeakPassword, Message: "Policy constraint violation with password reuse prevention during password change."}
		}
	}
	return nil
}

// hashError: who ran out of time waiting for a turn may try again.
func hashError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{Kind: fault.Unavailable, Cause: err, Message: "The request has failed due to a temporary failure of the server."}
	}
	return fault.Wrap(err, "hashing a password")
}

// PasswordState is what a password is worth at sign-in.
type PasswordState uint8

// The states.
const (
	PasswordWrong   PasswordState = iota // not the password, or nobody has one here: which of the two is not told
	PasswordGood                         // it opens the console
	PasswordReset                        // right, but to be changed first: it was set to be (S1-49)
	PasswordExpired                      // right, but to be changed first: it is too old (S1-176)
	PasswordLocked                       // right, but too old, and only an administrator may set another (S1-176)
)

// PasswordCheck is the answer to a password.
type PasswordCheck struct {
	State   PasswordState
	Account *entity.Account      // nil with PasswordWrong, as is Profile
	Profile *entity.LoginProfile // of whose password it is
	// Outdated says that the hash should be made again, with RenewPassword: its parameters are not today's.
	Outdated bool

	target Target
}

// VerifyPassword answers what a password is worth at this moment. A user who does not exist or has no password costs as much time
// as one who has.
func (d *Directory) VerifyPassword(ctx context.Context, t Target, text secret.Text) (*PasswordCheck, error) {
	r, err := d.passwordRecords(ctx, t)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || r.profile == nil {
		if err := d.passwords.Pretend(ctx, text); err != nil {
			return nil, hashError(err)
		}
		return &PasswordCheck{}, nil
	}
	ok, err := d.passwords.Verify(ctx, r.profile.Hash, text)
	if err != nil {
		return nil, hashError(err)
	}
	if !ok {
		return &PasswordCheck{}, nil
	}
	c := &PasswordCheck{
		State: PasswordGood, Account: r.account, Profile: r.profile, Outdated: d.passwords.Outdated(r.profile.Hash), target: t,
	}
	expiry, expires := PasswordExpiry(r.account, r.profile)
	switch {
	case expires && !d.now().Before(expiry) && r.account.PasswordPolicy.HardExpiry:
		c.State = PasswordLocked
	case expires && !d.now().Before(expiry):
		c.State = PasswordExpired
	case r.profile.ResetRequired:
		c.State = PasswordReset
	}
	return c, nil
}

// RenewPassword hashes a password that was verified again with today's parameters, for [Tx.RenewPassword].
func (d *Directory) RenewPassword(ctx context.Context, c *PasswordCheck, text secret.Text) (*NewPassword, error) {
	if c.State == PasswordWrong {
		return nil, errors.New("directory: a wrong password is not renewed")
	}
	hash, err := d.passwords.Hash(ctx, text)
	if err != nil {
		return nil, hashError(err)
	}
	return &NewPassword{target: c.target, user: c.Profile.User, was: c.Profile.Hash, hash: hash, renewal: true}, nil
}

// CreateLoginProfile gives a first password to its owner. With reset it is to be changed at the next sign-in.
func (tx *Tx) CreateLoginProfile(n *NewPassword, reset bool) (p *entity.LoginProfile, err error) {
	defer tx.note(&err)
	r, err := tx.passwordRecords(n.target)
	if err != nil {
		return nil, err
	}
	if r.profile != nil {
		return nil, hasProfile(n.target)
	}
	if err := r.hold(n); err != nil {
		return nil, err
	}
	if err := checkQuota(r.account, LoginProfilesPerUserQuota, 1); err != nil {
		return nil, err
	}
	p = &entity.LoginProfile{Account: r.account.ID, User: r.owner, CreatedAt: tx.now, ChangedAt: tx.now, Hash: n.hash, ResetRequired: reset}
	if err := tx.addItem(r.account, p, ""); err != nil {
		return nil, err
	}
	owner, err := tx.owner(n.target)
	if err != nil {
		return nil, err
	}
	own(owner.owned, p)
	owner.save()
	return p, nil
}

// UpdateLoginProfile sets another password, says whether it is to be changed at the next sign-in, or both. A nil password and a
// nil reset stay as they are.
func (tx *Tx) UpdateLoginProfile(t Target, n *NewPassword, reset *bool) (err error) {
	defer tx.note(&err)
	r, err := tx.passwordRecords(t)
	if err != nil {
		return err
	}
	if r.profile == nil {
		return noProfile(t)
	}
	if n != nil {
		if err := r.hold(n); err != nil {
			return err
		}
		tx.replacePassword(r.profile, n)
	}
	if reset != nil {
		r.profile.ResetRequired = *reset
	}
	tx.putItem(r.profile)
	return nil
}

// ChangePassword sets a password that its owner chose: it need not be changed again.
func (tx *Tx) ChangePassword(n *NewPassword) error {
	return tx.UpdateLoginProfile(n.target, n, new(false))
}

// RenewPassword puts another hash of the same password in the place of the one that there is. Nothing else changes: neither
// its age nor the list of earlier ones.
func (tx *Tx) RenewPassword(n *NewPassword) (err error) {
	defer tx.note(&err)
	r, err := tx.passwordRecords(n.target)
	if err != nil {
		return err
	}
	if !n.renewal || r.profile == nil || r.profile.User != n.user || r.profile.Hash != n.was {
		return errPasswordMoved
	}
	r.profile.Hash = n.hash
	tx.putItem(r.profile)
	return nil
}

func (tx *Tx) replacePassword(p *entity.LoginProfile, n *NewPassword) {
	p.Previous = slices.Insert(p.Previous, 0, p.Hash)
	p.Previous = p.Previous[:min(len(p.Previous), passwordHistory)]
	p.Hash, p.ChangedAt = n.hash, tx.now
}

// DeleteLoginProfile takes the password away: its owner can no longer sign in to the console, and everything else stays
// (S1-158, S1-159).
func (tx *Tx) DeleteLoginProfile(t Target) (err error) {
	defer tx.note(&err)
	r, err := tx.passwordRecords(t)
	if err != nil {
		return err
	}
	if r.profile == nil {
		return noProfile(t)
	}
	owner, err := tx.owner(t)
	if err != nil {
		return err
	}
	if err := disown(owner.owned, r.profile); err != nil {
		return err
	}
	owner.save()
	tx.txn.Delete(entity.PasswordUsageKey(r.account.ID, r.owner))
	return tx.dropItem(r.profile)
}

// passwordRecords is what decides about a password.
type passwordRecords struct {
	target  Target
	account *entity.Account
	owner   string               // the user's ID, or the account's for the root user
	profile *entity.LoginProfile // nil where there is none
}

func (tx *Tx) passwordRecords(t Target) (*passwordRecords, error) {
	acct, err := tx.account(t.Account)
	if err != nil {
		return nil, err
	}
	owner, err := tx.owner(t)
	if err != nil {
		return nil, err
	}
	p, err := read[entity.LoginProfile](tx, entity.ItemKey(t.Account, entity.KindLoginProfile, owner.id))
	if err != nil {
		return nil, err
	}
	return &passwordRecords{target: t, account: acct, owner: owner.id, profile: p}, nil
}

// passwordRecords reads what is in the store now.
func (d *Directory) passwordRecords(ctx context.Context, t Target) (r *passwordRecords, err error) {
	err = d.store.View(ctx, func(rd store.Reader) (err error) {
		r, err = d.begin(viewing{rd}).passwordRecords(t)
		return err
	})
	if err != nil {
		return nil, storeError(err)
	}
	return r, nil
}

// viewing lets a transaction's reading functions read in a View.
type viewing struct{ store.Reader }

func (viewing) Put([]byte, []byte) { panic("directory: writing in a View") }
func (viewing) Delete([]byte)      { panic("directory: writing in a View") }

// hold fails unless the records are those that the password was prepared for.
func (r *passwordRecords) hold(n *NewPassword) error {
	was := ""
	if r.profile != nil {
		was = r.profile.Hash
	}
	if n.renewal || n.target != r.target || n.user != r.owner || n.was != was || n.rules != rulesFor(r.account, r.target) {
		return errPasswordMoved
	}
	return nil
}

var errPasswordMoved = &fault.Error{Kind: fault.Stale, Subject: string(entity.KindLoginProfile),
	Message: "The request was rejected because multiple requests to change this object were submitted simultaneously. " +
		"Wait a few minutes and submit your request again."}

func noProfile(t Target) error {
	return &fault.Error{Kind: fault.NotFound, Subject: t.Name, Message: "Login Profile for User " + profileName(t) + " cannot be found."}
}

func hasProfile(t Target) error {
	return &fault.Error{Kind: fault.Exists, Subject: t.Name, Message: "Login Profile for user " + profileName(t) + " already exists."}
}

func profileName(t Target) string {
	if t.Kind == entity.KindAccount {
		return "root"
	}
	return t.Name
}
