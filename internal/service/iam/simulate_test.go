package iam_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// custom simulates policies and tells the results.
func (w *world) custom(t *testing.T, in *sdk.SimulateCustomPolicyInput) []string {
	t.Helper()
	return told(must(w.root.SimulateCustomPolicy(t.Context(), in))(t).EvaluationResults)
}

// principal simulates a principal and tells the results.
func (w *world) principal(t *testing.T, in *sdk.SimulatePrincipalPolicyInput) []string {
	t.Helper()
	return told(must(w.root.SimulatePrincipalPolicy(t.Context(), in))(t).EvaluationResults)
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSimulateCLI holds the simulator against the examples in the AWS CLI's reference.
func TestSimulateCLI(t *testing.T) {
	w := newWorld(t)
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`
	in := func(now ...types.ContextEntry) *sdk.SimulateCustomPolicyInput {
		return &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{policy}, ActionNames: []string{"dynamodb:CreateBackup"}, ContextEntries: now}
	}
	t.Run("allowed", func(t *testing.T) {
		checklist.Shows(t, "S3-127", "S3-135")
		same(t, w.custom(t, in(entry("aws:CurrentTime", "date", "2019-04-25T11:00:00Z"))),
			"dynamodb:CreateBackup on *: allowed PolicyInputList.1/IAM Policy@1:38-1:167")
	})
	t.Run("not yet", func(t *testing.T) {
		same(t, w.custom(t, in(entry("aws:CurrentTime", "date", "2014-04-25T11:00:00Z"))), "dynamodb:CreateBackup on *: implicitDeny")
	})
	t.Run("a key without a value takes no part and is told", func(t *testing.T) {
		checklist.Shows(t, "S3-131")
		same(t, w.custom(t, in()), "dynamodb:CreateBackup on *: implicitDeny missing aws:CurrentTime")
	})
}

// TestSimulatePairs: each action is paired with each resource (S3-130).
func TestSimulatePairs(t *testing.T) {
	w := newWorld(t)
	a, b := "arn:aws:s3:::bucket/a", "arn:aws:s3:::bucket/b"
	policies := []string{
		document(allow("s3:GetObject", a), deny("s3:PutObject", b)),
		document(allow("s3:PutObject", "*").when("StringEquals", "aws:username", "alice")),
	}
	t.Run("several resources", func(t *testing.T) {
		checklist.Shows(t, "S3-124", "S3-125", "S3-126", "S3-130")
		same(t, w.custom(t, &sdk.SimulateCustomPolicyInput{
			ActionNames: []string{"s3:GetObject", "s3:PutObject"}, ResourceArns: []string{a, b}, PolicyInputList: policies,
			ContextEntries: []types.ContextEntry{entry("aws:username", "string", "alice")},
		}),
			"s3:GetObject on arn:${Partition}:s3:::${BucketName}/${ObjectName}: implicitDeny PolicyInputList.1/IAM Policy@1:15-1:92",
			"  "+a+": allowed PolicyInputList.1/IAM Policy@1:15-1:92",
			"  "+b+": implicitDeny",
			"s3:PutObject on arn:${Partition}:s3:::${BucketName}/${ObjectName}: explicitDeny PolicyInputList.1/IAM Policy@1:92-1:169",
			"  "+a+": allowed PolicyInputList.2/IAM Policy@1:15-1:126",
			"  "+b+": explicitDeny PolicyInputList.1/IAM Policy@1:92-1:169")
	})
	t.Run("one resource gives the result its name, and what is missing is told of it", func(t *testing.T) {
		same(t, w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"S3:putobject"}, ResourceArns: []string{a}, PolicyInputList: policies}),
			"S3:putobject on "+a+": implicitDeny missing aws:username", "  "+a+": implicitDeny missing aws:username")
	})
	t.Run("a resource that no statement can name matches only *", func(t *testing.T) {
		same(t, w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"*"}, PolicyInputList: policies}),
			"s3:GetObject on *: implicitDeny missing aws:username")
	})
	t.Run("nothing of it is made", func(t *testing.T) {
		before := must(w.store.Head(t.Context()))(t)
		w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"iam:CreateUser"}, PolicyInputList: []string{document(allow("*", "*"))}})
		if after := must(w.store.Head(t.Context()))(t); after != before {
			t.Errorf("revision %d became %d", before, after)
		}
	})
}

// TestSimulatePrincipals: the policies of users with their groups, of groups and of roles, under AWS's names (Terraform's tests and the
// CLI's examples show them).
func TestSimulatePrincipals(t *testing.T) {
	w := newWorld(t)
	w.scene()
	w.make(func(tx *directory.Tx) error {
		err := tx.AddToGroup(w.account, "target", "crew")
		for target, action := range map[string]directory.Target{"user": directory.OfUser(w.account, "target"), "group": directory.OfGroup(w.account, "crew"), "role": directory.OfRole(w.account, "worker")} {
			if err == nil {
				err = tx.PutInlinePolicy(action, "own", document(allow("s3:Get"+target, "*")))
			}
		}
		if err == nil {
			err = tx.PutBoundary(directory.OfUser(w.account, "target"), administrator)
		}
		if err == nil {
			err = tx.AttachPolicy(directory.OfRole(w.account, "idle"), administrator)
		}
		return err
	})
	in := func(source string, actions ...string) *sdk.SimulatePrincipalPolicyInput {
		return &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(w.arn(source)), ActionNames: actions}
	}
	t.Run("user", func(t *testing.T) {
		checklist.Shows(t, "S3-126", "S3-127", "S3-128")
		same(t, w.principal(t, in("user/team/target", "s3:Getuser", "s3:Getgroup", "s3:Getrole")),
			"s3:Getuser on *: allowed user_target_own/IAM Policy@1:15-1:70 boundary true",
			"s3:Getgroup on *: allowed group_crew_own/IAM Policy@1:15-1:71 boundary true",
			"s3:Getrole on *: implicitDeny boundary true")
	})
	t.Run("group", func(t *testing.T) {
		checklist.Shows(t, "S3-126")
		same(t, w.principal(t, in("group/team/crew", "s3:Getuser", "s3:Getgroup")),
			"s3:Getuser on *: implicitDeny", "s3:Getgroup on *: allowed group_crew_own/IAM Policy@1:15-1:71")
	})
	t.Run("role", func(t *testing.T) {
		checklist.Shows(t, "S3-126")
		same(t, w.principal(t, in("role/team/worker", "s3:Getrole", "s3:PutObject")),
			"s3:Getrole on *: allowed role_worker_own/IAM Policy@1:15-1:70 missing s3express:SessionMode boundary true",
			"s3:PutObject on *: implicitDeny missing s3express:SessionMode boundary false")
	})
	t.Run("AWS's policies by their names", func(t *testing.T) {
		same(t, w.principal(t, in("role/idle", "ec2:RunInstances")), "ec2:RunInstances on *: allowed AdministratorAccess/IAM Policy@1:38-1:84")
	})
	t.Run("policies and a boundary beside", func(t *testing.T) {
		more := in("user/team/target", "s3:Getuser", "s3:PutObject", "sqs:SendMessage")
		more.PolicyInputList = []string{document(allow("s3:PutObject", "*"), allow("sqs:*", "*"))}
		more.PermissionsBoundaryPolicyInputList = []string{document(allow("s3:*", "*"), deny("s3:Getuser", "*"))}
		same(t, w.principal(t, more),
			"s3:Getuser on *: explicitDeny PermissionsBoundaryPolicyInputList.1/Permissions Boundary Policy@1:64-1:119 boundary false",
			"s3:PutObject on *: allowed PolicyInputList.1/IAM Policy@1:15-1:72 boundary true",
			"sqs:SendMessage on *: implicitDeny boundary false")
	})
	t.Run("what the account grants all its users", func(t *testing.T) {
		change := in("user/team/target", "iam:ChangePassword", "iam:GetAccountPasswordPolicy")
		change.PolicyExclusionList = []types.PolicyIdentifier{&types.PolicyIdentifierMemberPolicyType{Value: "inline"}}
		self, other := w.arn("user/team/target"), w.arn("user/team/other")
		change.ResourceArns = []string{self, other}
		keys := func() []string {
			return must(w.root.GetContextKeysForPrincipalPolicy(t.Context(), &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &self}))(t).ContextKeyNames
		}
		before := keys()
		if got := strings.Join(w.principal(t, change), "\n"); strings.Contains(got, "allowed") {
			t.Error(got)
		}
		w.make(func(tx *directory.Tx) error {
			return tx.SetPasswordPolicy(w.account, entity.PasswordPolicy{MinimumLength: 8, UsersMayChange: true})
		})
		got := w.principal(t, change)
		if !strings.HasPrefix(got[1], "  "+self+": allowed account_password-policy_AllowUsersToChangePassword/IAM Policy@") {
			t.Error(got)
		}
		same(t, got[2:3], "  "+other+": implicitDeny boundary true")
		same(t, keys(), before...)
	})
	t.Run("nothing that was tried stays", func(t *testing.T) {
		checklist.Shows(t, "S3-125")
		same(t, w.principal(t, in("user/team/target", "s3:PutObject")), "s3:PutObject on *: implicitDeny boundary true")
	})
}

// TestSimulateCaller: what a request of the principal has of it, the simulation has too; of others it tells nothing that the ARN does
// not.
func TestSimulateCaller(t *testing.T) {
	w := newWorld(t)
	w.scene()
	var user *entity.User
	w.make(func(tx *directory.Tx) (err error) {
		user, err = tx.CreateUser(w.account, directory.NewUser{Name: "Bob", Path: "/team/", Tags: []entity.Tag{{Key: "team", Value: "red"}}})
		return err
	})
	bob, other, target, worker := w.arn("user/team/Bob"), "arn:aws:iam::999999999999:user/x/eve", w.arn("user/team/target"), w.arn("role/team/worker")
	ask := func(t *testing.T, source, caller string, condition statement) []string {
		in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{"shop:Buy"}, PolicyInputList: []string{document(condition)},
			PolicyExclusionList: []types.PolicyIdentifier{&types.PolicyIdentifierMemberPolicyType{Value: "permission-boundary"}}}
		if caller != "" {
			in.CallerArn = &caller
		}
		return w.principal(t, in)
	}
	for _, c := range []struct {
		name, source, caller, key, value string
		missing                          bool
	}{
		{"username", bob, "", "aws:username", "Bob", false},
		{"userid", bob, "", "aws:userid", user.ID, false},
		{"tag", bob, "", "aws:PrincipalTag/team", "red", false},
		{"arn", bob, "", "aws:PrincipalArn", bob, false},
		{"account", bob, bob, "aws:PrincipalAccount", w.account, false},
		{"type", bob, bob, "aws:PrincipalType", "User", false},
		{"resource's account", bob, bob, "aws:ResourceAccount", w.account, false},
		{"role's tag", worker, "", "aws:PrincipalTag/color", "blue", false},
		{"role's arn", worker, "", "aws:PrincipalArn", worker, false},
		{"role's type", worker, "", "aws:PrincipalType", "AssumedRole", false},
		{"role's name", worker, "", "aws:username", "worker", true},
		{"role's session", worker, "", "aws:userid", "*", true},
		{"Bob as if with target's policies", target, bob, "aws:username", "Bob", false},
		{"whose tags are not told", target, bob, "aws:PrincipalTag/team", "red", true},
		{"nor the ID", target, bob, "aws:userid", "*", true},
		{"a stranger", target, other, "aws:PrincipalArn", other, false},
		{"a stranger's account", target, other, "aws:PrincipalAccount", "999999999999", false},
		{"a stranger's name", target, other, "aws:username", "eve", false},
		{"a group", w.arn("group/team/crew"), "", "aws:PrincipalArn", w.arn("group/team/crew"), false},
		{"a group's name is no user's", w.arn("group/team/crew"), "", "aws:username", "crew", true},
		{"time", bob, "", "aws:CurrentTime", "*", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "shop:Buy on *: allowed PolicyInputList.1/IAM Policy@"
			if c.missing {
				want = "shop:Buy on *: implicitDeny missing " + c.key
			}
			if got := ask(t, c.source, c.caller, allow("shop:Buy", "*").when("StringLike", c.key, c.value)); !strings.HasPrefix(got[0], want) || len(got) != 1 {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("what is given wins", func(t *testing.T) {
		in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &bob, ActionNames: []string{"shop:Buy"},
			PolicyInputList: []string{document(allow("shop:Buy", "*").when("StringEquals", "aws:username", "alice"))},
			ContextEntries:  []types.ContextEntry{entry("AWS:UserName", "string", "alice")}}
		if got := w.principal(t, in); !strings.HasPrefix(got[0], "shop:Buy on *: allowed") {
			t.Error(got)
		}
	})
	t.Run("variables", func(t *testing.T) {
		in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &bob, ActionNames: []string{"s3:GetObject"},
			ResourceArns:    []string{"arn:aws:s3:::home/Bob/x", "arn:aws:s3:::home/alice/x"},
			PolicyInputList: []string{document(allow("s3:GetObject", "arn:aws:s3:::home/${aws:username}/*"))}}
		got := w.principal(t, in)
		same(t, got[1:], "  arn:aws:s3:::home/Bob/x: allowed PolicyInputList.1/IAM Policy@1:15-1:106", "  arn:aws:s3:::home/alice/x: implicitDeny")
	})
}

// TestSimulateContext: the types of context entries.
func TestSimulateContext(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		operator, value string
		entry           types.ContextEntry
		allowed         bool
	}{
		{"StringEquals", "a", entry("shop:key", "string", "a"), true},
		{"StringEquals", "a", entry("shop:key", "string", "A"), false},
		{"ForAnyValue:StringEquals", "b", entry("shop:key", "stringList", "a", "b"), true},
		{"ForAllValues:StringEquals", "b", entry("shop:key", "stringList", "a", "b"), false},
		{"StringEquals", "b", entry("shop:key", "stringList", "b"), true},
		{"StringEquals", "b", entry("shop:key", "stringList", "a", "b"), false}, // needs a set operator
		{"NumericLessThan", "10", entry("shop:key", "numeric", "9.5"), true},
		{"NumericLessThan", "10", entry("shop:key", "numeric", "1e1"), false},
		{"ForAnyValue:NumericGreaterThan", "10", entry("shop:key", "numericList", "9", "11"), true},
		{"Bool", "true", entry("shop:key", "boolean", "TRUE"), true},
		{"Bool", "true", entry("shop:key", "boolean", "false"), false},
		{"ForAllValues:Bool", "true", entry("shop:key", "booleanList", "true", "true"), true},
		{"IpAddress", "203.0.113.0/24", entry("shop:key", "ip", "203.0.113.9"), true},
		{"IpAddress", "203.0.113.0/24", entry("shop:key", "ip", "203.0.114.9"), false},
		{"ForAllValues:IpAddress", "2001:db8::/32", entry("shop:key", "ipList", "2001:db8::1", "2001:db8::2"), true},
		{"DateLessThan", "2020-01-01T00:00:00Z", entry("shop:key", "date", "2019-12-31"), true},
		{"DateLessThan", "2020-01-01T00:00:00Z", entry("shop:key", "date", "1577836800"), false},
		{"ForAnyValue:DateEquals", "2020-01-01T00:00:00Z", entry("shop:key", "dateList", "2021-01-01", "1577836800"), true},
		{"BinaryEquals", base64.StdEncoding.EncodeToString([]byte{0, 255, 7}), entry("shop:key", "binary", base64.StdEncoding.EncodeToString([]byte{0, 255, 7})), true},
		{"BinaryEquals", "AAAA", entry("shop:key", "binary", "AAAB"), false},
		{"ForAnyValue:BinaryEquals", "AAAB", entry("shop:key", "binaryList", "AAAA", "AAAB"), true},
		{"Null", "false", entry("SHOP:KEY", "string", ""), true},
		{"Null", "true", types.ContextEntry{}, true}, // an empty structure is none
	} {
		t.Run(fmt.Sprint(c.operator, " ", c.value, " ", c.entry.ContextKeyValues), func(t *testing.T) {
			got := w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"shop:Buy"}, ContextEntries: []types.ContextEntry{c.entry},
				PolicyInputList: []string{document(allow("shop:Buy", "*").when(c.operator, "shop:key", c.value))}})
			if allowed := strings.Contains(got[0], ": allowed"); allowed != c.allowed {
				t.Error(got)
			}
		})
	}
}

// TestSimulateResourcePolicy: a policy of the resource beside the caller's, within an account and across.
func TestSimulateResourcePolicy(t *testing.T) {
	w := newWorld(t)
	w.scene()
	target, bucket := w.arn("user/team/target"), "arn:aws:s3:::bucket/x"
	policy := func(effect, principal string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":{"AWS":"` + principal + `"},"Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}]}`)
	}
	ask := func(t *testing.T, identity string, resource, owner *string, boundary ...string) []string {
		t.Helper()
		return w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{bucket}, CallerArn: &target,
			PolicyInputList: []string{identity}, ResourcePolicy: resource, ResourceOwner: owner, PermissionsBoundaryPolicyInputList: boundary})
	}
	yes, own, root := document(allow("s3:GetObject", "*")), " PolicyInputList.1/IAM Policy@1:15-1:72", "arn:aws:iam::999999999999:root"
	grant := " ResourcePolicy/Resource Policy@1:38-1:"
	t.Run("it grants to a user by name", func(t *testing.T) {
		checklist.Shows(t, "S3-136")
		got := ask(t, allowNothing, policy("Allow", target), nil)
		if len(got) != 2 || !strings.HasPrefix(got[1], "  "+bucket+": allowed"+grant) {
			t.Error(got)
		}
		same(t, ask(t, allowNothing, policy("Allow", w.arn("user/other")), nil)[1:], "  "+bucket+": implicitDeny")
		same(t, ask(t, yes, policy("Allow", w.arn("user/other")), nil)[1:], "  "+bucket+": allowed"+own)
	})
	t.Run("it denies", func(t *testing.T) {
		got := ask(t, yes, policy("Deny", target), nil)
		if len(got) != 2 || !strings.HasPrefix(got[1], "  "+bucket+": explicitDeny"+grant) || strings.Contains(got[1], "IAM Policy") {
			t.Error(got)
		}
	})
	t.Run("across accounts both sides must allow", func(t *testing.T) {
		both := ask(t, yes, policy("Allow", target), &root, document(allow("s3:*", "*")))
		if want := " boundary true IAM Policy=allowed Resource Policy=allowed Permissions Boundary Policy=allowed"; !strings.HasSuffix(both[0], want) ||
			!strings.HasSuffix(both[1], want) || !strings.Contains(both[0], ": allowed"+own+grant) {
			t.Error(both)
		}
		same(t, ask(t, allowNothing, policy("Allow", target), &root)[1:], "  "+bucket+": implicitDeny IAM Policy=implicitDeny Resource Policy=allowed")
		same(t, ask(t, yes, nil, &root)[1:], "  "+bucket+": implicitDeny IAM Policy=allowed Resource Policy=implicitDeny")
		got := ask(t, yes, policy("Deny", target), &root)
		if !strings.HasSuffix(got[0], " IAM Policy=allowed Resource Policy=explicitDeny") {
			t.Error(got)
		}
	})
	t.Run("the ARN's account counts before the owner given", func(t *testing.T) {
		got := w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"sqs:SendMessage"}, CallerArn: &target, ResourceOwner: &root,
			ResourceArns: []string{"arn:aws:sqs:us-east-1:" + w.account + ":q", "arn:aws:sqs:us-east-1:888888888888:q"}, PolicyInputList: []string{document(allow("*", "*"))}})
		same(t, []string{got[1][:strings.Index(got[1], " Pol")], got[2]}, "  arn:aws:sqs:us-east-1:"+w.account+":q: allowed",
			"  arn:aws:sqs:us-east-1:888888888888:q: implicitDeny IAM Policy=allowed Resource Policy=implicitDeny")
	})
	t.Run("without a caller there is no other account", func(t *testing.T) {
		got := w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"sqs:SendMessage"}, ResourceArns: []string{"arn:aws:sqs:us-east-1:888888888888:q"},
			PolicyInputList: []string{document(allow("*", "*"))}})
		same(t, got[1:], "  arn:aws:sqs:us-east-1:888888888888:q: allowed PolicyInputList.1/IAM Policy@1:15-1:61")
	})
	t.Run("within an account the details are there and empty, for * they are not there", func(t *testing.T) {
		for resource, want := range map[string]bool{bucket: true, "*": false} {
			out := must(w.root.SimulateCustomPolicy(t.Context(), &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject"},
				ResourceArns: []string{resource}, PolicyInputList: []string{yes}}))(t)
			if d := out.EvaluationResults[0].EvalDecisionDetails; (d != nil) != want || len(d) > 0 {
				t.Errorf("%s: %v", resource, d)
			}
		}
	})
	t.Run("no simulation opens a role", func(t *testing.T) { // its trust policy must speak, and cannot be given
		same(t, w.custom(t, &sdk.SimulateCustomPolicyInput{ActionNames: []string{"sts:AssumeRole"}, ResourceArns: []string{w.arn("role/team/worker")},
			CallerArn: &target, PolicyInputList: []string{document(allow("*", "*"))}})[1:], "  "+w.arn("role/team/worker")+": implicitDeny")
	})
}

