package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// tokens remembers what it was asked for.
type tokens struct{ asked []string }

func (k *tokens) LoadToken(_ context.Context, serial string, seed secret.Text) error {
	k.asked = append(k.asked, "load "+serial+" "+seed.Reveal())
	if serial == "TAKEN1234" {
		return fault.New(fault.Exists, "It is there.")
	}
	return nil
}

func (k *tokens) Tokens(_ context.Context, after string, limit int) ([]server.Token, error) {
	k.asked = append(k.asked, fmt.Sprintf("list %q %d", after, limit))
	if after == "end" {
		return nil, nil
	}
	return []server.Token{
		{SerialNumber: "A", LoadedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		{SerialNumber: "B", LoadedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), AccountID: "111122223333"},
	}, nil
}

func (k *tokens) RemoveToken(_ context.Context, serial string) error {
	k.asked = append(k.asked, "remove "+serial)
	if serial == "" {
		return fault.New(fault.NotFound, "No token.")
	}
	return nil
}

func TestTokens(t *testing.T) {
	var log bytes.Buffer
	port := new(tokens)
	h := server.New(server.Config{
		API: http.NotFoundHandler(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Operator: server.Operator{TokenHash: func() ([32]byte, bool) { return server.HashToken(secret.New(token)), true }, Tokens: port},
	}).Handler()
	const all = `{"Tokens":[{"SerialNumber":"A","LoadedAt":"2026-03-01T12:00:00Z"},{"SerialNumber":"B","LoadedAt":"2026-03-01T12:00:00Z","AccountId":"111122223333"}],"Next":"B"}`
	for _, c := range []struct {
		method, query, body string
		status              int
		answer, asked       string // an empty answer is not compared
	}{
		{"POST", "", `{"SerialNumber":"GAHT12345678","Seed":"planted-seed"}`, 200, `{"SerialNumber":"GAHT12345678"}`, "load GAHT12345678 planted-seed"},
		{"POST", "", `{"SerialNumber":"TAKEN1234","Seed":"planted-seed"}`, 409, `{"Error":"It is there."}`, "load TAKEN1234 planted-seed"},
		{"POST", "", `{"SerialNumber":"x","Seed":"planted-seed","Name":"x"}`, 400, "", ""},
		{"POST", "", `{"SerialNumber":"x","Seed":1}`, 400, "", ""},
		{"POST", "", `[]`, 400, "", ""},
		{"GET", "", "", 200, all, `list "" 100`},
		{"GET", "?after=x%2Fy&limit=1000", "", 200, all, `list "x/y" 1000`},
		{"GET", "?after=end", "", 200, `{"Tokens":[],"Next":"end"}`, `list "end" 100`},
		{"GET", "?limit=0", "", 400, "", ""},
		{"GET", "?limit=1001", "", 400, "", ""},
		{"GET", "?serialNumber=x", "", 400, "", ""},
		{"DELETE", "?serialNumber=GAHT%2F1234", "", 200, `{"SerialNumber":"GAHT/1234"}`, "remove GAHT/1234"},
		{"DELETE", "", "", 404, `{"Error":"No token."}`, "remove "},
		{"DELETE", "?serialNumber=x&serialNumber=y", "", 400, "", ""},
		{"DELETE", "?serialNumber=x&limit=1", "", 400, "", ""},
		{"PUT", "", "", 405, "", ""},
	} {
		name := c.method + c.query + " " + c.body
		port.asked = nil
		if w := ask(h, c.method, "/_ostiary/v1/mfa-tokens"+c.query, c.body); w.Code != 401 || port.asked != nil {
			t.Errorf("%s without the operator's token: %d, asked for %v", name, w.Code, port.asked)
		}
		w := ask(h, c.method, "/_ostiary/v1/mfa-tokens"+c.query, c.body, "Authorization", "Bearer "+token)
		if w.Code != c.status || c.answer != "" && w.Body.String() != c.answer+"\n" {
			t.Errorf("%s answers %d %s", name, w.Code, w.Body)
		}
		if diff := cmp.Diff(c.asked, strings.Join(port.asked, "; ")); diff != "" {
			t.Errorf("%s (-want +asked):\n%s", name, diff)
		}
	}
	if strings.Contains(log.String(), "planted-seed") {
		t.Errorf("the log shows a seed: %s", &log)
	}
}
