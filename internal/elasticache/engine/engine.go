// Package engine is the seam between Ostiary and the programs that hold a cache's data: redis-server, valkey-server and
// memcached. It says what can be done with one node of an engine; a [Driver] does it for one engine, and package enginetest holds
// every driver to this contract.
//
// A node is described by value, in a [Spec]; nothing here keeps state. A driver finds the program ([Driver.Find]), writes what the
// program reads and the arguments it is started with ([Driver.Prepare], a pure function), and connects to a running one
// ([Driver.Connect]). Starting, watching and stopping processes is package supervise's; arranging nodes into replication groups
// and clusters is package topology's.
//
// Three rules hold for every driver:
//
//   - An engine version for which there is no program is refused by name ([MissingBinary]), never replaced by another.
//   - Secrets are in files of mode 0600 or in memory, never on a command line and never in the environment.
//   - What an engine cannot do answers [ErrUnsupported] and is declared in [Capabilities]; nothing is silently ignored.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Name is an engine as AWS spells it in the parameter Engine.
type Name string

// The engines that ElastiCache knows.
const (
	Redis     Name = "redis"
	Valkey    Name = "valkey"
	Memcached Name = "memcached"
)

// ErrUnsupported is wrapped by every answer to a wish that the engine cannot fulfil: a snapshot of memcached, for instance.
var ErrUnsupported = errors.New("the engine cannot do this")

// ErrLoading is wrapped while a node is alive and reads its data set from disk or from its primary.
var ErrLoading = errors.New("the node is loading its data")

// ErrPortTaken is wrapped where a node cannot listen because another process does.
var ErrPortTaken = errors.New("the port is taken")

// Capabilities are what an engine's nodes can do. What is false answers [ErrUnsupported].
type Capabilities struct {
	Replication bool // Spec.Source, ReplicateFrom, Promote, HandOver
	ClusterMode bool // Spec.ClusterMode and Node.Cluster
	Snapshots   bool // Save and Spec.Seed
	Users       bool // Spec.Users and SetUsers
	TLS         bool // Spec.TLS
}

// Driver knows one engine. Its methods are safe for concurrent use.
type Driver interface {
	// Engine is the engine's name; it does not change.
	Engine() Name
	// Capabilities says what its nodes can do; it does not change.
	Capabilities() Capabilities
	// Find returns the program that serves an AWS engine version such as 7.0, 7.1 or 1.6.17. The rule is [Version.Serves]. Where
	// several programs serve it, the newest is returned. An error is a [MissingBinary] where none does.
	Find(ctx context.Context, wanted string) (Binary, error)
	// Binaries returns all programs of the engine that were found, newest first, whatever they serve.
	Binaries(ctx context.Context) ([]Binary, error)
	// Prepare makes the files and the command line of a node. It is a pure function: nothing is read or written. The paths in
	// its answer stand under spec.Dir. It checks the Spec: a parameter that the family does not have, or a value that is not
	// allowed, is an error here and not a node that does not start. The node ends by itself, cleanly, on SIGTERM.
	Prepare(spec Spec, binary Binary) (Launch, error)
	// Connect returns a handle for administration of the node that the Spec describes. No connection is made before the first
	// call on it. The caller closes it.
	Connect(spec Spec) (Node, error)
	// Difference says how a running node of one Spec becomes one of another.
	Difference(from, to Spec) Change
}

