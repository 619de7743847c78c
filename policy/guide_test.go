package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

// guideDocument is a row of testdata/guide/index.tsv: a policy or part of one that the 2018 user guide prints.
type guideDocument struct {
	file, kind, repair string
	text               []byte
}

func guideDocuments(t *testing.T) []guideDocument {
	t.Helper()
	index, err := os.ReadFile("testdata/guide/index.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []guideDocument
	for line := range strings.Lines(string(index)) {
		col := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if col[0] == "file" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata/guide", col[0]))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, guideDocument{file: col[0], kind: col[3], repair: col[5], text: text})
	}
	return out
}

// whole completes a fragment to a document and returns the kind to check it as.
func (g guideDocument) whole(t *testing.T) ([]byte, policy.Kind) {
	t.Helper()
	kind := map[string]policy.Kind{"trust": policy.Trust, "resource": policy.Resource}[g.kind]
	if kind == 0 {
		kind = policy.Identity
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(g.text, &members); err != nil {
		t.Fatalf("%s: %v", g.file, err)
	}
	if _, ok := members["Statement"]; ok {
		if bytes.Contains(g.text, []byte(`"Principal"`)) && kind == policy.Identity {
			kind = policy.Resource
		}
		return g.text, kind
	}
	if len(members) == 1 && (members["Version"] != nil || members["Id"] != nil) {
		members["Statement"] = json.RawMessage(`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`)
		out, _ := json.Marshal(members)
		return out, policy.Resource
	}
	add := func(name, value string) {
		if members[name] == nil && members["Not"+name] == nil {
			members[name] = json.RawMessage(value)
		}
	}
	for _, name := range []string{"Service", "Federated", "AWS"} {
		if members[name] != nil { // the value of a Principal element
			inner, _ := json.Marshal(map[string]json.RawMessage{name: members[name]})
			delete(members, name)
			members["Principal"] = inner
		}
	}
	add("Effect", `"Allow"`)
	add("Action", `"sts:AssumeRole"`)
	if members["Principal"] != nil || members["NotPrincipal"] != nil {
		kind = policy.Resource
	} else {
		add("Resource", `"*"`)
	}
	statement, _ := json.Marshal(members)
	return []byte(`{"Version":"2012-10-17","Statement":` + string(statement) + `}`), kind
}

// placeholders fills in what the guide leaves to its reader.
var placeholders = strings.NewReplacer(
	"ACCOUNT-ID-WITHOUT-HYPHENS", "123456789012", "AWS-account-ID", "123456789012", "Example Corp's AWS Account ID", "123456789012",
	"ACCOUNT-A-ID", "111111111111", "ACCOUNT-B-ID", "222222222222", "ACCOUNT-C-ID", "333333333333",
	"<SERVICE-NAME>", "s3", "<SERVICE-NAME-1>", "s3", "<SERVICE-NAME-2>", "sqs", "<SERVICE-NAME-3>", "sns",
	"<ACTION-NAME>", "Get", "<ACTION-NAME-A>", "Get", "<ACTION-NAME-B>", "Put", `"xxx"`, `"203.0.113.0/24"`)

// TestGuideDocuments reads every policy that the 2018 user guide prints. Those under invalid/ and those that the index calls
// ungrammatical are refused; all others are read, checked, compiled and printed back equal.
func TestGuideDocuments(t *testing.T) {
	docs := guideDocuments(t)
	if len(docs) != 292 {
		t.Errorf("%d documents in the index", len(docs))
	}
	for _, g := range docs {
		if strings.HasPrefix(g.file, "invalid/") {
			d, err := policy.Parse(g.text)
			if err == nil {
				err = d.Check(policy.Identity)
			}
			if _, ok := errors.AsType[*policy.SyntaxError](err); !ok {
				t.Errorf("%s: not refused: %v", g.file, err)
			}
			continue
		}
		text, kind := g.whole(t)
		text = []byte(placeholders.Replace(string(text)))
		options := policy.Options{DateAliases: bytes.Contains(text, []byte("ThanOrEqual"))}
		d, err := options.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", g.file, all(err))
			continue
		}
		printed, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := options.Parse(printed); err != nil || !again.Equal(d) {
			t.Errorf("%s: printed back as %s: %v", g.file, printed, err)
		}
		_, err = policy.Compile(kind, g.file, d)
		ungrammatical := strings.Contains(g.repair, "fails the action grammar")
		if ungrammatical != (err != nil) {
			t.Errorf("%s (%v): %v", g.file, kind, all(err))
		}
	}
}

// all prints every problem of an error.
func all(err error) string {
	var list policy.Errors
	if !errors.As(err, &list) {
		return "no problem"
	}
	var out []string
	for _, e := range list {
		out = append(out, e.String()+" {"+e.Msg+"}")
	}
	return strings.Join(out, "; ")
}
