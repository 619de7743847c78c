package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
)

const token = "operator-token-for-tests"

// accounts remembers what it was asked for.
type accounts struct {
	asked []server.NewAccount
	err   error
}

func (a *accounts) CreateAccount(_ context.Context, n server.NewAccount) (server.RootKey, error) {
	a.asked = append(a.asked, n)
	return server.RootKey{AccountID: "111122223333", AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: secret.New("planted-secret")}, a.err
}

// operator returns a handler with everything the operator API offers.
func operator(dev bool, log *bytes.Buffer) (http.Handler, *accounts) {
	a := new(accounts)
	s := server.New(server.Config{
		API: http.NotFoundHandler(), Dev: dev, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Operator: server.Operator{
			TokenHash: func() ([32]byte, bool) { return server.HashToken(secret.New(token)), true },
			Accounts:  a,
			Status: func(context.Context) (server.Status, error) {
				return server.Status{Version: "v1", Region: "us-east-1"}, nil
			},
			Events: func(_ context.Context, q server.EventQuery) (server.EventPage, error) {
				if q.After == "bad" {
					return server.EventPage{}, fault.New(fault.MarkerInvalid, "No such position.")
				}
				if q.After == "end" {
					return server.EventPage{Next: "end"}, nil
				}
				line, err := json.Marshal(q)
				return server.EventPage{Events: []json.RawMessage{line}, Next: "1-2"}, err
			},
		},
	})
	return s.Handler(), a
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:4566"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestOperatorDoor tries every way in that is not the token, in both modes. None reaches the port.
func TestOperatorDoor(t *testing.T) {
	bearer := []string{"Authorization", "Bearer " + token}
	for _, c := range []struct {
		name   string
		dev    bool
		header []string
		status int
	}{
		{"no token", false, nil, 401},
		{"token", false, bearer, 200},
		{"scheme in another case", false, []string{"Authorization", "bearer " + token}, 200},
		{"wrong token", false, []string{"Authorization", "Bearer wrong"}, 401},
		{"token cut short", false, []string{"Authorization", "Bearer " + token[:len(token)-1]}, 401},
		{"token and more", false, []string{"Authorization", "Bearer " + token + "x"}, 401},
		{"token in another case", false, []string{"Authorization", "Bearer " + strings.ToUpper(token)}, 401},
		{"empty token", false, []string{"Authorization", "Bearer "}, 401},
		{"no scheme", false, []string{"Authorization", token}, 401},
		{"other scheme", false, []string{"Authorization", "Basic " + token}, 401},
		{"two headers", false, append(bearer, bearer...), 401},
		{"token in the cookie", false, []string{"Cookie", "Authorization=Bearer " + token}, 401},
		{"page with the token", false, append(bearer, "Origin", "http://127.0.0.1:4566"), 403},
		{"page that hides its origin", false, append(bearer, "Origin", "null"), 403},
		{"page, by fetch metadata", false, append(bearer, "Sec-Fetch-Site", "cross-site"), 403},
		{"typed into a browser", false, append(bearer, "Sec-Fetch-Site", "none"), 200},
		{"token for another host", false, append(bearer, "Host", "ostiary.example.com"), 200},

		{"dev", true, nil, 200},
		{"dev, localhost", true, []string{"Host", "localhost:4566"}, 200},
		{"dev, LOCALHOST without a port", true, []string{"Host", "LOCALHOST"}, 200},
		{"dev, IPv6", true, []string{"Host", "[::1]:4566"}, 200},
		{"dev, rebound name", true, []string{"Host", "evil.example.com:4566"}, 403},
		{"dev, name that begins well", true, []string{"Host", "127.0.0.1.evil.example.com"}, 403},
		{"dev, name that ends well", true, []string{"Host", "evil.localhost"}, 403},
		{"dev, no host", true, []string{"Host", ""}, 403},
		{"dev, other address", true, []string{"Host", "192.0.2.1"}, 403},
		{"dev, page", true, []string{"Origin", "https://evil.example.com"}, 403},
		{"dev, page of the same site", true, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"dev, page of the same origin", true, []string{"Sec-Fetch-Site", "same-origin"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			h, a := operator(c.dev, &log)
			for _, call := range [][2]string{{"POST", "accounts"}, {"GET", "status"}, {"GET", "events"}} {
				w := ask(h, call[0], "/_ostiary/v1/"+call[1], "", c.header...)
				if w.Code != c.status {
					t.Errorf("%s %s answers %d, want %d", call[0], call[1], w.Code, c.status)
				}
				if c.status != 200 && !strings.HasPrefix(w.Body.String(), `{"Error":"`) {
					t.Errorf("%s: the refusal reads %s", call[1], w.Body)
				}
				if w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s: the answer may be cached", call[1])
				}
			}
			if reached := len(a.asked) > 0; reached != (c.status == 200) {
				t.Errorf("an account was made: %v", reached)
			}
			if strings.Contains(log.String(), token) {
				t.Errorf("the log shows the token: %s", &log)
			}
		})
	}
}

