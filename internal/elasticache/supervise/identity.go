package supervise

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// identity is identity.json: which process is a node's, and what it was told.
type identity struct {
	PID     int      `json:"pid"`   // 0: a start was begun
	Start   uint64   `json:"start"` // of the process, in clock ticks since boot
	Boot    string   `json:"boot"`  // the kernel's ID of this boot
	Command []string `json:"command"`
	Binary  engine.Binary
	Started stored `json:"started"` // what the process was started as
	Live    stored `json:"live"`    // what it was made since
	Seeded  bool   `json:"seeded"`  // it has served with its seed, which is not read again
}

const identityFile = "identity.json"

// stored is a Spec with digests in the places of secrets.
type stored struct {
	ID, Version, Hostname, Seed        string
	Engine                             engine.Name
	Memory                             int64
	Threads, MaxClients, Port, BusPort int
	Address                            netip.Addr
	Parameters                         map[string]string
	TLS                                *engine.TLS
	Admin                              string
	Open                               bool // Users is nil
	Users                              []storedUser
	Source                             engine.Endpoint
	ClusterMode, Persist               bool
}

type storedUser struct {
	Name, Access string
	NoPassword   bool
	Digests      []string
}

// store takes the secrets out of a Spec.
func store(s engine.Spec) stored {
	d := stored{ID: s.ID, Version: s.Version, Hostname: s.Hostname, Seed: s.Seed, Engine: s.Engine, Memory: s.Memory, Threads: s.Threads,
		MaxClients: s.MaxClients, Port: s.Port, BusPort: s.BusPort, Address: s.Bind(), Parameters: s.Parameters, TLS: s.TLS,
		Open: s.Users == nil, Source: s.Source, ClusterMode: s.ClusterMode, Persist: s.Persist}
	if !s.Admin.IsZero() {
		d.Admin = engine.Digest(s.Admin)
	}
	for _, u := range s.Users {
		su := storedUser{Name: u.Name, Access: u.Access, NoPassword: u.NoPassword}
		for _, p := range u.Passwords {
			su.Digests = append(su.Digests, engine.Digest(p))
		}
		d.Users = append(d.Users, su)
	}
	return d
}

// spec is a Spec whose secrets are digests: good for comparing with another such, and for nothing else.
func (d stored) spec() engine.Spec {
	s := engine.Spec{ID: d.ID, Version: d.Version, Hostname: d.Hostname, Seed: d.Seed, Engine: d.Engine, Memory: d.Memory, Threads: d.Threads,
		MaxClients: d.MaxClients, Port: d.Port, BusPort: d.BusPort, Address: d.Address, Parameters: d.Parameters, TLS: d.TLS,
		Admin: secret.New(d.Admin), Source: d.Source, ClusterMode: d.ClusterMode, Persist: d.Persist}
	if !d.Open {
		s.Users = []engine.User{}
	}
	for _, u := range d.Users {
		eu := engine.User{Name: u.Name, Access: u.Access, NoPassword: u.NoPassword}
		for _, p := range u.Digests {
			eu.Passwords = append(eu.Passwords, secret.New(p))
		}
		s.Users = append(s.Users, eu)
	}
	return s
}

// readIdentity returns a node's identity; a file that is missing or damaged says nothing.
func readIdentity(home string) (identity, bool) {
	text, err := os.ReadFile(filepath.Join(home, identityFile))
	if err != nil {
		return identity{}, false
	}
	var i identity
	if json.Unmarshal(text, &i) != nil || len(i.Command) == 0 || i.PID < 0 {
		return identity{}, false
	}
	return i, true
}

// writeIdentity replaces a node's identity.
func writeIdentity(home string, i identity) error {
	text, err := json.MarshalIndent(i, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(home, identityFile), append(text, '\n'))
}

// writeFile writes a file of mode 0600 that is complete or not there.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
