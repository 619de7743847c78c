package iam_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

func serviceCredentialPermissions(w *world) []permission {
	target, id := aws.String("target"), w.owned("target", entity.KindServiceCredential)
	return []permission{
		{"CreateServiceSpecificCredential", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{UserName: target, ServiceName: aws.String(codeCommit)})
			return err
		}},
		{"ListServiceSpecificCredentials", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{UserName: target})
			return err
		}},
		{"ListServiceSpecificCredentials", "user/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
			return err
		}},
		{"UpdateServiceSpecificCredential", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id, Status: "Inactive"})
			return err
		}},
		{"ResetServiceSpecificCredential", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id})
			return err
		}},
		{"DeleteServiceSpecificCredential", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteServiceSpecificCredential(ctx, &sdk.DeleteServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id})
			return err
		}},
	}
}

func serviceCredentialErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	own, foreign := w.owned("target", entity.KindServiceCredential), w.owned("other", entity.KindServiceCredential)
	const none, noName = "ACCAXXXXXXXXXXXXXXXXX", "Must specify userName when calling with non-User credentials"
	on := map[string]func(user *string, id string) error{
		"UpdateServiceSpecificCredential": func(user *string, id string) error {
			_, err := c.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{UserName: user, ServiceSpecificCredentialId: &id, Status: "Inactive"})
			return err
		},
		"ResetServiceSpecificCredential": func(user *string, id string) error {
			_, err := c.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{UserName: user, ServiceSpecificCredentialId: &id})
			return err
		},
		"DeleteServiceSpecificCredential": func(user *string, id string) error {
			_, err := c.DeleteServiceSpecificCredential(ctx, &sdk.DeleteServiceSpecificCredentialInput{UserName: user, ServiceSpecificCredentialId: &id})
			return err
		},
	}
	for _, operation := range []string{"UpdateServiceSpecificCredential", "ResetServiceSpecificCredential", "DeleteServiceSpecificCredential"} {
		for _, id := range []string{none, foreign} {
			all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "No such credential " + id + " exists",
				do: func() error { return on[operation](aws.String("target"), id) }})
		}
		all = append(all,
			apiError{operation: operation, code: "NoSuchEntity", message: "The user with name nobody cannot be found.",
				do: func() error { return on[operation](aws.String("nobody"), own) }},
			apiError{operation: operation, code: "ValidationError", message: noName, do: func() error { return on[operation](nil, own) }})
	}
	create := func(in *sdk.CreateServiceSpecificCredentialInput) func() error {
		return func() error { _, err := c.CreateServiceSpecificCredential(ctx, in); return err }
	}
	list := func(in *sdk.ListServiceSpecificCredentialsInput) func() error {
		return func() error { _, err := c.ListServiceSpecificCredentials(ctx, in); return err }
	}
	const unsupported, days = "No such service s3.amazonaws.com is supported for Service Specific Credentials",
		"CredentialAgeDays must be 1 to 36600, and is valid only for services that support long-term API keys."
	target, s3 := aws.String("target"), aws.String("s3.amazonaws.com")
	const creating, listing = "CreateServiceSpecificCredential", "ListServiceSpecificCredentials"
	return append(all,
		apiError{operation: creating, code: "NoSuchEntity", message: "The user with name nobody cannot be found.",
			do: create(&sdk.CreateServiceSpecificCredentialInput{UserName: aws.String("nobody"), ServiceName: aws.String(codeCommit)})},
		apiError{operation: creating, code: "NotSupportedService", message: unsupported, do: create(&sdk.CreateServiceSpecificCredentialInput{UserName: target, ServiceName: s3})},
		apiError{operation: creating, code: "LimitExceeded", message: "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 1",
			quota: directory.ServiceSpecificCredentialsPerUserQuota, n: 1,
			do: create(&sdk.CreateServiceSpecificCredentialInput{UserName: target, ServiceName: aws.String(codeCommit)})},
		apiError{operation: creating, code: "ValidationError", message: days,
			do: create(&sdk.CreateServiceSpecificCredentialInput{UserName: target, ServiceName: aws.String(cassandra), CredentialAgeDays: aws.Int32(1)})},
		apiError{operation: listing, code: "NoSuchEntity", message: "The user with name nobody cannot be found.",
			do: list(&sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("nobody")})},
		apiError{operation: listing, code: "NotSupportedService", message: unsupported, do: list(&sdk.ListServiceSpecificCredentialsInput{UserName: target, ServiceName: s3})},
		apiError{operation: listing, code: "ValidationError", message: noName, do: list(&sdk.ListServiceSpecificCredentialsInput{})},
		apiError{operation: listing, code: "ValidationError", message: "AllUsers and UserName cannot be specified together.",
			do: list(&sdk.ListServiceSpecificCredentialsInput{UserName: target, AllUsers: aws.Bool(true)})},
		apiError{operation: listing, code: "ValidationError", message: "Invalid Marker.",
			do: list(&sdk.ListServiceSpecificCredentialsInput{UserName: target, Marker: aws.String("invented")})},
		apiError{operation: "UpdateServiceSpecificCredential", code: "ValidationError", message: "The status of a service-specific credential must be Active or Inactive.",
			do: func() error {
				_, err := c.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &own, Status: "Expired"})
				return err
			}})
}

