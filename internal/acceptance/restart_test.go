package acceptance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// everything is an account in one value: what GetAccountAuthorizationDetails and the lists beside it show.
func everything(t testing.TB, c *caller) any {
	t.Helper()
	var all []any
	for _, page := range pages(t, iam.NewGetAccountAuthorizationDetailsPaginator(c.iam, &iam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeGroup, types.EntityTypeRole, types.EntityTypeLocalManagedPolicy},
	})) {
		all = append(all, page.UserDetailList, page.GroupDetailList, page.RoleDetailList, page.Policies)
		for _, u := range page.UserDetailList {
			all = append(all, must(c.iam.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: u.UserName}))(t).AccessKeyMetadata)
		}
	}
	all = append(all,
		must(c.iam.ListAccountAliases(t.Context(), &iam.ListAccountAliasesInput{}))(t).AccountAliases,
		must(c.iam.GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{}))(t).SummaryMap)
	return all
}

// lastUsed is left out of comparisons: it is written behind, and calls of a test are uses themselves.
var comparing = cmp.Options{
	cmpopts.IgnoreTypes(types.RoleLastUsed{}, &types.RoleLastUsed{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore()),
}

// unchanged fails where two values of everything differ.
func unchanged(t testing.TB, what string, before, after any) {
	t.Helper()
	if diff := cmp.Diff(before, after, comparing); diff != "" {
		t.Errorf("%s changed the account (-before +after):\n%s", what, diff)
	}
}

// TestRestart: everything survives an orderly restart, and so do sessions that were issued before it.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir)
	ctx := t.Context()
	root := p.first(t)
	who := must(root.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	admin := p.user(t, root, "Administrator", administratorAccess)
	must(admin.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("survivor")}))(t)
	admin.group(t, "Readers", iamReadOnlyAccess)
	admin.member(t, "Administrator", "Readers")
	role := admin.role(t, "app", trusting(*who.Account), statement("Allow", "iam:GetRole", "*"))
	policy := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("own"), PolicyDocument: aws.String(statement("Allow", "iam:*", "*")), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t).Policy
	must(admin.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy.Arn, PolicyDocument: aws.String(statement("Deny", "iam:*", "*"))}))(t)
	must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("capped"), PermissionsBoundary: policy.Arn, Path: aws.String("/a/b/")}))(t)
	admin.inline(t, "capped", "own", statement("Allow", "*", "*"))

	session := p.assume(t, admin, &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("before"), DurationSeconds: aws.Int32(3600),
	})
	token := must(admin.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	before := everything(t, root)
	recorded := p.events(t, p.token(t))
	p.stop(t)

	p = serve(t, dir)
	again := func(c *caller) *caller { return p.as(c.id, c.secret, c.token) }
	root = again(root)
	unchanged(t, "a restart", before, everything(t, root))
	if got := again(session).arn(t); got != "arn:aws:sts::"+*who.Account+":assumed-role/app/before" {
		t.Errorf("the role session is now %s", got)
	}
	must(again(session).iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("app")}))(t)
	if got := p.as(*token.AccessKeyId, *token.SecretAccessKey, *token.SessionToken).arn(t); got != "arn:aws:iam::"+*who.Account+":user/Administrator" {
		t.Errorf("the session token is now of %s", got)
	}
	after := p.events(t, p.token(t))
	if len(after) < len(recorded) {
		t.Fatalf("%d events before the restart, %d after it", len(recorded), len(after))
	}
	if diff := cmp.Diff(recorded, after[:len(recorded)]); diff != "" {
		t.Errorf("the events of before (-before +after):\n%s", diff)
	}
	p.stop(t)
}

// acknowledged is what writers were told that it is done.
type acknowledged struct {
	mu       sync.Mutex
	users    map[string]bool    // by name
	attached map[string]bool    // users with the policy
	keys     map[string]*caller // by user
	accounts map[string]string  // alias → account ID
	enough   func()             // called when the round has done enough
	left     int                // writes until then
}

func (a *acknowledged) note(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
	if a.left--; a.left == 0 {
		a.enough()
	}
}

// TestKill kills the server in the middle of writing, several times over one directory: whatever was acknowledged is there
// afterwards, and its event is in the trail exactly once.
func TestKill(t *testing.T) {
	checklist.Shows(t, "S1-420")
	dir := t.TempDir()
	rounds := long(3, 5)
	ack := &acknowledged{
		users: make(map[string]bool), attached: make(map[string]bool), keys: make(map[string]*caller), accounts: make(map[string]string),
	}
	p := serve(t, dir, "--log-level", "error")
	token := p.token(t)
	root := p.first(t)
	for round := range rounds {
		p.writeUntilKilled(t, p.as(root.id, root.secret, ""), token, round, ack)
		p = serve(t, dir, "--log-level", "error")
	}
	root = p.as(root.id, root.secret, "")
	p.checkAcknowledged(t, root, ack)
	p.checkTrail(t, token, ack)
	p.stop(t)
}

