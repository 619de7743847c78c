package history

import (
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// op is a call from one time to another with its answer.
func op(from, to int64, c Call, a Answer) porcupine.Operation {
	c.User = "u"
	if a.Outcome == Unknown {
		to = never
	}
	return porcupine.Operation{Input: c, Call: from, Output: a, Return: to}
}

// TestCheck holds the checker to histories that could and could not have happened: one that accepts everything proves nothing.
func TestCheck(t *testing.T) {
	on := func(node int, k Kind, value string) Call { return Call{Kind: k, Value: value, Node: node} }
	quiet := func(node int, k Kind) Call { return Call{Kind: k, Node: node, Last: true} }
	ok := Answer{}
	missing, unknown := Answer{Outcome: Missing}, Answer{Outcome: Unknown}
	made := func(id string) Answer { return Answer{ID: id} }
	tag := func(v string) Answer { return Answer{ID: "A", Value: v} }
	tests := []struct {
		name    string
		history []porcupine.Operation
		one     bool // possible on one node
		several bool // possible on several
	}{
		{"in order", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Tag, "x"), ok), op(5, 6, on(0, Get, ""), tag("x"))}, true, true},
		{"an acknowledged creation is lost", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Get, ""), missing)}, false, false},
		{"another user under the name", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Get, ""), Answer{ID: "B"})}, false, false},
		{"made twice", []porcupine.Operation{op(1, 4, on(0, Create, ""), made("A")), op(2, 3, on(0, Create, ""), made("B"))}, false, false},
		{"a lost tag", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Tag, "x"), ok), op(5, 6, on(0, Get, ""), tag(""))}, false, false},
		{"deleted with a policy", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Put, "p"), ok), op(5, 6, on(0, Delete, ""), ok)}, false, false},
		{"concurrent tags in either order", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 9, on(0, Tag, "x"), ok), op(3, 9, on(0, Tag, "y"), ok), op(10, 11, on(0, Get, ""), tag("x")),
		}, true, true},
		{"concurrent tags in both orders", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 9, on(0, Tag, "x"), ok), op(3, 9, on(0, Tag, "y"), ok),
			op(10, 11, on(0, Get, ""), tag("x")), op(12, 13, on(0, Get, ""), tag("y")),
		}, false, false},
		{"unknown and never", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 0, on(0, Tag, "x"), unknown), op(5, 6, quiet(0, Get), tag(""))}, true, true},
		{"unknown and later", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 0, on(0, Tag, "x"), unknown), op(5, 6, on(0, Get, ""), tag("")), op(7, 8, quiet(0, Get), tag("x")),
		}, true, true},
		{"unknown, and there and gone", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 0, on(0, Tag, "x"), unknown), op(5, 6, on(0, Get, ""), tag("x")), op(7, 8, on(0, Get, ""), tag("")),
		}, false, false},
		{"an unknown creation has any ID", []porcupine.Operation{op(1, 0, on(0, Create, ""), unknown), op(3, 4, on(0, Get, ""), Answer{ID: "Z"})}, true, true},
		{"another node lags", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(1, Get, ""), missing), op(5, 6, on(1, Get, ""), Answer{ID: "A"})}, false, true},
		{"another node refuses by what it knows", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(1, Tag, "x"), missing)}, false, true},
		{"another node goes back", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(1, Get, ""), Answer{ID: "A"}), op(5, 6, on(1, Get, ""), missing),
		}, false, false},
		{"another node forgets its own change", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(1, Tag, "x"), ok), op(5, 6, on(1, Get, ""), tag("")),
		}, false, false},
		{"a change on another node is on old ground", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 4, on(0, Delete, ""), ok), op(5, 6, on(1, Tag, "x"), ok),
		}, false, false},
		{"another node lags when all is quiet", []porcupine.Operation{op(1, 2, on(0, Create, ""), made("A")), op(3, 4, quiet(1, Get), missing)}, false, false},
		{"nodes see changes in one order", []porcupine.Operation{
			op(1, 2, on(0, Create, ""), made("A")), op(3, 20, on(0, Tag, "x"), ok), op(3, 20, on(0, Tag, "y"), ok),
			op(4, 5, on(1, Get, ""), tag("x")), op(6, 7, on(1, Get, ""), tag("y")), op(8, 9, on(2, Get, ""), tag("y")), op(10, 11, on(2, Get, ""), tag("x")),
		}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperations(model(1), tt.history); got != tt.one {
				t.Errorf("on one node: %v, want %v", got, tt.one)
			}
			if got := porcupine.CheckOperations(model(3), tt.history); got != tt.several {
				t.Errorf("on several nodes: %v, want %v", got, tt.several)
			}
		})
	}
}

// TestReport: what cannot be explained is printed, and what is not known and what did not happen is counted as that.
func TestReport(t *testing.T) {
	r := New(1)
	r.Record(1, Call{Kind: Create, User: "a"}, r.now(), Answer{ID: "A"})
	r.Record(1, Call{Kind: Tag, User: "a", Value: "x"}, r.now(), Answer{Outcome: Unknown})
	r.Record(1, Call{Kind: Get, User: "a"}, r.now(), Answer{Outcome: Unknown}) // says nothing
	r.Record(1, Call{Kind: Tag, User: "a", Value: "x"}, r.now(), Answer{Outcome: None})
	if got := r.Check(t); got != "2 calls on 1 users (at most 2 on one), 1 changes acknowledged, 0 calls refused, 1 outcomes unknown" {
		t.Error(got)
	}
	r.Record(1, Call{Kind: Get, User: "a"}, r.now(), Answer{Outcome: Missing})
	failed := &failing{TB: t}
	r.Check(failed)
	if !strings.Contains(failed.said, "no order explains") {
		t.Errorf("the report is %q", failed.said)
	}
}

// failing is a test that is expected to fail.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper()                           {}
func (f *failing) Errorf(format string, args ...any) { f.said += format }
