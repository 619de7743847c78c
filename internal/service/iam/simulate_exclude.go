package iam

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/arn/glob"
	"github.com/ostiary-iam/ostiary/internal/fault"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// exclusions say which of a principal's policies a simulation leaves out. One that fits no policy changes nothing ("PolicyIdentifier"
// in the IAM API Reference).
type exclusions []exclusion

// exclusion is one identifier; one of its members is set.
type exclusion struct {
	kind   string        // a type of policy
	arn    *glob.Pattern // of managed policies
	holder string        // of an inline policy: user, group or role
	name   *glob.Pattern // of the holder
	policy string        // the inline policy's
}

// readExclusions reads policy identifiers.
func readExclusions(list []shape.PolicyIdentifier) (exclusions, error) {
	var out exclusions
	for _, id := range list {
		switch {
		case id.PolicyType != nil && id.PolicyArn == nil && id.InlinePolicyIdentifier == nil:
			out = append(out, exclusion{kind: *id.PolicyType}) // the model knows which there are
		case id.PolicyArn != nil && id.PolicyType == nil && id.InlinePolicyIdentifier == nil:
			p, err := managedPattern(*id.PolicyArn)
			if err != nil {
				return nil, err
			}
			out = append(out, exclusion{arn: p})
		case id.InlinePolicyIdentifier != nil && id.PolicyType == nil && id.PolicyArn == nil:
			in := id.InlinePolicyIdentifier
			p, err := namePattern(in.AttachmentName)
			if err != nil {
				return nil, err
			}
			out = append(out, exclusion{holder: in.AttachmentType, name: p, policy: in.PolicyName})
		default:
			return nil, fault.New(fault.InvalidInput, "A policy identifier must specify exactly one of PolicyType, PolicyArn, or InlinePolicyIdentifier.")
		}
	}
	return out, nil
}

// managedPattern reads the ARN of a managed policy, which may have wildcards in the policy's path and name.
func managedPattern(text string) (*glob.Pattern, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || strings.ContainsAny(strings.Join(parts[:5], ":"), "*?") {
		return nil, fault.New(fault.InvalidInput, "Invalid ARN provided in the request: %s", text)
	}
	if _, ok := policyOwner(text); !ok {
		return nil, fault.New(fault.InvalidInput, "Invalid ARN provided in the request: %s", text)
	}
	return namePattern(text)
}

// namePattern reads text with at most one * and any number of ?.
func namePattern(text string) (*glob.Pattern, error) {
	if text == "" || strings.Count(text, "*") > 1 {
		return nil, fault.New(fault.InvalidInput, "A policy identifier can have at most one * in a name: %s", text)
	}
	return glob.Compile(glob.Tokens(text), glob.Plain), nil
}

// accountHolder begins the names of policies that are nobody's: what a setting of the account grants all users.
const accountHolder = "account"

// ofType reports whether all policies of a type are excluded.
func (all exclusions) ofType(kind string) bool {
	return slices.ContainsFunc(all, func(e exclusion) bool { return e.kind == kind })
}

// exclude reports whether an identity policy of the principal is left out. Its name tells what it is: see [snapshot.User.Identity].
func (all exclusions) exclude(p *policy.Policy) bool {
	holder, rest, inline := strings.Cut(p.Name(), "/")
	if owner, ok := policyOwner(p.Name()); ok {
		kind := shape.PolicyIdentifierPolicyTypeUserManaged
		if owner == "aws" {
			kind = shape.PolicyIdentifierPolicyTypeAwsManaged
		}
		return slices.ContainsFunc(all, func(e exclusion) bool { return e.kind == kind || e.arn != nil && e.arn.Match(p.Name(), nil) })
	}
	if !inline || holder == accountHolder {
		return false // what an account setting grants; or it stands for a policy that is not there, and denies everything
	}
	name, embedded, _ := strings.Cut(rest, "/")
	return slices.ContainsFunc(all, func(e exclusion) bool {
		return e.kind == shape.PolicyIdentifierPolicyTypeInline || e.holder == holder && e.policy == embedded && e.name.Match(name, nil)
	})
}
