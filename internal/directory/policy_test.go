package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// sized is a valid identity policy of n characters.
func sized(n int) string {
	const head, tail = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::`, `"}]}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

func TestCreatePolicy(t *testing.T) {
	w := newWorld(t)
	p := get(w, func(tx *directory.Tx) (*entity.Policy, error) {
		return tx.CreatePolicy(home, directory.NewPolicy{Name: "P", Path: "/a/b/", Description: "d", Document: allowList,
			Tags: []entity.Tag{{Key: "k"}, {Key: "K"}}})
	})
	at := start.Truncate(time.Second)
	want := &entity.Policy{ID: p.ID, Account: home, Name: "P", Path: "/a/b/", Description: "d", CreatedAt: at, UpdatedAt: at,
		Tags:    []entity.Tag{{Key: "k"}, {Key: "K"}},
		Default: 1, Next: 2, Versions: []entity.PolicyVersion{{Number: 1, Document: allowList, CreatedAt: at}}}
	if diff := cmp.Diff(want, w.state().policy("P")); diff != "" || !strings.HasPrefix(p.ID, "ANPA") {
		t.Errorf("ID %s; stored (-want +got):\n%s", p.ID, diff)
	}
	create := func(n directory.NewPolicy) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreatePolicy(home, n); return err }
	}
	for _, tt := range []struct {
		name    string
		kind    fault.Kind
		message string
		n       directory.NewPolicy
	}{
		{"taken", fault.Exists, "A policy called p already exists. Duplicate names are not allowed.", directory.NewPolicy{Name: "p", Document: allowList}},
		{"name", fault.Invalid, strings.Replace(badUserName, "userName", "policyName", 1), directory.NewPolicy{Name: "a:b", Document: allowList}},
		{"path that only users may have", fault.Invalid, badPath, directory.NewPolicy{Name: "x", Path: "/a!/", Document: allowList}},
		{"path with an empty part", fault.Invalid, badPath, directory.NewPolicy{Name: "x", Path: "/a//b/", Document: allowList}},
		{"description", fault.Invalid, "The specified value for description is invalid. It is longer than the maximum length.",
			directory.NewPolicy{Name: "x", Description: strings.Repeat("x", 1001), Document: allowList}},
		{"not JSON", fault.MalformedDocument, "Syntax errors in policy.", directory.NewPolicy{Name: "x", Document: "{"}},
		{"of the old version", fault.MalformedDocument, "Policy document must be version 2012-10-17 or greater.",
			directory.NewPolicy{Name: "x", Document: strings.Replace(allowList, "2012-10-17", "2008-10-17", 1)}},
		{"with a principal", fault.MalformedDocument, "Policy document should not specify a principal.", directory.NewPolicy{Name: "x", Document: trustEC2}},
		{"too large", fault.LimitExceeded, "Cannot exceed quota for PolicySize: 6144", directory.NewPolicy{Name: "x", Document: sized(6145)}},
		{"duplicate tags", fault.InvalidInput, "Duplicate tag keys found.",
			directory.NewPolicy{Name: "x", Document: allowList, Tags: []entity.Tag{{Key: "k"}, {Key: "k"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) { w.t = t; w.refuse(tt.kind, tt.message, create(tt.n)) })
	}
	w.t = t
	w.do(create(directory.NewPolicy{Name: "full", Document: sized(6144) + "\n\n"}))
	w.do(setQuota(directory.PoliciesQuota, 2))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for PoliciesPerAccount: 2", createPolicy("third"))
	w.intact()
}

func TestPolicyVersions(t *testing.T) {
	w := newWorld(t)
	w.do(createPolicy("p"))
	arn := policyARN("p")
	add := func(setDefault bool) func(*directory.Tx) (*entity.PolicyVersion, error) {
		return func(tx *directory.Tx) (*entity.PolicyVersion, error) {
			return tx.CreatePolicyVersion(home, arn, allowGet, setDefault)
		}
	}
	only := func(arn, document string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreatePolicyVersion(home, arn, document, false); return err }
	}
	choose := func(arn string, n int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.SetDefaultVersion(home, arn, n) }
	}
	remove := func(arn string, n int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.DeletePolicyVersion(home, arn, n) }
	}
	w.now = w.now.Add(time.Hour)
	v := get(w, add(false))
	if p := w.state().policy("p"); v.Number != 2 || p.Default != 1 || !p.UpdatedAt.Equal(w.now.Truncate(time.Second)) || p.UpdatedAt.Equal(p.CreatedAt) {
		t.Errorf("version %+v of %+v", v, p)
	}
	if raised := w.epoch(only(arn, allowGet)); raised {
		t.Error("a version that is not in force raised the epoch")
	}
	if raised := w.epoch(choose(arn, 3)); !raised {
		t.Error("another default did not raise the epoch")
	}
	if raised := w.epoch(choose(arn, 3)); raised {
		t.Error("the same default raised the epoch")
	}
	if raised := w.epoch(func(tx *directory.Tx) error { _, err := add(true)(tx); return err }); !raised {
		t.Error("a new default did not raise the epoch")
	}
	if p := w.state().policy("p"); p.Default != 4 || p.DefaultDocument() != allowGet {
		t.Errorf("%+v", p)
	}
	get(w, add(false))
	w.intact()
	w.refuse(fault.LimitExceeded, "A managed policy can have up to 5 versions. "+
		"Before you create a new version, you must delete an existing version.", only(arn, allowGet))
	w.refuse(fault.DeleteConflict, "Cannot delete the default version of a policy.", remove(arn, 4))
	w.refuse(fault.DeleteConflict, "This policy has more than one version. "+
		"Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
		func(tx *directory.Tx) error { return tx.DeletePolicy(home, arn) })
	w.do(remove(arn, 2))
	w.do(remove(arn, 5))
	if v := get(w, add(false)); v.Number != 6 {
		t.Errorf("a version number is used again: %d", v.Number)
	}
	missing := func(arn string, n int) string {
		return fmt.Sprintf("Policy %s version v%d does not exist or is not attachable.", arn, n)
	}
	w.refuse(fault.NotFound, missing(arn, 2), remove(arn, 2))
	w.refuse(fault.NotFound, missing(arn, 9), choose(arn, 9))
	w.refuse(fault.NotFound, missing(policyARN("none"), 1), choose(policyARN("none"), 1))
	w.refuse(fault.NotFound, missing(policyARN("none"), 1), remove(policyARN("none"), 1))
	w.refuse(fault.NotFound, "Policy "+policyARN("none")+" was not found.", only(policyARN("none"), allowGet))
	w.refuse(fault.Invalid, "ARN nonsense is not valid.", only("nonsense", allowGet))
	w.refuse(fault.Invalid, "ARN nonsense is not valid.", choose("nonsense", 1))
	w.do(remove(arn, 1))
	w.refuse(fault.MalformedDocument, "Policy document should not specify a principal.", only(arn, trustEC2))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for PolicySize: 6144", only(arn, sized(6145)))
	w.do(setQuota(directory.PolicyVersionsInUseQuota, 3))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for PolicyVersionsInUse: 3", only(arn, allowGet))
	w.intact()
}

