package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const logFile = "node.log"

// openLog opens the file that a process's output goes to. The process keeps it open for its whole life, also over restarts of the server,
// so that it is written to directly and turned over by copying.
func openLog(home string) (*os.File, error) {
	return os.OpenFile(filepath.Join(home, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// turnOver copies a log that has grown too large to node.log.1, after moving older ones on, and empties it. Lines that are written between the
// copy and the emptying are lost: the price of a writer that holds the file and needs no pipe.
func turnOver(home string, most int64, keep int) error {
	path := filepath.Join(home, logFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() <= most {
		return err
	}
	name := func(i int) string { return fmt.Sprintf("%s.%d", path, i) }
	for i := keep - 1; i >= 1; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(name(1), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

// lastLines returns the end of a log for an event: at most n lines and 2 KiB.
func lastLines(home string, n int) string {
	f, err := os.Open(filepath.Join(home, logFile))
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text := make([]byte, min(info.Size(), 2048))
	if _, err := f.ReadAt(text, info.Size()-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(text), "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
