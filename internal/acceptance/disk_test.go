package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/diskfault"
	"github.com/ostiary-iam/ostiary/internal/testenv/history"
)

// once keeps the SDK from trying again.
func once(o *iam.Options) { o.Retryer = aws.NopRetryer{} }

// diskServer is the command with its data directory on a disk of the test's.
func diskServer(t testing.TB, dir string, rule diskfault.Rule) (*process, *diskfault.Disk) {
	t.Helper()
	var d *diskfault.Disk
	p := serveBy(t, dir, func(cmd *exec.Cmd) { d = diskfault.Start(t, cmd, dir, rule) }, "--log-level", "error")
	return p, d
}

// full refuses whatever takes space in files that it is told of.
func full(match func(path string) bool) diskfault.Rule {
	return func(o diskfault.Op) diskfault.Verdict {
		if o.Kind != diskfault.Sync && match(o.Path) {
			return diskfault.Verdict{Err: syscall.ENOSPC}
		}
		return diskfault.Verdict{}
	}
}

func inTrail(path string) bool { return strings.Contains(path, "/trail/") }

// get reads a page that is for the operator.
func (c *cloud) get(t testing.TB, path string) (status int) {
	t.Helper()
	resp := must(c.http.Get(c.url + path))(t)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// created counts the events of each user's creation; none may be in the trail twice.
func (p *process) created(t testing.TB, token string) map[string]int {
	t.Helper()
	ids, made := make(map[string]event), make(map[string]int)
	for _, e := range p.events(t, token) {
		if first, ok := ids[e.EventID]; ok {
			t.Errorf("event %s is in the trail twice: as %s %q, and as %s %q", e.EventID, first.EventName, first.ErrorCode, e.EventName, e.ErrorCode)
		}
		ids[e.EventID] = e
		if e.EventName == "CreateUser" && e.ErrorCode == "" {
			name, _ := e.RequestParameters["userName"].(string)
			made[name]++
		}
	}
	return made
}

// TestFullDisk fills the disk under a server: the whole of it, and the trail's alone. Changes are refused with an error that clients try
// again after, or their events wait in the store; reads go on; and when there is room again all goes on, without a restart.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	p, d := diskServer(t, dir, nil)
	root, token, ctx := p.first(t), p.token(t), t.Context()
	create := func(name string) error {
		_, err := root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}, once)
		return err
	}
	must(0, create("before"))(t)

	d.SetRule(full(func(string) bool { return true }))
	for i := range 20 {
		if err := create(fmt.Sprintf("full-%d", i)); code(err) != "ServiceUnavailable" {
			t.Errorf("a change on a full disk: %v", err)
		}
		must(root.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("before")}, once))(t)
	}
	if live, ready := p.get(t, "/healthz"), p.get(t, "/readyz"); live != http.StatusOK || ready != http.StatusOK {
		t.Errorf("healthz %d, readyz %d: a server on a full disk still decides", live, ready)
	}

	d.SetRule(full(inTrail))
	for i := range 300 { // more than the mover takes at once
		must(0, create(fmt.Sprintf("kept-%d", i)))(t)
	}
	if status, _ := p.operator(t, "GET", "events", token, ""); status != http.StatusServiceUnavailable {
		t.Errorf("reading a trail that cannot be written, and so is not complete: %d", status)
	}

	d.SetRule(nil)
	must(0, create("after"))(t)
	made := p.created(t, token)
	for i := range 300 {
		if name := fmt.Sprintf("kept-%d", i); made[name] != 1 {
			t.Errorf("the creation of %s is in the trail %d times", name, made[name])
		}
	}
	if len(made) != 302 {
		t.Errorf("the trail has the creation of %d users, want 302", len(made))
	}
	p.stop(t)
}

