package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Admin is the name of Ostiary's own user on every node whose engine has users. A user of a customer cannot have it: names of
// ElastiCache users have no dot.
const Admin = "ostiary.admin"

// Spec is what one node should be: the desired state, given by value. Its zero values mean what AWS's defaults mean, except where
// said otherwise.
type Spec struct {
	// ID names the node on this machine and its directory: lower-case letters, digits, hyphens and dots, at most 120.
	ID string
	// Engine and Version are AWS's: redis 7.1. The version is a wish; which program serves it is [Driver.Find]'s.
	Engine  Name
	Version string
	// Memory is the memory for data in bytes, before what the parameter group reserves: maxmemory of the node type's row. Required.
	Memory int64
	// Threads is for engines that have them; 0 means the engine's default.
	Threads int
	// MaxClients bounds connections; 0 means 65,000.
	MaxClients int

	// Dir is the node's directory: absolute, existing, mode 0700. The supervisor sets it.
	Dir string
	// Address and Port are where it listens. The zero Address is 127.0.0.1. A zero Port is chosen by the supervisor and kept.
	Address netip.Addr
	Port    int
	// BusPort is the port of the cluster bus in cluster mode; zero is chosen by the supervisor and kept.
	BusPort int
	// Hostname is what a node in cluster mode announces beside its address; may be empty.
	Hostname string

	// Parameters are the values of the node's parameter group that differ from its family's defaults, under AWS's names.
	Parameters map[string]string
	// TLS is nil where the node speaks plain text.
	TLS *TLS
	// Admin is the password of Ostiary's own user, the same on all nodes of a replication group. Required where the engine has users.
	Admin secret.Text
	// Users are the customer's users. Nil means one user named default without a password, as on a cache without AUTH. A user
	// named default that is absent from a list that is not nil is off.
	Users []User

	// Source is the primary that this node replicates from; zero for a primary and in cluster mode, where the node itself remembers.
	Source Endpoint
	// ClusterMode starts the node in cluster mode.
	ClusterMode bool

	// Seed is the path of a snapshot that the node's data begins with, read at its very first start only. May be empty.
	Seed string
	// Persist keeps data over a clean stop and the start after it. Without it a node starts empty, as a rebooted node on AWS does.
	Persist bool
}

// TLS are the files that a node speaks TLS with, PEM. Clients need no certificate.
type TLS struct {
	CertFile, KeyFile string
	CAFile            string // nodes of one group verify each other with it
	// Port, when not zero, is where TLS is spoken, and [Spec.Port] stays plain: AWS's mode "preferred". When zero, Spec.Port speaks TLS
	// only: mode "required".
	Port int
}

// User is a user of the engine: an ElastiCache user, or the one named default that an AUTH token makes.
type User struct {
	Name string
	// Passwords are at most two, any of which is right. None and NoPassword false means that nobody can log in.
	Passwords  []secret.Text
	NoPassword bool
	// Access is AWS's access string: "on ~app::* -@all +@read". Empty means "on ~* &* +@all". Commands that AWS closes to customers are
	// closed whatever it says.
	Access string
}

var (
	idForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,118}[a-z0-9])?$`)
	userForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,39}$`)
)

// Check reports what is wrong with the parts of a Spec that mean the same for every engine.
func (s Spec) Check() error {
	switch {
	case !idForm.MatchString(s.ID) || strings.Contains(s.ID, ".."):
		return fmt.Errorf("node ID %q: lower-case letters, digits, hyphens and dots, at most 120", s.ID)
	case s.Memory <= 0:
		return fmt.Errorf("node %s: no memory", s.ID)
	case s.Port < 0 || s.Port > 65535 || s.BusPort < 0 || s.BusPort > 65535:
		return fmt.Errorf("node %s: port out of range", s.ID)
	case !s.Source.IsZero() && s.ClusterMode:
		return fmt.Errorf("node %s: in cluster mode a node's primary is the cluster's business", s.ID)
	case s.Dir != "" && !filepath.IsAbs(s.Dir):
		return fmt.Errorf("node %s: directory %q is not absolute", s.ID, s.Dir)
	case strings.ContainsAny(s.Dir+s.Hostname, "\n\r\x00\""):
		return fmt.Errorf("node %s: a control character or a quote in a path or a name", s.ID)
	}
	seen := map[string]bool{}
	for _, u := range s.Users {
		if err := u.Check(); err != nil {
			return fmt.Errorf("node %s: %w", s.ID, err)
		}
		if seen[u.Name] {
			return fmt.Errorf("node %s: two users named %s", s.ID, u.Name)
		}
		seen[u.Name] = true
	}
	return nil
}

// Check reports what is wrong with a user.
func (u User) Check() error {
	if !userForm.MatchString(u.Name) {
		return fmt.Errorf("user name %q: a letter, then letters, digits and hyphens, at most 40", u.Name)
	}
	if len(u.Passwords) > 2 {
		return fmt.Errorf("user %s: more than two passwords", u.Name)
	}
	if u.NoPassword && len(u.Passwords) > 0 {
		return fmt.Errorf("user %s: passwords and no password at once", u.Name)
	}
	_, err := ParseAccess(u.Access)
	if err != nil {
		return fmt.Errorf("user %s: %w", u.Name, err)
	}
	return nil
}

// Equal reports whether two users are the same.
func (u User) Equal(v User) bool {
	return u.Name == v.Name && u.NoPassword == v.NoPassword && u.Access == v.Access &&
		slices.EqualFunc(u.Passwords, v.Passwords, secret.Text.Equal)
}

// Digest is the SHA-256 of a password in hexadecimal: the form in which it is written to a node.
func Digest(password secret.Text) string {
	sum := sha256.Sum256([]byte(password.Reveal()))
	return hex.EncodeToString(sum[:])
}

// Listen is where clients reach the node in plain text, or with TLS where that is required.
func (s Spec) Listen() Endpoint { return Endpoint{s.Bind(), s.Port} }

// Bind is the address, with its default.
func (s Spec) Bind() netip.Addr {
	if !s.Address.IsValid() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return s.Address
}

// Clone returns a Spec that shares nothing with s.
func (s Spec) Clone() Spec {
	s.Parameters = maps.Clone(s.Parameters)
	s.Users = slices.Clone(s.Users)
	for i := range s.Users {
		s.Users[i].Passwords = slices.Clone(s.Users[i].Passwords)
	}
	if s.TLS != nil {
		t := *s.TLS
		s.TLS = &t
	}
	return s
}
