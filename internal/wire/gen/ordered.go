package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ordered is a JSON object whose names keep the order of the text, so that what is generated does.
type ordered[T any] struct {
	names []string
	by    map[string]T
}

// UnmarshalJSON reads an object and refuses a name that comes twice.
func (o *ordered[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("not an object: %v %w", t, err)
	}
	o.by = map[string]T{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name := t.(string)
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, twice := o.by[name]; twice {
			return fmt.Errorf("%s comes twice", name)
		}
		o.add(name, v)
	}
	return nil
}

func (o *ordered[T]) add(name string, v T) {
	if o.by == nil {
		o.by = map[string]T{}
	}
	o.names = append(o.names, name)
	o.by[name] = v
}

func (o *ordered[T]) has(name string) bool {
	_, ok := o.by[name]
	return ok
}
