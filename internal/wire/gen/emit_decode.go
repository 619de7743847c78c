package main

import "fmt"

// decoders writes DecodeForm or DecodeJSON of every structure that a request reaches. Both cursors have the same methods, so
// the code differs in names only.
func (s *service) decoders(f *file) {
	cursor := "Form"
	if s.model.Metadata.Protocol == "json" {
		cursor = "JSON"
	}
	for _, st := range s.structs {
		if !st.input {
			continue
		}
		f.p("// Decode%s reads the members of v from d.", cursor)
		receiver := "v"
		if len(st.members) == 0 {
			receiver = ""
		}
		f.p("func (%s *%s) Decode%s(d *wire.%sReader) {", receiver, st.goName, cursor, cursor)
		needs := ""
		for _, mem := range st.members {
			if mem.required {
				needs += fmt.Sprintf(", %q", mem.camel)
			}
		}
		if needs != "" {
			f.p("var got uint")
		}
		f.p("for d.Next() {")
		if len(st.members) == 0 {
			f.p("d.Unknown()\n}\n}\n")
			continue
		}
		f.p("switch d.Name() {")
		bit := 0
		for _, mem := range st.members {
			f.p("case %q:", mem.name)
			f.p("%s", s.decodeMember(mem, cursor))
			if mem.required {
				f.p("got |= %d", 1<<bit)
				bit++
			}
		}
		f.p("default:\nd.Unknown()\n}\n}")
		if needs != "" {
			f.p("d.Need(got%s)", needs)
		}
		f.p("}\n")
	}
}

// decodeMember is the statement that reads one member.
func (s *service) decodeMember(mem *member, cursor string) string {
	to := "v." + mem.goName + " = "
	switch mem.typ.Type {
	case "list":
		element := s.model.Shapes.by[mem.typ.Member.Shape]
		name := listElement(mem.typ)
		if element.Type == "structure" {
			t := upperFirst(mem.typ.Member.Shape)
			return fmt.Sprintf("%swire.%sList(d, %q, (*%s).Decode%s)", to, cursor, name, t, cursor)
		}
		return fmt.Sprintf("%sd.%ss(%q)", to, scalar(element, mem.secrecy), name)
	case "map":
		if cursor != "Form" {
			panic("unreachable: no JSON request of these models has a map: " + mem.name)
		}
		value := s.model.Shapes.by[mem.typ.Value.Shape]
		if value.Type == "structure" {
			return fmt.Sprintf("%swire.FormMap(d, (*%s).DecodeForm)", to, upperFirst(mem.typ.Value.Shape))
		}
		return fmt.Sprintf("%sd.%sMap()", to, scalar(value, shown))
	case "structure":
		t := upperFirst(mem.shape)
		if mem.required {
			return fmt.Sprintf("wire.%sInto(d, &v.%s, (*%s).Decode%s)", cursor, mem.goName, t, cursor)
		}
		return fmt.Sprintf("%swire.%sStruct(d, (*%s).Decode%s)", to, cursor, t, cursor)
	case "blob":
		return to + "d.Blob()"
	}
	call := scalar(mem.typ, mem.secrecy)
	if !mem.required {
		call += "Ptr"
	}
	return to + "d." + call + "()"
}

// scalar is the word for a simple value in the names of the run-time functions.
func scalar(sh *shape, sec secrecy) string {
	switch sh.Type {
	case "string":
		if sec == credential {
			return "Secret"
		}
		return "String"
	case "integer", "long":
		return "Int"
	case "boolean":
		return "Bool"
	case "double", "float":
		return "Float"
	case "timestamp":
		return "Time"
	case "blob":
		return "Blob"
	}
	panic("unreachable: no scalar is of type " + sh.Type)
}

// listElement is the name of a list's elements on the wire.
func listElement(list *shape) string {
	if list.Member.LocationName != "" {
		return list.Member.LocationName
	}
	return "member"
}
