package acceptance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// built is the command, built once for all tests of this package that need it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ostiary-acceptance-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	path := filepath.Join(dir, "ostiary")
	out, err := exec.Command("go", "build", "-o", path, "github.com/ostiary-iam/ostiary/cmd/ostiary").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return path, nil
})

var builtDir string // set by built

func removeBuilt() {
	if builtDir != "" {
		_ = os.RemoveAll(builtDir) // a temporary directory that stays is nobody's failure
	}
}

// process is the command serving, as a process of its own.
type process struct {
	*cloud
	cmd    *exec.Cmd
	dir    string
	output *lockedBuffer // all that it said, on either stream
	read   chan struct{} // closed when its standard output has ended
}

// lockedBuffer is a buffer that a process writes to while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve starts the command over a directory, with a store that lasts, and waits until it says where it listens.
func serve(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	return serveBy(t, dir, func(cmd *exec.Cmd) {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}, args...)
}

// serveBy is serve with another way to start a process.
func serveBy(t testing.TB, dir string, start func(*exec.Cmd), args ...string) *process {
	t.Helper()
	p := &process{dir: dir, output: new(lockedBuffer), read: make(chan struct{})}
	p.cmd = exec.Command(must(built())(t), append([]string{"serve", "--listen", "127.0.0.1:0", "--data-dir", dir}, args...)...)
	p.cmd.Stderr = p.output
	out := must(p.cmd.StdoutPipe())(t)
	start(p.cmd)
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.kill(t)
		}
	})
	r := bufio.NewReader(io.TeeReader(out, p.output))
	var greeting strings.Builder
	for !strings.Contains(greeting.String(), "Stop it with") {
		line, err := r.ReadString('\n')
		greeting.WriteString(line)
		if err != nil {
			_ = p.cmd.Wait()
			t.Fatalf("the command ended: %v\n%s", err, p.output)
		}
	}
	go func() {
		defer close(p.read)
		_, _ = io.Copy(io.Discard, r)
	}()
	p.cloud = reach(t, regexp.MustCompile(`https?://[^ ]+`).FindString(greeting.String()))
	return p
}

// kill ends the process as a power cut would, as far as a process can tell.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.read
	_ = p.cmd.Wait() // says that it was killed
	p.http.CloseIdleConnections()
}

// stop ends the process in the orderly way and expects it to be content.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.http.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.output)
	}
}

// root is the root user of the first account, from the file that the first start wrote.
func (p *process) first(t testing.TB) *caller {
	t.Helper()
	text := string(must(os.ReadFile(filepath.Join(p.dir, "root-credentials")))(t))
	id := regexp.MustCompile(`aws_access_key_id = (\S+)`).FindStringSubmatch(text)
	secret := regexp.MustCompile(`aws_secret_access_key = (\S+)`).FindStringSubmatch(text)
	if id == nil || secret == nil {
		t.Fatalf("root-credentials has another form: %d bytes", len(text))
	}
	return p.as(id[1], secret[1], "")
}

// token is the operator's.
func (p *process) token(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(string(must(os.ReadFile(filepath.Join(p.dir, "operator-token")))(t)))
}

// operator makes a call of the operator API.
func (c *cloud) operator(t testing.TB, method, path, token, body string) (status int, answer string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, c.url+"/_ostiary/v1/"+path, strings.NewReader(body)))(t)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp := must(c.http.Do(r))(t)
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
}

// account makes a fresh account by the operator API.
func (c *cloud) account(t testing.TB, token string) ostiarytest.Account {
	t.Helper()
	status, answer := c.operator(t, "POST", "accounts", token, "")
	var made struct{ AccountId, AccessKeyId, SecretAccessKey string }
	if err := json.Unmarshal([]byte(answer), &made); status != http.StatusOK || err != nil || made.SecretAccessKey == "" {
		t.Fatalf("making an account: %d %s", status, answer)
	}
	return ostiarytest.Account{AccountID: made.AccountId, AccessKeyID: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey}
}

// event is what tests look at in a record of the trail.
type event struct {
	EventID, EventName, RecipientAccountID, ErrorCode string
	RequestParameters, ResponseElements               map[string]any
}

// events reads the whole trail by the operator API.
func (c *cloud) events(t testing.TB, token string) []event {
	t.Helper()
	var all []event
	for after := ""; ; {
		status, answer := c.operator(t, "GET", "events?limit=1000&after="+after, token, "")
		var page struct {
			Events []event
			Next   string
		}
		if err := json.Unmarshal([]byte(answer), &page); status != http.StatusOK || err != nil {
			t.Fatalf("reading events: %d, %v: %.300s", status, err, answer)
		}
		if len(page.Events) == 0 {
			return all
		}
		all = append(all, page.Events...)
		after = page.Next
	}
}
