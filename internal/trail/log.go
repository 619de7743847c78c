package trail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Defaults of [Config].
const (
	DefaultFileBytes   = 16 << 20
	DefaultTotalBytes  = 512 << 20
	DefaultBufferBytes = 4 << 20
	DefaultFlushEvery  = time.Second

	// defaultMemoryBytes bounds a log in memory.
	defaultMemoryBytes = 64 << 20
)

// Config says where a log is kept and how large it may grow. The zero value is a log in memory.
type Config struct {
	// Dir is the directory of the files; it is made when it does not exist. Empty keeps the log in memory.
	Dir string
	// FileBytes bounds one file. Only a single record larger than this makes a larger file. Zero means
	// [DefaultFileBytes]; it is never more than half of TotalBytes.
	FileBytes int64
	// TotalBytes bounds all files together. Zero means [DefaultTotalBytes], or 64 MiB in memory.
	TotalBytes int64
	// BufferBytes bounds what Record holds back. Zero means [DefaultBufferBytes].
	BufferBytes int
	// FlushEvery is how long Record may hold a record back. Zero means [DefaultFlushEvery].
	FlushEvery time.Duration
	// Dropped is called with the number of records given up because the disk refused them; nil is allowed. It must not
	// call the log.
	Dropped func(events int)
	// Logger says when writing begins to fail and when it works again; nil means no messages.
	Logger *slog.Logger
}

// Log is the append-only log. All methods are safe for concurrent use.
type Log struct {
	cfg    Config
	volume volume

	bufMu   sync.Mutex
	pending []byte // whole lines that Record has taken and nobody has written
	spare   []byte // empty, for the next flush
	count   int    // lines in pending
	failing bool   // the last flush failed
	dropped int    // since failing began
	closed  bool

	fileMu   sync.Mutex // taken before bufMu
	segments []segment  // ascending; the last one is active when active is not nil
	active   appender
	next     uint64 // number of the next file

	stop chan struct{}
	done chan struct{}
}

// Open opens or makes the log and cuts off what a crash left of a half-written line. The caller must Close it.
func Open(cfg Config) (*Log, error) {
	var v volume = newMemory()
	if cfg.Dir != "" {
		d, err := openDirectory(cfg.Dir)
		if err != nil {
			return nil, fmt.Errorf("opening the trail: %w", err)
		}
		v = d
	}
	return openVolume(cfg, v)
}

func openVolume(cfg Config, v volume) (*Log, error) {
	if cfg.TotalBytes <= 0 {
		cfg.TotalBytes = DefaultTotalBytes
		if cfg.Dir == "" {
			cfg.TotalBytes = defaultMemoryBytes
		}
	}
	if cfg.FileBytes <= 0 {
		cfg.FileBytes = DefaultFileBytes
	}
	cfg.FileBytes = min(cfg.FileBytes, cfg.TotalBytes/2)
	if cfg.BufferBytes <= 0 {
		cfg.BufferBytes = DefaultBufferBytes
	}
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = DefaultFlushEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{cfg: cfg, volume: v, stop: make(chan struct{}), done: make(chan struct{})}
	if err := l.resume(); err != nil {
		return nil, fmt.Errorf("opening the trail: %w", err)
	}
	go l.flushLoop()
	return l, nil
}

// resume finds the files and takes up the newest one where its last whole line ends.
func (l *Log) resume() error {
	segments, err := l.volume.list()
	if err != nil {
		return err
	}
	l.segments = segments
	l.next = 1
	if len(segments) == 0 {
		return nil
	}
	l.next = segments[len(segments)-1].number + 1
	last := &l.segments[len(l.segments)-1]
	size, err := l.wholeLines(*last)
	if err != nil {
		return err
	}
	if size < last.size {
		l.cfg.Logger.Warn("trail: cutting off a half-written record", "file", last.number, "bytes", last.size-size)
	}
	if l.active, err = l.volume.reopen(last.number, size); err != nil {
		return err
	}
	last.size = size
	return nil
}

