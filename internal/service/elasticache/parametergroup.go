package elasticache

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/nodetype"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/wire"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var parameterGroupRows = map[string]gate.Row{
	"CreateCacheParameterGroup": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.CreateCacheParameterGroupMessage) []authorizer.Check {
		create := onGroup(c, "elasticache:CreateCacheParameterGroup", in.CacheParameterGroupName)
		create.RequestTags = entityTags(in.Tags)
		return withTagging(create)
	})},
	"ModifyCacheParameterGroup": {Decides: gate.ByPolicy, Checks: groupChecks("elasticache:ModifyCacheParameterGroup",
		func(in *shape.ModifyCacheParameterGroupMessage) string { return in.CacheParameterGroupName })},
	"ResetCacheParameterGroup": {Decides: gate.ByPolicy, Checks: groupChecks("elasticache:ResetCacheParameterGroup",
		func(in *shape.ResetCacheParameterGroupMessage) string { return in.CacheParameterGroupName })},
	"DeleteCacheParameterGroup": {Decides: gate.ByPolicy, Checks: groupChecks("elasticache:DeleteCacheParameterGroup",
		func(in *shape.DeleteCacheParameterGroupMessage) string { return in.CacheParameterGroupName })},
	"DescribeCacheParameterGroups": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.ParameterGroup, "elasticache:DescribeCacheParameterGroups",
		func(in *shape.DescribeCacheParameterGroupsMessage) *string { return in.CacheParameterGroupName })},
	"DescribeCacheParameters": {Decides: gate.ByPolicy, ReadOnly: true, Checks: on(inventory.ParameterGroup, "elasticache:DescribeCacheParameters",
		func(in *shape.DescribeCacheParametersMessage) string { return in.CacheParameterGroupName })},
	"DescribeEngineDefaultParameters": {Decides: gate.ByPolicy, ReadOnly: true, Checks: everywhere("elasticache:DescribeEngineDefaultParameters")},
}

// onGroup asks for an action that changes a parameter group. It carries elasticache:CacheParameterGroupName, as the request has it (S5-97).
func onGroup(c *gate.Call, action, name string) authorizer.Check {
	return authorizer.Check{Action: action, Resource: named(c, inventory.ParameterGroup, name).ARN(),
		Keys: []authorizer.Key{{Name: "elasticache:CacheParameterGroupName", Values: []string{name}}}}
}

func groupChecks[T wire.Input](action string, name func(T) string) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check { return []authorizer.Check{onGroup(c, action, name(in))} })
}

func (s *service) CreateCacheParameterGroup(ctx context.Context, c *gate.Call, in *shape.CreateCacheParameterGroupMessage) (*shape.CreateCacheParameterGroupResult, error) {
	if err := checkName("CacheParameterGroupName", in.CacheParameterGroupName, maxName); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateCacheParameterGroupResult, error) {
		g := &inventory.ParameterGroupRecord{Meta: meta(c, in.CacheParameterGroupName, in.Tags), Family: in.CacheParameterGroupFamily, Description: in.Description}
		if err := inventory.In(tx).CreateParameterGroup(g); err != nil {
			return nil, err
		}
		return &shape.CreateCacheParameterGroupResult{CacheParameterGroup: parameterGroup(g)}, nil
	})
}

// maxParameters is how many parameters one request may change (ModifyCacheParameterGroup, API Reference).
const maxParameters = 20

func (s *service) ModifyCacheParameterGroup(ctx context.Context, c *gate.Call, in *shape.ModifyCacheParameterGroupMessage) (*shape.CacheParameterGroupNameMessage, error) {
	values, err := parameterValues(in.ParameterNameValues)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, fault.New(fault.InvalidInput, "At least one parameter must be given.")
	}
	return s.changeGroup(ctx, c, func(tx inventory.Tx) (*inventory.ParameterGroupRecord, error) {
		return tx.SetParameters(c.Account(), c.Region(), in.CacheParameterGroupName, values)
	})
}

