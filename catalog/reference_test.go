package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
)

func TestServiceReference(t *testing.T) {
	r := catalog.ServiceReference()
	if r != catalog.ServiceReference() {
		t.Error("a second reference")
	}
	services, actions, types, last := 0, 0, 0, ""
	for s := range r.Services() {
		services++
		if s.Prefix <= last || s.Name == "" || s.Category == "" {
			t.Errorf("%q (%q, %q) comes after %q", s.Prefix, s.Name, s.Category, last)
		}
		last = s.Prefix
		if found, ok := r.Service(strings.ToUpper(s.Prefix)); !ok || found != s {
			t.Errorf("%s is not found", s.Prefix)
		}
		n := 0
		for a := range s.Actions() {
			if a.Index() != actions || r.ActionAt(actions) != a || a.Service != s || a.Level.String() == "unknown" {
				t.Fatalf("%v has the index %d and level %v at %d", a, a.Index(), a.Level, actions)
			}
			if found, ok := r.Action(strings.ToUpper(a.String())); !ok || found != a {
				t.Fatalf("%v is not found", a)
			}
			for _, u := range a.Resources {
				if found, ok := s.ResourceType(u.Type.Name); !ok || found != u.Type {
					t.Errorf("%v: the type %s is not found", a, u.Type.Name)
				}
			}
			for _, k := range a.Keys {
				if found, ok := s.Key(strings.ToLower(k.Name)); !ok || found != k || !a.Carries(k.Name) {
					t.Errorf("%v: the key %s is not found", a, k.Name)
				}
			}
			actions++
			n++
		}
		if n != s.NumActions() {
			t.Errorf("%s: %d actions of %d", s.Prefix, n, s.NumActions())
		}
		for range s.ResourceTypes() {
			types++
		}
		for k := range s.Keys() {
			name := k.Name
			if strings.HasSuffix(name, "/") {
				name += "x"
			}
			if found, ok := r.Key(name); !ok || found.Type != k.Type && !found.Global || k.Type.String() == "unknown" {
				t.Errorf("%s: the key %s of type %v is not found in the reference", s.Prefix, k.Name, k.Type)
			}
		}
	}
	if services != 456 || actions != 22091 || types != 2334 || r.NumActions() != actions {
		t.Errorf("%d services, %d actions (says %d), %d resource types", services, actions, r.NumActions(), types)
	}
	if r.AsOf != "2026-09-26" || !strings.Contains(r.Source, "iam-data") {
		t.Errorf("of %s from %q", r.AsOf, r.Source)
	}
}

func TestKnownActions(t *testing.T) {
	r := catalog.ServiceReference()
	for _, want := range []struct {
		name  string
		level catalog.AccessLevel
		types string // ! for required ones
	}{
		{"s3:GetObject", catalog.Read, "accesspointobject object"},
		{"s3:listbucket", catalog.List, "accesspoint bucket"},
		{"S3:PutBucketPolicy", catalog.PermissionsManagement, "bucket!"},
		{"s3:ListAllMyBuckets", catalog.List, ""},
		{"iam:PassRole", catalog.Write, "role!"},
		{"iam:TagUser", catalog.Tagging, "user!"},
		{"sts:GetCallerIdentity", catalog.Read, ""},
	} {
		a, ok := r.Action(want.name)
		if !ok {
			t.Errorf("%s is unknown", want.name)
			continue
		}
		var types []string
		for _, u := range a.Resources {
			name := u.Type.Name
			if u.Required {
				name += "!"
			}
			types = append(types, name)
		}
		if a.Level != want.level || strings.Join(types, " ") != want.types {
			t.Errorf("%v: %v on %q", a, a.Level, types)
		}
	}
	for _, name := range []string{"", "*", "s3", "s3:", "s3:GetObjec", "s3:GetObjectX", "s4:GetObject", ":GetObject", "s3:Get*"} {
		if a, ok := r.Action(name); ok {
			t.Errorf("%q gives %v", name, a)
		}
	}
}

