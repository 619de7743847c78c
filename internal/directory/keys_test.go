package directory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/sshkey"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// uploads are keys and certificates for tests that do not care which. They are made once: making them is slow.
var uploads = sync.OnceValue(func() (u struct {
	ssh     [3]*sshkey.Key
	signing [3]*certificate.Signing
	pair    *certificate.Pair
	private string
}) {
	for i := range u.ssh {
		c := testenv.Issue(atOnce{}, testenv.CertificateOf{Name: "own", Start: start})
		var errs [3]error
		u.ssh[i], errs[0] = sshkey.Parse(testenv.SSHKey(atOnce{}, 2048))
		u.signing[i], errs[1] = certificate.ParseSigning(c.Body, start)
		u.pair, errs[2] = certificate.ParsePair(certificate.Upload{Body: c.Body, Key: secret.New(c.PEM)}, start)
		u.private = c.PEM
		if err := errors.Join(errs[:]...); err != nil {
			panic(err)
		}
	}
	return u
})

// atOnce is the TB of what is made for all tests: its failures are no test's.
type atOnce struct{ testing.TB }

func (atOnce) Helper()           {}
func (atOnce) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func TestSSHKeys(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createUser("bob"))
	keys := uploads().ssh
	upload := func(user string, i int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UploadSSHKey(home, user, keys[i]); return err }
	}
	k := get(w, func(tx *directory.Tx) (*entity.SSHKey, error) { return tx.UploadSSHKey(home, "ALICE", keys[0]) })
	if k.Body != keys[0].SSH() || k.Fingerprint != keys[0].Fingerprint() || k.Inactive || !k.UploadedAt.Equal(start.Truncate(time.Second)) {
		t.Errorf("%+v", k)
	}
	w.refuse(fault.DuplicatePublicKey, "The SSH public key is already associated with the user alice.", upload("alice", 0))
	w.do(upload("bob", 0))
	w.do(setQuota(directory.SSHPublicKeysPerUserQuota, 1))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for SSHPublicKeysPerUser: 1", upload("alice", 1))
	w.refuse(fault.NotFound, "The user with name nobody cannot be found.", upload("nobody", 1))
	const missing = "The Public Key with id "
	for _, user := range []string{"bob"} { // who has a key, and not this
		w.refuse(fault.NotFound, missing+k.ID+" cannot be found.", func(tx *directory.Tx) error { return tx.SetSSHKeyActive(home, user, k.ID, false) })
		w.refuse(fault.NotFound, missing+k.ID+" cannot be found.", func(tx *directory.Tx) error { return tx.DeleteSSHKey(home, user, k.ID) })
	}
	for _, active := range []bool{false, false, true} {
		w.do(func(tx *directory.Tx) error { return tx.SetSSHKeyActive(home, "alice", k.ID, active) })
		if got := w.item(k).(*entity.SSHKey); got.Inactive == active {
			t.Errorf("set to %v: %+v", active, got)
		}
	}
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete SSH public keys first.", func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
	w.do(func(tx *directory.Tx) error { return tx.DeleteSSHKey(home, "alice", k.ID) })
	if w.item(k) != nil {
		t.Error("the key is still there")
	}
	w.do(func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
	w.intact()
}

// item is the record of an item as it is now; nil where it is gone.
func (w *world) item(it entity.Item) entity.Item {
	w.t.Helper()
	for _, now := range w.state().items {
		if bytes.Equal(entity.KeyOf(now), entity.KeyOf(it)) {
			return now
		}
	}
	return nil
}

