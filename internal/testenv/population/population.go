// Package population fills stores with as many accounts, users, groups, roles and policies as a measurement wants, faster than
// the directory's verbs could, and in a form that these go on to work with: records, indexes and counts as package entity draws
// them. Everything about a population follows from its [Shape]: two of one shape are equal, except for what a Sealer adds.
package population

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Shape says how many there are, of each account, beside its root user. A user is in one group (where there are groups), has one
// managed policy attached (where there are policies), one inline policy, one tag and, with Keys, an access key. Groups and
// roles have one attached policy.
type Shape struct {
	Accounts                       int
	Users, Groups, Roles, Policies int
	Keys                           bool
	Sealer                         Sealer // nil: keys are there, and nobody can use them
}

// Sealer seals secrets, as a *[seal.Ring] does.
type Sealer interface {
	Seal(purpose seal.Purpose, text, ad []byte) ([]byte, error)
}

// Secret is the secret of every access key.
const Secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"

// Documents: what users may do with themselves, what everybody may read, who may assume roles.
const (
	own   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetUser","iam:*AccessKey*","iam:ChangePassword"],"Resource":"arn:aws:iam::*:user/*/${aws:username}"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}]}`
	reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:List*","iam:Get*","iam:CreateUser","iam:SimulatePrincipalPolicy","sts:AssumeRole"],"Resource":"*"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"arn:aws:s3:::archive/*"},{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::shared/*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}}]}`
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
)

var born = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// firstAccount is the first account's ID: far from those that a node makes up.
const firstAccount = 300_000_000_000

// Account is the ID of account a, from 0.
func (s Shape) Account(a int) string { return strconv.Itoa(firstAccount + a) }

// UserName, RoleName and PolicyName are the names of the nth of an account, from 0.
func (s Shape) UserName(n int) string   { return fmt.Sprintf("user-%06d", n*7919%1_000_003) }
func (s Shape) RoleName(n int) string   { return fmt.Sprintf("role-%06d", n) }
func (s Shape) PolicyName(n int) string { return fmt.Sprintf("policy-%06d", n) }

func (s Shape) id(prefix string, a, n int) string {
	const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id := []byte(prefix + "QAAAAAAAAAAAAAAAA") // Q: customer IDs never look like those of AWS's policies
	for i, v := len(id)-1, uint64(a)<<24|uint64(n); v > 0; i, v = i-1, v>>5 {
		id[i] = base32[v&31]
	}
	return string(id)
}

// counter is the source of an ID that follows from its place.
type counter uint64

func (c counter) Read(b []byte) (int, error) {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[8:], uint64(c))
	return copy(b, raw[16-min(len(b), 16):]), nil
}

// Key is the ID of the access key of user n of account a; of the root user with n = -1.
func (s Shape) Key(a, n int) string {
	id, err := credential.NewAccessKeyID(entity.PrefixLongTermKey, s.Account(a), counter(n+1))
	if err != nil {
		panic(err) // the account is one of ours
	}
	return id
}

// Write fills st. Batches are written by several goroutines, since engines commit what comes together together.
func Write(ctx context.Context, st store.Store, s Shape) error {
	work, ctx := errgroup.WithContext(ctx)
	batches := make(chan []entry, 64)
	for range 64 {
		work.Go(func() error {
			for batch := range batches {
				if _, err := st.Update(ctx, func(txn store.Txn) error {
					for _, e := range batch {
						txn.Put(e.key, e.value)
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	making, until := errgroup.WithContext(ctx)
	makers := runtime.GOMAXPROCS(0)
	for m := range makers {
		making.Go(func() error {
			w := &writer{shape: s, out: batches, done: until.Done()}
			for a := range s.Accounts {
				// Accounts are dealt out, and so are the users of each: there may be one account only.
				if err := w.account(a, m, makers); err != nil {
					return err
				}
			}
			return w.flush()
		})
	}
	err := making.Wait()
	close(batches)
	if failed := work.Wait(); failed != nil {
		return failed
	}
	return err
}

type entry struct{ key, value []byte }

// writer makes records and hands them out in batches.
type writer struct {
	shape Shape
	out   chan<- []entry
	done  <-chan struct{}
	batch []entry
}

func (w *writer) put(key []byte, record any) error {
	if w.batch = append(w.batch, entry{key, entity.Encode(record)}); len(w.batch) < store.MaxOps {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	select {
	case w.out <- w.batch:
		w.batch = nil
		return nil
	case <-w.done:
		return context.Canceled
	}
}

// enlist writes an entity with its indexes.
func (w *writer) enlist(key []byte, record any, ref entity.NameRef) error {
	if err := w.put(key, record); err != nil {
		return err
	}
	if err := w.put(entity.NameKey(ref.Account, ref.Kind, ref.Name), &ref); err != nil {
		return err
	}
	return w.put(entity.UniqueIDKey(ref.ID), &ref.Ref)
}

func (w *writer) key(a, n int, user string) error {
	k := &entity.AccessKey{ID: w.shape.Key(a, n), Account: w.shape.Account(a), User: user, Sealed: make([]byte, 90), CreatedAt: born}
	if w.shape.Sealer != nil {
		var err error
		if k.Sealed, err = w.shape.Sealer.Seal(seal.AccessKeySecret, []byte(Secret), []byte(k.ID)); err != nil {
			return err
		}
	}
	return w.put(entity.AccessKeyKey(k.ID), k)
}

// account writes account a: the mth of several writers writes every makers-th of each kind.
func (w *writer) account(a, m, makers int) error {
	s := w.shape
	account := s.Account(a)
	if a%makers == m {
		if err := w.head(a); err != nil {
			return err
		}
	}
	for n := m; n < s.Policies; n += makers {
		p := &entity.Policy{ID: s.id(entity.PrefixPolicy, a, n), Account: account, Name: s.PolicyName(n), Path: "/", CreatedAt: born, UpdatedAt: born,
			Default: 1, Next: 2, Versions: []entity.PolicyVersion{{Number: 1, Document: reads, CreatedAt: born}}, Attachments: s.attachments(n)}
		if err := w.enlist(entity.PolicyKey(account, p.ID), p, ref(account, entity.KindPolicy, p.ID, p.Path, p.Name)); err != nil {
			return err
		}
	}
	for n := m; n < s.Groups; n += makers {
		g := &entity.Group{ID: s.id(entity.PrefixGroup, a, n), Account: account, Name: fmt.Sprintf("group-%06d", n), Path: "/", CreatedAt: born,
			Grants: s.attached(a, n), Members: share(s.Users, s.Groups, n)}
		if err := w.enlist(entity.GroupKey(account, g.ID), g, ref(account, entity.KindGroup, g.ID, g.Path, g.Name)); err != nil {
			return err
		}
	}
	for n := m; n < s.Roles; n += makers {
		r := &entity.Role{ID: s.id(entity.PrefixRole, a, n), Account: account, Name: s.RoleName(n), Path: "/", CreatedAt: born,
			MaxSession: time.Hour, Trust: trust, Grants: s.attached(a, n)}
		if err := w.enlist(entity.RoleKey(account, r.ID), r, ref(account, entity.KindRole, r.ID, r.Path, r.Name)); err != nil {
			return err
		}
	}
	for n := m; n < s.Users; n += makers {
		if err := w.user(a, n); err != nil {
			return err
		}
	}
	return nil
}

// head writes the account itself and its counts.
func (w *writer) head(a int) error {
	s := w.shape
	account := s.Account(a)
	if err := w.put(entity.AccountKey(account), &entity.Account{ID: account, CreatedAt: born, RootKeys: []string{s.Key(a, -1)}}); err != nil {
		return err
	}
	if err := w.key(a, -1, account); err != nil {
		return err
	}
	for kind, n := range map[entity.Kind]int{entity.KindUser: s.Users, entity.KindGroup: s.Groups, entity.KindRole: s.Roles,
		entity.KindPolicy: s.Policies, entity.KindPolicyVersion: s.Policies} {
		if n == 0 {
			continue
		}
		if err := w.put(entity.CountKey(account, kind), &entity.Count{N: n}); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) user(a, n int) error {
	s := w.shape
	u := &entity.User{ID: s.id(entity.PrefixUser, a, n), Account: s.Account(a), Name: s.UserName(n), Path: "/staff/", CreatedAt: born,
		Tags: []entity.Tag{{Key: "team", Value: "t" + strconv.Itoa(n%50)}}, Grants: s.attached(a, n)}
	u.Inline = []entity.InlinePolicy{{Name: "own", Document: own}}
	if s.Groups > 0 {
		u.Groups = []string{s.id(entity.PrefixGroup, a, n%s.Groups)}
	}
	if s.Keys {
		u.Keys = []string{s.Key(a, n)}
		if err := w.key(a, n, u.ID); err != nil {
			return err
		}
	}
	return w.enlist(entity.UserKey(u.Account, u.ID), u, ref(u.Account, entity.KindUser, u.ID, u.Path, u.Name))
}

// attached is the grants of the nth principal of a kind.
func (s Shape) attached(a, n int) (g entity.Grants) {
	if s.Policies > 0 {
		g.Attached = []string{s.id(entity.PrefixPolicy, a, n%s.Policies)}
	}
	return g
}

// attachments is how many principals have the nth policy.
func (s Shape) attachments(n int) int {
	return share(s.Users, s.Policies, n) + share(s.Groups, s.Policies, n) + share(s.Roles, s.Policies, n)
}

// share is how many of all numbers below total leave n when they are divided by parts.
func share(total, parts, n int) int {
	if parts == 0 {
		return 0
	}
	return (total + parts - 1 - n) / parts
}

func ref(account string, kind entity.Kind, id, path, name string) entity.NameRef {
	return entity.NameRef{Ref: entity.Ref{Account: account, Kind: kind, ID: id}, Path: path, Name: name}
}
