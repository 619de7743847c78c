package server

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Maintenance is what the operator does to the installation as a whole. Errors are fault errors.
type Maintenance interface {
	// Backup makes a backup and returns it when it is complete; the caller closes it.
	Backup(ctx context.Context) (*BackupFile, error)
	// Keys describes the keys of the ring, oldest first.
	Keys(ctx context.Context) ([]RingKey, error)
	// RotateKeys adds a key to the ring.
	RotateKeys(ctx context.Context) ([]RingKey, error)
	// Examine looks for what is wrong; what it returns is package doctor's report.
	Examine(ctx context.Context) (report any, err error)
}

// BackupFile is a backup that waits to be read.
type BackupFile struct {
	Content  io.Reader
	Close    func() error
	Size     int64
	Name     string // to keep it under
	Revision int64
	Records  int64
	Sum      string
}

// RingKey is a key of the ring, without its secret.
type RingKey struct {
	ID        string `json:"Id"`
	State     string // waiting, current or old
	CreatedAt time.Time
	Records   int        // that have a value sealed under it
	KeptUntil *time.Time `json:",omitempty"` // of an old key: before this it is not dropped
}

// backupStall is how long a reader of a backup may take for one piece of it.
const backupStall = time.Minute

// backup answers with a file. Its length is known, so that a reader sees when it was cut off.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a large store takes its time; not every writer has deadlines
	file, err := s.cfg.Operator.Maintenance.Backup(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer func() {
		if err := file.Close(); err != nil {
			s.cfg.Logger.Warn("closing a backup", "error", err)
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(file.Size, 10))
	h.Set("Content-Disposition", `attachment; filename="`+file.Name+`"`)
	h.Set("Ostiary-Backup-Revision", strconv.FormatInt(file.Revision, 10))
	h.Set("Ostiary-Backup-Records", strconv.FormatInt(file.Records, 10))
	h.Set("Ostiary-Backup-Sha256", file.Sum)
	for {
		_ = control.SetWriteDeadline(time.Now().Add(backupStall))
		if _, err := io.CopyN(w, file.Content, 1<<20); err != nil {
			return // its end, or a client that went away
		}
	}
}

func (s *Server) examine(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a large store takes its time
	report, err := s.cfg.Operator.Maintenance.Examine(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, report)
}

func (s *Server) listKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := s.cfg.Operator.Maintenance.Keys(r.Context())
	s.answerKeys(w, r, keys, err)
}

func (s *Server) rotateKeys(w http.ResponseWriter, r *http.Request) {
	if err := decodeBody(w, r, map[string]*string{}); err != nil {
		s.fail(w, r, err)
		return
	}
	keys, err := s.cfg.Operator.Maintenance.RotateKeys(r.Context())
	s.answerKeys(w, r, keys, err)
}

func (s *Server) answerKeys(w http.ResponseWriter, r *http.Request, keys []RingKey, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct{ Keys []RingKey }{keys})
}