func TestSigningCertificates(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createUser("bob"))
	certs := uploads().signing
	upload := func(of directory.Target, i int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UploadSigningCertificate(of, certs[i]); return err }
	}
	alice, bob, root := directory.OfUser(home, "alice"), directory.OfUser(home, "bob"), directory.OfRoot(home)
	c := get(w, func(tx *directory.Tx) (*entity.SigningCertificate, error) {
		return tx.UploadSigningCertificate(root, certs[0])
	})
	if c.ID != certs[0].ID() || c.User != home || c.Body != certs[0].Text() {
		t.Errorf("%+v", c)
	}
	const other = "The certificate is already associated with another user of the account."
	w.refuse(fault.Exists, "The Certificate with id "+c.ID+" already exists.", upload(root, 0))
	w.refuse(fault.DuplicateCertificate, other, upload(alice, 0))
	w.do(upload(directory.OfRoot(abroad), 0))
	w.do(upload(alice, 1))
	w.refuse(fault.DuplicateCertificate, other, upload(root, 1))
	w.do(upload(alice, 2))
	w.refuse(fault.DuplicateCertificate, other, upload(bob, 2))
	w.do(setQuota(directory.SigningCertificatesPerUserQuota, 1))
	w.do(func(tx *directory.Tx) error { return tx.DeleteSigningCertificate(alice, certs[2].ID()) })
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for CertificatesPerUser: 1", upload(alice, 2))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for CertificatesPerUser: 1", upload(root, 2))
	w.refuse(fault.NotFound, "The user with name nobody cannot be found.", upload(directory.OfUser(home, "nobody"), 2))
	w.refuse(fault.NotFound, "The Certificate with id "+c.ID+" cannot be found.", func(tx *directory.Tx) error { return tx.DeleteSigningCertificate(alice, c.ID) })
	w.refuse(fault.NotFound, "The Certificate with id "+c.ID+" cannot be found.", func(tx *directory.Tx) error { return tx.SetSigningCertificateActive(bob, c.ID, false) })
	w.do(func(tx *directory.Tx) error { return tx.SetSigningCertificateActive(root, c.ID, false) })
	if got := w.item(c).(*entity.SigningCertificate); !got.Inactive {
		t.Error("it is active")
	}
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete signing certificate first.", func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
	w.do(func(tx *directory.Tx) error { return tx.DeleteSigningCertificate(root, c.ID) })
	w.do(upload(bob, 0))
	w.intact()
}

func TestServerCertificates(t *testing.T) {
	w := newWorld(t)
	u := uploads()
	n := directory.NewServerCertificate{Name: "Site", Path: "/a/", Pair: u.pair, Tags: []entity.Tag{{Key: "k"}}}
	upload := func(n directory.NewServerCertificate) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UploadServerCertificate(home, n); return err }
	}
	c := get(w, func(tx *directory.Tx) (*entity.ServerCertificate, error) { return tx.UploadServerCertificate(home, n) })
	if text, err := w.ring.Open(seal.PrivateKey, c.Sealed, []byte(c.ID)); err != nil || string(text) != u.private {
		t.Errorf("the key is %q, %v", text, err)
	}
	if c.Body != u.pair.Body() || !c.ExpiresAt.Equal(u.pair.Expires()) || c.ARN() != "arn:aws:iam::111111111111:server-certificate/a/Site" {
		t.Errorf("%+v", c)
	}
	for key, value := range w.dump() {
		if bytes.Contains([]byte(value), []byte(u.private[60:100])) {
			t.Errorf("%s holds the key", key)
		}
	}
	again, bad := n, n
	again.Name, bad.Name = "SITE", "a b"
	w.refuse(fault.Exists, "The Server Certificate with name SITE already exists.", upload(again))
	w.refuse(fault.Invalid, "The specified value for serverCertificateName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", upload(bad))
	bad.Name, bad.Path = "b", "no/slash"
	w.refuse(fault.Invalid, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.", upload(bad))
	w.do(setQuota(directory.ServerCertificatesQuota, 1))
	bad.Path = "/"
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for ServerCertificatesPerAccount: 1", upload(bad))
	w.do(setQuota(directory.ServerCertificatesQuota, 2))
	w.do(upload(bad))

	const missing = "The Server Certificate with name nothing cannot be found."
	name, taken, other := "moved", "B", "/x/"
	for what, fn := range map[string]func(tx *directory.Tx, of string) error{
		"rename": func(tx *directory.Tx, of string) error {
			return tx.RenameServerCertificate(home, of, directory.Rename{Name: &name})
		},
		"delete":  func(tx *directory.Tx, of string) error { return tx.DeleteServerCertificate(home, of) },
		"use":     func(tx *directory.Tx, of string) error { _, err := tx.UseServerCertificate(home, of, "x"); return err },
		"release": func(tx *directory.Tx, of string) error { return tx.ReleaseServerCertificate(home, of, "x") },
		"tag":     func(tx *directory.Tx, of string) error { return tx.TagServerCertificate(home, of, n.Tags) },
		"untag":   func(tx *directory.Tx, of string) error { return tx.UntagServerCertificate(home, of, []string{"k"}) },
	} {
		t.Run(what, func(t *testing.T) {
			w.refuse(fault.NotFound, missing, func(tx *directory.Tx) error { return fn(tx, "nothing") })
		})
	}
	w.refuse(fault.Exists, "The Server Certificate with name B already exists.", func(tx *directory.Tx) error {
		return tx.RenameServerCertificate(home, "site", directory.Rename{Name: &taken})
	})
	w.do(func(tx *directory.Tx) error {
		return tx.RenameServerCertificate(home, "site", directory.Rename{Name: &name, Path: &other})
	})
	if got := w.item(c).(*entity.ServerCertificate); got.ID != c.ID || got.ARN() != "arn:aws:iam::111111111111:server-certificate/x/moved" {
		t.Errorf("%+v", got)
	}
	w.intact()

	use := func(by string) {
		w.do(func(tx *directory.Tx) error { _, err := tx.UseServerCertificate(home, name, by); return err })
	}
	release := func(by string) {
		w.do(func(tx *directory.Tx) error { return tx.ReleaseServerCertificate(home, name, by) })
	}
	inUse := func(by string) {
		w.refuse(fault.DeleteConflict, "Certificate: "+c.ID+" is currently in use by "+by+". Please remove it first before deleting it from IAM.",
			func(tx *directory.Tx) error { return tx.DeleteServerCertificate(home, name) })
	}
	use("arn:b")
	use("arn:a")
	use("arn:b")
	inUse("arn:a")
	release("arn:a")
	release("arn:none")
	inUse("arn:b")
	release("arn:b")
	w.do(func(tx *directory.Tx) error { return tx.DeleteServerCertificate(home, name) })
	w.intact()
}

