package gate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/usage"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// begin is when the clock of these tests stands at first.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an installation of one account behind a gate that is reached over HTTP. Everything that the gate says anywhere,
// in answers, events and logs, is kept.
type world struct {
	t        testing.TB
	account  string
	root     caller
	url      string
	base     store.Store
	store    *watched // what the gate and the services have of base
	ring     *seal.Ring
	dir      *directory.Directory // for the tests' own changes, past the hooks of store
	follower *snapshot.Follower
	clock    atomic.Pointer[time.Time]
	trail    recorder
	log      logBuffer
	uses     uses
	changes  atomic.Int64
}

// caller holds credentials.
type caller struct{ id, secret, token string }

// watched counts what is asked of a store and lets a test step in.
type watched struct {
	store.Store
	views, heads, updates atomic.Int64
	// before runs once, before the next Update begins.
	before atomic.Pointer[func()]
	// hold, while it is not nil, keeps changes from watchers until it is closed.
	hold atomic.Pointer[chan struct{}]
	// down, while it is not nil, is how every Update ends, before it has begun or, where late is set, after it was committed.
	down atomic.Pointer[error]
	late atomic.Bool
}

func (s *watched) View(ctx context.Context, fn func(store.Reader) error) error {
	s.views.Add(1)
	return s.Store.View(ctx, fn)
}

func (s *watched) Head(ctx context.Context) (store.Revision, error) {
	s.heads.Add(1)
	return s.Store.Head(ctx)
}

func (s *watched) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	s.updates.Add(1)
	if hook := s.before.Swap(nil); hook != nil {
		(*hook)()
	}
	down := s.down.Load()
	if down != nil && !s.late.Load() {
		return 0, *down
	}
	r, err := s.Store.Update(ctx, fn)
	if err == nil && down != nil {
		return 0, *down
	}
	return r, err
}

