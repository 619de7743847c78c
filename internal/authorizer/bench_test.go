package authorizer_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// BenchmarkDecide is a whole decision: finding the policies, building the request context, evaluating.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(b)
	tags := []entity.Tag{{Key: "team", Value: "red"}, {Key: "rank", Value: "low"}, {Key: "CostCenter", Value: "4711"}}
	statements := []string{
		`{"Effect":"Allow","Action":"shop:Buy","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}`,
		`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}}`,
	}
	ann, worker := w.user("ann", tags, statements...), w.session("worker", tags, statements...)
	worker.SessionTags = tags[:1]
	s, env := w.follower.Current(), environment()
	for _, bench := range []struct {
		name   string
		caller *authorizer.Caller
		check  authorizer.Check
	}{
		{"user", ann, authorizer.Check{Action: "shop:Buy", Resource: "*"}},
		{"session", worker, authorizer.Check{Action: "shop:Buy", Resource: "*"}},
		{"session, tagged resource", worker, authorizer.Check{Action: "shop:Buy", Resource: "arn:aws:shop:::hat", RequestTags: tags}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := w.auth.Decide(s, bench.caller, env, &bench.check); !d.Allowed() {
					b.Fatal(d.Message())
				}
			}
		})
		b.Run(bench.name+", context alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.auth.Bind(s, bench.caller, env, &bench.check)
			}
		})
	}
}
