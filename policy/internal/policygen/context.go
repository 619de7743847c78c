package policygen

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
)

// kind is the type of a condition key's values.
type kind int

const (
	stringKind kind = iota
	numberKind
	dateKind
	boolKind
	binaryKind
	addressKind
	arnKind
)

// keys are the condition keys of the world, by type.
var keys = map[string]kind{
	"aws:username": stringKind, "aws:PrincipalTag/team": stringKind, "aws:RequestTag/Équipe": stringKind, "s3:prefix": stringKind,
	"aws:TagKeys": stringKind, "saml:cn": stringKind, "plain": stringKind, "aws:PrincipalTag/\u212aey": stringKind, "aws:PrincipalTag/key": stringKind,
	"s3:max-keys": numberKind, "aws:MultiFactorAuthAge": numberKind,
	"aws:CurrentTime": dateKind, "aws:TokenIssueTime": dateKind, "aws:EpochTime": dateKind,
	"aws:SecureTransport": boolKind, "aws:MultiFactorAuthPresent": boolKind,
	"test:Blob": binaryKind, "aws:SourceIp": addressKind, "aws:VpcSourceIp": addressKind,
	"aws:SourceArn": arnKind, "aws:PrincipalArn": arnKind, "test:Arns": arnKind,
}

var keyNames = []string{"aws:username", "aws:username", "aws:PrincipalTag/team", "aws:RequestTag/Équipe", "s3:prefix", "aws:TagKeys", "aws:TagKeys",
	"saml:cn", "plain", "aws:PrincipalTag/\u212aey", "aws:PrincipalTag/key", "s3:max-keys", "s3:max-keys", "aws:MultiFactorAuthAge", "aws:CurrentTime", "aws:CurrentTime",
	"aws:TokenIssueTime", "aws:EpochTime", "aws:SecureTransport", "aws:MultiFactorAuthPresent", "test:Blob", "aws:SourceIp", "aws:SourceIp",
	"aws:VpcSourceIp", "aws:SourceArn", "aws:PrincipalArn", "test:Arns"}

// context chooses keys and their values.
func (g *Generator) context() {
	g.c.Keys = nil
	have := map[string]bool{}
	for range 2 + g.IntN(9) {
		name := pick(g, keyNames...)
		if !have[name] {
			have[name] = true
			g.c.Keys = append(g.c.Keys, g.key(name))
		}
	}
}

// key makes values for a key, mostly one.
func (g *Generator) key(name string) Key {
	k := Key{Name: name}
	multi := strings.Contains("aws:TagKeys saml:cn test:Arns", name)
	switch {
	case g.chance(3):
		return k
	case multi && g.chance(75) || g.chance(8):
		for range 1 + g.IntN(3) {
			k.Values = append(k.Values, g.valueFor(name))
		}
		return k
	}
	k.Values = []string{g.valueFor(name)}
	if g.chance(50) {
		k.Type = map[kind]KeyType{stringKind: Tag, dateKind: Time, numberKind: Int, boolKind: Bool, addressKind: Addr}[keys[name]]
	}
	if g.chance(5) {
		k.Name = g.caseOf(name)
	}
	return k
}

// valueFor makes a value of a key's type, now and then of another.
func (g *Generator) valueFor(name string) string {
	typ := keys[name]
	if g.chance(4) {
		typ = kind(g.IntN(7))
	}
	switch typ {
	case numberKind:
		return pick(g, "0", "-0", "1", "10", "10.5", "-3", "1e3", "9007199254740993", "0.0001", "999999999999999999999.5", "007", "1.", "0x10", "-1e-7")
	case dateKind:
		return pick(g, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.250Z", "2026-01-02T05:04:05+02:00", "1767323045", "2026-01-02",
			"2026-01", "2026", "1969-12-31T23:59:59Z", "-1", "-0.5", "2026-01-02t03:04z", "2026-02-30", "2026-1-2", "1767323045.25", "0000-01-01T00:00:00Z",
			"2026-01-02T03", "2026-01-02T", "2026-1-2T3:4:5", "2026-01-02T24:00:00Z", "2026-01-02T03:60Z", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04-07",
			"12026-01-02", "2026T03:04Z", "2026-13-01", "9223372036854775807", "9223372036854775808", "-62135596800", "2026-01-02 03:04:05", "12.", "9999999999")
	case boolKind:
		return pick(g, "true", "false", "true", "false", "TRUE", "False", "fal\u017fe", "yes")
	case binaryKind:
		return pick(g, "hello", "\x00\xff\x80", "", "aGVsbG8=", g.name())
	case addressKind:
		return pick(g, "203.0.113.7", "203.0.113.7", "10.0.0.1", "2001:db8::1", "2001:DB8:0::1", "::ffff:203.0.113.7", "fe80::1%eth0", "::", "0.0.0.0", "203.0.113.007")
	case arnKind:
		return pick(g, g.c.Request.Principal.ARN, g.c.Request.Resource, "arn:aws:sns:us-east-1:"+home+":topic-"+pick(g, g.names...),
			"arn:aws:sns:us-east-1:"+home+":a:b:"+pick(g, g.names...), "arn:aws:s3:::b", "arn:aws:s3")
	}
	return pick(g, g.names[0], g.names[0], g.names[1], g.names[1], g.name(), "home/"+g.names[0]+"/", "home", "app", "", g.name()+g.name())
}

