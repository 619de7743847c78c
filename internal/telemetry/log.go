package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// LogConfig says how log lines look. The zero value is text at level info.
type LogConfig struct {
	Format string // "text" (also when empty) or "json"
	Level  string // "debug", "info" (also when empty), "warn" or "error"
	Dev    bool   // every line says mode=dev
	// Var, where it is not nil, is set to Level, and changes the level of the logger when it changes.
	Var *slog.LevelVar
}

// ParseLevel reads the name of a level.
func ParseLevel(name string) (slog.Level, error) {
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "info", "":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q: want debug, info, warn or error", name)
}

// NewLogger returns a logger that writes lines to w.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	level, err := ParseLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	if cfg.Var == nil {
		cfg.Var = new(slog.LevelVar)
	}
	cfg.Var.Set(level)
	options := &slog.HandlerOptions{Level: cfg.Var}
	var h slog.Handler
	switch cfg.Format {
	case "text", "":
		h = slog.NewTextHandler(w, options)
	case "json":
		h = slog.NewJSONHandler(w, options)
	default:
		return nil, fmt.Errorf("log format %q: want text or json", cfg.Format)
	}
	lg := slog.New(h)
	if cfg.Dev {
		lg = lg.With("mode", "dev")
	}
	return lg, nil
}

// Lines that strangers can cause, by a handshake that fails or a request that does.
const (
	linesPerSecond = 5
	linesAtOnce    = 50
)

// Limit returns a logger for lines that strangers can cause: of warnings and errors, it writes five a second, and fifty at once after a
// quiet time. The next line that is written says how many were not, as "suppressed"; dropped is called for each of them and may be nil.
// Lines of lower levels are not held back: whoever asks for those asks for all. Each logger that Limit returns counts for itself.
func Limit(lg *slog.Logger, dropped func()) *slog.Logger {
	return slog.New(limited{lg.Handler(), &lineLimit{bucket: rate.NewLimiter(linesPerSecond, linesAtOnce), dropped: dropped}})
}

type limited struct {
	slog.Handler
	*lineLimit
}

type lineLimit struct {
	bucket     *rate.Limiter
	suppressed atomic.Int64
	dropped    func()
}

// Handle writes the line, or counts it. Its clock is the record's.
func (h limited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.Handler.Handle(ctx, r)
	}
	if !h.bucket.AllowN(r.Time, 1) {
		h.suppressed.Add(1)
		if h.dropped != nil {
			h.dropped()
		}
		return nil
	}
	if n := h.suppressed.Swap(0); n > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int64("suppressed", n))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep to the same limit.
func (h limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{h.Handler.WithAttrs(attrs), h.lineLimit}
}

// WithGroup is like WithAttrs.
func (h limited) WithGroup(name string) slog.Handler {
	return limited{h.Handler.WithGroup(name), h.lineLimit}
}
