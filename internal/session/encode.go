package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Tags of fields. They are part of the token's form and never change their meaning.
const (
	fieldKind           = 1
	fieldAccount        = 2
	fieldPrincipalID    = 3
	fieldName           = 4
	fieldSessionName    = 5
	fieldAccessKeyID    = 6
	fieldSecret         = 7
	fieldIssued         = 8
	fieldExpires        = 9
	fieldSourceIdentity = 10
	fieldMFAAt          = 11
	fieldFlags          = 12
	fieldRegion         = 13
	fieldProvider       = 14
	fieldContext        = 15 // repeated: a list of fields
	fieldPacked         = 16
	fieldPadding        = 17 // zeros that make a token as long as its holder asked for
	fieldDelegate       = 18

	// Inside fieldContext.
	fieldContextKey   = 1
	fieldContextValue = 2 // repeated

	// Inside fieldPacked.
	fieldPolicy     = 1
	fieldPolicyARN  = 2 // repeated
	fieldTagKey     = 3 // repeated, each followed by its value
	fieldTagValue   = 4
	fieldTransitive = 5 // repeated

	flagChained = 1
	flagConsole = 2
	flagDefault = 4 // DefaultRegions
	flagDirect  = 8
)

var errFields = errors.New("session: the token's fields are not in order")

func appendText(dst []byte, tag byte, s string) []byte {
	if s == "" {
		return dst
	}
	return appendField(dst, tag, s)
}

func appendField[T string | []byte](dst []byte, tag byte, value T) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

func appendNumber(dst []byte, tag byte, n uint64) []byte {
	if n == 0 {
		return dst
	}
	var buf [binary.MaxVarintLen64]byte
	return appendField(dst, tag, buf[:binary.PutUvarint(buf[:], n)])
}

func appendTime(dst []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return appendNumber(dst, tag, uint64(max(t.Unix(), 0)))
}

func (c *Claims) encode() ([]byte, error) {
	packed, err := pack(c.Policy, c.PolicyARNs, c.Tags, c.TransitiveTagKeys)
	if err != nil {
		return nil, err
	}
	if err := checkPacked(packed, c.Policy == "" && len(c.PolicyARNs) == 0); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 512+len(packed))
	b = appendNumber(b, fieldKind, uint64(c.Kind))
	b = appendText(b, fieldAccount, c.Account)
	b = appendText(b, fieldPrincipalID, c.PrincipalID)
	b = appendText(b, fieldName, c.Name)
	b = appendText(b, fieldSessionName, c.SessionName)
	b = appendText(b, fieldAccessKeyID, c.AccessKeyID)
	b = appendText(b, fieldSecret, c.Secret.Reveal())
	b = appendTime(b, fieldIssued, c.Issued)
	b = appendTime(b, fieldExpires, c.Expires)
	b = appendText(b, fieldSourceIdentity, c.SourceIdentity)
	b = appendTime(b, fieldMFAAt, c.MFAAt)
	var flags uint64
	if c.Chained {
		flags |= flagChained
	}
	if c.Console {
		flags |= flagConsole
	}
	if c.DefaultRegions {
		flags |= flagDefault
	}
	if c.Direct {
		flags |= flagDirect
	}
	b = appendNumber(b, fieldFlags, flags)
	b = appendText(b, fieldRegion, c.Region)
	b = appendText(b, fieldProvider, c.Provider)
	for _, ck := range c.Context {
		inner := appendField(nil, fieldContextKey, ck.Key)
		for _, v := range ck.Values {
			inner = appendField(inner, fieldContextValue, v)
		}
		b = appendField(b, fieldContext, inner)
	}
	if packed != nil {
		b = appendField(b, fieldPacked, packed)
	}
	b = appendText(b, fieldDelegate, c.Delegate) // and no padding: see Issue
	return b, nil
}

// pad makes text long enough for a token of at least minimum characters.
func pad(text []byte, minimum int) []byte {
	raw := storeTagLen + len(text) + seal.Overhead
	need := encoding.DecodedLen(max(minimum-len(prefix), 0)) + 1 - raw
	if need <= 0 {
		return text
	}
	return appendField(text, fieldPadding, make([]byte, need))
}

// reader walks a list of fields. Tags never fall, and rise except where a field may be repeated.
type reader struct {
	rest []byte
	last byte
}

