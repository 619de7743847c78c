package redis

import (
	"context"
	"fmt"

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

func (c cluster) SetSlot(ctx context.Context, slot int, state engine.SlotState, id string) error {
	args := []any{"CLUSTER", "SETSLOT", slot, string(state)}
	if state != engine.Stable {
		args = append(args, id)
	}
	return c.run(ctx, args...)
}

func (c cluster) Keys(ctx context.Context, slot, n int) ([]string, error) {
	keys, err := c.do(ctx, "CLUSTER", "GETKEYSINSLOT", slot, n).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("node %s: CLUSTER GETKEYSINSLOT: %w", c.spec.ID, classify(err))
	}
	return keys, nil
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
