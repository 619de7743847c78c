package iam_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// TestSimulateExclusions: policies that are left out, by type, ARN, and place ("PolicyIdentifier" in the IAM API Reference).
func TestSimulateExclusions(t *testing.T) {
	w := newWorld(t)
	w.scene()
	w.make(func(tx *directory.Tx) error {
		t, g := directory.OfUser(w.account, "target"), directory.OfGroup(w.account, "crew")
		err := tx.AddToGroup(w.account, "target", "crew")
		if err == nil {
			err = tx.PutInlinePolicy(t, "own", document(allow("shop:Inline", "*")))
		}
		if err == nil {
			err = tx.PutInlinePolicy(g, "own", document(allow("shop:Group", "*")))
		}
		if err == nil {
			_, err = tx.CreatePolicyVersion(w.account, w.arn("policy/team/plan"), document(allow("shop:Managed", "*")), true)
		}
		if err == nil {
			err = tx.AttachPolicy(t, administrator)
		}
		if err == nil {
			err = tx.PutInlinePolicy(t, "no", document(deny("shop:AWS", "*")))
		}
		return err
	})
	inline := func(kind types.AttachmentType, name, policy string) types.PolicyIdentifier {
		return &types.PolicyIdentifierMemberInlinePolicyIdentifier{Value: types.InlinePolicyIdentifierType{AttachmentName: &name, AttachmentType: kind, PolicyName: &policy}}
	}
	kind := func(k types.PolicyIdentifierPolicyType) types.PolicyIdentifier {
		return &types.PolicyIdentifierMemberPolicyType{Value: k}
	}
	byARN := func(arn string) types.PolicyIdentifier { return &types.PolicyIdentifierMemberPolicyArn{Value: arn} }
	admin := kind("aws-managed") // which would allow everything
	noBoundary := kind("permission-boundary")
	for name, c := range map[string]struct {
		exclude []types.PolicyIdentifier
		want    string // the actions allowed
	}{
		"nothing but AWS's":              {[]types.PolicyIdentifier{noBoundary, admin}, "Inline Group Managed"},
		"nothing":                        {[]types.PolicyIdentifier{noBoundary}, "Inline Group Managed Other"},
		"the boundary stays":             {nil, ""},
		"inline policies":                {[]types.PolicyIdentifier{noBoundary, admin, kind("inline")}, "Managed"},
		"inline policies, and so a deny": {[]types.PolicyIdentifier{noBoundary, kind("inline")}, "Inline Group Managed AWS Other"},
		"managed policies":               {[]types.PolicyIdentifier{noBoundary, admin, kind("user-managed")}, "Inline Group"},
		"one of the user":                {[]types.PolicyIdentifier{noBoundary, admin, inline("user", "target", "own")}, "Group Managed"},
		"of a group by pattern":          {[]types.PolicyIdentifier{noBoundary, admin, inline("group", "cr?*", "own")}, "Inline Managed"},
		"of a role, which has none":      {[]types.PolicyIdentifier{noBoundary, admin, inline("role", "*", "own")}, "Inline Group Managed"},
		"of another name":                {[]types.PolicyIdentifier{noBoundary, admin, inline("user", "targ", "own")}, "Inline Group Managed"},
		"by ARN":                         {[]types.PolicyIdentifier{noBoundary, byARN(administrator), byARN(w.arn("policy/team/plan"))}, "Inline Group"},
		"by a pattern of ARNs":           {[]types.PolicyIdentifier{noBoundary, byARN("arn:aws:iam::aws:policy/*"), byARN(w.arn("policy/team/pl??"))}, "Inline Group"},
		"the boundary's ARN":             {[]types.PolicyIdentifier{byARN(readOnly)}, ""},
		"what is not there":              {[]types.PolicyIdentifier{noBoundary, admin, byARN(w.arn("policy/gone")), kind("scp"), kind("rcp")}, "Inline Group Managed"},
	} {
		t.Run(name, func(t *testing.T) {
			out := must(w.root.SimulatePrincipalPolicy(t.Context(), &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(w.arn("user/team/target")),
				ActionNames: []string{"shop:Inline", "shop:Group", "shop:Managed", "shop:AWS", "shop:Other"}, PolicyExclusionList: c.exclude}))(t)
			var got []string
			for _, r := range out.EvaluationResults {
				if r.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed {
					got = append(got, strings.TrimPrefix(*r.EvalActionName, "shop:"))
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("allowed: %q, want %q", got, c.want)
			}
		})
	}
}

