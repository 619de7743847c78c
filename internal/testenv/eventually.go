package testenv

import (
	"testing"
	"time"
)

// patience is how long [Eventually] asks. It is for machines that are busy, and no bound of anything that a test is about.
const patience = 90 * time.Second

// Eventually calls check until it returns nil, and fails the test with its last error when that takes longer than anything could that
// works. It is for what comes about by itself; what a test brings about has an event to wait for.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", patience, what, err)
		}
		time.Sleep(pause)
	}
}
