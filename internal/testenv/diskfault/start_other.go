//go:build !linux || !(amd64 || arm64)

package diskfault

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// Launcher does nothing here.
func Launcher() {}

// Start skips the test: this system has no such seam.
func Start(t testing.TB, _ *exec.Cmd, _ string, _ Rule) *Disk {
	t.Helper()
	testenv.Missing(t, "seccomp", errors.New("Linux on amd64 or arm64 only"))
	return nil
}

// Disk is a program's disk.
type Disk struct{ Journal }

// SetRule does nothing here.
func (*Disk) SetRule(Rule) {}