// writeUntilKilled lets writers write until a random number of writes is acknowledged, and kills the server while they go on.
func (p *process) writeUntilKilled(t *testing.T, root *caller, token string, round int, ack *acknowledged) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	enough := make(chan struct{})
	ack.left, ack.enough = long(200, 5)+rand.IntN(200), func() { close(enough) }
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := 0; p.writeOnce(ctx, root, token, fmt.Sprintf("kill-%d-%d-%d", round, w, i), ack); i++ {
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
		t.Fatalf("every writer ended before the server was killed:\n%s", p.output)
	}
	p.kill(t)
	cancel() // whoever would try again need not
	<-ended
}

// writeOnce makes one user with a policy and a key, and an account; it reports whether the server still answers.
func (p *process) writeOnce(ctx context.Context, root *caller, token, name string, ack *acknowledged) bool {
	once := func(o *iam.Options) { o.Retryer = aws.NopRetryer{} }
	if _, err := root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}, once); err != nil {
		return false
	}
	ack.note(func() { ack.users[name] = true })
	if _, err := root.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: aws.String(iamReadOnlyAccess)}, once); err != nil {
		return false
	}
	ack.note(func() { ack.attached[name] = true })
	out, err := root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}, once)
	if err != nil {
		return false
	}
	ack.note(func() { ack.keys[name] = p.as(*out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey, "") })

	r, err := http.NewRequestWithContext(ctx, "POST", p.url+"/_ostiary/v1/accounts", strings.NewReader(`{"Alias":"`+name+`"}`))
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.http.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var made struct{ AccountId string }
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&made) != nil {
		return false
	}
	ack.note(func() { ack.accounts[name] = made.AccountId })
	return true
}

// checkAcknowledged expects everything that was acknowledged, in the lists and, for keys, in use.
func (p *process) checkAcknowledged(t *testing.T, root *caller, ack *acknowledged) {
	t.Helper()
	users := make(map[string]bool)
	for _, page := range pages(t, iam.NewListUsersPaginator(root.iam, &iam.ListUsersInput{MaxItems: aws.Int32(1000)})) {
		for _, u := range page.Users {
			users[*u.UserName] = true
		}
	}
	attached := make(map[string]bool)
	for _, page := range pages(t, iam.NewListEntitiesForPolicyPaginator(root.iam, &iam.ListEntitiesForPolicyInput{
		PolicyArn: aws.String(iamReadOnlyAccess), MaxItems: aws.Int32(1000),
	})) {
		for _, u := range page.PolicyUsers {
			attached[*u.UserName] = true
		}
	}
	for name := range ack.users {
		if !users[name] {
			t.Errorf("user %s is lost", name)
		}
	}
	for name := range ack.attached {
		if !attached[name] {
			t.Errorf("the policy of user %s is lost", name)
		}
	}
	for name, key := range ack.keys {
		k := p.as(key.id, key.secret, "")
		if _, err := k.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
			t.Errorf("the key of user %s: %v", name, err)
		}
	}
	for alias := range ack.accounts {
		if status, answer := p.operator(t, "POST", "accounts", p.token(t), `{"Alias":"`+alias+`"}`); status != http.StatusConflict {
			t.Errorf("alias %s is free: %d %s", alias, status, answer)
		}
	}
	if len(ack.users) == 0 || len(ack.attached) == 0 || len(ack.keys) == 0 || len(ack.accounts) == 0 {
		t.Errorf("acknowledged: %d users, %d policies, %d keys, %d accounts", len(ack.users), len(ack.attached), len(ack.keys), len(ack.accounts))
	}
}

// checkTrail expects the event of every acknowledged write, and no event twice.
func (p *process) checkTrail(t *testing.T, token string, ack *acknowledged) {
	t.Helper()
	ids, writes := make(map[string]int), make(map[string]int)
	for _, e := range p.events(t, token) {
		ids[e.EventID]++
		if e.ErrorCode != "" {
			continue
		}
		subject, _ := e.RequestParameters["userName"].(string)
		if e.EventName == "CreateAccount" {
			subject = e.RecipientAccountID
		}
		writes[e.EventName+" "+subject]++
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("event %s is in the trail %d times", id, n)
		}
	}
	for what, n := range writes {
		if n != 1 && !strings.HasPrefix(what, "GetCallerIdentity") && !strings.HasPrefix(what, "List") {
			t.Errorf("%s is in the trail %d times", what, n)
		}
	}
	expect := func(name string, subjects []string) {
		for _, s := range subjects {
			if writes[name+" "+s] != 1 {
				t.Errorf("%s %s is in the trail %d times", name, s, writes[name+" "+s])
			}
		}
	}
	expect("CreateUser", keys(ack.users))
	expect("AttachUserPolicy", keys(ack.attached))
	expect("CreateAccessKey", keys(ack.keys))
	var accounts []string
	for _, id := range ack.accounts {
		accounts = append(accounts, id)
	}
	expect("CreateAccount", accounts)
}

func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
