package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/policy/batch"
)

// expectation is what a case says should come out.
type expectation struct {
	expect                    string
	statements, missing       []string
	hasStatements, hasMissing bool
}

// parseCase reads the lines of a case.
func parseCase(text string) (*batch.Case, expectation, error) {
	var want expectation
	request := map[string]any{}
	context := map[string][]string{}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok {
			return nil, want, fmt.Errorf("line %q is not of the form name: value", line)
		}
		if seen[name] && name != "context" {
			return nil, want, fmt.Errorf("%s comes twice", name)
		}
		seen[name] = true
		switch name {
		case "principal":
			p, err := parsePrincipal(value)
			if err != nil {
				return nil, want, err
			}
			request["principal"] = p
		case "action", "resource":
			request[name] = value
		case "account":
			request["resourceAccount"] = value
		case "context":
			key, values, err := parseContext(value)
			if err != nil {
				return nil, want, err
			}
			context[key] = values
		case "expect":
			want.expect = value
		case "statements":
			want.statements, want.hasStatements = strings.Fields(value), true
		case "missing":
			want.missing, want.hasMissing = strings.Fields(value), true
		default:
			return nil, want, fmt.Errorf("unknown line %q", name)
		}
	}
	for _, name := range []string{"principal", "action", "resource", "expect"} {
		if !seen[name] {
			return nil, want, fmt.Errorf("%s is missing", name)
		}
	}
	if decision, layer, _ := strings.Cut(want.expect, " "); decision == "" || layer == "" {
		return nil, want, errors.New("expect needs a decision and a layer")
	}
	request["context"] = context
	raw, err := json.Marshal(map[string]any{"request": request})
	if err != nil {
		return nil, want, err
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
