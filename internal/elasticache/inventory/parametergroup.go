package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// ParameterGroupRecord is a parameter group: the values that differ from its family's.
type ParameterGroupRecord struct {
	Meta
	Family      string
	Description string
	Values      map[string]string `json:",omitempty"`
	Uses        int               `json:",omitempty"` // clusters and replication groups that name it
}

// Type returns [ParameterGroup].
func (*ParameterGroupRecord) Type() Type { return ParameterGroup }

// Default reports whether it is one of the groups that every account has in every region and nobody can change.
func (g *ParameterGroupRecord) Default() bool { return strings.HasPrefix(g.Name, defaultPrefix) }

// The names of default groups: default.redis7, and default.redis7.cluster.on for cluster mode.
const (
	defaultPrefix = "default."
	clusterOn     = ".cluster.on"
	clusterKey    = "cluster-enabled"
)

// DefaultParameterGroups are an account's default groups of a region, by name.
func DefaultParameterGroups(account, region string) (all []*ParameterGroupRecord) {
	for _, f := range parameter.Families() {
		meta := Meta{Account: account, Region: region, Name: defaultPrefix + f.Name}
		all = append(all, &ParameterGroupRecord{Meta: meta, Family: f.Name, Description: "Default parameter group for " + f.Name})
		if f.Engine != engine.Memcached {
			meta.Name += clusterOn
			all = append(all, &ParameterGroupRecord{Meta: meta, Family: f.Name, Values: map[string]string{clusterKey: "yes"},
				Description: "Customized default parameter group for " + f.Name + " with cluster mode on"})
		}
	}
	slices.SortFunc(all, func(a, b *ParameterGroupRecord) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// ParameterGroupOf returns the group of that name, nil where there is none. Default groups are always there.
func ParameterGroupOf(v *View, account, region, name string) *ParameterGroupRecord {
	if g := Get[ParameterGroupRecord](v, account, region, name); g != nil {
		return g
	}
	return defaultGroup(account, region, name)
}

func defaultGroup(account, region, name string) *ParameterGroupRecord {
	if !strings.HasPrefix(strings.ToLower(name), defaultPrefix) {
		return nil
	}
	for _, g := range DefaultParameterGroups(account, region) {
		if g.Name == strings.ToLower(name) {
			return g
		}
	}
	return nil
}

// changeableGroup returns a group that its account made.
func (tx Tx) changeableGroup(account, region, name string) (*ParameterGroupRecord, error) {
	if defaultGroup(account, region, name) != nil {
		return nil, tx.fail(fault.New(fault.InvalidInput, "The default cache parameter group %s cannot be changed or deleted.", strings.ToLower(name)))
	}
	return must[ParameterGroupRecord](tx, account, region, name)
}

// CreateParameterGroup makes a parameter group with its family's values.
func (tx Tx) CreateParameterGroup(g *ParameterGroupRecord) error {
	if _, ok := parameter.Lookup(g.Family); !ok {
		return tx.fail(unknownFamily(g.Family))
	}
	return tx.create(g)
}

func unknownFamily(name string) error {
	return fault.New(fault.InvalidInput, "CacheParameterGroupFamily %s is not a valid parameter group family.", name)
}

// SetParameters changes values of a group.
func (tx Tx) SetParameters(account, region, name string, values map[string]string) (*ParameterGroupRecord, error) {
	g, err := tx.changeableGroup(account, region, name)
	if err != nil {
		return nil, err
	}
	f, ok := parameter.Lookup(g.Family)
	if !ok {
		return nil, tx.fail(unknownFamily(g.Family))
	}
	changed := maps.Clone(g.Values)
	if changed == nil {
		changed = make(map[string]string)
	}
	maps.Copy(changed, values)
	if _, err := f.Values(changed); err != nil {
		return nil, tx.fail(fault.New(fault.InvalidInput, "Invalid parameter: %s.", err))
	}
	if changed[clusterKey] != g.Values[clusterKey] && g.Uses > 0 {
		return nil, tx.fail(groupInUse(g, "cluster-enabled cannot be changed"))
	}
	g.Values = changed
	tx.put(g)
	return g, nil
}

// ResetParameters takes a group back to its family's values: those that are named, or all of them.
func (tx Tx) ResetParameters(account, region, name string, all bool, names []string) (*ParameterGroupRecord, error) {
	g, err := tx.changeableGroup(account, region, name)
	if err != nil {
		return nil, err
	}
	f, ok := parameter.Lookup(g.Family)
	if !ok {
		return nil, tx.fail(unknownFamily(g.Family))
	}
	left := maps.Clone(g.Values)
	for _, p := range names {
		if _, ok := f.Parameter(p); !ok {
			return nil, tx.fail(fault.New(fault.InvalidInput, "Invalid parameter: parameter %s is not in the family %s.", p, g.Family))
		}
		delete(left, p)
	}
	if all {
		left = nil
	}
	if left[clusterKey] != g.Values[clusterKey] && g.Uses > 0 {
		return nil, tx.fail(groupInUse(g, "cluster-enabled cannot be changed"))
	}
	g.Values = left
	tx.put(g)
	return g, nil
}

// DeleteParameterGroup takes a group out that nothing uses.
func (tx Tx) DeleteParameterGroup(account, region, name string) error {
	g, err := tx.changeableGroup(account, region, name)
	if err != nil {
		return err
	}
	if g.Uses > 0 {
		return tx.fail(groupInUse(g, "it cannot be deleted"))
	}
	return tx.drop(g)
}

func groupInUse(g *ParameterGroupRecord, so string) error {
	return &fault.Error{Kind: fault.TemporarilyUnchanged, Subject: string(ParameterGroup),
		Message: "One or more cache clusters are still members of the cache parameter group " + g.Name + ", so " + so + "."}
}
