package saml_test

import (
	"crypto/rsa"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// keyFiles writes key.pem and cert.pem of an identity provider, and sp.pem for the decryption key, to a new directory.
func keyFiles(t *testing.T, i *samltest.IdP) string {
	t.Helper()
	dir := t.TempDir()
	certificate := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	for name, text := range map[string]string{
		"key.pem": samltest.PEM(i.Key), "cert.pem": certificate(i.Certificate),
		"sp.pem": certificate(samltest.WithKey("sp", decryption(t), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)).Certificate),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, stderr.String())
	}
	return string(out)
}

// template is a Signature for xmlsec1 to fill in.
func template(id, method, digest, more string) string {
	return `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
  <ds:CanonicalizationMethod Algorithm="` + samltest.ExclusiveC14n + `"/><ds:SignatureMethod Algorithm="` + method + `"/>
  <ds:Reference URI="#` + id + `"><ds:Transforms><ds:Transform Algorithm="` + samltest.Enveloped + `"/><ds:Transform Algorithm="` + samltest.ExclusiveC14n + `">` + more +
		`</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="` + digest + `"/><ds:DigestValue/></ds:Reference>
</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>`
}

// TestXMLSec: what xmlsec1 signs is accepted, in the forms that identity providers write, and refused once it is changed.
func TestXMLSec(t *testing.T) {
	xmlsec := testenv.Tool(t, "xmlsec1")
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	const sha256, sha384, sha512 = samltest.SHA256, more + "sha384", "http://www.w3.org/2001/04/xmlenc#sha512"
	// As providers write it: indented, with default namespaces, typed values, a prefix that only a value uses.
	pretty := func(s string) string {
		s = strings.Replace(s, "<saml:AttributeValue>", `<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">`, 1)
		s = strings.NewReplacer("<saml:", "\n  <", "</saml:", "</", "xmlns:saml=", "xmlns=").Replace(s)
		return strings.ReplaceAll(s, "></", ">\n</")
	}
	rsaIdP, ecIdP := samltest.New(corp), samltest.NewECDSA(corp)
	for name, c := range map[string]struct {
		idp            *samltest.IdP
		method, digest string
		form           func(string) string
		transform      string
		whole          bool // the response is signed
	}{
		"RSA with SHA-256":     {idp: rsaIdP, method: more + "rsa-sha256", digest: sha256},
		"RSA with SHA-384":     {idp: rsaIdP, method: more + "rsa-sha384", digest: sha384},
		"RSA with SHA-512":     {idp: rsaIdP, method: more + "rsa-sha512", digest: sha512},
		"ECDSA":                {idp: ecIdP, method: more + "ecdsa-sha256", digest: sha256},
		"ECDSA with SHA-512":   {idp: ecIdP, method: more + "ecdsa-sha512", digest: sha512},
		"response":             {idp: rsaIdP, method: more + "rsa-sha256", digest: sha256, whole: true},
		"indented":             {idp: rsaIdP, method: more + "rsa-sha256", digest: sha256, form: pretty},
		"indented response":    {idp: rsaIdP, method: more + "rsa-sha256", digest: sha256, form: pretty, whole: true},
		"inclusive namespaces": {idp: rsaIdP, method: more + "rsa-sha256", digest: sha256, form: pretty, transform: `<ec:InclusiveNamespaces xmlns:ec="` + samltest.ExclusiveC14n + `" PrefixList="xs"/>`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := keyFiles(t, c.idp)
			a := c.idp.NewAssertion(now).With("color", "red")
			text, id := a.Text(), a.ID
			response := c.idp.Response(now, text)
			if c.whole {
				id = "_r1"
				response = samltest.Insert(response, template(id, c.method, c.digest, c.transform))
			} else {
				response = c.idp.Response(now, samltest.Insert(text, template(id, c.method, c.digest, c.transform)))
			}
			if c.form != nil {
				response = c.form(response)
			}
			in := filepath.Join(dir, "response.xml")
			if err := os.WriteFile(in, []byte(response), 0o600); err != nil {
				t.Fatal(err)
			}
			signed := run(t, xmlsec, "--sign", "--privkey-pem", dir+"/key.pem,"+dir+"/cert.pem",
				"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response", in)
			got := accepted(t, signed, trust(c.idp))
			if v := got.Values("color"); got.Subject != "bob" || !slices.Equal(v, []string{"red"}) {
				t.Errorf("read %+v", got)
			}
			for _, change := range [][2]string{{"bob", "ann"}, {"red", "blue"}, {`ID="` + id, `ID="_x`}, {samltest.Audience, samltest.Endpoint}} {
				forged(t, strings.Replace(signed, change[0], change[1], 1), trust(c.idp))
			}
			forged(t, signed, trust(samltest.WithKey(corp, samltest.RSAKey("another"), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))))
		})
	}
	for name, method := range map[string][2]string{
		"SHA-1 signature": {"http://www.w3.org/2000/09/xmldsig#rsa-sha1", sha256}, "SHA-1 digest": {more + "rsa-sha256", "http://www.w3.org/2000/09/xmldsig#sha1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := keyFiles(t, rsaIdP)
			a := rsaIdP.NewAssertion(now)
			in := filepath.Join(dir, "response.xml")
			if err := os.WriteFile(in, []byte(rsaIdP.Response(now, samltest.Insert(a.Text(), template(a.ID, method[0], method[1], "")))), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, run(t, xmlsec, "--sign", "--privkey-pem", dir+"/key.pem,"+dir+"/cert.pem", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", in),
				trust(rsaIdP), fault.InvalidIdentityToken, "Your request included an invalid SAML response.")
		})
	}
}

