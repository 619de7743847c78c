package iam_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

func signingPermissions(w *world) []permission {
	target, id := aws.String("target"), w.owned("target", entity.KindSigningCertificate)
	return []permission{
		{"UploadSigningCertificate", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: target, CertificateBody: &stuff(w.t).own[2].Body})
			return err
		}},
		{"ListSigningCertificates", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListSigningCertificates(ctx, &sdk.ListSigningCertificatesInput{UserName: target})
			return err
		}},
		{"UpdateSigningCertificate", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateSigningCertificate(ctx, &sdk.UpdateSigningCertificateInput{UserName: target, CertificateId: &id, Status: "Inactive"})
			return err
		}},
		{"DeleteSigningCertificate", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: target, CertificateId: &id})
			return err
		}},
	}
}

func signingErrors(w *world) (all []apiError) {
	ctx, c, m := w.t.Context(), w.root, stuff(w.t)
	own, foreign := w.owned("target", entity.KindSigningCertificate), w.owned("other", entity.KindSigningCertificate)
	const none = "NONEXISTENTCERTID12345678901"
	upload := func(user, body string) func() error {
		return func() error {
			_, err := c.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: &user, CertificateBody: &body})
			return err
		}
	}
	on := map[string]func(user *string, id string) error{
		"UpdateSigningCertificate": func(user *string, id string) error {
			_, err := c.UpdateSigningCertificate(ctx, &sdk.UpdateSigningCertificateInput{UserName: user, CertificateId: &id, Status: "Inactive"})
			return err
		},
		"DeleteSigningCertificate": func(user *string, id string) error {
			_, err := c.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: user, CertificateId: &id})
			return err
		},
	}
	for _, operation := range []string{"UpdateSigningCertificate", "DeleteSigningCertificate"} {
		for _, of := range []struct {
			user *string
			id   string
		}{{aws.String("target"), none}, {aws.String("target"), foreign}, {nil, own}} { // without a name it is about the root user
			all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The Certificate with id " + of.id + " cannot be found.",
				do: func() error { return on[operation](of.user, of.id) }})
		}
		all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The user with name nobody cannot be found.",
			do: func() error { return on[operation](aws.String("nobody"), own) }})
	}
	const notBefore = "The certificate is not valid: its validity period is from "
	period := func(at int) string {
		x := m.old.X509
		if at > 0 {
			x = m.early.X509
		}
		return x.NotBefore.UTC().Format("2006-01-02T15:04:05Z") + " to " + x.NotAfter.UTC().Format("2006-01-02T15:04:05Z") + "."
	}
	return append(all,
		apiError{operation: "UploadSigningCertificate", code: "NoSuchEntity", message: "The user with name nobody cannot be found.", do: upload("nobody", m.own[2].Body)},
		apiError{operation: "UploadSigningCertificate", code: "LimitExceeded", message: "Cannot exceed quota for CertificatesPerUser: 1",
			quota: directory.SigningCertificatesPerUserQuota, n: 1, do: upload("target", m.own[2].Body)},
		apiError{operation: "UploadSigningCertificate", code: "EntityAlreadyExists", message: "The Certificate with id " + own + " already exists.",
			do: upload("target", "\n"+m.own[0].Body)},
		apiError{operation: "UploadSigningCertificate", code: "DuplicateCertificate", message: "The certificate is already associated with another user of the account.",
			do: upload("target", m.own[1].Body)},
		apiError{operation: "UploadSigningCertificate", code: "MalformedCertificate", message: "Certificate invalid-certificate-body is malformed.",
			do: upload("target", "invalid-certificate-body")},
		apiError{operation: "UploadSigningCertificate", code: "InvalidCertificate", message: notBefore + period(0), do: upload("target", m.old.Body)},
		apiError{operation: "UploadSigningCertificate", code: "InvalidCertificate", message: notBefore + period(1), do: upload("target", m.early.Body)},
		apiError{operation: "UpdateSigningCertificate", code: "InvalidInput", message: "The status of a signing certificate must be Active or Inactive.", do: func() error {
			_, err := c.UpdateSigningCertificate(ctx, &sdk.UpdateSigningCertificateInput{UserName: aws.String("target"), CertificateId: &own, Status: "Expired"})
			return err
		}},
		apiError{operation: "ListSigningCertificates", code: "NoSuchEntity", message: "The user with name nobody cannot be found.", do: func() error {
			_, err := c.ListSigningCertificates(ctx, &sdk.ListSigningCertificatesInput{UserName: aws.String("nobody")})
			return err
		}},
		apiError{operation: "ListSigningCertificates", code: "ValidationError", message: "Invalid Marker.", do: func() error {
			_, err := c.ListSigningCertificates(ctx, &sdk.ListSigningCertificatesInput{UserName: aws.String("target"), Marker: aws.String("invented")})
			return err
		}})
}

