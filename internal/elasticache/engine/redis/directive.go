package redis

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/parameter"
)

// directive is a line of the configuration file.
type directive struct {
	name    string
	values  []string
	runtime bool // CONFIG SET takes it
}

// notEngine are parameters of the families that no directive has: what they mean is done elsewhere, and where.
var notEngine = map[string]string{
	"reserved-memory":                 "in maxmemory",
	"reserved-memory-percent":         "in maxmemory",
	"cluster-enabled":                 "the Spec says it",
	"close-on-replica-write":          "an enhancement of AWS's engine: the proxy before the node",
	"replica-allow-chaining":          "nobody is made the replica of a replica",
	"rename-commands":                 "refused: see directives",
	"cluster-preferred-endpoint-type": "translated",
}

// directives is the whole configuration of a node.
func (d *Driver) directives(spec engine.Spec) ([]directive, error) {
	family, err := parameter.Of(d.name, spec.Version)
	if err != nil {
		return nil, err
	}
	values, err := family.Values(spec.Parameters)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", spec.ID, err)
	}
	if values["rename-commands"] != "" {
		return nil, fmt.Errorf("node %s: parameter rename-commands: commands are not renamed here; take them away in access strings", spec.ID)
	}
	if values["cluster-enabled"] == "yes" != spec.ClusterMode {
		if _, said := spec.Parameters["cluster-enabled"]; said {
			return nil, fmt.Errorf("node %s: parameter cluster-enabled is not what the node is to be", spec.ID)
		}
	}
	want, err := engine.ParseVersion(spec.Version)
	if err != nil {
		return nil, err
	}
	all := fixed(spec)
	for _, p := range family.Parameters() {
		if _, skip := notEngine[p.Name]; skip || strings.HasPrefix(p.Name, "client-output-buffer-limit-") {
			continue
		}
		if since, err := engine.ParseVersion(p.Since); err != nil || want.Minor >= 0 && since.Major == want.Major && since.Minor > want.Minor {
			if _, said := spec.Parameters[p.Name]; said {
				return nil, fmt.Errorf("node %s: parameter %s needs engine version %s", spec.ID, p.Name, p.Since)
			}
			continue
		}
		all = append(all, directive{p.Name, []string{values[p.Name]}, !p.Reboot})
	}
	maxmemory, err := available(spec.Memory, values)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", spec.ID, err)
	}
	all = append(all, directive{"maxmemory", []string{strconv.FormatInt(maxmemory, 10)}, true})
	all = append(all, buffers(spec, values)...)
	all = append(all, listening(spec)...)
	return append(all, clustered(spec, values)...), nil
}

// available is maxmemory: the node type's memory less what the group reserves. A number of bytes wins over a share of them.
func available(memory int64, values map[string]string) (int64, error) {
	reserved, err := strconv.ParseInt(values["reserved-memory"], 10, 64)
	if err != nil {
		return 0, err
	}
	if reserved == 0 {
		percent, err := strconv.ParseInt(values["reserved-memory-percent"], 10, 64)
		if err != nil {
			return 0, err
		}
		reserved = memory / 100 * percent
	}
	if reserved >= memory {
		return 0, fmt.Errorf("all of the node's memory is reserved")
	}
	return memory - reserved, nil
}

// fixed is what no parameter group changes.
func fixed(spec engine.Spec) []directive {
	clients := spec.MaxClients
	if clients == 0 {
		clients = 65000
	}
	onStop := []string{"nosave", "force"}
	if spec.Persist {
		onStop = []string{"save", "force"}
	}
	all := []directive{
		{"daemonize", []string{"no"}, false},
		{"set-proc-title", []string{"no"}, false}, // the command line stays what it was started with: it is part of the node's identity
		{"dir", []string{spec.Dir}, false},
		{"dbfilename", []string{dataFile}, false},
		{"aclfile", []string{filepath.Join(spec.Dir, usersFile)}, false},
		{"logfile", []string{""}, false},
		{"loglevel", []string{"notice"}, false},
		{"maxclients", []string{strconv.Itoa(clients)}, true},
		{"save", []string{""}, false},
		{"appendonly", []string{"no"}, false},
		{"stop-writes-on-bgsave-error", []string{"no"}, false},
		{"shutdown-on-sigterm", onStop, true},
		{"enable-debug-command", []string{"no"}, false},
		{"enable-module-command", []string{"no"}, false},
		{"enable-protected-configs", []string{"no"}, false},
		{"masteruser", []string{engine.Admin}, false},
		{"masterauth", []string{spec.Admin.Reveal()}, false},
		{"replica-read-only", []string{"yes"}, false},
		{"repl-diskless-sync", []string{"yes"}, false},
		{"repl-diskless-sync-delay", []string{"0"}, false},
		{"rdb-del-sync-files", []string{"yes"}, false},
	}
	if !spec.Source.IsZero() {
		all = append(all, directive{"replicaof", []string{spec.Source.Address.String(), strconv.Itoa(spec.Source.Port)}, false})
	}
	return all
}

