package directory_test

import (
	"regexp"
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
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

func createAccount(n directory.NewAccount) func(*directory.Tx) error {
	return func(tx *directory.Tx) error { _, _, err := tx.CreateAccount(n); return err }
}

func TestCreateAccount(t *testing.T) {
	checklist.Shows(t, "S1-1", "S1-5")
	w := newWorld(t)
	form := regexp.MustCompile(`^[1-9][0-9]{11}$`)
	for range 50 {
		var key *directory.IssuedKey
		acct := get(w, func(tx *directory.Tx) (acct *entity.Account, err error) {
			acct, key, err = tx.CreateAccount(directory.NewAccount{Name: "n", Email: "e@example.com"})
			return acct, err
		})
		if !form.MatchString(acct.ID) || acct.Name != "n" || acct.Email != "e@example.com" {
			t.Fatalf("made %+v", acct)
		}
		if of, ok := credential.AccountOf(key.ID); !ok || of != acct.ID || key.User != acct.ID || !slices.Equal(acct.RootKeys, []string{key.ID}) {
			t.Fatalf("the root key %+v does not belong to %+v", key.AccessKey, acct)
		}
	}
	w.refuse(fault.Exists, "Account 111111111111 already exists.", createAccount(directory.NewAccount{ID: home}))
	for _, id := range []string{"1", "11111111111x", "1111111111111", "１１１１１１１１１１１１"} {
		w.refuse(fault.Invalid, "An account ID must be twelve digits.", createAccount(directory.NewAccount{ID: id}))
	}
	w.do(createAccount(directory.NewAccount{ID: "000000000000"}))
	w.intact()
}

func TestAlias(t *testing.T) {
	checklist.Shows(t, "S1-64", "S1-66")
	w := newWorld(t)
	set := func(account, alias string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.SetAlias(account, alias) }
	}
	remove := func(account, alias string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.DeleteAlias(account, alias) }
	}
	w.do(set(home, "first"))
	w.do(set(home, "second")) // takes the place of the first
	w.intact()
	if got := w.state().accounts[home].Alias; got != "second" {
		t.Errorf("alias %q", got)
	}
	w.do(set(abroad, "first"))
	w.refuse(fault.Exists, "The account alias first already exists.", set(home, "first"))
	w.refuse(fault.Exists, "The account alias second already exists.", set(home, "second"))
	w.refuse(fault.NotFound, "The account alias with name first cannot be found.", remove(home, "first"))
	w.refuse(fault.NotFound, "The account alias with name none cannot be found.", remove(home, "none"))
	w.do(remove(home, "second"))
	w.refuse(fault.NotFound, "The account alias with name  cannot be found.", remove(home, ""))
	w.do(set(abroad, "second"))
	w.intact()
	for _, good := range []string{"abc", "a-b-c", "000", "12345678901", "1234567890123", strings.Repeat("a", 63)} {
		w.do(set(home, good))
	}
	for _, bad := range []string{"", "ab", strings.Repeat("a", 64), "-abc", "abc-", "a--b", "Abc", "a_b", "a.b", "123456789012", "aé1"} {
		if err := w.try(set(home, bad)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("alias %q: error %v, want invalid", bad, err)
		}
	}
	w.intact()
}

