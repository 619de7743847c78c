package config

import (
	"reflect"
	"time"
)

// checkLimits complains of bounds that bound nothing, or everything.
func (c *Config) checkLimits(complain func(format string, args ...any)) {
	if time.Duration(c.DrainDelay) < 0 {
		complain("drain_delay must not be less than 0s")
	}
	for _, l := range []struct {
		key   string
		value int
		least int
	}{
		{"rate_reads", c.RateReads, 0}, {"rate_writes", c.RateWrites, 0}, {"rate_unauthenticated", c.RateUnauthenticated, 0},
		{"max_connections", c.MaxConnections, 1}, {"max_connections_per_address", c.MaxConnectionsPerAddress, 0}, {"body_rate", c.BodyRate, 1},
	} {
		if l.value < l.least || l.value > 1<<30 {
			complain("%s must be at least %d and at most %d", l.key, l.least, 1<<30)
		}
	}
	for _, l := range []struct {
		key   string
		value Duration
	}{
		{"header_timeout", c.HeaderTimeout}, {"body_timeout", c.BodyTimeout}, {"write_timeout", c.WriteTimeout}, {"idle_timeout", c.IdleTimeout},
	} {
		if time.Duration(l.value) <= 0 || time.Duration(l.value) > time.Hour {
			complain("%s must be more than 0s and at most 1h", l.key)
		}
	}
}

// reloadable are the keys that a running server takes up.
var reloadable = map[string]bool{"log_level": true, "access_log": true, "rate_reads": true, "rate_writes": true, "rate_unauthenticated": true}

// Changed returns the keys whose values differ between c, which a server runs with, and next: those that a running server takes up, and
// those that need a restart. Both are in the order of the configuration.
func (c *Config) Changed(next *Config) (now, restart []string) {
	before, after := reflect.ValueOf(c).Elem(), reflect.ValueOf(next).Elem()
	for i := range before.NumField() {
		if reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
			continue
		}
		if key := before.Type().Field(i).Tag.Get("toml"); reloadable[key] {
			now = append(now, key)
		} else {
			restart = append(restart, key)
		}
	}
	return now, restart
}
