package trail

import (
	"os"
	"sync"
)

// FaultyDisk is a directory whose next writes or syncs can be made to fail.
type FaultyDisk struct {
	directory
	mu    sync.Mutex
	Fails func(op string, n int) (keep int, err error) // op is write, sync, truncate or create; keep bytes of a write reach the disk
}

// OpenFaulty opens a log on a disk that fails as d.Fails says.
func OpenFaulty(cfg Config, d *FaultyDisk) (*Log, error) {
	dir, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, err
	}
	d.directory = dir
	return openVolume(cfg, d)
}

// SetFails replaces the faults; nil is a sound disk.
func (d *FaultyDisk) SetFails(f func(op string, n int) (int, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Fails = f
}

func (d *FaultyDisk) ask(op string, n int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Fails == nil {
		return n, nil
	}
	return d.Fails(op, n)
}

func (d *FaultyDisk) create(number uint64) (appender, error) {
	if _, err := d.ask("create", 0); err != nil {
		return nil, err
	}
	f, err := d.directory.create(number)
	if err != nil {
		return nil, err
	}
	return faultyFile{f.(*os.File), d}, nil
}

func (d *FaultyDisk) reopen(number uint64, size int64) (appender, error) {
	f, err := d.directory.reopen(number, size)
	if err != nil {
		return nil, err
	}
	return faultyFile{f.(*os.File), d}, nil
}

type faultyFile struct {
	*os.File
	disk *FaultyDisk
}

func (f faultyFile) Write(b []byte) (int, error) {
	keep, err := f.disk.ask("write", len(b))
	if err == nil {
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:min(keep, len(b))])
	return n, err
}

func (f faultyFile) Sync() error {
	if _, err := f.disk.ask("sync", 0); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f faultyFile) Truncate(size int64) error {
	if _, err := f.disk.ask("truncate", 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}
