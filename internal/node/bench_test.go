package node_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// Benchmarks over loopback. Requests are signed beforehand, so that the client costs the same against a node and against a
// handler that does nothing; the second is the floor that the first is compared with. Besides the time per call they report
// the processor time per call, client included.
//
//	go test -run '^$' -bench 'Floor|CallerIdentity|CreateUser' -count 5 ./internal/node

const (
	identityBody = "Action=GetCallerIdentity&Version=2011-06-15"
	createBody   = "Action=CreateUser&Version=2010-05-08&UserName="
)

// signed returns a request as bytes can be sent again and again.
func signed(b *testing.B, url string, key server.RootKey, service, body string) *http.Request {
	b.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := sigv4.Signer{AccessKeyID: key.AccessKeyID, Secret: key.SecretAccessKey.Reveal(), Region: "us-east-1", Service: service}
	if err := s.Sign(r, sha256.Sum256([]byte(body)), time.Now()); err != nil {
		b.Fatal(err)
	}
	return r
}

// post sends the request with a fresh body and wants a 200.
func post(client *http.Client, r *http.Request, body string) error {
	again := r.Clone(context.Background())
	again.Body = io.NopCloser(strings.NewReader(body))
	res, err := client.Do(again)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// parallel runs calls from as many goroutines as say, and reports processor time per call.
func parallel(b *testing.B, goroutines int, call func(i int64) error) {
	b.SetParallelism(max(goroutines/2, 1))
	var next atomic.Int64
	began := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(next.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func BenchmarkFloor(b *testing.B) {
	answer := []byte(strings.Repeat("x", 400))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	client := newClient()
	r := signed(b, "http://"+ln.Addr().String()+"/", server.RootKey{AccessKeyID: "AKIDEXAMPLE"}, "sts", identityBody)
	parallel(b, 16, func(int64) error { return post(client, r, identityBody) })
}

// serve runs a node on loopback.
func serve(b *testing.B, cfg node.Config) (n *node.Node, url string) {
	b.Helper()
	n, err := node.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := n.Listen(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx, ln) }()
	b.Cleanup(func() {
		stop()
		<-done
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	return n, "http://" + ln.Addr().String() + "/"
}

func BenchmarkCallerIdentity(b *testing.B) {
	n, url := serve(b, node.Config{})
	key, err := n.CreateAccount(b.Context(), server.NewAccount{})
	if err != nil {
		b.Fatal(err)
	}
	client := newClient()
	r := signed(b, url, key, "sts", identityBody)
	parallel(b, 16, func(int64) error { return post(client, r, identityBody) })
}

func BenchmarkCreateUser(b *testing.B) {
	n, url := serve(b, node.Config{Store: "bolt", Dir: b.TempDir()})
	client := newClient()
	for _, together := range []int{1, 64} { // accounts that are written to at the same time
		b.Run(fmt.Sprintf("accounts=%d", together), func(b *testing.B) {
			const full = 4000 // an account holds 5,000 users
			keys := make([]server.RootKey, (b.N/full+1)*together)
			for i := range keys {
				key, err := n.CreateAccount(b.Context(), server.NewAccount{})
				if err != nil {
					b.Fatal(err)
				}
				keys[i] = key
			}
			parallel(b, 64, func(i int64) error {
				body := fmt.Sprintf("%su-%d", createBody, i)
				key := keys[int(i)/full/together*together+int(i)%together]
				return post(client, signed(b, url, key, "iam", body), body)
			})
		})
	}
}
