package credential

// Occupy takes n of a Hasher's turns until release is called.
func Occupy(h *Hasher, n int) (release func()) {
	for range n {
		h.turns <- struct{}{}
	}
	return func() {
		for range n {
			<-h.turns
		}
	}
}

// ParsesAsHash reports whether text is read as a hash.
func ParsesAsHash(text string) bool { _, err := parsePHC(text); return err == nil }

// Reprint writes what was read.
func Reprint(text string) string { p, _ := parsePHC(text); return p.String() }
