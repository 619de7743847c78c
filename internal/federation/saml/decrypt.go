package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" // of RSA-OAEP, where nothing rests on collisions; providers know little else
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/beevik/etree"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Algorithms of XML Encryption that are understood. RSA with PKCS #1 padding and Triple DES are not.
const (
	oaep   = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" // the mask is made with SHA-1
	oaep11 = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
)

var (
	gcmKeys = map[string]int{
		"http://www.w3.org/2009/xmlenc11#aes128-gcm": 16, "http://www.w3.org/2009/xmlenc11#aes192-gcm": 24, "http://www.w3.org/2009/xmlenc11#aes256-gcm": 32,
	}
	cbcKeys = map[string]int{
		"http://www.w3.org/2001/04/xmlenc#aes128-cbc": 16, "http://www.w3.org/2001/04/xmlenc#aes192-cbc": 24, "http://www.w3.org/2001/04/xmlenc#aes256-cbc": 32,
	}
	oaepDigests = map[string]crypto.Hash{
		"": crypto.SHA1, "http://www.w3.org/2000/09/xmldsig#sha1": crypto.SHA1, "http://www.w3.org/2001/04/xmlenc#sha256": crypto.SHA256,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384, "http://www.w3.org/2001/04/xmlenc#sha512": crypto.SHA512,
	}
	maskDigests = map[string]crypto.Hash{
		"": crypto.SHA1, "http://www.w3.org/2009/xmlenc11#mgf1sha1": crypto.SHA1, "http://www.w3.org/2009/xmlenc11#mgf1sha256": crypto.SHA256,
		"http://www.w3.org/2009/xmlenc11#mgf1sha384": crypto.SHA384, "http://www.w3.org/2009/xmlenc11#mgf1sha512": crypto.SHA512,
	}
)

var _ = sha1.Size // registers the hash

// maxRecipients is how many encrypted keys are tried.
const maxRecipients = 4

// undecipherable is the one answer to everything that can go wrong with an encrypted assertion: which step failed would tell
// somebody who guesses. The cause is for logs.
func undecipherable(cause error) error {
	return refuse(fault.InvalidIdentityToken, sayDecryption, cause)
}

// decrypt returns the assertion of the EncryptedAssertion of a response. whole says that the response is signed, and the
// signature good: without that nothing encrypted with AES-CBC is touched, because its padding can be asked about (D19).
func (v *verification) decrypt(root *etree.Element, whole bool) (*etree.Element, error) {
	if len(v.t.DecryptionKeys) == 0 {
		return nil, undecipherable(errors.New("saml: the provider has no private key"))
	}
	encrypted, err := need(root, nsAssertion, "EncryptedAssertion")
	if err != nil {
		return nil, undecipherable(err)
	}
	clear, err := v.decipher(encrypted, whole)
	if err != nil {
		return nil, undecipherable(err)
	}
	assertion, err := parse(clear, maxResponse)
	if err != nil {
		return nil, undecipherable(err)
	}
	inherit(assertion, encrypted)
	if !is(assertion, nsAssertion, "Assertion") {
		return nil, undecipherable(fmt.Errorf("saml: a %s was encrypted", assertion.Tag))
	}
	if err := checkStructure(assertion); err != nil {
		return nil, undecipherable(err)
	}
	return assertion, nil
}

