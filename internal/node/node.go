// Package node is one Ostiary node: everything wired, nothing decided.
//
// [Open] makes a whole server out of its parts (store, key ring, directory, snapshot, gate, services, trail, HTTP), in the
// order in which they need each other, and starts what runs beside requests. The command and the public package ostiarytest
// both use it, so that what tests drive is what runs.
//
// A node's directory:
//
//	DIR/ostiary.db         the store (bolt only)
//	DIR/master.key         wraps the key ring that lies in the store; mode 0600 (bolt only, unless given elsewhere)
//	DIR/root-credentials   the first account's root access key, AWS credentials-file format, profile [default]; mode 0600
//	DIR/operator-token     the token of the operator API; mode 0600; only its hash is in the store
//	DIR/trail/             what happened, as JSON lines
//	DIR/lock               held while a node runs: one process for one directory
//	DIR/node-id            tells the nodes of a cluster apart
//
// In a cluster the store is etcd, the master key comes from elsewhere, and a directory holds nothing that may not be lost but
// root-credentials and operator-token, each on the node that made it.
//
// Records of the installation, beside those that directory owns:
//
//	("sys", "format")            the version of all that is drawn in package entity: "1"
//	("sys", "keyring")           the key ring, wrapped under the master key; see package keyring
//	("sys", "keyring-next")      the same under the next master key, while one replaces the other
//	("sys", "restore")           present while a restore is going on, or was cut off: no node serves then; see package backup
//	("sys", "incarnation")       which restore the store came from last; nodes that began with another one end
//	("sys", "operator-token")    SHA-256 of the operator's token
//	("sys", "handed-out")        present once root-credentials has been written: from then on the file may be deleted. It names
//	                             the account, and in a cluster the node that has the file
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/issuer"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/migrate"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/signin"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/telemetry"
	"github.com/ostiary-iam/ostiary/internal/throttle"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// Config says what node to make. The zero value is a node in memory that leaves nothing behind.
type Config struct {
	// Dir is the node's directory; it is made when it does not exist. Empty keeps everything in memory, which only the mem
	// store allows.
	Dir string
	// Store is the engine: mem (also when empty), bolt or etcd.
	Store string
	// Opened, if it is not nil, is a store in place of what Store names. It belongs to the caller, who closes it after the node, and
	// who may give it to several nodes.
	Opened store.Store
	// Etcd says where the records are with the etcd store.
	Etcd Etcd
	// Region is the default region; empty means us-east-1.
	Region string
	// MasterKeyFile is where the master key is read from; empty means master.key in Dir, made at first start.
	MasterKeyFile string
	// MasterKey is the master key as text, for a node that is given it without a file; not with MasterKeyFile.
	MasterKey secret.Text
	// NewOperatorToken replaces the operator's token at this start.
	NewOperatorToken bool
	// MaxStale is how old the snapshot may become before the node is not ready; zero means five minutes.
	MaxStale time.Duration
	// TrailFileBytes and TrailTotalBytes bound the trail; zero means trail's defaults.
	TrailFileBytes, TrailTotalBytes int64
	// Outbound says what may be fetched from elsewhere, and how; the node fills in its clock where Now is nil.
	Outbound outbound.Config
	// SAMLEndpoints are URLs that SAML assertions may be made for beside AWS's sign-in.
	SAMLEndpoints []string
	// SignInDestinations are addresses, beside the console's own, to which a console login may lead: see [signin.NewDestinations].
	SignInDestinations []string
	// IssuerURL is the form of the URLs of accounts as issuers of tokens for services elsewhere, such as
	// https://iam.example.com/issuers/{id}: see oidc.ParseIssuerForm. Empty means oidc.DefaultIssuers.
	IssuerURL string
	// IssuerKeyRotation is how long a key of an issuer signs; zero means issuer.DefaultRotation.
	IssuerKeyRotation time.Duration
	// Version is shown in the status.
	Version string

	// Server is passed on: Dev, InsecureHTTP, TLS, Limits, DrainDelay and Drain are the caller's; the node fills in the rest.
	Server server.Config
	// CertFile and KeyFile are the PEM files of the server's certificate, read anew when they change; where they are given, Server.TLS is
	// not used. Both or neither.
	CertFile, KeyFile string
	// Reloadable is what [Node.Reload] can change later.
	Reloadable

	// Passwords says how passwords are hashed; the zero value is for real use.
	Passwords credential.HasherConfig

	formats []migrate.Step // set by tests: steps to formats that do not exist

	Logger *slog.Logger // nil means no messages
	// Now is the clock that signatures, sessions, records and answers go by; nil means time.Now.
	Now  func() time.Time
	Rand io.Reader // nil means crypto/rand; must be safe for concurrent use
}

