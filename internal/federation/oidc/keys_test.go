package oidc_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
	"github.com/ostiary-iam/ostiary/internal/outbound"
)

// fetcher answers discovery documents of any issuer, and one key set for all.
type fetcher struct {
	mu     sync.Mutex
	keys   []byte
	err    error
	asked  []string
	prints []string
	gate   chan struct{} // fetches of key sets wait for it; nil: they do not
	chain  []*x509.Certificate
}

func (f *fetcher) Get(ctx context.Context, address string, thumbprints []string) (*outbound.Answer, error) {
	f.mu.Lock()
	f.asked, f.prints = append(f.asked, address), thumbprints
	err, keys, gate := f.err, f.keys, f.gate
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if issuer, ok := strings.CutSuffix(address, "/.well-known/openid-configuration"); ok {
		return &outbound.Answer{Body: []byte(`{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys"}`)}, nil
	}
	if gate != nil {
		<-gate
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return &outbound.Answer{Body: keys, Chain: f.chain}, nil
}

func (f *fetcher) set(keys []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys, f.err = keys, err
}

// count is how many key sets were asked for since the last time, or how many fetches failed.
func (f *fetcher) count() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if strings.HasSuffix(a, "/keys") || f.err != nil {
			n++
		}
	}
	f.asked = nil
	return n
}

// TestKeysAreRemembered: keys are fetched when they are needed, and no provider is asked more often than the rules allow,
// whatever tokens are sent.
func TestKeysAreRemembered(t *testing.T) {
	one, two := oidctest.NewKey(t, "one", "ES256"), oidctest.NewKey(t, "two", "ES256")
	f := &fetcher{keys: document(t, one)}
	at := now
	k := oidc.NewKeys(f, func() time.Time { return at })
	find := func(id string) (bool, error) {
		set, err := k.Find(t.Context(), issuer, nil, id)
		return err == nil && set.Has(id), err
	}
	steps := []struct {
		what    string
		after   time.Duration
		change  func()
		key     string
		has     bool
		wantErr bool
		fetches int
	}{
		{what: "the first time", key: "one", has: true, fetches: 1},
		{what: "again", key: "one", has: true},
		{what: "four minutes later", after: 4 * time.Minute, key: "one", has: true},
		{what: "an unknown key", key: "nobody", fetches: 1},
		{what: "another unknown key at once", key: "nobody2"},
		{what: "a known key at once", key: "one", has: true},
		{what: "an unknown key later", after: 31 * time.Second, key: "nobody", fetches: 1},
		{what: "a new key that nobody had", after: 31 * time.Second, change: func() { f.set(document(t, two), nil) }, key: "two", has: true, fetches: 1},
		{what: "the old key, which was taken away", key: "one"},
		{what: "keys that are old", after: 5 * time.Minute, key: "two", has: true, fetches: 1},
		{what: "a provider that is down, with old keys", after: 6 * time.Minute, change: func() { f.set(nil, errors.New("down")) }, key: "two", has: true, fetches: 1},
		{what: "again at once", key: "two", has: true},
		{what: "still down", after: 20 * time.Minute, key: "two", has: true, fetches: 1},
		{what: "down for too long", after: 5 * time.Minute, key: "two", wantErr: true, fetches: 1},
		{what: "the failure is remembered", after: 29 * time.Second, key: "two", wantErr: true},
		{what: "and forgotten", after: 2 * time.Second, change: func() { f.set(document(t, two), nil) }, key: "two", has: true, fetches: 1},
	}
	for _, s := range steps {
		at = at.Add(s.after)
		if s.change != nil {
			s.change()
		}
		has, err := find(s.key)
		if has != s.has || (err != nil) != s.wantErr {
			t.Errorf("%s: found %v, %v", s.what, has, err)
		}
		if n := f.count(); n != s.fetches {
			t.Errorf("%s: %d fetches, want %d", s.what, n, s.fetches)
		}
	}
}

