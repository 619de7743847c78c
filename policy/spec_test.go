package policy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/internal/policygen"
)

// questions is how many are asked of the policies of one case.
const questions = 8

// chunk is how many cases come from one seed.
const chunk = 100

// generated is the number of questions that TestSpecEqualsCompiled asks: OSTIARY_CASES, or a million when OSTIARY_LONG is set.
func generated(t *testing.T) int {
	if n := os.Getenv("OSTIARY_CASES"); n != "" {
		cases, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("OSTIARY_CASES: %v", err)
		}
		return cases
	}
	switch {
	case testing.Short():
		return 20_000
	case os.Getenv("OSTIARY_LONG") != "" && !raceDetector:
		return 1_200_000
	case raceDetector:
		return 40_000
	}
	return 200_000
}

// TestSpecEqualsCompiled holds the compiled engine against the specification evaluator. OSTIARY_CASES=n asks n questions, and OSTIARY_SEED
// chooses others than the usual.
func TestSpecEqualsCompiled(t *testing.T) {
	total, seed := generated(t), uint64(1)
	if s := os.Getenv("OSTIARY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("OSTIARY_SEED: %v", err)
		}
	}
	begin := time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var all statistics
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var mine statistics
			for !t.Failed() {
				n := next.Add(1) - 1
				if int(n)*chunk*questions >= total {
					break
				}
				g := policygen.New(rand.NewPCG(seed, uint64(n)))
				for range chunk {
					if !mine.situation(t, g) {
						break
					}
				}
				mine.made, mine.refused, mine.givenUp = mine.made+g.Made, mine.refused+g.Refused, mine.givenUp+g.GivenUp
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(&mine)
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	took := time.Since(begin)
	t.Logf("%d questions in %v, %.0f a second\n%s", all.asked, took.Round(time.Millisecond), float64(all.asked)/took.Seconds(), &all)
	all.check(t)
}

// situation makes a case and asks its questions. It reports whether all went well.
func (s *statistics) situation(t *testing.T, g *policygen.Generator) bool {
	c := g.Case()
	set, err := c.Set()
	if err != nil {
		t.Errorf("a case that cannot be: %v\n%s", err, c.Archive("illegal", ""))
		return false
	}
	s.cover(c)
	if g.IntN(2) == 0 {
		set.IdentityProgram = policy.Merge(set.Identity)
	}
	request, keys := c.Request, c.Keys
	for i := range questions {
		if i > 0 {
			c.Request, c.Keys = request, slices.Clone(keys)
			g.Ask(c)
		}
		x := policy.Explain(c.Question(&s.context), set)
		if x.Disagreement != nil {
			t.Error(reproducer(c, set.IdentityProgram != nil))
			return false
		}
		s.count(x)
	}
	return true
}

// disagrees returns how the two evaluators differ on a case, with the identity policies merged or one by one.
func disagrees(c *policygen.Case, merged bool) error {
	set, err := c.Set()
	if err != nil {
		return nil
	}
	if merged {
		set.IdentityProgram = policy.Merge(set.Identity)
	}
	return policy.Explain(c.Question(nil), set).Disagreement
}

// reproducer describes the smallest case found in which the two differ.
func reproducer(c *policygen.Case, merged bool) string {
	small := policygen.Shrink(c, func(c *policygen.Case) bool { return disagrees(c, merged) != nil })
	if err := disagrees(small, merged); err != nil {
		return fmt.Sprintf("merged: %v: %v; expect what the checklists say:\n%s", merged, err, small.Archive("disagreement", "?"))
	}
	return "only with a context that was used before:\n" + small.Archive("disagreement", "?")
}

// FuzzSpecEqualsCompiled makes the cases from bytes.
func FuzzSpecEqualsCompiled(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 20 {
		seed := make([]byte, 16*n)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s statistics
		s.situation(t, policygen.New(policygen.NewBytes(data)))
	})
}

// statistics say what the generated cases were like, so that a generator that has rotted shows.
type statistics struct {
	context                        policy.Context // used again and again
	asked                          int
	statements, matched            int
	made, refused, givenUp         int
	decisions, failures, variables map[string]int
	operators                      map[string]int // operator as written, and how many values the key has
}

