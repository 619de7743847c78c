// Package seal keeps secrets unreadable where they are stored or handed out: access-key secrets, TOTP seeds, private keys,
// session tokens.
//
// A [Ring] holds several keys, one of them current. Everything is sealed under the current key; everything sealed under any
// key of the ring opens. A sealed value is bound to a [Purpose] and to associated data, so that a value copied to another
// place or record does not open there. The form of a sealed value:
//
//	version   1 byte, 1
//	key ID    4 bytes, big-endian: which key of the ring
//	nonce     24 bytes, random
//	text      AES-256-GCM, with its tag of 16 bytes
//
// The AES key comes from the ring's key by HKDF-SHA-256, one for each purpose, and then from the first half of the nonce as
// in XAES-256-GCM (C2SP), so that random nonces stay safe however many session tokens a key seals. The header and the
// caller's associated data are authenticated.
//
// The ring itself is stored wrapped under a [Master] key, which is never in the store.
package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Purpose separates what is sealed for one use from what is sealed for another.
type Purpose uint8

// The purposes.
const (
	AccessKeySecret Purpose = iota
	SessionToken
	TOTPSeed
	PrivateKey
	Message         // texts that callers carry back: encoded authorization messages, pagination markers
	ServiceSecret   // digests of the secrets of service-specific credentials
	DelegationToken // exchange tokens of delegation requests
	SigninToken     // what the federation endpoint gives for temporary credentials
	ConsoleSession  // what a browser that is signed in carries
	Backup          // the sums of backups
	CachePassword   // digests of the passwords of ElastiCache users
	TokenKey        // private keys that sign tokens for services elsewhere

	purposeCount
)

// labels go into the derivation of keys: they are part of the stored form and never change.
var labels = [purposeCount]string{
	AccessKeySecret: "access-key-secret", SessionToken: "session-token", TOTPSeed: "totp-seed",
	PrivateKey: "private-key", Message: "message", ServiceSecret: "service-secret", DelegationToken: "delegation-token",
	SigninToken: "signin-token", ConsoleSession: "console-session",
	Backup: "backup", CachePassword: "cache-password",
	TokenKey: "token-key",
}

// String names the purpose.
func (p Purpose) String() string {
	if p < purposeCount {
		return labels[p]
	}
	return "unknown purpose"
}

// Overhead is how much longer a sealed value is than its text.
const Overhead = headerLen + nonceLen + tagLen

const (
	version   = 1
	headerLen = 1 + 4
	keyLen    = 32
)

// Errors that Open wraps. They say what is wrong for logs; the difference must not be shown to whoever sent the value.
var (
	ErrFormat     = errors.New("seal: not a sealed value of a known version")
	ErrUnknownKey = errors.New("seal: sealed under a key that the ring does not hold")
	ErrOpen       = errors.New("seal: changed, or sealed for another purpose or place")
)

// Ring is a set of keys. It is safe for concurrent use; sealing and opening take no lock.
type Ring struct {
	mu   sync.Mutex // held by those who replace keys
	keys atomic.Pointer[keySet]
}

// keySet is immutable once published.
type keySet struct {
	storeID string
	current uint32
	byID    map[uint32]*key
	order   []uint32 // oldest first
}

type key struct {
	id      uint32
	created int64 // Unix seconds
	secret  [keyLen]byte
	derived [purposeCount]*cipherKey
}

func newKey(id uint32, created int64, secret [keyLen]byte) (*key, error) {
	k := &key{id: id, created: created, secret: secret}
	for p := range purposeCount {
		raw, err := hkdf.Key(sha256.New, secret[:], nil, "ostiary seal v1 "+labels[p], keyLen)
		if err != nil {
			return nil, fmt.Errorf("seal: deriving the key for %s: %w", p, err)
		}
		k.derived[p] = newCipherKey([keyLen]byte(raw))
	}
	return k, nil
}

// NewRing returns a ring with one key. storeID names the installation the ring belongs to; it travels inside the wrapped
// ring. random is the source of randomness; nil means crypto/rand.
func NewRing(storeID string, now time.Time, random io.Reader) (*Ring, error) {
	if storeID == "" || len(storeID) > maxStoreID {
		return nil, fmt.Errorf("seal: a store ID has 1 to %d bytes", maxStoreID)
	}
	r := new(Ring)
	r.keys.Store(&keySet{storeID: storeID, byID: map[uint32]*key{}})
	if err := r.Rotate(now, random); err != nil {
		return nil, err
	}
	return r, nil
}

// Rotate adds a new key and makes it current. Older keys go on opening what they sealed.
func (r *Ring) Rotate(now time.Time, random io.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, id, err := r.keys.Load().with(now, random)
	if err != nil {
		return err
	}
	next.current = id
	r.keys.Store(next)
	return nil
}

// Add adds a new key that opens and does not seal yet: see [Ring.Promote]. Between the two, all who have the ring learn the key,
// so that nothing is sealed that one of them cannot open. It returns the key's ID.
func (r *Ring) Add(now time.Time, random io.Reader) (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, id, err := r.keys.Load().with(now, random)
	if err != nil {
		return 0, err
	}
	r.keys.Store(next)
	return id, nil
}

// Promote makes a key that was added current. From now on its time is this one: the one at which its predecessor was last current.
func (r *Ring) Promote(id uint32, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.keys.Load()
	if slices.Index(old.order, id) <= slices.Index(old.order, old.current) {
		return errors.New("seal: not a key that waits to become current")
	}
	next := old.clone()
	promoted := *next.byID[id]
	promoted.created = now.Unix()
	next.byID[id], next.current = &promoted, id
	r.keys.Store(next)
	return nil
}

