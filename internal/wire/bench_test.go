package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// The whole of this package's part of a request: recognize, decode, check, encode.
func benchmark(b *testing.B, service, body string, out wire.Output) {
	r, text := post(body, "Authorization", scope(service))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		call, err := all.Recognize(r, text)
		if err != nil {
			b.Fatal(err)
		}
		if err := call.Validate(); err != nil {
			b.Fatal(err)
		}
		dst = call.AppendOutput(dst[:0], "6c1b0c0e-0f0d-4d5b-9a53-3f0f0f1d2c3b", out)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkGetCallerIdentity(b *testing.B) {
	benchmark(b, "sts", "Action=GetCallerIdentity&Version=2011-06-15",
		&sts.GetCallerIdentityResponse{Account: new("123456789012"), Arn: new("arn:aws:iam::123456789012:user/alice"), UserId: new("AIDACKCEVSQ6C2EXAMPLE")})
}

func BenchmarkListUsers(b *testing.B) {
	out := &iam.ListUsersResponse{IsTruncated: new(true), Marker: new("bWFya2Vy")}
	for i := range 100 {
		name := fmt.Sprintf("user-%03d", i)
		out.Users = append(out.Users, iam.User{UserName: name, Path: "/team/", UserId: "AIDACKCEVSQ6C2EXAMPLE",
			Arn: "arn:aws:iam::123456789012:user/team/" + name, CreateDate: at})
	}
	benchmark(b, "iam", "Action=ListUsers&MaxItems=100&PathPrefix=%2Fteam%2F&Version=2010-05-08", out)
}

func BenchmarkPutRolePolicy(b *testing.B) {
	policy := strings.Repeat("%7B%22Version%22%3A%222012-10-17%22%7D", 300)
	benchmark(b, "iam", "Action=PutRolePolicy&PolicyDocument="+policy+"&PolicyName=p&RoleName=r&Version=2010-05-08", nil)
}
