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

// LoginProfile is the password for the console of a user or of the root user.
type LoginProfile struct {
	Account       string
	User          string // user ID; the account ID for the root user
	CreatedAt     time.Time
	ChangedAt     time.Time // when the password was set
	Hash          string    // argon2id, in PHC form
	Previous      []string  `json:",omitempty"` // hashes of earlier passwords, latest first; at most 24
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

// MFADevice is an MFA device of an account, enabled for a user or, if it is virtual, waiting for one. Hardware tokens and FIDO
// devices are in an account as long as they are somebody's.
type MFADevice struct {
	Account   string
	Serial    string // as AWS's SerialNumber
	Type      MFAType
	Path      string `json:",omitempty"` // of a virtual device
	Name      string `json:",omitempty"` // of a virtual or FIDO device
	CreatedAt time.Time
	Sealed    []byte    `json:",omitempty"` // the seed of one-time codes, sealed for seal.TOTPSeed with the serial as associated data
	Owner     string    `json:",omitempty"` // user ID or, for the root user, account ID; empty until enabled
	EnabledAt time.Time `json:",omitzero"`
	FIDO      *FIDO     `json:",omitempty"` // of a FIDO device
	Tags      []Tag     `json:",omitempty"` // of a virtual device
}

// FIDO is what the registration of a passkey or security key told.
type FIDO struct {
	CredentialID []byte
	PublicKey    []byte            // in COSE form
	AAGUID       string            `json:",omitempty"` // the model of the authenticator, as a UUID; of all zeros where it did not say
	Attestation  string            `json:",omitempty"` // format of the attestation statement: packed, none …
	Certified    map[string]string `json:",omitempty"` // certifications of the model, as GetMFADevice shows them: FIDO-certification to L1
}

// OneTime is what is known of the use of a device's one-time codes. It stands outside the identity plane: no decision is made
// from it, and it changes with every code.
type OneTime struct {
	Step     int64     // the latest step of which a code was accepted: codes of this step and of those before it are used up
	Drift    int64     `json:",omitempty"` // how far the device's clock is ahead of ours, in quarters of a step
	Call     string    `json:",omitempty"` // the call whose pair of codes that was: it may ask again
	Failures int       `json:",omitempty"` // attempts that failed since then
	FailedAt time.Time `json:",omitzero"`  // the last of them
}

// HardwareToken is an entry of the operator's inventory of hardware tokens: it makes a serial number known, and its codes
// verifiable, to every account.
type HardwareToken struct {
	Serial   string
	Sealed   []byte // as in MFADevice
	LoadedAt time.Time
	Account  string `json:",omitempty"` // whose it is while it is enabled
	Owner    string `json:",omitempty"` // user ID or account ID
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
		return MFADeviceARN(d.Account, "/", d.Serial)
	}
	return d.Serial
}

// MFADeviceARN is the ARN, and the serial number, of a virtual MFA device.
func MFADeviceARN(account, path, name string) string {
	return iamARN(account, string(KindMFADevice), path, name)
}

// FIDODeviceARN is the ARN, and the serial number, of a FIDO device: owner is user/NAME, or root-account (S4-M55).
func FIDODeviceARN(account, owner, name string) string {
	return iamARN(account, "u2f", "/"+owner+"/", name)
}
