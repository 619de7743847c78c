package usage_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// BenchmarkAccess is what every request pays for the record of last uses.
func BenchmarkAccess(b *testing.B) {
	s := mem.Open(mem.Config{})
	defer s.Close()
	r := usage.New(usage.Config{Store: s})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Access(account, "AIDA1", "iam", "GetUser", "us-east-1", noon)
		}
	})
}
