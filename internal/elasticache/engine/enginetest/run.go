package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// Run is the conformance suite.
func Run(t *testing.T, h Harness) {
	t.Run("versions", func(t *testing.T) { versions(t, h) })
	t.Run("prepare", func(t *testing.T) { prepare(t, h) })
	t.Run("life", func(t *testing.T) { life(t, h) })
	t.Run("parameters", func(t *testing.T) { parameters(t, h) })
	t.Run("full memory", func(t *testing.T) { fullMemory(t, h) })
	t.Run("port taken", func(t *testing.T) { portTaken(t, h) })
	caps := h.Driver.Capabilities()
	part := func(name string, can bool, f, cannot func(*testing.T, Harness)) {
		t.Run(name, func(t *testing.T) {
			if can {
				f(t, h)
			} else {
				cannot(t, h)
			}
		})
	}
	part("tls", caps.TLS, encrypted, func(t *testing.T, h Harness) { refusedSpec(t, h, func(s *engine.Spec) { s.TLS = &engine.TLS{} }) })
	part("replication", caps.Replication, replication, func(t *testing.T, h Harness) {
		refusedSpec(t, h, func(s *engine.Spec) { s.Source = engine.Endpoint{Address: s.Bind(), Port: 1} })
		refusedCall(t, h, func(ctx context.Context, n engine.Node) error { return n.ReplicateFrom(ctx, engine.Endpoint{}) })
		refusedCall(t, h, func(ctx context.Context, n engine.Node) error { return n.Promote(ctx) })
		refusedCall(t, h, func(ctx context.Context, n engine.Node) error { return n.HandOver(ctx, engine.Endpoint{}) })
	})
	part("snapshots", caps.Snapshots, snapshots, func(t *testing.T, h Harness) {
		refusedSpec(t, h, func(s *engine.Spec) { s.Seed = "/a/snapshot.rdb" })
		refusedSpec(t, h, func(s *engine.Spec) { s.Persist = true })
		refusedCall(t, h, func(ctx context.Context, n engine.Node) error { return n.Save(ctx, filepath.Join(t.TempDir(), "x")) })
	})
	part("users", caps.Users, users, func(t *testing.T, h Harness) {
		refusedSpec(t, h, func(s *engine.Spec) { s.Users = []engine.User{} })
		refusedCall(t, h, func(ctx context.Context, n engine.Node) error { return n.SetUsers(ctx, nil) })
	})
	part("cluster mode", caps.ClusterMode, clusterMode, func(t *testing.T, h Harness) {
		refusedSpec(t, h, func(s *engine.Spec) { s.ClusterMode, s.BusPort = true, 2 })
	})
}

// complete is a Spec that Prepare takes.
func complete(t *testing.T, h Harness) engine.Spec {
	s := Base(h.Driver, h.Version, "complete")
	s.Dir, s.Port = t.TempDir(), 11111
	return s
}

func find(t *testing.T, h Harness) engine.Binary {
	t.Helper()
	b, err := h.Driver.Find(t.Context(), h.Version)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func refusedSpec(t *testing.T, h Harness, change func(*engine.Spec)) {
	t.Helper()
	s := complete(t, h)
	change(&s)
	if _, err := h.Driver.Prepare(s, find(t, h)); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("Prepare of what the engine cannot do: %v", err)
	}
}

func refusedCall(t *testing.T, h Harness, call func(context.Context, engine.Node) error) {
	t.Helper()
	n, err := h.Driver.Connect(complete(t, h))
	if err != nil {
		t.Fatal(err)
	}
	if err := call(t.Context(), n); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("a call of what the engine cannot do: %v", err)
	}
	if n.Cluster() != nil {
		t.Error("it offers the commands of cluster mode")
	}
}

func versions(t *testing.T, h Harness) {
	b := find(t, h)
	wanted, err := engine.ParseVersion(h.Version)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Version.Serves(h.Driver.Engine(), wanted) || b.Engine != h.Driver.Engine() {
		t.Errorf("%v was found for %s", b, h.Version)
	}
	_, err = h.Driver.Find(t.Context(), h.Refused)
	var missing *engine.MissingBinary
	if !errors.As(err, &missing) || missing.Wanted != h.Refused || !errors.Is(err, fault.Unavailable) {
		t.Fatalf("Find(%s) = %v", h.Refused, err)
	}
	for _, part := range []string{string(h.Driver.Engine()), h.Refused, b.Path, missing.Package} {
		if part == "" || !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %q", err, part)
		}
	}
	if _, err := h.Driver.Find(t.Context(), "latest"); err == nil {
		t.Error("a version that is none was found")
	}
}

