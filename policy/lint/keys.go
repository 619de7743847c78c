package lint

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// key finds the condition key of a name, or reports what is wrong with the name. Keys of identity providers that the reference does
// not know are nil without a finding: there is one for every provider that anybody runs.
func (s *statement) key(name string, v policy.Value, path, where string) *catalog.Key {
	prefix, rest, ok := strings.Cut(name, ":")
	if !ok || prefix == "" || rest == "" {
		s.report(InvalidConditionKeyFormat, Error, v, path,
			fmt.Sprintf("%s%s is no condition key: a key has the form service:name.", where, short(name)),
			"Write the key with its service, such as aws:"+short(strings.Trim(name, ":"))+", if there is such a key.")
		return nil
	}
	if k, ok := catalog.GlobalKey(name); ok {
		return k
	}
	if k := s.ownKey(name); k != nil {
		return k
	}
	if k, ok := s.ref.Key(name); ok {
		return k
	}
	if strings.ContainsAny(prefix, "./") || s.exhausted || strings.Contains(name, "/") && !s.ref.KnowsKeyPrefix(prefix) {
		return nil
	}
	s.unknownKey(prefix, name, v, path, where)
	return nil
}

// ownKey finds a key among those of the statement's services, which may use keys with the prefix of another.
func (s *statement) ownKey(name string) *catalog.Key {
	for _, service := range s.services {
		if keys := s.keysOf(service, name); len(keys) > 0 {
			return keys[0]
		}
	}
	return nil
}

// keysOf returns the service's keys that a name means, several when the reference lists one twice.
func (l *linter) keysOf(service *catalog.Service, name string) []*catalog.Key {
	query := keyQuery{service, name}
	if keys, ok := l.keys[query]; ok {
		return keys
	}
	if !l.spend(50) {
		return nil
	}
	var out []*catalog.Key
	for k := range service.Keys() {
		if k.Matches(name) {
			out = append(out, k)
		}
	}
	l.keys[query] = out
	return out
}

func (s *statement) unknownKey(prefix, name string, v policy.Value, path, where string) {
	global := strings.EqualFold(prefix, "aws")
	code, of := InvalidServiceConditionKey, prefix
	if global {
		code, of = InvalidGlobalConditionKey, "AWS"
	}
	// A templated key without its part: aws:RequestTag.
	for stem := range s.keyNames(prefix, true) {
		if strings.EqualFold(strings.TrimRight(stem, "/:"), strings.TrimRight(name, "/:")) {
			s.report(MissingTagKey, Error, v, path,
				fmt.Sprintf("%s%s lacks the part behind the slash.", where, short(name)),
				"Write "+stem+" and the tag's key, such as "+stem+"team.")
			return
		}
	}
	if service, ok := s.ref.Service(prefix); !global && !ok && !s.ref.KnowsKeyPrefix(prefix) {
		best, distance := s.nearest(strings.ToLower(prefix), s.prefixes())
		message, severity := fmt.Sprintf("%s%s belongs to no service%s.", where, short(name), s.asOf()), Warning
		if best != "" {
			message += " Did you mean " + best + name[len(prefix):] + "?"
			if misspelt(prefix, distance) {
				severity = Error
			}
		}
		s.report(code, severity, v, path,
			message, s.neverThere()+"Check the spelling; leave it if the service is your own or retired.")
		return
	} else if ok {
		of = service.Name
	}
	best, distance := s.nearest(name, s.keyNames(prefix, false))
	message := fmt.Sprintf("%s%s has no condition key %s%s.", where, of, short(name), s.asOf())
	if best == "" {
		s.report(code, Warning, v, path,
			message, s.neverThere()+"Check the spelling; leave it if the key is newer than the reference.")
		return
	}
	severity := Warning
	if misspelt(name, distance) {
		severity = Error
	}
	s.report(code, severity, v, path, message+" Did you mean "+best+"?", s.neverThere()+"If so, write "+best+".")
}

// neverThere says what comes of a key that no request carries.
func (s *statement) neverThere() string {
	if s.Effect == policy.Deny {
		return "A key that no request carries makes most conditions false, and then nothing is denied. "
	}
	return "A key that no request carries makes most conditions false, and then nothing is allowed. "
}

