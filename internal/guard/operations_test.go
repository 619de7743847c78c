package guard

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/service/elasticache"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// services are all that a node serves, for what can be read off them. They are never called.
func services() []*gate.Service {
	return []*gate.Service{iam.New(iam.Config{}), sts.New(sts.Config{}), {API: organizations.API}, elasticache.New(elasticache.Config{})}
}

// TestEveryOperationHasItsRow: every operation of every API has a handler and a permission row, or a reason why it is not built.
func TestEveryOperationHasItsRow(t *testing.T) {
	built := 0
	for _, s := range services() {
		for _, name := range slices.Sorted(maps.Keys(s.API.Operations)) {
			o, row := s.API.Operations[name], s.Rows[name]
			if s.Handlers[name] == nil {
				if o.Unbuilt == "" {
					t.Errorf("%s %s has no handler and no reason why", s.API.Name, name)
				}
				if row.Decides != 0 {
					t.Errorf("%s %s is not built and has a row", s.API.Name, name)
				}
				continue
			}
			built++
			switch {
			case o.Unbuilt != "":
				t.Errorf("%s %s is built and said not to be: %s", s.API.Name, name, o.Unbuilt)
			case row.Decides == gate.ByPolicy || row.Decides == gate.ByTrust:
				if row.Checks == nil {
					t.Errorf("%s %s is decided %s and asks nothing", s.API.Name, name, row.Decides)
				}
			case row.Decides == gate.Always || row.Decides == gate.ByAssertion:
				if !slices.Contains(open, s.API.Name+" "+name) {
					t.Errorf("%s %s opens %s: is that meant?", s.API.Name, name, row.Decides)
				}
			default:
				t.Errorf("%s %s has no permission row", s.API.Name, name)
			}
			if row.Decides == gate.ByAssertion != o.Unsigned {
				t.Errorf("%s %s is decided %s, and that AWS takes it unsigned is %v", s.API.Name, name, row.Decides, o.Unsigned)
			}
		}
	}
	if built < 70 {
		t.Errorf("only %d operations are built: this walk proves little", built)
	}
}

// open lists the operations that need no permission.
var open = []string{
	"sts GetCallerIdentity",         // whoever signs may know who they are
	"sts GetSessionToken",           // gives nothing that the caller does not have (S2-323)
	"sts AssumeRoleWithSAML",        // opened by a verified assertion and the role's trust policy (S2-208)
	"sts AssumeRoleWithWebIdentity", // opened by a verified token and the role's trust policy (S2-153)
}

// installation is a node with callers, for the walk over HTTP.
type installation struct {
	t       *testing.T
	node    *node.Node
	url     string
	account string
	root    sigv4.Signer
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Store: "mem", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(n.Handler())
	t.Cleanup(server.Close)
	first, _ := n.First()
	return &installation{t: t, node: n, url: server.URL, account: first.AccountID,
		root: sigv4.Signer{AccessKeyID: first.AccessKeyID, Secret: first.SecretAccessKey.Reveal(), Region: "us-east-1"}}
}

