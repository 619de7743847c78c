package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

func TestOIDCProviders(t *testing.T) {
	w := newWorld(t)
	create := func(account string, n directory.NewOIDCProvider) func(*directory.Tx) error {
		if n.Thumbprints == nil {
			n.Thumbprints = []string{somePrint}
		}
		return func(tx *directory.Tx) error { _, err := tx.CreateOIDCProvider(account, n); return err }
	}
	one := entity.OIDCProviderARN(home, "idp.example/One")
	w.do(create(home, directory.NewOIDCProvider{URL: "https://idp.example/One", ClientIDs: []string{"a", "a"}}))
	t.Run("unique in the account", func(t *testing.T) {
		checklist.Shows(t, "S2-126")
		w.t = t
		w.refuse(fault.Exists, "Provider with url https://idp.example/One already exists.", create(home, directory.NewOIDCProvider{URL: "https://idp.example/One"}))
		w.do(create(abroad, directory.NewOIDCProvider{URL: "https://idp.example/One"}))
		w.do(create(home, directory.NewOIDCProvider{URL: "https://idp.example/one"})) // case counts
		w.do(create(home, directory.NewOIDCProvider{URL: "https://idp.example/One/"}))
		w.refuse(fault.InvalidInput, "Invalid Open ID Connect Provider URL. The URL must begin with https://.",
			create(home, directory.NewOIDCProvider{URL: "http://idp.example/One"}))
		w.intact()
	})
	w.t = t
	w.refuse(fault.InvalidInput, "Thumbprint list must contain at least one entry.", create(home, directory.NewOIDCProvider{URL: "https://x.example", Thumbprints: []string{}}))
	const badID = "Invalid client ID. It must be 1 to 255 characters without control characters."
	for _, id := range []string{"", strings.Repeat("x", 256), "a\nb"} {
		w.refuse(fault.InvalidInput, badID, create(home, directory.NewOIDCProvider{URL: "https://x.example", ClientIDs: []string{id}}))
		w.refuse(fault.InvalidInput, badID, func(tx *directory.Tx) error { return tx.AddClientID(home, one, id) })
		w.refuse(fault.InvalidInput, badID, func(tx *directory.Tx) error { return tx.RemoveClientID(home, one, id) })
	}
	w.do(func(tx *directory.Tx) error { return tx.AddClientID(home, one, "b") })
	w.do(func(tx *directory.Tx) error { return tx.RemoveClientID(home, one, "a") })
	p := w.state().items[`("id", "item", "`+home+`", "oidc-provider", "idp.example/One")`]
	if p == nil || !slices.Equal(p.(*entity.OIDCProvider).ClientIDs, []string{"b"}) {
		t.Errorf("stored as %+v", p)
	}
	w.do(setQuota(directory.OIDCProvidersQuota, 3))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 3", create(home, directory.NewOIDCProvider{URL: "https://x.example"}))
	foreign := entity.OIDCProviderARN(abroad, "idp.example/One")
	w.refuse(fault.NotFound, "OpenIDConnect Provider not found for arn "+foreign, func(tx *directory.Tx) error { return tx.SetThumbprints(home, foreign, []string{somePrint}) })
	w.do(func(tx *directory.Tx) error { return tx.DeleteOIDCProvider(home, foreign) }) // nothing of this account's
	w.do(func(tx *directory.Tx) error { return tx.DeleteOIDCProvider(home, one) })
	w.do(func(tx *directory.Tx) error { return tx.DeleteOIDCProvider(home, one) })
	if got := len(w.state().items); got != 3 {
		t.Errorf("%d providers are left", got)
	}
	w.intact()
}

// TestProviderNames: names without case tell apart whatever URLs differ.
func TestProviderNames(t *testing.T) {
	seen := make(map[string]string)
	for _, url := range []string{"a/B", "a/b", "A/b", "A/B", "a/bB", "a/Bb", "AB", "aB", "Ab", "ab"} {
		name := entity.FoldName(entity.OIDCProviderName(url))
		if seen[name] != "" {
			t.Errorf("%s and %s have one name", url, seen[name])
		}
		seen[name] = url
	}
}
