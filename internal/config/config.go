// Package config is the one door for configuration: a strict TOML file and flags, merged and checked.
//
// A flag wins over the file, the file over the default. A key that is not known, in whatever case it is written, is an error
// with its place; so is a value of the wrong type or outside its range. Secrets are never values here, only the files that
// hold them. What [Load] returns is complete and consistent: nothing downstream has to check it again.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/issuer"
)

// Config is the configuration of `ostiary serve`. Each field's toml tag is its key in the file; the flag has the same name
// with dashes, except that there is no flag for what only a file should say.
type Config struct {
	// Listen is the address of the one port that serves every API. Default 127.0.0.1:4566.
	Listen string `toml:"listen"`
	// DataDir is the directory of everything this node keeps: the store, keys, credentials, the trail. Default
	// "ostiary-data" in the current directory.
	DataDir string `toml:"data_dir"`
	// Store is where records live: bolt (a file in DataDir), mem (gone when the process ends) or
	// etcd://host:port,…/prefix (a cluster that any number of nodes share; the prefix is "ostiary" where there is none). Default
	// bolt.
	Store string `toml:"store"`
	// EtcdCA is a PEM file of the authorities that etcd's certificates come from; empty means the system's. Where it or
	// EtcdCert is given, or an endpoint is not a loopback address, etcd is talked to over TLS.
	EtcdCA string `toml:"etcd_ca"`
	// EtcdCert and EtcdKey are the PEM files of this node's certificate for etcd and its key. They are read again for
	// every connection. Both or neither.
	EtcdCert string `toml:"etcd_cert"`
	EtcdKey  string `toml:"etcd_key"`
	// EtcdUser logs in to etcd with the password in EtcdPasswordFile, of mode 0600. Both or neither.
	EtcdUser         string `toml:"etcd_user"`
	EtcdPasswordFile string `toml:"etcd_password_file"`
	// EtcdInsecure allows endpoints that are not loopback addresses without TLS.
	EtcdInsecure bool `toml:"etcd_insecure"`
	// EtcdTimeout bounds one read or commit. Default "5s". File only.
	EtcdTimeout Duration `toml:"etcd_timeout"`
	// EtcdCompact is how often history is given up, by one of the nodes; "0s" leaves it to etcd's own settings. Default "5m". File only.
	EtcdCompact Duration `toml:"etcd_compact"`
	// NewOperatorToken replaces the operator's token at this start.
	NewOperatorToken bool `toml:"-"`
	// Region is the region that answers name when the request names none. Default us-east-1.
	Region string `toml:"region"`
	// Dev opens the operator API without its token. Refused on any but a loopback address.
	Dev bool `toml:"dev"`
	// InsecureHTTP allows plain HTTP on an address that is not loopback.
	InsecureHTTP bool `toml:"insecure_http"`
	// TLSCertFile and TLSKeyFile are the PEM files of the server's certificate chain and its key. Both or neither.
	TLSCertFile string `toml:"tls_cert"`
	TLSKeyFile  string `toml:"tls_key"`
	// MasterKeyFile holds the key that wraps the key ring. Empty means master.key in DataDir, made at first start.
	MasterKeyFile string `toml:"master_key_file"`
	// LogFormat is text or json; LogLevel is debug, info, warn or error. Defaults text and info.
	LogFormat string `toml:"log_format"`
	LogLevel  string `toml:"log_level"`
	// TrailFileMiB bounds one file of the trail and TrailTotalMiB all of them together. Defaults 16 and 512. File only.
	TrailFileMiB  int `toml:"trail_file_mib"`
	TrailTotalMiB int `toml:"trail_total_mib"`
	// MaxStale is how long decisions are made from the snapshot when the store cannot be reached; past it the node fails
	// closed. A duration such as "5m", which is the default; at least one second. File only.
	MaxStale Duration `toml:"max_stale"`
	// OutboundAllow are networks that fetches from OpenID Connect providers may reach although they are not public: prefixes such
	// as 10.0.0.0/8. A metadata service's address is reached only if a prefix names it alone. Default none.
	OutboundAllow []Prefix `toml:"outbound_allow"`
	// OutboundCAFile is a PEM file of certificate authorities that are trusted in such fetches beside the system's.
	OutboundCAFile string `toml:"outbound_ca_file"`
	// OutboundTimeout bounds one such fetch. Default "5s". File only.
	OutboundTimeout Duration `toml:"outbound_timeout"`
	// SAMLEndpoints are URLs that SAML assertions may name as recipient and audience beside https://signin.aws.amazon.com/saml: those
	// under which identity providers know this installation. Default none. File only.
	SAMLEndpoints []string `toml:"saml_endpoints"`
	// SignInDestinations are addresses to which a console login may lead beside the console's own: absolute URLs of http or https. Default
	// none. File only.
	SignInDestinations []string `toml:"signin_destinations"`
	// IssuerURL is the form of the URLs under which accounts issue tokens for services elsewhere, with {id} where the issuer's ID is to
	// stand: https://iam.example.com/issuers/{id} or https://{id}.tokens.example.com. Default https://{id}.tokens.sts.ostiary.internal,
	// which no verifier can reach. What is published there is published by this server.
	IssuerURL string `toml:"issuer_url"`
	// IssuerKeyRotation is how long a key signs such tokens before the next one does. Default "2160h", at least "48h". File only.
	IssuerKeyRotation Duration `toml:"issuer_key_rotation"`
	// DrainDelay is how long a server that is to stop says that it is not ready and still accepts connections. Default "0s". File only.
	DrainDelay Duration `toml:"drain_delay"`
	// DrainTimeout is how long it waits then for requests in progress. Default "10s". File only.
	DrainTimeout Duration `toml:"drain_timeout"`
	// AccessLog has a line in the log for every request of the AWS APIs. File only; can be reloaded.
	AccessLog bool `toml:"access_log"`
	// RateReads and RateWrites are how many requests an account may make in a second, RateUnauthenticated how many requests without a valid
	// signature an address may. 0 is no limit. Defaults 100000, 20000 and 1000. File only; can be reloaded.
	RateReads           int `toml:"rate_reads"`
	RateWrites          int `toml:"rate_writes"`
	RateUnauthenticated int `toml:"rate_unauthenticated"`
	// MaxConnections is how many connections are open at a time, MaxConnectionsPerAddress how many of them from one address; 0 there is as
	// many. Defaults 10000 and 0. File only.
	MaxConnections           int `toml:"max_connections"`
	MaxConnectionsPerAddress int `toml:"max_connections_per_address"`
	// The times that clients have: for the headers of a request, for a request of usual size, for taking the answer, and between requests.
	// Defaults "10s", "30s", "1m" and "2m". File only.
	HeaderTimeout Duration `toml:"header_timeout"`
	BodyTimeout   Duration `toml:"body_timeout"`
	WriteTimeout  Duration `toml:"write_timeout"`
	IdleTimeout   Duration `toml:"idle_timeout"`
	// BodyRate is how many bytes a second must come of a body of more than 64 KiB once BodyTimeout is over. Default 32768. File only.
	BodyRate int `toml:"body_rate"`
}