// TestSimulateOrganization: service control policies filter everything, level by level (S3-137).
func TestSimulateOrganization(t *testing.T) {
	w := newWorld(t)
	full, s3 := document(allow("*", "*")), document(allow("s3:*", "*"), deny("s3:DeleteBucket", "*"))
	ask := func(t *testing.T, levels ...[]string) []string {
		in := &sdk.SimulateCustomPolicyInput{ActionNames: []string{"s3:GetObject", "s3:DeleteBucket", "sqs:SendMessage"}, PolicyInputList: []string{full},
			ResourceArns: []string{"arn:aws:s3:::bucket"}, ContextEntries: []types.ContextEntry{entry("shop:key", "string", "x")}}
		for _, l := range levels {
			in.OrderedOrganizationPolicyInputList = append(in.OrderedOrganizationPolicyInputList, types.OrderedOrganizationPolicyType{ServiceControlPolicyInputList: l})
		}
		return w.custom(t, in)
	}
	name, allowed := " on arn:aws:s3:::bucket: ", "allowed PolicyInputList.1/IAM Policy@1:15-1:61"
	want := []string{
		"s3:GetObject" + name + allowed + " organization true", "  arn:aws:s3:::bucket: " + allowed,
		"s3:DeleteBucket" + name + "explicitDeny organization false", "  arn:aws:s3:::bucket: explicitDeny",
		"sqs:SendMessage" + name + "implicitDeny organization false", "  arn:aws:s3:::bucket: implicitDeny",
	}
	t.Run("each level must allow", func(t *testing.T) {
		checklist.Shows(t, "S3-137")
		same(t, ask(t, []string{full}, []string{s3}), want...)
		same(t, ask(t, []string{s3}, []string{full}), want...)
		same(t, ask(t, []string{allowNothing, s3}), want...)
	})
	t.Run("outside an organization there is none", func(t *testing.T) {
		checklist.Shows(t, "S3-137")
		if got := strings.Join(ask(t), "\n"); strings.Contains(got, "organization") || strings.Contains(got, "Deny") {
			t.Error(got)
		}
	})
}

