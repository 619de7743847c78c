package directory_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// drawn is what a random step is made of: few names, so that steps meet.
type drawn struct {
	account, other string // an account ID
	name, to       string // names of entities, in any case
	path           string
	arn            string // of a managed policy, or of none
	document       string
	target         directory.Target
	owner          directory.Target
	number         int
	flag           bool
}

func draw(r *rand.Rand) drawn {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	names := []string{"a", "a", "A", "b"}
	account := pick(home, home, home, home, home, abroad)
	own := func(path, name string) string { return entity.PolicyARN(account, path, name) }
	d := drawn{
		account: account, other: pick(home, home, abroad, "333333333333"),
		name: pick(names...), to: pick(names...), path: pick("/", "/", "/", "/p/"),
		arn:      pick(administrator, readOnly, own("/", "a"), own("/", "a"), own("/", "b"), own("/p/", "a"), own("/", "none")),
		document: pick(allowList, allowList, allowGet, allowGet, sized(1500), trustEC2, "{"),
		number:   1 + r.IntN(6), flag: r.IntN(2) == 0,
	}
	kinds := []entity.Kind{entity.KindUser, entity.KindGroup, entity.KindRole}
	d.target = directory.Target{Account: account, Kind: kinds[r.IntN(len(kinds))], Name: d.name}
	if d.owner = directory.OfUser(account, d.name); d.number == 6 {
		d.owner = directory.OfRoot(account)
	}
	return d
}

