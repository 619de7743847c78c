package cluster

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// NodeOptions say what node to start. Store must be set.
type NodeOptions struct {
	Store string // the value of --store: see Cluster.Store
	// Dir is the node's directory; empty means a new one. A node that is started again with the directory of one that was
	// killed is the same node.
	Dir string
	// MasterKeyFile is shared by all nodes of a cluster; empty means one that every node of this test binary has.
	MasterKeyFile string
	Flags         []string // more flags of ostiary serve
}

// Node is a process of ostiary serve; it may be running or not.
type Node struct {
	process
	o   NodeOptions
	t   testing.TB
	url string
}

// StartNode starts a node and waits until it serves.
func StartNode(t testing.TB, o NodeOptions) *Node {
	t.Helper()
	base := t.TempDir()
	if o.Dir == "" {
		o.Dir = filepath.Join(base, "data")
	}
	if o.MasterKeyFile == "" {
		o.MasterKeyFile = filepath.Join(base, "master.key")
		if err := os.WriteFile(o.MasterKeyFile, []byte(hex.EncodeToString([]byte("the master key of these tests 32"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := &Node{o: o, t: t}
	n.name, n.log = "node "+o.Dir, filepath.Join(base, "node.log")
	n.atEnd(t)
	n.Start()
	return n
}

var servesAt = regexp.MustCompile(`^ostiary .* serves (http\S+) `)

// Start runs the node with what is in its directory and waits until it serves, at another address than before.
func (n *Node) Start() {
	n.t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		n.t.Fatal(err)
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data-dir", n.o.Dir, "--store", n.o.Store, "--master-key-file", n.o.MasterKeyFile}
	n.start(n.t, in, nodeProgram.build(n.t), append(args, n.o.Flags...)...)
	_ = in.Close() // the process has its own
	url := make(chan string, 1)
	go func() {
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := servesAt.FindStringSubmatch(lines.Text()); m != nil {
				url <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case n.url = <-url:
	case <-n.ended:
		n.t.Fatalf("%s ended at its start: %v", n.name, n.err)
	case <-wait.C:
		n.t.Fatalf("%s does not serve", n.name)
	}
}

// URL is where it serves.
func (n *Node) URL() string { return n.url }

// Dir is its directory.
func (n *Node) Dir() string { return n.o.Dir }

// Stop ends it in order, as SIGTERM does, and waits; it returns what went wrong.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

// RootKey reads the access key of the first account's root user; ok is false where another node has it.
func (n *Node) RootKey() (id, key string, ok bool) {
	text, err := os.ReadFile(filepath.Join(n.o.Dir, "root-credentials"))
	if err != nil {
		return "", "", false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		switch name {
		case "aws_access_key_id":
			id = value
		case "aws_secret_access_key":
			key = value
		}
	}
	return id, key, id != "" && key != ""
}

// Ready asks /readyz.
func (n *Node) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz answers %s", resp.Status)
	}
	return nil
}
