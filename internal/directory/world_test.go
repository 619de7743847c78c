package directory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/integrity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

const (
	home   = "111111111111"
	abroad = "222222222222"

	administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
	readOnly      = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	linkedPolicy  = "arn:aws:iam::aws:policy/aws-service-role/ElastiCacheServiceRolePolicy"

	allowList = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`
	allowGet  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	trustEC2  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)

// catalog is a small set of AWS managed policies.
type catalog map[string]string

func (c catalog) ByARN(arn string) (string, bool) { id, ok := c[arn]; return id, ok }

// reporter is what *testing.T, *testing.F and *rapid.T have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Error(args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
	Cleanup(func())
}

// world is a directory on a store of its own, with two accounts.
type world struct {
	t     reporter
	store *mem.Store
	dir   *directory.Directory
	ring  *seal.Ring
	now   time.Time
	event int
}

func newWorld(t reporter) *world {
	t.Helper()
	w := &world{t: t, store: mem.Open(mem.Config{}), now: start}
	t.Cleanup(func() { _ = w.store.Close() })
	ring, err := seal.NewRing("test", start, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.ring = ring
	w.hash(credential.PasswordCost{MemoryKiB: 8, Passes: 1, Lanes: 1})
	for _, id := range []string{home, abroad} {
		w.do(func(tx *directory.Tx) error {
			_, _, err := tx.CreateAccount(directory.NewAccount{ID: id})
			return err
		})
	}
	return w
}

// hash lets the directory hash passwords at that cost from now on.
func (w *world) hash(cost credential.PasswordCost) {
	w.t.Helper()
	passwords, err := credential.NewHasher(credential.HasherConfig{Cost: cost})
	if err != nil {
		w.t.Fatal(err)
	}
	w.dir = directory.New(directory.Config{Store: w.store, Ring: w.ring, Passwords: passwords, Now: func() time.Time { return w.now },
		Managed: catalog{administrator: "ANPAIADMIN", readOnly: "ANPAIREADONLY", linkedPolicy: "ANPAILINKED"}})
}

// change is a Change with what a test wants of it.
type change struct {
	guards []store.Guard
	id     string
	record []byte
	err    error
	out    any            // what Event was given
	rev    store.Revision // what Committed was given
}

func (c *change) Guards() []store.Guard { return c.guards }
func (c *change) Event(out any) (string, []byte, error) {
	c.out = out
	return c.id, c.record, c.err
}
func (c *change) Committed(rev store.Revision) { c.rev = rev }

func (w *world) change() *change {
	w.event++
	return &change{id: fmt.Sprint("event-", w.event), record: []byte("{}")}
}

// try commits a function of verbs.
func (w *world) try(fn func(*directory.Tx) error) error {
	_, _, err := directory.Commit(context.Background(), w.dir, w.change(), func(tx *directory.Tx) (struct{}, error) {
		return struct{}{}, fn(tx)
	})
	return err
}

// do commits and expects success.
func (w *world) do(fn func(*directory.Tx) error) {
	w.t.Helper()
	if err := w.try(fn); err != nil {
		w.t.Fatalf("unexpected error: %v", err)
	}
}

// get commits one verb that returns a record, and expects success.
func get[T any](w *world, fn func(*directory.Tx) (T, error)) T {
	w.t.Helper()
	out, _, err := directory.Commit(context.Background(), w.dir, w.change(), fn)
	if err != nil {
		w.t.Fatalf("unexpected error: %v", err)
	}
	return out
}

// refuse expects an error of a kind with a sentence, and that not a byte of the store changes.
func (w *world) refuse(kind fault.Kind, message string, fn func(*directory.Tx) error) {
	w.t.Helper()
	before := w.dump()
	err := w.try(fn)
	if !errors.Is(err, kind) {
		w.t.Errorf("error is %v, want kind %v", err, kind)
	}
	if got := fault.MessageOf(err); got != message {
		w.t.Errorf("message:\n got %s\nwant %s", got, message)
	}
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		w.t.Errorf("a refused change wrote (-before +after):\n%s", diff)
	}
}

// dump reads the whole store, keys printed.
func (w *world) dump() map[string]string {
	w.t.Helper()
	all := make(map[string]string)
	err := w.store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			all[keyenc.Print(e.Key)] = fmt.Sprintf("%d %s", e.Revision, e.Value)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// changed lists the keys of the identity and index planes that fn changes.
func (w *world) changed(fn func(*directory.Tx) error) []string {
	w.t.Helper()
	before := w.dump()
	w.do(fn)
	after := w.dump()
	var keys []string
	for k, v := range after {
		if before[k] != v && !strings.HasPrefix(k, `("out"`) {
			keys = append(keys, k)
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// revision of a key; zero where it is absent.
func (w *world) revision(key []byte) store.Revision {
	w.t.Helper()
	var rev store.Revision
	err := w.store.View(context.Background(), func(r store.Reader) error {
		e, ok, err := r.Get(key)
		if ok {
			rev = e.Revision
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

// epoch runs fn and reports whether the home account's epoch was raised.
func (w *world) epoch(fn func(*directory.Tx) error) bool {
	w.t.Helper()
	before := w.revision(entity.EpochKey(home))
	w.do(fn)
	return w.revision(entity.EpochKey(home)) != before
}

// state is everything the identity plane holds, decoded.
type state struct {
	accounts map[string]*entity.Account
	users    map[string]*entity.User
	groups   map[string]*entity.Group
	roles    map[string]*entity.Role
	policies map[string]*entity.Policy
	keys     map[string]*entity.AccessKey
	items    map[string]entity.Item // by printed key
	index    map[string]string      // the index plane: printed key → value
	usage    []string               // IDs that have usage records
	open     map[string]*entity.OpenJobs
	reports  map[string]*entity.CredentialReport
	accesses map[string]*entity.AccessReport
	used     []string // printed keys of the login profiles whose passwords have usage records
	oneTime  map[string]*entity.OneTime
	tokens   map[string]*entity.HardwareToken // by folded serial number
	proof    *directory.CodeProof             // that a step was prepared with
}

func decoded[T any](t reporter, into map[string]*T, id string, value []byte) {
	t.Helper()
	record, err := entity.Decode[T](value)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	into[id] = record
}

func (w *world) state() *state {
	w.t.Helper()
	s := &state{accounts: map[string]*entity.Account{}, users: map[string]*entity.User{}, groups: map[string]*entity.Group{},
		roles: map[string]*entity.Role{}, policies: map[string]*entity.Policy{}, keys: map[string]*entity.AccessKey{},
		items: map[string]entity.Item{}, index: map[string]string{},
		open: map[string]*entity.OpenJobs{}, reports: map[string]*entity.CredentialReport{}, accesses: map[string]*entity.AccessReport{},
		oneTime: map[string]*entity.OneTime{}, tokens: map[string]*entity.HardwareToken{}}
	err := w.store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			if bytes.HasPrefix(e.Key, entity.OutboxPlane) {
				continue // the largest plane of a long sequence, and none of a state
			}
			parts, err := keyenc.Decode(e.Key)
			if err != nil {
				return err
			}
			id, _ := parts[len(parts)-1].(string)
			switch plane := fmt.Sprint(parts[0], " ", parts[1]); plane {
			case "id account":
				decoded(w.t, s.accounts, id, e.Value)
			case "id user":
				decoded(w.t, s.users, id, e.Value)
			case "id group":
				decoded(w.t, s.groups, id, e.Value)
			case "id role":
				decoded(w.t, s.roles, id, e.Value)
			case "id policy":
				decoded(w.t, s.policies, id, e.Value)
			case "id key":
				decoded(w.t, s.keys, id, e.Value)
			case "id item":
				it, err := entity.DecodeItem(entity.Kind(parts[3].(string)), e.Value)
				if err != nil {
					return err
				}
				if !bytes.Equal(entity.KeyOf(it), e.Key) {
					w.t.Errorf("%s holds %+v", keyenc.Print(e.Key), it)
				}
				s.items[keyenc.Print(e.Key)] = it
			case "id epoch":
			case "ix name", "ix uid", "ix alias", "ix count":
				s.index[keyenc.Print(e.Key)] = string(e.Value)
			case "job open":
				decoded(w.t, s.open, id, e.Value)
			case "job credentials":
				decoded(w.t, s.reports, id, e.Value)
			case "job access":
				decoded(w.t, s.accesses, id, e.Value)
			case "otp used":
				decoded(w.t, s.oneTime, id, e.Value)
			case "otp token":
				decoded(w.t, s.tokens, id, e.Value)
			case "use key", "use role":
				s.usage = append(s.usage, id)
			case "use password":
				s.used = append(s.used, keyenc.Print(entity.ItemKey(parts[2].(string), entity.KindLoginProfile, id)))
			default:
				if parts[0] != "out" && parts[0] != "sys" {
					w.t.Errorf("a key nobody knows: %s", keyenc.Print(e.Key))
				}
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// user, group, role and policy find records by name.
func (s *state) user(name string) *entity.User {
	for _, u := range s.users {
		if u.Name == name {
			return u
		}
	}
	return nil
}

func (s *state) group(name string) *entity.Group {
	for _, g := range s.groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

func (s *state) role(name string) *entity.Role {
	for _, r := range s.roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func (s *state) policy(name string) *entity.Policy {
	for _, p := range s.policies {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// head is the revision of the last write.
func (w *world) head() store.Revision {
	w.t.Helper()
	rev, err := w.store.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

// intact checks what the package promises of the store after every commit: indexes, counts and references agree with the
// records.
func (w *world) intact() {
	w.t.Helper()
	if err := w.store.View(context.Background(), func(r store.Reader) error {
		_, err := integrity.Check(r, func(p integrity.Problem) { w.t.Errorf("%s: %s", p.Key, p.Text) })
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}

// Shorthands for verbs whose results a test does not need.
func createUser(name string) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.CreateUser(home, directory.NewUser{Name: name})
		return err
	}
}

func createGroup(name string) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.CreateGroup(home, directory.NewGroup{Name: name})
		return err
	}
}

func createRole(name string) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.CreateRole(home, directory.NewRole{Name: name, Trust: trustEC2})
		return err
	}
}

func createPolicy(name string) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.CreatePolicy(home, directory.NewPolicy{Name: name, Document: allowList})
		return err
	}
}

func setQuota(name string, n int) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.SetQuota(home, name, &n)
		return err
	}
}

func policyARN(name string) string { return entity.PolicyARN(home, "/", name) }