// call sends one Query request and returns the answer.
func (i *installation) call(who sigv4.Signer, api *wire.API, form url.Values) (status int, requestID, body string) {
	i.t.Helper()
	form.Set("Version", api.Version)
	text := form.Encode()
	r, err := http.NewRequest(http.MethodPost, i.url, strings.NewReader(text))
	if err != nil {
		i.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	who.Service = api.SigningName
	if err := who.Sign(r, sha256.Sum256([]byte(text)), time.Now()); err != nil {
		i.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("X-Amzn-RequestId"), string(answer)
}

// iam calls an IAM operation as root; it has to succeed.
func (i *installation) iam(action string, values ...string) string {
	i.t.Helper()
	form := url.Values{"Action": {action}}
	for k := 0; k < len(values); k += 2 {
		form.Set(values[k], values[k+1])
	}
	status, _, body := i.call(i.root, services()[0].API, form)
	if status != http.StatusOK {
		i.t.Fatalf("%s: %d %s", action, status, body)
	}
	return body
}

func element(body, name string) string {
	m := regexp.MustCompile("<" + name + ">([^<]*)</").FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

// user makes a user with these policies attached and returns its credentials.
func (i *installation) user(name string, policies ...string) sigv4.Signer {
	i.t.Helper()
	i.iam("CreateUser", "UserName", name)
	for _, p := range policies {
		i.iam("AttachUserPolicy", "UserName", name, "PolicyArn", p)
	}
	body := i.iam("CreateAccessKey", "UserName", name)
	return sigv4.Signer{AccessKeyID: element(body, "AccessKeyId"), Secret: element(body, "SecretAccessKey"), Region: "us-east-1"}
}

// events returns the events of one request.
func (i *installation) events(requestID string) (found []*trail.Event) {
	i.t.Helper()
	all, err := i.node.Events(i.t.Context(), i.account)
	if err != nil {
		i.t.Fatal(err)
	}
	for _, e := range all {
		if e.RequestID == requestID {
			found = append(found, e)
		}
	}
	return found
}

// form is a request with a value for every parameter that the operation cannot do without.
func (i *installation) form(o *wire.Operation, values map[string]string) url.Values {
	i.t.Helper()
	form := url.Values{"Action": {o.Name}}
	in := reflect.TypeOf(o.NewInput()).Elem()
	for f := range in.NumField() {
		field := in.Field(f)
		if field.Name == "Permissions" { // a structure
			form.Set("Permissions.PolicyTemplateArn", "arn:aws:iam::"+i.account+":delegation-template/none")
			continue
		}
		if field.Type.Kind() == reflect.Pointer && field.Name != "UserName" && field.Name != "Password" {
			continue
		}
		if _, text := values[field.Name]; !text && (field.Type.Kind() == reflect.Slice || field.Type.Kind() == reflect.Struct) {
			for name, value := range values {
				if strings.HasPrefix(name, field.Name+".") {
					form.Set(name, value)
				}
			}
			continue
		}
		if _, ok := values[field.Name+".key"]; field.Type.Kind() == reflect.Map && !ok {
			continue // no map of structures has to be given
		}
		if field.Type.Kind() == reflect.Map {
			form.Set(field.Name+".entry.1.key", values[field.Name+".key"])
			form.Set(field.Name+".entry.1.value", values[field.Name+".value"])
			continue
		}
		value, ok := values[field.Name]
		if !ok {
			i.t.Errorf("%s: no value for %s in the table of this test", o.Name, field.Name)
		}
		form.Set(field.Name, value)
	}
	return form
}

// destroyersLast is an order in which operations leave each other something to work on.
func destroyersLast(names iter.Seq[string]) []string {
	return slices.SortedFunc(names, func(a, b string) int {
		destroys := func(name string) int {
			if strings.HasPrefix(name, "Delete") {
				return 1
			}
			return 0
		}
		return cmp.Or(destroys(a)-destroys(b), strings.Compare(a, b))
	})
}

// TestNoWayAroundTheGate calls every built operation of every API over HTTP, as somebody without any permission and as
// somebody with all: the one is denied with the action of the operation's row, the other is not, and each call leaves one event
// with its decision.
func TestNoWayAroundTheGate(t *testing.T) {
	i := newInstallation(t)
	const administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
	nobody, admin := i.user("nobody"), i.user("admin", administrator)
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, i.account)
	i.iam("CreateUser", "UserName", "target")
	key := element(i.iam("CreateAccessKey", "UserName", "target"), "AccessKeyId")
	i.iam("CreateGroup", "GroupName", "crew")
	role := element(i.iam("CreateRole", "RoleName", "worker", "AssumeRolePolicyDocument", trust), "Arn")
	idp := samltest.New("https://idp.example.com")
	provider := element(i.iam("CreateSAMLProvider", "Name", "corp", "SAMLMetadataDocument", idp.Metadata()), "SAMLProviderArn")
	other := testenv.Issue(t, testenv.CertificateOf{Name: "other"})
	i.iam("UploadServerCertificate", "ServerCertificateName", "site", "CertificateBody", other.Body, "PrivateKey", other.PEM)
	i.iam("CreateInstanceProfile", "InstanceProfileName", "profile")
	i.iam("CreateVirtualMFADevice", "VirtualMFADeviceName", "phone")
	managed := element(i.iam("CreatePolicy", "PolicyName", "managed", "PolicyDocument", document), "Arn")
	key1, own := testenv.SSHKey(t, 2048), testenv.Issue(t, testenv.CertificateOf{Name: "own"})
	site := testenv.Issue(t, testenv.CertificateOf{Name: "site"})
	sshKey := element(i.iam("UploadSSHPublicKey", "UserName", "target", "SSHPublicKeyBody", testenv.SSHKey(t, 2048)), "SSHPublicKeyId")
	signing := element(i.iam("UploadSigningCertificate", "UserName", "target", "CertificateBody", site.Body), "CertificateId")
	gitKey := element(i.iam("CreateServiceSpecificCredential", "UserName", "target", "ServiceName", "codecommit.amazonaws.com"), "ServiceSpecificCredentialId")
	values := map[string]string{
		"PolicySourceArn": "arn:aws:iam::" + i.account + ":user/target", "PolicyInputList.member.1": document, "ActionNames.member.1": "s3:GetObject",
		"SSHPublicKeyBody": key1, "SSHPublicKeyId": sshKey, "Encoding": "PEM", "CertificateBody": own.Body, "CertificateId": signing,
		"PrivateKey": own.PEM, "ServerCertificateName": "site", "ServiceName": "codecommit.amazonaws.com", "ServiceSpecificCredentialId": gitKey,
		"UserName": "target", "GroupName": "crew", "RoleName": "worker", "PolicyName": "inline", "PolicyDocument": document,
		"Arn": role, "JobId": "00000000-0000-4000-8000-000000000000", "ServiceNamespace": "s3", "ServiceNamespaces.member.1": "s3",
		"EntityPath":               "o-abcdefghij/r-abcd",
		"AssumeRolePolicyDocument": trust, "PolicyArn": managed, "PermissionsBoundary": administrator, "VersionId": "v1",
		"AccessKeyId": key, "InstanceProfileName": "profile", "AWSServiceName": "elasticache.amazonaws.com", "DelegationRequestId": "111122223333-0123456789", "NotificationChannel": "topic",
		"RequestorWorkflowId": "workflow", "SessionDuration": "3600", "EntityArn": "arn:aws:iam::" + i.account + ":delegation-request/111122223333-0123456789",
		"DeletionTaskId": "task/aws-service-role/elasticache.amazonaws.com/AWSServiceRoleForElastiCache/4ec9ca2f-9f38-4b0f-9e8e-fd0ea6ddaa8c", "AccountAlias": "acme", "Status": "Inactive", "RoleArn": role, "RoleSessionName": "session", "Description": "x",
		"Url": "https://idp.example", "OpenIDConnectProviderArn": "arn:aws:iam::" + i.account + ":oidc-provider/idp.example", "ClientID": "app",
		"ThumbprintList.member.1": "990f4193972f2becf12ddeda5237f9c952f20d9e",
		"WebIdentityToken":        "not.a.token",
		"PrincipalArn":            provider, "SAMLAssertion": "bm90IFhNTA==",
		"Tags.member.1.Key": "color", "Tags.member.1.Value": "red", "TagKeys.member.1": "color",
		"VirtualMFADeviceName": "phone", "SerialNumber": "arn:aws:iam::" + i.account + ":mfa/phone",
		"AuthenticationCode1": "123456", "AuthenticationCode2": "654321",
		"Audience.member.1": "https://api.example.com", "SigningAlgorithm": "ES384", "TradeInToken": "not a token",
		"EncodedMessage": "AAAA", "TargetPrincipal": "111122223333",
		"TaskPolicyArn.arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials",
		"Name":              "idp", "SAMLProviderArn": provider, "SAMLMetadataDocument": idp.Metadata(),
		"GlobalEndpointTokenVersion": "v2Token", "TemplateArn": "arn:aws:iam::aws:role-template/ec2.amazonaws.com/Instances:1",
		"Properties.key": "RoleManager/Enabled", "Properties.value": "true",
		"ResourceName":           "arn:aws:elasticache:us-east-1:" + i.account + ":subnetgroup:front",
		"CacheSecurityGroupName": "old", "EC2SecurityGroupName": "web", "EC2SecurityGroupOwnerId": i.account, "UserId": "app", "Engine": "redis", "AccessString": "on ~* +@read",
		"CacheParameterGroupName": "hot", "CacheParameterGroupFamily": "redis7", "ParameterNameValues.ParameterNameValue.1.ParameterName": "databases",
		"ParameterNameValues.ParameterNameValue.1.ParameterValue": "32",
		"ReservedCacheNodesOfferingId":                            "none",
		"UserGroupId":                                             "crew", "NoPasswordRequired": "true", "UserIds.member.1": "default",
		"CacheSubnetGroupName": "front", "CacheSubnetGroupDescription": "x", "SubnetIds.SubnetIdentifier.1": "subnet-1",
		"Password": "First-horse-1", "OldPassword": "First-horse-1", "NewPassword": "Second-horse-2",
	}
	for _, s := range services() {
		for _, name := range destroyersLast(maps.Keys(s.Handlers)) {
			t.Run(s.API.Name+" "+name, func(t *testing.T) {
				i.t = t
				checklist.Event(t, s.API.Name+" "+name)
				o, row := s.API.Operations[name], s.Rows[name]
				action := s.API.Name + ":" + name
				if name == "AcquireRole" { // asks for what it does
					action = "iam:CreateRole"
				}
				form := i.form(o, values)
				if row.Decides == gate.ByAssertion {
					i.holdAssertion(nobody, s.API, form)
					i.holdAssertion(admin, s.API, form)
					return
				}

				status, id, body := i.call(nobody, s.API, form)
				events := i.events(id)
				if len(events) != 1 {
					t.Fatalf("%d events of one call", len(events))
				}
				e := events[0]
				if e.Name != name || e.Source != s.Source || e.Identity.UserName != "nobody" || e.ReadOnly != row.ReadOnly {
					t.Errorf("recorded as %+v", e)
				}
				switch row.Decides {
				case gate.Always:
					if status != http.StatusOK || e.ErrorCode != "" || e.Additional.Decision != nil {
						t.Errorf("needs no permission, and answers %d %s; recorded as %+v", status, body, e)
					}
				default:
					if status != http.StatusForbidden || element(body, "Code") != "AccessDenied" ||
						!strings.Contains(element(body, "Message"), "user/nobody is not authorized to perform: "+action+" on resource: ") {
						t.Errorf("without permission: %d %s", status, body)
					}
					if d := e.Additional.Decision; d == nil || d.Effect != "deny-implicit" || e.ErrorCode != "AccessDenied" || e.ResponseElements != nil {
						t.Errorf("the denial is recorded as %+v with %+v", e, d)
					}
				}

				status, id, body = i.call(admin, s.API, form)
				if name == "AssumeRoot" {
					// No permission does without an organization, whose word is part of the decision.
					if d := i.events(id)[0].Additional.Decision; status != http.StatusForbidden || d == nil || d.Effect != "deny-implicit" || d.Layer != "resource" {
						t.Errorf("without an organization: %d %s, recorded with the decision %+v", status, body, d)
					}
					return
				}
				if status >= 500 || element(body, "Code") == "ValidationError" || strings.Contains(body, "not authorized") {
					t.Errorf("with every permission: %d %s", status, body)
				}
				if events = i.events(id); len(events) != 1 {
					t.Fatalf("%d events of one call", len(events))
				}
				e = events[0]
				if failed := status != http.StatusOK; failed != (e.ErrorCode != "") {
					t.Errorf("answered %d and recorded %q", status, e.ErrorCode)
				}
				if d := e.Additional.Decision; row.Decides != gate.Always && (d == nil || d.Effect != "allow") {
					t.Errorf("recorded with the decision %+v", d)
				}
			})
		}
	}
	i.t = t
}

// holdAssertion: what is decided by an assertion is refused without a good one, whoever signs the call, and leaves no event.
func (i *installation) holdAssertion(who sigv4.Signer, api *wire.API, form url.Values) {
	i.t.Helper()
	status, id, body := i.call(who, api, form)
	if status != http.StatusBadRequest || element(body, "Code") != "InvalidIdentityToken" {
		i.t.Errorf("answers %d %s", status, body)
	}
	if events := i.events(id); len(events) != 0 {
		i.t.Errorf("a call of nobody known leaves %+v", events)
	}
}

// TestNothingWithoutSignature: every operation, built or not, answers nobody.
func TestNothingWithoutSignature(t *testing.T) {
	i := newInstallation(t)
	for _, s := range services() {
		for name, o := range s.API.Operations {
			var r *http.Request
			if s.API.Protocol == wire.JSON {
				r, _ = http.NewRequest(http.MethodPost, i.url, strings.NewReader("{}"))
				r.Header.Set("Content-Type", "application/x-amz-json-1.1")
				r.Header.Set("X-Amz-Target", s.API.TargetPrefix+"."+name)
			} else {
				r, _ = http.NewRequest(http.MethodGet, i.url+"/?Action="+name+"&Version="+s.API.Version, nil)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			want := "MissingAuthenticationToken"
			if o.Unsigned {
				if want = "NotImplemented"; s.Handlers[name] != nil {
					want = "ValidationError" // the assertion is missing
				}
			}
			if res.StatusCode == http.StatusOK || !strings.Contains(string(body), want) {
				t.Errorf("%s %s without a signature: %d %s", s.API.Name, name, res.StatusCode, body)
			}
		}
	}
}
