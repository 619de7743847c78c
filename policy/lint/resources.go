package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// checkResources judges the patterns of Resource and NotResource, and how they go with the actions.
func (s *statement) checkResources() {
	element := s.path + ".Resource"
	if s.Resources.Not {
		element = s.path + ".NotResource"
	}
	sound := make([]bool, len(s.Resources.Values)) // by itself: a form that somebody knows
	for i, v := range s.Resources.Values {
		path := fmt.Sprintf("%s[%d]", element, i)
		sound[i] = true
		if v.Text != "*" {
			sound[i] = s.checkARN(v, path)
			s.checkVariables(v, path)
		}
		if j, ok := s.resources.find(v.Text, i); ok && (s.Resources.Values[j].Text != v.Text || j < i) {
			s.report(RedundantResource, Suggestion, v, path, twice(v.Text, s.Resources.Values[j].Text), "Remove one of them.")
		}
	}
	if s.Resources.Not || len(s.Resources.Values) == 0 {
		return
	}
	if s.star() {
		s.starResource(element)
		return
	}
	s.matchResources(element, sound)
}

// starResource suggests resources where the actions know them, when asked to be pedantic.
func (s *statement) starResource(element string) {
	if !s.pedantic || !s.grants() || s.Effect != policy.Allow || s.open || s.kind != policy.Identity && s.kind != policy.Session {
		return
	}
	var could []string
	for _, a := range s.known {
		if slices.ContainsFunc(a.Resources, func(u catalog.ResourceUse) bool { return u.Required }) {
			could = append(could, a.String())
		}
	}
	if len(could) > 0 {
		s.report(StarResource, Suggestion, s.Resources.Values[0], element,
			fmt.Sprintf("%s could be allowed on particular resources; the star allows every one.", names(could)),
			"Name the resources.")
	}
}

// matchResources finds actions that none of the resources fits, and resources that fit none of the actions (S3-273 to S3-276). Where
// nothing fits, one side is reported: the actions if they know no resources, and else the resources.
func (s *statement) matchResources(element string, sound []bool) {
	found := map[*catalog.ResourceType]bool{}
	used := map[*catalog.ResourceType]bool{}
	for _, a := range s.known {
		for i := range a.Resources {
			used[a.Resources[i].Type] = true
		}
	}
	fitting := false
	var misfits []int
	for i, v := range s.Resources.Values {
		fits := false
		for _, service := range s.services {
			for _, t := range s.typesOf(service, v.Text) {
				found[t] = true
				fits = fits || used[t]
			}
		}
		if fitting = fitting || fits; !fits && sound[i] {
			misfits = append(misfits, i)
		}
	}
	if s.exhausted {
		return
	}
	for _, i := range misfits {
		if !s.open && len(used) > 0 {
			v := s.Resources.Values[i]
			s.report(ResourceWithoutAction, Warning, v, fmt.Sprintf("%s[%d]", element, i),
				fmt.Sprintf("No action of the statement is about a resource like %s.", short(v.Text)), s.lost("the resource")+formsOf(s.known))
		}
	}
	for i := range s.actions {
		a := &s.actions[i]
		if s.Actions.Not || len(a.actions) == 0 || slices.ContainsFunc(a.actions, func(x *catalog.Action) bool {
			return slices.ContainsFunc(x.Resources, func(u catalog.ResourceUse) bool { return found[u.Type] })
		}) {
			continue
		}
		knows := slices.ContainsFunc(a.actions, func(x *catalog.Action) bool { return len(x.Resources) > 0 })
		switch {
		case !knows:
			s.report(ActionWithoutResource, Warning, a.Value, a.path,
				fmt.Sprintf("%s knows no resources; it matches only where Resource is \"*\".", a.Text),
				s.lost("the action")+`Move it to a statement with "Resource": "*".`)
		case fitting || s.open:
			s.report(ActionWithoutResource, Warning, a.Value, a.path,
				fmt.Sprintf("%s fits none of the statement's resources.", a.Text), s.lost("the action")+formsOf(a.actions))
		}
	}
}

// lost says what comes of a part that never matches.
func (s *statement) lost(what string) string {
	if s.Effect == policy.Deny {
		return "As it stands, the Deny does not reach " + what + ". "
	}
	return "As it stands, the Allow does not reach " + what + ". "
}

// formsOf names ARN forms that the actions know.
func formsOf(actions []*catalog.Action) string {
	var forms []string
	for _, a := range actions {
		for _, u := range a.Resources {
			for _, form := range u.Type.ARNs {
				if len(forms) < 8 && !slices.Contains(forms, form) {
					forms = append(forms, form)
				}
			}
		}
	}
	return "Known forms: " + names(forms) + "."
}

// typesOf returns the service's resource types of which a resource can match the pattern.
func (l *linter) typesOf(service *catalog.Service, resource string) []*catalog.ResourceType {
	query := typeQuery{service, resource}
	if types, ok := l.types[query]; ok {
		return types
	}
	if !l.spend(10) {
		return nil
	}
	pattern := wildVariables(resource)
	var out []*catalog.ResourceType
	for t := range service.ResourceTypes() {
		if slices.ContainsFunc(t.ARNs, func(form string) bool { return l.meet(pattern, wildVariables(form)) }) {
			out = append(out, t)
		}
	}
	l.types[query] = out
	return out
}

// wildVariables puts a star in the place of every ${…}.
func wildVariables(text string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteByte('*')
		_, text, _ = strings.Cut(rest, "}")
	}
}

