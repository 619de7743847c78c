package catalog_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/policy"
)

func TestManagedPolicies(t *testing.T) {
	checklist.Shows(t, "S3-21")
	m := catalog.ManagedPolicies()
	if m != catalog.ManagedPolicies() {
		t.Error("a second set")
	}
	if m.Len() != 1485 {
		t.Errorf("%d policies", m.Len())
	}
	idForm := regexp.MustCompile(`^ANPAI[A-Z2-7]{16}$`)
	last, n := "", 0
	for p := range m.All() {
		n++
		folded := strings.ToLower(p.Name)
		if folded <= last {
			t.Errorf("%s comes after %s", p.Name, last)
		}
		last = folded
		if !idForm.MatchString(p.ID) {
			t.Errorf("%s has the ID %q", p.Name, p.ID)
		}
		if p.ARN != "arn:aws:iam::aws:policy"+p.Path+p.Name {
			t.Errorf("%s has the ARN %s", p.Name, p.ARN)
		}
		if p.CreateDate.Year() < 2014 || p.UpdateDate.Before(p.CreateDate) || p.UpdateDate.Location() != time.UTC {
			t.Errorf("%s: created %v, updated %v", p.Name, p.CreateDate, p.UpdateDate)
		}
		for how, find := range map[string]func() (*catalog.ManagedPolicy, bool){
			"ARN":  func() (*catalog.ManagedPolicy, bool) { return m.ByARN(p.ARN) },
			"ID":   func() (*catalog.ManagedPolicy, bool) { return m.ByID(p.ID) },
			"name": func() (*catalog.ManagedPolicy, bool) { return m.ByName(p.Name) },
		} {
			if found, ok := find(); !ok || found != p {
				t.Errorf("%s is not found by %s", p.Name, how)
			}
		}
	}
	if n != m.Len() {
		t.Errorf("All yields %d of %d", n, m.Len())
	}
}

func TestKnownPolicies(t *testing.T) {
	m := catalog.ManagedPolicies()
	for _, want := range []struct{ arn, id, version, created, updated, begins string }{
		{"arn:aws:iam::aws:policy/AdministratorAccess", "ANPAIXUEARDEVTUHKHZ23", "v1", "2015-02-06T18:39:46Z", "2015-02-06T18:39:46Z",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"arn:aws:iam::aws:policy/ReadOnlyAccess", "", "", "2015-02-06T18:39:48Z", "", `{"Version":"2012-10-17","Statement":[{"Sid":`},
		{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", "", "v1", "2015-04-09T15:03:43Z", "2015-04-09T15:03:43Z",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup"`},
		{"arn:aws:iam::aws:policy/job-function/Billing", "", "", "2016-11-10T17:33:18Z", "", `{"Version":"2012-10-17",`},
		{"arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy", "", "", "2018-04-19T18:04:44Z", "", `{"Version":"2012-10-17",`},
	} {
		p, ok := m.ByARN(want.arn)
		if !ok {
			t.Errorf("%s is missing", want.arn)
			continue
		}
		created, updated := p.CreateDate.Format(time.RFC3339), p.UpdateDate.Format(time.RFC3339)
		if want.id != "" && p.ID != want.id || want.version != "" && p.DefaultVersion != want.version || created != want.created ||
			want.updated != "" && updated != want.updated || !strings.HasPrefix(p.Document(), want.begins) {
			t.Errorf("%s: %s %s, created %s, updated %s, %.120s", want.arn, p.ID, p.DefaultVersion, created, updated, p.Document())
		}
	}
	for _, arn := range []string{"", "arn:aws:iam::aws:policy/administratoraccess", "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"} {
		if p, ok := m.ByARN(arn); ok {
			t.Errorf("%q gives %s", arn, p.Name)
		}
	}
	if _, ok := m.ByID("ANPAIAAAAAAAAAAAAAAAA"); ok {
		t.Error("an ID that nobody has is found")
	}
}

func TestAfter(t *testing.T) {
	m := catalog.ManagedPolicies()
	var all []string
	for p := range m.All() {
		all = append(all, p.Name)
	}
	for _, i := range []int{0, 1, 700, len(all) - 1} {
		var rest []string
		for p := range m.After(strings.ToLower(all[i])) {
			rest = append(rest, p.Name)
		}
		if len(rest) != len(all)-i-1 || len(rest) > 0 && rest[0] != all[i+1] {
			t.Errorf("after %s: %d policies", all[i], len(rest))
		}
	}
	n := 0
	for range m.After("") {
		n++
	}
	if n != len(all) {
		t.Errorf("after nothing: %d", n)
	}
	for p := range m.After("administratoraccesr") {
		if p.Name != "AdministratorAccess" {
			t.Errorf("after a name that is not there: %s", p.Name)
		}
		break
	}
}

// TestPoliciesOfTheGuide: the policies that the guide names in its chapter on access (S3-23). AWS has replaced AWSCloudTrailReadOnlyAccess.
func TestPoliciesOfTheGuide(t *testing.T) {
	for name := range strings.FieldsSeq(`AdministratorAccess PowerUserAccess ReadOnlyAccess IAMFullAccess IAMUserChangePassword AmazonDynamoDBFullAccess
		AmazonDynamoDBReadOnlyAccess AmazonEC2FullAccess AmazonEC2ReadOnlyAccess AmazonS3FullAccess AmazonMobileAnalyticsWriteOnlyAccess
		AWSCodeCommitPowerUser AWSKeyManagementServicePowerUser AWSCloudTrail_ReadOnlyAccess`) {
		if p, ok := catalog.ManagedPolicies().ByARN("arn:aws:iam::aws:policy/" + name); !ok || p.Name != name {
			t.Errorf("%s is missing", name)
		}
	}
}

// Every document is accepted by the engine, for identities and as a boundary.
func TestDocumentsCompile(t *testing.T) {
	for p := range catalog.ManagedPolicies().All() {
		if !json.Valid([]byte(p.Document())) {
			t.Errorf("%s: no JSON", p.Name)
		}
		doc, err := policy.Parse([]byte(p.Document()))
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		for _, kind := range []policy.Kind{policy.Identity, policy.Boundary} {
			if _, err := policy.Compile(kind, p.ARN, doc); err != nil {
				t.Errorf("%s as %v: %v", p.Name, kind, err)
			}
		}
	}
}

// The generator agrees with the committed files; where the sources are at hand (MANAGED_POLICIES, SERVICE_AUTHORIZATION), with
// those too.
func TestGeneratorCheck(t *testing.T) {
	args := []string{"run", "./gen", "-check", "-dir", "."}
	if source := os.Getenv("MANAGED_POLICIES"); source != "" {
		args = append(args, "-managed", source)
	}
	if source := os.Getenv("SERVICE_AUTHORIZATION"); source != "" {
		args = append(args, "-reference", source)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
