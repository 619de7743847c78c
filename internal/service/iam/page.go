package iam

import (
	"encoding/base64"
	"iter"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Pages: MaxItems is 100 unless the caller says otherwise and at most 1,000, which the model's constraints hold.
const defaultItems = 100

// limit is how many items a page may have.
func limit(max *int) int {
	if max == nil {
		return defaultItems
	}
	return *max
}

// truncated is what every list call answers as IsTruncated; next is the marker that goes with it.
func truncated(next *string) *bool { return new(next != nil) }

// markerPrefix begins the text inside every marker; it tells a marker of ours from a caller's invention.
const markerPrefix = "1:"

// marker is an opaque place in a listing: after the item with that key.
func marker(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(markerPrefix + key))
}

// place reads a marker; no marker is the beginning, the empty key.
func place(m *string) (string, error) {
	if m == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(*m)
	key, ok := strings.CutPrefix(string(text), markerPrefix)
	if err != nil || !ok || marker(key) != *m { // even a strict decoder skips line ends
		return "", fault.New(fault.MarkerInvalid, "Invalid Marker.")
	}
	return key, nil
}

// page takes at most max items (nil means the default) of a sequence that begins after the place; next is the marker when
// there is more, and nil at the end. keep may drop items (path prefixes); key names an item's place.
func page[T any](items iter.Seq[T], max *int, keep func(T) bool, key func(T) string) (some []T, next *string) {
	n := limit(max)
	for item := range items {
		if keep != nil && !keep(item) {
			continue
		}
		if len(some) == n {
			m := marker(key(some[n-1]))
			return some, &m
		}
		some = append(some, item)
	}
	return some, nil
}

// inPath reports whether an entity's path begins with the prefix that a list call gives; nil is every path.
func inPath(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}
