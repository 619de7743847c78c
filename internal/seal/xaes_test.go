package seal

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestXAESVectors runs the two test vectors of C2SP's specification "The XAES-256-GCM extended-nonce AEAD". The first key
// takes the branch of CMAC without the reduction, the second the one with it.
func TestXAESVectors(t *testing.T) {
	for _, v := range []struct {
		key        byte
		ad, sealed string
	}{
		{0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		ck := newCipherKey([keyLen]byte(bytes.Repeat([]byte{v.key}, keyLen)))
		nonce := [nonceLen]byte([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"))
		got := ck.seal(nil, &nonce, []byte("XAES-256-GCM"), []byte(v.ad))
		if hex.EncodeToString(got) != v.sealed {
			t.Errorf("key %#x: sealed %x, want %s", v.key, got, v.sealed)
		}
		text, err := ck.open(nil, &nonce, got, []byte(v.ad))
		if err != nil || string(text) != "XAES-256-GCM" {
			t.Errorf("key %#x: opened %q, %v", v.key, text, err)
		}
	}
}
