package iam_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/crypto/ssh"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

func sshKeyPermissions(w *world) []permission {
	target, id := aws.String("target"), w.owned("target", entity.KindSSHKey)
	return []permission{
		{"UploadSSHPublicKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: target, SSHPublicKeyBody: &stuff(w.t).ssh[2]})
			return err
		}},
		{"GetSSHPublicKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: target, SSHPublicKeyId: &id, Encoding: "PEM"})
			return err
		}},
		{"ListSSHPublicKeys", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{UserName: target})
			return err
		}},
		{"UpdateSSHPublicKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateSSHPublicKey(ctx, &sdk.UpdateSSHPublicKeyInput{UserName: target, SSHPublicKeyId: &id, Status: "Inactive"})
			return err
		}},
		{"DeleteSSHPublicKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteSSHPublicKey(ctx, &sdk.DeleteSSHPublicKeyInput{UserName: target, SSHPublicKeyId: &id})
			return err
		}},
	}
}

func sshKeyErrors(w *world) (all []apiError) {
	ctx, c, m := w.t.Context(), w.root, stuff(w.t)
	own, foreign := w.owned("target", entity.KindSSHKey), w.owned("other", entity.KindSSHKey)
	const none = "APKAXXXXXXXXXXXXXXXXX"
	upload := func(user, body string) func() error {
		return func() error {
			_, err := c.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: &user, SSHPublicKeyBody: &body})
			return err
		}
	}
	onKey := map[string]func(user, id string) error{
		"GetSSHPublicKey": func(user, id string) error {
			_, err := c.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: &user, SSHPublicKeyId: &id, Encoding: "SSH"})
			return err
		},
		"UpdateSSHPublicKey": func(user, id string) error {
			_, err := c.UpdateSSHPublicKey(ctx, &sdk.UpdateSSHPublicKeyInput{UserName: &user, SSHPublicKeyId: &id, Status: "Inactive"})
			return err
		},
		"DeleteSSHPublicKey": func(user, id string) error {
			_, err := c.DeleteSSHPublicKey(ctx, &sdk.DeleteSSHPublicKeyInput{UserName: &user, SSHPublicKeyId: &id})
			return err
		},
	}
	for _, operation := range []string{"GetSSHPublicKey", "UpdateSSHPublicKey", "DeleteSSHPublicKey"} {
		for _, id := range []string{none, foreign} { // a key of somebody else is no key of this user
			all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The Public Key with id " + id + " cannot be found.",
				do: func() error { return onKey[operation]("target", id) }})
		}
		all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The user with name nobody cannot be found.",
			do: func() error { return onKey[operation]("nobody", own) }})
	}
	return append(all,
		apiError{operation: "UploadSSHPublicKey", code: "NoSuchEntity", message: "The user with name nobody cannot be found.", do: upload("nobody", m.ssh[2])},
		apiError{operation: "UploadSSHPublicKey", code: "LimitExceeded", message: "Cannot exceed quota for SSHPublicKeysPerUser: 1",
			quota: directory.SSHPublicKeysPerUserQuota, n: 1, do: upload("target", m.ssh[2])},
		apiError{operation: "UploadSSHPublicKey", code: "DuplicateSSHPublicKey", message: "The SSH public key is already associated with the user target.",
			do: upload("TARGET", strings.ReplaceAll(m.ssh[0], "somebody", "somebody-else"))},
		apiError{operation: "UploadSSHPublicKey", code: "InvalidPublicKey", message: "The public key is malformed.", do: upload("target", m.ssh[2][:100])},
		apiError{operation: "UploadSSHPublicKey", code: "InvalidPublicKey", message: "The public key must be an RSA key of 2048 to 16384 bits.",
			do: upload("target", testenv.SSHKey(w.t, 1024))},
		apiError{operation: "UploadSSHPublicKey", code: "UnrecognizedPublicKeyEncoding",
			message: "The key format is not valid. The public key must be encoded in ssh-rsa or PEM format.",
			do:      upload("target", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzvfE+qS09w+okgrO0gY7jryF0lSCxdEO/O0UaUhuZe")},
		apiError{operation: "UpdateSSHPublicKey", code: "InvalidInput", message: "The status of an SSH public key must be Active or Inactive.", do: func() error {
			_, err := c.UpdateSSHPublicKey(ctx, &sdk.UpdateSSHPublicKeyInput{UserName: aws.String("target"), SSHPublicKeyId: &own, Status: "Expired"})
			return err
		}},
		apiError{operation: "ListSSHPublicKeys", code: "NoSuchEntity", message: "The user with name nobody cannot be found.", do: func() error {
			_, err := c.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{UserName: aws.String("nobody")})
			return err
		}},
		apiError{operation: "ListSSHPublicKeys", code: "ValidationError", message: "Invalid Marker.", do: func() error {
			_, err := c.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{UserName: aws.String("target"), Marker: aws.String("invented")})
			return err
		}},
		// The root user has no SSH keys.
		apiError{operation: "ListSSHPublicKeys", code: "ValidationError", message: "Must specify userName when calling with non-User credentials", do: func() error {
			_, err := c.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{})
			return err
		}})
}

var sshKeysCannot = map[string]map[string]string{"UnrecognizedPublicKeyEncoding": {"GetSSHPublicKey": byConstraint}}

func TestSSHPublicKeyLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, name, m := t.Context(), aws.String("Holder"), stuff(t)
	holder := w.user("Holder", allow("iam:*SSHPublicKey*", w.arn("user/${aws:username}")))
	up := must(holder.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: aws.String("holder"), SSHPublicKeyBody: &m.ssh[0]}))(t).SSHPublicKey
	foreign, _, _, _, err := ssh.ParseAuthorizedKey([]byte(m.ssh[0]))
	if err != nil {
		t.Fatal(err)
	}
	get := func(encoding types.EncodingType) *types.SSHPublicKey {
		t.Helper()
		return must(w.root.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: name, SSHPublicKeyId: up.SSHPublicKeyId, Encoding: encoding}))(t).SSHPublicKey
	}
	t.Run("both encodings", func(t *testing.T) {
		checklist.Shows(t, "S1-306", "S1-307")
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(foreign)))
		if id := *up.SSHPublicKeyId; !strings.HasPrefix(id, "APKA") || len(id) != 21 || up.Status != "Active" || *up.UserName != "Holder" {
			t.Errorf("%s of %s is %s", id, *up.UserName, up.Status)
		}
		recent(t, "UploadDate", up.UploadDate)
		for _, k := range []*types.SSHPublicKey{up, get("SSH")} {
			if *k.SSHPublicKeyBody != line || *k.Fingerprint != ssh.FingerprintLegacyMD5(foreign) {
				t.Errorf("%s\n%s, want\n%s", *k.SSHPublicKeyBody, *k.Fingerprint, line)
			}
		}
		block := get("PEM")
		if !strings.HasPrefix(*block.SSHPublicKeyBody, "-----BEGIN PUBLIC KEY-----\n") || *block.Fingerprint != *up.Fingerprint {
			t.Errorf("PEM: %s", *block.SSHPublicKeyBody)
		}
		// What was answered as PEM is the same key.
		_, err := w.root.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: name, SSHPublicKeyBody: block.SSHPublicKeyBody})
		refused(t, err, 400, "DuplicateSSHPublicKey", "The SSH public key is already associated with the user Holder.")
		_, err = w.root.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: name, SSHPublicKeyId: up.SSHPublicKeyId, Encoding: "DER"})
		refused(t, err, 400, "ValidationError", "1 validation error detected: Value 'DER' at 'encoding' failed to satisfy constraint: Member must satisfy enum value set: [SSH, PEM]")
	})
	t.Run("status and rename", func(t *testing.T) {
		checklist.Shows(t, "S1-307")
		for _, status := range []types.StatusType{"Inactive", "Inactive", "Active"} {
			must(w.root.UpdateSSHPublicKey(ctx, &sdk.UpdateSSHPublicKeyInput{UserName: name, SSHPublicKeyId: up.SSHPublicKeyId, Status: status}))(t)
			if got := get("SSH").Status; got != status {
				t.Errorf("it is %s, want %s", got, status)
			}
		}
		must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name, NewUserName: aws.String("keeper")}))(t)
		name = aws.String("keeper")
		if k := get("SSH"); *k.UserName != "keeper" {
			t.Errorf("after the rename it is %s's", *k.UserName)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		checklist.Shows(t, "S1-307", "S1-128")
		key := must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: name}))(t).AccessKeyMetadata[0].AccessKeyId
		must(w.root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: name, AccessKeyId: key}))(t)
		_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: name})
		refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete SSH public keys first.")
		must(w.root.DeleteSSHPublicKey(ctx, &sdk.DeleteSSHPublicKeyInput{UserName: name, SSHPublicKeyId: up.SSHPublicKeyId}))(t)
		_, err = w.root.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: name, SSHPublicKeyId: up.SSHPublicKeyId, Encoding: "SSH"})
		refused(t, err, 404, "NoSuchEntity", "The Public Key with id "+*up.SSHPublicKeyId+" cannot be found.")
	})
}

// TestPagesOfSSHPublicKeys: five keys, the oldest first, and no sixth; without a name the caller's own.
func TestPagesOfSSHPublicKeys(t *testing.T) {
	w := newWorld(t)
	ctx, m := t.Context(), stuff(t)
	holder := w.user("holder", allow("iam:*SSHPublicKey*", w.arn("user/${aws:username}")))
	var whole []string
	for i := range 5 {
		whole = append(whole, *must(w.root.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{
			UserName: aws.String("holder"), SSHPublicKeyBody: &m.ssh[i]}))(t).SSHPublicKey.SSHPublicKeyId)
	}
	checklist.Shows(t, "S1-307", "S4-242")
	_, err := holder.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: aws.String("holder"), SSHPublicKeyBody: &m.ssh[5]})
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for SSHPublicKeysPerUser: 5")
	for _, size := range []int32{100, 1, 2, 4, 5} {
		var got []string
		for p := sdk.NewListSSHPublicKeysPaginator(holder, &sdk.ListSSHPublicKeysInput{MaxItems: &size}); p.HasMorePages(); {
			out := must(p.NextPage(ctx))(t)
			if len(out.SSHPublicKeys) > int(size) || out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("a page of %d, truncated %v", len(out.SSHPublicKeys), out.IsTruncated)
			}
			for _, k := range out.SSHPublicKeys {
				if *k.UserName != "holder" || k.Status != "Active" || k.UploadDate == nil {
					t.Errorf("%s of %s is %s", *k.SSHPublicKeyId, *k.UserName, k.Status)
				}
				got = append(got, *k.SSHPublicKeyId)
			}
		}
		if len(got) != 5 || size == 100 && !sameSet(got, whole) {
			t.Errorf("in pages of %d: %v, want %v", size, got, whole)
		}
		if size == 100 {
			whole = got // within a second the order is that of the IDs
		}
		equalNames(t, "keys", got, whole)
	}
	// Another user may have the same key, and sees no key of anybody else.
	w.user("other")
	must(w.root.UploadSSHPublicKey(ctx, &sdk.UploadSSHPublicKeyInput{UserName: aws.String("other"), SSHPublicKeyBody: &m.ssh[0]}))(t)
	_, err = holder.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{UserName: aws.String("other")})
	w.denied(err, "holder", "iam:ListSSHPublicKeys", "user other")
	session := w.session("worker", "shift")
	_, err = session.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{})
	refused(t, err, 400, "ValidationError", "Must specify userName when calling with non-User credentials")
}

// sameSet reports whether two lists have the same elements.
func sameSet(a, b []string) bool {
	in := make(map[string]bool)
	for _, s := range a {
		in[s] = true
	}
	for _, s := range b {
		if !in[s] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestKeysOfAnotherAccount: whoever has everything in one account has nothing of another, not even knowledge.
func TestKeysOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	furnishKeys(w)
	ctx := t.Context()
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) error {
		acct, k, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
		if err != nil {
			return err
		}
		key = k
		_, err = tx.CreateUser(acct.ID, directory.NewUser{Name: "target"})
		return err
	})
	enemy, target := w.client(key.ID, key.Secret.Reveal(), ""), aws.String("target")
	id := w.owned("target", entity.KindSSHKey)
	_, err := enemy.GetSSHPublicKey(ctx, &sdk.GetSSHPublicKeyInput{UserName: target, SSHPublicKeyId: &id, Encoding: "SSH"})
	refused(t, err, 404, "NoSuchEntity", "The Public Key with id "+id+" cannot be found.")
	_, err = enemy.DeleteSSHPublicKey(ctx, &sdk.DeleteSSHPublicKeyInput{UserName: target, SSHPublicKeyId: &id})
	refused(t, err, 404, "NoSuchEntity", "The Public Key with id "+id+" cannot be found.")
	id = w.owned("target", entity.KindSigningCertificate)
	_, err = enemy.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: target, CertificateId: &id})
	refused(t, err, 404, "NoSuchEntity", "The Certificate with id "+id+" cannot be found.")
	id = w.owned("target", entity.KindServiceCredential)
	_, err = enemy.ResetServiceSpecificCredential(ctx, &sdk.ResetServiceSpecificCredentialInput{UserName: target, ServiceSpecificCredentialId: &id})
	refused(t, err, 404, "NoSuchEntity", "No such credential "+id+" exists")
	_, err = enemy.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: aws.String("site")})
	refused(t, err, 404, "NoSuchEntity", "The Server Certificate with name site cannot be found.")
	if n := len(must(enemy.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{}))(t).ServerCertificateMetadataList); n != 0 {
		t.Errorf("%d certificates of another account are listed", n)
	}
	all := must(enemy.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}))(t)
	if n := len(all.ServiceSpecificCredentials); n != 0 {
		t.Errorf("%d credentials of another account are listed", n)
	}
	// A certificate may be used in every account: who has it in one does not keep others from it.
	must(enemy.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: target, CertificateBody: &stuff(t).own[0].Body}))(t)
}