// buffers are the three classes of client-output-buffer-limit. A replica's is a tenth of the node's memory as on AWS, but never so small
// that a burst of writes cuts replication.
func buffers(spec engine.Spec, v map[string]string) []directive {
	class := func(name string) []string {
		p := "client-output-buffer-limit-" + name + "-"
		return []string{name, v[p+"hard-limit"], v[p+"soft-limit"], v[p+"soft-seconds"]}
	}
	tenth := strconv.FormatInt(max(spec.Memory/10, 64<<20), 10)
	const name = "client-output-buffer-limit"
	return []directive{
		{name, class("normal"), true},
		{name, class("pubsub"), true},
		{name, []string{"replica", tenth, tenth, v[name+"-replica-soft-seconds"]}, true},
	}
}

// listening is where and how the node listens. Protected mode stays on where only this machine can connect; elsewhere a node without a
// password would be closed by it, and who may reach the address is the network's business, as on AWS.
func listening(spec engine.Spec) []directive {
	protected := "no"
	if spec.Bind().IsLoopback() {
		protected = "yes"
	}
	all := []directive{
		{"bind", []string{spec.Bind().String()}, false},
		{"protected-mode", []string{protected}, false},
	}
	if spec.TLS == nil {
		return append(all, directive{"port", []string{strconv.Itoa(spec.Port)}, false})
	}
	plain, tls := 0, spec.Port
	if spec.TLS.Port != 0 {
		plain, tls = spec.Port, spec.TLS.Port
	}
	inside := "no"
	if plain == 0 {
		inside = "yes"
	}
	return append(all,
		directive{"port", []string{strconv.Itoa(plain)}, false},
		directive{"tls-port", []string{strconv.Itoa(tls)}, false},
		directive{"tls-cert-file", []string{spec.TLS.CertFile}, false},
		directive{"tls-key-file", []string{spec.TLS.KeyFile}, false},
		directive{"tls-ca-cert-file", []string{spec.TLS.CAFile}, false},
		directive{"tls-auth-clients", []string{"no"}, false},
		directive{"tls-protocols", []string{"TLSv1.2 TLSv1.3"}, false},
		directive{"tls-replication", []string{inside}, false},
		directive{"tls-cluster", []string{inside}, false},
	)
}

// clustered is cluster mode. The nodes decide nothing by themselves: who takes over and who replicates whom is the control plane's.
func clustered(spec engine.Spec, v map[string]string) []directive {
	if !spec.ClusterMode {
		return nil
	}
	preferred := "ip"
	if v["cluster-preferred-endpoint-type"] == "tls-dynamic" && spec.TLS != nil && spec.Hostname != "" {
		preferred = "hostname"
	}
	all := []directive{
		{"cluster-enabled", []string{"yes"}, false},
		{"cluster-config-file", []string{"nodes.conf"}, false},
		{"cluster-port", []string{strconv.Itoa(spec.BusPort)}, false},
		{"cluster-announce-ip", []string{spec.Bind().String()}, false},
		{"cluster-node-timeout", []string{"5000"}, false},
		{"cluster-replica-no-failover", []string{"yes"}, false},
		{"cluster-allow-replica-migration", []string{"no"}, false},
		{"cluster-preferred-endpoint-type", []string{preferred}, true},
	}
	if spec.Hostname != "" {
		all = append(all, directive{"cluster-announce-hostname", []string{spec.Hostname}, false})
	}
	return all
}

// write prints a configuration file. Values were checked for characters that would end a line or a quotation.
func write(all []directive) []byte {
	var b bytes.Buffer
	b.WriteString("# Written by Ostiary before every start.\n")
	for _, d := range all {
		b.WriteString(d.name)
		for _, v := range d.values {
			b.WriteByte(' ')
			b.WriteString(quote(v))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// quote writes an argument as the engine's own splitter reads it.
func quote(v string) string {
	if v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,") == "" {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(v) + `"`
}

// settings are the arguments of one CONFIG SET that gives a running node what a Spec says.
func (d *Driver) settings(spec engine.Spec) ([]any, error) {
	all, err := d.directives(spec)
	if err != nil {
		return nil, err
	}
	args := []any{"CONFIG", "SET"}
	var limits []string
	for _, one := range all {
		switch {
		case !one.runtime:
		case one.name == "client-output-buffer-limit":
			limits = append(limits, one.values...)
		default:
			args = append(args, one.name, strings.Join(one.values, " "))
		}
	}
	return append(args, "client-output-buffer-limit", strings.Join(limits, " ")), nil
}