// steps are all verbs. A step may fail; what it may not do is checked after each.
var steps = map[string]func(*directory.Tx, drawn, *state) error{
	"create user": func(tx *directory.Tx, d drawn, _ *state) error {
		n := directory.NewUser{Name: d.name, Path: d.path, Tags: []entity.Tag{{Key: d.name}}}
		if d.flag {
			n.Boundary = d.arn
		}
		_, err := tx.CreateUser(d.account, n)
		return err
	},
	"rename user": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.RenameUser(d.account, d.name, directory.Rename{Name: &d.to, Path: &d.path})
		return err
	},
	"delete user": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteUser(d.account, d.name) },
	"create group": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateGroup(d.account, directory.NewGroup{Name: d.name, Path: d.path})
		return err
	},
	"rename group": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.RenameGroup(d.account, d.name, directory.Rename{Name: &d.to})
		return err
	},
	"delete group": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteGroup(d.account, d.name) },
	"join":         func(tx *directory.Tx, d drawn, _ *state) error { return tx.AddToGroup(d.account, d.name, d.to) },
	"leave":        func(tx *directory.Tx, d drawn, _ *state) error { return tx.RemoveFromGroup(d.account, d.name, d.to) },
	"create role": func(tx *directory.Tx, d drawn, _ *state) error {
		n := directory.NewRole{Name: d.name, Path: d.path, Trust: trust(entity.UserARN(d.other, "/", d.to))}
		if d.flag {
			n.Trust, n.Boundary = trustEC2, d.arn
		}
		_, err := tx.CreateRole(d.account, n)
		return err
	},
	"update trust": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UpdateTrust(d.account, d.name, trust(d.other, entity.RoleARN(d.other, d.path, d.to)))
		return err
	},
	"update role": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UpdateRole(d.account, d.name, directory.RoleUpdate{Description: &d.to})
		return err
	},
	"delete role": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteRole(d.account, d.name) },
	"put template": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.PutDelegationTemplate(d.account, d.name, d.document)
		return err
	},
	"delete template": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteDelegationTemplate(d.account, d.name) },
	"create request": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.CreateDelegationRequest(d.account, directory.NewDelegationRequest{Workflow: d.to + fmt.Sprint(d.number), Template: anyTemplate(d, s),
			Channel: "arn:aws:sns:us-east-1:111111111111:t", Duration: time.Hour, Spent: []string{anyRequest(d, s)}})
		return err
	},
	"associate request": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.AssociateDelegationRequest(anyRequest(d, s), delegateOf(d))
		return err
	},
	"update request": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.UpdateDelegationRequest(anyRequest(d, s), delegateOf(d), &d.to)
		return err
	},
	"accept request": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.AcceptDelegationRequest(anyRequest(d, s), delegateOf(d))
		return err
	},
	"reject request": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.RejectDelegationRequest(anyRequest(d, s), delegateOf(d), nil)
		return err
	},
	"send token": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.SendDelegationToken(anyRequest(d, s), delegateOf(d))
		return err
	},
	"create linked": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateServiceLinkedRole(d.account, directory.NewServiceLinkedRole{
			Service: "x.amazonaws.com", Name: "L" + d.name, Trust: trustEC2, PolicyARN: linkedPolicy})
		return err
	},
	"submit deletion": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.SubmitRoleDeletion(d.account, "l"+d.name)
		return err
	},
	"finish deletion": func(tx *directory.Tx, d drawn, s *state) error {
		reason := ""
		if d.flag {
			reason = "used"
		}
		_, err := tx.FinishRoleDeletion(d.account, anyDeletion(d, s), reason, nil)
		return err
	},
	"create profile": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateInstanceProfile(d.account, directory.NewInstanceProfile{Name: d.name, Path: d.path, Tags: []entity.Tag{{Key: d.to}}})
		return err
	},
	"fill profile": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.AddRoleToInstanceProfile(fillable(d, s))
	},
	"empty profile": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.RemoveRoleFromInstanceProfile(filled(d, s))
	},
	"tag profile": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.TagInstanceProfile(d.account, d.name, []entity.Tag{{Key: d.name, Value: d.to}})
	},
	"untag profile": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.UntagInstanceProfile(d.account, d.name, []string{d.name})
	},
	"delete profile": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteInstanceProfile(d.account, d.name) },
	"create device": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateVirtualMFADevice(d.account, directory.NewVirtualMFA{Name: d.name, Path: d.path, Tags: []entity.Tag{{Key: d.to}}})
		return err
	},
	"delete device": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.DeleteVirtualMFADevice(d.account, anyDevice(d, s))
	},
	"deactivate device": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.DeactivateMFADevice(d.owner, anyDevice(d, s))
	},
	"tag device": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.TagMFADevice(d.account, anyDevice(d, s), []entity.Tag{{Key: d.name, Value: d.to}})
	},
	"untag device": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.UntagMFADevice(d.account, anyDevice(d, s), []string{d.name})
	},
	"register security key": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.RegisterFIDODevice(d.owner, directory.NewFIDO{Name: d.to, FIDO: entity.FIDO{CredentialID: []byte(d.name), PublicKey: []byte("k")}})
		return err
	},
	"enable device": func(tx *directory.Tx, d drawn, s *state) error {
		if s.proof == nil {
			return fault.New(fault.WrongCode, "Nothing was proved.")
		}
		_, err := tx.EnableMFADevice(d.owner, s.proof)
		return err
	},
	"resync device": func(tx *directory.Tx, d drawn, s *state) error {
		if s.proof == nil {
			return fault.New(fault.WrongCode, "Nothing was proved.")
		}
		return tx.ResyncMFADevice(d.owner, s.proof)
	},
	"load token": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.LoadToken("token-000"+d.name, secret.New(rfcSeed))
	},
	"remove token": func(tx *directory.Tx, d drawn, _ *state) error { return tx.RemoveToken("token-000" + d.name) },
	"create policy": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreatePolicy(d.account, directory.NewPolicy{Name: d.name, Path: d.path, Document: d.document})
		return err
	},
	"create version": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.CreatePolicyVersion(d.account, anyPolicy(d, s), d.document, d.flag)
		return err
	},
	"set default": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.SetDefaultVersion(d.account, d.arn, 1+d.number%3)
	},
	"delete version": func(tx *directory.Tx, d drawn, s *state) error {
		arn, number := anyVersion(d, s)
		return tx.DeletePolicyVersion(d.account, arn, number)
	},
	"delete policy": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeletePolicy(d.account, d.arn) },
	"tag policy": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.TagPolicy(d.account, d.arn, []entity.Tag{{Key: d.name, Value: d.to}})
	},
	"untag policy": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.UntagPolicy(d.account, d.arn, []string{d.name})
	},
	"attach": func(tx *directory.Tx, d drawn, _ *state) error { return tx.AttachPolicy(d.target, d.arn) },
	"detach": func(tx *directory.Tx, d drawn, s *state) error { return tx.DetachPolicy(attachedTo(d, s)) },
	"put inline": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.PutInlinePolicy(d.target, inlineName(d), d.document)
	},
	"delete inline":   func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteInlinePolicy(d.target, inlineName(d)) },
	"put boundary":    func(tx *directory.Tx, d drawn, _ *state) error { return tx.PutBoundary(d.target, d.arn) },
	"delete boundary": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteBoundary(d.target) },
	"tag":             func(tx *directory.Tx, d drawn, _ *state) error { return tx.Tag(d.target, []entity.Tag{{Key: d.to}}) },
	"untag":           func(tx *directory.Tx, d drawn, _ *state) error { return tx.Untag(d.target, []string{d.to}) },
	"create key":      func(tx *directory.Tx, d drawn, _ *state) error { _, err := tx.CreateAccessKey(d.owner); return err },
	"key status": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.SetAccessKeyActive(d.owner, anyKey(d, s), d.flag)
	},
	"delete key": func(tx *directory.Tx, d drawn, s *state) error { return tx.DeleteAccessKey(d.owner, anyKey(d, s)) },
	// Reports are asked for in a transaction that may fail for another reason: then they are not.
	"credential report": func(tx *directory.Tx, d drawn, _ *state) error {
		if _, err := tx.StartCredentialReport(d.account); err != nil {
			return err
		}
		return tx.SetAlias(d.account, "alias-"+d.to)
	},
	"access report": func(tx *directory.Tx, d drawn, _ *state) error {
		n := directory.NewAccessReport{Kind: entity.KindUser, Target: d.name, ARN: d.arn}
		if d.flag {
			n = directory.NewAccessReport{Path: d.path}
		}
		if _, err := tx.StartAccessReport(d.account, n); err != nil {
			return err
		}
		return tx.SetAlias(d.account, "alias-"+d.to)
	},
	"upload ssh key": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UploadSSHKey(d.account, d.name, uploads().ssh[d.number%3])
		return err
	},
	"ssh key status": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.SetSSHKeyActive(d.account, d.name, anyItem(d, s, entity.KindSSHKey), d.flag)
	},
	"delete ssh key": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.DeleteSSHKey(d.account, d.name, anyItem(d, s, entity.KindSSHKey))
	},
	"upload signing": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UploadSigningCertificate(d.owner, uploads().signing[d.number%3])
		return err
	},
	"signing status": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.SetSigningCertificateActive(d.owner, uploads().signing[d.number%3].ID(), d.flag)
	},
	"delete signing": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.DeleteSigningCertificate(d.owner, uploads().signing[d.number%3].ID())
	},
	"upload certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UploadServerCertificate(d.account, directory.NewServerCertificate{Name: d.name, Path: d.path, Pair: uploads().pair})
		return err
	},
	"rename certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.RenameServerCertificate(d.account, d.name, directory.Rename{Name: &d.to, Path: &d.path})
	},
	"use certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UseServerCertificate(d.account, d.name, "arn:"+d.to)
		return err
	},
	"release certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.ReleaseServerCertificate(d.account, d.name, "arn:"+d.to)
	},
	"tag certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.TagServerCertificate(d.account, d.name, []entity.Tag{{Key: d.to, Value: d.name}})
	},
	"untag certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.UntagServerCertificate(d.account, d.name, []string{d.to})
	},
	"delete certificate": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.DeleteServerCertificate(d.account, d.name)
	},
	"create credential": func(tx *directory.Tx, d drawn, _ *state) error {
		service := "codecommit.amazonaws.com"
		if d.flag {
			service = "bedrock.amazonaws.com"
		}
		_, err := tx.CreateServiceCredential(d.account, d.name, directory.NewServiceCredential{Service: service, Days: d.number - 2})
		return err
	},
	"reset credential": func(tx *directory.Tx, d drawn, s *state) error {
		_, err := tx.ResetServiceCredential(directory.OfUser(d.account, d.name), anyItem(d, s, entity.KindServiceCredential))
		return err
	},
	"credential status": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.SetServiceCredentialActive(directory.OfUser(d.account, d.name), anyItem(d, s, entity.KindServiceCredential), d.flag)
	},
	"delete credential": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.DeleteServiceCredential(directory.OfUser(d.account, d.name), anyItem(d, s, entity.KindServiceCredential))
	},
	"set alias":    func(tx *directory.Tx, d drawn, _ *state) error { return tx.SetAlias(d.account, "alias-"+d.to) },
	"delete alias": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteAlias(d.account, "alias-"+d.to) },
	"create oidc": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateOIDCProvider(d.account, directory.NewOIDCProvider{URL: "https://idp.example/" + d.name, ClientIDs: []string{d.to}, Thumbprints: []string{somePrint}})
		return err
	},
	"delete oidc": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.DeleteOIDCProvider(d.account, oidcARN(d))
	},
	"add client id": func(tx *directory.Tx, d drawn, _ *state) error { return tx.AddClientID(d.account, oidcARN(d), d.to) },
	"remove client id": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.RemoveClientID(d.account, oidcARN(d), d.to)
	},
	"set thumbprints": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.SetThumbprints(d.account, oidcARN(d), slices.Repeat([]string{somePrint}, d.number))
	},
	"tag oidc": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.TagOIDCProvider(d.account, oidcARN(d), []entity.Tag{{Key: d.to}})
	},
	"untag oidc": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.UntagOIDCProvider(d.account, oidcARN(d), []string{d.to})
	},
	"first password": func(tx *directory.Tx, d drawn, _ *state) error {
		n, err := tx.PreparePassword(d.owner, aPassword(d))
		if err != nil {
			return err
		}
		_, err = tx.CreateLoginProfile(n, d.flag)
		return err
	},
	"next password": func(tx *directory.Tx, d drawn, _ *state) error {
		n, err := tx.PreparePassword(d.owner, aPassword(d))
		if err != nil {
			return err
		}
		return tx.UpdateLoginProfile(d.owner, n, nil)
	},
	"password reset":  func(tx *directory.Tx, d drawn, _ *state) error { return tx.UpdateLoginProfile(d.owner, nil, &d.flag) },
	"delete password": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteLoginProfile(d.owner) },
	"password policy": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.SetPasswordPolicy(d.account, entity.PasswordPolicy{MinimumLength: 4 + d.number, ReusePrevention: d.number - 1, UsersMayChange: d.flag})
	},
	"settings": func(tx *directory.Tx, d drawn, _ *state) error {
		switch d.number {
		case 1, 2, 3:
			if _, err := tx.SetSTSRegion(d.account, [...]string{"us-east-1", "af-south-1", "eu-west-1"}[d.number-1], d.flag); err != nil {
				return err
			}
			return tx.SetTokenVersion(d.account, d.number)
		case 4:
			return tx.PutProperties(d.account, map[string]string{d.name + "/" + d.to: d.path, d.to + "/" + d.name: d.path})
		case 5:
			if _, err := tx.SetRootFeature(d.account, directory.RootSessions, d.flag); err != nil {
				return err
			}
			return tx.DisableOutbound(d.account)
		default:
			_, err := tx.EnableOutbound(d.account)
			return err
		}
	},
	"no password policy": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeletePasswordPolicy(d.account) }, "quota": func(tx *directory.Tx, d drawn, _ *state) error {
		n := d.number - 2
		_, err := tx.SetQuota(d.account, someQuotas[d.number%len(someQuotas)], &n)
		return err
	},
	// Two verbs in one transaction, of which the second may fail.
	"user in group": func(tx *directory.Tx, d drawn, _ *state) error {
		if _, err := tx.CreateUser(d.account, directory.NewUser{Name: d.name}); err != nil {
			return err
		}
		if err := tx.AttachPolicy(directory.OfUser(d.account, d.name), d.arn); err != nil {
			return err
		}
		return tx.AddToGroup(d.account, d.name, d.to)
	},
	// A caller who goes on after a verb failed.
	"careless": func(tx *directory.Tx, d drawn, _ *state) error {
		_ = tx.DeleteUser(d.account, d.name)
		_, _ = tx.CreateUser(d.account, directory.NewUser{Name: d.name, Boundary: d.arn})
		return nil
	},
}

