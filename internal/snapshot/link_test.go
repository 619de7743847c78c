package snapshot_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/policy"
)

func doc(effect, action string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":%q,"Resource":"*"}]}`, effect, action)
}

func managedPolicy(id, name, text string) *entity.Policy {
	return &entity.Policy{ID: id, Account: acct, Name: name, Path: "/p/", CreatedAt: born, UpdatedAt: born, Default: 2, Next: 3,
		Versions: []entity.PolicyVersion{{Number: 1, Document: doc("Deny", "*"), CreatedAt: born}, {Number: 2, Document: text, CreatedAt: born}}}
}

func policyNames(set []*policy.Policy) (names []string) {
	for _, p := range set {
		names = append(names, p.Name())
	}
	return names
}

func decide(set *policy.Set, action string) policy.Effect {
	var c policy.Context
	return policy.Evaluate(&policy.Request{
		Principal: policy.Principal{Type: policy.User, ARN: entity.UserARN(acct, "/", "Ann"), Account: acct, UniqueID: "AIDAANN"},
		Action:    action, Resource: "*", ResourceAccount: acct, Context: &c}, set).Effect
}

func administrator(t testing.TB) *catalog.ManagedPolicy {
	p, ok := catalog.ManagedPolicies().ByName("AdministratorAccess")
	if !ok {
		t.Fatal("no AdministratorAccess")
	}
	return p
}

// family is an account with a user in a group, a role and policies of every origin.
func family(t testing.TB) []any {
	u := ann()
	u.Grants = entity.Grants{Attached: []string{"ANPAB1", "ANPAB2"}, Boundary: administrator(t).ID,
		Inline: []entity.InlinePolicy{{Name: "one", Document: doc("Allow", "s3:GetObject")}, {Name: "two", Document: doc("Allow", "s3:PutObject")}}}
	u.Groups = []string{"AGPA1"}
	return []any{anAccount(), u,
		&entity.Group{ID: "AGPA1", Account: acct, Name: "Devs", Path: "/", CreatedAt: born, Members: 1, Grants: entity.Grants{
			Attached: []string{"ANPAB2", "ANPAB3"}, Inline: []entity.InlinePolicy{{Name: "all", Document: doc("Allow", "ec2:*")}}}},
		&entity.Role{ID: "AROA1", Account: acct, Name: "Runner", Path: "/", CreatedAt: born, Trust: trust,
			Grants: entity.Grants{Attached: []string{administrator(t).ID}, Boundary: "ANPAB1"}},
		managedPolicy("ANPAB1", "first", doc("Allow", "sqs:*")),
		managedPolicy("ANPAB2", "second", doc("Allow", "sns:*")),
		managedPolicy("ANPAB3", "third", doc("Allow", "kms:*"))}
}

