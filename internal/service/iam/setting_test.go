package iam_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// organizations answers with the world's organization, which all accounts are in once there is one.
type organizations struct{ w *world }

func (o organizations) Of(*snapshot.Snapshot, string) (iam.Organization, bool) {
	if org := o.w.organization.Load(); org != nil {
		return *org, true
	}
	return iam.Organization{}, false
}

// organize puts the world's accounts into an organization that the first account manages and that lets IAM in.
func (w *world) organize(change ...func(*iam.Organization)) {
	org := &iam.Organization{ID: "o-exampleorgid", Management: w.account, AllFeatures: true, Trusted: true}
	for _, c := range change {
		c(org)
	}
	w.organization.Store(org)
}

func furnishSettings(w *world) {
	w.t.Helper()
	w.organize()
	must(w.root.EnableOutboundWebIdentityFederation(w.t.Context(), &sdk.EnableOutboundWebIdentityFederationInput{}))(w.t)
}

func settingPermissions(*world) []permission {
	all := map[string]func(context.Context, *sdk.Client) error{
		"SetSecurityTokenServicePreferences": func(ctx context.Context, c *sdk.Client) error {
			_, err := c.SetSecurityTokenServicePreferences(ctx, &sdk.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: types.GlobalEndpointTokenVersionV1Token})
			return err
		},
		"DisableOutboundWebIdentityFederation": func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DisableOutboundWebIdentityFederation(ctx, &sdk.DisableOutboundWebIdentityFederationInput{})
			return err
		},
		"GetOutboundWebIdentityFederationInfo": func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetOutboundWebIdentityFederationInfo(ctx, &sdk.GetOutboundWebIdentityFederationInfoInput{})
			return err
		},
		"GetAccountProperties": func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetAccountProperties(ctx, &sdk.GetAccountPropertiesInput{})
			return err
		},
		"PutAccountProperties": func(ctx context.Context, c *sdk.Client) error {
			return putProperties(ctx, c, "RoleManager/Enabled", "true")
		},
	}
	for name, do := range rootFeatures {
		all[name] = func(ctx context.Context, c *sdk.Client) error { _, err := do(ctx, c); return err }
	}
	var list []permission
	for name, do := range all {
		list = append(list, permission{name, "*", "*", do})
	}
	return sortedPermissions(list)
}

// enablePermissions is the one that furnishSettings has done already.
func enablePermissions(*world) []permission {
	return []permission{{"EnableOutboundWebIdentityFederation", "*", "*", func(ctx context.Context, c *sdk.Client) error {
		_, err := c.EnableOutboundWebIdentityFederation(ctx, &sdk.EnableOutboundWebIdentityFederationInput{})
		return err
	}}}
}

func putProperties(ctx context.Context, c *sdk.Client, pairs ...string) error {
	in := &sdk.PutAccountPropertiesInput{Properties: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		in.Properties[pairs[i]] = pairs[i+1]
	}
	_, err := c.PutAccountProperties(ctx, in)
	return err
}

// rootFeatures are the operations on centralized root access, which all answer what is enabled then.
var rootFeatures = map[string]func(context.Context, *sdk.Client) (string, error){
	"ListOrganizationsFeatures": func(ctx context.Context, c *sdk.Client) (string, error) {
		out, err := c.ListOrganizationsFeatures(ctx, &sdk.ListOrganizationsFeaturesInput{})
		if err != nil {
			return "", err
		}
		return enabled(out.OrganizationId, out.EnabledFeatures), nil
	},
	"EnableOrganizationsRootCredentialsManagement": func(ctx context.Context, c *sdk.Client) (string, error) {
		out, err := c.EnableOrganizationsRootCredentialsManagement(ctx, &sdk.EnableOrganizationsRootCredentialsManagementInput{})
		if err != nil {
			return "", err
		}
		return enabled(out.OrganizationId, out.EnabledFeatures), nil
	},
	"DisableOrganizationsRootCredentialsManagement": func(ctx context.Context, c *sdk.Client) (string, error) {
		out, err := c.DisableOrganizationsRootCredentialsManagement(ctx, &sdk.DisableOrganizationsRootCredentialsManagementInput{})
		if err != nil {
			return "", err
		}
		return enabled(out.OrganizationId, out.EnabledFeatures), nil
	},
	"EnableOrganizationsRootSessions": func(ctx context.Context, c *sdk.Client) (string, error) {
		out, err := c.EnableOrganizationsRootSessions(ctx, &sdk.EnableOrganizationsRootSessionsInput{})
		if err != nil {
			return "", err
		}
		return enabled(out.OrganizationId, out.EnabledFeatures), nil
	},
	"DisableOrganizationsRootSessions": func(ctx context.Context, c *sdk.Client) (string, error) {
		out, err := c.DisableOrganizationsRootSessions(ctx, &sdk.DisableOrganizationsRootSessionsInput{})
		if err != nil {
			return "", err
		}
		return enabled(out.OrganizationId, out.EnabledFeatures), nil
	},
}

