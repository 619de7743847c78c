package entity

import "time"

// PasswordPolicy holds the passwords of an account's users to something. Without one, AWS's default holds, which is not
// stored.
type PasswordPolicy struct {
	MinimumLength   int           // 6 to 128 characters
	Symbols         bool          `json:",omitempty"`
	Numbers         bool          `json:",omitempty"`
	Upper           bool          `json:",omitempty"`
	Lower           bool          `json:",omitempty"`
	UsersMayChange  bool          `json:",omitempty"` // grants every user iam:ChangePassword on themselves
	MaximumAge      time.Duration `json:",omitempty"` // whole days; zero: passwords do not expire
	ReusePrevention int           `json:",omitempty"` // how many passwords back may not be used again; zero: no rule
	HardExpiry      bool          `json:",omitempty"` // an expired password is set anew by an administrator only
}

// LoginProfile is a user's password for the console.
type LoginProfile struct {
	Account       string
	User          string // user ID
	CreatedAt     time.Time
	ChangedAt     time.Time // when the password was set
	Hash          string    // argon2id, in PHC form
	Previous      []string  `json:",omitempty"` // hashes of earlier passwords, latest first
	ResetRequired bool      `json:",omitempty"` // to be changed at the next sign-in
}

// Kind implements Item.
func (*LoginProfile) Kind() Kind { return KindLoginProfile }

// Place implements Item: a user has one, under the user's ID.
func (p *LoginProfile) Place() Place {
	return Place{Account: p.Account, ID: p.User, Name: p.User, Owner: p.User}
}

// MFAType is a kind of MFA device.
type MFAType string

// The kinds of MFA devices.
const (
	VirtualMFA  MFAType = "virtual"  // a seed that we made; its serial number is an ARN
	HardwareMFA MFAType = "hardware" // a token of the operator's inventory, with its own serial number
	FIDOMFA     MFAType = "fido"     // a passkey or security key; its serial number is an ARN
)

// MFADevice is an MFA device of an account, enabled for a user or, if it is virtual, waiting for one.
type MFADevice struct {
	Account   string
	Serial    string // as AWS's SerialNumber
	Type      MFAType
	Path      string `json:",omitempty"` // of a virtual device
	Name      string `json:",omitempty"` // of a virtual or FIDO device
	CreatedAt time.Time
	Sealed    []byte            `json:",omitempty"` // the seed of one-time codes, sealed for seal.TOTPSeed with the serial as associated data
	Owner     string            `json:",omitempty"` // user ID or, for the root user, account ID; empty until enabled
	EnabledAt time.Time         `json:",omitzero"`
	Drift     int               `json:",omitempty"` // steps of 30 s that the device's clock is ahead
	Certified map[string]string `json:",omitempty"` // a FIDO device's certifications, as GetMFADevice shows them
	Tags      []Tag             `json:",omitempty"`
}

// Kind implements Item.
func (*MFADevice) Kind() Kind { return KindMFADevice }

// Place implements Item.
func (d *MFADevice) Place() Place {
	return Place{Account: d.Account, ID: d.Serial, Name: d.Serial, Path: d.Path, Owner: d.Owner}
}

// Labels are the tags of d.
func (d *MFADevice) Labels() []Tag { return d.Tags }

// ARN of d: its serial number, unless it is a hardware token, whose ARN is made of that.
func (d *MFADevice) ARN() string {
	if d.Type == HardwareMFA {
		return iamARN(d.Account, string(KindMFADevice), "/", d.Serial)
	}
	return d.Serial
}
