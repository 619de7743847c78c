package iam

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// GetContextKeysForCustomPolicy lists the condition keys that policies ask for, which a simulation of them should be given (S3-129).
func (s *service) GetContextKeysForCustomPolicy(_ context.Context, _ *gate.Call, in *shape.GetContextKeysForCustomPolicyRequest) (*shape.GetContextKeysForPolicyResponse, error) {
	given, err := givenDocuments(in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &shape.GetContextKeysForPolicyResponse{ContextKeyNames: keysOf(given)}, nil
}

// GetContextKeysForPrincipalPolicy lists the condition keys that the policies of a user with its groups, of a group or of a role, and
// policies given beside, ask for. The boundary counts: a simulation asks it too. Policies of an organization do not.
func (s *service) GetContextKeysForPrincipalPolicy(_ context.Context, c *gate.Call, in *shape.GetContextKeysForPrincipalPolicyRequest) (*shape.GetContextKeysForPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	from, err := findSource(account, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	given, err := givenDocuments(in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	sub, ok := (&authorizer.Simulation{Source: from.caller, Identity: from.group}).Subject(c.Snapshot)
	if !ok {
		return nil, fault.New(fault.NotFound, "Unable to retrieve specified IAM entity.")
	}
	var all []*policy.Document
	for _, p := range sub.Identity {
		if !strings.HasPrefix(p.Name(), accountHolder+"/") { // is none of the principal's, and asks for what is known
			all = append(all, p.Document())
		}
	}
	if sub.Boundary != nil {
		all = append(all, sub.Boundary.Document())
	}
	return &shape.GetContextKeysForPolicyResponse{ContextKeyNames: keysOf(append(all, given...))}, nil
}

// givenDocuments reads documents of whatever kind of policy: what asks for keys is the same in all.
func givenDocuments(texts []string) ([]*policy.Document, error) {
	var out []*policy.Document
	for i, text := range texts {
		doc, err := policy.Options{}.ParseAs(0, []byte(text))
		if err != nil {
			return nil, invalidDocument(fmt.Sprint("PolicyInputList.", i+1), err)
		}
		out = append(out, doc)
	}
	return out, nil
}

// keysOf lists the keys of documents, each once without regard to letter case, in the order of the texts. The list is never nil.
func keysOf(documents []*policy.Document) []string {
	keys, seen := []string{}, make(map[string]bool)
	for _, d := range documents {
		for _, key := range d.Keys() {
			if folded := strings.ToLower(key); !seen[folded] {
				seen[folded] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}
