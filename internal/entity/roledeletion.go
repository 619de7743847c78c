package entity

import "time"

// DeletionStatus is how far a [RoleDeletion] has come; the values are the API's.
type DeletionStatus string

// The states of a deletion. The last two are final.
const (
	DeletionNotStarted DeletionStatus = "NOT_STARTED"
	DeletionInProgress DeletionStatus = "IN_PROGRESS"
	DeletionSucceeded  DeletionStatus = "SUCCEEDED"
	DeletionFailed     DeletionStatus = "FAILED"
)

// RoleDeletion is the task to delete a service-linked role (S2-256). An account keeps the last one for each role name, whether
// the role is still there or not, so that its state can be asked for.
type RoleDeletion struct {
	ID        string // a UUID
	Account   string
	Service   string // the role's service principal
	RoleName  string
	RoleID    string
	CreatedAt time.Time
	DoneAt    time.Time `json:",omitzero"` // when it came to a final state
	Status    DeletionStatus
	Reason    string      `json:",omitempty"` // of a failure
	Uses      []RoleUsage `json:",omitempty"` // what the role was in use by
}

// RoleUsage is what uses a service-linked role in one region.
type RoleUsage struct {
	Region    string   `json:",omitempty"`
	Resources []string `json:",omitempty"` // ARNs
}

// Done reports whether the task has come to an end.
func (d *RoleDeletion) Done() bool {
	return d.Status == DeletionSucceeded || d.Status == DeletionFailed
}

// Kind implements Item.
func (*RoleDeletion) Kind() Kind { return KindRoleDeletion }

// Place implements Item: there is one under the name of the role.
func (d *RoleDeletion) Place() Place {
	return Place{Account: d.Account, ID: d.ID, Name: d.Service + "/" + d.RoleName}
}

// TaskID is the API's name for the task: task/aws-service-role/SERVICE/ROLE/UUID.
func (d *RoleDeletion) TaskID() string {
	return "task/aws-service-role/" + d.Service + "/" + d.RoleName + "/" + d.ID
}