func TestServiceCredentials(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createUser("bob"))
	const codeCommit, bedrock = "codecommit.amazonaws.com", "bedrock.amazonaws.com"
	create := func(user, service string, days int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error {
			_, err := tx.CreateServiceCredential(home, user, directory.NewServiceCredential{Service: service, Days: days})
			return err
		}
	}
	issue := func(user, service string, days int) *directory.IssuedServiceCredential {
		return get(w, func(tx *directory.Tx) (*directory.IssuedServiceCredential, error) {
			return tx.CreateServiceCredential(home, user, directory.NewServiceCredential{Service: service, Days: days})
		})
	}
	verify := func(c *entity.ServiceCredential, text secret.Text, at time.Time) bool {
		t.Helper()
		ok, err := directory.VerifyServiceCredential(w.ring, c, text, at)
		if err != nil {
			t.Error(err)
		}
		return ok
	}
	c := issue("alice", codeCommit, 0)
	if !verify(c.ServiceCredential, c.Secret, start.AddDate(1000, 0, 0)) || verify(c.ServiceCredential, secret.New(c.Secret.Reveal()[1:]), start) ||
		verify(c.ServiceCredential, secret.Text{}, start) || verify(nil, c.Secret, start) {
		t.Error("the secret verifies where it should not, or not where it should")
	}
	for key, value := range w.dump() {
		if bytes.Contains([]byte(value), []byte(c.Secret.Reveal())) {
			t.Errorf("%s holds the secret", key)
		}
	}
	// The digest of one record is worth nothing in another.
	d := issue("bob", codeCommit, 0)
	moved := *d.ServiceCredential
	moved.Sealed = c.Sealed
	if ok, err := directory.VerifyServiceCredential(w.ring, &moved, c.Secret, start); ok || !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a digest from elsewhere: %v, %v", ok, err)
	}

	const days = "CredentialAgeDays must be 1 to 36600, and is valid only for services that support long-term API keys."
	w.refuse(fault.UnsupportedService, "No such service CodeCommit.amazonaws.com is supported for Service Specific Credentials", create("alice", "CodeCommit.amazonaws.com", 0))
	w.refuse(fault.Invalid, days, create("alice", codeCommit, 1))
	w.refuse(fault.Invalid, days, create("alice", bedrock, -1))
	w.refuse(fault.Invalid, days, create("alice", bedrock, 36601))
	w.refuse(fault.NotFound, "The user with name nobody cannot be found.", create("nobody", bedrock, 1))
	w.do(create("alice", codeCommit, 0))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2", create("alice", codeCommit, 0))
	w.do(create("alice", bedrock, 36600))

	alice := directory.OfUser(home, "alice")
	const missing = "No such credential "
	w.refuse(fault.NotFound, missing+d.ID+" exists", func(tx *directory.Tx) error { _, err := tx.ResetServiceCredential(alice, d.ID); return err })
	w.refuse(fault.NotFound, missing+d.ID+" exists", func(tx *directory.Tx) error { return tx.SetServiceCredentialActive(alice, d.ID, false) })
	w.refuse(fault.NotFound, missing+d.ID+" exists", func(tx *directory.Tx) error { return tx.DeleteServiceCredential(alice, d.ID) })
	reset := get(w, func(tx *directory.Tx) (*directory.IssuedServiceCredential, error) {
		return tx.ResetServiceCredential(alice, c.ID)
	})
	if verify(reset.ServiceCredential, c.Secret, start) || !verify(reset.ServiceCredential, reset.Secret, start) {
		t.Error("after a reset the old secret is valid, or the new is not")
	}
	w.do(func(tx *directory.Tx) error { return tx.SetServiceCredentialActive(alice, c.ID, false) })
	if verify(w.item(c.ServiceCredential).(*entity.ServiceCredential), reset.Secret, start) {
		t.Error("an inactive credential is usable")
	}
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete service specific credentials first.", func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") })
	w.do(func(tx *directory.Tx) error { return tx.DeleteServiceCredential(alice, c.ID) })
	w.intact()
}

