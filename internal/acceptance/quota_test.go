package acceptance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// quota is one quota as the operator API shows it.
type quota struct {
	Name           string
	Value, Default int
	Maximum        *int
	Set            bool
}

// quotaProbe shows that a quota is enforced: with the quota at limit, do succeeds for 0 to limit-1, and is refused for limit.
type quotaProbe struct {
	limit   int
	message string // of the refusal; %d is the limit
	do      func(c *caller, i int) error
}

const quotaDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`

const quotaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// quotaScene is what probes find: the user u, the group g, the role r, the policies p0 and p1 and the instance profile i.
func quotaScene(t *testing.T, c *caller) {
	t.Helper()
	ctx := t.Context()
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("u")}))(t)
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("u1")}))(t)
	must(c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("g")}))(t)
	must(c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("g1")}))(t)
	must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(quotaTrust)}))(t)
	must(c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("i")}))(t)
	for i := range 2 {
		must(c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(fmt.Sprint("p", i)), PolicyDocument: aws.String(quotaDocument)}))(t)
	}
}

// quotaProbes returns a probe for every quota that the API can reach. What a scene has is counted in their limits.
func quotaProbes(t *testing.T, account string) map[string]quotaProbe {
	ctx := t.Context()
	cannot := func(name string) string { return "Cannot exceed quota for " + name + ": %d" }
	name := func(prefix string, i int) *string { return aws.String(fmt.Sprint(prefix, i)) }
	policy := func(i int) *string { return aws.String(fmt.Sprintf("arn:aws:iam::%s:policy/p%d", account, i)) }
	user, group, role := aws.String("u"), aws.String("g"), aws.String("r")
	idp := samltest.New("https://idp.example/saml").Metadata()
	return map[string]quotaProbe{
		"UsersQuota": {4, cannot("UsersPerAccount"), func(c *caller, i int) error {
			if i < 2 {
				return nil // those of the scene
			}
			_, err := c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name("user", i)})
			return err
		}},
		"GroupsQuota": {3, cannot("GroupsPerAccount"), func(c *caller, i int) error {
			if i < 2 {
				return nil
			}
			_, err := c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name("group", i)})
			return err
		}},
		"RolesQuota": {3, cannot("RolesPerAccount"), func(c *caller, i int) error {
			if i < 1 {
				return nil
			}
			_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name("role", i), AssumeRolePolicyDocument: aws.String(quotaTrust)})
			return err
		}},
		"PoliciesQuota": {3, cannot("PoliciesPerAccount"), func(c *caller, i int) error {
			if i < 2 {
				return nil
			}
			_, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name("policy", i), PolicyDocument: aws.String(quotaDocument)})
			return err
		}},
		"PolicyVersionsInUseQuota": {3, cannot("PolicyVersionsInUse"), func(c *caller, i int) error {
			if i < 2 {
				return nil
			}
			_, err := c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy(0), PolicyDocument: aws.String(quotaDocument)})
			return err
		}},
		"VersionsPerPolicyQuota": {3, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.",
			func(c *caller, i int) error {
				if i < 1 {
					return nil
				}
				_, err := c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy(0), PolicyDocument: aws.String(quotaDocument)})
				return err
			}},
		"GroupsPerUserQuota": {1, cannot("GroupsPerUser"), func(c *caller, i int) error {
			_, err := c.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: user, GroupName: aws.String([]string{"g", "g1"}[i])})
			return err
		}},
		"UsersPerGroupQuota": {1, cannot("UsersPerGroup"), func(c *caller, i int) error {
			_, err := c.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: aws.String([]string{"u", "u1"}[i]), GroupName: group})
			return err
		}},
		"AccessKeysPerUserQuota": {3, cannot("AccessKeysPerUser"), func(c *caller, _ int) error {
			_, err := c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user})
			return err
		}},
		"AttachedPoliciesPerUserQuota": {1, cannot("PoliciesPerUser"), func(c *caller, i int) error {
			_, err := c.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: policy(i)})
			return err
		}},
		"AttachedPoliciesPerGroupQuota": {1, cannot("PoliciesPerGroup"), func(c *caller, i int) error {
			_, err := c.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: group, PolicyArn: policy(i)})
			return err
		}},
		"AttachedPoliciesPerRoleQuota": {1, cannot("PoliciesPerRole"), func(c *caller, i int) error {
			_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: policy(i)})
			return err
		}},
		// Sizes: the document as it is fits, one that is a character longer does not.
		"UserPolicySizeQuota": {len(quotaDocument), "Maximum policy size of %d bytes exceeded for user u", sizedDocument(func(c *caller, text *string) error {
			_, err := c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: user, PolicyName: user, PolicyDocument: text})
			return err
		})},
		"GroupPolicySizeQuota": {len(quotaDocument), "Maximum policy size of %d bytes exceeded for group g", sizedDocument(func(c *caller, text *string) error {
			_, err := c.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: group, PolicyName: user, PolicyDocument: text})
			return err
		})},
		"RolePolicySizeQuota": {len(quotaDocument), "Maximum policy size of %d bytes exceeded for role r", sizedDocument(func(c *caller, text *string) error {
			_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: user, PolicyDocument: text})
			return err
		})},
		"PolicySizeQuota": {len(quotaDocument), cannot("PolicySize"), sizedDocument(func(c *caller, text *string) error {
			_, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name("size", len(*text)), PolicyDocument: text})
			return err
		})},
		"AssumeRolePolicySizeQuota": {len(quotaTrust), cannot("ACLSizePerRole"), func(c *caller, i int) error {
			if i < len(quotaTrust)-1 {
				return nil
			}
			text := strings.Replace(quotaTrust, `{"Effect"`, `{"Sid":"`+strings.Repeat("x", max(0, i+1-len(quotaTrust)))+`","Effect"`, 1)
			if i < len(quotaTrust) {
				text = quotaTrust
			}
			_, err := c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: &text})
			return err
		}},
		"TagsPerResourceQuota": {2, cannot("TagsPerResource"), func(c *caller, i int) error {
			_, err := c.iam.TagUser(ctx, &iam.TagUserInput{UserName: user, Tags: []types.Tag{{Key: name("k", i), Value: aws.String("")}}})
			return err
		}},
		"AccountAliasesQuota": {0, cannot("AccountAliasesPerAccount"), func(c *caller, _ int) error {
			_, err := c.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("quota-" + account)})
			return err
		}},
		"InstanceProfilesQuota": {2, cannot("InstanceProfilesPerAccount"), func(c *caller, i int) error {
			if i < 1 {
				return nil
			}
			_, err := c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name("profile", i)})
			return err
		}},
		"RolesPerInstanceProfileQuota": {1, cannot("InstanceSessionsPerInstanceProfile"), func(c *caller, _ int) error {
			_, err := c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("i"), RoleName: role})
			return err
		}},
		"LoginProfilesPerUserQuota": {0, cannot("LoginProfilesPerUser"), func(c *caller, _ int) error {
			_, err := c.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: user, Password: aws.String("Correct-horse-9")})
			return err
		}},
		"VirtualMFADevicesQuota": {2, cannot("VirtualMFADevicesPerAccount"), func(c *caller, i int) error {
			_, err := c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name("device", i)})
			return err
		}},
		"MFADevicesPerUserQuota": {1, cannot("MFADevicesPerUser"), func(c *caller, i int) error {
			made, err := c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name("device", i)})
			if err != nil {
				return err
			}
			seed, err := credential.ParseSeed(secret.New(string(made.VirtualMFADevice.Base32StringSeed)))
			if err != nil {
				return err
			}
			step := credential.StepAt(time.Now())
			_, err = c.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: user, SerialNumber: made.VirtualMFADevice.SerialNumber,
				AuthenticationCode1: aws.String(credential.Code(seed, step-1).Reveal()), AuthenticationCode2: aws.String(credential.Code(seed, step).Reveal())})
			return err
		}},
		"SSHPublicKeysPerUserQuota": {1, cannot("SSHPublicKeysPerUser"), func(c *caller, _ int) error {
			_, err := c.iam.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: user, SSHPublicKeyBody: aws.String(testenv.SSHKey(t, 2048))})
			return err
		}},
		"SigningCertificatesPerUserQuota": {1, cannot("CertificatesPerUser"), func(c *caller, i int) error {
			_, err := c.iam.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{UserName: user, CertificateBody: aws.String(testenv.Issue(t, testenv.CertificateOf{Name: *name("signing", i)}).Body)})
			return err
		}},
		"ServiceSpecificCredentialsPerUserQuota": {1, cannot("ServiceSpecificCredentialsPerUser"), func(c *caller, _ int) error {
			_, err := c.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: user, ServiceName: aws.String("codecommit.amazonaws.com")})
			return err
		}},
		"ServerCertificatesQuota": {1, cannot("ServerCertificatesPerAccount"), func(c *caller, i int) error {
			made := testenv.Issue(t, testenv.CertificateOf{Name: *name("server", i)})
			_, err := c.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: name("server", i), CertificateBody: aws.String(made.Body), PrivateKey: aws.String(made.PEM)})
			return err
		}},
		"DelegationRequestsQuota": {1, cannot("DelegationRequestsPerAccount"), func(c *caller, i int) error {
			_, err := c.iam.CreateDelegationRequest(ctx, &iam.CreateDelegationRequestInput{
				Description: aws.String("d"), NotificationChannel: aws.String("arn:aws:sns:us-east-1:" + account + ":t"), RequestorWorkflowId: name("workflow", i),
				SessionDuration: aws.Int32(3600), Permissions: &types.DelegationPermission{PolicyTemplateArn: aws.String("arn:aws:iam::" + account + ":delegation-template/t")},
			})
			return err
		}},
		"SAMLProvidersQuota": {1, cannot("SAMLProvidersPerAccount"), func(c *caller, i int) error {
			_, err := c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: name("saml", i), SAMLMetadataDocument: &idp})
			return err
		}},
		"IdPsPerSAMLProviderQuota": {0, cannot("IdPsPerSAMLProvider"), func(c *caller, i int) error {
			_, err := c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: name("saml", i), SAMLMetadataDocument: &idp})
			return err
		}},
		"KeysPerSAMLProviderQuota": {0, cannot("KeysPerSAMLProvider"), func(c *caller, i int) error {
			_, err := c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: name("saml", i), SAMLMetadataDocument: &idp})
			return err
		}},
		"OIDCProvidersQuota": {2, cannot("OpenIdConnectProvidersPerAccount"), func(c *caller, i int) error {
			_, err := c.iam.CreateOpenIDConnectProvider(ctx, oidcInput(i, 0, 1))
			return err
		}},
		"ClientIDsPerOIDCProviderQuota": {1, cannot("ClientIdsPerOpenIdConnectProvider"), func(c *caller, i int) error {
			_, err := c.iam.CreateOpenIDConnectProvider(ctx, oidcInput(i, i+1, 1))
			return err
		}},
		"ThumbprintsPerOIDCProviderQuota": {2, "Thumbprint list must contain fewer than %d entries.", func(c *caller, i int) error {
			_, err := c.iam.CreateOpenIDConnectProvider(ctx, oidcInput(i, 0, i+1))
			return err
		}},
	}
}

// sizedDocument turns an operation that takes a document into a probe: i is the size less one; the smaller ones are not tried.
func sizedDocument(do func(c *caller, text *string) error) func(c *caller, i int) error {
	return func(c *caller, i int) error {
		if i < len(quotaDocument)-1 {
			return nil
		}
		text := strings.Replace(quotaDocument, "GetObject", "GetObject"+strings.Repeat("x", i+1-len(quotaDocument)), 1)
		text = strings.Replace(text, ",", " ,\n", 1) // white space does not count
		return do(c, &text)
	}
}

// oidcInput is the i-th provider with so many clients and thumbprints.
func oidcInput(i, clients, thumbprints int) *iam.CreateOpenIDConnectProviderInput {
	in := &iam.CreateOpenIDConnectProviderInput{Url: aws.String(fmt.Sprintf("https://idp%d.example", i))}
	for k := range clients {
		in.ClientIDList = append(in.ClientIDList, fmt.Sprint("client", k))
	}
	for k := range thumbprints {
		in.ThumbprintList = append(in.ThumbprintList, fmt.Sprintf("%040d", k))
	}
	return in
}

// TestQuotas walks the table of quotas as the operator sees it: each has AWS's default, is enforced where the operator sets it, with
// AWS's sentence, shows in the account summary where that has it, and goes back to the default.
func TestQuotas(t *testing.T) {
	c, srv := newCloud(t)
	operate := func(t *testing.T, method, account, name, body string) (all []quota) {
		t.Helper()
		status, answer := c.operator(t, method, "accounts/"+account+"/quotas"+name, srv.OperatorToken, body)
		if status != http.StatusOK {
			t.Fatalf("%s %s %s: %d %s", method, name, body, status, answer)
		}
		var list struct{ Quotas []quota }
		var one quota
		into := any(&list)
		if name != "" {
			into = &one
		}
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			t.Fatal(err)
		}
		if name != "" {
			return []quota{one}
		}
		return list.Quotas
	}
	table := operate(t, "GET", c.account(t, srv.OperatorToken).AccountID, "", "")
	if len(table) < 30 || !slices.IsSortedFunc(table, func(a, b quota) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("the table: %+v", table)
	}
	for name := range quotaProbes(t, "") {
		if !slices.ContainsFunc(table, func(q quota) bool { return q.Name == name }) {
			t.Errorf("a probe for %s, which is no quota", name)
		}
	}
	for _, q := range table {
		if strings.HasSuffix(q.Name, "PerSecondQuota") {
			continue // rates are shown by TestThrottling
		}
		t.Run(q.Name, func(t *testing.T) {
			if q.Set || q.Value != q.Default || q.Default <= 0 {
				t.Errorf("at first: %+v", q)
			}
			a := c.account(t, srv.OperatorToken)
			p, ok := quotaProbes(t, a.AccountID)[q.Name]
			if !ok {
				t.Fatal("nothing shows that it is enforced")
			}
			checklist.Shows(t, "S4-244", "S4-M60")
			root := c.root(a)
			quotaScene(t, root)
			body, err := json.Marshal(map[string]string{"Policy": quotaDocument})
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := c.operator(t, "PUT", "accounts/"+a.AccountID+"/delegation-templates/t", srv.OperatorToken, string(body)); status != http.StatusOK {
				t.Fatalf("registering a template: %d %s", status, answer)
			}
			set := operate(t, "PUT", a.AccountID, "/"+q.Name, fmt.Sprintf(`{"Value": %d}`, p.limit))[0]
			if !set.Set || set.Value != p.limit || set.Default != q.Default {
				t.Errorf("set: %+v", set)
			}
			summary := must(root.iam.GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{}))(t).SummaryMap
			if shown, ok := summary[q.Name]; ok && int(shown) != p.limit {
				t.Errorf("the summary shows %d", shown)
			}
			for i := range p.limit {
				if err := p.do(root, i); err != nil {
					t.Fatalf("within the limit, %d: %v", i, err)
				}
			}
			err = p.do(root, p.limit)
			want := p.message
			if strings.Contains(want, "%d") {
				want = fmt.Sprintf(want, p.limit)
			}
			code := "LimitExceeded"
			if q.Name == "ThumbprintsPerOIDCProviderQuota" {
				code = "InvalidInput" // as AWS calls it there
			}
			if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != code || api.ErrorMessage() != want {
				t.Errorf("past the limit: %v, want %s", err, want)
			}
			reset := operate(t, "DELETE", a.AccountID, "/"+q.Name, "")[0]
			if reset.Set || reset.Value != q.Default {
				t.Errorf("reset: %+v", reset)
			}
			if q.Maximum != nil {
				status, answer := c.operator(t, "PUT", "accounts/"+a.AccountID+"/quotas/"+q.Name, srv.OperatorToken, fmt.Sprintf(`{"Value": %d}`, *q.Maximum+1))
				if status != http.StatusBadRequest {
					t.Errorf("raised past %d: %d %s", *q.Maximum, status, answer)
				}
			}
			if q.Name == "AccountAliasesQuota" || q.Name == "LoginProfilesPerUserQuota" || strings.Contains(q.Name, "SAML") {
				if err := p.do(root, p.limit); err != nil {
					t.Errorf("at the default: %v", err)
				}
			}
		})
	}
	for path, want := range map[string]int{"/UsersQuota": http.StatusBadRequest, "/NothingQuota": http.StatusBadRequest} {
		a := c.account(t, srv.OperatorToken)
		before := len(srv.Events(t, a.AccountID))
		if status, answer := c.operator(t, "PUT", "accounts/"+a.AccountID+"/quotas"+path, srv.OperatorToken, `{"Value":-1}`); status != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		operate(t, "PUT", a.AccountID, "/UsersQuota", `{"Value":1}`)
		if after := len(srv.Events(t, a.AccountID)); after != before+1 {
			t.Errorf("%d events of one change", after-before)
		}
	}
}
