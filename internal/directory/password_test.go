package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	good  = "Correct-horse-1"
	other = "Another-horse-2"

	day = 24 * time.Hour
)

var alice = directory.OfUser(home, "alice")

// withPassword is a world with alice, whose password is good.
func withPassword(t reporter) *world {
	t.Helper()
	w := newWorld(t)
	w.do(createUser("alice"))
	w.first(alice, good, false)
	return w
}

// first gives a first password.
func (w *world) first(t directory.Target, text string, reset bool) *entity.LoginProfile {
	w.t.Helper()
	n, err := w.dir.FirstPassword(context.Background(), t, secret.New(text))
	if err != nil {
		w.t.Fatalf("preparing %q: %v", text, err)
	}
	return get(w, func(tx *directory.Tx) (*entity.LoginProfile, error) { return tx.CreateLoginProfile(n, reset) })
}

// set sets the next password as an administrator.
func (w *world) set(t directory.Target, text string) error {
	n, err := w.dir.NextPassword(context.Background(), t, secret.New(text))
	if err != nil {
		return err
	}
	return w.try(func(tx *directory.Tx) error { return tx.UpdateLoginProfile(t, n, nil) })
}

// changeOwn changes a password as its owner.
func (w *world) changeOwn(t directory.Target, present, text string) error {
	n, err := w.dir.OwnPassword(context.Background(), t, secret.New(present), secret.New(text))
	if err != nil {
		return err
	}
	return w.try(func(tx *directory.Tx) error { return tx.ChangePassword(n) })
}

func (w *world) policy(p entity.PasswordPolicy) {
	w.t.Helper()
	if p.MinimumLength == 0 {
		p.MinimumLength = 6
	}
	w.do(func(tx *directory.Tx) error { return tx.SetPasswordPolicy(home, p) })
}

// worth verifies a password and expects a state.
func (w *world) worth(t directory.Target, text string, want directory.PasswordState) *directory.PasswordCheck {
	w.t.Helper()
	c, err := w.dir.VerifyPassword(context.Background(), t, secret.New(text))
	if err != nil {
		w.t.Fatalf("verifying %q: %v", text, err)
	}
	if c.State != want {
		w.t.Errorf("%q of %v is worth %d, want %d", text, t, c.State, want)
	}
	return c
}

// says expects an error of a kind with a sentence.
func says(t reporter, err error, kind fault.Kind, message string) {
	t.Helper()
	if !errors.Is(err, kind) || fault.MessageOf(err) != message {
		t.Errorf("got %v, want %v: %s", err, kind, message)
	}
}

