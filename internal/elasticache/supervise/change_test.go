package supervise_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/supervise"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func client(t *testing.T, at engine.Endpoint, user, password string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: at.String(), Username: user, Password: password, DisableIdentity: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestChanges is what Apply does to a node that runs: at once what can be, at a restart what must.
func TestChanges(t *testing.T) {
	t.Parallel()
	tools(t)
	dir := t.TempDir()
	s := open(t, config(dir, nil))
	d := spec(engine.Redis, "one")
	st := apply(t, s, d)
	d.Spec.Users = []engine.User{{Name: "default", Passwords: []secret.Text{secret.New("token")}}}
	d.Spec.Parameters = map[string]string{"maxmemory-policy": "allkeys-lfu", "databases": "3"}
	d.Spec.Memory *= 2
	if err := s.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	now := status(t, s, "one")
	if now.PID != st.PID || !slices.Equal(now.Reboot, []string{"databases"}) {
		t.Errorf("%+v", now)
	}
	admin := client(t, st.Endpoint, engine.Admin, "the administrator's")
	setting := func(name string) string {
		t.Helper()
		m, err := admin.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		return m[name]
	}
	if p, db, m := setting("maxmemory-policy"), setting("databases"), setting("maxmemory"); p != "allkeys-lfu" || db != "16" || m != fmt.Sprint(128<<20/100*75+128<<20%100) && m != fmt.Sprint(128<<20-128<<20/100*25) {
		t.Errorf("policy %s, databases %s, maxmemory %s", p, db, m)
	}
	if err := client(t, st.Endpoint, "", "").Ping(t.Context()).Err(); err == nil {
		t.Error("without the token")
	}
	if err := client(t, st.Endpoint, "", "token").Ping(t.Context()).Err(); err != nil {
		t.Errorf("with the token: %v", err)
	}
	if err := s.Detach(); err != nil { // what waits for a reboot is remembered over a restart of the server
		t.Fatal(err)
	}
	s = open(t, config(dir, nil), d)
	if now := await(t, s, "one"); now.PID != st.PID || !slices.Equal(now.Reboot, []string{"databases"}) {
		t.Errorf("adopted: %+v", now)
	}
	if err := s.Restart(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if now := await(t, s, "one"); now.PID == st.PID || len(now.Reboot) != 0 || setting("databases") != "3" {
		t.Errorf("restarted: %+v, databases %s", now, setting("databases"))
	}
	bad := d
	bad.Spec.Parameters = map[string]string{"maxmemory-policy": "whatever"}
	if err := s.Apply(t.Context(), bad); err == nil {
		t.Error("a value that is not allowed is applied")
	}
	if now := status(t, s, "one"); now.State != supervise.Ready || now.Problem == "" {
		t.Errorf("after a change that failed: %+v", now)
	}
	if err := s.Apply(t.Context(), d); err != nil || status(t, s, "one").Problem != "" {
		t.Errorf("going back: %v %+v", err, status(t, s, "one"))
	}
}

// TestSecretsStayWhereTheyBelong looks for planted passwords in everything that is written, but the one file that holds the administrator's.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	tools(t)
	dir := t.TempDir()
	s := open(t, config(dir, nil))
	d := spec(engine.Redis, "one")
	d.Spec.Admin = secret.New("planted-admin")
	d.Spec.Users = []engine.User{{Name: "alice", Passwords: []secret.Text{secret.New("planted-alice")}}}
	st := apply(t, s, d)
	kill(t, st.PID)
	until(t, s, "one", "again", func(n supervise.Status) bool { return n.State == supervise.Ready && n.PID != st.PID })
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("planted-alice")) || bytes.Contains(text, []byte("planted-admin")) && e.Name() != "redis.conf" {
			t.Errorf("%s holds a password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSeedIsReadOnce(t *testing.T) {
	t.Parallel()
	tools(t)
	s := open(t, config(t.TempDir(), nil))
	source := apply(t, s, spec(engine.Redis, "source"))
	if err := client(t, source.Endpoint, "", "").Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	n, err := s.Node("source")
	if err != nil {
		t.Fatal(err)
	}
	d := spec(engine.Redis, "seeded")
	d.Spec.Seed = filepath.Join(t.TempDir(), "seed.rdb")
	if err := n.Save(t.Context(), d.Spec.Seed); err != nil {
		t.Fatal(err)
	}
	st := apply(t, s, d)
	if v, err := client(t, st.Endpoint, "", "").Get(t.Context(), "k").Result(); v != "v" || err != nil {
		t.Errorf("seeded with %q, %v", v, err)
	}
	if err := s.Restart(t.Context(), "seeded"); err != nil {
		t.Fatal(err)
	}
	st = await(t, s, "seeded")
	if n, err := client(t, st.Endpoint, "", "").DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("after a reboot %d keys, %v; a node that does not keep its data is empty", n, err)
	}
}

// TestSilence stops a process with a signal: it is shown and told, and nothing is done to it.
func TestSilence(t *testing.T) {
	t.Parallel()
	tools(t)
	var seen events
	c := config(t.TempDir(), &seen)
	c.AskFor, c.StopAfter = 200*time.Millisecond, 100*time.Millisecond
	s := open(t, c)
	st := apply(t, s, spec(engine.Redis, "one"))
	if err := syscall.Kill(st.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, s, "one", "unresponsive", func(st supervise.Status) bool { return st.State == supervise.Unresponsive })
	if err := syscall.Kill(st.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, s, "one", "back", func(now supervise.Status) bool { return now.State == supervise.Ready && now.PID == st.PID })
	if len(seen.of(supervise.Silent)) != 1 || len(seen.of(supervise.Serving)) != 2 {
		t.Errorf("told %+v", seen.all)
	}
	if err := syscall.Kill(st.PID, syscall.SIGSTOP); err != nil { // a process that cannot end by itself
		t.Fatal(err)
	}
	if err := s.Stop(t.Context(), "one"); err != nil || alive(st.PID) {
		t.Errorf("stopping it: %v", err)
	}
}

func TestLogsAreTurnedOver(t *testing.T) {
	t.Parallel()
	tools(t)
	dir := t.TempDir()
	c := config(dir, nil)
	c.LogBytes, c.LogFiles = 2000, 2
	s := open(t, c)
	st := apply(t, s, spec(engine.Redis, "one"))
	replica := client(t, st.Endpoint, engine.Admin, "the administrator's")
	path := filepath.Join(dir, "one", "node.log")
	enginetest.Await(t, "two older logs", func(ctx context.Context) error {
		for range 20 { // each is a line
			if err := replica.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
				return err
			}
			if err := replica.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
				return err
			}
		}
		_, err := os.Stat(path + ".2")
		return err
	})
	if err := replica.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".3"); !os.IsNotExist(err) {
		t.Errorf("a third: %v", err)
	}
	text, err := os.ReadFile(path + ".1")
	if err != nil || !strings.Contains(string(text), "REPLICAOF") || bytes.ContainsRune(text, 0) {
		t.Errorf("the older log: %v, %d bytes", err, len(text))
	}
	modes(t, dir)
}

// TestAddressSpace gives a process less than it needs: it cannot stay, and the supervisor says so.
func TestAddressSpace(t *testing.T) {
	t.Parallel()
	tools(t)
	s := open(t, config(t.TempDir(), nil))
	d := spec(engine.Redis, "small")
	d.AddressSpace = 2 << 30
	st := apply(t, s, d)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", st.PID))
	if err != nil || !strings.Contains(string(limits), "Max address space         2147483648") {
		t.Errorf("%v\n%s", err, limits)
	}
}