func prepare(t *testing.T, h Harness) {
	b, s := find(t, h), complete(t, h)
	if h.Driver.Capabilities().Users {
		s.Users = []engine.User{{Name: "alice", Passwords: []secret.Text{secret.New("alice's password")}}}
	}
	one, err := h.Driver.Prepare(s, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.Driver.Prepare(s.Clone(), b)
	if err != nil || !cmp.Equal(one, two) {
		t.Errorf("a second Prepare of the same differs: %v\n%s", err, cmp.Diff(one, two))
	}
	if line := strings.Join(one.Args, " "); strings.Contains(line, "password") {
		t.Errorf("a password on the command line: %s", line)
	}
	for _, f := range one.Files {
		if strings.Contains(f.Name, "/") {
			t.Errorf("file %s leaves the directory", f.Name)
		}
		if strings.Contains(string(f.Content), "alice's") {
			t.Errorf("%s holds a customer's password in the clear", f.Name)
		}
	}
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("Prepare wrote into the directory: %v %v", left, err)
	}
	for name, change := range map[string]func(*engine.Spec){
		"no memory":            func(s *engine.Spec) { s.Memory = 0 },
		"no port":              func(s *engine.Spec) { s.Port = 0 },
		"no directory":         func(s *engine.Spec) { s.Dir = "" },
		"a directory upwards":  func(s *engine.Spec) { s.ID = "../x" },
		"another engine":       func(s *engine.Spec) { s.Engine = "mysql" },
		"no such parameter":    func(s *engine.Spec) { s.Parameters = map[string]string{"no-such-parameter": "1"} },
		"a value not allowed":  func(s *engine.Spec) { s.Parameters = map[string]string{h.Parameter: h.Wrong} },
		"a line in a value":    func(s *engine.Spec) { s.Parameters = map[string]string{h.Parameter: h.Value + "\nsave 1 1"} },
		"a line in a path":     func(s *engine.Spec) { s.Dir += "\nmodule" },
		"a quotation in a TLS": func(s *engine.Spec) { s.Hostname = "a\"b" },
	} {
		s := s.Clone()
		change(&s)
		if _, err := h.Driver.Prepare(s, b); err == nil {
			t.Errorf("%s: Prepare takes it", name)
		}
	}
}

func life(t *testing.T, h Harness) {
	r := Start(t, h.Driver, Base(h.Driver, h.Version, "life"))
	info, err := r.Node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := find(t, h)
	if h.Driver.Engine() != engine.Valkey && info.Version != b.Version { // one that stands in for Valkey says what it is
		t.Errorf("it says that it is %s, its program %s", info.Version, b.Version)
	}
	if info.PID != r.PID() || info.Port != r.Spec.Port || info.Role != engine.Primary || info.Loading {
		t.Errorf("it says %+v; it is process %d at port %d", info, r.PID(), r.Spec.Port)
	}
	if info.MemoryLimit <= 0 || info.MemoryLimit > r.Spec.Memory {
		t.Errorf("its limit is %d of %d bytes", info.MemoryLimit, r.Spec.Memory)
	}
	put(t, h, r, 10)
	if info, err = r.Node.Info(t.Context()); err != nil || info.Keys != 10 {
		t.Errorf("%d keys, %v; want 10", info.Keys, err)
	}
	r.Terminate(t)
	if err := r.Node.Ping(t.Context()); err == nil {
		t.Error("a node that ended answers")
	}
	again := r.Spec
	r2 := Start(t, h.Driver, again)
	if info, err = r2.Node.Info(t.Context()); err != nil || info.Keys != 0 && !h.Driver.Capabilities().Snapshots {
		t.Errorf("after a start: %d keys, %v", info.Keys, err)
	}
}

func key(i int) string { return fmt.Sprintf("key-%d", i) }