// TestAliases: whoever comes by a name gets an alias that nobody has, however often the name changes hands.
func TestAliases(t *testing.T) {
	w := newWorld(t)
	seen := make(map[string]bool)
	for i := range 10 {
		w.do(createUser("Alice"))
		for range 2 {
			c := get(w, func(tx *directory.Tx) (*directory.IssuedServiceCredential, error) {
				return tx.CreateServiceCredential(home, "alice", directory.NewServiceCredential{Service: "cassandra.amazonaws.com"})
			})
			if seen[c.Alias] {
				t.Errorf("%s is given twice", c.Alias)
			}
			seen[c.Alias] = true
		}
		name := string(rune('a' + i))
		w.do(func(tx *directory.Tx) error {
			_, err := tx.RenameUser(home, "alice", directory.Rename{Name: &name})
			return err
		})
	}
	for _, alias := range []string{"Alice-at-" + home, "Alice+1-at-" + home, "Alice+7-at-" + home} {
		if !seen[alias] {
			t.Errorf("nobody has %s", alias)
		}
	}
	w.intact()
}

// TestSealerFails: without the key ring nothing is kept.
func TestSealerFails(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	d := directory.New(directory.Config{Store: w.store, Ring: brokenRing{}})
	before := len(w.state().items)
	for _, fn := range []func(*directory.Tx) error{
		func(tx *directory.Tx) error {
			_, err := tx.UploadServerCertificate(home, directory.NewServerCertificate{Name: "a", Pair: uploads().pair})
			return err
		},
		func(tx *directory.Tx) error {
			_, err := tx.CreateServiceCredential(home, "alice", directory.NewServiceCredential{Service: "bedrock.amazonaws.com"})
			return err
		},
	} {
		_, _, err := directory.Commit(context.Background(), d, w.change(), func(tx *directory.Tx) (struct{}, error) { return struct{}{}, fn(tx) })
		if !errors.Is(err, errRing) || fault.KindOf(err) != fault.Internal {
			t.Errorf("%v", err)
		}
	}
	if got := len(w.state().items); got != before {
		t.Errorf("%d items are kept", got)
	}
}

var errRing = errors.New("the ring is broken")

type brokenRing struct{}

func (brokenRing) Seal(seal.Purpose, []byte, []byte) ([]byte, error) { return nil, errRing }
func (brokenRing) Open(seal.Purpose, []byte, []byte) ([]byte, error) { return nil, errRing }
