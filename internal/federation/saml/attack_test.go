package saml_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
)

// forged has to be refused, whatever for. What must never happen is that it speaks of anybody but bob.
func forged(t *testing.T, response string, tr *saml.Trust) {
	t.Helper()
	a, err := saml.Verify([]byte(response), tr, now)
	if err == nil {
		t.Errorf("accepted, for %s:\n%s", a.Subject, response)
	} else if fault.MessageOf(err) == "" {
		t.Errorf("refused without a sentence: %v", err)
	}
}

// cut splits text around its part from begin to end, both included.
func cut(t *testing.T, text, begin, end string) (before, part, after string) {
	t.Helper()
	from := strings.Index(text, begin)
	to := strings.LastIndex(text, end)
	if from < 0 || to < from {
		t.Fatalf("no %s … %s", begin, end)
	}
	to += len(end)
	return text[:from], text[from:to], text[to:]
}

// TestWrapping moves a good signed element about and puts a forged one where it might be read: every combination of what is
// signed, how the forged element is called, what becomes of the signature, and who stands where. Among them are the eight
// known patterns (XSW 1 to 8 of "On Breaking SAML", 2012).
func TestWrapping(t *testing.T) {
	i := samltest.New(corp)
	tr := trust(i)
	const endSignature = "</ds:Signature>"
	// Where the good element can be hidden in the forged one, and the other way round.
	nests := map[string]func(outer, inner string) string{
		"at the end": func(outer, inner string) string {
			at := strings.LastIndex(outer, "</")
			return outer[:at] + inner + outer[at:]
		},
		"at the front": func(outer, inner string) string {
			at := strings.Index(outer, ">") + 1
			return outer[:at] + inner + outer[at:]
		},
		"in the issuer": func(outer, inner string) string {
			return strings.Replace(outer, "</saml:Issuer>", inner+"</saml:Issuer>", 1)
		},
		"in the subject": func(outer, inner string) string {
			return strings.Replace(outer, "</saml:Subject>", inner+"</saml:Subject>", 1)
		},
		"in the advice": func(outer, inner string) string {
			return strings.Replace(outer, "</saml:Conditions>", "</saml:Conditions><saml:Advice>"+inner+"</saml:Advice>", 1)
		},
		"in the status": func(outer, inner string) string {
			return strings.Replace(outer, "</samlp:Status>", "<samlp:StatusDetail>"+inner+"</samlp:StatusDetail></samlp:Status>", 1)
		},
		"in extensions": func(outer, inner string) string {
			return strings.Replace(outer, "<samlp:Status>", "<samlp:Extensions>"+inner+"</samlp:Extensions><samlp:Status>", 1)
		},
		"in an object": func(outer, inner string) string {
			return strings.Replace(outer, endSignature, "<ds:Object>"+inner+"</ds:Object>"+endSignature, 1)
		},
		"in key info": func(outer, inner string) string {
			return strings.Replace(outer, endSignature, "<ds:KeyInfo>"+inner+"</ds:KeyInfo>"+endSignature, 1)
		},
		"in the value": func(outer, inner string) string {
			return strings.Replace(outer, "</ds:SignatureValue>", inner+"</ds:SignatureValue>", 1)
		},
	}
	// How the forged element is called.
	names := map[string]func(text, id string) string{
		"the same ID": func(text, id string) string { return text },
		"another ID":  func(text, id string) string { return strings.Replace(text, `ID="`+id+`"`, `ID="_evil"`, 1) },
		"no ID":       func(text, id string) string { return strings.Replace(text, ` ID="`+id+`"`, "", 1) },
		"an empty ID": func(text, id string) string { return strings.Replace(text, `ID="`+id+`"`, `ID=""`, 1) },
	}
	count := 0
	try := func(t *testing.T, response string) {
		t.Helper()
		count++
		forged(t, response, tr)
	}
	evil := i.NewAssertion(now)
	evil.NameID = "admin"
	for way, sign := range signings {
		good := sign(i, i.NewAssertion(now))
		accepted(t, good, tr)
		// The element whose signature is abused, and its forged counterpart without a signature.
		type level struct{ begin, end, id, forged string }
		levels := map[string]level{}
		if way != "response" {
			levels["assertion"] = level{"<saml:Assertion", "</saml:Assertion>", "_a1", evil.Text()}
		}
		if way != "assertion" {
			levels["response"] = level{"<samlp:Response", "</samlp:Response>", "_r1", i.Response(now, evil.Text())}
		}
		for at, l := range levels {
			before, original, after := cut(t, good, l.begin, l.end)
			own := strings.Index(original, "<ds:Signature")
			signature := original[own : own+strings.Index(original[own:], endSignature)+len(endSignature)]
			stripped := strings.Replace(original, signature, "", 1)
			for called, rename := range names {
				bare := rename(l.forged, l.id)
				// What becomes of the signature: it stays, is copied to the forged element, or moves there.
				for kept, pair := range map[string][2]string{
					"stays":  {original, bare},
					"copied": {original, samltest.Insert(bare, signature)},
					"moved":  {stripped, samltest.Insert(bare, signature)},
					"gone":   {stripped, bare},
				} {
					genuine, fake := pair[0], pair[1]
					t.Run(fmt.Sprint(way, "/", at, "/", called, "/", kept), func(t *testing.T) {
						try(t, before+fake+after) // instead
						if at == "assertion" {
							try(t, before+fake+genuine+after)
							try(t, before+genuine+fake+after)
						}
						for _, where := range slices.Sorted(maps.Keys(nests)) {
							nest := nests[where]
							for _, both := range [][2]string{{fake, genuine}, {genuine, fake}} {
								if inside := nest(both[0], both[1]); inside != both[0] {
									try(t, before+inside+after)
								}
							}
							if whole := nest(before+fake+after, genuine); whole != before+fake+after {
								try(t, whole)
							}
							if whole := nest(good, fake); whole != good && at == "assertion" {
								try(t, whole)
							}
						}
					})
				}
			}
		}
	}
	t.Logf("%d wrapped responses refused", count)
	if count < 1000 {
		t.Errorf("only %d responses were tried", count)
	}
}

