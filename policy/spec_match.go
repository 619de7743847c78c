package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// specStatement is the matching of one statement.
type specStatement struct {
	*spec
	st      *Statement
	vars    bool // the document's version knows variables (S4-16, S4-17)
	account *StatementAccount
}

var specAccount = regexp.MustCompile(`^[0-9]{12}$`)

// principal: one of the entries names the caller (S4-38); of several the strongest counts. NotPrincipal is every caller but
// those it spares.
func (m *specStatement) principal() specNaming {
	best := notNamed
	for _, ref := range m.st.Principals.Refs {
		best = max(best, m.names(ref))
	}
	switch {
	case !m.st.Principals.Not:
		return best
	case m.st.Effect == Allow: // unsupported (S4-M19)
		return notNamed
	case m.bounded() || !m.spares(): // a Deny always hits whoever has a boundary (S4-M19)
		return namedItself
	}
	return notNamed
}

// names tells how an entry of a Principal element names the caller.
func (m *specStatement) names(ref PrincipalRef) specNaming {
	p, v := &m.r.Principal, ref.Value
	when := func(yes bool, n specNaming) specNaming {
		if yes {
			return n
		}
		return notNamed
	}
	part := strings.SplitN(v, ":", 6)
	role, _, _ := strings.Cut(p.UniqueID, ":")
	switch {
	case v == "*": // everyone, anonymous callers too (S4-48)
		return namedItself
	case ref.Type == "Service": // S4-46
		return when(m.is(ServicePrincipal) && p.Service == v, namedItself)
	case ref.Type == "Federated" && m.is(AssumedRole): // as broad as a role, so no stronger than one
		return when(p.Provider == v, namedByRole)
	case ref.Type == "Federated": // S4-44, S4-45
		return when(m.is(WebIdentity, SAML) && p.Provider == v, namedItself)
	case ref.Type == "CanonicalUser": // known to S3 alone
		return notNamed
	case specAccount.MatchString(v): // S4-39, S4-M12
		return when(m.inAccount() && p.Account == v, namedByAccount)
	case strings.HasPrefix(v, "AIDA"): // S4-M18
		return when(m.is(User) && p.UniqueID == v, namedItself)
	case strings.HasPrefix(v, "AROA") && strings.Contains(v, ":"):
		return when(m.isRoleSession() && p.UniqueID == v, namedItself)
	case strings.HasPrefix(v, "AROA"):
		return when(m.isRoleSession() && role == v, namedByRole)
	case len(part) < 6:
		return notNamed
	case part[5] == "root": // S4-39; delegation never crosses partitions (S4-M16)
		return when(m.inAccount() && p.Account == part[4] && (p.ARN == "" || specPartition(p.ARN) == part[1]), namedByAccount)
	case part[2] == "sts": // S4-42, S4-43, S4-M9
		return when((m.isRoleSession() || m.is(FederatedUser)) && p.ARN == v, namedItself)
	case strings.HasPrefix(part[5], "user/") && m.is(FederatedUser): // S4-M10
		return when(p.IssuerUserARN == v, namedByRole)
	case strings.HasPrefix(part[5], "user/"): // S4-40, S4-M7
		return when(m.is(User) && p.ARN == v, namedItself)
	case strings.HasPrefix(part[5], "role/"): // S4-41, S4-M8
		return when(m.isRoleSession() && p.RoleARN == v, namedByRole)
	}
	return notNamed
}

// spares: the caller is listed at every level: the account, then for a session of a role the role, then the user or session
// itself (S4-57, S4-58). Root is its account. Callers outside an account, and everyone under *, need one entry.
func (m *specStatement) spares() bool {
	var account, role, self bool
	for _, ref := range m.st.Principals.Refs {
		switch m.names(ref) {
		case namedItself:
			if ref.Value == "*" || !m.inAccount() {
				return true
			}
			self = true
		case namedByRole:
			if ref.Type == "Federated" {
				self = true
			}
			role = role || m.isRoleSession() && ref.Type != "Federated"
		case namedByAccount:
			account = true
		}
	}
	return account && (role || !m.isRoleSession()) && (self || m.is(Root))
}

// action: one of the patterns fits, whatever the letter case; NotAction is every other action (S4-63, S4-64, S4-68, S4-69).
func (m *specStatement) action() bool {
	hit := false
	for _, v := range m.st.Actions.Values {
		if v.Text == "*" || v.Text == "*:*" { // D17
			hit = true
		} else if specMatch(specWildcards(specLower(v.Text)), specRunes(specLower(m.r.Action)), false) {
			hit = true
		}
	}
	return hit != m.st.Actions.Not
}

