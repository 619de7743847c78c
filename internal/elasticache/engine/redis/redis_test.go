package redis_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/redis"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// client is go-redis as a customer uses it.
type client struct{ *goredis.Client }

func dial(spec engine.Spec, user, password string) enginetest.Client {
	o := &goredis.Options{Addr: spec.Listen().String(), Username: user, Password: password, Protocol: 2, DisableIdentity: true, MaxRetries: -1}
	if spec.TLS != nil && spec.TLS.Port == 0 {
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return client{goredis.NewClient(o)}
}

func (c client) Set(ctx context.Context, key, value string) error {
	return c.Client.Set(ctx, key, value, 0).Err()
}

func (c client) Get(ctx context.Context, key string) (string, bool, error) {
	v, err := c.Client.Get(ctx, key).Result()
	if errors.Is(err, goredis.Nil) {
		return "", false, nil
	}
	return v, err == nil, err
}

// closed is nil where the engine refuses the command for want of permission; a command that it does not know cannot be had either.
func closed(ctx context.Context, c enginetest.Client, command string) error {
	var args []any
	for _, w := range strings.Split(command, "|") {
		args = append(args, w)
	}
	switch command {
	case "config":
		args = append(args, "GET", "*")
	case "debug":
		args = append(args, "SLEEP", "0")
	case "module":
		args = append(args, "LIST")
	}
	for len(args) < 8 && command != "config" && command != "module" {
		err := c.(client).Do(ctx, args...).Err()
		if err != nil && (strings.HasPrefix(err.Error(), "NOPERM") || strings.HasPrefix(err.Error(), "ERR unknown command") || strings.HasPrefix(err.Error(), "ERR DEBUG command not allowed")) {
			return nil
		}
		if err == nil || !strings.Contains(err.Error(), "wrong number of arguments") {
			return fmt.Errorf("%v is answered: %v", args, err)
		}
		args = append(args, "x")
	}
	err := c.(client).Do(ctx, args...).Err()
	if err != nil && strings.HasPrefix(err.Error(), "NOPERM") {
		return nil
	}
	return fmt.Errorf("%v is answered: %v", args, err)
}

func harness(d engine.Driver, version, refused string) enginetest.Harness {
	return enginetest.Harness{Driver: d, Version: version, Refused: refused, Dial: dial, Closed: closed,
		Parameter: "maxmemory-policy", Value: "allkeys-lru", Wrong: "sometimes"}
}

func TestRedis(t *testing.T) {
	testenv.Tool(t, "redis-server")
	enginetest.Run(t, harness(redis.New(redis.Config{}), "7.1", "6.2"))
}

// TestValkey runs the suite on valkey-server where there is one.
func TestValkey(t *testing.T) {
	testenv.Tool(t, "valkey-server")
	d := redis.New(redis.Config{Engine: engine.Valkey})
	all, err := d.Binaries(t.Context())
	if err != nil || len(all) == 0 {
		t.Fatalf("%v %v", all, err)
	}
	v := all[0].Version
	enginetest.Run(t, harness(d, fmt.Sprintf("%d.%d", v.Major, v.Minor), "3.0"))
}

// TestValkeyStandIn runs the suite on the driver for Valkey with a redis-server in its place, which shows that the driver is the same
// code; it shows nothing of Valkey.
func TestValkeyStandIn(t *testing.T) {
	path := testenv.Tool(t, "redis-server")
	d := redis.New(redis.Config{Engine: engine.Valkey, Paths: []string{path}, StandIn: engine.Version{Major: 7, Minor: 2, Patch: 6}})
	enginetest.Run(t, harness(d, "7.2", "8.0"))
	if b, err := redis.New(redis.Config{Engine: engine.Valkey, Paths: []string{path}}).Find(t.Context(), "7.2"); err == nil {
		t.Errorf("a redis-server passes for Valkey: %v", b)
	}
}
