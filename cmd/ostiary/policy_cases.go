package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

func policyTestUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary policy test [-v] [-run REGEXP] [--update] DIR|FILE…

Runs policy cases: txtar archives with documents and the questions asked of them. Of a directory it takes all files named
*.txtar in it and below. A case that comes out otherwise than expected is printed with its place, what was expected, what came
instead, and how the decision came about; the exit code is then 1.

  -v            print the cases that came out as expected too
  -run REGEXP   only cases whose name matches
  --update      write what really comes out into the archives

  Who may read the reports.
  -- identity[0] --
  {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/${aws:username}/*"}]}
  -- case her own --
  principal: user arn:aws:iam::111122223333:user/alice
  action: s3:GetObject
  resource: arn:aws:s3:::reports/alice/may.pdf
  account: 111122223333
  context: aws:username = alice
  expect: allow identity

Documents are identity[N], resource, trust, boundary, session[N], scp[LEVEL][N], rcp[LEVEL][N] and count for the cases below
them; a file named request holds lines that the cases below it share; "accepted KIND TEXT" and "refused KIND TEXT" hold documents
that can and cannot be a policy of that kind. The whole format is in the documentation of the Go package policy/policytest.
`)
}

// caseRun is a run of policy test.
type caseRun struct {
	std             stdio
	verbose, update bool
	only            *regexp.Regexp
	ran, failed     int
	broken          bool // a file that is no archive
}

func policyTest(_ context.Context, args []string, std stdio) error {
	r := &caseRun{std: std, only: regexp.MustCompile("")}
	flags := flag.NewFlagSet("policy test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&r.verbose, "v", false, "")
	flags.BoolVar(&r.update, "update", false, "")
	flags.Func("run", "", func(text string) (err error) { r.only, err = regexp.Compile(text); return err })
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	files, err := archives(flags.Args())
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := r.file(file); err != nil {
			return err
		}
	}
	switch {
	case r.failed > 0 || r.broken:
		return errReported
	case r.ran == 0:
		return errors.New("no case has a name that matches")
	}
	return nil
}

// archives lists the files named, and the archives in the directories named, in order.
func archives(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, name)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".txtar") {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s has no *.txtar", name)
		}
	}
	return out, nil
}

// file runs the cases of one archive and prints what came of them.
func (r *caseRun) file(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	outcomes, err := policytest.Check(text)
	if err == nil && r.update {
		outcomes, err = r.write(name, text)
	}
	if err != nil {
		r.broken = true
		fmt.Fprintf(r.std.out, "FAIL  %s: %v\n", printable(name), err)
		return nil
	}
	ran, failed := 0, 0
	for _, o := range outcomes {
		if !r.only.MatchString(o.Name) {
			continue
		}
		ran++
		switch {
		case o.Problem != "":
			failed++
			fmt.Fprintf(r.std.out, "--- FAIL: %s:%d: %s\n", printable(name), o.Line, printable(o.Name))
			for line := range strings.Lines(o.String()) {
				fmt.Fprintf(r.std.out, "    %s\n", printable(strings.TrimSuffix(line, "\n")))
			}
		case r.verbose:
			fmt.Fprintf(r.std.out, "--- ok: %s:%d: %s\n", printable(name), o.Line, printable(o.Name))
		}
	}
	r.ran, r.failed = r.ran+ran, r.failed+failed
	switch {
	case failed > 0:
		fmt.Fprintf(r.std.out, "FAIL  %s  %d of %d cases\n", printable(name), failed, ran)
	case ran > 0:
		fmt.Fprintf(r.std.out, "ok    %s  %d cases\n", printable(name), ran)
	}
	return nil
}

// write updates an archive and returns the outcomes that it then has.
func (r *caseRun) write(name string, text []byte) ([]policytest.Outcome, error) {
	updated, err := policytest.Update(text, r.only.MatchString)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(updated, text) {
		if err := replaceFile(name, updated); err != nil {
			return nil, err
		}
		fmt.Fprintf(r.std.out, "wrote %s\n", printable(name))
	}
	return policytest.Check(updated)
}