func TestLinkedSets(t *testing.T) {
	s := openStore(t, mem.Config{})
	snap := wait(t, follow(t, s), put(t, s, rec(family(t)...)))
	a := account(t, snap, acct)
	u, _ := a.User("ANN")
	arn := func(name string) string { return entity.PolicyARN(acct, "/p/", name) }
	want := []string{"user/Ann/one", "user/Ann/two", arn("first"), arn("second"), "group/Devs/all", arn("third")}
	if got := policyNames(u.Identity()); !slices.Equal(got, want) {
		t.Errorf("user: %q", got)
	}
	if b := u.Boundary(); b == nil || b.Kind() != policy.Boundary || b.Name() != administrator(t).ARN {
		t.Errorf("user's boundary: %v", b)
	}
	g, _ := a.Group("devs")
	if got := policyNames(g.Identity()); !slices.Equal(got, []string{"group/Devs/all", arn("second"), arn("third")}) {
		t.Errorf("group: %q", got)
	}
	r, _ := a.Role("runner")
	if got := policyNames(r.Identity()); !slices.Equal(got, []string{administrator(t).ARN}) {
		t.Errorf("role: %q", got)
	}
	if b := r.Boundary(); b == nil || b.Name() != arn("first") {
		t.Errorf("role's boundary: %v", b)
	}
	if p := r.Trust(); p == nil || p.Kind() != policy.Trust || p.Name() != "role/Runner/trust" {
		t.Errorf("role's trust policy: %v", p)
	}
	for action, want := range map[string]policy.Effect{"s3:GetObject": policy.Allow, "kms:Decrypt": policy.Allow, "iam:CreateUser": policy.Deny} {
		if got := decide(&policy.Set{Identity: u.Identity(), Boundary: u.Boundary()}, action); got != want {
			t.Errorf("%s: %v", action, got)
		}
	}
	for _, p := range slices.Concat(u.Identity(), g.Identity(), r.Identity()) {
		if p.Kind() != policy.Identity {
			t.Errorf("%s is compiled as %v", p.Name(), p.Kind())
		}
	}
	refs := map[entity.Ref]int{{Account: acct, Kind: entity.KindUser, ID: "AIDAANN"}: 6, {Account: acct, Kind: entity.KindGroup, ID: "AGPA1"}: 3,
		{Account: acct, Kind: entity.KindRole, ID: "AROA1"}: 1, {Account: acct, Kind: entity.KindUser, ID: "AIDANONE"}: 0}
	for ref, n := range refs {
		if set := snap.IdentityPolicies(ref); set == nil || len(set) != n {
			t.Errorf("%+v: %q", ref, policyNames(set))
		}
	}
	if snap.ServiceControl(acct) != nil || snap.ResourceControl(acct) != nil {
		t.Error("control policies out of nothing")
	}
}

// A user without anything has an empty set, not an absent one.
func TestNothingGrantsNothing(t *testing.T) {
	s := openStore(t, mem.Config{})
	u, _ := account(t, wait(t, follow(t, s), put(t, s, rec(anAccount(), ann()))), acct).User("Ann")
	if set := u.Identity(); set == nil || len(set) != 0 || u.Boundary() != nil {
		t.Errorf("identity %v, boundary %v", set, u.Boundary())
	}
}

// Compiled documents are shared between principals, kinds apart, and linked sets until something changes.
func TestSharing(t *testing.T) {
	s := openStore(t, mem.Config{})
	records := family(t)
	bob := ann()
	bob.ID, bob.Name, bob.Grants = "AIDABOB", "bob", entity.Grants{Attached: []string{"ANPAB2", administrator(t).ID}}
	f := follow(t, s)
	a := account(t, wait(t, f, put(t, s, rec(append(records, bob)...))), acct)
	u, _ := a.User("ann")
	b, _ := a.User("bob")
	r, _ := a.Role("runner")
	if u.Identity()[3] != b.Identity()[0] {
		t.Error("a customer managed policy was compiled twice")
	}
	if r.Identity()[0] != b.Identity()[1] {
		t.Error("an AWS managed policy was compiled twice")
	}
	if r.Identity()[0] == u.Boundary() {
		t.Error("one compiled form for an identity policy and a boundary")
	}
	if st := f.Stats(); st.Linked != 3 || st.Documents == 0 || st.Bytes == 0 {
		t.Errorf("%+v", st)
	}
	set := u.Identity()
	if again := u.Identity(); &again[0] != &set[0] {
		t.Error("a second set without a change")
	}
	carol := ann()
	carol.ID, carol.Name = "AIDACAROL", "carol"
	other := account(t, wait(t, f, put(t, s, rec(carol))), acct)
	v, _ := other.User("ann")
	if again := v.Identity(); &again[0] != &set[0] {
		t.Error("somebody else's change voided the set")
	}
	w, _ := account(t, wait(t, f, put(t, s, map[string]any{string(entity.EpochKey(acct)): &entity.Epoch{}})), acct).User("ann")
	fresh := w.Identity()
	if &fresh[0] == &set[0] {
		t.Error("a new epoch left the set in place")
	}
	u.Identity()
	if again := w.Identity(); &again[0] != &fresh[0] {
		t.Error("a reader of an old snapshot pushed out the newer set")
	}
}