var signingCannot = map[string]map[string]string{
	"LimitExceeded": {"UpdateSigningCertificate": nothingGrows, "DeleteSigningCertificate": nothingGrows},
}

// TestSigningCertificateLifecycle: for a named user and, without a name, for the caller, who may be the root user.
func TestSigningCertificateLifecycle(t *testing.T) {
	for who, named := range map[string]bool{"user": true, "caller": false, "root": false} {
		t.Run(who, func(t *testing.T) {
			w := newWorld(t)
			ctx, m, client, shown := t.Context(), stuff(t), w.root, "Holder"
			own := w.user("Holder", allow("iam:*SigningCertificate*", w.arn("user/${aws:username}")))
			var name *string
			switch {
			case named:
				name = aws.String("holder")
			case who == "root":
				shown = ""
			default:
				client = own
			}
			checklist.Shows(t, "S1-310", "S1-311", "S4-242")
			up := must(client.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: name, CertificateBody: &m.own[0].Body}))(t).Certificate
			if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(*up.CertificateId) || up.Status != "Active" || aws.ToString(up.UserName) != shown ||
				*up.CertificateBody != m.own[0].Body {
				t.Errorf("%s of %q is %s: %s", *up.CertificateId, aws.ToString(up.UserName), up.Status, *up.CertificateBody)
			}
			recent(t, "UploadDate", up.UploadDate)
			second := must(client.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: name, CertificateBody: &m.own[1].Body}))(t).Certificate
			_, err := client.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: name, CertificateBody: &m.own[2].Body})
			refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for CertificatesPerUser: 2")
			list := func(size int32) (got map[string]types.StatusType) {
				got = make(map[string]types.StatusType)
				for p := sdk.NewListSigningCertificatesPaginator(client, &sdk.ListSigningCertificatesInput{UserName: name, MaxItems: &size}); p.HasMorePages(); {
					for _, c := range must(p.NextPage(ctx))(t).Certificates {
						got[*c.CertificateId] = c.Status
						if aws.ToString(c.UserName) != shown || !strings.HasPrefix(*c.CertificateBody, "-----BEGIN CERTIFICATE-----\n") {
							t.Errorf("%s of %q", *c.CertificateId, aws.ToString(c.UserName))
						}
					}
				}
				return got
			}
			must(client.UpdateSigningCertificate(ctx, &sdk.UpdateSigningCertificateInput{UserName: name, CertificateId: up.CertificateId, Status: "Inactive"}))(t)
			for _, size := range []int32{1, 2, 100} {
				got := list(size)
				if len(got) != 2 || got[*up.CertificateId] != "Inactive" || got[*second.CertificateId] != "Active" {
					t.Errorf("in pages of %d: %v", size, got)
				}
			}
			if who == "root" {
				summary := must(client.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
				if summary["AccountSigningCertificatesPresent"] != 1 || summary["SigningCertificatesPerUserQuota"] != 2 {
					t.Errorf("the summary says %v", summary)
				}
			}
			must(client.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: name, CertificateId: up.CertificateId}))(t)
			if got := list(100); len(got) != 1 {
				t.Errorf("after deleting one: %v", got)
			}
			// What is gone may come again, also for somebody else.
			w.user("other")
			must(w.root.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: aws.String("other"), CertificateBody: &m.own[0].Body}))(t)
			_, err = client.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: name, CertificateBody: &m.own[0].Body})
			refused(t, err, 409, "DuplicateCertificate", "The certificate is already associated with another user of the account.")
		})
	}
}

// TestSigningCertificateHoldsUser: a user with a certificate is not deleted, and keeps it under a new name.
func TestSigningCertificateHoldsUser(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	must(w.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("holder")}))(t)
	up := must(w.root.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{
		UserName: aws.String("holder"), CertificateBody: &stuff(t).own[0].Body}))(t).Certificate
	must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("holder"), NewUserName: aws.String("keeper")}))(t)
	checklist.Shows(t, "S1-128")
	_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("keeper")})
	refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete signing certificate first.")
	must(w.root.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: aws.String("keeper"), CertificateId: up.CertificateId}))(t)
	must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("keeper")}))(t)
}