// Node is a handle for administration of one running node, under Ostiary's own user. Its methods are safe for concurrent use and
// end with their context; an error that wraps no sentinel of this package means that the node could not be reached or refused.
type Node interface {
	// Ping returns nil when the node serves commands, and an error that wraps [ErrLoading] while it loads.
	Ping(ctx context.Context) error
	// Info asks the node for its state.
	Info(ctx context.Context) (Info, error)
	// SetParameters gives a running node the parameters, the memory and the limits of a Spec, all of them or, on an error, none.
	// What needs a reboot is left as it is, see [Driver.Difference].
	SetParameters(ctx context.Context, spec Spec) error
	// SetUsers makes the node's users those of the argument. Connections of users that are gone are closed, others stay.
	SetUsers(ctx context.Context, users []User) error
	// ReplicateFrom makes the node a replica of the primary at an endpoint; its own data is replaced. Not in cluster mode.
	ReplicateFrom(ctx context.Context, primary Endpoint) error
	// Promote makes a replica a primary with the data it has. On a primary it does nothing.
	Promote(ctx context.Context) error
	// HandOver makes the replica at an endpoint the primary and this primary its replica, and loses nothing: writes wait until the replica
	// has caught up. It returns when the roles are exchanged; on an error this node is the primary as before. Not in cluster mode:
	// see [Cluster.HandOver].
	HandOver(ctx context.Context, replica Endpoint) error
	// Save writes the node's data to a file of the host, mode 0600, by way of a temporary file beside it: the file is complete
	// or it is not there. Writers are not stopped; the snapshot is of one moment after the call.
	Save(ctx context.Context, path string) error
	// Cluster are the commands of cluster mode. Nil where the engine or the node is not in cluster mode.
	Cluster() Cluster
	// Close closes the handle's connections; the node is not touched.
	Close() error
}

// Endpoint is where a node listens.
type Endpoint struct {
	Address netip.Addr
	Port    int
}

// String is host:port.
func (e Endpoint) String() string {
	if e == (Endpoint{}) {
		return ""
	}
	return net.JoinHostPort(e.Address.String(), strconv.Itoa(e.Port))
}

// IsZero reports whether e names no place.
func (e Endpoint) IsZero() bool { return e == Endpoint{} }

// Role is a node's part in replication.
type Role string

// The two roles. A node that replicates from nobody is a primary.
const (
	Primary Role = "primary"
	Replica Role = "replica"
)

// Info is a node's state as the node itself tells it. Fields that an engine does not know are zero.
type Info struct {
	Version Version
	PID     int
	Config  string        // path of the configuration file that it was started with; empty where the engine has none
	Port    int           // the port it listens on
	Uptime  time.Duration // since its start
	Loading bool

	Role     Role
	Offset   int64    // replication offset: what a primary has sent, what a replica has processed
	Source   Endpoint // a replica's primary
	LinkUp   bool     // a replica is connected to its primary and in step with it
	Synced   bool     // a replica has had data from a primary at some time
	Replicas []ReplicaInfo
	Backlog  string // the replication ID: equal on nodes whose offsets may be compared

	MemoryUsed  int64 // bytes
	MemoryLimit int64 // bytes; 0 means none
	Keys        int64
	Clients     int64
	Evicted     int64 // keys or items evicted for want of memory since its start

	ClusterMode bool
}

// ReplicaInfo is a replica as its primary sees it.
type ReplicaInfo struct {
	Endpoint Endpoint
	Offset   int64 // what it has acknowledged
	Online   bool
}

// Binary is a program on this machine.
type Binary struct {
	Engine  Name
	Path    string
	Version Version
}

// String is for events and logs.
func (b Binary) String() string { return fmt.Sprintf("%s %s at %s", b.Engine, b.Version, b.Path) }

// File is written under the node's directory before a start, mode 0600.
type File struct {
	Name    string // no directory
	Content []byte
}

// Launch is what starts a node.
type Launch struct {
	Args  []string // after the program's path
	Files []File
	Fresh []string // names of files that are removed before a start unless the node keeps its data: see Spec.Persist
	Data  string   // name of the file that a seed is copied to before the first start; empty where there are no seeds
}

// Change says how a running node becomes another: what can be done at once, and what needs its process to start again.
type Change struct {
	Users      bool     // SetUsers is called for
	Parameters bool     // SetParameters is called for: parameters or memory
	Source     bool     // ReplicateFrom or Promote is called for
	Reboot     []string // what takes effect at the next start: parameters by name, and "version", "port", "address", "tls", …
}

// Empty reports whether nothing changes.
func (c Change) Empty() bool { return !c.Users && !c.Parameters && !c.Source && len(c.Reboot) == 0 }
