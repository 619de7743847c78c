package catalog

import (
	"iter"
	"slices"
	"strings"
)

// globalKeys are the keys that every action may carry, from the pages "AWS global condition context keys" and "IAM and AWS STS
// condition context keys" (S4-173 to S4-192, S4-203 to S4-211, S4-M28 to S4-M38). Sorted at start by lower-case name.
//
// The second half are no global keys by name, but properties of a session, and so they come with whatever the session asks for.
var globalKeys = sortKeys([]*Key{
	// The principal.
	{Name: "aws:PrincipalArn", Type: ARNKey},
	{Name: "aws:PrincipalAccount", Type: StringKey},
	{Name: "aws:PrincipalOrgID", Type: StringKey},
	{Name: "aws:PrincipalOrgMasterAccountId", Type: StringKey}, // on no page, but in AWS's managed policies
	{Name: "aws:PrincipalOrgPaths", Type: StringKey, Multi: true},
	{Name: "aws:PrincipalTag/${TagKey}", Type: StringKey},
	{Name: "aws:PrincipalIsAWSService", Type: BoolKey},
	{Name: "aws:PrincipalServiceName", Type: StringKey},
	{Name: "aws:PrincipalServiceNamesList", Type: StringKey, Multi: true},
	{Name: "aws:PrincipalType", Type: StringKey},
	{Name: "aws:userid", Type: StringKey},
	{Name: "aws:username", Type: StringKey},
	// The role session.
	{Name: "aws:AssumedRoot", Type: BoolKey},
	{Name: "aws:ChatbotSourceArn", Type: ARNKey},
	{Name: "aws:Ec2InstanceSourcePrivateIPv4", Type: IPKey},
	{Name: "aws:Ec2InstanceSourceVpc", Type: StringKey},
	{Name: "aws:FederatedProvider", Type: StringKey},
	{Name: "aws:MultiFactorAuthAge", Type: NumericKey},
	{Name: "aws:MultiFactorAuthPresent", Type: BoolKey},
	{Name: "aws:SignInSessionArn", Type: ARNKey},
	{Name: "aws:SourceIdentity", Type: StringKey},
	{Name: "aws:TokenIssueTime", Type: DateKey},
	// The network.
	{Name: "aws:SourceIp", Type: IPKey},
	{Name: "aws:SourceVpc", Type: StringKey},
	{Name: "aws:SourceVpcArn", Type: ARNKey},
	{Name: "aws:SourceVpce", Type: StringKey},
	{Name: "aws:VpceAccount", Type: StringKey},
	{Name: "aws:VpceOrgID", Type: StringKey},
	{Name: "aws:VpceOrgPaths", Type: StringKey, Multi: true},
	{Name: "aws:VpcSourceIp", Type: IPKey},
	// The resource.
	{Name: "aws:ResourceAccount", Type: StringKey},
	{Name: "aws:ResourceOrgID", Type: StringKey},
	{Name: "aws:ResourceOrgPaths", Type: StringKey, Multi: true},
	{Name: "aws:ResourceTag/${TagKey}", Type: StringKey},
	// The request.
	{Name: "aws:CalledVia", Type: StringKey, Multi: true},
	{Name: "aws:CalledViaFirst", Type: StringKey},
	{Name: "aws:CalledViaLast", Type: StringKey},
	{Name: "aws:CurrentTime", Type: DateKey},
	{Name: "aws:EpochTime", Type: DateKey},          // numeric operators work as well
	{Name: "aws:IsMcpServiceAction", Type: BoolKey}, // on no page, but in AWS's managed policies
	{Name: "aws:Referer", Type: StringKey},
	{Name: "aws:RequestedRegion", Type: StringKey},
	{Name: "aws:RequestTag/${TagKey}", Type: StringKey},
	{Name: "aws:SecureTransport", Type: BoolKey},
	{Name: "aws:SourceAccount", Type: StringKey},
	{Name: "aws:SourceArn", Type: ARNKey},
	{Name: "aws:SourceOrgID", Type: StringKey},
	{Name: "aws:SourceOrgPaths", Type: StringKey, Multi: true},
	{Name: "aws:TagKeys", Type: StringKey, Multi: true},
	{Name: "aws:UserAgent", Type: StringKey},
	{Name: "aws:ViaAWSService", Type: BoolKey},
	// Deprecated.
	{Name: "aws:ARN", Type: ARNKey, Instead: "aws:PrincipalArn or aws:SourceArn"},

	// Properties of sessions of roles for workloads.
	{Name: "codebuild:BuildArn", Type: ARNKey},
	{Name: "codebuild:ProjectArn", Type: ARNKey},
	{Name: "ec2:RoleDelivery", Type: StringKey},
	{Name: "ec2:SourceInstanceArn", Type: ARNKey},
	{Name: "glue:CredentialIssuingService", Type: StringKey},
	{Name: "glue:RoleAssumedBy", Type: StringKey},
	{Name: "identitystore:UserId", Type: StringKey},
	{Name: "lambda:SourceFunctionArn", Type: ARNKey},
	{Name: "ssm:SourceInstanceArn", Type: ARNKey},
	// Properties of federated sessions.
	{Name: "accounts.google.com:aud", Type: StringKey},
	{Name: "accounts.google.com:oaud", Type: StringKey},
	{Name: "accounts.google.com:sub", Type: StringKey},
	{Name: "cognito-identity.amazonaws.com:amr", Type: StringKey, Multi: true},
	{Name: "cognito-identity.amazonaws.com:aud", Type: StringKey},
	{Name: "cognito-identity.amazonaws.com:sub", Type: StringKey},
	{Name: "graph.facebook.com:app_id", Type: StringKey},
	{Name: "graph.facebook.com:id", Type: StringKey},
	{Name: "saml:namequalifier", Type: StringKey},
	{Name: "saml:sub", Type: StringKey},
	{Name: "saml:sub_type", Type: StringKey},
	{Name: "www.amazon.com:app_id", Type: StringKey},
	{Name: "www.amazon.com:user_id", Type: StringKey},
})

func sortKeys(keys []*Key) []*Key {
	for _, k := range keys {
		k.Global = true
	}
	slices.SortFunc(keys, func(a, b *Key) int { return compareFold(a.Name, b.Name) })
	return keys
}

// GlobalKeys yields the condition keys that do not belong to a service's actions but to the caller, the network or the request
// as such, in the order of lower-case names.
func GlobalKeys() iter.Seq[*Key] { return slices.Values(globalKeys) }

// GlobalKey returns the global condition key that a policy means by name.
func GlobalKey(name string) (*Key, bool) {
	if !strings.Contains(name, ":") {
		return nil, false
	}
	return findKey(globalKeys, name)
}
