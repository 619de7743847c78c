package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Slots is the number of hash slots of a cluster.
const Slots = 16384

// SlotRange are the slots from First to Last, both included.
type SlotRange struct{ First, Last int }

// Len is the number of slots.
func (r SlotRange) Len() int { return r.Last - r.First + 1 }

// String is AWS's form: 0-5460.
func (r SlotRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// Cluster are the commands of cluster mode on one node. Each speaks of what this node believes; agreement is package topology's.
type Cluster interface {
	// ID is the node's name in the cluster, 40 hexadecimal digits; it outlives restarts.
	ID(ctx context.Context) (string, error)
	// Nodes is the cluster as this node sees it.
	Nodes(ctx context.Context) ([]ClusterNode, error)
	// State returns the fields of CLUSTER INFO.
	State(ctx context.Context) (map[string]string, error)
	// Meet makes this node and the one at an endpoint one cluster; it returns before they have met.
	Meet(ctx context.Context, other Endpoint, busPort int) error
	// Forget removes a node from this node's table and keeps it out for a minute.
	Forget(ctx context.Context, id string) error
	// AddSlots takes unassigned slots; DropSlots gives them up.
	AddSlots(ctx context.Context, slots []SlotRange) error
	DropSlots(ctx context.Context, slots []SlotRange) error
	// SetEpoch gives a fresh node its first configuration epoch.
	SetEpoch(ctx context.Context, epoch int) error
	// Replicate makes this node a replica of another node of the cluster.
	Replicate(ctx context.Context, id string) error
	// Takeover makes a replica the primary of its shard without asking the others: for when its primary is gone for good.
	Takeover(ctx context.Context) error
	// HandOver makes this replica the primary of its shard while the old one lives, and loses nothing. It returns when it is.
	HandOver(ctx context.Context) error
	// SetSlots changes the state of slots: [Importing] from, [Migrating] to or [Owned] by the node with an ID; [Stable] takes none. On an error
	// some may have changed.
	SetSlots(ctx context.Context, state SlotState, id string, slots ...int) error
	// Keys returns for each of some slots up to n names of keys that this node holds.
	Keys(ctx context.Context, n int, slots ...int) ([][]string, error)
	// MigrateKeys moves keys to the node at an endpoint, atomically each; a key that is gone already is no error. What the target has
	// under the same name is replaced: while a slot moves, the source's copy is the one that counts.
	MigrateKeys(ctx context.Context, to Endpoint, keys []string) error
	// Reset makes the node forget the cluster, its slots and its data, and take a new ID.
	Reset(ctx context.Context) error
}

// SlotState is an argument of [Cluster.SetSlots].
type SlotState string

// The states of a slot.
const (
	Importing SlotState = "IMPORTING"
	Migrating SlotState = "MIGRATING"
	Owned     SlotState = "NODE"
	Stable    SlotState = "STABLE"
)

// ClusterNode is a line of a node's table of the cluster.
type ClusterNode struct {
	ID        string
	Endpoint  Endpoint // zero while its address is not known
	BusPort   int
	Hostname  string
	Myself    bool
	Role      Role
	Primary   string // a replica's primary, by ID
	Failed    bool   // by agreement
	Suspected bool   // by this node
	Handshake bool
	Linked    bool // the bus connection is up
	Epoch     int64
	Slots     []SlotRange
	Importing map[int]string // slot → ID of the node it comes from; Myself only
	Migrating map[int]string // slot → ID of the node it goes to; Myself only
}

// ParseNodes reads what CLUSTER NODES answers.
func ParseNodes(text string) ([]ClusterNode, error) {
	var all []ClusterNode
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		n, err := parseNode(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("cluster nodes %q: %w", line, err)
		}
		all = append(all, n)
	}
	return all, nil
}

func parseNode(f []string) (ClusterNode, error) {
	if len(f) < 8 {
		return ClusterNode{}, fmt.Errorf("%d fields", len(f))
	}
	n := ClusterNode{ID: f[0], Role: Primary, Linked: f[7] == "connected"}
	address, rest, _ := strings.Cut(f[1], ",")
	n.Hostname, _, _ = strings.Cut(rest, ",")
	address, bus, _ := strings.Cut(address, "@")
	if bus != "" {
		p, err := strconv.ParseUint(bus, 10, 16)
		if err != nil {
			return ClusterNode{}, err
		}
		n.BusPort = int(p)
	}
	if colon := strings.LastIndexByte(address, ':'); colon > 0 {
		a, err := netip.ParseAddr(strings.Trim(address[:colon], "[]"))
		if err != nil {
			return ClusterNode{}, err
		}
		p, err := strconv.ParseUint(address[colon+1:], 10, 16)
		if err != nil {
			return ClusterNode{}, err
		}
		n.Endpoint = Endpoint{a, int(p)}
	}
	for _, flag := range strings.Split(f[2], ",") {
		switch flag {
		case "myself":
			n.Myself = true
		case "slave":
			n.Role = Replica
		case "fail":
			n.Failed = true
		case "fail?":
			n.Suspected = true
		case "handshake":
			n.Handshake = true
		}
	}
	if f[3] != "-" {
		n.Primary = f[3]
	}
	var err error
	if n.Epoch, err = strconv.ParseInt(f[6], 10, 64); err != nil {
		return ClusterNode{}, err
	}
	for _, s := range f[8:] {
		if err := n.slot(s); err != nil {
			return ClusterNode{}, err
		}
	}
	return n, nil
}

func (n *ClusterNode) slot(s string) error {
	if open, ok := strings.CutPrefix(s, "["); ok {
		open, ok = strings.CutSuffix(open, "]")
		into, from := &n.Importing, "-<-"
		if strings.Contains(open, "->-") {
			into, from = &n.Migrating, "->-"
		}
		number, id, cut := strings.Cut(open, from)
		slot, err := slotNumber(number)
		if err != nil || !ok || !cut || id == "" {
			return fmt.Errorf("open slot %q", s)
		}
		if *into == nil {
			*into = map[int]string{}
		}
		(*into)[slot] = id
		return nil
	}
	first, last, cut := strings.Cut(s, "-")
	a, err := slotNumber(first)
	if err != nil {
		return err
	}
	b := a
	if cut {
		if b, err = slotNumber(last); err != nil {
			return err
		}
	}
	if b < a {
		return fmt.Errorf("slots %q", s)
	}
	n.Slots = append(n.Slots, SlotRange{a, b})
	return nil
}

func slotNumber(s string) (int, error) {
	v, err := strconv.ParseUint(s, 10, 16)
	if err != nil || v >= Slots {
		return 0, fmt.Errorf("slot %q", s)
	}
	return int(v), nil
}

// Ranges makes ranges of a set of slots: in order, joined where they touch. Slots may come in any order and twice.
func Ranges(slots []int) []SlotRange {
	s := slices.Clone(slots)
	slices.Sort(s)
	var out []SlotRange
	for _, v := range s {
		if n := len(out); n > 0 && v <= out[n-1].Last+1 {
			out[n-1].Last = v
			continue
		}
		out = append(out, SlotRange{v, v})
	}
	return out
}

// Each calls f for every slot of some ranges, in order.
func Each(ranges []SlotRange, f func(slot int)) {
	for _, r := range ranges {
		for s := r.First; s <= r.Last; s++ {
			f(s)
		}
	}
}