func enabled(organization *string, features []types.FeatureType) string {
	all := []string{aws.ToString(organization)}
	for _, f := range features {
		all = append(all, string(f))
	}
	return strings.Join(all, " ")
}

func settingErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	do := make(map[string]func() error)
	for _, p := range append(settingPermissions(w), enablePermissions(w)...) {
		do[p.operation] = func() error { return p.do(ctx, c) }
	}
	add := func(operation, code, message string, first, do func() error) {
		all = append(all, apiError{operation: operation, code: code, message: message, first: first, do: do})
	}
	off := "Outbound web identity federation is disabled for account " + w.account + "."
	add("EnableOutboundWebIdentityFederation", "FeatureEnabled", "Outbound web identity federation is already enabled for account "+w.account+".",
		nil, do["EnableOutboundWebIdentityFederation"])
	for _, operation := range []string{"DisableOutboundWebIdentityFederation", "GetOutboundWebIdentityFederationInfo"} {
		add(operation, "FeatureDisabled", off, do["DisableOutboundWebIdentityFederation"], do[operation])
	}
	put := func(pairs ...string) func() error { return func() error { return putProperties(ctx, c, pairs...) } }
	const form = "The property key must be of the form Namespace/PropertyName."
	for _, bad := range []struct{ message, key, value string }{
		{form, "RoleManager", "true"}, {form, "/Enabled", "true"}, {form, "RoleManager/", "true"}, {form, "Role/Manager/Enabled", "true"},
		{form, "1RoleManager/Enabled", "true"}, {form, "Role.Manager/Enabled", "true"}, {form, "A/" + strings.Repeat("x", 49), "true"},
		{"The value of the property A/B must have 1 to 1024 characters.", "A/B", ""},
		{"The value of the property A/B must have 1 to 1024 characters.", "A/B", strings.Repeat("x", 1025)},
	} {
		add("PutAccountProperties", "InvalidInput", bad.message, nil, put(bad.key, bad.value))
	}
	add("PutAccountProperties", "InvalidInput", "All properties must belong to the same namespace.", nil, put("A/B", "1", "C/B", "1"))
	organization := func(change func(*iam.Organization)) func() error {
		return func() error { w.organize(change); return nil }
	}
	for operation := range rootFeatures {
		add(operation, "OrganizationNotFoundException", "Your account is not a member of an organization.",
			func() error { w.organization.Store(nil); return nil }, do[operation])
		add(operation, "AccountNotManagementOrDelegatedAdministratorException",
			"Your account is not the management account or a delegated administrator for IAM of your organization.",
			organization(func(o *iam.Organization) { o.Management = "999999999999" }), do[operation])
		add(operation, "OrganizationNotInAllFeaturesModeException", "Your organization does not have all features enabled.",
			organization(func(o *iam.Organization) { o.AllFeatures = false }), do[operation])
		add(operation, "ServiceAccessNotEnabledException", "Trusted access is not enabled for IAM in AWS Organizations.",
			organization(func(o *iam.Organization) { o.Trusted = false }), do[operation])
		if strings.HasPrefix(operation, "Enable") {
			add(operation, "CallerIsNotManagementAccountException", "Your account is not the management account of your organization.",
				organization(func(o *iam.Organization) { o.Management, o.Delegated = "999999999999", []string{w.account} }), do[operation])
		}
	}
	return all
}

var settingsCannot = map[string]map[string]string{
	"InvalidInput": {"GetAccountProperties": "it takes no parameters"},
}

