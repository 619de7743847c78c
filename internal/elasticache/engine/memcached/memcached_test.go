package memcached_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/memcached"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// client is gomemcache as a customer uses it.
type client struct{ *memcache.Client }

func dial(spec engine.Spec, _, _ string) enginetest.Client {
	c := memcache.New(spec.Listen().String())
	c.Timeout = 10 * time.Second
	if spec.TLS != nil && spec.TLS.Port == 0 {
		c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, network, address)
		}
	}
	return client{c}
}

func (c client) Set(_ context.Context, key, value string) error {
	return c.Client.Set(&memcache.Item{Key: key, Value: []byte(value)})
}

func (c client) Get(_ context.Context, key string) (string, bool, error) {
	item, err := c.Client.Get(key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return string(item.Value), true, nil
}

func TestMemcached(t *testing.T) {
	testenv.Tool(t, "memcached")
	enginetest.Run(t, enginetest.Harness{Driver: memcached.New(memcached.Config{}), Version: "1.6.17", Refused: "1.6.99", Dial: dial,
		Parameter: "max_item_size", Value: "2097152", Wrong: "large"})
}
