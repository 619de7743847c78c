// Package imds gives programs on this machine credentials of one role, in the two ways in which AWS's SDKs look for them: as EC2's
// instance metadata service ([Server.Metadata], "Instance metadata and user data" in the EC2 user guide) and as a container
// credentials endpoint ([Server.Container], "Container credential provider" in the AWS SDKs and Tools reference guide).
//
// The credentials come from a server's operator API ([Operator]), where the service (EC2, ECS) assumes the role: its trust policy must
// name the service. The package decides nothing. It keeps one set of credentials in memory and gets the next one when half of its
// life is over, so that a set that is served is good for a quarter of an hour at least (S2-284), as long as the server answers; while it
// does not, the old set is served until it ends. What the server refuses is not served any longer: it shows from the next refresh on,
// as the guide says of each case (S3-404 to S3-406).
//
//	GET /latest/meta-data/iam/info                         Code, LastUpdated, InstanceProfileArn, InstanceProfileId, Message
//	GET /latest/meta-data/iam/security-credentials/        the role's name
//	GET /latest/meta-data/iam/security-credentials/ROLE    Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration
//	GET /latest/meta-data/placement/region                 and availability-zone; instance-id one level up
//	GET /latest/dynamic/instance-identity/document         what is known of the instance, unsigned
//	PUT /latest/api/token                                  a token of version 2
//
// Whoever reaches an endpoint gets the role. Requests that a browser's page may have made, or a proxy has forwarded, are refused; EC2's
// limit of hops is not imitated, and the command listens on loopback and link-local addresses only.
package imds

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Roles is where profiles and credentials come from: an [*Operator]. Errors of kind NotFound and Denied are answers; any other means
// that there was none.
type Roles interface {
	Profile(ctx context.Context) (Profile, error)
	Assume(ctx context.Context, in Request) (Credentials, error)
}

// Profile is an instance profile. RoleARN and RoleName are empty where it holds no role; ARN and ID where a role is served that is in no
// profile.
type Profile struct{ ARN, ID, RoleARN, RoleName string }

// Request asks for credentials of a role.
type Request struct {
	Service, RoleARN, SessionName, SourceARN string
	Life                                     time.Duration
}

// Credentials are credentials of a role session.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Text
	SessionToken    secret.Text
	Expiration      time.Time
}

// The lives that credentials may have: below half an hour there would be no set that is good for a quarter of an hour all the time.
const (
	MinLife     = 30 * time.Minute
	DefaultLife = time.Hour
	MaxLife     = 12 * time.Hour
)

// retry is how long a refusal, or an answer that did not come, stands until it is asked again.
const retry = 10 * time.Second

// Config says what to serve. Roles is required.
type Config struct {
	Roles   Roles
	Service string // that assumes the role; empty means ec2.amazonaws.com
	// InstanceID is the instance, and the name of the role session (S2-288); empty means one at random.
	InstanceID       string
	Region           string        // empty means us-east-1
	AvailabilityZone string        // empty means the region's first
	Life             time.Duration // of a set of credentials; zero means DefaultLife
	// ByProfile says that an instance profile is served, which stays the one that it was at first: one of its name that was made
	// anew is another (S3-404).
	ByProfile bool
	AllowV1   bool // serve metadata without a token too
	// Authorization is what the Authorization header must be for container credentials. An empty one lets nobody in.
	Authorization secret.Text

	Now  func() time.Time // nil means time.Now
	Rand io.Reader        // nil means crypto/rand
}

// instanceID is the form of instance IDs (EC2 user guide, "Resource IDs").
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// Server has the two endpoints. It is safe for concurrent use.
type Server struct {
	cfg   Config
	began time.Time
	key   [32]byte // of tokens

	mu sync.Mutex
	st state
}

// state is what is served.
type state struct {
	next      time.Time // when to ask again; zero: at once
	updated   time.Time // when the server answered last; zero: never
	profile   Profile
	profileID string // the link to the profile is by ID, not by name (S3-404)
	code      string // of iam/info and of the credentials: Success, or what is wrong
	message   string
	creds     *Credentials // nil: none may be served
}

