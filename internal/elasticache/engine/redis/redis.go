// Package redis drives redis-server and valkey-server: one engine in two makes, whose nodes are configured and administered in the same
// words. It runs lines from 7.0 on: earlier ones cannot close subcommands to a user.
//
// A node reads DIR/redis.conf and DIR/users.acl, both written anew from the [engine.Spec] before every start, 0600. Its data is
// DIR/dump.rdb, in cluster mode its place in the cluster is DIR/nodes.conf, which the node itself keeps. Data lives in memory only, as
// on AWS: nothing is saved while the node runs, except snapshots that are asked for.
//
// On every node there is Ostiary's own user ([engine.Admin]), with all permissions and a password of its own. It configures, and
// replicas log in to their primary with it. To everybody else the commands that AWS restricts are closed ([engine.Closed]).
package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
)

// Config says which make a driver is for and where its programs are.
type Config struct {
	// Engine is engine.Redis, the default, or engine.Valkey.
	Engine engine.Name
	// Paths are the programs to consider. Nil means those in $PATH and the usual directories.
	Paths []string
	// StandIn, when not zero, makes a redis-server pass for a valkey-server of this version. For tests on machines without
	// Valkey only: it is the one way in which a version that is not there is claimed.
	StandIn engine.Version
}

// Driver is the driver of one make.
type Driver struct {
	name   engine.Name
	finder engine.Finder
}

var _ engine.Driver = (*Driver)(nil)

// oldest is the first line that is run.
var oldest = engine.Version{Major: 7}

var printed = regexp.MustCompile(`^(Redis|Valkey) server v=([0-9]+\.[0-9]+\.[0-9]+)`)

// New returns a driver.
func New(c Config) *Driver {
	d := &Driver{name: c.Engine}
	if d.name == "" {
		d.name = engine.Redis
	}
	program, maker := "redis-server", "Redis"
	if d.name == engine.Valkey {
		program, maker = "valkey-server", "Valkey"
	}
	d.finder.Engine, d.finder.Program, d.finder.Package, d.finder.Paths = d.name, program, program, c.Paths
	d.finder.Version = func(out []byte) (engine.Version, error) {
		m := printed.FindSubmatch(bytes.TrimSpace(out))
		if m == nil {
			return engine.Version{}, fmt.Errorf("it does not say that it is a %s", program)
		}
		if string(m[1]) != maker {
			if maker == "Valkey" && c.StandIn != (engine.Version{}) {
				return c.StandIn, nil
			}
			return engine.Version{}, fmt.Errorf("it is a %s server, not %s", m[1], maker)
		}
		return engine.ParseVersion(string(m[2]))
	}
	return d
}

// Engine is redis or valkey.
func (d *Driver) Engine() engine.Name { return d.name }

// Capabilities are all there are.
func (d *Driver) Capabilities() engine.Capabilities {
	return engine.Capabilities{Replication: true, ClusterMode: true, Snapshots: true, Users: true, TLS: true}
}

// Find implements [engine.Driver].
func (d *Driver) Find(ctx context.Context, wanted string) (engine.Binary, error) {
	b, err := d.finder.Find(ctx, wanted)
	if err == nil && b.Version.Compare(oldest) < 0 {
		return engine.Binary{}, fmt.Errorf("engine %s version %s: Ostiary runs %s and later", d.name, wanted, oldest)
	}
	return b, err
}

// Binaries implements [engine.Driver].
func (d *Driver) Binaries(ctx context.Context) ([]engine.Binary, error) { return d.finder.All(ctx) }