func TestAWSManagedPoliciesCannotBeChanged(t *testing.T) {
	w := newWorld(t)
	message := "The policy " + administrator + " is managed by AWS. AWS managed policies cannot be changed."
	for _, fn := range []func(*directory.Tx) error{
		func(tx *directory.Tx) error {
			_, err := tx.CreatePolicyVersion(home, administrator, allowGet, true)
			return err
		},
		func(tx *directory.Tx) error { return tx.SetDefaultVersion(home, administrator, 1) },
		func(tx *directory.Tx) error { return tx.DeletePolicyVersion(home, administrator, 1) },
		func(tx *directory.Tx) error { return tx.DeletePolicy(home, administrator) },
		func(tx *directory.Tx) error { return tx.TagPolicy(home, administrator, []entity.Tag{{Key: "k"}}) },
		func(tx *directory.Tx) error { return tx.UntagPolicy(home, administrator, []string{"k"}) },
	} {
		w.refuse(fault.Denied, message, fn)
	}
	none := "arn:aws:iam::aws:policy/None"
	w.refuse(fault.NotFound, "Policy "+none+" was not found.", func(tx *directory.Tx) error { return tx.DeletePolicy(home, none) })
}

func TestDeletePolicy(t *testing.T) {
	w := newWorld(t)
	w.do(createPolicy("p"))
	w.do(createUser("alice"))
	alice := directory.OfUser(home, "alice")
	remove := func(tx *directory.Tx) error { return tx.DeletePolicy(home, policyARN("p")) }
	w.do(func(tx *directory.Tx) error { return tx.AttachPolicy(alice, policyARN("p")) })
	w.refuse(fault.DeleteConflict, "Cannot delete a policy attached to entities.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DetachPolicy(alice, policyARN("p")) })
	w.do(func(tx *directory.Tx) error { return tx.PutBoundary(alice, policyARN("p")) })
	w.refuse(fault.DeleteConflict, "Cannot delete a policy attached to entities.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DeleteBoundary(alice) })
	w.do(remove)
	w.refuse(fault.NotFound, "Policy "+policyARN("p")+" was not found.", remove)
	w.refuse(fault.Invalid, "ARN arn:aws:iam::111111111111:user/alice is not valid.", func(tx *directory.Tx) error {
		return tx.DeletePolicy(home, "arn:aws:iam::111111111111:user/alice")
	})
	w.do(createPolicy("p"))
	w.refuse(fault.NotFound, "Policy "+policyARN("p")+" was not found.", func(tx *directory.Tx) error { return tx.DeletePolicy(abroad, policyARN("p")) })
	w.intact()
}

func TestAttach(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createGroup("devs"))
	w.do(createRole("app"))
	w.do(func(tx *directory.Tx) error {
		_, err := tx.CreatePolicy(home, directory.NewPolicy{Name: "P", Path: "/a/", Document: allowList})
		return err
	})
	arn := "arn:aws:iam::111111111111:policy/a/P"
	attach := func(to directory.Target, arn string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.AttachPolicy(to, arn) }
	}
	detach := func(from directory.Target, arn string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.DetachPolicy(from, arn) }
	}
	for _, tt := range []struct {
		target directory.Target
		noun   string
		shared bool
	}{
		{directory.OfUser(home, "alice"), "User", false},
		{directory.OfGroup(home, "devs"), "Group", true},
		{directory.OfRole(home, "app"), "Role", false},
	} {
		t.Run(tt.noun, func(t *testing.T) {
			w.t = t
			if raised := w.epoch(attach(tt.target, arn)); raised != tt.shared {
				t.Errorf("attaching raised the epoch: %v", raised)
			}
			if got := w.state().policy("P").Attachments; got != 1 {
				t.Errorf("%d attachments", got)
			}
			if keys := w.changed(attach(tt.target, arn)); len(keys) != 0 {
				t.Errorf("attaching again changed %v", keys)
			}
			w.do(attach(tt.target, administrator))
			w.intact()
			w.refuse(fault.NotAttachable, "Cannot attach a Service Role Policy to a Customer "+tt.noun+".", attach(tt.target, linkedPolicy))
			for _, bad := range []string{"nonsense", "P", "arn:aws:iam::111111111111:role/x", "arn:aws:iam::111:policy/P", "arn:aws:iam::111111111111:policy/",
				"arn:aws-cn:iam::111111111111:policy/P"} {
				w.refuse(fault.Invalid, "ARN "+bad+" is not valid.", attach(tt.target, bad))
				w.refuse(fault.Invalid, "ARN "+bad+" is not valid.", detach(tt.target, bad))
			}
			for _, none := range []string{policyARN("P"), policyARN("a/p"), policyARN("none"), "arn:aws:iam::222222222222:policy/a/P", "arn:aws:iam::aws:policy/None"} {
				w.refuse(fault.NotFound, "Policy "+none+" does not exist or is not attachable.", attach(tt.target, none))
				w.refuse(fault.NotFound, "Policy "+none+" was not found.", detach(tt.target, none))
			}
			w.refuse(fault.NotFound, "Policy "+readOnly+" was not found.", detach(tt.target, readOnly))
			for i := range 8 {
				w.do(createPolicy(fmt.Sprint(tt.noun, i)))
				w.do(attach(tt.target, policyARN(fmt.Sprint(tt.noun, i))))
			}
			w.refuse(fault.LimitExceeded, "Cannot exceed quota for PoliciesPer"+tt.noun+": 10", attach(tt.target, readOnly))
			if raised := w.epoch(detach(tt.target, arn)); raised != tt.shared {
				t.Errorf("detaching raised the epoch: %v", raised)
			}
			w.do(detach(tt.target, administrator))
			w.refuse(fault.NotFound, "Policy "+arn+" was not found.", detach(tt.target, arn))
			w.intact()
		})
	}
	w.t = t
	w.refuse(fault.NotFound, "The user with name bob cannot be found.", attach(directory.OfUser(home, "bob"), administrator))
	w.refuse(fault.NotFound, "The group with name bob cannot be found.", detach(directory.OfGroup(home, "bob"), administrator))
	w.refuse(fault.NotFound, "The role with name bob cannot be found.", detach(directory.OfRole(home, "bob"), administrator))
}

