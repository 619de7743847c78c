package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// service is one API as it will be written: the model with every question of naming, reach and secrecy answered.
type service struct {
	pkg     string // the package: "iam"
	model   *model
	ops     []*op
	structs []*structure // in the order of their Go names
	byShape map[string]*structure
	enums   []string // shapes with an enumeration that is reachable, sorted
	unbuilt map[string]string

	patternList []string // see patterns
}

type op struct {
	name    string
	in      *structure
	out     *structure // nil: the operation answers nothing
	errors  []string
	noAuth  bool
	pages   *pages
	unbuilt string // the reason; empty: built
}

// structure is a structure shape that a request or a response reaches.
type structure struct {
	shape   string
	goName  string
	doc     string
	members []*member
	input   bool // reached from a request
	output  bool // reached from a response
	top     bool // is itself the input or output of an operation
	checks  bool // has something to check, itself or below
	mark    bool // the walk of hasChecks is inside
}

type member struct {
	name     string // as on the wire
	goName   string
	camel    string // with a lower-case first letter, as in constraint messages and events
	required bool
	secrecy  secrecy
	typ      *shape
	shape    string // typ's name
}

// secrecy says who may see a member's value.
type secrecy uint8

const (
	shown      secrecy = iota
	credential         // a credential: secret.Text in Go, hidden in events and messages
	personal           // personal data: an ordinary value in Go, starred in events, not shown in messages
)

// personalServices are those whose sensitive shapes are personal data (names, mail addresses), not credentials.
// CloudTrail writes them as "****" (AWS Organizations user guide, "Logging AWS Organizations API calls").
var personalServices = map[string]bool{"organizations": true}

// secretShapes are shapes that the models do not mark as sensitive although their values let somebody in.
var secretShapes = map[string][]string{
	"iam": {"authenticationCodeType"},
	"sts": {"tokenType", "tokenCodeType"},
}

// secretMembers are the same where only a member's name tells (ElastiCache's tokens and passwords are plain strings).
var secretMembers = map[string][]string{
	"elasticache": {"AuthToken", "Passwords"},
}

// reserved are the parameters of the Query protocol itself; an operation's input may not have them.
var reserved = []string{"Action", "Version", "Signature", "SignatureMethod", "SignatureVersion", "AWSAccessKeyId", "Timestamp",
	"SecurityToken", "Expires"}

func plan(pkg string, m *model, unbuilt map[string]string) (*service, error) {
	s := &service{pkg: pkg, model: m, byShape: map[string]*structure{}, unbuilt: unbuilt}
	for _, name := range m.Operations.names {
		if err := s.addOperation(name); err != nil {
			return nil, err
		}
	}
	for name := range unbuilt {
		if !m.Operations.has(name) {
			return nil, fmt.Errorf("unbuilt.txt: %s has no operation %s", pkg, name)
		}
	}
	slices.SortFunc(s.structs, func(a, b *structure) int { return strings.Compare(a.goName, b.goName) })
	slices.Sort(s.enums)
	for _, st := range s.structs {
		st.checks = s.hasChecks(st)
	}
	for _, p := range s.patterns() {
		if _, err := translate(p); err != nil {
			return nil, err
		}
	}
	return s, s.distinct()
}

func (s *service) addOperation(name string) error {
	mo := s.model.Operations.by[name]
	o := &op{name: name, pages: s.model.Pagination.by[name], noAuth: mo.AuthType == "none", unbuilt: s.unbuilt[name]}
	for _, e := range mo.Errors {
		o.errors = append(o.errors, e.Shape)
	}
	if mo.Input != nil {
		st, err := s.reach(mo.Input.Shape, true)
		if err != nil {
			return err
		}
		o.in = st
	} else {
		o.in = &structure{shape: name + "Request", goName: name + "Request", input: true}
		s.structs = append(s.structs, o.in)
		s.byShape[o.in.shape] = o.in
	}
	o.in.top = true
	o.in.doc = "is the input of " + name + "."
	for _, mem := range o.in.members {
		if s.model.Metadata.Protocol == "query" && slices.Contains(reserved, mem.name) {
			return fmt.Errorf("%s: member %s is a name of the protocol", name, mem.name)
		}
	}
	if mo.Output != nil {
		st, err := s.reach(mo.Output.Shape, false)
		if err != nil {
			return err
		}
		o.out = st
		st.top = true
		switch {
		case st.doc == "":
			st.doc = "is the output of " + name + "."
		default:
			st.doc = strings.TrimSuffix(st.doc, ".") + " and " + name + "."
		}
	}
	s.ops = append(s.ops, o)
	return nil
}

// reach returns the structure of a shape and marks it and everything below as part of requests or of responses.
func (s *service) reach(name string, input bool) (*structure, error) {
	sh := s.model.Shapes.by[name]
	if sh == nil || sh.Type != "structure" {
		return nil, fmt.Errorf("shape %s is no structure", name)
	}
	st := s.byShape[name]
	if st == nil {
		st = &structure{shape: name, goName: upperFirst(name)}
		s.byShape[name] = st
		s.structs = append(s.structs, st)
		for _, mem := range sh.Members.names {
			st.members = append(st.members, s.member(sh, mem))
		}
	}
	if input && st.input || !input && st.output {
		return st, nil
	}
	st.input, st.output = st.input || input, st.output || !input
	for _, mem := range st.members {
		if err := s.reachBelow(mem.shape, input); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, mem.name, err)
		}
	}
	return st, nil
}