// TestNoToken: a server without a token allows nothing, not even the hash of nothing.
func TestNoToken(t *testing.T) {
	for name, hash := range map[string]func() ([32]byte, bool){
		"no source": nil,
		"no token":  func() ([32]byte, bool) { return [32]byte{}, false },
		"zero hash": func() ([32]byte, bool) { return server.HashToken(secret.New("")), true },
	} {
		h := server.New(server.Config{API: http.NotFoundHandler(), Operator: server.Operator{
			TokenHash: hash, Accounts: new(accounts),
		}}).Handler()
		for _, value := range []string{"Bearer ", "Bearer", "", "Bearer  "} {
			if w := ask(h, "POST", "/_ostiary/v1/accounts", "", "Authorization", value); w.Code != 401 {
				t.Errorf("%s: Authorization %q answers %d", name, value, w.Code)
			}
		}
	}
}

func TestCreateAccount(t *testing.T) {
	var log bytes.Buffer
	h, a := operator(true, &log)
	for body, want := range map[string]server.NewAccount{
		"":    {},
		" \n": {},
		"{}":  {},
		`{"Name":"n","Email":"e@example.com","Alias":"al"}`: {Name: "n", Email: "e@example.com", Alias: "al"},
		"{\"Alias\":\"al\"}\n":                              {Alias: "al"},
	} {
		a.asked = nil
		w := ask(h, "POST", "/_ostiary/v1/accounts", body)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%q answers %d %s", body, w.Code, w.Body)
			continue
		}
		const answer = `{"AccountId":"111122223333","AccessKeyId":"AKIAEXAMPLE","SecretAccessKey":"planted-secret"}` + "\n"
		if diff := cmp.Diff(answer, w.Body.String()); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]server.NewAccount{want}, a.asked); diff != "" {
			t.Errorf("%q (-want +got):\n%s", body, diff)
		}
	}
	a.asked = nil
	for body, status := range map[string]int{
		"null": 400, "[]": 400, "1": 400, "{": 400, `{"Name":1}`: 400, `{"Name":null}`: 400, `{"Name":{}}`: 400, `{"name":"n"}`: 400,
		`{"Name":"a","Name":"b"}`: 400, `{"Secret":"x"}`: 400, `{} {}`: 400, `{}x`: 400, `{"Name"}`: 400, `{"Name":"a",}`: 400,
		"Name=x": 400, `{"Name":"` + strings.Repeat("x", 70_000) + `"}`: 413,
	} {
		if w := ask(h, "POST", "/_ostiary/v1/accounts", body); w.Code != status {
			t.Errorf("%.40q answers %d %s, want %d", body, w.Code, w.Body, status)
		}
	}
	if a.asked != nil {
		t.Errorf("a refused body reached the port: %v", a.asked)
	}
	if strings.Contains(log.String(), "planted-secret") {
		t.Errorf("the log shows a secret: %s", &log)
	}
}

