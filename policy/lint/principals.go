package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// checkPrincipals judges whom the statement names.
func (s *statement) checkPrincipals() {
	ps := s.Principals
	if ps == nil {
		return
	}
	element := s.path + ".Principal"
	if ps.Not {
		element = s.path + ".NotPrincipal"
		if s.Effect == policy.Allow {
			s.reportAt(AllowWithNotPrincipal, SecurityWarning, ps.Pos, element,
				"Allow with NotPrincipal allows everyone who is not listed, anonymous callers too. AWS refuses it.",
				"List in Principal who may, or allow more widely and deny with a condition on aws:PrincipalArn.")
		}
	}
	seen := map[policy.PrincipalRef]bool{}
	for i := range ps.Refs {
		ref := &ps.Refs[i]
		v, path := policy.Value{Text: ref.Value, Pos: ref.Position(), End: ref.End}, element+"."+ref.Type
		if ref.Type == "*" {
			path = element
		}
		same := policy.PrincipalRef{Type: ref.Type, Value: ref.Value}
		if seen[same] {
			s.report(RedundantPrincipal, Suggestion, v, path, short(ref.Value)+" is listed twice.", "Remove one.")
		}
		seen[same] = true
		s.checkPrincipal(ref, v, path)
	}
}

func (s *statement) checkPrincipal(ref *policy.PrincipalRef, v policy.Value, path string) {
	if ref.Type == "AWS" && len(ref.Value) >= 16 && !strings.Contains(ref.Value, ":") {
		switch ref.Value[:4] {
		case "AROA":
			s.report(InvalidRoleReference, Warning, v, path,
				ref.Value+" is the ID of a role, most often of one that was deleted.", "Write the role's ARN.")
		case "AIDA":
			s.report(InvalidUserReference, Warning, v, path,
				ref.Value+" is the ID of a user, most often of one that was deleted.", "Write the user's ARN.")
		}
	}
	if s.Effect != policy.Allow || s.Principals.Not || s.kind != policy.Resource && s.kind != policy.Trust {
		return
	}
	switch ref.Type {
	case "*", "AWS":
		s.checkAWS(ref, v, path)
	case "Service":
		s.checkService(ref, v, path)
	case "Federated":
		s.checkFederated(ref, v, path)
	}
	s.checkTrustAction(ref, v, path)
}

// narrowing are the keys that tell who asks or for whom. A condition on one of them keeps a wide principal from being everyone.
var narrowing = []string{"aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:principaltag/", "aws:userid",
	"aws:username", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn",
	"aws:sourceip", "aws:vpcsourceip", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths", "aws:principalservicename",
	"aws:principalservicenameslist", "aws:sourceowner", "kms:calleraccount", "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "sts:externalid",
	"elasticfilesystem:accessedviamounttarget", "lambda:functionurlauthtype", "saml:aud", "aws:referer", "aws:principaltype"}

// narrowed reports whether a condition tells who asks.
func (s *statement) narrowed() bool {
	for _, c := range s.Conditions {
		op, ok := parseOperator(c.Operator.Text)
		if !ok || op.negated() || op.ifExists || op.set == "ForAllValues" {
			continue
		}
		for _, t := range c.Tests {
			key := strings.ToLower(t.Key.Text)
			if slices.ContainsFunc(narrowing, func(n string) bool { return key == n || strings.HasSuffix(n, "/") && strings.HasPrefix(key, n) }) {
				return true
			}
		}
	}
	return false
}

func (s *statement) checkAWS(ref *policy.PrincipalRef, v policy.Value, path string) {
	if ref.Value == "*" {
		if !s.narrowed() {
			s.report(PublicAccess, SecurityWarning, v, path,
				"Everyone is allowed: any account, and where the service knows them anonymous callers.",
				"Name the principals, or add a condition on aws:PrincipalOrgID, aws:PrincipalAccount, aws:PrincipalArn or aws:SourceVpce.")
		}
		return
	}
	whole := strings.HasSuffix(ref.Value, ":root") || len(ref.Value) == 12 && strings.Trim(ref.Value, "0123456789") == ""
	if s.pedantic && s.kind == policy.Trust && whole && !s.tests("sts:ExternalId") && !s.tests("aws:PrincipalOrgID") && !s.tests("aws:PrincipalArn") {
		s.report(MissingExternalID, Suggestion, v, path,
			"Whoever the account lets assume roles may assume this one, also on behalf of that account's customers.",
			"If the account is another company's, demand sts:ExternalId; if it is your own, name the role or add aws:PrincipalArn.")
	}
}

