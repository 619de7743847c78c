// Package memcached drives memcached. Its nodes know nothing of each other, keep nothing and have no users, so that replication, cluster
// mode, snapshots and users are [engine.ErrUnsupported]. A node has no configuration file: what it is, is its command line, which holds
// no secret.
//
// Parameters of the group take effect at a start only, as on AWS; the memory can change while a node runs.
package memcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
)

// Config says where the programs are.
type Config struct {
	// Paths are the programs to consider. Nil means those in $PATH and the usual directories.
	Paths []string
	// User is whom memcached becomes when it is started by root, which it refuses to stay unless told so. Empty means nobody.
	User string
}

// Driver is the driver of memcached.
type Driver struct {
	finder engine.Finder
	user   string
}

var _ engine.Driver = (*Driver)(nil)

var printed = regexp.MustCompile(`^memcached ([0-9]+\.[0-9]+\.[0-9]+)`)

// New returns a driver.
func New(c Config) *Driver {
	d := &Driver{user: c.User}
	if d.user == "" {
		d.user = "nobody"
	}
	d.finder.Engine, d.finder.Program, d.finder.Package, d.finder.Paths = engine.Memcached, "memcached", "memcached", c.Paths
	d.finder.Version = func(out []byte) (engine.Version, error) {
		m := printed.FindSubmatch(bytes.TrimSpace(out))
		if m == nil {
			return engine.Version{}, errors.New("it does not say that it is memcached")
		}
		return engine.ParseVersion(string(m[1]))
	}
	return d
}

// Engine is memcached.
func (d *Driver) Engine() engine.Name { return engine.Memcached }

// Capabilities are TLS alone.
func (d *Driver) Capabilities() engine.Capabilities { return engine.Capabilities{TLS: true} }

// Find implements [engine.Driver].
func (d *Driver) Find(ctx context.Context, wanted string) (engine.Binary, error) {
	return d.finder.Find(ctx, wanted)
}

// Binaries implements [engine.Driver].
func (d *Driver) Binaries(ctx context.Context) ([]engine.Binary, error) { return d.finder.All(ctx) }

// Prepare implements [engine.Driver].
func (d *Driver) Prepare(spec engine.Spec, binary engine.Binary) (engine.Launch, error) {
	if spec.Engine != engine.Memcached || binary.Engine != engine.Memcached {
		return engine.Launch{}, fmt.Errorf("node %s: %s is not memcached", spec.ID, spec.Engine)
	}
	if err := spec.Check(); err != nil {
		return engine.Launch{}, err
	}
	if spec.Dir == "" || spec.Port == 0 {
		return engine.Launch{}, fmt.Errorf("node %s: a node needs a directory and a port", spec.ID)
	}
	if spec.Users != nil || !spec.Source.IsZero() || spec.ClusterMode || spec.Seed != "" || spec.Persist {
		return engine.Launch{}, fmt.Errorf("node %s: users, replication, cluster mode or kept data: %w", spec.ID, engine.ErrUnsupported)
	}
	family, err := parameter.Of(engine.Memcached, spec.Version)
	if err != nil {
		return engine.Launch{}, err
	}
	values, err := family.Values(spec.Parameters)
	if err != nil {
		return engine.Launch{}, fmt.Errorf("node %s: %w", spec.ID, err)
	}
	memory, err := limit(spec, values)
	if err != nil {
		return engine.Launch{}, err
	}
	args := []string{"-u", d.user, "-U", "0", "-m", strconv.FormatInt(memory, 10)}
	args = append(args, switches(spec, values)...)
	listen, options, err := listening(spec)
	if err != nil {
		return engine.Launch{}, err
	}
	args = append(args, listen...)
	return engine.Launch{Args: append(args, "-o", strings.Join(append(extended(values), options...), ","))}, nil
}

// limit is the memory for items in MiB: the node type's less what connections need. The default of 100 is for AWS's machines: of a node
// that was scaled down it takes a quarter at most, as AWS took 13 of cache.t1.micro's 213.
func limit(spec engine.Spec, values map[string]string) (int64, error) {
	overhead, err := strconv.ParseInt(values["memcached_connections_overhead"], 10, 64)
	if err != nil {
		return 0, err
	}
	have := spec.Memory >> 20
	if _, said := spec.Parameters["memcached_connections_overhead"]; !said {
		overhead = min(overhead, have/4)
	}
	if have-overhead < 1 {
		return 0, fmt.Errorf("node %s: parameter memcached_connections_overhead leaves no memory", spec.ID)
	}
	return have - overhead, nil
}

