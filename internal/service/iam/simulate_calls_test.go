package iam_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// simulatorPermissions are the operations of the simulator with the one permission that opens each.
func simulatorPermissions(w *world) []permission {
	target := w.arn("user/team/target")
	actions, policies := []string{"s3:GetObject"}, []string{allowNothing}
	return []permission{
		{"SimulateCustomPolicy", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.SimulateCustomPolicy(ctx, &sdk.SimulateCustomPolicyInput{ActionNames: actions, PolicyInputList: policies})
			return err
		}},
		{"SimulatePrincipalPolicy", "user/team/target", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{ActionNames: actions, PolicySourceArn: &target})
			return err
		}},
		{"GetContextKeysForCustomPolicy", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: policies})
			return err
		}},
		{"GetContextKeysForPrincipalPolicy", "user/team/target", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &target})
			return err
		}},
	}
}

const evaluationIsTotal = "every policy that is accepted can be evaluated: evaluation cannot fail"

var simulatorCannot = map[string]map[string]string{
	"PolicyEvaluation": {"SimulateCustomPolicy": evaluationIsTotal, "SimulatePrincipalPolicy": evaluationIsTotal},
}

// entry is a context entry.
func entry(name string, kind types.ContextKeyTypeEnum, values ...string) types.ContextEntry {
	return types.ContextEntry{ContextKeyName: &name, ContextKeyType: kind, ContextKeyValues: values}
}

