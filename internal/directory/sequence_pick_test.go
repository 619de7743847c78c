package directory_test

import (
	"maps"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// What random steps pick from the store, so that they meet something.

// anyTemplate picks a delegation template of the account.
func anyTemplate(d drawn, s *state) string {
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		if t, ok := s.items[key].(*entity.DelegationTemplate); ok && t.Account == d.account {
			return t.ARN()
		}
	}
	return d.arn
}

// anyRequest picks a delegation request, one that the account may know of if there is one.
func anyRequest(d drawn, s *state) string {
	found, n := "none-none-none-none", 0
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		if r, ok := s.items[key].(*entity.DelegationRequest); ok && (r.KnownTo(d.account) || d.number == 1) {
			if n++; n <= d.number {
				found = r.ID
			}
		}
	}
	return found
}

func delegateOf(d drawn) directory.Delegate {
	return directory.Delegate{Account: d.account, ARN: entity.UserARN(d.account, "/", d.name), ID: "AIDA" + d.name}
}

// anyDeletion picks the ID of a deletion task of the account.
func anyDeletion(d drawn, s *state) string {
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		if t, ok := s.items[key].(*entity.RoleDeletion); ok && t.Account == d.account && !t.Done() {
			return t.ID
		}
	}
	return "none"
}

// anyVersion picks a version of a managed policy, one that is not the default if there is one.
func anyVersion(d drawn, s *state) (arn string, number int) {
	for _, id := range slices.Sorted(maps.Keys(s.policies)) {
		p := s.policies[id]
		for _, v := range p.Versions {
			if p.Account == d.account && v.Number != p.Default {
				return p.ARN(), v.Number
			}
		}
	}
	return d.arn, 1 + d.number%3
}
