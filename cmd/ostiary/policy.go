package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/batch"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

// The policy commands work on files alone: no server is asked and nothing is added to what the files say. The rules of what they
// write:
//
//   - answers (a decision, a formatted document, a difference, the results of cases) go to standard output;
//   - what is wrong with a document goes to standard error, as FILE:LINE:COLUMN and the line with a caret under the spot;
//   - nothing is written when nothing is wrong, unless it was asked for;
//   - no colours, no progress, and nothing that a file says can steer the terminal;
//   - a denial is an answer like any other: the exit code is 0. It is 1 when a document cannot be used, a case came out otherwise
//     than expected, or a file is not formatted, and 2 when the command was called wrongly.

// errReported is for failures of which everything has been said.
var errReported = errors.New("reported")

func policyEvalUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary policy eval --request FILE [--policy FILE…] [--boundary FILE] [--session FILE…] [--resource FILE]
                           [--scp FILE…] [--rcp FILE…] [--explain]
       ostiary policy eval --batch

Decides one request under the given policies and prints the decision and the layer that made it; with --explain, how it came
about: every statement about the action, and what did not fit. The policies are evaluated as given: nothing is added to the
context, and no server is asked. - stands for standard input.

  --policy FILE…    policies of the user, its groups, or the role
  --boundary FILE   the permissions boundary
  --session FILE…   session policies
  --resource FILE   the policy of the resource, or the trust policy of the role
  --scp FILE…       the service control policies of one level; the first --scp is the organization's root, the last the account
  --rcp FILE…       the same for resource control policies
  --request FILE    who asks for what: {"principal": {"type", "arn", …}, "action", "resource", "resourceAccount",
                    "context": {key: [values]}}, or a whole case as below; policies of flags are added to those of the case
  --explain         tell how the decision came about

With --batch it reads one case as a line of JSON from standard input and writes its decision as a line of JSON, in order. A line
that is no case is answered with an error and does not stop the others.

  in:  {"id", "policies": {"identity": [document…], "resource": document, "resourceKind": "resource|trust",
        "boundary": document, "session": [document…], "scp": [[document…]…], "rcp": [[document…]…]},
        "request": {"principal": {"type", "arn", "accountId", "uniqueId", "roleArn", "issuerUserArn", "provider", "service",
        "serviceLinkedRole"}, "action", "resource", "resourceAccount", "context": {key: [values]}}}
  out: {"id", "decision": "allow|deny-explicit|deny-implicit", "layer", "statements": [{"policy", "index", "sid"}…],
        "missing": [key…]} or {"id", "error"}