func TestBoundary(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createGroup("g"))
	w.do(createPolicy("one"))
	w.do(createPolicy("two"))
	alice := directory.OfUser(home, "alice")
	set := func(to directory.Target, arn string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.PutBoundary(to, arn) }
	}
	uses := func() []int {
		s := w.state()
		return []int{s.policy("one").BoundaryUses, s.policy("two").BoundaryUses}
	}
	for _, step := range []struct {
		arn  string
		want []int
	}{
		{policyARN("one"), []int{1, 0}},
		{policyARN("one"), []int{1, 0}},
		{policyARN("two"), []int{0, 1}},
		{administrator, []int{0, 0}},
		{policyARN("one"), []int{1, 0}},
	} {
		w.do(set(alice, step.arn))
		if got := uses(); !slices.Equal(got, step.want) {
			t.Errorf("after %s: uses %v, want %v", step.arn, got, step.want)
		}
		w.intact()
	}
	w.refuse(fault.InvalidInput, "ARN arn:aws:iam::111111111111:not_a_policy/invalid is not valid.", set(alice, "arn:aws:iam::111111111111:not_a_policy/invalid"))
	w.refuse(fault.NotFound, "Scope ARN: "+policyARN("none")+" does not exist or is not attachable.", set(alice, policyARN("none")))
	w.refuse(fault.NotAttachable, "The policy "+linkedPolicy+" cannot be used as a permissions boundary.", set(alice, linkedPolicy))
	w.refuse(fault.NotFound, "The role with name none cannot be found.", set(directory.OfRole(home, "none"), administrator))
	w.refuse(fault.InvalidInput, "A group cannot have a permissions boundary.", set(directory.OfGroup(home, "g"), administrator))
	w.do(func(tx *directory.Tx) error { return tx.DeleteBoundary(alice) })
	if keys := w.changed(func(tx *directory.Tx) error { return tx.DeleteBoundary(alice) }); len(keys) != 0 {
		t.Errorf("deleting no boundary changed %v", keys)
	}
	w.intact()
}

