// Package nodetype is the table of AWS's cache node types with the memory that each gives an engine, and the rule by which an operator
// scales them down to the machine at hand. It is data and arithmetic: it starts nothing and limits nothing by itself.
package nodetype

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// Type is a node type. A memory of 0 means that AWS does not offer the type for the engine.
type Type struct {
	Name         string
	Redis        int64 // bytes: maxmemory before reserved memory is taken off
	Valkey       int64 // bytes, likewise
	MemcachedMiB int64 // max_cache_memory
	Threads      int   // num_threads of memcached
}

// Lookup returns a type by its name, such as cache.t4g.micro.
func Lookup(name string) (Type, bool) {
	i := slices.IndexFunc(table, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return table[i], true
}

// All returns every type, smallest of a family first. The caller owns the slice.
func All() []Type { return slices.Clone(table) }

// Memory is what the type gives an engine in bytes; 0 means that it is not offered.
func (t Type) Memory(e engine.Name) int64 {
	switch e {
	case engine.Redis:
		return t.Redis
	case engine.Valkey:
		return t.Valkey
	case engine.Memcached:
		return t.MemcachedMiB << 20
	}
	return 0
}

// Family is the part of the name between the dots: t4g.
func (t Type) Family() string {
	f := strings.Split(t.Name, ".")
	if len(f) < 3 {
		return ""
	}
	return f[1]
}

// MaxClients is the engine's limit of connections ("Redis OSS 2.6.13 parameters", maxclients).
func (t Type) MaxClients() int {
	switch t.Name {
	case "cache.t2.micro", "cache.t2.small", "cache.t2.medium", "cache.t3.micro", "cache.t4g.micro":
		return 20_000
	case "cache.t3.small", "cache.t3.medium":
		return 46_000
	}
	return 65_000
}

// Scale is the operator's rule for machines that are smaller than AWS's. The zero value changes nothing.
type Scale struct {
	// Divide gives each node its type's memory divided by so much. 0 and 1 mean the whole.
	Divide int64
	// Most bounds a node's memory in bytes after division. 0 means no bound.
	Most int64
}

// Least is the memory below which no node is scaled, in bytes: an engine needs a few megabytes for itself.
const Least = 16 << 20

// Of returns the memory and threads of a node of a type under an engine. Larger types never get less than smaller ones of the same
// engine. It is an error where the type does not exist or is not offered for the engine.
func (s Scale) Of(name string, e engine.Name) (memory int64, threads int, err error) {
	t, ok := Lookup(name)
	if !ok {
		return 0, 0, fmt.Errorf("no node type is called %q", name)
	}
	memory = t.Memory(e)
	if memory == 0 {
		return 0, 0, fmt.Errorf("node type %s is not offered for %s", name, e)
	}
	if s.Divide > 1 {
		memory /= s.Divide
	}
	if s.Most > 0 {
		memory = min(memory, s.Most)
	}
	return max(memory, Least), t.Threads, nil
}
