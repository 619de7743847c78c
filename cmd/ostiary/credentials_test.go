package main

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// profiles is a server with a user whose keys and roles stand in a configuration file.
type profiles struct {
	t       *testing.T
	url     string
	account string
	dir     string
	serial  string       // of the user's MFA device
	seed    []byte       // of its codes
	offset  atomic.Int64 // of the server's clock
	step    int64        // the last one whose code was used
}

const worker = "worker"

// newProfiles makes three roles that trust the account: worker with the external ID "shared", mfa with a code, plain with nothing.
func newProfiles(t *testing.T) *profiles {
	t.Helper()
	p := &profiles{t: t, dir: t.TempDir()}
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: p.now})
	a := srv.Account(t)
	p.url, p.account = srv.URL, a.AccountID
	c := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, HTTPClient: testenv.HTTPClient(), Credentials: credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.SecretAccessKey, "")})
	ctx := t.Context()
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")}))
	check(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)}))
	for name, condition := range map[string]string{
		worker: `,"Condition":{"StringEquals":{"sts:ExternalId":"shared"}}`, "mfa": `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, "plain": "",
	} {
		check(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + a.AccountID + `"},"Action":"sts:AssumeRole"` + condition + `}]}`)}))
	}
	device, err := c.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ann")})
	check(device, err)
	p.serial = *device.VirtualMFADevice.SerialNumber
	if p.seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(string(device.VirtualMFADevice.Base32StringSeed), "=")); err != nil {
		t.Fatal(err)
	}
	p.step = p.now().Unix()/30 - 2
	check(c.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &p.serial, AuthenticationCode1: aws.String(p.code()), AuthenticationCode2: aws.String(p.code())}))
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ann")})
	check(key, err)

	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil { // the AWS CLI takes an empty profile for a name
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(p.dir, "credentials"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(p.dir, "config"))
	t.Setenv("AWS_ENDPOINT_URL", p.url)
	t.Setenv("AWS_ENDPOINT_URL_STS", p.url) // the Go SDK's AssumeRole for profiles heeds no other
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_DEFAULT_REGION", "us-east-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("OSTIARY_TEST_RUN_MAIN", "1")
	p.write("credentials", fmt.Sprintf("[me]\naws_access_key_id = %s\naws_secret_access_key = %s\n", *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey))
	return p
}

func (p *profiles) now() time.Time { return time.Now().Add(time.Duration(p.offset.Load())) }

// code is the device's next one; the clock goes on by a step where it is not due.
func (p *profiles) code() string {
	p.step++
	for p.step > p.now().Unix()/30+1 {
		p.offset.Add(int64(30 * time.Second))
	}
	return credential.Code(p.seed, p.step).Reveal()
}

func (p *profiles) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *profiles) arn(role string) string { return "arn:aws:iam::" + p.account + ":role/" + role }

