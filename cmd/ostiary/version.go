package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

func versionUsage(w io.Writer) {
	fmt.Fprint(w, "usage: ostiary version\n\nPrints the version, the commit it was built from and the version of Go.\n")
}

func printVersion(_ context.Context, args []string, std stdio) error {
	if err := none("version", args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "ostiary %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version is the module's version, or for a build from a working tree the commit, from what the Go tool wrote into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if commit == "" {
		return "devel"
	}
	return "devel-" + commit + changed
}
