package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// ostiary runs the binary to its end and returns what it said and its exit code.
func ostiary(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "OSTIARY_TEST_RUN_MAIN=1")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestBackupCommands is an operator's Monday: a backup of the running server, its verification, a restore elsewhere, the doctor.
func TestBackupCommands(t *testing.T) {
	dir, other, file := t.TempDir(), filepath.Join(t.TempDir(), "fresh"), filepath.Join(t.TempDir(), "monday.backup")
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	key := filepath.Join(dir, "master.key")
	steps := []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"backup", "--data-dir", dir, "--out", file}, 1, "give --endpoint URL"},
		{[]string{"backup", "--data-dir", dir, "--endpoint", p.url, "--out", file}, 0, "records of"},
		{[]string{"backup", "--data-dir", dir, "--endpoint", p.url, "--out", file}, 1, "file already exists"},
		{[]string{"backup", "--data-dir", other, "--endpoint", p.url, "--out", file + "2"}, 1, "token is missing or wrong"},
		{[]string{"backup", "--data-dir", dir, "--endpoint", "http://example.com", "--out", file + "2"}, 2, "over https"},
		{[]string{"backup"}, 2, "give --out"},
		{[]string{"backup", "--verify", file}, 0, "Who made it was not checked"},
		{[]string{"backup", "--verify", file, "--master-key-file", key}, 0, "its seal is this installation's"},
		{[]string{"backup", "--verify", key}, 1, "is damaged or is no backup"},
		{[]string{"restore", file, "--data-dir", dir}, 1, "is in use by another process"},
		{[]string{"restore", file, "--data-dir", other}, 1, "master.key is missing"},
		{[]string{"restore", file, "--data-dir", other, "--master-key-file", key}, 0, "Restored monday.backup, and compared"},
		{[]string{"restore", file, "--data-dir", other, "--master-key-file", key}, 1, "give --overwrite"},
		{[]string{"restore", file, "--data-dir", other, "--master-key-file", key, "--overwrite"}, 0, "ostiary.db.before-"},
		{[]string{"restore"}, 2, "give the name of one backup"},
		{[]string{"restore", file, "--store", "mem", "--data-dir", other}, 1, "store in memory"},
		{[]string{"keys", "rotate", "--data-dir", dir, "--endpoint", p.url}, 0, "current"},
		{[]string{"keys", "list", "--data-dir", dir, "--endpoint", p.url}, 0, "KEPT AT LEAST UNTIL"},
		{[]string{"keys", "master", "--data-dir", dir, "--new-master-key-file", file + ".key"}, 1, "stop the server first"},
		{[]string{"doctor", "--data-dir", dir, "--endpoint", p.url}, 0, "agree with each other"},
		{[]string{"doctor", "--data-dir", dir, "--endpoint", p.url, "--strict"}, 1, "root-credentials"},
		{[]string{"doctor", "--data-dir", dir}, 1, "give --endpoint URL"},
		{[]string{"doctor", "--data-dir", other, "--master-key-file", key, "--json"}, 0, `"Check": "pages"`},
	}
	for _, s := range steps {
		if said, code := ostiary(t, s.args...); code != s.code || !strings.Contains(said, s.say) {
			t.Errorf("ostiary %s: %d, want %d and %q:\n%s", strings.Join(s.args, " "), code, s.code, s.say, said)
		}
	}
	if _, err := os.Stat(file + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup that failed is there: %v", err)
	}
}

// TestKilledRestore kills a restore with SIGKILL while it writes. No server starts on what it left; another restore ends it.
func TestKilledRestore(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "large.backup")
	const fixture = "../../internal/node/testdata/format-1"
	key, err := os.ReadFile(fixture + ".master")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	large(t, fixture+".backup", string(key), file)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "restore", file, "--data-dir", dir)
	cmd.Env = append(os.Environ(), "OSTIARY_TEST_RUN_MAIN=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C { // until the marked store is in its place
		if _, err := os.Stat(filepath.Join(dir, "ostiary.db")); err == nil {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if cmd.Wait() == nil {
		t.Fatal("the restore came to its end before it was killed")
	}
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"restore", file}, {"doctor"}} {
		said, code := ostiary(t, append(args, "--data-dir", dir)...)
		if code != 1 || !strings.Contains(said, "has not ended") || !strings.Contains(said, "run `ostiary restore --overwrite` again") {
			t.Errorf("%s: %d %s", args[0], code, said)
		}
	}
	if said, code := ostiary(t, "restore", file, "--data-dir", dir, "--overwrite"); code != 0 {
		t.Fatalf("the second restore: %d %s", code, said)
	}
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	if status, _ := p.get(t, "GET", "/readyz"); status != 200 || strings.Contains(p.greeting, "Made account") {
		t.Errorf("/readyz answers %d\n%s", status, p.greeting)
	}
}

// large writes a backup with what another has and many records more.
func large(t *testing.T, from, key, to string) {
	t.Helper()
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	a, f, err := backup.OpenFile(from, &master)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := mem.Open(mem.Config{})
	defer s.Close()
	if err := errors.Join(a.Mark(t.Context(), s, "x", false, time.Now()), a.Restore(t.Context(), backup.Restoration{Store: s, ID: "x"})); err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		if _, err := s.Update(t.Context(), func(tx store.Txn) error {
			for j := range 100 {
				tx.Put(entity.AccessUsageKey("1", fmt.Sprint(i), fmt.Sprint(j)), entity.Encode(&entity.Access{Region: "us-east-1"}))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := backup.Take(t.Context(), &b, backup.Source{Store: s, Master: master, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
