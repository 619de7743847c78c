package trail

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// volume holds the log's files, which have numbers for names. Its methods are called under Log.fileMu, except open.
type volume interface {
	list() ([]segment, error) // in ascending order
	create(number uint64) (appender, error)
	reopen(number uint64, size int64) (appender, error) // cut to size, ready to append
	open(number uint64) (readerAt, error)               // os.ErrNotExist where there is none
	remove(number uint64) error
}

// appender is the file being written.
type appender interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

type readerAt interface {
	io.ReaderAt
	io.Closer
}

// segment is one file and how many of its bytes count.
type segment struct {
	number uint64
	size   int64
}

const (
	filePrefix = "events-"
	fileSuffix = ".jsonl"
)

// directory is a volume of real files.
type directory struct{ path string }

func openDirectory(path string) (directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return directory{}, err
	}
	return directory{path}, nil
}

func (d directory) file(number uint64) string {
	return filepath.Join(d.path, fmt.Sprintf("%s%020d%s", filePrefix, number, fileSuffix))
}

// list ignores files with other names: they are not the log's.
func (d directory) list() ([]segment, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var segments []segment
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filePrefix)
		if !ok {
			continue
		}
		digits, ok = strings.CutSuffix(digits, fileSuffix)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || e.Name() != filepath.Base(d.file(number)) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		segments = append(segments, segment{number, info.Size()})
	}
	slices.SortFunc(segments, func(a, b segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return segments, nil
}

func (d directory) create(number uint64) (appender, error) {
	f, err := os.OpenFile(d.file(number), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := d.sync(); err != nil {
		_ = f.Close()
		_ = d.remove(number)
		return nil, err
	}
	return f, nil
}

func (d directory) reopen(number uint64, size int64) (appender, error) {
	f, err := os.OpenFile(d.file(number), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (d directory) open(number uint64) (readerAt, error) { return os.Open(d.file(number)) }

func (d directory) remove(number uint64) error { return os.Remove(d.file(number)) }

// sync makes the directory's entries durable.
func (d directory) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// memory is a volume that ends with the process.
type memory struct {
	mu    sync.Mutex
	files map[uint64]*memoryFile // :: number → contents
}

type memoryFile struct {
	mu   sync.Mutex
	data []byte
}

func newMemory() *memory { return &memory{files: make(map[uint64]*memoryFile)} }

func (m *memory) list() ([]segment, error) { return nil, nil } // a new one is empty, and nothing else asks

func (m *memory) create(number uint64) (appender, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := new(memoryFile)
	m.files[number] = f
	return f, nil
}

func (m *memory) reopen(number uint64, size int64) (appender, error) {
	return nil, fmt.Errorf("reopening file %d of %d bytes in memory: %w", number, size, os.ErrNotExist)
}

func (m *memory) open(number uint64) (readerAt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[number]
	if !ok {
		return nil, os.ErrNotExist
	}
	return f, nil
}

func (m *memory) remove(number uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, number)
	return nil
}

func (f *memoryFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = append(f.data, b...)
	return len(b), nil
}

func (f *memoryFile) ReadAt(b []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.NewReader(f.data).ReadAt(b, at)
}

func (f *memoryFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = f.data[:size]
	return nil
}

func (f *memoryFile) Sync() error  { return nil }
func (f *memoryFile) Close() error { return nil }