// proves asks as a service would: whether the secret that came with an alias lets somebody in.
func (w *world) proves(service, alias, presented string, at time.Time) bool {
	w.t.Helper()
	w.settle()
	account, _ := w.follower.Current().Account(w.account)
	it, _ := snapshot.ItemNamed[*entity.ServiceCredential](account, entity.ServiceCredentialName(service, alias))
	ok, err := directory.VerifyServiceCredential(w.ring, it.Record, secret.New(presented), at)
	if err != nil {
		w.t.Error(err)
	}
	return ok
}

// TestServiceCredentialLifecycle: Git credentials as the guide rotates them.
func TestServiceCredentialLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, c, now := t.Context(), w.user("Alice", allow("iam:*ServiceSpecificCredential*", w.arn("user/${aws:username}"))), time.Now()
	create := func() *types.ServiceSpecificCredential {
		t.Helper()
		return must(c.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{
			UserName: aws.String("alice"), ServiceName: aws.String(codeCommit)}))(t).ServiceSpecificCredential
	}
	first := create()
	t.Run("created", func(t *testing.T) {
		checklist.Shows(t, "S1-300", "S1-301")
		if *first.ServiceUserName != "Alice-at-"+w.account || len(*first.ServicePassword) != 60 || first.Status != "Active" || *first.UserName != "Alice" ||
			*first.ServiceName != codeCommit || !strings.HasPrefix(*first.ServiceSpecificCredentialId, "ACCA") || first.ExpirationDate != nil ||
			first.ServiceCredentialAlias != nil || first.ServiceCredentialSecret != nil {
			t.Errorf("%+v", first)
		}
		recent(t, "CreateDate", first.CreateDate)
		if !w.proves(codeCommit, *first.ServiceUserName, *first.ServicePassword, now) || w.proves(codeCommit, *first.ServiceUserName, *first.ServicePassword+"x", now) ||
			w.proves(cassandra, *first.ServiceUserName, *first.ServicePassword, now) || w.proves(codeCommit, "alice", *first.ServicePassword, now) {
			t.Error("the secret does not prove what it should, or more")
		}
	})
	t.Run("rotated", func(t *testing.T) {
		checklist.Shows(t, "S1-301", "S1-302", "S1-303", "S1-305")
		second := create()
		if *second.ServiceUserName != "Alice+1-at-"+w.account {
			t.Errorf("the second is %s", *second.ServiceUserName)
		}
		_, err := c.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceName: aws.String(codeCommit)})
		refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2")
		must(c.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceName: aws.String(cassandra)}))(t)

		must(c.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{ServiceSpecificCredentialId: first.ServiceSpecificCredentialId, Status: "Inactive"}))(t)
		if w.proves(codeCommit, *first.ServiceUserName, *first.ServicePassword, now) || !w.proves(codeCommit, *second.ServiceUserName, *second.ServicePassword, now) {
			t.Error("the inactive one is usable, or the other is not")
		}
		must(c.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{ServiceSpecificCredentialId: first.ServiceSpecificCredentialId, Status: "Active"}))(t)
		reset := must(c.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{ServiceSpecificCredentialId: first.ServiceSpecificCredentialId}))(t).ServiceSpecificCredential
		if *reset.ServicePassword == *first.ServicePassword || *reset.ServiceUserName != *first.ServiceUserName || *reset.UserName != "Alice" {
			t.Errorf("reset to %+v", reset)
		}
		if w.proves(codeCommit, *first.ServiceUserName, *first.ServicePassword, now) || !w.proves(codeCommit, *first.ServiceUserName, *reset.ServicePassword, now) {
			t.Error("the old password is usable, or the new is not")
		}
		first.ServicePassword = reset.ServicePassword
		list := must(c.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{ServiceName: aws.String(codeCommit)}))(t)
		if len(list.ServiceSpecificCredentials) != 2 || list.IsTruncated {
			t.Errorf("%d credentials, truncated %v", len(list.ServiceSpecificCredentials), list.IsTruncated)
		}
		must(c.DeleteServiceSpecificCredential(ctx, &sdk.DeleteServiceSpecificCredentialInput{ServiceSpecificCredentialId: second.ServiceSpecificCredentialId}))(t)
		if w.proves(codeCommit, *second.ServiceUserName, *second.ServicePassword, now) {
			t.Error("the deleted one is usable")
		}
	})
	t.Run("renamed", func(t *testing.T) {
		checklist.Shows(t, "S1-304", "S1-124")
		must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("Alice"), NewUserName: aws.String("Bob")}))(t)
		if !w.proves(codeCommit, "Alice-at-"+w.account, *first.ServicePassword, now) {
			t.Error("the credential is not valid after the rename")
		}
		list := must(w.root.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("bob"), ServiceName: aws.String(codeCommit)}))(t)
		if got := list.ServiceSpecificCredentials[0]; *got.UserName != "Bob" || *got.ServiceUserName != "Alice-at-"+w.account {
			t.Errorf("%s of %s", *got.ServiceUserName, *got.UserName)
		}
		// A new user of the old name gets another service user name.
		w.user("alice")
		other := must(w.root.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{
			UserName: aws.String("alice"), ServiceName: aws.String(codeCommit)}))(t).ServiceSpecificCredential
		if *other.ServiceUserName != "alice+1-at-"+w.account {
			t.Errorf("the new user's is %s", *other.ServiceUserName)
		}
	})
	for _, event := range w.events() {
		for _, password := range []string{*first.ServicePassword} {
			if bytes.Contains(event, []byte(password)) {
				t.Errorf("an event holds the password: %s", event)
			}
		}
	}
}