func TestAccessKeys(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createUser("bob"))
	alice, bob, root := directory.OfUser(home, "alice"), directory.OfUser(home, "bob"), directory.OfRoot(home)
	create := func(who directory.Target) func(*directory.Tx) (*directory.IssuedKey, error) {
		return func(tx *directory.Tx) (*directory.IssuedKey, error) { return tx.CreateAccessKey(who) }
	}
	only := func(who directory.Target) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreateAccessKey(who); return err }
	}
	activate := func(who directory.Target, id string, active bool) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.SetAccessKeyActive(who, id, active) }
	}
	remove := func(who directory.Target, id string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.DeleteAccessKey(who, id) }
	}

	k1, k2 := get(w, create(alice)), get(w, create(alice))
	s := w.state()
	if diff := cmp.Diff([]string{k1.ID, k2.ID}, s.user("alice").Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	stored := s.keys[k1.ID]
	if stored.User != s.user("alice").ID || stored.Account != home || stored.Inactive {
		t.Errorf("stored %+v", stored)
	}
	text, err := w.ring.Open(seal.AccessKeySecret, stored.Sealed, []byte(k1.ID))
	if err != nil || string(text) != k1.Secret.Reveal() || len(text) != 40 {
		t.Errorf("the sealed secret opens to %d characters, error %v", len(text), err)
	}
	if _, err := w.ring.Open(seal.AccessKeySecret, stored.Sealed, []byte(k2.ID)); err == nil {
		t.Error("the secret of one key opens as another's")
	}
	for key, value := range w.dump() {
		if strings.Contains(value, k1.Secret.Reveal()) {
			t.Errorf("the secret stands in the clear in %s", key)
		}
	}
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2", only(alice))

	w.do(activate(alice, k1.ID, false))
	if !w.state().keys[k1.ID].Inactive {
		t.Error("the key is still active")
	}
	if keys := w.changed(activate(alice, k1.ID, false)); len(keys) != 0 {
		t.Errorf("again changed %v", keys)
	}
	w.do(activate(alice, k1.ID, true))
	stored.ChangedAt = w.now.UTC().Truncate(time.Second)
	if diff := cmp.Diff(stored, w.state().keys[k1.ID]); diff != "" {
		t.Errorf("off and on again changed the key (-before +after):\n%s", diff)
	}
	missing := "The Access Key with id " + k1.ID + " cannot be found."
	w.refuse(fault.NotFound, missing, activate(bob, k1.ID, false))
	w.refuse(fault.NotFound, missing, remove(bob, k1.ID))
	w.refuse(fault.NotFound, missing, remove(root, k1.ID))
	w.refuse(fault.NotFound, missing, remove(directory.OfRoot(abroad), k1.ID))
	w.refuse(fault.NotFound, "The user with name carol cannot be found.", remove(directory.OfUser(home, "carol"), k1.ID))
	w.refuse(fault.NotFound, "The user with name carol cannot be found.", only(directory.OfUser(home, "carol")))
	w.refuse(fault.InvalidInput, "Access keys belong to users.", only(directory.OfRole(home, "r")))
	w.do(remove(alice, k1.ID))
	w.refuse(fault.NotFound, missing, remove(alice, k1.ID))
	w.do(only(alice))
	w.intact()

	first := w.state().accounts[home].RootKeys[0]
	second := get(w, create(root))
	if second.User != home {
		t.Errorf("a root key of %s", second.User)
	}
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2", only(root))
	w.do(activate(root, first, false))
	w.do(remove(root, first))
	w.intact()
}