// Reloadable is the part of the configuration that can change while a node runs.
type Reloadable struct {
	Rates     throttle.Rates // how often accounts and addresses may call
	AccessLog bool           // a line at level info for every request of the AWS APIs
}

// lookForCertificates is how often certificate files are looked at.
const lookForCertificates = 10 * time.Second

// Node is a running node. Close it.
type Node struct {
	cfg       Config
	ownClock  bool   // Config.Now was given
	id        string // in a cluster
	began     time.Time
	store     store.Store
	system    system
	masterKey seal.Master
	ring      *seal.Ring
	keys      *keyring.Keyring
	directory *directory.Directory
	snapshots *snapshot.Follower
	caches    *inventory.Follower // what ElastiCache resources there are
	trail     *trail.Log
	mover     *trail.Mover
	gate      *gate.Gate
	services  []*gate.Service
	issuer    *issuer.Keeper
	metrics   *telemetry.Metrics
	server    *server.Server
	token     operatorToken
	first     *FirstStart

	throttle     *throttle.Throttle
	accessLog    atomic.Bool
	certificates *server.Certificates // nil: the caller's, or plain HTTP

	closers    []func() error  // run last to first
	running    context.Context // of what runs beside requests
	background []worker        // in the order in which they were started
	closing    sync.Once
	closeError error
}

// Open makes and starts a node. It returns when the snapshot is loaded: the node can decide.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	n := newNode(ctx, cfg)
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// newNode returns a node of which nothing is open yet.
func newNode(ctx context.Context, cfg Config) *Node {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ownClock := cfg.Now != nil
	if !ownClock {
		cfg.Now = time.Now
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Store == "" {
		cfg.Store = "mem"
	}
	if cfg.MaxStale <= 0 {
		cfg.MaxStale = 5 * time.Minute
	}
	n := &Node{cfg: cfg, ownClock: ownClock, began: cfg.Now(), metrics: telemetry.New(cfg.Version, runtime.Version())}
	n.running = context.WithoutCancel(ctx)
	n.system.halted, n.system.halt = context.WithCancelCause(context.Background())
	n.throttle = throttle.New(cfg.Rates, nil) // time that really passes
	n.accessLog.Store(cfg.AccessLog)
	return n
}

// open runs the steps. What a step opened is closed by Close, also when a later one fails.
func (n *Node) open(ctx context.Context) error {
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"opening the certificate", n.openCertificate},
		{"preparing the data directory", n.openDir},
		{"looking for a restore that was cut off", n.noRestore},
		{"reading the node's ID", n.openIdentity},
		{"opening the store", n.openStore},
		{"opening the key ring", n.openRing},
		{"joining the cluster", n.join},
		{"making the first account", n.openDirectory},
		{"opening the trail", n.openTrail},
		{"loading the snapshot", n.follow},
		{"preparing the operator's token", n.openToken},
		{"wiring the services", n.wire},
	} {
		if err := step.do(ctx); err != nil {
			return fault.Wrap(err, step.doing)
		}
	}
	return nil
}

