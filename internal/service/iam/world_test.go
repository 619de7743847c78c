package iam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/unlink"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// world is an installation with one account that serves the IAM API over HTTP. Everything a test says to it goes through
// aws-sdk-go-v2, except what the tests could not do themselves: making callers.
type world struct {
	t            testing.TB
	account      string
	root         *sdk.Client
	rootKey      string
	url          string
	store        *lagging
	ring         *seal.Ring
	dir          *directory.Directory
	follower     *snapshot.Follower
	usage        *usage.Recorder
	reports      *report.Maker   // makes reports when it is told to Work
	clock        atomic.Int64    // how far the clock of the service is ahead of the machine's, in nanoseconds
	unlink       *unlink.Deleter // works when a test says so; what uses roles is in users
	users        *roleUsers
	notices      notices // what requestors of delegation requests were told
	http         aws.HTTPClient
	changes      atomic.Int64
	organization atomic.Pointer[iam.Organization] // nil: there is none

	reported             reportedOrganization // what reports are made about; none at first
	job, organizationJob string               // finished jobs, where a family has them

	thumbprint func(url string) (string, error) // of an OpenID Connect provider; nil: none can be reached
}

// managed answers directory's question with the catalog.
type managed struct{ *catalog.Managed }

func (m managed) ByARN(arn string) (string, bool) {
	p, ok := m.Managed.ByARN(arn)
	if !ok {
		return "", false
	}
	return p.ID, true
}

// lagging is a store whose watchers can be made to lag, as on a node that hears of changes late. Whoever asks for the head
// or writes lets them catch up.
type lagging struct {
	store.Store
	mu    sync.Mutex
	held  chan struct{} // closed when watchers may go on; nil while they need not wait
	armed bool          // asking and writing let watchers go on
	asked bool          // for the head, while watchers were held
}

// behind makes a change that watchers do not see yet.
func (l *lagging) behind(change func()) {
	l.mu.Lock()
	l.held = make(chan struct{})
	l.mu.Unlock()
	change()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = true
}

func (l *lagging) letGo(asked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed {
		close(l.held)
		l.held, l.armed, l.asked = nil, false, asked
	}
}

func (l *lagging) Head(ctx context.Context) (store.Revision, error) {
	l.letGo(true)
	return l.Store.Head(ctx)
}

func (l *lagging) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	rev, err := l.Store.Update(ctx, fn)
	if err == nil {
		l.letGo(false)
	}
	return rev, err
}

func (l *lagging) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for batch, err := range l.Store.Watch(ctx, prefix, after) {
			l.mu.Lock()
			held := l.held
			l.mu.Unlock()
			if held != nil {
				select {
				case <-held:
				case <-ctx.Done():
				}
			}
			if !yield(batch, err) {
				return
			}
		}
	}
}

// discard is a trail for events that are not written with a change.
type discard struct{}

func (discard) Record([]byte) {}

