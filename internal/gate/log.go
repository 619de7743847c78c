package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// A request has one line, when it has ended:
//
//	msg=request request=ID service=iam operation=CreateUser outcome=ok account=… principal=arn:… key=AKIA… source=192.0.2.1 took=1.2ms
//
// The ID is the one that the answer has; the outcome is "ok" or the answer's error code; what is not known is left out. The line is of
// level info where the operator wants an access log, and else of level debug. When the server is at fault it is of level error, says
// "request failed" and has the error.

// note counts and logs one finished request.
func (g *Gate) note(c *Call, began time.Time, code string, err error) {
	took := g.now().Sub(began)
	g.meter.Request(c.Request.API.Name, c.Request.Operation.Name, code, took)
	level, log := g.level(err)
	if !log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request", c.event.requestID), slog.String("service", c.Request.API.Name),
		slog.String("operation", c.Request.Operation.Name), outcomeAttr(code))
	if c.Caller != nil && c.Account() != "" {
		attrs = append(attrs, slog.String("account", c.Account()), slog.String("principal", c.Caller.Principal.ARN))
		if c.Caller.AccessKeyID != "" {
			attrs = append(attrs, slog.String("key", c.Caller.AccessKeyID))
		}
	}
	if c.Env.SourceIP.IsValid() {
		attrs = append(attrs, slog.String("source", c.Env.SourceIP.String()))
	}
	g.line(log, level, append(attrs, slog.Duration("took", took)), err)
}

// noteUnknown is note for a request of which not even the operation is known.
func (g *Gate) noteUnknown(r *http.Request, api *wire.API, id string, began time.Time, code string, err error) {
	took := g.now().Sub(began)
	g.meter.Request(api.Name, "", code, took)
	level, log := g.level(err)
	if log.Enabled(context.Background(), level) {
		g.line(log, level, []slog.Attr{slog.String("request", id), slog.String("service", api.Name), outcomeAttr(code),
			slog.String("source", source(r).String()), slog.Duration("took", took)}, err)
	}
}

func (g *Gate) level(err error) (slog.Level, *slog.Logger) {
	switch kind := fault.KindOf(err); {
	case err != nil && (kind == fault.Internal || kind == fault.Unavailable):
		return slog.LevelError, g.failures
	case g.access.Load():
		return slog.LevelInfo, g.log
	}
	return slog.LevelDebug, g.log
}

func (g *Gate) line(log *slog.Logger, level slog.Level, attrs []slog.Attr, err error) {
	message := "request"
	if level == slog.LevelError {
		message = "request failed"
		attrs = append(attrs, slog.Any("err", err))
	}
	log.LogAttrs(context.Background(), level, message, attrs...)
}

func outcomeAttr(code string) slog.Attr {
	if code == "" {
		code = "ok"
	}
	return slog.String("outcome", code)
}

// errPanic is the cause of an error that was a panic.
var errPanic = errors.New("a panic")

// contain makes a panic of the function that defers it an internal error, whose caller reads what AWS says of failures, and logs where it
// happened.
func (g *Gate) contain(id string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	g.meter.Panicked()
	g.failures.Error("a request panicked", "request", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	*err = &fault.Error{Kind: fault.Internal, Cause: errPanic}
}

// source is the address that a request came from; the zero value where it has none.
func source(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value is an address like any other here
	return ap.Addr().Unmap()
}

type noMeter struct{}

func (noMeter) Request(string, string, string, time.Duration) {}
func (noMeter) Decision(string, string)                       {}
func (noMeter) AuthenticationFailure(string)                  {}
func (noMeter) Throttled(string, string)                      {}
func (noMeter) Reauthorized()                                 {}
func (noMeter) Panicked()                                     {}
