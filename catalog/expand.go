package catalog

import (
	"iter"
	"sort"
	"strings"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// Expand yields the actions that a pattern of an Action element covers, in the order of services and names: s3:GetObject, s3:Get*,
// iam:*User, or * and *:* for all. The service is written out (S4-M49); a pattern with another form covers nothing. Matching one
// name takes time linear in its length, whatever the pattern.
func (r *Reference) Expand(pattern string) iter.Seq[*Action] {
	return func(yield func(*Action) bool) {
		if pattern == "*" || pattern == "*:*" {
			for _, s := range r.services {
				for a := range s.Actions() {
					if !yield(a) {
						return
					}
				}
			}
			return
		}
		prefix, name, _ := strings.Cut(pattern, ":")
		if s, ok := r.Service(prefix); ok {
			s.Expand(name)(yield)
		}
	}
}

// Expand yields the service's actions that a pattern without the service's prefix covers, in the order of names.
func (s *Service) Expand(pattern string) iter.Seq[*Action] {
	return func(yield func(*Action) bool) {
		wild := strings.IndexAny(pattern, "*?")
		if wild < 0 {
			if a, ok := s.Action(pattern); ok {
				yield(a)
			}
			return
		}
		literal, all := pattern[:wild], s.load().actions
		matcher := glob.Compile(glob.Tokens(strings.ToLower(pattern[wild:])), glob.Plain)
		i := sort.Search(len(all), func(i int) bool { return compareFold(all[i].Name, literal) >= 0 })
		var lowered [128]byte
		for ; i < len(all) && len(all[i].Name) >= wild && equalFold(all[i].Name[:wild], literal); i++ {
			rest := append(lowered[:0], all[i].Name[wild:]...)
			for j, c := range rest {
				rest[j] = lower(c)
			}
			if pattern[wild:] != "*" && !matcher.Match(string(rest), nil) {
				continue
			}
			if !yield(&all[i]) {
				return
			}
		}
	}
}