// TestSimulateBilling: every billing action of the catalog, by the two policies of the guide's billing tutorial (S1-399).
func TestSimulateBilling(t *testing.T) {
	w := newWorld(t)
	var actions, views []string
	for _, prefix := range []string{"aws-portal", "billing", "budgets", "ce", "cur"} {
		if s, ok := catalog.ServiceReference().Service(prefix); ok {
			for a := range s.Actions() {
				actions = append(actions, a.String())
			}
		}
	}
	actions = append(actions, "aws-portal:ViewBilling", "aws-portal:ModifyBilling", "aws-portal:ViewAccount", "aws-portal:ViewUsage")
	if len(actions) < 50 {
		t.Fatalf("the catalog has %d billing actions", len(actions))
	}
	allowed := func(document string) (names []string) {
		in := &sdk.SimulateCustomPolicyInput{ActionNames: actions, PolicyInputList: []string{document}}
		for p := sdk.NewSimulateCustomPolicyPaginator(w.root, in); p.HasMorePages(); {
			for _, r := range must(p.NextPage(t.Context()))(t).EvaluationResults {
				if r.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed {
					names = append(names, *r.EvalActionName)
				}
			}
		}
		return names
	}
	for _, a := range actions {
		if strings.Contains(a, ":View") {
			views = append(views, a)
		}
	}
	t.Run("each has a result of its own", func(t *testing.T) {
		checklist.Shows(t, "S1-399")
		equalNames(t, "full access", allowed(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["aws-portal:*","billing:*","budgets:*","ce:*","cur:*"],"Resource":"*"}}`), actions)
		equalNames(t, "view access", allowed(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["aws-portal:View*","billing:View*","budgets:View*"],"Resource":"*"}}`), views)
	})
}

