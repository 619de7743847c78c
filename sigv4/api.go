package sigv4

import (
	"net/http"
	"time"
)

// Verifier checks signatures. The zero value is strict and usable; it holds no state but the cache.
type Verifier struct {
	Now   func() time.Time // nil: time.Now
	Skew  time.Duration    // allowed clock difference; zero: DefaultSkew
	Cache *Cache           // signing keys; nil: derived for every request

	// UnsignedPayload accepts requests whose X-Amz-Content-Sha256 is UNSIGNED-PAYLOAD.
	UnsignedPayload bool
	// S3 takes Amazon S3's rules.
	S3 bool
	// UnsignedToken accepts an X-Amz-Security-Token that the signature does not cover.
	UnsignedToken bool
}

// Parse reads the signature of r from the Authorization header or the query string.
func Parse(r *http.Request) (*Presented, error) { return nil, nil }

// CheckService reports whether the scope names service.
func (p *Presented) CheckService(service string) error { return nil }

// CheckRegion reports whether the signature is good for region.
func (p *Presented) CheckRegion(region string) error { return nil }

// Verify reports whether the holder of secret signed the request that p was parsed from.
func (v *Verifier) Verify(p *Presented, secret string, bodyHash [32]byte) error { return nil }

// Cache keeps derived signing keys.
type Cache struct{}

// NewCache returns a cache for about size keys.
func NewCache(size int) *Cache { return nil }

// Signer signs requests.
type Signer struct {
	AccessKeyID, Secret, Token string
	Region, Service            string
	S3                         bool
}

// Sign adds X-Amz-Date, X-Amz-Security-Token and the Authorization header.
func (s *Signer) Sign(r *http.Request, bodyHash [32]byte, at time.Time) error { return nil }

// Presign adds the signature to the query string.
func (s *Signer) Presign(r *http.Request, bodyHash [32]byte, at time.Time, expires time.Duration) error {
	return nil
}
