package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/telemetry"
	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// reloads puts a changed configuration in force whenever SIGHUP comes.
type reloads struct {
	args   []string
	inUse  *config.Config // what the server runs with
	level  *slog.LevelVar
	node   *node.Node
	logger *slog.Logger
}

// run works until ctx ends. From then on SIGHUP does nothing: it must not end a server that is draining.
func (r *reloads) run(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			r.reload()
		}
	}
}

// reload reads the configuration and the certificate again. What is wrong is logged and changes nothing.
func (r *reloads) reload() {
	next, err := config.Load(r.args)
	if err != nil {
		r.logger.Error("the new configuration is refused and the old one stays in force", "error", err)
		next = r.inUse
	}
	now, restart := r.inUse.Changed(next)
	if len(restart) > 0 {
		r.logger.Warn("these changes need a restart", "keys", restart)
	}
	level, err := telemetry.ParseLevel(next.LogLevel)
	if err != nil {
		r.logger.Error("the new log level is refused", "error", err) // config.Load has checked it
		level = r.level.Level()
	}
	r.level.Set(min(level, r.level.Level())) // what is said here shows at the old level or at the new one
	problem := r.node.Reload(settings(next))
	// What needs a restart is said again until the restart.
	use := *r.inUse
	use.LogLevel, use.AccessLog = next.LogLevel, next.AccessLog
	use.RateReads, use.RateWrites, use.RateUnauthenticated = next.RateReads, next.RateWrites, next.RateUnauthenticated
	r.inUse = &use
	r.logger.Info("reloaded", "changed", now, "certificate", problem == nil)
	r.level.Set(level)
}

// settings are what a running node can change.
func settings(c *config.Config) node.Reloadable {
	limit := func(perSecond int) int {
		if perSecond == 0 {
			return -1 // none
		}
		return perSecond
	}
	return node.Reloadable{
		Rates:     throttle.Rates{Reads: limit(c.RateReads), Writes: limit(c.RateWrites), Unauthenticated: limit(c.RateUnauthenticated)},
		AccessLog: c.AccessLog,
	}
}
