package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/outbound"
)

// How long keys are remembered. Somebody who sends tokens of their own making decides how often keys are looked for: no provider
// is asked more often than every retry, whatever is sent.
const (
	fresh   = 5 * time.Minute  // older keys are fetched again
	usable  = 30 * time.Minute // keys that cannot be fetched again are used for so long
	retry   = 30 * time.Second // after a fetch, before the next for a key that is not in the set, or after a failure
	maxSets = 1024             // providers whose keys are remembered
)

// Keys fetches the key sets of providers and remembers them. What was fetched under one provider's thumbprints is not given to
// another's. It is safe for concurrent use.
type Keys struct {
	get    Getter
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	sets map[string]*remembered // by issuer and thumbprints
}

// remembered is the last that is known of a provider's keys.
type remembered struct {
	set     *KeySet   // nil: never fetched
	fetched time.Time // when set was
	tried   time.Time // when last asked, in vain or not
	err     error     // of the last fetch
	used    time.Time
}

// NewKeys returns Keys that fetch through get and go by the clock now.
func NewKeys(get Getter, now func() time.Time) *Keys {
	return &Keys{get: get, now: now, sets: make(map[string]*remembered)}
}

// Find returns the keys of the provider at issuer, trusted by authorities or thumbprints, to verify a token that names the key
// keyID. The set may lack that key: then it was asked for a moment ago. Errors are of the kinds InvalidIdentityToken, where the
// provider's answer or certificate is at fault, and Unreachable.
func (k *Keys) Find(ctx context.Context, issuer string, thumbprints []string, keyID string) (*KeySet, error) {
	name := issuer + " " + strings.Join(slices.Sorted(slices.Values(thumbprints)), " ")
	r := k.recall(name)
	if set, err, ok := r.answer(keyID, k.now()); ok {
		return set, err
	}
	// Whoever asked first waits no longer than the client's own time; who gives up in between does not take the answer from others.
	got, _, _ := k.flight.Do(name, func() (any, error) {
		set, err := fetch(context.WithoutCancel(ctx), k.get, issuer, thumbprints)
		return k.remember(name, set, err), nil
	})
	r = got.(remembered)
	if r.usable(k.now()) {
		return r.set, nil
	}
	return nil, r.err
}

// answer is what can be said without asking the provider.
func (r *remembered) answer(keyID string, now time.Time) (*KeySet, error, bool) {
	recent := now.Sub(r.tried) < retry
	switch {
	case r.set != nil && now.Sub(r.fetched) < fresh && (recent || keyID == "" || r.set.Has(keyID)):
		return r.set, nil, true
	case recent && r.usable(now):
		return r.set, nil, true
	case recent && r.err != nil:
		return nil, r.err, true
	}
	return nil, nil, false
}

func (r *remembered) usable(now time.Time) bool { return r.set != nil && now.Sub(r.fetched) < usable }

// recall returns what is known.
func (k *Keys) recall(name string) remembered {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.sets[name]
	if !ok {
		return remembered{}
	}
	r.used = k.now()
	return *r
}

// remember notes how a fetch ended, and forgets who was not asked for longest where there are too many.
func (k *Keys) remember(name string, set *KeySet, err error) remembered {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.sets[name]
	if !ok {
		if len(k.sets) >= maxSets {
			oldest := ""
			for other, o := range k.sets {
				if oldest == "" || o.used.Before(k.sets[oldest].used) {
					oldest = other
				}
			}
			delete(k.sets, oldest)
		}
		r = new(remembered)
		k.sets[name] = r
	}
	now := k.now()
	r.tried, r.used, r.err = now, now, err
	if err == nil {
		r.set, r.fetched = set, now
	}
	return *r
}

// fetch asks a provider for its discovery document and its keys.
func fetch(ctx context.Context, g Getter, issuer string, thumbprints []string) (*KeySet, error) {
	m, err := discover(ctx, g, issuer, thumbprints)
	if err != nil {
		return nil, fetchFault(err)
	}
	a, err := g.Get(ctx, m.KeySetURL, thumbprints)
	if err != nil {
		return nil, fetchFault(fmt.Errorf("oidc: the key set: %w", err))
	}
	set, err := ParseKeySet(a.Body)
	if err != nil {
		return nil, fetchFault(err)
	}
	return set, nil
}

// fetchFault gives AWS's errors to what went wrong: the certificate, a provider that is slow or not there, or what it answered.
func fetchFault(err error) error {
	switch {
	case errors.Is(err, outbound.ErrPinned):
		return invalid(sayPinned, err)
	case outbound.IsNetwork(err):
		return &fault.Error{Kind: fault.Unreachable, Message: "Error contacting identity provider", Cause: err}
	}
	return invalid(sayKey, err)
}
