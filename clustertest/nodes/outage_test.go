package nodes_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/clustertest/severed"
	"github.com/ostiary-iam/ostiary/internal/node"
)

// get reads a page of the node.
func (m *member) get(path string) (status int, body string) {
	m.w.Helper()
	resp, err := http.Get(m.url + path)
	if err != nil {
		m.w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.w.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestStoreOutOfReach: a node that is cut off from etcd goes on to decide, refuses to write, decides nothing once the bound has passed, and
// comes back by itself.
func TestStoreOutOfReach(t *testing.T) {
	proxy := severed.New(t, embedded.Start(t, embedded.Options{}))
	w := worldOn(t, 1, proxy.Addr(), node.Config{MaxStale: 6 * time.Second, Etcd: node.Etcd{Timeout: 500 * time.Millisecond}})
	m := w.nodes[0]
	create := func(name string) error {
		_, err := m.iam().CreateUser(w.ctx, &iam.CreateUserInput{UserName: &name})
		return err
	}
	read := func() error {
		_, err := m.iam().GetUser(w.ctx, &iam.GetUserInput{UserName: aws.String("ann")})
		return err
	}
	if err := create("ann"); err != nil {
		t.Fatal(err)
	}
	proxy.Cut(true)
	if err := create("bob"); code(err) != "ServiceFailure" && code(err) != "ServiceUnavailable" {
		t.Errorf("a write without a store: %v", err)
	}
	if err := read(); err != nil {
		t.Errorf("a read without a store, within the bound: %v", err)
	}
	if status, _ := m.get("/readyz"); status != http.StatusOK {
		t.Errorf("not ready within the bound: %d", status)
	}
	w.eventually("the node fails closed", func() bool { return read() != nil })
	if err := read(); code(err) != "ServiceFailure" && code(err) != "ServiceUnavailable" {
		t.Errorf("past the bound: %v", err)
	}
	if status, _ := m.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("past the bound: readyz %d", status)
	}
	if _, body := m.get("/metrics"); !strings.Contains(body, "ostiary_fails_closed 1") || !strings.Contains(body, `ostiary_store_info{engine="etcd"} 1`) {
		t.Errorf("past the bound the metrics are\n%s", body)
	}
	proxy.Cut(false)
	w.eventually("the node comes back", func() bool { return read() == nil })
	w.eventually("and is ready", func() bool { status, _ := m.get("/readyz"); return status == http.StatusOK })
	w.eventually("and writes", func() bool { c := code(create("carl")); return c == "" || c == "EntityAlreadyExists" })
}
