package entity

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// DelegationTemplate is a policy that an account may ask other accounts to delegate to it, registered by the operator (AWS calls
// the registration onboarding, and the account a partner). Its text has placeholders of the form @{name}.
type DelegationTemplate struct {
	Account   string
	Name      string
	Policy    string
	CreatedAt time.Time
}

// Kind implements Item.
func (*DelegationTemplate) Kind() Kind { return KindDelegationTemplate }

// Place implements Item.
func (t *DelegationTemplate) Place() Place {
	return Place{Account: t.Account, ID: t.Name, Name: t.Name}
}

// ARN of t. AWS publishes no form for it.
func (t *DelegationTemplate) ARN() string {
	return iamARN(t.Account, string(KindDelegationTemplate), "/", t.Name)
}

// DelegationState is how far a request has come; the values are the API's ("Understanding the Request Lifecycle", IAM User Guide).
type DelegationState string

// The states of a delegation request.
const (
	DelegationUnassigned DelegationState = "UNASSIGNED"       // nobody owns it yet
	DelegationAssigned   DelegationState = "ASSIGNED"         // somebody owns it
	DelegationPending    DelegationState = "PENDING_APPROVAL" // forwarded to an administrator
	DelegationAccepted   DelegationState = "ACCEPTED"         // approved, the exchange token not sent
	DelegationFinalized  DelegationState = "FINALIZED"        // the exchange token was sent
	DelegationRejected   DelegationState = "REJECTED"
	DelegationExpired    DelegationState = "EXPIRED" // never stored: see StateAt
)

// DelegationParameter is what a request puts into its template for one placeholder.
type DelegationParameter struct {
	Name   string
	List   bool `json:",omitempty"` // a stringList
	Values []string
}

// DelegationRequest asks an account to delegate permissions for a time. It stands in the account of the requestor, whose number its ID
// begins with, so that whoever has the ID finds it.
type DelegationRequest struct {
	ID          string                // ACCOUNT-UUID
	Account     string                // of the requestor
	Workflow    string                // the requestor's own ID for it, unique among the requestor's requests
	Requestor   string                `json:",omitempty"` // name of the requestor
	Description string                `json:",omitempty"`
	Message     string                `json:",omitempty"`
	RedirectURL string                `json:",omitempty"`
	Channel     string                // where the exchange token is to be sent
	Template    string                // ARN
	Parameters  []DelegationParameter `json:",omitempty"`
	Policy      string                // the template with its placeholders filled
	Boundaries  []string              `json:",omitempty"` // ARNs of permissions boundaries that the policy demands of roles
	Duration    time.Duration         // of the session
	OwnerSends  bool                  `json:",omitempty"` // only the owner may send the token
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ExpiresAt   time.Time

	State        DelegationState
	OwnerAccount string `json:",omitempty"`
	Owner        string `json:",omitempty"` // ARN
	OwnerID      string `json:",omitempty"` // the owner's unique ID
	Approver     string `json:",omitempty"` // ARN
	ApproverID   string `json:",omitempty"` // the approver's unique ID
	Notes        string `json:",omitempty"`
	Rejection    string `json:",omitempty"`
	Token        []byte `json:",omitempty"` // sealed for seal.DelegationToken with ID as the associated data; it is what is sent
}

// Kind implements Item.
func (*DelegationRequest) Kind() Kind { return KindDelegationRequest }

// Place implements Item: the name is made from the workflow's ID, which is compared with case and may be longer than a name.
func (r *DelegationRequest) Place() Place {
	sum := sha256.Sum256([]byte(r.Workflow))
	return Place{Account: r.Account, ID: r.ID, Name: hex.EncodeToString(sum[:])}
}

// StateAt is the state at a time: what is past its time is expired, whatever it was.
func (r *DelegationRequest) StateAt(now time.Time) DelegationState {
	if !now.Before(r.ExpiresAt) {
		return DelegationExpired
	}
	return r.State
}

// KnownTo reports whether an account may know of the request: the one that it is for, and any as long as it is for none.
func (r *DelegationRequest) KnownTo(account string) bool {
	return r.OwnerAccount == "" || r.OwnerAccount == account
}

// IsOwner reports whether somebody with that ARN and unique ID owns the request: somebody else under the same name does not.
func (r *DelegationRequest) IsOwner(arn, id string) bool {
	return r.Owner != "" && r.Owner == arn && r.OwnerID == id
}

// DelegationRequestARN is the ARN of a request as an account that may own it names it.
func DelegationRequestARN(account, id string) string {
	return iamARN(account, string(KindDelegationRequest), "/", id)
}

// DelegationAssignment says in an owner's account that a request is owned by somebody there.
type DelegationAssignment struct {
	Account string
	Request string // its ID
}

// Kind implements Item.
func (*DelegationAssignment) Kind() Kind { return KindDelegationAssignment }

// Place implements Item.
func (a *DelegationAssignment) Place() Place {
	return Place{Account: a.Account, ID: a.Request, Name: a.Request}
}
