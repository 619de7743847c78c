package iam_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
)

const (
	sayNoReport      = "The request was rejected because the credential report does not exist. To generate a credential report, use GenerateCredentialReport."
	sayReportPending = "The request was rejected because the credential report is still being generated."
	sayReportExpired = "The request was rejected because the most recent credential report has expired. To generate a new credential report, use GenerateCredentialReport."
)

func generateReport(ctx context.Context, c *sdk.Client) error {
	_, err := c.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{})
	return err
}

func getReport(ctx context.Context, c *sdk.Client) error {
	_, err := c.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{})
	return err
}

func credentialReportPermissions(*world) []permission {
	return []permission{{"GenerateCredentialReport", "*", "*", generateReport}, {"GetCredentialReport", "*", "*", getReport}}
}

// furnishReport makes a finished credential report.
func furnishReport(w *world) {
	w.t.Helper()
	if err := generateReport(w.t.Context(), w.root); err != nil {
		w.t.Fatal(err)
	}
	w.work()
}

func credentialReportErrors(w *world) []apiError {
	get := func() error { return getReport(w.t.Context(), w.root) }
	return []apiError{
		{operation: "GetCredentialReport", code: "ReportNotPresent", message: sayNoReport, do: get, first: func() error {
			_, err := w.store.Update(w.t.Context(), func(tx store.Txn) error { tx.Delete(entity.CredentialsKey(w.account)); return nil })
			return err
		}},
		{operation: "GetCredentialReport", code: "ReportExpired", message: sayReportExpired, do: get, first: func() error {
			w.later(directory.CredentialReportLife)
			return nil
		}},
		{operation: "GetCredentialReport", code: "ReportInProgress", message: sayReportPending, do: get, first: func() error {
			w.later(directory.CredentialReportLife)
			return generateReport(w.t.Context(), w.root)
		}},
	}
}

var credentialReportCannot = map[string]map[string]string{
	"LimitExceeded": {"GenerateCredentialReport": "an account has one report, and a second request joins the first"},
}

// TestCredentialReportStates: what the two operations answer from the first request to the report's end.
func TestCredentialReportStates(t *testing.T) {
	checklist.Shows(t, "S1-283", "S1-285", "S3-355")
	w := newWorld(t)
	ctx := t.Context()
	state := func(want types.ReportStateType, description string) {
		t.Helper()
		out := must(w.root.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{}))(t)
		if out.State != want || aws.ToString(out.Description) != description {
			t.Errorf("got %s %q, want %s %q", out.State, aws.ToString(out.Description), want, description)
		}
	}
	const started = "No report exists. Starting a new report generation task"
	refused(t, getReport(ctx, w.root), 410, "ReportNotPresent", sayNoReport)
	state(types.ReportStateTypeStarted, started)
	state(types.ReportStateTypeInprogress, "")
	refused(t, getReport(ctx, w.root), 404, "ReportInProgress", sayReportPending)
	w.work()
	state(types.ReportStateTypeComplete, "")
	first := must(w.root.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}))(t)
	if first.ReportFormat != types.ReportFormatTypeTextCsv {
		t.Errorf("format %s", first.ReportFormat)
	}
	recent(t, "GeneratedTime", first.GeneratedTime)

	// For four hours it is the same report, whatever happens.
	w.user("newcomer")
	w.later(directory.CredentialReportLife - time.Minute)
	state(types.ReportStateTypeComplete, "")
	w.work()
	again := must(w.root.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}))(t)
	if string(again.Content) != string(first.Content) || !again.GeneratedTime.Equal(*first.GeneratedTime) {
		t.Error("another report within four hours")
	}
	w.later(time.Minute)
	refused(t, getReport(ctx, w.root), 410, "ReportExpired", sayReportExpired)
	state(types.ReportStateTypeStarted, started)
	w.work()
	if next := must(w.root.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}))(t); !strings.Contains(string(next.Content), "\nnewcomer,") {
		t.Errorf("the next report has no newcomer:\n%s", next.Content)
	}
}

