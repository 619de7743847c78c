package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// decode reads the file's text over the values of c. Errors begin with the file's name and, where there is one, the line.
func (c *Config) decode(path string, text []byte) error {
	if len(text) > maxFile {
		return fmt.Errorf("%s: a configuration is not longer than %d bytes", path, maxFile)
	}
	meta, err := toml.Decode(string(text), c)
	if err != nil {
		if p, ok := errors.AsType[toml.ParseError](err); ok {
			message := p.Message
			if p.LastKey != "" {
				message = p.LastKey + ": " + message
			}
			return fmt.Errorf("%s:%d:%d: %s", path, p.Position.Line, p.Position.Col, message)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	// The library takes keys in any case, so it is not asked which ones it did not use. Of a table only its name is reported.
	known, reported := keys(), make(map[string]bool)
	var problems []error
	for _, key := range meta.Keys() {
		name := key[0]
		if slices.Contains(known, name) || reported[name] {
			continue
		}
		reported[name] = true
		problems = append(problems, fmt.Errorf("%s:%d: unknown key %q", path, lineOf(string(text), name), name))
	}
	return errors.Join(problems...)
}

// keys returns the keys that a file may hold.
func keys() []string {
	var names []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("toml"); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// lineOf returns the line on which an unknown key stands. The text is valid TOML, and no key of ours is a table, so that the
// first line that begins with the name, or opens its table, is the one.
func lineOf(text, name string) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimLeft(line, " \t[")
		for _, form := range []string{name, `"` + name + `"`, "'" + name + "'"} {
			if rest, ok := strings.CutPrefix(line, form); ok && strings.ContainsAny(rest[:min(1, len(rest))], " \t=.]") {
				return n
			}
		}
	}
	return 1
}