// New returns a server. It asks for nothing yet: see [Server.Refresh].
func New(c Config) (*Server, error) {
	if c.Service == "" {
		c.Service = "ec2.amazonaws.com"
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.AvailabilityZone == "" {
		c.AvailabilityZone = c.Region + "a"
	}
	if c.Life == 0 {
		c.Life = DefaultLife
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Life < MinLife || c.Life > MaxLife || c.Life%time.Second != 0 {
		return nil, fmt.Errorf("the life of credentials must be whole seconds from %s to %s", MinLife, MaxLife)
	}
	s := &Server{cfg: c, began: c.Now()}
	if _, err := io.ReadFull(c.Rand, s.key[:]); err != nil {
		return nil, fmt.Errorf("making a key for tokens: %w", err)
	}
	if c.InstanceID == "" {
		var b [9]byte
		if _, err := io.ReadFull(c.Rand, b[:]); err != nil {
			return nil, fmt.Errorf("making an instance ID: %w", err)
		}
		s.cfg.InstanceID = "i-" + hex.EncodeToString(b[:])[:17]
	}
	if !instanceID.MatchString(s.cfg.InstanceID) {
		return nil, fmt.Errorf("%q is not an instance ID such as i-0123456789abcdef0", s.cfg.InstanceID)
	}
	return s, nil
}

// InstanceID is the instance that the server speaks for.
func (s *Server) InstanceID() string { return s.cfg.InstanceID }

// Refresh asks now, and returns why there are no credentials to serve. It is for the start: requests refresh what is due.
func (s *Server) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.refreshLocked(ctx)
	if err == nil && s.st.creds == nil {
		err = fmt.Errorf("%s: %s", s.st.code, s.st.message)
	}
	return err
}

// current refreshes what is due and returns what is to be served. creds is nil, or good at this moment.
func (s *Server) current(ctx context.Context) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if !now.Before(s.st.next) {
		_ = s.refreshLocked(ctx) // the old set stays, as long as it is good
	}
	st := s.st
	if st.creds != nil && !now.Before(st.creds.Expiration) {
		st.creds = nil
	}
	return st
}

// refreshLocked asks for the profile and for credentials of its role. An error means that there was no answer: nothing changes then.
func (s *Server) refreshLocked(ctx context.Context) error {
	now := s.cfg.Now()
	s.st.next = now.Add(retry)
	p, err := s.cfg.Roles.Profile(ctx)
	switch {
	case errors.Is(err, fault.NotFound):
		s.refusedLocked(now, Profile{}, "InstanceProfileNotFound", fault.MessageOf(err))
		return nil
	case err != nil:
		return err
	case s.st.profileID != "" && p.ID != s.st.profileID:
		s.refusedLocked(now, Profile{}, "InstanceProfileNotFound", "The instance profile "+s.st.profileID+" cannot be found; one of its name is another.")
		return nil
	}
	if s.cfg.ByProfile {
		s.st.profileID = p.ID
	}
	if p.RoleARN == "" {
		s.refusedLocked(now, p, codeSuccess, "Instance Profile does not contain a role. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html")
		return nil
	}
	c, err := s.cfg.Roles.Assume(ctx, Request{
		Service: s.cfg.Service, RoleARN: p.RoleARN, SessionName: s.cfg.InstanceID, SourceARN: s.source(p.RoleARN), Life: s.cfg.Life,
	})
	switch {
	case errors.Is(err, fault.Denied):
		s.refusedLocked(now, p, codeUnauthorized, s.cfg.Service+" cannot assume the role "+p.RoleName+". Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html")
		return nil
	case err != nil:
		return err
	}
	s.st = state{next: now.Add(s.cfg.Life / 2), updated: now, profile: p, profileID: s.st.profileID, code: codeSuccess, creds: &c}
	return nil
}

// The codes that clients know.
const (
	codeSuccess      = "Success"
	codeUnauthorized = "AssumeRoleUnauthorizedAccess"
)

// refusedLocked notes why there are no credentials.
func (s *Server) refusedLocked(now time.Time, p Profile, code, message string) {
	s.st.updated, s.st.profile, s.st.code, s.st.message, s.st.creds = now, p, code, message, nil
}

// source is the ARN of the instance; tasks of containers have none here.
func (s *Server) source(role string) string {
	if s.cfg.Service != "ec2.amazonaws.com" {
		return ""
	}
	return "arn:aws:ec2:" + s.cfg.Region + ":" + accountOf(role) + ":instance/" + s.cfg.InstanceID
}