// home is the account as the snapshot shows it.
func (w *world) home() snapshot.Account {
	w.t.Helper()
	w.settle()
	account, ok := w.follower.Current().Account(w.account)
	if !ok {
		w.t.Fatal("there is no account")
	}
	return account
}

// put writes a record as the operations of its kind would.
func (w *world) put(records map[string]any) {
	w.t.Helper()
	_, err := w.store.Update(w.t.Context(), func(tx store.Txn) error {
		for key, record := range records {
			tx.Put([]byte(key), entity.Encode(record))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// reportRows generates a report and returns its rows by user, each by column, and the order of users.
func (w *world) reportRows() (rows map[string]map[string]string, order []string, header []string) {
	w.t.Helper()
	furnishReport(w)
	out := must(w.root.GetCredentialReport(w.t.Context(), &sdk.GetCredentialReportInput{}))(w.t)
	lines, err := csv.NewReader(strings.NewReader(string(out.Content))).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	rows = make(map[string]map[string]string)
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows[row["user"]], order = row, append(order, row["user"])
	}
	return rows, order, lines[0]
}

// TestCredentialReportRows: users with every sort of credential, and the root user (E16 of S1).
func TestCredentialReportRows(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	born := w.now().UTC().Truncate(time.Second)
	set := born.Add(-30 * 24 * time.Hour)
	iso := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05") + "+00:00" }

	certificateID := strings.Repeat("A", 32)
	clients := make(map[string]*sdk.Client)
	users := make(map[string]*entity.User)
	for _, name := range []string{"plain", "Zoe", "two.keys", "idle-key", "secure", "signer"} {
		clients[name] = w.user(name, allow("iam:Get*", "*"))
		u, _ := w.home().User(name)
		copied := *u.User
		users[name] = &copied
	}
	key := func(name string) string { return users[name].Keys[0] }
	second := must(w.root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("two.keys")}))(t).AccessKey
	must(clients["two.keys"].GetUser(ctx, &sdk.GetUserInput{}))(t) // a use
	must(w.root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("idle-key"), AccessKeyId: aws.String(key("idle-key")), Status: types.StatusTypeInactive}))(t)
	for _, name := range []string{"plain"} {
		must(w.root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: &name, AccessKeyId: aws.String(key(name))}))(t)
	}
	secure, _ := w.home().User("secure")
	signer, _ := w.home().User("signer")
	s, g := *secure.User, *signer.User
	device := entity.MFADevice{Account: w.account, Serial: w.arn("mfa/s"), Type: entity.VirtualMFA, Name: "s", Path: "/", Owner: s.ID, CreatedAt: born, EnabledAt: born}
	profile := entity.LoginProfile{Account: w.account, User: s.ID, CreatedAt: set.Add(-time.Hour), ChangedAt: set, Hash: "x"}
	s.Owned = entity.Owned{entity.KindMFADevice: {device.Serial}, entity.KindLoginProfile: {s.ID}}
	good := entity.SigningCertificate{ID: certificateID, Account: w.account, User: g.ID, UploadedAt: set, Body: "x"}
	bad := entity.SigningCertificate{ID: strings.Repeat("B", 32), Account: w.account, User: g.ID, UploadedAt: set, Body: "x", Inactive: true}
	g.Owned = entity.Owned{entity.KindSigningCertificate: {good.ID, bad.ID}}
	w.put(map[string]any{
		string(entity.UserKey(w.account, s.ID)): &s, string(entity.UserKey(w.account, g.ID)): &g,
		string(entity.KeyOf(&device)): &device, string(entity.KeyOf(&profile)): &profile, string(entity.KeyOf(&good)): &good, string(entity.KeyOf(&bad)): &bad,
	})

	rows, order, header := w.reportRows()
	t.Run("form", func(t *testing.T) {
		checklist.Shows(t, "S1-282")
		// D5: today's columns, which are the guide's 22 and one more.
		want := "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
			"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
			"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
			"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated,additional_credentials_info"
		if got := strings.Join(header, ","); got != want {
			t.Errorf("header\n%s\nwant\n%s", got, want)
		}
		equalNames(t, "order", order, []string{"<root_account>", "idle-key", "plain", "secure", "signer", "two.keys", "Zoe"})
	})
	// same compares the row with what it says beyond what a user has who has nothing.
	same := func(t *testing.T, name string, want map[string]string) {
		t.Helper()
		full := map[string]string{"user": name, "arn": w.arn("user/" + name), "password_enabled": "false", "mfa_active": "false",
			"access_key_1_active": "false", "access_key_2_active": "false", "cert_1_active": "false", "cert_2_active": "false"}
		got := rows[name]
		for column := range got {
			if value, ok := want[column]; ok {
				full[column] = value
			} else if full[column] == "" {
				full[column] = "N/A"
			}
		}
		if created, err := time.Parse("2006-01-02T15:04:05+00:00", got["user_creation_time"]); err != nil || created.Before(born) || time.Since(created) > time.Minute {
			t.Errorf("user_creation_time %s: %v", got["user_creation_time"], err)
		}
		full["user_creation_time"] = got["user_creation_time"]
		if diff := cmp.Diff(full, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	at := func(name, column string) string { // a time of this test
		text := rows[name][column]
		if when, err := time.Parse("2006-01-02T15:04:05+00:00", text); err != nil || when.Before(born) || time.Since(when) > time.Minute {
			t.Errorf("%s of %s is %s", column, name, text)
		}
		return text
	}
	rotated := func(name string) string { return at(name, "access_key_1_last_rotated") }
	t.Run("no credentials", func(t *testing.T) {
		checklist.Shows(t, "S1-288", "S1-298", "S1-442")
		same(t, "plain", nil)
	})
	t.Run("a key never used", func(t *testing.T) {
		checklist.Shows(t, "S1-294", "S1-295")
		same(t, "Zoe", map[string]string{"access_key_1_active": "true", "access_key_1_last_rotated": rotated("Zoe")})
	})
	t.Run("an inactive key", func(t *testing.T) {
		checklist.Shows(t, "S1-294", "S1-295", "S1-443")
		same(t, "idle-key", nil)
	})
	t.Run("two keys, one used", func(t *testing.T) {
		checklist.Shows(t, "S1-296", "S1-444")
		same(t, "two.keys", map[string]string{
			"access_key_1_active": "true", "access_key_1_last_rotated": rotated("two.keys"), "access_key_1_last_used_date": at("two.keys", "access_key_1_last_used_date"),
			"access_key_1_last_used_region": "us-east-1", "access_key_1_last_used_service": "iam",
			"access_key_2_active": "true", "access_key_2_last_rotated": iso(*second.CreateDate),
		})
	})
	t.Run("password and MFA", func(t *testing.T) {
		checklist.Shows(t, "S1-289", "S1-290", "S1-291", "S1-293", "S1-278", "S1-442")
		same(t, "secure", map[string]string{
			"password_enabled": "true", "password_last_used": "no_information", "password_last_changed": iso(set), "mfa_active": "true",
			"access_key_1_active": "true", "access_key_1_last_rotated": rotated("secure"),
		})
	})
	t.Run("certificates", func(t *testing.T) {
		checklist.Shows(t, "S1-297")
		same(t, "signer", map[string]string{"cert_1_active": "true", "cert_1_last_rotated": iso(set), "access_key_1_active": "true", "access_key_1_last_rotated": rotated("signer")})
	})
	t.Run("root", func(t *testing.T) {
		checklist.Shows(t, "S1-282", "S1-289", "S1-291", "S1-292", "S1-444")
		same(t, "<root_account>", map[string]string{
			"arn": w.arn("root"), "password_enabled": "not_supported", "password_last_changed": "not_supported", "password_next_rotation": "not_supported",
			"access_key_1_active": "true", "access_key_1_last_rotated": rotated("<root_account>"), "access_key_1_last_used_date": at("<root_account>", "access_key_1_last_used_date"),
			"access_key_1_last_used_region": "us-east-1", "access_key_1_last_used_service": "iam",
		})
	})

	// Passwords that expire, a key that was made active again, and more keys than AWS allows.
	acct := *w.home().Account
	acct.PasswordPolicy = &entity.PasswordPolicy{MinimumLength: 8, MaximumAge: 90 * 24 * time.Hour}
	w.put(map[string]any{string(entity.AccountKey(w.account)): &acct})
	w.make(func(tx *directory.Tx) error {
		n := 4
		_, err := tx.SetQuota(w.account, directory.AccessKeysPerUserQuota, &n)
		for range 3 {
			if err == nil {
				_, err = tx.CreateAccessKey(directory.OfUser(w.account, "secure"))
			}
		}
		return err
	})
	w.later(directory.CredentialReportLife)
	changed := w.now()
	must(w.root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("idle-key"), AccessKeyId: aws.String(key("idle-key")), Status: types.StatusTypeActive}))(t)
	for _, status := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		must(w.root.UpdateSigningCertificate(ctx, &sdk.UpdateSigningCertificateInput{UserName: aws.String("signer"), CertificateId: aws.String(certificateID), Status: status}))(t)
	}
	rows, _, _ = w.reportRows()
	t.Run("later", func(t *testing.T) {
		checklist.Shows(t, "S1-292", "S1-295", "S1-297")
		if got, want := rows["secure"]["password_next_rotation"], iso(set.Add(90*24*time.Hour)); got != want {
			t.Errorf("password_next_rotation %s, want %s", got, want)
		}
		if got, want := rows["secure"]["additional_credentials_info"], "2 additional access keys: use ListAccessKeys"; got != want {
			t.Errorf("additional_credentials_info %q, want %q", got, want)
		}
		if got := rows["plain"]["password_next_rotation"]; got != "N/A" {
			t.Errorf("a user without a password is to change it %s", got)
		}
		for _, text := range []string{rows["idle-key"]["access_key_1_last_rotated"], rows["signer"]["cert_1_last_rotated"]} {
			got, err := time.Parse("2006-01-02T15:04:05+00:00", text)
			if err != nil || got.Before(changed.Truncate(time.Second)) {
				t.Errorf("made active at %s and said to have changed %s, %v", changed, got, err)
			}
		}
		if got := rows["<root_account>"]["password_next_rotation"]; got != "not_supported" {
			t.Errorf("password_next_rotation of root: %s", got)
		}
	})
}