// Prepare implements [engine.Driver].
func (d *Driver) Prepare(spec engine.Spec, binary engine.Binary) (engine.Launch, error) {
	if spec.Engine != d.name || binary.Engine != d.name {
		return engine.Launch{}, fmt.Errorf("node %s: %s is not %s", spec.ID, spec.Engine, d.name)
	}
	if err := spec.Check(); err != nil {
		return engine.Launch{}, err
	}
	if spec.Admin.IsZero() || spec.Dir == "" || spec.Port == 0 || spec.ClusterMode && spec.BusPort == 0 {
		return engine.Launch{}, fmt.Errorf("node %s: a node needs an administrator's password, a directory and its ports", spec.ID)
	}
	all, err := d.directives(spec)
	if err != nil {
		return engine.Launch{}, err
	}
	users, err := userFile(spec)
	if err != nil {
		return engine.Launch{}, err
	}
	l := engine.Launch{
		Args:  []string{filepath.Join(spec.Dir, configFile)},
		Files: []engine.File{{Name: configFile, Content: write(all)}, {Name: usersFile, Content: users}},
		Data:  dataFile,
	}
	if !spec.Persist {
		l.Fresh = []string{dataFile}
	}
	return l, nil
}

const (
	configFile = "redis.conf"
	usersFile  = "users.acl"
	dataFile   = "dump.rdb"
)

// userFile is the ACL file: one line a user, passwords as digests.
func userFile(spec engine.Spec) ([]byte, error) {
	lines, err := userLines(spec.Users)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "user %s reset on #%s ~* &* +@all\n", engine.Admin, engine.Digest(spec.Admin))
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "user %s", name)
		for _, rule := range lines[name] {
			fmt.Fprintf(&b, " %s", rule)
		}
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// userLines are the rules of every customer's user, with the default user, which exists on every node.
func userLines(users []engine.User) (map[string][]string, error) {
	if users == nil {
		users = []engine.User{{Name: "default", NoPassword: true}}
	}
	lines := map[string][]string{"default": {"reset", "off"}}
	for _, u := range users {
		if err := u.Check(); err != nil {
			return nil, err
		}
		rules, err := u.Line()
		if err != nil {
			return nil, err
		}
		lines[u.Name] = rules
	}
	return lines, nil
}

// Difference implements [engine.Driver].
func (d *Driver) Difference(from, to engine.Spec) engine.Change {
	var c engine.Change
	c.Users = !slices.EqualFunc(from.Users, to.Users, engine.User.Equal) || (from.Users == nil) != (to.Users == nil)
	c.Source = from.Source != to.Source
	c.Parameters = from.Memory != to.Memory || from.MaxClients != to.MaxClients || from.Persist != to.Persist
	reboot := func(name string, differs bool) {
		if differs {
			c.Reboot = append(c.Reboot, name)
		}
	}
	reboot("version", from.Version != to.Version)
	reboot("address", from.Bind() != to.Bind())
	reboot("port", from.Port != to.Port || from.BusPort != to.BusPort)
	reboot("hostname", from.Hostname != to.Hostname)
	reboot("cluster mode", from.ClusterMode != to.ClusterMode)
	reboot("administrator", !from.Admin.Equal(to.Admin))
	reboot("tls", (from.TLS == nil) != (to.TLS == nil) || from.TLS != nil && *from.TLS != *to.TLS)
	family, err := parameter.Of(d.name, to.Version)
	if err != nil {
		reboot("parameters", !maps.Equal(from.Parameters, to.Parameters))
		return c
	}
	value := func(s engine.Spec, p parameter.Parameter) string {
		if v, ok := s.Parameters[p.Name]; ok {
			return v
		}
		return p.Default
	}
	for _, p := range family.Parameters() {
		if value(from, p) == value(to, p) {
			continue
		}
		if p.Reboot || p.Name == "cluster-enabled" {
			c.Reboot = append(c.Reboot, p.Name)
		} else {
			c.Parameters = true
		}
	}
	return c
}

// Connect implements [engine.Driver].
func (d *Driver) Connect(spec engine.Spec) (engine.Node, error) {
	if spec.Port == 0 || spec.Admin.IsZero() {
		return nil, errors.New("connecting to a node needs its port and its administrator's password")
	}
	return connect(d, spec.Clone())
}