// TestContextKeys: what a simulation should be given, from conditions and variables (S3-129, S3-132).
func TestContextKeys(t *testing.T) {
	w := newWorld(t)
	w.scene()
	cli := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-west-2:123456789012:table/${aws:username}",` +
		`"Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"}}}}`
	conditioned := document(allow("s3:*", "*").when("StringEquals", "AWS:UserName", "x"), allow("s3:*", "*").when("IpAddress", "aws:SourceIp", "203.0.113.0/24"))
	bucket := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`
	t.Run("custom", func(t *testing.T) {
		checklist.Shows(t, "S3-129", "S3-132")
		out := must(w.root.GetContextKeysForCustomPolicy(t.Context(), &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{cli, conditioned, bucket}}))(t)
		same(t, out.ContextKeyNames, "aws:username", "aws:CurrentTime", "aws:SourceIp", "aws:SecureTransport")
		out = must(w.root.GetContextKeysForCustomPolicy(t.Context(), &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allowNothing}}))(t)
		if len(out.ContextKeyNames) > 0 {
			t.Error(out.ContextKeyNames)
		}
	})
	w.make(func(tx *directory.Tx) error {
		err := tx.AddToGroup(w.account, "target", "crew")
		if err == nil {
			err = tx.PutInlinePolicy(directory.OfGroup(w.account, "crew"), "one", cli)
		}
		if err == nil {
			err = tx.PutInlinePolicy(directory.OfUser(w.account, "target"), "one", conditioned)
		}
		if err == nil {
			_, err = tx.CreatePolicy(w.account, directory.NewPolicy{Name: "fence", Document: document(allow("*", "*").when("Bool", "aws:ViaAWSService", "false"))})
		}
		if err == nil {
			err = tx.PutBoundary(directory.OfUser(w.account, "target"), w.arn("policy/fence"))
		}
		return err
	})
	for source, want := range map[string][]string{
		"user/team/target": {"AWS:UserName", "aws:SourceIp", "aws:CurrentTime", "aws:ViaAWSService", "aws:SecureTransport"},
		"group/team/crew":  {"aws:username", "aws:CurrentTime", "aws:SecureTransport"},
		"role/idle":        {"aws:SecureTransport"},
	} {
		t.Run(source, func(t *testing.T) {
			checklist.Shows(t, "S3-129", "S3-132")
			out := must(w.root.GetContextKeysForPrincipalPolicy(t.Context(), &sdk.GetContextKeysForPrincipalPolicyInput{
				PolicySourceArn: aws.String(w.arn(source)), PolicyInputList: []string{bucket}}))(t)
			same(t, out.ContextKeyNames, want...)
		})
	}
}

// TestSimulatorPermissions: simulating an identity can be limited to one user or a path (S3-134); the API needs a permission even for
// policies that the caller has written (S3-160).
func TestSimulatorPermissions(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, caller := t.Context(), w.user("caller", allow("iam:SimulatePrincipalPolicy", w.arn("user/team/*")), allow("iam:GetContextKeysForPrincipalPolicy", w.arn("user/team/*")))
	simulate := func(source string) error {
		_, err := caller.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{"s3:GetObject"}})
		return err
	}
	keys := func(source string) error {
		_, err := caller.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &source})
		return err
	}
	t.Run("by path", func(t *testing.T) {
		w.t = t
		checklist.Shows(t, "S3-134", "S3-161", "S3-314")
		for action, ask := range map[string]func(string) error{"iam:SimulatePrincipalPolicy": simulate, "iam:GetContextKeysForPrincipalPolicy": keys} {
			if err := ask(w.arn("user/team/target")); err != nil {
				t.Error(err)
			}
			for _, source := range []string{"user/caller", "user/nobody", "group/team/crew", "role/team/worker"} {
				w.denied(ask(w.arn(source)), "caller", action, w.arn(source))
			}
			// An ARN of the caller's liking does not lead to somebody outside the path.
			refused(t, ask(w.arn("user/team/caller")), 404, "NoSuchEntity", "Unable to retrieve specified IAM entity.")
		}
	})
	t.Run("the guide's policy for the API", func(t *testing.T) {
		w.t = t
		checklist.Shows(t, "S3-51", "S3-161", "S3-312")
		guide := w.user("guide")
		w.make(func(tx *directory.Tx) error {
			return tx.PutInlinePolicy(directory.OfUser(w.account, "guide"), "test", `{"Version":"2012-10-17","Statement":[{"Action":["iam:GetContextKeysForCustomPolicy",`+
				`"iam:GetContextKeysForPrincipalPolicy","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Effect":"Allow","Resource":"*"}]}`)
		})
		for _, p := range simulatorPermissions(w) {
			if err := p.do(ctx, guide); err != nil {
				t.Errorf("%s: %v", p.operation, err)
			}
		}
	})
	t.Run("custom", func(t *testing.T) {
		w.t = t
		checklist.Shows(t, "S3-160")
		_, err := caller.SimulateCustomPolicy(ctx, &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{allowNothing}, ActionNames: []string{"s3:GetObject"}})
		w.denied(err, "caller", "iam:SimulateCustomPolicy", "*")
		_, err = caller.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allowNothing}})
		w.denied(err, "caller", "iam:GetContextKeysForCustomPolicy", "*")
	})
}
