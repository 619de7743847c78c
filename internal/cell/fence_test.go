package cell_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/cell"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// dump is everything in a store but the planes that are no part of a fence's promise.
func (w *world) dump(name string) map[string]string {
	all := make(map[string]string)
	if err := w.cells[name].store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			if key := string(e.Key); !strings.HasPrefix(key, string(entity.UsagePlane)) && !strings.HasPrefix(key, string(entity.OutboxPlane)) {
				all[keyenc.Print(e.Key)] = string(e.Value)
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// all is the keys in a store that name the account or its root user's key.
func (w *world) all(name string, k key) (keys []string) {
	if err := w.cells[name].store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			key := keyenc.Print(e.Key)
			if (strings.Contains(key, k.account) || strings.Contains(key, k.id)) && !strings.Contains(key, `"fence"`) {
				keys = append(keys, key)
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// Nothing changes of an account that is leaving, whoever writes, and what is refused can be tried again; it is read as before, and
// others are not concerned.
func TestLeaving(t *testing.T) {
	w := newWorld(t, 1)
	root, other := w.account("cell-0"), w.account("cell-0")
	fill(w, root)
	user := issue(w, root, "ann")
	raw := w.cells["cell-0"].store
	w.put(raw, [][2][]byte{{cell.FenceKey(root.account), entity.Encode(&cell.Fence{State: cell.Leaving, Version: 1, Attempt: 1})}})
	before := w.dump("cell-0")
	for _, form := range [][]string{
		{"CreateUser", "UserName", "new"}, {"DeleteRole", "RoleName", "db"}, {"UpdateUser", "UserName", "bob", "NewUserName", "rob"},
		{"TagUser", "UserName", "bob", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, {"CreateAccessKey", "UserName", "bob"},
		{"UpdateAccessKey", "UserName", "ann", "AccessKeyId", user.id, "Status", "Inactive"}, {"DeleteAccessKey", "UserName", "ann", "AccessKeyId", user.id},
		{"CreateGroup", "GroupName", "new"}, {"RemoveUserFromGroup", "GroupName", "all", "UserName", "bob"}, {"DeleteGroupPolicy", "GroupName", "all", "PolicyName", "in"},
		{"DetachUserPolicy", "UserName", "bob", "PolicyArn", "arn:aws:iam::" + root.account + ":policy/shared"},
		{"CreatePolicyVersion", "PolicyArn", "arn:aws:iam::" + root.account + ":policy/shared", "SetAsDefault", "true", "PolicyDocument",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`},
		{"DeleteAccountAlias", "AccountAlias", "of-" + root.account}, {"CreateAccountAlias", "AccountAlias", "new-" + root.account},
		{"DeleteVirtualMFADevice", "SerialNumber", "arn:aws:iam::" + root.account + ":mfa/phone"}, {"DeleteAccountPasswordPolicy"},
		{"RemoveRoleFromInstanceProfile", "InstanceProfileName", "web", "RoleName", "web"}, {"GenerateCredentialReport"},
	} {
		if a := call(w.router, root, form...); a.status != http.StatusServiceUnavailable {
			t.Errorf("%q: %s", form, a)
		}
	}
	if diff := cmp.Diff(before, w.dump("cell-0")); diff != "" {
		t.Errorf("the store has changed:\n%s", diff)
	}
	if a := call(w.router, user, "GetUser"); a.element("UserName") != "ann" {
		t.Errorf("reading: %s", a)
	}
	if a := call(w.router, other, "CreateUser", "UserName", "new"); a.status != http.StatusOK {
		t.Errorf("another account: %s", a)
	}
	w.put(raw, [][2][]byte{{cell.FenceKey(root.account), entity.Encode(&cell.Fence{State: cell.Open, Version: 1, Attempt: 2})}})
	if a := call(w.router, root, "CreateUser", "UserName", "new"); a.status != http.StatusOK {
		t.Errorf("when the move was given up: %s", a)
	}
}

// Every record that a node writes for an account says whose it is, or is written with one that does, and comes along when the
// account moves: but for the events, which stay where they happened.
func TestNothingIsForgotten(t *testing.T) {
	w := newWorld(t, 2)
	root := w.account("cell-0")
	before := w.dump("cell-0")
	fill(w, root)
	issue(w, root, "ann")
	issue(w, root, "bob")
	for _, use := range [][]byte{entity.KeyUsageKey(root.id), entity.PasswordUsageKey(root.account, "AIDA"), entity.RoleUsageKey(root.account, "AROA"),
		entity.AccessUsageKey(root.account, "AIDA", "iam"), entity.OpenJobsKey(root.account), entity.CredentialsKey(root.account),
		entity.AccessReportKey(root.account, "job"), entity.ReportPartKey(root.account, "text", 0),
		entity.OneTimeKey("arn:aws:iam::" + root.account + ":mfa/phone"), entity.UsedAssertionKey(time.Unix(9, 0), root.account, "P", []byte{1})} {
		w.put(w.cells["cell-0"].store, [][2][]byte{{use, []byte("1{}")}})
	}
	all := w.all("cell-0", root)
	if err := w.mover(nil).Move(t.Context(), root.account, "cell-0", "cell-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, w.all("cell-1", root)); diff != "" {
		t.Errorf("what has come:\n%s", diff)
	}
	left := w.dump("cell-0")
	for key := range before {
		if strings.Contains(key, root.account) || strings.Contains(key, root.id) {
			delete(before, key)
		}
	}
	maps.DeleteFunc(left, func(key, _ string) bool { return strings.Contains(key, `"fence"`) })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(left))); diff != "" {
		t.Errorf("what the account has left behind (+), or taken from others (-):\n%s", diff)
	}
}

// Codes of a hardware token are fenced by the account that the operator's inventory gives it to, and used assertions by theirs.
func TestFencedByInventory(t *testing.T) {
	const account = "300000000001"
	st := mem.Open(mem.Config{})
	defer st.Close()
	put := func(s store.Store, key []byte, record any) error {
		_, err := s.Update(t.Context(), func(txn store.Txn) error { txn.Put(key, entity.Encode(record)); return nil })
		return err
	}
	for key, record := range map[string]any{
		string(cell.FenceKey(account)):       &cell.Fence{State: cell.Leaving},
		string(entity.TokenKey("0123")):      &entity.HardwareToken{Serial: "0123", Account: account},
		string(entity.TokenKey("elsewhere")): &entity.HardwareToken{Serial: "elsewhere", Account: "300000000002"},
	} {
		if err := put(st, []byte(key), record); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		key     []byte
		refused bool
	}{
		{entity.OneTimeKey("0123"), true}, {entity.OneTimeKey("elsewhere"), false}, {entity.OneTimeKey("unknown"), false},
		{entity.OneTimeKey("arn:aws:iam::" + account + ":mfa/phone"), true},
		{entity.UsedAssertionKey(time.Unix(1, 0), account, "P", []byte{1}), true}, {entity.UsedAssertionKey(time.Unix(1, 0), "300000000002", "P", []byte{1}), false},
		{entity.KeyUsageKey("AKIA"), false}, {entity.SystemKey("x"), false},
	} {
		err := put(cell.Fenced{Store: st}, test.key, &entity.OneTime{})
		if errors.Is(err, store.ErrUnavailable) != test.refused || err != nil && !test.refused {
			t.Errorf("%s: %v", keyenc.Print(test.key), err)
		}
	}
}

// A mover that was thought dead writes nothing any more where a later one has been.
func TestDeadMover(t *testing.T) {
	w := newWorld(t, 3)
	root := w.account("cell-0")
	began, goOn := make(chan struct{}), make(chan struct{})
	slow := w.mover(nil)
	c := slow.Cells["cell-1"]
	settled := c.Settled
	c.Settled = func(ctx context.Context, at store.Revision) error { // everything is copied, and the source is fenced
		close(began)
		<-goOn
		return settled(ctx, at)
	}
	slow.Cells["cell-1"] = c
	ended := make(chan error, 1)
	go func() { ended <- slow.Move(context.Background(), root.account, "cell-0", "cell-1") }()
	<-began
	m := w.mover(nil)
	if err := m.Move(t.Context(), root.account, "cell-0", "cell-2"); !errors.Is(err, cell.ErrElsewhere) {
		t.Errorf("another move of an account on its way: %v", err)
	}
	if err := m.Resume(t.Context(), root.account); err != nil {
		t.Fatal(err)
	}
	if err := m.Move(t.Context(), root.account, "cell-1", "cell-0"); err != nil {
		t.Fatal(err)
	}
	w.must(w.router, root, "CreateUser", "UserName", "ann")
	close(goOn)
	if err := <-ended; !errors.Is(err, cell.ErrOvertaken) {
		t.Errorf("the slow mover: %v", err)
	}
	if got := w.homes(root.account); !slices.Equal(got, []string{"cell-0"}) {
		t.Errorf("the account is in %v", got)
	}
	w.must(w.router, root, "GetUser", "UserName", "ann")
}

// Whose call it is, is read without asking anybody.
func TestAccount(t *testing.T) {
	w := newWorld(t, 1)
	k := w.account("cell-0")
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	for name, test := range map[string]struct {
		auth, query, body, want string
	}{
		"signed in the header": {auth: "AWS4-HMAC-SHA256 Credential=" + k.id + "/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0", want: k.account},
		"presigned":            {query: form("X-Amz-Credential", k.id+"/20261121/us-east-1/sts/aws4_request"), want: k.account},
		"with an assertion":    {body: form("Action", "AssumeRoleWithSAML", "RoleArn", "arn:aws:iam::300000000001:role/x"), want: "300000000001"},
		"the key before the role": {auth: "AWS4-HMAC-SHA256 Credential=" + k.id + "/x", body: form("RoleArn", "arn:aws:iam::300000000001:role/x"),
			want: k.account}, // a call of AssumeRole is the caller's cell's
		"a key of AWS's older form": {auth: "AWS4-HMAC-SHA256 Credential=AKIAI44QH8DHBEXAMPLE/x"},
		"no ARN":                    {body: form("RoleArn", "role")},
		"nothing":                   {},
	} {
		r := httptest.NewRequest(http.MethodPost, "/?"+test.query, strings.NewReader(test.body))
		if test.auth != "" {
			r.Header.Set("Authorization", test.auth)
		}
		if got := cell.Account(r, []byte(test.body)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// FuzzAccountOf: no key and no request makes them panic, and what they find is an account that stands in what they were given or is
// carried by it.
func FuzzAccountOf(f *testing.F) {
	f.Add(entity.UserKey("300000000001", "AIDA"), "Credential=AKIA/x", "RoleArn=arn:aws:iam::300000000001:role/x")
	f.Add(entity.OneTimeKey("arn:aws:iam::300000000001:mfa/x"), "", "")
	f.Add(entity.UsedAssertionKey(time.Unix(9, 0), "300000000001", "P", []byte{1}), "Credential=", "RoleArn=")
	f.Fuzz(func(t *testing.T, key []byte, auth, body string) {
		if got := cell.AccountOf(key); got != "" {
			if parts, err := keyenc.Decode(key); err != nil || parts[1] != "key" && !strings.Contains(string(key), got) && !strings.Contains(got, "\x00") && !strings.Contains(got, "\x01") {
				t.Errorf("%x is of %q: %v", key, got, err)
			}
		}
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{"Authorization": {auth}}}
		cell.Account(r, []byte(body))
	})
}
