package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ostiary-iam/ostiary/sigv4"
)

func TestMain(m *testing.M) {
	if os.Getenv("OSTIARY_TEST_RUN_MAIN") != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"ostiary": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}

// process is the command running as a process of its own.
type process struct {
	*exec.Cmd
	greeting string
	url      string
	stderr   *bytes.Buffer
}

// start runs the command and reads its greeting.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), stderr: new(bytes.Buffer)}
	p.Env = append(os.Environ(), "OSTIARY_TEST_RUN_MAIN=1")
	p.Stderr = p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // no error matters: it has ended by then where all went well
	r := bufio.NewReader(out)
	for !strings.Contains(p.greeting, "Stop it with") {
		line, err := r.ReadString('\n')
		p.greeting += line
		if err != nil {
			_ = p.Wait()
			t.Fatalf("the command ended: %v\n%s\n%s", err, p.greeting, p.stderr)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	p.url = regexp.MustCompile(`https?://[^ \n]+`).FindString(p.greeting)
	return p
}

func (p *process) get(t *testing.T, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestServe is the first five minutes: start on an empty directory, use it, stop it with SIGTERM, start it again.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with space")
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	credentials := filepath.Join(dir, "root-credentials")
	text, err := os.ReadFile(credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"export AWS_ENDPOINT_URL=" + p.url, "export AWS_SHARED_CREDENTIALS_FILE='" + credentials + "'", "export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1",
		"Enforced:", "Not enforced:",
	} {
		if !strings.Contains(p.greeting, want) {
			t.Errorf("the greeting lacks %q:\n%s", want, p.greeting)
		}
	}
	keyID := regexp.MustCompile(`aws_access_key_id = (AKIA[A-Z2-7]{16})`).FindStringSubmatch(string(text))
	secretKey := regexp.MustCompile(`aws_secret_access_key = (\S{40})`).FindStringSubmatch(string(text))
	if keyID == nil || secretKey == nil {
		t.Fatalf("root-credentials:\n%s", text)
	}
	if !strings.Contains(p.greeting, keyID[1]) {
		t.Errorf("the greeting does not name the access key:\n%s", p.greeting)
	}
	if strings.Contains(p.greeting, secretKey[1]) {
		t.Error("the greeting shows the secret")
	}
	if status, _ := p.get(t, "GET", "/readyz"); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}
	if status, _ := p.get(t, "GET", "/_ostiary/v1/status"); status != 401 {
		t.Errorf("the operator API without a token answers %d", status)
	}
	http.DefaultClient.CloseIdleConnections()

	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.stderr)
	}
	if log := p.stderr.String(); !strings.Contains(log, "msg=stopped") || strings.Contains(log, secretKey[1]) {
		t.Errorf("the log:\n%s", log)
	}

	p = start(t, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	if strings.Contains(p.greeting, "Made account") {
		t.Errorf("the second start greets as the first:\n%s", p.greeting)
	}
	second := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	second.Env = append(os.Environ(), "OSTIARY_TEST_RUN_MAIN=1")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("a second process on the directory: %v\n%s", err, out)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("after SIGINT: %v\n%s", err, p.stderr)
	}
}

// TestServeDev: in dev mode a fresh account is one request away, and every log line says which mode it is.
func TestServeDev(t *testing.T) {
	p := start(t, "serve", "--dev", "--store", "mem", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	status, body := p.get(t, "POST", "/_ostiary/v1/accounts")
	var made struct{ AccountId, AccessKeyId, SecretAccessKey string }
	if err := json.Unmarshal([]byte(body), &made); status != 200 || err != nil || made.SecretAccessKey == "" {
		t.Fatalf("%d %s", status, body)
	}
	if !strings.Contains(p.greeting, "the operator API's token: dev mode") {
		t.Errorf("the greeting does not say what dev mode opens:\n%s", p.greeting)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.stderr)
	}
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.Contains(line, "mode=dev") {
			t.Errorf("a log line does not say dev: %s", line)
		}
	}
	if strings.Contains(p.stderr.String(), made.SecretAccessKey) {
		t.Error("the log shows a secret")
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"/a/b-c_d.e": "/a/b-c_d.e", "/a b": "'/a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%s) = %s, want %s", in, got, want)
		}
	}
}

// TestMetadata: a role of the first account, served on a machine with nothing but the operator's token file.
func TestMetadata(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir, "--store", "bolt")
	who, err := os.ReadFile(filepath.Join(dir, "root-credentials"))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) string {
		return regexp.MustCompile(name + ` = (\S+)`).FindStringSubmatch(string(who))[1]
	}
	form := "Action=CreateRole&Version=2010-05-08&RoleName=worker&AssumeRolePolicyDocument=" +
		url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer := sigv4.Signer{AccessKeyID: value("aws_access_key_id"), Secret: value("aws_secret_access_key"), Region: "us-east-1", Service: "iam"}
	if err := signer.Sign(r, sha256.Sum256([]byte(form)), time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("CreateRole answers %s", resp.Status)
	}

	m := start(t, "imds", "--role", "worker", "--listen", "127.0.0.1:0", "--endpoint", p.url, "--operator-token-file", filepath.Join(dir, "operator-token"), "--allow-version-1")
	m.url = strings.TrimSuffix(m.url, "/")
	status, body := m.get(t, "GET", "/latest/meta-data/iam/security-credentials/worker")
	var got struct{ Code, AccessKeyId string }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Code != "Success" || !strings.HasPrefix(got.AccessKeyId, "ASIA") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(m.greeting, "export AWS_EC2_METADATA_SERVICE_ENDPOINT="+m.url) {
		t.Errorf("the greeting:\n%s", m.greeting)
	}
	http.DefaultClient.CloseIdleConnections()
	for _, q := range []*process{m, p} {
		if err := q.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := q.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, q.stderr)
		}
	}
}
