package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
)

// patience is how long anything may take before a test fails.
const patience = time.Minute

// Options say what cluster to start. The zero value is three members that talk in the clear.
type Options struct {
	// Members is how many; zero means three.
	Members int
	// Fsync has members wait for their disks, which kill -9 of a process does not need: only a machine forgets what was
	// written.
	Fsync bool
	// Flags are more flags of etcd for every member.
	Flags []string
	// PeerProxy, if not nil, is called for each member with the address at which it listens for the others and returns the
	// address that the others are told, so that a test can stand in between. Member.Owns tells who calls.
	PeerProxy func(member int, listens string) (address string)
	// ClientProxy is the same for the clients' addresses that Endpoints and Store return.
	ClientProxy func(member int, listens string) (address string)
	// Scheme is http (also when empty) or https for clients; with https Flags must name the certificates and TLS holds the
	// test's own side.
	Scheme string
	TLS    func() clientv3.Config // only TLS is used of it
}

// Cluster is a running etcd cluster.
type Cluster struct {
	Members []*Member
	o       Options
	token   string
	client  *clientv3.Client
}

// Member is one member; it may be running or not.
type Member struct {
	process
	c       *Cluster
	index   int
	dir     string
	listen  string // for clients, host:port
	shown   string // what clients are told
	peer    string // where it listens for the others, host:port
	peerURL string // what the others are told
	state   string // etcd's --initial-cluster-state
	initial string // etcd's --initial-cluster
	t       testing.TB
}

// Start starts a cluster and waits until every member answers.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Members == 0 {
		o.Members = 3
	}
	if o.Scheme == "" {
		o.Scheme = "http"
	}
	base := t.TempDir()
	c := &Cluster{o: o, token: filepath.Base(filepath.Dir(base)) + filepath.Base(base)}
	var initial []string
	for i := range o.Members {
		listen, peer := embedded.URL(t).Host, embedded.URL(t).Host
		m := &Member{c: c, index: i, dir: filepath.Join(base, fmt.Sprint("member", i)), listen: listen, shown: listen, peer: peer, state: "new", t: t}
		m.name, m.log = fmt.Sprint("member", i), filepath.Join(base, fmt.Sprint("member", i, ".log"))
		if o.PeerProxy != nil {
			peer = o.PeerProxy(i, peer)
		}
		if o.ClientProxy != nil {
			m.shown = o.ClientProxy(i, listen)
		}
		m.peerURL = "http://" + peer
		initial = append(initial, m.name+"="+m.peerURL)
		c.Members = append(c.Members, m)
	}
	for _, m := range c.Members {
		m.initial = strings.Join(initial, ",")
		m.atEnd(t)
		m.Start()
	}
	c.connect(t)
	c.WaitHealthy(t)
	return c
}

// connect makes the test's own client, which goes past the proxies.
func (c *Cluster) connect(t testing.TB) {
	t.Helper()
	cc := clientv3.Config{Logger: zap.NewNop(), DialTimeout: 5 * time.Second}
	if c.o.TLS != nil {
		cc.TLS = c.o.TLS().TLS
	}
	for _, m := range c.Members {
		cc.Endpoints = append(cc.Endpoints, m.direct())
	}
	client, err := clientv3.New(cc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c.client = client
}

// Client returns a client of the cluster that goes past the proxies. It is closed by the end of the test.
func (c *Cluster) Client() *clientv3.Client { return c.client }

// Endpoints returns the members' addresses for clients, host:port.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.shown)
	}
	return all
}

// Store returns a value for --store with all members and this prefix.
func (c *Cluster) Store(prefix string) string {
	return "etcd://" + strings.Join(c.Endpoints(), ",") + "/" + prefix
}

// WaitHealthy returns when every running member answers a read that a quorum confirms.
func (c *Cluster) WaitHealthy(t testing.TB) {
	t.Helper()
	for _, m := range c.Members {
		if m.Running() {
			m.WaitHealthy(t)
		}
	}
}

