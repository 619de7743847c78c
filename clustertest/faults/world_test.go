package faults_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/clustertest/cluster"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/netfault"
)

// bound is max_stale of the nodes. A state may be older by what the proof of a state takes at most: see internal/store/etcd.
const bound = 4 * time.Second

const masterKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// world is a cluster with everything in between.
type world struct {
	testing.TB
	etcd  *cluster.Cluster
	peers []*netfault.Proxy // by the member that is called; names are the callers'
	nodes []*node
	root  aws.Credentials
	token string // the operator's
}

// node is an Ostiary node as a process.
type node struct {
	w      *world
	number int
	dir    string
	links  []*netfault.Proxy // to the members
	cmd    *exec.Cmd
	read   chan struct{}
	at     atomic.Pointer[reach] // nil while it does not run
}

// reach is how to speak to a node that runs.
type reach struct {
	url  string
	http *http.Client
	iam  *iam.Client // as root
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newWorld starts everything, healthy.
func newWorld(t testing.TB, nodes int) *world {
	w := &world{TB: t}
	var started atomic.Pointer[cluster.Cluster]
	w.etcd = cluster.Start(t, cluster.Options{PeerProxy: func(_ int, listens string) string {
		p := netfault.Listen(t, netfault.Config{Target: listens, Name: func(from net.Addr) string {
			if c := started.Load(); c != nil {
				for _, m := range c.Members {
					if m.Owns(from) {
						return m.Name()
					}
				}
			}
			return "unknown"
		}})
		w.peers = append(w.peers, p)
		return p.Addr()
	}})
	started.Store(w.etcd)
	for _, p := range w.peers {
		p.Reset() // so that all connections have names
	}
	w.etcd.WaitHealthy(t)
	binary := filepath.Join(t.TempDir(), "ostiary")
	build := exec.Command("go", "build", "-o", binary, "./cmd/ostiary")
	build.Dir = "../.." // the module that it belongs to
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the node: %v\n%s", err, out)
	}
	for i := range nodes {
		n := &node{w: w, number: i, dir: t.TempDir()}
		for _, m := range w.etcd.Members {
			n.links = append(n.links, netfault.Listen(t, netfault.Config{Target: m.Endpoint()}))
		}
		w.nodes = append(w.nodes, n)
		t.Cleanup(func() {
			if n.at.Load() != nil {
				n.kill()
			}
		})
		n.start(binary)
		if i == 0 {
			text := string(must(os.ReadFile(filepath.Join(n.dir, "root-credentials")))(t))
			w.root = aws.Credentials{
				AccessKeyID:     regexp.MustCompile(`aws_access_key_id = (\S+)`).FindStringSubmatch(text)[1],
				SecretAccessKey: regexp.MustCompile(`aws_secret_access_key = (\S+)`).FindStringSubmatch(text)[1],
			}
			w.token = strings.TrimSpace(string(must(os.ReadFile(filepath.Join(n.dir, "operator-token")))(t)))
			n.found()
		}
	}
	return w
}

// start runs the node, with what it has on its disk, and waits until it serves.
func (n *node) start(binary string) {
	t := n.w.TB
	t.Helper()
	var members []string
	for _, l := range n.links {
		members = append(members, l.Addr())
	}
	config := filepath.Join(n.dir, "config.toml")
	text := fmt.Sprintf("max_stale = %q\netcd_timeout = \"1s\"\nlog_level = \"error\"\n", bound)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", n.dir, "--config", config, "--store", "etcd://"+strings.Join(members, ",")+"/faults")
	n.cmd.Env = append(os.Environ(), "OSTIARY_MASTER_KEY="+masterKey)
	stderr := must(os.OpenFile(filepath.Join(n.dir, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))(t)
	defer stderr.Close()
	n.cmd.Stderr = stderr
	out := must(n.cmd.StdoutPipe())(t)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.read = make(chan struct{})
	r := bufio.NewReader(out)
	var greeting strings.Builder
	for !strings.Contains(greeting.String(), "Stop it with") {
		line, err := r.ReadString('\n')
		greeting.WriteString(line)
		if err != nil {
			_ = n.cmd.Wait()
			said, _ := os.ReadFile(stderr.Name())
			t.Fatalf("node %d ended: %v\n%s%s", n.number, err, &greeting, said)
		}
	}
	go func() {
		defer close(n.read)
		_, _ = io.Copy(io.Discard, r)
	}()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(transport.CloseIdleConnections)
	c := &reach{url: regexp.MustCompile(`https?://[^ ]+`).FindString(greeting.String()), http: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	n.at.Store(c)
	if n.w.root.AccessKeyID != "" {
		n.found()
	}
}

// found makes the client, once the root user's key is known.
func (n *node) found() {
	c := *n.at.Load()
	c.iam = c.as(n.w.root)
	n.at.Store(&c)
}

func (c *reach) options(who aws.Credentials) (aws.CredentialsProvider, aws.HTTPClient) {
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return who, nil })
	return keys, testenv.PlainBodies(c.http)
}

