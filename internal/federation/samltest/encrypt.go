package samltest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
)

// Encryption says how an assertion is encrypted.
type Encryption struct {
	To      *rsa.PublicKey
	CBC     bool
	PKCS1   bool // the key is encrypted with PKCS #1 padding
	Digest  crypto.Hash
	Mask    crypto.Hash // other than SHA-1: OAEP of XML Encryption 1.1
	Sibling bool        // the encrypted key stands beside the data
	Break   func(text []byte) []byte
}

var (
	digestNames = map[crypto.Hash]string{crypto.SHA1: "http://www.w3.org/2000/09/xmldsig#sha1", crypto.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256"}
	maskNames   = map[crypto.Hash]string{crypto.SHA1: "http://www.w3.org/2009/xmlenc11#mgf1sha1", crypto.SHA256: "http://www.w3.org/2009/xmlenc11#mgf1sha256"}
)

// EncryptedAssertion encrypts text, with AES-256, as an EncryptedAssertion.
func EncryptedAssertion(e Encryption, text string) string {
	key, nonce := make([]byte, 32), make([]byte, aes.BlockSize)
	_, _ = rand.Read(key)
	_, _ = rand.Read(nonce)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	algorithm := "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	var sealed []byte
	if e.CBC {
		algorithm = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
		padding := aes.BlockSize - len(text)%aes.BlockSize
		padded := append([]byte(text), make([]byte, padding)...)
		padded[len(padded)-1] = byte(padding)
		sealed = append(sealed, nonce...)
		sealed = append(sealed, padded...)
		cipher.NewCBCEncrypter(block, nonce).CryptBlocks(sealed[aes.BlockSize:], padded)
	} else {
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		sealed = gcm.Seal(nonce[:12:12], nonce[:12], []byte(text), nil)
	}
	if e.Break != nil {
		sealed = e.Break(sealed)
	}
	wrapped, method := e.wrap(key)
	b64 := base64.StdEncoding.EncodeToString
	encryptedKey := `<xenc:EncryptedKey>` + method +
		`<xenc:CipherData><xenc:CipherValue>` + b64(wrapped) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`
	const ds = ` xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`
	info := `<ds:KeyInfo` + ds + `>` + strings.Replace(encryptedKey, "DigestMethod"+ds, "DigestMethod", 1) + `</ds:KeyInfo>`
	beside := ""
	if e.Sibling {
		info, beside = "", strings.Replace(encryptedKey, ">", ` xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">`, 1)
	}
	return `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` +
		`<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">` +
		`<xenc:EncryptionMethod Algorithm="` + algorithm + `"></xenc:EncryptionMethod>` + info +
		`<xenc:CipherData><xenc:CipherValue>` + b64(sealed) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>` + beside + `</saml:EncryptedAssertion>`
}

// wrap encrypts a key and returns it with its EncryptionMethod.
func (e Encryption) wrap(key []byte) (wrapped []byte, method string) {
	const open, end = `<xenc:EncryptionMethod Algorithm="`, `</xenc:EncryptionMethod>`
	if e.PKCS1 {
		wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, e.To, key)
		if err != nil {
			panic(err)
		}
		return wrapped, open + `http://www.w3.org/2001/04/xmlenc#rsa-1_5">` + end
	}
	digest, mask := e.Digest, e.Mask
	if digest == 0 {
		digest = crypto.SHA1
	}
	algorithm, more := "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", `<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="`+digestNames[digest]+`"></ds:DigestMethod>`
	if mask == 0 {
		mask = crypto.SHA1
	} else {
		algorithm = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
		more += `<xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="` + maskNames[mask] + `"></xenc11:MGF>`
	}
	wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, e.To, key, &rsa.OAEPOptions{Hash: digest, MGFHash: mask})
	if err != nil {
		panic(err)
	}
	return wrapped, open + algorithm + `">` + more + end
}