func TestPasswordLifecycle(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.worth(alice, good, directory.PasswordWrong)
	p := w.first(alice, good, false)
	if want := (&entity.LoginProfile{Account: home, User: w.state().user("alice").ID, CreatedAt: start.Truncate(time.Second),
		ChangedAt: start.Truncate(time.Second), Hash: p.Hash}); cmp.Diff(want, p) != "" || strings.Contains(p.Hash, good) {
		t.Errorf("made %+v", p)
	}
	w.intact()
	t.Run("one each", func(t *testing.T) {
		checklist.Shows(t, "S1-153")
		_, err := w.dir.FirstPassword(t.Context(), directory.OfUser(home, "ALICE"), secret.New(other))
		says(t, err, fault.Exists, "Login Profile for user ALICE already exists.")
	})
	t.Run("case matters", func(t *testing.T) {
		checklist.Shows(t, "S1-162", "S1-42")
		w.worth(directory.OfUser(home, "ALICE"), good, directory.PasswordGood)
		w.worth(alice, strings.ToUpper(good), directory.PasswordWrong)
	})
	t.Run("no lock-out", func(t *testing.T) {
		checklist.Shows(t, "S1-48", "S1-182")
		for range 50 {
			w.worth(alice, other, directory.PasswordWrong)
		}
		w.worth(alice, good, directory.PasswordGood)
	})
	w.worth(alice, "", directory.PasswordWrong)
	w.worth(directory.OfUser(abroad, "alice"), good, directory.PasswordWrong)
	w.worth(directory.OfUser(home, "nobody"), good, directory.PasswordWrong)
	w.worth(directory.OfRoot(home), good, directory.PasswordWrong)
	w.worth(directory.OfRoot("999999999999"), good, directory.PasswordWrong)

	w.now = w.now.Add(time.Hour)
	if err := w.set(alice, other); err != nil {
		t.Fatal(err)
	}
	w.worth(alice, good, directory.PasswordWrong)
	c := w.worth(alice, other, directory.PasswordGood)
	if !c.Profile.CreatedAt.Equal(p.CreatedAt) || !c.Profile.ChangedAt.Equal(w.now.Truncate(time.Second)) || !slices.Equal(c.Profile.Previous, []string{p.Hash}) {
		t.Errorf("afterwards %+v", c.Profile)
	}
	t.Run("own change", func(t *testing.T) {
		checklist.Shows(t, "S1-185")
		says(t, w.changeOwn(alice, good, "Third-horse-3"), fault.Denied, "The old password was incorrect.")
		says(t, w.changeOwn(alice, other, "short"), fault.WeakPassword, "Password should have a minimum length of 8, "+
			"Password should meet 2 more of the following requirements: Password should have at least one uppercase letter, "+
			"Password should have at least one number, Password should have at least one symbol")
		w.worth(alice, other, directory.PasswordGood)
		if err := w.changeOwn(alice, other, "Third-horse-3"); err != nil {
			t.Fatal(err)
		}
		w.worth(alice, "Third-horse-3", directory.PasswordGood)
	})
	t.Run("in the way of deleting", func(t *testing.T) {
		w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete login profile first.", func(tx *directory.Tx) error {
			return tx.DeleteUser(home, "alice")
		})
	})
	t.Run("deleting", func(t *testing.T) {
		checklist.Shows(t, "S1-51", "S1-158", "S1-159")
		key := get(w, func(tx *directory.Tx) (*directory.IssuedKey, error) { return tx.CreateAccessKey(alice) })
		w.do(func(tx *directory.Tx) error { return tx.DeleteLoginProfile(alice) })
		w.worth(alice, "Third-horse-3", directory.PasswordWrong)
		if s := w.state(); s.keys[key.ID].Inactive || len(s.items) > 0 || s.user("alice").Owned != nil {
			t.Errorf("left behind: %+v, %+v", s.items, s.user("alice"))
		}
		w.intact()
		w.do(func(tx *directory.Tx) error { return tx.DeleteAccessKey(alice, key.ID) })
	})
	missing := "Login Profile for User alice cannot be found."
	w.refuse(fault.NotFound, missing, func(tx *directory.Tx) error { return tx.DeleteLoginProfile(alice) })
	w.refuse(fault.NotFound, missing, func(tx *directory.Tx) error { return tx.UpdateLoginProfile(alice, nil, new(true)) })
	says(t, w.set(alice, good), fault.NotFound, missing)
	says(t, w.changeOwn(alice, good, other), fault.NotFound, missing)
	nobody := directory.OfUser(home, "nobody")
	says(t, w.set(nobody, good), fault.NotFound, "The user with name nobody cannot be found.")
	_, err := w.dir.FirstPassword(t.Context(), nobody, secret.New(good))
	says(t, err, fault.NotFound, "The user with name nobody cannot be found.")
	w.do(func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
}