// TestAPIKeys: a long-term API key is one text, has an alias, and expires.
func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	ctx, now := t.Context(), time.Now()
	w.user("alice")
	k := must(w.root.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{
		UserName: aws.String("alice"), ServiceName: aws.String(bedrock), CredentialAgeDays: aws.Int32(30)}))(t).ServiceSpecificCredential
	if k.ServicePassword != nil || k.ServiceUserName != nil || *k.ServiceCredentialAlias != "alice-at-"+w.account || !strings.HasPrefix(*k.ServiceCredentialSecret, "ABSK") {
		t.Errorf("%+v", k)
	}
	if got := k.ExpirationDate.Sub(*k.CreateDate); got != 30*24*time.Hour {
		t.Errorf("it lives %s", got)
	}
	alias, ok := credential.APIKeyAlias(bedrock, secret.New(*k.ServiceCredentialSecret))
	if !ok || alias != *k.ServiceCredentialAlias {
		t.Errorf("the key names %q", alias)
	}
	end := *k.ExpirationDate
	for at, valid := range map[time.Time]bool{now: true, end.Add(-time.Second): true, end: false, end.Add(time.Hour): false} {
		if w.proves(bedrock, alias, *k.ServiceCredentialSecret, at) != valid {
			t.Errorf("at %v", at)
		}
	}
	reset := must(w.root.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{
		UserName: aws.String("alice"), ServiceSpecificCredentialId: k.ServiceSpecificCredentialId}))(t).ServiceSpecificCredential
	if !reset.ExpirationDate.Equal(end) || *reset.ServiceCredentialSecret == *k.ServiceCredentialSecret {
		t.Errorf("reset to %+v", reset)
	}
	for _, service := range []string{"logs.amazonaws.com", "cloudwatch.amazonaws.com", "aws-external-anthropic.amazonaws.com"} {
		k := must(w.root.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceName: &service}))(t).ServiceSpecificCredential
		if k.ExpirationDate != nil || k.ServiceCredentialSecret == nil {
			t.Errorf("%s: %+v", service, k)
		}
	}
}

