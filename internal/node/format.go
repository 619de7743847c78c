package node

import "fmt"

// readable reports whether this version serves a store of a format, perhaps after migrating it.
func readable(f string) error {
	if f != format {
		return fmt.Errorf("the store has format %.20q, and this version reads %q", f, format)
	}
	return nil
}
