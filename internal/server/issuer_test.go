package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// issuers publishes one document and counts how often.
type issuers struct{ answered atomic.Int64 }

func (i *issuers) Serves(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/issuer/") }

func (i *issuers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.answered.Add(1)
	w.WriteHeader(http.StatusOK)
}

// TestIssuersAreNotAskedForEver: anybody may read an issuer's documents, and no address more often than its budget says; others are
// not kept from it.
func TestIssuersAreNotAskedForEver(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	published, count := new(issuers), &throttled{meter: new(meter)}
	s := server.New(server.Config{Issuers: published, Meter: count, Throttle: throttle.New(throttle.Rates{Unauthenticated: 2}, func() time.Time { return at })})
	ask := func(from string) int {
		r := httptest.NewRequest(http.MethodGet, "/issuer/keys", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests, http.StatusTooManyRequests} {
		if got := ask("192.0.2.1:5000"); got != want {
			t.Errorf("request %d: %d, want %d", i+1, got, want)
		}
	}
	if got := ask("192.0.2.2:5000"); got != http.StatusOK {
		t.Errorf("another address: %d", got)
	}
	if n, refused := published.answered.Load(), count.issuer.Load(); n != 3 || refused != 2 {
		t.Errorf("%d answered, %d counted as refused", n, refused)
	}
	if at = at.Add(time.Second); ask("192.0.2.1:5000") != http.StatusOK {
		t.Error("the budget did not come back")
	}
}

// throttled counts what was refused for an issuer's documents.
type throttled struct {
	*meter
	issuer atomic.Int64
}

func (m *throttled) Throttled(scope, kind string) {
	if scope == "address" && kind == "issuer" {
		m.issuer.Add(1)
	}
}
