package iam_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// TestAccessKeyLifecycle: a key works as soon as it is answered, not while it is inactive, and never again once deleted.
func TestAccessKeyLifecycle(t *testing.T) {
	checklist.Shows(t, "S1-129", "S1-190", "S1-192", "S1-196", "S3-379")
	w := newWorld(t)
	ctx, name := t.Context(), aws.String("Holder")
	w.user("Holder", allow("iam:GetUser", "*"))
	key := must(w.root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("holder")}))(t).AccessKey
	if !strings.HasPrefix(*key.AccessKeyId, "AKIA") || len(*key.SecretAccessKey) != 40 || key.Status != "Active" || key.CreateDate == nil {
		t.Errorf("CreateAccessKey: %s, secret of %d, %s", *key.AccessKeyId, len(*key.SecretAccessKey), key.Status)
	}
	caller := w.client(*key.AccessKeyId, *key.SecretAccessKey, "")
	must(caller.GetUser(ctx, &sdk.GetUserInput{}))(t)

	list := must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: name}))(t)
	if len(list.AccessKeyMetadata) != 2 || list.IsTruncated {
		t.Fatalf("%d keys, truncated %v", len(list.AccessKeyMetadata), list.IsTruncated)
	}
	for _, k := range list.AccessKeyMetadata {
		if *k.UserName != "Holder" || k.Status != "Active" || k.CreateDate == nil {
			t.Errorf("ListAccessKeys: %s of %s is %s", *k.AccessKeyId, *k.UserName, k.Status)
		}
	}

	set := func(status types.StatusType) {
		t.Helper()
		must(w.root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: name, AccessKeyId: key.AccessKeyId, Status: status}))(t)
	}
	set("Inactive")
	_, err := caller.GetUser(ctx, &sdk.GetUserInput{})
	refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	for _, k := range must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: name}))(t).AccessKeyMetadata {
		if want := types.StatusType(map[bool]string{true: "Inactive", false: "Active"}[*k.AccessKeyId == *key.AccessKeyId]); k.Status != want {
			t.Errorf("%s is %s, want %s", *k.AccessKeyId, k.Status, want)
		}
	}
	set("Active")
	must(caller.GetUser(ctx, &sdk.GetUserInput{}))(t)

	must(w.root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: name, AccessKeyId: key.AccessKeyId}))(t)
	_, err = caller.GetUser(ctx, &sdk.GetUserInput{})
	refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")

	for _, event := range w.events() {
		if bytes.Contains(event, []byte(*key.SecretAccessKey)) {
			t.Errorf("an event holds the secret: %s", event)
		}
	}
}

// TestOwnAccessKeys: without a user name the operations are about the caller, also about the root user.
func TestOwnAccessKeys(t *testing.T) {
	checklist.Shows(t, "S1-189", "S1-199", "S3-281", "S3-379")
	w := newWorld(t)
	ctx := t.Context()
	w.user("other")
	user := w.user("caller", allow("iam:*AccessKey*", w.arn("user/${aws:username}")))
	for who, client := range map[string]*sdk.Client{"caller": user, "": w.root} {
		key := must(client.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{}))(t).AccessKey
		if aws.ToString(key.UserName) != who {
			t.Errorf("CreateAccessKey of %q is for %q", who, aws.ToString(key.UserName))
		}
		must(client.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{AccessKeyId: key.AccessKeyId, Status: "Inactive"}))(t)
		statuses := map[string]types.StatusType{}
		for _, k := range must(client.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{}))(t).AccessKeyMetadata {
			statuses[*k.AccessKeyId] = k.Status
			if aws.ToString(k.UserName) != who {
				t.Errorf("a key of %q is listed as %q's", who, aws.ToString(k.UserName))
			}
		}
		if len(statuses) != 2 || statuses[*key.AccessKeyId] != "Inactive" {
			t.Errorf("keys of %q: %v", who, statuses)
		}
		_, err := client.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{})
		refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
		must(client.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: key.AccessKeyId}))(t)
	}
	_, err := user.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("other")})
	w.denied(err, "caller", "iam:CreateAccessKey", "user other")

	session, noName := w.session("worker", "shift"), "Must specify userName when calling with non-User credentials"
	_, err = session.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{})
	refused(t, err, 400, "ValidationError", noName)
	_, err = session.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})
	refused(t, err, 400, "ValidationError", noName)
	_, err = session.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{AccessKeyId: &w.rootKey, Status: "Inactive"})
	refused(t, err, 400, "ValidationError", noName)
	_, err = session.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: &w.rootKey})
	refused(t, err, 400, "ValidationError", noName)
	must(session.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("other")}))(t)
}

func TestAccessKeyErrors(t *testing.T) {
	w := newWorld(t)
	ctx, root := t.Context(), w.root
	key := furnish(w)
	nobody, missing := aws.String("nobody"), "The user with name nobody cannot be found."
	noKey := func(id string) string { return "The Access Key with id " + id + " cannot be found." }

	_, err := root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: nobody})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: nobody})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: aws.String("target"), Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
	_, err = root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: nobody, AccessKeyId: &key, Status: "Active"})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("target"), AccessKeyId: &key, Status: "Expired"})
	refused(t, err, 400, "InvalidInput", "The status of an access key must be Active or Inactive.")
	// A key of somebody else is no key of this user.
	for _, id := range []string{w.rootKey, "AKIAAAAAAAAAAAAAAAAA"} {
		_, err = root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("target"), AccessKeyId: &id, Status: "Inactive"})
		refused(t, err, 404, "NoSuchEntity", noKey(id))
		_, err = root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: aws.String("target"), AccessKeyId: &id})
		refused(t, err, 404, "NoSuchEntity", noKey(id))
	}
	_, err = root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{AccessKeyId: &key})
	refused(t, err, 404, "NoSuchEntity", noKey(key))
	_, err = root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: nobody, AccessKeyId: &key})
	refused(t, err, 404, "NoSuchEntity", missing)

	// Keys of nobody and of another account are refused alike, even to the root user.
	var foreign *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		_, foreign, err = tx.CreateAccount(directory.NewAccount{Name: "second"})
		return err
	})
	for _, id := range []string{foreign.ID, "AKIAAAAAAAAAAAAAAAAA"} {
		_, err = root.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &id})
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("root")+
			" is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key "+id)
	}
}

func TestPagesOfAccessKeys(t *testing.T) {
	w := newWorld(t)
	ctx, name := t.Context(), aws.String("holder")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.AccessKeysPerUserQuota, new(7))
		return err
	})
	w.user("holder")
	for range 6 {
		must(w.root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: name}))(t)
	}
	var whole []string
	for _, size := range []int32{100, 1, 2, 3, 6, 7} {
		var got []string
		for p := sdk.NewListAccessKeysPaginator(w.root, &sdk.ListAccessKeysInput{UserName: name, MaxItems: &size}); p.HasMorePages(); {
			out := must(p.NextPage(ctx))(t)
			if len(out.AccessKeyMetadata) > int(size) || out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("a page of %d, truncated %v", len(out.AccessKeyMetadata), out.IsTruncated)
			}
			for _, k := range out.AccessKeyMetadata {
				got = append(got, *k.AccessKeyId)
			}
		}
		if whole == nil {
			whole = got
		}
		if len(got) != 7 {
			t.Errorf("%d keys in pages of %d", len(got), size)
		}
		equalNames(t, "keys", got, whole)
	}
}

func TestAccessKeyLastUsed(t *testing.T) {
	checklist.Shows(t, "S1-276", "S1-278")
	w := newWorld(t)
	ctx := t.Context()
	key := furnish(w)
	never := must(w.root.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &key}))(t)
	if u := never.AccessKeyLastUsed; *never.UserName != "target" || *u.Region != "N/A" || *u.ServiceName != "N/A" || u.LastUsedDate != nil {
		t.Errorf("never used: %s %s %s %v", *never.UserName, *u.Region, *u.ServiceName, u.LastUsedDate)
	}
	root := must(w.root.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &w.rootKey}))(t)
	if u := root.AccessKeyLastUsed; root.UserName != nil || *u.Region != "us-east-1" || *u.ServiceName != "iam" || time.Since(*u.LastUsedDate).Abs() > time.Minute {
		t.Errorf("root's key: %v %s %s %v", root.UserName, *u.Region, *u.ServiceName, u.LastUsedDate)
	}
	// What was used stays known once it is written, and goes away with the key.
	if err := w.usage.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	again := must(w.root.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &w.rootKey}))(t)
	if again.AccessKeyLastUsed.LastUsedDate == nil {
		t.Error("a use was forgotten when it was written")
	}
}
