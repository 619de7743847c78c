package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// quotas remembers what it was asked for.
type quotas struct{ asked []string }

func (q *quotas) Quotas(_ context.Context, account string) ([]server.Quota, error) {
	if account != "111122223333" {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	return []server.Quota{{Name: "A", Value: 2, Default: 1, Set: true}, {Name: "B", Value: 1, Default: 1, Maximum: new(1)}}, nil
}

func (q *quotas) SetQuota(_ context.Context, account, name string, value *int) (server.Quota, error) {
	to := "default"
	if value != nil {
		to = strconv.Itoa(*value)
	}
	q.asked = append(q.asked, account+" "+name+" "+to)
	return server.Quota{Name: name, Value: 7, Default: 7}, nil
}

func quotaServer() (http.Handler, *quotas) {
	q := new(quotas)
	s := server.New(server.Config{API: http.NotFoundHandler(), Operator: server.Operator{
		TokenHash: func() ([32]byte, bool) { return server.HashToken(secret.New(token)), true }, Quotas: q,
	}})
	return s.Handler(), q
}

func TestOperatorQuotas(t *testing.T) {
	h, q := quotaServer()
	const one = "/_ostiary/v1/accounts/111122223333/quotas/A"
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/_ostiary/v1/accounts/111122223333/quotas", "", 200, `{"Quotas":[{"Name":"A","Value":2,"Default":1,"Set":true},{"Name":"B","Value":1,"Default":1,"Maximum":1,"Set":false}]}`},
		{"GET", "/_ostiary/v1/accounts/1/quotas", "", 404, `{"Error":"The account 1 cannot be found."}`},
		{"PUT", one, `{"Value": 12}`, 200, `{"Name":"A","Value":7,"Default":7,"Set":false}`},
		{"PUT", one, `{"Value":-1}`, 200, `{"Name":"A","Value":7,"Default":7,"Set":false}`}, // the port's to refuse
		{"DELETE", one, "", 200, `{"Name":"A","Value":7,"Default":7,"Set":false}`},
	} {
		w := ask(h, c.method, c.path, c.body, "Authorization", "Bearer "+token)
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.answer {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	if got := fmt.Sprint(q.asked); got != "[111122223333 A 12 111122223333 A -1 111122223333 A default]" {
		t.Errorf("asked %s", got)
	}
	for _, body := range []string{"", "12", "{}", `{"value":1}`, `{"Value":"1"}`, `{"Value":1.5}`, `{"Value":1e3}`, `{"Value":null}`, `{"Value":[1]}`,
		`{"Value":1,"Value":2}`, `{"Value":1} {}`, `{"Value":1}]`, `{"Value":99999999999999999999}`, `{"Value":1,"x":2}`, "{"} {
		if w := ask(h, "PUT", one, body, "Authorization", "Bearer "+token); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := ask(h, "PUT", one, `{"Value":`+strings.Repeat(" ", 64<<10)+"1}", "Authorization", "Bearer "+token); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", w.Code)
	}
	if w := ask(h, "PUT", one, `{"Value":1}`); w.Code != http.StatusUnauthorized || len(q.asked) != 3 {
		t.Errorf("without a token: %d, asked %q", w.Code, q.asked)
	}
}

// FuzzQuotaValue: whatever the body is, what reaches the port is the whole number that it says.
func FuzzQuotaValue(f *testing.F) {
	for _, seed := range []string{`{"Value":1}`, `{"Value":-0}`, `{"Value":1.0}`, `{"Value":1}x`, ` { "Value" : 3 } `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h, q := quotaServer()
		w := ask(h, "PUT", "/_ostiary/v1/accounts/1/quotas/A", string(body), "Authorization", "Bearer "+token)
		if (w.Code == http.StatusOK) != (len(q.asked) == 1) {
			t.Fatalf("%q: %d, asked %q", body, w.Code, q.asked)
		}
		if w.Code == http.StatusOK {
			number := strings.TrimPrefix(q.asked[0], "1 A ")
			if number != "0" && !bytes.Contains(body, []byte(number)) {
				t.Fatalf("%q became %s", body, number)
			}
		}
	})
}
