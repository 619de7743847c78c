package policy

import (
	"net/netip"
	"time"
)

// Options change how documents are read. The zero value is what AWS's API accepts.
type Options struct {
	// DateAliases accepts DateGreaterThanOrEqual and DateLessThanOrEqual, which the 2018 user guide prints and AWS refuses.
	DateAliases bool
}

func Parse(src []byte) (*Document, error)                       { return Options{}.Parse(src) }
func (o Options) Parse(src []byte) (*Document, error)           { panic("pending") }
func (d *Document) Check(k Kind) error                          { panic("pending") }
func (d *Document) MarshalJSON() ([]byte, error)                { panic("pending") }
func Compile(k Kind, name string, d *Document) (*Policy, error) { panic("pending") }

// Size counts the characters of a document as AWS's quotas do: without white space.
func Size(text string) int { panic("pending") }

// Rewrite replaces JSON strings in src: the keys of repl are PrincipalRef.Start offsets, the values the new contents.
func Rewrite(src []byte, repl map[int]string) ([]byte, error) { panic("pending") }

type Policy struct {
	name string
	kind Kind
}

func (p *Policy) Name() string     { return p.name }
func (p *Policy) Kind() Kind       { return p.kind }
func (p *Policy) Statements() int  { panic("pending") }
func (p *Policy) Sid(i int) string { panic("pending") }

type Context struct{}

func (c *Context) Set(key string, values ...string)        { panic("pending") }
func (c *Context) SetBool(key string, v bool)              { panic("pending") }
func (c *Context) SetTime(key string, t time.Time)         { panic("pending") }
func (c *Context) SetInt(key string, v int64)              { panic("pending") }
func (c *Context) SetAddr(key string, a netip.Addr)        { panic("pending") }
func (c *Context) Lookup(key string) (v []string, ok bool) { panic("pending") }
func (c *Context) Reset()                                  { panic("pending") }

func Evaluate(r *Request, s *Set) Decision    { panic("pending") }
func Explain(r *Request, s *Set) *Explanation { panic("pending") }
