package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

// BenchmarkParseOneLine reads documents without line breaks. Bytes per second must not fall as they grow.
func BenchmarkParseOneLine(b *testing.B) {
	for _, n := range []int{100, 1000, 10000, 40000} {
		list := strings.TrimSuffix(strings.Repeat(`"s3:GetObject",`, n), ",")
		src := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[` + list + `]}]}`)
		b.Run(fmt.Sprintf("actions=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := policy.Parse(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
