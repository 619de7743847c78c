package policy

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Normal returns the normal form of a document, for comparison: documents that say the same in another order or another spelling
// have Equal normal forms. d stays as it is. What is brought into one form:
//
//   - the order of statements, of the values in a list, of principals, operators and condition keys; repetitions go;
//   - a value alone and a list of one; bare numbers and Booleans and the same in quotes;
//   - letter case where it does not matter: actions, condition keys, the values of Bool and Null;
//   - "*" and {"AWS": "*"} as principal; an account's number and the ARN of its root in partition aws; * and *:* as action;
//   - ArnEquals and ArnLike and their negations, which are the same operator; operators without any test, which go;
//   - no Version and version 2008-10-17.
//
// Id and Sid are compared as they are. A document of many statements can mean the same as one of few; that takes more than a normal
// form to see, and Normal does not try.
func (d *Document) Normal() *Document {
	out := &Document{Version: d.EffectiveVersion(), dateAliases: d.dateAliases}
	if d.ID != nil {
		out.ID = &Value{Text: d.ID.Text}
	}
	type keyed struct {
		statement Statement
		text      []byte
	}
	var list []keyed
	for i := range d.Statements {
		st := normalStatement(&d.Statements[i])
		w := &printer{}
		w.statement(&st)
		list = append(list, keyed{st, w.out})
	}
	slices.SortFunc(list, func(a, b keyed) int { return bytes.Compare(a.text, b.text) })
	list = slices.CompactFunc(list, func(a, b keyed) bool { return bytes.Equal(a.text, b.text) })
	for _, k := range list {
		out.Statements = append(out.Statements, k.statement)
	}
	return out
}

// Equivalent reports whether two documents have the same normal form.
func (d *Document) Equivalent(e *Document) bool { return d.Normal().Equal(e.Normal()) }

func normalStatement(src *Statement) Statement {
	st := Statement{Effect: src.Effect, Actions: normalStrings(src.Actions, normalAction),
		Resources: normalStrings(src.Resources, func(s string) string { return s })}
	if src.Sid != nil {
		st.Sid = &Value{Text: src.Sid.Text}
	}
	if src.Principals != nil {
		st.Principals = normalPrincipals(src.Principals)
	}
	names := map[string]bool{}
	for _, c := range src.Conditions {
		names[c.Operator.Text] = true
	}
	for _, c := range src.Conditions {
		if len(c.Tests) > 0 {
			st.Conditions = append(st.Conditions, normalCondition(c, names))
		}
	}
	slices.SortFunc(st.Conditions, func(a, b Condition) int { return cmp.Compare(a.Operator.Text, b.Operator.Text) })
	return st
}

func normalAction(text string) string {
	if text == "*:*" {
		return "*"
	}
	return strings.ToLower(text)
}

// normalStrings sorts a list and drops repetitions and places.
func normalStrings(src Strings, form func(string) string) Strings {
	out := Strings{Not: src.Not}
	for _, v := range src.Values {
		out.Values = append(out.Values, Value{Text: form(v.Text)})
	}
	out.Values = sorted(out.Values)
	return out
}

// sorted sorts values without places and drops repetitions.
func sorted(values []Value) []Value {
	slices.SortFunc(values, func(a, b Value) int { return cmp.Compare(a.Text, b.Text) })
	return slices.Compact(values)
}

func normalPrincipals(src *Principals) *Principals {
	out := &Principals{Not: src.Not}
	for _, ref := range src.Refs {
		ref = PrincipalRef{Type: ref.Type, Value: ref.Value}
		if ref.Type == "AWS" {
			number, root := strings.CutPrefix(ref.Value, "arn:aws:iam::")
			number, isRoot := strings.CutSuffix(number, ":root")
			if root && isRoot && accountID(number) {
				ref.Value = number
			}
		}
		if ref.Type == "*" {
			ref.Type = "AWS"
		}
		out.Refs = append(out.Refs, ref)
	}
	slices.SortFunc(out.Refs, func(a, b PrincipalRef) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
	out.Refs = slices.Compact(out.Refs)
	return out
}

// normalCondition brings one operator into normal form. names are those of the whole block: where ArnEquals and ArnLike stand side by
// side, both keep their names, since a key may be under both.
func normalCondition(src Condition, names map[string]bool) Condition {
	name := src.Operator.Text
	if op, problem := parseOperator(name, true); problem == "" && op.family == familyARN {
		set := name[:strings.IndexByte(name, ':')+1]
		other := set + strings.Replace(name[len(set):], "Equals", "Like", 1)
		if !names[other] {
			name = other
		}
	}
	out := Condition{Operator: Value{Text: name}}
	op, _ := parseOperator(name, true)
	for _, t := range src.Tests {
		test := Test{Key: Value{Text: foldKey(t.Key.Text)}}
		for _, v := range t.Values {
			text := v.Text
			if op.family == familyBool || op.family == familyNull {
				text = strings.ToLower(text)
			}
			test.Values = append(test.Values, Value{Text: text})
		}
		test.Values = sorted(test.Values)
		out.Tests = append(out.Tests, test)
	}
	slices.SortStableFunc(out.Tests, func(a, b Test) int { return cmp.Compare(a.Key.Text, b.Key.Text) })
	return out
}
