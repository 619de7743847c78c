package config_test

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/config"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ostiary.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	if diff := cmp.Diff(&want, c); diff != "" {
		t.Errorf("Load without arguments (-default +got):\n%s", diff)
	}
	if c.Listen != "127.0.0.1:4566" || c.Store != "bolt" || c.Region != "us-east-1" || c.Dev {
		t.Errorf("the fixed defaults changed: %+v", c)
	}
}

// TestEveryKey: every key of the file arrives, and none is forgotten when a field is added.
func TestEveryKey(t *testing.T) {
	c, err := config.Load([]string{"--config", file(t, `
		listen = "192.0.2.1:443"
		data_dir = "/var/lib/ostiary"
		store = "etcd://192.0.2.2:2379/x"
		etcd_ca = "eca"
		etcd_cert = "ec"
		etcd_key = "ek"
		etcd_user = "u"
		etcd_password_file = "p"
		etcd_insecure = true
		etcd_timeout = "1s"
		etcd_compact = "0s"
		region = "eu-central-1"
		dev = false
		insecure_http = true
		tls_cert = "c.pem"
		tls_key = "k.pem"
		master_key_file = "m"
		log_format = "json"
		log_level = "debug"
		trail_file_mib = 1
		trail_total_mib = 4
		max_stale = "1m30s"
		drain_timeout = "3s"
		drain_delay = "4s"
		access_log = true
		rate_reads = 1
		rate_writes = 0
		rate_unauthenticated = 2
		max_connections = 3
		max_connections_per_address = 1
		header_timeout = "1s"
		body_timeout = "2s"
		write_timeout = "3s"
		idle_timeout = "4s"
		body_rate = 5
		outbound_allow = ["10.0.0.0/8", "fd00::1"]
		outbound_ca_file = "ca.pem"
		outbound_timeout = "2s"
		saml_endpoints = ["https://iam.example.com/saml"]
		signin_destinations = ["https://console.example.com/aws"]
		issuer_url = "https://iam.example.com/issuers/{id}"
		issuer_key_rotation = "720h"
	`)})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Listen: "192.0.2.1:443", DataDir: "/var/lib/ostiary", Store: "etcd://192.0.2.2:2379/x", Region: "eu-central-1", InsecureHTTP: true,
		EtcdCA: "eca", EtcdCert: "ec", EtcdKey: "ek", EtcdUser: "u", EtcdPasswordFile: "p", EtcdInsecure: true, EtcdTimeout: config.Duration(time.Second),
		TLSCertFile: "c.pem", TLSKeyFile: "k.pem", MasterKeyFile: "m", LogFormat: "json", LogLevel: "debug",
		TrailFileMiB: 1, TrailTotalMiB: 4, MaxStale: config.Duration(90 * time.Second), DrainTimeout: config.Duration(3 * time.Second),
		OutboundAllow:  []config.Prefix{{netip.MustParsePrefix("10.0.0.0/8")}, {netip.MustParsePrefix("fd00::1/128")}},
		OutboundCAFile: "ca.pem", OutboundTimeout: config.Duration(2 * time.Second),
		SAMLEndpoints: []string{"https://iam.example.com/saml"}, SignInDestinations: []string{"https://console.example.com/aws"},
		DrainDelay: config.Duration(4 * time.Second), AccessLog: true, RateReads: 1, RateUnauthenticated: 2, MaxConnections: 3, MaxConnectionsPerAddress: 1,
		HeaderTimeout: config.Duration(time.Second), BodyTimeout: config.Duration(2 * time.Second), WriteTimeout: config.Duration(3 * time.Second),
		IdleTimeout: config.Duration(4 * time.Second), BodyRate: 5,
		IssuerURL: "https://iam.example.com/issuers/{id}", IssuerKeyRotation: config.Duration(720 * time.Hour),
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLimits: bounds that bound nothing, or everything, are refused.
func TestLimits(t *testing.T) {
	for _, text := range []string{
		"drain_delay = \"-1s\"", "rate_reads = -1", "rate_writes = 1073741825", "rate_unauthenticated = -1", "max_connections = 0",
		"max_connections_per_address = -1", "body_rate = 0", "header_timeout = \"0s\"", "body_timeout = \"61m\"", "write_timeout = \"0s\"",
		"idle_timeout = \"-1s\"",
	} {
		key, _, _ := strings.Cut(text, " ")
		if _, err := config.Load([]string{"--config", file(t, text)}); err == nil || !strings.Contains(err.Error(), key+" must") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestChanged: a running server takes up some keys, and is told which others it does not.
func TestChanged(t *testing.T) {
	before, after := config.Default(), config.Default()
	if now, restart := before.Changed(&after); now != nil || restart != nil {
		t.Errorf("nothing changed: %v, %v", now, restart)
	}
	after.Region, after.LogLevel, after.RateReads, after.OutboundAllow = "eu-west-1", "debug", 7, []config.Prefix{{netip.MustParsePrefix("10.0.0.0/8")}}
	now, restart := before.Changed(&after)
	if diff := cmp.Diff([]string{"log_level", "rate_reads"}, now); diff != "" {
		t.Errorf("taken up (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"region", "outbound_allow"}, restart); diff != "" {
		t.Errorf("for a restart (-want +got):\n%s", diff)
	}
}

// TestFlagsWin: a flag wins over the file even when it names the default, and wherever it stands.
func TestFlagsWin(t *testing.T) {
	path := file(t, "region = \"eu-west-1\"\nstore = \"mem\"\ndev = true\n")
	c, err := config.Load([]string{"--region", "us-east-1", "--config", path, "--dev=false"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "us-east-1" || c.Store != "mem" || c.Dev {
		t.Errorf("region %s, store %s, dev %v", c.Region, c.Store, c.Dev)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		args []string
		want string
	}{
		{name: "unknown key", file: "region = \"us-east-1\"\n\n  listn = 1\n", want: "ostiary.toml:3: unknown key \"listn\""},
		{name: "key in another case", file: "Listen = \"127.0.0.1:1\"\n", want: ":1: unknown key \"Listen\""},
		{name: "unknown table", file: "store = \"mem\"\n[trail]\nsize = 1\n", want: ":2: unknown key \"trail\""},
		{name: "dotted key", file: "# about trail\ntrail.size = 1\n", want: ":2: unknown key \"trail\""},
		{name: "quoted key", file: "\n\"no such\" = 1\n", want: ":2: unknown key \"no such\""},
		{name: "key of Go", file: "DataDir = \"x\"\n", want: ":1: unknown key \"DataDir\""},
		{name: "twice", file: "dev = true\ndev = false\n", want: ":2:"},
		{name: "wrong type", file: "\ndev = \"yes\"\n", want: "line 2"},
		{name: "not TOML", file: "dev = \n", want: ":1:"},
		{name: "not a duration", file: "max_stale = \"soon\"\n", want: ":1:"},
		{name: "number for a duration", file: "max_stale = 5\n", want: "max_stale"},
		{name: "two mistakes", file: "aaa = 1\nbbb = 2\n", want: ":2: unknown key \"bbb\""},
		{name: "no such file", args: []string{"--config", "/no/such/file"}, want: "no such file"},
		{name: "unknown flag", args: []string{"--listn", "x"}, want: "listn"},
		{name: "argument", args: []string{"now"}, want: `unexpected argument "now"`},

		{name: "no data directory", args: []string{"--data-dir", ""}, want: "--data-dir is empty"},
		{name: "unknown store", args: []string{"--store", "sqlite"}, want: "want bolt, mem or etcd://"},
		{name: "half a certificate for etcd", args: []string{"--store", "etcd://a:2379", "--etcd-cert", "x"}, want: "--etcd-cert and --etcd-key go together"},
		{name: "half a user of etcd", args: []string{"--store", "etcd://a:2379", "--etcd-user", "x"}, want: "--etcd-user and --etcd-password-file go together"},
		{name: "keys of etcd without etcd", args: []string{"--etcd-ca", "x"}, want: "--store bolt does not"},
		{name: "a password in the clear", args: []string{"--store", "etcd://a:2379", "--etcd-user", "x", "--etcd-password-file", "y", "--etcd-insecure"}, want: "in the clear"},
		{name: "no region", args: []string{"--region", ""}, want: "not the name of a region"},
		{name: "not a region", args: []string{"--region", "us-east-1/x"}, want: "not the name of a region"},
		{name: "open to all", args: []string{"--listen", ":4566"}, want: "not a loopback address"},
		{name: "open to all in the clear", args: []string{"--listen", "0.0.0.0:4566"}, want: "--insecure-http"},
		{name: "open to all, IPv6", args: []string{"--listen", "[::]:4566"}, want: "not a loopback address"},
		{name: "a name", args: []string{"--listen", "localhost.example.com:4566"}, want: "not a loopback address"},
		{name: "dev for all", args: []string{"--listen", "0.0.0.0:4566", "--dev", "--insecure-http"}, want: "--dev opens the operator API"},
		{name: "dev for all with TLS", args: []string{"--listen", "192.0.2.1:1", "--dev", "--tls-cert", "c", "--tls-key", "k"}, want: "--dev opens"},
		{name: "no port", args: []string{"--listen", "127.0.0.1"}, want: "not host:port"},
		{name: "not a port", args: []string{"--listen", "127.0.0.1:99999"}, want: "not a port"},
		{name: "half of TLS", args: []string{"--tls-cert", "c"}, want: "go together"},
		{name: "issuer without ID", args: []string{"--issuer-url", "https://iam.example.com/issuers"}, want: "--issuer-url"},
		{name: "issuer in the clear", args: []string{"--issuer-url", "http://iam.example.com/issuers/{id}"}, want: "verifiers want https"},
		{name: "issuer key rotation", file: "issuer_key_rotation = \"47h\"\n", want: "issuer_key_rotation must be at least 48h"},
		{name: "log format", args: []string{"--log-format", "xml"}, want: "want text or json"},
		{name: "log level", args: []string{"--log-level", "loud"}, want: "want debug"},
		{name: "small trail", file: "trail_total_mib = 20\n", want: "trail_total_mib"},
		{name: "negative trail", file: "trail_file_mib = -1\n", want: "trail_file_mib"},
		{name: "stale", file: "max_stale = \"10ms\"\n", want: "max_stale"},
		{name: "drain", file: "drain_timeout = \"-1s\"\n", want: "drain_timeout"},
		{name: "all problems", args: []string{"--region", "", "--log-level", "x"}, want: "--log-level"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = append([]string{"--config", file(t, c.file)}, args...)
			}
			got, err := config.Load(args)
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want it to say %q", err, c.want)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, args := range [][]string{
		{"--dev"},
		{"--dev", "--listen", "[::1]:0"},
		{"--dev", "--listen", "localhost:4566"},
		{"--dev", "--listen", "127.9.9.9:http"},
		{"--listen", "0.0.0.0:4566", "--insecure-http"},
		{"--listen", ":443", "--tls-cert", "c", "--tls-key", "k"},
		{"--store", "mem", "--region", "us-gov-west-1", "--log-format", "json", "--log-level", "error"},
	} {
		if _, err := config.Load(args); err != nil {
			t.Errorf("Load(%q): %v", args, err)
		}
	}
}

func TestHelp(t *testing.T) {
	if _, err := config.Load([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gives %v", err)
	}
	var out bytes.Buffer
	config.Usage(&out)
	for _, name := range []string{"-listen", "-data-dir", "-store", "-region", "-config", "-dev", "-tls-cert", "-tls-key",
		"-insecure-http", "-master-key-file", "-log-format", "-log-level"} {
		if !strings.Contains(out.String(), "  "+name) {
			t.Errorf("the help lacks %s:\n%s", name, out.String())
		}
	}
}

// TestEtcdTLS: nothing goes to other machines in the clear without being asked for.
func TestEtcdTLS(t *testing.T) {
	for _, c := range []struct {
		args []string
		tls  bool
	}{
		{[]string{"--store", "etcd://127.0.0.1:2379,localhost:2380"}, false},
		{[]string{"--store", "etcd://127.0.0.1:2379", "--etcd-ca", "x"}, true},
		{[]string{"--store", "etcd://127.0.0.1:2379,192.0.2.1:2379"}, true},
		{[]string{"--store", "etcd://etcd.example.com:2379"}, true},
		{[]string{"--store", "etcd://192.0.2.1:2379", "--etcd-insecure"}, false},
		{[]string{"--store", "etcd://192.0.2.1:2379", "--etcd-insecure", "--etcd-ca", "x"}, true},
	} {
		got, err := config.Load(c.args)
		if err != nil || got.EtcdTLS() != c.tls {
			t.Errorf("%q: %v, want %v (%v)", c.args, got != nil && got.EtcdTLS(), c.tls, err)
		}
	}
}

func TestParseStore(t *testing.T) {
	got, err := config.ParseStore("etcd://a:2379,[::1]:2379/prod/one")
	want := config.Store{Engine: "etcd", Endpoints: []string{"a:2379", "[::1]:2379"}, Prefix: "prod/one"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", "Bolt", "bolt://x", "etcd://", "etcd://a", "etcd://a:1,", "etcd://:2379", "etcd:a:1",
		"etcd://a:1/", "etcd://a:1/x//y", "etcd://a:1//x", "etcd://a:1/x/", "etcd://a:1/a?b", "etcd://u:p@a:1/x", "etcd://a:1/" + strings.Repeat("x", 32)} {
		if s, err := config.ParseStore(text); err == nil {
			t.Errorf("ParseStore(%q) = %+v", text, s)
		}
	}
}

// FuzzFile: no text makes Load do anything but accept or refuse, and what it accepts is consistent.
func FuzzFile(f *testing.F) {
	f.Add("listen = \"127.0.0.1:1\"\n[x]\n[[y]]\n")
	f.Add("store = 'mem'\nmax_stale = \"1s\"")
	f.Add("a.b.c = {d = 1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "c.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load([]string{"--config", path})
		if err == nil {
			err = c.Check()
			if err != nil {
				t.Errorf("accepted and then refused: %v", err)
			}
		}
	})
}

// TestOutboundAllow: the flag takes networks with commas in place of the file's; what is no network is refused.
func TestOutboundAllow(t *testing.T) {
	path := file(t, "outbound_allow = [\"10.0.0.0/8\"]\n")
	c, err := config.Load([]string{"--config", path, "--outbound-allow", "192.168.1.0/24, ::ffff:127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Prefix{{netip.MustParsePrefix("192.168.1.0/24")}, {netip.MustParsePrefix("127.0.0.1/32")}}
	if len(c.OutboundAllow) != 2 || c.OutboundAllow[0] != want[0] || c.OutboundAllow[1] != want[1] {
		t.Errorf("got %v", c.OutboundAllow)
	}
	for _, bad := range []string{"", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "fe80::1%eth0", "example.com", "10.0.0.0/8;"} {
		if _, err := config.Load([]string{"--outbound-allow", bad}); (err == nil) != (bad == "10.0.0.0") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"outbound_allow = \"10.0.0.0/8\"", "outbound_allow = [\"10\"]", "outbound_timeout = \"0s\"", "outbound_timeout = \"1h\""} {
		if _, err := config.Load([]string{"--config", file(t, bad)}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
