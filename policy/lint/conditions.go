package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// operator is a condition operator taken apart: ForAllValues:StringLikeIfExists.
type operator struct {
	text     string
	set      string // ForAllValues, ForAnyValue or nothing
	base     string // StringLike
	ifExists bool
	family   string // String, Numeric, Date, Bool, Binary, IpAddress, Arn, Null
}

func parseOperator(text string) (operator, bool) {
	op := operator{text: text, base: text}
	for _, set := range [...]string{"ForAllValues", "ForAnyValue"} {
		if rest, ok := strings.CutPrefix(text, set+":"); ok {
			op.set, op.base = set, rest
		}
	}
	op.base, op.ifExists = strings.CutSuffix(op.base, "IfExists")
	if op.base == "DateGreaterThanOrEqual" || op.base == "DateLessThanOrEqual" || !slices.Contains(policy.Operators(), op.base) {
		return op, false
	}
	for _, family := range [...]string{"String", "Numeric", "Date", "Bool", "Binary", "IpAddress", "Arn", "Null"} {
		if strings.HasPrefix(strings.TrimPrefix(op.base, "Not"), family) {
			op.family = family
		}
	}
	return op, true
}

// negated reports whether the operator holds when the key is absent.
func (op operator) negated() bool { return strings.Contains(op.base, "Not") }

// like reports whether * and ? are wildcards in the operator's values.
func (op operator) like() bool { return strings.HasSuffix(op.base, "Like") || op.family == "Arn" }

// checkConditions judges operators, keys and values, and what they make of the statement together.
func (s *statement) checkConditions() {
	var keys []policy.Value // of conditions that fail when the key is absent
	for _, c := range s.Conditions {
		path := s.path + ".Condition." + c.Operator.Text
		op, ok := parseOperator(c.Operator.Text)
		if !ok {
			s.unknownOperator(op, c.Operator, path)
			continue
		}
		if len(c.Tests) == 0 {
			s.report(EmptyCondition, Suggestion, c.Operator, path,
				"The condition compares nothing.", "Remove the operator, or give it a key.")
		}
		if op.family == "Null" && op.set != "" {
			s.report(NullWithQualifier, Suggestion, c.Operator, path,
				op.set+" with Null is always true, or always false.", "Write Null alone.")
		}
		for i := range c.Tests {
			t := &c.Tests[i]
			path := path + "." + t.Key.Text
			if !s.spend(20) {
				return
			}
			k := s.key(t.Key.Text, t.Key, path, "")
			s.checkValues(op, k, t, path)
			if k == nil {
				continue
			}
			s.checkKey(op, k, t, path)
			if op.family != "Null" && !op.negated() && !op.ifExists && op.set != "ForAllValues" && !k.Global {
				keys = append(keys, t.Key)
			}
		}
	}
	s.togetherCarried(keys)
	s.checkMFA()
	s.checkSourceIP()
}

func (s *statement) unknownOperator(op operator, v policy.Value, path string) {
	right := ""
	switch op.base { // S4-108
	case "DateGreaterThanOrEqual":
		right = "DateGreaterThanEquals"
	case "DateLessThanOrEqual":
		right = "DateLessThanEquals"
	default:
		if s.exhausted {
			return
		}
		right, _ = s.nearest(op.base, slices.Values(policy.Operators()))
	}
	message, remedy := fmt.Sprintf("There is no condition operator %s.", short(op.text)), "The operators are "+strings.Join(policy.Operators(), ", ")+"."
	if right != "" {
		text := right
		if op.set != "" {
			text = op.set + ":" + text
		}
		if op.ifExists {
			text += "IfExists"
		}
		message, remedy = message+" Did you mean "+text+"?", "Write "+text+"."
	}
	s.report(InvalidConditionOperator, Error, v, path, message, remedy)
}

// doubtful are keys that the reference lists as multivalued and that AWS's own policies and guide compare without a set operator.
var doubtful = []string{"datapipeline:PipelineCreator", "events:detail-type"}

