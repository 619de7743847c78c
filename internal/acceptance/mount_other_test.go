//go:build !linux

package acceptance_test

import "errors"

func mountMemory(string, string) error { return errors.New("on Linux only") }

func unmount(string) error { return nil }
