package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// The library writes what it also returns as an error to standard error, by a logger that can only be replaced for the whole process.
func init() { logging.Disable() }

// node is a handle on one node under Ostiary's own user.
type node struct {
	driver *Driver
	spec   engine.Spec
	client *goredis.Client
	saving sync.Mutex // one snapshot at a time
}

var _ engine.Node = (*node)(nil)

func connect(d *Driver, spec engine.Spec) (*node, error) {
	// The pool is large because the library stops dialling at once after as many failures as it may have connections: a node that starts would
	// be found a second late. It holds one connection.
	o := &goredis.Options{
		Addr: spec.Listen().String(), Username: engine.Admin, Password: spec.Admin.Reveal(), Protocol: 2,
		ContextTimeoutEnabled: true, DialTimeout: 2 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 10 * time.Second,
		MaxRetries: -1, DialerRetries: 1, PoolSize: 200, MaxIdleConns: 1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if spec.TLS != nil && spec.TLS.Port == 0 {
		pem, err := os.ReadFile(spec.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", spec.ID, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("node %s: no certificate in %s", spec.ID, spec.TLS.CAFile)
		}
		// The certificate is the customer's name for the cache, not this address's: the chain is verified, the name is not.
		o.TLSConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: chainOf(pool)}
	}
	return &node{driver: d, spec: spec, client: goredis.NewClient(o)}, nil
}

// chainOf verifies a server's certificate up to the group's own authority.
func chainOf(pool *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: between})
		return err
	}
}

func (n *node) do(ctx context.Context, args ...any) *goredis.Cmd { return n.client.Do(ctx, args...) }

// run sends a command whose answer does not matter.
func (n *node) run(ctx context.Context, args ...any) error {
	if err := n.do(ctx, args...).Err(); err != nil {
		return fmt.Errorf("node %s: %v: %w", n.spec.ID, verb(args), classify(err))
	}
	return nil
}

// verb is what of a command may be in an error: never its arguments.
func verb(args []any) string {
	words := []string{fmt.Sprint(args[0])}
	if len(args) > 1 && slices.Contains([]string{"CONFIG", "CLUSTER", "ACL"}, words[0]) {
		words = append(words, fmt.Sprint(args[1]))
	}
	return strings.Join(words, " ")
}

func classify(err error) error {
	if strings.HasPrefix(err.Error(), "LOADING") {
		return fmt.Errorf("%w: %w", engine.ErrLoading, err)
	}
	return err
}

// Close implements [engine.Node].
func (n *node) Close() error { return n.client.Close() }

// Ping implements [engine.Node].
func (n *node) Ping(ctx context.Context) error {
	err := n.do(ctx, "PING").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "MASTERDOWN") { // a replica that waits for its primary serves what it may
		return fmt.Errorf("node %s: PING: %w", n.spec.ID, classify(err))
	}
	return nil
}

// Info implements [engine.Node].
func (n *node) Info(ctx context.Context) (engine.Info, error) {
	text, err := n.do(ctx, "INFO").Text()
	if err != nil {
		return engine.Info{}, fmt.Errorf("node %s: INFO: %w", n.spec.ID, classify(err))
	}
	return parseInfo(text), nil
}

// fields splits what INFO and CLUSTER INFO answer.
func fields(text string) map[string]string {
	f := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(name, "#") {
			f[name] = value
		}
	}
	return f
}

func parseInfo(text string) engine.Info {
	f := fields(text)
	number := func(name string) int64 {
		v, err := strconv.ParseInt(f[name], 10, 64)
		if err != nil {
			return 0
		}
		return v
	}
	info := engine.Info{
		PID: int(number("process_id")), Config: f["config_file"], Port: int(number("tcp_port")),
		Uptime: time.Duration(number("uptime_in_seconds")) * time.Second, Loading: f["loading"] == "1",
		Role: engine.Primary, Offset: number("master_repl_offset"), Backlog: f["master_replid"],
		MemoryUsed: number("used_memory"), MemoryLimit: number("maxmemory"), Clients: number("connected_clients"),
		Evicted: number("evicted_keys"), ClusterMode: f["cluster_enabled"] == "1",
	}
	version := f["redis_version"]
	if v := f["valkey_version"]; v != "" {
		version = v
	}
	if v, err := engine.ParseVersion(version); err == nil {
		info.Version = v
	}
	if f["role"] == "slave" {
		info.Role = engine.Replica
		info.Offset = number("slave_repl_offset")
		info.Source = endpoint(f["master_host"], f["master_port"])
		info.LinkUp = f["master_link_status"] == "up" && f["master_sync_in_progress"] != "1"
		// A node that has never been connected says -1, and its offset is at most its own 1.
		since, err := strconv.Atoi(f["master_link_down_since_seconds"])
		info.Synced = info.LinkUp || err == nil && since >= 0 || info.Offset > 1
	}
	for i := 0; f["slave"+strconv.Itoa(i)] != ""; i++ {
		part := map[string]string{}
		for _, kv := range strings.Split(f["slave"+strconv.Itoa(i)], ",") {
			k, v, _ := strings.Cut(kv, "=")
			part[k] = v
		}
		offset, err := strconv.ParseInt(part["offset"], 10, 64)
		if err != nil {
			offset = 0
		}
		info.Replicas = append(info.Replicas, engine.ReplicaInfo{Endpoint: endpoint(part["ip"], part["port"]), Offset: offset, Online: part["state"] == "online"})
	}
	for name, v := range f {
		if digits, ok := strings.CutPrefix(name, "db"); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			count, _, _ := strings.Cut(strings.TrimPrefix(v, "keys="), ",")
			if keys, err := strconv.ParseInt(count, 10, 64); err == nil {
				info.Keys += keys
			}
		}
	}
	return info
}