// meet reports whether some text matches both patterns. Stars match colons here, so that it says yes too often rather than too
// rarely.
func (l *linter) meet(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] && a[i] != '*' {
		i++
	}
	a, b = a[i:], b[i:]
	if a == "" || b == "" {
		return strings.Trim(a+b, "*") == ""
	}
	if a[0] != '*' && b[0] != '*' && a[0] != '?' && b[0] != '?' {
		return false
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] && a[len(a)-1] != '*' {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if a != "" && b != "" && !strings.ContainsRune("*?", rune(a[len(a)-1])) && !strings.ContainsRune("*?", rune(b[len(b)-1])) {
		return false
	}
	if len(a) > 4096 || !l.spend(len(a)*len(b)/4+1) {
		return true
	}
	// reach[j] says whether some text matches the first i bytes of a and the first j of b.
	reach, next := make([]bool, len(b)+1), make([]bool, len(b)+1)
	reach[0] = true
	for j := 0; j < len(b) && b[j] == '*'; j++ {
		reach[j+1] = true
	}
	for i := range len(a) {
		next[0] = reach[0] && a[i] == '*'
		for j := range len(b) {
			switch {
			case a[i] == '*' || b[j] == '*':
				next[j+1] = a[i] == '*' && (reach[j+1] || next[j]) || b[j] == '*' && (next[j] || reach[j+1]) || reach[j]
			default:
				next[j+1] = reach[j] && (a[i] == b[j] || a[i] == '?' || b[j] == '?')
			}
		}
		reach, next = next, reach
	}
	return reach[len(b)]
}

// checkARN judges the fields of an ARN pattern by the forms of its service's resource types, and reports whether it has one of them
// as far as is known.
func (s *statement) checkARN(v policy.Value, path string) bool {
	fields := strings.SplitN(v.Text, ":", 6)
	if fields[0] != "arn" {
		return false // the grammar's business
	}
	if len(fields) < 6 {
		if strings.HasSuffix(v.Text, "*") || strings.Contains(v.Text, "*:") {
			return true
		}
		s.report(MissingARNField, Error, v, path,
			fmt.Sprintf("%s has %d of an ARN's 6 fields, so it matches nothing.", short(v.Text), len(fields)),
			"Write arn:partition:service:region:account:resource; region and account may be empty.")
		return false
	}
	if s.exhausted {
		return true
	}
	vendor, region, account := fields[2], fields[3], fields[4]
	wild := func(text string) bool { return strings.ContainsAny(text, "*?$") }
	number := len(account) == 12 && strings.Trim(account, "0123456789") == ""
	if account != "" && account != "aws" && !wild(account) && !number && !s.ownAccount(vendor, account) {
		s.report(InvalidARNAccount, Warning, v, path,
			fmt.Sprintf("%s is no account ID.", short(account)), "Account IDs have twelve digits; write leading zeros.")
	}
	if region != "" && !wild(region) && !regionForm(region) {
		s.report(InvalidARNRegion, Warning, v, path,
			fmt.Sprintf("%s is no region.", short(region)), "Regions look like us-east-1.")
	}
	if s.pedantic && s.Effect == policy.Allow && account == "*" {
		s.report(WildcardAccount, Suggestion, v, path,
			"The star in the account field matches every account.", "Name the account, if the resource is in one.")
	}
	service, ok := s.ref.Service(vendor)
	has := func(x *catalog.Service) bool { return len(s.typesOf(x, v.Text)) > 0 }
	if !ok || has(service) || slices.ContainsFunc(s.services, has) {
		return true
	}
	with := func(region, account string) *catalog.ResourceType {
		types := s.typesOf(service, strings.Join([]string{fields[0], fields[1], fields[2], region, account, fields[5]}, ":"))
		if len(types) == 0 {
			return nil
		}
		return types[0]
	}
	if t := with("", account); t != nil && region != "" {
		s.report(ARNRegion, Warning, v, path,
			fmt.Sprintf("ARNs of a %s of %s have no region.", t.Name, service.Name), "Leave the region empty: "+t.ARNs[0])
	} else if t := with(region, ""); t != nil && account != "" {
		s.report(ARNAccount, Warning, v, path,
			fmt.Sprintf("ARNs of a %s of %s have no account.", t.Name, service.Name), "Leave the account empty: "+t.ARNs[0])
	} else {
		s.unknownForm(service, v, path)
	}
	return false
}

// ownAccount reports whether a service has ARNs with that word in the place of the account.
func (l *linter) ownAccount(vendor, account string) bool {
	service, ok := l.ref.Service(vendor)
	if !ok {
		return true
	}
	for t := range service.ResourceTypes() {
		for _, form := range t.ARNs {
			if fields := strings.SplitN(form, ":", 6); len(fields) == 6 && fields[4] == account {
				return true
			}
		}
	}
	return account == "cloudfront" || account == "amazon" || account == "aws-managed" || account == "third-party"
}

func (s *statement) unknownForm(service *catalog.Service, v policy.Value, path string) {
	var forms []string
	for t := range service.ResourceTypes() {
		forms = append(forms, t.ARNs[0])
	}
	if len(forms) == 0 {
		return
	}
	s.report(InvalidARNResource, Warning, v, path,
		fmt.Sprintf("%s has the form of no resource of %s%s.", short(v.Text), service.Name, s.asOf()),
		"Known forms: "+names(forms)+".")
}

// regionForm reports whether text looks like a region: us-east-1, us-gov-west-1.
func regionForm(text string) bool {
	parts := strings.Split(text, "-")
	if len(parts) < 3 || len(parts) > 5 {
		return text == "aws-global"
	}
	for i, p := range parts {
		digits := "abcdefghijklmnopqrstuvwxyz"
		if i == len(parts)-1 {
			digits = "0123456789"
		}
		if p == "" || len(p) > 12 || strings.Trim(p, digits) != "" {
			return false
		}
	}
	return true
}

// short cuts a text for a message.
func short(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}
