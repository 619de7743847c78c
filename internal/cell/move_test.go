package cell_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/cell"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// An account with something of everything arrives whole: what it was, it is, its keys work, and the source has nothing of it.
func TestMove(t *testing.T) {
	w := newWorld(t, 2)
	root := w.account("cell-0")
	bystander := w.account("cell-0")
	fill(w, root)
	user := issue(w, root, "ann")
	before := picture(w, root)
	left := len(w.of("cell-0", bystander.account))
	if err := w.mover(nil).Move(t.Context(), root.account, "cell-0", "cell-1"); err != nil {
		t.Fatal(err)
	}
	if got := w.homes(root.account); !slices.Equal(got, []string{"cell-1"}) {
		t.Errorf("the account is in %v: %q", got, w.of("cell-0", root.account))
	}
	if after := picture(w, root); after != before {
		t.Errorf("before the move:\n%s\nafter it:\n%s", before, after)
	}
	if a := call(w.router, user, "GetUser"); a.element("UserName") != "ann" {
		t.Errorf("the user's key: %s", a)
	}
	if w.sentOn.Load() == 0 {
		t.Error("nobody was sent on by the source, although the router's map was old")
	}
	if got := len(w.of("cell-0", bystander.account)); got != left {
		t.Errorf("the other account has %d records, had %d", got, left)
	}
	w.must(w.router, root, "CreateUser", "UserName", "later")
	if a := call(w.router, root, "CreateUser", "UserName", "ANN"); a.code != "EntityAlreadyExists" {
		t.Errorf("a name that came along: %s", a)
	}
	// Those who go straight to a cell are told.
	if a := call(w.doors["cell-0"], root, "GetUser"); a.status != http.StatusMisdirectedRequest {
		t.Errorf("at the source: %s", a)
	}
	// And back again.
	if err := w.mover(nil).Move(t.Context(), root.account, "cell-1", "cell-0"); err != nil {
		t.Fatal(err)
	}
	w.must(w.router, root, "DeleteUser", "UserName", "later")
	if after := picture(w, root); after != before {
		t.Errorf("before the moves:\n%s\nafter them:\n%s", before, after)
	}
	if got := w.homes(root.account); !slices.Equal(got, []string{"cell-0"}) {
		t.Errorf("the account is in %v", got)
	}
}

// fill makes something of every kind that has records of its own.
func fill(w *world, root key) {
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for _, form := range [][]string{
		{"CreateAccountAlias", "AccountAlias", "of-" + root.account},
		{"CreateUser", "UserName", "ann", "Tags.member.1.Key", "team", "Tags.member.1.Value", "red"},
		{"CreateUser", "UserName", "bob", "Path", "/staff/"},
		{"CreateGroup", "GroupName", "all"},
		{"AddUserToGroup", "GroupName", "all", "UserName", "bob"},
		{"PutGroupPolicy", "GroupName", "all", "PolicyName", "in", "PolicyDocument", allow},
		{"PutUserPolicy", "UserName", "ann", "PolicyName", "own", "PolicyDocument", allow},
		{"CreatePolicy", "PolicyName", "shared", "PolicyDocument", allow},
		{"AttachUserPolicy", "UserName", "bob", "PolicyArn", "arn:aws:iam::" + root.account + ":policy/shared"},
		{"CreateRole", "RoleName", "web", "AssumeRolePolicyDocument", trust},
		{"CreateRole", "RoleName", "db", "AssumeRolePolicyDocument", trust},
		{"CreateInstanceProfile", "InstanceProfileName", "web"},
		{"AddRoleToInstanceProfile", "InstanceProfileName", "web", "RoleName", "web"},
		{"CreateVirtualMFADevice", "VirtualMFADeviceName", "phone"},
		{"CreateServiceSpecificCredential", "UserName", "ann", "ServiceName", "codecommit.amazonaws.com"},
		{"UpdateAccountPasswordPolicy", "MinimumPasswordLength", "10"},
	} {
		w.must(w.router, root, form...)
	}
}

// picture is what the account's own API shows of it.
func picture(w *world, root key) (text string) {
	w.t.Helper()
	for _, form := range [][]string{
		{"GetAccountAuthorizationDetails"}, {"ListAccountAliases"}, {"ListVirtualMFADevices"}, {"GetAccountPasswordPolicy"},
		{"ListInstanceProfiles"}, {"ListServiceSpecificCredentials", "UserName", "ann"}, {"ListAccessKeys", "UserName", "ann"}, {"GetAccountSummary"},
	} {
		a := w.must(w.router, root, form...)
		for _, name := range []string{"UserName", "UserId", "Arn", "Path", "Key", "Value", "GroupName", "GroupId", "PolicyName", "PolicyDocument", "Document",
			"RoleName", "RoleId", "InstanceProfileId", "SerialNumber", "AccessKeyId", "member", "MinimumPasswordLength", "value", "CreateDate"} {
			text += fmt.Sprintln(form[0], name, a.elements(name))
		}
	}
	return text
}

// issue makes an access key.
func issue(w *world, root key, user string) key {
	a := w.must(w.router, root, "CreateAccessKey", "UserName", user)
	return key{root.account, a.element("AccessKeyId"), a.element("SecretAccessKey")}
}

