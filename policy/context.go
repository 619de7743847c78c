package policy

import (
	"iter"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Context holds condition keys, which are matched without regard to letter case (S4-92). The zero value is empty and usable.
// Any number of goroutines may read it at once; writing needs exclusive access.
//
// A key that is present with no values counts everywhere as absent, as the empty set does on AWS (S4-135).
//
// A Context that is filled, read and Reset again allocates nothing once its memory has grown to what requests need. Values set
// with their type are kept in it and become text only where a policy compares them as text.
type Context struct {
	entries []entry
	values  []string
	addrs   []netip.Addr
	heads   [contextHeads]uint16 // by the key's hash: 1 + the index of the first entry, 0 for none
	wide    int                  // entries whose keys are not ASCII; these are in no chain
}

// contextHeads is the number of chains, a power of two; requests have twenty to forty keys.
const contextHeads = 64

// entry is a key and its values: values[lo:hi], or one value of another type than text.
type entry struct {
	head, tail string // the key: up to its first slash, and the rest
	hash       uint32
	wide       bool
	typed      valueType
	next       uint16 // 1 + the index of the next entry of the chain
	lo, hi     int32  // in Context.values; 0 and 1 for what is not text
	number     int64  // of whole seconds, an integer, 0 or 1 for a Boolean, an index in Context.addrs
}

// valueType says what an entry's value is.
type valueType uint8

const (
	typeText valueType = iota
	typeTime
	typeInt
	typeBool
	typeAddr
)

// Set gives key these values, replacing earlier ones. No values make a multivalued key that is present but empty. The slice is
// not kept.
func (c *Context) Set(key string, values ...string) {
	ref := newKeyRef(key)
	e := c.entry(&ref)
	e.lo = int32(len(c.values))
	if len(values) == 1 {
		c.values = append(c.values, values[0])
	} else {
		c.values = append(c.values, values...)
	}
	e.hi = int32(len(c.values))
}

// SetTag sets the key prefix+name to value, without putting the two together where prefix ends with its only slash, as
// "aws:PrincipalTag/" does.
func (c *Context) SetTag(prefix, name, value string) {
	if strings.IndexByte(prefix, '/') != len(prefix)-1 || prefix == "" {
		c.Set(prefix+name, value)
		return
	}
	ref := splitKeyRef(prefix, name)
	e := c.entry(&ref)
	e.lo = int32(len(c.values))
	c.values = append(c.values, value)
	e.hi = int32(len(c.values))
}

// SetBool sets key to true or false.
func (c *Context) SetBool(key string, v bool) {
	n := int64(0)
	if v {
		n = 1
	}
	c.set(key, typeBool, n)
}

// SetTime sets key to t in whole seconds of UTC, as 2006-01-02T15:04:05Z.
func (c *Context) SetTime(key string, t time.Time) { c.set(key, typeTime, t.Unix()) }

// SetInt sets key to a number.
func (c *Context) SetInt(key string, v int64) { c.set(key, typeInt, v) }

// SetAddr sets key to an IP address; an IPv4 address in its IPv6 form is taken as IPv4.
func (c *Context) SetAddr(key string, a netip.Addr) {
	c.set(key, typeAddr, int64(len(c.addrs)))
	c.addrs = append(c.addrs, a.Unmap().WithZone(""))
}

// Lookup returns the values of key; ok tells whether it is present. The slice must not be changed and is valid until the next
// Set or Reset. Values set with their type are returned as text, newly made.
func (c *Context) Lookup(key string) (v []string, ok bool) {
	ref := newKeyRef(key)
	e := c.find(&ref)
	switch {
	case e == nil:
		return nil, false
	case e.typed != typeText:
		return []string{string(c.appendText(nil, e))}, true
	}
	return c.values[e.lo:e.hi:e.hi], true
}

// All gives every key, as it was set, with its values, in the order in which the keys were first set. Values set with their type
// come as text. The slices must not be changed and are valid until the next Set or Reset.
func (c *Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if c == nil {
			return
		}
		for i := range c.entries {
			e := &c.entries[i]
			values := []string{string(c.appendText(nil, e))}
			if e.typed == typeText {
				values = c.values[e.lo:e.hi:e.hi]
			}
			if !yield(e.head+e.tail, values) {
				return
			}
		}
	}
}

// Reset removes all keys and keeps the memory, for pools.
func (c *Context) Reset() {
	clear(c.entries)
	clear(c.values)
	clear(c.addrs)
	c.entries, c.values, c.addrs = c.entries[:0], c.values[:0], c.addrs[:0]
	c.heads, c.wide = [contextHeads]uint16{}, 0
}

