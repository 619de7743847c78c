package policy

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// conditions: every test of every operator must hold (S4-89). It returns the first that does not, or nil; all are tried, for the
// keys they ask for.
func (m *specStatement) conditions() *Failure {
	var first *Failure
	for _, c := range m.st.Conditions {
		for _, t := range c.Tests {
			values := m.lookup(t.Key.Text)
			holds, reason := m.test(c.Operator.Text, t.Values, values)
			if holds || first != nil {
				continue
			}
			first = &Failure{Element: "Condition", Operator: c.Operator.Text, Key: t.Key.Text, Pos: t.Key.Pos,
				Saw: slices.Clone(values), Reason: reason}
			for _, v := range t.Values {
				first.Wanted = append(first.Wanted, v.Text)
			}
		}
	}
	return first
}

// test applies one operator to the values that a key has in the request.
func (m *specStatement) test(operator string, policy []Value, values []string) (holds bool, reason string) {
	set, base, prefixed := strings.Cut(operator, ":")
	if !prefixed {
		set, base = "", operator
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	negated := strings.Contains(base, "Not")
	base = strings.Replace(base, "Not", "", 1)
	absent := len(values) == 0
	switch {
	case base == "Null": // the key must be absent, or present (S4-129)
		for _, v := range policy {
			if specLower(v.Text) == strconv.FormatBool(absent) {
				return true, ""
			}
		}
		if absent {
			return false, "the key is absent"
		}
		return false, "the key is present"
	case absent && ifExists: // S4-124, S4-M41
		return true, ""
	case absent && set == "ForAllValues": // S4-135, S4-M43
		return true, ""
	case absent && set == "" && negated: // S4-M41
		return true, ""
	case absent: // S4-94, S4-135
		return false, "the key is absent"
	case set == "ForAllValues" && len(values) == 1 && values[0] == "": // an empty string is a null data set (S4-135)
		return true, ""
	case set == "ForAllValues": // S4-133, S4-M43
		for _, v := range values {
			if ok, why := m.one(base, negated, policy, v); !ok {
				return false, fmt.Sprintf("%s: %s", strconv.Quote(v), why)
			}
		}
		return true, ""
	case set == "ForAnyValue" && len(values) == 1 && values[0] == "":
		return false, "an empty value is no value to a set operator"
	case set == "ForAnyValue": // S4-134, S4-M43
		for _, v := range values {
			if ok, _ := m.one(base, negated, policy, v); ok {
				return true, ""
			}
		}
		return false, "no value of the request passes"
	case len(values) > 1: // undefined on AWS (S4-283, D16)
		return m.st.Effect == Deny, "the key has several values, which needs ForAllValues or ForAnyValue"
	}
	return m.one(base, negated, policy, values[0])
}

// one tests one value of the request against the values of the policy: one of them must match, under negation none (S4-89, S4-M42).
// A value that is not of the operator's type is taken as what lets fewer people in: no match in an Allow, a match in a Deny.
func (m *specStatement) one(base string, negated bool, policy []Value, value string) (holds bool, reason string) {
	compare, typ := m.comparison(base, value)
	if compare == nil {
		return m.st.Effect == Deny, "the request's value is not " + typ
	}
	unknown := false
	for _, v := range policy {
		switch compare(v.Text) {
		case specYes:
			if negated {
				return false, "it matches " + strconv.Quote(v.Text)
			}
			return true, ""
		case specUnknown:
			unknown = true
		}
	}
	if unknown && negated {
		return m.st.Effect == Deny, "the policy's value is not the pattern of an ARN"
	}
	return negated, "no value of the policy matches"
}

type specOutcome int

const (
	specNo specOutcome = iota
	specYes
	specUnknown
)

func specWhether(yes bool) specOutcome {
	if yes {
		return specYes
	}
	return specNo
}

// comparison returns how an operator, without its Not, compares the request's value with one of the policy; nil when the request's
// value is not of the operator's type.
func (m *specStatement) comparison(base, value string) (compare func(policy string) specOutcome, typ string) {
	switch base {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike": // S4-97 to S4-103
		return func(policy string) specOutcome {
			tokens, ok := m.resolve(policy, base == "StringLike")
			text := specRunes(value)
			if base == "StringEqualsIgnoreCase" {
				for i := range tokens {
					tokens[i].char = specFold(tokens[i].char)
				}
				for i := range text {
					text[i] = specFold(text[i])
				}
			}
			return specWhether(ok && specMatch(tokens, text, false))
		}, "text"
	case "ArnEquals", "ArnLike": // the two are the same (S4-119)
		if !strings.HasPrefix(value, "arn:") || strings.Count(value, ":") < 5 {
			return nil, "an ARN"
		}
		return func(policy string) specOutcome { return m.compareARN(policy, value) }, ""
	case "Bool": // S4-112
		b := specLower(value)
		if b != "true" && b != "false" {
			return nil, "true or false"
		}
		return func(policy string) specOutcome { return specWhether(specLower(policy) == b) }, ""
	case "BinaryEquals": // S4-113
		return func(policy string) specOutcome {
			b, err := base64.StdEncoding.DecodeString(policy)
			return specWhether(err == nil && string(b) == value)
		}, ""
	case "IpAddress": // S4-114 to S4-117
		a, ok := specAddress(value)
		if !ok {
			return nil, "an IP address"
		}
		return func(policy string) specOutcome { return specWhether(specInRange(policy, a)) }, ""
	}
	if order, ok := strings.CutPrefix(base, "Numeric"); ok { // S4-104, S4-105
		return specOrdered(order, value, specNumber), "a number"
	}
	order, _ := strings.CutPrefix(base, "Date")
	return specOrdered(order, value, specDate), "a date" // S4-107, S4-109
}

// specOrdered compares by size. The names ending in OrEqual are the ones that the 2018 guide prints (S4-108).
func specOrdered(order, value string, read func(string) *big.Rat) func(string) specOutcome {
	mine := read(value)
	if mine == nil {
		return nil
	}
	return func(policy string) specOutcome {
		limit := read(policy)
		if limit == nil {
			return specNo
		}
		sign := mine.Cmp(limit)
		switch order {
		case "Equals":
			return specWhether(sign == 0)
		case "LessThan":
			return specWhether(sign < 0)
		case "LessThanEquals", "LessThanOrEqual":
			return specWhether(sign <= 0)
		case "GreaterThan":
			return specWhether(sign > 0)
		case "GreaterThanEquals", "GreaterThanOrEqual":
			return specWhether(sign >= 0)
		}
		return specNo
	}
}

// compareARN matches each of the six components by itself; the sixth keeps its colons (S4-120). A lone star is any ARN. A value
// without variables that has fewer components is the pattern of no ARN.
func (m *specStatement) compareARN(policy, value string) specOutcome {
	if policy == "*" {
		return specYes
	}
	fixed := !m.vars || len(specVariable.FindAllString(specEscape.Replace(policy), -1)) == 0
	if fixed && strings.Count(policy, ":") < 5 {
		return specUnknown
	}
	tokens, ok := m.resolve(policy, true)
	if !ok {
		return specNo
	}
	for i, part := range strings.SplitN(value, ":", 6) {
		end := len(tokens)
		for j, t := range tokens {
			if t.char == ':' && i < 5 {
				end = j
				break
			}
		}
		if !specMatch(tokens[:end], specRunes(part), false) || i < 5 && end == len(tokens) {
			return specNo
		}
		tokens = tokens[min(end+1, len(tokens)):]
	}
	return specYes
}

// specEscape takes the escapes out, which are not variables.
var specEscape = strings.NewReplacer("${*}", "", "${?}", "", "${$}", "")

var specDecimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$`)

// specNumber reads an integer or a decimal; nil for anything else.
func specNumber(text string) *big.Rat {
	if !specDecimal.MatchString(text) {
		return nil
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return n
}

var (
	specEpoch = regexp.MustCompile(`^-?([0-9]{1,19})(\.[0-9]{1,9})?$`)
	specYear  = regexp.MustCompile(`^[0-9]{4}$`)
	specTime  = regexp.MustCompile(`^([0-9]{1,9})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?` +
		`(?:[Tt](?:([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{1,9}))?)?)?)?(?:[Zz]|([+-][0-9]{2})(?::([0-9]{2}))?)?)?$`)
)

// specDate reads epoch seconds, or a date in a form of the W3C profile of ISO 8601 and what AWS takes beside them: fewer digits, parts
// of the time left out, no zone for UTC (S4-109). Four digits are a year. It returns seconds, or nil for anything else.
func specDate(text string) *big.Rat {
	if part := specEpoch.FindStringSubmatch(text); part != nil && !specYear.MatchString(text) {
		if _, err := strconv.ParseInt(part[1], 10, 64); err != nil {
			return nil
		}
		return specNumber(text)
	}
	part := specTime.FindStringSubmatch(text)
	if part == nil {
		return nil
	}
	number := func(i, absent int) int {
		if n, err := strconv.Atoi(part[i]); err == nil {
			return n
		}
		return absent
	}
	year, month, day, hour, minute, second := number(1, 0), number(2, 1), number(3, 1), number(4, 0), number(5, 0), number(6, 0)
	zoneHour, zoneMinute := number(8, 0), number(9, 0)
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Month() != time.Month(month) || t.Day() != day || t.Hour() != hour || t.Minute() != minute || t.Second() != second ||
		zoneHour < -23 || zoneHour > 23 || zoneMinute > 59 {
		return nil // 30 February, 24 o'clock
	}
	if strings.HasPrefix(part[8], "-") {
		zoneMinute = -zoneMinute
	}
	seconds := new(big.Rat).SetInt64(t.Unix() - int64(zoneHour)*3600 - int64(zoneMinute)*60)
	return seconds.Add(seconds, specNumber("0."+part[7]+"0"))
}

// specAddress reads an IP address; an IPv4 address in its IPv6 form is taken as IPv4.
func specAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// specInRange: an address alone is a range of one (S4-116); a caller is tested against ranges of its own family (S4-117).
func specInRange(text string, a netip.Addr) bool {
	if single, ok := specAddress(text); ok {
		return single == a
	}
	r, err := netip.ParsePrefix(text)
	if err != nil {
		return false
	}
	if r.Addr().Is4In6() {
		if r.Bits() < 96 {
			return false
		}
		r = netip.PrefixFrom(r.Addr().Unmap(), r.Bits()-96)
	}
	return r.Contains(a)
}