// switches are the options of one letter.
func switches(spec engine.Spec, v map[string]string) []string {
	clients := v["max_simultaneous_connections"]
	if spec.MaxClients > 0 {
		clients = strconv.Itoa(spec.MaxClients)
	}
	args := []string{"-c", clients, "-b", v["backlog_queue_limit"], "-B", v["binding_protocol"], "-n", v["chunk_size"],
		"-f", v["chunk_size_growth_factor"], "-I", v["max_item_size"], "-R", v["requests_per_event"]}
	if spec.Threads > 0 {
		args = append(args, "-t", strconv.Itoa(spec.Threads))
	}
	for _, f := range []struct{ parameter, letter string }{{"cas_disabled", "-C"}, {"disable_flush_all", "-F"}, {"error_on_memory_exhausted", "-M"}} {
		if v[f.parameter] == "1" {
			args = append(args, f.letter)
		}
	}
	return args
}

// extended are the values of -o. With no_modern each feature is as the group says; without it memcached's own defaults stand for those
// that the group leaves at 0 ("Memcached 1.5.10 parameter changes"). inline_ascii_resp does nothing from 1.5.16 on, on AWS as here;
// config_max and config_size_max are auto discovery's, which is not memcached's.
func extended(v map[string]string) []string {
	o := []string{"hashpower=" + v["hashpower_init"]}
	old := v["no_modern"] == "1"
	if old {
		o = append(o, "no_modern")
	}
	o = append(o, "hash_algorithm="+v["hash_algorithm"], "slab_automove="+v["slab_automove"])
	for _, f := range []struct{ parameter, option string }{
		{"lru_maintainer", "lru_maintainer"}, {"lru_crawler", "lru_crawler"},
		{"maxconns_fast", "maxconns_fast"}, {"slab_reassign", "slab_reassign"},
	} {
		switch {
		case v[f.parameter] == "1":
			o = append(o, f.option)
		case old:
			o = append(o, "no_"+f.option)
		}
	}
	if v["track_sizes"] == "1" {
		o = append(o, "track_sizes")
	}
	if v["idle_timeout"] != "0" {
		o = append(o, "idle_timeout="+v["idle_timeout"])
	}
	if chunk, err := strconv.Atoi(v["slab_chunk_max"]); err == nil {
		o = append(o, "slab_chunk_max="+strconv.Itoa(max(chunk/1024, 1)))
	}
	return append(o, "watcher_logbuf_size="+v["watcher_logbuf_size"], "worker_logbuf_size="+v["worker_logbuf_size"])
}

func listening(spec engine.Spec) (args, options []string, err error) {
	if spec.TLS == nil {
		return []string{"-p", strconv.Itoa(spec.Port), "-l", spec.Bind().String()}, nil, nil
	}
	if strings.ContainsAny(spec.TLS.CertFile+spec.TLS.KeyFile, ",=") {
		return nil, nil, fmt.Errorf("node %s: a path of TLS files has a comma or an equals sign", spec.ID)
	}
	options = []string{"ssl_chain_cert=" + spec.TLS.CertFile, "ssl_key=" + spec.TLS.KeyFile}
	if spec.TLS.Port == 0 {
		return []string{"-Z", "-p", strconv.Itoa(spec.Port), "-l", spec.Bind().String()}, options, nil
	}
	secure := engine.Endpoint{Address: spec.Bind(), Port: spec.TLS.Port}
	return []string{"-Z", "-l", "notls:" + spec.Listen().String(), "-l", secure.String()}, options, nil
}

// Difference implements [engine.Driver].
func (d *Driver) Difference(from, to engine.Spec) engine.Change {
	var c engine.Change
	c.Parameters = from.Memory != to.Memory
	reboot := func(name string, differs bool) {
		if differs {
			c.Reboot = append(c.Reboot, name)
		}
	}
	reboot("version", from.Version != to.Version)
	reboot("address", from.Bind() != to.Bind())
	reboot("port", from.Port != to.Port)
	reboot("threads", from.Threads != to.Threads)
	reboot("connections", from.MaxClients != to.MaxClients)
	reboot("tls", (from.TLS == nil) != (to.TLS == nil) || from.TLS != nil && *from.TLS != *to.TLS)
	reboot("parameters", !maps.Equal(from.Parameters, to.Parameters))
	return c
}

// Connect implements [engine.Driver].
func (d *Driver) Connect(spec engine.Spec) (engine.Node, error) {
	if spec.Port == 0 {
		return nil, errors.New("connecting to a node needs its port")
	}
	return &node{spec: spec.Clone()}, nil
}
