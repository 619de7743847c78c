package nodetype_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/nodetype"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range nodetype.All() {
		if seen[n.Name] || n.Family() == "" {
			t.Errorf("row %q", n.Name)
		}
		seen[n.Name] = true
		if n.Redis == 0 && n.Valkey == 0 {
			t.Errorf("%s is offered for neither Redis nor Valkey", n.Name)
		}
		if (n.MemcachedMiB == 0) != (n.Threads == 0) {
			t.Errorf("%s: %d MiB, %d threads", n.Name, n.MemcachedMiB, n.Threads)
		}
		// An engine's memory is about that of the others on the same machine: a slip of the pen would show.
		if m := n.Redis; m > 0 && n.MemcachedMiB > 0 {
			if ratio := float64(n.MemcachedMiB<<20) / float64(m); ratio < 0.7 || ratio > 1.6 {
				t.Errorf("%s: memcached has %.2f of Redis's memory", n.Name, ratio)
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d types", len(seen))
	}
	if n, ok := nodetype.Lookup("cache.t4g.micro"); !ok || n.Redis != 536870912 || n.MemcachedMiB != 512 || n.MaxClients() != 20_000 {
		t.Errorf("cache.t4g.micro: %+v %v", n, ok)
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		scale  nodetype.Scale
		name   string
		engine engine.Name
		want   int64 // 0: refused
	}{
		{nodetype.Scale{}, "cache.r6g.large", engine.Redis, 14037181030},
		{nodetype.Scale{Divide: 10}, "cache.r6g.large", engine.Redis, 1403718103},
		{nodetype.Scale{Most: 1 << 28}, "cache.r6g.large", engine.Valkey, 1 << 28},
		{nodetype.Scale{Divide: 1000}, "cache.t4g.micro", engine.Memcached, nodetype.Least},
		{nodetype.Scale{}, "cache.r8g.large", engine.Redis, 0},
		{nodetype.Scale{}, "cache.m1.small", engine.Valkey, 0},
		{nodetype.Scale{}, "cache.r6gd.xlarge", engine.Memcached, 0},
		{nodetype.Scale{}, "db.t3.micro", engine.Redis, 0},
	} {
		got, _, err := c.scale.Of(c.name, c.engine)
		if got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%s for %s: %d, %v; want %d", c.name, c.engine, got, err, c.want)
		}
	}
}
