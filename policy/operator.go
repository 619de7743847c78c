package policy

import (
	"sort"
	"strings"
)

// family groups the operators that compare values of one type.
type family uint8

const (
	familyString family = iota + 1
	familyNumeric
	familyDate
	familyBool
	familyBinary
	familyIP
	familyARN
	familyNull
)

// comparison is what an operator asks of two values.
type comparison uint8

const (
	equal comparison = iota
	equalFold
	like
	less
	lessEqual
	greater
	greaterEqual
)

// quantifier is the set prefix of an operator.
type quantifier uint8

const (
	single quantifier = iota
	forAll
	forAny
)

// operator is a condition operator taken apart.
type operator struct {
	family   family
	compare  comparison
	negate   bool
	ifExists bool
	set      quantifier
}

var operators = map[string]operator{
	"StringEquals":              {family: familyString},
	"StringNotEquals":           {family: familyString, negate: true},
	"StringEqualsIgnoreCase":    {family: familyString, compare: equalFold},
	"StringNotEqualsIgnoreCase": {family: familyString, compare: equalFold, negate: true},
	"StringLike":                {family: familyString, compare: like},
	"StringNotLike":             {family: familyString, compare: like, negate: true},
	"NumericEquals":             {family: familyNumeric},
	"NumericNotEquals":          {family: familyNumeric, negate: true},
	"NumericLessThan":           {family: familyNumeric, compare: less},
	"NumericLessThanEquals":     {family: familyNumeric, compare: lessEqual},
	"NumericGreaterThan":        {family: familyNumeric, compare: greater},
	"NumericGreaterThanEquals":  {family: familyNumeric, compare: greaterEqual},
	"DateEquals":                {family: familyDate},
	"DateNotEquals":             {family: familyDate, negate: true},
	"DateLessThan":              {family: familyDate, compare: less},
	"DateLessThanEquals":        {family: familyDate, compare: lessEqual},
	"DateGreaterThan":           {family: familyDate, compare: greater},
	"DateGreaterThanEquals":     {family: familyDate, compare: greaterEqual},
	"Bool":                      {family: familyBool},
	"BinaryEquals":              {family: familyBinary},
	"IpAddress":                 {family: familyIP},
	"NotIpAddress":              {family: familyIP, negate: true},
	"ArnEquals":                 {family: familyARN, compare: like},
	"ArnLike":                   {family: familyARN, compare: like},
	"ArnNotEquals":              {family: familyARN, compare: like, negate: true},
	"ArnNotLike":                {family: familyARN, compare: like, negate: true},
	"Null":                      {family: familyNull},
}

// dateAliases are names that the 2018 guide prints and AWS refuses (D6 in docs/design.md; S4-108).
var dateAliases = map[string]string{
	"DateGreaterThanOrEqual": "DateGreaterThanEquals",
	"DateLessThanOrEqual":    "DateLessThanEquals",
}

// Operators returns the names of the condition operators in order, without set prefixes and IfExists, for editors and
// documentation.
func Operators() []string {
	out := make([]string, 0, len(operators))
	for name := range operators {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// parseOperator takes an operator's name apart. The problem returned is empty if there is none.
func parseOperator(name string, aliases bool) (op operator, problem string) {
	set, base := single, name
	if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		set, base = forAll, rest
	} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		set, base = forAny, rest
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	if right, ok := dateAliases[base]; ok {
		if !aliases {
			return operator{}, "unknown condition operator " + base + "; the name is " + right
		}
		base = right
	}
	op, ok := operators[base]
	switch {
	case !ok:
		return operator{}, "unknown condition operator " + name
	case op.family == familyNull && ifExists:
		return operator{}, "IfExists cannot be added to Null"
	}
	op.set, op.ifExists = set, ifExists
	return op, ""
}

// wildcards reports whether * and ? are wildcards in the operator's values.
func (op operator) wildcards() bool { return op.compare == like }

// checkValue returns what is wrong with a value of the operator, or nothing (S4-298).
func (op operator) checkValue(v Value, version Version) string {
	ok := true
	switch op.family {
	case familyString, familyARN:
		_, problem := parseTemplate(v.Text, op.wildcards(), version == Version2012)
		return problem
	case familyNumeric:
		_, ok = parseNumber(v.Text)
	case familyDate:
		_, ok = parseDate(v.Text)
	case familyBool, familyNull:
		_, ok = parseBool(v.Text)
	case familyBinary:
		_, ok = parseBinary(v.Text)
	case familyIP:
		_, ok = parsePrefix(v.Text)
	}
	if ok {
		return ""
	}
	names := map[family]string{familyNumeric: "a number", familyDate: "a date", familyBool: "true or false", familyNull: "true or false",
		familyBinary: "base64", familyIP: "an IP address or a range in CIDR form"}
	return "not " + names[op.family] + ": " + v.Text
}
