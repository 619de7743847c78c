package cell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// headerVersion says, in a Door's refusal, which version of the map knows where the account has gone. It stays between door and
// router.
const headerVersion = "X-Ostiary-Cell-Version"

// maxBody is the largest body that a router takes; nodes have closer limits of their own.
const maxBody = 16 << 20

// Door stands before a node's API and lets no call of an account through that has left the cell or not arrived. Make it with
// [NewDoor]; Run must run.
type Door struct {
	store store.Store
	next  http.Handler
	log   *slog.Logger

	mu      sync.Mutex
	changed *sync.Cond // reached rose, or somebody went out; its lock is mu
	fences  map[string]Fence
	reached store.Revision // what the door knows of the store
	inside  map[string]int // calls that were let through and are not answered, by account
}

// NewDoor returns a door before next, whose node works on st. It lets nobody through before Run has read the fences.
func NewDoor(st store.Store, next http.Handler, log *slog.Logger) *Door {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Door{store: st, next: next, log: log, inside: make(map[string]int)}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// Run follows the fences until ctx ends. When it loses the watch it reads them anew.
func (d *Door) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed.Broadcast()
	})
	defer stop()
	for {
		at, err := d.load(ctx)
		if err == nil {
			err = d.follow(ctx, at)
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return err
		}
		d.log.Warn("the fences are read anew", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *Door) load(ctx context.Context) (at store.Revision, err error) {
	fences := make(map[string]Fence)
	err = d.store.View(ctx, func(r store.Reader) error {
		at = r.Revision()
		clear(fences)
		for e, err := range r.Range(FencePlane) {
			if err != nil {
				return err
			}
			f, err := entity.Decode[Fence](e.Value)
			if err != nil {
				return err
			}
			fences[fencedAccount(e.Key)] = *f
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fences, d.reached = fences, at
	d.changed.Broadcast()
	return at, nil
}

func (d *Door) follow(ctx context.Context, after store.Revision) error {
	for batch, err := range d.store.Watch(ctx, FencePlane, after) {
		if err != nil {
			return err
		}
		if err := d.apply(batch); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (d *Door) apply(batch store.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range batch.Changes {
		if c.Deleted {
			delete(d.fences, fencedAccount(c.Key))
			continue
		}
		f, err := entity.Decode[Fence](c.Value)
		if err != nil {
			return err
		}
		d.fences[fencedAccount(c.Key)] = *f
	}
	d.reached = max(d.reached, batch.Revision)
	d.changed.Broadcast()
	return nil
}

func fencedAccount(key []byte) string {
	parts, err := keyenc.Decode(key)
	if err != nil || len(parts) != 3 {
		return ""
	}
	account, _ := parts[2].(string)
	return account
}

// Reached returns when the door goes by all fences that were up at revision at, and no call is left inside that came in before
// its account's fence: it would find the account half cleaned away.
func (d *Door) Reached(ctx context.Context, at store.Revision) error {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed.Broadcast()
	})
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.reached < at || d.busy() {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.changed.Wait()
	}
	return nil
}

// busy reports whether a closed account has calls inside.
func (d *Door) busy() bool {
	for account := range d.inside {
		if f, ok := d.fences[account]; ok && f.closed() {
			return true
		}
	}
	return false
}

// closed reports whether not even reads are let through.
func (f Fence) closed() bool { return f.State == Left || f.State == Arriving }

// enter lets a call of an account in, or says what stands in its way. ready is false before the fences are known.
func (d *Door) enter(account string) (f Fence, ready bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f = d.fences[account]
	if ready = d.fences != nil; ready && !f.closed() {
		d.inside[account]++
	}
	return f, ready
}

func (d *Door) exit(account string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside[account]--; d.inside[account] == 0 {
		delete(d.inside, account)
		d.changed.Broadcast()
	}
}

// ServeHTTP lets the call through or refuses it: with 421 and a version of the map where the account has left, with 503 where it
// has not arrived.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := bodyOf(w, r)
	if !ok {
		return
	}
	account := Account(r, body)
	switch fence, ready := d.enter(account); {
	case !ready, fence.State == Arriving:
		unavailable(w)
	case fence.State == Left:
		w.Header().Set(headerVersion, strconv.FormatInt(fence.Version, 10))
		http.Error(w, "The account is in another cell.", http.StatusMisdirectedRequest)
	default:
		defer d.exit(account)
		d.next.ServeHTTP(w, r)
	}
}

// unavailable is an answer that every AWS SDK tries again.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "The account is moving to another cell. Try again.", http.StatusServiceUnavailable)
}

// bodyOf reads the request's body and puts it back; ok is false where it could not, which has been answered.
func bodyOf(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	if r.Body == nil {
		return nil, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "The request body could not be read.", http.StatusBadRequest)
		return nil, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, true
}

// Account returns the account whose cell a call belongs to, "" where the call does not say. Nothing of it is proved: the cell
// verifies the signature or the assertion, and knows only its own accounts' keys.
//
// A signed call is the account's of its access key ID, which carries it (D21). An unsigned one is that of the role it asks for.
func Account(r *http.Request, body []byte) string {
	id := r.URL.Query().Get("X-Amz-Credential")
	if _, credential, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		id = credential
	}
	if id, _, _ = strings.Cut(id, "/"); id != "" {
		account, _ := credential.AccountOf(id)
		return account
	}
	for _, text := range []string{string(body), r.URL.RawQuery} {
		if form, err := url.ParseQuery(text); err == nil && form.Has("RoleArn") {
			return accountOfARN(form.Get("RoleArn"))
		}
	}
	return ""
}

// Router sends calls on to cells.
type Router struct {
	Map     *Map
	Cells   map[string]http.Handler // by name; each a [Door], or a proxy to one
	Default string                  // the cell that answers calls of no known account: it refuses them as AWS would
	// Misdirected, if not nil, is told of every call that had to be sent on, since the map was old.
	Misdirected func(account string)
}

// hops is how often a call is sent on: once for an old map, and again for a move during the first time.
const hops = 4

// ServeHTTP answers with what the account's cell says.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := bodyOf(w, r)
	if !ok {
		return
	}
	account := Account(r, body)
	var least int64
	for range hops {
		at := Assignment{Cell: rt.Default}
		if account != "" {
			found, ok, err := rt.Map.Find(r.Context(), account, least)
			if err != nil {
				unavailable(w)
				return
			}
			if ok {
				at = found
			}
		}
		next, ok := rt.Cells[at.Cell]
		if !ok {
			unavailable(w)
			return
		}
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		answer := &answer{ResponseWriter: w, header: make(http.Header)}
		if next.ServeHTTP(answer, again); !answer.misdirected {
			answer.finish()
			return
		}
		if rt.Misdirected != nil {
			rt.Misdirected(account)
		}
		version, err := strconv.ParseInt(answer.header.Get(headerVersion), 10, 64)
		if err != nil {
			break
		}
		if at.Version >= version {
			break // it has left, and the map does not know yet where to: soon
		}
		least = version
	}
	unavailable(w)
}

// answer passes on what a cell answers, unless it is that the account is elsewhere.
type answer struct {
	http.ResponseWriter
	header      http.Header
	begun       bool
	misdirected bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(code int) {
	if a.begun || a.misdirected {
		return
	}
	if code == http.StatusMisdirectedRequest {
		a.misdirected = true
		return
	}
	a.begun = true
	for name, values := range a.header {
		a.ResponseWriter.Header()[name] = values
	}
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.misdirected {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// finish sends the header of an answer without a body.
func (a *answer) finish() { a.WriteHeader(http.StatusOK) }