// resource: one of the patterns fits; NotResource is every other resource (S4-76, S4-84). Without the element, the resource is the
// one that carries the policy (S4-75). An element with a variable that has no value matches no resource (S4-M45); so that an Allow
// with such a NotResource does not allow what the value was to exempt, it then matches nothing.
func (m *specStatement) resource() bool {
	if len(m.st.Resources.Values) == 0 {
		return true
	}
	hit, unresolved := false, false
	for _, v := range m.st.Resources.Values {
		if v.Text == "*" {
			hit = true
			continue
		}
		tokens, ok := m.resolve(m.completed(v.Text), true)
		unresolved = unresolved || !ok
		hit = hit || ok && specMatch(tokens, specRunes(m.r.Resource), true)
	}
	if !m.st.Resources.Not {
		return hit
	}
	return !hit && !(unresolved && m.st.Effect == Allow)
}

// completed: an ARN with fewer than six parts and no star at its end is taken with stars for what it lacks where that lets fewer
// people in, and as it stands elsewhere.
func (m *specStatement) completed(text string) string {
	short := strings.Count(text, ":") < 5 && !strings.HasSuffix(text, "*")
	if widens := m.st.Effect == Allow && !m.st.Resources.Not || m.st.Effect == Deny && m.st.Resources.Not; short && !widens {
		return text + ":*"
	}
	return text
}

// specToken is one character of a pattern, or a wildcard.
type specToken struct {
	char rune
	any  bool // ?: any character
	star bool // any run of characters
	ends bool // of a star: it ends a segment, as written
}

// specRunes splits text into characters. A byte that is not UTF-8 is a character of its own, unlike any other.
func specRunes(text string) []rune {
	out := make([]rune, 0, len(text))
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			r = -1 - rune(text[0])
		}
		out, text = append(out, r), text[n:]
	}
	return out
}

func specLiteral(text string) []specToken {
	out := make([]specToken, 0, len(text))
	for _, r := range specRunes(text) {
		out = append(out, specToken{char: r})
	}
	return out
}

// specWildcards reads * and ?. Several stars in a row are one.
func specWildcards(text string) []specToken {
	runes := specRunes(text)
	out := make([]specToken, 0, len(runes))
	for i, r := range runes {
		switch {
		case r == '*' && i+1 < len(runes) && runes[i+1] == '*':
		case r == '*':
			out = append(out, specToken{star: true, ends: i+1 == len(runes) || runes[i+1] == ':'})
		case r == '?':
			out = append(out, specToken{any: true})
		default:
			out = append(out, specToken{char: r})
		}
	}
	return out
}

// specVariable is ${key} or ${key, 'default'} (S4-139, S4-M46).
var specVariable = regexp.MustCompile(`\$\{([^,}']+)(?:, *'([^']*)')?\}`)

// resolve reads a string of the policy: with wild, * and ? are wildcards; under version 2012-10-17 ${*}, ${?} and ${$} are those
// characters (S4-147) and ${key} is the key's value in the request, compared as it stands: a star in it is no wildcard. ok is false
// when a variable has no value (S4-146, S4-M45).
func (m *specStatement) resolve(text string, wild bool) (tokens []specToken, ok bool) {
	read := func(text string, last bool) {
		switch {
		case !wild:
			tokens = append(tokens, specLiteral(text)...)
		case last:
			tokens = append(tokens, specWildcards(text)...)
		default: // a star before a variable does not end its segment
			tokens = append(tokens, specWildcards(text+"|")...)
			tokens = tokens[:len(tokens)-1]
		}
	}
	ok = true
	for m.vars {
		at := specVariable.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		read(text[:at[0]], false)
		switch name := text[at[2]:at[3]]; {
		case at[4] < 0 && (name == "*" || name == "?" || name == "$"):
			tokens = append(tokens, specToken{char: rune(name[0])})
		case at[4] < 0:
			value, found := m.variable(name, nil)
			tokens, ok = append(tokens, specLiteral(value)...), ok && found
		default:
			other := text[at[4]:at[5]]
			value, found := m.variable(name, &other)
			tokens, ok = append(tokens, specLiteral(value)...), ok && found
		}
		text = text[at[1]:]
	}
	read(text, true)
	return tokens, ok
}

