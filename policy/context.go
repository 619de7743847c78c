package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Context holds condition keys, which are matched without regard to letter case (S4-92). The zero value is empty and usable.
// Any number of goroutines may read it at once; writing needs exclusive access.
//
// A key that is present with no values counts everywhere as absent, as the empty set does on AWS (S4-135).
type Context struct {
	entries []entry
	values  []string
}

type entry struct {
	key    string
	hash   uint32
	lo, hi int // in Context.values
	addr   netip.Addr
	when   instant
	typed  valueType
}

// valueType says which parsed form an entry carries beside its text.
type valueType uint8

const (
	typeText valueType = iota
	typeTime
	typeAddr
)

// Set gives key these values, replacing earlier ones. No values make a multivalued key that is present but empty. The slice is
// not kept.
func (c *Context) Set(key string, values ...string) {
	e := c.entry(key)
	e.lo = len(c.values)
	c.values = append(c.values, values...)
	e.hi = len(c.values)
}

// SetBool sets key to true or false.
func (c *Context) SetBool(key string, v bool) { c.set(key, strconv.FormatBool(v)) }

// SetTime sets key to t in whole seconds of UTC, as 2006-01-02T15:04:05Z.
func (c *Context) SetTime(key string, t time.Time) {
	e := c.set(key, t.UTC().Format("2006-01-02T15:04:05Z"))
	e.typed, e.when = typeTime, instant{sec: t.Unix()}
}

// SetInt sets key to a number.
func (c *Context) SetInt(key string, v int64) { c.set(key, strconv.FormatInt(v, 10)) }

// SetAddr sets key to an IP address; an IPv4 address in its IPv6 form is taken as IPv4.
func (c *Context) SetAddr(key string, a netip.Addr) {
	a = a.Unmap().WithZone("")
	e := c.set(key, a.String())
	e.typed, e.addr = typeAddr, a
}

// Lookup returns the values of key; ok tells whether it is present. The slice must not be changed and is valid until the next
// Set or Reset.
func (c *Context) Lookup(key string) (v []string, ok bool) {
	e := c.find(newKeyRef(key))
	if e == nil {
		return nil, false
	}
	return c.values[e.lo:e.hi:e.hi], true
}

// Reset removes all keys and keeps the memory, for pools.
func (c *Context) Reset() {
	clear(c.entries)
	clear(c.values)
	c.entries, c.values = c.entries[:0], c.values[:0]
}

func (c *Context) set(key, value string) *entry {
	e := c.entry(key)
	e.lo = len(c.values)
	c.values = append(c.values, value)
	e.hi = len(c.values)
	return e
}

// entry returns the entry for key, cleared, making one if needed.
func (c *Context) entry(key string) *entry {
	ref := newKeyRef(key)
	e := c.find(ref)
	if e == nil {
		c.entries = append(c.entries, entry{})
		e = &c.entries[len(c.entries)-1]
	}
	*e = entry{key: ref.name, hash: ref.hash}
	return e
}

// find returns the entry of a key, or nil. The nil Context has none.
func (c *Context) find(ref keyRef) *entry {
	if c == nil {
		return nil
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.hash == ref.hash && (e.key == ref.name || strings.EqualFold(e.key, ref.name)) {
			return e
		}
	}
	return nil
}

// keyRef is a key's name as it was written and a hash that does not depend on its letter case.
type keyRef struct {
	name string
	hash uint32
}

// newKeyRef hashes the ASCII characters of name (FNV-1a); others are left to the comparison.
func newKeyRef(name string) keyRef {
	h := uint32(2166136261)
	for i := range len(name) {
		c := name[i]
		if c >= 0x80 {
			continue
		}
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return keyRef{name: name, hash: h}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldKey returns a key's name in lower case.
func foldKey(name string) string { return strings.ToLower(name) }
