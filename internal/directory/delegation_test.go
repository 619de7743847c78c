package directory_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

func TestFillDelegationTemplate(t *testing.T) {
	one := func(name string, values ...string) entity.DelegationParameter {
		return entity.DelegationParameter{Name: name, Values: values}
	}
	list := func(name string, values ...string) entity.DelegationParameter {
		return entity.DelegationParameter{Name: name, List: true, Values: values}
	}
	for _, tt := range []struct {
		template   string
		parameters []entity.DelegationParameter
		want       string // or what the error says
	}{
		{`{"a":"x@{n}y@{n}"}`, []entity.DelegationParameter{one("n", "1")}, `{"a":"x1y1"}`},
		{`{"a":"@{n}"}`, []entity.DelegationParameter{one("n", `"},{"b":"`)}, `{"a":"\"},{\"b\":\""}`}, // no way out of the string
		{`{"a":"@{n}"}`, []entity.DelegationParameter{one("n", "@{m}")}, `{"a":"@{m}"}`},               // and none to another parameter
		{`{"a":"@{n}","b":["x","@{n}"]}`, []entity.DelegationParameter{list("n", "1", "2")}, `{"a":["1","2"],"b":["x","1","2"]}`},
		{`{"a":["@{n}"],"c":1e3,"d":[],"e":null}`, []entity.DelegationParameter{list("n", "1")}, `{"a":["1"],"c":1e3,"d":[],"e":null}`},
		{`{"@{n}":1}`, nil, `{"@{n}":1}`},
		{`{"a":"x@{n}"}`, []entity.DelegationParameter{list("n", "1")}, "The parameter n is a list and stands inside a text of the policy template."},
		{`{"a":"@{n}"}`, nil, "The parameter n of the policy template is missing."},
		{`{"a":"@{n"}`, nil, "The policy template has a placeholder without an end."},
		{`{"a":"b"}`, []entity.DelegationParameter{one("n", "1")}, "The policy template has no parameter n."},
		{`{"a":"@{n}"}`, []entity.DelegationParameter{one("n", "1"), one("n", "2")}, "The parameter n is given twice, or does not have the values of its type."},
		{`{"a":"@{n}"}`, []entity.DelegationParameter{one("n", "1", "2")}, "The parameter n is given twice, or does not have the values of its type."},
		{`{"a":"@{n}"}`, []entity.DelegationParameter{list("n")}, "The parameter n is given twice, or does not have the values of its type."},
	} {
		got, err := directory.FillDelegationTemplate(tt.template, tt.parameters)
		if err != nil {
			got = fault.MessageOf(err)
		}
		if got != tt.want {
			t.Errorf("%s with %+v: %s, want %s", tt.template, tt.parameters, got, tt.want)
		}
	}
}

// FuzzFillDelegationTemplate: whatever a template and a value are, what is made is JSON of the same shape, and the value has not got
// out of the strings that it was put into.
func FuzzFillDelegationTemplate(f *testing.F) {
	f.Add(`{"a":"@{n}"}`, `"`)
	f.Add(`["@{n}@{n}",{"@{n}":"@{n}"}]`, "@{n}")
	f.Add(`"@{"`, "x")
	f.Add(`{"a":"\u0040{n}"}`, "\\")
	f.Fuzz(func(t *testing.T, template, value string) {
		filled, err := directory.FillDelegationTemplate(template, []entity.DelegationParameter{{Name: "n", Values: []string{value}}})
		if err != nil {
			if fault.KindOf(err) != fault.InvalidInput {
				t.Fatalf("%q: %v", template, err)
			}
			return
		}
		var before, after any
		if json.NewDecoder(strings.NewReader(template)).Decode(&before) != nil || json.Unmarshal([]byte(filled), &after) != nil || !sameShape(before, after) {
			t.Fatalf("%q with %q became %q", template, value, filled)
		}
	})
}

// sameShape reports whether two JSON values differ in their strings alone.
func sameShape(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, ok := b[name]; !ok || !sameShape(a[name], other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameShape(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		_, ok := b.(string)
		return ok
	}
	return a == b
}
