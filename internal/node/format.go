package node

import (
	"context"
	"strconv"

	"github.com/ostiary-iam/ostiary/internal/migrate"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// formatNumber is the version of the stored records as a whole. A change of what lies in the store that the version before would
// misread raises it, and adds to formatSteps what brings a store there.
const formatNumber = 1

var format = strconv.Itoa(formatNumber)

// formatSteps lead from older formats to the present one. There is none older than 1.
var formatSteps []migrate.Step

// readable reports whether this version serves a store of a format, perhaps after migrating it.
func readable(f string) error { return migrate.Readable(f, formatNumber, formatSteps) }

// migrateStore brings the store to the present format, or waits for the node that does.
func (n *Node) migrateStore(ctx context.Context) error {
	steps, present := formatSteps, formatNumber
	if n.cfg.formats != nil {
		steps, present = n.cfg.formats, n.cfg.formats[len(n.cfg.formats)-1].To
	}
	n.system.format = strconv.Itoa(present)
	return migrate.Run(ctx, migrate.Config{
		Store: n.store, Present: present, Steps: steps, Alone: n.alone(), ID: trail.NewID(n.cfg.Rand), Log: n.cfg.Logger,
	})
}

// alone reports whether no other node can have the store open.
func (n *Node) alone() bool { return !n.shared() }
