package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
)

const referenceMagic = "OSTIARY-REFERENCE-1\n"

// reference is the source's form.
type reference struct {
	Source   string             `json:"source"`
	AsOf     string             `json:"asOf"`
	Services map[string]service `json:"services"`
}

type service struct {
	Name     string              `json:"name"`
	Category string              `json:"category"`
	Actions  map[string]action   `json:"actions"`
	Types    map[string]resource `json:"resources"`
	Keys     map[string]string   `json:"conditionKeys"`
}

type action struct {
	Level     string   `json:"level"`
	Keys      []string `json:"conditionKeys"`
	Resources []use    `json:"resources"`
}

type use struct {
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Keys     []string `json:"conditionKeys"`
}

type resource struct {
	ARN  string   `json:"arn"`
	Keys []string `json:"conditionKeys"`
}

func readReferenceSource(path string) (*reference, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &reference{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	return r, nil
}

func referenceFromCatalog() *reference {
	ref := catalog.ServiceReference()
	r := &reference{Source: ref.Source, AsOf: ref.AsOf, Services: map[string]service{}}
	names := func(keys []*catalog.Key) (out []string) {
		for _, k := range keys {
			out = append(out, k.Name)
		}
		return out
	}
	for s := range ref.Services() {
		out := service{s.Name, s.Category, map[string]action{}, map[string]resource{}, map[string]string{}}
		for k := range s.Keys() {
			typ := k.Type.String()
			if k.Multi {
				typ = "ArrayOf" + typ
			}
			out.Keys[k.Name] = typ
		}
		for t := range s.ResourceTypes() {
			out.Types[t.Name] = resource{strings.Join(t.ARNs, ", "), names(t.Keys)}
		}
		for a := range s.Actions() {
			x := action{Level: a.Level.String(), Keys: names(a.Keys)}
			for _, u := range a.Resources {
				x.Resources = append(x.Resources, use{u.Type.Name, u.Required, names(u.Keys)})
			}
			out.Actions[a.Name] = x
		}
		r.Services[s.Prefix] = out
	}
	return r
}

var (
	levelLetters = map[string]string{"List": "L", "Read": "R", "Write": "W", "Tagging": "T", "Tagging, Write": "T",
		"Permissions management": "P", "Permissions management, Write": "P"}
	typeLetters = map[string]string{"String": "S", "ARN": "A", "Bool": "B", "Numeric": "N", "Date": "D", "IPAddress": "I"}
)

// encode writes reference.bin.
func (r *reference) encode() ([]byte, error) {
	if r.Source == "" || len(r.AsOf) != len("2006-01-02") || len(r.Services) == 0 {
		return nil, errors.New("no service authorization reference")
	}
	var all sections
	index := fmt.Appendf(nil, "%s\t%s\n", r.AsOf, r.Source)
	for _, prefix := range slices.Sorted(maps.Keys(r.Services)) {
		s := r.Services[prefix]
		text, err := s.encode()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", prefix, err)
		}
		foreign := map[string]bool{}
		for key := range s.Keys {
			if p, _, _ := strings.Cut(key, ":"); p != prefix && p != "aws" {
				foreign[p] = true
			}
		}
		if strings.ContainsAny(prefix+s.Name+s.Category, "\t\n") || prefix != strings.ToLower(prefix) || s.Name == "" {
			return nil, fmt.Errorf("service %q: %q", prefix, s.Name)
		}
		index = fmt.Appendf(index, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", prefix, s.Name, s.Category, all.add(text), len(text), len(s.Actions),
			strings.Join(slices.Sorted(maps.Keys(foreign)), " "))
	}
	return all.file(referenceMagic, index)
}

// inOrder returns the names in the order of lower-case names, which must be unique and free of the format's separators.
func inOrder[V any](m map[string]V) ([]string, error) {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for i, name := range names {
		if name == "" || strings.ContainsAny(name, "\t\n") {
			return nil, fmt.Errorf("name %q", name)
		}
		if i > 0 && strings.EqualFold(names[i-1], name) {
			return nil, fmt.Errorf("%s and %s differ in letter case only", names[i-1], name)
		}
	}
	return names, nil
}

// serviceWriter writes the lines of one service. Sets of keys and lists of resource types are written once each.
type serviceWriter struct {
	out         strings.Builder
	keys, types []string
	sets, lists map[string]int
}

func (s *service) encode() (string, error) {
	w := &serviceWriter{sets: map[string]int{"": 0}, lists: map[string]int{"": 0}}
	var err error
	if w.keys, err = inOrder(s.Keys); err != nil {
		return "", err
	}
	for _, name := range w.keys {
		typ, multi := strings.CutPrefix(s.Keys[name], "ArrayOf")
		letter, ok := typeLetters[typ]
		if !ok {
			return "", fmt.Errorf("%s: type %q", name, typ)
		}
		if multi {
			letter = "*" + letter
		}
		fmt.Fprintf(&w.out, "k%s\t%s\n", name, letter)
	}
	if w.types, err = inOrder(s.Types); err != nil {
		return "", err
	}
	for _, name := range w.types {
		t := s.Types[name]
		set, err := w.set(t.Keys)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		arns := strings.Split(t.ARN, ", ")
		for _, arn := range arns {
			if strings.Count(arn, ":") < 5 || !strings.HasPrefix(arn, "arn:") || strings.ContainsAny(arn, " ,\t\n") {
				return "", fmt.Errorf("%s: ARN %q", name, arn)
			}
		}
		fmt.Fprintf(&w.out, "r%s\t%s\t%d\n", name, strings.Join(arns, " "), set)
	}
	names, err := inOrder(s.Actions)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := w.action(name, s.Actions[name]); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return w.out.String(), nil
}

func (w *serviceWriter) action(name string, a action) error {
	level, ok := levelLetters[a.Level]
	if !ok {
		return fmt.Errorf("access level %q", a.Level)
	}
	set, err := w.set(a.Keys)
	if err != nil {
		return err
	}
	var list []string
	for _, u := range a.Resources {
		typ := slices.Index(w.types, u.Type)
		if typ < 0 {
			return fmt.Errorf("resource type %q", u.Type)
		}
		keys, err := w.set(u.Keys)
		if err != nil {
			return err
		}
		field := fmt.Sprint(typ)
		if u.Required {
			field += "!"
		}
		if keys > 0 {
			field += fmt.Sprintf(":%d", keys)
		}
		list = append(list, field)
	}
	text := strings.Join(list, " ")
	if _, ok := w.lists[text]; !ok {
		w.lists[text] = len(w.lists)
		fmt.Fprintf(&w.out, "u%s\n", text)
	}
	fmt.Fprintf(&w.out, "a%s\t%s\t%d\t%d\n", name, level, set, w.lists[text])
	return nil
}

// set returns the number of a set of keys, which it writes at the first use.
func (w *serviceWriter) set(names []string) (int, error) {
	var numbers []int
	for _, name := range names {
		i := slices.Index(w.keys, name)
		if i < 0 {
			return 0, fmt.Errorf("condition key %q", name)
		}
		numbers = append(numbers, i)
	}
	slices.Sort(numbers)
	text := strings.Trim(fmt.Sprint(slices.Compact(numbers)), "[]")
	if _, ok := w.sets[text]; !ok {
		w.sets[text] = len(w.sets)
		fmt.Fprintf(&w.out, "s%s\n", text)
	}
	return w.sets[text], nil
}