func accountWith(p *entity.PasswordPolicy) func([]any) map[string]any {
	return func(all []any) map[string]any {
		a := *all[0].(*entity.Account)
		a.PasswordPolicy = p
		return rec(&a)
	}
}

// TestPasswordPolicyGrant: what the setting of the account grants shows in the sets of users, as the last policy, as long as it
// is set, whatever came first: the account, the user or the setting.
func TestPasswordPolicyGrant(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	all := family(t)
	on, off := accountWith(&entity.PasswordPolicy{MinimumLength: 6, UsersMayChange: true})(all), rec(all[0])
	gone := map[string]any{string(entity.AccountKey(acct)): nil}
	const name = "account/password-policy/AllowUsersToChangePassword"
	put(t, s, rec(all...))
	for i, step := range []struct {
		change map[string]any
		want   bool
	}{{on, true}, {off, false}, {on, true}, {gone, false}, {on, true}, {gone, false}, {off, false}} {
		rev := put(t, s, step.change)
		u, ok := wait(t, f, rev).UserByID("AIDAANN")
		if !ok {
			t.Fatal("no user")
		}
		names := policyNames(u.Identity())
		if got := slices.Index(names, name); (got == len(names)-1) != step.want || (got >= 0) != step.want {
			t.Errorf("step %d: %q", i, names)
		}
	}
	r, _ := account(t, wait(t, f, put(t, s, on)), acct).Role("Runner")
	if slices.Contains(policyNames(r.Identity()), name) {
		t.Error("roles have the grant of users")
	}
}

// TestChangesShow walks the changes that must show in the sets of others, with warm caches, and looks at the old snapshot
// too, which must not change.
func TestChangesShow(t *testing.T) {
	group := func(change func(*entity.Group)) func([]any) map[string]any {
		return func(all []any) map[string]any {
			g := *all[2].(*entity.Group)
			change(&g)
			return rec(&g)
		}
	}
	for name, c := range map[string]struct {
		change func([]any) map[string]any
		denied bool // s3:GetObject afterwards
		names  bool // whether the names of the user's policies differ
	}{
		"own inline policy": {func(all []any) map[string]any {
			u := *all[1].(*entity.User)
			u.Inline = []entity.InlinePolicy{{Name: "one", Document: doc("Deny", "s3:*")}}
			return rec(&u)
		}, true, true},
		"left the group": {func(all []any) map[string]any {
			u := *all[1].(*entity.User)
			u.Groups = nil
			return rec(&u)
		}, false, true},
		"group's inline policy": {group(func(g *entity.Group) {
			g.Inline = []entity.InlinePolicy{{Name: "all", Document: doc("Deny", "s3:*")}}
		}), true, false},
		"group's attachment":    {group(func(g *entity.Group) { g.Attached = []string{"ANPAB2"} }), false, true},
		"group's name":          {group(func(g *entity.Group) { g.Name = "People" }), false, true},
		"group's members":       {group(func(g *entity.Group) { g.Members = 9 }), false, false},
		"group gone":            {func([]any) map[string]any { return map[string]any{string(entity.GroupKey(acct, "AGPA1")): nil} }, true, true},
		"default version":       {func([]any) map[string]any { return rec(managedPolicy("ANPAB3", "third", doc("Deny", "s3:*"))) }, true, false},
		"boundary's name":       {func([]any) map[string]any { return rec(managedPolicy("ANPAB1", "renamed", doc("Allow", "sqs:*"))) }, false, true},
		"policy gone":           {func([]any) map[string]any { return map[string]any{string(entity.PolicyKey(acct, "ANPAB3")): nil} }, true, true},
		"password policy":       {accountWith(&entity.PasswordPolicy{MinimumLength: 6, UsersMayChange: true}), false, true},
		"other password policy": {accountWith(&entity.PasswordPolicy{MinimumLength: 6}), false, false},
		"epoch only":            {func([]any) map[string]any { return map[string]any{string(entity.EpochKey(acct)): &entity.Epoch{}} }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, mem.Config{})
			f := follow(t, s)
			all := family(t)
			before, _ := account(t, wait(t, f, put(t, s, rec(all...))), acct).User("ann")
			names := policyNames(before.Identity())
			if decide(&policy.Set{Identity: before.Identity()}, "s3:GetObject") != policy.Allow {
				t.Fatal("denied before")
			}
			rev := put(t, s, c.change(all))
			after, _ := account(t, wait(t, f, rev), acct).User("ann")
			if got := decide(&policy.Set{Identity: after.Identity()}, "s3:GetObject"); (got == policy.Deny) != c.denied {
				t.Errorf("afterwards: %v by %q", got, policyNames(after.Identity()))
			}
			if got := policyNames(after.Identity()); slices.Equal(got, names) == c.names {
				t.Errorf("afterwards: %q", got)
			}
			if got := policyNames(before.Identity()); !slices.Equal(got, names) {
				t.Errorf("the old snapshot changed: %q", got)
			}
			if decide(&policy.Set{Identity: before.Identity()}, "s3:GetObject") != policy.Allow {
				t.Error("the old snapshot denies")
			}
			if got := decide(&policy.Set{Identity: after.Identity()}, "s3:GetObject"); (got == policy.Deny) != c.denied {
				t.Errorf("after a look at the old snapshot: %v", got)
			}
		})
	}
}