// TestRootAccessFeatures: what the management account enables shows for it and for delegated administrators, who may disable it.
func TestRootAccessFeatures(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	call := func(operation, want string) {
		t.Helper()
		if got := must(rootFeatures[operation](ctx, w.root))(t); got != want {
			t.Errorf("%s answers %q, want %q", operation, got, want)
		}
	}
	w.organize()
	call("ListOrganizationsFeatures", "o-exampleorgid")
	call("EnableOrganizationsRootSessions", "o-exampleorgid RootSessions")
	call("EnableOrganizationsRootCredentialsManagement", "o-exampleorgid RootCredentialsManagement RootSessions")
	call("EnableOrganizationsRootCredentialsManagement", "o-exampleorgid RootCredentialsManagement RootSessions")
	call("DisableOrganizationsRootSessions", "o-exampleorgid RootCredentialsManagement")
	call("ListOrganizationsFeatures", "o-exampleorgid RootCredentialsManagement")

	// The same organization from the side of a delegated administrator.
	var management string
	w.make(func(tx *directory.Tx) error {
		acct, _, err := tx.CreateAccount(directory.NewAccount{Name: "management"})
		if err == nil {
			management = acct.ID
			_, err = tx.SetRootFeature(management, directory.RootSessions, true)
		}
		return err
	})
	w.organize(func(o *iam.Organization) { o.Management, o.Delegated = management, []string{w.account} })
	call("ListOrganizationsFeatures", "o-exampleorgid RootSessions")
	call("DisableOrganizationsRootSessions", "o-exampleorgid")
	call("ListOrganizationsFeatures", "o-exampleorgid")
	w.organize()
	call("ListOrganizationsFeatures", "o-exampleorgid RootCredentialsManagement")
}

// issuers are issuers that have no keys: signing is shown with the tokens, in the tests of STS.
type issuers struct{}

func (issuers) URL(id string) string { return "https://" + id + ".tokens.sts.ostiary.internal" }

func (issuers) Prepare(context.Context, string) error { return nil }

// TestOutboundFederation: the issuer is the account's own, and stays the same when the feature is off in between.
func TestOutboundFederation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	enable := func() string {
		t.Helper()
		return *must(w.root.EnableOutboundWebIdentityFederation(ctx, &sdk.EnableOutboundWebIdentityFederationInput{}))(t).IssuerIdentifier
	}
	first := enable()
	if !regexp.MustCompile(`^https://[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.tokens\.sts\.ostiary\.internal$`).MatchString(first) {
		t.Errorf("issuer %s", first)
	}
	info := must(w.root.GetOutboundWebIdentityFederationInfo(ctx, &sdk.GetOutboundWebIdentityFederationInfoInput{}))(t)
	if !info.JwtVendingEnabled || *info.IssuerIdentifier != first {
		t.Errorf("info: %+v", info)
	}
	must(w.root.DisableOutboundWebIdentityFederation(ctx, &sdk.DisableOutboundWebIdentityFederationInput{}))(t)
	if again := enable(); again != first {
		t.Errorf("the issuer was %s and is %s", first, again)
	}
	w.make(func(tx *directory.Tx) error {
		acct, _, err := tx.CreateAccount(directory.NewAccount{Name: "other"})
		if err != nil {
			return err
		}
		o, err := tx.EnableOutbound(acct.ID)
		if err == nil && strings.Contains(first, o.ID) {
			t.Error("two accounts are one issuer")
		}
		return err
	})
}

func TestTokenVersion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	shown := func() int32 {
		return must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap["GlobalEndpointTokenVersion"]
	}
	if shown() != 2 {
		t.Errorf("at first %d", shown())
	}
	for version, want := range map[types.GlobalEndpointTokenVersion]int32{"v1Token": 1, "v2Token": 2} {
		must(w.root.SetSecurityTokenServicePreferences(ctx, &sdk.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: version}))(t)
		if shown() != want {
			t.Errorf("%s is shown as %d", version, shown())
		}
	}
	_, err := w.root.SetSecurityTokenServicePreferences(ctx, &sdk.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: "v3Token"})
	refused(t, err, 400, "ValidationError", "1 validation error detected: Value 'v3Token' at 'globalEndpointTokenVersion' failed to satisfy constraint: "+
		"Member must satisfy enum value set: [v1Token, v2Token]")
}