const somePrint = "990f4193972f2becf12ddeda5237f9c952f20d9e"

// oidcARN is the ARN of a provider, and now and then something else.
func oidcARN(d drawn) string {
	if d.number == 6 && d.flag {
		return "arn:aws:iam::" + d.account + ":saml-provider/" + d.name
	}
	return entity.OIDCProviderARN(d.account, "idp.example/"+d.name)
}

var someQuotas = []string{directory.UsersQuota, directory.AttachedPoliciesPerUserQuota, directory.VersionsPerPolicyQuota}

// aPassword is good under AWS's default, and long enough for about half of the policies.
func aPassword(d drawn) string { return "Passw0rd"[:6+d.number%3] }

// inlineName is one of two.
func inlineName(d drawn) string {
	if d.flag {
		return "one"
	}
	return "two"
}

// anyPolicy picks a managed policy of the account, if there is one.
func anyPolicy(d drawn, s *state) string {
	for _, id := range slices.Sorted(maps.Keys(s.policies)) {
		if p := s.policies[id]; p.Account == d.account && !d.flag {
			return p.ARN()
		}
	}
	return d.arn
}

// attachedTo picks somebody with a policy that is attached, if there is one and chance does not want something else.
func attachedTo(d drawn, s *state) (directory.Target, string) {
	arn := func(id string) string {
		if p := s.policies[id]; p != nil {
			return p.ARN()
		}
		return map[string]string{"ANPAIADMIN": administrator, "ANPAIREADONLY": readOnly}[id]
	}
	if d.flag {
		return d.target, d.arn
	}
	for _, id := range slices.Sorted(maps.Keys(s.roles)) {
		if r := s.roles[id]; len(r.Attached) > 0 && r.ServiceLinked == "" {
			return directory.OfRole(r.Account, r.Name), arn(r.Attached[0])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		if u := s.users[id]; len(u.Attached) > 0 {
			return directory.OfUser(u.Account, u.Name), arn(u.Attached[0])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		if g := s.groups[id]; len(g.Attached) > 0 {
			return directory.OfGroup(g.Account, g.Name), arn(g.Attached[0])
		}
	}
	return d.target, d.arn
}

// anyDevice picks the serial number of any MFA device.
func anyDevice(d drawn, s *state) string {
	var serials []string
	for _, it := range s.items {
		if device, ok := it.(*entity.MFADevice); ok {
			serials = append(serials, device.Serial)
		}
	}
	if slices.Sort(serials); len(serials) == 0 {
		return "none-none"
	}
	return serials[d.number%len(serials)]
}

// prepare comes before some verbs: the codes of a device are verified in a write of their own.
var prepare = map[string]func(*world, drawn, *state) (*directory.CodeProof, error){
	"enable device": func(w *world, d drawn, s *state) (*directory.CodeProof, error) {
		serial := anyDevice(d, s)
		if d.flag {
			serial = "token-000" + d.name
		}
		w.now = w.now.Add(time.Hour)
		return w.dir.VerifyEnabling(context.Background(), "", d.owner, serial, w.code(serial, 0), w.code(serial, 1))
	},
	"resync device": func(w *world, d drawn, s *state) (*directory.CodeProof, error) {
		serial := anyDevice(d, s)
		w.now = w.now.Add(time.Hour)
		return w.dir.VerifyResync(context.Background(), "", d.owner, serial, w.code(serial, int64(d.number)), w.code(serial, int64(d.number)+1))
	},
}

// fillable picks an instance profile and a role of one account, if there are such.
func fillable(d drawn, s *state) (account, profile, role string) {
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		p, ok := s.items[key].(*entity.InstanceProfile)
		for _, id := range slices.Sorted(maps.Keys(s.roles)) {
			if r := s.roles[id]; ok && r.Account == p.Account && !d.flag {
				return p.Account, p.Name, r.Name
			}
		}
	}
	return d.account, d.name, d.to
}

// filled picks an instance profile and the role in it, if there is one.
func filled(d drawn, s *state) (account, profile, role string) {
	for _, key := range slices.Sorted(maps.Keys(s.items)) {
		if p, ok := s.items[key].(*entity.InstanceProfile); ok && p.Role != "" && !d.flag {
			return p.Account, p.Name, s.roles[p.Role].Name
		}
	}
	return d.account, d.name, d.to
}

// anyItem picks an item of a kind of anybody.
func anyItem(d drawn, s *state, kind entity.Kind) string {
	var ids []string
	for _, it := range s.items {
		if it.Kind() == kind {
			ids = append(ids, it.Place().ID)
		}
	}
	if len(ids) == 0 {
		return "NONE"
	}
	slices.Sort(ids)
	return ids[d.number%len(ids)]
}

// anyKey picks an access key of anybody.
func anyKey(d drawn, s *state) string {
	ids := slices.Sorted(maps.Keys(s.keys))
	if len(ids) == 0 {
		return "AKIANONE"
	}
	return ids[d.number%len(ids)]
}

// Whatever is done in whatever order, the store stays intact, and what is refused changes nothing.
func TestRandomSequences(t *testing.T) {
	verbs := slices.Sorted(maps.Keys(steps))
	succeeded, refused := make(map[string]int), make(map[string]int)
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			s := w.state() // as it is in the store: steps do not change it
			for range 6 * len(verbs) {
				verb, d := verbs[r.IntN(len(verbs))], draw(r)
				if first := prepare[verb]; first != nil {
					proof, _ := first(w, d, s)
					s = w.state()
					s.proof = proof
				}
				before := w.head()
				err := w.try(func(tx *directory.Tx) error { return steps[verb](tx, d, s) })
				if err == nil {
					succeeded[verb]++
					if w.intact(); t.Failed() {
						t.Fatalf("after %s %+v", verb, d)
					}
					s = w.state()
					continue
				}
				refused[verb]++
				if kind := fault.KindOf(err); kind == fault.Internal || kind == fault.Unavailable || fault.MessageOf(err) == "" {
					t.Fatalf("%s %+v: %v", verb, d, err)
				}
				if w.head() != before {
					t.Fatalf("%s %+v was refused (%v) and wrote", verb, d, err)
				}
			}
		})
	}
	// A verb that never gets anywhere, or always does, is not tested here.
	for _, verb := range verbs {
		if succeeded[verb] == 0 || refused[verb] == 0 {
			t.Errorf("%s succeeded %d times and was refused %d times", verb, succeeded[verb], refused[verb])
		}
	}
}
