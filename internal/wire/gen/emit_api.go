package main

import (
	"fmt"
	"slices"
	"strings"
)

// api writes the package comment and the table of operations and errors.
func (s *service) api(f *file) {
	md := s.model.Metadata
	protocol := "Query"
	if md.Protocol == "json" {
		protocol = "JSON"
	}
	f.doc = fmt.Sprintf("holds the wire form of %s: the types, decoders, constraints, encoders and event\n// writers of its %d operations, the table of them, and the interface of those that are built. Required members are values,\n// optional ones pointers; nil lists and maps are absent ones. Everything here is generated.",
		md.ServiceFullName, len(s.ops))
	f.p("// API is %s, version %s.", md.ServiceFullName, md.APIVersion)
	f.p("var API = wire.NewAPI(wire.API{")
	f.p("Name: %q, SigningName: %q, Version: %q,", s.pkg, s.signingName(), md.APIVersion)
	f.p("Namespace: %q, TargetPrefix: %q, Protocol: wire.%s,", md.XMLNamespace, md.TargetPrefix, protocol)
	f.p("}, []wire.Operation{")
	for _, o := range s.ops {
		f.p("{")
		f.p("Name: %q, NewInput: func() wire.Input { return new(%s) },", o.name, o.in.goName)
		if o.out != nil {
			f.p("NewOutput: func() wire.Output { return new(%s) },", o.out.goName)
		}
		if o.noAuth {
			f.p("Unsigned: true,")
		}
		if codes := s.codes(o.errors); len(codes) > 0 {
			f.p("Errors: []string{%s},", strings.Join(codes, ", "))
		}
		if p := o.pages; p != nil {
			f.p("Pages: &wire.Pages{InputToken: %q, OutputToken: %q, LimitKey: %q, MoreResults: %q, ResultKeys: %#v},",
				one(p.InputToken), one(p.OutputToken), p.LimitKey, p.MoreResults, []string(p.ResultKey))
		}
		if o.unbuilt != "" {
			f.p("Unbuilt: %q,", o.unbuilt)
		}
		f.p("},")
	}
	f.p("}, []wire.ErrorShape{")
	seen := map[string]bool{}
	names := slices.Clone(s.model.Shapes.names)
	slices.Sort(names)
	for _, name := range names {
		sh := s.model.Shapes.by[name]
		if !sh.Exception {
			continue
		}
		code, status, sender := errorOf(name, sh)
		if seen[code] {
			continue
		}
		seen[code] = true
		f.p("{Code: %q, Status: %d, Sender: %t},", code, status, sender)
	}
	f.p("})")
}

// errorOf is how an error is written: what the model says, and without a word of it the name itself with status 400, or 500
// for the server's faults (Smithy, "error trait").
func errorOf(name string, sh *shape) (code string, status int, sender bool) {
	if sh.Error == nil {
		if sh.Fault {
			return name, 500, false
		}
		return name, 400, true
	}
	return sh.Error.Code, sh.Error.HTTPStatusCode, sh.Error.SenderFault
}

func (s *service) codes(shapes []string) []string {
	var list []string
	for _, name := range shapes {
		code, _, _ := errorOf(name, s.model.Shapes.by[name])
		list = append(list, fmt.Sprintf("%q", code))
	}
	return list
}

func (s *service) signingName() string {
	if s.model.Metadata.SigningName != "" {
		return s.model.Metadata.SigningName
	}
	return s.model.Metadata.EndpointPrefix
}

// one is the single token of a paginator; none of these models has two.
func one(o oneOrMore) string {
	if len(o) != 1 {
		panic("unreachable: a paginator with several tokens")
	}
	return o[0]
}
