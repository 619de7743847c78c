//go:build !windows && !plan9 && !solaris && !aix

package node

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// lock takes the file for this process; it is given back when the file is closed or the process ends, in whatever way.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return store.ErrLocked
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return nil
}
