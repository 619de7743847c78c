package mem_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opener(c mem.Config) func(testing.TB) store.Store {
	return func(t testing.TB) store.Store {
		s := mem.Open(c)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return s
	}
}

var options = storetest.Options{
	Compact: func(_ *testing.T, s store.Store, upTo store.Revision) { s.(*mem.Store).Compact(upTo) },
}

func TestStore(t *testing.T) { storetest.Run(t, opener(mem.Config{}), options) }

// TestRerun proves the conformance suite's own functions, and that a first run leaves nothing.
func TestRerun(t *testing.T) { storetest.Run(t, opener(mem.Config{Rerun: true}), options) }

func TestRerunRunsTwice(t *testing.T) {
	s := opener(mem.Config{Rerun: true})(t)
	runs := 0
	if _, err := s.Update(t.Context(), func(store.Txn) error { runs++; return nil }); err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, opener(mem.Config{})) }