func (s *service) reachBelow(name string, input bool) error {
	sh := s.model.Shapes.by[name]
	switch {
	case sh == nil:
		return fmt.Errorf("no shape %s", name)
	case sh.Type == "structure":
		_, err := s.reach(name, input)
		return err
	case sh.Type == "list":
		return s.reachBelow(sh.Member.Shape, input)
	case sh.Type == "map":
		return s.reachBelow(sh.Value.Shape, input)
	case len(sh.Enum) > 0 && !slices.Contains(s.enums, name):
		s.enums = append(s.enums, name)
	}
	return nil
}

func (s *service) member(parent *shape, name string) *member {
	r := parent.Members.by[name]
	mem := &member{name: name, goName: upperFirst(name), camel: lowerFirst(name), shape: r.Shape, typ: s.model.Shapes.by[r.Shape],
		required: slices.Contains(parent.Required, name)}
	element := r.Shape
	if mem.typ != nil && mem.typ.Type == "list" {
		element = mem.typ.Member.Shape
	}
	sensitive := mem.typ != nil && (mem.typ.Sensitive || s.model.Shapes.by[element].Sensitive)
	switch {
	case slices.Contains(secretShapes[s.pkg], element), slices.Contains(secretMembers[s.pkg], name), sensitive && !personalServices[s.pkg]:
		mem.secrecy = credential
	case sensitive:
		mem.secrecy = personal
	}
	return mem
}

// constrained reports whether a value of the shape itself has something to check.
func constrained(sh *shape) bool {
	return sh.Min != nil || sh.Max != nil || sh.Pattern != "" || len(sh.Enum) > 0
}

func (s *service) hasChecks(st *structure) bool {
	if st.mark {
		return false
	}
	st.mark = true
	defer func() { st.mark = false }()
	for _, mem := range st.members {
		if mem.required || s.shapeHasChecks(mem.typ) {
			return true
		}
	}
	return false
}

func (s *service) shapeHasChecks(sh *shape) bool {
	if constrained(sh) {
		return true
	}
	below := sh.Member
	if sh.Type == "map" {
		if constrained(s.model.Shapes.by[sh.Key.Shape]) {
			return true
		}
		below = sh.Value
	}
	if below == nil {
		return false
	}
	inner := s.model.Shapes.by[below.Shape]
	if inner.Type == "structure" {
		return s.hasChecks(s.byShape[below.Shape])
	}
	return s.shapeHasChecks(inner)
}

// distinct refuses two things of one Go name in the package.
func (s *service) distinct() error {
	seen := map[string]bool{"Service": true, "Bind": true, "API": true}
	for _, st := range s.structs {
		if seen[st.goName] {
			return fmt.Errorf("%s: two types %s", s.pkg, st.goName)
		}
		seen[st.goName] = true
		fields := map[string]bool{}
		for _, mem := range st.members {
			if fields[mem.goName] {
				return fmt.Errorf("%s.%s: two fields %s", s.pkg, st.goName, mem.goName)
			}
			fields[mem.goName] = true
		}
	}
	for _, e := range s.enums {
		for _, v := range s.model.Shapes.by[e].Enum {
			if name := constName(e, v); seen[name] {
				return fmt.Errorf("%s: two identifiers %s", s.pkg, name)
			} else {
				seen[name] = true
			}
		}
	}
	return nil
}

// goType is the Go type of a member.
func (s *service) goType(mem *member) string {
	base := s.baseType(mem.shape, mem.secrecy)
	switch mem.typ.Type {
	case "list", "map", "blob":
		return base
	}
	if mem.required {
		return base
	}
	return "*" + base
}

func (s *service) baseType(name string, sec secrecy) string {
	sh := s.model.Shapes.by[name]
	switch sh.Type {
	case "string":
		if sec == credential {
			return "secret.Text"
		}
		return "string"
	case "integer", "long":
		return "int"
	case "boolean":
		return "bool"
	case "double", "float":
		return "float64"
	case "timestamp":
		return "time.Time"
	case "blob":
		return "[]byte"
	case "list":
		return "[]" + s.baseType(sh.Member.Shape, sec)
	case "map":
		return "map[string]" + s.baseType(sh.Value.Shape, sec)
	case "structure":
		return upperFirst(name)
	}
	panic("unreachable: shape " + name + " is of type " + sh.Type)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// constName is the Go name of an enumeration's value: ("statusType", "Active") gives StatusTypeActive.
func constName(shape, value string) string {
	var b strings.Builder
	b.WriteString(upperFirst(shape))
	up := true
	allCaps := strings.ToUpper(value) == value
	for _, r := range value {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		case allCaps:
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