func (n *Node) openStore(ctx context.Context) error {
	if n.cfg.Opened != nil {
		n.store = n.metrics.Store(n.cfg.Opened, n.cfg.Now)
		return nil
	}
	var s store.Store
	switch n.cfg.Store {
	case "mem":
		s = mem.Open(mem.Config{})
	case "bolt":
		b, err := bolt.Open(n.path(fileStore), bolt.Config{})
		if err != nil {
			return err
		}
		s = b
	case "etcd":
		e, err := n.openEtcd(ctx)
		if err != nil {
			return err
		}
		s = e
	default:
		return fmt.Errorf("there is no store %q", n.cfg.Store)
	}
	n.metrics.Engine(n.cfg.Store)
	n.closers = append(n.closers, s.Close)
	n.store = n.metrics.Store(s, n.cfg.Now)
	return nil
}

func (n *Node) openDirectory(ctx context.Context) error {
	hashing := n.cfg.Passwords
	if hashing.Rand == nil {
		hashing.Rand = n.cfg.Rand
	}
	passwords, err := credential.NewHasher(hashing)
	if err != nil {
		return err
	}
	n.directory = directory.New(directory.Config{
		Store: n.store, Ring: n.ring, Managed: managed{catalog.ManagedPolicies()}, Now: n.cfg.Now, Rand: n.cfg.Rand, Passwords: passwords,
		Node: n.id,
	})
	return n.bootstrap(ctx)
}

// managed answers directory's question with the catalog.
type managed struct{ *catalog.Managed }

func (m managed) ByARN(arn string) (id string, ok bool) {
	p, ok := m.Managed.ByARN(arn)
	if !ok {
		return "", false
	}
	return p.ID, true
}

func (n *Node) openTrail(context.Context) error {
	cfg := trail.Config{
		FileBytes: n.cfg.TrailFileBytes, TotalBytes: n.cfg.TrailTotalBytes, Dropped: n.metrics.EventsDropped, Logger: n.cfg.Logger,
	}
	if n.cfg.Dir != "" {
		cfg.Dir = n.path(dirTrail)
	}
	l, err := trail.Open(cfg)
	if err != nil {
		return err
	}
	n.trail = l
	n.closers = append(n.closers, l.Close)
	n.mover = trail.NewMover(trail.MoverConfig{Store: n.store, Log: l, Node: n.id, Logger: n.cfg.Logger})
	n.metrics.TrailPending(l.Pending)
	n.metrics.Outbox(func() (events int, age time.Duration) {
		events = n.reading(func(ctx context.Context) (waiting int, err error) {
			var oldest time.Time
			waiting, oldest, err = n.mover.Backlog(ctx)
			if waiting > 0 {
				age = max(0, n.cfg.Now().Sub(oldest))
			}
			return waiting, err
		})()
		return events, age
	})
	return nil
}

// follow starts what runs beside requests and waits until the snapshot has everything that is in the store.
func (n *Node) follow(ctx context.Context) error {
	// Freshness is time that really passed, whatever clock the node shows to its clients.
	n.snapshots = snapshot.New(snapshot.Config{
		Store: n.store, Managed: catalog.ManagedPolicies(), Log: n.cfg.Logger,
		CompileFailed: func(name string, err error) {
			n.cfg.Logger.Error("a stored policy does not compile and denies everything", "policy", name, "error", err)
		},
	})
	n.metrics.Snapshot(func() (int64, time.Duration) {
		return int64(n.snapshots.Current().Revision()), n.snapshots.Freshness()
	})
	n.metrics.Staleness(n.cfg.MaxStale, n.failsClosed)
	n.caches = inventory.Follow(inventory.Config{Store: n.store, Log: n.cfg.Logger})
	n.run("the snapshot", n.snapshots.Run)
	n.run("the inventory of ElastiCache", n.caches.Run)
	n.run("the trail's mover", n.mover.Run)
	head, err := n.store.Head(ctx)
	if err != nil {
		return err
	}
	n.run("the watch over the snapshot's age", n.watchFreshness)
	return errors.Join(n.snapshots.Reach(ctx, head), n.caches.Reach(ctx, head))
}

// worker is something that runs beside requests.
type worker struct {
	what  string
	stop  context.CancelFunc
	ended chan struct{}
}

