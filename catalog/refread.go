package catalog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const referenceMagic = "OSTIARY-REFERENCE-1\n"

// tables are the parts of one service.
type tables struct {
	keys    []*Key          // in the order of lower-case names
	types   []*ResourceType // in the order of lower-case names
	actions []Action        // in the order of lower-case names
}

// readReference reads the index of reference.bin. Services are not touched.
func readReference(file []byte) (*Reference, error) {
	rest, ok := bytes.CutPrefix(file, []byte(referenceMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("no service authorization reference")
	}
	sections, err := readSections(rest[sha256.Size:])
	if err != nil {
		return nil, err
	}
	if len(sections) == 0 {
		return nil, errors.New("no index")
	}
	index, err := sections[0].inflate()
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	head, index, _ := strings.Cut(index, "\n")
	r := &Reference{byPrefix: map[string]*Service{}}
	if r.AsOf, r.Source, ok = strings.Cut(head, "\t"); !ok {
		return nil, errors.New("index: no heading")
	}
	filled := make([]int, len(sections))
	for line := range strings.Lines(index) {
		if err := r.readService(strings.TrimSuffix(line, "\n"), sections, filled); err != nil {
			return nil, fmt.Errorf("index, service %d: %w", len(r.services)+1, err)
		}
	}
	return r, nil
}

func (r *Reference) readService(line string, sections []*section, filled []int) error {
	f := strings.Split(line, "\t")
	if len(f) != 7 {
		return fmt.Errorf("%d fields", len(f))
	}
	s := &Service{Prefix: f[0], Name: f[1], Category: f[2], first: r.actions}
	at, err1 := strconv.Atoi(f[3])
	size, err2 := strconv.Atoi(f[4])
	count, err3 := strconv.Atoi(f[5])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	switch {
	case at < 1 || at >= len(sections):
		return fmt.Errorf("no section %d", at)
	case size < 0 || size > sections[at].size-filled[at]:
		return fmt.Errorf("past the end of section %d", at)
	case count < 0 || count > size:
		return fmt.Errorf("%d actions in %d bytes", count, size)
	case len(r.services) > 0 && r.services[len(r.services)-1].Prefix >= s.Prefix:
		return fmt.Errorf("%s is out of order", s.Prefix)
	}
	s.at, s.start, s.size, s.count = sections[at], filled[at], size, count
	filled[at] += size
	r.actions += count
	r.services = append(r.services, s)
	r.byPrefix[strings.ToLower(s.Prefix)] = s
	for _, prefix := range strings.Fields(f[6]) {
		r.foreign = append(r.foreign, foreignPrefix{prefix, s})
	}
	return nil
}

// load reads the service's part at the first call.
func (s *Service) load() *tables {
	s.once.Do(func() {
		t, err := s.read(s.at.text()[s.start : s.start+s.size])
		if err != nil {
			panic("catalog: the embedded service authorization reference is damaged: " + s.Prefix + ": " + err.Error())
		}
		s.tables = t
	})
	return s.tables
}

// serviceReader reads the lines of a service, see the package comment.
type serviceReader struct {
	tables
	service *Service
	sets    [][]*Key
	uses    [][]ResourceUse
}

func (s *Service) read(text string) (*tables, error) {
	r := &serviceReader{service: s, sets: [][]*Key{nil}, uses: [][]ResourceUse{nil}}
	r.actions = make([]Action, 0, s.count)
	for n := 1; text != ""; n++ {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if err := r.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if len(r.actions) != s.count {
		return nil, fmt.Errorf("%d actions, not %d", len(r.actions), s.count)
	}
	return &r.tables, nil
}

func (r *serviceReader) line(line string) error {
	if line == "" {
		return errors.New("empty")
	}
	kind, line := line[0], line[1:]
	a, rest, _ := strings.Cut(line, "\t")
	b, c, _ := strings.Cut(rest, "\t")
	switch kind {
	case 'k':
		k, err := readKey(a, b)
		if err != nil {
			return err
		}
		if n := len(r.keys); n > 0 && compareFold(r.keys[n-1].Name, a) >= 0 {
			return fmt.Errorf("key %s is out of order", a)
		}
		r.keys = append(r.keys, k)
	case 's':
		var set []*Key
		for field := range strings.SplitSeq(line, " ") {
			i, err := number(field, len(r.keys))
			if err != nil {
				return err
			}
			set = append(set, r.keys[i])
		}
		r.sets = append(r.sets, set)
	case 'r':
		set, err := number(c, len(r.sets))
		if err != nil {
			return err
		}
		if n := len(r.types); n > 0 && compareFold(r.types[n-1].Name, a) >= 0 {
			return fmt.Errorf("resource type %s is out of order", a)
		}
		r.types = append(r.types, &ResourceType{Name: a, ARNs: strings.Split(b, " "), Keys: r.sets[set]})
	case 'u':
		return r.readUses(line)
	case 'a':
		return r.readAction(a, b, c)
	default:
		return fmt.Errorf("unknown line %q", kind)
	}
	return nil
}

// readUses reads a list like "3!:2 4": type 3, required, with key set 2, and type 4.
func (r *serviceReader) readUses(line string) error {
	var uses []ResourceUse
	for field := range strings.SplitSeq(line, " ") {
		typ, set, _ := strings.Cut(field, ":")
		typ, required := strings.CutSuffix(typ, "!")
		t, err := number(typ, len(r.types))
		if err != nil {
			return err
		}
		use := ResourceUse{Type: r.types[t], Required: required}
		if set != "" {
			i, err := number(set, len(r.sets))
			if err != nil {
				return err
			}
			use.Keys = r.sets[i]
		}
		uses = append(uses, use)
	}
	r.uses = append(r.uses, uses)
	return nil
}

func (r *serviceReader) readAction(name, level, rest string) error {
	set, uses, _ := strings.Cut(rest, "\t")
	i, err1 := number(set, len(r.sets))
	j, err2 := number(uses, len(r.uses))
	l := strings.Index("LRWTP", level)
	switch n := len(r.actions); {
	case err1 != nil || err2 != nil:
		return errors.Join(err1, err2)
	case len(level) != 1 || l < 0:
		return fmt.Errorf("no access level %q", level)
	case n > 0 && compareFold(r.actions[n-1].Name, name) >= 0:
		return fmt.Errorf("action %s is out of order", name)
	case n == r.service.count:
		return errors.New("too many actions")
	}
	r.actions = append(r.actions, Action{Service: r.service, Name: name, Level: AccessLevel(l + 1), Keys: r.sets[i], Resources: r.uses[j],
		index: r.service.first + len(r.actions)})
	return nil
}

func readKey(name, typ string) (*Key, error) {
	typ, multi := strings.CutPrefix(typ, "*")
	t := strings.Index("SABNDI", typ)
	if len(typ) != 1 || t < 0 {
		return nil, fmt.Errorf("no key type %q", typ)
	}
	return &Key{Name: name, Type: KeyType(t + 1), Multi: multi}, nil
}

// number reads a decimal number less than limit.
func number(text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	if n < 0 || n >= limit {
		return 0, fmt.Errorf("%d of %d", n, limit)
	}
	return n, nil
}