func (c *reach) as(who aws.Credentials) *iam.Client {
	keys, client := c.options(who)
	return iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: client, Retryer: aws.NopRetryer{}})
}

func (c *reach) sts(who aws.Credentials) *sts.Client {
	keys, client := c.options(who)
	return sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: client, Retryer: aws.NopRetryer{}})
}

// client is the node's, nil while it does not run.
func (n *node) client() *iam.Client {
	if c := n.at.Load(); c != nil {
		return c.iam
	}
	return nil
}

// kill ends the node as kill -9 does.
func (n *node) kill() {
	n.w.Helper()
	c := n.at.Swap(nil)
	_ = n.cmd.Process.Kill()
	<-n.read
	_ = n.cmd.Wait() // killed
	c.http.CloseIdleConnections()
}

// restart runs a node that was killed.
func (n *node) restart() { n.start(n.cmd.Path) }

func (n *node) signal(s syscall.Signal) {
	n.w.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.w.Fatal(err)
	}
}

// set changes all the node's links to etcd.
func (n *node) set(s netfault.State) {
	for _, l := range n.links {
		l.Set(s)
	}
}

// isolate cuts a member off from the other members, both ways.
func (w *world) isolate(m *cluster.Member) {
	for i, p := range w.peers {
		if i == m.Index() {
			p.Set(netfault.Cut)
		} else {
			p.Set(netfault.Cut, m.Name())
		}
	}
}

// heal makes the network good.
func (w *world) heal() {
	for _, p := range w.peers {
		p.Set(netfault.Healthy)
	}
	for _, n := range w.nodes {
		n.set(netfault.Healthy)
	}
}

// get reads one of the pages for operators.
func (n *node) get(path string) (status int, body string) {
	c := n.at.Load()
	req := must(http.NewRequest(http.MethodGet, c.url+path, nil))(n.w)
	req.Header.Set("Authorization", "Bearer "+n.w.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// event is what is looked at of an event.
type event struct {
	EventID, EventName, ErrorCode string
	RequestParameters             struct{ UserName string }
}

// created reads the trails of all nodes: for each user the IDs of the events of its creations, with how often each is there.
func (w *world) created() (made map[string]map[string]int, twice int) {
	w.Helper()
	made = make(map[string]map[string]int)
	for _, n := range w.nodes {
		for after := ""; ; {
			var page struct {
				Events []event
				Next   string
			}
			status, text := n.get("/_ostiary/v1/events?limit=1000&after=" + after)
			if err := json.Unmarshal([]byte(text), &page); status != http.StatusOK || err != nil {
				w.Fatalf("reading the events of node %d: %d, %v: %.300s", n.number, status, err, text)
			}
			if len(page.Events) == 0 {
				break
			}
			after = page.Next
			for _, e := range page.Events {
				if e.EventName != "CreateUser" || e.ErrorCode != "" {
					continue
				}
				name := e.RequestParameters.UserName
				if made[name] == nil {
					made[name] = make(map[string]int)
				}
				if made[name][e.EventID]++; made[name][e.EventID] > 1 {
					twice++
				}
			}
		}
	}
	return made, twice
}