// checkKey judges how the operator suits the key.
func (s *statement) checkKey(op operator, k *catalog.Key, t *policy.Test, path string) {
	if k.Instead != "" {
		s.report(DeprecatedGlobalConditionKey, Warning, t.Key, path, k.Name+" is deprecated.", "Use "+k.Instead+".")
	}
	s.carried(k, t.Key, path)
	if op.family == "Null" {
		return
	}
	switch {
	case k.Multi && op.set == "":
		severity := Error
		if slices.Contains(doubtful, k.Name) {
			severity = Warning
		}
		never := "never allows"
		if s.Effect == policy.Deny {
			never = "always denies"
		}
		s.report(MissingQualifier, severity, t.Key, path,
			fmt.Sprintf("%s may have several values, and %s compares one: AWS leaves the result open; here a request with several values the statement %s.", k.Name, op.base, never),
			fmt.Sprintf("Write ForAnyValue:%s (one of the values must match) or ForAllValues:%s (all of them; also true when there are none).", op.text, op.text))
	case !k.Multi && op.set == "ForAllValues":
		severity, remedy := SecurityWarning, fmt.Sprintf("Write %s without ForAllValues:.", strings.TrimPrefix(op.text, "ForAllValues:"))
		if s.Effect == policy.Deny {
			severity = Warning
		}
		s.report(ForAllValuesSingle, severity, t.Key, path,
			fmt.Sprintf("%s has one value, and ForAllValues is also true when the key is absent.", k.Name), remedy)
	case !k.Multi && op.set == "ForAnyValue":
		s.report(ForAnyValueSingle, Warning, t.Key, path,
			k.Name+" has one value, so ForAnyValue has no purpose.",
			fmt.Sprintf("Write %s without ForAnyValue:.", strings.TrimPrefix(op.text, "ForAnyValue:")))
	case k.Multi && op.set == "ForAllValues" && s.Effect == policy.Allow && !s.requires(t.Key.Text):
		severity, what := SecurityWarning, "the statement also allows requests without "+k.Name
		if k.Name == "aws:TagKeys" {
			severity, what = Suggestion, "the statement also allows requests without any tags"
		}
		s.report(ForAllValuesNoNull, severity, t.Key, path,
			"ForAllValues is true when the key is absent: "+what+".",
			fmt.Sprintf(`Add "Null": {"%s": "false"}, if the key must be there.`, t.Key.Text))
	}
	s.checkType(op, k, t, path)
}

// requires reports whether the statement demands that the key be there.
func (s *statement) requires(key string) bool {
	for _, c := range s.Conditions {
		op, ok := parseOperator(c.Operator.Text)
		for _, t := range c.Tests {
			if !ok || !strings.EqualFold(t.Key.Text, key) || len(t.Values) == 0 {
				continue
			}
			if op.family == "Null" && strings.EqualFold(t.Values[0].Text, "false") || op.set == "ForAnyValue" && !op.negated() && !op.ifExists {
				return true
			}
		}
	}
	return false
}

// families are the operators' families that suit a type of key, the best first.
var families = map[catalog.KeyType][]string{
	catalog.StringKey: {"String", "Arn", "Binary"}, catalog.ARNKey: {"Arn", "String"}, catalog.BoolKey: {"Bool"},
	catalog.NumericKey: {"Numeric"}, catalog.DateKey: {"Date"}, catalog.IPKey: {"IpAddress"},
}

func (s *statement) checkType(op operator, k *catalog.Key, t *policy.Test, path string) {
	suits := families[k.Type]
	if !slices.Contains(suits, op.family) && !(k.Name == "aws:EpochTime" && op.family == "Numeric") {
		s.report(TypeMismatch, Warning, t.Key, path,
			fmt.Sprintf("%s is of type %v, and %s compares another.", k.Name, k.Type, op.base),
			fmt.Sprintf("Use an operator of the family %s.", suits[0]))
		return
	}
	if k.Type == catalog.ARNKey && strings.HasSuffix(op.base, "Like") && op.family == "String" {
		s.report(StringLikeWithARN, Warning, t.Key, path,
			fmt.Sprintf("%s is an ARN: with %s a star also matches colons, and so other fields of the ARN.", k.Name, op.base),
			"Use "+strings.Replace(op.text, "String", "Arn", 1)+", which compares field by field.")
	}
}

// togetherCarried finds keys each of which some action carries, but no action all of them (S3-278).
func (s *statement) togetherCarried(keys []policy.Value) {
	if len(keys) < 2 || s.open || len(s.known) == 0 {
		return
	}
	for _, k := range keys {
		if !slices.ContainsFunc(s.known, func(a *catalog.Action) bool { return s.carries(a, k.Text) }) {
			return // reported already
		}
	}
	if slices.ContainsFunc(s.known, func(a *catalog.Action) bool {
		return !slices.ContainsFunc(keys, func(k policy.Value) bool { return !s.carries(a, k.Text) })
	}) || s.exhausted {
		return
	}
	var texts []string
	for _, k := range keys {
		texts = append(texts, k.Text)
	}
	s.report(KeyWithoutAction, Warning, keys[0], s.path+".Condition",
		fmt.Sprintf("No action of the statement carries all of %s, so the statement never applies.", names(texts)),
		"Write a statement for the actions of each key.")
}

