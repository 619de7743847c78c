// Package doctor looks at an installation and says what is wrong with it, what will be soon, and what to do about it. It changes
// nothing.
//
// The functions here look at one thing each: records, key ring, certificates, clocks, files. Package node puts them together for a
// server that runs and for a store that none has open.
package doctor

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and should be seen to
	Error   Level = "error"   // it does not work, or data is lost or about to be
)

// Bounds of what is well.
const (
	// Soon is how long before its end a certificate is spoken of.
	Soon = 30 * 24 * time.Hour
	// ClockOff is how far apart clocks may be. Signatures are good for five minutes.
	ClockOff = 30 * time.Second
	// minFree is the least room for a store that grows.
	minFree = 256 << 20
)

// Finding is what one check says.
type Finding struct {
	Check string // what was looked at
	Level Level
	Text  string
	Do    string `json:",omitempty"` // what to do
}

// Report is what all checks say.
type Report struct{ Findings []Finding }

// Add adds a finding.
func (r *Report) Add(check string, level Level, do, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Check: check, Level: level, Text: fmt.Sprintf(format, args...), Do: do})
}

// Worst is the highest level there is.
func (r *Report) Worst() Level {
	worst := OK
	for _, f := range r.Findings {
		if f.Level == Error || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

// Write prints the report for people, the worst first.
func (r *Report) Write(w io.Writer) error {
	rank := map[Level]int{Error: 0, Warning: 1, OK: 2}
	all := slices.Clone(r.Findings)
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank[a.Level], rank[b.Level]) })
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%-8s%s: %s\n", f.Level, f.Check, f.Text)
		if f.Do != "" {
			fmt.Fprintf(&b, "        → %s\n", f.Do)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Clock compares two clocks.
func (r *Report) Clock(what string, here, there time.Time) {
	off := here.Sub(there).Round(time.Second)
	switch {
	case off.Abs() > 5*time.Minute:
		r.Add("clock", Error, "set the clocks, with NTP", "this machine's clock and that of %s are %s apart: requests are refused", what, off.Abs())
	case off.Abs() > ClockOff:
		r.Add("clock", Warning, "set the clocks, with NTP", "this machine's clock and that of %s are %s apart", what, off.Abs())
	default:
		r.Add("clock", OK, "", "it agrees with that of %s", what)
	}
}

// Latest compares the clock with the latest time that the store knows.
func (r *Report) Latest(now, latest time.Time) {
	if ahead := latest.Sub(now).Round(time.Second); ahead > ClockOff {
		r.Add("clock", Error, "set the clock, with NTP: sessions and signatures go by it",
			"the store holds the time %s, %s ahead of this machine's clock", latest.UTC().Format(time.RFC3339), ahead)
		return
	}
	r.Add("clock", OK, "", "nothing in the store is later than it")
}

// Ending says how long something is still good.
func (r *Report) Ending(check, what, do string, now, end time.Time) {
	day := end.UTC().Format(time.DateOnly)
	switch {
	case !now.Before(end):
		r.Add(check, Error, do, "%s has ended on %s", what, day)
	case now.Add(Soon).After(end):
		r.Add(check, Warning, do, "%s ends on %s", what, day)
	}
}

// TLS looks at the files of the server's own certificate.
func (r *Report) TLS(certFile, keyFile string, now time.Time) {
	const do = "replace both files: a PEM chain, the server's certificate first, and its key"
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		r.Add("certificate", Error, do, "%s and %s: %v", certFile, keyFile, err)
		return
	}
	before := len(r.Findings)
	for i, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			r.Add("certificate", Error, do, "%s: certificate %d cannot be read: %v", certFile, i+1, err)
			return
		}
		if now.Before(c.NotBefore) {
			r.Add("certificate", Error, do, "%s: %s is not good before %s", certFile, c.Subject, c.NotBefore.UTC().Format(time.RFC3339))
		}
		r.Ending("certificate", fmt.Sprintf("%s: %s", certFile, c.Subject), do, now, c.NotAfter)
	}
	if len(r.Findings) == before {
		r.Add("certificate", OK, "", "%s is good until %s and matches its key", certFile, pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
}

// Files looks at who may read what lies in a directory. Names in secret are of files that only their owner may read; one that is
// not there is left to others.
func (r *Report) Files(dir string, secret ...string) {
	before := len(r.Findings)
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		r.Add("files", Error, "give the data directory with --data-dir", "%s is no directory that can be read: %v", dir, err)
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		r.Add("files", Warning, fmt.Sprintf("chmod 0700 %s", dir), "%s may be entered by others (mode %#o)", dir, info.Mode().Perm())
	}
	for _, name := range secret {
		path := name
		if !filepath.IsAbs(name) {
			path = filepath.Join(dir, name)
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			r.Add("files", Error, "", "%v", err)
		case !info.Mode().IsRegular():
			r.Add("files", Error, "put a file there", "%s is not a regular file", path)
		case info.Mode().Perm()&0o077 != 0:
			r.Add("files", Error, fmt.Sprintf("chmod 0600 %s, and replace what is in it: others could read it", path), "%s may be read by others (mode %#o)", path, info.Mode().Perm())
		}
	}
	if len(r.Findings) == before {
		r.Add("files", OK, "", "only their owner may read them")
	}
}

// Disk looks at the room where a directory is. used is the size of the store.
func (r *Report) Disk(dir string, used int64) {
	free, ok := freeBytes(dir)
	switch {
	case !ok:
	case free < minFree:
		r.Add("disk", Error, "make room: a store that cannot grow refuses writes", "%d MiB are free in %s", free>>20, dir)
	case free < 2*used:
		r.Add("disk", Warning, "make room for a backup and for growth", "%d MiB are free in %s, and the store has %d MiB", free>>20, dir, used>>20)
	default:
		r.Add("disk", OK, "", "%d MiB are free in %s", free>>20, dir)
	}
}
