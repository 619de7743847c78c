package gate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// maxBody is the largest request body accepted, as on AWS's Query services. Rows say where documents may be larger.
const maxBody = 1 << 20

// exactBody is up to where room for a body is made as long as the request says it is. Of longer ones as much as has come: who
// announces a megabyte and sends nothing should not hold one.
const exactBody = 8 << 10

// bulkySlots is how many larger bodies are held at a time, so that they cannot fill the memory. Others wait.
const bulkySlots = 2

// readBody reads a request's body. One over maxBody is read on only for a signed request whose Action may have it, and while
// one of few slots is held; release gives the slot back and is never nil.
func (g *Gate) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	if n := r.ContentLength; 0 < n && n <= exactBody {
		body = make([]byte, n)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	}
	if err != nil {
		return nil, release, unreadable(w, err)
	}
	if len(body) <= maxBody {
		return body, release, nil
	}
	limit := g.bulky[formAction(body)]
	if limit <= maxBody || r.Header.Get("Authorization") == "" {
		w.Header().Set("Connection", "close") // what is left of the body is not read
		return nil, release, tooLarge(maxBody)
	}
	if err := g.bulkySlot(r.Context()); err != nil {
		return nil, release, err
	}
	release = func() { <-g.bulkySlots }
	rest, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit-int64(len(body))))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, release, tooLarge(limit)
	}
	if err != nil {
		return nil, release, unreadable(w, err)
	}
	return slices.Concat(body, rest), release, nil
}

// unreadable says why a body could not be read. The connection is of no use any more.
func unreadable(w http.ResponseWriter, err error) error {
	w.Header().Set("Connection", "close")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &fault.Error{Kind: fault.TooSlow, Message: "The request body did not come in time.", Cause: err}
	}
	return &fault.Error{Kind: fault.MalformedInput, Message: "The request body could not be read.", Cause: err}
}

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "Request body is larger than the limit of %d bytes.", limit)
}

func (g *Gate) bulkySlot(ctx context.Context) error {
	select {
	case g.bulkySlots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Unavailable, Message: "The request has failed due to a temporary failure of the server.", Cause: ctx.Err()}
	}
}

// formAction is the value of Action in the beginning of a form, if it stands there plainly.
func formAction(form []byte) string {
	for field := range bytes.SplitSeq(form[:min(len(form), 4096)], []byte("&")) {
		if value, ok := bytes.CutPrefix(field, []byte("Action=")); ok {
			return string(value)
		}
	}
	return ""
}
