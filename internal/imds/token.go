package imds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strconv"
	"time"
)

// maxTTL is the longest life of a token in seconds (EC2 user guide, "Use the Instance Metadata Service").
const maxTTL = 21600

// A token is base64url of: when it ends, in Unix seconds (8 bytes), random bytes (8) and an HMAC-SHA-256 of both under the server's key.
const tokenBody, tokenBytes = 16, 16 + sha256.Size

// newToken makes a token.
func (s *Server) newToken(ttl time.Duration) (string, error) {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.cfg.Now().Add(ttl).Unix()))
	b = append(b, make([]byte, 8)...)
	if _, err := io.ReadFull(s.cfg.Rand, b[8:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b)...)), nil
}

// goodToken reports whether this server made the token and it has not ended.
func (s *Server) goodToken(text string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != tokenBytes || len(text) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return false
	}
	return hmac.Equal(b[tokenBody:], s.mac(b[:tokenBody])) && s.cfg.Now().Unix() < int64(binary.BigEndian.Uint64(b))
}

func (s *Server) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(b)
	return h.Sum(nil)
}

// parseTTL reads the header that says how long a token should live: 1 to 21600 seconds, in decimal digits.
func parseTTL(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 1 || n > maxTTL || text[0] == '0' {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
