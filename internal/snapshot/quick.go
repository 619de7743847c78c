package snapshot

import (
	"bytes"
	"encoding/base64"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/entity"
)

// Users, access keys, roles and policies are what a store has most of, and encoding/json takes most of the time of a load. quick reads what
// [entity.Encode] writes for them, several times faster and with little garbage, and gives up on anything else: a member
// that it does not know or that comes twice, null, an empty list, white space, an escape other than the short ones,
// anything after the object. What it gives up on goes to [entity.Decode], which knows what is right and what an error is. So quick
// decides nothing; it must only never read something as Decode would not, and a fuzz target holds it to that.
type quick struct {
	d   *decoder
	b   []byte
	bad bool // it gave up
}

// quickUser reads a stored user into u. When it reports false, u is of no use.
func (d *decoder) quickUser(value []byte, u *entity.User) bool {
	q := quick{d: d, b: value}
	q.object(value, func(name string) {
		switch name {
		case "ID":
			u.ID = q.text()
		case "Account":
			u.Account = q.shared()
		case "Name":
			u.Name = q.text()
		case "Path":
			u.Path = q.shared()
		case "CreatedAt":
			u.CreatedAt = q.time()
		case "Tags":
			u.Tags = q.tags()
		case "Attached":
			u.Attached = q.texts(true)
		case "Inline":
			u.Inline = q.inline()
		case "Boundary":
			u.Grants.Boundary = q.shared()
		case "Groups":
			u.Groups = q.texts(true)
		case "Keys":
			u.Keys = q.texts(false)
		case "Owned":
			u.Owned = q.owned()
		default:
			q.bad = true
		}
	})
	return !q.bad
}

// quickRole reads a stored role into r. When it reports false, r is of no use.
func (d *decoder) quickRole(value []byte, r *entity.Role) bool {
	q := quick{d: d}
	q.object(value, func(name string) {
		switch name {
		case "ID":
			r.ID = q.text()
		case "Account":
			r.Account = q.shared()
		case "Name":
			r.Name = q.text()
		case "Path":
			r.Path = q.shared()
		case "CreatedAt":
			r.CreatedAt = q.time()
		case "Description":
			r.Description = q.text()
		case "MaxSession":
			r.MaxSession = time.Duration(q.number())
		case "Trust":
			r.Trust = q.document()
		case "Tags":
			r.Tags = q.tags()
		case "ServiceLinked":
			r.ServiceLinked = q.shared()
		case "Attached":
			r.Attached = q.texts(true)
		case "Inline":
			r.Inline = q.inline()
		case "Boundary":
			r.Grants.Boundary = q.shared()
		case "Owned":
			r.Owned = q.owned()
		default:
			q.bad = true
		}
	})
	return !q.bad
}

// quickPolicy reads a stored policy into p. When it reports false, p is of no use.
func (d *decoder) quickPolicy(value []byte, p *entity.Policy) bool {
	q := quick{d: d}
	q.object(value, func(name string) {
		switch name {
		case "ID":
			p.ID = q.text()
		case "Account":
			p.Account = q.shared()
		case "Name":
			p.Name = q.text()
		case "Path":
			p.Path = q.shared()
		case "Description":
			p.Description = q.text()
		case "CreatedAt":
			p.CreatedAt = q.time()
		case "UpdatedAt":
			p.UpdatedAt = q.time()
		case "Tags":
			p.Tags = q.tags()
		case "Default":
			p.Default = int(q.number())
		case "Next":
			p.Next = int(q.number())
		case "Versions":
			p.Versions = q.versions()
		case "Attachments":
			p.Attachments = int(q.number())
		case "BoundaryUses":
			p.BoundaryUses = int(q.number())
		default:
			q.bad = true
		}
	})
	return !q.bad
}

// quickKey reads a stored access key into k. When it reports false, k is of no use.
func (d *decoder) quickKey(value []byte, k *entity.AccessKey) bool {
	q := quick{d: d}
	q.object(value, func(name string) {
		switch name {
		case "ID":
			k.ID = q.text()
		case "Account":
			k.Account = q.shared()
		case "User":
			k.User = q.text()
		case "Sealed":
			var err error
			if k.Sealed, err = base64.StdEncoding.AppendDecode(nil, q.string()); err != nil || k.Sealed == nil {
				q.bad = true
			}
		case "Inactive":
			if k.Inactive = bytes.HasPrefix(q.b, []byte("true")); k.Inactive {
				q.b = q.b[len("true"):]
			} else {
				q.bad = true
			}
		case "CreatedAt":
			k.CreatedAt = q.time()
		case "ChangedAt":
			if k.ChangedAt = q.time(); k.ChangedAt.IsZero() {
				q.bad = true
			}
		default:
			q.bad = true
		}
	})
	return !q.bad
}

// tags reads a list of tags.
func (q *quick) tags() (all []entity.Tag) {
	q.list(func() {
		var t entity.Tag
		q.members(func(name string) {
			switch name {
			case "Key":
				t.Key = q.shared()
			case "Value":
				t.Value = q.text()
			default:
				q.bad = true
			}
		})
		all = append(all, t)
	})
	return all
}

