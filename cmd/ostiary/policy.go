package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/ostiary-iam/ostiary/policy/batch"
)

func policyEvalUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary policy eval --batch

Reads one case as a line of JSON from standard input and writes its decision as a line of JSON, in order. A line that is no
case is answered with an error and does not stop the others. The policies are evaluated as given: nothing is added to the
context, and no server is asked.

  in:  {"id", "policies": {"identity": [document…], "resource": document, "resourceKind": "resource|trust",
        "boundary": document, "session": [document…], "scp": [[document…]…], "rcp": [[document…]…]},
        "request": {"principal": {"type", "arn", …}, "action", "resource", "resourceAccount", "context": {key: [values]}}}
  out: {"id", "decision": "allow|deny-explicit|deny-implicit", "layer", "statements": [{"policy", "index", "sid"}…],
        "missing": [key…]} or {"id", "error"}
`)
}

// policyEval answers cases; for now only in batches.
func policyEval(_ context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("policy eval", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	lines := fs.Bool("batch", false, "")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err}
	case fs.NArg() > 0:
		return usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	case !*lines:
		return usageError{errors.New("--batch is missing: cases are read as JSON lines from standard input")}
	}
	return batch.Run(std.in, std.out)
}
