package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says how log lines look. The zero value is text at level info.
type LogConfig struct {
	Format string // "text" (also when empty) or "json"
	Level  string // "debug", "info" (also when empty), "warn" or "error"
	Dev    bool   // every line says mode=dev
}

// NewLogger returns a logger that writes lines to w.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	var level slog.Level
	switch cfg.Level {
	case "debug":
		level = slog.LevelDebug
	case "info", "":
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", cfg.Level)
	}
	options := &slog.HandlerOptions{Level: level}
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
