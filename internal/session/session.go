// Package session makes and reads session tokens: what a holder of temporary credentials sends beside the signature.
//
// A token is sealed and self-contained. It holds the [Claims] of the session, among them the secret access key, so verifying
// a request reads no storage and a token from any node is good on all (S2-304). It holds no permissions: policies of the
// role or user are looked up when a request comes (S2-302, S2-306). Only the session's own limits travel in it: session
// policies and tags.
//
// The form of a token:
//
//	OST1 base64url( store tag, 8 bytes | sealed )
//
// OST1 is the version. The store tag tells tokens of another installation apart without a key; it is derived from the
// ring's store ID. Sealed is a value of package seal under the purpose SessionToken, with version and store tag as
// associated data, of fields in ascending order, each
//
//	tag       1 byte
//	length    unsigned varint
//	value     text, a number as unsigned varint, or a list of fields
//
// Session policies and tags are one field, deflated with a dictionary; what it may weigh is [PackedLimit].
// Tokens stay below 4,096 characters as AWS's typically do (S2-305, S5-23), unless an identity provider's claims are long.
package session

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Kind says how a session came to be.
type Kind uint8

// The kinds. The values are part of the token's form.
const (
	AssumedRole   Kind = 1 // AssumeRole, AssumeRoleWithSAML, AssumeRoleWithWebIdentity
	SessionToken  Kind = 2 // GetSessionToken, of a user or the root user
	FederatedUser Kind = 3 // GetFederationToken, of a user or the root user
	AssumedRoot   Kind = 4 // AssumeRoot
)

var kindNames = map[Kind]string{
	AssumedRole: "assumed-role", SessionToken: "session-token", FederatedUser: "federated-user", AssumedRoot: "assumed-root",
}

// String names the kind.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ContextKey is a condition key with its values that stays with the session, such as saml:sub.
type ContextKey struct {
	Key    string
	Values []string
}

// Claims is what a token says. All times are UTC and whole seconds; Issue cuts them.
type Claims struct {
	Kind Kind

	Account     string // the account the session belongs to
	PrincipalID string // role ID; user ID; account ID for the root user
	Name        string // role name or user name when the session was issued; empty for the root user
	SessionName string // role session name; name of the federated user

	AccessKeyID string
	Secret      secret.Text
	Issued      time.Time // aws:TokenIssueTime (S2-307)
	Expires     time.Time // the first moment at which the session is over

	Policy            string       // inline session policy as passed; empty: none was passed
	PolicyARNs        []string     // managed session policies as passed
	Tags              []entity.Tag // session tags, with those inherited by role chaining
	TransitiveTagKeys []string

	SourceIdentity string
	MFAAt          time.Time // when the caller proved a device; zero: not
	Chained        bool      // the role was assumed with a role's credentials
	Region         string    // region of the call that made the session
	Provider       string    // identity provider of a federated session: ARN or name; aws:FederatedProvider
	Context        []ContextKey
	// Delegate is the account that acts by the principal's delegation; empty: the principal acts. Such a session has a session policy,
	// and may do nothing that it does not allow.
	Delegate string
	// Console says that the credentials were made for the console, where a federated session may do more than through the
	// API (D3 of the design).
	Console bool
	// Direct says that a user with long-term credentials asked for the role, or somebody for whom an identity provider vouched: what
	// role chaining and the credentials of instances are not. Only a console session made from such credentials may be longer than
	// they are (S2-228).
	Direct bool
	// DefaultRegions says that the credentials are good only in regions that all accounts have: a token of version 1, which the
	// global endpoint gives where the account wants it (SetSecurityTokenServicePreferences, API Reference).
	DefaultRegions bool
}

// Expired reports whether the session is over at now.
func (c *Claims) Expired(now time.Time) bool { return !now.Before(c.Expires) }

// ID is the middle of what AWS calls the caller's user ID: role ID and session name, or account and federated name; for a
// session of a user or the root user it is that principal's own ID.
func (c *Claims) ID() string {
	switch c.Kind {
	case AssumedRole:
		return c.PrincipalID + ":" + c.SessionName
	case FederatedUser:
		return c.Account + ":" + c.SessionName
	default:
		return c.PrincipalID
	}
}

const (
	prefix = "OST1"

	// MaxToken is the longest token that is issued or looked at.
	MaxToken = 8192

	storeTagLen = 8

	// Longest is how long a session can last: GetSessionToken and GetFederationToken take up to 129,600 seconds (API Reference).
	Longest = 36 * time.Hour
)

