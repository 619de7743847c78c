package acceptance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// jsonField reads one member of a JSON object.
func jsonField(text []byte, name string, into any) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	return json.Unmarshal(all[name], into)
}

// forms are the ways in which a secret could stand in a file.
func forms(secret string) map[string][]byte {
	return map[string][]byte{
		"plain":           []byte(secret),
		"percent-encoded": []byte(url.QueryEscape(secret)),
		"base64":          []byte(base64.StdEncoding.EncodeToString([]byte(secret))),
		"hex":             []byte(hex.EncodeToString([]byte(secret))),
		"JSON":            bytes.Trim(jsonText(secret), `"`),
	}
}

func jsonText(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings encode
	}
	return text
}

// TestSecrets: the secrets of keys, session tokens and the operator's token stand in no file of the data directory, apart
// from the two files that are for handing them out, and in no output, at the most talkative level, through an orderly and a
// violent end.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(t.TempDir(), "ostiary.toml")
	if err := os.WriteFile(config, []byte("access_log = true\nrate_unauthenticated = 6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, dir, "--log-level", "debug", "--config", config)
	ctx := t.Context()
	root := p.first(t)
	token := p.token(t)
	secrets := map[string]string{"the first key's secret": root.secret, "the operator's token": token}
	plant := func(what string, by *caller) *caller {
		secrets[what+"'s secret"] = by.secret
		if by.token != "" {
			secrets[what+"'s token"] = by.token
		}
		return by
	}
	other := plant("another account", p.root(p.account(t, token)))
	admin := plant("the administrator", p.user(t, root, "Administrator", administratorAccess))
	who := must(admin.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	role := admin.role(t, "app", trusting(*who.Account), statement("Allow", "iam:*", "*"))
	session := plant("a role session", p.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}))
	k := must(admin.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	own := plant("a session token", p.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken))

	// Calls that succeed, that are denied, that fail and that cannot be authenticated, with each of them.
	for _, by := range []*caller{root, other, admin, session, own} {
		by.arn(t)
		_, _ = by.iam.ListUsers(ctx, &iam.ListUsersInput{})
		_, _ = by.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("nobody")})
		_, _ = by.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(role + "x"), RoleSessionName: aws.String("session")})
		_, err := p.as(by.id, by.secret+"x", by.token).sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if got := code(err); got != "SignatureDoesNotMatch" {
			t.Errorf("a wrong secret: %s", got)
		}
	}
	plantKeys(t, root, secrets)
	p.operator(t, "GET", "events", token+"x", "")
	for { // until the answer, and its line, is another one
		_, err := p.as(root.id, root.secret+"x", "").sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.RetryMaxAttempts = 1 })
		if code(err) == "Throttling" {
			break
		}
	}
	until(func() bool { // there are lines of requests, in which secrets could be
		out := p.output.String()
		return strings.Contains(out, "msg=request ") && strings.Contains(out, "outcome=Throttling")
	})
	if len(secrets) != 13 {
		t.Fatalf("%d secrets are planted", len(secrets))
	}

	outputs := []*lockedBuffer{p.output}
	p.kill(t)
	p = serve(t, dir, "--log-level", "debug", "--log-format", "json")
	p.as(session.id, session.secret, session.token).arn(t)
	outputs = append(outputs, p.output)
	searchFiles(t, dir, secrets) // while it runs, with the store open
	p.stop(t)
	searchFiles(t, dir, secrets)
	for _, o := range outputs {
		search(t, "the output", []byte(o.String()), secrets)
	}
}

// plantKeys makes secrets that are not access keys: a server certificate's private key, kept and refused, and those of
// service-specific credentials, at first and after a reset.
func plantKeys(t *testing.T, by *caller, secrets map[string]string) {
	t.Helper()
	ctx := t.Context()
	kept, refused := testenv.Issue(t, testenv.CertificateOf{Name: "kept"}), testenv.Issue(t, testenv.CertificateOf{Name: "refused"})
	upload := func(name string, key *string) error {
		_, err := by.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: &name, CertificateBody: &kept.Body, PrivateKey: key})
		return err
	}
	if err := upload("kept", &kept.PEM); err != nil {
		t.Fatal(err)
	}
	if got := code(upload("again", &refused.PEM)); got != "KeyPairMismatch" {
		t.Errorf("the key of another certificate: %s", got)
	}
	if got := code(upload("kept", &kept.PEM)); got != "EntityAlreadyExists" {
		t.Errorf("the same name: %s", got)
	}
	secrets["a private key"], secrets["a refused private key"] = strings.Split(kept.PEM, "\n")[1], strings.Split(refused.PEM, "\n")[1]
	user := aws.String("Administrator")
	git := must(by.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: user, ServiceName: aws.String("codecommit.amazonaws.com")}))(t).ServiceSpecificCredential
	reset := must(by.iam.ResetServiceSpecificCredential(ctx, &iam.ResetServiceSpecificCredentialInput{
		UserName: user, ServiceSpecificCredentialId: git.ServiceSpecificCredentialId}))(t).ServiceSpecificCredential
	api := must(by.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: user, ServiceName: aws.String("bedrock.amazonaws.com")}))(t).ServiceSpecificCredential
	secrets["a Git password"], secrets["a Git password after its reset"] = *git.ServicePassword, *reset.ServicePassword
	secrets["an API key"] = *api.ServiceCredentialSecret
	for _, list := range []func() error{
		func() error {
			_, err := by.iam.ListServerCertificates(ctx, &iam.ListServerCertificatesInput{})
			return err
		},
		func() error {
			_, err := by.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: user})
			return err
		},
	} {
		if err := list(); err != nil {
			t.Error(err)
		}
	}
}

// handedOut are the files that hold a secret because that is what they are for.
var handedOut = map[string]string{"root-credentials": "the first key's secret", "operator-token": "the operator's token"}

func searchFiles(t *testing.T, dir string, secrets map[string]string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		if own := handedOut[name]; own != "" {
			if !bytes.Contains(text, []byte(secrets[own])) {
				t.Errorf("%s does not hold %s: this test would not find it elsewhere either", name, own)
			}
			text = bytes.ReplaceAll(text, []byte(secrets[own]), nil)
		}
		search(t, name, text, secrets)
		return nil
	})
	if err != nil || files < 6 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
}

func search(t *testing.T, where string, text []byte, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		for form, written := range forms(secret) {
			if bytes.Contains(text, written) {
				t.Errorf("%s holds %s, %s", where, what, form)
			}
		}
	}
}