func TestInlinePolicies(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	w.do(createGroup("devs"))
	w.do(createRole("app"))
	put := func(to directory.Target, name, document string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.PutInlinePolicy(to, name, document) }
	}
	remove := func(from directory.Target, name string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(from, name) }
	}
	for _, tt := range []struct {
		target directory.Target
		kind   string
		size   int
		shared bool
		grants func(*state) entity.Grants
	}{
		{directory.OfUser(home, "Alice"), "user alice", 2048, false, func(s *state) entity.Grants { return s.user("alice").Grants }},
		{directory.OfGroup(home, "Devs"), "group devs", 5120, true, func(s *state) entity.Grants { return s.group("devs").Grants }},
		{directory.OfRole(home, "App"), "role app", 10240, false, func(s *state) entity.Grants { return s.role("app").Grants }},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			w.t = t
			if raised := w.epoch(put(tt.target, "m", allowList)); raised != tt.shared {
				t.Errorf("embedding raised the epoch: %v", raised)
			}
			for _, name := range []string{"z", "a", "M"} {
				w.do(put(tt.target, name, allowList))
			}
			w.do(put(tt.target, "a", allowGet))
			want := []entity.InlinePolicy{{Name: "M", Document: allowList}, {Name: "a", Document: allowGet},
				{Name: "m", Document: allowList}, {Name: "z", Document: allowList}}
			if diff := cmp.Diff(want, tt.grants(w.state()).Inline); diff != "" {
				t.Errorf("inline policies (-want +got):\n%s", diff)
			}
			kind, _, _ := strings.Cut(tt.kind, " ")
			w.refuse(fault.NotFound, "The "+kind+" policy with name none cannot be found.", remove(tt.target, "none"))
			w.refuse(fault.Invalid, strings.Replace(badUserName, "userName", "policyName", 1), put(tt.target, "a b", allowList))
			w.refuse(fault.MalformedDocument, "Syntax errors in policy.", put(tt.target, "x", "[]"))
			w.refuse(fault.MalformedDocument, "Policy document should not specify a principal.", put(tt.target, "x", trustEC2))
			for _, name := range []string{"M", "a", "z"} {
				w.do(remove(tt.target, name))
			}
			rest := tt.size - len(allowList)
			over := fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s", tt.size, tt.kind)
			w.refuse(fault.LimitExceeded, over, put(tt.target, "x", sized(rest+1)))
			w.do(put(tt.target, "x", strings.ReplaceAll(sized(rest), ",", " ,\n")))
			w.refuse(fault.LimitExceeded, over, put(tt.target, "m", sized(200)))
			w.do(put(tt.target, "m", allowList))
			if raised := w.epoch(remove(tt.target, "x")); raised != tt.shared {
				t.Errorf("removing raised the epoch: %v", raised)
			}
			// White space is free, up to what a record can hold.
			w.do(put(tt.target, "blank1", allowList+strings.Repeat(" ", 131072-len(allowList))))
			w.refuse(fault.LimitExceeded, over, put(tt.target, "blank2", allowList+strings.Repeat(" ", 1<<20)))
			w.intact()
		})
	}
	w.t = t
	w.refuse(fault.NotFound, "The role with name none cannot be found.", put(directory.OfRole(home, "none"), "x", allowList))
	w.refuse(fault.NotFound, "The role with name none cannot be found.", remove(directory.OfRole(home, "none"), "x"))
}

