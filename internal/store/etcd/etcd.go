// Package etcd is the engine of a cluster: the records lie in an etcd cluster, and any number of nodes use them at once.
//
// Under the prefix of an installation etcd holds
//
//	PREFIX "r/" key      a record; etcd's mod revision is the record's revision
//	PREFIX "compaction"  whose turn it was to compact: see compact.go
//
// A store's revisions are etcd's own. Others who write to the same etcd cluster raise them too, which the seam allows: an
// Update raises the revision by one or more.
//
// # Reading
//
// The first read of a View or an Update is linearizable: a quorum confirms it, so that it holds every Update that returned
// before. It fixes the revision. What is read after it is read at this revision and may come from any member alone
// (etcd's "serializable" reads): the content of a revision is the same everywhere, and a member that has not got so far yet
// says so and is asked again through the quorum. A stale answer is not possible, and a View costs one round through the
// quorum, however much it reads.
//
// # Writing
//
// Updates are optimistic. What fn read is compared when its writes are committed, in one etcd transaction: every key by its
// revision, and where the transaction has room for it every range that was read by "nothing in it is younger", so that keys
// which appear are seen as well (a key that vanishes is seen by its own compare). Where there is no room, callers rely on generation
// records, as the seam says. A commit that fails brings what the keys hold now; the next run of fn reads that, so that it
// costs one round. Updates of one process that were in each other's way go on one after the other, those of several wait for
// random times.
//
// # Outcomes
//
// A commit runs to its end when the caller's context ends. When the connection is lost, when a leader falls or etcd is
// slower than the timeout, the commit may have happened or may still happen: the Update gets [store.ErrUnknownOutcome]. It
// gets [store.ErrUnavailable] where it is certain that nothing was and nothing will be written.
//
// # Watches
//
// Each Watch is an etcd watch on a stream of its own; etcd keeps the history, so that a watch resumes over a restart of the
// node and over the loss of a member. A progress notice is a proof, not the absence of news: see watch.go. It needs etcd
// 3.5.13 or newer, before which etcd's own progress notices could overtake changes.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Defaults of [Config] and bounds.
const (
	DefaultPrefix       = "ostiary/"
	DefaultTimeout      = 5 * time.Second
	DefaultStartTimeout = 30 * time.Second
	DefaultCompactEvery = 5 * time.Minute

	// MaxPrefix bounds a prefix, in bytes: it travels with every key, and a transaction of the seam's largest size must
	// still fit into etcd's request.
	MaxPrefix = 32

	// The client's library pings no more often than every ten seconds, and etcd refuses more than one ping in five.
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 3 * time.Second
)

// Config says which etcd cluster, and how to reach it. Endpoints must be set; the rest has usable zero values.
type Config struct {
	// Endpoints are the members' client addresses, host:port.
	Endpoints []string
	// Prefix is in front of all keys, so that several installations can share a cluster; a slash is put behind it where it
	// has none. Empty means [DefaultPrefix].
	Prefix string
	// TLS is how to talk to the members, with the client's certificate where they ask for one; nil is plain text.
	TLS *tls.Config
	// User and Password log in, if User is not empty.
	User     string
	Password secret.Text
	// Timeout bounds one read or commit; zero means [DefaultTimeout].
	Timeout time.Duration
	// StartTimeout is how long Open waits for a cluster that does not answer; zero means [DefaultStartTimeout].
	StartTimeout time.Duration
	// CompactEvery is how often history is given up, by one of the nodes: what is older than this, at most twice this, can
	// not be watched from any more. Zero means [DefaultCompactEvery], less than zero leaves compaction to etcd's own
	// settings.
	CompactEvery time.Duration
	// Logger is told what goes wrong beside calls; nil means no messages.
	Logger *slog.Logger
	// Now is for the age of proofs and must carry a monotonic reading; nil means time.Now.
	Now func() time.Time
}