// with returns the set with one more key, and the key's ID.
func (s *keySet) with(now time.Time, random io.Reader) (*keySet, uint32, error) {
	if len(s.order) >= maxKeys {
		return nil, 0, fmt.Errorf("seal: the ring holds %d keys already; drop one first", maxKeys)
	}
	id, err := s.freshID(random)
	if err != nil {
		return nil, 0, err
	}
	var secret [keyLen]byte
	if err := fill(secret[:], random); err != nil {
		return nil, 0, err
	}
	fresh, err := newKey(id, now.Unix(), secret)
	if err != nil {
		return nil, 0, err
	}
	next := s.clone()
	next.byID[id], next.order = fresh, append(next.order, id)
	return next, id, nil
}

// clone returns a copy that may be changed before it is published.
func (s *keySet) clone() *keySet {
	return &keySet{storeID: s.storeID, current: s.current, byID: maps.Clone(s.byID), order: slices.Clone(s.order)}
}

// freshID returns an ID that no key of the set has.
func (s *keySet) freshID(random io.Reader) (uint32, error) {
	for range 16 { // one try is enough unless the source of randomness is none
		var raw [4]byte
		if err := fill(raw[:], random); err != nil {
			return 0, err
		}
		if id := binary.BigEndian.Uint32(raw[:]); id != 0 && s.byID[id] == nil {
			return id, nil
		}
	}
	return 0, errors.New("seal: the source of randomness repeats itself")
}

// Drop removes a key for good: what it sealed opens nowhere. The current key cannot be dropped.
func (r *Ring) Drop(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.keys.Load()
	if id == old.current {
		return errors.New("seal: the current key cannot be dropped")
	}
	if old.byID[id] == nil {
		return ErrUnknownKey
	}
	next := &keySet{storeID: old.storeID, current: old.current, byID: map[uint32]*key{}}
	for _, other := range old.order {
		if other != id {
			next.byID[other] = old.byID[other]
			next.order = append(next.order, other)
		}
	}
	r.keys.Store(next)
	return nil
}

// Adopt makes r hold exactly the keys of newer, which another node rotated and stored. Both must belong to one
// installation. The caller sees to the order: adopting an older ring would lose the newer keys.
func (r *Ring) Adopt(newer *Ring) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := newer.keys.Load()
	if next.storeID != r.keys.Load().storeID {
		return errors.New("seal: the ring of another installation")
	}
	r.keys.Store(next)
	return nil
}

// StoreID names the installation that the ring belongs to.
func (r *Ring) StoreID() string { return r.keys.Load().storeID }

// Key describes a key without its secret.
type Key struct {
	ID      uint32
	Created time.Time // or made current, for one that waited
	Current bool
	Waiting bool // added, and not current yet
}

// Keys describes the ring's keys, oldest first.
func (r *Ring) Keys() []Key {
	set := r.keys.Load()
	all := make([]Key, 0, len(set.order))
	waiting := false
	for _, id := range set.order {
		all = append(all, Key{ID: id, Created: time.Unix(set.byID[id].created, 0).UTC(), Current: id == set.current, Waiting: waiting})
		waiting = waiting || id == set.current
	}
	return all
}

// Current is the ID of the key that seals.
func (r *Ring) Current() uint32 { return r.keys.Load().current }

// KeyOf returns the ID of the key that sealed a value, for the job that seals old values anew. It reports false for
// anything that is no sealed value.
func KeyOf(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < Overhead || sealed[0] != version {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:headerLen]), true
}

// Seal seals text for purpose. What is given as ad must be given to [Ring.Open] again: put there what says where the value
// belongs, such as the ID of the record. The error is that of the source of randomness.
func (r *Ring) Seal(purpose Purpose, text, ad []byte) ([]byte, error) {
	return r.AppendSeal(make([]byte, 0, Overhead+len(text)), purpose, text, ad)
}

// AppendSeal is [Ring.Seal] that appends to dst.
func (r *Ring) AppendSeal(dst []byte, purpose Purpose, text, ad []byte) ([]byte, error) {
	set := r.keys.Load()
	k := set.byID[set.current]
	if purpose >= purposeCount {
		return nil, fmt.Errorf("seal: %s", purpose)
	}
	start := len(dst)
	dst = append(dst, version)
	dst = binary.BigEndian.AppendUint32(dst, k.id)
	var nonce [nonceLen]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, fmt.Errorf("seal: reading randomness: %w", err)
	}
	dst = append(dst, nonce[:]...)
	return k.derived[purpose].seal(dst, &nonce, text, bind(dst[start:start+headerLen], ad)), nil
}

// Open returns the text of a sealed value. Its errors are [ErrFormat], [ErrUnknownKey] and [ErrOpen].
func (r *Ring) Open(purpose Purpose, sealed, ad []byte) ([]byte, error) {
	id, ok := KeyOf(sealed)
	if !ok {
		return nil, ErrFormat
	}
	k := r.keys.Load().byID[id]
	if k == nil {
		return nil, ErrUnknownKey
	}
	if purpose >= purposeCount {
		return nil, ErrOpen
	}
	nonce := [nonceLen]byte(sealed[headerLen : headerLen+nonceLen])
	text, err := k.derived[purpose].open(nil, &nonce, sealed[headerLen+nonceLen:], bind(sealed[:headerLen], ad))
	if err != nil {
		return nil, ErrOpen
	}
	return text, nil
}

// bind is what is authenticated beside the text. The header has a fixed length, so no two pairs give one result.
func bind(header, ad []byte) []byte {
	return append(append(make([]byte, 0, headerLen+len(ad)), header...), ad...)
}

func fill(buf []byte, random io.Reader) error {
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, buf); err != nil {
		return fmt.Errorf("seal: reading randomness: %w", err)
	}
	return nil
}