// next returns the next field, with ok false at the end.
func (r *reader) next() (tag byte, value []byte, ok bool, err error) {
	if len(r.rest) == 0 {
		return 0, nil, false, nil
	}
	tag = r.rest[0]
	length, n := binary.Uvarint(r.rest[1:])
	if n <= 0 || length > uint64(len(r.rest)-1-n) || tag < r.last {
		return 0, nil, false, errFields
	}
	start := 1 + n
	value = r.rest[start : start+int(length)]
	r.rest = r.rest[start+int(length):]
	r.last = tag
	return tag, value, true, nil
}

func number(value []byte) (uint64, error) {
	n, size := binary.Uvarint(value)
	if size != len(value) || size <= 0 {
		return 0, errFields
	}
	return n, nil
}

func decode(text []byte) (*Claims, error) {
	c := new(Claims)
	r := reader{rest: text}
	for seen := byte(0); ; {
		tag, value, ok, err := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return c, nil
		}
		if tag == seen && tag != fieldContext {
			return nil, errFields
		}
		seen = tag
		if err := c.set(tag, value); err != nil {
			return nil, err
		}
	}
}

func (c *Claims) set(tag byte, value []byte) error {
	switch tag {
	case fieldAccount:
		c.Account = string(value)
	case fieldPrincipalID:
		c.PrincipalID = string(value)
	case fieldName:
		c.Name = string(value)
	case fieldSessionName:
		c.SessionName = string(value)
	case fieldAccessKeyID:
		c.AccessKeyID = string(value)
	case fieldSecret:
		c.Secret = secret.New(string(value))
	case fieldSourceIdentity:
		c.SourceIdentity = string(value)
	case fieldRegion:
		c.Region = string(value)
	case fieldProvider:
		c.Provider = string(value)
	case fieldDelegate:
		c.Delegate = string(value)
	case fieldContext:
		return c.setContext(value)
	case fieldPacked:
		return c.setPacked(value)
	case fieldPadding:
		if len(bytes.Trim(value, "\x00")) > 0 {
			return errFields
		}
	case fieldKind, fieldIssued, fieldExpires, fieldMFAAt, fieldFlags:
		return c.setNumber(tag, value)
	default:
		return errFields
	}
	return nil
}

func (c *Claims) setNumber(tag byte, value []byte) error {
	n, err := number(value)
	if err != nil {
		return err
	}
	if n == 0 {
		return errFields // zero is never written: it would be a second form of what is left out
	}
	switch tag {
	case fieldKind:
		if n > 255 {
			return errFields
		}
		c.Kind = Kind(n)
	case fieldFlags:
		if n&^(flagChained|flagConsole|flagDefault|flagDirect) != 0 {
			return errFields
		}
		c.Chained = n&flagChained != 0
		c.Console = n&flagConsole != 0
		c.DefaultRegions = n&flagDefault != 0
		c.Direct = n&flagDirect != 0
	default:
		if n > 1<<40 {
			return errFields
		}
		at := time.Unix(int64(n), 0).UTC()
		switch tag {
		case fieldIssued:
			c.Issued = at
		case fieldExpires:
			c.Expires = at
		case fieldMFAAt:
			c.MFAAt = at
		}
	}
	return nil
}

func (c *Claims) setContext(list []byte) error {
	var ck ContextKey
	r := reader{rest: list}
	for first := true; ; first = false {
		tag, value, ok, err := r.next()
		switch {
		case err != nil:
			return err
		case !ok && first, ok && first != (tag == fieldContextKey), ok && tag > fieldContextValue:
			return errFields
		case !ok:
			c.Context = append(c.Context, ck)
			return nil
		case tag == fieldContextKey:
			ck.Key = string(value)
		default:
			ck.Values = append(ck.Values, string(value))
		}
	}
}

func (c *Claims) setPacked(value []byte) error {
	list, err := unpack(value)
	if err != nil {
		return err
	}
	r := reader{rest: list}
	open := false // a tag key waits for its value
	for {
		tag, value, ok, err := r.next()
		if err != nil {
			return err
		}
		if open != (ok && tag == fieldTagValue) {
			return errFields
		}
		if !ok {
			return nil
		}
		open = false
		switch tag {
		case fieldPolicy:
			if c.Policy != "" {
				return errFields
			}
			c.Policy = string(value)
		case fieldPolicyARN:
			c.PolicyARNs = append(c.PolicyARNs, string(value))
		case fieldTagKey:
			c.Tags = append(c.Tags, entity.Tag{Key: string(value)})
			open = true
		case fieldTagValue:
			c.Tags[len(c.Tags)-1].Value = string(value)
			r.last = fieldTagKey // keys and values alternate
		case fieldTransitive:
			c.TransitiveTagKeys = append(c.TransitiveTagKeys, string(value))
		default:
			return errFields
		}
	}
}
