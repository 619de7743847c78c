package parameter_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
)

func TestFamilies(t *testing.T) {
	for _, f := range parameter.Families() {
		rows := f.Parameters()
		if len(rows) < 20 {
			t.Errorf("%s has %d rows", f.Name, len(rows))
		}
		for _, p := range rows {
			if got, ok := f.Parameter(p.Name); !ok || got != p {
				t.Errorf("%s: %s is not found by its name", f.Name, p.Name)
			}
			if err := p.Check(p.Default); err != nil {
				t.Errorf("%s: default: %v", f.Name, err)
			}
			if p.Allowed != "" && p.Check("no such value") == nil {
				t.Errorf("%s: %s takes anything", f.Name, p.Name)
			}
			if p.Reboot && !p.Modifiable {
				t.Errorf("%s: %s needs a reboot for what never changes", f.Name, p.Name)
			}
		}
		if v, err := f.Values(nil); err != nil || len(v) != len(rows) {
			t.Errorf("%s: defaults: %v", f.Name, err)
		}
	}
	for _, c := range []struct {
		e       engine.Name
		version string
		want    string
	}{
		{engine.Redis, "7.1", "redis7"}, {engine.Redis, "7.0", "redis7"}, {engine.Redis, "6.2", "redis6.x"}, {engine.Redis, "6.x", "redis6.x"},
		{engine.Redis, "5.0.6", ""}, {engine.Redis, "9.0", ""}, {engine.Redis, "seven", ""},
		{engine.Valkey, "7.2", "valkey7"}, {engine.Valkey, "8.1", "valkey8"}, {engine.Memcached, "1.6.22", "memcached1.6"},
	} {
		if f, err := parameter.Of(c.e, c.version); f.Name != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %s: %s, %v", c.e, c.version, f.Name, err)
		}
	}
}

func TestValues(t *testing.T) {
	f, _ := parameter.Lookup("redis7")
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"maxmemory-policy", "allkeys-lfu", true}, {"maxmemory-policy", "random", false},
		{"timeout", "0", true}, {"timeout", "19", false}, {"timeout", "20", true}, {"timeout", "-1", false}, {"timeout", "1e3", false},
		{"reserved-memory-percent", "100", true}, {"reserved-memory-percent", "101", false},
		{"hash-max-ziplist-entries", "1", false}, {"hash-max-listpack-entries", "1", true},
		{"list-max-listpack-size", "-2", true}, {"list-max-listpack-size", "-3", false}, {"replica-allow-chaining", "yes", false},
		{"cluster-enabled", "yes", true}, {"notify-keyspace-events", "KEA", true}, {"notify-keyspace-events", "A\nsave 1 1", false},
	} {
		_, err := f.Values(map[string]string{c.name: c.value})
		if (err == nil) != c.ok {
			t.Errorf("%s = %q: %v", c.name, c.value, err)
		}
	}
}
