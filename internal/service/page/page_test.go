package page_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/service/page"
)

// FuzzPlace: a marker is one that this server writes, or it is refused.
func FuzzPlace(f *testing.F) {
	for _, seed := range []string{"", "MTo", "MTphbGljZQ", "MTphbGljZQ==", "MTph\nbGljZQ", "MjphbGljZQ", "alice", "1:alice", page.Marker("user000"), page.Marker("é")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := page.Place(&text)
		if err == nil && page.Marker(key) != text {
			t.Errorf("%q is read as the place %q, whose marker is %q", text, key, page.Marker(key))
		}
		if err != nil && fault.KindOf(err) != fault.MarkerInvalid {
			t.Errorf("%q: %v", text, err)
		}
		written := page.Marker(text)
		if key, err := page.Place(&written); err != nil || key != text {
			t.Errorf("the marker of %q is read as %q, %v", text, key, err)
		}
	})
}

// TestPage: whatever the size, the pages of a sequence are the sequence.
func TestPage(t *testing.T) {
	for _, length := range []int{0, 1, 2, 99, 100, 101, 200} {
		all := make([]int, length)
		for i := range all {
			all[i] = i
		}
		for _, size := range []*int{nil, new(1), new(3), new(100), new(1000)} {
			var got []int
			for after := -1; ; {
				some, next := page.Take(slices.Values(all[after+1:]), size, func(n int) bool { return n%2 == 0 }, strconv.Itoa)
				if got = append(got, some...); next == nil {
					break
				}
				if len(some) != page.Limit(size) {
					t.Fatalf("%d items: a page of %d that is not the last", length, len(some))
				}
				key, err := page.Place(next)
				if err != nil {
					t.Fatal(err)
				}
				if after, err = strconv.Atoi(key); err != nil {
					t.Fatal(err)
				}
			}
			if want := (length + 1) / 2; len(got) != want || !slices.IsSorted(got) {
				t.Errorf("%d items in pages of %d: got %v", length, page.Limit(size), got)
			}
		}
	}
}
