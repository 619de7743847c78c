package directory_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

func createLinked(tx *directory.Tx) error {
	_, err := tx.CreateServiceLinkedRole(home, directory.NewServiceLinkedRole{
		Service: "x.amazonaws.com", Name: "AWSServiceRoleForX", Trust: trustEC2, PolicyARN: linkedPolicy, Description: "d"})
	return err
}

func TestServiceLinkedRoles(t *testing.T) {
	w := newWorld(t)
	w.do(createRole("awsserviceroleforx"))
	const taken = "Service role name AWSServiceRoleForX has been taken in this account, please try a different suffix."
	w.refuse(fault.InvalidInput, taken, createLinked) // by any role
	w.do(func(tx *directory.Tx) error { return tx.DeleteRole(home, "AWSServiceRoleForX") })
	w.do(setQuota(directory.RolesQuota, 0))
	w.do(createLinked)
	w.refuse(fault.InvalidInput, taken, createLinked)
	err := w.try(func(tx *directory.Tx) error { // what the catalog lists exists: anything else is no caller's fault
		_, err := tx.CreateServiceLinkedRole(home, directory.NewServiceLinkedRole{Service: "y.amazonaws.com", Name: "Y", Trust: trustEC2, PolicyARN: policyARN("y")})
		return err
	})
	if err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("a policy that does not exist: %v", err)
	}
	r := w.state().role("AWSServiceRoleForX")
	if r.ServiceLinked != "x.amazonaws.com" || r.Path != "/aws-service-role/x.amazonaws.com/" || len(r.Attached) != 1 || r.Attached[0] != "ANPAILINKED" {
		t.Errorf("made %+v", r)
	}
	w.intact()
}

func TestRoleDeletionTasks(t *testing.T) {
	w := newWorld(t)
	w.do(createLinked)
	w.do(createRole("plain"))
	submit := func(tx *directory.Tx) (*entity.RoleDeletion, error) {
		return tx.SubmitRoleDeletion(home, "awsserviceroleforX")
	}
	finish := func(id, reason string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error {
			_, err := tx.FinishRoleDeletion(home, id, reason, []entity.RoleUsage{{Region: "r"}})
			return err
		}
	}
	start := func(id string) *entity.RoleDeletion {
		t.Helper()
		task, err := w.dir.StartRoleDeletion(t.Context(), home, id)
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	for _, name := range []string{"plain", "none"} {
		w.refuse(fault.NotFound, "The role with name "+name+" cannot be found.", func(tx *directory.Tx) error {
			_, err := tx.SubmitRoleDeletion(home, name)
			return err
		})
	}
	first := get(w, submit)
	if again := get(w, submit); again.ID != first.ID || first.Status != entity.DeletionNotStarted {
		t.Errorf("submitted %+v, and again %+v", first, again)
	}
	if at := start(first.ID); at.Status != entity.DeletionInProgress {
		t.Errorf("started: %+v", at)
	}
	if again := get(w, submit); again.ID != first.ID || again.Status != entity.DeletionInProgress {
		t.Errorf("submitted while in progress: %+v", again)
	}
	w.intact()
	w.do(finish(first.ID, "used"))
	if at := start(first.ID); at != nil {
		t.Errorf("a failed task was started: %+v", at)
	}
	w.refuse(fault.NotFound, "The deletion task "+first.ID+" is not under way.", finish(first.ID, ""))
	if w.state().role("AWSServiceRoleForX") == nil {
		t.Fatal("a failed task deleted the role")
	}
	second := get(w, submit)
	if second.ID == first.ID || start(first.ID) != nil {
		t.Errorf("submitted after a failure: %+v", second)
	}
	w.intact()
	w.do(finish(second.ID, ""))
	if w.state().role("AWSServiceRoleForX") != nil {
		t.Error("a task succeeded and the role is there")
	}
	w.do(createLinked) // what was in the way of the name is gone, and a new task takes the old one's place
	if third := get(w, submit); third.ID == second.ID {
		t.Errorf("submitted for a new role: %+v", third)
	}
	w.intact()
}
