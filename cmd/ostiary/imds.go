package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/imds"
)

// imdsFlags are what `ostiary imds` takes.
type imdsFlags struct {
	cfg           imds.Config
	operator      imds.Operator
	container     bool
	listen        string
	tokenFile     string
	authorization string
}

func (f *imdsFlags) set() *flag.FlagSet {
	fs := flag.NewFlagSet("imds", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&f.operator.Role, "role", "", "serve this `role`")
	fs.StringVar(&f.operator.InstanceProfile, "instance-profile", "", "serve the role in this instance `profile`")
	fs.StringVar(&f.operator.Account, "account", "", "`ID` of the account that the role is in (default: the first one of the server)")
	fs.BoolVar(&f.container, "container", false, "serve as a container credentials endpoint; the role must trust ecs-tasks.amazonaws.com")
	fs.StringVar(&f.authorization, "authorization-token-file", "", "`file` with what containers present, made if it is not there; needed with --container")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:1338", "`address` to listen on, loopback or link-local")
	fs.StringVar(&f.operator.Endpoint, "endpoint", "http://127.0.0.1:4566", "`URL` of the server")
	fs.StringVar(&f.tokenFile, "operator-token-file", filepath.Join("ostiary-data", "operator-token"), "`file` with the operator's token; the default may be missing, as for a server in dev mode")
	fs.StringVar(&f.cfg.InstanceID, "instance-id", "", "`ID` of the instance, and name of the role session (default: a random one)")
	fs.StringVar(&f.cfg.Region, "region", "us-east-1", "`region` that the instance is in")
	fs.StringVar(&f.cfg.AvailabilityZone, "availability-zone", "", "`zone` that the instance is in (default: the region's first)")
	fs.DurationVar(&f.cfg.Life, "duration", imds.DefaultLife, "how long credentials live, from 30m to the role's maximum; half of that after, the next are taken")
	fs.BoolVar(&f.cfg.AllowV1, "allow-version-1", false, "answer requests without a token too")
	return fs
}

func imdsUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary imds --role NAME | --instance-profile NAME [flags]

Serves credentials of a role to programs on this machine, as EC2's instance metadata service does, or with --container as the
credentials endpoint of containers does. Whoever reaches the address gets the role.

`)
	fs := new(imdsFlags).set()
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// serveMetadata runs `ostiary imds` until ctx ends.
func serveMetadata(ctx context.Context, args []string, std stdio) error {
	f := new(imdsFlags)
	if err := f.parse(args); err != nil {
		return err
	}
	s, err := imds.New(f.cfg)
	if err != nil {
		return usageError{err}
	}
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	handler, say := s.Metadata(), "  export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://%s/\n"
	if f.container {
		handler, say = s.Container(), "  export AWS_CONTAINER_CREDENTIALS_FULL_URI=http://%s/credentials\n  export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+strings.ReplaceAll(quote(f.authorization), "%", "%%")+"\n"
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "ostiary serves credentials to programs on this machine. To use them with the AWS CLI and the SDKs:\n\n"+say+
		"  export AWS_ENDPOINT_URL=%s AWS_REGION=%s\n\nStop it with Ctrl-C or SIGTERM.\n\n", ln.Addr(), f.operator.Endpoint, f.cfg.Region)
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stopped := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stopped()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// parse reads the flags and the files that they name.
func (f *imdsFlags) parse(args []string) (err error) {
	set := f.set()
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return usageError{err}
	}
	given := make(map[string]bool)
	set.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	listen, addrErr := netip.ParseAddrPort(f.listen)
	switch {
	case set.NArg() > 0:
		return usageError{fmt.Errorf("unexpected argument %q", set.Arg(0))}
	case (f.operator.Role == "") == (f.operator.InstanceProfile == ""):
		return usageError{errors.New("give either --role or --instance-profile")}
	case f.container != (f.authorization != ""):
		return usageError{errors.New("--container and --authorization-token-file go together")}
	case addrErr != nil || !imds.Local(listen.Addr()):
		return usageError{fmt.Errorf("--listen %s: an address and a port, loopback or link-local", f.listen)}
	}
	if f.operator.Endpoint, err = imds.Endpoint(f.operator.Endpoint); err != nil {
		return usageError{err}
	}
	if f.operator.Token, err = imds.ReadToken(f.tokenFile); errors.Is(err, fs.ErrNotExist) && !given["operator-token-file"] {
		err = nil
	} else if err != nil {
		return fmt.Errorf("the operator's token: %w", err)
	}
	if f.container {
		f.cfg.Service = "ecs-tasks.amazonaws.com"
		if f.authorization, err = filepath.Abs(f.authorization); err != nil {
			return err
		}
		if f.cfg.Authorization, err = imds.Authorization(f.authorization, rand.Reader); err != nil {
			return fmt.Errorf("the containers' token: %w", err)
		}
	}
	f.cfg.ByProfile = f.operator.InstanceProfile != ""
	f.cfg.Roles = &f.operator
	return nil
}
