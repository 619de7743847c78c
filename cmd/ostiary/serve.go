package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/telemetry"
)

func serveUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary serve [flags]

Serves the IAM, STS, Organizations and ElastiCache APIs on one port. The first start makes an account and writes the access
key of its root user to DIR/root-credentials.

`)
	config.Usage(w)
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, args []string, std stdio) (err error) {
	cfg, err := config.Load(args)
	if errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	level := new(slog.LevelVar)
	lg, err := telemetry.NewLogger(std.err, telemetry.LogConfig{Format: cfg.LogFormat, Level: cfg.LogLevel, Dev: cfg.Dev, Var: level})
	if err != nil {
		return err
	}
	sc := server.Config{
		Dev: cfg.Dev, InsecureHTTP: cfg.InsecureHTTP, Drain: time.Duration(cfg.DrainTimeout), DrainDelay: time.Duration(cfg.DrainDelay),
		Limits: server.Limits{
			Connections: cfg.MaxConnections, PerAddress: cfg.MaxConnectionsPerAddress, BodyRate: cfg.BodyRate,
			Header: time.Duration(cfg.HeaderTimeout), Body: time.Duration(cfg.BodyTimeout), Write: time.Duration(cfg.WriteTimeout),
			Idle: time.Duration(cfg.IdleTimeout),
		},
	}
	out := outbound.Config{Timeout: time.Duration(cfg.OutboundTimeout)}
	for _, p := range cfg.OutboundAllow {
		out.Allow = append(out.Allow, p.Prefix)
	}
	if cfg.OutboundCAFile != "" {
		if out.Roots, err = outbound.LoadRoots(cfg.OutboundCAFile); err != nil {
			return err
		}
	}
	where, err := config.ParseStore(cfg.Store)
	if err != nil {
		return err
	}
	master, err := masterFromEnvironment(cfg)
	if err != nil {
		return usageError{err}
	}
	n, err := node.Open(ctx, node.Config{
		Outbound: out, SAMLEndpoints: cfg.SAMLEndpoints, SignInDestinations: cfg.SignInDestinations,
		Dir: cfg.DataDir, Store: where.Engine, Etcd: etcdOf(cfg, where), Region: cfg.Region, MasterKeyFile: cfg.MasterKeyFile,
		MasterKey: master, NewOperatorToken: cfg.NewOperatorToken,
		MaxStale:  time.Duration(cfg.MaxStale),
		IssuerURL: cfg.IssuerURL, IssuerKeyRotation: time.Duration(cfg.IssuerKeyRotation),
		TrailFileBytes: int64(cfg.TrailFileMiB) << 20, TrailTotalBytes: int64(cfg.TrailTotalMiB) << 20,
		Version: version(), Server: sc, Logger: lg, CertFile: cfg.TLSCertFile, KeyFile: cfg.TLSKeyFile, Reloadable: settings(cfg),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	ln, err := n.Listen(ctx, cfg.Listen)
	if err != nil {
		return err
	}
	if err := greet(std.out, n, cfg, ln.Addr()); err != nil {
		_ = ln.Close()
		return err
	}
	lg.Info("serving", "address", ln.Addr().String(), "store", cfg.Store, "region", cfg.Region)
	r := &reloads{args: args, inUse: cfg, level: level, node: n, logger: lg}
	watching, done := context.WithCancel(context.WithoutCancel(ctx))
	var reloading sync.WaitGroup
	reloading.Go(func() { r.run(watching) })
	err = n.Serve(ctx, ln)
	done()
	reloading.Wait()
	if err == nil {
		lg.Info("stopped")
	}
	return err
}

// masterVariable is where a node finds its master key that is given it without a file.
const masterVariable = "OSTIARY_MASTER_KEY"

// masterFromEnvironment takes the master key out of the environment, so that no other program inherits it.
func masterFromEnvironment(cfg *config.Config) (secret.Text, error) {
	text, ok := os.LookupEnv(masterVariable)
	if !ok {
		return secret.Text{}, nil
	}
	if err := os.Unsetenv(masterVariable); err != nil {
		return secret.Text{}, err
	}
	switch {
	case text == "":
		return secret.Text{}, fmt.Errorf("%s is set and empty", masterVariable)
	case cfg.MasterKeyFile != "":
		return secret.Text{}, fmt.Errorf("give --master-key-file or %s, not both", masterVariable)
	}
	return secret.New(text), nil
}

// etcdOf says how to reach etcd, as the configuration does.
func etcdOf(cfg *config.Config, where config.Store) node.Etcd {
	e := node.Etcd{
		Endpoints: where.Endpoints, Prefix: where.Prefix, TLS: cfg.EtcdTLS(), CA: cfg.EtcdCA, Cert: cfg.EtcdCert, Key: cfg.EtcdKey,
		User: cfg.EtcdUser, PasswordFile: cfg.EtcdPasswordFile, Timeout: time.Duration(cfg.EtcdTimeout), CompactEvery: time.Duration(cfg.EtcdCompact),
	}
	if e.CompactEvery == 0 {
		e.CompactEvery = -1 // etcd's own settings
	}
	return e
}

// greet says where the server is, what the first start made, and what is enforced and what is not.
func greet(w io.Writer, n *node.Node, cfg *config.Config, addr net.Addr) error {
	var b strings.Builder
	st := n.Status()
	url := endpoint(addr, cfg.TLSCertFile != "")
	fmt.Fprintf(&b, "ostiary %s serves %s (store %s, region %s)\n", st.Version, url, st.Store, st.Region)
	if f, ok := n.First(); ok {
		path := f.CredentialsFile
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		fmt.Fprintf(&b, `
Made account %s. The access key of its root user is %s;
its secret is in %s

To use it with the AWS CLI and the SDKs:

  export AWS_ENDPOINT_URL=%s
  export AWS_REGION=%s AWS_DEFAULT_REGION=%[5]s
  export AWS_SHARED_CREDENTIALS_FILE=%s
  aws sts get-caller-identity
`, f.AccountID, f.AccessKeyID, path, url, st.Region, quote(path))
	}
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", title)
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "  - %s\n", l)
		}
	}
	list("Enforced", st.Enforced)
	list("Not enforced", st.NotEnforced)
	var unbuilt []string
	for _, service := range slices.Sorted(maps.Keys(st.Unbuilt)) {
		unbuilt = append(unbuilt, fmt.Sprintf("%s: %d", service, st.Unbuilt[service]))
	}
	list("Operations not built yet (they answer an error)", unbuilt)
	b.WriteString("\nStop it with Ctrl-C or SIGTERM.\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// endpoint is the URL to give to clients on this machine.
func endpoint(addr net.Addr, tls bool) string {
	host := addr.String()
	if ap, err := netip.ParseAddrPort(host); err == nil && ap.Addr().IsUnspecified() {
		host = fmt.Sprintf("localhost:%d", ap.Port())
	}
	if tls {
		return "https://" + host
	}
	return "http://" + host
}

// quote makes a path one word for a shell.
func quote(path string) string {
	plain := func(r rune) bool {
		return r == '/' || r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if !strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
