package main

import "fmt"

// encoders writes AppendXML or AppendJSON of every structure that a response reaches. Required members are always written, an
// empty list too; absent optional ones are not.
func (s *service) encoders(f *file) {
	for _, st := range s.structs {
		if !st.output {
			continue
		}
		if s.model.Metadata.Protocol == "json" {
			f.p("// AppendJSON appends v as a JSON object.")
			f.p("func (v *%s) AppendJSON(b []byte) []byte {\nb = append(b, '{')", st.goName)
			for _, mem := range st.members {
				f.p("%s", s.encodeJSON(mem, false))
			}
			f.p("return append(b, '}')\n}\n")
			continue
		}
		f.p("// AppendXML appends the members of v, each as an element.")
		if len(st.members) == 0 {
			f.p("func (*%s) AppendXML(b []byte) []byte { return b }\n", st.goName)
			continue
		}
		f.p("func (v *%s) AppendXML(b []byte) []byte {", st.goName)
		for _, mem := range st.members {
			f.p("%s", s.encodeXML(mem))
		}
		f.p("return b\n}\n")
	}
}

func (s *service) encodeXML(mem *member) string {
	v := "v." + mem.goName
	switch mem.typ.Type {
	case "list":
		element := s.model.Shapes.by[mem.typ.Member.Shape]
		name := listElement(mem.typ)
		if element.Type == "structure" {
			body := fmt.Sprintf("b = wire.XMLOpen(b, %q)\nfor i := range %s {\nb = wire.XMLOpen(b, %q)\nb = %s[i].AppendXML(b)\nb = wire.XMLClose(b, %q)\n}\nb = wire.XMLClose(b, %q)",
				mem.name, v, name, v, name, mem.name)
			return optional(mem, v, body)
		}
		call := fmt.Sprintf("b = wire.XML%ss(b, %q, %q, %s)", scalar(element, mem.secrecy), mem.name, name, v)
		if mem.required {
			return fmt.Sprintf("if %s == nil {\nb = wire.XMLString(b, %q, \"\")\n} else {\n%s\n}", v, mem.name, call)
		}
		return call
	case "map":
		return fmt.Sprintf("b = wire.XML%sMap(b, %q, %s)", scalar(s.model.Shapes.by[mem.typ.Value.Shape], shown), mem.name, v)
	case "structure":
		return optional(mem, v, fmt.Sprintf("b = wire.XMLOpen(b, %q)\nb = %s.AppendXML(b)\nb = wire.XMLClose(b, %q)", mem.name, v, mem.name))
	case "blob":
		return fmt.Sprintf("b = wire.XMLBlob(b, %q, %s)", mem.name, v)
	}
	return fmt.Sprintf("b = wire.XML%s%s(b, %q, %s)", scalar(mem.typ, mem.secrecy), ptr(mem), mem.name, v)
}

// encodeJSON writes a member of a response (event: of an event).
func (s *service) encodeJSON(mem *member, event bool) string {
	v, name, method := "v."+mem.goName, mem.name, "AppendJSON"
	if event {
		name, method = mem.camel, "AppendEvent"
		if mem.secrecy != shown {
			return fmt.Sprintf("b = wire.Event%s(b, %q, %s)", []string{credential: "Secret", personal: "Personal"}[mem.secrecy], name, s.given(mem))
		}
	}
	switch mem.typ.Type {
	case "list":
		element := s.model.Shapes.by[mem.typ.Member.Shape]
		if element.Type == "structure" {
			return optional(mem, v, fmt.Sprintf("b = append(wire.JSONName(b, %q), '[')\nfor i := range %s {\nb = %s[i].%s(wire.JSONNext(b, i))\n}\nb = append(b, ']')",
				name, v, v, method))
		}
		call := fmt.Sprintf("b = wire.JSON%ss(b, %q, %s)", scalar(element, mem.secrecy), name, v)
		if mem.required && !event {
			return fmt.Sprintf("if %s == nil {\nb = append(wire.JSONName(b, %q), \"[]\"...)\n} else {\n%s\n}", v, name, call)
		}
		return call
	case "map":
		value := s.model.Shapes.by[mem.typ.Value.Shape]
		if value.Type == "structure" {
			if !event {
				panic("unreachable: no response of these models has a map to structures: " + mem.name)
			}
			return fmt.Sprintf("b = wire.EventMap(b, %q, %s, (*%s).AppendEvent)", name, v, upperFirst(mem.typ.Value.Shape))
		}
		return fmt.Sprintf("b = wire.JSON%sMap(b, %q, %s)", scalar(value, shown), name, v)
	case "structure":
		return optional(mem, v, fmt.Sprintf("b = %s.%s(wire.JSONName(b, %q))", v, method, name))
	case "blob":
		return fmt.Sprintf("b = wire.JSONBlob(b, %q, %s)", name, v)
	}
	family := "JSON"
	if event && mem.typ.Type == "timestamp" {
		family = "Event"
	}
	return fmt.Sprintf("b = wire.%s%s%s(b, %q, %s)", family, scalar(mem.typ, mem.secrecy), ptr(mem), name, v)
}

// given is the expression that tells whether a hidden member has a value.
func (s *service) given(mem *member) string {
	switch {
	case mem.typ.Type == "list" || mem.typ.Type == "blob" || !mem.required:
		return "v." + mem.goName + " != nil"
	case mem.secrecy == credential:
		return "!v." + mem.goName + ".IsZero()"
	}
	return "v." + mem.goName + ` != ""`
}

// optional wraps what is written only where there is a value.
func optional(mem *member, v, body string) string {
	if mem.required {
		return body
	}
	return fmt.Sprintf("if %s != nil {\n%s\n}", v, body)
}

func ptr(mem *member) string {
	if mem.required {
		return ""
	}
	return "Ptr"
}

// events writes AppendEvent of every structure.
func (s *service) events(f *file) {
	for _, st := range s.structs {
		if len(st.members) == 0 {
			f.p("// AppendEvent appends v in CloudTrail's form: there are no members.")
			f.p("func (*%s) AppendEvent(b []byte) []byte { return append(b, \"null\"...) }\n", st.goName)
			continue
		}
		f.p("// AppendEvent appends v in CloudTrail's form.")
		f.p("func (v *%s) AppendEvent(b []byte) []byte {", st.goName)
		if st.top {
			f.p("start := len(b)")
		}
		f.p("b = append(b, '{')")
		for _, mem := range st.members {
			f.p("%s", s.encodeJSON(mem, true))
		}
		if st.top {
			f.p("return wire.EventEnd(b, start)\n}\n")
		} else {
			f.p("return append(b, '}')\n}\n")
		}
	}
}
