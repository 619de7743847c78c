package sigv4

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"
)

// hmacBlock is the block size of SHA-256, to which HMAC fills its key.
const hmacBlock = sha256.BlockSize

// signingKey is what verifies the signatures of one access key in one scope.
type signingKey struct {
	fingerprint  uint64           // of the secret under the cache's seed, so that a changed secret is noticed
	inner, outer [hmacBlock]byte  // HMAC's two key blocks; SigV4
	public       *ecdsa.PublicKey // SigV4A
}

// hmac returns HMAC-SHA256 of the message that stands in buf after room for one block. It is RFC 2104 by the letter, over
// memory that the caller has already; crypto/hmac would make its two states anew for every request.
func (k *signingKey) hmac(buf []byte) [sha256.Size]byte {
	copy(buf, k.inner[:])
	sum := sha256.Sum256(buf)
	var last [hmacBlock + sha256.Size]byte
	copy(last[:], k.outer[:])
	copy(last[hmacBlock:], sum[:])
	return sha256.Sum256(last[:])
}

// deriveKey derives the signing key of p's scope from a secret.
func deriveKey(p *Presented, secret string) *signingKey {
	k := new(signingKey)
	if p.Algorithm == AlgorithmECDSA {
		if private := deriveECDSA(p.AccessKeyID, secret); private != nil {
			k.public = &private.PublicKey
		}
		return k
	}
	key := hmacSum([]byte("AWS4"+secret), p.Date)
	for _, part := range [...]string{p.Region, p.Service, Terminator} {
		key = hmacSum(key, part)
	}
	copy(k.inner[:], key)
	copy(k.outer[:], key)
	for i := range hmacBlock {
		k.inner[i] ^= 0x36
		k.outer[i] ^= 0x5c
	}
	return k
}

func hmacSum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// nMinusTwo is the order of P-256 less two.
var nMinusTwo = []byte{
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
}

// deriveECDSA derives the key pair of SigV4A: candidates from the counter-mode KDF of NIST SP 800-108 with HMAC-SHA256,
// the first one that is at most n-2, plus one (FIPS 186-4, B.4.2). It returns nil when 254 candidates fail, which does not
// happen: the chance of one failure is 2^-32.
func deriveECDSA(accessKeyID, secret string) *ecdsa.PrivateKey {
	for counter := byte(1); counter < 255; counter++ {
		h := hmac.New(sha256.New, []byte("AWS4A"+secret))
		var fixed []byte
		fixed = binary.BigEndian.AppendUint32(fixed, 1) // one block of 256 bits is all
		fixed = append(fixed, AlgorithmECDSA...)
		fixed = append(fixed, 0)
		fixed = append(fixed, accessKeyID...)
		fixed = append(fixed, counter)
		fixed = binary.BigEndian.AppendUint32(fixed, 256)
		h.Write(fixed)
		candidate := h.Sum(nil)
		if greater(candidate, nMinusTwo) {
			continue
		}
		carry := uint16(1)
		for i := len(candidate) - 1; i >= 0; i-- {
			carry += uint16(candidate[i])
			candidate[i] = byte(carry)
			carry >>= 8
		}
		if private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate); err == nil {
			return private
		}
	}
	return nil
}

// greater compares numbers of one length in constant time.
func greater(a, b []byte) bool {
	var borrow int16
	for i := len(a) - 1; i >= 0; i-- {
		borrow = (int16(b[i]) - int16(a[i]) + borrow) >> 8
	}
	return borrow != 0
}

// Cache keeps signing keys: deriving one costs four HMACs, and clients use one for a day. It is bounded, safe for concurrent
// use, and nil is a valid Cache that keeps nothing. A key is found only with the secret that it was derived from.
type Cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

const cacheShards = 16

// cacheShard keeps two generations: when the young one is full it becomes the old one, and what is still used moves back.
type cacheShard struct {
	mu         sync.RWMutex
	young, old map[cacheKey]*signingKey
	limit      int
}

type cacheKey struct{ algorithm, accessKeyID, date, region, service string }

// NewCache returns a cache of at most about size keys, each of some 400 bytes. A size under 32 counts as 32.
func NewCache(size int) *Cache {
	c := &Cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = max(size/(2*cacheShards), 1)
		c.shards[i].young = make(map[cacheKey]*signingKey)
	}
	return c
}

func keyFor(p *Presented) cacheKey {
	return cacheKey{p.Algorithm, p.AccessKeyID, p.Date, p.Region, p.Service}
}

func (c *Cache) shard(p *Presented) *cacheShard {
	return &c.shards[maphash.String(c.seed, p.AccessKeyID)%cacheShards]
}

func (c *Cache) lookup(p *Presented, secret string) (*signingKey, bool) {
	if c == nil {
		return nil, false
	}
	sh, key := c.shard(p), keyFor(p)
	sh.mu.RLock()
	k, ok := sh.young[key]
	old := false
	if !ok {
		k, old = sh.old[key]
	}
	sh.mu.RUnlock()
	if !ok && !old {
		return nil, false
	}
	// The seed is random and never leaves the process, and secrets come from the server's own store: nobody can aim at a
	// collision of 64 bits.
	if k.fingerprint != maphash.String(c.seed, secret) {
		return nil, false
	}
	if old {
		c.insert(p, k)
	}
	return k, true
}

// store keeps a key that was just derived and that nobody else has seen.
func (c *Cache) store(p *Presented, secret string, k *signingKey) {
	if c == nil {
		return
	}
	k.fingerprint = maphash.String(c.seed, secret)
	c.insert(p, k)
}

func (c *Cache) insert(p *Presented, k *signingKey) {
	sh, key := c.shard(p), keyFor(p)
	// The strings share memory with the request; the cache must not keep that alive.
	for _, s := range [...]*string{&key.algorithm, &key.accessKeyID, &key.date, &key.region, &key.service} {
		*s = strings.Clone(*s)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ok := sh.young[key]; !ok && len(sh.young) >= sh.limit {
		sh.old = sh.young
		sh.young = make(map[cacheKey]*signingKey, sh.limit)
	}
	sh.young[key] = k
}

// Len returns how many keys are kept.
func (c *Cache) Len() int {
	if c == nil {
		return 0
	}
	n := 0
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.RLock()
		n += len(sh.young)
		for key := range sh.old {
			if _, ok := sh.young[key]; !ok {
				n++
			}
		}
		sh.mu.RUnlock()
	}
	return n
}