func TestExpand(t *testing.T) {
	r := catalog.ServiceReference()
	for _, tt := range []struct {
		pattern string
		count   int // -1: compare the names
		names   string
	}{
		{"*", 22091, ""},
		{"*:*", 22091, ""},
		{"sts:Get*", -1, "GetAccessKeyInfo GetCallerIdentity GetDelegatedAccessToken GetFederationToken GetServiceBearerToken GetSessionToken GetWebIdentityToken"},
		{"STS:get*TOKEN", -1, "GetDelegatedAccessToken GetFederationToken GetServiceBearerToken GetSessionToken GetWebIdentityToken"},
		{"iam:?reateUser", -1, "CreateUser"},
		{"iam:CreateUser", -1, "CreateUser"},
		{"iam:CreateUser?", -1, ""},
		{"iam:CreateUser*", -1, "CreateUser"},
		{"iam:*Group", -1, "AddUserToGroup CreateGroup DeleteGroup GetGroup RemoveUserFromGroup UpdateGroup"},
		{"iam:", -1, ""},
		{"iam", -1, ""},
		{"i*:CreateUser", -1, ""},
		{"nosuch:*", -1, ""},
	} {
		var names []string
		for a := range r.Expand(tt.pattern) {
			names = append(names, a.Name)
		}
		if tt.count >= 0 && len(names) != tt.count || tt.count < 0 && strings.Join(names, " ") != tt.names {
			t.Errorf("%s: %d actions, %.300q", tt.pattern, len(names), names)
		}
	}
	t.Run("keys of users", func(t *testing.T) {
		checklist.Shows(t, "S3-282")
		var names []string
		for a := range r.Expand("iam:*AccessKey*") {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != "CreateAccessKey DeleteAccessKey GetAccessKeyLastUsed ListAccessKeys UpdateAccessKey" {
			t.Error(got)
		}
	})
	for range r.Expand("*") {
		break // an early end is no trouble
	}
	for range r.Expand("iam:*") {
		break
	}
}

func TestKeys(t *testing.T) {
	r := catalog.ServiceReference()
	for _, tt := range []struct {
		name, want string
		typ        catalog.KeyType
		multi      bool
		global     bool
	}{
		{"aws:SourceIp", "aws:SourceIp", catalog.IPKey, false, true},
		{"AWS:sourceip", "aws:SourceIp", catalog.IPKey, false, true},
		{"aws:TagKeys", "aws:TagKeys", catalog.StringKey, true, true},
		{"aws:PrincipalTag/team", "aws:PrincipalTag/${TagKey}", catalog.StringKey, false, true},
		{"aws:principaltag/${TagKey}", "aws:PrincipalTag/${TagKey}", catalog.StringKey, false, true},
		{"s3:prefix", "s3:prefix", catalog.StringKey, false, false},
		{"S3:Max-Keys", "s3:max-keys", catalog.NumericKey, false, false},
		{"s3:ExistingObjectTag/a", "s3:ExistingObjectTag/<key>", catalog.StringKey, false, false},
		{"kms:EncryptionContext:aws:s3:arn", "kms:EncryptionContext:${EncryptionContextKey}", catalog.StringKey, false, false},
		{"saml:aud", "saml:aud", catalog.StringKey, false, false},
		{"saml:sub", "saml:sub", catalog.StringKey, false, true},
		{"token.actions.githubusercontent.com:repository", "token.actions.githubusercontent.com:repository", catalog.StringKey, false, false},
		{"token.actions.acme.ghe.com:ref", "token.actions.${Domain}.ghe.com:ref", catalog.StringKey, false, false},
		{"elasticloadbalancing:ResourceTag/x", "elasticloadbalancing:ResourceTag/", catalog.StringKey, false, false},
		{"glacier:ResourceTag/x", "glacier:ResourceTag/", catalog.StringKey, false, false},
		{"secretsmanager:ResourceTag/x", "secretsmanager:ResourceTag/tag-key", catalog.StringKey, false, false},
	} {
		k, ok := r.Key(tt.name)
		if !ok {
			t.Errorf("%s is unknown", tt.name)
			continue
		}
		if k.Name != tt.want || k.Type != tt.typ || k.Multi != tt.multi || k.Global != tt.global || !k.Matches(tt.name) {
			t.Errorf("%s: %+v", tt.name, k)
		}
	}
	for _, name := range []string{"", "aws:", "aws:Nothing", "SourceIp", "s3:nothing", "aws:PrincipalTag", "aws:PrincipalTag/", "nosuch:key", "a.b.c:aud",
		"s3:ExistingObjectTag/", "glacier:ResourceTag/"} {
		if k, ok := r.Key(name); ok {
			t.Errorf("%q gives %s", name, k.Name)
		}
	}
	for prefix, want := range map[string]bool{"s3": true, "AWS": true, "saml": true, "token.actions.x.ghe.com": true, "s4": false, "": false} {
		if r.KnowsKeyPrefix(prefix) != want {
			t.Errorf("KnowsKeyPrefix(%q) is %v", prefix, !want)
		}
	}
}

func TestCarries(t *testing.T) {
	r := catalog.ServiceReference()
	for _, tt := range []struct {
		action, key string
		want        bool
	}{
		{"s3:ListBucket", "s3:prefix", true},
		{"s3:GetObject", "s3:prefix", false},
		{"s3:GetObject", "s3:ExistingObjectTag/team", true},
		{"s3:GetObject", "aws:SourceIp", true},
		{"s3:GetObject", "AWS:PrincipalTag/x", true},
		{"ec2:DescribeInstances", "aws:ResourceTag/x", false},
		{"ec2:StartInstances", "aws:ResourceTag/x", true},
		{"iam:PassRole", "iam:PassedToService", true},
		{"ec2:RunInstances", "lambda:SourceFunctionArn", true},
		{"ec2:RunInstances", "aws:Nothing", false},
	} {
		a, ok := r.Action(tt.action)
		if !ok || a.Carries(tt.key) != tt.want {
			t.Errorf("%s carries %s: %v", tt.action, tt.key, !tt.want)
		}
	}
}

func TestGlobalKeys(t *testing.T) {
	var names []string
	for k := range catalog.GlobalKeys() {
		names = append(names, strings.ToLower(k.Name))
		if !k.Global || k.Type.String() == "unknown" {
			t.Errorf("%+v", k)
		}
		if found, ok := catalog.GlobalKey(strings.ToUpper(k.Name)); !ok || found != k {
			t.Errorf("%s is not found", k.Name)
		}
	}
	if !slices.IsSorted(names) || len(names) != len(slices.Compact(slices.Clone(names))) || len(names) < 60 {
		t.Errorf("%d keys in the order %q", len(names), names)
	}
}