`)
}

// evalFiles are the files named for policy eval.
type evalFiles struct {
	batch, explain              bool
	identity, session           []string
	scp, rcp                    [][]string
	resource, boundary, request string
	more                        *[]string // takes the arguments that follow
}

// flags declares the flags of policy eval. Those that take several files take all arguments up to the next flag.
func (f *evalFiles) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("policy eval", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	toggle := func(name string, value *bool) {
		fs.BoolFunc(name, "", func(string) error { *value, f.more = true, nil; return nil })
	}
	one := func(name string, value *string) {
		fs.Func(name, "", func(file string) error {
			if *value != "" {
				return errors.New("given twice")
			}
			*value, f.more = file, nil
			return nil
		})
	}
	several := func(name string, list *[]string) {
		fs.Func(name, "", func(file string) error { *list, f.more = append(*list, file), list; return nil })
	}
	level := func(name string, levels *[][]string) {
		fs.Func(name, "", func(file string) error {
			*levels = append(*levels, []string{file})
			f.more = &(*levels)[len(*levels)-1]
			return nil
		})
	}
	toggle("batch", &f.batch)
	toggle("explain", &f.explain)
	one("request", &f.request)
	one("resource", &f.resource)
	one("boundary", &f.boundary)
	several("policy", &f.identity)
	several("session", &f.session)
	level("scp", &f.scp)
	level("rcp", &f.rcp)
	return fs
}

func (f *evalFiles) parse(args []string) error {
	fs := f.flags()
	for {
		switch err := fs.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return err
		case err != nil:
			return usageError{err}
		case fs.NArg() == 0:
			return nil
		case f.more == nil:
			return usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
		}
		*f.more = append(*f.more, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func policyEval(_ context.Context, args []string, std stdio) error {
	var f evalFiles
	if err := f.parse(args); err != nil {
		return err
	}
	files := len(f.identity) + len(f.session) + len(f.scp) + len(f.rcp) + len(f.resource) + len(f.boundary)
	switch {
	case f.batch && (files > 0 || f.request != "" || f.explain):
		return usageError{errors.New("--batch reads all from standard input and takes no other flags")}
	case f.batch:
		return batch.Run(std.in, std.out)
	case f.request == "":
		return usageError{errors.New("--request or --batch is missing")}
	}
	text, err := readFile(std, f.request)
	if err != nil {
		return err
	}
	c, err := batch.Read(text)
	if err != nil {
		return fmt.Errorf("%s: %w", f.request, err)
	}
	if err := f.addTo(c, std); err != nil {
		return err
	}
	var ev batch.Evaluator
	x, err := ev.Explain(c)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", f.request, err)
	case f.explain:
		return x.WriteText(std.out)
	}
	result := batch.NewResult(x)
	fmt.Fprintf(std.out, "%s %s\n", result.Decision, result.Layer)
	for _, s := range result.Statements {
		fmt.Fprintf(std.out, "  statement %d of %s%s\n", s.Index+1, s.Policy, sid(s.Sid))
	}
	if len(result.Missing) > 0 && x.Decision.Effect != policy.Allow {
		fmt.Fprintf(std.out, "  the request lacks %s\n", strings.Join(result.Missing, ", "))
	}
	return nil
}

func sid(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// addTo reads the files and adds their documents to the case. Documents that cannot be used are reported, all of them.
func (f *evalFiles) addTo(c *batch.Case, std stdio) error {
	kind, err := c.ResourceKind()
	if err != nil {
		return fmt.Errorf("%s: %w", f.request, err)
	}
	c.Names = map[string]string{}
	l := &loader{std: std, names: c.Names, sound: true}
	p := &c.Policies
	l.one(&p.Resource, kind, "resource", f.resource)
	l.one(&p.Boundary, policy.Boundary, "boundary", f.boundary)
	l.list(&p.Identity, policy.Identity, "identity", f.identity)
	l.list(&p.Session, policy.Session, "session", f.session)
	l.levels(&p.SCP, policy.ServiceControl, "scp", f.scp)
	l.levels(&p.RCP, policy.ResourceControl, "rcp", f.rcp)
	switch {
	case l.err != nil:
		return l.err
	case !l.sound:
		return errReported
	}
	return nil
}

// loader reads documents. It stops at the first error; a document that cannot be used is reported and does not stop it.
type loader struct {
	std   stdio
	names map[string]string // the files by place
	sound bool
	err   error
}

func (l *loader) document(k policy.Kind, place, file string) json.RawMessage {
	if l.err != nil {
		return nil
	}
	var text []byte
	if text, l.err = readFile(l.std, file); l.err != nil {
		return nil
	}
	l.names[place] = file
	if _, err := (policy.Options{}).ParseAs(k, text); err != nil {
		l.sound, l.err = false, lint.Write(l.std.err, file, text, lint.FromErrors(err))
	}
	return text
}

func (l *loader) one(into *json.RawMessage, k policy.Kind, place, file string) {
	switch {
	case file == "" || l.err != nil:
	case len(*into) > 0 && string(*into) != "null":
		l.err = usageError{fmt.Errorf("--%s is given, and the case has one too", place)}
	default:
		*into = l.document(k, place, file)
	}
}

func (l *loader) list(into *[]json.RawMessage, k policy.Kind, place string, files []string) {
	for _, file := range files {
		*into = append(*into, l.document(k, fmt.Sprintf("%s[%d]", place, len(*into)), file))
	}
}

func (l *loader) levels(into *[][]json.RawMessage, k policy.Kind, place string, levels [][]string) {
	for _, files := range levels {
		*into = append(*into, nil)
		i := len(*into) - 1
		l.list(&(*into)[i], k, fmt.Sprintf("%s[%d]", place, i), files)
	}
}

// readFile reads a file, or standard input for -.
func readFile(std stdio, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(std.in)
	}
	return os.ReadFile(name)
}

// kindNames are the kinds of policy as flags name them, in the order of the help.
var kindNames = []string{"identity", "resource", "trust", "boundary", "session", "scp", "rcp"}

// parseKind returns the kind of policy that a flag names.
func parseKind(name string) (policy.Kind, error) {
	i := slices.Index(kindNames, name)
	if i < 0 {
		return 0, fmt.Errorf("unknown kind %q; the kinds are %s", name, strings.Join(kindNames, ", "))
	}
	return policy.Identity + policy.Kind(i), nil
}
