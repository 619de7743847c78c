package sigv4_test

import (
	"net/http"
	"testing"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// benchRequest is a request of the SDKs' usual size, as the server reads it.
func benchRequest(b *testing.B, set string) *http.Request {
	return signed(b, func(r *http.Request, s *sigv4.Signer) {
		s.RegionSet = set
		r.Header.Set("Amz-Sdk-Invocation-Id", "5d5c0a2e-0d4c-4a0e-8f4a-1f1f0f5c2d11")
		r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
		r.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.6 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/iam#1.64.7")
		r.Header.Set("Accept-Encoding", "identity")
	})
}

func benchmark(b *testing.B, v *sigv4.Verifier, r *http.Request) {
	v.Now = clock(suiteTime)
	b.ReportAllocs()
	for b.Loop() {
		p, err := sigv4.Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := v.Verify(p, suiteSecret, emptySum); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCached(b *testing.B) {
	benchmark(b, &sigv4.Verifier{Cache: sigv4.NewCache(1000)}, benchRequest(b, ""))
}

func BenchmarkUncached(b *testing.B) { benchmark(b, &sigv4.Verifier{}, benchRequest(b, "")) }

func BenchmarkSigV4A(b *testing.B) {
	benchmark(b, &sigv4.Verifier{Cache: sigv4.NewCache(1000)}, benchRequest(b, "us-east-1"))
}

func BenchmarkParse(b *testing.B) {
	r := benchRequest(b, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sigv4.Parse(r); err != nil {
			b.Fatal(err)
		}
	}
}