// encoding is strict, and its alphabet needs no escaping in headers, forms and query strings.
var encoding = base64.RawURLEncoding.Strict()

// errInvalid is all that a caller learns of a bad token.
const errInvalid = "The security token included in the request is invalid."

// Causes of a refusal, for logs and metrics; the caller is shown one sentence for all of them.
var (
	ErrMalformed = errors.New("session: not a token of a known version")
	ErrForeign   = errors.New("session: the token of another installation")
)

func invalid(cause error) error {
	return &fault.Error{Kind: fault.UnknownKey, Subject: "session token", Message: errInvalid, Cause: cause}
}

// Issue returns the token that says c. The claims must be complete: kind, account, principal, access key and life. Session
// policies and tags over [PackedLimit] are a fault of kind PackedPolicyTooLarge.
//
// The token is padded to at least minimum characters, which is 0 for as short as it can be: STS's MinimumSessionTokenSize.
func Issue(ring *seal.Ring, c *Claims, minimum int) (string, error) {
	if err := c.check(); err != nil {
		return "", fmt.Errorf("session: issuing a token: %w", err)
	}
	text, err := c.encode()
	if err != nil {
		return "", err
	}
	if minimum > 0 && c.Delegate != "" {
		return "", errors.New("session: issuing a token: those of delegations are as long as they are")
	}
	token, err := write(ring, prefix, seal.SessionToken, pad(text, minimum))
	if err == nil && len(token) > MaxToken {
		return "", fault.New(fault.PackedPolicyTooLarge, "The session's claims do not fit in a session token.")
	}
	return token, err
}

// write seals text as a token of a form, which its first four characters name.
func write(ring *seal.Ring, form string, purpose seal.Purpose, text []byte) (string, error) {
	tag := storeTag(ring.StoreID())
	raw, err := ring.AppendSeal(tag[:], purpose, text, associated(form, tag))
	if err != nil {
		return "", err
	}
	return form + encoding.EncodeToString(raw), nil
}

// read is write the other way round. Its errors are causes, not for the sender.
func read(ring *seal.Ring, form string, purpose seal.Purpose, token string) ([]byte, error) {
	body, ok := strings.CutPrefix(token, form)
	// The decoder would skip line breaks even when strict: one token, one spelling.
	if !ok || strings.ContainsAny(body, "\r\n") {
		return nil, ErrMalformed
	}
	raw, err := encoding.DecodeString(body)
	if err != nil || len(raw) < storeTagLen {
		return nil, ErrMalformed
	}
	tag := storeTag(ring.StoreID())
	if [storeTagLen]byte(raw) != tag {
		return nil, ErrForeign
	}
	return ring.Open(purpose, raw[storeTagLen:], associated(form, tag))
}

// Open returns what a token says, if it was issued by this installation and not changed. It does not look at the clock:
// callers compare with [Claims.Expired], and compare AccessKeyID with the one that signed the request (S2-300).
// A refusal is a fault of kind UnknownKey with one sentence for every cause; a token is never partly read.
func Open(ring *seal.Ring, token string) (*Claims, error) {
	if len(token) > MaxToken {
		return nil, invalid(ErrMalformed)
	}
	text, err := read(ring, prefix, seal.SessionToken, token)
	if err != nil {
		return nil, invalid(err)
	}
	c, err := decode(text)
	if err != nil {
		return nil, invalid(err)
	}
	if err := c.check(); err != nil {
		return nil, invalid(err)
	}
	return c, nil
}

// Recognizes reports whether token has the form of a token of this version; it says nothing of its truth.
func Recognizes(token string) bool { return strings.HasPrefix(token, prefix) }

// check is the least that every session has.
func (c *Claims) check() error {
	switch {
	case kindNames[c.Kind] == "":
		return errors.New("no kind")
	case c.Account == "" || c.PrincipalID == "":
		return errors.New("no principal")
	case c.AccessKeyID == "" || c.Secret.IsZero():
		return errors.New("no access key")
	case c.Issued.Unix() <= 0 || c.Expires.Unix() <= c.Issued.Unix():
		return errors.New("no life")
	case c.Delegate != "" && c.Policy == "":
		return errors.New("a delegation without limits")
	case c.SessionName == "" && (c.Kind == AssumedRole || c.Kind == FederatedUser):
		return errors.New("no session name")
	}
	return nil
}

func storeTag(storeID string) [storeTagLen]byte {
	sum := sha256.Sum256([]byte("ostiary store tag v1 " + storeID))
	return [storeTagLen]byte(sum[:])
}

func associated(form string, tag [storeTagLen]byte) []byte { return append([]byte(form), tag[:]...) }
