package batch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/policy/batch"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":[{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}]}`
	user     = `"principal":{"type":"user","arn":"arn:aws:iam::111122223333:user/a","accountId":"111122223333","uniqueId":"AIDA1"}`
)

func run(t *testing.T, in string) []string {
	t.Helper()
	var out bytes.Buffer
	if err := batch.Run(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestRun(t *testing.T) {
	in := []string{
		`{"id":"1","policies":{"identity":[` + allowAll + `]},"request":{` + user + `,"action":"s3:GetObject","resource":"arn:aws:s3:::b/k"}}`,
		``,
		`{"id":2,"policies":{"identity":[],"resource":null,"boundary":null,"session":[],"scp":[],"rcp":[]},"request":{` + user +
			`,"action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resourceAccount":"111122223333","context":{}}}`,
		`{"id":"<3>","policies":{"identity":[` + allowAll + `],"boundary":` + allowAll + `,"session":[` + allowAll + `],"scp":[[` + allowAll + `],[` + allowAll +
			`]],"rcp":[[{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}]]},"request":{"principal":{"type":"assumed-role",` +
			`"arn":"arn:aws:sts::111122223333:assumed-role/r/s","roleArn":"arn:aws:iam::111122223333:role/p/r","serviceLinkedRole":false},"action":"s3:GetObject","resource":"*"}}`,
		`{"id":"4","policies":{"identity":[` + allowAll + `,{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:Z":["1"],"aws:A":"x"},"NumericEquals":{"k:n":5},"Bool":{"k:b":true}}}]}]},` +
			`"request":{` + user + `,"action":"s3:GetObject","resource":"*","context":{"k:n":[5],"k:b":[true]}}}`,
		`{"id":"5","policies":{"resource":{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/r"},"Action":"sts:AssumeRole"}}},` +
			`"request":{"principal":{"type":"assumed-role","arn":"arn:aws:sts::111122223333:assumed-role/r/s"},"action":"sts:AssumeRole","resource":"arn:aws:iam::111122223333:role/q"}}`,
	}
	want := []string{
		`{"id":"1","decision":"allow","layer":"identity","statements":[{"policy":"identity[0]","index":0,"sid":"All"}],"missing":[]}`,
		`{"id":2,"decision":"deny-implicit","layer":"identity","statements":[],"missing":[]}`,
		`{"id":"<3>","decision":"allow","layer":"identity","statements":[{"policy":"rcp[0][0]","index":0,"sid":""},{"policy":"scp[0][0]","index":0,"sid":"All"},` +
			`{"policy":"scp[1][0]","index":0,"sid":"All"},{"policy":"identity[0]","index":0,"sid":"All"},{"policy":"boundary","index":0,"sid":"All"},{"policy":"session[0]","index":0,"sid":"All"}],"missing":[]}`,
		`{"id":"4","decision":"deny-explicit","layer":"identity","statements":[{"policy":"identity[1]","index":0,"sid":""}],"missing":["aws:A","aws:Z"]}`,
		`{"id":"5","decision":"allow","layer":"resource","statements":[{"policy":"resource","index":0,"sid":""}],"missing":[]}`,
	}
	if diff := cmp.Diff(want, run(t, strings.Join(in, "\n"))); diff != "" {
		t.Error(diff)
	}
}

// TestErrors holds that a bad line answers an error with its id, where it has one, and does not stop the run.
func TestErrors(t *testing.T) {
	request := `"request":{` + user + `,"action":"s3:GetObject","resource":"*"}`
	tests := map[string]string{
		`{`:                    "malformed case",
		`[]`:                   "malformed case",
		`{"id":"x","extra":1}`: "unknown field",
		`{"id":"x","request":{"principal":{"type":"group"}}}`:                                                                               `unknown type of principal "group"`,
		`{"id":"x","request":{"principal":{"type":"user"},"action":"GetObject","resource":"*"}}`:                                            "has no service",
		`{"id":"x","request":{"principal":{"type":"user"},"action":"s3:GetObject"}}`:                                                        "resource is missing",
		`{"id":"x","policies":{"resourceKind":"bucket"},` + request + `}`:                                                                   "neither resource nor trust",
		`{"id":"x","policies":{"identity":[null]},` + request + `}`:                                                                         "identity[0]: null",
		`{"id":"x","policies":{"scp":[[],[{"Statement":{"Effect":"Allow"}}]]},` + request + `}`:                                             "scp[1][0]: 1:14: Statement[0].Action: is missing",
		`{"id":"x","policies":{"identity":[{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}]},` + request + `}`: "identity[0]: 1:60: Statement[0].Principal",
		`{"id":"x","request":{` + user + `,"action":"s3:a","resource":"*","context":{"a:b":["1"],"A:B":["2"]}}}`:                            "comes twice",
		`{"id":"x","request":{` + user + `,"action":"s3:a","resource":"*","context":{"a:b":[null]}}}`:                                       "malformed case",
		`{"id":"x","request":{` + user + `,"action":"s3:a","resource":"*"}} {}`:                                                             "text behind the case",
	}
	for line, want := range tests {
		out := run(t, line+"\n"+`{"id":"next",`+request+`}`)
		var got struct{ ID, Error string }
		if err := json.Unmarshal([]byte(out[0]), &got); err != nil || !strings.Contains(got.Error, want) {
			t.Errorf("%s: %s, want %q", line, out[0], want)
		}
		if strings.HasPrefix(line, `{"id":"x",`) && got.ID != "x" {
			t.Errorf("%s: id %q", line, got.ID)
		}
		if len(out) != 2 || !strings.HasPrefix(out[1], `{"id":"next","decision":"deny-implicit"`) {
			t.Errorf("%s: then %q", line, out[1:])
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if err := batch.Run(iotest.ErrReader(broken), &bytes.Buffer{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(`{"id":"1","policies":{"identity":[` + allowAll + `]},"request":{` + user + `,"action":"s3:GetObject","resource":"*","context":{"a:b":["1"]}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		var out bytes.Buffer
		if err := batch.Run(strings.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%q answers %q", in, line)
			}
		}
	})
}
