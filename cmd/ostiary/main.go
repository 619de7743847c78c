// Command ostiary is Ostiary's one binary: flags and wiring, no logic.
//
//	ostiary serve [flags]            the server; see ostiary serve -h
//	ostiary backup, restore          a store in a file, and back; of a running server or without one
//	ostiary doctor                   what is wrong with an installation, and what to do about it
//	ostiary keys list|rotate|master  the keys that secrets are sealed under
//	ostiary credentials assume-role  credentials of a role for the credential_process setting of SDKs
//	ostiary imds [flags]             credentials of a role for programs on this machine, as on EC2 and ECS
//	ostiary policy eval [flags]      a decision, and how it came about; or decisions for JSON lines on standard input
//	ostiary policy test DIR|FILE…    policy cases, for people and for CI
//	ostiary policy check FILE…       everything for which AWS would refuse a document, and on request what a linter finds
//	ostiary policy fmt FILE…         documents in one form
//	ostiary version
//
// What it says and where: answers, and what a person is to read once at the start, go to standard output; log lines and
// mistakes go to standard error. It ends with 0 when it did what was asked (a server that was stopped by SIGTERM or SIGINT
// did), with 2 when it was called wrongly and with 1 for every other failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand.
type command struct {
	name  string // words that call it: "policy eval"
	brief string
	usage func(io.Writer)
	run   func(ctx context.Context, args []string, std stdio) error
}

// commands are all subcommands, in the order of the help.
var commands = []command{
	{"serve", "run the server", serveUsage, serve},
	{"backup", "write all records of a store into a file", backupUsage, runBackup},
	{"restore", "bring a store back from a backup", restoreUsage, runRestore},
	{"doctor", "look for what is wrong with an installation", doctorUsage, runDoctor},
	{"keys list", "list the keys that secrets are sealed under", keysListUsage, keysList},
	{"keys rotate", "add a key while the server runs", keysRotateUsage, keysRotate},
	{"keys master", "replace the master key", keysMasterUsage, keysMaster},
	{"credentials assume-role", "print credentials of a role, for credential_process", assumeUsage, assumeRole},
	{"imds", "serve credentials of a role to programs on this machine", imdsUsage, serveMetadata},
	{"policy eval", "decide a request under given policies, and explain", policyEvalUsage, policyEval},
	{"policy test", "run policy cases", policyTestUsage, policyTest},
	{"policy check", "find what is wrong with policy documents", policyCheckUsage, policyCheck},
	{"policy fmt", "print policy documents in one form", policyFmtUsage, policyFmt},
	{"version", "print the version", versionUsage, printVersion},
}

// usageError is a mistake in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run finds the command and returns the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 {
		help(std.err)
		return 2
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		help(std.out)
		return 0
	case "--version", "-version":
		args = append([]string{"version"}, args[1:]...)
	}
	for _, c := range commands {
		words := strings.Fields(c.name)
		if len(args) < len(words) || strings.Join(args[:len(words)], " ") != c.name {
			continue
		}
		err := c.run(ctx, args[len(words):], std)
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flag.ErrHelp):
			c.usage(std.out)
			return 0
		case errors.Is(err, errReported):
			return 1
		}
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(std.err, "ostiary: %s\n", strings.TrimSuffix(line, "\n"))
		}
		if _, ok := errors.AsType[usageError](err); ok {
			fmt.Fprintf(std.err, "ostiary: see ostiary %s -h\n", c.name)
			return 2
		}
		return 1
	}
	fmt.Fprintf(std.err, "ostiary: there is no command %q\n\n", strings.Join(args[:min(2, len(args))], " "))
	help(std.err)
	return 2
}

func help(w io.Writer) {
	fmt.Fprint(w, "Ostiary is AWS Identity and Access Management that you run yourself.\n\nCommands:\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  ostiary %-24s %s\n", c.name, c.brief)
	}
	fmt.Fprint(w, "\nostiary COMMAND -h says more about one.\n")
}

// none is for commands that take neither flags nor arguments.
func none(name string, args []string) error {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	if fs.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	}
	return nil
}