// inherit gives an element that was taken out of its place the namespaces of that place.
func inherit(el, place *etree.Element) {
	for p := place; p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			if a.Space != "xmlns" && (a.Space != "" || a.Key != "xmlns") {
				continue
			}
			if !slices.ContainsFunc(el.Attr, func(own etree.Attr) bool { return own.Space == a.Space && own.Key == a.Key }) {
				el.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
}

// decipher returns the bytes that were encrypted.
func (v *verification) decipher(encrypted *etree.Element, whole bool) ([]byte, error) {
	data, err := need(encrypted, nsEncryption, "EncryptedData")
	if err != nil {
		return nil, err
	}
	method, err := encryptionMethod(data)
	if err != nil {
		return nil, err
	}
	gcm, cbc := gcmKeys[method.algorithm], cbcKeys[method.algorithm]
	switch {
	case gcm == 0 && cbc == 0:
		return nil, fmt.Errorf("saml: encrypted with %q", method.algorithm)
	case cbc > 0 && !v.t.AllowCBC:
		return nil, errors.New("saml: encrypted with AES-CBC")
	case cbc > 0 && !whole:
		return nil, errors.New("saml: encrypted with AES-CBC in a response that is not signed")
	}
	text, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	keys := children(encrypted, nsEncryption, "EncryptedKey")
	for _, info := range children(data, nsSignature, "KeyInfo") {
		keys = append(keys, children(info, nsEncryption, "EncryptedKey")...)
	}
	if len(keys) == 0 || len(keys) > maxRecipients {
		return nil, fmt.Errorf("saml: %d encrypted keys", len(keys))
	}
	for _, k := range keys {
		for _, private := range v.t.DecryptionKeys {
			key, err := unwrapKey(k, private)
			if err != nil || len(key) != gcm+cbc {
				continue
			}
			if gcm > 0 {
				if clear, err := openGCM(key, text); err == nil {
					return clear, nil
				}
				continue
			}
			if clear, err := openCBC(key, text); err == nil {
				return clear, nil
			}
		}
	}
	return nil, errors.New("saml: no private key opens the assertion")
}

type encryption struct {
	algorithm    string
	digest, mask string
}

func encryptionMethod(el *etree.Element) (m encryption, err error) {
	method, err := need(el, nsEncryption, "EncryptionMethod")
	if err != nil {
		return m, err
	}
	m.algorithm, _ = attr(method, "Algorithm")
	for _, c := range method.ChildElements() {
		switch {
		case is(c, nsSignature, "DigestMethod"):
			m.digest, _ = attr(c, "Algorithm")
		case is(c, nsEnc11, "MGF"):
			m.mask, _ = attr(c, "Algorithm")
		case is(c, nsEncryption, "KeySize"): // the algorithm says it
		default: // a label of OAEP among others
			return m, fmt.Errorf("saml: %s of an encryption", c.Tag)
		}
	}
	return m, nil
}

// cipherValue is what is encrypted in an element. References to elsewhere are not followed.
func cipherValue(el *etree.Element) ([]byte, error) {
	data, err := need(el, nsEncryption, "CipherData")
	if err != nil {
		return nil, err
	}
	value, err := need(data, nsEncryption, "CipherValue")
	if err != nil {
		return nil, err
	}
	encoded, err := text(value)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(withoutSpace(encoded))
}

// unwrapKey decrypts an EncryptedKey with RSA-OAEP.
func unwrapKey(el *etree.Element, private *rsa.PrivateKey) ([]byte, error) {
	method, err := encryptionMethod(el)
	if err != nil {
		return nil, err
	}
	if method.algorithm != oaep && method.algorithm != oaep11 || method.algorithm == oaep && method.mask != "" {
		return nil, fmt.Errorf("saml: a key encrypted with %q", method.algorithm)
	}
	digest, mask := oaepDigests[method.digest], maskDigests[method.mask]
	if digest == 0 || mask == 0 {
		return nil, fmt.Errorf("saml: OAEP with %q and %q", method.digest, method.mask)
	}
	text, err := cipherValue(el)
	if err != nil {
		return nil, err
	}
	return private.Decrypt(nil, text, &rsa.OAEPOptions{Hash: digest, MGFHash: mask})
}

// openGCM decrypts what begins with a nonce of twelve bytes.
func openGCM(key, text []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(text) < gcm.NonceSize() {
		return nil, errors.New("saml: too short")
	}
	return gcm.Open(nil, text[:gcm.NonceSize()], text[gcm.NonceSize():], nil)
}

// openCBC decrypts what begins with an initialization vector and ends with as many bytes of padding as the last one says.
func openCBC(key, text []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, errors.New("saml: not whole blocks")
	}
	clear := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, text[:aes.BlockSize]).CryptBlocks(clear, text[aes.BlockSize:])
	padding := int(clear[len(clear)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, errors.New("saml: bad padding")
	}
	return clear[:len(clear)-padding], nil
}
