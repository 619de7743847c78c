package acceptance_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// TestOperatorAccounts: a fresh account is one request with the operator's token, and nothing without it.
func TestOperatorAccounts(t *testing.T) {
	c, srv := newCloud(t)
	a, b := c.account(t, srv.OperatorToken), c.account(t, srv.OperatorToken)
	if a.AccountID == b.AccountID {
		t.Fatal("two accounts have one ID")
	}
	for _, x := range []ostiarytest.Account{a, b} {
		if got := c.root(x).arn(t); got != x.ARN("root") {
			t.Errorf("the key of account %s is %s", x.AccountID, got)
		}
		must(c.root(x).iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("same-name")}))(t)
	}

	before := len(srv.Events(t, ""))
	for _, token := range []string{"", "wrong", srv.OperatorToken[1:], srv.OperatorToken + "x", strings.ToUpper(srv.OperatorToken)} {
		for _, call := range [][2]string{{"POST", "accounts"}, {"GET", "status"}, {"GET", "events"}, {"GET", "nothing"}} {
			status, answer := c.operator(t, call[0], call[1], token, "")
			if status != http.StatusUnauthorized || answer != `{"Error":"The operator's token is missing or wrong."}`+"\n" {
				t.Errorf("%s %s: %d %s", call[0], call[1], status, answer)
			}
		}
	}
	if status, _ := c.operator(t, "POST", "accounts", srv.OperatorToken, `{"Alias":"first-come"}`); status != http.StatusOK {
		t.Errorf("with an alias: %d", status)
	}
	for body, want := range map[string]int{
		`{"Alias":"first-come"}`: http.StatusConflict, `{"Alias":"No!"}`: http.StatusBadRequest, `{"Nmae":"x"}`: http.StatusBadRequest,
		`{"Name":"a","Name":"b"}`: http.StatusBadRequest, `{"Name":1}`: http.StatusBadRequest, `[]`: http.StatusBadRequest, `{`: http.StatusBadRequest,
		`{} {}`: http.StatusBadRequest, `{"Name":"` + strings.Repeat("x", 64<<10) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		status, answer := c.operator(t, "POST", "accounts", srv.OperatorToken, body)
		var said struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &said); status != want || err != nil || said.Error == "" {
			t.Errorf("%.40s: %d %s, want %d", body, status, answer, want)
		}
	}
	if after := len(srv.Events(t, "")); after != before+1 {
		t.Errorf("%d events, want the one account's", after-before)
	}
}

// TestOperatorDev: in dev mode no token is asked for, and pages in a browser still get nothing.
func TestOperatorDev(t *testing.T) {
	p := serve(t, t.TempDir(), "--dev", "--store", "mem")
	a := p.account(t, "")
	if got := p.root(a).arn(t); got != a.ARN("root") {
		t.Errorf("the key is of %s", got)
	}
	for name, set := range map[string]func(*http.Request){
		"a page":             func(r *http.Request) { r.Header.Set("Origin", "https://example.org") },
		"a fetch":            func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a name that points": func(r *http.Request) { r.Host = "rebound.example.org" },
	} {
		r := must(http.NewRequestWithContext(t.Context(), "POST", p.url+"/_ostiary/v1/accounts", http.NoBody))(t)
		set(r)
		resp := must(p.http.Do(r))(t)
		body := must(io.ReadAll(resp.Body))(t)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || strings.Contains(string(body), "Secret") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	p.stop(t)
}

// BenchmarkFreshAccount is what a test in another language pays for its account.
func BenchmarkFreshAccount(b *testing.B) {
	b.Run("mem", func(b *testing.B) {
		c, srv := newCloud(b)
		for b.Loop() {
			c.account(b, srv.OperatorToken)
		}
	})
	b.Run("bolt", func(b *testing.B) {
		p := serve(b, b.TempDir())
		token := p.token(b)
		for b.Loop() {
			p.account(b, token)
		}
	})
}