func (c *Context) set(key string, t valueType, n int64) {
	ref := newKeyRef(key)
	e := c.entry(&ref)
	e.typed, e.number, e.hi = t, n, 1
}

// entry returns the entry for a key, without values, making one if needed.
func (c *Context) entry(ref *keyRef) *entry {
	if e := c.find(ref); e != nil {
		e.typed, e.number, e.lo, e.hi = typeText, 0, 0, 0
		return e
	}
	n := len(c.entries)
	if n < cap(c.entries) {
		c.entries = c.entries[:n+1] // what was there is cleared
	} else {
		c.entries = append(c.entries, entry{})
	}
	e := &c.entries[n]
	e.head, e.tail, e.hash = ref.head, ref.tail, ref.hash
	if ref.wide || n >= 1<<16-1 {
		e.wide = true
		c.wide++
		return e
	}
	head := &c.heads[ref.hash%contextHeads]
	e.next, *head = *head, uint16(n+1)
	return e
}

// find returns the entry of a key, or nil. The nil Context has none.
func (c *Context) find(ref *keyRef) *entry {
	if c == nil {
		return nil
	}
	if !ref.wide {
		for i := c.heads[ref.hash%contextHeads]; i != 0; {
			e := &c.entries[i-1]
			if e.hash == ref.hash && ref.names(e) {
				return e
			}
			i = e.next
		}
		if c.wide == 0 {
			return nil
		}
	}
	for i := range c.entries {
		if e := &c.entries[i]; (e.wide || ref.wide) && ref.names(e) {
			return e
		}
	}
	return nil
}

// appendText appends the text of an entry that has another type.
func (c *Context) appendText(dst []byte, e *entry) []byte {
	switch e.typed {
	case typeTime:
		return time.Unix(e.number, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	case typeInt:
		return strconv.AppendInt(dst, e.number, 10)
	case typeBool:
		return strconv.AppendBool(dst, e.number != 0)
	case typeAddr:
		return c.addrs[e.number].AppendTo(dst)
	}
	return dst
}

// keyRef is a key as it was written, up to its first slash and the rest, and a hash that does not depend on its letter case.
type keyRef struct {
	head, tail string
	hash       uint32
	wide       bool // not ASCII: two that are equal but for letter case may have different hashes
}

func newKeyRef(name string) keyRef {
	cut := strings.IndexByte(name, '/') + 1
	if cut == 0 {
		cut = len(name)
	}
	return splitKeyRef(name[:cut], name[cut:])
}

// splitKeyRef is newKeyRef of head+tail, where a slash stands only at the end of head, or in tail behind that.
func splitKeyRef(head, tail string) keyRef {
	h, narrow := hashKey(head)
	if tail != "" {
		t, n := hashKey(tail)
		h, narrow = h*3+t, narrow && n
	}
	return keyRef{head: head, tail: tail, hash: uint32(h * hashFactor >> 32), wide: !narrow}
}

// names reports whether e's key is the one referred to.
func (r *keyRef) names(e *entry) bool {
	return (e.head == r.head || strings.EqualFold(e.head, r.head)) && (e.tail == r.tail || strings.EqualFold(e.tail, r.tail))
}

const hashFactor = 0x9e3779b97f4a7c15

// hashKey hashes s without regard to the letter case of ASCII; ascii tells whether s has no other characters. Setting bit 5 makes
// capital and small letters equal, and some other pairs too, which does no harm to a hash.
func hashKey(s string) (hash uint64, ascii bool) {
	h, seen := uint64(len(s)), uint64(0)
	if len(s) < 8 {
		w := uint64(0)
		for i := range len(s) {
			w = w<<8 | uint64(s[i])
		}
		h = (h ^ (w | 0x2020202020202020)) * hashFactor
		return h ^ h>>29, w&0x8080808080808080 == 0
	}
	for i := 0; i < len(s); i += 8 {
		w := eight(s, min(i, len(s)-8)) // the last eight may have some of those before
		seen |= w
		h = (h ^ (w | 0x2020202020202020)) * hashFactor
		h ^= h >> 29
	}
	return h, seen&0x8080808080808080 == 0
}

// eight returns s[i:i+8] as a number.
func eight(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldKey returns a key's name in lower case.
func foldKey(name string) string { return strings.ToLower(name) }