// TestPasswordsArePreparedForWhatIsThere: what was checked and hashed is written only where nothing has changed since.
func TestPasswordsArePreparedForWhatIsThere(t *testing.T) {
	changes := map[string]func(*world){
		"another password": func(w *world) { w.do(func(tx *directory.Tx) error { return replace(tx, alice) }) },
		"another policy":   func(w *world) { w.policy(entity.PasswordPolicy{MinimumLength: 40}) },
		"deleted and again": func(w *world) {
			w.do(func(tx *directory.Tx) error { return tx.DeleteLoginProfile(alice) })
			w.first(alice, good, false)
		},
		"another user": func(w *world) {
			w.do(func(tx *directory.Tx) error {
				if err := tx.DeleteLoginProfile(alice); err != nil {
					return err
				}
				return tx.DeleteUser(home, "alice")
			})
			w.do(createUser("alice"))
			w.first(alice, good, false)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			w := withPassword(t)
			next, err := w.dir.NextPassword(t.Context(), alice, secret.New(other))
			if err != nil {
				t.Fatal(err)
			}
			change(w)
			before := w.dump()
			if err := w.try(func(tx *directory.Tx) error { return tx.UpdateLoginProfile(alice, next, nil) }); !errors.Is(err, fault.Stale) {
				t.Errorf("written: %v", err)
			}
			if err := w.try(func(tx *directory.Tx) error { return tx.ChangePassword(next) }); !errors.Is(err, fault.Stale) {
				t.Errorf("written: %v", err)
			}
			if diff := cmp.Diff(before, w.dump()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a first password", func(t *testing.T) {
		w := newWorld(t)
		w.do(createUser("alice"))
		n, err := w.dir.FirstPassword(t.Context(), alice, secret.New(good))
		if err != nil {
			t.Fatal(err)
		}
		w.do(func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
		w.do(createUser("alice"))
		if err := w.try(func(tx *directory.Tx) error { _, err := tx.CreateLoginProfile(n, false); return err }); !errors.Is(err, fault.Stale) {
			t.Errorf("another user got the password: %v", err)
		}
		w.first(alice, good, false)
		w.refuse(fault.Exists, "Login Profile for user alice already exists.", func(tx *directory.Tx) error {
			_, err := tx.CreateLoginProfile(n, false)
			return err
		})
	})
	t.Run("for somebody else", func(t *testing.T) {
		w := withPassword(t)
		w.do(createUser("bob"))
		w.first(directory.OfUser(home, "bob"), good, false)
		n, err := w.dir.NextPassword(t.Context(), alice, secret.New(other))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.try(func(tx *directory.Tx) error { return tx.UpdateLoginProfile(directory.OfUser(home, "bob"), n, nil) }); !errors.Is(err, fault.Stale) {
			t.Errorf("bob got alice's password: %v", err)
		}
	})
}

// replace gives a new password inside a transaction.
func replace(tx *directory.Tx, t directory.Target) error {
	n, err := tx.PreparePassword(t, "Third-horse-3")
	if err != nil {
		return err
	}
	return tx.UpdateLoginProfile(t, n, nil)
}

// TestPasswordRules: each option of a policy, with what is just enough and what is not.
func TestPasswordRules(t *testing.T) {
	const least = "Password should have at least one "
	for _, c := range []struct {
		items  []string
		name   string
		policy *entity.PasswordPolicy
		ok     []string
		wrong  map[string]string
	}{
		{name: "no policy", items: []string{"S1-446"}, ok: []string{"Passw0rd", "passw0r!", "PASSW0R!", "Passwor'", "aA1" + strings.Repeat("x", 125), "pä$$wÖ1d"},
			wrong: map[string]string{
				"Passw0r":            "Password should have a minimum length of 8",
				"password1":          "Password should meet 1 more of the following requirements: " + least + "uppercase letter, " + least + "symbol",
				"password<":          "Password should meet 2 more of the following requirements: " + least + "uppercase letter, " + least + "number, " + least + "symbol",
				"        ":           "Password should meet 3 more of the following requirements: " + least + "uppercase letter, " + least + "lowercase letter, " + least + "number, " + least + "symbol",
				"Home-Account-1":     "Password should not be the name or the email address of the account",
				"hOME-aCCOUNT-1":     "Password should not be the name or the email address of the account",
				"owner@EXAMPLE.com1": "Password should not be the name or the email address of the account",
				"ÄÖÜ12345":           "Password should meet 2 more of the following requirements: " + least + "uppercase letter, " + least + "lowercase letter, " + least + "symbol",
				"Pass1":              "Password should have a minimum length of 8",
				"pass":               "Password should have a minimum length of 8, Password should meet 2 more of the following requirements: " + least + "uppercase letter, " + least + "number, " + least + "symbol",
			}},
		{name: "minimum length", items: []string{"S1-166"}, policy: &entity.PasswordPolicy{MinimumLength: 6}, ok: []string{"aaaaaa", "ääääää", "home-account-1"},
			wrong: map[string]string{"aaaaa": "Password should have a minimum length of 6"}},
		{name: "greatest length", policy: &entity.PasswordPolicy{MinimumLength: 128}, ok: []string{strings.Repeat("a", 128)},
			wrong: map[string]string{strings.Repeat("a", 127): "Password should have a minimum length of 128"}},
		{name: "upper case", items: []string{"S1-167"}, policy: &entity.PasswordPolicy{MinimumLength: 6, Upper: true}, ok: []string{"aaaaaZ"},
			wrong: map[string]string{"aaaaa1": least + "uppercase letter", "aaaaaÄ": least + "uppercase letter"}},
		{name: "lower case", items: []string{"S1-168"}, policy: &entity.PasswordPolicy{MinimumLength: 6, Lower: true}, ok: []string{"AAAAAz"},
			wrong: map[string]string{"AAAAA1": least + "lowercase letter", "AAAAAä": least + "lowercase letter"}},
		{name: "number", items: []string{"S1-169"}, policy: &entity.PasswordPolicy{MinimumLength: 6, Numbers: true}, ok: []string{"aaaaa0", "aaaaa9"},
			wrong: map[string]string{"aaaaaa": least + "number", "aaaaa²": least + "number"}},
		{name: "all", policy: &entity.PasswordPolicy{MinimumLength: 6, Upper: true, Lower: true, Numbers: true, Symbols: true}, ok: []string{"aA1!aa"},
			wrong: map[string]string{"a": "Password should have a minimum length of 6, " + least + "uppercase letter, " + least + "number, " + least + "symbol"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checklist.Shows(t, c.items...)
			w := newWorld(t)
			w.do(createAccount(directory.NewAccount{ID: "333333333333", Name: "Home-Account-1", Email: "Owner@example.com1"}))
			who := directory.OfUser("333333333333", "alice")
			w.do(func(tx *directory.Tx) error {
				if _, err := tx.CreateUser(who.Account, directory.NewUser{Name: "alice"}); err != nil || c.policy == nil {
					return err
				}
				return tx.SetPasswordPolicy(who.Account, *c.policy)
			})
			for _, text := range c.ok {
				if _, err := w.dir.FirstPassword(t.Context(), who, secret.New(text)); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
			for text, message := range c.wrong {
				_, err := w.dir.FirstPassword(t.Context(), who, secret.New(text))
				says(t, err, fault.WeakPassword, message)
			}
			for _, text := range []string{"", strings.Repeat("aA1!", 32) + "a", "aA1!aA1!\x00", "aA1!aA1!Ā", "aA1!aA1!\xff"} {
				_, err := w.dir.FirstPassword(t.Context(), who, secret.New(text))
				says(t, err, fault.Invalid, "The specified value for password is invalid.")
			}
		})
	}
	t.Run("symbols", func(t *testing.T) {
		checklist.Shows(t, "S1-170")
		w := newWorld(t)
		w.do(createUser("alice"))
		w.policy(entity.PasswordPolicy{Symbols: true})
		var counts []byte
		for c := byte(' '); c < 0x7F; c++ {
			switch _, err := w.dir.FirstPassword(t.Context(), alice, secret.New("aaaaa"+string(c))); {
			case err == nil:
				counts = append(counts, c)
			default:
				says(t, err, fault.WeakPassword, least+"symbol")
			}
		}
		if want := "!#$%&'()*+-=@[]^_{|}"; string(counts) != want {
			t.Errorf("symbols are %s, want %s", counts, want)
		}
	})
	t.Run("existing passwords stay", func(t *testing.T) {
		checklist.Shows(t, "S1-178")
		w := withPassword(t)
		w.policy(entity.PasswordPolicy{MinimumLength: 100})
		w.worth(alice, good, directory.PasswordGood)
		w.now = w.now.Add(2 * day)
		w.policy(entity.PasswordPolicy{MaximumAge: day})
		w.worth(alice, good, directory.PasswordExpired)
	})
	t.Run("set by an administrator", func(t *testing.T) {
		checklist.Shows(t, "S1-156")
		w := withPassword(t)
		w.policy(entity.PasswordPolicy{MinimumLength: 20})
		says(t, w.set(alice, good), fault.WeakPassword, "Password should have a minimum length of 20")
	})
}

// TestRootPassword: the root user's password has rules of its own, and the account's policy is none of them.
func TestRootPassword(t *testing.T) {
	w := newWorld(t)
	root := directory.OfRoot(home)
	w.policy(entity.PasswordPolicy{MinimumLength: 40, MaximumAge: day, ReusePrevention: 24, HardExpiry: true})
	t.Run("rules", func(t *testing.T) {
		checklist.Shows(t, "S1-1", "S1-22", "S1-24", "S1-25", "S1-183")
		for text, message := range map[string]string{
			"Passw0r": "Password should have a minimum length of 8",
			"password1": "Password should meet 1 more of the following requirements: Password should have at least one uppercase letter, " +
				"Password should have at least one symbol",
		} {
			_, err := w.dir.FirstPassword(t.Context(), root, secret.New(text))
			says(t, err, fault.WeakPassword, message)
		}
		w.first(root, "Passw0rd", false)
		w.intact()
		w.now = w.now.Add(1000 * day)
		c := w.worth(root, "Passw0rd", directory.PasswordGood)
		if at, ok := directory.PasswordExpiry(c.Account, c.Profile); ok {
			t.Errorf("it expires at %v", at)
		}
		if err := w.set(root, "Passw0rd"); err != nil {
			t.Errorf("used again: %v", err)
		}
	})
	t.Run("symbols", func(t *testing.T) {
		checklist.Shows(t, "S1-23")
		if _, err := w.dir.NextPassword(t.Context(), root, secret.New("password1<")); err != nil {
			t.Errorf("<: %v", err)
		}
		if _, err := w.dir.NextPassword(t.Context(), root, secret.New("password1'")); !errors.Is(err, fault.WeakPassword) {
			t.Errorf("': %v", err)
		}
	})
	if got := w.state().accounts[home].Owned; !slices.Equal(got[entity.KindLoginProfile], []string{home}) {
		t.Errorf("the account owns %v", got)
	}
	w.do(func(tx *directory.Tx) error { return tx.DeleteLoginProfile(root) })
	w.intact()
	w.refuse(fault.NotFound, "Login Profile for User root cannot be found.", func(tx *directory.Tx) error { return tx.DeleteLoginProfile(root) })
}

func TestPasswordReuse(t *testing.T) {
	checklist.Shows(t, "S1-175")
	const used = "Policy constraint violation with password reuse prevention during password change."
	w := withPassword(t)
	if err := w.set(alice, good); err != nil {
		t.Errorf("without the option: %v", err)
	}
	text := func(n int) string { return fmt.Sprint("Correct-horse-", n) }
	for n := 2; n <= 30; n++ {
		if err := w.set(alice, text(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{1, 5, 24} {
		w.policy(entity.PasswordPolicy{ReusePrevention: n})
		says(t, w.set(alice, text(30)), fault.WeakPassword, used)
		says(t, w.changeOwn(alice, text(30), text(30-n)), fault.WeakPassword, used)
		says(t, w.set(alice, text(30-n)), fault.WeakPassword, used)
		if _, err := w.dir.NextPassword(t.Context(), alice, secret.New(text(30-n-1))); err != nil {
			t.Errorf("%d back with %d remembered: %v", n+1, n, err)
		}
	}
	c := w.worth(alice, text(30), directory.PasswordGood)
	if len(c.Profile.Previous) != 24 {
		t.Errorf("%d earlier passwords are kept", len(c.Profile.Previous))
	}
	// A password that was deleted takes its history with it.
	w.do(func(tx *directory.Tx) error { return tx.DeleteLoginProfile(alice) })
	w.first(alice, text(30), false)
}

func TestPasswordExpiry(t *testing.T) {
	w := withPassword(t)
	expiry := w.now.Truncate(time.Second).Add(90 * day)
	w.policy(entity.PasswordPolicy{MaximumAge: 90 * day})
	t.Run("age", func(t *testing.T) {
		checklist.Shows(t, "S1-174")
		w.now = expiry.Add(-1)
		c := w.worth(alice, good, directory.PasswordGood)
		if at, ok := directory.PasswordExpiry(c.Account, c.Profile); !ok || !at.Equal(expiry) {
			t.Errorf("expires %v %v", at, ok)
		}
		w.now = expiry
		w.worth(alice, good, directory.PasswordExpired)
		w.worth(alice, other, directory.PasswordWrong)
		if err := w.changeOwn(alice, good, other); err != nil {
			t.Fatal(err)
		}
		c = w.worth(alice, other, directory.PasswordGood)
		if at, ok := directory.PasswordExpiry(c.Account, c.Profile); !ok || !at.Equal(expiry.Add(90*day)) {
			t.Errorf("the period does not begin again: %v %v", at, ok)
		}
	})
	t.Run("hard expiry", func(t *testing.T) {
		checklist.Shows(t, "S1-49", "S1-176", "S1-177")
		w.now = w.now.Add(90 * day)
		w.worth(alice, other, directory.PasswordExpired)
		w.policy(entity.PasswordPolicy{MaximumAge: 90 * day, HardExpiry: true})
		w.worth(alice, other, directory.PasswordLocked)
		w.worth(alice, good, directory.PasswordWrong)
		// It closes the console; the API goes on: one's own change with access keys, and an administrator's.
		if err := w.changeOwn(alice, other, "Third-horse-3"); err != nil {
			t.Error(err)
		}
		w.worth(alice, "Third-horse-3", directory.PasswordGood)
		w.now = w.now.Add(90 * day)
		w.worth(alice, "Third-horse-3", directory.PasswordLocked)
		if err := w.set(alice, other); err != nil {
			t.Error(err)
		}
		w.worth(alice, other, directory.PasswordGood)
	})
	w.do(func(tx *directory.Tx) error { return tx.DeletePasswordPolicy(home) })
	w.now = w.now.Add(5000 * day)
	w.worth(alice, other, directory.PasswordGood)
}

func TestPasswordReset(t *testing.T) {
	checklist.Shows(t, "S1-49", "S1-108")
	w := newWorld(t)
	w.do(createUser("alice"))
	w.first(alice, good, true)
	w.worth(alice, good, directory.PasswordReset)
	w.worth(alice, other, directory.PasswordWrong)
	if err := w.set(alice, other); err != nil { // says nothing of the reset, which stays
		t.Fatal(err)
	}
	w.worth(alice, other, directory.PasswordReset)
	if err := w.changeOwn(alice, other, good); err != nil {
		t.Fatal(err)
	}
	w.worth(alice, good, directory.PasswordGood)
	changed := w.worth(alice, good, directory.PasswordGood).Profile.ChangedAt
	w.now = w.now.Add(time.Hour)
	w.do(func(tx *directory.Tx) error { return tx.UpdateLoginProfile(alice, nil, new(true)) })
	if c := w.worth(alice, good, directory.PasswordReset); !c.Profile.ChangedAt.Equal(changed) {
		t.Error("a reset changed the password's age")
	}
	w.policy(entity.PasswordPolicy{MaximumAge: day, HardExpiry: true})
	w.now = w.now.Add(2 * day)
	w.worth(alice, good, directory.PasswordLocked)
}

// TestPasswordRenewal: when the parameters of hashes change, passwords are hashed again as they are seen.
func TestPasswordRenewal(t *testing.T) {
	w := withPassword(t)
	if w.worth(alice, good, directory.PasswordGood).Outdated {
		t.Error("outdated at once")
	}
	w.hash(credential.PasswordCost{MemoryKiB: 16, Passes: 1, Lanes: 1})
	w.policy(entity.PasswordPolicy{MinimumLength: 100, ReusePrevention: 1}) // no matter
	c := w.worth(alice, good, directory.PasswordGood)
	if !c.Outdated {
		t.Fatal("not outdated")
	}
	n, err := w.dir.RenewPassword(t.Context(), c, secret.New(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.try(func(tx *directory.Tx) error { return tx.UpdateLoginProfile(alice, n, nil) }); !errors.Is(err, fault.Stale) {
		t.Errorf("a renewal, which no rule was asked about, became a new password: %v", err)
	}
	w.now = w.now.Add(time.Hour)
	w.do(func(tx *directory.Tx) error { return tx.RenewPassword(n) })
	again := w.worth(alice, good, directory.PasswordGood)
	if again.Outdated || !again.Profile.ChangedAt.Equal(c.Profile.ChangedAt) || again.Profile.Previous != nil {
		t.Errorf("renewed: %+v", again.Profile)
	}
	if err := w.try(func(tx *directory.Tx) error { return tx.RenewPassword(n) }); !errors.Is(err, fault.Stale) {
		t.Errorf("renewed twice: %v", err)
	}
	wrong := w.worth(alice, other, directory.PasswordWrong)
	if _, err := w.dir.RenewPassword(t.Context(), wrong, secret.New(other)); err == nil {
		t.Error("a wrong password was renewed")
	}
}

// TestPasswordsWait: who does not get a turn before the context ends may try again; nothing is taken for a wrong password.
func TestPasswordsWait(t *testing.T) {
	w := withPassword(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.dir.VerifyPassword(ended, alice, secret.New(good))
	if !errors.Is(err, fault.Unavailable) && !errors.Is(err, context.Canceled) {
		t.Errorf("verifying: %v", err)
	}
	_, err = w.dir.NextPassword(ended, alice, secret.New(other))
	if !errors.Is(err, fault.Unavailable) && !errors.Is(err, context.Canceled) {
		t.Errorf("preparing: %v", err)
	}
}

func TestPasswordPolicy(t *testing.T) {
	w := newWorld(t)
	set := func(p entity.PasswordPolicy) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.SetPasswordPolicy(home, p) }
	}
	remove := func(tx *directory.Tx) error { return tx.DeletePasswordPolicy(home) }
	t.Run("absent", func(t *testing.T) {
		checklist.Shows(t, "S1-164")
		w.refuse(fault.NotFound, "The account policy with name PasswordPolicy cannot be found.", remove)
		full := entity.PasswordPolicy{MinimumLength: 12, Symbols: true, Numbers: true, Upper: true, Lower: true, UsersMayChange: true,
			MaximumAge: 1095 * day, ReusePrevention: 24, HardExpiry: true}
		w.do(set(full))
		if diff := cmp.Diff(&full, w.state().accounts[home].PasswordPolicy); diff != "" {
			t.Error(diff)
		}
		if w.state().accounts[abroad].PasswordPolicy != nil {
			t.Error("another account has it too")
		}
		w.do(set(entity.PasswordPolicy{MinimumLength: 6}))
		if diff := cmp.Diff(&entity.PasswordPolicy{MinimumLength: 6}, w.state().accounts[home].PasswordPolicy); diff != "" {
			t.Error(diff)
		}
		w.do(remove)
		w.refuse(fault.NotFound, "The account policy with name PasswordPolicy cannot be found.", remove)
	})
	for _, c := range []struct {
		parameter string
		policy    entity.PasswordPolicy
	}{
		{"minimumPasswordLength", entity.PasswordPolicy{MinimumLength: 5}}, {"minimumPasswordLength", entity.PasswordPolicy{MinimumLength: 129}},
		{"maxPasswordAge", entity.PasswordPolicy{MinimumLength: 6, MaximumAge: -day}}, {"maxPasswordAge", entity.PasswordPolicy{MinimumLength: 6, MaximumAge: 1096 * day}},
		{"maxPasswordAge", entity.PasswordPolicy{MinimumLength: 6, MaximumAge: time.Hour}},
		{"passwordReusePrevention", entity.PasswordPolicy{MinimumLength: 6, ReusePrevention: -1}},
		{"passwordReusePrevention", entity.PasswordPolicy{MinimumLength: 6, ReusePrevention: 25}},
	} {
		w.refuse(fault.Invalid, "The specified value for "+c.parameter+" is out of its range.", set(c.policy))
	}
	on, off := entity.PasswordPolicy{MinimumLength: 6, UsersMayChange: true}, entity.PasswordPolicy{MinimumLength: 6}
	for i, step := range []struct {
		do   func(*directory.Tx) error
		bump bool
	}{{set(off), false}, {set(on), true}, {set(on), false}, {remove, true}, {set(on), true}, {set(off), true}, {remove, false}} {
		if got := w.epoch(step.do); got != step.bump {
			t.Errorf("step %d: the epoch was raised: %v", i, got)
		}
	}
}
