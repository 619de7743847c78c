package directory_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

func TestTokenVersion(t *testing.T) {
	w := newWorld(t)
	if got := directory.TokenVersion(w.state().accounts[home]); got != 2 {
		t.Errorf("at first %d", got)
	}
	set := func(n int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.SetTokenVersion(home, n) }
	}
	w.do(set(1))
	if got := directory.TokenVersion(w.state().accounts[home]); got != 1 {
		t.Errorf("set to %d", got)
	}
	for _, n := range []int{0, 3} {
		w.refuse(fault.Invalid, "The specified value for globalEndpointTokenVersion is invalid.", set(n))
	}
}

func TestProperties(t *testing.T) {
	w := newWorld(t)
	put := func(set map[string]string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.PutProperties(home, set) }
	}
	w.do(put(map[string]string{"A/x": "1", "A/y": "2"}))
	w.do(put(map[string]string{"B/x": "3"}))
	w.do(put(map[string]string{"A/x": "4"}))
	want := map[string]string{"A/x": "4", "A/y": "2", "B/x": "3"}
	if diff := cmp.Diff(want, w.state().accounts[home].Properties); diff != "" {
		t.Error(diff)
	}
	w.refuse(fault.InvalidInput, "At least one property must be specified.", put(nil))
	w.refuse(fault.InvalidInput, "All properties must belong to the same namespace.", put(map[string]string{"A/x": "1", "B/x": "1"}))
	w.refuse(fault.InvalidInput, "The property key must be of the form Namespace/PropertyName.", put(map[string]string{"": "1"}))
	many := make(map[string]string)
	for i := range 48 {
		many[fmt.Sprint("A/p", i)] = "1"
	}
	w.refuse(fault.InvalidInput, "An account can have at most 50 properties.", put(many))
	delete(many, "A/p0")
	w.do(put(many))
}

func TestOutbound(t *testing.T) {
	w := newWorld(t)
	enable := func(tx *directory.Tx) (*entity.Outbound, error) { return tx.EnableOutbound(home) }
	disable := func(tx *directory.Tx) error { return tx.DisableOutbound(home) }
	w.refuse(fault.FeatureOff, "Outbound web identity federation is disabled for account "+home+".", disable)
	first := get(w, enable)
	w.refuse(fault.FeatureOn, "Outbound web identity federation is already enabled for account "+home+".", func(tx *directory.Tx) error {
		_, err := enable(tx)
		return err
	})
	w.do(disable)
	w.refuse(fault.FeatureOff, "Outbound web identity federation is disabled for account "+home+".", disable)
	if again := get(w, enable); again.ID != first.ID || !again.Enabled {
		t.Errorf("was %+v, is %+v", first, again)
	}
	if other := get(w, func(tx *directory.Tx) (*entity.Outbound, error) { return tx.EnableOutbound(abroad) }); other.ID == first.ID {
		t.Error("two accounts have one issuer")
	}
}

func TestRootFeatures(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		feature string
		on      bool
		want    []string
	}{
		{directory.RootSessions, false, nil}, {directory.RootSessions, true, []string{directory.RootSessions}},
		{directory.RootSessions, true, []string{directory.RootSessions}},
		{directory.RootCredentialsManagement, true, []string{directory.RootCredentialsManagement, directory.RootSessions}},
		{directory.RootSessions, false, []string{directory.RootCredentialsManagement}},
	} {
		got := get(w, func(tx *directory.Tx) ([]string, error) { return tx.SetRootFeature(home, step.feature, step.on) })
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", step, diff)
		}
		if diff := cmp.Diff(step.want, w.state().accounts[home].RootFeatures); diff != "" && len(step.want) > 0 {
			t.Errorf("%+v stored (-want +got):\n%s", step, diff)
		}
	}
	w.refuse(fault.Invalid, "There is no feature with the name Everything.", func(tx *directory.Tx) error {
		_, err := tx.SetRootFeature(home, "Everything", true)
		return err
	})
}

func TestSTSRegions(t *testing.T) {
	w := newWorld(t)
	active := func(region, own string) bool { return directory.STSActive(w.state().accounts[home], region, own) }
	set := func(region string, on bool) {
		w.do(func(tx *directory.Tx) error {
			_, err := tx.SetSTSRegion(home, region, on)
			return err
		})
	}
	if !active("eu-west-1", "") || !active("us-east-1", "") || active("af-south-1", "") || !active("af-south-1", "af-south-1") || !active("cellar-1", "") {
		t.Error("what is active at first")
	}
	set("us-east-1", true)
	if got := w.state().accounts[home].STSRegions; got != nil {
		t.Errorf("what cannot change was written: %v", got)
	}
	for _, on := range []bool{false, true, true, false} {
		for _, region := range []string{"eu-west-1", "af-south-1", "cellar-1"} {
			set(region, on)
			if active(region, region) != on || active(region, "") != on {
				t.Errorf("%s set to %v", region, on)
			}
		}
	}
	w.refuse(fault.Invalid, "STS cannot be deactivated in us-east-1, nor at the global endpoint.", func(tx *directory.Tx) error {
		_, err := tx.SetSTSRegion(home, "us-east-1", false)
		return err
	})
}
