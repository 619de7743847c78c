package directory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// An assertion is used up once, whatever of its provider and account differs it is another one, and it is forgotten in time.
func TestUseAssertion(t *testing.T) {
	w := newWorld(t)
	ctx, forget := context.Background(), start.Add(5*time.Minute)
	use := func(account, provider, id string, forget time.Time) error {
		return w.dir.UseAssertion(ctx, account, provider, id, forget)
	}
	for _, who := range [][3]string{{home, "P", "_a"}, {home, "P", "_b"}, {home, "Q", "_a"}, {abroad, "P", "_a"}} {
		if err := use(who[0], who[1], who[2], forget); err != nil {
			t.Errorf("%v: %v", who, err)
		}
		if err := use(who[0], who[1], who[2], forget); fault.KindOf(err) != fault.InvalidIdentityToken {
			t.Errorf("%v again: %v", who, err)
		}
	}
	left := func() (n int) {
		for key := range w.dump() {
			if strings.HasPrefix(key, `("otp", "saml"`) {
				n++
			}
		}
		return n
	}
	if n := left(); n != 4 {
		t.Errorf("%d assertions are remembered", n)
	}
	w.now = forget // the last second in which one may still be presented
	if err := use(home, "P", "_a", forget); fault.KindOf(err) != fault.InvalidIdentityToken {
		t.Errorf("in its last second: %v", err)
	}
	w.now = forget.Add(time.Second)
	for n := range 20 {
		if err := use(home, "P", fmt.Sprint("_n", n), w.now.Add(5*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n != 20 {
		t.Errorf("%d assertions are remembered", n)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := use(home, "P", "_c", forget); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without the store: %v", err)
	}
}
