package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// credentialColumns are today's ("Generate credential reports for your AWS account"): the guide's 22 (S1-287) and one more.
var credentialColumns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation",
	"mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated", "additional_credentials_info",
}

// What stands where there is nothing to say.
const (
	notApplicable = "N/A"
	noInformation = "no_information"
	notSupported  = "not_supported"
	// rootName is what the report calls the root user. No user can have that name.
	rootName = "<root_account>"
)

// shownCredentials is how many keys and how many certificates of a user have columns.
const shownCredentials = 2

// credentialReport writes the report of an account: the root user, then users by name without case. Lines end as AWS's do, with
// a line feed, the last one without.
func (m *Maker) credentialReport(ctx context.Context, a snapshot.Account) ([]byte, error) {
	ids := append([]string(nil), a.RootKeys...)
	for u := range a.Users("") {
		ids = append(ids, u.Keys...)
	}
	uses, err := m.cfg.Usage.LastKeys(ctx, ids)
	if err != nil {
		return nil, err
	}
	r := credentialRows{account: a, uses: uses}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(credentialColumns); err != nil {
		return nil, err
	}
	if err := w.Write(r.root()); err != nil {
		return nil, err
	}
	for u := range a.Users("") {
		if err := w.Write(r.user(u)); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), w.Error()
}

// credentialRows makes the rows of one report.
type credentialRows struct {
	account snapshot.Account
	uses    map[string]entity.Usage // of access keys
}

// root is the row of the root user, whose password is no entity of IAM: three of its columns are not supported (S1-289 to S1-292).
func (r *credentialRows) root() []string {
	_, hasPassword := password(r.account, r.account.Owned)
	row := []string{rootName, entity.RootARN(r.account.ID), day(r.account.CreatedAt), notSupported, lastSignIn(hasPassword), notSupported, notSupported}
	return r.rest(row, r.account.Owned, r.account.RootKeys)
}

func (r *credentialRows) user(u snapshot.User) []string {
	p, hasPassword := password(r.account, u.Owned)
	changed, next := notApplicable, notApplicable
	if hasPassword {
		at := p.ChangedAt
		if at.IsZero() {
			at = p.CreatedAt
		}
		changed = day(at)
		if rules := r.account.PasswordPolicy; rules != nil && rules.MaximumAge > 0 {
			next = day(at.Add(rules.MaximumAge))
		}
	}
	row := []string{u.Name, u.ARN(), day(u.CreatedAt), strconv.FormatBool(hasPassword), lastSignIn(hasPassword), changed, next}
	return r.rest(row, u.Owned, u.Keys)
}

func password(a snapshot.Account, owned entity.Owned) (*entity.LoginProfile, bool) {
	for p := range snapshot.Owned[*entity.LoginProfile](a, owned) {
		return p.Record, true
	}
	return nil, false
}

// lastSignIn is when the password was last used: nobody can sign in yet, so that no use is known of any (S1-290).
func lastSignIn(hasPassword bool) string {
	if hasPassword {
		return noInformation
	}
	return notApplicable
}

// rest adds the columns from mfa_active on, which users and the root user have alike.
func (r *credentialRows) rest(row []string, owned entity.Owned, keys []string) []string {
	row = append(row, strconv.FormatBool(len(owned[entity.KindMFADevice]) > 0))
	for i := range shownCredentials {
		row = append(row, r.key(keys, i)...)
	}
	certificates := make([]*entity.SigningCertificate, 0, shownCredentials)
	for c := range snapshot.Owned[*entity.SigningCertificate](r.account, owned) {
		certificates = append(certificates, c.Record)
	}
	for i := range shownCredentials {
		active, at := "false", notApplicable
		if i < len(certificates) && !certificates[i].Inactive {
			active, at = "true", day(certificates[i].Rotated())
		}
		row = append(row, active, at)
	}
	return append(row, additional(len(keys), len(certificates)))
}

// key is the five columns of the user's key number i. The date of its last change is shown of an active key only, as documented
// (S1-295); its last use is shown of any.
func (r *credentialRows) key(keys []string, i int) []string {
	columns := []string{"false", notApplicable, notApplicable, notApplicable, notApplicable}
	if i >= len(keys) {
		return columns
	}
	k, ok := r.account.Snapshot().AccessKey(keys[i])
	if !ok {
		return columns
	}
	if !k.Inactive {
		columns[0], columns[1] = "true", day(k.Rotated())
	}
	if use, ok := r.uses[k.ID]; ok {
		columns[2], columns[3], columns[4] = day(use.At), use.Region, use.Service
	}
	return columns
}

// additional says what has no columns: there is more than AWS allows only where the operator raised a quota. AWS documents what
// the column tells and not its words.
func additional(keys, certificates int) string {
	text := ""
	add := func(n int, what, action string) {
		if n <= shownCredentials {
			return
		}
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d additional %s: use %s", n-shownCredentials, what, action)
	}
	add(keys, "access keys", "ListAccessKeys")
	add(certificates, "signing certificates", "ListSigningCertificates")
	if text == "" {
		return notApplicable
	}
	return text
}

// day is a time as the report has it (S1-288).
func day(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }
