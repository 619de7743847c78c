package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

func TestAccountAlias(t *testing.T) {
	checklist.Shows(t, "S1-64", "S1-69")
	w := newWorld(t)
	ctx := t.Context()
	aliases := func() []string {
		out := must(w.root.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{}))(t)
		if out.IsTruncated || out.Marker != nil {
			t.Error("one alias is more than a page")
		}
		return out.AccountAliases
	}
	set := func(alias string) error {
		_, err := w.root.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: &alias})
		return err
	}
	equalNames(t, "at first", aliases(), nil)
	if err := set("acme"); err != nil {
		t.Fatal(err)
	}
	equalNames(t, "after the first", aliases(), []string{"acme"})
	if err := set("acme-2"); err != nil {
		t.Fatal(err)
	}
	equalNames(t, "after the second", aliases(), []string{"acme-2"})

	w.make(func(tx *directory.Tx) error {
		other, _, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
		if err != nil {
			return err
		}
		return tx.SetAlias(other.ID, "foreign")
	})
	refused(t, set("foreign"), 409, "EntityAlreadyExists", "The account alias foreign already exists.")
	refused(t, set("acme-2"), 409, "EntityAlreadyExists", "The account alias acme-2 already exists.")
	for _, alias := range []string{"acme", "foreign"} {
		_, err := w.root.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: &alias})
		refused(t, err, 404, "NoSuchEntity", "The account alias with name "+alias+" cannot be found.")
	}
	must(w.root.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: aws.String("acme-2")}))(t)
	equalNames(t, "after deleting", aliases(), nil)
	_, err := w.root.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
}

func TestAccountSummary(t *testing.T) {
	w := newWorld(t)
	furnish(w)
	w.session("worker", "shift") // makes a role
	w.make(func(tx *directory.Tx) error {
		for _, name := range []string{"p1", "p2"} {
			p, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: name, Document: document(allow("*", "*"))})
			if err != nil {
				return err
			}
			if _, err := tx.CreatePolicyVersion(w.account, p.ARN(), document(allow("s3:*", "*")), false); err != nil {
				return err
			}
		}
		_, err := tx.SetQuota(w.account, directory.UsersQuota, new(6000))
		return err
	})
	want := map[string]int32{
		"Users": 3, "UsersQuota": 6000, "Groups": 2, "GroupsQuota": 300, "Roles": 1, "RolesQuota": 1000,
		"Policies": 2, "PoliciesQuota": 1500, "PolicyVersionsInUse": 4, "PolicyVersionsInUseQuota": 10000,
		"VersionsPerPolicyQuota": 5, "GroupsPerUserQuota": 10, "AccessKeysPerUserQuota": 2,
		"AttachedPoliciesPerGroupQuota": 10, "AttachedPoliciesPerRoleQuota": 10, "AttachedPoliciesPerUserQuota": 10,
		"PolicySizeQuota": 6144, "UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240,
		"AssumeRolePolicySizeQuota": 2048, "AccountAccessKeysPresent": 1, "GlobalEndpointTokenVersion": 2,
		"AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		"InstanceProfiles": 0, "InstanceProfilesQuota": 1000, "MFADevices": 0, "MFADevicesInUse": 0, "Providers": 0,
		"ServerCertificates": 0, "ServerCertificatesQuota": 20, "SigningCertificatesPerUserQuota": 2,
	}
	for _, key := range types.SummaryKeyType("").Values() {
		if _, ok := want[string(key)]; !ok {
			t.Errorf("the SDK knows %s, this test does not", key)
		}
	}
	must(w.root.CreateAccessKey(t.Context(), &sdk.CreateAccessKeyInput{}))(t) // the root user's second key: present is a yes
	got := must(w.root.GetAccountSummary(t.Context(), &sdk.GetAccountSummaryInput{}))(t).SummaryMap
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GetAccountSummary (-want +got):\n%s", diff)
	}
}