// Duration is a time.Duration that is written as text in the file.
type Duration time.Duration

// UnmarshalText reads a duration such as 1m30s.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Prefix is a network, written as an address and the length of its prefix, with no bit set behind it.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads a prefix such as 10.0.0.0/8; an address alone is a network of one.
func (p *Prefix) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil && a.Zone() == "" {
		p.Prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return nil
	}
	read, err := netip.ParsePrefix(string(text))
	if err != nil || read.Masked() != read || read.Addr().Is4In6() {
		return fmt.Errorf("%q is not a network such as 10.0.0.0/8", text)
	}
	p.Prefix = read
	return nil
}

// prefixes is a flag of networks with commas.
type prefixes []Prefix

func (p *prefixes) String() string {
	var all []string
	for _, one := range *p {
		all = append(all, one.String())
	}
	return strings.Join(all, ",")
}

func (p *prefixes) Set(text string) error {
	var all prefixes
	for _, one := range strings.Split(text, ",") {
		var read Prefix
		if err := read.UnmarshalText([]byte(strings.TrimSpace(one))); err != nil {
			return err
		}
		all = append(all, read)
	}
	*p = all
	return nil
}

// Default returns the configuration without file and flags.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:4566", DataDir: "ostiary-data", Store: "bolt", Region: "us-east-1",
		LogFormat: "text", LogLevel: "info", TrailFileMiB: 16, TrailTotalMiB: 512,
		EtcdTimeout: Duration(5 * time.Second), EtcdCompact: Duration(5 * time.Minute),
		MaxStale: Duration(5 * time.Minute), DrainTimeout: Duration(10 * time.Second), OutboundTimeout: Duration(5 * time.Second),
		RateReads: 100_000, RateWrites: 20_000, RateUnauthenticated: 1000, MaxConnections: 10_000,
		HeaderTimeout: Duration(10 * time.Second), BodyTimeout: Duration(30 * time.Second), WriteTimeout: Duration(time.Minute),
		IdleTimeout: Duration(2 * time.Minute), BodyRate: 32 << 10,
		IssuerURL: oidc.DefaultIssuers, IssuerKeyRotation: Duration(issuer.DefaultRotation),
	}
}