// put writes n keys as a customer.
func put(t *testing.T, h Harness, r *Running, n int) {
	t.Helper()
	c := h.Dial(r.Spec, "", "")
	defer c.Close()
	for i := range n {
		if err := c.Set(t.Context(), key(i), "value"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if v, ok, err := c.Get(t.Context(), key(i)); err != nil || !ok || v != "value" {
			t.Fatalf("%s: %q %v %v", key(i), v, ok, err)
		}
	}
}

func parameters(t *testing.T, h Harness) {
	r := Start(t, h.Driver, Base(h.Driver, h.Version, "parameters"))
	before, err := r.Node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := h.Driver.Difference(r.Spec, r.Spec.Clone()); !c.Empty() {
		t.Errorf("the same differs: %+v", c)
	}
	larger := r.Spec.Clone()
	larger.Memory *= 2
	if c := h.Driver.Difference(r.Spec, larger); !c.Parameters || len(c.Reboot) > 0 {
		t.Errorf("memory: %+v", c)
	}
	if err := r.Node.SetParameters(t.Context(), larger); err != nil {
		t.Fatal(err)
	}
	if after, err := r.Node.Info(t.Context()); err != nil || after.MemoryLimit <= before.MemoryLimit {
		t.Errorf("the limit went from %d to %d, %v", before.MemoryLimit, after.MemoryLimit, err)
	}
	moved := larger.Clone()
	moved.Port++
	if c := h.Driver.Difference(larger, moved); len(c.Reboot) != 1 || c.Reboot[0] != "port" {
		t.Errorf("port: %+v", c)
	}
	other := larger.Clone()
	other.Parameters = map[string]string{h.Parameter: h.Value}
	c := h.Driver.Difference(larger, other)
	if c.Parameters == (len(c.Reboot) > 0) {
		t.Errorf("a parameter's change is at once or at a reboot: %+v", c)
	}
	if err := r.Node.SetParameters(t.Context(), other); err != nil {
		t.Errorf("parameters: %v", err)
	}
}

// fullMemory writes several times what the node may hold: it refuses or evicts, and lives.
func fullMemory(t *testing.T, h Harness) {
	s := Base(h.Driver, h.Version, "full")
	s.Memory = 32 << 20
	r := Start(t, h.Driver, s)
	c := h.Dial(r.Spec, "", "")
	defer c.Close()
	refused, value := 0, strings.Repeat("x", 100<<10)
	for i := range 700 { // 70 MB
		if err := c.Set(t.Context(), key(i), value); err != nil {
			refused++
		}
	}
	info, err := r.Node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if refused == 0 && info.Evicted == 0 {
		t.Error("nothing was refused and nothing evicted")
	}
	if info.Keys == 0 || info.MemoryUsed > 2*s.Memory {
		t.Errorf("%d keys in %d bytes", info.Keys, info.MemoryUsed)
	}
}

func portTaken(t *testing.T, h Harness) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := Base(h.Driver, h.Version, "taken")
	s.Port = l.Addr().(*net.TCPAddr).Port
	r := Launch(t, h.Driver, s)
	Await(t, "the end of a node whose port is taken", func(context.Context) error {
		select {
		case <-r.Done():
			return nil
		default:
			return errors.New("running")
		}
	})
}

func encrypted(t *testing.T, h Harness) {
	for _, mode := range []string{"required", "preferred"} {
		t.Run(mode, func(t *testing.T) {
			s := Base(h.Driver, h.Version, "tls")
			s.TLS = Certificates(t)
			if mode == "preferred" {
				s.TLS.Port = Port(t)
			}
			r := Start(t, h.Driver, s)
			put(t, h, r, 3) // the harness speaks TLS where the Spec's port does
			plain := r.Spec.Clone()
			plain.TLS = nil
			c := h.Dial(plain, "", "")
			defer c.Close()
			if err := c.Set(t.Context(), "k", "v"); (err == nil) != (mode == "preferred") {
				t.Errorf("plain text: %v", err)
			}
			if mode == "preferred" {
				secure := r.Spec.Clone()
				secure.Port, secure.TLS.Port = secure.TLS.Port, 0
				c := h.Dial(secure, "", "")
				defer c.Close()
				if _, ok, err := c.Get(t.Context(), "k"); !ok || err != nil {
					t.Errorf("over the port of TLS: %v %v", ok, err)
				}
			}
		})
	}
}

// Certificates makes the files of a certificate for a test.
func Certificates(t testing.TB) *engine.TLS {
	t.Helper()
	dir := t.TempDir()
	ca := testenv.Issue(t, testenv.CertificateOf{Name: "authority", CA: true})
	leaf := testenv.Issue(t, testenv.CertificateOf{Name: "node", By: ca})
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return &engine.TLS{CertFile: write("cert.pem", leaf.Body), KeyFile: write("key.pem", leaf.PEM), CAFile: write("ca.pem", ca.Body)}
}
