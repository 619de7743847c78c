package cell_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ostiary-iam/ostiary/internal/cell"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Ten cells, a dozen accounts in use, and movers that move them about, crash and take over from each other. Every acknowledged change
// is there in the end, in one cell; every refused one never happened; and what clients of an account saw is what one register
// would have shown them (porcupine), so that no read went back. Clients have routers of their own, whose maps grow old.
func TestTenCells(t *testing.T) {
	moves, seed := 45, uint64(6)
	if os.Getenv("OSTIARY_LONG") != "" {
		moves = 600
	}
	if n, err := strconv.ParseUint(os.Getenv("OSTIARY_SEED"), 10, 64); err == nil {
		seed = n
	}
	w := newWorld(t, 10)
	s := &simulation{world: w, began: time.Now()}
	for i := range 12 {
		a := &client{key: w.account(w.names[i%10])}
		w.must(w.router, a.key, "CreateUser", "UserName", "register", "Tags.member.1.Key", "v", "Tags.member.1.Value", "0")
		s.accounts = append(s.accounts, a)
	}
	stop := make(chan struct{})
	var clients, movers sync.WaitGroup
	for _, a := range s.accounts {
		for n := range 3 {
			clients.Go(func() { s.use(a, n, stop) })
		}
	}
	for m := range 3 {
		movers.Go(func() { s.move(rand.New(rand.NewPCG(seed, uint64(m))), moves/3) })
	}
	movers.Wait()
	close(stop)
	clients.Wait()
	for _, a := range s.accounts { // what a mover left lying
		if err := w.mover(nil).Resume(t.Context(), a.key.account); err != nil {
			t.Fatal(err)
		}
	}
	if t.Failed() {
		return
	}
	acknowledged, refused := 0, 0
	for _, a := range s.accounts {
		s.check(a)
		acknowledged, refused = acknowledged+len(a.made)+a.writes, refused+a.refused
	}
	t.Logf("%d moves ended, %d crashes, %d times given up or overtaken; %d changes acknowledged and %d refused while an account was moving; %d calls sent on from an old map",
		s.moved.Load(), s.crashed.Load(), s.other.Load(), acknowledged, refused, w.sentOn.Load())
	if s.moved.Load() < int64(moves)/4 || s.crashed.Load() < int64(moves)/10 || refused == 0 || w.sentOn.Load() == 0 {
		t.Error("too little happened for the test to say much")
	}
}

type simulation struct {
	*world
	began                 time.Time
	accounts              []*client
	moved, crashed, other atomic.Int64
}

// client is an account in use, and what its users know.
type client struct {
	key     key
	values  atomic.Int64 // given out to the register
	mu      sync.Mutex
	made    []string // users whose creation was acknowledged
	writes  int      // of the register that were acknowledged
	refused int
	history []porcupine.Operation
}

// use calls until it is stopped: n even changes things, the others read.
func (s *simulation) use(a *client, n int, stop <-chan struct{}) {
	router := s.newRouter()
	for i := 0; i < 600; i++ {
		select {
		case <-stop:
			return
		default:
		}
		switch {
		case n == 2:
			s.read(a, router, n)
		case i%3 == 0:
			s.create(a, router, fmt.Sprintf("user-%d-%d", n, i), stop)
		case i%3 == 1:
			s.write(a, router, n)
		default:
			s.read(a, router, n)
		}
	}
}

