package policygen

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// orders are the comparisons of each family of operators, without their Not.
var orders = map[string][]string{
	"String": {"Equals", "EqualsIgnoreCase", "Like"}, "Numeric": {"Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"},
	"Date": {"Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"}, "Arn": {"Equals", "Like"},
}

// conditions makes a Condition block that holds, or one of whose tests does not.
func (g *Generator) conditions(effect policy.Effect, holds bool) []policy.Condition {
	n := pick(g, 0, 0, 1, 1, 1, 2, 3)
	if !holds {
		n = max(n, 1)
	}
	wrong := -1
	if !holds {
		wrong = g.IntN(n)
	}
	var out []policy.Condition
	for i := range n {
		operator, t := g.test(effect, i != wrong)
		at := slices.IndexFunc(out, func(c policy.Condition) bool { return c.Operator.Text == operator })
		if at < 0 {
			out = append(out, policy.Condition{Operator: value(operator)})
			at = len(out) - 1
		}
		if !slices.ContainsFunc(out[at].Tests, func(u policy.Test) bool { return strings.EqualFold(u.Key.Text, t.Key.Text) }) {
			out[at].Tests = append(out[at].Tests, t)
		}
	}
	return out
}

// test makes one test of a key.
func (g *Generator) test(effect policy.Effect, holds bool) (operator string, t policy.Test) {
	name := pick(g, keyNames...)
	if len(g.c.Keys) > 0 && g.chance(80) {
		name = pick(g, g.c.Keys...).Name
	}
	for range 4 {
		if len(g.c.values(name)) < 2 && len(g.c.Keys) > 0 && g.chance(8) {
			name = pick(g, g.c.Keys...).Name // rather one with several values
		}
	}
	t.Key = value(name)
	if g.chance(10) {
		t.Key = value(g.caseOf(name))
	}
	have := g.c.values(name)
	if g.chance(8) {
		return g.null(holds, len(have) > 0, t)
	}
	// The operator: of the key's family, seldom of another. One that comes out as wanted is looked for when the key's absence or
	// several values decide.
	for range 6 {
		family, order := g.family(name)
		negate := family != "Bool" && family != "Binary" && (len(orders[family]) < 4 || order == "Equals") && g.chance(30)
		ifExists := g.chance(20)
		set := ""
		if g.chance(15) || len(have) > 1 && g.chance(65) {
			set = pick(g, "ForAllValues:", "ForAnyValue:")
		}
		operator = set + operatorName(family, order, negate)
		if ifExists {
			operator += "IfExists"
		}
		t.Values = g.testValues(family, order, have, set == "ForAllValues:", holds != negate)
		absent := ifExists || set == "ForAllValues:" || set == "" && negate
		plain := len(have) < 2 || set != ""
		if len(have) == 0 && absent != holds || !plain && (effect == policy.Deny) != holds {
			continue
		}
		break
	}
	return operator, t
}

func operatorName(family, order string, negate bool) string {
	not := ""
	if negate {
		not = "Not"
	}
	switch family {
	case "Bool":
		return "Bool"
	case "Binary":
		return "BinaryEquals"
	case "Ip":
		return not + "IpAddress"
	}
	return family + not + order
}

func (g *Generator) family(key string) (family, order string) {
	typ, known := keys[key]
	if !known || g.chance(8) {
		typ = kind(g.IntN(7))
	}
	family = []string{"String", "Numeric", "Date", "Bool", "Binary", "Ip", "Arn"}[typ]
	if family != "String" && g.chance(6) {
		family = "String"
	}
	if list := orders[family]; list != nil {
		order = pick(g, list...)
	}
	return family, order
}

func (g *Generator) null(holds, present bool, t policy.Test) (string, policy.Test) {
	v := value(strconv.FormatBool(present != holds))
	if g.chance(30) {
		v.Kind = policy.BoolValue
	} else if g.chance(20) {
		v.Text = g.caseOf(v.Text)
	}
	t.Values = []policy.Value{v}
	if g.chance(5) {
		t.Values = append(t.Values, value("true"))
	}
	return pick(g, "Null", "Null", "Null", "ForAllValues:Null"), t
}

// testValues makes the values of the policy, of which some fit values of the request, or none.
func (g *Generator) testValues(family, order string, have []string, all, fits bool) []policy.Value {
	if g.chance(1) {
		return nil
	}
	var texts []string
	one := func(v string, fits bool) {
		if text, ok := g.like(family, order, v, fits); ok {
			texts = append(texts, text)
		}
	}
	for i, v := range have {
		if all || i == 0 || g.chance(30) {
			one(v, fits)
		}
	}
	others := pick(g, 0, 0, 1, 2)
	if g.chance(4) {
		others = 12 // as many as make a table worth while
	}
	for range others {
		if len(have) > 0 && g.chance(50) {
			one(pick(g, have...), false)
			continue
		}
		one(g.valueFor(pick(g, keyNames...)), true)
	}
	if len(texts) == 0 || g.chance(3) {
		texts = append(texts, map[string]string{"String": pick(g, "nobody", "*", "", "${aws:username}"), "Numeric": "7", "Date": "2026-01-02", "Bool": "true",
			"Binary": "aGVsbG8=", "Ip": "203.0.113.0/24", "Arn": pick(g, "arn:aws:s3:::b", "arn:aws:s3", "${aws:PrincipalArn}", "${test:Absent}", "*")}[family])
	}
	g.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	out := make([]policy.Value, len(texts))
	for i, text := range texts {
		out[i] = value(text)
		if (text == "true" || text == "false") && g.chance(40) {
			out[i].Kind = policy.BoolValue
		}
		if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text && g.chance(40) {
			out[i].Kind = policy.NumberValue
		}
	}
	return out
}