// run starts something that should go on as long as the node does; Close stops it and waits.
func (n *Node) run(what string, do func(context.Context) error) {
	ctx, stop := context.WithCancel(n.running)
	w := worker{what, stop, make(chan struct{})}
	n.background = append(n.background, w)
	go func() {
		defer close(w.ended)
		err := do(ctx)
		if ctx.Err() == nil {
			n.cfg.Logger.Error("ended, and the node must be restarted", "what", what, "error", err)
		}
	}()
}

func (n *Node) openCertificate(context.Context) (err error) {
	if n.cfg.CertFile == "" {
		return nil
	}
	n.certificates, err = server.OpenCertificates(server.CertificatesConfig{
		CertFile: n.cfg.CertFile, KeyFile: n.cfg.KeyFile, Logger: n.cfg.Logger, Meter: n.metrics, Now: n.cfg.Now,
	})
	if err != nil {
		return err
	}
	n.cfg.Server.TLS = n.certificates.TLS()
	n.metrics.Certificate(n.certificates.Expires)
	n.run("looking for new certificates", func(ctx context.Context) error {
		tick := time.NewTicker(lookForCertificates)
		defer tick.Stop()
		n.certificates.Watch(ctx, tick.C)
		return nil
	})
	return nil
}

// Reload puts new settings in force for requests from now on, and reads the certificate files again. An error says that the certificate
// in them is not used; all else is in force then too.
func (n *Node) Reload(r Reloadable) error {
	n.throttle.SetRates(r.Rates)
	n.accessLog.Store(r.AccessLog)
	if n.certificates == nil {
		return nil
	}
	return n.certificates.Reload()
}

// wire makes the gate and the server.
func (n *Node) wire(context.Context) error {
	uses := usage.New(usage.Config{Store: n.store, Log: n.cfg.Logger, Meter: n.metrics, Now: n.cfg.Now})
	n.metrics.UsagePending(uses.Pending)
	n.run("the record of last uses", func(ctx context.Context) error { uses.Run(ctx); return nil })
	reports := report.New(report.Config{
		Store: n.store, Snapshots: n.snapshots, Usage: uses, Managed: catalog.ManagedPolicies(), Reference: catalog.ServiceReference(),
		Tracked: n.tracked, Meter: n.metrics, Log: n.cfg.Logger, Now: n.cfg.Now,
	})
	var err error
	if n.issuer, err = n.makeIssuer(); err != nil {
		return err
	}
	n.services = n.makeServices(uses, reports)
	n.run("the maker of reports", reports.Run) // it asks for the services' operations
	n.keys = keyring.New(keyring.Config{
		Store: n.store, Ring: n.ring, Master: n.masterKey, Reload: func() (seal.Master, error) { return n.master(true) }, Records: n.directory,
		Settle: n.settle(), Event: n.keyEvent, Now: n.cfg.Now, Rand: n.cfg.Rand, Log: n.cfg.Logger,
	})
	n.run("the key ring", n.keys.Run)
	n.run("the system records", n.followSystem)
	g, err := gate.New(gate.Config{
		Services: n.services, Snapshots: n.snapshots, Store: n.store, Ring: n.ring, Managed: catalog.ManagedPolicies(), Trail: n.trail,
		Usage: uses, Regions: regions(n.cfg.Region), Meter: n.metrics, Log: n.cfg.Logger, Failures: n.strangers(), AccessLog: &n.accessLog,
		Throttle: n.throttle, Now: n.cfg.Now, Rand: n.cfg.Rand,
		MaxStale: n.cfg.MaxStale,
	})
	if err != nil {
		return err
	}
	n.gate = g
	destinations, err := signin.NewDestinations(n.cfg.SignInDestinations)
	if err != nil {
		return fmt.Errorf("destinations of logins: %w", err)
	}
	sc := n.cfg.Server
	sc.SignIn = n.unlessHalted(n.dated(signin.New(signin.Config{
		Gate: g, Ring: n.ring, SAML: sts.NewSignIn(sts.Config{Ring: n.ring, SAMLEndpoints: n.cfg.SAMLEndpoints}), SAMLEndpoints: n.cfg.SAMLEndpoints, Destinations: destinations, Meter: n.metrics,
		Log: n.cfg.Logger, Now: n.cfg.Now, Rand: n.cfg.Rand,
	})))
	sc.Issuers = published{n.issuer, n.unlessHalted(n.dated(n.issuer))}
	sc.API, sc.Ready, sc.Metrics, sc.Logger = n.unlessHalted(n.dated(g)), n.ready, n.metrics.Handler(), n.strangers()
	sc.Throttle, sc.Meter = n.throttle, n.metrics
	sc.Operator = server.Operator{
		TokenHash: n.token.hash, Accounts: accounts{n}, Quotas: quotas{n}, Regions: stsRegions{n}, Status: n.status, Events: n.events, Tokens: tokens{n}, Providers: providers{n}, Templates: templates{n},
		ServiceRoles: serviceRoles{n}, Maintenance: maintenance{n}, Issuers: issuerKeys{n}, Requests: delegationRequests{n},
	}
	n.server = server.New(sc)
	n.metrics.Load(n.server.Load)
	n.metrics.RatesTracked(n.throttle.Accounts, n.throttle.Addresses)
	n.metrics.ReportsPending(n.reading(reports.Pending))
	return nil
}