// variable: only a key with a single value can be one (S4-M47); the default is for an absent key (S4-M46). What is no UTF-8 text
// has no value, so that no character of a policy can be put together from parts.
func (m *specStatement) variable(key string, other *string) (value string, ok bool) {
	values := m.lookup(key)
	v := Variable{Key: key}
	switch {
	case len(values) == 0 && other != nil:
		v.Value, v.Default, ok = *other, true, true
	case len(values) == 0:
		v.Problem = "the request has no such key"
	case len(values) > 1:
		v.Problem = "the key has several values"
	case !utf8.ValidString(values[0]):
		v.Problem = "the value is not UTF-8"
	default:
		v.Value, ok = values[0], true
	}
	if !slices.Contains(m.account.Variables, v) {
		m.account.Variables = append(m.account.Variables, v)
	}
	return v.Value, ok
}

// lookup returns the values of a key, whose letter case does not matter (S4-92, S4-143), and notes when there are none.
func (m *specStatement) lookup(key string) []string {
	for name, values := range m.r.Context.All() {
		if len(values) > 0 && specSameFolded(name, key) {
			return values
		}
	}
	missing := func(list []string) []string {
		if slices.ContainsFunc(list, func(k string) bool { return specSameFolded(k, key) }) {
			return list
		}
		return append(list, key)
	}
	m.account.Missing, m.missing = missing(m.account.Missing), missing(m.missing)
	return nil
}

// specMatch: the whole text fits the pattern. * stands for any run of characters, also none, ? for exactly one (S4-77, S4-100).
// With segments they stay inside the text between two colons, but a star that ends a segment runs across colons (S4-M50, D7).
//
// live are the places that the pattern can have reached, in ascending order: at each, the tokens before it fit the text so far.
// At most one step for each place and character, so the time is bounded by the product of the two lengths.
func specMatch(tokens []specToken, text []rune, segments bool) bool {
	fixed := 0
	for _, t := range tokens {
		if !t.star {
			fixed++
		}
	}
	if fixed > len(text) {
		return false
	}
	reach := func(live []int, place int) []int {
		for n := len(live); n == 0 || live[n-1] < place; n, place = len(live), place+1 {
			if live = append(live, place); place == len(tokens) || !tokens[place].star {
				break // a star can also stand for nothing
			}
		}
		return live
	}
	live, next := reach(nil, 0), []int(nil)
	for _, c := range text {
		next = next[:0]
		for _, place := range live {
			if place == len(tokens) {
				continue
			}
			confined := segments && c == ':'
			switch t := tokens[place]; {
			case t.star && (t.ends || !confined):
				next = reach(next, place)
			case !t.star && (t.any && !confined || !t.any && t.char == c):
				next = reach(next, place+1)
			}
		}
		live, next = next, live
	}
	return len(live) > 0 && live[len(live)-1] == len(tokens)
}

// specLower is for actions, which are ASCII.
func specLower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c - 'A' + 'a'
		}
	}
	return string(out)
}

// specFold returns the same character for all that differ in letter case only.
func specFold(c rune) rune {
	least := c
	for r := unicode.SimpleFold(c); c >= 0 && r != c; r = unicode.SimpleFold(r) {
		least = min(least, r)
	}
	return least
}

func specSameFolded(a, b string) bool {
	return slices.EqualFunc(specRunes(a), specRunes(b), func(a, b rune) bool { return specFold(a) == specFold(b) })
}

// principalFailure describes why the caller is not the one that the statement is about.
func (m *specStatement) principalFailure() *Failure {
	ps := m.st.Principals
	f := &Failure{Element: not(ps.Not) + "Principal", Pos: ps.Pos, Saw: []string{m.r.Principal.describe()}, Reason: "none of the values names the caller"}
	if ps.Not {
		f.Reason = "the values spare the caller"
	}
	for _, ref := range ps.Refs {
		f.Wanted = append(f.Wanted, ref.Value)
	}
	return f
}

// describe names the caller for people.
func (p *Principal) describe() string {
	switch {
	case p.ARN != "":
		return p.ARN
	case p.Service != "":
		return p.Service
	case p.Provider != "":
		return "somebody known to " + p.Provider
	case p.Account != "":
		return "somebody of account " + p.Account
	}
	return "an anonymous caller"
}