func TestPolicyTags(t *testing.T) {
	w := newWorld(t)
	w.do(createPolicy("p"))
	arn := policyARN("p")
	tag := func(arn string, tags ...entity.Tag) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.TagPolicy(home, arn, tags) }
	}
	w.do(tag(arn, entity.Tag{Key: "a", Value: "1"}, entity.Tag{Key: "A", Value: "2"}))
	w.do(tag(arn, entity.Tag{Key: "a", Value: "3"}))
	want := []entity.Tag{{Key: "a", Value: "3"}, {Key: "A", Value: "2"}}
	if diff := cmp.Diff(want, w.state().policy("p").Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.do(func(tx *directory.Tx) error { return tx.UntagPolicy(home, arn, []string{"a"}) })
	if diff := cmp.Diff(want[1:], w.state().policy("p").Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.refuse(fault.InvalidInput, "Duplicate tag keys found.", tag(arn, entity.Tag{Key: "k"}, entity.Tag{Key: "k"}))
	w.refuse(fault.NotFound, "Policy "+policyARN("none")+" was not found.", tag(policyARN("none"), entity.Tag{Key: "k"}))
	w.refuse(fault.NotFound, "Policy "+policyARN("none")+" was not found.", func(tx *directory.Tx) error { return tx.UntagPolicy(home, policyARN("none"), nil) })
}