// TestFailingDisk has writes and syncs of the store and the trail fail at random under load, and slows the disk down. Then the disk works
// again, and then the power fails: what is on the disk in the worst case starts as a server. All along one order of changes must explain
// every answer.
func TestFailingDisk(t *testing.T) {
	dir := must(filepath.EvalSymlinks(t.TempDir()))(t)
	p, d := diskServer(t, dir, nil)
	root := p.first(t)
	r := history.New(1)
	client := root.iam
	w := &history.Workload{Recorder: r, Nodes: []func() *iam.Client{func() *iam.Client { return client }}, Clients: 8, Users: 16, Prefix: "disk-", Seed: 7}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { w.Run(ctx) })
	calls := long(150, 8)
	r.Answered(calls, ctx.Done())

	var mu sync.Mutex
	random, failed := rand.New(rand.NewPCG(6, 6)), map[string]int{}
	d.SetRule(func(o diskfault.Op) diskfault.Verdict {
		mu.Lock()
		defer mu.Unlock()
		file, chance := "store", 25
		if inTrail(o.Path) {
			file, chance = "trail", 3
		}
		if random.IntN(chance) != 0 || o.Kind == diskfault.Truncate && inTrail(o.Path) { // after which lines may be there twice, as the trail's documentation says
			return diskfault.Verdict{}
		}
		failed[o.Kind.String()+" of the "+file]++
		return diskfault.Verdict{Err: syscall.EIO}
	})
	wanted := []string{"write of the store", "sync of the store", "write of the trail", "sync of the trail"}
	tried := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !slices.ContainsFunc(wanted, func(what string) bool { return failed[what] == 0 })
	}
	for round := 0; round < long(6, 4) || !tried() && round < 200; round++ {
		r.Answered(calls/2, ctx.Done())
	}
	d.SetRule(func(o diskfault.Op) diskfault.Verdict {
		if o.Kind == diskfault.Sync {
			return diskfault.Verdict{Delay: 30 * time.Millisecond}
		}
		return diskfault.Verdict{}
	})
	r.Answered(calls, ctx.Done())
	d.SetRule(nil)
	r.Answered(calls, ctx.Done())
	cancel()
	working.Wait()
	mu.Lock()
	t.Logf("failed: %v", failed)
	mu.Unlock()
	if !tried() {
		t.Error("this test does not try what it says")
	}
	testenv.Eventually(t, "the last reading", func() error { return w.Finally(0) })
	p.kill(t)

	again := t.TempDir()
	afterPowerCut(t, d, dir, again)
	p = serve(t, again, "--log-level", "error")
	client = p.as(root.id, root.secret, "").iam
	if err := w.Finally(0); err != nil {
		t.Fatal(err)
	}
	t.Log(r.Check(t))
	made, unknown := p.created(t, p.token(t)), r.Unknown()
	for name, n := range r.Acknowledged(history.Create) {
		if made[name] < n || made[name] > n+unknown {
			t.Errorf("%s was made %d times, the trail says %d", name, n, made[name])
		}
	}
	p.stop(t)
}

// afterPowerCut makes a directory of what the power leaves of another one when nothing is on the disk that was not synced. Files that are
// neither the store nor the trail are copied: they are written once, and TestFirstStartFails is about that.
func afterPowerCut(t testing.TB, d *diskfault.Disk, dir, again string) {
	t.Helper()
	for _, e := range must(os.ReadDir(dir))(t) {
		if e.Type().IsRegular() && e.Name() != "ostiary.db" {
			must(0, os.WriteFile(filepath.Join(again, e.Name()), must(os.ReadFile(filepath.Join(dir, e.Name())))(t), 0o600))(t)
		}
	}
	must(0, os.Mkdir(filepath.Join(again, "trail"), 0o700))(t)
	files := make(map[string]*diskfault.Replay)
	for _, rec := range d.Records() {
		name := strings.TrimSuffix(must(filepath.Rel(dir, "/"+strings.TrimPrefix(rec.Path, "/")))(t), ".new") // what it is called once it is whole
		if name != "ostiary.db" && !inTrail(rec.Path) {
			continue
		}
		if files[name] == nil {
			files[name] = diskfault.NewReplay(nil)
		}
		files[name].Step(rec)
	}
	for name, r := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, os.ErrNotExist) {
			continue // it was removed
		}
		must(0, r.Cut(diskfault.Nothing).Write(filepath.Join(again, name)))(t)
	}
}