// create makes a user, again and again until it is acknowledged. A refusal must not have made it.
func (s *simulation) create(a *client, router http.Handler, name string, stop <-chan struct{}) {
	for {
		switch got := call(router, a.key, "CreateUser", "UserName", name); got.status {
		case http.StatusOK:
			a.mu.Lock()
			a.made = append(a.made, name)
			a.mu.Unlock()
			return
		case http.StatusServiceUnavailable:
			a.mu.Lock()
			a.refused++
			a.mu.Unlock()
		default:
			s.t.Errorf("creating %s: %s", name, got)
			return
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// register is what one user's tag should be like: the input of a read is -1.
var register = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		if in := input.(int64); in >= 0 {
			return true, in
		}
		return output.(int64) == state.(int64), state
	},
}

func (s *simulation) write(a *client, router http.Handler, n int) {
	value, began := a.values.Add(1), time.Since(s.began)
	got := call(router, a.key, "TagUser", "UserName", "register", "Tags.member.1.Key", "v", "Tags.member.1.Value", strconv.FormatInt(value, 10))
	ended := time.Since(s.began)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch got.status {
	case http.StatusOK:
		a.writes++
		a.history = append(a.history, porcupine.Operation{ClientId: n, Input: value, Call: int64(began), Output: value, Return: int64(ended)})
	case http.StatusServiceUnavailable: // not in the history: should it have happened, a read will show a value from nowhere
		a.refused++
	default:
		s.t.Errorf("writing: %s", got)
	}
}

func (s *simulation) read(a *client, router http.Handler, n int) {
	began := time.Since(s.began)
	got := call(router, a.key, "GetUser", "UserName", "register")
	ended := time.Since(s.began)
	if got.status == http.StatusServiceUnavailable {
		return
	}
	value, err := strconv.ParseInt(got.element("Value"), 10, 64)
	if err != nil {
		s.t.Errorf("reading: %s", got)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.history = append(a.history, porcupine.Operation{ClientId: n, Input: int64(-1), Call: int64(began), Output: value, Return: int64(ended)})
}

// move moves accounts about. Most movers crash somewhere, and somebody else goes on, gives up, or forgets about it for a while.
func (s *simulation) move(random *rand.Rand, times int) {
	ctx := context.Background()
	for range times {
		a := s.accounts[random.IntN(len(s.accounts))]
		at, _, err := cell.NewMap(s.directory).Find(ctx, a.key.account, 0)
		if err != nil {
			s.t.Error(err)
			return
		}
		to := s.names[random.IntN(len(s.names))]
		if to == at.Cell {
			continue
		}
		var left atomic.Int64
		left.Store(random.Int64N(60))
		late := random.IntN(2) == 0
		err = s.mover(func(st store.Store) store.Store { return crashing{st, &left, late} }).Move(ctx, a.key.account, at.Cell, to)
		if s.count(err) {
			continue
		}
		switch random.IntN(4) {
		case 0:
			s.count(s.mover(nil).Abandon(ctx, a.key.account))
		case 1: // somebody will come by
		default:
			s.count(s.mover(nil).Resume(ctx, a.key.account))
		}
	}
}

// count reports whether a move ended.
func (s *simulation) count(err error) bool {
	switch {
	case err == nil:
		s.moved.Add(1)
	case errors.Is(err, errCrash):
		s.crashed.Add(1)
	case errors.Is(err, cell.ErrElsewhere), errors.Is(err, cell.ErrOvertaken):
		s.other.Add(1)
	default:
		s.t.Errorf("moving: %v", err)
	}
	return err == nil
}

// check holds what is there against what was acknowledged.
func (s *simulation) check(a *client) {
	at := home(s.t, s.world, a.key.account)
	if got := s.homes(a.key.account); !slices.Equal(got, []string{at}) {
		s.t.Errorf("account %s is in %v, and the map says %s", a.key.account, got, at)
	}
	router := s.newRouter()
	var there []string
	for marker := ""; ; {
		form := []string{"ListUsers", "MaxItems", "1000"}
		if marker != "" {
			form = append(form, "Marker", marker)
		}
		page := s.must(router, a.key, form...)
		there = append(there, page.elements("UserName")...)
		if marker = page.element("Marker"); marker == "" {
			break
		}
	}
	want := append(slices.Clone(a.made), "register")
	slices.Sort(want)
	slices.Sort(there)
	if !slices.Equal(there, want) {
		s.t.Errorf("account %s has %d users, and %d were acknowledged", a.key.account, len(there), len(want))
	}
	switch result := porcupine.CheckOperationsTimeout(register, a.history, time.Minute); result {
	case porcupine.Ok:
	default:
		s.t.Errorf("account %s: the history of %d calls: %s", a.key.account, len(a.history), result)
	}
}
