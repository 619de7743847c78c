package redis

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

const replicaInfo = "# Server\r\nredis_version:7.0.15\r\nprocess_id:77\r\ntcp_port:6379\r\nuptime_in_seconds:3\r\nconfig_file:/d/redis.conf\r\n" +
	"# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:7000\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:42\r\n" +
	"master_replid:abc\r\nslave0:ip=127.0.0.1,port=7002,state=online,offset=40,lag=1\r\n# Keyspace\r\ndb0:keys=5,expires=0,avg_ttl=0\r\ndb3:keys=2,expires=0,avg_ttl=0\r\n"

func TestParseInfo(t *testing.T) {
	got := parseInfo(replicaInfo)
	if got.Role != engine.Replica || !got.LinkUp || !got.Synced || got.Offset != 42 || got.Keys != 7 || got.PID != 77 || got.Source.Port != 7000 ||
		len(got.Replicas) != 1 || !got.Replicas[0].Online || got.Replicas[0].Endpoint.Port != 7002 || got.Config != "/d/redis.conf" {
		t.Errorf("%+v", got)
	}
	if v := parseInfo("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n").Version; v != (engine.Version{Major: 8, Minor: 0, Patch: 1}) {
		t.Errorf("Valkey says that it is %s", v)
	}
	never := parseInfo("role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:1\r\nmaster_link_status:down\r\nmaster_link_down_since_seconds:-1\r\nslave_repl_offset:1\r\n")
	if never.Synced || never.LinkUp {
		t.Errorf("a replica that never was connected: %+v", never)
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add(replicaInfo)
	f.Add("slave0:ip=x,port=99999999\r\ndb0:keys=,\r\ndb:1\r\nrole:slave")
	f.Fuzz(func(t *testing.T, s string) {
		if got := parseInfo(s); got.Role != engine.Primary && got.Role != engine.Replica {
			t.Errorf("role %q", got.Role)
		}
	})
}

// FuzzQuote holds the writer of arguments to a reader made after the engine's rules: what is written is one argument and the same text.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "two words", `quo"te`, `back\slash`, "line\nbreak", "\x00", "ä", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := unquote(quote(s)); !ok || got != s {
			t.Errorf("%q is written %q and read %q %v", s, quote(s), got, ok)
		}
	})
}

// unquote reads one argument; false where there is more or less than one.
func unquote(s string) (string, bool) {
	if s == "" || s[0] != '"' {
		for _, c := range []byte(s) {
			if c <= ' ' || c == '"' || c == '\'' || c == '\\' {
				return "", false
			}
		}
		return s, s != ""
	}
	var out []byte
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				out = append(out, '\n')
			case 'r':
				out = append(out, '\r')
			default:
				out = append(out, s[i])
			}
		case s[i] == '"':
			return string(out), i == len(s)-1
		case s[i] == '\n':
			return "", false
		default:
			out = append(out, s[i])
		}
	}
	return "", false
}

func TestDirectivesOfAVersion(t *testing.T) {
	d := New(Config{Engine: engine.Valkey})
	spec := engine.Spec{ID: "x", Engine: engine.Valkey, Version: "8.0", Memory: 1 << 30}
	names := func() map[string]bool {
		all, err := d.directives(spec)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, one := range all {
			seen[one.name] = true
		}
		return seen
	}
	if n := names(); n["commandlog-request-larger-than"] || !n["extended-redis-compatibility"] {
		t.Error("8.0 has what came with 8.1, or lacks its own")
	}
	spec.Version = "8.1"
	if n := names(); !n["commandlog-request-larger-than"] {
		t.Error("8.1 lacks its own")
	}
	spec.Version, spec.Parameters = "8.0", map[string]string{"commandlog-request-larger-than": "1"}
	if _, err := d.directives(spec); err == nil {
		t.Error("a parameter of a later version is taken")
	}
	for _, c := range []struct {
		values map[string]string
		want   int64
	}{
		{map[string]string{"reserved-memory": "0", "reserved-memory-percent": "25"}, 750},
		{map[string]string{"reserved-memory": "100", "reserved-memory-percent": "25"}, 900},
		{map[string]string{"reserved-memory": "1000", "reserved-memory-percent": "25"}, 0},
		{map[string]string{"reserved-memory": "0", "reserved-memory-percent": "100"}, 0},
	} {
		if got, err := available(1000, c.values); got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%s: %d, %v", cmp.Diff(nil, c.values), got, err)
		}
	}
}