// Store implements [store.Store]. Make it with [Open].
type Store struct {
	cfg     Config
	client  *clientv3.Client
	prefix  string // of everything
	records string // of the records
	lg      *slog.Logger

	gate   sync.RWMutex  // held shared by running transactions, alone by Close
	ending chan struct{} // closed when Close begins
	closed atomic.Bool
	close  func() error // runs once
	turn   chan struct{}

	proofs     proofs
	watchers   atomic.Int64
	streams    atomic.Int64 // numbers watches
	wanted     chan struct{}
	stop       context.CancelFunc
	background sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects to the cluster and waits until it answers.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	scheme := "http://"
	if cfg.TLS != nil {
		scheme = "https://"
	}
	var endpoints []string
	for _, e := range cfg.Endpoints {
		endpoints = append(endpoints, scheme+e)
	}
	cc := clientv3.Config{
		Endpoints: endpoints, TLS: cfg.TLS, Username: cfg.User, Password: cfg.Password.Reveal(),
		DialTimeout: cfg.Timeout, DialKeepAliveTime: keepAliveTime, DialKeepAliveTimeout: keepAliveTimeout,
		MaxUnaryRetries:    20,      // about half a second; after it the error says why
		MaxCallSendMsgSize: 4 << 20, // etcd's own limit is the one that counts
		Logger:             zap.NewNop(),
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{
		cfg: cfg, prefix: cfg.Prefix, records: cfg.Prefix + "r/", lg: cfg.Logger, ending: make(chan struct{}),
		turn: make(chan struct{}, 1), wanted: make(chan struct{}, 1), stop: stop,
	}
	s.proofs.news = make(chan struct{})
	if err := s.connect(ctx, cc); err != nil {
		stop()
		return nil, fmt.Errorf("opening the store in etcd at %s: %w", strings.Join(cfg.Endpoints, ","), err)
	}
	s.close = sync.OnceValue(s.shut)
	s.background.Go(func() { s.prove(running) })
	if cfg.CompactEvery > 0 {
		s.background.Go(func() { s.compactions(running) })
	}
	return s, nil
}

// complete fills in defaults and refuses what cannot be.
func (c *Config) complete() error {
	if len(c.Endpoints) == 0 {
		return errors.New("etcd: no endpoints")
	}
	for _, e := range c.Endpoints {
		if host, port, err := net.SplitHostPort(e); err != nil || host == "" || port == "" {
			return fmt.Errorf("etcd: the endpoint %q is not host:port", e)
		}
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	if len(c.Prefix) > MaxPrefix {
		return fmt.Errorf("etcd: the prefix %q is longer than %d bytes", c.Prefix, MaxPrefix)
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.StartTimeout <= 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.CompactEvery == 0 {
		c.CompactEvery = DefaultCompactEvery
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// connect makes the client and waits for the cluster's first answer.
func (s *Store) connect(ctx context.Context, cc clientv3.Config) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StartTimeout)
	defer cancel()
	var last error
	for {
		err := s.try(ctx, cc)
		if err == nil {
			return nil
		}
		if s.client != nil {
			_ = s.client.Close()
			s.client = nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() != nil || hopeless(err) {
			return last
		}
		s.lg.Warn("etcd does not answer yet", "endpoints", strings.Join(s.cfg.Endpoints, ","), "error", err)
		pause(ctx, time.Second)
	}
}

func (s *Store) try(ctx context.Context, cc clientv3.Config) error {
	client, err := clientv3.New(cc)
	if err != nil {
		return unavailable("connecting", err)
	}
	s.client = client
	head, err := s.head(ctx)
	if err != nil {
		return err
	}
	s.proofs.seen(head)
	return nil
}

// View runs fn on one revision.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	r := &reader{s: s, ctx: ctx}
	defer func() { r.ended = true }()
	if err := fn(r); err != nil {
		return err
	}
	return r.failed
}

// Head asks the quorum for the newest revision.
func (s *Store) Head(ctx context.Context) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	return s.head(ctx)
}

// head reads a key that is never there: what counts is the revision in the answer's header.
func (s *Store) head(ctx context.Context) (store.Revision, error) {
	resp, err := s.read(ctx, s.prefix+"head")
	if err != nil {
		return 0, err
	}
	return store.Revision(resp.Header.Revision), nil
}

// Close ends watches, waits for running transactions and ends the connection.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.closed.Store(true)
	close(s.ending)
	s.gate.Lock() // those that are in go on; nobody comes in any more
	defer s.gate.Unlock()
	s.stop()
	s.background.Wait()
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("closing the connection to etcd: %w", err)
	}
	return nil
}

// enter lets a call in; without an error the caller leaves with s.gate.RUnlock.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	s.gate.RLock()
	if s.closed.Load() {
		s.gate.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// pause returns after d or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