// TestErrors: public messages are shown, causes are logged, and each kind has its status.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		shown  string
	}{
		{fault.New(fault.Exists, "The alias is taken."), 409, "The alias is taken."},
		{fault.New(fault.Invalid, "Bad alias."), 400, "Bad alias."},
		{fault.New(fault.LimitExceeded, "Too many."), 409, "Too many."},
		{fault.New(fault.Unavailable, "Try again."), 503, "Try again."},
		{&fault.Error{Kind: fault.Unavailable, Cause: errors.New("planted-cause")}, 503, "Service Unavailable."},
		{fault.New(fault.Denied, "Not authorized."), 403, "Not authorized."},
		{fault.New(fault.WrongCode, "planted-cause: a kind that no call here answers with"), 500, "Internal Server Error."},
		{fmt.Errorf("planted-cause"), 500, "Internal Server Error."},
	} {
		var log bytes.Buffer
		h, a := operator(true, &log)
		a.err = c.err
		w := ask(h, "POST", "/_ostiary/v1/accounts", "")
		want := fmt.Sprintf("{\"Error\":%q}\n", c.shown)
		if w.Code != c.status || w.Body.String() != want {
			t.Errorf("%v answers %d %s, want %d %s", c.err, w.Code, w.Body, c.status, want)
		}
		if c.status >= 500 && log.Len() == 0 {
			t.Errorf("%v is not in the log", c.err)
		}
	}
}

func TestStatus(t *testing.T) {
	h, _ := operator(true, new(bytes.Buffer))
	w := ask(h, "GET", "/_ostiary/v1/status", "")
	var got server.Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Version != "v1" || got.Region != "us-east-1" {
		t.Errorf("%v: %s", err, w.Body)
	}
	if w := ask(h, "POST", "/_ostiary/v1/status", ""); w.Code != 405 {
		t.Errorf("POST answers %d", w.Code)
	}
	if w := ask(h, "GET", "/_ostiary/v1/none", ""); w.Code != 404 {
		t.Errorf("a call that is not there answers %d", w.Code)
	}
}

func TestEvents(t *testing.T) {
	h, _ := operator(true, new(bytes.Buffer))
	for query, want := range map[string]string{
		"":                                `{"Events":[{"Account":"","After":"","Limit":100}],"Next":"1-2"}`,
		"?account=1&after=1-2&limit=1000": `{"Events":[{"Account":"1","After":"1-2","Limit":1000}],"Next":"1-2"}`,
		"?after=end":                      `{"Events":[],"Next":"end"}`,
	} {
		if w := ask(h, "GET", "/_ostiary/v1/events"+query, ""); w.Code != 200 || w.Body.String() != want+"\n" {
			t.Errorf("%q answers %d %s, want %s", query, w.Code, w.Body, want)
		}
	}
	for _, query := range []string{"?after=bad", "?limit=0", "?limit=1001", "?limit=x", "?limit=-1", "?acount=1", "?after=1&after=2"} {
		if w := ask(h, "GET", "/_ostiary/v1/events"+query, ""); w.Code != 400 {
			t.Errorf("%q answers %d %s", query, w.Code, w.Body)
		}
	}
}

// FuzzCreateAccount: no body makes the call do anything but refuse or pass on what encoding/json reads too.
func FuzzCreateAccount(f *testing.F) {
	f.Add(`{"Name":"n","Email":"e","Alias":"a"}`)
	f.Add(`{"Name":"a","Name":"b"}`)
	f.Add("{\"Name\":\"\\ud800\"}")
	f.Add("[[[[")
	h, a := operator(true, new(bytes.Buffer))
	f.Fuzz(func(t *testing.T, body string) {
		a.asked = nil
		w := ask(h, "POST", "/_ostiary/v1/accounts", body)
		if w.Code != 200 {
			if a.asked != nil {
				t.Errorf("answered %d and made an account", w.Code)
			}
			return
		}
		if strings.TrimSpace(body) == "" {
			return
		}
		var want server.NewAccount
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if len(a.asked) != 1 || a.asked[0] != want {
			t.Errorf("asked for %+v, want %+v", a.asked, want)
		}
	})
}