// TestExpiredCredential: an expired credential is listed as such, whatever its status was, and stays so.
func TestExpiredCredential(t *testing.T) {
	w := newWorld(t)
	ctx, past := t.Context(), time.Now().Add(-48*time.Hour)
	w.user("alice")
	then := directory.New(directory.Config{Store: w.store, Ring: w.ring, Now: func() time.Time { return past }})
	_, _, err := directory.Commit(ctx, then, change{"in the past"}, func(tx *directory.Tx) (*directory.IssuedServiceCredential, error) {
		return tx.CreateServiceCredential(w.account, "alice", directory.NewServiceCredential{Service: bedrock, Days: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	id := w.owned("alice", entity.KindServiceCredential)
	for _, set := range []types.StatusType{"Inactive", "Active"} {
		must(w.root.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{UserName: aws.String("alice"), ServiceSpecificCredentialId: &id, Status: set}))(t)
		list := must(w.root.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("alice")}))(t)
		if got := list.ServiceSpecificCredentials[0].Status; got != "Expired" {
			t.Errorf("set to %s it is %s", set, got)
		}
	}
}

// TestServiceCredentialConditions: the service and the age are condition keys.
func TestServiceCredentialConditions(t *testing.T) {
	w := newWorld(t)
	furnishKeys(w)
	ctx, target := t.Context(), aws.String("target")
	caller := w.user("caller", allow("iam:*ServiceSpecificCredential*", "*").when("StringEquals", "iam:ServiceSpecificCredentialServiceName", bedrock))
	create := func(service string, days *int32) error {
		_, err := caller.CreateServiceSpecificCredential(ctx, &sdk.CreateServiceSpecificCredentialInput{UserName: target, ServiceName: &service, CredentialAgeDays: days})
		return err
	}
	if err := create(bedrock, nil); err != nil {
		t.Error(err)
	}
	w.denied(create(codeCommit, nil), "caller", "iam:CreateServiceSpecificCredential", "user target")
	ids := map[string]string{}
	for _, c := range must(w.root.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{UserName: target}))(t).ServiceSpecificCredentials {
		ids[*c.ServiceName] = *c.ServiceSpecificCredentialId
	}
	for _, of := range []struct {
		operation string
		do        func(id string) error
	}{
		{"UpdateServiceSpecificCredential", func(id string) error {
			_, err := caller.UpdateServiceSpecificCredential(ctx, &sdk.UpdateServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id, Status: "Inactive"})
			return err
		}},
		{"ResetServiceSpecificCredential", func(id string) error {
			_, err := caller.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id})
			return err
		}},
		{"DeleteServiceSpecificCredential", func(id string) error {
			_, err := caller.DeleteServiceSpecificCredential(ctx, &sdk.DeleteServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id})
			return err
		}},
	} {
		w.denied(of.do(ids[codeCommit]), "caller", "iam:"+of.operation, "user target")
		w.denied(of.do("ACCAXXXXXXXXXXXXXXXXX"), "caller", "iam:"+of.operation, "user target")
		if err := of.do(ids[bedrock]); err != nil {
			t.Errorf("%s: %v", of.operation, err)
		}
	}
	w.grant("caller", allow("iam:CreateServiceSpecificCredential", "*").when("NumericLessThanEquals", "iam:ServiceSpecificCredentialAgeDays", "90"))
	w.denied(create(bedrock, aws.Int32(91)), "caller", "iam:CreateServiceSpecificCredential", "user target")
	w.denied(create(bedrock, nil), "caller", "iam:CreateServiceSpecificCredential", "user target") // for ever
	if err := create(bedrock, aws.Int32(90)); err != nil {
		t.Error(err)
	}
}

