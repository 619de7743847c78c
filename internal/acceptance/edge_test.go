package acceptance_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// What a process does with its signals. Whatever these tests wait for is something that the process does, not a time.

// until asks again and again, until the answer is yes. Where it never is, the deadline of all tests ends it, and shows who asked.
func until(ask func() bool) {
	for !ask() {
		runtime.Gosched()
	}
}

const identity = "Action=GetCallerIdentity&Version=2011-06-15"

// half sends a request but for the last byte of its body, and returns when the server waits for that.
func (p *process) half(t testing.TB) net.Conn {
	t.Helper()
	conn := must(net.Dial("tcp", strings.TrimPrefix(p.url, "http://")))(t)
	t.Cleanup(func() { _ = conn.Close() })
	must(fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		len(identity), identity[:len(identity)-1]))(t)
	until(func() bool {
		return strings.Contains(p.metrics(t), "\nostiary_requests_in_progress 2\n")
	})
	return conn
}

func (p *process) metrics(t testing.TB) string {
	t.Helper()
	resp := must(p.http.Get(p.url + "/metrics"))(t)
	defer resp.Body.Close()
	return string(must(io.ReadAll(resp.Body))(t))
}

// TestDrain: SIGTERM lets the request in progress end, refuses new connections, and the process ends well.
func TestDrain(t *testing.T) {
	p := serve(t, t.TempDir())
	conn := p.half(t)
	p.http.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(func() bool {
		another, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err == nil {
			_ = another.Close()
		}
		return err != nil
	})
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil { // must not end what is draining
		t.Fatal(err)
	}
	must(io.WriteString(conn, identity[len(identity)-1:]))(t)
	resp := must(http.ReadResponse(bufio.NewReader(conn), nil))(t)
	text := string(must(io.ReadAll(resp.Body))(t))
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "MissingAuthenticationToken") || !resp.Close {
		t.Errorf("the request in progress got %d, close %v: %s", resp.StatusCode, resp.Close, text)
	}
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.output)
	}
	if out := p.output.String(); !strings.Contains(out, "msg=draining requests=1") || !strings.Contains(out, "msg=stopped") {
		t.Errorf("it said\n%s", out)
	}
}

// TestSecondSignal: whoever cannot wait sends another one; what is on disk is whole.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	admin := p.user(t, p.first(t), "admin", administratorAccess)
	p.half(t)
	ended := make(chan error, 1)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(func() bool { return strings.Contains(p.output.String(), "msg=draining") })
	go func() {
		<-p.read
		ended <- p.cmd.Wait()
	}()
	var err error
	until(func() bool {
		select {
		case err = <-ended:
			return true
		default:
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by now
			return false
		}
	})
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || !exit.Sys().(syscall.WaitStatus).Signaled() || strings.Contains(p.output.String(), "stopped") {
		t.Errorf("it ended with %v\n%s", err, p.output)
	}
	again := serve(t, dir)
	again.as(admin.id, admin.secret, "").arn(t)
	again.stop(t)
}

// TestReload: SIGHUP takes up what can be taken up, says what cannot, and keeps all that is wrong out.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := testenv.Issue(t, testenv.CertificateOf{Name: "first"}), testenv.Issue(t, testenv.CertificateOf{Name: "second"})
	put("cert.pem", first.Body)
	put("key.pem", first.PEM)
	put("ostiary.toml", "rate_unauthenticated = 1000\n")
	p := serve(t, path("data"), "--config", path("ostiary.toml"), "--tls-cert", path("cert.pem"), "--tls-key", path("key.pem"))
	p.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	reloads := 0
	hup := func() (said string) {
		t.Helper()
		before := len(p.output.String())
		reloads++
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(func() bool { return strings.Count(p.output.String(), "msg=reloaded") == reloads })
		return p.output.String()[before:]
	}
	shown := func() string {
		t.Helper()
		conn := must(tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true}))(t)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	unsigned := func() (id, text string) {
		t.Helper()
		resp := must(p.http.Post(p.url, "application/x-www-form-urlencoded", strings.NewReader(identity)))(t)
		defer resp.Body.Close()
		return resp.Header.Get("X-Amzn-RequestId"), string(must(io.ReadAll(resp.Body))(t))
	}

	before, _ := unsigned()
	put("key.pem", second.PEM)
	put("ostiary.toml", "rate_unauthenticated = 1\naccess_log = true\nlog_level = \"debug\"\nmax_connections = 5\n")
	said := hup()
	if shown() != "first" || !strings.Contains(said, "the new TLS certificate is refused") {
		t.Errorf("with half of a pair it shows %s and says\n%s", shown(), said)
	}
	for _, want := range []string{"need a restart", "keys=[max_connections]"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if !strings.Contains(p.metrics(t), `ostiary_certificate_loads_total{outcome="refused"} 1`) {
		t.Error("the refusal is not counted")
	}
	unsigned()
	throttled, text := unsigned()
	if !strings.Contains(text, "<Code>Throttling</Code>") {
		t.Errorf("at one request a second the second one gets\n%s", text)
	}
	until(func() bool {
		return strings.Contains(p.output.String(), "request="+throttled+" service=sts operation=GetCallerIdentity outcome=Throttling ")
	})

	put("cert.pem", second.Body)
	put("ostiary.toml", "rate_unauthenticated = 1000\nrate = 1\n")
	if said := hup(); shown() != "second" || !strings.Contains(said, `unknown key \"rate\"`) {
		t.Errorf("with a mistake in the file it shows %s and says\n%s", shown(), said)
	}
	put("ostiary.toml", "rate_unauthenticated = 1000\naccess_log = true\n")
	hup()
	id, text := unsigned()
	if strings.Contains(text, "Throttling") || !strings.Contains(text, id) {
		t.Errorf("with the rate raised: %s", text)
	}
	until(func() bool { return strings.Contains(p.output.String(), "msg=request request="+id+" ") })
	if strings.Contains(p.output.String(), before) {
		t.Error("there is a line for a request from before the access log")
	}
	if want := fmt.Sprintf("ostiary_certificate_expiry_timestamp_seconds %g\n", float64(second.X509.NotAfter.Unix())); !strings.Contains(p.metrics(t), want) {
		t.Errorf("the metrics lack %s", want)
	}
	p.stop(t)
}