// simulatorErrors are the errors of the simulator's operations.
func simulatorErrors(w *world) (all []apiError) {
	ctx := w.t.Context()
	add := func(operation, code, message string, do func() error) {
		all = append(all, apiError{operation: operation, code: code, message: message, do: do})
	}
	custom := func(change func(*sdk.SimulateCustomPolicyInput)) func() error {
		return func() error {
			in := &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject"}, PolicyInputList: []string{allowNothing}}
			change(in)
			_, err := w.root.SimulateCustomPolicy(ctx, in)
			return err
		}
	}
	principal := func(change func(*sdk.SimulatePrincipalPolicyInput)) func() error {
		return func() error {
			in := &sdk.SimulatePrincipalPolicyInput{ActionNames: []string{"s3:GetObject"}, PolicySourceArn: aws.String(w.arn("user/team/target"))}
			change(in)
			_, err := w.root.SimulatePrincipalPolicy(ctx, in)
			return err
		}
	}
	// Whose policies.
	foreign := "arn:aws:iam::999999999999:user/alice"
	for _, of := range [][2]string{
		{w.arn("user/team/nobody"), ""},
		{w.arn("user/target"), ""}, // another path
		{w.arn("user/team/Target"), ""},
		{w.arn("group/team/nobody"), ""},
		{w.arn("role/team/nobody"), ""},
		{foreign, "Invalid Policy Source Arn: caller's account " + w.account + " does not have access to policies in account 999999999999."},
		{w.arn("root"), "Invalid ARN provided in the request: " + w.arn("root")},
		{w.arn("policy/team/plan"), "Invalid ARN provided in the request: " + w.arn("policy/team/plan")},
		{"arn:aws:sts::123456789012:assumed-role/worker/s", "Invalid ARN provided in the request: arn:aws:sts::123456789012:assumed-role/worker/s"},
		{"not-an-arn-but-long-enough", "Invalid ARN provided in the request: not-an-arn-but-long-enough"},
	} {
		source, want, code := of[0], of[1], "InvalidInput"
		if want == "" {
			code, want = "NoSuchEntity", "Unable to retrieve specified IAM entity."
		}
		add("SimulatePrincipalPolicy", code, want, principal(func(in *sdk.SimulatePrincipalPolicyInput) { in.PolicySourceArn = &source }))
		add("GetContextKeysForPrincipalPolicy", code, want, func() error {
			_, err := w.root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &source})
			return err
		})
	}
	// Documents.
	resourceOnly := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`
	for _, of := range [][2]string{
		{badDocument, noResource},
		{"{", "Syntax errors in policy."},
		{"%7B%22Version%22%3A", "Syntax errors in policy."}, // a document is encoded once, by the protocol
	} {
		document, why := of[0], of[1]
		add("GetContextKeysForCustomPolicy", "InvalidInput", "PolicyInputList.2 has invalid content: "+why, func() error {
			_, err := w.root.GetContextKeysForCustomPolicy(ctx, &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allowNothing, document}})
			return err
		})
		add("GetContextKeysForPrincipalPolicy", "InvalidInput", "PolicyInputList.1 has invalid content: "+why, func() error {
			_, err := w.root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{
				PolicySourceArn: aws.String(w.arn("user/team/target")), PolicyInputList: []string{document}})
			return err
		})
		add("SimulateCustomPolicy", "InvalidInput", "PolicyInputList.2 has invalid content: "+why,
			custom(func(in *sdk.SimulateCustomPolicyInput) { in.PolicyInputList = []string{allowNothing, document} }))
		add("SimulatePrincipalPolicy", "InvalidInput", "PermissionsBoundaryPolicyInputList.1 has invalid content: "+why,
			principal(func(in *sdk.SimulatePrincipalPolicyInput) { in.PermissionsBoundaryPolicyInputList = []string{document} }))
		add("SimulateCustomPolicy", "InvalidInput", "OrderedOrganizationPolicyInputList.1.2 has invalid content: "+why,
			custom(func(in *sdk.SimulateCustomPolicyInput) {
				in.OrderedOrganizationPolicyInputList = []types.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{allowNothing, document}}}
			}))
	}
	invalid := func(message string, change func(*sdk.SimulateCustomPolicyInput)) {
		add("SimulateCustomPolicy", "InvalidInput", message, custom(change))
	}
	invalid("PolicyInputList.1 has invalid content: Policy document should not specify a principal.",
		func(in *sdk.SimulateCustomPolicyInput) { in.PolicyInputList = []string{resourceOnly} })
	invalid("The list of Permissions Boundary policies cannot exceed 1 items.",
		func(in *sdk.SimulateCustomPolicyInput) {
			in.PermissionsBoundaryPolicyInputList = []string{allowNothing, allowNothing}
		})
	invalid("Organization policy at index 2 must contain at least one service control policy", func(in *sdk.SimulateCustomPolicyInput) {
		in.OrderedOrganizationPolicyInputList = []types.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{allowNothing}},
			{ServiceControlPolicyInputList: []string{}}}
	})
	// Actions and resources.
	for _, action := range []string{"s3:*", "s3:Get?bject", "s3:", ":GetObject", "GetObject"} {
		invalid("Invalid action: "+action+". An action is a service and the name of an operation, as in iam:CreateUser, without wildcards.",
			func(in *sdk.SimulateCustomPolicyInput) { in.ActionNames = []string{"s3:PutObject", action} })
	}
	for _, resource := range []string{"14a050d4", "*", "arn:aws:s3", "arn:aws::::x"} {
		invalid("ResourceNames are not in a valid ARN format: "+resource+".",
			func(in *sdk.SimulateCustomPolicyInput) { in.ResourceArns = []string{"arn:aws:s3:::b", resource} })
	}
	invalid("A simulation can have at most 1000 resources.",
		func(in *sdk.SimulateCustomPolicyInput) { in.ResourceArns = numbered("arn:aws:s3:::b", 1001) })
	invalid("The simulation of s3:GetObject is too large: give fewer resources or smaller policies.", func(in *sdk.SimulateCustomPolicyInput) {
		in.ResourceArns = numbered("arn:aws:s3:::"+strings.Repeat("b", 180), 1000)
		in.PolicyInputList = []string{document(allow("s3:GetObject", "arn:aws:s3:::"+strings.Repeat("*b", 30000)))}
	})
	// Scenarios.
	instance := "arn:aws:ec2:us-east-1:" + w.account + ":instance/i-1"
	launch := func(option string, action string, resources ...string) func(*sdk.SimulateCustomPolicyInput) {
		return func(in *sdk.SimulateCustomPolicyInput) {
			in.ActionNames, in.ResourceArns, in.ResourceHandlingOption = []string{action}, resources, &option
		}
	}
	invalid("Invalid input resource handling options: EC2-Moon.", launch("EC2-Moon", "ec2:RunInstances", instance))
	invalid("Invalid input resource handling options. Action does not support resource handling options: s3:GetObject.", launch("EC2-VPC-EBS", "s3:GetObject", instance))
	invalid("The resource handling option EC2-VPC-EBS requires a resource of the type image.", launch("EC2-VPC-EBS", "ec2:RunInstances", instance))
	invalid("The resource handling option EC2-VPC-EBS requires a resource of the type instance.", launch("EC2-VPC-EBS", "ec2:RunInstances"))
	// Context.
	for _, of := range []struct {
		message string
		entry   types.ContextEntry
	}{
		{"ContextKeyName cannot be null or empty.", types.ContextEntry{ContextKeyType: "string", ContextKeyValues: []string{"x"}}},
		{"Context key shop:key has invalid type null.", types.ContextEntry{ContextKeyName: aws.String("shop:key"), ContextKeyValues: []string{"x"}}},
		{"Context values for context key shop:key cannot be null or empty.", entry("shop:key", "stringList")},
		{"Context key shop:key expected a single value, but received 2.", entry("shop:key", "string", "a", "b")},
		{"Invalid context value for key shop:num: expected numeric format.", entry("shop:num", "numeric", "0x10")},
		{"Invalid context value for key shop:nums: expected numeric format.", entry("shop:nums", "numericList", "1", "Infinity")},
		{"Invalid context value for key shop:bool: expected boolean format.", entry("shop:bool", "boolean", "yes")},
		{"Invalid context value for key shop:ip: expected IP address.", entry("shop:ip", "ip", "203.0.113.256")},
		{"Invalid context value for key shop:cidr: expected IP address.", entry("shop:cidr", "ipList", "203.0.113.0/24")},
		{"Invalid context value for key shop:date: expected DateTime format.", entry("shop:date", "date", "next week")},
		{"Invalid context value for key shop:bin: expected base-64 encoded binary format.", entry("shop:bin", "binary", "###")},
		{"Invalid context value for key shop:bins: expected base-64 encoded binary format.", entry("shop:bins", "binaryList", "QQ==", "QR==")},
		{"Duplicate context key: AWS:UserName.", entry("AWS:UserName", "string", "x")},
	} {
		invalid(of.message, func(in *sdk.SimulateCustomPolicyInput) {
			in.ContextEntries = []types.ContextEntry{entry("aws:username", "string", "a"), of.entry}
		})
	}
	// Callers, owners and resource policies.
	user, bucket := aws.String(w.arn("user/team/target")), []string{"arn:aws:s3:::b"}
	for _, caller := range []string{"somebody", w.arn("root"), "arn:aws:sts::123456789012:assumed-role/a/b", "arn:aws:iam::aws:policy/ReadOnlyAccess"} {
		invalid("Invalid caller - Caller must be an IAM user, role or group in this context.",
			func(in *sdk.SimulateCustomPolicyInput) { in.CallerArn = &caller })
	}
	for _, owner := range []string{"123456789012", "somebody", w.arn("user/team/target"), "arn:aws:s3:::b"} {
		invalid("Invalid Resource Owner.", func(in *sdk.SimulateCustomPolicyInput) { in.ResourceOwner = &owner })
	}
	policy := func(document string, caller *string, resources ...string) func(*sdk.SimulateCustomPolicyInput) {
		return func(in *sdk.SimulateCustomPolicyInput) {
			in.ResourcePolicy, in.CallerArn, in.ResourceArns = &document, caller, resources
		}
	}
	invalid("Invalid caller - Caller cannot be null or empty.", policy(resourceOnly, nil, bucket...))
	invalid("Invalid caller - Caller must be an IAM user in this context.", policy(resourceOnly, aws.String(w.arn("role/team/worker")), bucket...))
	invalid("Invalid Entity Arn: * does not clearly define entity type and name.", policy(resourceOnly, user))
	invalid("ResourcePolicy has invalid content: Syntax errors in policy.", policy("{", user, bucket...))
	invalid("The resource policy does not apply to the resource arn:aws:sqs:us-east-1:123456789012:q.",
		policy(strings.Replace(resourceOnly, `"*"}]`, `"arn:aws:s3:::b"}]`, 1), user, "arn:aws:s3:::b", "arn:aws:sqs:us-east-1:123456789012:q"))
	invalid("Simulation of resource-based policies is not supported for IAM roles: "+w.arn("role/team/worker")+".",
		policy(strings.Replace(resourceOnly, "s3:*", "sts:AssumeRole", 1), user, w.arn("role/team/worker")))
	add("SimulatePrincipalPolicy", "InvalidInput", "Invalid caller - Caller must be an IAM user in this context.",
		principal(func(in *sdk.SimulatePrincipalPolicyInput) {
			in.PolicySourceArn, in.ResourcePolicy, in.ResourceArns = aws.String(w.arn("role/team/worker")), &resourceOnly, bucket
		}))
	// Exclusions.
	for _, of := range []struct {
		message string
		id      types.PolicyIdentifier
	}{
		{"Invalid ARN provided in the request: arn:aws:iam::*:policy/x", &types.PolicyIdentifierMemberPolicyArn{Value: "arn:aws:iam::*:policy/x"}},
		{"Invalid ARN provided in the request: " + w.arn("user/x"), &types.PolicyIdentifierMemberPolicyArn{Value: w.arn("user/x")}},
		{"Invalid ARN provided in the request: nonsense", &types.PolicyIdentifierMemberPolicyArn{Value: "nonsense"}},
		{"A policy identifier can have at most one * in a name: " + w.arn("policy/**"), &types.PolicyIdentifierMemberPolicyArn{Value: w.arn("policy/**")}},
		{"A policy identifier can have at most one * in a name: *x*", &types.PolicyIdentifierMemberInlinePolicyIdentifier{Value: types.InlinePolicyIdentifierType{
			AttachmentName: aws.String("*x*"), AttachmentType: "user", PolicyName: aws.String("one")}}},
	} {
		add("SimulatePrincipalPolicy", "InvalidInput", of.message,
			principal(func(in *sdk.SimulatePrincipalPolicyInput) { in.PolicyExclusionList = []types.PolicyIdentifier{of.id} }))
	}
	return all
}

// told writes the results of a simulation for comparison, a line each.
func told(results []types.EvaluationResult) (lines []string) {
	for _, r := range results {
		line := fmt.Sprintf("%s on %s: %s%s", *r.EvalActionName, *r.EvalResourceName, r.EvalDecision, statements(r.MatchedStatements))
		if len(r.MissingContextValues) > 0 {
			line += " missing " + strings.Join(r.MissingContextValues, " ")
		}
		if d := r.OrganizationsDecisionDetail; d != nil {
			line += fmt.Sprintf(" organization %v", d.AllowedByOrganizations)
		}
		line += limits(r.PermissionsBoundaryDecisionDetail) + sides(r.EvalDecisionDetails)
		lines = append(lines, line)
		for _, one := range r.ResourceSpecificResults {
			line := fmt.Sprintf("  %s: %s%s", *one.EvalResourceName, one.EvalResourceDecision, statements(one.MatchedStatements))
			if len(one.MissingContextValues) > 0 {
				line += " missing " + strings.Join(one.MissingContextValues, " ")
			}
			lines = append(lines, line+limits(one.PermissionsBoundaryDecisionDetail)+sides(one.EvalDecisionDetails))
		}
	}
	return lines
}

func limits(d *types.PermissionsBoundaryDecisionDetail) string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf(" boundary %v", d.AllowedByPermissionsBoundary)
}

func sides(details map[string]types.PolicyEvaluationDecisionType) (text string) {
	for _, kind := range []string{"IAM Policy", "Resource Policy", "Permissions Boundary Policy"} {
		if d, ok := details[kind]; ok {
			text += " " + kind + "=" + string(d)
		}
	}
	return text
}

// statements writes statements as source@line:column-line:column.
func statements(all []types.Statement) (text string) {
	for _, st := range all {
		text += fmt.Sprintf(" %s/%s@%d:%d-%d:%d", *st.SourcePolicyId, st.SourcePolicyType, st.StartPosition.Line, st.StartPosition.Column,
			st.EndPosition.Line, st.EndPosition.Column)
	}
	return text
}