// flags registers the flags on a set. The values of c become their defaults.
func (c *Config) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.Listen, "listen", c.Listen, "`address` to listen on")
	fs.StringVar(&c.DataDir, "data-dir", c.DataDir, "`directory` for the store, keys, credentials and the trail")
	fs.StringVar(&c.Store, "store", c.Store, "where records live: bolt, mem or etcd://host:port,…/prefix")
	fs.StringVar(&c.EtcdCA, "etcd-ca", c.EtcdCA, "PEM `file` of the authorities that etcd's certificates come from")
	fs.StringVar(&c.EtcdCert, "etcd-cert", c.EtcdCert, "PEM `file` with this node's certificate for etcd")
	fs.StringVar(&c.EtcdKey, "etcd-key", c.EtcdKey, "PEM `file` with that certificate's key")
	fs.StringVar(&c.EtcdUser, "etcd-user", c.EtcdUser, "`name` to log in to etcd with")
	fs.StringVar(&c.EtcdPasswordFile, "etcd-password-file", c.EtcdPasswordFile, "`file` with that user's password")
	fs.BoolVar(&c.EtcdInsecure, "etcd-insecure", c.EtcdInsecure, "allow plain text to etcd on addresses that are not loopback")
	fs.BoolVar(&c.NewOperatorToken, "new-operator-token", c.NewOperatorToken, "replace the operator's token at this start")
	fs.StringVar(&c.Region, "region", c.Region, "default `region`")
	fs.BoolVar(&c.Dev, "dev", c.Dev, "open the operator API without a token (loopback only)")
	fs.BoolVar(&c.InsecureHTTP, "insecure-http", c.InsecureHTTP, "allow plain HTTP on an address that is not loopback")
	fs.StringVar(&c.TLSCertFile, "tls-cert", c.TLSCertFile, "PEM `file` with the certificate chain")
	fs.StringVar(&c.TLSKeyFile, "tls-key", c.TLSKeyFile, "PEM `file` with the certificate's key")
	fs.StringVar(&c.MasterKeyFile, "master-key-file", c.MasterKeyFile,
		"`file` with the key that wraps the key ring (default master.key in the data directory)")
	fs.Var((*prefixes)(&c.OutboundAllow), "outbound-allow",
		"`networks` with commas, such as 10.0.0.0/8, in which OpenID Connect providers may be although they are not public")
	fs.StringVar(&c.OutboundCAFile, "outbound-ca-file", c.OutboundCAFile,
		"PEM `file` of certificate authorities that OpenID Connect providers are trusted by, beside the system's")
	fs.StringVar(&c.IssuerURL, "issuer-url", c.IssuerURL,
		"`URL` of accounts as issuers of tokens for services elsewhere, such as https://iam.example.com/issuers/{id}")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
}

// Usage writes the flags of serve with their defaults.
func Usage(w io.Writer) {
	c := Default()
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(w)
	c.flags(fs)
	fs.String("config", "", "TOML `file`; flags win over it")
	fs.PrintDefaults()
}

// Load reads the arguments of serve, and the file that --config names. flag.ErrHelp means that help was asked for.
func Load(args []string) (*Config, error) {
	// First for the file's name and for mistakes, then again on top of what the file says.
	scratch := Default()
	fs, path := flagSet(&scratch)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	c := Default()
	if *path != "" {
		text, err := os.ReadFile(*path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := c.decode(*path, text); err != nil {
			return nil, err
		}
	}
	fs, _ = flagSet(&c)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	return &c, nil
}

func flagSet(c *Config) (fs *flag.FlagSet, path *string) {
	fs = flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.flags(fs)
	return fs, fs.String("config", "", "")
}

// storeFlags are the flags that say which store is meant, for commands that work on a store without serving.
var storeFlags = []string{"data-dir", "store", "master-key-file", "tls-cert", "tls-key"}

// LoadStore reads the arguments of a command that works on a store, and the file that --config names; extra registers the command's
// own flags. It returns the arguments that are no flags; they may stand before flags.
func LoadStore(name string, args []string, extra func(*flag.FlagSet)) (*Config, []string, error) {
	scratch := Default()
	fs, path := storeFlagSet(name, &scratch, extra)
	if _, err := parseAll(fs, args); err != nil {
		return nil, nil, err
	}
	c := Default()
	if *path != "" {
		text, err := os.ReadFile(*path)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := c.decode(*path, text); err != nil {
			return nil, nil, err
		}
	}
	fs, _ = storeFlagSet(name, &c, extra)
	rest, err := parseAll(fs, args)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return nil, nil, err
	}
	return &c, rest, nil
}