// TestCredentialReportAuditor: who has the two permissions reads what belongs to others, and nothing else (S1-284).
func TestCredentialReportAuditor(t *testing.T) {
	checklist.Shows(t, "S1-284")
	w := newWorld(t)
	ctx := t.Context()
	auditor := w.user("auditor", allow("iam:GenerateCredentialReport", "*"), allow("iam:GetCredentialReport", "*"))
	if err := generateReport(ctx, auditor); err != nil {
		t.Fatal(err)
	}
	w.work()
	out := must(auditor.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}))(t)
	if !strings.HasPrefix(string(out.Content), "user,arn,") || !strings.Contains(string(out.Content), "\n<root_account>,") {
		t.Errorf("%s", out.Content)
	}
	_, err := auditor.ListUsers(ctx, &sdk.ListUsersInput{})
	w.denied(err, "auditor", "iam:ListUsers", w.arn("user/"))

	// Another account knows nothing of it.
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		_, key, err = tx.CreateAccount(directory.NewAccount{Name: "other"})
		return err
	})
	refused(t, getReport(ctx, w.client(key.ID, key.Secret.Reveal(), "")), 410, "ReportNotPresent", sayNoReport)
}

// TestCredentialReportOnEveryNode: another maker of the same store finishes what one has been asked for, and both show the same.
func TestCredentialReportOnEveryNode(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: fmt.Sprint("u", i)})
			return err
		})
	}
	if err := generateReport(t.Context(), w.root); err != nil {
		t.Fatal(err)
	}
	other := w.newMaker()
	if _, err := other.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.work() // finds nothing to do
	out := must(w.root.GetCredentialReport(t.Context(), &sdk.GetCredentialReportInput{}))(t)
	_, there, err := other.Credentials(t.Context(), w.account)
	if err != nil || string(there) != string(out.Content) || strings.Count(string(there), "\n") != 21 {
		t.Errorf("%v\n%s\n%s", err, there, out.Content)
	}
}
