package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestKill kills the server in the middle of writing, several times over one directory: every account that was acknowledged
// is there afterwards, and its event is in the trail exactly once.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	made := make(map[string]string) // :: alias → account ID, as acknowledged
	rounds, perRound := 3, 400
	for round := range rounds {
		p := start(t, "serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", dir, "--log-level", "error")
		var (
			mu     sync.Mutex
			wg     sync.WaitGroup
			enough = make(chan struct{})
			now    = 0
		)
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					alias := fmt.Sprintf("kill-%d-%d-%d", round, w, i)
					resp, err := http.Post(p.url+"/_ostiary/v1/accounts", "application/json", strings.NewReader(`{"Alias":"`+alias+`"}`))
					if err != nil {
						return // the server is gone
					}
					body, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					var a struct{ AccountId string }
					if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &a) != nil {
						return
					}
					mu.Lock()
					made[alias] = a.AccountId
					if now++; now == perRound {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		ended := make(chan struct{})
		go func() { wg.Wait(); close(ended) }()
		select {
		case <-enough:
		case <-ended:
			t.Fatalf("the server stopped answering after %d accounts: %s", now, p.stderr)
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // says that it was killed
		<-ended
		http.DefaultClient.CloseIdleConnections()
	}
	if len(made) < rounds*perRound {
		t.Fatalf("only %d accounts were acknowledged", len(made))
	}

	p := start(t, "serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", dir)
	events := make(map[string]int) // :: account → CreateAccount events
	for after := ""; ; {
		status, body := p.get(t, "GET", "/_ostiary/v1/events?limit=1000&after="+after)
		var page struct {
			Events []struct{ EventName, RecipientAccountId string }
			Next   string
		}
		if err := json.Unmarshal([]byte(body), &page); status != http.StatusOK || err != nil {
			t.Fatalf("%d, %v: %.200s", status, err, body)
		}
		for _, e := range page.Events {
			if e.EventName == "CreateAccount" {
				events[e.RecipientAccountId]++
			}
		}
		if len(page.Events) == 0 {
			break
		}
		after = page.Next
	}
	for alias, account := range made {
		if events[account] != 1 {
			t.Errorf("account %s has %d events", account, events[account])
		}
		resp, err := http.Post(p.url+"/_ostiary/v1/accounts", "application/json", strings.NewReader(`{"Alias":"`+alias+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusConflict {
			t.Errorf("alias %s is free: %d", alias, resp.StatusCode)
		}
	}
	for account, n := range events {
		if n != 1 {
			t.Errorf("account %s has %d events", account, n)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
