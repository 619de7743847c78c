package policygen_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/internal/policygen"
	"github.com/ostiary-iam/ostiary/policy/policytest"
)

// TestSeed holds that the same source gives the same cases, and another one others.
func TestSeed(t *testing.T) {
	text := func(seed uint64) string {
		var out string
		g := policygen.New(rand.NewPCG(seed, 0))
		for range 20 {
			c := g.Case()
			out += c.Archive("first", "")
			g.Ask(c)
			out += c.Archive("second", "")
		}
		return out
	}
	one := text(1)
	if again := text(1); again != one {
		t.Error("the same seed gives different cases")
	}
	if text(2) == one {
		t.Error("different seeds give the same cases")
	}
	bytes := func(data string) string {
		return policygen.New(policygen.NewBytes([]byte(data))).Case().Archive("x", "")
	}
	if a := bytes("some bytes to choose from"); a != bytes("some bytes to choose from") || a == bytes("other bytes to choose from") {
		t.Error("bytes do not determine the case")
	}
}

// TestArchive holds that an archive says what the case says: package policytest, which reads it, comes to the same decision.
func TestArchive(t *testing.T) {
	g := policygen.New(rand.NewPCG(3, 3))
	tried := 0
	for range 2_000 {
		c := g.Case()
		set, err := c.Set()
		if err != nil {
			t.Fatal(err)
		}
		d := policy.Evaluate(c.Question(nil), set)
		expect := "deny-implicit "
		switch {
		case d.Effect == policy.Allow:
			expect = "allow "
		case d.Explicit:
			expect = "deny-explicit "
		}
		text := c.Archive("generated", expect+d.Layer.String())
		if !written(c) {
			continue
		}
		tried++
		outcomes, err := policytest.Check([]byte(text))
		if err != nil || len(outcomes) != 1 || outcomes[0].Problem != "" {
			t.Fatalf("%v %+v\n%s", err, outcomes, text)
		}
	}
	if tried < 500 {
		t.Errorf("only %d cases could be written", tried)
	}
}

// written reports whether the format can hold a case.
func written(c *policygen.Case) bool {
	p := &c.Request.Principal
	ok := !(c.SessionPassed && len(c.Session) == 0) && !(p.ARN != "" && (p.Type == policy.WebIdentity || p.Type == policy.SAML))
	for _, levels := range [][][]*policy.Document{c.ServiceControl, c.ResourceControl} {
		for _, l := range levels {
			ok = ok && len(l) > 0
		}
	}
	texts := []string{c.Request.Principal.ARN, c.Request.Principal.IssuerUserARN, c.Request.Action, c.Request.Resource}
	for i, k := range c.Keys {
		texts = append(texts, k.Values...)
		texts = append(texts, k.Name)
		for _, o := range c.Keys[:i] {
			ok = ok && !strings.EqualFold(o.Name, k.Name)
		}
	}
	for _, s := range texts {
		ok = ok && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsAny(s, "|\"\n\x00 ") && !strings.ContainsRune(s, '\u212a')
	}
	return ok
}

// TestShrink holds that Shrink keeps what fails and drops the rest.
func TestShrink(t *testing.T) {
	g := policygen.New(rand.NewPCG(5, 5))
	shrunk := 0
	for range 100 {
		c := g.Case()
		denies := func(c *policygen.Case) bool {
			set, err := c.Set()
			if err != nil {
				return false
			}
			d := policy.Evaluate(c.Question(nil), set)
			return d.Effect == policy.Deny && d.Explicit
		}
		if !denies(c) {
			continue
		}
		before := c.Archive("x", "")
		small := policygen.Shrink(c, denies)
		if c.Archive("x", "") != before {
			t.Fatal("Shrink changed its argument")
		}
		shrunk++
		statements := 0
		small.Documents(func(_ string, _ policy.Kind, d *policy.Document) { statements += len(d.Statements) })
		if !denies(small) || statements != 1 {
			t.Fatalf("one statement would do:\n%s", small.Archive("x", ""))
		}
	}
	if shrunk < 20 {
		t.Errorf("only %d explicit denials", shrunk)
	}
}
