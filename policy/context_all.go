package policy

import "iter"

// All gives every key, as it was set, with its values, in the order in which the keys were first set. Values set with their type
// come as text. The slices must not be changed and are valid until the next Set or Reset.
func (c *Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if c == nil {
			return
		}
		for i := range c.entries {
			e := &c.entries[i]
			values := []string{string(c.appendText(nil, e))}
			if e.typed == typeText {
				values = c.values[e.lo:e.hi:e.hi]
			}
			if !yield(e.head+e.tail, values) {
				return
			}
		}
	}
}
