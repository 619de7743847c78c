package parameter

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// The rows are those of AWS's page "Engine specific parameters". A line is name|default|type|allowed|flags|since, where the flags are
// m for modifiable and r for what takes effect at a reboot. Parameters that hold a number for each node type (maxmemory, maxclients,
// max_cache_memory, num_threads) are the node type's, not a group's.
const redis6 = `
acl-pubsub-default|allchannels|string|allchannels,resetchannels|mr|6.2
acllog-max-len|128|integer|1-10000|m|6.0
active-defrag-cycle-max|75|integer|1-75|m|4.0.10
active-defrag-cycle-min|5|integer|1-75|m|4.0.10
active-defrag-ignore-bytes|104857600|integer|10485760-104857600|m|4.0.10
active-defrag-max-scan-fields|1000|integer|1-1000000|m|5.0.0
active-defrag-threshold-lower|10|integer|1-100|m|4.0.10
active-defrag-threshold-upper|100|integer|1-100|m|4.0.10
active-expire-effort|1|integer|1-10|m|6.0
activedefrag|no|string|yes,no|m|4.0.10
activerehashing|yes|string|yes,no|mr|2.6.13
client-output-buffer-limit-normal-hard-limit|0|integer|0-|m|2.6.13
client-output-buffer-limit-normal-soft-limit|0|integer|0-|m|2.6.13
client-output-buffer-limit-normal-soft-seconds|0|integer|0-|m|2.6.13
client-output-buffer-limit-pubsub-hard-limit|33554432|integer|0-|m|2.6.13
client-output-buffer-limit-pubsub-soft-limit|8388608|integer|0-|m|2.6.13
client-output-buffer-limit-pubsub-soft-seconds|60|integer|0-|m|2.6.13
client-output-buffer-limit-replica-soft-seconds|60|integer|0-||5.0.0
client-query-buffer-limit|1073741824|integer|1048576-1073741824|m|4.0.10
close-on-replica-write|yes|string|yes,no|m|5.0.0
cluster-allow-reads-when-down|no|string|yes,no|m|6.0
cluster-enabled|no|string|yes,no||3.2.4
cluster-require-full-coverage|no|string|yes,no|m|3.2.4
databases|16|integer|1-1200000|mr|2.6.13
hash-max-ziplist-entries|512|integer|0-|m|2.6.13
hash-max-ziplist-value|64|integer|0-|m|2.6.13
hll-sparse-max-bytes|3000|integer|0-16000|m|3.2.4
latency-monitor-threshold|0|integer|0-|m|6.0
lazyfree-lazy-eviction|no|string|yes,no|m|4.0.10
lazyfree-lazy-expire|no|string|yes,no|m|4.0.10
lazyfree-lazy-server-del|no|string|yes,no|m|4.0.10
lazyfree-lazy-user-del|no|string|yes,no|m|6.0
lfu-decay-time|1|integer|0-|m|4.0.10
lfu-log-factor|10|integer|1-|m|4.0.10
list-compress-depth|0|integer|0-|m|3.2.4
list-max-ziplist-size|-2|integer|||3.2.4
lua-time-limit|5000|integer|||2.6.13
maxmemory-policy|volatile-lru|string|volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction|m|2.6.13
maxmemory-samples|3|integer|1-64|m|2.6.13
min-replicas-max-lag|10|integer|0-|m|5.0.0
min-replicas-to-write|0|integer|0-|m|5.0.0
notify-keyspace-events||string||m|2.8.6
proto-max-bulk-len|536870912|integer|1048576-536870912|m|4.0.10
rename-commands||string||m|5.0.3
repl-backlog-size|1048576|integer|16384-|m|2.8.6
repl-backlog-ttl|3600|integer|0-|m|2.8.6
replica-allow-chaining|no|string|yes,no||5.0.0
replica-ignore-maxmemory|yes|string|yes,no||5.0.0
replica-lazy-flush|yes|string|yes,no||5.0.0
reserved-memory|0|integer|0-|m|2.6.13
reserved-memory-percent|25|integer|0-100|m|3.2.4
set-max-intset-entries|512|integer|0-|m|2.6.13
slowlog-log-slower-than|10000|integer|0-|m|2.6.13
slowlog-max-len|128|integer|0-|m|2.6.13
stream-node-max-bytes|4096|integer|0-|m|5.0.0
stream-node-max-entries|100|integer|0-|m|5.0.0
tcp-keepalive|300|integer|0-|m|2.6.13
timeout|0|integer|0,20-|m|2.6.13
tracking-table-max-keys|1000000|integer|1-100000000|m|6.0
zset-max-ziplist-entries|128|integer|0-|m|2.6.13
zset-max-ziplist-value|64|integer|0-|m|2.6.13
`