// TestSimulateScenarios: the EC2 scenarios with the resources that they require (S3-138).
func TestSimulateScenarios(t *testing.T) {
	w := newWorld(t)
	needs := map[string]string{
		"EC2-Classic-InstanceStore": "instance image security-group", "EC2-Classic-EBS": "instance image security-group volume",
		"EC2-VPC-InstanceStore":        "instance image security-group network-interface",
		"EC2-VPC-InstanceStore-Subnet": "instance image security-group network-interface subnet",
		"EC2-VPC-EBS":                  "instance image security-group network-interface volume",
		"EC2-VPC-EBS-Subnet":           "instance image security-group network-interface subnet volume",
	}
	for option, kinds := range needs {
		t.Run(option, func(t *testing.T) {
			checklist.Shows(t, "S3-138")
			all := strings.Fields(kinds)
			ask := func(kinds []string) error {
				in := &sdk.SimulateCustomPolicyInput{ActionNames: []string{"ec2:RunInstances"}, PolicyInputList: []string{allowNothing}, ResourceHandlingOption: &option}
				for _, kind := range kinds {
					in.ResourceArns = append(in.ResourceArns, "arn:aws:ec2:us-east-1:"+w.account+":"+kind+"/x")
				}
				_, err := w.root.SimulateCustomPolicy(t.Context(), in)
				return err
			}
			if err := ask(all); err != nil {
				t.Error(err)
			}
			for i, kind := range all {
				rest := append(append([]string{}, all[:i]...), all[i+1:]...)
				refused(t, ask(rest), 400, "InvalidInput", "The resource handling option "+option+" requires a resource of the type "+kind+".")
			}
		})
	}
}

