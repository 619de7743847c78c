package iam_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/policy"
)

// reference is testdata/authorization-reference.json: what AWS says of the actions of IAM. Its first two members say where it
// is from and how it is made.
type reference struct {
	Source, Made string
	Actions      map[string]struct{ Resources, ConditionKeys []string }
	Resources    map[string]struct{ ConditionKeys []string }
}

func readReference(t *testing.T) (r reference) {
	t.Helper()
	text, err := os.ReadFile("testdata/authorization-reference.json")
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Where rows and reference differ on purpose.
var (
	// referenceOmits: the reference names no resource for these; AWS's denials name all entities under the path prefix, and
	// policies may.
	referenceOmits = map[string]string{"ListUsers": "user", "ListGroups": "group", "ListRoles": "role",
		"ListInstanceProfiles": "instance-profile", "ListOpenIDConnectProviders": "oidc-provider",
		"ListServerCertificates": "server-certificate"}
	// alsoAsks: actions that an operation needs beside its own.
	alsoAsks = map[string][]string{"CreateUser": {"TagUser"}, "CreateRole": {"TagRole"}, "CreatePolicy": {"TagPolicy"},
		"CreateInstanceProfile": {"TagInstanceProfile"}, "AddRoleToInstanceProfile": {"PassRole"},
		"CreateOpenIDConnectProvider": {"TagOpenIDConnectProvider"},
		"CreateVirtualMFADevice":      {"TagMFADevice"},
		"CreateSAMLProvider":          {"TagSAMLProvider"},
		"UploadServerCertificate":     {"TagServerCertificate"}}
	// alsoSet: keys that AWS's own examples need where the reference has none (S5-146).
	alsoSet = map[string][]string{"GetServiceLinkedRoleDeletionStatus": {"iam:AWSServiceName"}}
	// newerActions: the API's model has them, the reference of that day did not.
	newerActions = []string{"UpdateDelegationRequest"}
	// neverSet: keys of role templates, which nobody has, and of what a passed role will be associated with, which none of the
	// operations here knows; and of security keys, which the API does not register.
	neverSet = []string{"iam:RoleTemplateARN", "iam:AssociatedResourceArn",
		"iam:RegisterSecurityKey", "iam:FIDO-certification", "iam:FIDO-FIPS-140-2-certification", "iam:FIDO-FIPS-140-3-certification"}
)

// TestRowsAgainstReference holds the permission row of every operation that is built against the reference: the action, the
// type of its resource, and the condition keys that it can have, with an input in which every member is set and targets that
// have a boundary.
func TestRowsAgainstReference(t *testing.T) {
	w := newWorld(t)
	key := furnishReference(w)
	ref, service := readReference(t), iam.New(iam.Config{})
	for _, name := range slices.Sorted(maps.Keys(service.Handlers)) {
		if name == "AcquireRole" {
			continue // the reference has no such action: it needs those of what it does (TestRoleTemplates)
		}
		input := service.API.Operations[name].NewInput()
		fill(w, input, key)
		c := &gate.Call{
			Request:  &wire.Call{API: service.API, Operation: service.API.Operations[name], Input: input},
			Caller:   &authorizer.Caller{Principal: policy.Principal{Type: policy.Root, Account: w.account}, EntityID: w.account},
			Snapshot: w.follower.Current(),
		}
		if name == "ChangePassword" { // which only users may
			u, _ := c.Snapshot.Account(w.account)
			target, _ := u.User("target")
			c.Caller = &authorizer.Caller{Principal: policy.Principal{Type: policy.User, Account: w.account}, EntityID: target.ID}
		}
		checks, err := service.Rows[name].Checks(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var asked []string
		for i := range checks {
			action := strings.TrimPrefix(checks[i].Action, "iam:")
			asked = append(asked, action)
			row, ok := ref.Actions[action]
			if slices.Contains(newerActions, action) {
				continue
			}
			if !ok {
				t.Errorf("%s asks for %s, which the reference does not know", name, checks[i].Action)
				continue
			}
			types := row.Resources
			if kind, ok := referenceOmits[action]; ok && len(types) == 0 {
				types = []string{kind}
			}
			if got := resourceType(checks[i].Resource); got != "" && !slices.Contains(types, got) || got == "" && len(types) > 0 {
				t.Errorf("%s: %s asks about %s; the reference has the resource types %q", name, action, checks[i].Resource, types)
			}
			want := slices.DeleteFunc(slices.Clone(row.ConditionKeys), func(key string) bool { return slices.Contains(neverSet, key) })
			want = append(want, alsoSet[name]...)
			if diff := cmp.Diff(want, checkKeys(&checks[i]), equalEmpty); diff != "" {
				t.Errorf("%s: condition keys of %s (-reference +row):\n%s", name, action, diff)
			}
		}
		want := append([]string{name}, alsoAsks[name]...)
		if got := slices.Compact(asked); !slices.Equal(got, want) {
			t.Errorf("%s asks for %q, want %q", name, got, want)
		}
		checklist.Row(t, "iam "+name, asked...)
	}
}

// TestTagKeysAgainstReference holds the tags that decisions see of a resource against the reference: which types of resources
// have aws:ResourceTag, and which iam:ResourceTag too.
func TestTagKeysAgainstReference(t *testing.T) {
	w := newWorld(t)
	furnishReference(w)
	ref, service := readReference(t), iam.New(iam.Config{})
	for kind, resource := range map[string]string{
		"user": "user/team/target", "role": "role/team/worker", "policy": "policy/team/plan", "group": "group/team/crew",
		"instance-profile": "instance-profile/team/web", "oidc-provider": "oidc-provider/idp.example/team",
		"mfa":                "mfa/team/phone",
		"server-certificate": "server-certificate/team/site",
	} {
		f, ok := service.Resource.Facts(w.follower.Current(), w.arn(resource))
		if !ok {
			t.Errorf("nothing is known of the %s", kind)
			continue
		}
		var got []string
		if len(f.Tags) > 0 {
			got = append(got, "aws:ResourceTag/${TagKey}")
		}
		if f.OwnTagKey {
			got = append(got, "iam:ResourceTag/${TagKey}")
		}
		if diff := cmp.Diff(ref.Resources[kind].ConditionKeys, got, equalEmpty); diff != "" {
			t.Errorf("%s (-reference +facts):\n%s", kind, diff)
		}
	}
}

var equalEmpty = cmp.Transformer("sorted", func(keys []string) []string {
	return append([]string{}, slices.Sorted(slices.Values(keys))...)
})

// furnishReference makes a scene and an access key of its user.
func furnishReference(w *world) (accessKey string) {
	w.t.Helper()
	if err := putProperties(w.t.Context(), w.root, "A/B", "c"); err != nil {
		w.t.Fatal(err)
	}
	furnishOIDC(w)
	furnishDevices(w)
	addKeys(w)
	out := must(w.root.CreateAccessKey(w.t.Context(), &sdk.CreateAccessKeyInput{UserName: aws.String("target")}))(w.t)
	return *out.AccessKey.AccessKeyId
}

// fill sets every member of an input whose name the rows may read.
func fill(w *world, input wire.Input, accessKey string) {
	values := map[string]string{
		"PolicySourceArn": w.arn("user/team/target"),
		"UserName":        "target", "GroupName": "crew", "RoleName": "worker", "PolicyArn": w.arn("policy/team/plan"),
		"PermissionsBoundary": readOnly, "Path": "/team/", "PathPrefix": "/team/", "PolicyName": "plan", "AccessKeyId": accessKey,
		"AWSServiceName": "elasticache.amazonaws.com", "DelegationRequestId": w.account + "-0123456789", "EntityArn": w.arn("delegation-request/none"),
		"NotificationChannel": "topic", "OwnerId": w.arn("user/target"), "DeletionTaskId": "task/aws-service-role/elasticache.amazonaws.com/AWSServiceRoleForElastiCache/1",
		"InstanceProfileName": "web", "OpenIDConnectProviderArn": w.arn("oidc-provider/idp.example/team"), "Url": "https://fresh.example",
		"Arn": w.arn("user/team/target"), "EntityPath": aPart, "OrganizationsPolicyId": "p-examplepolicy",
		"VirtualMFADeviceName": "phone", "SerialNumber": w.arn("mfa/team/phone"),
		"Name": "corp", "SAMLProviderArn": w.arn("saml-provider/corp"),
		"ServerCertificateName": "site", "ServiceName": codeCommit,
		"ServiceSpecificCredentialId": w.owned("target", entity.KindServiceCredential),
		"TemplateArn":                 "arn:aws:iam::aws:role-template/ec2.amazonaws.com/Instances:1",
	}
	v := reflect.ValueOf(input).Elem()
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		value, ok := values[name]
		switch {
		case ok && field.Kind() == reflect.String:
			field.SetString(value)
		case ok && field.Kind() == reflect.Pointer:
			field.Set(reflect.ValueOf(&value))
		case name == "CredentialAgeDays":
			field.Set(reflect.ValueOf(new(30)))
		case name == "Permissions":
			field.FieldByName("PolicyTemplateArn").Set(reflect.ValueOf(aws.String("template")))
		case name == "Tags":
			tags := reflect.MakeSlice(field.Type(), 1, 1)
			tags.Index(0).FieldByName("Key").SetString("k")
			field.Set(tags)
		case name == "Properties":
			field.Set(reflect.ValueOf(map[string]string{"A/B": "c"}))
		case name == "TagKeys":
			field.Set(reflect.ValueOf([]string{"k"}))
		}
	}
}

// resourceType is the type of the resource in an ARN; empty for *.
func resourceType(resource string) string {
	if resource == "*" {
		return ""
	}
	parts := strings.SplitN(resource, ":", 6)
	kind, _, _ := strings.Cut(parts[len(parts)-1], "/")
	return kind
}

// checkKeys names the condition keys that a check adds to the context, as the reference does.
func checkKeys(c *authorizer.Check) (keys []string) {
	for _, k := range c.Keys {
		keys = append(keys, k.Name)
	}
	if len(c.RequestTags) > 0 {
		keys = append(keys, "aws:RequestTag/${TagKey}")
	}
	if len(c.RequestTags)+len(c.RequestTagKeys) > 0 {
		keys = append(keys, "aws:TagKeys")
	}
	return keys
}
