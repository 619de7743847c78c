// Package guard holds no code, only the tests that keep the picture in docs/design.md true: who may import whom, that every
// package says what it is, that no operation can be reached around the gate, and that nothing secret or local is committed.
package guard
