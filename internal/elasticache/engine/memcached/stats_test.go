package memcached

import (
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

func FuzzParseStats(f *testing.F) {
	f.Add("STAT pid 7\nSTAT version 1.6.18\nSTAT curr_items 3")
	f.Add("STAT\nSTAT pid\nSTAT pid x y")
	f.Fuzz(func(t *testing.T, s string) {
		if got := parseStats(strings.Split(s, "\n"), 1); got.Role != engine.Primary || got.Port != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestMemoryForConnections(t *testing.T) {
	for _, c := range []struct {
		memory int64 // MiB
		said   string
		want   int64 // 0: refused
	}{{512, "", 412}, {213, "", 160}, {16, "", 12}, {512, "500", 12}, {512, "512", 0}} {
		spec := engine.Spec{Memory: c.memory << 20}
		values := map[string]string{"memcached_connections_overhead": "100"}
		if c.said != "" {
			values["memcached_connections_overhead"] = c.said
			spec.Parameters = map[string]string{"memcached_connections_overhead": c.said}
		}
		if got, err := limit(spec, values); got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%d MiB with %q: %d, %v", c.memory, c.said, got, err)
		}
	}
}
