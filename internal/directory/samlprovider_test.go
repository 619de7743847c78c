package directory_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func pointer[T any](v T) *T { return &v }

// samlMetadata is a metadata document, read.
var samlMetadata = sync.OnceValue(func() directory.SAMLMetadata {
	document := samltest.New("https://idp.example.com").Metadata()
	parsed, err := saml.ParseMetadata(document, time.Now())
	if err != nil {
		panic(err)
	}
	return directory.SAMLMetadata{Document: document, Parsed: parsed}
})

// samlKey is a private key as PEM.
var samlKey = sync.OnceValue(func() string { return samltest.PEM(samltest.RSAKey("decryption")) })

// anySAML is the SAML provider of the drawn name; nil where there is none.
func anySAML(d drawn, s *state) *entity.SAMLProvider {
	for _, it := range s.items {
		if p, ok := it.(*entity.SAMLProvider); ok && p.Account == d.account && p.Name == d.name {
			return p
		}
	}
	return nil
}

// The verbs of SAML providers take part in the random sequences.
func init() {
	maps.Copy(steps, map[string]func(*directory.Tx, drawn, *state) error{
		"create saml": func(tx *directory.Tx, d drawn, _ *state) error {
			n := directory.NewSAMLProvider{Name: d.name, Metadata: samlMetadata(), Tags: []entity.Tag{{Key: d.to}}}
			if d.flag {
				n.EncryptionMode, n.PrivateKey = directory.EncryptionRequired, secret.New(samlKey())
			}
			_, err := tx.CreateSAMLProvider(d.account, n)
			return err
		},
		"update saml": func(tx *directory.Tx, d drawn, s *state) error {
			u := directory.SAMLProviderUpdate{EncryptionMode: pointer(directory.EncryptionAllowed)}
			switch p := anySAML(d, s); {
			case d.flag:
				u.AddPrivateKey = secret.New(samlKey())
			case p != nil && len(p.PrivateKeys) > 0:
				u = directory.SAMLProviderUpdate{RemovePrivateKey: &p.PrivateKeys[0].ID}
			}
			_, err := tx.UpdateSAMLProvider(d.account, entity.SAMLProviderARN(d.account, d.name), u)
			return err
		},
		"saml options": func(tx *directory.Tx, d drawn, _ *state) error {
			_, err := tx.SetSAMLOptions(d.account, entity.SAMLProviderARN(d.account, d.name), directory.SAMLOptions{SingleUse: &d.flag})
			return err
		},
		"tag saml": func(tx *directory.Tx, d drawn, _ *state) error {
			return tx.TagSAMLProvider(d.account, entity.SAMLProviderARN(d.account, d.name), []entity.Tag{{Key: d.to}})
		},
		"untag saml": func(tx *directory.Tx, d drawn, _ *state) error {
			return tx.UntagSAMLProvider(d.account, entity.SAMLProviderARN(d.account, d.name), []string{d.to})
		},
		"delete saml": func(tx *directory.Tx, d drawn, _ *state) error {
			return tx.DeleteSAMLProvider(d.account, entity.SAMLProviderARN(d.account, d.name))
		},
	})
}

func TestSAMLProvider(t *testing.T) {
	w := newWorld(t)
	made := get(w, func(tx *directory.Tx) (*entity.SAMLProvider, error) {
		return tx.CreateSAMLProvider(home, directory.NewSAMLProvider{Name: "Corp", Metadata: samlMetadata(),
			EncryptionMode: directory.EncryptionRequired, PrivateKey: secret.New(samlKey()), Tags: []entity.Tag{{Key: "k", Value: "v"}}})
	})
	document, err := made.Document()
	if err != nil || document != samlMetadata().Document {
		t.Errorf("the document came back as %q, %v", document, err)
	}
	idp := samlMetadata().Parsed.IdPs[0]
	want := &entity.SAMLProvider{
		ID: made.ID, Account: home, Name: "Corp", Metadata: made.Metadata, CreatedAt: made.CreatedAt,
		IdPs:       []entity.SAMLIdP{{EntityID: idp.EntityID, Certificates: idp.Certificates}},
		ValidUntil: made.CreatedAt.AddDate(100, 0, 0), EncryptionMode: "Required", PrivateKeys: made.PrivateKeys, Tags: []entity.Tag{{Key: "k", Value: "v"}},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	key := made.PrivateKeys[0]
	if text, err := w.ring.Open(seal.PrivateKey, key.Sealed, []byte(key.ID)); err != nil || string(text) != samlKey() || !key.AddedAt.Equal(made.CreatedAt) {
		t.Errorf("the key opens as %q, %v", text, err)
	}
	if _, err := w.ring.Open(seal.PrivateKey, key.Sealed, []byte("another")); err == nil {
		t.Error("the key opens under another ID")
	}
	w.intact()

	arn := entity.SAMLProviderARN(home, "Corp")
	on := true
	p := get(w, func(tx *directory.Tx) (*entity.SAMLProvider, error) {
		return tx.SetSAMLOptions(home, arn, directory.SAMLOptions{SingleUse: &on})
	})
	if !p.SingleUse || p.AllowCBC {
		t.Errorf("options are %v and %v", p.SingleUse, p.AllowCBC)
	}
	if p = get(w, func(tx *directory.Tx) (*entity.SAMLProvider, error) {
		return tx.SetSAMLOptions(home, arn, directory.SAMLOptions{AllowCBC: &on})
	}); !p.SingleUse || !p.AllowCBC {
		t.Errorf("options are %v and %v", p.SingleUse, p.AllowCBC)
	}
	// An update of the metadata leaves the rest as it is.
	p = get(w, func(tx *directory.Tx) (*entity.SAMLProvider, error) {
		return tx.UpdateSAMLProvider(home, arn, directory.SAMLProviderUpdate{Metadata: pointer(samlMetadata())})
	})
	if !p.SingleUse || len(p.PrivateKeys) != 1 || p.ID != made.ID || p.EncryptionMode != "Required" {
		t.Errorf("updated to %+v", p)
	}
	w.intact()
}

func TestSAMLProviderRefused(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"", "a b", "a/b", "a+b", "ä", string(make([]byte, 129))} {
		w.refuse(fault.Invalid, "The specified value for name is invalid. It must contain only alphanumeric characters and/or the following: ._-",
			func(tx *directory.Tx) error {
				_, err := tx.CreateSAMLProvider(home, directory.NewSAMLProvider{Name: name, Metadata: samlMetadata()})
				return err
			})
	}
	w.refuse(fault.Invalid, "The specified value for assertionEncryptionMode is invalid.", func(tx *directory.Tx) error {
		_, err := tx.CreateSAMLProvider(home, directory.NewSAMLProvider{Name: "a", Metadata: samlMetadata(), EncryptionMode: "Perhaps"})
		return err
	})
	for _, arn := range []string{"", "arn:aws:iam::" + home + ":saml-provider/", entity.SAMLProviderARN(abroad, "a"), entity.SAMLProviderARN(home, "a/b"),
		entity.OIDCProviderARN(home, "a")} {
		w.refuse(fault.InvalidInput, "ARN "+arn+" is not valid.", func(tx *directory.Tx) error { return tx.DeleteSAMLProvider(home, arn) })
	}
	none := entity.SAMLProviderARN(home, "none")
	w.refuse(fault.NotFound, "Manifest not found for arn "+none, func(tx *directory.Tx) error {
		_, err := tx.SetSAMLOptions(home, none, directory.SAMLOptions{})
		return err
	})
}