// TestXMLSecEncrypts: what xmlsec1 encrypts is decrypted, and what we decrypt it agrees to be the same.
func TestXMLSecEncrypts(t *testing.T) {
	xmlsec := testenv.Tool(t, "xmlsec1")
	i := samltest.New(corp)
	tr := trust(i)
	tr.DecryptionKeys, tr.RequireEncryption = []*rsa.PrivateKey{decryption(t)}, true
	for name, c := range map[string]struct{ cipher, session, transport, more string }{
		"AES-128-GCM": {"http://www.w3.org/2009/xmlenc11#aes128-gcm", "aes-128", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", ""},
		"AES-256-GCM": {"http://www.w3.org/2009/xmlenc11#aes256-gcm", "aes-256", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", ""},
		"AES-256-GCM with SHA-1 said": {"http://www.w3.org/2009/xmlenc11#aes256-gcm", "aes-256", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
			`<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := keyFiles(t, i)
			assertion := i.SignedAssertion(i.NewAssertion(now))
			form := `<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">
<xenc:EncryptionMethod Algorithm="` + c.cipher + `"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="` + c.transport + `">` + c.more + `</xenc:EncryptionMethod>
<ds:KeyInfo><ds:X509Data/></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>`
			for file, text := range map[string]string{"form.xml": form, "assertion.xml": assertion} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			encrypted := run(t, xmlsec, "--encrypt", "--pubkey-cert-pem", dir+"/sp.pem", "--session-key", c.session, "--xml-data", dir+"/assertion.xml", dir+"/form.xml")
			encrypted = strings.TrimPrefix(encrypted, `<?xml version="1.0"?>`)
			response := i.Response(now, `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">`+strings.TrimSpace(encrypted)+`</saml:EncryptedAssertion>`)
			if a := accepted(t, response, tr); a.Subject != "bob" {
				t.Errorf("the subject is %s", a.Subject)
			}
		})
	}
	t.Run("ours", func(t *testing.T) { // the test's own encryption is that of the standard
		dir := keyFiles(t, i)
		if err := os.WriteFile(dir+"/sp-key.pem", []byte(samltest.PEM(decryption(t))), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, e := range []samltest.Encryption{{}, {CBC: true}} {
			e.To = &decryption(t).PublicKey
			if err := os.WriteFile(dir+"/in.xml", []byte(samltest.EncryptedAssertion(e, i.NewAssertion(now).Text())), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := run(t, xmlsec, "--decrypt", "--privkey-pem", dir+"/sp-key.pem", dir+"/in.xml"); !strings.Contains(out, ">bob<") {
				t.Errorf("%+v: %s", e, out)
			}
		}
	})
}

// TestPySAML2: the metadata and the responses of an identity provider made with pysaml2.
func TestPySAML2(t *testing.T) {
	testenv.Tool(t, "xmlsec1") // it signs with it
	python := testenv.Tool(t, "python3")
	err := exec.Command(python, "-c", "import saml2").Run()
	if err != nil { // Debian's package is for Debian's Python, which need not be the first
		python = "/usr/bin/python3"
		err = exec.Command(python, "-c", "import saml2").Run()
	}
	if err != nil {
		testenv.Missing(t, "pysaml2", err)
	}
	i := samltest.New(corp)
	dir := keyFiles(t, i)
	ask := func(t *testing.T, what string) string {
		t.Helper()
		return strings.TrimSpace(run(t, python, "testdata/idp.py", dir, what))
	}
	m, err := saml.ParseMetadata(ask(t, "metadata"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.IdPs) != 1 || m.IdPs[0].EntityID != corp || len(m.IdPs[0].Certificates) != 1 || string(m.IdPs[0].Certificates[0]) != string(i.Certificate) {
		t.Fatalf("the metadata says %+v", m)
	}
	tr := trust()
	tr.IdPs, tr.DecryptionKeys = m.IdPs, []*rsa.PrivateKey{decryption(t)}
	for _, what := range []string{"assertion", "response", "both", "aes256-gcm", "aes256-cbc"} {
		t.Run(what, func(t *testing.T) {
			raw, err := saml.Decode(ask(t, what))
			if err != nil {
				t.Fatal(err)
			}
			use := *tr
			use.AllowCBC = what == "aes256-cbc"
			a, err := saml.Verify(raw, &use, time.Now())
			if err != nil {
				t.Fatalf("%v\n%s", err, raw)
			}
			if got := a.Values("urn:oid:1.3.6.1.4.1.5923.1.1.1.1"); a.Subject != "bob" || a.SubjectType() != "persistent" || !slices.Equal(got, []string{"staff", "member"}) {
				t.Errorf("read %+v", a)
			}
			if encrypted := strings.HasPrefix(what, "aes"); encrypted != strings.Contains(string(raw), "EncryptedAssertion") {
				t.Errorf("that it is encrypted is %v", !encrypted)
			}
			for _, change := range [][2]string{{"staff", "chief"}, {"status:Success", "status:Success "}, {"DigestValue>", "DigestValue>A"}} {
				if changed := strings.Replace(string(raw), change[0], change[1], 1); changed != string(raw) {
					forged(t, changed, &use)
				}
			}
			if use.AllowCBC {
				use.AllowCBC = false
				refused(t, string(raw), &use, fault.InvalidIdentityToken, "The SAML assertion cannot be decrypted.")
			}
		})
	}
	t.Run("tripledes-cbc", func(t *testing.T) {
		raw, err := saml.Decode(ask(t, "tripledes-cbc"))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, string(raw), tr, fault.InvalidIdentityToken, "The SAML assertion cannot be decrypted.")
	})
}
