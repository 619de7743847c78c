package entity

import "time"

// SSHKey is a user's SSH public key (for CodeCommit).
type SSHKey struct {
	ID          string // APKA…
	Account     string
	User        string // user ID
	UploadedAt  time.Time
	Body        string // in OpenSSH's form, as decoded and written again
	Fingerprint string // MD5 over the key's PKIX form, in pairs of hexadecimal digits with colons
	Inactive    bool   `json:",omitempty"`
}

// Kind implements Item.
func (*SSHKey) Kind() Kind { return KindSSHKey }

// Place implements Item.
func (k *SSHKey) Place() Place {
	return Place{Account: k.Account, ID: k.ID, Name: k.ID, Owner: k.User, Unique: true}
}

// SigningCertificate is a user's X.509 certificate for signed requests to older services.
type SigningCertificate struct {
	ID         string // of 32 letters and digits, as AWS's
	Account    string
	User       string // user ID; the account ID for the root user
	UploadedAt time.Time
	Body       string // PEM
	Inactive   bool   `json:",omitempty"`
}

// Kind implements Item.
func (*SigningCertificate) Kind() Kind { return KindSigningCertificate }

// Place implements Item.
func (c *SigningCertificate) Place() Place {
	return Place{Account: c.Account, ID: c.ID, Name: c.ID, Owner: c.User}
}

// ServiceCredential is a user's credential for one service that does not take signatures.
type ServiceCredential struct {
	ID        string // ACCA…
	Account   string
	User      string // user ID
	Service   string // codecommit.amazonaws.com
	UserName  string `json:",omitempty"` // what the service asks for beside the secret
	Alias     string `json:",omitempty"` // the name of an API key
	CreatedAt time.Time
	ExpiresAt time.Time `json:",omitzero"`
	Hash      string    // of the secret, which is shown once
	Inactive  bool      `json:",omitempty"`
}

// Kind implements Item.
func (*ServiceCredential) Kind() Kind { return KindServiceCredential }

// Place implements Item.
func (c *ServiceCredential) Place() Place {
	return Place{Account: c.Account, ID: c.ID, Name: c.ID, Owner: c.User, Unique: true}
}

// ServerCertificate is an account's TLS certificate with its private key.
type ServerCertificate struct {
	ID         string // ASCA…
	Account    string
	Name       string
	Path       string
	UploadedAt time.Time
	ExpiresAt  time.Time
	Body       string // PEM
	Chain      string `json:",omitempty"` // PEM
	Sealed     []byte // the private key in PEM, sealed for seal.PrivateKey with ID as the associated data
	Tags       []Tag  `json:",omitempty"`
}

// Kind implements Item.
func (*ServerCertificate) Kind() Kind { return KindServerCertificate }

// Place implements Item.
func (c *ServerCertificate) Place() Place {
	return Place{Account: c.Account, ID: c.ID, Name: c.Name, Path: c.Path, Unique: true}
}

// ARN of c.
func (c *ServerCertificate) ARN() string {
	return iamARN(c.Account, string(KindServerCertificate), c.Path, c.Name)
}

// Labels are the tags of c.
func (c *ServerCertificate) Labels() []Tag { return c.Tags }
