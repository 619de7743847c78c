package policy

// Effect is what a statement or a decision says.
type Effect uint8

// The effects.
const (
	Deny Effect = iota // the zero value denies
	Allow
)

// String returns Allow or Deny.
func (e Effect) String() string {
	if e == Allow {
		return "Allow"
	}
	return "Deny"
}

// PrincipalType is the type of a caller.
type PrincipalType uint8

// The types of caller.
const (
	User             PrincipalType = iota + 1 // an IAM user, also with GetSessionToken credentials
	Root                                      // an account's root user
	AssumedRole                               // a session of a role
	FederatedUser                             // a session from GetFederationToken
	WebIdentity                               // somebody with an OIDC token who asks for a role
	SAML                                      // somebody with a SAML assertion who asks for a role
	ServicePrincipal                          // an AWS service that acts for itself
	Anonymous                                 // nobody known
)

// Principal is who asks. Fields that do not belong to the type are empty.
type Principal struct {
	Type          PrincipalType
	ARN           string // the session's ARN for sessions
	Account       string
	UniqueID      string // AIDA…; AROA…:session for role sessions; account:name for federated users; the account for root
	RoleARN       string // assumed-role: the role's ARN with its path
	IssuerUserARN string // federated user: who called GetFederationToken, a user's ARN or the account's root ARN
	Provider      string // web identity, SAML: provider ARN or well-known host
	Service       string // service principals
	ServiceLinked bool   // the session of a service-linked role
}

// Request is the question: may this principal do this to that. Context may be nil for no keys.
type Request struct {
	Principal Principal
	Action    string // with the service's prefix: s3:GetObject; letter case does not matter
	Resource  string // an ARN, or "*" for actions that know no resource
	// ResourceAccount is the account that owns the resource. Empty means the account in Resource, and where that is empty
	// too (S3 buckets, "*") the principal's own.
	ResourceAccount string
	Context         *Context
}

// Set groups the policies that apply. A nil group is "not present", which is not the same as an empty one: a nil Session
// limits no role session, an empty one allows nothing.
type Set struct {
	Identity []*Policy
	// IdentityProgram, if not nil, is Identity merged, and takes its place in Evaluate.
	IdentityProgram *Program
	Resource        *Policy // of kind Resource or Trust
	Boundary        *Policy
	Session         []*Policy
	// A level for each step from the organization's root down to the account. Every level must allow; RCPFullAWSAccess and
	// FullAWSAccess have to be in their levels as on AWS. No levels: no organization.
	ServiceControl  [][]*Policy
	ResourceControl [][]*Policy
}

// Layer is a kind of policy in a decision.
type Layer uint8

// The layers.
const (
	LayerNone Layer = iota
	LayerIdentity
	LayerResource
	LayerBoundary
	LayerSession
	LayerServiceControl
	LayerResourceControl
)

// String returns the layer's name as `ostiary policy eval` prints it.
func (l Layer) String() string {
	names := [...]string{"none", "identity", "resource", "boundary", "session", "scp", "rcp"}
	if int(l) >= len(names) {
		l = 0
	}
	return names[l]
}

// Decision is the outcome. The zero value is a denial.
type Decision struct {
	Effect   Effect
	Explicit bool // a denial by a Deny statement
	// Layer: of an allow, the layer that granted (LayerNone: root, on the strength of being root); of an explicit denial,
	// where the Deny stands; of any other, the layer without an allow.
	Layer     Layer
	Policy    *Policy // the policy with the deciding statement, nil when no statement decided
	Statement int     // its index in Policy
}

// Match is a statement that matched.
type Match struct {
	Policy    *Policy
	Statement int
	Sid       string
}
