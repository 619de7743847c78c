// Package embedded runs one etcd member inside a test's process: fast to start, gone with the test. What it cannot show is
// what happens when a member dies or is cut off; package cluster has processes for that.
package embedded

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Options change how the member runs. The zero value is good.
type Options struct {
	// Fsync has every commit wait for the disk, as etcd does in life; without it tests are faster.
	Fsync bool
	// MaxOps is etcd's --max-txn-ops, MaxRequest its --max-request-bytes, and Quota its --quota-backend-bytes; zero means etcd's default.
	MaxOps     uint
	MaxRequest uint
	Quota      int64
}

// Start runs a member that keeps its data in a directory of the test's and returns its client address, host:port. It is stopped
// at the end of the test, after the cleanups that are registered later.
func Start(t testing.TB, o Options) string {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Name = "one"
	cfg.Dir = t.TempDir()
	cfg.LogLevel = "fatal"
	cfg.LogOutputs = []string{"/dev/null"}
	cfg.UnsafeNoFsync = !o.Fsync
	cfg.TickMs, cfg.ElectionMs = 10, 100
	if o.MaxOps > 0 {
		cfg.MaxTxnOps = o.MaxOps
	}
	if o.MaxRequest > 0 {
		cfg.MaxRequestBytes = o.MaxRequest
	}
	cfg.QuotaBackendBytes = o.Quota
	// etcd wants to know the peer's port beforehand, and does not mind to listen to a client port that the system chose.
	peer := URL(t)
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	client := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatalf("starting etcd: %v", err)
	}
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		t.Fatalf("starting etcd: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("etcd does not become ready")
	}
	return e.Clients[0].Addr().String()
}

// URL returns an address on loopback that nobody listens to just now.
func URL(t testing.TB) url.URL {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return url.URL{Scheme: "http", Host: fmt.Sprint(ln.Addr())}
}
