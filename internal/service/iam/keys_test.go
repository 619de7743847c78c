package iam_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/sshkey"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

const (
	codeCommit = "codecommit.amazonaws.com"
	cassandra  = "cassandra.amazonaws.com"
	bedrock    = "bedrock.amazonaws.com"
)

// material is what the tests of keys and certificates upload. It is made once: making it is slow, and nothing changes it.
type material struct {
	ssh              [7]string               // SSH public keys
	own              [3]*testenv.Certificate // self-signed
	old, early       *testenv.Certificate    // self-signed, of yesterday and of tomorrow
	root, mid, chain *testenv.Certificate    // chain is signed by mid, mid by root
}

var (
	materialOnce sync.Once
	theMaterial  material
)

func stuff(t testing.TB) *material {
	t.Helper()
	materialOnce.Do(func() {
		m := &theMaterial
		for i := range m.ssh {
			m.ssh[i] = testenv.SSHKey(t, 2048)
		}
		for i := range m.own {
			m.own[i] = testenv.Issue(t, testenv.CertificateOf{Name: "own"})
		}
		m.old = testenv.Issue(t, testenv.CertificateOf{Name: "old", Start: time.Now().Add(-25 * time.Hour)})
		m.early = testenv.Issue(t, testenv.CertificateOf{Name: "early", Start: time.Now().Add(time.Hour)})
		m.root = testenv.Issue(t, testenv.CertificateOf{Name: "root", CA: true})
		m.mid = testenv.Issue(t, testenv.CertificateOf{Name: "mid", CA: true, By: m.root})
		m.chain = testenv.Issue(t, testenv.CertificateOf{Name: "chain", By: m.mid})
	})
	return &theMaterial
}

// furnishKeys adds keys to a scene.
func furnishKeys(w *world) {
	w.t.Helper()
	w.scene()
	addKeys(w)
}

// addKeys adds to a scene the user other and gives the users target and other an SSH key, a signing certificate and a CodeCommit
// credential each, target an API key for Bedrock too. There are the server certificates /team/site, tagged color=blue, and
// spare.
func addKeys(w *world) {
	w.t.Helper()
	m := stuff(w.t)
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "other"})
		return err
	})
	for i, name := range []string{"target", "other"} {
		key, err := sshkey.Parse(m.ssh[i])
		if err != nil {
			w.t.Fatal(err)
		}
		cert, err := certificate.ParseSigning(m.own[i].Body, time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		pair, err := certificate.ParsePair(certificate.Upload{Body: m.own[i].Body, Key: secret.New(m.own[i].PEM)}, time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		site := []directory.NewServerCertificate{
			{Name: "site", Path: "/team/", Pair: pair, Tags: []entity.Tag{{Key: "color", Value: "blue"}}}, {Name: "spare", Pair: pair},
		}[i]
		w.make(func(tx *directory.Tx) error {
			_, err := tx.UploadSSHKey(w.account, name, key)
			if err == nil {
				_, err = tx.UploadSigningCertificate(directory.OfUser(w.account, name), cert)
			}
			if err == nil {
				_, err = tx.CreateServiceCredential(w.account, name, directory.NewServiceCredential{Service: codeCommit})
			}
			if err == nil {
				_, err = tx.UploadServerCertificate(w.account, site)
			}
			return err
		})
	}
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateServiceCredential(w.account, "target", directory.NewServiceCredential{Service: bedrock, Days: 30})
		return err
	})
}

// owned is the ID of a user's first item of a kind; of one that there is not, where the world is not furnished.
func (w *world) owned(user string, kind entity.Kind) string {
	if w.follower != nil {
		if account, ok := w.follower.Current().Account(w.account); ok {
			if u, ok := account.User(user); ok && len(u.Owned[kind]) > 0 {
				return u.Owned[kind][0]
			}
		}
	}
	return strings.Repeat("X", 32)
}