// TestTrustIsNotShared: what one account trusts by its thumbprints is not what another trusts.
func TestTrustIsNotShared(t *testing.T) {
	f := &fetcher{keys: document(t, testKeys()["ES256"])}
	k := oidc.NewKeys(f, func() time.Time { return now })
	for _, prints := range [][]string{{"aa", "bb"}, {"aa"}, nil} {
		if _, err := k.Find(t.Context(), issuer, prints, ""); err != nil || f.count() != 1 {
			t.Errorf("%v: %v, or keys that were fetched under others", prints, err)
		}
	}
	if _, err := k.Find(t.Context(), issuer, []string{"bb", "aa"}, ""); err != nil || f.count() != 0 {
		t.Errorf("the same thumbprints in another order: %v", err)
	}
	if len(f.prints) != 0 {
		t.Errorf("the last fetch had the thumbprints %v", f.prints)
	}
}

// TestOneFetchForMany: calls that need the same keys at the same time make one fetch, and one that gives up does not end it.
func TestOneFetchForMany(t *testing.T) {
	keys := document(t, testKeys()["ES256"])
	synctest.Test(t, func(t *testing.T) {
		f := &fetcher{keys: keys, gate: make(chan struct{})}
		k := oidc.NewKeys(f, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := k.Find(ctx, issuer, nil, "x"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		close(f.gate)
		all.Wait()
		if n := f.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestMemoryIsBounded: strangers cannot fill the memory with providers; those in use stay.
func TestMemoryIsBounded(t *testing.T) {
	f := &fetcher{keys: document(t, testKeys()["ES256"])}
	at := now
	k := oidc.NewKeys(f, func() time.Time { at = at.Add(time.Millisecond); return at })
	find := func(i int) {
		t.Helper()
		if _, err := k.Find(t.Context(), fmt.Sprintf("https://idp%d.example", i), nil, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1500 {
		find(0)
		find(i)
	}
	f.count()
	find(0)
	find(1499)
	if n := f.count(); n != 0 {
		t.Errorf("%d of the providers in use were forgotten", n)
	}
	find(1)
	if n := f.count(); n != 1 {
		t.Error("the oldest is remembered")
	}
}

// TestFetchErrors: what a caller is told of a provider that does not answer as it should.
func TestFetchErrors(t *testing.T) {
	const noKey = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
	for name, c := range map[string]struct {
		keys    string
		err     error
		kind    fault.Kind
		message string
	}{
		"the certificate":   {err: outbound.ErrPinned, kind: fault.InvalidIdentityToken, message: "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"},
		"a private address": {err: outbound.ErrForbidden, kind: fault.InvalidIdentityToken, message: noKey},
		"404":               {err: outbound.ErrStatus, kind: fault.InvalidIdentityToken, message: noKey},
		"refused":           {err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}, kind: fault.Unreachable, message: "Error contacting identity provider"},
		"no such host":      {err: &net.DNSError{Err: "no such host"}, kind: fault.Unreachable, message: "Error contacting identity provider"},
		"slow":              {err: context.DeadlineExceeded, kind: fault.Unreachable, message: "Error contacting identity provider"},
		"no key set":        {keys: "<html>", kind: fault.InvalidIdentityToken, message: noKey},
		"a member twice":    {keys: `{"keys":[],"keys":[]}`, kind: fault.InvalidIdentityToken, message: noKey},
	} {
		f := &fetcher{keys: []byte(c.keys), err: c.err}
		_, err := oidc.NewKeys(f, func() time.Time { return now }).Find(t.Context(), issuer, nil, "x")
		if fault.KindOf(err) != c.kind || fault.MessageOf(err) != c.message {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThumbprint: it is the last certificate's of the key set's host.
func TestThumbprint(t *testing.T) {
	checklist.Shows(t, "S2-130", "S2-131")
	leaf, top := &x509.Certificate{Raw: []byte("leaf")}, &x509.Certificate{Raw: []byte("top")}
	f := &fetcher{chain: []*x509.Certificate{leaf, top}}
	got, err := oidc.Thumbprint(t.Context(), f, issuer)
	if err != nil || got != outbound.Thumbprint(top) || got == outbound.Thumbprint(leaf) {
		t.Errorf("got %s, %v", got, err)
	}
	if want := []string{issuer + "/.well-known/openid-configuration", issuer + "/keys"}; strings.Join(f.asked, " ") != strings.Join(want, " ") {
		t.Errorf("asked %v", f.asked)
	}
	if f.prints != nil {
		t.Error("trusted something before")
	}
	if _, err := oidc.Thumbprint(t.Context(), &fetcher{}, issuer); err == nil {
		t.Error("no certificate has a thumbprint")
	}
}
