package memcached

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
)

// node speaks the few administrative commands of the text protocol, over a connection for each call: calls are rare, and a connection
// that waits would be one of the node's.
type node struct{ spec engine.Spec }

var _ engine.Node = (*node)(nil)

// ask sends one command and reads the answer's lines up to END, or the one line where there is no list.
func (n *node) ask(ctx context.Context, command string) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.spec.Listen().String())
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.spec.ID, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if n.spec.TLS != nil && n.spec.TLS.Port == 0 {
		// Our own child on an address that is ours: what is said here is no secret, and the certificate names the customer's cache.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return nil, fmt.Errorf("node %s: %s: %w", n.spec.ID, command, errors.Join(ctx.Err(), err))
	}
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("node %s: %s: %w", n.spec.ID, command, errors.Join(ctx.Err(), err))
		}
		line = strings.TrimRight(line, "\r\n")
		switch word, _, _ := strings.Cut(line, " "); word {
		case "END":
			return lines, nil
		case "STAT":
			lines = append(lines, line)
		case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
			return nil, fmt.Errorf("node %s: %s: %s", n.spec.ID, command, line)
		default:
			return []string{line}, nil
		}
		if len(lines) > 10_000 {
			return nil, fmt.Errorf("node %s: %s: an answer without end", n.spec.ID, command)
		}
	}
}

// Ping implements [engine.Node].
func (n *node) Ping(ctx context.Context) error {
	lines, err := n.ask(ctx, "version")
	if err == nil && (len(lines) != 1 || !strings.HasPrefix(lines[0], "VERSION ")) {
		return fmt.Errorf("node %s: what listens there is not memcached", n.spec.ID)
	}
	return err
}

// Info implements [engine.Node].
func (n *node) Info(ctx context.Context) (engine.Info, error) {
	lines, err := n.ask(ctx, "stats")
	if err != nil {
		return engine.Info{}, err
	}
	return parseStats(lines, n.spec.Port), nil
}

func parseStats(lines []string, port int) engine.Info {
	f := map[string]string{}
	for _, l := range lines {
		name, value, _ := strings.Cut(strings.TrimPrefix(l, "STAT "), " ")
		f[name] = value
	}
	number := func(name string) int64 {
		v, err := strconv.ParseInt(f[name], 10, 64)
		if err != nil {
			return 0
		}
		return v
	}
	info := engine.Info{
		PID: int(number("pid")), Port: port, Uptime: time.Duration(number("uptime")) * time.Second, Role: engine.Primary,
		MemoryUsed: number("bytes"), MemoryLimit: number("limit_maxbytes"), Keys: number("curr_items"),
		Clients: number("curr_connections"), Evicted: number("evictions"),
	}
	if v, err := engine.ParseVersion(f["version"]); err == nil {
		info.Version = v
	}
	return info
}

// SetParameters implements [engine.Node]: the memory is all that changes while a node runs.
func (n *node) SetParameters(ctx context.Context, spec engine.Spec) error {
	family, err := parameter.Of(engine.Memcached, spec.Version)
	if err != nil {
		return err
	}
	values, err := family.Values(spec.Parameters)
	if err != nil {
		return err
	}
	memory, err := limit(spec, values)
	if err != nil {
		return err
	}
	lines, err := n.ask(ctx, fmt.Sprintf("cache_memlimit %d", memory))
	if err == nil && (len(lines) != 1 || lines[0] != "OK") {
		return fmt.Errorf("node %s: cache_memlimit: %v", n.spec.ID, lines)
	}
	return err
}

func (n *node) unsupported() error {
	return fmt.Errorf("node %s is memcached: %w", n.spec.ID, engine.ErrUnsupported)
}

// SetUsers, ReplicateFrom, Promote, HandOver and Save are what memcached cannot do.
func (n *node) SetUsers(context.Context, []engine.User) error { return n.unsupported() }

func (n *node) ReplicateFrom(context.Context, engine.Endpoint) error { return n.unsupported() }

func (n *node) Promote(context.Context) error { return n.unsupported() }

func (n *node) HandOver(context.Context, engine.Endpoint) error { return n.unsupported() }

func (n *node) Save(context.Context, string) error { return n.unsupported() }

// Cluster is nil: there is no cluster mode.
func (n *node) Cluster() engine.Cluster { return nil }

// Close implements [engine.Node]; nothing is open between calls.
func (n *node) Close() error { return nil }