// is asks who the SDK is with a profile.
func (p *profiles) is(profile string, options ...func(*config.LoadOptions) error) (string, error) {
	cfg, err := config.LoadDefaultConfig(p.t.Context(), append(options, config.WithSharedConfigProfile(profile))...)
	if err != nil {
		return "", err
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(p.t.Context(), nil)
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// TestCredentialProcess: the SDK runs the command that a profile names, and uses what it prints.
func TestCredentialProcess(t *testing.T) {
	p := newProfiles(t)
	command := os.Args[0] + " credentials assume-role --profile me --session-name work --role-arn "
	p.write("config", "[profile worker]\ncredential_process = "+command+p.arn(worker)+" --external-id shared --duration 20m\n"+
		"[profile wrong]\ncredential_process = "+command+p.arn(worker)+" --external-id guessed\n"+
		"[profile mfa]\ncredential_process = "+command+p.arn("mfa")+" --serial-number "+p.serial+" --token-command 'cat \""+p.dir+"/code\"'\n")
	if got, err := p.is(worker); err != nil || got != "arn:aws:sts::"+p.account+":assumed-role/worker/work" {
		t.Errorf("%s, %v", got, err)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigProfile(worker))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || !c.CanExpire || time.Until(c.Expires) > 20*time.Minute || time.Until(c.Expires) < 18*time.Minute {
		t.Errorf("%v expires %s, %v", c.CanExpire, c.Expires, err)
	}
	if got, err := p.is("wrong"); err == nil {
		t.Errorf("with a wrong external ID: %s", got)
	}
	p.write("code", p.code()+"\n")
	if got, err := p.is("mfa"); err != nil || got != "arn:aws:sts::"+p.account+":assumed-role/mfa/work" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := p.is("mfa"); err == nil {
		t.Errorf("with a code that was used: %s", got)
	}
}

// TestAssumeRoleCommand: what it prints, and what it says when it is refused.
func TestAssumeRoleCommand(t *testing.T) {
	p := newProfiles(t)
	run := func(args ...string) (string, string, error) {
		var out, say strings.Builder
		cmd := exec.Command(os.Args[0], append([]string{"credentials", "assume-role"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &say
		err := cmd.Run()
		return out.String(), say.String(), err
	}
	out, say, err := run("--role-arn", p.arn("plain"), "--profile", "me")
	var doc struct {
		Version                                                int
		AccessKeyID, SecretAccessKey, SessionToken, Expiration string
	}
	if jsonErr := json.Unmarshal([]byte(out), &doc); err != nil || jsonErr != nil || say != "" || doc.Version != 1 || !strings.HasPrefix(doc.AccessKeyID, "ASIA") ||
		doc.SecretAccessKey == "" || doc.SessionToken == "" {
		t.Errorf("%v, %v, %q, %+v", err, jsonErr, say, doc)
	}
	if _, err := time.Parse(time.RFC3339, doc.Expiration); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--role-arn", p.arn(worker), "--profile", "me"}, "AccessDenied: User: arn:aws:iam::" + p.account + ":user/ann is not authorized to perform: sts:AssumeRole"},
		{[]string{"--role-arn", p.arn("mfa"), "--profile", "me", "--serial-number", p.serial, "--token-code", "000000"}, "AccessDenied: MultiFactorAuthentication failed"},
		{[]string{"--role-arn", p.arn("mfa"), "--profile", "me", "--serial-number", p.serial, "--token-command", "exit 3"}, "the command for the code: exit status 3"},
		{[]string{"--role-arn", p.arn("plain"), "--profile", "me", "--duration", "2h"}, "ValidationError: The requested DurationSeconds exceeds"},
		{[]string{"--role-arn", p.arn("plain"), "--profile", "nobody"}, `none in a profile "nobody"`},
		{[]string{"--role-arn", p.arn("plain")}, `none in a profile "default"`},
		{[]string{"--role-arn", p.arn("plain"), "--profile", "me", "--endpoint", "http://127.0.0.1:4566/path"}, "is not the URL of a server"},
		{[]string{"--role-arn", p.arn("plain"), "--profile", "me", "--serial-number", "x"}, "--serial-number goes with --token-code"},
		{[]string{"--profile", "me"}, "give --role-arn"},
	} {
		if out, say, err := run(c.args...); err == nil || out != "" || !strings.Contains(say, c.want) {
			t.Errorf("%q: %v, %q, %s", c.args, err, out, say)
		}
	}
}

// TestProfilesOfRoles: role_arn with source_profile, external_id and mfa_serial, as the SDK and the AWS CLI read them.
func TestProfilesOfRoles(t *testing.T) {
	p := newProfiles(t)
	p.write("config", "[profile worker]\nrole_arn = "+p.arn(worker)+"\nsource_profile = me\nexternal_id = shared\nrole_session_name = work\n"+
		"[profile wrong]\nrole_arn = "+p.arn(worker)+"\nsource_profile = me\nexternal_id = guessed\n"+
		"[profile mfa]\nrole_arn = "+p.arn("mfa")+"\nsource_profile = me\nmfa_serial = "+p.serial+"\nrole_session_name = work\n")
	withCode := config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
		o.TokenProvider = func() (string, error) { return p.code(), nil }
	})
	t.Run("sdk", func(t *testing.T) {
		for _, name := range []string{worker, "mfa"} {
			if got, err := p.is(name, withCode); err != nil || got != "arn:aws:sts::"+p.account+":assumed-role/"+name+"/work" {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
		if got, err := p.is("wrong"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("with a wrong external ID: %s, %v", got, err)
		}
	})
	t.Run("aws", func(t *testing.T) {
		tool := testenv.Tool(t, "aws")
		ask := func(profile, code string) (string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, tool, "sts", "get-caller-identity", "--query", "Arn", "--output", "text", "--profile", profile)
			cmd.Env = append(append(os.Environ(), testenv.Environment(t)...), "HOME="+p.dir) // where it keeps what it was given
			cmd.Stdin = strings.NewReader(code + "\n")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal: it asks for the code on standard input
			var say strings.Builder
			cmd.Stderr = &say
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, say.String())
			}
			return strings.TrimSpace(string(out)), err
		}
		if got, err := ask(worker, ""); err != nil || got != "arn:aws:sts::"+p.account+":assumed-role/worker/work" {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := ask("mfa", p.code()); err != nil || got != "arn:aws:sts::"+p.account+":assumed-role/mfa/work" {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := ask("wrong", ""); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("with a wrong external ID: %s, %v", got, err)
		}
	})
}
