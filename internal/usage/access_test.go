package usage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

const account = "111111111111"

func access(at time.Time, region string, actions map[string]entity.ActionAccess) entity.Access {
	return entity.Access{At: at, Region: region, Actions: actions}
}

func accesses(t *testing.T, r *usage.Recorder, principals ...string) map[string]map[string]entity.Access {
	t.Helper()
	all, err := r.Accesses(t.Context(), account, principals...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// meter counts.
type meter struct{ flushed, records, failed, dropped int }

func (m *meter) UsageFlushed(records int, err error) {
	m.records += records
	if err != nil {
		m.failed++
	} else {
		m.flushed++
	}
}
func (m *meter) UsageDropped() { m.dropped++ }

// TestAccesses: the last use of each service and action of each principal, before and after it is written, and joined with what another
// node has written.
func TestAccesses(t *testing.T) {
	s := open(t)
	clock := func() time.Time { return noon.Add(time.Hour) }
	var m meter
	r, other := usage.New(usage.Config{Store: s, Now: clock, Meter: &m}), usage.New(usage.Config{Store: s, Now: clock})
	for i := range 1000 {
		r.Access(account, "AIDA1", "iam", "GetUser", "us-east-1", noon.Add(time.Duration(i)*time.Millisecond))
	}
	r.Access(account, "AIDA1", "iam", "ListUsers", "us-east-1", noon.Add(time.Minute))
	r.Access(account, "AIDA1", "iam", "GetUser", "early", noon.Add(-time.Minute))
	r.Access(account, "AROA1", "sts", "AssumeRole", "eu-west-1", noon)
	r.Access("222222222222", "AIDA9", "iam", "GetUser", "us-east-1", noon)
	mine := map[string]entity.Access{"iam": access(noon.Add(time.Minute), "us-east-1", map[string]entity.ActionAccess{
		"GetUser": {At: noon, Region: "us-east-1"}, "ListUsers": {At: noon.Add(time.Minute), Region: "us-east-1"}})}
	want := map[string]map[string]entity.Access{"AIDA1": mine,
		"AROA1": {"sts": access(noon, "eu-west-1", map[string]entity.ActionAccess{"AssumeRole": {At: noon, Region: "eu-west-1"}})}}
	check := func(what string, r *usage.Recorder) {
		t.Helper()
		if diff := cmp.Diff(want, accesses(t, r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(map[string]map[string]entity.Access{"AIDA1": want["AIDA1"]}, accesses(t, r, "AIDA1", "AIDANONE")); diff != "" {
			t.Errorf("%s, of one (-want +got):\n%s", what, diff)
		}
	}
	check("noted", r)
	if got := accesses(t, other); len(got) != 0 || r.Pending() != 3 {
		t.Errorf("nothing is written, and another node knows %v; %d are pending", got, r.Pending())
	}
	flush(t, r)
	check("written", r)
	check("read by another", other)
	if m.flushed != 1 || m.records != 3 || r.Pending() != 0 {
		t.Errorf("%+v, %d pending", m, r.Pending())
	}

	// Two nodes that know different things.
	other.Access(account, "AIDA1", "iam", "GetUser", "eu-west-1", noon.Add(2*time.Minute))
	r.Access(account, "AIDA1", "iam", "GetRole", "us-east-1", noon.Add(-time.Hour))
	flush(t, other)
	flush(t, r)
	want["AIDA1"] = map[string]entity.Access{"iam": access(noon.Add(2*time.Minute), "eu-west-1", map[string]entity.ActionAccess{
		"GetUser": {At: noon.Add(2 * time.Minute), Region: "eu-west-1"}, "ListUsers": {At: noon.Add(time.Minute), Region: "us-east-1"},
		"GetRole": {At: noon.Add(-time.Hour), Region: "us-east-1"}})}
	check("joined", r)
	check("joined, read by another", other)
}

// TestAccessNotedWhileWriting: what is noted beside a flush is not lost, nor is what could not be written.
func TestAccessNotedWhileWriting(t *testing.T) {
	s := open(t)
	var m meter
	r := usage.New(usage.Config{Store: s, Now: func() time.Time { return noon }, Meter: &m})
	fresh := usage.New(usage.Config{Store: s, Now: func() time.Time { return noon }})
	note := func(action string) { r.Access(account, "AIDA1", "iam", action, "us-east-1", noon) }
	note("GetUser")
	s.beside = func() { note("ListUsers") }
	flush(t, r)
	if got := accesses(t, fresh)["AIDA1"]["iam"].Actions; len(got) != 1 {
		t.Errorf("written: %v", got)
	}
	s.down.Store(true)
	if err := r.Flush(t.Context()); err == nil {
		t.Error("a store that is down was written to")
	}
	s.down.Store(false)
	if m.failed != 1 || r.Pending() != 1 {
		t.Errorf("%+v, %d pending", m, r.Pending())
	}
	flush(t, r)
	if got := accesses(t, fresh)["AIDA1"]["iam"].Actions; len(got) != 2 || r.Pending() != 0 {
		t.Errorf("written: %v, %d pending", got, r.Pending())
	}
}

// TestTrackingPeriod: what is older is not shown, and swept away; a principal's later uses stay.
func TestTrackingPeriod(t *testing.T) {
	s := open(t)
	now := noon
	r := usage.New(usage.Config{Store: s, Now: func() time.Time { return now }})
	r.Access(account, "AIDA1", "iam", "GetUser", "us-east-1", noon)
	r.Access(account, "AIDA2", "iam", "GetUser", "us-east-1", noon)
	flush(t, r)
	now = noon.Add(usage.TrackingPeriod)
	r.Access(account, "AIDA2", "iam", "ListUsers", "us-east-1", now)
	flush(t, r)
	if got := accesses(t, r); len(got) != 2 {
		t.Errorf("on the last day: %v", got)
	}
	records := func(want int) {
		t.Helper()
		if err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := s.View(t.Context(), func(rd store.Reader) error {
			n = 0
			for _, err := range rd.Range(entity.Accesses()) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil || n != want {
			t.Errorf("%d records, want %d; %v", n, want, err)
		}
	}
	records(2)
	now = now.Add(time.Second)
	want := map[string]map[string]entity.Access{"AIDA2": {"iam": access(noon.Add(usage.TrackingPeriod), "us-east-1", map[string]entity.ActionAccess{
		"ListUsers": {At: noon.Add(usage.TrackingPeriod), Region: "us-east-1"}})}}
	if diff := cmp.Diff(want, accesses(t, r)); diff != "" {
		t.Errorf("a second later (-want +got):\n%s", diff)
	}
	records(1)
}

// TestAccessBounds: a flush of many principals stays within what a transaction may hold, and while the store is down notes do not grow
// without end.
func TestAccessBounds(t *testing.T) {
	s := open(t)
	var m meter
	r := usage.New(usage.Config{Store: s, Now: func() time.Time { return noon }, Meter: &m})
	for i := range 70 {
		for a := range 200 {
			r.Access(account, fmt.Sprint("AIDA", i), "iam", fmt.Sprintf("AnActionWithAName%030d", a), "ap-southeast-1", noon)
		}
	}
	flush(t, r)
	if got := len(accesses(t, r)); got != 70 || m.records != 70 {
		t.Errorf("%d principals, %+v", got, m)
	}
	const many = 200_000
	for i := range many {
		r.Access(account, fmt.Sprint("AIDA", i), "iam", "GetUser", "us-east-1", noon)
		r.Key(fmt.Sprint("AKIA", i), "iam", "us-east-1", noon)
	}
	if r.Pending() > many*3/2 || m.dropped != 2*many-r.Pending() || m.dropped < many/2 {
		t.Errorf("%d are pending, %d were dropped", r.Pending(), m.dropped)
	}
}

// TestLastKeys: many keys at once.
func TestLastKeys(t *testing.T) {
	s := open(t)
	r := usage.New(usage.Config{Store: s})
	r.Key("AKIA1", "iam", "us-east-1", noon)
	r.Key("AKIA2", "iam", "us-east-1", noon)
	flush(t, r)
	r.Key("AKIA2", "sts", "eu-west-1", noon.Add(time.Hour))
	r.Key("AKIA3", "sts", "eu-west-1", noon)
	got, err := r.LastKeys(t.Context(), []string{"AKIA1", "AKIA2", "AKIA3", "AKIA4"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]entity.Usage{
		"AKIA1": {At: noon, Service: "iam", Region: "us-east-1"}, "AKIA2": {At: noon.Add(time.Hour), Service: "sts", Region: "eu-west-1"},
		"AKIA3": {At: noon, Service: "sts", Region: "eu-west-1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNotingAllocatesNothing: a use of what has been noted since the last flush costs no memory.
func TestNotingAllocatesNothing(t *testing.T) {
	r := usage.New(usage.Config{Store: open(t)})
	note := func() { r.Access(account, "AIDA1", "iam", "GetUser", "us-east-1", noon) }
	note()
	if n := testing.AllocsPerRun(100, note); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
