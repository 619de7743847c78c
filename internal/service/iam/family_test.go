package iam_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
)

// family is a group of operations with what every operation is held to: the permission that opens it, and each error that
// the model lists for it.
type family struct {
	furnish     func(*world)              // makes what the operations find
	permissions func(*world) []permission // one for each operation; called on a furnished world, or on an empty one to be counted
	errors      func(*world) []apiError   // likewise; nil where another test holds them
	cannot      map[string]map[string]string
	// cannot names, by code and operation, errors that the model lists and for which there is no occasion, each with its reason
}

// families are the operations in groups. A new family is a line here.
var families = map[string]family{
	"simulator":         {(*world).scene, simulatorPermissions, simulatorErrors, simulatorCannot},
	"grants":            {(*world).scene, grantPermissions, grantErrors, cannotOccur},
	"instance profiles": {furnishProfiles, profilePermissions, profileErrors, profilesCannot},
	"mfa devices":       {furnishMFA, mfaPermissions, mfaErrors, mfaCannot},
	"settings":          {furnishSettings, settingPermissions, settingErrors, settingsCannot},
	"enabling":          {func(*world) {}, enablePermissions, nil, nil},
	"passwords":         {(*world).passwordScene, passwordPermissions, nil, passwordsCannot},
	"oidc":              {furnishOIDC, oidcPermissions, oidcErrors, oidcCannot},
	"credential report": {furnishReport, credentialReportPermissions, credentialReportErrors, credentialReportCannot},
	"SAML providers":    {furnishSAML, samlPermissions, samlErrors, samlCannot},
	"delegation":        {furnishDelegation, delegationPermissions, delegationErrors, delegationCannot},
	"linked roles":      {furnishLinked, linkedPermissions, linkedErrors, linkedCannot},

	"SSH public keys":              {furnishKeys, sshKeyPermissions, sshKeyErrors, sshKeysCannot},
	"signing certificates":         {furnishKeys, signingPermissions, signingErrors, signingCannot},
	"server certificates":          {furnishKeys, serverCertificatePermissions, serverCertificateErrors, serverCertificatesCannot},
	"service-specific credentials": {furnishKeys, serviceCredentialPermissions, serviceCredentialErrors, nil},
	"last accessed":                {furnishLastAccessed, lastAccessedPermissions, lastAccessedErrors, lastAccessedCannot},
}

// sortedPermissions puts the operations in the order of their names, for tables that are made from maps.
func sortedPermissions(all []permission) []permission {
	slices.SortFunc(all, func(a, b permission) int { return strings.Compare(a.operation, b.operation) })
	return all
}

// sortedErrors puts errors in one order, for tables that are made from maps.
func sortedErrors(all []apiError) []apiError {
	slices.SortStableFunc(all, func(a, b apiError) int {
		return cmp.Or(strings.Compare(a.operation, b.operation), strings.Compare(a.code, b.code), strings.Compare(a.message, b.message))
	})
	return all
}

// needsToo are permissions that an operation needs beside its own, which it asks for first.
var needsToo = map[string][]statement{
	"AddRoleToInstanceProfile": {allow("iam:PassRole", "*").when("StringEquals", "iam:PassedToService", "ec2.amazonaws.com")},
}

// TestFamilyPermissions holds every operation to its permission row, as TestPermissions.
func TestFamilyPermissions(t *testing.T) {
	for name, f := range families {
		for i, p := range f.permissions(&world{t: t}) {
			t.Run(name+"/"+p.operation, func(t *testing.T) {
				checklist.Shows(t, append(surface(p), "S3-1", "S3-279", "S3-280")...)
				w := newWorld(t)
				f.furnish(w)
				w.holdPermission(f.permissions(w)[i])
			})
		}
	}
}

// surface is the item of S3 that names an operation, and what the table says of its resource.
func surface(p permission) (items []string) {
	for item, operations := range map[string]string{
		"S3-47": "CreatePolicy GetPolicy ListPolicies DeletePolicy ListEntitiesForPolicy",
		"S3-48": "CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion GetPolicyVersion ListPolicyVersions",
		"S3-49": "AttachUserPolicy AttachGroupPolicy AttachRolePolicy DetachUserPolicy DetachGroupPolicy DetachRolePolicy " +
			"ListAttachedUserPolicies ListAttachedGroupPolicies ListAttachedRolePolicies",
		"S3-50": "PutUserPolicy PutGroupPolicy PutRolePolicy GetUserPolicy GetGroupPolicy GetRolePolicy ListUserPolicies ListGroupPolicies " +
			"ListRolePolicies DeleteUserPolicy DeleteGroupPolicy DeleteRolePolicy",
		"S3-53": "UpdateAssumeRolePolicy GetInstanceProfile AddRoleToInstanceProfile RemoveRoleFromInstanceProfile ListInstanceProfiles UpdateRoleDescription " +
			"UpdateSAMLProvider GenerateCredentialReport GetCredentialReport GetAccountPasswordPolicy UpdateAccountPasswordPolicy",
	} {
		if slices.Contains(strings.Fields(operations), p.operation) {
			items = append(items, item)
		}
	}
	changes := slices.Contains([]string{"CreatePolicy", "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion"}, p.operation)
	if changes && strings.HasPrefix(p.resource, "policy/") {
		items = append(items, "S3-41")
	}
	kind, _, _ := strings.Cut(p.resource, "/")
	for _, verb := range []string{"Attach", "Detach"} {
		if operation, ok := strings.CutPrefix(p.operation, verb); ok && strings.ToLower(operation) == kind+"policy" {
			items = append(items, "S3-42") // the resource is who gets the policy
		}
	}
	return items
}

