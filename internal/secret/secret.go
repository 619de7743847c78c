// Package secret holds text that must not be printed.
//
// A [Text] prints a placeholder in every verb of fmt, in logs and in JSON, and compares in constant time. The only way to
// the characters is [Text.Reveal], so that a search for that name finds every place that handles a secret in the clear.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const placeholder = "[secret]"

// Text is a secret. The zero value is the empty secret.
type Text struct{ s string }

// New wraps s.
func New(s string) Text { return Text{s} }

// Reveal returns the characters.
func (t Text) Reveal() string { return t.s }

// IsZero reports whether the secret is empty.
func (t Text) IsZero() bool { return t.s == "" }

// Equal compares in time that depends on the lengths only.
func (t Text) Equal(u Text) bool { return subtle.ConstantTimeCompare([]byte(t.s), []byte(u.s)) == 1 }

// String returns a placeholder.
func (t Text) String() string { return placeholder }

// Format prints a placeholder whatever the verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(placeholder)) }

// MarshalText writes a placeholder, so that encoders cannot leak what a caller forgot to remove.
func (t Text) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// LogValue gives loggers a placeholder.
func (t Text) LogValue() slog.Value { return slog.StringValue(placeholder) }