// strangers returns the logger for lines that requests of strangers can cause.
func (n *Node) strangers() *slog.Logger { return telemetry.Limit(n.cfg.Logger, n.metrics.LinesDropped) }

// reading makes a gauge out of what is counted in the store; it is -1 where the store does not answer in time.
func (n *Node) reading(count func(context.Context) (int, error)) func() int {
	return func() int {
		ctx, cancel := context.WithTimeout(n.running, gaugeTimeout)
		defer cancel()
		number, err := count(ctx)
		if err != nil {
			return -1
		}
		return number
	}
}

// gaugeTimeout is how long collecting the metrics waits for the store.
const gaugeTimeout = 2 * time.Second

// dated makes answers say the time on the node's own clock: AWS's SDKs correct their signatures by it.
func (n *Node) dated(api http.Handler) http.Handler {
	if !n.ownClock {
		return api
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", n.cfg.Now().UTC().Format(http.TimeFormat))
		api.ServeHTTP(w, r)
	})
}

// First says what the first start made; ok is false at every later one.
func (n *Node) First() (f FirstStart, ok bool) {
	if n.first == nil {
		return FirstStart{}, false
	}
	return *n.first, true
}

// Reached returns when the node decides on a snapshot that has everything up to a revision of the store.
func (n *Node) Reached(ctx context.Context, at store.Revision) error {
	_, err := n.snapshots.Wait(ctx, at)
	return err
}

// Handler returns all that the node answers over HTTP.
func (n *Node) Handler() http.Handler { return n.server.Handler() }

// Listen opens an address: see [server.Server.Listen].
func (n *Node) Listen(ctx context.Context, address string) (net.Listener, error) {
	return n.server.Listen(ctx, address)
}

// Serve answers on ln until ctx ends: see [server.Server.Serve]. The node is still to be closed. It ends with an error when the
// store is not any more what the node began with.
func (n *Node) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.system.halted, cancel)()
	return errors.Join(n.server.Serve(ctx, ln), context.Cause(n.system.halted))
}

// Close stops the node and makes durable what is still in memory. What runs beside requests ends one after the other, the newest first:
// whoever writes events or needs the snapshot ends before what moves events and before the snapshot. Then the last events go to the
// trail, and trail and store are closed. It returns what went wrong, and can be called again.
func (n *Node) Close() error {
	n.closing.Do(func() {
		for _, w := range slices.Backward(n.background) {
			w.stop()
			<-w.ended
			n.cfg.Logger.Debug("ended", "what", w.what)
		}
		var problems []error
		if n.mover != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			problems = append(problems, n.mover.Drain(ctx)) // what it does not move stays in the store
			cancel()
		}
		for i := len(n.closers) - 1; i >= 0; i-- {
			problems = append(problems, n.closers[i]())
		}
		n.closeError = errors.Join(problems...)
	})
	return n.closeError
}

func (n *Node) path(name string) string { return filepath.Join(n.cfg.Dir, name) }
