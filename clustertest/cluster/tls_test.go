package cluster_test

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/ostiary-iam/ostiary/clustertest/cluster"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// pair is a certificate and its key as PEM files.
type pair struct{ cert, key string }

// writePair writes a certificate of by's for this machine's loopback address.
func writePair(t *testing.T, name string, by *testenv.Certificate) pair {
	t.Helper()
	c := testenv.Issue(t, testenv.CertificateOf{Name: name, By: by, Edit: func(x *x509.Certificate) {
		x.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}})
	dir := t.TempDir()
	p := pair{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	write(t, p.cert, c.Body)
	write(t, p.key, c.PEM)
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// use opens the store and writes and reads once.
func use(t *testing.T, cfg etcd.Config) error {
	t.Helper()
	cfg.StartTimeout = 2 * time.Second
	s, err := etcd.Open(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Update(t.Context(), func(tx store.Txn) error { tx.Put([]byte("key"), []byte("value")); return nil }); err != nil {
		return err
	}
	return s.View(t.Context(), func(r store.Reader) error {
		if e, ok, err := r.Get([]byte("key")); err != nil || !ok || string(e.Value) != "value" {
			t.Errorf("read %q, %v, %v", e.Value, ok, err)
		}
		return nil
	})
}

// TestWhoMayConnect: members and nodes know each other by certificates, and etcd's users by their passwords. Whoever has none, or the wrong
// one, gets no store.
func TestWhoMayConnect(t *testing.T) {
	authority, other := testenv.Issue(t, testenv.CertificateOf{Name: "authority", CA: true}), testenv.Issue(t, testenv.CertificateOf{Name: "other", CA: true})
	dir := t.TempDir()
	ca, foreign := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "foreign.crt")
	write(t, ca, authority.Body)
	write(t, foreign, other.Body)
	member, node, stranger := writePair(t, "member", authority), writePair(t, "node", authority), writePair(t, "stranger", other)
	config := func(ca string, own pair) etcd.Config {
		t.Helper()
		c, err := etcd.ClientTLS(ca, own.cert, own.key)
		if err != nil {
			t.Fatal(err)
		}
		return etcd.Config{TLS: c}
	}
	c := cluster.Start(t, cluster.Options{Members: 1, Scheme: "https",
		Flags: []string{"--cert-file", member.cert, "--key-file", member.key, "--trusted-ca-file", ca, "--client-cert-auth"},
		TLS:   func() clientv3.Config { return clientv3.Config{TLS: config(ca, node).TLS} },
	})
	with := func(cfg etcd.Config) error {
		t.Helper()
		cfg.Endpoints = c.Endpoints()
		return use(t, cfg)
	}
	refused := func(name string, cfg etcd.Config) {
		t.Helper()
		if err := with(cfg); err == nil {
			t.Errorf("%s: got the store", name)
		}
	}
	if err := with(config(ca, node)); err != nil {
		t.Fatal(err)
	}
	refused("without TLS", etcd.Config{})
	refused("without a certificate", config(ca, pair{}))
	refused("with a certificate of another authority", config(ca, stranger))
	refused("with members of another authority", config(foreign, node))

	ctx, admin := t.Context(), c.Client()
	for _, step := range []func() error{
		func() error { _, err := admin.UserAdd(ctx, "root", "of-the-cluster"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := admin.RoleAdd(ctx, "node"); return err },
		func() error {
			_, err := admin.RoleGrantPermission(ctx, "node", etcd.DefaultPrefix, clientv3.GetPrefixRangeEnd(etcd.DefaultPrefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := admin.UserAdd(ctx, "ostiary", "of-the-nodes"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "ostiary", "node"); return err },
		func() error { _, err := admin.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user, password, prefix string) etcd.Config {
		cfg := config(ca, node)
		cfg.User, cfg.Password, cfg.Prefix = user, secret.New(password), prefix
		return cfg
	}
	if err := with(as("ostiary", "of-the-nodes", "")); err != nil {
		t.Errorf("with the password: %v", err)
	}
	refused("with a wrong password", as("ostiary", "of-somebody", ""))
	refused("under a prefix that is not the user's", as("ostiary", "of-the-nodes", "elsewhere/"))
}
