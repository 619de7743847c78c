package policy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/batch"
)

// values fills in what the guide's examples leave to their reader.
var values = strings.NewReplacer("<REGION>", "us-east-2", "<ACCOUNTNUMBER>", "123456789012", "account-id-without-hyphens", "123456789012",
	"accountid", "123456789012", "ACCOUNT-ID-WITHOUT-HYPHENS", "123456789012", "ACCOUNT-ID", "123456789012", "account_id_number", "123456789012",
	"<BUCKET-NAME>", "bucket", "<TABLE-NAME>", "books", "<REPO-NAME>", "repo", "<COLUMN-NAME-", "c", ">\"", "\"", "<INSTANCE-ID>", "abc",
	"<SUBNET-ID>", "1", "<VPC-ID>", "1", "<SECURITY-GROUP-ID>", "1", "<USER-PATH-NAME>", "division", "<APPLICATION-NAME>", "app",
	"policy/<MANAGED-POLICY-NAME>", "policy/Approved", "policy/<AWS-MANAGED-POLICY-NAME>", "policy/ReadOnlyAccess",
	"ACCOUNT-A-BUCKET-NAME", "bucket-of-a", "ACCOUNT-A-ID", "444455556666", "ACCOUNT-B-ID", "123456789012", "ACCOUNT-C-ID", "777788889999",
	"role-name-you-want-to-assume", "app", "policy/POLICY-NAME", "policy/Approved", "DateGreaterThanOrEqual", "DateGreaterThanEquals",
	"<SERVICE-NAME>", "s3", "<SERVICE-NAME-1>", "s3", "<SERVICE-NAME-2>", "sqs",
	"<ACTION-NAME>", "Get", "<ACTION-NAME-A>", "Get", "<ACTION-NAME-B>", "Put")

// TestGuideExamples: the example policies of the guide (of S1, and S3-296 to S3-378) allow and refuse what the guide says of them.
func TestGuideExamples(t *testing.T) {
	documents := make(map[string]guideDocument)
	for _, g := range guideDocuments(t) {
		documents[g.file] = g
	}
	text, err := os.ReadFile("testdata/guide/examples.txt")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")[1:]
	if len(sections) < 80 {
		t.Errorf("only %d examples", len(sections))
	}
	for _, section := range sections {
		title, requests, _ := strings.Cut(section, "\n")
		items, file, _ := strings.Cut(title, " ")
		t.Run(title, func(t *testing.T) {
			checklist.Shows(t, strings.Split(items, ",")...)
			g, ok := documents[file]
			if !ok {
				t.Fatal("no such document")
			}
			lines := strings.Split(strings.TrimSpace(requests), "\n")
			if slices.Equal(lines, []string{"refused"}) {
				if d, err := policy.Parse(g.text); err == nil {
					t.Errorf("read as %v", d)
				}
				return
			}
			g.text = []byte(values.Replace(string(g.text)))
			if rest, ok := bytes.CutPrefix(bytes.TrimSpace(g.text), []byte(`{`)); ok && bytes.HasPrefix(bytes.TrimSpace(rest), []byte(`"Condition"`)) {
				g.text = slices.Concat([]byte(`{"Action":"iam:AttachUserPolicy",`), rest) // the block of a statement that is not shown
			}
			document, kind := g.whole(t)
			var in bytes.Buffer
			for _, line := range lines {
				if err := json.NewEncoder(&in).Encode(exampleCase(t, document, kind, strings.Fields(line))); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			if err := batch.Run(&in, &out); err != nil {
				t.Fatal(err)
			}
			for i, answer := range strings.Split(strings.TrimSpace(out.String()), "\n") {
				verb, _, _ := strings.Cut(lines[i], " ")
				want := map[string]string{"allow": `"allow"`, "deny": `"deny-implicit"`, "explicit": `"deny-explicit"`}[verb]
				if want == "" || !strings.Contains(answer, `"decision":`+want) {
					t.Errorf("%s\nbecomes %s", lines[i], answer)
				}
			}
		})
	}
}

// exampleCase is a line of batch's input: verb, action, resource, key=value….
func exampleCase(t *testing.T, document []byte, kind policy.Kind, words []string) any {
	t.Helper()
	type object = map[string]any
	principal := object{"type": "user", "arn": "arn:aws:iam::123456789012:user/alice"}
	context := map[string][]string{"aws:username": {"alice"}, "aws:userid": {"AIDAALICE"}}
	for _, word := range words[3:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			t.Fatalf("%q is no key with a value", word)
		}
		if key != "by" {
			context[key] = strings.Split(value, "|")
			continue
		}
		form, name, _ := strings.Cut(value, ":")
		principal = object{"type": form, "arn": name}
		if form == "service" {
			principal = object{"type": form, "service": name}
		}
	}
	request := object{"principal": principal, "action": words[1], "resource": words[2], "context": context, "resourceAccount": "123456789012"}
	policies := object{"identity": []json.RawMessage{document}}
	switch {
	case kind == policy.Identity && words[1] == "sts:AssumeRole": // the role's side of it trusts the account
		policies["resource"] = json.RawMessage(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`)
	case kind != policy.Identity:
		everything := json.RawMessage(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
		policies = object{"identity": []json.RawMessage{everything}, "resource": json.RawMessage(document)}
		request["resourceAccount"] = "444455556666"
	}
	return object{"id": words[1], "policies": policies, "request": request}
}

// TestRootAndResourcePolicies: a resource policy that leaves the account's root user out does not keep it away, one that denies it does
// (S1-439: the guide says both; today's AWS needs the deny).
func TestRootAndResourcePolicies(t *testing.T) {
	checklist.Shows(t, "S1-439")
	ask := func(statement string) string {
		var out bytes.Buffer
		in := `{"id":"x","policies":{"resource":{"Version":"2012-10-17","Statement":` + statement + `}},"request":{"principal":{"type":"root",` +
			`"arn":"arn:aws:iam::123456789012:root","accountId":"123456789012"},"action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resourceAccount":"123456789012","context":{}}}`
		if err := batch.Run(strings.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := ask(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/bob"},"Action":"s3:*","Resource":"*"}`); !strings.Contains(got, `"decision":"allow"`) {
		t.Errorf("left out: %s", got)
	}
	if got := ask(`{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/bob"},"Action":"s3:*","Resource":"*"}`); !strings.Contains(got, `"decision":"deny-explicit"`) {
		t.Errorf("denied: %s", got)
	}
}