// parseAll parses flags that may stand before, between and behind other arguments, and returns those.
func parseAll(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

func storeFlagSet(name string, c *Config, extra func(*flag.FlagSet)) (fs *flag.FlagSet, path *string) {
	all, _ := flagSet(c)
	fs = flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	all.VisitAll(func(f *flag.Flag) {
		if slices.Contains(storeFlags, f.Name) || strings.HasPrefix(f.Name, "etcd-") {
			fs.Var(f.Value, f.Name, f.Usage)
		}
	})
	extra(fs)
	return fs, fs.String("config", "", "TOML `file`, as of serve; flags win over it")
}

// StoreUsage writes the flags of a command that works on a store.
func StoreUsage(w io.Writer, name string, extra func(*flag.FlagSet)) {
	c := Default()
	fs, _ := storeFlagSet(name, &c, extra)
	fs.SetOutput(w)
	fs.PrintDefaults()
}

var regionForm = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// Check returns all that is wrong with the configuration, joined. Messages name the flag.
func (c *Config) Check() error {
	var problems []error
	complain := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if c.DataDir == "" {
		complain("--data-dir is empty")
	}
	if s, err := ParseStore(c.Store); err != nil {
		complain("--store: %w", err)
	} else {
		c.checkEtcd(s, complain)
	}
	if !regionForm.MatchString(c.Region) {
		complain("--region %q is not the name of a region, such as us-east-1", c.Region)
	}
	for _, e := range c.SAMLEndpoints {
		if u, err := url.Parse(e); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" || strings.HasSuffix(e, "/") {
			complain("saml_endpoints: %q is not a URL such as https://iam.example.com/saml", e)
		}
	}
	for _, d := range c.SignInDestinations {
		if u, err := url.Parse(d); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "" {
			complain("signin_destinations: %q is not an address such as https://console.example.com/aws", d)
		}
	}
	if _, err := oidc.ParseIssuerForm(c.IssuerURL); err != nil {
		complain("--issuer-url %q: %w", c.IssuerURL, err)
	}
	if time.Duration(c.IssuerKeyRotation) < issuer.MinRotation {
		complain("issuer_key_rotation must be at least %s", issuer.MinRotation)
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		complain("--tls-cert and --tls-key go together")
	}
	loopback, err := Loopback(c.Listen)
	switch {
	case err != nil:
		complain("--listen: %w", err)
	case loopback:
	case c.Dev:
		complain("--dev opens the operator API to everybody who reaches it and is refused on %s: listen on a loopback address", c.Listen)
	case c.TLSCertFile == "" && !c.InsecureHTTP:
		complain("%s is not a loopback address: give --tls-cert and --tls-key, or --insecure-http to send everything in the clear", c.Listen)
	}
	if !slices.Contains([]string{"text", "json"}, c.LogFormat) {
		complain("--log-format %q: want text or json", c.LogFormat)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		complain("--log-level %q: want debug, info, warn or error", c.LogLevel)
	}
	if c.TrailFileMiB < 1 || c.TrailTotalMiB < 2*c.TrailFileMiB || c.TrailTotalMiB > 1<<20 {
		complain("trail_file_mib must be at least 1 and trail_total_mib at least twice that and at most %d", 1<<20)
	}
	if time.Duration(c.MaxStale) < time.Second {
		complain("max_stale must be at least 1s")
	}
	if t := time.Duration(c.OutboundTimeout); t <= 0 || t > time.Minute {
		complain("outbound_timeout must be more than 0s and at most 1m")
	}
	if time.Duration(c.DrainTimeout) <= 0 {
		complain("drain_timeout must be more than 0s")
	}
	c.checkLimits(complain)
	return errors.Join(problems...)
}

// Loopback reports whether an address to listen on can be reached from this machine only: a loopback IP address, or the name
// localhost. A listener checks again what the name became.
func Loopback(listen string) (bool, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return false, fmt.Errorf("%q is not host:port", listen)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, fmt.Errorf("%q is not a port", port)
	}
	if host == "localhost" {
		return true, nil
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback(), nil
}
