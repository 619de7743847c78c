package trail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"
)

// searched is how far back [Log.holding] looks.
const searched = 64 << 20

// Position is a place in the log between two records. The zero value is before the oldest.
type Position struct {
	File   uint64
	Offset int64
}

// String returns the form that [ParsePosition] reads, such as 3-1024.
func (p Position) String() string {
	return strconv.FormatUint(p.File, 10) + "-" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads what [Position.String] writes.
func ParsePosition(text string) (Position, error) {
	file, offset, ok := strings.Cut(text, "-")
	if ok {
		f, err1 := strconv.ParseUint(file, 10, 64)
		o, err2 := strconv.ParseUint(offset, 10, 63)
		if p := (Position{f, int64(o)}); err1 == nil && err2 == nil && p.String() == text {
			return p, nil
		}
	}
	return Position{}, fmt.Errorf("trail: %q is not a position in the log", text)
}

// Query selects events. The zero value selects all.
type Query struct {
	After   Position  // only what stands after it; a place whose file is gone means the oldest record
	Account string    // only this account's records (recipientAccountId)
	From    time.Time // only events at or after it
	To      time.Time // only events before it; the zero value sets no end
}

// Entry is one record as found.
type Entry struct {
	Event *Event
	Line  []byte   // the record as it stands in the log; the caller may keep it
	End   Position // to go on after this record
}

// Events yields the records that q selects, oldest first, up to the newest that was in the log when it was called: what Record
// holds back is written out first. Records that a rotation removes meanwhile are skipped, as are lines that do not decode.
// The error, if any, is yielded last.
func (l *Log) Events(q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		_ = l.Flush() // a log that cannot be written can still be read
		for _, s := range l.extent() {
			if s.number < q.After.File {
				continue
			}
			from := int64(0)
			if s.number == q.After.File {
				from = q.After.Offset
			}
			more, err := l.scan(s, from, func(line []byte, end int64) bool {
				e := q.match(line)
				if e == nil {
					return true
				}
				return yield(Entry{Event: e, Line: bytes.Clone(line), End: Position{s.number, end}}, nil)
			})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// match returns the event on the line if q selects it.
func (q *Query) match(line []byte) *Event {
	if q.Account != "" && !bytes.Contains(line, []byte(q.Account)) {
		return nil
	}
	e, err := Decode(line)
	switch {
	case err != nil,
		q.Account != "" && e.Recipient != q.Account,
		e.Time.Before(q.From),
		!q.To.IsZero() && !e.Time.Before(q.To):
		return nil
	}
	return e
}

// extent returns the files and how much of each counts now.
func (l *Log) extent() []segment {
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	return append([]segment(nil), l.segments...)
}

// scan calls fn with every line of the file that begins at or after from, without its line end, and the offset behind it.
// The line is valid during the call. It reports whether fn wanted more.
func (l *Log) scan(s segment, from int64, fn func(line []byte, end int64) bool) (bool, error) {
	f, err := l.volume.open(s.number)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the trail: %w", err)
	}
	defer f.Close()
	if from >= s.size {
		return true, nil
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, s.size-from), 64<<10)
	var long []byte
	for at := from; ; {
		part, err := r.ReadSlice('\n')
		at += int64(len(part))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case err == io.EOF:
			return true, nil // what follows the last line end is no record
		case err != nil:
			return false, fmt.Errorf("reading the trail: %w", err)
		}
		line := part
		if len(long) > 0 {
			long = append(long, part...)
			line = long
		}
		if !fn(line[:len(line)-1], at) {
			return false, nil
		}
		long = long[:0]
	}
}

// holding returns which of the given event IDs are in the newest 64 MiB of the log, whole files counted.
func (l *Log) holding(ids map[string]bool) (map[string]bool, error) {
	found := make(map[string]bool)
	segments := l.extent()
	for left := int64(searched); len(segments) > 0 && left > 0 && len(found) < len(ids); {
		s := segments[len(segments)-1]
		segments = segments[:len(segments)-1]
		left -= s.size
		_, err := l.scan(s, 0, func(line []byte, _ int64) bool {
			if id := idOf(line); ids[id] {
				found[id] = true
			}
			return len(found) < len(ids)
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// idOf returns the event ID of a record, or nothing if the line is no record.
func idOf(line []byte) string {
	var e struct {
		ID string `json:"eventID"`
	}
	if json.Unmarshal(line, &e) != nil {
		return ""
	}
	return e.ID
}