func (q *quick) inline() (all []entity.InlinePolicy) {
	q.list(func() {
		var p entity.InlinePolicy
		q.members(func(name string) {
			switch name {
			case "Name":
				p.Name = q.shared()
			case "Document":
				p.Document = q.document()
			default:
				q.bad = true
			}
		})
		all = append(all, p)
	})
	return all
}

func (q *quick) owned() entity.Owned {
	all := make(entity.Owned)
	q.members(func(kind string) { all[entity.Kind(kind)] = q.texts(false) })
	return all
}

func (q *quick) versions() (all []entity.PolicyVersion) {
	q.list(func() {
		var v entity.PolicyVersion
		q.members(func(name string) {
			switch name {
			case "Number":
				v.Number = int(q.number())
			case "Document":
				v.Document = q.document()
			case "CreatedAt":
				v.CreatedAt = q.time()
			default:
				q.bad = true
			}
		})
		all = append(all, v)
	})
	return all
}

// number reads a whole number that is not negative and has at most 18 digits.
func (q *quick) number() (n int64) {
	digits := 0
	for digits < len(q.b) && '0' <= q.b[digits] && q.b[digits] <= '9' {
		n = 10*n + int64(q.b[digits]-'0')
		if digits++; digits > 18 {
			break
		}
	}
	if digits == 0 || digits > 18 || digits > 1 && q.b[0] == '0' {
		q.bad = true
		return 0
	}
	q.b = q.b[digits:]
	return n
}

// object reads a whole record: the format's version, an object and nothing after it.
func (q *quick) object(value []byte, member func(name string)) {
	if len(value) == 0 || value[0] != '1' {
		q.bad = true
		return
	}
	q.b = value[1:]
	if q.members(member); len(q.b) > 0 {
		q.bad = true
	}
}

// members reads an object and calls member at the value of each member, none twice.
func (q *quick) members(member func(name string)) {
	var seen [16]string
	q.expect('{')
	for n := 0; !q.bad; n++ {
		raw := q.string()
		q.expect(':')
		if q.bad || n == len(seen) {
			q.bad = true
			return
		}
		seen[n] = q.d.intern(raw)
		if slices.Contains(seen[:n], seen[n]) {
			q.bad = true
			return
		}
		member(seen[n])
		if !q.more('}') {
			return
		}
	}
}

// list reads a list of one or more elements.
func (q *quick) list(element func()) {
	q.expect('[')
	for !q.bad {
		if element(); !q.more(']') {
			return
		}
	}
}

// more reads what follows a member or element: a comma, or the end.
func (q *quick) more(end byte) bool {
	if q.bad || len(q.b) == 0 || q.b[0] != ',' && q.b[0] != end {
		q.bad = true
		return false
	}
	more := q.b[0] == ','
	q.b = q.b[1:]
	return more
}

func (q *quick) expect(c byte) {
	if q.bad || len(q.b) == 0 || q.b[0] != c {
		q.bad = true
		return
	}
	q.b = q.b[1:]
}

func (q *quick) text() string   { return string(q.string()) }
func (q *quick) shared() string { return q.d.intern(q.string()) }

func (q *quick) texts(shared bool) (all []string) {
	q.list(func() {
		if shared {
			all = append(all, q.shared())
		} else {
			all = append(all, q.text())
		}
	})
	return all
}

// document reads a text that may be the same in many records.
func (q *quick) document() string { return q.d.documents.intern(q.string()) }

// time reads a time as entities have it: UTC, whole seconds.
func (q *quick) time() time.Time {
	raw := q.string()
	if len(raw) != len("2006-01-02T15:04:05Z") || raw[len(raw)-1] != 'Z' {
		q.bad = true
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, string(raw))
	if err != nil {
		q.bad = true
	}
	return t
}

// string reads a string. The bytes are valid until the next call.
func (q *quick) string() []byte {
	q.expect('"')
	if q.bad {
		return nil
	}
	out := q.d.scratch[:0]
	plain := true // what was read so far stands in q.b as it is
	start := 0
	for i := 0; i < len(q.b); i++ {
		switch c := q.b[i]; {
		case c == '"':
			raw := q.b[start:i]
			if !plain {
				out = append(out, raw...)
				q.d.scratch, raw = out, out
			}
			q.b = q.b[i+1:]
			return raw
		case c == '\\':
			var short byte
			if i+1 < len(q.b) {
				short = unescape(q.b[i+1])
			}
			if short == 0 {
				q.bad = true
				return nil
			}
			out = append(append(out, q.b[start:i]...), short)
			plain = false
			i++
			start = i + 1
		case c < ' ':
			q.bad = true
			return nil
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(q.b[i:])
			if r == utf8.RuneError {
				q.bad = true
				return nil
			}
			i += size - 1
		}
	}
	q.bad = true
	return nil
}

// unescape returns what a short escape stands for; 0 for others.
func unescape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return 0
}
