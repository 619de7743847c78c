package acceptance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// principal is a statement about a role's trust, with principals of type AWS.
func principal(effect string, arns ...string) string {
	return fmt.Sprintf(`{"Effect":%q,"Principal":{"AWS":["%s"]},"Action":"sts:AssumeRole"}`, effect, strings.Join(arns, `","`))
}

func statements(s ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(s, ",") + `]}`
}

// TestFlowF19 is F19 (S2-350, S2-351): a deny of one session, and of all sessions of a role. The resource with the policy is a role in the place
// of the guide's bucket.
func TestFlowF19(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	user := c.user(t, admin, "ann", powerUserAccess)
	worker := admin.role(t, "worker", trusting(a.AccountID), statement("Allow", "sts:AssumeRole", "*"))
	other := admin.role(t, "other", trusting(a.AccountID), statement("Allow", "sts:AssumeRole", "*"))
	must(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: aws.String(administratorAccess)}))(t)
	resource := admin.role(t, "resource", trusting(a.AccountID), "")
	session := func(role, name string) *caller {
		return c.assume(t, user, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name})
	}
	mary, john, elsewhere := session(worker, "Mary"), session(worker, "John"), session(other, "Mary")
	reaches := func() (who string) {
		for _, s := range []struct {
			name string
			*caller
		}{{"mary ", mary}, {"john ", john}, {"elsewhere ", elsewhere}} {
			_, err := s.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &resource, RoleSessionName: aws.String("session")})
			if err == nil {
				who += s.name
			} else if got := code(err); got != "AccessDenied" {
				t.Errorf("%s: %v", s.name, err)
			}
		}
		return who
	}
	for _, step := range []struct{ what, denied, reach string }{
		{"nobody", "", "mary john elsewhere "},
		{"the session Mary", "arn:aws:sts::" + a.AccountID + ":assumed-role/worker/Mary", "john elsewhere "},
		{"all sessions of the role", worker, "elsewhere "},
	} {
		policy := principal("Allow", a.AccountID)
		if step.denied != "" {
			policy += "," + principal("Deny", step.denied)
		}
		must(admin.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("resource"), PolicyDocument: aws.String(statements(policy))}))(t)
		if got := reaches(); got != step.reach {
			t.Errorf("with a deny of %s, these reach the resource: %s", step.what, got)
		}
	}
}

// TestFlowF20 is F20 (S2-354, S2-356) with a role in the place of bucket and queue: across accounts both sides must allow, nobody gets more than
// the caller's own account gives, and a deny of the resource's owner wins. Its windows of time are in TestTrustConditions of service/sts.
func TestFlowF20(t *testing.T) {
	c, srv := newCloud(t)
	owner, other := srv.Account(t), srv.Account(t)
	ownerAdmin, otherAdmin, ctx := c.admin(t, owner), c.admin(t, other), t.Context()
	allowed, idle := c.user(t, otherAdmin, "allowed"), c.user(t, otherAdmin, "idle")
	role := ownerAdmin.role(t, "shared", trusting(other.AccountID), "")
	otherAdmin.inline(t, "allowed", "own", statement("Allow", "sts:AssumeRole", role))
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	must(allowed.sts.AssumeRole(ctx, in))(t)
	_, err := idle.sts.AssumeRole(ctx, in)
	denied(t, err, other.ARN("user/idle"), "sts:AssumeRole", role, noIdentityPolicy("sts:AssumeRole"))

	for _, deny := range []string{other.ARN("user/allowed"), other.AccountID} {
		policy := statements(principal("Allow", other.AccountID), principal("Deny", deny))
		must(ownerAdmin.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("shared"), PolicyDocument: &policy}))(t)
		_, err := allowed.sts.AssumeRole(ctx, in)
		denied(t, err, other.ARN("user/allowed"), "sts:AssumeRole", role, "")
	}
}

// TestFlowTable: the table of docs/testing.md has each flow of S2 once, and the tests that it names are there.
func TestFlowTable(t *testing.T) {
	text := string(must(os.ReadFile("../../docs/testing.md"))(t))
	rows := regexp.MustCompile(`(?m)^\| F(\d+) \|.*$`).FindAllStringSubmatch(text, -1)
	if len(rows) != 25 {
		t.Fatalf("%d flows", len(rows))
	}
	named := regexp.MustCompile("`(Test\\w+)` in `([a-z/]+)`")
	for i, row := range rows {
		if row[1] != fmt.Sprint(i+1) {
			t.Errorf("F%s stands in the place of F%d", row[1], i+1)
		}
		tests := named.FindAllStringSubmatch(row[0], -1)
		if len(tests) == 0 && !strings.Contains(row[0], "| nothing |") || len(tests) != strings.Count(row[0], "`Test") {
			t.Errorf("what shows F%s is not understood", row[1])
		}
		for _, m := range tests {
			files := must(filepath.Glob("../../" + m[2] + "/*_test.go"))(t)
			found := false
			for _, f := range files {
				found = found || strings.Contains(string(must(os.ReadFile(f))(t)), "\nfunc "+m[1]+"(t *testing.T) {")
			}
			if !found {
				t.Errorf("F%s: %s is not in %s", row[1], m[1], m[2])
			}
		}
	}
}