// TestPagesOfServiceCredentials: of a user, and of all users for who may ask about all.
func TestPagesOfServiceCredentials(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, name := range numbered("user", 5) {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: name})
			for _, service := range []string{codeCommit, codeCommit, cassandra} {
				if err == nil {
					_, err = tx.CreateServiceCredential(w.account, name, directory.NewServiceCredential{Service: service})
				}
			}
			return err
		})
	}
	pages := func(c *sdk.Client, in sdk.ListServiceSpecificCredentialsInput) (got []string) {
		t.Helper()
		for {
			out := must(c.ListServiceSpecificCredentials(ctx, &in))(t)
			if len(out.ServiceSpecificCredentials) > int(*in.MaxItems) || out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("a page of %d, truncated %v", len(out.ServiceSpecificCredentials), out.IsTruncated)
			}
			for _, s := range out.ServiceSpecificCredentials {
				if name := strings.Split(strings.TrimSuffix(*s.ServiceUserName, "-at-"+w.account), "+")[0]; name != *s.UserName {
					t.Errorf("%s of %s", *s.ServiceUserName, *s.UserName)
				}
				got = append(got, *s.ServiceSpecificCredentialId)
			}
			if in.Marker = out.Marker; in.Marker == nil {
				return got
			}
		}
	}
	for _, c := range []struct {
		in   sdk.ListServiceSpecificCredentialsInput
		want int
	}{
		{sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("user001")}, 3},
		{sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("user001"), ServiceName: aws.String(cassandra)}, 1},
		{sdk.ListServiceSpecificCredentialsInput{UserName: aws.String("user001"), ServiceName: aws.String(bedrock)}, 0},
		{sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}, 15},
		{sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true), ServiceName: aws.String(codeCommit)}, 10},
		{sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(false), UserName: aws.String("user000")}, 3},
	} {
		c.in.MaxItems = aws.Int32(100)
		whole := pages(w.root, c.in)
		if len(whole) != c.want {
			t.Errorf("%d, want %d", len(whole), c.want)
		}
		for _, size := range []int32{1, 2, 7} {
			c.in.MaxItems = &size
			equalNames(t, "credentials", pages(w.root, c.in), whole)
		}
	}
	own := w.user("own", allow("iam:ListServiceSpecificCredentials", w.arn("user/own")))
	_, err := own.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
	w.denied(err, "own", "iam:ListServiceSpecificCredentials", w.arn("user/"))
	if got := pages(own, sdk.ListServiceSpecificCredentialsInput{MaxItems: aws.Int32(10)}); len(got) != 0 {
		t.Errorf("one's own: %v", got)
	}
	checklist.Shows(t, "S1-128")
	_, err = w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("user000")})
	refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete service specific credentials first.")
}
