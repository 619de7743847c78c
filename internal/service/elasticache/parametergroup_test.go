package elasticache_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

func values(pairs ...string) (out []types.ParameterNameValue) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.ParameterNameValue{ParameterName: &pairs[i], ParameterValue: &pairs[i+1]})
	}
	return out
}

func (w *world) createParameterGroup(name, family string) error {
	_, err := w.root.CreateCacheParameterGroup(w.Context(), &sdk.CreateCacheParameterGroupInput{CacheParameterGroupName: &name, CacheParameterGroupFamily: &family, Description: aws.String("x")})
	return err
}

// parameters are all values of a group from one source, by name.
func (w *world) parameters(group, source string) map[string]types.Parameter {
	w.Helper()
	in := &sdk.DescribeCacheParametersInput{CacheParameterGroupName: &group, MaxRecords: aws.Int32(20)}
	if source != "" {
		in.Source = &source
	}
	all := make(map[string]types.Parameter)
	pages := sdk.NewDescribeCacheParametersPaginator(w.root, in)
	for pages.HasMorePages() {
		p, err := pages.NextPage(w.Context())
		w.must(err)
		for _, row := range p.Parameters {
			all[*row.ParameterName] = row
		}
	}
	return all
}

func TestParameterGroups(t *testing.T) {
	w := newWorld(t)
	w.refused(w.createParameterGroup("Hot-1", "redis7"), "")
	w.refused(w.createParameterGroup("hot-1", "redis7"), "CacheParameterGroupAlreadyExists")
	w.refused(w.createParameterGroup("cold", "redis99"), "InvalidParameterValue")
	w.refused(w.createParameterGroup("default.redis7", "redis7"), "InvalidParameterValue")
	set := func(group string, pairs ...string) error {
		_, err := w.root.ModifyCacheParameterGroup(t.Context(), &sdk.ModifyCacheParameterGroupInput{CacheParameterGroupName: &group, ParameterNameValues: values(pairs...)})
		return err
	}
	w.refused(set("hot-1", "maxmemory-policy", "allkeys-lru", "databases", "32"), "")
	w.refused(set("hot-1", "maxmemory-policy", "first-come"), "InvalidParameterValue")
	w.refused(set("hot-1", "databases", "0"), "InvalidParameterValue")
	w.refused(set("hot-1", "shoe-size", "44"), "InvalidParameterValue")
	w.refused(set("hot-1", "lua-time-limit", "1"), "InvalidParameterValue") // cannot be modified
	w.refused(set("hot-1", "notify-keyspace-events", "K\nrequirepass x"), "InvalidParameterValue")
	w.refused(set("default.redis7", "databases", "32"), "InvalidParameterValue")
	w.refused(set("none", "databases", "32"), "CacheParameterGroupNotFound")

	user := w.parameters("hot-1", "user")
	if len(user) != 2 || *user["databases"].ParameterValue != "32" || user["databases"].ChangeType != types.ChangeTypeRequiresReboot ||
		*user["maxmemory-policy"].ParameterValue != "allkeys-lru" || user["maxmemory-policy"].ChangeType != types.ChangeTypeImmediate {
		t.Errorf("user's values %v", user)
	}
	all, system := w.parameters("hot-1", ""), w.parameters("hot-1", "system")
	if len(all) != len(system)+2 || len(system) < 50 || *all["databases"].Source != "user" || *system["tcp-keepalive"].ParameterValue != "300" {
		t.Errorf("%d values, %d of the system", len(all), len(system))
	}
	reset := func(all bool, names ...string) error {
		in := &sdk.ResetCacheParameterGroupInput{CacheParameterGroupName: aws.String("hot-1"), ResetAllParameters: &all}
		for _, n := range names {
			in.ParameterNameValues = append(in.ParameterNameValues, types.ParameterNameValue{ParameterName: &n})
		}
		_, err := w.root.ResetCacheParameterGroup(t.Context(), in)
		return err
	}
	w.refused(reset(false), "InvalidParameterCombination")
	w.refused(reset(true, "databases"), "InvalidParameterCombination")
	w.refused(reset(false, "shoe-size"), "InvalidParameterValue")
	w.refused(reset(false, "databases"), "")
	if user := w.parameters("hot-1", "user"); len(user) != 1 {
		t.Errorf("after a reset of one: %v", user)
	}
	w.refused(reset(true), "")
	if user := w.parameters("hot-1", "user"); len(user) != 0 {
		t.Errorf("after a reset of all: %v", user)
	}
	remove := func(name string) error {
		_, err := w.root.DeleteCacheParameterGroup(t.Context(), &sdk.DeleteCacheParameterGroupInput{CacheParameterGroupName: &name})
		return err
	}
	w.refused(remove("default.redis7"), "InvalidParameterValue")
	w.refused(remove("hot-1"), "")
	w.refused(remove("hot-1"), "CacheParameterGroupNotFound")
}

