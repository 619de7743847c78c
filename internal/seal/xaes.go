package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

const (
	nonceLen = 24
	tagLen   = 16
)

// cipherKey is a key of XAES-256-GCM (C2SP, "The XAES-256-GCM extended-nonce AEAD"): AES-256-GCM under a key that CMAC
// derives from the first twelve bytes of the nonce, with the other twelve as GCM's nonce. It is safe for concurrent use.
type cipherKey struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // CMAC's subkey for whole blocks
}

func newCipherKey(secret [keyLen]byte) *cipherKey {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic("seal: unreachable: " + err.Error()) // the length is right by type
	}
	c := &cipherKey{block: block}
	block.Encrypt(c.k1[:], c.k1[:])
	var carry byte
	for i := len(c.k1) - 1; i >= 0; i-- {
		next := c.k1[i] >> 7
		c.k1[i] = c.k1[i]<<1 | carry
		carry = next
	}
	c.k1[len(c.k1)-1] ^= carry * 0x87
	return c
}

// aead returns the AES-256-GCM instance that belongs to the first half of nonce.
func (c *cipherKey) aead(nonce *[nonceLen]byte) cipher.AEAD {
	var derived [keyLen]byte
	for i := range 2 {
		half := derived[i*aes.BlockSize : (i+1)*aes.BlockSize]
		half[1], half[2] = byte(i+1), 'X'
		copy(half[4:], nonce[:12])
		subtle.XORBytes(half, half, c.k1[:])
		c.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(derived[:])
	if err != nil {
		panic("seal: unreachable: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: unreachable: " + err.Error()) // AES has GCM's block size
	}
	return gcm
}

func (c *cipherKey) seal(dst []byte, nonce *[nonceLen]byte, text, ad []byte) []byte {
	return c.aead(nonce).Seal(dst, nonce[12:], text, ad)
}

func (c *cipherKey) open(dst []byte, nonce *[nonceLen]byte, sealed, ad []byte) ([]byte, error) {
	return c.aead(nonce).Open(dst, nonce[12:], sealed, ad)
}