func newWorld(t testing.TB) *world {
	t.Helper()
	s := &lagging{Store: mem.Open(mem.Config{Rerun: true})}
	t.Cleanup(func() { _ = s.Close() })
	ring, err := seal.NewRing("test", time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, ring: ring, http: checklist.Answers(t, testenv.HTTPClient())}
	w.usage = usage.New(usage.Config{Store: s, Now: w.now})
	passwords, err := credential.NewHasher(credential.HasherConfig{Cost: credential.PasswordCost{MemoryKiB: 8, Passes: 1, Lanes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	w.dir = directory.New(directory.Config{Store: s, Ring: ring, Managed: managed{catalog.ManagedPolicies()}, Now: w.now, Passwords: passwords})
	w.follower = snapshot.New(snapshot.Config{Store: s, Managed: catalog.ManagedPolicies()})
	w.users = new(roleUsers)
	w.unlink = unlink.New(unlink.Config{
		Directory: w.dir, Snapshots: w.follower, Usage: w.usage, Now: w.now,
		Services: map[string]unlink.Service{"elasticache.amazonaws.com": w.users},
	})
	w.reports = w.newMaker()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.follower.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	g, err := gate.New(gate.Config{
		Services: []*gate.Service{iam.New(iam.Config{
			Issuer:    issuers{},
			Directory: w.dir, Managed: catalog.ManagedPolicies(), Usage: w.usage, Reports: w.reports, Thumbprint: w.askThumbprint,
			Organizations: organizations{w}, Notify: w.notices.add,
		})},
		Snapshots: w.follower, Store: s, Ring: ring, Managed: catalog.ManagedPolicies(), Trail: discard{}, Usage: w.usage,
		Regions: []string{"us-east-1", "eu-west-1"}, Now: w.now, Skew: 10 * 365 * 24 * time.Hour, // see later
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	w.url = server.URL
	acct, key, made, err := w.dir.Bootstrap(ctx, directory.NewAccount{Name: "first"})
	if err != nil || !made {
		t.Fatalf("Bootstrap: made %v, %v", made, err)
	}
	w.account, w.rootKey, w.root = acct.ID, key.ID, w.client(key.ID, key.Secret.Reveal(), "")
	w.settle()
	return w
}

func (w *world) askThumbprint(_ context.Context, url string) (string, error) {
	if w.thumbprint == nil {
		return "", errors.New("there is no network")
	}
	return w.thumbprint(url)
}

func (w *world) newMaker() *report.Maker {
	return report.New(report.Config{
		Store: w.store, Snapshots: w.follower, Usage: w.usage, Managed: catalog.ManagedPolicies(), Reference: catalog.ServiceReference(),
		Tracked: tracked, Organizations: &w.reported, Now: w.now,
	})
}

// now is the clock of the service.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

// later moves the clock of the service. Clients go on by the machine's, which the service forgives.
func (w *world) later(d time.Duration) { w.clock.Add(int64(d)) }

// work makes the reports that were asked for.
func (w *world) work() {
	w.t.Helper()
	if _, err := w.reports.Work(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// client returns an unmodified SDK client with the given credentials that does not try again.
func (w *world) client(id, secretKey, token string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.url), Retryer: aws.NopRetryer{}, HTTPClient: w.http,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secretKey, SessionToken: token}, nil
		}),
	})
}

// settle waits until the snapshot shows everything that is in the store.
func (w *world) settle() {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	if err == nil {
		_, err = w.follower.Wait(w.t.Context(), head)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// change is a Change of the tests themselves.
type change struct{ id string }

func (change) Guards() []store.Guard               { return nil }
func (c change) Event(any) (string, []byte, error) { return c.id, []byte("{}"), nil }

// make runs verbs of the directory and waits until they are seen.
func (w *world) make(fn func(*directory.Tx) error) {
	w.t.Helper()
	w.commit(fn)
	w.settle()
}

// commit runs verbs of the directory.
func (w *world) commit(fn func(*directory.Tx) error) {
	w.t.Helper()
	id := fmt.Sprint("test-", w.changes.Add(1))
	_, _, err := directory.Commit(w.t.Context(), w.dir, change{id}, func(tx *directory.Tx) (struct{}, error) {
		return struct{}{}, fn(tx)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// user makes a user with an access key and one inline policy for each statement, and returns a client for it.
func (w *world) user(name string, statements ...statement) *sdk.Client {
	w.t.Helper()
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		if _, err = tx.CreateUser(w.account, directory.NewUser{Name: name}); err != nil {
			return err
		}
		key, err = tx.CreateAccessKey(directory.OfUser(w.account, name))
		return err
	})
	w.grant(name, statements...)
	return w.client(key.ID, key.Secret.Reveal(), "")
}

// grant gives a user exactly these statements.
func (w *world) grant(name string, statements ...statement) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		t := directory.OfUser(w.account, name)
		if len(statements) == 0 {
			return nil
		}
		return tx.PutInlinePolicy(t, "test", document(statements...))
	})
}

// session returns a client with a session of a new role that may do everything.
func (w *world) session(role, name string) *sdk.Client {
	w.t.Helper()
	var r *entity.Role
	w.make(func(tx *directory.Tx) (err error) {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + w.account + `"},"Action":"sts:AssumeRole"}]}`
		if r, err = tx.CreateRole(w.account, directory.NewRole{Name: role, Trust: trust}); err != nil {
			return err
		}
		return tx.PutInlinePolicy(directory.OfRole(w.account, role), "test", document(allow("*", "*")))
	})
	id, err := credential.NewAccessKeyID(entity.PrefixTemporaryKey, w.account, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	token, err := session.Issue(w.ring, &session.Claims{
		Kind: session.AssumedRole, Account: w.account, PrincipalID: r.ID, Name: role, SessionName: name,
		AccessKeyID: id, Secret: secret.New("temporary"), Issued: now, Expires: now.Add(time.Hour), Region: "us-east-1",
	}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.client(id, "temporary", token)
}

// events returns the records in the outbox: the events that were written together with a change.
func (w *world) events() [][]byte {
	w.t.Helper()
	var all [][]byte
	err := w.store.View(w.t.Context(), func(r store.Reader) error {
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

func (w *world) arn(resource string) string { return "arn:aws:iam::" + w.account + ":" + resource }

// statement is one statement of a policy.
type statement struct {
	Effect, Action, Resource string
	Condition                map[string]map[string]any `json:",omitempty"`
}

func allow(action, resource string) statement { return statement{"Allow", action, resource, nil} }

func deny(action, resource string) statement { return statement{"Deny", action, resource, nil} }

// when adds a condition.
func (s statement) when(operator, key string, value any) statement {
	s.Condition = map[string]map[string]any{operator: {key: value}}
	return s
}

func document(statements ...statement) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// refused expects err to be that error of the API.
func refused(t testing.TB, err error, status int, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("got %v, want %s: %s", err, code, message)
		return
	}
	got := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		got = response.HTTPStatusCode()
	}
	if got != status || api.ErrorCode() != code || api.ErrorMessage() != message {
		t.Errorf("got  %d %s: %s\nwant %d %s: %s", got, api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
}

// denied expects the sentence for a caller whom no policy of theirs allows it.
func (w *world) denied(err error, user, action, resource string) {
	w.t.Helper()
	refused(w.t, err, 403, "AccessDenied", "User: "+w.arn("user/"+user)+" is not authorized to perform: "+action+
		" on resource: "+resource+" because no identity-based policy allows the "+action+" action")
}

// must returns out of a call that has to succeed.
func must[T any](out T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// numbered returns prefix000, prefix001 …
func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return names
}

// equalNames fails where two lists of names differ.
func equalNames(t testing.TB, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}
