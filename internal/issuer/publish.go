package issuer

import (
	"net/http"
	"strconv"
	"time"

	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
)

// How long verifiers may keep the documents. A key set is far younger than [Lead] when the next key signs; after keys were replaced
// immediately, tokens of the old ones go on being accepted for as long as this.
const (
	discoveryAge = time.Hour
	keySetAge    = 5 * time.Minute
)

// Serves reports whether a request asks for a document of an issuer, by host and path alone.
func (k *Keeper) Serves(r *http.Request) bool {
	_, _, ok := k.cfg.Form.Find(r.Host, r.URL.Path)
	return ok
}

// ServeHTTP answers the discovery document and the key set of an issuer to anybody. They are public: what is in them verifies
// tokens and makes none. They stay when the account disables the feature, for the tokens that it gave before.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	id, what, ok := k.cfg.Form.Find(r.Host, r.URL.Path)
	account := ""
	if ok {
		account, ok = k.cfg.Account(id)
	}
	if !ok {
		http.Error(w, "no such issuer", http.StatusNotFound)
		return
	}
	document, age, err := k.document(r, account, id, what)
	if err != nil {
		k.cfg.Log.Error("an issuer's document cannot be answered", "account", account, "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
	h.Set("Content-Length", strconv.Itoa(len(document)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(document) // the client has gone, or has it
	}
}

func (k *Keeper) document(r *http.Request, account, id string, what oidc.Document) ([]byte, time.Duration, error) {
	if what == oidc.Discovery {
		document, err := oidc.DiscoveryDocument(k.URL(id))
		return document, discoveryAge, err
	}
	all, err := k.load(r.Context(), account)
	if err != nil {
		return nil, 0, err
	}
	document, err := oidc.KeySetDocument(all.published(k.cfg.Now()))
	return document, keySetAge, err
}
