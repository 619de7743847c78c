package wire_test

import (
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// Whatever the body, decoding ends with an input or a clear error, and the order of the parameters means nothing.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"Action=CreateUser&Version=2010-05-08&UserName=alice&Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.10.Key=l&Tags.member.2.Key=m",
		"Action=AcquireRole&Version=2010-05-08&ReplacementValues.entry.1.key=k&ReplacementValues.entry.1.value.Values.member.1=v&TemplateArn=%61",
		"Action=AssumeRole&Version=2011-06-15&PolicyArns.member.1.arn=a&DurationSeconds=900&RoleArn=&Tags=",
		"Action=CreateReplicationGroup&Version=2015-02-02&NodeGroupConfiguration.NodeGroupConfiguration.1.ReplicaAvailabilityZones.AvailabilityZone.1=a&Port=1",
		"Action=DescribeEvents&Version=2015-02-02&StartTime=2026-01-02T03:04:05Z&Duration=1&MaxRecords=20",
		"Action=TagUser&Version=2010-05-08&Tags.member.1a.Key=x&Tags.member.9.Key=y&Tags.member.10.Key=z&Tags.member.01=",
		"&&=&Action=GetUser&Version=2010-05-08&UserName=%zz&..=.&a..b=;",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		in, err := run(body)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.MalformedInput && k != fault.UnknownOperation && k != fault.TooLarge {
				t.Fatalf("%v", err)
			}
			if m := fault.MessageOf(err); m == "" || !utf8.ValidString(m) {
				t.Fatalf("message %q", m)
			}
		}
		parts := strings.Split(body, "&")
		slices.Reverse(parts)
		again, err2 := run(strings.Join(parts, "&"))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v in one order, %v in the other", err, err2)
		}
		if err == nil && string(in.AppendEvent(nil)) != string(again.AppendEvent(nil)) {
			t.Fatalf("%s and %s", in.AppendEvent(nil), again.AppendEvent(nil))
		}
	})
}

func run(body string) (wire.Input, error) {
	call, err := all.Recognize(post(body))
	if err != nil {
		return nil, err
	}
	return call.Input, call.Validate()
}

// What the JSON decoder takes, encoding/json takes too, and as the same text.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`CreateAccount {"AccountName":"a","Email":"a@b.c","Tags":[{"Key":"k","Value":"v"}]}`,
		`ListRoots {"MaxResults":3,"NextToken":null}`,
		`UntagResource {"ResourceId":"123456789012","TagKeys":["a","\u00e9\ud83d\ude00"]}`,
		`InviteAccountToOrganization {"Target":{"Id":"a@b.c","Type":"EMAIL"},"Notes":"n"}`,
		`UpdateResponsibilityTransfer {}`, `ListRoots [`, `ListRoots {"a":{"a":{}}}`,
	} {
		name, body, _ := strings.Cut(seed, " ")
		f.Add(name, body)
	}
	f.Fuzz(func(t *testing.T, name, body string) {
		r, b := post(body, "Content-Type", jsonType)
		r.Header["X-Amz-Target"] = []string{"AWSOrganizationsV20161128." + name}
		call, err := all.Recognize(r, b)
		if err == nil {
			err = call.Validate()
		}
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.MalformedInput && k != fault.UnknownOperation {
				t.Fatalf("%v", err)
			}
			return
		}
		if strings.TrimSpace(body) == "" {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("taken, and encoding/json says %v", err)
		}
		if !json.Valid(call.Input.AppendEvent(nil)) {
			t.Fatalf("event %s", call.Input.AppendEvent(nil))
		}
	})
}

// What is written is read by encoding/xml as the same text, but for the characters that XML cannot carry.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{"", "plain", `<&>"'`, "a\r\nb\tc", "\x00\x1f\x7f", "é😀\uFFFE\uFFFF", "]]>", "\xff\xc3", "\uFFFD"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.Map(func(r rune) rune {
			if r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || r >= 0x10000 {
				return r
			}
			return utf8.RuneError
		}, s)
		var v struct{ A, B string }
		text := wire.XMLOpen(nil, "X")
		text = wire.XMLString(text, "A", s)
		text = wire.XMLStringPtr(text, "B", &s)
		text = wire.XMLClose(text, "X")
		if err := xml.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if v.A != want || v.B != want {
			t.Fatalf("%q was read as %q, want %q", s, v.A, want)
		}
	})
}

// The same for JSON text.
func FuzzJSONText(f *testing.F) {
	for _, seed := range []string{"", "plain", `"\/`, "\x00\x1f\n\r\t", "é😀\u2028\u2029", "\xff", "<script>&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var m map[string]string
		text := append(wire.JSONString([]byte("{"), "a", s), '}')
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if want := strings.Map(func(r rune) rune { return r }, s); m["a"] != want {
			t.Fatalf("%q was read as %q", want, m["a"])
		}
		if strings.ContainsAny(string(text), "<>&\u2028\u2029") {
			t.Fatalf("not safe in a page: %s", text)
		}
	})
}