func (s *service) ResetCacheParameterGroup(ctx context.Context, c *gate.Call, in *shape.ResetCacheParameterGroupMessage) (*shape.CacheParameterGroupNameMessage, error) {
	var names []string
	for _, p := range in.ParameterNameValues {
		names = append(names, deref(p.ParameterName, ""))
	}
	all := deref(in.ResetAllParameters, false)
	if all == (len(names) > 0) {
		return nil, inventory.Combination("Either ResetAllParameters or ParameterNameValues must be given.")
	}
	return s.changeGroup(ctx, c, func(tx inventory.Tx) (*inventory.ParameterGroupRecord, error) {
		return tx.ResetParameters(c.Account(), c.Region(), in.CacheParameterGroupName, all, names)
	})
}

func (s *service) changeGroup(ctx context.Context, c *gate.Call, change func(inventory.Tx) (*inventory.ParameterGroupRecord, error)) (*shape.CacheParameterGroupNameMessage, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CacheParameterGroupNameMessage, error) {
		g, err := change(inventory.In(tx))
		if err != nil {
			return nil, err
		}
		return &shape.CacheParameterGroupNameMessage{CacheParameterGroupName: new(g.Name)}, nil
	})
}

// parameterValues reads the parameters of a request, each of which must have a value and be named once.
func parameterValues(list []shape.ParameterNameValue) (map[string]string, error) {
	if len(list) > maxParameters {
		return nil, fault.New(fault.InvalidInput, "At most %d parameters can be changed by one request.", maxParameters)
	}
	values := make(map[string]string, len(list))
	for _, p := range list {
		name := deref(p.ParameterName, "")
		if _, twice := values[name]; name == "" || twice || p.ParameterValue == nil {
			return nil, fault.New(fault.InvalidInput, "Every parameter must have a name of its own and a value.")
		}
		values[name] = *p.ParameterValue
	}
	return values, nil
}

func (s *service) DeleteCacheParameterGroup(ctx context.Context, c *gate.Call, in *shape.DeleteCacheParameterGroupMessage) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return inventory.In(tx).DeleteParameterGroup(c.Account(), c.Region(), in.CacheParameterGroupName)
	})
}

func (s *service) DescribeCacheParameterGroups(_ context.Context, c *gate.Call, in *shape.DescribeCacheParameterGroupsMessage) (*shape.CacheParameterGroupsMessage, error) {
	groups, next, err := describedAmong(s.view(), c, in.CacheParameterGroupName, in.MaxRecords, in.Marker, nil, inventory.DefaultParameterGroups(c.Account(), c.Region()))
	if err != nil {
		return nil, err
	}
	return &shape.CacheParameterGroupsMessage{Marker: next, CacheParameterGroups: shown(groups, parameterGroup)}, nil
}

func parameterGroup(g *inventory.ParameterGroupRecord) *shape.CacheParameterGroup {
	return &shape.CacheParameterGroup{ARN: new(inventory.ARN(g)), CacheParameterGroupName: new(g.Name), CacheParameterGroupFamily: new(g.Family),
		Description: new(g.Description), IsGlobal: new(false)}
}

// Sources of values: the group's user, or the family.
const (
	sourceUser   = "user"
	sourceSystem = "system"
)