// plainServices act only for resources of the role's own account and send no source keys, so a trust policy cannot ask for them.
var plainServices = []string{"ec2.amazonaws.com", "lambda.amazonaws.com", "edgelambda.amazonaws.com", "pods.eks.amazonaws.com", "ssm.amazonaws.com"}

// checkService finds the confused deputy: a service that acts for anybody's resource.
func (s *statement) checkService(ref *policy.PrincipalRef, v policy.Value, path string) {
	for _, key := range []string{"aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:PrincipalOrgID",
		"kms:ViaService", "kms:CallerAccount"} {
		if s.tests(key) {
			return
		}
	}
	remedy := "Add a condition on aws:SourceArn or aws:SourceAccount (or aws:SourceOrgID, aws:SourceOrgPaths)."
	if s.kind == policy.Resource {
		s.report(ServiceWithoutSource, SecurityWarning, v, path,
			fmt.Sprintf("%s may act here for anybody's resource, of any account: the confused deputy.", ref.Value), remedy)
		return
	}
	if !slices.Contains(plainServices, ref.Value) && !strings.HasPrefix(ref.Value, "ec2.") {
		s.report(RecommendedSourceKey, Suggestion, v, path,
			fmt.Sprintf("%s may assume the role for any resource that names it.", ref.Value), remedy+" Leave it if the service sends none when it assumes roles.")
	}
}

// checkFederated finds trust in all users of an identity provider.
func (s *statement) checkFederated(ref *policy.PrincipalRef, v policy.Value, path string) {
	if s.kind != policy.Trust || strings.Contains(ref.Value, ":saml-provider/") {
		return
	}
	provider := ref.Value
	if _, host, ok := strings.Cut(provider, ":oidc-provider/"); ok {
		provider = host
	}
	has := func(claims ...string) bool {
		for _, c := range s.Conditions {
			for _, t := range c.Tests {
				key := strings.ToLower(t.Key.Text)
				rest, ok := strings.CutPrefix(key, strings.ToLower(provider)+":")
				if ok && !strings.HasPrefix(c.Operator.Text, "ForAllValues") && (len(claims) == 0 || slices.Contains(claims, rest)) {
					return true
				}
			}
		}
		return false
	}
	switch {
	case strings.HasPrefix(provider, "token.actions.githubusercontent.com"):
		if !has("sub", "repository", "repository_id", "repository_owner_id", "job_workflow_ref", "environment", "enterprise_id") {
			s.report(MissingGitHubRepo, SecurityWarning, v, path,
				"Workflows of every repository on GitHub may assume the role.",
				fmt.Sprintf(`Add a condition on %s:sub, such as "repo:OWNER/REPO:*".`, provider))
		}
	case !has():
		s.report(MissingOIDCKey, SecurityWarning, v, path,
			fmt.Sprintf("Everyone with a token of %s may assume the role, whichever application it was made for.", short(provider)),
			fmt.Sprintf("Add a condition on %s:aud, and better on :sub too.", short(provider)))
	}
}

// checkTrustAction finds principals that cannot use the statement's actions.
func (s *statement) checkTrustAction(ref *policy.PrincipalRef, v policy.Value, path string) {
	if s.kind != policy.Trust || s.Actions.Not || len(s.actions) == 0 {
		return
	}
	need := "sts:AssumeRole"
	if ref.Type == "Federated" {
		need = "sts:AssumeRoleWithWebIdentity"
		if strings.Contains(ref.Value, ":saml-provider/") {
			need = "sts:AssumeRoleWithSAML"
		}
	}
	covered, _ := s.coversAction(need)
	assumes := false
	for _, name := range [...]string{"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"} {
		yes, _ := s.coversAction(name)
		assumes = assumes || yes
	}
	if assumes && !covered {
		s.report(TrustActionMismatch, Warning, v, path,
			fmt.Sprintf("%s can assume the role only with %s, which the statement does not name.", short(ref.Value), need),
			"Add "+need+" to Action.")
	}
}