// wholeLines returns how many bytes of the file end with a line end.
func (l *Log) wholeLines(s segment) (int64, error) {
	f, err := l.volume.open(s.number)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for end := s.size; end > 0; {
		n := min(end, int64(len(chunk)))
		if _, err := f.ReadAt(chunk[:n], end-n); err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// Append writes encoded records (see [Event.Append]) in order and makes them durable before it returns nil. After an
// error some of them may have been written. The slices are not kept; line ends in them become spaces.
func (l *Log) Append(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	n := 0
	for _, r := range records {
		n += len(r) + 1
	}
	lines := make([]byte, 0, n)
	for _, r := range records {
		lines = appendLine(lines, r)
	}
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if _, err := l.writeLocked(lines); err != nil {
		return fmt.Errorf("appending to the trail: %w", err)
	}
	return nil
}

func appendLine(dst, record []byte) []byte {
	begin := len(dst)
	dst = append(dst, record...)
	oneLine(dst[begin:])
	return append(dst, '\n')
}

// Record takes an encoded record, which is written within [Config.FlushEvery]. When the buffer is full the caller writes it
// out. Only when the disk refuses writes and the buffer is full is the record dropped, and counted. After Close it is dropped
// too. The slice is not kept; line ends in it become spaces.
func (l *Log) Record(record []byte) {
	if !l.take(record, false) {
		_ = l.Flush() // a failure leaves the buffer full, which take sees
		l.take(record, true)
	}
}

// take puts a record into the buffer. It reports whether that is settled; a record that is given up is settled.
func (l *Log) take(record []byte, last bool) bool {
	l.bufMu.Lock()
	drop := l.closed
	full := len(l.pending) > 0 && len(l.pending)+len(record) >= l.cfg.BufferBytes
	switch {
	case drop:
	case !full:
		l.pending = appendLine(l.pending, record)
		l.count++
	case l.failing:
		drop = true
	case !last:
		l.bufMu.Unlock()
		return false
	default:
		// Others filled the buffer again since this caller wrote it out. One line more than its bound does no harm.
		l.pending = appendLine(l.pending, record)
		l.count++
	}
	if drop {
		l.dropped++
	}
	l.bufMu.Unlock()
	if drop && l.cfg.Dropped != nil {
		l.cfg.Dropped(1)
	}
	return true
}

// Pending is how many records Record holds back.
func (l *Log) Pending() int {
	l.bufMu.Lock()
	defer l.bufMu.Unlock()
	return l.count
}

// Flush writes what Record holds back and makes it durable. After an error the records are still held.
func (l *Log) Flush() error {
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	l.bufMu.Lock()
	lines, count := l.pending, l.count
	if len(lines) == 0 {
		l.bufMu.Unlock()
		return nil
	}
	l.pending, l.spare, l.count = l.spare, nil, 0
	l.bufMu.Unlock()
	n, err := l.writeLocked(lines)

	l.bufMu.Lock()
	defer l.bufMu.Unlock()
	if err != nil {
		rest := lines[n:]
		l.pending = append(rest[:len(rest):len(rest)], l.pending...)
		l.count += bytes.Count(rest, []byte{'\n'})
		if !l.failing {
			l.failing = true
			l.cfg.Logger.Error("trail: events cannot be written and are held in memory", "error", err, "held", l.count)
		}
		return fmt.Errorf("writing the trail: %w", err)
	}
	if l.failing {
		l.cfg.Logger.Info("trail: events are written again", "written", count, "dropped", l.dropped)
		l.failing, l.dropped = false, 0
	}
	if cap(lines) <= 2*l.cfg.BufferBytes {
		l.spare = lines[:0]
	}
	return nil
}

func (l *Log) flushLoop() {
	defer close(l.done)
	tick := time.NewTicker(l.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			_ = l.Flush() // said in the log, and tried again
		}
	}
}

// Close writes what is held back and closes the files. It returns the error of that last write.
func (l *Log) Close() error {
	l.bufMu.Lock()
	if l.closed {
		l.bufMu.Unlock()
		return nil
	}
	l.closed = true
	l.bufMu.Unlock()
	close(l.stop)
	<-l.done
	err := l.Flush()
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if l.active != nil {
		err = errors.Join(err, l.active.Close())
		l.active = nil
	}
	return err
}

// writeLocked appends whole lines and makes them durable, in as many files as their size asks for. It returns how many
// bytes are durable.
func (l *Log) writeLocked(lines []byte) (int, error) {
	written := 0
	for written < len(lines) {
		rest := lines[written:]
		room := l.cfg.FileBytes
		if l.active != nil {
			room -= l.segments[len(l.segments)-1].size
		}
		n := fit(rest, room)
		if n == 0 || l.active == nil {
			if err := l.rotateLocked(); err != nil {
				return written, err
			}
			n = max(fit(rest, l.cfg.FileBytes), bytes.IndexByte(rest, '\n')+1)
		}
		if err := l.writeChunkLocked(rest[:n]); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// fit returns the length of the longest run of whole lines at the head of lines that is not longer than room.
func fit(lines []byte, room int64) int {
	if int64(len(lines)) <= room {
		return len(lines)
	}
	if room <= 0 {
		return 0
	}
	return bytes.LastIndexByte(lines[:room], '\n') + 1
}

// writeChunkLocked appends to the active file. After a failure nothing of the chunk counts, and the next write begins a new
// file: what a disk that failed to sync holds is not known.
func (l *Log) writeChunkLocked(chunk []byte) error {
	s := &l.segments[len(l.segments)-1]
	_, err := l.active.Write(chunk)
	if err == nil {
		err = l.active.Sync()
	}
	if err != nil {
		_ = l.active.Truncate(s.size) // if this fails too, readers stop at s.size, and after a restart see lines twice
		_ = l.active.Close()
		l.active = nil
		if s.size == 0 && l.volume.remove(s.number) == nil { // else a full disk would fill with empty files
			l.segments = l.segments[:len(l.segments)-1]
		}
		return err
	}
	s.size += int64(len(chunk))
	return nil
}

// rotateLocked begins a new file and removes the oldest ones, so that the new one has room within TotalBytes.
func (l *Log) rotateLocked() error {
	if l.active != nil {
		if err := l.active.Close(); err != nil {
			l.cfg.Logger.Warn("trail: closing a full file", "error", err)
		}
		l.active = nil
	}
	total := l.cfg.FileBytes
	for _, s := range l.segments {
		total += s.size
	}
	for len(l.segments) > 0 && total > l.cfg.TotalBytes {
		oldest := l.segments[0]
		if err := l.volume.remove(oldest.number); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the oldest file: %w", err)
		}
		total -= oldest.size
		l.segments = l.segments[1:]
	}
	f, err := l.volume.create(l.next)
	if err != nil {
		return fmt.Errorf("beginning a new file: %w", err)
	}
	l.active = f
	l.segments = append(l.segments, segment{number: l.next})
	l.next++
	return nil
}