func (s *service) DescribeCacheParameters(_ context.Context, c *gate.Call, in *shape.DescribeCacheParametersMessage) (*shape.CacheParameterGroupDetails, error) {
	source := deref(in.Source, "")
	if !slices.Contains([]string{"", sourceUser, sourceSystem, "engine-default"}, source) {
		return nil, fault.New(fault.InvalidInput, "Invalid Source: %s. Use user, system or engine-default.", source)
	}
	g := inventory.ParameterGroupOf(s.view(), c.Account(), c.Region(), in.CacheParameterGroupName)
	if g == nil {
		return nil, inventory.NotFound(inventory.ParameterGroup, in.CacheParameterGroupName)
	}
	f, ok := parameter.Lookup(g.Family)
	if !ok {
		return nil, fault.New(fault.InvalidInput, "CacheParameterGroupFamily %s is not known to this version.", g.Family)
	}
	rows, next, err := parameters(f, g.Values, source, in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &shape.CacheParameterGroupDetails{Parameters: rows, Marker: next}
	if in.Marker == nil && source != sourceUser {
		out.CacheNodeTypeSpecificParameters = nodeTypeParameters(f.Engine)
	}
	return out, nil
}

func (s *service) DescribeEngineDefaultParameters(_ context.Context, _ *gate.Call, in *shape.DescribeEngineDefaultParametersMessage) (*shape.DescribeEngineDefaultParametersResult, error) {
	f, ok := parameter.Lookup(in.CacheParameterGroupFamily)
	if !ok {
		return nil, fault.New(fault.InvalidInput, "CacheParameterGroupFamily %s is not a valid parameter group family.", in.CacheParameterGroupFamily)
	}
	rows, next, err := parameters(f, nil, "", in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &shape.EngineDefaults{CacheParameterGroupFamily: new(f.Name), Parameters: rows, Marker: next}
	if in.Marker == nil {
		out.CacheNodeTypeSpecificParameters = nodeTypeParameters(f.Engine)
	}
	return &shape.DescribeEngineDefaultParametersResult{EngineDefaults: out}, nil
}

// parameters is a page of a family's parameters with a group's values over them.
func parameters(f parameter.Family, over map[string]string, source string, max *int, marker *string) (out []shape.Parameter, next *string, err error) {
	if err := checkRecords(max); err != nil {
		return nil, nil, err
	}
	after, err := page.Place(marker)
	if err != nil {
		return nil, nil, err
	}
	of := func(p parameter.Parameter) string {
		if _, ok := over[p.Name]; ok {
			return sourceUser
		}
		return sourceSystem
	}
	some, next := page.Take(slices.Values(f.Parameters()), max, func(p parameter.Parameter) bool {
		return p.Name > after && (source == "" || of(p) == source || source == "engine-default" && of(p) == sourceSystem)
	}, func(p parameter.Parameter) string { return p.Name })
	out = make([]shape.Parameter, 0, len(some))
	for _, p := range some {
		row := shape.Parameter{ParameterName: new(p.Name), ParameterValue: new(p.Default), Source: new(of(p)), DataType: new(p.Type), AllowedValues: new(p.Allowed),
			IsModifiable: new(p.Modifiable), MinimumEngineVersion: new(p.Since), ChangeType: new("immediate")}
		if v, ok := over[p.Name]; ok {
			row.ParameterValue = new(v)
		}
		if p.Reboot {
			row.ChangeType = new("requires-reboot")
		}
		out = append(out, row)
	}
	return out, next, nil
}

// nodeTypeParameters are the parameters whose value is the node type's ("Redis OSS node-type specific parameters", "Memcached
// node-type specific parameters").
func nodeTypeParameters(e engine.Name) []shape.CacheNodeTypeSpecificParameter {
	of := map[string]func(nodetype.Type) int64{
		"maxmemory":  func(t nodetype.Type) int64 { return t.Memory(e) },
		"maxclients": func(t nodetype.Type) int64 { return int64(t.MaxClients()) },
	}
	if e == engine.Memcached {
		of = map[string]func(nodetype.Type) int64{
			"max_cache_memory": func(t nodetype.Type) int64 { return t.MemcachedMiB },
			"num_threads":      func(t nodetype.Type) int64 { return int64(t.Threads) },
		}
	}
	var out []shape.CacheNodeTypeSpecificParameter
	for name, value := range of {
		p := shape.CacheNodeTypeSpecificParameter{ParameterName: new(name), DataType: new("integer"), Source: new(sourceSystem), IsModifiable: new(false), ChangeType: new("requires-reboot")}
		for _, t := range nodetype.All() {
			if t.Memory(e) > 0 {
				p.CacheNodeTypeSpecificValues = append(p.CacheNodeTypeSpecificValues, shape.CacheNodeTypeSpecificValue{CacheNodeType: new(t.Name), Value: new(strconv.FormatInt(value(t), 10))})
			}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b shape.CacheNodeTypeSpecificParameter) int {
		return strings.Compare(*a.ParameterName, *b.ParameterName)
	})
	return out
}