// like returns a value of the policy that fits a value of the request under the comparison with the given name, or one that nearly
// does. ok is false when there is none, since the request's value is of another type.
func (g *Generator) like(family, order, value string, fits bool) (text string, ok bool) {
	switch family {
	case "Numeric", "Date":
		return g.ordered(family, order, value, fits)
	case "Bool":
		b := strings.EqualFold(value, "true")
		return g.caseOf(strconv.FormatBool(b == fits)), true
	case "Binary":
		if !fits {
			value = g.changed(value)
		}
		return base64.StdEncoding.EncodeToString([]byte(value)), true
	case "Ip":
		return g.network(value, fits)
	case "Arn":
		if !fits {
			value = g.changed(value)
		}
		if g.chance(3) {
			return "*", true
		}
		return g.cover(value, rules{wild: true, vars: g.vars, colons: 5}), true
	}
	if !fits {
		value = g.changed(value)
	}
	if order == "EqualsIgnoreCase" {
		value = g.caseOf(value)
	}
	return g.cover(value, rules{wild: order == "Like", vars: g.vars, colons: -1}), true
}

// ordered moves a number or a date to the side on which the comparison holds, or just over it, and writes it in another way.
func (g *Generator) ordered(family, order, value string, fits bool) (string, bool) {
	n := new(big.Rat)
	if family == "Numeric" {
		if strings.ContainsAny(value, "xX_") || len(value) > 40 {
			return "", false
		}
		if _, ok := n.SetString(value); !ok {
			return "", false
		}
	} else {
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return pick(g, "2026", "2026-01-02T03:04:05Z", "1767323045"), true
			}
			t = time.Unix(seconds, 0)
		}
		n.SetInt64(t.Unix())
		n.Add(n, big.NewRat(int64(t.Nanosecond()), 1e9))
	}
	step := pick(g, big.NewRat(1, 1000), big.NewRat(1, 1), big.NewRat(100, 1))
	up, down := new(big.Rat).Add(n, step), new(big.Rat).Sub(n, step)
	list := map[string][2][]*big.Rat{ // which limits fit, and which do not
		"Equals":            {{n}, {up, down}},
		"LessThan":          {{up}, {n, down}},
		"LessThanEquals":    {{n, up}, {down}},
		"GreaterThan":       {{down}, {n, up}},
		"GreaterThanEquals": {{n, down}, {up}},
	}[order]
	limit := pick(g, list[0]...)
	if !fits {
		limit = pick(g, list[1]...)
	}
	if family == "Numeric" {
		text := limit.FloatString(4)
		switch g.IntN(4) {
		case 0:
			text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		case 1:
			text += "e0"
		case 2:
			if limit.IsInt() {
				text = limit.Num().String()
			}
		}
		return text, true
	}
	whole := new(big.Int).Div(limit.Num(), limit.Denom())
	rest := new(big.Rat).Sub(limit, new(big.Rat).SetInt(whole))
	nanos := new(big.Int).Div(new(big.Int).Mul(rest.Num(), big.NewInt(1e9)), rest.Denom())
	t := time.Unix(whole.Int64(), nanos.Int64()).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "2026", true
	}
	switch g.IntN(4) {
	case 0:
		return t.In(time.FixedZone("", 3600*(g.IntN(24)-12)+60*g.IntN(60))).Format(time.RFC3339Nano), true
	case 1:
		if whole.Int64() > 9999 && nanos.Sign() == 0 {
			return whole.String(), true
		}
	case 2:
		if whole.Int64() > 9999 {
			return fmt.Sprintf("%d.%09d", whole, nanos), true
		}
		return pick(g, "2026-01-02T", "2026-1-2t3:4", "2026-01-02T03+02", "2026-01", "-1.5", "2026-01-02T03:04:05.123456789-00:30"), true
	}
	return t.Format(time.RFC3339Nano), true
}

// network returns a range with the address in it, or just not.
func (g *Generator) network(value string, fits bool) (string, bool) {
	a, err := netip.ParseAddr(value)
	if err != nil || a.Zone() != "" {
		return pick(g, "203.0.113.0/24", "2001:db8::/32", "0.0.0.0/0"), true
	}
	if a = a.Unmap(); !fits {
		b := a.AsSlice()
		b[g.IntN(len(b))] ^= 1 << g.IntN(8)
		other, _ := netip.AddrFromSlice(b)
		return pick(g, other.String(), other.String()+"/"+strconv.Itoa(other.BitLen()), "::ffff:0:0/95", "192.0.2.0/24"), true
	}
	bits := pick(g, a.BitLen(), a.BitLen()-1, g.IntN(a.BitLen()+1))
	switch {
	case a.Is4() && g.chance(15):
		return fmt.Sprintf("::ffff:%s/%d", a, bits+96), true
	case g.chance(20):
		return a.String(), true
	}
	p := netip.PrefixFrom(a, bits)
	if g.chance(70) {
		p = p.Masked()
	}
	return strings.ToUpper(p.String()), true
}

// values returns what the request has for a key.
func (c *Case) values(name string) []string {
	for i := len(c.Keys) - 1; i >= 0; i-- {
		if strings.EqualFold(c.Keys[i].Name, name) {
			return c.Keys[i].Values
		}
	}
	return nil
}

func value(text string) policy.Value { return policy.Value{Text: text} }