// Records of last use, which others write, go with the key or role they speak of.
func TestUsageGoesWithItsOwner(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createRole("r"))
	alice := directory.OfUser(home, "alice")
	key := get(w, func(tx *directory.Tx) (*directory.IssuedKey, error) { return tx.CreateAccessKey(alice) })
	role := w.state().role("r").ID
	_, err := w.store.Update(t.Context(), func(txn store.Txn) error {
		usage := entity.Encode(&entity.Usage{At: start, Service: "s3", Region: "us-east-1"})
		txn.Put(entity.KeyUsageKey(key.ID), usage)
		txn.Put(entity.RoleUsageKey(home, role), usage)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.do(func(tx *directory.Tx) error { return tx.DeleteAccessKey(alice, key.ID) })
	if got := w.state().usage; !slices.Equal(got, []string{role}) {
		t.Errorf("usage records of %v, want the role's alone", got)
	}
	w.do(func(tx *directory.Tx) error { return tx.DeleteRole(home, "r") })
	if got := w.state().usage; len(got) != 0 {
		t.Errorf("usage records of %v", got)
	}
}

func TestQuotaOverrides(t *testing.T) {
	checklist.Shows(t, "S1-11")
	w := newWorld(t)
	if got := directory.Quota(w.state().accounts[home], directory.UsersQuota); got != 5000 {
		t.Errorf("users: %d", got)
	}
	w.do(setQuota(directory.UsersQuota, 1))
	acct := w.state().accounts[home]
	if got := directory.Quota(acct, directory.UsersQuota); got != 1 {
		t.Errorf("users with override: %d", got)
	}
	if got := directory.Quotas(acct); got[directory.UsersQuota] != 1 || got[directory.RolesQuota] != 1000 || got[directory.GroupsQuota] != 300 {
		t.Errorf("quotas: %v", got)
	}
	w.do(createUser("one"))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for UsersPerAccount: 1", createUser("two"))
	w.do(func(tx *directory.Tx) error { _, err := tx.SetQuota(home, directory.UsersQuota, nil); return err })
	w.do(createUser("two"))
	w.do(setQuota(directory.UsersQuota, 1)) // less than there are: they stay
	w.do(func(tx *directory.Tx) error { return tx.DeleteUser(home, "two") })
	w.refuse(fault.InvalidInput, "There is no quota with the name Nonsense.", setQuota("Nonsense", 1))
	w.refuse(fault.InvalidInput, "A quota cannot be less than zero.", setQuota(directory.UsersQuota, -1))
	if directory.Quota(nil, "Nonsense") != 0 {
		t.Error("an unknown quota is not zero")
	}
	w.intact()
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createGroup("g"))
	alice := directory.OfUser(home, "alice")
	tag := func(tags ...entity.Tag) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.Tag(alice, tags) }
	}
	untag := func(keys ...string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.Untag(alice, keys) }
	}
	w.do(tag(entity.Tag{Key: "Team", Value: "a"}, entity.Tag{Key: "Straße Ⅷ", Value: "ü +-=._:/@"}))
	w.do(tag(entity.Tag{Key: "team", Value: "b"}, entity.Tag{Key: "x"}))
	want := []entity.Tag{{Key: "team", Value: "b"}, {Key: "Straße Ⅷ", Value: "ü +-=._:/@"}, {Key: "x"}}
	if diff := cmp.Diff(want, w.state().user("alice").Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.do(untag("TEAM", "none"))
	if diff := cmp.Diff(want[1:], w.state().user("alice").Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.refuse(fault.InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.", tag(entity.Tag{Key: "k"}, entity.Tag{Key: "K"}))
	for _, key := range []string{"aws:x", "AWS:x", "Aws:cloudformation:stack-name"} {
		w.refuse(fault.InvalidInput, "Tag keys that begin with aws: are reserved and cannot be set: "+key, tag(entity.Tag{Key: key}))
	}
	for _, key := range []string{"", "a*", "a\x00", "\xff", strings.Repeat("é", 129)} {
		if err := w.try(tag(entity.Tag{Key: key})); fault.KindOf(err) != fault.Invalid {
			t.Errorf("key %q: error %v, want invalid", key, err)
		}
	}
	for _, value := range []string{"a*", "a\n", strings.Repeat("é", 257)} {
		if err := w.try(tag(entity.Tag{Key: "k", Value: value})); fault.KindOf(err) != fault.Invalid {
			t.Errorf("value %q: error %v, want invalid", value, err)
		}
	}
	w.do(tag(entity.Tag{Key: strings.Repeat("é", 128), Value: strings.Repeat("é", 256)}))
	var many []entity.Tag
	for i := range 47 {
		many = append(many, entity.Tag{Key: strings.Repeat("k", i+1)})
	}
	w.do(tag(many...)) // 50 with the three from above
	w.do(tag(entity.Tag{Key: "X", Value: "replaced"}))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for TagsPerResource: 50", tag(entity.Tag{Key: "one-more"}))
	w.refuse(fault.InvalidInput, "A group cannot have tags.", func(tx *directory.Tx) error { return tx.Tag(directory.OfGroup(home, "g"), many) })
	w.refuse(fault.InvalidInput, "Policies and tags belong to users, groups and roles.",
		func(tx *directory.Tx) error { return tx.Tag(directory.OfRoot(home), many) })
	w.refuse(fault.NotFound, "The user with name bob cannot be found.",
		func(tx *directory.Tx) error { return tx.Untag(directory.OfUser(home, "bob"), []string{"x"}) })
	w.intact()
}
