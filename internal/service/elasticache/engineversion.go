package elasticache

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var engineVersionRows = map[string]gate.Row{
	"DescribeCacheEngineVersions": {Decides: gate.ByPolicy, ReadOnly: true, Checks: everywhere("elasticache:DescribeCacheEngineVersions")},
}

// engineVersion is an engine version that can be asked for. Whether a program for it is there is another matter, of which creating a
// node speaks.
type engineVersion struct {
	engine  engine.Name
	version string
	exactly string // the version that AWS runs under that name
}

// engineVersions are those of AWS ("Supported engine versions") with a parameter group family here, oldest first.
var engineVersions = []engineVersion{
	{engine.Memcached, "1.5.10", "1.5.10"}, {engine.Memcached, "1.5.16", "1.5.16"},
	{engine.Memcached, "1.6.6", "1.6.6"}, {engine.Memcached, "1.6.12", "1.6.12"}, {engine.Memcached, "1.6.17", "1.6.17"}, {engine.Memcached, "1.6.22", "1.6.22"},
	{engine.Redis, "6.0", "6.0.5"}, {engine.Redis, "6.2", "6.2.6"}, {engine.Redis, "7.0", "7.0.7"}, {engine.Redis, "7.1", "7.1.0"},
	{engine.Valkey, "7.2", "7.2.6"}, {engine.Valkey, "8.0", "8.0.1"}, {engine.Valkey, "8.1", "8.1.0"},
}

// describes is what AWS calls an engine.
var describes = map[engine.Name]string{engine.Memcached: "memcached", engine.Redis: "Redis", engine.Valkey: "Valkey"}

// defaultVersion is the version that a request without one means: the newest of the engine.
func defaultVersion(e engine.Name) string {
	last := ""
	for _, v := range engineVersions {
		if v.engine == e {
			last = v.version
		}
	}
	return last
}

func (s *service) DescribeCacheEngineVersions(_ context.Context, _ *gate.Call, in *shape.DescribeCacheEngineVersionsMessage) (*shape.CacheEngineVersionMessage, error) {
	if err := checkRecords(in.MaxRecords); err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	from, _ := strconv.Atoi(after) // a marker of another listing is the beginning
	rows := make([]int, 0, len(engineVersions))
	for i := range engineVersions {
		rows = append(rows, i)
	}
	some, next := page.Take(slices.Values(rows), in.MaxRecords, func(i int) bool {
		v := engineVersions[i]
		wanted := func(p *string, is string) bool { return p == nil || strings.EqualFold(*p, is) }
		return i+1 > from && wanted(in.Engine, string(v.engine)) && wanted(in.EngineVersion, v.version) && wanted(in.CacheParameterGroupFamily, v.family()) &&
			(!deref(in.DefaultOnly, false) || v.version == defaultVersion(v.engine))
	}, func(i int) string { return strconv.Itoa(i + 1) })
	out := &shape.CacheEngineVersionMessage{Marker: next, CacheEngineVersions: make([]shape.CacheEngineVersion, 0, len(some))}
	for _, i := range some {
		v := engineVersions[i]
		out.CacheEngineVersions = append(out.CacheEngineVersions, shape.CacheEngineVersion{Engine: new(string(v.engine)), EngineVersion: new(v.version),
			CacheParameterGroupFamily: new(v.family()), CacheEngineDescription: new(describes[v.engine]),
			CacheEngineVersionDescription: new(strings.ToLower(describes[v.engine]) + " version " + v.exactly)})
	}
	return out, nil
}

// family is the name of the version's parameter group family. A test holds the table to having one for each.
func (v engineVersion) family() string {
	f, err := parameter.Of(v.engine, v.version)
	if err != nil {
		return ""
	}
	return f.Name
}
