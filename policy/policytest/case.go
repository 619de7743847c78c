package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/policy/batch"
)

// runner holds what the cases that follow share.
type runner struct {
	documents map[string]string
	request   string // the text of the last file named request
}

// question evaluates one case, compares, and returns its text with the expectations that would have been right.
func (r *runner) question(o *Outcome, text string) (right string, err error) {
	c, want, err := parseCase(r.request, text)
	if err != nil {
		return "", err
	}
	if err := want.complete(c); err != nil {
		return "", err
	}
	if err := addDocuments(&c.Policies, r.documents); err != nil {
		return "", err
	}
	var ev batch.Evaluator
	x, err := ev.Explain(c)
	if err != nil {
		return "", err
	}
	got := batch.NewResult(x)
	have := map[string]string{"expect": got.Decision + " " + got.Layer,
		"statements": strings.Join(statements(got), " "), "missing": strings.Join(got.Missing, " ")}
	for _, name := range [...]string{"expect", "statements", "missing"} {
		wanted, asked := want[name]
		wanted = strings.Join(strings.Fields(wanted), " ")
		if !asked || wanted == have[name] {
			continue
		}
		o.Want, o.Got = name+": "+wanted, name+": "+have[name]
		o.Problem = fmt.Sprintf("%s: %s, want %s", name, have[name], wanted)
		var b strings.Builder
		if err := x.WriteText(&b); err != nil {
			return "", err
		}
		o.Explanation = b.String()
		break
	}
	return rewrite(text, have), nil
}

// statements lists statements as cases write them: identity[0]#1.
func statements(r *batch.Result) []string {
	var out []string
	for _, s := range r.Statements {
		out = append(out, s.Policy+"#"+strconv.Itoa(s.Index))
	}
	return out
}

// rewrite replaces the values of lines.
func rewrite(text string, values map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		value, ok := values[strings.TrimSpace(name)]
		if !ok || value == strings.Join(strings.Fields(rest), " ") {
			b.WriteString(line)
			continue
		}
		space := rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
		if space == "" && value != "" {
			space = " "
		}
		b.WriteString(strings.TrimRight(name+":"+space+value, " \t") + "\n")
	}
	return b.String()
}

// expectation is what a case says should come out, by name of the line: expect, statements, missing.
type expectation map[string]string

// complete reports what a case lacks.
func (e expectation) complete(c *batch.Case) error {
	switch {
	case c.Request.Principal.Type == "":
		return errors.New("principal is missing")
	case c.Request.Action == "":
		return errors.New("action is missing")
	case c.Request.Resource == "":
		return errors.New("resource is missing")
	}
	expect, ok := e["expect"]
	if !ok {
		return errors.New("expect is missing")
	}
	if decision, layer, _ := strings.Cut(expect, " "); decision == "" || layer == "" {
		return errors.New("expect needs a decision and a layer")
	}
	return nil
}

// lines is the content of a case or of a request file: name and value by line, apart from context.
type lines struct {
	value   map[string]string
	context map[string][]string // by key in lower case
	keys    map[string]string   // the keys as written
}

// read reads "name: value" lines, of which names lists those allowed.
func read(text string, names ...string) (*lines, error) {
	out := &lines{value: map[string]string{}, context: map[string][]string{}, keys: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case !ok:
			return nil, fmt.Errorf("line %q is not of the form name: value", line)
		case name == "context":
			key, values, err := parseContext(strings.TrimSpace(value))
			if err != nil {
				return nil, err
			}
			folded := strings.ToLower(key)
			if _, twice := out.context[folded]; twice {
				return nil, fmt.Errorf("context %s comes twice", key)
			}
			out.context[folded], out.keys[folded] = values, key
			continue
		case !slices.Contains(names, name):
			return nil, fmt.Errorf("unknown line %q", name)
		}
		if _, twice := out.value[name]; twice {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		out.value[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// parseCase reads the lines of a case and, for what it does not say itself, those of the request that it shares.
func parseCase(shared, text string) (*batch.Case, expectation, error) {
	base, err := read(shared, "principal", "action", "resource", "account")
	if err != nil {
		return nil, nil, err
	}
	own, err := read(text, "principal", "action", "resource", "account", "expect", "statements", "missing")
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(base.value, own.value)
	maps.Copy(base.context, own.context)
	maps.Copy(base.keys, own.keys)
	want := expectation{}
	request := map[string]any{}
	context := map[string][]string{}
	for folded, values := range base.context {
		context[base.keys[folded]] = values
	}
	request["context"] = context
	for name, value := range base.value {
		switch name {
		case "principal":
			if request["principal"], err = parsePrincipal(value); err != nil {
				return nil, nil, err
			}
		case "action", "resource":
			request[name] = value
		case "account":
			request["resourceAccount"] = value
		default:
			want[name] = value
		}
	}
	raw, err := json.Marshal(map[string]any{"request": request})
	if err != nil {
		return nil, nil, err
	}
	c := &batch.Case{}
	return c, want, json.Unmarshal(raw, c)
}

// parseContext reads "key = value | value". "" is the empty string; nothing behind the = gives no values.
func parseContext(text string) (key string, values []string, err error) {
	key, rest, ok := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		return "", nil, fmt.Errorf("context %q is not of the form key = value", text)
	}
	values = []string{}
	if rest = strings.TrimSpace(rest); rest == "" {
		return key, values, nil
	}
	for v := range strings.SplitSeq(rest, " | ") {
		v = strings.TrimSpace(v)
		if v == `""` {
			v = ""
		}
		values = append(values, v)
	}
	return key, values, nil
}

// parsePrincipal reads a type, an ARN or name, and attributes.
func parsePrincipal(text string) (map[string]any, error) {
	word := strings.Fields(text)
	if len(word) == 0 {
		return nil, errors.New("principal without type")
	}
	p := map[string]any{"type": word[0]}
	for i, w := range word[1:] {
		name, value, attribute := strings.Cut(w, "=")
		members := map[string]string{"id": "uniqueId", "account": "accountId", "role": "roleArn", "issuer": "issuerUserArn",
			"provider": "provider"}
		switch {
		case w == "service-linked":
			p["serviceLinkedRole"] = true
		case attribute && members[name] != "":
			p[members[name]] = value
		case i == 0 && word[0] == "service":
			p["service"] = w
		case i == 0 && (word[0] == "web-identity" || word[0] == "saml"):
			p["provider"] = w
		case i == 0:
			p["arn"] = w
		default:
			return nil, fmt.Errorf("unknown attribute %q of the principal", w)
		}
	}
	return p, nil
}
