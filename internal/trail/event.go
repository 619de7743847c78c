package trail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Version is the eventVersion of every record (CloudTrail user guide, "Record contents").
const Version = "1.11"

// Values of [Identity.Type] (S2-392 and CloudTrail user guide, "userIdentity element").
const (
	TypeRoot            = "Root"
	TypeIAMUser         = "IAMUser"
	TypeAssumedRole     = "AssumedRole"
	TypeFederatedUser   = "FederatedUser"
	TypeAWSAccount      = "AWSAccount" // the copy that the owner of a role gets of a foreign caller's record
	TypeAWSService      = "AWSService"
	TypeSAMLUser        = "SAMLUser"
	TypeWebIdentityUser = "WebIdentityUser"
)

// Values of [Event.Type]; the empty string means [TypeAPICall].
const (
	TypeAPICall       = "AwsApiCall"
	TypeConsoleSignIn = "AwsConsoleSignIn" // the guide has Signin (S2-400)
	TypeServiceEvent  = "AwsServiceEvent"  // something that a service did of itself
)

// Hidden stands where a record may not show a value (S2-418).
const Hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// Event is one record in CloudTrail's form (S2-398 to S2-404). Members that are empty are left out where CloudTrail leaves
// them out. The zero value encodes. An Event is not safe for concurrent writes.
type Event struct {
	Identity          Identity        `json:"userIdentity"`
	Time              time.Time       `json:"eventTime"` // written in UTC with whole seconds (S2-401)
	Source            string          `json:"eventSource"`
	Name              string          `json:"eventName"`
	Region            string          `json:"awsRegion"`
	SourceIP          string          `json:"sourceIPAddress"`
	UserAgent         string          `json:"userAgent"`
	ErrorCode         string          `json:"errorCode"`
	ErrorMessage      string          `json:"errorMessage"`
	RequestParameters json.RawMessage `json:"requestParameters"` // valid JSON with secrets removed; nil is null
	ResponseElements  json.RawMessage `json:"responseElements"`  // the same; nil for read-only calls (S2-403)
	Additional        Additional      `json:"additionalEventData"`
	RequestID         string          `json:"requestID"`
	ID                string          `json:"eventID"` // see NewID
	ReadOnly          bool            `json:"readOnly"`
	Resources         []Resource      `json:"resources"`
	Type              string          `json:"eventType"`
	Recipient         string          `json:"recipientAccountId"` // the account whose record this is
	SharedID          string          `json:"sharedEventID"`
	FromConsole       bool            `json:"sessionCredentialFromConsole,string"` // made with credentials of a console session
	TLS               *TLS            `json:"tlsDetails"`
}

// Identity says who made the request.
type Identity struct {
	Type             string          `json:"type"`
	PrincipalID      string          `json:"principalId"` // AIDA…; AROA…:session; account:name of a federated user; the account of root
	ARN              string          `json:"arn"`
	AccountID        string          `json:"accountId"`
	AccessKeyID      string          `json:"accessKeyId"`
	UserName         string          `json:"userName"`
	Session          *SessionContext `json:"sessionContext"` // nil for long-term credentials
	InvokedBy        string          `json:"invokedBy"`
	Delegate         string          `json:"-"` // invokedByDelegate.accountId: the account that acts by the identity's delegation
	IdentityProvider string          `json:"identityProvider"`
}

// SessionContext describes temporary credentials.
type SessionContext struct {
	Issuer         *SessionIssuer    `json:"sessionIssuer"` // nil for GetSessionToken: the identity itself is the issuer (S2-391)
	WebIdentity    *WebIdentity      `json:"webIdFederationData"`
	Attributes     SessionAttributes `json:"attributes"`
	SourceIdentity string            `json:"sourceIdentity"`
	AssumedRoot    bool              `json:"assumedRoot,string"` // a session of AssumeRoot ("Track privileged tasks in AWS CloudTrail")
}

// SessionIssuer is the role or user whose permissions the session has (S2-395).
type SessionIssuer struct {
	Type        string `json:"type"` // Role, IAMUser or Root
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// WebIdentity says which provider vouched for the session.
type WebIdentity struct {
	FederatedProvider string            `json:"federatedProvider"`
	Attributes        map[string]string `json:"attributes"`
}

// SessionAttributes are when the session began and whether with MFA. CloudTrail writes the flag as a string (S2-390).
type SessionAttributes struct {
	CreationDate     time.Time `json:"creationDate"`
	MFAAuthenticated bool      `json:"mfaAuthenticated,string"`
}

// Resource is something the call was about.
type Resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"` // AWS::IAM::Role and the like
	ARN       string `json:"ARN"`
}

// TLS describes the connection.
type TLS struct {
	Version     string `json:"tlsVersion"` // TLSv1.3
	CipherSuite string `json:"cipherSuite"`
	ClientHost  string `json:"clientProvidedHostHeader"`
}

// Additional is additionalEventData: what the service adds, in order, and Ostiary's own decision, which AWS does not show.
type Additional struct {
	Members  []Member
	Decision *Decision // member "ostiaryDecision"
}

// Member is one member of an object. The value is valid JSON.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Decision is the answer of the authorizer that the request got.
type Decision struct {
	Effect    string `json:"effect"` // allow, deny-explicit or deny-implicit
	Layer     string `json:"layer"`  // the layer that decided
	Policy    string `json:"policy"` // where the deciding statement stands; empty when no statement decided
	Statement int    `json:"statement"`
	Sid       string `json:"sid"`
	Revision  int64  `json:"revision"` // of the snapshot that was asked
}

const decisionMember = "ostiaryDecision"

// UnmarshalJSON reads the object with its members in order.
func (a *Additional) UnmarshalJSON(text []byte) error {
	*a = Additional{}
	dec := json.NewDecoder(bytes.NewReader(text))
	first, err := dec.Token()
	if err != nil {
		return err
	}
	if first == nil {
		return nil
	}
	if first != json.Delim('{') {
		return fmt.Errorf("trail: additionalEventData is not an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		if name == decisionMember {
			a.Decision = new(Decision)
			if err := dec.Decode(a.Decision); err != nil {
				return err
			}
			continue
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		a.Members = append(a.Members, Member{Name: name.(string), Value: value})
	}
	return nil
}

// Decode reads one record. Members that this version does not know are ignored: CloudTrail's own records have more.
func Decode(line []byte) (*Event, error) {
	e := new(Event)
	if err := json.Unmarshal(line, e); err != nil {
		return nil, fmt.Errorf("trail: reading an event: %w", err)
	}
	if string(e.RequestParameters) == "null" {
		e.RequestParameters = nil
	}
	if string(e.ResponseElements) == "null" {
		e.ResponseElements = nil
	}
	return e, nil
}

// ForOwner returns the record that another account gets of the same call, because it owns what was used: the role of a
// cross-account AssumeRole (S2-407 to S2-410). Nothing of the caller but the account and the unique ID stays, so that no name
// or ARN of a foreign user leaks. Both records must carry the same SharedID. The slices are shared with e.
func (e *Event) ForOwner(account, eventID string) *Event {
	c := *e
	c.Identity = Identity{Type: TypeAWSAccount, PrincipalID: e.Identity.PrincipalID, AccountID: e.Identity.AccountID}
	c.ID = eventID
	c.Recipient = account
	c.ErrorMessage = ""         // AWS's sentence names the caller's ARN
	c.Additional = Additional{} // the deciding policy is the caller's business
	return &c
}
