package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/history"
	"github.com/ostiary-iam/ostiary/internal/testenv/netfault"
)

// closed waits until a node fails closed, and expects it to say so.
func (n *node) closed(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("node %d fails closed", n.number), func() error {
		if status, text := n.get("/readyz"); status != http.StatusServiceUnavailable {
			return fmt.Errorf("readyz is %d %s", status, text)
		}
		return nil
	})
	_, err := n.client().ListUsers(t.Context(), &iam.ListUsersInput{})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ServiceUnavailable" {
		t.Errorf("node %d, past the bound: %v", n.number, err)
	}
	if status, _ := n.get("/healthz"); status != http.StatusOK {
		t.Errorf("node %d is alive, and healthz is %d", n.number, status)
	}
	if _, text := n.get("/metrics"); !strings.Contains(text, "ostiary_fails_closed 1") {
		t.Errorf("the metrics of node %d do not say that it fails closed", n.number)
	}
}

// opens waits until a node decides again, by itself.
func (n *node) opens(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("node %d decides again", n.number), func() error {
		if status, text := n.get("/readyz"); status != http.StatusOK {
			return fmt.Errorf("readyz is %d %s", status, text)
		}
		_, err := n.client().ListUsers(t.Context(), &iam.ListUsersInput{})
		return err
	})
}

// TestFaults breaks one cluster in one way after the other.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members of etcd and three nodes, and breaks them for a minute")
	}
	w := newWorld(t, 3)
	done := context.Background().Done()
	tests := []struct {
		name  string
		long  bool // only in the long form
		fault func(t *testing.T, r *history.Recorder)
	}{
		{"node-killed", false, func(t *testing.T, r *history.Recorder) {
			w.nodes[0].kill()
			r.Answered(calls(), done)
			w.nodes[0].restart()
		}},
		{"leader-killed", true, func(t *testing.T, r *history.Recorder) {
			leader := w.etcd.Leader(t)
			leader.Kill()
			r.Answered(calls(), done)
			leader.Start()
			leader.WaitHealthy(t)
		}},
		{"node-cut-off", true, func(t *testing.T, r *history.Recorder) {
			n := w.nodes[2]
			n.set(netfault.Cut)
			n.closed(t)
			r.Answered(calls(), done)
			n.set(netfault.Healthy)
			n.opens(t)
		}},
		{"disk-of-leader-lost", true, func(t *testing.T, r *history.Recorder) {
			w.etcd.Replace(t, w.etcd.Leader(t))
		}},
		{"leader-isolated", true, func(t *testing.T, r *history.Recorder) {
			leader := w.etcd.Leader(t)
			w.isolate(leader)
			r.Answered(calls(), done)
			w.heal()
			leader.WaitHealthy(t)
			for _, n := range w.nodes {
				n.opens(t)
			}
		}},
		{"answers-lost", true, func(t *testing.T, r *history.Recorder) {
			w.nodes[1].set(netfault.State{ToClient: netfault.Way{Cut: true}})
			r.Answered(calls(), done)
			w.heal()
			w.nodes[1].opens(t)
		}},
		{"requests-lost", true, func(t *testing.T, r *history.Recorder) {
			w.nodes[1].set(netfault.State{ToServer: netfault.Way{Cut: true}})
			w.nodes[1].closed(t)
			w.heal()
			w.nodes[1].opens(t)
		}},
		{"slow-and-resets", true, func(t *testing.T, r *history.Recorder) {
			slow := netfault.Way{Delay: 50 * time.Millisecond}
			w.nodes[0].set(netfault.State{ToServer: slow, ToClient: slow})
			for range 4 {
				r.Answered(calls()/4, done)
				for _, n := range w.nodes {
					for _, l := range n.links {
						l.Reset()
					}
				}
			}
			w.heal()
		}},
		{"node-stopped", true, func(t *testing.T, r *history.Recorder) {
			n := w.nodes[1]
			n.signal(syscall.SIGSTOP)
			stopped := time.Now()
			for time.Since(stopped) < bound+time.Second { // longer than it may decide on what it knows
				r.Answered(20, done)
			}
			n.signal(syscall.SIGCONT)
			n.opens(t)
		}},
		{"all-of-etcd-killed", true, func(t *testing.T, r *history.Recorder) {
			for _, m := range w.etcd.Members {
				m.Kill()
			}
			for _, n := range w.nodes {
				n.closed(t)
			}
			for _, m := range w.etcd.Members {
				m.Start()
			}
			w.etcd.WaitHealthy(t)
			for _, n := range w.nodes {
				n.opens(t)
			}
		}},
	}
	for _, tt := range tests {
		if tt.long && !testenv.Long() {
			continue
		}
		if !t.Run(tt.name, func(t *testing.T) { w.under(t, tt.name, tt.fault) }) {
			return // what comes after it says nothing
		}
	}
	t.Run("revocation", func(t *testing.T) { w.testRevocation(t) })
}

// testRevocation takes a key away on one node while another one is cut off from etcd. The other may know it until the bound and not after
// it, and when it hears from the store again it has forgotten the key before it decides anything.
func (w *world) testRevocation(t *testing.T) {
	here, there := w.nodes[0], w.nodes[1]
	key := makeUser(t, here.client(), "revoked").AccessKey
	who := aws.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}
	elsewhere := there.at.Load().sts(who)
	use := func() error {
		_, err := elsewhere.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	testenv.Eventually(t, "the key is known on the other node", use)
	there.set(netfault.Cut)
	must(here.client().DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("revoked"), AccessKeyId: key.AccessKeyId}))(t)
	deleted := time.Now()
	if err := here.at.Load().use(t, who); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("the key on the node that deleted it: %v", err)
	}
	worked, last := 0, time.Duration(0)
	for {
		sent := time.Since(deleted)
		err := use()
		if err == nil {
			worked, last = worked+1, sent
			if sent > bound {
				t.Fatalf("the key still works, %s after it was deleted; the bound is %s", sent, bound)
			}
			continue
		}
		if codeOf(err) != "ServiceUnavailable" {
			t.Errorf("past the bound: %v", err)
		}
		break
	}
	there.closed(t)
	there.set(netfault.Healthy)
	refused := 0
	testenv.Eventually(t, "the node decides again", func() error {
		switch err := use(); codeOf(err) {
		case "InvalidClientTokenId":
			return nil
		case "ServiceUnavailable":
			refused++
			return err
		default:
			t.Fatalf("when the node hears from the store again: %v", err)
			return nil
		}
	})
	there.opens(t)
	t.Logf("the key worked %d times after its deletion, %s after it at the latest, and never again", worked, last.Round(time.Millisecond))
}

func (c *reach) use(t *testing.T, who aws.Credentials) error {
	t.Helper()
	_, err := c.sts(who).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	return err
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}
