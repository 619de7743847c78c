package saml_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
)

var now = time.Now().UTC().Truncate(time.Second)

const (
	couldNot = "Could not parse metadata."
	tooSmall = "Unable to parse metadata"
)

// certificate reads a certificate of testdata.
func certificate(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

func TestMetadata(t *testing.T) {
	idp, next := samltest.New("https://idp.example.com"), samltest.New("https://next.example.com")
	sso := []saml.Endpoint{{Binding: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", Location: "https://idp.example.com/sso"}}
	one := saml.IdP{EntityID: idp.EntityID, Certificates: [][]byte{idp.Certificate}, SignOn: sso}
	both := one
	both.Certificates = [][]byte{idp.Certificate, next.Certificate}
	two := saml.IdP{EntityID: next.EntityID, Certificates: [][]byte{next.Certificate}, SignOn: sso}
	year, month := now.AddDate(1, 0, 0), now.AddDate(0, 1, 0)
	until := func(at time.Time) string { return ` validUntil="` + at.Format("2006-01-02T15:04:05Z") + `"` }
	group := func(attributes string, entities ...string) string {
		return `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"` + attributes + `>` + strings.Join(entities, "") + `</EntitiesDescriptor>`
	}
	provider := `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="sp"><SPSSODescriptor/></EntityDescriptor>`
	folded := strings.Replace(idp.Metadata(), base64.StdEncoding.EncodeToString(idp.Certificate)[:64], "\n\t"+base64.StdEncoding.EncodeToString(idp.Certificate)[:64]+"\r\n ", 1)
	for name, c := range map[string]struct {
		document string
		want     saml.Metadata
	}{
		"one":               {idp.Metadata(), saml.Metadata{IdPs: []saml.IdP{one}}},
		"two keys":          {idp.Metadata(next.Certificate), saml.Metadata{IdPs: []saml.IdP{both}}},
		"a key twice":       {idp.Metadata(idp.Certificate), saml.Metadata{IdPs: []saml.IdP{one}}},
		"no declaration":    {samltest.Entity(idp.EntityID, "", idp.Certificate), saml.Metadata{IdPs: []saml.IdP{one}}},
		"comments":          {"<!-- a --><" + samltest.Entity(idp.EntityID, "", idp.Certificate)[1:] + "<!-- b -->", saml.Metadata{IdPs: []saml.IdP{one}}},
		"white space":       {folded, saml.Metadata{IdPs: []saml.IdP{one}}},
		"any use":           {strings.Replace(idp.Metadata(), ` use="signing"`, "", 1), saml.Metadata{IdPs: []saml.IdP{one}}},
		"valid until":       {samltest.Entity(idp.EntityID, until(year), idp.Certificate), saml.Metadata{IdPs: []saml.IdP{one}, ValidUntil: year}},
		"fraction":          {samltest.Entity(idp.EntityID, strings.Replace(until(year), "Z", ".25Z", 1), idp.Certificate), saml.Metadata{IdPs: []saml.IdP{one}, ValidUntil: year.Add(time.Second / 4)}},
		"the earliest":      {group(until(year), samltest.Entity(idp.EntityID, until(month), idp.Certificate)), saml.Metadata{IdPs: []saml.IdP{one}, ValidUntil: month}},
		"a group of two":    {group("", samltest.Entity(idp.EntityID, "", idp.Certificate), provider, samltest.Entity(next.EntityID, "", next.Certificate)), saml.Metadata{IdPs: []saml.IdP{one, two}}},
		"an encryption key": {strings.Replace(idp.Metadata(), "<md:KeyDescriptor", strings.Replace(samltest.KeyDescriptor(next.Certificate), "signing", "encryption", 1)+"<md:KeyDescriptor", 1), saml.Metadata{IdPs: []saml.IdP{one}}},
		"a chain": {strings.Replace(idp.Metadata(), "</ds:X509Certificate>", "</ds:X509Certificate><ds:X509Certificate>"+
			base64.StdEncoding.EncodeToString(next.Certificate)+"</ds:X509Certificate>", 1), saml.Metadata{IdPs: []saml.IdP{one}}},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-165", "S3-416")
			got, err := saml.ParseMetadata(c.document, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMetadataRefused(t *testing.T) {
	idp := samltest.New("https://idp.example.com")
	good := idp.Metadata()
	entity := samltest.Entity(idp.EntityID, "", idp.Certificate)
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the metadata has no %s", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	weak := func(name string) string { return samltest.Entity(idp.EntityID, "", certificate(t, name)) }
	group := func(inner string) string {
		return `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + inner + `</EntitiesDescriptor>`
	}
	for name, c := range map[string]struct{ document, say string }{
		"nothing":                  {"", couldNot},
		"text":                     {"metadata", couldNot},
		"byte order mark":          {"\xEF\xBB\xBF" + good, couldNot},
		"not UTF-8":                {good + "<!-- \xff -->", couldNot},
		"UTF-16":                   {strings.Replace(good, "UTF-8", "UTF-16", 1), couldNot},
		"too large":                {good + strings.Repeat(" ", saml.MaxMetadata), couldNot},
		"DTD":                      {strings.Replace(good, "?>\n", "?>\n<!DOCTYPE x [<!ENTITY e \"v\">]>\n", 1), couldNot},
		"external DTD":             {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" + entity, couldNot},
		"an entity":                {strings.Replace(good, "idp.example.com\"", "&idp;\"", 1), couldNot},
		"processing instruction":   {"<?php x?>" + entity, couldNot},
		"late declaration":         {" " + good, couldNot},
		"two roots":                {entity + entity, couldNot},
		"text behind":              {entity + "x", couldNot},
		"cut off":                  {good[:len(good)-30], couldNot},
		"an attribute twice":       {replace(` entityID=`, ` entityID="a" entityID=`), couldNot},
		"an ID with a prefix":      {replace(`<md:IDPSSODescriptor`, `<md:IDPSSODescriptor md:ID="a"`), couldNot},
		"too deep":                 {strings.Repeat("<a>", 2000) + strings.Repeat("</a>", 2000), couldNot},
		"colons":                   {replace(`<md:NameIDFormat>`, `<x::NameIDFormat></x::NameIDFormat><md:NameIDFormat>`), couldNot},
		"another namespace":        {strings.Replace(good, "SAML:2.0:metadata", "SAML:1.0:metadata", 1), couldNot},
		"no namespace":             {strings.ReplaceAll(entity, "md:", ""), couldNot},
		"another root":             {"<Response>" + entity + "</Response>", couldNot},
		"a service provider":       {strings.ReplaceAll(good, "IDPSSODescriptor", "SPSSODescriptor"), couldNot},
		"SAML 1.1":                 {replace("SAML:2.0:protocol", "SAML:1.1:protocol"), couldNot},
		"no entityID":              {replace(` entityID="https://idp.example.com"`, ""), couldNot},
		"an empty entityID":        {replace(`"https://idp.example.com"`, `""`), couldNot},
		"a padded entityID":        {replace(`"https://idp.example.com"`, `" https://idp.example.com"`), couldNot},
		"a long entityID":          {replace(`"https://idp.example.com"`, `"`+strings.Repeat("x", 1025)+`"`), couldNot},
		"no key":                   {samltest.Entity(idp.EntityID, ""), couldNot},
		"an encryption key only":   {replace(`use="signing"`, `use="encryption"`), couldNot},
		"a use nobody knows":       {replace(`use="signing"`, `use="both"`), couldNot},
		"no KeyInfo":               {strings.ReplaceAll(good, "KeyInfo", "Key"), couldNot},
		"no base64":                {replace("<ds:X509Certificate>", "<ds:X509Certificate>%"), couldNot},
		"no certificate":           {replace("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"), couldNot},
		"an element in the base64": {replace("<ds:X509Certificate>", "<ds:X509Certificate><a></a>"), couldNot},
		"no sign-on":               {strings.ReplaceAll(good, "SingleSignOnService", "SingleLogoutService"), couldNot},
		"a sign-on nowhere":        {replace("https://idp.example.com/sso", "/sso"), couldNot},
		"a sign-on by script":      {replace("https://idp.example.com/sso", "javascript://x/y"), couldNot},
		"expired":                  {samltest.Entity(idp.EntityID, ` validUntil="2020-01-01T00:00:00Z"`, idp.Certificate), couldNot},
		"an end that is no time":   {samltest.Entity(idp.EntityID, ` validUntil="tomorrow"`, idp.Certificate), couldNot},
		"an end with an offset":    {samltest.Entity(idp.EntityID, ` validUntil="2120-01-01T00:00:00+01:00"`, idp.Certificate), couldNot},
		"a group in a group":       {group(group(entity)), couldNot},
		"an entity twice":          {group(entity + entity), couldNot},
		"an empty group":           {group(""), couldNot},
		"512 bits":                 {weak("rsa512.pem"), tooSmall},
		"1024 bits":                {weak("rsa1024.pem"), tooSmall},
		"a small curve":            {weak("p224.pem"), tooSmall},
		"a weak key beside":        {samltest.Entity(idp.EntityID, "", idp.Certificate, certificate(t, "rsa512.pem")), tooSmall},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, map[string][]string{
				"byte order mark": {"S2-166", "S3-415"}, "UTF-16": {"S2-166"}, "512 bits": {"S2-167", "S3-415"}, "no key": {"S2-165"}, "no entityID": {"S2-165"},
			}[name]...)
			got, err := saml.ParseMetadata(c.document, now)
			if fault.KindOf(err) != fault.InvalidInput || fault.MessageOf(err) != c.say {
				t.Errorf("got %+v, %v; want %q", got, err, c.say)
			}
		})
	}
}

func TestPrivateKey(t *testing.T) {
	key := samltest.RSAKey("decryption")
	good := samltest.PEM(key)
	if got, err := saml.ParsePrivateKey([]byte("\n" + good + "\n")); err != nil || !got.Equal(key) {
		t.Errorf("%v", err)
	}
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1(key)}))
	if got, err := saml.ParsePrivateKey([]byte(pkcs1)); err != nil || !got.Equal(key) {
		t.Errorf("PKCS #1: %v", err)
	}
	weak, err := os.ReadFile("testdata/rsa1024-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing": "", "text": "key", "two": good + good, "text before": "x\n" + good, "text behind": good + "x",
		"a certificate":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: samltest.New("https://idp.example.com").Certificate})),
		"another kind":     samltest.PEM(samltest.NewECDSA("e").Key),
		"encrypted":        strings.Replace(pkcs1, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
		"the other's name": strings.ReplaceAll(good, "PRIVATE KEY", "RSA PRIVATE KEY"),
		"no key":           strings.ReplaceAll(good, "PRIVATE KEY", "PUBLIC KEY"),
		"1024 bits":        string(weak),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := saml.ParsePrivateKey([]byte(text))
			if fault.KindOf(err) != fault.InvalidInput || fault.MessageOf(err) != "Invalid private key." {
				t.Errorf("got %v", err)
			}
			if body := strings.Split(text, "\n"); err != nil && len(body) > 3 && strings.Contains(err.Error(), body[2]) {
				t.Error("the error repeats the key")
			}
		})
	}
}

func FuzzMetadata(f *testing.F) {
	idp := samltest.New("https://idp.example.com")
	f.Add(idp.Metadata())
	f.Add(samltest.Entity(idp.EntityID, ` validUntil="2120-01-01T00:00:00Z"`, idp.Certificate, certificate(f, "rsa512.pem")))
	f.Add(`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>`)
	f.Fuzz(func(t *testing.T, document string) {
		m, err := saml.ParseMetadata(document, now)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidInput {
				t.Errorf("%v", err)
			}
			return
		}
		for _, idp := range m.IdPs {
			if idp.EntityID == "" || len(idp.Certificates) == 0 || len(idp.SignOn) == 0 {
				t.Errorf("accepted %+v", idp)
			}
			for i, c := range idp.Certificates {
				for _, d := range idp.Certificates[:i] {
					if bytes.Equal(c, d) {
						t.Error("a certificate twice")
					}
				}
			}
		}
	})
}

func pkcs1(key *rsa.PrivateKey) []byte { return x509.MarshalPKCS1PrivateKey(key) }
