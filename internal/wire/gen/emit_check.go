package main

import (
	"fmt"
	"slices"
	"strings"
)

// checks writes Check of every structure that a request reaches and has something to check, Validate of the inputs, and one
// rule per constrained shape.
func (s *service) checks(f *file) {
	rules := map[string]string{} // Go name → literal
	for _, st := range s.structs {
		if !st.input || !st.checks && !st.top {
			continue
		}
		if st.top {
			f.p("// Validate implements wire.Input.")
			f.p("func (v *%s) Validate() error { return wire.Validate(v.Check) }\n", st.goName)
		}
		f.p("// Check notes every constraint of the model that v does not satisfy.")
		if !st.checks {
			f.p("func (*%s) Check(*wire.Checker) {}\n", st.goName)
			continue
		}
		f.p("func (v *%s) Check(c *wire.Checker) {", st.goName)
		for _, mem := range st.members {
			for _, line := range s.checkMember(mem, rules) {
				f.p("%s", line)
			}
		}
		f.p("}\n")
	}
	if len(rules) == 0 {
		return
	}
	f.p("var (")
	names := make([]string, 0, len(rules))
	for name := range rules {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f.p("%s = &wire.Rule{%s}", name, rules[name])
	}
	f.p(")\n")
	for _, name := range s.patterns() {
		p, err := translate(name)
		if err != nil {
			panic("unreachable: the plan translates every pattern: " + err.Error())
		}
		without := ""
		if p.without != "" {
			without = fmt.Sprintf(", Without: %q", p.without)
		}
		f.p("var %s = &wire.Pattern{Model: %s, Go: %s%s}", s.patternName(name), goString(name), goString(p.text), without)
	}
}

// checkMember is what checks one member.
func (s *service) checkMember(mem *member, rules map[string]string) []string {
	v := "v." + mem.goName
	rule := s.rule(mem.shape, mem.typ, mem.secrecy, rules)
	switch mem.typ.Type {
	case "string":
		switch {
		case mem.secrecy == credential && mem.required:
			return []string{fmt.Sprintf("c.String(%q, %s.Reveal(), %s)", mem.camel, v, rule)}
		case mem.secrecy == credential:
			if rule == "nil" {
				return nil
			}
			return []string{fmt.Sprintf("if %s != nil {\nc.String(%q, %s.Reveal(), %s)\n}", v, mem.camel, v, rule)}
		}
		return simple("String", mem, v, rule)
	case "integer", "long":
		return simple("Int", mem, v, rule)
	case "list":
		return s.checkList(mem, v, rule, rules)
	case "map":
		var lines []string
		if constrained(mem.typ) || s.shapeHasChecks(s.model.Shapes.by[mem.typ.Key.Shape]) {
			panic("unreachable: no map of a request has bounds or constrained keys: " + mem.name)
		}
		if mem.required {
			lines = append(lines, fmt.Sprintf("c.Keys(%q, %s == nil)", mem.camel, v))
		}
		if value := s.model.Shapes.by[mem.typ.Value.Shape]; value.Type == "structure" && s.byShape[mem.typ.Value.Shape].checks {
			lines = append(lines, fmt.Sprintf("wire.EachEntry(c, %q, %s, (*%s).Check)", mem.camel, v, upperFirst(mem.typ.Value.Shape)))
		}
		return lines
	case "structure":
		below := s.byShape[mem.shape].checks
		enter := fmt.Sprintf("c.Enter(%q)\n%s.Check(c)\nc.Leave()", mem.camel, v)
		switch {
		case mem.required && below:
			return []string{fmt.Sprintf("if c.Given(%q) {\n%s\n}", mem.camel, enter)}
		case mem.required:
			return []string{fmt.Sprintf("c.Given(%q)", mem.camel)}
		case below:
			return []string{fmt.Sprintf("if %s != nil {\n%s\n}", v, enter)}
		}
		return nil
	}
	if mem.required {
		return []string{fmt.Sprintf("c.Given(%q)", mem.camel)}
	}
	return nil
}

func simple(kind string, mem *member, v, rule string) []string {
	switch {
	case mem.required:
		return []string{fmt.Sprintf("c.%s(%q, %s, %s)", kind, mem.camel, v, rule)}
	case rule == "nil":
		return nil
	}
	return []string{fmt.Sprintf("c.%sPtr(%q, %s, %s)", kind, mem.camel, v, rule)}
}

func (s *service) checkList(mem *member, v, rule string, rules map[string]string) []string {
	var lines []string
	if mem.required || rule != "nil" {
		lines = append(lines, fmt.Sprintf("wire.Size(c, %q, %s, %t, %s)", mem.camel, v, mem.required, rule))
	}
	element := s.model.Shapes.by[mem.typ.Member.Shape]
	switch {
	case element.Type == "structure" && s.byShape[mem.typ.Member.Shape].checks:
		lines = append(lines, fmt.Sprintf("wire.Each(c, %q, %s, (*%s).Check)", mem.camel, v, upperFirst(mem.typ.Member.Shape)))
	case element.Type == "string" && constrained(element):
		if mem.secrecy == credential {
			panic("unreachable: no list of secrets has constrained elements: " + mem.name)
		}
		lines = append(lines, fmt.Sprintf("c.Elements(%q, %s, %s)", mem.camel, v, s.rule(mem.typ.Member.Shape, element, mem.secrecy, rules)))
	case element.Type != "structure" && constrained(element):
		panic("unreachable: no list of numbers has constrained elements: " + mem.name)
	}
	return lines
}

// rule is the Go name of the rule of a shape, or "nil".
func (s *service) rule(name string, sh *shape, sec secrecy, rules map[string]string) string {
	if !constrained(sh) {
		return "nil"
	}
	goName := "rule" + upperFirst(name)
	var parts []string
	if sh.Min != nil {
		parts = append(parts, fmt.Sprintf("Min: new(%d)", *sh.Min))
	}
	if sh.Max != nil {
		parts = append(parts, fmt.Sprintf("Max: new(%d)", *sh.Max))
	}
	if sh.Pattern != "" {
		parts = append(parts, "Pattern: "+s.patternName(sh.Pattern))
	}
	if len(sh.Enum) > 0 {
		quoted := make([]string, len(sh.Enum))
		for i, v := range sh.Enum {
			quoted[i] = fmt.Sprintf("%q", v)
		}
		parts = append(parts, "Enum: []string{"+strings.Join(quoted, ", ")+"}")
	}
	if sec != shown {
		parts = append(parts, "Hidden: true")
		goName += "Hidden"
	}
	rules[goName] = strings.Join(parts, ", ")
	return goName
}

// patterns lists the patterns of the shapes that requests reach, in order; patternName numbers them.
func (s *service) patterns() []string {
	if s.patternList != nil {
		return s.patternList
	}
	s.patternList = []string{}
	add := func(name string) {
		if p := s.model.Shapes.by[name].Pattern; p != "" && !slices.Contains(s.patternList, p) {
			s.patternList = append(s.patternList, p)
		}
	}
	for _, st := range s.structs {
		if !st.input {
			continue
		}
		for _, mem := range st.members {
			add(mem.shape)
			if mem.typ.Type == "list" {
				add(mem.typ.Member.Shape)
			}
		}
	}
	slices.Sort(s.patternList)
	return s.patternList
}

func (s *service) patternName(p string) string {
	return fmt.Sprintf("pattern%d", slices.Index(s.patterns(), p)+1)
}

// goString writes a literal that reads best.
func goString(s string) string {
	if strings.Contains(s, "`") {
		return fmt.Sprintf("%q", s)
	}
	return "`" + s + "`"
}
