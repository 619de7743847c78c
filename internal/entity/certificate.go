package entity

import "time"

// SSHKey is a user's SSH public key (for CodeCommit).
type SSHKey struct {
	ID          string // APKA…
	Account     string
	User        string // user ID
	UploadedAt  time.Time
	Body        string // in OpenSSH's form, without a comment, as package sshkey writes it
	Fingerprint string // as package sshkey makes it
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
	ID         string // made of the certificate, so that an account has no certificate twice
	Account    string
	User       string // user ID; the account ID for the root user
	UploadedAt time.Time
	ChangedAt  time.Time `json:",omitzero"` // when it was last made active or inactive
	Body       string    // PEM
	Inactive   bool      `json:",omitempty"`
}

// Rotated is when the certificate was uploaded or last changed.
func (c *SigningCertificate) Rotated() time.Time {
	if c.ChangedAt.After(c.UploadedAt) {
		return c.ChangedAt
	}
	return c.UploadedAt
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
	Alias     string // whose it is to the service: the user name beside the password, or the public part of an API key
	CreatedAt time.Time
	ExpiresAt time.Time `json:",omitzero"`
	Sealed    []byte    // the digest of the secret, which is shown once, sealed for seal.ServiceSecret with ID as the associated data
	Inactive  bool      `json:",omitempty"`
}

// Kind implements Item.
func (*ServiceCredential) Kind() Kind { return KindServiceCredential }

// Place implements Item.
func (c *ServiceCredential) Place() Place {
	return Place{Account: c.Account, ID: c.ID, Name: ServiceCredentialName(c.Service, c.Alias), Owner: c.User, Unique: true}
}

// ServiceCredentialName is the name of the credential by which a service knows an alias: an alias is unique in the account and
// service.
func ServiceCredentialName(service, alias string) string { return service + " " + alias }

// ServerCertificate is an account's TLS certificate with its private key.
type ServerCertificate struct {
	ID         string // ASCA…
	Account    string
	Name       string
	Path       string
	UploadedAt time.Time
	ExpiresAt  time.Time
	Body       string   // PEM
	Chain      string   `json:",omitempty"` // PEM
	Sealed     []byte   // the private key in PEM, sealed for seal.PrivateKey with ID as the associated data
	UsedBy     []string `json:",omitempty"` // ARNs of the resources that use it, in order
	Tags       []Tag    `json:",omitempty"`
}

// Kind implements Item.
func (*ServerCertificate) Kind() Kind { return KindServerCertificate }

// Place implements Item.
func (c *ServerCertificate) Place() Place {
	return Place{Account: c.Account, ID: c.ID, Name: c.Name, Path: c.Path, Unique: true}
}

// ARN of c.
func (c *ServerCertificate) ARN() string {
	return ServerCertificateARN(c.Account, c.Path, c.Name)
}

// ServerCertificateARN is the ARN of a server certificate (S4-225).
func ServerCertificateARN(account, path, name string) string {
	return iamARN(account, string(KindServerCertificate), path, name)
}

// Labels are the tags of c.
func (c *ServerCertificate) Labels() []Tag { return c.Tags }
