package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Finder looks for the programs of one engine and remembers what version each file is until the file changes. It is safe for
// concurrent use and must not be copied after the first.
type Finder struct {
	Engine  Name
	Program string // redis-server
	Package string // what to install, as Debian names it
	// Paths are the programs to consider, by the operator's configuration. Nil means every Program in the directories of $PATH and
	// in /usr/local/bin, /usr/bin and their sbin.
	Paths []string
	// Version reads what the program prints for --version.
	Version func(printed []byte) (Version, error)

	mu   sync.Mutex
	seen map[string]known // path → what it is
}

type known struct {
	size    int64
	changed time.Time
	binary  Binary
	err     error
}

// Find returns the newest program that serves a wanted version, or a [MissingBinary].
func (f *Finder) Find(ctx context.Context, wanted string) (Binary, error) {
	want, err := ParseVersion(wanted)
	if err != nil {
		return Binary{}, err
	}
	all, err := f.All(ctx)
	if err != nil {
		return Binary{}, err
	}
	for _, b := range all {
		if b.Version.Serves(f.Engine, want) {
			return b, nil
		}
	}
	return Binary{}, &MissingBinary{f.Engine, wanted, f.Program, f.Package, all}
}

// All returns every program that is there and says its version, newest first. One that does not is left out unless the operator
// named it: then it is an error.
func (f *Finder) All(ctx context.Context) ([]Binary, error) {
	named := f.Paths != nil
	paths := f.Paths
	if !named {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin") {
			if filepath.IsAbs(dir) {
				paths = append(paths, filepath.Join(dir, f.Program))
			}
		}
	}
	var all []Binary
	var files []os.FileInfo
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && !named {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s program: %w", f.Engine, err)
		}
		if slices.ContainsFunc(files, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
			continue // the same program under another name
		}
		files = append(files, info)
		b, err := f.probe(ctx, path, info)
		if err != nil && named {
			return nil, err
		}
		if err == nil {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(a, b Binary) int { return b.Version.Compare(a.Version) })
	return all, nil
}

func (f *Finder) probe(ctx context.Context, path string, info os.FileInfo) (Binary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.seen[path]; ok && k.size == info.Size() && k.changed.Equal(info.ModTime()) {
		return k.binary, k.err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{"LC_ALL=C"} // nothing of the server's environment
	cmd.Dir = "/"
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return Binary{}, fmt.Errorf("asking %s for its version: %w", path, err) // not remembered: it may have been the machine's load
	}
	k := known{size: info.Size(), changed: info.ModTime()}
	v, err := f.Version(out.Bytes())
	if err != nil {
		k.err = fmt.Errorf("%s: %w", path, err)
	} else {
		k.binary = Binary{f.Engine, path, v}
	}
	if f.seen == nil {
		f.seen = map[string]known{}
	}
	f.seen[path] = k
	return k.binary, k.err
}