// checkMFA finds a Deny without MFA that long-term credentials walk past (S4-131, S4-176).
func (s *statement) checkMFA() {
	for _, c := range s.Conditions {
		for _, t := range c.Tests {
			if s.Effect == policy.Deny && c.Operator.Text == "Bool" && strings.EqualFold(t.Key.Text, "aws:MultiFactorAuthPresent") &&
				slices.ContainsFunc(t.Values, func(v policy.Value) bool { return strings.EqualFold(v.Text, "false") }) {
				s.report(MFAMissesLongTermKeys, SecurityWarning, t.Key, s.path+".Condition.Bool."+t.Key.Text,
					"Requests signed with long-term access keys do not carry aws:MultiFactorAuthPresent, so this Deny does not stop them.", "Use BoolIfExists.")
			}
		}
	}
}

// checkSourceIP finds a Deny by address that also hits services acting for the caller.
func (s *statement) checkSourceIP() {
	if s.Effect != policy.Deny || s.tests("aws:ViaAWSService") || s.tests("aws:PrincipalIsAWSService") || s.tests("aws:CalledVia") {
		return
	}
	for _, c := range s.Conditions {
		for _, t := range c.Tests {
			if strings.HasPrefix(c.Operator.Text, "NotIpAddress") && strings.EqualFold(t.Key.Text, "aws:SourceIp") {
				s.report(SourceIPHitsServices, Warning, t.Key, s.path+".Condition."+c.Operator.Text+"."+t.Key.Text,
					"This also denies requests that services make for the caller from their own addresses.", `Add "Bool": {"aws:ViaAWSService": "false"}.`)
			}
		}
	}
}

// checkValues judges the values of a test by themselves.
func (s *statement) checkValues(op operator, k *catalog.Key, t *policy.Test, path string) {
	if len(t.Values) == 0 {
		s.report(EmptyConditionValues, Suggestion, t.Key, path,
			"The list of values is empty.", "Give values, or remove the key.")
		return
	}
	seen := map[string]bool{}
	for _, v := range t.Values {
		if seen[v.Text] {
			s.report(RedundantConditionValue, Suggestion, v, path, short(v.Text)+" is listed twice.", "Remove one.")
		}
		seen[v.Text] = true
		if op.family == "String" || op.family == "Arn" {
			s.checkVariables(v, path)
		}
		s.checkValue(op, k, v, path)
	}
	switch {
	case (op.family == "Bool" || op.family == "Null") && len(seen) > 1:
		s.report(MultipleBoolean, Error, t.Values[1], path,
			"true and false together match whatever the key says.", "Keep one of them.")
	case (op.family == "Numeric" || op.family == "Date") && len(seen) > 1 && strings.Contains(op.base, "Than"):
		s.report(RedundantConditionValueNum, Suggestion, t.Values[1], path,
			fmt.Sprintf("Of several values of %s only the widest counts.", op.base), "Keep that one.")
	}
}

func (s *statement) checkValue(op operator, k *catalog.Key, v policy.Value, path string) {
	switch op.family {
	case "String":
		if op.like() || k != nil && k.Type != catalog.StringKey && k.Type != catalog.ARNKey {
			return
		}
		bare := strings.NewReplacer("${*}", "", "${?}", "").Replace(v.Text)
		if strings.Contains(bare, "*") || strings.Contains(bare, "?") && !strings.Contains(bare, "://") {
			like := strings.Replace(strings.Replace(strings.Replace(op.text, "EqualsIgnoreCase", "Equals", 1), "NotEquals", "NotLike", 1), "Equals", "Like", 1)
			s.report(WildcardWithoutLike, Warning, v, path,
				fmt.Sprintf("%s compares * and ? as characters, not as wildcards.", op.base),
				"Use "+like+", if you meant wildcards.")
		}
	case "IpAddress":
		p, err := netip.ParsePrefix(v.Text)
		if err == nil && p.Masked() != p {
			s.report(ImproveIPRange, Suggestion, v, path,
				fmt.Sprintf("The bits of %s behind the prefix do not count.", v.Text), "Write "+p.Masked().String()+".")
		}
	case "Date":
		if v.Text != "" && strings.Trim(v.Text, "0123456789.-") == "" && !strings.Contains(v.Text[1:], "-") && len(v.Text) > 4 {
			s.report(InvalidDateValue, Warning, v, path,
				"Seconds since 1970 are hard to read and easy to get wrong.",
				"Write the date, such as 2030-01-31T00:00:00Z.")
		}
	}
}