// Leader returns the member that leads, and waits until one does.
func (c *Cluster) Leader(t testing.TB) *Member {
	t.Helper()
	all, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for all.Err() == nil {
		for _, m := range c.Members {
			if !m.Running() {
				continue
			}
			ctx, cancel := context.WithTimeout(all, time.Second)
			st, err := c.client.Status(ctx, m.direct())
			cancel()
			if err == nil && st.Leader != 0 && st.Leader == st.Header.MemberId {
				return m
			}
		}
		time.Sleep(20 * time.Millisecond) // between questions to other processes
	}
	t.Fatal("no member leads")
	return nil
}

// Replace gives a member a new, empty disk: it is killed, taken out of the cluster, wiped, added again and started, and waited for.
// The others must have a quorum.
func (c *Cluster) Replace(t testing.TB, m *Member) {
	t.Helper()
	m.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := retry(ctx, func(ctx context.Context) (*clientv3.MemberListResponse, error) { return c.client.MemberList(ctx) })
	if err != nil {
		t.Fatalf("listing the members: %v", err)
	}
	for _, x := range list.Members {
		if x.Name != m.name {
			continue
		}
		if _, err := retry(ctx, func(ctx context.Context) (*clientv3.MemberRemoveResponse, error) {
			return c.client.MemberRemove(ctx, x.ID)
		}); err != nil {
			t.Fatalf("removing %s: %v", m.name, err)
		}
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	added, err := retry(ctx, func(ctx context.Context) (*clientv3.MemberAddResponse, error) {
		return c.client.MemberAdd(ctx, []string{m.peerURL})
	})
	if err != nil {
		t.Fatalf("adding %s: %v", m.name, err)
	}
	m.state, m.initial = "existing", initialOf(added.Members, m)
	m.Start()
	m.WaitHealthy(t)
}

func initialOf(members []*etcdserverpb.Member, fresh *Member) string {
	var initial []string
	for _, x := range members {
		name := x.Name
		if name == "" {
			name = fresh.name
		}
		for _, u := range x.PeerURLs {
			initial = append(initial, name+"="+u)
		}
	}
	return strings.Join(initial, ",")
}

// retry asks again while ctx lasts: a cluster that has just lost a member takes a while to take changes of its own.
func retry[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		v, err := do(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return v, err
		}
		time.Sleep(100 * time.Millisecond) // between questions to other processes
	}
}

// Start runs the member with the data it has, and does not wait for it: see WaitHealthy.
func (m *Member) Start() {
	m.t.Helper()
	o := m.c.o
	scheme := o.Scheme + "://"
	args := []string{
		"--name", m.name, "--data-dir", m.dir, "--initial-cluster-token", m.c.token,
		"--listen-client-urls", scheme + m.listen, "--advertise-client-urls", scheme + m.listen,
		"--listen-peer-urls", "http://" + m.peer, "--initial-advertise-peer-urls", m.peerURL,
		"--initial-cluster", m.initial, "--initial-cluster-state", m.state,
		"--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "warn",
	}
	if !o.Fsync {
		args = append(args, "--unsafe-no-fsync")
	}
	m.start(m.t, nil, memberProgram.build(m.t), append(args, o.Flags...)...)
}

// Wipe deletes the data of a member that does not run, without telling the others: see Cluster.Replace.
func (m *Member) Wipe() error {
	if m.Running() {
		return fmt.Errorf("%s runs", m.name)
	}
	return os.RemoveAll(m.dir)
}

// WaitHealthy returns when the member answers a read that a quorum confirms.
func (m *Member) WaitHealthy(t testing.TB) {
	t.Helper()
	cc := clientv3.Config{Endpoints: []string{m.direct()}, Logger: zap.NewNop(), DialTimeout: 5 * time.Second}
	if m.c.o.TLS != nil {
		cc.TLS = m.c.o.TLS().TLS
	}
	client, err := clientv3.New(cc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := retry(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) { return client.Get(ctx, "health") }); err != nil {
		t.Fatalf("%s does not become healthy: %v", m.name, err)
	}
}

// Name returns member0, member1 and so on.
func (m *Member) Name() string { return m.name }

// Index returns its place in Cluster.Members.
func (m *Member) Index() int { return m.index }

// Dir returns the directory of its data.
func (m *Member) Dir() string { return m.dir }

// Endpoint returns the address that clients are told, host:port.
func (m *Member) Endpoint() string { return m.shown }

// direct is the member's own address for clients, past any proxy.
func (m *Member) direct() string { return m.c.o.Scheme + "://" + m.listen }
