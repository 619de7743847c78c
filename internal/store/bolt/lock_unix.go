//go:build !windows && !plan9 && !solaris && !aix && !android

package bolt

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// lock takes the lock that bbolt will take on the same open file, so that the file is looked at under it.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return store.ErrLocked
	}
	if err != nil {
		return fmt.Errorf("locking the file: %w", err)
	}
	return nil
}