// errCrash is what the stores of a mover that has crashed answer.
var errCrash = errors.New("the mover has crashed")

// crashing lets so many operations through and then none; what is in the middle has happened, or not, by turns.
type crashing struct {
	store.Store
	left *atomic.Int64
	late bool // the operation at which it crashes is carried out, and nobody learns that
}

func (c crashing) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	left := c.left.Add(-1)
	if left < 0 && !(left == -1 && c.late) {
		return 0, errCrash
	}
	rev, err := c.Store.Update(ctx, fn)
	if left < 0 && err == nil {
		return 0, errCrash
	}
	return rev, err
}

func (c crashing) View(ctx context.Context, fn func(store.Reader) error) error {
	if c.left.Add(-1) < 0 {
		return errCrash
	}
	return c.Store.View(ctx, fn)
}

// A mover that is cut off at any of its steps leaves an account that is changed in one cell at most, and the next mover ends what it
// began. Between the two, somebody uses the account: what is acknowledged stays, a key that is deleted is gone for good.
func TestMoverCrashes(t *testing.T) {
	for _, late := range []bool{false, true} {
		crashes := 0
		for at := int64(0); ; at++ {
			if !cutOff(t, at, late) {
				break
			}
			crashes++
		}
		if crashes < 20 {
			t.Errorf("only %d places to crash at: does the test still reach the steps?", crashes)
		}
	}
}

// cutOff reports whether the mover crashed at all.
func cutOff(t *testing.T, at int64, late bool) (crashed bool) {
	name := fmt.Sprintf("%d late=%v", at, late)
	w := newWorld(t, 2)
	root := w.account("cell-0")
	for _, form := range [][]string{{"CreateUser", "UserName", "ann"}, {"CreateUser", "UserName", "bob"}} {
		w.must(w.router, root, form...)
	}
	gone := issue(w, root, "ann")
	var left atomic.Int64
	left.Store(at)
	m := w.mover(func(s store.Store) store.Store { return crashing{s, &left, late} })
	m.Batch = 2
	err := m.Move(t.Context(), root.account, "cell-0", "cell-1")
	if err != nil && !errors.Is(err, errCrash) {
		t.Fatalf("%s: %v", name, err)
	}
	// Of a crashed move the account is open in one cell, or in none until somebody goes on. (A door may take a moment to see it.)
	w.settle()
	stale := w.newRouter()
	var acked, refused []string
	for _, form := range [][]string{{"CreateUser", "UserName", "between"}, {"DeleteUser", "UserName", "bob"}, {"DeleteAccessKey", "UserName", "ann", "AccessKeyId", gone.id}} {
		switch a := call(stale, root, form...); a.status {
		case http.StatusOK:
			acked = append(acked, form[0])
		case http.StatusServiceUnavailable:
			refused = append(refused, form[0])
		default:
			t.Fatalf("%s: %q: %s", name, form, a)
		}
	}
	if len(acked) > 0 && len(refused) > 0 {
		t.Errorf("%s: %v was acknowledged and %v refused", name, acked, refused)
	}
	if at%3 == 2 && err != nil && home(t, w, root.account) == "cell-0" { // somebody loses patience
		if err := w.mover(nil).Abandon(t.Context(), root.account); err != nil && !errors.Is(err, cell.ErrElsewhere) {
			t.Fatalf("%s: giving up: %v", name, err)
		} else if err == nil {
			if got := w.homes(root.account); !slices.Equal(got, []string{"cell-0"}) {
				t.Errorf("%s: given up, and in %v", name, got)
			}
			w.must(stale, root, "CreateGroup", "GroupName", "meanwhile")
		}
	}
	if err != nil {
		m := w.mover(nil)
		if err := m.Resume(t.Context(), root.account); err != nil {
			t.Fatalf("%s: going on: %v", name, err)
		}
		if at := home(t, w, root.account); at != "cell-1" { // it was given up, or never begun
			if err := m.Move(t.Context(), root.account, "cell-0", "cell-1"); err != nil {
				t.Fatalf("%s: again: %v", name, err)
			}
		}
	}
	if got := w.homes(root.account); !slices.Equal(got, []string{"cell-1"}) {
		t.Errorf("%s: the account is in %v", name, got)
	}
	users := w.must(stale, root, "ListUsers").elements("UserName")
	want := []string{"ann", "bob"}
	if len(acked) > 0 {
		want = []string{"ann", "between"}
		if a := call(stale, gone, "GetUser"); a.code != "InvalidClientTokenId" {
			t.Errorf("%s: a deleted key: %s", name, a)
		}
		for _, k := range w.of("cell-1", root.account) {
			if k == string(entity.AccessKeyKey(gone.id)) {
				t.Errorf("%s: the deleted key's record came along", name)
			}
		}
	}
	if !slices.Equal(users, want) {
		t.Errorf("%s: users %v, want %v", name, users, want)
	}
	return err != nil
}

func home(t testing.TB, w *world, account string) string {
	t.Helper()
	at, _, err := cell.NewMap(w.directory).Find(context.Background(), account, 0)
	if err != nil {
		t.Fatal(err)
	}
	return at.Cell
}