// TestFirstStartFails has the first start of a server fail at each of its writes and syncs in turn. The next start, on a disk that works,
// makes what is missing, and its credentials are good.
func TestFirstStartFails(t *testing.T) {
	step := long(5, 1)
	if long(1, 2) == 2 {
		step = 1
	}
	failed := 0
	for n := 1; ; n += step {
		dir := t.TempDir()
		cmd := exec.Command(must(built())(t), "serve", "--listen", "127.0.0.1:0", "--data-dir", dir, "--log-level", "error")
		output := new(lockedBuffer)
		cmd.Stderr = output
		out := must(cmd.StdoutPipe())(t)
		broken := false
		nth := diskfault.FailNth(n, func(diskfault.Op) bool { return true }, diskfault.Verdict{Err: syscall.ENOSPC})
		diskfault.Start(t, cmd, dir, func(o diskfault.Op) diskfault.Verdict {
			if broken {
				return diskfault.Verdict{Err: syscall.ENOSPC}
			}
			v := nth(o)
			broken = v.Err != 0
			return v
		})
		var greeting strings.Builder
		buf := make([]byte, 4096)
		for !strings.Contains(greeting.String(), "Stop it with") {
			got, err := out.Read(buf)
			greeting.Write(buf[:got])
			if err != nil {
				break
			}
		}
		started := strings.Contains(greeting.String(), "Stop it with")
		_ = cmd.Process.Kill()
		err := cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); !started && (!ok || !exit.Exited() || !strings.Contains(output.String(), "no space left on device")) {
			t.Errorf("the first start fails at step %d: %v\n%s", n, err, output)
		}
		p := serve(t, dir, "--log-level", "error")
		if started {
			t.Logf("failed the first start at %d of its %d steps", failed, n-1)
			p.stop(t)
			if failed < 4 {
				t.Error("too few steps: this test does not try what it says")
			}
			return
		}
		failed++
		if arn := p.first(t).arn(t); !strings.HasSuffix(arn, ":root") {
			t.Errorf("step %d: the credentials are of %s", n, arn)
		}
		p.stop(t)
	}
}

// TestSmallVolume is a full disk that is real: a server's directory on a volume of a few megabytes, which a file fills.
func TestSmallVolume(t *testing.T) {
	dir := t.TempDir()
	if err := mountMemory(dir, "8m"); err != nil {
		testenv.Missing(t, "mount", err)
	}
	t.Cleanup(func() { must(0, unmount(dir))(t) })
	p := serve(t, dir, "--log-level", "error")
	root, ctx := p.first(t), t.Context()
	ballast := must(os.Create(filepath.Join(dir, "ballast")))(t)
	for chunk := make([]byte, 1<<12); ; {
		if _, err := ballast.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	refused, last := 0, 0
	for ; refused < 20; last++ {
		_, err := root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(fmt.Sprintf("user-%d", last))}, once)
		switch {
		case err != nil && code(err) != "ServiceUnavailable":
			t.Fatalf("on a full volume: %v", err)
		case err != nil:
			refused++
		case last > 10000:
			t.Fatal("the volume does not get full")
		}
		must(root.iam.GetUser(ctx, &iam.GetUserInput{}, once))(t)
	}
	must(0, errors.Join(ballast.Close(), os.Remove(ballast.Name())))(t)
	must(root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("after")}, once))(t)
	token := p.token(t)
	testenv.Eventually(t, "the events are in the trail", func() error {
		if made := p.created(t, token); made["after"] != 1 || len(made) != last-refused+1 {
			return fmt.Errorf("%d creations, want %d", len(made), last-refused+1)
		}
		return nil
	})
	t.Logf("%d users made, %d refused", last-refused+1, refused)
	p.stop(t)
}
