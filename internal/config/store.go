package config

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
)

// Store says which engine keeps the records.
type Store struct {
	Engine    string   // bolt, mem or etcd
	Endpoints []string // host:port; etcd only
	Prefix    string   // of all keys; etcd only, empty means the engine's own
}

// prefixForm keeps prefixes readable, and short enough for etcd's requests with the slash behind them.
var prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*$`)

const maxPrefix = 31

// ParseStore reads the value of --store.
func ParseStore(text string) (Store, error) {
	switch text {
	case "bolt", "mem":
		return Store{Engine: text}, nil
	}
	rest, ok := strings.CutPrefix(text, "etcd://")
	if !ok {
		return Store{}, fmt.Errorf("%q: want bolt, mem or etcd://host:port,…", text)
	}
	list, prefix, slash := strings.Cut(rest, "/")
	if slash && (!prefixForm.MatchString(prefix) || len(prefix) > maxPrefix) {
		return Store{}, fmt.Errorf("the prefix %q is not up to %d letters, digits, dots, dashes and single slashes", prefix, maxPrefix)
	}
	s := Store{Engine: "etcd", Endpoints: strings.Split(list, ","), Prefix: prefix}
	for _, e := range s.Endpoints {
		if host, port, err := net.SplitHostPort(e); err != nil || host == "" || port == "" || strings.Contains(host, "@") {
			return Store{}, fmt.Errorf("%q in %q is not host:port", e, text)
		}
	}
	return s, nil
}

// EtcdTLS reports whether etcd is talked to over TLS.
func (c *Config) EtcdTLS() bool {
	s, err := ParseStore(c.Store)
	return err == nil && s.Engine == "etcd" && (c.EtcdCA != "" || c.EtcdCert != "" || !onLoopback(s) && !c.EtcdInsecure)
}

func onLoopback(s Store) bool {
	for _, e := range s.Endpoints {
		if loopback, err := Loopback(e); err != nil || !loopback {
			return false
		}
	}
	return true
}

// checkEtcd complains of what is wrong with the keys that only the etcd store has.
func (c *Config) checkEtcd(s Store, complain func(format string, args ...any)) {
	if (c.EtcdCert == "") != (c.EtcdKey == "") {
		complain("--etcd-cert and --etcd-key go together")
	}
	if (c.EtcdUser == "") != (c.EtcdPasswordFile == "") {
		complain("--etcd-user and --etcd-password-file go together")
	}
	if t := time.Duration(c.EtcdTimeout); t < 100*time.Millisecond || t > time.Minute {
		complain("etcd_timeout must be at least 100ms and at most 1m")
	}
	if t := time.Duration(c.EtcdCompact); t != 0 && t < time.Minute {
		complain("etcd_compact must be 0s or at least 1m")
	}
	used := c.EtcdCA != "" || c.EtcdCert != "" || c.EtcdKey != "" || c.EtcdUser != "" || c.EtcdPasswordFile != "" || c.EtcdInsecure
	switch {
	case s.Engine != "etcd" && used:
		complain("--etcd-… says how to reach etcd, and --store %s does not", c.Store)
	case s.Engine == "etcd" && c.EtcdUser != "" && !c.EtcdTLS() && !onLoopback(s):
		complain("--etcd-user would send a password in the clear: leave --etcd-insecure out")
	}
}
