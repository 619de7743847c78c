package checklist

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Doer sends a request: an *http.Client, or the client that an SDK is given.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Answers returns c, or a Doer that also notes which operations of the Query APIs answered what in the test. Calls that the
// test itself does not look at count too: that an operation was refused with a code is shown by the answer.
func Answers(t testing.TB, c Doer) Doer {
	if os.Getenv(Directory) == "" {
		return c
	}
	w := &watcher{next: c, seen: make(map[Mark]bool)}
	mark(t, func(add func(Mark)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for m := range w.seen {
			add(m)
		}
	})
	return w
}

type watcher struct {
	next Doer
	mu   sync.Mutex
	seen map[Mark]bool
}

var errorCode = regexp.MustCompile(`<Error>(?s:.*?)<Code>([^<]+)</Code>`)

// Versions of the Query APIs, which tell requests apart.
var apiOfVersion = map[string]string{"2010-05-08": "iam", "2011-06-15": "sts", "2015-02-02": "elasticache"}

func (w *watcher) Do(r *http.Request) (*http.Response, error) {
	var form url.Values
	if r.Body != nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ = url.ParseQuery(string(body))
	}
	res, err := w.next.Do(r)
	api, ok := apiOfVersion[form.Get("Version")]
	if err != nil || !ok || res.StatusCode >= http.StatusInternalServerError { // faults strike where they like: another run has others
		return res, err
	}
	m := Mark{Kind: OperationSeen, Subject: api + " " + form.Get("Action")}
	if res.StatusCode != http.StatusOK {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		if err := res.Body.Close(); err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		match := errorCode.FindSubmatch(body)
		if match == nil {
			return res, nil
		}
		m.Code = string(match[1])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[m] = true
	return res, nil
}
