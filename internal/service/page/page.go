// Package page cuts listings into pages. The place where a page ends is told to callers as an opaque marker, which is read again
// strictly: one that this server did not write is refused.
package page

import (
	"encoding/base64"
	"iter"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// defaultItems are on a page unless the caller says otherwise, in IAM and in ElastiCache.
const defaultItems = 100

// Limit is how many items a page may have; nil means the default.
func Limit(max *int) int {
	if max == nil {
		return defaultItems
	}
	return *max
}

// markerPrefix begins the text inside every marker; it tells a marker of ours from a caller's invention.
const markerPrefix = "1:"

// Marker is an opaque place in a listing: after the item with that key.
func Marker(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(markerPrefix + key))
}

// Place reads a marker; no marker is the beginning, the empty key.
func Place(m *string) (string, error) {
	if m == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(*m)
	key, ok := strings.CutPrefix(string(text), markerPrefix)
	if err != nil || !ok || Marker(key) != *m { // even a strict decoder skips line ends
		return "", fault.New(fault.MarkerInvalid, "Invalid Marker.")
	}
	return key, nil
}

// Take takes at most max items (nil means the default) of a sequence that begins after the place; next is the marker when
// there is more, and nil at the end. keep may drop items (path prefixes); key names an item's place.
func Take[T any](items iter.Seq[T], max *int, keep func(T) bool, key func(T) string) (some []T, next *string) {
	n := Limit(max)
	for item := range items {
		if keep != nil && !keep(item) {
			continue
		}
		if len(some) == n {
			m := Marker(key(some[n-1]))
			return some, &m
		}
		some = append(some, item)
	}
	return some, nil
}
