package policytest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// file is a file of an archive.
type file struct {
	name string
	text string
	line int // of its header
}

// archive is a txtar archive taken apart; comment and the files' texts, put together with their headers, are the whole of it.
type archive struct {
	comment string
	files   []file
	headers []string // as written, with the end of the line
}

// split takes an archive apart.
func split(text string) (*archive, error) {
	a := &archive{}
	number, offset, begin := 0, 0, 0
	end := func() { // of the comment or the file that began at begin
		if n := len(a.files); n > 0 {
			a.files[n-1].text = text[begin:offset]
		} else {
			a.comment = text[begin:offset]
		}
	}
	for line := range strings.Lines(text) {
		number++
		if trimmed := strings.TrimRight(line, "\r\n"); strings.HasPrefix(trimmed, "-- ") && strings.HasSuffix(trimmed, " --") && len(trimmed) > 6 {
			end()
			a.files = append(a.files, file{name: strings.TrimSpace(trimmed[3 : len(trimmed)-3]), line: number})
			a.headers = append(a.headers, line)
			begin = offset + len(line)
		}
		offset += len(line)
	}
	end()
	if len(a.files) == 0 {
		return nil, errors.New("no files in the archive")
	}
	return a, nil
}

// String puts the archive together again.
func (a *archive) String() string {
	var b strings.Builder
	b.WriteString(a.comment)
	for i, f := range a.files {
		b.WriteString(a.headers[i])
		b.WriteString(f.text)
	}
	return b.String()
}

var layer = regexp.MustCompile(`^(?:resource|trust|boundary|(?:identity|session)\[\d+\]|(?:scp|rcp)\[\d+\]\[\d+\])$`)

// result is what became of one case: its outcome, and its text with the expectations that would have been right.
type result struct {
	outcome Outcome
	file    int // index in archive.files
	text    string
}

// run runs the cases of an archive in order.
func (a *archive) run() ([]result, error) {
	var out []result
	r := runner{documents: map[string]string{}}
	for i, f := range a.files {
		kind, name, _ := strings.Cut(f.name, " ")
		var (
			o     = Outcome{Name: f.name, Line: f.line}
			right string
			err   error
		)
		switch {
		case layer.MatchString(f.name):
			r.documents[f.name] = f.text
			if strings.TrimSpace(f.text) == "" {
				delete(r.documents, f.name)
			}
			continue
		case f.name == "request":
			r.request = f.text
			if _, _, err = parseCase("", r.request); err == nil {
				continue
			}
		case kind == "case" && name != "":
			o.Name = name
			right, err = r.question(&o, f.text)
		case (kind == "refused" || kind == "accepted") && name != "":
			right, err = judge(&o, kind, name, f.text)
		default:
			return nil, fmt.Errorf("line %d: unknown file %q", f.line, f.name)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", f.line, f.name, err)
		}
		out = append(out, result{outcome: o, file: i, text: right})
	}
	if len(out) == 0 {
		return nil, errors.New("no case")
	}
	return out, nil
}
