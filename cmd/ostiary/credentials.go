package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credprocess"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// assumeFlags are what `ostiary credentials assume-role` takes.
type assumeFlags struct {
	request credprocess.Request
	profile string
	code    string
	command string
}

func (f *assumeFlags) set() *flag.FlagSet {
	fs := flag.NewFlagSet("credentials assume-role", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&f.request.RoleARN, "role-arn", "", "`ARN` of the role")
	fs.StringVar(&f.profile, "profile", "", "`profile` with the keys to call with (default: the environment's keys, AWS_PROFILE, default)")
	fs.StringVar(&f.request.SessionName, "session-name", "", "`name` of the session (default: ostiary- and the time)")
	fs.StringVar(&f.request.ExternalID, "external-id", "", "external `ID` that the role's trust policy asks for")
	fs.StringVar(&f.request.SerialNumber, "serial-number", "", "`ARN` or serial number of the caller's MFA device")
	fs.StringVar(&f.code, "token-code", "", "the device's `code`")
	fs.StringVar(&f.command, "token-command", "", "shell `command` that prints the device's code")
	fs.DurationVar(&f.request.Duration, "duration", 0, "how long the credentials live, from 15m to the role's maximum (default: an hour)")
	fs.StringVar(&f.request.Endpoint, "endpoint", "", "`URL` of the server (default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, http://127.0.0.1:4566)")
	fs.StringVar(&f.request.Region, "region", "", "`region` to sign for (default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1)")
	return fs
}

func assumeUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary credentials assume-role --role-arn ARN [flags]

Prints credentials of a role for the credential_process setting of AWS's SDKs and command line:

  [profile worker]
  credential_process = ostiary credentials assume-role --role-arn ARN --profile me

`)
	fs := new(assumeFlags).set()
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// assumeRole runs `ostiary credentials assume-role`.
func assumeRole(ctx context.Context, args []string, std stdio) error {
	f := new(assumeFlags)
	set := f.set()
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	in := &f.request
	switch {
	case set.NArg() > 0:
		return usageError{fmt.Errorf("unexpected argument %q", set.Arg(0))}
	case in.RoleARN == "":
		return usageError{errors.New("give --role-arn")}
	case f.code != "" && f.command != "":
		return usageError{errors.New("give --token-code or --token-command, not both")}
	case (in.SerialNumber != "") != (f.code+f.command != ""):
		return usageError{errors.New("--serial-number goes with --token-code or --token-command")}
	case in.Duration < 0 || in.Duration%time.Second != 0:
		return usageError{errors.New("--duration must be whole seconds")}
	}
	in.SessionName = cmp.Or(in.SessionName, fmt.Sprintf("ostiary-%d", time.Now().Unix()))
	in.Endpoint = cmp.Or(in.Endpoint, os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:4566")
	in.Region = cmp.Or(in.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // the files may be named by the environment
	}
	if in.Source, err = credprocess.Source(os.Getenv, home, f.profile); err != nil {
		return err
	}
	if f.command != "" {
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", f.command)
		cmd.Stderr = std.err
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("the command for the code: %w", err)
		}
		f.code = strings.TrimSpace(string(out))
	}
	in.TokenCode = secret.New(f.code)
	c, err := credprocess.AssumeRole(ctx, *in)
	if err != nil {
		return err
	}
	text, err := c.Document()
	if err != nil {
		return err
	}
	_, err = std.out.Write(text)
	return err
}
