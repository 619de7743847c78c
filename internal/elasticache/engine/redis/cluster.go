package redis

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// cluster are the commands of cluster mode.
type cluster struct{ *node }

// Cluster implements [engine.Node].
func (n *node) Cluster() engine.Cluster {
	if !n.spec.ClusterMode {
		return nil
	}
	return cluster{n}
}

func (c cluster) text(ctx context.Context, args ...any) (string, error) {
	s, err := c.do(ctx, args...).Text()
	if err != nil {
		return "", fmt.Errorf("node %s: %s: %w", c.spec.ID, verb(args), classify(err))
	}
	return s, nil
}

func (c cluster) ID(ctx context.Context) (string, error) { return c.text(ctx, "CLUSTER", "MYID") }

func (c cluster) Nodes(ctx context.Context) ([]engine.ClusterNode, error) {
	s, err := c.text(ctx, "CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	return engine.ParseNodes(s)
}

func (c cluster) State(ctx context.Context) (map[string]string, error) {
	s, err := c.text(ctx, "CLUSTER", "INFO")
	return fields(s), err
}

func (c cluster) Meet(ctx context.Context, other engine.Endpoint, busPort int) error {
	return c.run(ctx, "CLUSTER", "MEET", other.Address.String(), other.Port, busPort)
}

func (c cluster) Forget(ctx context.Context, id string) error {
	return c.run(ctx, "CLUSTER", "FORGET", id)
}

func (c cluster) AddSlots(ctx context.Context, slots []engine.SlotRange) error {
	return c.ranges(ctx, "ADDSLOTSRANGE", slots)
}

func (c cluster) DropSlots(ctx context.Context, slots []engine.SlotRange) error {
	return c.ranges(ctx, "DELSLOTSRANGE", slots)
}

func (c cluster) ranges(ctx context.Context, verb string, slots []engine.SlotRange) error {
	if len(slots) == 0 {
		return nil
	}
	args := []any{"CLUSTER", verb}
	for _, r := range slots {
		args = append(args, r.First, r.Last)
	}
	return c.run(ctx, args...)
}

func (c cluster) SetEpoch(ctx context.Context, epoch int) error {
	return c.run(ctx, "CLUSTER", "SET-CONFIG-EPOCH", epoch)
}

func (c cluster) Replicate(ctx context.Context, id string) error {
	return c.run(ctx, "CLUSTER", "REPLICATE", id)
}

func (c cluster) Takeover(ctx context.Context) error {
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if info.Role == engine.Primary {
		return nil
	}
	return c.run(ctx, "CLUSTER", "FAILOVER", "TAKEOVER")
}

// HandOver implements [engine.Cluster]. The engine says nothing when a request comes to nothing, after five seconds: because the bus was not
// connected, or because a primary has voted a moment ago. So the first is waited for, and the request is made again.
func (c cluster) HandOver(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		nodes, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		connected := true
		for _, n := range nodes {
			if n.Myself && n.Role == engine.Primary {
				return nil
			}
			connected = connected && (n.Linked || n.Myself || n.Failed)
		}
		if connected {
			if err := c.run(ctx, "CLUSTER", "FAILOVER"); err != nil {
				return err
			}
			try, cancel := context.WithTimeout(ctx, 6*time.Second)
			err := c.becomes(try, engine.Primary, func(map[string]string) bool { return false })
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s: exchanging roles: %w", c.spec.ID, ctx.Err())
		case <-tick.C:
		}
	}
}

func (c cluster) SetSlots(ctx context.Context, state engine.SlotState, id string, slots ...int) error {
	_, err := c.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, slot := range slots {
			args := []any{"CLUSTER", "SETSLOT", slot, string(state)}
			if state != engine.Stable {
				args = append(args, id)
			}
			p.Do(ctx, args...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("node %s: CLUSTER SETSLOT: %w", c.spec.ID, classify(err))
	}
	return nil
}

func (c cluster) Keys(ctx context.Context, n int, slots ...int) ([][]string, error) {
	answers, err := c.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, slot := range slots {
			p.ClusterGetKeysInSlot(ctx, slot, n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("node %s: CLUSTER GETKEYSINSLOT: %w", c.spec.ID, classify(err))
	}
	all := make([][]string, len(answers))
	for i, a := range answers {
		all[i] = a.(*goredis.StringSliceCmd).Val()
	}
	return all, nil
}

func (c cluster) MigrateKeys(ctx context.Context, to engine.Endpoint, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	args := []any{"MIGRATE", to.Address.String(), to.Port, "", 0, 20_000, "REPLACE", "AUTH2", engine.Admin, c.spec.Admin.Reveal(), "KEYS"}
	for _, k := range keys {
		args = append(args, k)
	}
	return c.run(ctx, args...)
}

func (c cluster) Reset(ctx context.Context) error {
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if info.Role == engine.Primary { // a replica cannot be emptied, and a reset empties it
		if err := c.run(ctx, "FLUSHALL"); err != nil {
			return err
		}
	}
	return c.run(ctx, "CLUSTER", "RESET", "HARD")
}