// TestSimulatePages: pages are of actions.
func TestSimulatePages(t *testing.T) {
	w := newWorld(t)
	actions := numbered("shop:Buy", 250)
	in := func(max *int32) *sdk.SimulateCustomPolicyInput {
		return &sdk.SimulateCustomPolicyInput{ActionNames: actions, PolicyInputList: []string{document(allow("shop:*", "*"))}, MaxItems: max,
			ResourceArns: []string{"arn:aws:shop:::a", "arn:aws:shop:::b"}}
	}
	for _, c := range []struct {
		max   *int32
		pages int
	}{{nil, 3}, {aws.Int32(250), 1}, {aws.Int32(249), 2}, {aws.Int32(1), 250}} {
		var got []string
		pages := 0
		for p := sdk.NewSimulateCustomPolicyPaginator(w.root, in(c.max)); p.HasMorePages(); pages++ {
			for _, r := range must(p.NextPage(t.Context()))(t).EvaluationResults {
				got = append(got, *r.EvalActionName)
				if len(r.ResourceSpecificResults) != 2 {
					t.Fatalf("%s: %d resources", *r.EvalActionName, len(r.ResourceSpecificResults))
				}
			}
		}
		equalNames(t, "actions", got, actions)
		if pages != c.pages {
			t.Errorf("%d pages, want %d", pages, c.pages)
		}
	}
	t.Run("a page ends when it has become too much work", func(t *testing.T) {
		big := in(aws.Int32(1000))
		big.PolicyInputList = []string{document(allow("shop:*", "arn:aws:shop:::"+strings.Repeat("*b", 30000)))}
		var got []string
		pages := 0
		for p := sdk.NewSimulateCustomPolicyPaginator(w.root, big); p.HasMorePages(); pages++ {
			for _, r := range must(p.NextPage(t.Context()))(t).EvaluationResults {
				got = append(got, *r.EvalActionName)
			}
		}
		equalNames(t, "actions", got, actions)
		if pages < 2 {
			t.Errorf("%d pages", pages)
		}
	})
	for _, m := range []string{"x", "MTo", "MTotMQ", "MTph"} { // none, no number, below zero, letters
		one := in(nil)
		one.Marker = &m
		_, err := w.root.SimulateCustomPolicy(t.Context(), one)
		if m == "MTo" { // a marker without a place is the beginning
			continue
		}
		refused(t, err, 400, "ValidationError", "Invalid Marker.")
	}
}