// holdPermission: without a policy the operation is refused with AWS's sentence, with the action on another resource too, with
// the action on its own resource it succeeds, and an explicit deny wins, for a user and for a session.
func (w *world) holdPermission(p permission) {
	t := w.t
	t.Helper()
	ctx := t.Context()
	action := "iam:" + p.operation
	resource, shown := "*", p.shown
	if p.resource != "*" {
		resource = w.arn(p.resource)
	}
	if shown == "" {
		shown = resource
	}
	caller := w.user("caller")
	w.denied(p.do(ctx, caller), "caller", action, shown)

	others := []statement{allow("sts:*", "*")}
	for _, kind := range []string{"user", "group", "role", "policy", "instance-profile", "mfa", "server-certificate", "saml-provider", "oidc-provider"} {
		others = append(others, allow(action, w.arn(kind+"/other")))
	}
	w.grant("caller", others...)
	w.denied(p.do(ctx, caller), "caller", action, shown)

	w.grant("caller", allow("iam:*", "*"), deny(action, resource))
	explicit := "User: " + w.arn("user/caller") + " is not authorized to perform: " + action + " on resource: " + shown +
		" with an explicit deny in "
	refused(t, p.do(ctx, caller), 403, "AccessDenied", explicit+"an identity-based policy")

	events := len(w.events())
	session := w.session("roamer", "s")
	w.make(func(tx *directory.Tx) error {
		return tx.PutInlinePolicy(directory.OfRole(w.account, "roamer"), "test", document(allow("iam:*", "*"), deny(action, resource)))
	})
	refused(t, p.do(ctx, session), 403, "AccessDenied", strings.Replace(explicit, w.arn("user/caller"),
		"arn:aws:sts::"+w.account+":assumed-role/roamer/s", 1)+"an identity-based policy")
	if got := len(w.events()); got != events+2 { // those of the test's own changes
		t.Errorf("%d events were written with changes while everything was refused", got-events-2)
	}

	w.grant("caller", append([]statement{allow(action, resource)}, needsToo[p.operation]...)...)
	if err := p.do(ctx, caller); err != nil {
		t.Errorf("allowed: %v", err)
	}
}

// TestRootFamilies: the root user may do everything without a policy.
func TestRootFamilies(t *testing.T) {
	for name, f := range families {
		for i, p := range f.permissions(&world{t: t}) {
			t.Run(name+"/"+p.operation, func(t *testing.T) {
				w := newWorld(t)
				f.furnish(w)
				if err := f.permissions(w)[i].do(t.Context(), w.root); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFamilyErrors: every error of the model that can occur does, with its sentence, and changes nothing.
func TestFamilyErrors(t *testing.T) {
	for name, f := range families {
		if f.errors == nil {
			continue
		}
		occur := make(map[string]bool)
		for i, e := range sortedErrors(f.errors(&world{t: t})) {
			occur[e.operation+" "+e.code] = true
			t.Run(name+"/"+e.operation+"/"+e.code, func(t *testing.T) {
				w := newWorld(t)
				f.furnish(w)
				w.holdError(sortedErrors(f.errors(w))[i])
			})
		}
		service := iam.New(iam.Config{})
		for _, p := range f.permissions(&world{t: t}) {
			for _, code := range service.API.Operations[p.operation].Errors {
				_, never := neverOccurs[code]
				_, cannot := f.cannot[code][p.operation]
				if occurs := occur[p.operation+" "+code]; !occurs && !never && !cannot {
					t.Errorf("%s is never seen to answer %s", p.operation, code)
				} else if occurs && (never || cannot) {
					t.Errorf("%s answers %s, which is said not to occur", p.operation, code)
				}
			}
		}
		for code, of := range f.cannot {
			for _, operation := range slices.Sorted(maps.Keys(of)) {
				if !slices.Contains(service.API.Operations[operation].Errors, code) {
					t.Errorf("the model lists no %s for %s", code, operation)
				}
				checklist.Excludes(t, "iam "+operation, code, of[operation])
			}
		}
	}
}

// TestNeverOccurs says of every operation which errors of its model have no occasion anywhere.
func TestNeverOccurs(t *testing.T) {
	for name, o := range iam.New(iam.Config{}).API.Operations {
		for code, why := range neverOccurs {
			if slices.Contains(o.Errors, code) {
				checklist.Excludes(t, "iam "+name, code, why)
			}
		}
	}
}

// holdError: the call is refused with that error, and a refused call writes nothing.
func (w *world) holdError(e apiError) {
	t := w.t
	t.Helper()
	if e.quota != "" {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.SetQuota(w.account, e.quota, &e.n)
			return err
		})
	}
	if e.first != nil {
		if err := e.first(); err != nil {
			t.Fatal(err)
		}
	}
	before := must(w.store.Head(t.Context()))(t)
	refused(t, e.do(), status[e.code], e.code, e.message)
	if after := must(w.store.Head(t.Context()))(t); (after != before) != e.counted {
		t.Errorf("a refused call wrote: revision %d became %d", before, after)
	}
}
