package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

func policyCheckUsage(w io.Writer) {
	fmt.Fprintf(w, `usage: ostiary policy check [--kind KIND] [--lint] FILE…

Reads policy documents and reports everything for which AWS would refuse them, each with its place and a caret under the spot.
- stands for standard input.

  --kind KIND   what the documents are for: %s; without it, identity for a
                document that names no principal, trust or resource for others
  --lint        look for more than errors: unknown actions, resources and keys, statements that do nothing or too much; findings
                other than errors do not change the exit code
`, strings.Join(kindNames, ", "))
}

func policyCheck(_ context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("policy check", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var kind policy.Kind
	fs.Func("kind", "", func(name string) (err error) { kind, err = parseKind(name); return err })
	deep := fs.Bool("lint", false, "")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	sound := true
	for _, file := range fs.Args() {
		text, err := readFile(std, file)
		if err != nil {
			return err
		}
		findings := examine(kind, text, *deep)
		if err := lint.Write(std.err, file, text, findings); err != nil {
			return err
		}
		sound = sound && !slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Severity == lint.Error })
	}
	if !sound {
		return errReported
	}
	return nil
}

// examine returns what there is to say of a document.
func examine(k policy.Kind, text []byte, deep bool) []lint.Finding {
	doc, err := policy.Options{}.ParseAs(k, text)
	switch {
	case err != nil:
		return lint.FromErrors(err)
	case !deep:
		return nil
	case k == 0:
		k = doc.LikelyKind()
	}
	return lint.Lint(doc, k, catalog.ServiceReference())
}

// parseFlags parses the flags of a command that takes files.
func parseFlags(fs *flag.FlagSet, args []string) error {
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err}
	case fs.NArg() == 0:
		return usageError{errors.New("no file is named")}
	}
	return nil
}
