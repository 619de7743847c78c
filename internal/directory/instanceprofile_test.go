package directory_test

import (
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

func TestInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	w.do(createRole("r"))
	w.do(func(tx *directory.Tx) error {
		_, err := tx.CreateRole(home, directory.NewRole{Name: "linked", Path: "/aws-service-role/x/", ServiceLinked: "x.amazonaws.com", Trust: trustEC2})
		return err
	})
	create := func(n directory.NewInstanceProfile) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreateInstanceProfile(home, n); return err }
	}
	add := func(profile, role string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.AddRoleToInstanceProfile(home, profile, role) }
	}
	remove := func(profile, role string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.RemoveRoleFromInstanceProfile(home, profile, role) }
	}
	w.do(create(directory.NewInstanceProfile{Name: "p", Path: "/x/"}))
	w.do(create(directory.NewInstanceProfile{Name: strings.Repeat("p", 128)}))
	w.refuse(fault.Invalid, "The specified value for instanceProfileName is invalid. It is longer than the maximum length.",
		create(directory.NewInstanceProfile{Name: strings.Repeat("p", 129)}))
	w.refuse(fault.Exists, "Instance Profile P already exists.", create(directory.NewInstanceProfile{Name: "P"}))
	w.refuse(fault.Invalid, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
		create(directory.NewInstanceProfile{Name: "q", Path: "x"}))
	w.do(setQuota(directory.InstanceProfilesQuota, 2))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for InstanceProfilesPerAccount: 2", create(directory.NewInstanceProfile{Name: "q"}))

	w.refuse(fault.Unmodifiable, "Cannot perform the operation on the protected role 'linked' - this role is only modifiable by AWS", add("p", "linked"))
	w.do(add("P", "R"))
	if r := w.state().role("r"); len(r.Owned[entity.KindInstanceProfile]) != 1 {
		t.Errorf("the role lists %v", r.Owned)
	}
	t.Run("one role", func(t *testing.T) {
		checklist.Shows(t, "S2-268", "S3-399", "S3-418")
		w.t = t
		w.refuse(fault.LimitExceeded, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", add("p", "r"))
		w.refuse(fault.InvalidInput, "The quota RolesPerInstanceProfileQuota cannot be more than 1.", setQuota(directory.RolesPerInstanceProfileQuota, 2))
	})
	w.t = t
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must remove roles from instance profile first.",
		func(tx *directory.Tx) error { return tx.DeleteRole(home, "r") })
	w.do(remove("p", "r"))
	w.refuse(fault.NotFound, "The role with name r cannot be found in the instance profile p.", remove("p", "r"))
	w.refuse(fault.NotFound, "Instance Profile none cannot be found.", remove("none", "r"))
	w.refuse(fault.NotFound, "Instance Profile p cannot be found.", func(tx *directory.Tx) error { return tx.DeleteInstanceProfile(abroad, "p") })
	w.do(func(tx *directory.Tx) error { return tx.DeleteRole(home, "r") })
	w.do(func(tx *directory.Tx) error { return tx.DeleteInstanceProfile(home, "P") })
	w.intact()
}

// A quota whose default is another's follows that one until it is set itself.
func TestQuotaThatFollowsAnother(t *testing.T) {
	w := newWorld(t)
	w.do(setQuota(directory.UsersQuota, 2))
	w.do(createUser("a"))
	w.do(createUser("b"))
	w.do(createGroup("g"))
	quota := func() int { return directory.Quota(w.state().accounts[home], directory.UsersPerGroupQuota) }
	if quota() != 2 {
		t.Errorf("follows to %d", quota())
	}
	w.do(setQuota(directory.UsersPerGroupQuota, 1))
	join := func(user string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.AddToGroup(home, user, "g") }
	}
	w.do(join("a"))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for UsersPerGroup: 1", join("b"))
	w.do(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(home, directory.UsersPerGroupQuota, nil)
		return err
	})
	w.do(join("b"))
	w.intact()
}