func (s *watched) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for b, err := range s.Store.Watch(ctx, prefix, after) {
			if hold := s.hold.Load(); hold != nil {
				select {
				case <-*hold:
				case <-ctx.Done():
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// pause keeps the snapshot from moving until the returned function is called.
func (s *watched) pause() (resume func()) {
	hold := make(chan struct{})
	s.hold.Store(&hold)
	return sync.OnceFunc(func() { s.hold.Store(nil); close(hold) })
}

// recorder keeps the events of reads and denials.
type recorder struct {
	mu     sync.Mutex
	events [][]byte
}

func (r *recorder) Record(event []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, bytes.Clone(event))
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// uses keeps what the gate notes of credentials.
type uses struct {
	mu  sync.Mutex
	all []string
}

func (u *uses) add(s string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, s)
}

func (u *uses) Key(id, service, region string, at time.Time) {
	u.add(fmt.Sprintf("key %s %s %s %s", id, service, region, at.Format(time.RFC3339)))
}

func (u *uses) Role(account, id, service, region string, at time.Time) {
	u.add(fmt.Sprintf("role %s %s %s %s %s", account, id, service, region, at.Format(time.RFC3339)))
}

func (u *uses) Access(account, principal, service, action, region string, at time.Time) {
	u.add(fmt.Sprintf("access %s %s %s:%s %s %s", account, principal, service, action, region, at.Format(time.RFC3339)))
}

type managed struct{ *catalog.Managed }

func (m managed) ByARN(arn string) (string, bool) {
	p, ok := m.Managed.ByARN(arn)
	if !ok {
		return "", false
	}
	return p.ID, true
}

func newWorld(t testing.TB) *world {
	t.Helper()
	base := mem.Open(mem.Config{})
	t.Cleanup(func() { _ = base.Close() })
	w := &world{t: t, base: base, store: &watched{Store: base}}
	w.clock.Store(&begin)
	var err error
	if w.ring, err = seal.NewRing("test", begin, nil); err != nil {
		t.Fatal(err)
	}
	w.dir = directory.New(directory.Config{Store: base, Ring: w.ring, Managed: managed{catalog.ManagedPolicies()}, Now: w.now})
	w.follower = snapshot.New(snapshot.Config{Store: w.store, Managed: catalog.ManagedPolicies()})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.follower.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	acct, key, _, err := w.dir.Bootstrap(ctx, directory.NewAccount{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	w.account, w.root = acct.ID, caller{key.ID, key.Secret.Reveal(), ""}
	g, err := gate.New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.settle()
	return w
}

// config is the whole of the gate's configuration.
func (w *world) config() gate.Config {
	dir := directory.New(directory.Config{Store: w.store, Ring: w.ring, Managed: managed{catalog.ManagedPolicies()}, Now: w.now})
	uses := usage.New(usage.Config{Store: w.base})
	return gate.Config{
		Services: []*gate.Service{
			iam.New(iam.Config{Directory: dir, Managed: catalog.ManagedPolicies(), Usage: uses}),
			sts.New(sts.Config{Codes: w.dir, Ring: w.ring, Managed: catalog.ManagedPolicies()}),
			{API: organizations.API, Source: "organizations.amazonaws.com", Region: "us-east-1"},
			{API: elasticache.API, Source: "elasticache.amazonaws.com"},
		},
		Snapshots: w.follower, Store: w.store, Ring: w.ring, Managed: catalog.ManagedPolicies(), Trail: &w.trail, Usage: &w.uses,
		Regions: []string{"us-east-1", "eu-west-1"}, Now: w.now,
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (w *world) now() time.Time { return *w.clock.Load() }

// advance moves the clock of everything but the snapshot.
func (w *world) advance(d time.Duration) {
	at := w.now().Add(d)
	w.clock.Store(&at)
}

// settle waits until the snapshot shows everything that is in the store.
func (w *world) settle() {
	w.t.Helper()
	head, err := w.base.Head(w.t.Context())
	if err == nil {
		_, err = w.follower.Wait(w.t.Context(), head)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

type change struct{ id string }

func (change) Guards() []store.Guard               { return nil }
func (c change) Event(any) (string, []byte, error) { return c.id, []byte(`{"eventName":"test"}`), nil }

// commit runs verbs of the directory and does not wait until they are seen.
func (w *world) commit(fn func(*directory.Tx) error) {
	w.t.Helper()
	_, _, err := directory.Commit(context.Background(), w.dir, change{fmt.Sprint("test-", w.changes.Add(1))},
		func(tx *directory.Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	if err != nil {
		w.t.Error(err)
	}
}

// make runs verbs of the directory and waits until they are seen.
func (w *world) make(fn func(*directory.Tx) error) {
	w.t.Helper()
	w.commit(fn)
	w.settle()
}

// user makes a user with an access key and these statements in an inline policy.
func (w *world) user(name string, statements ...string) caller {
	w.t.Helper()
	var c caller
	w.make(func(tx *directory.Tx) error {
		if _, err := tx.CreateUser(w.account, directory.NewUser{Name: name}); err != nil {
			return err
		}
		key, err := tx.CreateAccessKey(directory.OfUser(w.account, name))
		if err != nil {
			return err
		}
		c = caller{key.ID, key.Secret.Reveal(), ""}
		if len(statements) == 0 {
			return nil
		}
		return tx.PutInlinePolicy(directory.OfUser(w.account, name), "test", document(statements...))
	})
	return c
}

// role makes a role that its own account may delegate, with these statements in an inline policy.
func (w *world) role(name string, statements ...string) *entity.Role {
	w.t.Helper()
	var r *entity.Role
	w.make(func(tx *directory.Tx) (err error) {
		r, err = tx.CreateRole(w.account, directory.NewRole{Name: name, Trust: trusts(w.account)})
		if err != nil || len(statements) == 0 {
			return err
		}
		return tx.PutInlinePolicy(directory.OfRole(w.account, name), "test", document(statements...))
	})
	return r
}

// issue returns credentials that say what claims say; key and life are filled in.
func (w *world) issue(ring *seal.Ring, claims session.Claims) caller {
	w.t.Helper()
	id, text, err := credential.NewAccessKey(entity.PrefixTemporaryKey, claims.Account, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	claims.AccessKeyID, claims.Secret, claims.Issued = id, text, w.now()
	if claims.Expires.IsZero() {
		claims.Expires = w.now().Add(time.Hour)
	}
	token, err := session.Issue(ring, &claims, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return caller{id, text.Reveal(), token}
}

// session returns credentials of a role session.
func (w *world) session(r *entity.Role, name string) caller {
	w.t.Helper()
	return w.issue(w.ring, session.Claims{Kind: session.AssumedRole, Account: r.Account, PrincipalID: r.ID, Name: r.Name, SessionName: name})
}

func (w *world) arn(resource string) string { return "arn:aws:iam::" + w.account + ":" + resource }

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

func deny(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Deny","Action":%q,"Resource":%q}`, action, resource)
}

func trusts(principal string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, principal)
}

// request is a request before it is signed. The zero value is a POST to IAM.
type request struct {
	caller  caller
	service string // of the scope; empty means iam
	region  string // of the scope; empty means us-east-1
	target  string // X-Amz-Target, for the JSON protocol
	form    url.Values
	body    string // in the place of form
	at      time.Time
	expires time.Duration              // not zero: presigned, and sent as a GET
	regions string                     // not empty: SigV4A
	spoil   func(r *http.Request)      // after signing
	raw     func(r *http.Request) bool // before signing; false: do not sign
}

// answer is what came back.
type answer struct {
	status        int
	code, message string
	requestID     string
	header        http.Header
	body          string
}

// iamForm is a form for an IAM operation; the values alternate between names and values.
func iamForm(action string, values ...string) url.Values {
	f := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i < len(values); i += 2 {
		f.Set(values[i], values[i+1])
	}
	return f
}

// stsForm is iamForm for STS.
func stsForm(action string, values ...string) url.Values {
	f := iamForm(action, values...)
	f.Set("Version", "2011-06-15")
	return f
}

// iam calls an IAM operation.
func (w *world) iam(c caller, action string, values ...string) answer {
	w.t.Helper()
	return w.send(request{caller: c, form: iamForm(action, values...)})
}

// sts calls an STS operation.
func (w *world) sts(c caller, action string, values ...string) answer {
	w.t.Helper()
	return w.send(request{caller: c, service: "sts", form: stsForm(action, values...)})
}

// build makes and signs the HTTP request.
func (w *world) build(q request) *http.Request {
	w.t.Helper()
	body, method, target := q.body, http.MethodPost, w.url+"/"
	if q.form != nil {
		body = q.form.Encode()
	}
	if q.expires != 0 {
		method, target, body = http.MethodGet, target+"?"+body, ""
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("User-Agent", "test/1.0")
	if q.target != "" {
		r.Header.Set("X-Amz-Target", q.target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if q.raw != nil && !q.raw(r) {
		return r
	}
	s := sigv4.Signer{AccessKeyID: q.caller.id, Secret: q.caller.secret, Token: q.caller.token, Region: q.region, Service: q.service, RegionSet: q.regions}
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if s.Service == "" {
		s.Service = "iam"
	}
	at := q.at
	if at.IsZero() {
		at = w.now()
	}
	sum := sha256.Sum256([]byte(body))
	if q.expires != 0 {
		err = s.Presign(r, sum, at, q.expires)
	} else {
		err = s.Sign(r, sum, at)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if q.spoil != nil {
		q.spoil(r)
	}
	return r
}

// send signs and sends a request and reads the answer.
func (w *world) send(q request) answer {
	w.t.Helper()
	res, err := http.DefaultClient.Do(w.build(q))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return read(w.t, res, string(text))
}

func read(t testing.TB, res *http.Response, text string) answer {
	t.Helper()
	a := answer{status: res.StatusCode, header: res.Header, body: text, requestID: res.Header.Get("X-Amzn-RequestId")}
	switch {
	case a.status == http.StatusOK:
	case res.Header.Get("Content-Type") == "application/x-amz-json-1.1":
		var e struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		a.code, a.message = e.Type, e.Message
	default:
		var e struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Code      string   `xml:"Error>Code"`
			Message   string   `xml:"Error>Message"`
			RequestID string   `xml:"RequestId"`
		}
		if err := xml.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		a.code, a.message = e.Code, e.Message
		if e.RequestID != a.requestID {
			t.Errorf("the answer names request %s and its header %s", e.RequestID, a.requestID)
		}
	}
	if a.requestID == "" {
		t.Error("an answer without a request ID")
	}
	return a
}

// ok expects success.
func (w *world) ok(a answer) answer {
	w.t.Helper()
	if a.status != http.StatusOK {
		w.t.Errorf("got %d %s: %s", a.status, a.code, a.message)
	}
	return a
}

// refused expects that error. A message that ends with … is the beginning of one.
func (w *world) refused(a answer, status int, code, message string) {
	w.t.Helper()
	same := a.message == message
	if head, ok := strings.CutSuffix(message, "…"); ok {
		same = strings.HasPrefix(a.message, head)
	}
	if a.status != status || a.code != code || !same {
		w.t.Errorf("got  %d %s: %s\nwant %d %s: %s", a.status, a.code, a.message, status, code, message)
	}
}

// events returns the events of one request, those in the outbox first.
func (w *world) events(requestID string) []*trail.Event {
	w.t.Helper()
	var all []*trail.Event
	for _, line := range append(w.outbox(), w.recorded()...) {
		e, err := trail.Decode(line)
		if err != nil {
			w.t.Fatal(err)
		}
		if e.RequestID == requestID {
			all = append(all, e)
		}
	}
	return all
}

// event returns the one event of a request.
func (w *world) event(a answer) *trail.Event {
	w.t.Helper()
	all := w.events(a.requestID)
	if len(all) != 1 {
		w.t.Fatalf("%d events of one call: %s", len(all), a.body)
	}
	return all[0]
}

func (w *world) recorded() [][]byte {
	w.trail.mu.Lock()
	defer w.trail.mu.Unlock()
	return append([][]byte(nil), w.trail.events...)
}

// outbox returns the events that were committed together with a change.
func (w *world) outbox() [][]byte {
	w.t.Helper()
	var all [][]byte
	err := w.base.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(entity.OutboxPlane) {
			if err != nil {
				return err
			}
			all = append(all, bytes.Clone(e.Value))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}
