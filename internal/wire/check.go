package wire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Limits of the message: the number of violations is always told, but no more than these are written out, and no more than
// this of each value is repeated.
const (
	maxViolations = 64
	maxEcho       = 1024
)

// Checker collects the violations of the model's constraints in one input. The zero value is ready; generated Check methods
// fill it. Members are named as AWS names them: "userName", "tags.1.member.key".
type Checker struct {
	missing    map[string]bool // paths of required members that the request did not have
	violations []string
	count      int
	levels     []level
}

type level struct {
	name  string
	index int    // element of a list, from 1; 0: none
	key   string // entry of a map, where index is -1
}

// Validate checks an input that was not decoded from a request. A missing required string counts as an empty one.
func Validate(check func(*Checker)) error {
	var c Checker
	check(&c)
	return c.Err()
}

// Err is nil, or one fault.Invalid with all violations in AWS's words.
func (c *Checker) Err() error {
	if c.count == 0 {
		return nil
	}
	noun := "errors"
	if c.count == 1 {
		noun = "error"
	}
	return fault.New(fault.Invalid, "%d validation %s detected: %s", c.count, noun, strings.Join(c.violations, "; "))
}

// path is where a member of the current level stands.
func (c *Checker) path(name string) string {
	var b strings.Builder
	for _, l := range c.levels {
		b.WriteString(l.name)
		switch {
		case l.index > 0:
			b.WriteString("." + strconv.Itoa(l.index) + ".member")
		case l.index < 0:
			b.WriteString("." + l.key + ".member")
		}
		b.WriteByte('.')
	}
	return b.String() + name
}

func (c *Checker) add(what, name, constraint string) {
	c.count++
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, what+" at '"+c.path(name)+"' failed to satisfy constraint: "+constraint)
	}
}

// echo is a value as the message repeats it; secrets are not repeated.
func echo(v string, r *Rule) string {
	if r != nil && r.Hidden {
		return "Value"
	}
	if len(v) > maxEcho {
		cut := maxEcho
		for !utf8.RuneStart(v[cut]) {
			cut--
		}
		v = v[:cut] + "…"
	}
	return "Value '" + v + "'"
}

func (c *Checker) null(name string) { c.add("Value null", name, "Member must not be null") }

// Given reports whether a required member was in the request, and notes a violation where it was not.
func (c *Checker) Given(name string) bool {
	if len(c.missing) > 0 && c.missing[c.path(name)] {
		c.null(name)
		return false
	}
	return true
}

// String checks a required string.
func (c *Checker) String(name, v string, r *Rule) {
	if c.Given(name) && r != nil {
		c.text(name, v, r)
	}
}

// StringPtr checks an optional string.
func (c *Checker) StringPtr(name string, v *string, r *Rule) {
	if v != nil {
		c.text(name, *v, r)
	}
}

func (c *Checker) text(name, v string, r *Rule) {
	if r.allows(v) {
		return
	}
	for _, broken := range r.broken(v) {
		c.add(echo(v, r), name, broken)
	}
}

// Int checks a required number.
func (c *Checker) Int(name string, v int, r *Rule) {
	if c.Given(name) {
		c.IntPtr(name, &v, r)
	}
}

// IntPtr checks an optional number.
func (c *Checker) IntPtr(name string, v *int, r *Rule) {
	if v == nil || r == nil {
		return
	}
	if r.Max != nil && *v > *r.Max {
		c.add(echo(strconv.Itoa(*v), r), name, "Member must have value less than or equal to "+strconv.Itoa(*r.Max))
	}
	if r.Min != nil && *v < *r.Min {
		c.add(echo(strconv.Itoa(*v), r), name, "Member must have value greater than or equal to "+strconv.Itoa(*r.Min))
	}
}

// Size checks the length of a list or map; given is false where there is none.
func Size[T any](c *Checker, name string, list []T, required bool, r *Rule) {
	if required && !c.Given(name) {
		return
	}
	if list == nil {
		if required {
			c.null(name)
		}
		return
	}
	if r == nil {
		return
	}
	if r.Max != nil && len(list) > *r.Max {
		c.add(echoList(list, r), name, "Member must have length less than or equal to "+strconv.Itoa(*r.Max))
	}
	if r.Min != nil && len(list) < *r.Min {
		c.add(echoList(list, r), name, "Member must have length greater than or equal to "+strconv.Itoa(*r.Min))
	}
}

// Keys checks a required map; the models bound no map.
func (c *Checker) Keys(name string, absent bool) {
	if c.Given(name) && absent {
		c.null(name)
	}
}

// echoList is a list as the message repeats it: its strings, or, where the elements are structures, how many there are.
func echoList[T any](list []T, r *Rule) string {
	if texts, ok := any(list).([]string); ok {
		return echo("["+strings.Join(texts, ", ")+"]", r)
	}
	return echo(fmt.Sprintf("[%d members]", len(list)), r)
}

// Elements checks the strings of a list; what one of them breaks is told for the list, as AWS does:
// "Value '[a, b]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: […]".
func (c *Checker) Elements(name string, list []string, r *Rule) {
	for _, v := range list {
		if !r.allows(v) {
			c.add(echoList(list, r), name, "Member must satisfy constraint: ["+strings.Join(r.sentences(), ", ")+"]")
			return
		}
	}
}

// Enter goes down into a structure; Leave comes back.
func (c *Checker) Enter(name string) { c.levels = append(c.levels, level{name: name}) }

// Leave goes back up.
func (c *Checker) Leave() { c.levels = c.levels[:len(c.levels)-1] }

// Each checks the structures of a list.
func Each[T any](c *Checker, name string, list []T, check func(*T, *Checker)) {
	for i := range list {
		c.levels = append(c.levels, level{name: name, index: i + 1})
		check(&list[i], c)
		c.Leave()
	}
}

// EachEntry checks the structures of a map, in the order of its keys.
func EachEntry[T any](c *Checker, name string, m map[string]T, check func(*T, *Checker)) {
	for _, key := range sortedKeys(m) {
		v := m[key]
		c.levels = append(c.levels, level{name: name, index: -1, key: key})
		check(&v, c)
		c.Leave()
	}
}
