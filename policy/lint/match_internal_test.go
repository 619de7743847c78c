package lint

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/arn/glob"
	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// random makes a short text of the letters.
func random(r *rand.Rand, letters string, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteByte(letters[r.IntN(len(letters))])
	}
	return b.String()
}

// Whatever the narrower pattern matches, the wider one matches too, in both modes, and patterns that match one text meet.
func TestCoversAndMeet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	covered, met := 0, 0
	for range 60000 {
		wide, narrow := random(r, "ab:**?", 6), random(r, "ab:**?", 6)
		l := &linter{budget: workLimit}
		meets := l.meet(wide, narrow)
		for segments, mode := range map[bool]glob.Mode{false: glob.Plain, true: glob.Segments} {
			w, n := glob.Compile(glob.Tokens(wide), mode), glob.Compile(glob.Tokens(narrow), mode)
			yes := covers(wide, narrow, segments)
			if yes {
				covered++
			}
			for range 12 {
				text := random(r, "ab:", 7)
				inWide, inNarrow := w.Match(text, nil), n.Match(text, nil)
				if yes && inNarrow && !inWide {
					t.Fatalf("%q is said to cover %q (segments %v), but not %q", wide, narrow, segments, text)
				}
				if inWide && inNarrow {
					met++
					if !meets {
						t.Fatalf("%q and %q are said to be apart, but both match %q", wide, narrow, text)
					}
				}
			}
		}
	}
	if covered < 5000 || met < 5000 {
		t.Errorf("%d covered, %d met: the generator is too far off", covered, met)
	}
}

func TestMeetIsNotAlwaysTrue(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"*", "", true}, {"a*", "*b", true}, {"a*c", "ab", false}, {"a?", "ab", true},
		{"a?", "a", false}, {"a*b*c", "acbc", true}, {"a*b", "a*c", false}, {"?*", "", false}, {"x/*/y", "x/y", false}, {"*a", "*b", false},
	} {
		l := &linter{budget: workLimit}
		if l.meet(tt.a, tt.b) != tt.want || l.meet(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: %v", tt.a, tt.b, !tt.want)
		}
	}
}

// naive is the edit distance by its definition.
func naive(a, b string) int {
	switch {
	case a == "":
		return len(b)
	case b == "":
		return len(a)
	case a[0] == b[0]:
		return naive(a[1:], b[1:])
	}
	d := 1 + min(naive(a[1:], b[1:]), naive(a[1:], b), naive(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, 1+naive(a[2:], b[2:]))
	}
	return d
}

func TestEditDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		a, b, limit := random(r, "abc", 7), random(r, "abc", 7), r.IntN(4)
		if got, want := editDistance(a, b, limit), min(naive(a, b), limit+1); got != want {
			t.Fatalf("%q and %q within %d: %d, want %d", a, b, limit, got, want)
		}
	}
}

// The limit on the work is far from what real documents need.
func TestWorkLimit(t *testing.T) {
	for _, name := range []string{"ReadOnlyAccess", "AWSSupportServiceRolePolicy", "SageMakerStudioProjectProvisioningRolePolicy"} {
		p, ok := catalog.ManagedPolicies().ByName(name)
		if !ok {
			t.Fatal(name)
		}
		doc, err := policy.Parse([]byte(p.Document()))
		if err != nil {
			t.Fatal(err)
		}
		l := newLinter(doc, policy.Identity, catalog.ServiceReference(), true)
		l.run()
		if spent := workLimit - l.budget; spent > workLimit/5 {
			t.Errorf("%s costs %d of %d", name, spent, workLimit)
		} else {
			t.Logf("%s costs %d", name, spent)
		}
	}
}

func TestChecksAreACopy(t *testing.T) {
	all := Checks()
	all[0].Title = ""
	if Checks()[0].Title == "" || !slices.IsSortedFunc(all, func(a, b Check) int { return strings.Compare(string(a.Code), string(b.Code)) }) {
		t.Error("callers can change the table, or it is out of order")
	}
}