func count(m *map[string]int, key string, n int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

func (s *statistics) add(o *statistics) {
	s.asked, s.statements, s.matched = s.asked+o.asked, s.statements+o.statements, s.matched+o.matched
	s.made, s.refused, s.givenUp = s.made+o.made, s.refused+o.refused, s.givenUp+o.givenUp
	for k, n := range o.variables {
		count(&s.variables, k, n)
	}
	for k, n := range o.decisions {
		count(&s.decisions, k, n)
	}
	for k, n := range o.failures {
		count(&s.failures, k, n)
	}
	for k, n := range o.operators {
		count(&s.operators, k, n)
	}
}

func (s *statistics) count(x *policy.Explanation) {
	s.asked++
	name := "deny-implicit "
	switch {
	case x.Decision.Effect == policy.Allow:
		name = "allow "
	case x.Decision.Explicit:
		name = "deny-explicit "
	}
	count(&s.decisions, name+x.Decision.Layer.String(), 1)
	for _, a := range x.Layers {
		for _, p := range a.Policies {
			for i := range p.Statements {
				s.statements++
				for _, v := range p.Statements[i].Variables {
					count(&s.variables, variable(&v), 1)
				}
				if st := &p.Statements[i]; st.Matched {
					s.matched++
				} else {
					count(&s.failures, st.Failed.Element, 1)
				}
			}
		}
	}
}

func variable(v *policy.Variable) string {
	switch {
	case v.Problem != "":
		return v.Problem
	case v.Default:
		return "default"
	}
	return "value"
}

// cover counts the operators of a case.
func (s *statistics) cover(c *policygen.Case) {
	q := c.Question(nil)
	c.Documents(func(_ string, _ policy.Kind, d *policy.Document) {
		for i := range d.Statements {
			for _, cond := range d.Statements[i].Conditions {
				for _, test := range cond.Tests {
					values, _ := q.Context.Lookup(test.Key.Text)
					count(&s.operators, cond.Operator.Text+" "+[]string{"absent", "one", "several"}[min(len(values), 2)], 1)
				}
			}
		}
	})
}

func (s *statistics) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "statements that match: %.1f%%\n", 100*float64(s.matched)/float64(s.statements))
	for _, k := range slices.Sorted(maps.Keys(s.decisions)) {
		fmt.Fprintf(&b, "%-24s %5.2f%%\n", k, 100*float64(s.decisions[k])/float64(s.asked))
	}
	for _, k := range slices.Sorted(maps.Keys(s.failures)) {
		fmt.Fprintf(&b, "first failed: %-14s %5.2f%%\n", k, 100*float64(s.failures[k])/float64(s.statements-s.matched))
	}
	for _, k := range slices.Sorted(maps.Keys(s.variables)) {
		fmt.Fprintf(&b, "variables, %s: %d\n", k, s.variables[k])
	}
	fmt.Fprintf(&b, "statements made: %d, refused: %d, given up: %d\n", s.made, s.refused, s.givenUp)
	fmt.Fprintf(&b, "operators with absent, one and several values: %d", len(s.operators))
	return b.String()
}

// check fails when a class is so rare that the equality says little about it.
func (s *statistics) check(t *testing.T) {
	share := func(part, whole int) float64 { return 100 * float64(part) / float64(whole) }
	if p := share(s.matched, s.statements); p < 35 || p > 65 {
		t.Errorf("%.1f%% of the statements match", p)
	}
	least := map[string]float64{
		"allow none": 0.5, "allow identity": 5, "allow resource": 3, "allow session": 0.1,
		"deny-explicit identity": 4, "deny-explicit resource": 2, "deny-explicit boundary": 1, "deny-explicit session": 1, "deny-explicit scp": 1, "deny-explicit rcp": 1,
		"deny-implicit identity": 4, "deny-implicit resource": 4, "deny-implicit boundary": 1, "deny-implicit session": 1, "deny-implicit scp": 1, "deny-implicit rcp": 1,
	}
	for k, p := range least {
		if have := share(s.decisions[k], s.asked); have < p {
			t.Errorf("%s: %.2f%% of the decisions, want %.1f%%", k, have, p)
		}
	}
	for k, p := range map[string]float64{"Principal": 3, "NotPrincipal": 0.3, "Action": 5, "NotAction": 0.5, "Resource": 5, "NotResource": 0.5, "Condition": 5} {
		if have := share(s.failures[k], s.statements-s.matched); have < p {
			t.Errorf("%s: %.2f%% of the failures, want %.1f%%", k, have, p)
		}
	}
	for _, k := range []string{"value", "default", "the request has no such key", "the key has several values", "the value is not UTF-8"} {
		if share(s.variables[k], s.asked) < 0.02 {
			t.Errorf("variables, %s: only %d", k, s.variables[k])
		}
	}
	if share(s.refused, s.made) > 15 || share(s.givenUp, s.made) > 0.2 {
		t.Errorf("of %d statements %d were refused and %d given up", s.made, s.refused, s.givenUp)
	}
	if s.asked < 150_000 {
		return
	}
	for _, name := range policy.Operators() {
		for _, set := range []string{"", "ForAllValues:", "ForAnyValue:"} {
			for _, suffix := range []string{"", "IfExists"} {
				for _, values := range []string{" absent", " one", " several"} {
					if name == "Null" && (suffix != "" || set == "ForAnyValue:") {
						continue
					}
					if s.operators[set+name+suffix+values] == 0 {
						t.Errorf("%s never came", set+name+suffix+values)
					}
				}
			}
		}
	}
}
