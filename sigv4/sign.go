package sigv4

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signer signs requests. It is for tests and small tools; a program that speaks to AWS uses AWS's SDK. It shares the
// canonical form with [Verifier], so the two agreeing proves nothing about either.
type Signer struct {
	AccessKeyID string
	Secret      string
	Token       string // session token; empty for long-term keys
	Region      string
	Service     string
	// RegionSet, if not empty, makes it sign with SigV4A for this comma-separated list of regions, in place of Region.
	RegionSet string
	// S3 takes Amazon S3's rules for paths.
	S3 bool
}

// Sign adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Region-Set as needed, and the Authorization header. It signs Host,
// Content-Type and every X-Amz-… header of r. If r has X-Amz-Content-Sha256, that is signed; otherwise bodyHash.
// A signature that is there already is replaced.
func (s *Signer) Sign(r *http.Request, bodyHash [sha256.Size]byte, at time.Time) error {
	r.Header.Del(headerAuthorization)
	p := s.presented(r, FormHeader, at)
	r.Header.Set(nameDate, p.timestamp)
	if s.Token != "" {
		r.Header.Set(nameToken, s.Token)
	}
	if s.RegionSet != "" {
		r.Header.Set(nameRegionSet, s.RegionSet)
	}
	p.SignedHeaders = headersToSign(r)
	signature, err := s.signature(p, bodyHash)
	if err != nil {
		return err
	}
	r.Header.Set(headerAuthorization, p.Algorithm+" Credential="+s.AccessKeyID+"/"+p.scope+
		", SignedHeaders="+p.SignedHeaders+", Signature="+signature)
	return nil
}

// Presign adds the signature to r's query string, good from at until expires later. It signs the same headers as Sign.
func (s *Signer) Presign(r *http.Request, bodyHash [sha256.Size]byte, at time.Time, expires time.Duration) error {
	if expires < 0 || expires > MaxExpires {
		return errors.New("sigv4: a presigned request lives at most a week")
	}
	p := s.presented(r, FormQuery, at)
	p.SignedHeaders = headersToSign(r)
	q := url.Values{
		nameAlgorithm: {p.Algorithm}, nameCredential: {s.AccessKeyID + "/" + p.scope}, nameDate: {p.timestamp},
		nameExpires: {strconv.Itoa(int(expires / time.Second))}, nameSignedHeaders: {p.SignedHeaders},
	}
	if s.Token != "" {
		q.Set(nameToken, s.Token)
	}
	if s.RegionSet != "" {
		q.Set(nameRegionSet, s.RegionSet)
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += q.Encode()
	signature, err := s.signature(p, bodyHash)
	if err != nil {
		return err
	}
	r.URL.RawQuery += "&" + nameSignature + "=" + signature
	return nil
}

// presented is what the signed request will present.
func (s *Signer) presented(r *http.Request, form Form, at time.Time) *Presented {
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	p := &Presented{Form: form, Algorithm: AlgorithmHMAC, AccessKeyID: s.AccessKeyID, Region: s.Region, Service: s.Service,
		RegionSet: s.RegionSet, timestamp: at.UTC().Format(TimeFormat), request: r, payload: r.Header.Get(namePayload)}
	p.Date = p.timestamp[:8]
	p.scope = p.Date + "/" + s.Region + "/" + s.Service + "/" + Terminator
	if s.RegionSet != "" {
		p.Algorithm = AlgorithmECDSA
		p.Region = ""
		p.scope = p.Date + "/" + s.Service + "/" + Terminator
	}
	return p
}

func headersToSign(r *http.Request) string {
	names := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}

func (s *Signer) signature(p *Presented, bodyHash [sha256.Size]byte) (string, error) {
	payload := []byte(p.payload)
	if len(payload) == 0 {
		payload = hex.AppendEncode(nil, bodyHash[:])
	}
	w := scratches.Get().(*scratch)
	defer w.release()
	w.build(p, payload, rules{s3: s.S3})
	if p.Algorithm == AlgorithmHMAC {
		sum := deriveKey(p, s.Secret).hmac(w.toSign)
		return hex.EncodeToString(sum[:]), nil
	}
	private := deriveECDSA(s.AccessKeyID, s.Secret)
	if private == nil {
		return "", errors.New("sigv4: no key for this secret")
	}
	sum := sha256.Sum256(w.toSign[hmacBlock:])
	der, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
	if err != nil {
		return "", fmt.Errorf("sigv4: signing: %w", err)
	}
	return hex.EncodeToString(der), nil
}