// TestSignatureForms: signatures that somebody with or without a key made in other forms than the one.
func TestSignatureForms(t *testing.T) {
	i, evil := samltest.New(corp), samltest.New("https://evil.example.com")
	evil.EntityID = corp
	tr := trust(i)
	a := i.NewAssertion(now)
	text := a.Text()
	good := i.Response(now, i.SignedAssertion(a))
	accepted(t, good, tr)
	replaced := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	signedAs := func(s samltest.Signed) string {
		s.ID = a.ID
		return i.Response(now, samltest.Insert(text, i.Signature(text, s)))
	}
	reference := samltest.Reference("#_a1", text, nil)
	_, signature, _ := cut(t, good, "<ds:Signature ", "</ds:Signature>")
	_, value, _ := cut(t, good, "<ds:SignatureValue>", "</ds:SignatureValue>")
	withMAC := func(key []byte) string {
		const method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
		s := signedAs(samltest.Signed{Method: method})
		_, info, _ := cut(t, s, "<ds:SignedInfo>", "</ds:SignedInfo>")
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(strings.Replace(info, "<ds:SignedInfo>", `<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">`, 1)))
		_, old, _ := cut(t, s, "<ds:SignatureValue>", "</ds:SignatureValue>")
		return strings.Replace(s, old, "<ds:SignatureValue>"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+"</ds:SignatureValue>", 1)
	}
	transforms := func(names ...string) string { return signedAs(samltest.Signed{Transforms: names}) }
	const c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	second := strings.Replace(text, "_a1", "_a2", 1)
	attacks := map[string]string{
		"no signature":                i.Response(now, text),
		"no value":                    replaced(value, ""),
		"an empty value":              replaced(value, "<ds:SignatureValue></ds:SignatureValue>"),
		"two values":                  replaced(value, value+value),
		"a changed value":             replaced(value, strings.Replace(value, value[20:22], "AA", 1)),
		"two signatures":              replaced(signature, signature+signature),
		"no reference":                replaced(reference, ""),
		"an empty reference":          signedAs(samltest.Signed{References: samltest.Reference("", text, nil)}),
		"a reference to nothing":      signedAs(samltest.Signed{References: samltest.Reference("#", text, nil)}),
		"a reference elsewhere":       signedAs(samltest.Signed{References: samltest.Reference("#_r1", text, nil)}),
		"a reference outside":         signedAs(samltest.Signed{References: samltest.Reference("http://evil.example.com/a", text, nil)}),
		"an XPointer":                 signedAs(samltest.Signed{References: samltest.Reference("#xpointer(id('_a1'))", text, nil)}),
		"two references":              signedAs(samltest.Signed{References: reference + reference}),
		"a second reference":          signedAs(samltest.Signed{References: reference + samltest.Reference("#_r1", text, nil)}),
		"no digest":                   signedAs(samltest.Signed{References: strings.Replace(reference, "DigestValue", "DigestValu", 2)}),
		"an element in the digest":    signedAs(samltest.Signed{References: strings.Replace(reference, "</ds:DigestValue>", "<ds:x></ds:x></ds:DigestValue>", 1)}),
		"a comment in the digest":     replaced("<ds:DigestValue>", "<ds:DigestValue><!-- x -->"),
		"no transforms":               transforms(""),
		"enveloped alone":             transforms(samltest.Enveloped),
		"canonical alone":             transforms(samltest.ExclusiveC14n),
		"enveloped twice":             transforms(samltest.Enveloped, samltest.Enveloped, samltest.ExclusiveC14n),
		"inclusive canonical":         transforms(samltest.Enveloped, c14n),
		"with comments":               transforms(samltest.Enveloped, samltest.ExclusiveC14n+"WithComments"),
		"XPath":                       transforms(samltest.Enveloped, samltest.ExclusiveC14n, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
		"XSLT":                        transforms(samltest.Enveloped, "http://www.w3.org/TR/1999/REC-xslt-19991116", samltest.ExclusiveC14n),
		"base64":                      transforms("http://www.w3.org/2000/09/xmldsig#base64"),
		"inclusive SignedInfo":        replaced(`<ds:CanonicalizationMethod Algorithm="`+samltest.ExclusiveC14n, `<ds:CanonicalizationMethod Algorithm="`+c14n),
		"SHA-1 signature":             signedAs(samltest.Signed{Method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}),
		"SHA-1 digest":                signedAs(samltest.Signed{References: strings.Replace(reference, samltest.SHA256, "http://www.w3.org/2000/09/xmldsig#sha1", 1)}),
		"MD5":                         signedAs(samltest.Signed{Method: "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"}),
		"no method":                   signedAs(samltest.Signed{Method: "none"}),
		"ECDSA with an RSA key":       signedAs(samltest.Signed{Method: samltest.ECDSASHA256}),
		"another hash":                signedAs(samltest.Signed{Method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"}),
		"MAC with the certificate":    withMAC(i.Certificate),
		"MAC with nothing":            withMAC(nil),
		"another's key":               i.Response(now, evil.SignedAssertion(a)),
		"another's key and KeyInfo":   i.Response(now, samltest.Insert(text, evil.Signature(text, samltest.Signed{ID: a.ID, KeyInfo: samltest.KeyInfo(evil.Certificate)}))),
		"another's key, our KeyInfo":  i.Response(now, samltest.Insert(text, evil.Signature(text, samltest.Signed{ID: a.ID, KeyInfo: samltest.KeyInfo(i.Certificate)}))),
		"our key, another's KeyInfo":  signedAs(samltest.Signed{KeyInfo: samltest.KeyInfo(evil.Certificate)}),
		"KeyInfo that is no base64":   signedAs(samltest.Signed{KeyInfo: strings.Replace(samltest.KeyInfo(i.Certificate), "MII", "%%%", 1)}),
		"two KeyInfos":                i.Response(now, samltest.Insert(text, evil.Signature(text, samltest.Signed{ID: a.ID, KeyInfo: samltest.KeyInfo(evil.Certificate) + samltest.KeyInfo(i.Certificate)}))),
		"a changed subject":           strings.Replace(good, ">bob<", ">admin<", 1),
		"a changed end":               strings.Replace(good, samltest.Stamp(a.NotOnOrAfter), samltest.Stamp(a.NotOnOrAfter.AddDate(1, 0, 0)), 2),
		"an attribute more":           strings.Replace(good, "</saml:AuthnStatement>", `</saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="a"><saml:AttributeValue>b</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`, 1),
		"an ID with a prefix":         strings.Replace(good, ` ID="_a1"`, ` ID="_a1" saml:ID="_a2"`, 1),
		"xml:id":                      strings.Replace(good, ` ID="_a1"`, ` ID="_a1" xml:id="_a2"`, 1),
		"two IDs":                     strings.Replace(good, ` ID="_a1"`, ` ID="_a1" Id="_a1"`, 1),
		"the response's ID":           strings.Replace(good, `ID="_r1"`, `ID="_a1"`, 1),
		"an ID twice":                 strings.Replace(good, "<samlp:Status>", `<samlp:Status ID="_a1">`, 1),
		"an attribute twice":          strings.Replace(good, ` ID="_a1"`, ` ID="_a1" ID="_a2"`, 1),
		"a DTD":                       "<!DOCTYPE r>" + good,
		"an entity":                   `<!DOCTYPE r [<!ENTITY e "admin">]>` + strings.Replace(good, ">bob<", ">&e;<", 1),
		"an external entity":          `<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, ">bob<", ">&e;<", 1),
		"entities of entities":        `<!DOCTYPE r [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>` + strings.Replace(good, ">bob<", ">&c;<", 1),
		"an ID by DTD":                `<!DOCTYPE r [<!ATTLIST saml:NameID Format ID #IMPLIED>]>` + good,
		"an undeclared entity":        strings.Replace(good, ">bob<", ">&e;<", 1),
		"a processing instruction":    strings.Replace(good, ">bob<", "><?x y?>bob<", 1),
		"two signed assertions":       i.Response(now, i.Sign(text, "_a1")+i.Sign(second, "_a2")),
		"a signed and an unsigned":    i.Response(now, i.Sign(text, "_a1")+second),
		"an unsigned and a signed":    i.Response(now, second+i.Sign(text, "_a1")),
		"an encrypted one beside":     i.Response(now, i.Sign(text, "_a1")+samltest.EncryptedAssertion(samltest.Encryption{To: &samltest.RSAKey("decryption").PublicKey}, text)),
		"two in a signed response":    i.Sign(i.Response(now, text+second), "_r1"),
		"only the response, broken":   i.Sign(strings.Replace(i.Response(now, text), ">bob<", ">ann<", 1), "_r1") + " ",
		"half signed: response":       strings.Replace(i.Sign(i.Response(now, i.SignedAssertion(a)), "_r1"), `Destination="`, `Destination="x`, 1),
		"half signed: assertion":      i.Sign(i.Response(now, evil.SignedAssertion(a)), "_r1"),
		"an assertion's in response":  i.Response(now, text) + signature,
		"the assertion's on response": strings.Replace(i.Response(now, text), "<samlp:Status>", signature+"<samlp:Status>", 1),
		"a namespace redeclared":      strings.Replace(good, `<saml:NameID`, `<saml:NameID xmlns:saml="urn:evil"`, 1),
		"CDATA":                       strings.Replace(good, ">bob<", "><![CDATA[bob]]>x<", 1),
	}
	// One that only looks like an attack.
	accepted(t, i.Sign(strings.Replace(i.Response(now, text), ">bob<", ">ann<", 1), "_r1"), tr)
	delete(attacks, "only the response, broken")
	for name, response := range attacks {
		t.Run(name, func(t *testing.T) { forged(t, response, tr) })
	}
	t.Logf("%d forged signatures refused", len(attacks))
}

// TestComments: a comment does not cut a value short, inside what is signed or put there afterwards.
func TestComments(t *testing.T) {
	i := samltest.New(corp)
	a := i.NewAssertion(now)
	a.NameID = "bob.evil.example.com"
	for way, sign := range signings {
		t.Run(way, func(t *testing.T) {
			injected := strings.Replace(sign(i, a), ">bob.evil", ">bob<!-- -->.evil", 1)
			if got := accepted(t, injected, trust(i)); got.Subject != "bob.evil.example.com" {
				t.Errorf("the subject is %s", got.Subject)
			}
			injected = strings.Replace(sign(i, a), ">"+samltest.Audience, "><!-- x -->"+samltest.Audience, 1)
			accepted(t, injected, trust(i))
		})
	}
}

func TestEncrypted(t *testing.T) {
	i := samltest.New(corp)
	key, old := decryption(t), samltest.RSAKey("old decryption")
	with := func(change func(*saml.Trust)) *saml.Trust {
		tr := trust(i)
		tr.DecryptionKeys = []*rsa.PrivateKey{old, key}
		if change != nil {
			change(tr)
		}
		return tr
	}
	cbc := func(tr *saml.Trust) { tr.AllowCBC = true }
	signed, bare := i.SignedAssertion(i.NewAssertion(now)), i.NewAssertion(now).Text()
	to := func(e samltest.Encryption) samltest.Encryption { e.To = &key.PublicKey; return e }
	response := func(e samltest.Encryption, text string) string {
		return i.Response(now, samltest.EncryptedAssertion(e, text))
	}
	whole := func(e samltest.Encryption, text string) string { return i.Sign(response(e, text), "_r1") }
	plain := to(samltest.Encryption{})
	for name, c := range map[string]struct {
		response string
		trust    *saml.Trust
	}{
		"signed, then encrypted":         {response(plain, signed), with(nil)},
		"encrypted in a signed response": {whole(plain, bare), with(nil)},
		"both":                           {whole(plain, signed), with(nil)},
		"required":                       {response(plain, signed), with(func(tr *saml.Trust) { tr.RequireEncryption = true })},
		"to the older key":               {response(samltest.Encryption{To: &old.PublicKey}, signed), with(nil)},
		"key beside the data":            {response(to(samltest.Encryption{Sibling: true}), signed), with(nil)},
		"OAEP with SHA-256":              {response(to(samltest.Encryption{Digest: crypto.SHA256}), signed), with(nil)},
		"OAEP 1.1":                       {response(to(samltest.Encryption{Digest: crypto.SHA256, Mask: crypto.SHA256}), signed), with(nil)},
		"CBC, allowed, response signed":  {whole(to(samltest.Encryption{CBC: true}), bare), with(cbc)},
		"without its namespaces":         {i.Response(now, strings.Replace(samltest.EncryptedAssertion(plain, strings.Replace(signed, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, "", 1)), "", "", 1)), with(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			if a := accepted(t, c.response, c.trust); a.Subject != "bob" {
				t.Errorf("the subject is %s", a.Subject)
			}
		})
	}
	flip := func(at int) func([]byte) []byte {
		return func(text []byte) []byte { text[(at+len(text))%len(text)] ^= 1; return text }
	}
	for name, c := range map[string]struct {
		response string
		trust    *saml.Trust
		shows    []string
	}{
		"no private key":           {response(plain, signed), trust(i), []string{"S2-186"}},
		"another's key":            {response(samltest.Encryption{To: &samltest.RSAKey("nobody").PublicKey}, signed), with(nil), nil},
		"PKCS #1 padding":          {whole(to(samltest.Encryption{PKCS1: true}), bare), with(nil), nil},
		"CBC, not allowed":         {whole(to(samltest.Encryption{CBC: true}), bare), with(nil), nil},
		"CBC, response not signed": {response(to(samltest.Encryption{CBC: true}), signed), with(cbc), nil},
		"CBC, broken padding":      {whole(to(samltest.Encryption{CBC: true, Break: func(b []byte) []byte { b[len(b)-17] ^= 0x80; return b }}), bare), with(cbc), nil},
		"CBC, broken text":         {whole(to(samltest.Encryption{CBC: true, Break: flip(20)}), bare), with(cbc), nil},
		"CBC, no whole block":      {whole(to(samltest.Encryption{CBC: true, Break: func(b []byte) []byte { return b[1:] }}), bare), with(cbc), nil},
		"CBC, nothing":             {whole(to(samltest.Encryption{CBC: true, Break: func(b []byte) []byte { return b[:16] }}), bare), with(cbc), nil},
		"changed":                  {response(to(samltest.Encryption{Break: flip(-1)}), signed), with(nil), nil},
		"cut short":                {response(to(samltest.Encryption{Break: func(b []byte) []byte { return b[:11] }}), signed), with(nil), nil},
		"not XML":                  {whole(plain, "text"), with(nil), nil},
		"a DTD inside":             {whole(plain, "<!DOCTYPE x>"+bare), with(nil), nil},
		"another element":          {whole(plain, strings.ReplaceAll(bare, "saml:Assertion", "saml:Evidence")), with(nil), nil},
		"two assertions":           {whole(plain, bare+strings.Replace(bare, "_a1", "_a2", 1)), with(nil), nil},
		"an assertion in it":       {whole(plain, strings.Replace(bare, "</saml:Assertion>", strings.Replace(bare, "_a1", "_a2", 1)+"</saml:Assertion>", 1)), with(nil), nil},
		"a cipher nobody knows":    {strings.Replace(response(plain, signed), "aes256-gcm", "aes512-gcm", 1), with(nil), nil},
		"another key length":       {strings.Replace(response(plain, signed), "aes256-gcm", "aes128-gcm", 1), with(nil), nil},
		"a reference to the text":  {strings.NewReplacer("<xenc:CipherValue>", `<xenc:CipherReference URI="http://x">`, "</xenc:CipherValue>", "</xenc:CipherReference>").Replace(response(plain, signed)), with(nil), nil},
		"a label":                  {strings.Replace(response(plain, signed), "<ds:DigestMethod", "<xenc:OAEPparams>AA==</xenc:OAEPparams><ds:DigestMethod", 1), with(nil), nil},
		"a digest nobody knows":    {strings.Replace(response(to(samltest.Encryption{Digest: crypto.SHA256}), signed), "xmlenc#sha256", "xmlenc#sha3", 1), with(nil), nil},
		"a mask in the old OAEP":   {strings.Replace(response(to(samltest.Encryption{Mask: crypto.SHA1}), signed), "2009/xmlenc11#rsa-oaep", "2001/04/xmlenc#rsa-oaep-mgf1p", 1), with(nil), nil},
		"without key":              {strings.ReplaceAll(response(plain, signed), "EncryptedKey", "EncryptedKy"), with(nil), nil},
		"encrypted twice over":     {whole(plain, samltest.EncryptedAssertion(plain, bare)), with(nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, c.shows...)
			// One sentence for everything: which step failed is not told.
			refused(t, c.response, c.trust, fault.InvalidIdentityToken, "The SAML assertion cannot be decrypted.")
		})
	}
	t.Run("not signed", func(t *testing.T) {
		refused(t, response(plain, bare), with(nil), fault.InvalidIdentityToken, "Response signature invalid")
	})
	t.Run("not encrypted", func(t *testing.T) {
		refused(t, i.Response(now, signed), with(func(tr *saml.Trust) { tr.RequireEncryption = true }), fault.InvalidIdentityToken,
			"The SAML assertion is not encrypted, and the provider requires it.")
	})
	t.Run("forged inside", func(t *testing.T) {
		evil := samltest.New("https://evil.example.com")
		evil.EntityID = corp
		refused(t, evil.Response(now, samltest.EncryptedAssertion(plain, evil.SignedAssertion(evil.NewAssertion(now)))), with(nil),
			fault.InvalidIdentityToken, "Response signature invalid")
	})
}
