package report_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/policy"
)

const (
	root   = "o-abcdefghij/r-abcd"
	unit   = root + "/ou-abcd-11111111"
	others = root + "/ou-abcd-22222222"

	full = `{"Effect":"Allow","Action":"*","Resource":"*"}`
)

// tree is an organization: its parts by path, and its policies by ID.
type tree struct {
	manager  string
	parts    map[string]report.Part
	policies map[string]*policy.Policy
}

func (o *tree) Manages(account string) bool { return o.manager == account }

func (o *tree) Part(manager, path string) (report.Part, bool) {
	p, ok := o.parts[path]
	return p, ok && o.Manages(manager)
}

func (o *tree) Policy(manager, id string) (*policy.Policy, bool) {
	p, ok := o.policies[id]
	return p, ok && o.Manages(manager)
}

func control(t testing.TB, statements string) *policy.Policy {
	t.Helper()
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.ServiceControl, "scp", d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// organizationWorld is a world whose account manages an organization of four: itself, two in unit and one in others.
func organizationWorld(t *testing.T) (*world, *tree) {
	w := newWorld(t)
	members := []report.Member{{w.account, root + "/" + w.account}, {"111111111111", unit + "/111111111111"}, {"222222222222", unit + "/222222222222"}, {"333333333333", others + "/333333333333"}}
	everything := control(t, full)
	list := control(t, `{"Effect":"Allow","Action":["s3:*","sqs:*","iam:*"],"Resource":"*"}`)
	noSQS := control(t, `{"Effect":"Deny","Action":"sqs:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)
	o := &tree{manager: w.account, parts: map[string]report.Part{
		root:            {Accounts: members, Control: [][]*policy.Policy{{everything}}},
		unit:            {Accounts: members[1:3], Control: [][]*policy.Policy{{everything}, {everything, noSQS}, {list}}},
		others:          {Accounts: members[3:], Control: [][]*policy.Policy{{everything}, {}}},
		members[0].Path: {Accounts: members[:1]},
	}, policies: map[string]*policy.Policy{"p-list": list, "p-denies": noSQS}}
	w.organizations = o
	w.maker = w.newMaker()
	return w, o
}

// report makes a report about a part of the organization.
func (w *world) report(path, policyID string) (*entity.AccessReport, *report.Organization) {
	w.t.Helper()
	var job *entity.AccessReport
	w.commit(func(tx *directory.Tx) (err error) {
		job, err = tx.StartAccessReport(w.account, directory.NewAccessReport{Path: path, Organization: policyID})
		return err
	})
	w.work(w.maker)
	r, o, err := w.maker.Organization(w.t.Context(), w.account, job.Job)
	if err != nil || r == nil || r.EndedAt.IsZero() {
		w.t.Fatalf("%+v, %v", r, err)
	}
	return r, o
}

func prefixes(o *report.Organization) (all []string) {
	for _, d := range o.Details {
		all = append(all, d.Prefix)
	}
	return all
}

// TestOrganizationServices: a part has the services that every level leaves at least one action of; with a policy, those of that policy.
func TestOrganizationServices(t *testing.T) {
	w, _ := organizationWorld(t)
	for _, tt := range []struct {
		name, path, policy string
		want               []string // nil: all
	}{
		{"the root", root, "", nil},
		{"levels and a Deny", unit, "", []string{"iam", "s3"}},
		{"a level without a policy", others, "", []string{}},
		{"the management account", root + "/" + w.account, "", nil},
		{"under one policy", unit, "p-list", []string{"iam", "s3", "sqs"}},
		{"under a policy that only denies", unit, "p-denies", []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, o := w.report(tt.path, tt.policy)
			got := prefixes(o)
			if tt.want == nil {
				if len(got) < 400 || o.NotAccessed() != len(got) {
					t.Errorf("%d services, %d not accessed", len(got), o.NotAccessed())
				}
				return
			}
			if diff := cmp.Diff(tt.want, append([]string{}, got...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOrganizationActivity: of each service the latest use in the part and how many accounts used it; root users count.
func TestOrganizationActivity(t *testing.T) {
	w, _ := organizationWorld(t)
	use := func(account, principal, service string, after time.Duration) {
		w.usage.Access(account, principal, service, "Do", "eu-west-1", noon.Add(after))
	}
	use("111111111111", "AIDA1", "s3", time.Minute)
	use("111111111111", "AIDA2", "s3", 3*time.Minute)
	use("222222222222", "222222222222", "s3", 2*time.Minute)
	use("333333333333", "AIDA3", "s3", time.Hour)  // in another part
	use("222222222222", "AROA1", "sqs", time.Hour) // not allowed there
	w.later(2 * time.Hour)
	_, o := w.report(unit, "")
	want := []report.Detail{
		{Prefix: "iam", Name: o.Details[0].Name},
		{Prefix: "s3", Name: "Amazon S3", At: noon.Add(3 * time.Minute), Region: "eu-west-1", Path: unit + "/111111111111", Total: 2},
	}
	if diff := cmp.Diff(want, o.Details); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := o.NotAccessed(); got != 1 {
		t.Errorf("%d services are not accessed", got)
	}
	_, o = w.report(root, "p-list")
	for i, d := range o.Sorted(report.ByTimeDescending) {
		text := fmt.Sprint(d.Prefix, " ", d.Total, " ", d.Path)
		if want := []string{"s3 3 " + others + "/333333333333", "sqs 1 " + unit + "/222222222222", "iam 0 "}[i]; text != want {
			t.Errorf("%d: %s, want %s", i, text, want)
		}
	}
}

// TestOrganizationGone: what a job is about may be gone when it is done: the part, the policy, the organization.
func TestOrganizationGone(t *testing.T) {
	w, o := organizationWorld(t)
	for _, tt := range []struct{ path, policy, message string }{
		{root + "/ou-abcd-99999999", "", "The entity with path " + root + "/ou-abcd-99999999 does not exist any more."},
		{root, "p-none", "The policy p-none does not exist any more."},
		{root, "", "The organization does not exist any more."},
	} {
		if tt.path == root && tt.policy == "" {
			o.manager = ""
		}
		r, content := w.report(tt.path, tt.policy)
		if r.Failure == nil || r.Failure.Code != "NoSuchEntity" || r.Failure.Message != tt.message || len(content.Details) != 0 {
			t.Errorf("%+v, want %s", r.Failure, tt.message)
		}
	}
	if w.made.failed.Load() != 3 || w.made.organization.Load() != 0 {
		t.Errorf("%d failures and %d reports were counted", w.made.failed.Load(), w.made.organization.Load())
	}
	if err := w.maker.Manages(w.account); err == nil {
		t.Error("an account without an organization manages one")
	}
}