const redis7 = `
activerehashing|yes|string|yes,no||2.6.13
cluster-allow-pubsubshard-when-down|yes|string|yes,no|m|7.0
cluster-preferred-endpoint-type|tls-dynamic|string|ip,tls-dynamic|m|7.0
hash-max-listpack-entries|512|integer|0-|m|7.0
hash-max-listpack-value|64|integer|0-|m|7.0
latency-tracking|no|string|yes,no|m|7.0
list-max-listpack-size|-2|integer|||7.0
zset-max-listpack-entries|128|integer|0-|m|7.0
zset-max-listpack-value|64|integer|0-|m|7.0
-hash-max-ziplist-entries
-hash-max-ziplist-value
-list-max-ziplist-size
-zset-max-ziplist-entries
-zset-max-ziplist-value
`

const valkey8 = `
extended-redis-compatibility|yes|string|yes,no|m|8.0
repl-backlog-size|10485760|integer|16384-|m|8.0
commandlog-request-larger-than|1048576|integer|0-|m|8.1
commandlog-large-request-max-len|128|integer|0-1024|m|8.1
commandlog-reply-larger-than|1048576|integer|0-|m|8.1
commandlog-large-reply-max-len|128|integer|0-1024|m|8.1
-lazyfree-lazy-eviction
-lazyfree-lazy-expire
-lazyfree-lazy-server-del
-lazyfree-lazy-user-del
-replica-lazy-flush
`

const memcached15 = `
backlog_queue_limit|1024|integer|1-10000||1.4.5
binding_protocol|auto|string|auto,binary,ascii|mr|1.4.5
cas_disabled|0|boolean|0,1|mr|1.4.5
chunk_size|48|integer|1-1024|mr|1.4.5
chunk_size_growth_factor|1.25|float|1-1024|mr|1.4.5
config_max|16|integer|||1.4.14
config_size_max|65536|integer|||1.4.14
disable_flush_all|0|boolean|0,1|mr|1.4.24
error_on_memory_exhausted|0|boolean|0,1|mr|1.4.5
hash_algorithm|jenkins|string|jenkins,murmur3|mr|1.4.24
hashpower_init|16|integer|||1.4.14
idle_timeout|0|integer|0-86400|mr|1.4.33
inline_ascii_resp|0|boolean|0,1|mr|1.5.10
large_memory_pages|0|boolean|||1.4.5
lock_down_paged_memory|0|boolean|||1.4.5
lru_crawler|0|boolean|0,1|mr|1.4.24
lru_maintainer|0|boolean|0,1|mr|1.4.24
max_item_size|1048576|integer|1024-1073741824|mr|1.4.5
max_simultaneous_connections|65000|integer|||1.4.5
maxconns_fast|0|boolean|0,1|mr|1.4.14
maximize_core_file_limit|0|boolean|||1.4.5
memcached_connections_overhead|100|integer|0-|mr|1.4.5
no_modern|1|boolean|0,1|mr|1.5.10
requests_per_event|20|integer|||1.4.5
slab_automove|0|integer|0-2|mr|1.4.14
slab_chunk_max|524288|integer|1024-524288|mr|1.4.33
slab_reassign|0|boolean|0,1|mr|1.4.14
track_sizes|0|boolean|0,1|mr|1.4.33
watcher_logbuf_size|256|integer|1-1048576|mr|1.4.33
worker_logbuf_size|64|integer|1-1048576|mr|1.4.33
`

var families = []Family{
	{"memcached1.5", engine.Memcached, rows(memcached15)},
	{"memcached1.6", engine.Memcached, rows(memcached15)},
	{"redis6.x", engine.Redis, rows(redis6)},
	{"redis7", engine.Redis, rows(redis6, redis7)},
	{"valkey7", engine.Valkey, rows(redis6, redis7)},
	{"valkey8", engine.Valkey, rows(redis6, redis7, valkey8)},
}

// rows reads tables, later ones over earlier ones; a line that begins with a hyphen takes a row away.
func rows(tables ...string) []Parameter {
	byName := map[string]Parameter{}
	for _, table := range tables {
		for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
			if gone, ok := strings.CutPrefix(line, "-"); ok {
				delete(byName, gone)
				continue
			}
			f := strings.Split(line, "|")
			if len(f) != 6 {
				panic("parameter table: " + line)
			}
			byName[f[0]] = Parameter{Name: f[0], Default: f[1], Type: f[2], Allowed: f[3],
				Modifiable: strings.Contains(f[4], "m"), Reboot: strings.Contains(f[4], "r"), Since: f[5]}
		}
	}
	all := make([]Parameter, 0, len(byName))
	for _, p := range byName {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return all
}