// TestDefaultParameterGroups: they are in every account and region, among the others by name, and on their pages.
func TestDefaultParameterGroups(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"alpha", "default-mine", "zulu"} {
		w.refused(w.createParameterGroup(name, "memcached1.6"), "")
	}
	var names []string
	pages := sdk.NewDescribeCacheParameterGroupsPaginator(w.root, &sdk.DescribeCacheParameterGroupsInput{})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		w.must(err)
		for _, g := range p.CacheParameterGroups {
			names = append(names, *g.CacheParameterGroupName)
		}
	}
	want := []string{"alpha", "default-mine", "default.memcached1.5", "default.memcached1.6", "default.redis6.x", "default.redis6.x.cluster.on", "default.redis7", "default.redis7.cluster.on",
		"default.valkey7", "default.valkey7.cluster.on", "default.valkey8", "default.valkey8.cluster.on", "zulu"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v", names)
	}
	if on, off := w.parameters("default.redis7.cluster.on", ""), w.parameters("default.redis7", ""); *on["cluster-enabled"].ParameterValue != "yes" || *off["cluster-enabled"].ParameterValue != "no" {
		t.Error("cluster mode of the default groups")
	}
	out, err := w.root.DescribeEngineDefaultParameters(t.Context(), &sdk.DescribeEngineDefaultParametersInput{CacheParameterGroupFamily: aws.String("memcached1.6")})
	w.must(err)
	if d := out.EngineDefaults; len(d.Parameters) == 0 || len(d.CacheNodeTypeSpecificParameters) != 2 || *d.CacheNodeTypeSpecificParameters[0].ParameterName != "max_cache_memory" {
		t.Errorf("defaults %+v", d)
	}
	_, err = w.root.DescribeEngineDefaultParameters(t.Context(), &sdk.DescribeEngineDefaultParametersInput{CacheParameterGroupFamily: aws.String("redis1")})
	w.refused(err, "InvalidParameterValue")
}

func TestEngineVersions(t *testing.T) {
	w := newWorld(t)
	describe := func(in sdk.DescribeCacheEngineVersionsInput) (all []string) {
		out, err := w.root.DescribeCacheEngineVersions(t.Context(), &in)
		w.must(err)
		for _, v := range out.CacheEngineVersions {
			if *v.CacheParameterGroupFamily == "" || !strings.Contains(*v.CacheEngineVersionDescription, "version") {
				t.Errorf("%+v", v)
			}
			all = append(all, *v.Engine+" "+*v.EngineVersion)
		}
		return all
	}
	if got := describe(sdk.DescribeCacheEngineVersionsInput{}); len(got) < 10 {
		t.Errorf("got %v", got)
	}
	if got := describe(sdk.DescribeCacheEngineVersionsInput{DefaultOnly: aws.Bool(true)}); len(got) != 3 {
		t.Errorf("defaults %v", got)
	}
	if got := describe(sdk.DescribeCacheEngineVersionsInput{Engine: aws.String("redis"), CacheParameterGroupFamily: aws.String("redis7")}); !slices.Equal(got, []string{"redis 7.0", "redis 7.1"}) {
		t.Errorf("of redis7 %v", got)
	}
	if got := describe(sdk.DescribeCacheEngineVersionsInput{EngineVersion: aws.String("99")}); len(got) != 0 {
		t.Errorf("of no version %v", got)
	}
}

// TestParameterGroupKey (S5-97): the name is a condition key of what changes a group, so that a pattern of names or one group can be
// protected.
func TestParameterGroupKey(t *testing.T) {
	w := newWorld(t)
	c := w.user(`{"Effect":"Allow","Action":"elasticache:*CacheParameterGroup*","Resource":"*"},
		{"Effect":"Deny","Action":"elasticache:DeleteCacheParameterGroup","Resource":"*","Condition":{"StringEquals":{"elasticache:CacheParameterGroupName":"keep"}}},
		{"Effect":"Deny","Action":"elasticache:CreateCacheParameterGroup","Resource":"*","Condition":{"StringNotLike":{"elasticache:CacheParameterGroupName":["org-*","keep"]}}}`)
	create := func(name string) error {
		_, err := c.CreateCacheParameterGroup(t.Context(), &sdk.CreateCacheParameterGroupInput{CacheParameterGroupName: &name, CacheParameterGroupFamily: aws.String("redis7"), Description: aws.String("x")})
		return err
	}
	w.refused(create("mine"), "AccessDenied")
	w.refused(create("org-mine"), "")
	w.refused(create("keep"), "")
	_, err := c.DeleteCacheParameterGroup(t.Context(), &sdk.DeleteCacheParameterGroupInput{CacheParameterGroupName: aws.String("keep")})
	w.refused(err, "AccessDenied")
	_, err = c.DeleteCacheParameterGroup(t.Context(), &sdk.DeleteCacheParameterGroupInput{CacheParameterGroupName: aws.String("org-mine")})
	w.refused(err, "")
}
