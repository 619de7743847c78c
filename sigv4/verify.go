package sigv4

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Verifier checks signatures. The zero value is usable and strict; one Verifier serves many goroutines.
type Verifier struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Skew is how far the clocks may be apart; zero means DefaultSkew. The life of a presigned request is its own.
	Skew time.Duration
	// Cache keeps signing keys; nil derives them for every request.
	Cache *Cache

	// UnsignedPayload accepts requests whose X-Amz-Content-Sha256 says UNSIGNED-PAYLOAD. Query and JSON services do not.
	UnsignedPayload bool
	// UnsignedToken accepts a session token that was added after signing, as a few AWS services do. What the token says is
	// then protected by nothing but the token itself.
	UnsignedToken bool
	// S3 takes Amazon S3's rules: the path is not normalized and is encoded once, all X-Amz-… headers must be signed, and
	// a presigned request says nothing of its payload (which needs UnsignedPayload).
	S3 bool
}

// CheckService returns nil if the scope names service, and an error of kind [Scope] otherwise.
func (p *Presented) CheckService(service string) error {
	if p.Service == service {
		return nil
	}
	return refuse(Scope, "Credential should be scoped to correct service: '%s'. ", service)
}

// CheckRegion returns nil if the signature is good in region, and an error of kind [Scope] otherwise. A region set of
// SigV4A may have wildcards.
func (p *Presented) CheckRegion(region string) error {
	if p.Algorithm == AlgorithmECDSA {
		for pattern := range strings.SplitSeq(p.RegionSet, ",") {
			if matchRegion(strings.Trim(pattern, " "), region) {
				return nil
			}
		}
		return refuse(Scope, "Credential should be scoped to a valid region, not '%s'. ", p.RegionSet)
	}
	if p.Region == region {
		return nil
	}
	return refuse(Scope, "Credential should be scoped to a valid region, not '%s'. ", p.Region)
}

// matchRegion matches a region against a pattern in which each * stands for any characters.
func matchRegion(pattern, region string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern != "" && pattern == region
	}
	if !strings.HasPrefix(region, head) {
		return false
	}
	region = region[len(head):]
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(region, part)
		}
		i := strings.Index(region, part)
		if i < 0 {
			return false
		}
		region, rest = region[i+len(part):], more
	}
}

// Verify returns nil if the holder of secret signed the request that p was parsed from, with the body that has this SHA-256,
// for this time. Otherwise the error is an [*Error]. It does not judge the scope: see [Presented.CheckService]
// and [Presented.CheckRegion]. The secret must be the one that belongs to p.AccessKeyID and, for temporary credentials,
// to p.SecurityToken.
func (v *Verifier) Verify(p *Presented, secret string, bodyHash [sha256.Size]byte) error {
	if err := v.checkTime(p); err != nil {
		return err
	}
	if err := v.checkSigned(p); err != nil {
		return err
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	payload, err := v.payload(p, bodyHash, s)
	if err != nil {
		return err
	}
	complete := s.build(p, payload, rules{s3: v.S3})
	if complete && v.match(p, secret, s) {
		return nil
	}
	mismatch := &Error{Kind: Mismatch, Message: sentenceMismatch,
		Canonical: string(s.canonical), StringToSign: string(s.toSign[hmacBlock:])}
	if v.UnsignedToken && p.Form == FormQuery && p.SecurityToken != "" {
		if s.build(p, payload, rules{s3: v.S3, dropToken: true}) && v.match(p, secret, s) {
			return nil
		}
	}
	return mismatch
}

// match compares the presented signature with the one computed from s.
func (v *Verifier) match(p *Presented, secret string, s *scratch) bool {
	k, cached := v.Cache.lookup(p, secret)
	if !cached {
		k = deriveKey(p, secret)
	}
	var ok bool
	if p.Algorithm == AlgorithmECDSA {
		sum := sha256.Sum256(s.toSign[hmacBlock:])
		der, err := hex.DecodeString(p.signature)
		ok = err == nil && k.public != nil && ecdsa.VerifyASN1(k.public, sum[:], der)
	} else {
		computed := k.hmac(s.toSign)
		var text [2 * sha256.Size]byte
		hex.Encode(text[:], computed[:])
		ok = subtle.ConstantTimeCompare(text[:], []byte(p.signature)) == 1
	}
	if ok && !cached {
		// Only now: a stranger must not be able to fill the cache with scopes.
		v.Cache.store(p, secret, k)
	}
	return ok
}

// payload returns the last line of the canonical request, after comparing it with the body that arrived.
func (v *Verifier) payload(p *Presented, bodyHash [sha256.Size]byte, s *scratch) ([]byte, error) {
	switch {
	case p.payload == UnsignedPayload:
		if !v.UnsignedPayload {
			return nil, refuse(Unsupported, "%s is not accepted here: the payload must be signed.", UnsignedPayload)
		}
		return []byte(UnsignedPayload), nil
	case strings.HasPrefix(p.payload, "STREAMING-"):
		return nil, refuse(Unsupported, "Signatures of chunked payloads are not accepted: '%s'.", p.payload)
	case p.payload == "" && v.S3 && v.UnsignedPayload && p.Form == FormQuery:
		return []byte(UnsignedPayload), nil
	}
	hex.Encode(s.payload[:], bodyHash[:])
	if p.payload != "" && subtle.ConstantTimeCompare([]byte(p.payload), s.payload[:]) != 1 {
		return nil, refuse(PayloadHash, "%s", sentenceMismatch)
	}
	return s.payload[:], nil
}

// checkSigned holds the rules about signed headers that depend on the service.
func (v *Verifier) checkSigned(p *Presented) error {
	if !p.tokenSigned && !v.UnsignedToken {
		return mustSign(nameToken)
	}
	if !v.S3 {
		return nil
	}
	for name := range p.request.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && name != nameToken && !p.signsName(lower) {
			return refuse(Unsigned, "There were headers present in the request which were not signed: %s", lower)
		}
	}
	return nil
}

func (v *Verifier) checkTime(p *Presented) error {
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	skew := v.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	at := now().UTC()
	if p.Time.After(at.Add(skew)) {
		return refuse(NotYet, "Signature not yet current: %s is still later than %s (%s + %s.)",
			p.timestamp, at.Add(skew).Format(TimeFormat), at.Format(TimeFormat), spell(skew))
	}
	life := skew
	if p.Form == FormQuery {
		life = p.Expires
	}
	if p.Time.Before(at.Add(-life)) {
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - %s.)",
			p.timestamp, at.Add(-life).Format(TimeFormat), at.Format(TimeFormat), spell(life))
	}
	return nil
}

// spell writes a duration as AWS's sentence does: "5 min".
func spell(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d sec", d/time.Second)
}
