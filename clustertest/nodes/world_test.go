package nodes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// masterKey is of all clusters of these tests.
const masterKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// patience is how long a test waits for anything before it fails.
const patience = time.Minute

// world is a cluster of nodes on one etcd.
type world struct {
	*testing.T
	ctx   context.Context
	cfg   node.Config // of every node
	base  string
	nodes []*member
	root  aws.CredentialsProvider
}

// member is a node that answers over HTTP.
type member struct {
	*node.Node
	w   *world
	dir string
	url string
	srv *httptest.Server
}

// newWorld starts n nodes at once on an empty etcd.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	return worldOn(t, n, embedded.Start(t, embedded.Options{}), node.Config{})
}

func worldOn(t *testing.T, n int, endpoint string, cfg node.Config) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cfg.Store, cfg.Etcd.Endpoints, cfg.MasterKey = "etcd", []string{endpoint}, secret.New(masterKey)
	w := &world{T: t, ctx: ctx, cfg: cfg, base: t.TempDir(), nodes: make([]*member, n)}
	var starting sync.WaitGroup
	problems := make([]error, n)
	for i := range n {
		starting.Go(func() { w.nodes[i], problems[i] = w.start(filepath.Join(w.base, fmt.Sprint("node", i))) })
	}
	starting.Wait()
	for _, m := range w.nodes {
		if m != nil {
			t.Cleanup(m.stop)
		}
	}
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	for _, m := range w.nodes {
		if f, ok := m.First(); ok {
			w.root = static(f.AccessKeyID, f.SecretAccessKey.Reveal(), "")
		}
	}
	return w
}

func (w *world) start(dir string) (*member, error) {
	cfg := w.cfg
	cfg.Dir = dir
	n, err := node.Open(w.ctx, cfg)
	if err != nil {
		return nil, err
	}
	srv := httptest.NewServer(n.Handler())
	return &member{Node: n, w: w, dir: dir, url: srv.URL, srv: srv}, nil
}

// stop ends a node in order. Again it does nothing.
func (m *member) stop() {
	if m.srv == nil {
		return
	}
	m.srv.Close()
	m.srv = nil
	if err := m.Close(); err != nil {
		m.w.Errorf("closing %s: %v", m.dir, err)
	}
}

func static(id, key, token string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: token}, nil
	})
}

func (m *member) config(c aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(m.url), Credentials: c, HTTPClient: testenv.HTTPClient(),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// iam is a client of this node, as the root user.
func (m *member) iam() *iam.Client { return iam.NewFromConfig(m.config(m.w.root)) }

func (m *member) iamAs(c aws.CredentialsProvider) *iam.Client { return iam.NewFromConfig(m.config(c)) }
func (m *member) stsAs(c aws.CredentialsProvider) *sts.Client { return sts.NewFromConfig(m.config(c)) }

// code returns an API error's code, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return err.Error()
}

// eventually waits until what is asked for is so: nothing tells a client of another node that its change has arrived.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for !ok() {
		select {
		case <-w.ctx.Done():
			w.Fatalf("does not come to be: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