func TestAccountProperties(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	get := func(c *sdk.Client) map[string]string {
		t.Helper()
		return must(c.GetAccountProperties(ctx, &sdk.GetAccountPropertiesInput{}))(t).Properties
	}
	if got := get(w.root); len(got) != 0 {
		t.Errorf("at first %v", got)
	}
	for _, pairs := range [][]string{{"RoleManager/Enabled", "true", "RoleManager/a-b_C", "1"}, {"RoleManager/Enabled", "false"}, {"Other/X", "y"}} {
		if err := putProperties(ctx, w.root, pairs...); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{"RoleManager/Enabled": "false", "RoleManager/a-b_C": "1", "Other/X": "y"}, get(w.root)); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if err := putProperties(ctx, w.root); err == nil {
		t.Error("no properties were set")
	}
	t.Run("iam:AccountPropertyNamespaces", func(t *testing.T) {
		key := "iam:AccountPropertyNamespaces"
		caller := w.user("caller", allow("iam:*AccountProperties", "*").when("ForAnyValue:StringEquals", key, "RoleManager"),
			deny("iam:GetAccountProperties", "*").when("ForAnyValue:StringEquals", key, "Other"))
		if err := putProperties(ctx, caller, "RoleManager/Enabled", "true"); err != nil {
			t.Error(err)
		}
		w.denied(putProperties(ctx, caller, "Other/X", "z"), "caller", "iam:PutAccountProperties", "*")
		_, err := caller.GetAccountProperties(ctx, &sdk.GetAccountPropertiesInput{})
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/caller")+" is not authorized to perform: iam:GetAccountProperties on resource: * with an explicit deny in an identity-based policy")
	})
}

// TestRoleTemplates: there is none; who may not use one learns nothing, and who may learns that.
func TestRoleTemplates(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const template = "arn:aws:iam::aws:role-template/ec2.amazonaws.com/Instances:1"
	acquire := func(c *sdk.Client, text string, minor *int32) error {
		_, err := c.AcquireRole(ctx, &sdk.AcquireRoleInput{TemplateArn: &text, TemplateMinorVersion: minor})
		return err
	}
	get := func(c *sdk.Client, text string, minor *int32) error {
		_, err := c.GetRoleTemplateVersion(ctx, &sdk.GetRoleTemplateVersionInput{TemplateArn: &text, MinorVersion: minor})
		return err
	}
	caller := w.user("caller", allow("iam:CreateRole", w.arn("role/one")), allow("iam:GetRoleTemplateVersion", w.arn("role/*")))
	w.denied(acquire(caller, template, nil), "caller", "iam:CreateRole", w.arn("role/*"))
	w.denied(get(caller, template, nil), "caller", "iam:GetRoleTemplateVersion", template)
	w.grant("caller", allow("iam:CreateRole", w.arn("role/*")).when("StringEquals", "iam:RoleTemplateARN", template), allow("iam:GetRoleTemplateVersion", "*"))
	w.denied(acquire(caller, template+"1", nil), "caller", "iam:CreateRole", w.arn("role/*"))
	for operation, do := range map[string]func(*sdk.Client, string, *int32) error{"AcquireRole": acquire, "GetRoleTemplateVersion": get} {
		t.Run(operation, func(t *testing.T) {
			refused(t, do(caller, template, nil), 404, "NoSuchEntity", "Role template "+template+" was not found.")
			refused(t, do(w.root, template, aws.Int32(-1)), 400, "InvalidInput", "The minor version of a role template cannot be negative.")
			for _, text := range []string{
				w.arn("role-template/ec2.amazonaws.com/Instances:1"), "arn:aws:iam::aws:role/ec2.amazonaws.com/Instances:1", "not an ARN of anything",
				"arn:aws:iam::aws:role-template/ec2.amazonaws.com/Instances", "arn:aws:iam::aws:role-template/ec2.amazonaws.com/Instances:0",
				"arn:aws:iam::aws:role-template/Instances:1", "arn:aws:iam::aws:role-template/a/b/c:1",
			} {
				refused(t, do(w.root, text, nil), 400, "InvalidInput", "ARN "+text+" is not valid.")
			}
			w.grant("caller", allow("iam:*", "*"), deny("iam:CreateRole", "*"), deny("iam:GetRoleTemplateVersion", "*"))
			if err := do(caller, template, nil); err == nil || !strings.Contains(err.Error(), "with an explicit deny") {
				t.Errorf("denied: %v", err)
			}
			w.grant("caller", allow("iam:*", "*"))
		})
	}
	// The reference has no action of this name.
	checklist.Row(t, "iam AcquireRole", "CreateRole")
	for _, operation := range []string{"AcquireRole", "GetRoleTemplateVersion"} {
		checklist.Excludes(t, "iam "+operation, "", "no service here has role templates")
	}
	for _, code := range iam.New(iam.Config{}).API.Operations["AcquireRole"].Errors {
		switch code {
		case "NoSuchEntity", "InvalidInput", "ServiceFailure", "ConcurrentModification":
		default:
			checklist.Excludes(t, "iam AcquireRole", code, "no service here has role templates")
		}
	}
}