// keyNames yields the names of the keys with a prefix, or the stems of those among them that have a part to fill in.
func (l *linter) keyNames(prefix string, stems bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		give := func(keys iter.Seq[*catalog.Key]) bool {
			for k := range keys {
				p, _, _ := strings.Cut(k.Name, ":")
				if !strings.EqualFold(p, prefix) || stems && !k.Templated() {
					continue
				}
				name := k.Name
				if stems {
					name = k.Stem()
				}
				if !yield(name) {
					return false
				}
			}
			return true
		}
		if !give(catalog.GlobalKeys()) {
			return
		}
		if service, ok := l.ref.Service(prefix); ok {
			give(service.Keys())
		}
	}
}

// carried checks that an action of the statement carries the key (S3-277), as long as the actions are all known.
func (s *statement) carried(k *catalog.Key, v policy.Value, path string) {
	if s.open || len(s.known) == 0 || s.exhausted {
		return
	}
	tag := k.Global && strings.Contains(strings.ToLower(k.Name), "tag") && !strings.Contains(k.Name, "Principal")
	if k.Global && !tag {
		return
	}
	if slices.ContainsFunc(s.known, func(a *catalog.Action) bool { return s.carries(a, v.Text) }) {
		return
	}
	switch {
	case s.exhausted:
	case tag && s.Effect == policy.Deny:
		s.report(DenyTagKey, SecurityWarning, v, path,
			fmt.Sprintf("None of the actions (of %s) carries %s, so a condition on it does not control them.", servicesOf(s.services), short(v.Text)),
			"Deny without this condition, or with a key that the actions carry.")
	case tag:
		s.report(AllowTagKey, Suggestion, v, path,
			fmt.Sprintf("None of the actions (of %s) carries %s, so a condition on it does not control them.", servicesOf(s.services), short(v.Text)),
			"Use a key that the actions carry, or put these actions into a statement without the condition.")
	default:
		s.report(KeyWithoutAction, Warning, v, path, fmt.Sprintf("No action of the statement carries %s.", short(v.Text)),
			s.neverThere()+"Move the condition to a statement with actions that carry the key.")
	}
}

// carries is catalog.Action.Carries with the keys looked up once.
func (l *linter) carries(a *catalog.Action, name string) bool {
	keys := l.keysOf(a.Service, name)
	if len(keys) == 0 || !l.spend(1+len(a.Keys)+8*len(a.Resources)) {
		return l.exhausted
	}
	has := func(list []*catalog.Key) bool {
		return slices.ContainsFunc(keys, func(k *catalog.Key) bool { return slices.Contains(list, k) })
	}
	return has(a.Keys) || slices.ContainsFunc(a.Resources, func(u catalog.ResourceUse) bool { return has(u.Keys) || has(u.Type.Keys) })
}

// checkVariables judges the variables in a value.
func (s *statement) checkVariables(v policy.Value, path string) {
	text := v.Text
	if !strings.Contains(text, "${") {
		return
	}
	if s.doc.EffectiveVersion() != policy.Version2012 {
		s.report(VariableInVersion, Error, v, path,
			fmt.Sprintf("The policy's version is %s, in which ${ has no meaning: %s is taken literally.", s.doc.EffectiveVersion(), short(text)),
			`State "Version": "2012-10-17".`)
		return
	}
	for s.spend(len(text)) {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return
		}
		body, after, ok := strings.Cut(rest, "}")
		if text = after; !ok {
			return // the grammar's business
		}
		name, _, _ := strings.Cut(body, ",")
		if name = strings.TrimSpace(name); name == "" || name == "*" || name == "?" || name == "$" {
			continue
		}
		if k := s.key(name, v, path, "In a variable: "); k != nil && k.Multi {
			s.report(MultivaluedVariable, Warning, v, path,
				fmt.Sprintf("%s may have several values, and variables need one.", name),
				"Compare the key in the condition with ForAnyValue or ForAllValues.")
		}
	}
}
