package iam

import (
	"slices"
	"strconv"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// FuzzPlace: a marker is one that this server writes, or it is refused.
func FuzzPlace(f *testing.F) {
	for _, seed := range []string{"", "MTo", "MTphbGljZQ", "MTphbGljZQ==", "MTph\nbGljZQ", "MjphbGljZQ", "alice", "1:alice", marker("user000"), marker("é")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := place(&text)
		if err == nil && marker(key) != text {
			t.Errorf("%q is read as the place %q, whose marker is %q", text, key, marker(key))
		}
		if err != nil && fault.KindOf(err) != fault.MarkerInvalid {
			t.Errorf("%q: %v", text, err)
		}
		written := marker(text)
		if key, err := place(&written); err != nil || key != text {
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
				some, next := page(slices.Values(all[after+1:]), size, func(n int) bool { return n%2 == 0 }, strconv.Itoa)
				if got = append(got, some...); next == nil {
					break
				}
				if len(some) != limit(size) {
					t.Fatalf("%d items: a page of %d that is not the last", length, len(some))
				}
				key, err := place(next)
				if err != nil {
					t.Fatal(err)
				}
				if after, err = strconv.Atoi(key); err != nil {
					t.Fatal(err)
				}
			}
			if want := (length + 1) / 2; len(got) != want || !slices.IsSorted(got) {
				t.Errorf("%d items in pages of %d: got %v", length, limit(size), got)
			}
		}
	}
}
