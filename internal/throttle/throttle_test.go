package throttle_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// clock is set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

func start(r throttle.Rates) (*throttle.Throttle, *clock) {
	c := &clock{time.Unix(1e9, 0)}
	return throttle.New(r, c.now), c
}

// passed is how many of n requests pass.
func passed(n int, ask func() bool) (passed int) {
	for range n {
		if ask() {
			passed++
		}
	}
	return passed
}

const first, second = "111111111111", "222222222222"

// TestAccounts: a budget is an account's own, one for reads and one for writes, and time fills it.
func TestAccounts(t *testing.T) {
	th, c := start(throttle.Rates{Reads: 10, Writes: 5})
	ask := func(id string, k throttle.Kind) func() bool {
		return func() bool { return th.Account(id, k, throttle.Own{}) }
	}
	for _, step := range []struct {
		what string
		wait time.Duration
		id   string
		kind throttle.Kind
		want int
	}{
		{"at first", 0, first, throttle.Read, 10},
		{"none is left", 0, first, throttle.Read, 0},
		{"writes have their own", 0, first, throttle.Write, 5},
		{"others have their own", 0, second, throttle.Read, 10},
		{"a tenth of a second later", 100 * time.Millisecond, first, throttle.Read, 1},
		{"the write took none of it", 0, first, throttle.Write, 0},
		{"a long time later", time.Hour, first, throttle.Read, 10},
		{"and of writes", 0, first, throttle.Write, 5},
		{"the clock goes back", -time.Minute, first, throttle.Read, 0},
	} {
		c.pass(step.wait)
		if got := passed(20, ask(step.id, step.kind)); got != step.want {
			t.Errorf("%s: %d pass, want %d", step.what, got, step.want)
		}
	}
}

// TestRates: defaults, no limit, rates of an account's own, and rates that change.
func TestRates(t *testing.T) {
	th, c := start(throttle.Rates{Reads: -1})
	own := func(n int) func() bool {
		return func() bool { return th.Account(first, throttle.Read, throttle.Own{PerSecond: n, Set: true}) }
	}
	standard := func() bool { return th.Account(first, throttle.Read, throttle.Own{}) }
	if got := passed(3*throttle.DefaultReads, standard); got != 3*throttle.DefaultReads {
		t.Errorf("without a limit %d pass", got)
	}
	if got := passed(2*throttle.DefaultWrites, func() bool { return th.Account(first, throttle.Write, throttle.Own{}) }); got > throttle.DefaultWrites || got < throttle.DefaultWrites*99/100 {
		t.Errorf("by default %d writes pass", got)
	}
	if got := passed(20, own(7)); got != 7 {
		t.Errorf("of its own 7, %d pass", got)
	}
	if got := passed(20, own(0)); got != 0 {
		t.Errorf("of its own 0, %d pass", got)
	}
	c.pass(time.Second)
	th.SetRates(throttle.Rates{Reads: 3})
	if got := passed(20, standard); got != 3 {
		t.Errorf("after the reload %d pass at once, want 3", got)
	}
	c.pass(time.Second)
	if got := passed(20, standard); got != 3 {
		t.Errorf("after the reload %d pass in a second, want 3", got)
	}
	if r := th.Rates(); r != (throttle.Rates{Reads: 3, Writes: throttle.DefaultWrites, Unauthenticated: throttle.DefaultUnauthenticated}) {
		t.Errorf("Rates = %+v", r)
	}
}

// TestEvents: of many throttled calls some leave an event.
func TestEvents(t *testing.T) {
	th, c := start(throttle.Rates{})
	ask := func() bool { return th.Event(first) }
	if got := passed(1000, ask); got != 10 {
		t.Errorf("%d events", got)
	}
	c.pass(time.Second)
	if got := passed(1000, ask); got != 10 {
		t.Errorf("a second later %d events", got)
	}
}

// TestAddresses: what counts as one address, and that budgets of addresses and accounts are apart.
func TestAddresses(t *testing.T) {
	th, _ := start(throttle.Rates{Unauthenticated: 2})
	ask := func(a string) bool { return th.Address(netip.MustParseAddr(a)) }
	for _, step := range []struct {
		address string
		want    bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::ffff:3", false}, {"2001:db8:0:1::1", true}, {"2001:db8::4%eth0", false},
	} {
		if got := ask(step.address); got != step.want {
			t.Errorf("%s passes: %v", step.address, got)
		}
	}
	if passed(5, func() bool { return th.Address(netip.Addr{}) }) != 2 {
		t.Error("what is no address has no budget")
	}
	th.SetRates(throttle.Rates{Unauthenticated: -1})
	if !ask("192.0.2.1") {
		t.Error("without a limit there is one")
	}
}

// TestBounded: many addresses fill no memory, and do not make one forget whoever keeps calling.
func TestBounded(t *testing.T) {
	th, _ := start(throttle.Rates{Unauthenticated: 1})
	steady := netip.MustParseAddr("192.0.2.1")
	th.Address(steady)
	const many = 300_000
	most, again := 0, 0
	for i := range many {
		var b [16]byte
		b[0] = 0x20
		binary.BigEndian.PutUint32(b[2:], uint32(i)) // another network each
		th.Address(netip.AddrFrom16(b))
		if i%1000 == 0 {
			most = max(most, th.Addresses())
			if th.Address(steady) {
				again++
			}
		}
	}
	if most < 32_768 || most > 2*32_768+64 {
		t.Errorf("up to %d addresses are remembered", most)
	}
	if again > 0 {
		t.Errorf("an address that keeps calling was forgotten %d times", again)
	}
}

// TestConcurrent: however many ask, no more pass than the budget has.
func TestConcurrent(t *testing.T) {
	th, _ := start(throttle.Rates{Reads: 1000})
	var wg sync.WaitGroup
	var got [4]atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := range 4 * 400 {
				if th.Account(fmt.Sprint(i%4), throttle.Read, throttle.Own{}) {
					got[i%4].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range got {
		if n := got[i].Load(); n != 1000 {
			t.Errorf("account %d: %d of 3200 pass, want 1000", i, n)
		}
	}
	if th.Accounts() != 4 {
		t.Errorf("%d accounts are remembered", th.Accounts())
	}
}

// TestNil: without a Throttle everything passes.
func TestNil(t *testing.T) {
	var th *throttle.Throttle
	if !th.Account(first, throttle.Read, throttle.Own{}) || !th.Event(first) || !th.Address(netip.Addr{}) {
		t.Error("something does not pass")
	}
}

// TestAllocations: asking is on the path of every request.
func TestAllocations(t *testing.T) {
	th := throttle.New(throttle.Rates{}, nil)
	from := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() {
		th.Account(first, throttle.Read, throttle.Own{})
		th.Address(from)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAccount(b *testing.B) {
	th := throttle.New(throttle.Rates{Reads: 1e9}, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			th.Account(first, throttle.Read, throttle.Own{})
		}
	})
}