func endpoint(host, port string) engine.Endpoint {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return engine.Endpoint{}
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return engine.Endpoint{}
	}
	return engine.Endpoint{Address: a, Port: int(p)}
}

// SetParameters implements [engine.Node]; CONFIG SET with several names is atomic.
func (n *node) SetParameters(ctx context.Context, spec engine.Spec) error {
	args, err := n.driver.settings(spec)
	if err != nil {
		return err
	}
	return n.run(ctx, args...)
}

// SetUsers implements [engine.Node]. Each user changes atomically; those that are gone go last, so that there is no moment in which
// somebody who may log in before and after may not.
func (n *node) SetUsers(ctx context.Context, users []engine.User) error {
	lines, err := userLines(users)
	if err != nil {
		return err
	}
	for name, rules := range lines {
		args := []any{"ACL", "SETUSER", name}
		for _, r := range rules {
			args = append(args, r)
		}
		if err := n.run(ctx, args...); err != nil {
			return err
		}
	}
	have, err := n.do(ctx, "ACL", "USERS").StringSlice()
	if err != nil {
		return fmt.Errorf("node %s: ACL USERS: %w", n.spec.ID, classify(err))
	}
	gone := []any{"ACL", "DELUSER"}
	for _, name := range have {
		if _, stays := lines[name]; !stays && name != engine.Admin {
			gone = append(gone, name)
		}
	}
	if len(gone) == 2 {
		return nil
	}
	return n.run(ctx, gone...)
}

// ReplicateFrom implements [engine.Node].
func (n *node) ReplicateFrom(ctx context.Context, primary engine.Endpoint) error {
	if n.spec.ClusterMode {
		return fmt.Errorf("node %s is in cluster mode: %w", n.spec.ID, engine.ErrUnsupported)
	}
	return n.run(ctx, "REPLICAOF", primary.Address.String(), primary.Port)
}

// Promote implements [engine.Node].
func (n *node) Promote(ctx context.Context) error {
	if n.spec.ClusterMode {
		return n.Cluster().Takeover(ctx)
	}
	return n.run(ctx, "REPLICAOF", "NO", "ONE")
}

// HandOver implements [engine.Node].
func (n *node) HandOver(ctx context.Context, replica engine.Endpoint) error {
	if n.spec.ClusterMode {
		return fmt.Errorf("node %s is in cluster mode: %w", n.spec.ID, engine.ErrUnsupported)
	}
	if err := n.run(ctx, "FAILOVER", "TO", replica.Address.String(), replica.Port, "TIMEOUT", 10_000); err != nil {
		return err
	}
	return n.becomes(ctx, engine.Replica, func(f map[string]string) bool { return f["master_failover_state"] == "no-failover" })
}

// becomes waits for a role. It ends early where over, asked twice in a row in the old role, says that the engine has given up.
func (n *node) becomes(ctx context.Context, role engine.Role, over func(map[string]string) bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for given := 0; ; {
		text, err := n.do(ctx, "INFO", "replication").Text()
		if err != nil {
			return fmt.Errorf("node %s: INFO: %w", n.spec.ID, classify(err))
		}
		if parseInfo(text).Role == role {
			return nil
		}
		if over(fields(text)) {
			given++
		}
		if given >= 2 {
			return fmt.Errorf("node %s: the engine gave up exchanging roles: see its log", n.spec.ID)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s: exchanging roles: %w", n.spec.ID, ctx.Err())
		case <-tick.C:
		}
	}
}

// Save implements [engine.Node]. The engine renames a complete file into place, so that another file than before under the same name is
// the proof that a snapshot was made; counters and times of INFO are not, for a fork that serves a replica moves them too.
func (n *node) Save(ctx context.Context, path string) error {
	if n.spec.Dir == "" {
		return fmt.Errorf("node %s: %w: its directory is not known here", n.spec.ID, engine.ErrUnsupported)
	}
	n.saving.Lock()
	defer n.saving.Unlock()
	data := filepath.Join(n.spec.Dir, dataFile)
	before, err := os.Stat(data)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("node %s: %w", n.spec.ID, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	started := false
	for {
		if !started {
			err := n.do(ctx, "BGSAVE").Err()
			started = err == nil
			if err != nil && !strings.Contains(err.Error(), "in progress") && !strings.Contains(err.Error(), "active") {
				return fmt.Errorf("node %s: BGSAVE: %w", n.spec.ID, classify(err))
			}
		} else {
			text, err := n.do(ctx, "INFO", "persistence").Text()
			if err != nil {
				return fmt.Errorf("node %s: INFO: %w", n.spec.ID, classify(err))
			}
			f := fields(text)
			if f["rdb_bgsave_in_progress"] == "0" {
				after, err := os.Stat(data)
				if err == nil && f["rdb_last_bgsave_status"] == "ok" && (before == nil || !os.SameFile(before, after)) {
					break
				}
				return fmt.Errorf("node %s: the engine could not write the snapshot: see its log", n.spec.ID)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s: snapshot: %w", n.spec.ID, ctx.Err())
		case <-tick.C:
		}
	}
	if err := copyFile(data, path); err != nil {
		return fmt.Errorf("node %s: snapshot: %w", n.spec.ID, err)
	}
	if !n.spec.Persist {
		return os.Remove(data)
	}
	return nil
}

// copyFile makes path a complete copy of from, or leaves it as it was.
func copyFile(from, path string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*") // 0600
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}
