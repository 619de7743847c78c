package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

func policyFmtUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary policy fmt [-w] [-d] FILE…

Prints policy documents in one form: elements in a fixed order, lists of one as the value alone, two spaces a level. What a
document says stays as it is, and so does the order of statements and lists. - stands for standard input.

  -w   write the result into the file instead of printing it, where it differs
  -d   print the difference instead; the exit code is 1 when there is one
`)
}

func policyFmt(_ context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("policy fmt", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	write, diff := fs.Bool("w", false, ""), fs.Bool("d", false, "")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	clean := true
	for _, file := range fs.Args() {
		if file == "-" && *write {
			return usageError{fmt.Errorf("standard input cannot be written")}
		}
		text, err := readFile(std, file)
		if err != nil {
			return err
		}
		doc, err := policy.Parse(text)
		if err != nil {
			clean = false
			if err := lint.Write(std.err, file, text, lint.FromErrors(err)); err != nil {
				return err
			}
			continue
		}
		formatted := doc.Format()
		same := bytes.Equal(text, formatted)
		if *diff && !same {
			clean = false
			writeDiff(std.out, file, text, formatted)
		}
		if *write && !same {
			if err := replaceFile(file, formatted); err != nil {
				return err
			}
		}
		if !*write && !*diff {
			if _, err := std.out.Write(formatted); err != nil {
				return err
			}
		}
	}
	if !clean {
		return errReported
	}
	return nil
}

// replaceFile puts a text in the place of a file's, whole or not at all. The file keeps its mode, and a symbolic link stays one.
func replaceFile(name string, text []byte) (err error) {
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".ostiary-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}
