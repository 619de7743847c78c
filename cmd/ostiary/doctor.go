package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/doctor"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/opclient"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// doctorFlags are what `ostiary doctor` takes.
type doctorFlags struct {
	storeCommand
	json   bool
	strict bool
	clock  string
}

func (f *doctorFlags) set(fs *flag.FlagSet) {
	f.flags(fs)
	fs.BoolVar(&f.json, "json", false, "print the findings as JSON")
	fs.BoolVar(&f.strict, "strict", false, "end with 1 for warnings too")
	fs.StringVar(&f.clock, "clock-url", "", "compare the clock with the Date header of this `URL`")
}

func doctorUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary doctor --data-dir DIR [flags]      a store that no server has open
       ostiary doctor --endpoint URL [flags]      a running server

Looks at files and their permissions, the pages of a bolt store, every record, the key ring, certificates, clock and disk, and
says what to do about what it finds. It changes nothing. It ends with 1 when something is wrong.

`)
	config.StoreUsage(w, "doctor", new(doctorFlags).set)
}

func runDoctor(ctx context.Context, args []string, std stdio) error {
	f := new(doctorFlags)
	rest, err := f.load("doctor", args, f.set)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	}
	report, err := f.examine(ctx)
	if err != nil {
		return err
	}
	if f.cfg.TLSCertFile != "" {
		report.TLS(f.cfg.TLSCertFile, f.cfg.TLSKeyFile, time.Now())
	}
	if f.clock != "" {
		at, err := opclient.DateOf(ctx, f.clock)
		if err != nil {
			return err
		}
		report.Clock(f.clock, time.Now(), at)
	}
	if f.json {
		enc := json.NewEncoder(std.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.Write(std.out)
	}
	if worst := report.Worst(); err == nil && (worst == doctor.Error || f.strict && worst == doctor.Warning) {
		return errReported
	}
	return err
}

func (f *doctorFlags) examine(ctx context.Context) (*doctor.Report, error) {
	if f.endpoint == "" {
		cfg, err := f.node()
		if err != nil {
			return nil, err
		}
		report, err := node.Examine(ctx, cfg)
		if errors.Is(err, store.ErrLocked) {
			return nil, fmt.Errorf("%w: to look at a running server give --endpoint URL", err)
		}
		return report, err
	}
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	report := new(doctor.Report)
	answer, err := client.Call(ctx, http.MethodGet, "doctor", report)
	if err != nil {
		return nil, err
	}
	if !answer.At.IsZero() {
		report.Clock("the server", time.Now(), answer.At)
	}
	if !answer.Ends.IsZero() {
		report.Ending("certificate", "the certificate that the server shows", "replace it", time.Now(), answer.Ends)
	}
	return report, nil
}