// What cannot be had denies everything, and is told.
func TestFailClosed(t *testing.T) {
	s := openStore(t, mem.Config{})
	var mu sync.Mutex
	told := map[string]bool{}
	f := follow(t, s, func(c *snapshot.Config) {
		c.CompileFailed = func(name string, err error) {
			mu.Lock()
			defer mu.Unlock()
			told[name] = err != nil
		}
	})
	admin := entity.InlinePolicy{Name: "admin", Document: doc("Allow", "*")}
	user := func(name string, change func(*entity.User)) *entity.User {
		u := ann()
		u.ID, u.Name, u.Inline = "AIDA"+name, name, []entity.InlinePolicy{admin}
		change(u)
		return u
	}
	foreign := managedPolicy("ANPABX", "foreign", doc("Allow", "*"))
	foreign.Account = other
	records := []any{anAccount(), &entity.Account{ID: other, CreatedAt: born}, foreign,
		user("inline", func(u *entity.User) {
			u.Inline = append(u.Inline, entity.InlinePolicy{Name: "bad", Document: `{"Version":`})
		}),
		user("invalid", func(u *entity.User) {
			u.Inline = append(u.Inline, entity.InlinePolicy{Name: "bad", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`})
		}),
		user("policy", func(u *entity.User) { u.Attached = []string{"ANPABNONE"} }),
		user("awspolicy", func(u *entity.User) { u.Attached = []string{"ANPAINONE"} }),
		user("foreignpolicy", func(u *entity.User) { u.Attached = []string{"ANPABX"} }),
		user("group", func(u *entity.User) { u.Groups = []string{"AGPANONE"} }),
		user("boundary", func(u *entity.User) { u.Grants.Boundary = "ANPABNONE" }),
		user("fine", func(u *entity.User) {}),
		&entity.Role{ID: "AROA1", Account: acct, Name: "r", Path: "/", CreatedAt: born, Trust: "?"},
	}
	a := account(t, wait(t, f, put(t, s, rec(records...))), acct)
	for u := range a.Users("") {
		want := policy.Deny
		if u.Name == "fine" {
			want = policy.Allow
		}
		set := &policy.Set{Identity: u.Identity(), Boundary: u.Boundary()}
		for _, action := range []string{"s3:GetObject", "iam:CreateUser"} {
			if got := decide(set, action); got != want {
				t.Errorf("%s: %s is %v", u.Name, action, got)
			}
		}
	}
	r, _ := a.Role("r")
	request := &policy.Request{Principal: policy.Principal{Type: policy.Root, ARN: entity.RootARN(acct), Account: acct, UniqueID: acct},
		Action: "sts:AssumeRole", Resource: r.ARN(), ResourceAccount: acct, Context: new(policy.Context)}
	if d := policy.Evaluate(request, &policy.Set{Resource: r.Trust()}); d.Effect != policy.Deny || !d.Explicit {
		t.Errorf("an unreadable trust policy: %+v", d)
	}
	for _, name := range []string{"user/inline/bad", "user/invalid/bad", "ANPABNONE", "ANPAINONE", "ANPABX", "AGPANONE", "role/r/trust"} {
		if !told[name] {
			t.Errorf("%s was not told", name)
		}
	}
}

// A group that appears after its member, against all rules, still shows.
func TestLateReference(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	u := ann()
	u.Groups, u.Attached = []string{"AGPA1"}, []string{"ANPAB1"}
	before, _ := account(t, wait(t, f, put(t, s, rec(anAccount(), u))), acct).User("ann")
	if len(before.Identity()) != 2 {
		t.Fatalf("%q", policyNames(before.Identity()))
	}
	between, _ := account(t, wait(t, f, put(t, s, rec(&entity.Group{ID: "AGPA1", Account: acct, Name: "g", Path: "/", CreatedAt: born}))), acct).User("ann")
	if len(between.Identity()) != 1 {
		t.Fatalf("%q", policyNames(between.Identity()))
	}
	after, _ := account(t, wait(t, f, put(t, s, rec(managedPolicy("ANPAB1", "p", allow)))), acct).User("ann")
	if got := policyNames(after.Identity()); !slices.Equal(got, []string{entity.PolicyARN(acct, "/p/", "p")}) {
		t.Errorf("%q", got)
	}
}

// The cache stays within its bound, whatever is read, and what is in use often stays in it.
func TestCacheBound(t *testing.T) {
	s := openStore(t, mem.Config{})
	const bound = 200 << 10
	f := follow(t, s, func(c *snapshot.Config) { c.CacheBytes = bound })
	put(t, s, rec(family(t)...))
	var rev store.Revision
	for i := range 500 {
		u := ann()
		u.ID, u.Name = fmt.Sprint("AIDAX", i), fmt.Sprint("x", i)
		u.Inline = []entity.InlinePolicy{{Name: "own", Document: doc("Allow", fmt.Sprint("s3:Get", i, "*"))}}
		rev = put(t, s, rec(u))
	}
	a := account(t, wait(t, f, rev), acct)
	hot, _ := a.User("ann")
	set := hot.Identity()
	for round := range 3 {
		for u := range a.Users("x") {
			if got := policyNames(u.Identity()); len(got) != 1 || got[0] != "user/"+u.Name+"/own" {
				t.Fatalf("%s: %q", u.Name, got)
			}
			if again := hot.Identity(); &again[0] != &set[0] {
				t.Fatalf("round %d: the set in use was evicted", round)
			}
			if st := f.Stats(); st.Bytes > bound {
				t.Fatalf("%d bytes in the cache", st.Bytes)
			}
		}
	}
	if st := f.Stats(); st.Linked < 10 || st.Linked > 500 {
		t.Errorf("%+v", st)
	}
	// Records that go take their sets along.
	gone := map[string]any{}
	for i := range 100 {
		gone[string(entity.UserKey(acct, fmt.Sprint("AIDAX", 400+i)))] = nil
	}
	before := f.Stats()
	wait(t, f, put(t, s, gone))
	wait(t, f, put(t, s, rec(ann()))) // the sets are dropped after the snapshot is published
	if after := f.Stats(); after.Linked >= before.Linked || after.Bytes >= before.Bytes {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// The hot path, from an access key to the policies of its user, does not allocate.
func TestHotPathAllocatesNothing(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	wait(t, f, put(t, s, rec(append(family(t), &entity.AccessKey{ID: "AKIA1", Account: acct, User: "AIDAANN", CreatedAt: born})...)))
	n := testing.AllocsPerRun(100, func() {
		snap := f.Current()
		k, _ := snap.AccessKey("AKIA1")
		a, _ := snap.Account(k.Account)
		u, _ := a.UserByID(k.User)
		r, _ := snap.RoleByID("AROA1")
		if len(u.Identity()) != 6 || u.Boundary() == nil || r.Trust() == nil || snap.ServiceControl(a.ID) != nil {
			t.Error("not what was stored")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Readers of many snapshots, writers of everything and an overfull cache at once; for the race detector. What is held
// throughout: a snapshot in which the group denies shows a deny, and one in which it allows an allow.
func TestConcurrentReaders(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s, func(c *snapshot.Config) { c.CacheBytes = 20 << 10 })
	all := family(t)
	wait(t, f, put(t, s, rec(all...)))
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				a, ok := f.Current().Account(acct)
				if !ok {
					t.Error("no account")
					return
				}
				g, _ := a.GroupByID("AGPA1")
				want := policy.Allow
				if g.Inline[0].Document == doc("Deny", "*") {
					want = policy.Deny
				}
				for u := range a.Users("") {
					if got := decide(&policy.Set{Identity: u.Identity()}, "s3:GetObject"); got != want {
						t.Errorf("%s is %v in a snapshot that says %v", u.Name, got, want)
					}
				}
				r, _ := a.Role("runner")
				r.Trust()
				for range a.Attached("ANPAB2", snapshot.UseMark{}) {
				}
			}
		})
	}
	var rev store.Revision
	for i := range 300 {
		g := *all[2].(*entity.Group)
		g.Inline = []entity.InlinePolicy{{Name: "all", Document: doc([]string{"Allow", "Deny"}[i%2], "*")}}
		u := ann()
		u.ID, u.Name, u.Groups = fmt.Sprint("AIDAX", i%20), fmt.Sprint("x", i%20), []string{"AGPA1"}
		u.Inline = []entity.InlinePolicy{{Name: "own", Document: doc("Allow", "s3:*")}}
		rev = put(t, s, rec(&g, u))
		if i%10 == 0 {
			wait(t, f, rev)
		}
	}
	wait(t, f, rev)
	stop.Store(true)
	readers.Wait()
}

// A principal that is seen often gets its policies merged, within the cache's bound, until something changes.
func TestHotPrincipals(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	a := account(t, wait(t, f, put(t, s, rec(family(t)...))), acct)
	u, _ := a.User("ann")
	var program *policy.Program
	uses := 0
	for ; program == nil && uses < 10_000; uses++ {
		program = u.IdentityProgram()
	}
	if program == nil || uses < 10 {
		t.Fatalf("a program after %d uses: %v", uses, program)
	}
	if u.IdentityProgram() != program || !slices.Equal(program.Policies(), u.Identity()) {
		t.Error("another program, or of other policies")
	}
	for _, action := range []string{"s3:GetObject", "kms:Decrypt", "iam:CreateUser"} {
		want := decide(&policy.Set{Identity: u.Identity()}, action)
		if got := decide(&policy.Set{Identity: u.Identity(), IdentityProgram: program}, action); got != want {
			t.Errorf("%s: %v merged, %v one by one", action, got, want)
		}
	}
	r, _ := a.Role("runner")
	for range 1_000 {
		if r.IdentityProgram() != nil {
			t.Fatal("one policy was merged")
		}
	}
	again := ann()
	again.Grants.Attached = []string{"ANPAB2", "ANPAB3"}
	u, _ = account(t, wait(t, f, put(t, s, rec(again))), acct).User("ann")
	if got := u.IdentityProgram(); got != nil {
		t.Error("the program outlived its policies")
	}
}

// A merged program does not go into a cache that is too small for it.
func TestHotPrincipalsAreBounded(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s, func(c *snapshot.Config) { c.CacheBytes = 20 << 10 })
	u, _ := account(t, wait(t, f, put(t, s, rec(family(t)...))), acct).User("ann")
	for range 1_000 {
		if u.IdentityProgram() != nil {
			t.Fatal("merged beyond the bound")
		}
	}
}
