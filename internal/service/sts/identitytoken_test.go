package sts_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/node"
)

const audience = "https://api.example.com"

// enable makes an account an issuer and returns its URL.
func (w *world) enable(a account) string {
	w.t.Helper()
	out, err := w.iam(static(a.root)).EnableOutboundWebIdentityFederation(w.t.Context(), &sdkiam.EnableOutboundWebIdentityFederationInput{})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.IssuerIdentifier
}

// identityToken asks for a token for the usual audience; change may be nil.
func (w *world) identityToken(c aws.Credentials, change func(*sdk.GetWebIdentityTokenInput)) (*sdk.GetWebIdentityTokenOutput, error) {
	in := &sdk.GetWebIdentityTokenInput{Audience: []string{audience}, SigningAlgorithm: aws.String("ES384")}
	if change != nil {
		change(in)
	}
	return w.sts(c).GetWebIdentityToken(w.t.Context(), in)
}

func (w *world) fetch(url string) []byte {
	w.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("%s: %d %s %v", url, resp.StatusCode, text, err)
	}
	return text
}

// discovered verifies a token as a service elsewhere does that knows the issuer's URL and nothing else, with go-oidc.
func (w *world) discovered(issuer, client, token string) error {
	ctx := context.Background()
	p, err := goidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	_, err = p.Verifier(&goidc.Config{ClientID: client, Now: w.now}).Verify(ctx, token)
	return err
}

// plainly verifies a token's signature with the standard library and returns header and claims.
func (w *world) plainly(issuer, token string) (header, claims map[string]any) {
	w.t.Helper()
	parts := strings.Split(token, ".")
	decode := func(s string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			w.t.Fatal(err)
		}
		return raw
	}
	for part, into := range map[int]*map[string]any{0: &header, 1: &claims} {
		if err := json.Unmarshal(decode(parts[part]), into); err != nil {
			w.t.Fatal(err)
		}
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.fetch(issuer+"/.well-known/jwks.json"), &set); err != nil {
		w.t.Fatal(err)
	}
	signed, signature := parts[0]+"."+parts[1], decode(parts[2])
	number := func(s string) *big.Int { return new(big.Int).SetBytes(decode(s)) }
	for _, k := range set.Keys {
		if k["kid"] != header["kid"] || k["alg"] != header["alg"] || k["use"] != "sig" {
			continue
		}
		good := false
		switch k["kty"] {
		case "RSA":
			sum := sha256.Sum256([]byte(signed))
			good = rsa.VerifyPKCS1v15(&rsa.PublicKey{N: number(k["n"]), E: int(number(k["e"]).Int64())}, crypto.SHA256, sum[:], signature) == nil
		case "EC":
			sum := sha512.Sum384([]byte(signed))
			half := len(signature) / 2
			key := &ecdsa.PublicKey{Curve: elliptic.P384(), X: number(k["x"]), Y: number(k["y"])}
			good = half == 48 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
		}
		if !good {
			w.t.Errorf("the signature is not %s's", k["kid"])
		}
		return header, claims
	}
	w.t.Fatalf("no key fits %v in %v", header, set)
	return nil, nil
}

// TestIdentityToken: users and roles get tokens that verifiers accept who know nothing but the issuer, and that say who they are.
func TestIdentityToken(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	issuer := w.enable(a)
	ctx := t.Context()
	ann := w.user(a, "ann", allow("sts:*", "*"))
	if _, err := w.iam(static(a.root)).TagUser(ctx, &sdkiam.TagUserInput{UserName: aws.String("ann"), Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}}); err != nil {
		t.Fatal(err)
	}
	role := *func() *sdkiam.CreateRoleOutput {
		out, err := w.iam(static(a.root)).CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: aws.String("worker"), Path: aws.String("/jobs/"),
			AssumeRolePolicyDocument: document(trust(a.id, "", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")),
			Tags:                     []iamtypes.Tag{{Key: aws.String("Team"), Value: aws.String("blue")}, {Key: aws.String("cost"), Value: aws.String("7")}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}().Role.Arn
	if _, err := w.iam(static(a.root)).PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("p"), PolicyDocument: document(allow("sts:GetWebIdentityToken", "*"))}); err != nil {
		t.Fatal(err)
	}
	assumed, err := w.assume(ann, role, func(in *sdk.AssumeRoleInput) {
		in.SourceIdentity = aws.String("ann@example.com")
		in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("green")}}
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		caller  aws.Credentials
		change  func(*sdk.GetWebIdentityTokenInput)
		subject string
		life    time.Duration
		claims  map[string]any
		aud     any
	}{
		"a user": {ann, nil, a.arn("user/ann"), 5 * time.Minute, map[string]any{"principal_tags": map[string]any{"team": "red"}}, audience},
		"a user with everything": {ann, func(in *sdk.GetWebIdentityTokenInput) {
			in.SigningAlgorithm, in.DurationSeconds = aws.String("RS256"), aws.Int32(3600)
			in.Audience = []string{audience, "second"}
			in.Tags = []types.Tag{{Key: aws.String("job"), Value: aws.String("1+é")}, {Key: aws.String("none"), Value: aws.String("")}}
		}, a.arn("user/ann"), time.Hour, map[string]any{
			"principal_tags": map[string]any{"team": "red"}, "request_tags": map[string]any{"job": "1+é", "none": ""},
		}, []any{audience, "second"}},
		"a role": {credentials(assumed.Credentials), func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(60) }, role, time.Minute, map[string]any{
			"principal_tags": map[string]any{"team": "green", "cost": "7"}, "source_identity": "ann@example.com",
			"original_session_exp": assumed.Credentials.Expiration.UTC().Format(time.RFC3339),
		}, audience},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := w.identityToken(test.caller, test.change)
			if err != nil {
				t.Fatal(err)
			}
			for _, client := range []string{audience, "stranger"} {
				if err := w.discovered(issuer, client, *out.WebIdentityToken); (err == nil) != (client == audience) {
					t.Errorf("for %s: %v", client, err)
				}
			}
			_, claims := w.plainly(issuer, *out.WebIdentityToken)
			iat, _ := claims["iat"].(float64)
			exp, _ := claims["exp"].(float64)
			if id, _ := claims["jti"].(string); len(id) != 36 || int64(exp-iat) != int64(test.life/time.Second) || int64(exp) != out.Expiration.Unix() ||
				w.now().Sub(time.Unix(int64(iat), 0)).Abs() > time.Minute {
				t.Errorf("claims %v, expires %s", claims, out.Expiration)
			}
			about := map[string]any{"aws_account": a.id, "source_region": "us-east-1", "principal_id": test.subject}
			for k, v := range test.claims {
				about[k] = v
			}
			delete(claims, "jti")
			want := map[string]any{"iss": issuer, "sub": test.subject, "aud": test.aud, "iat": iat, "exp": exp, "https://sts.amazonaws.com/": about}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if one, two := w.identity(ann), w.identity(ann); one == two {
		t.Error("two tokens are one")
	}
}

// identity is a token that has to be given.
func (w *world) identity(c aws.Credentials) string {
	w.t.Helper()
	out, err := w.identityToken(c, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.WebIdentityToken
}

// TestIdentityTokenRefused: who gets none, and what cannot be asked for.
func TestIdentityTokenRefused(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", allow("sts:*", "*"))
	_, err := w.identityToken(ann, nil)
	refused(t, err, 403, "OutboundWebIdentityFederationDisabledException", "Outbound web identity federation is disabled for account "+a.id+".")
	issuer := w.enable(a)

	self := "arn:aws:sts::" + a.id + ":self"
	const why = "because no identity-based policy allows the %s action"
	nobody, untagged := w.user(a, "nobody"), w.user(a, "untagged", allow("sts:GetWebIdentityToken", self))
	_, err = w.identityToken(nobody, nil)
	denied(t, err, a.arn("user/nobody"), "sts:GetWebIdentityToken", self, fmt.Sprintf(why, "sts:GetWebIdentityToken"))
	tagged := func(tags ...types.Tag) func(*sdk.GetWebIdentityTokenInput) {
		return func(in *sdk.GetWebIdentityTokenInput) { in.Tags = tags }
	}
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	if _, err = w.identityToken(untagged, nil); err != nil {
		t.Error(err)
	}
	_, err = w.identityToken(untagged, tagged(tag("a", "b")))
	denied(t, err, a.arn("user/untagged"), "sts:TagGetWebIdentityToken", self, fmt.Sprintf(why, "sts:TagGetWebIdentityToken"))

	// Kinds of credentials.
	_, err = w.identityToken(a.root, nil)
	refused(t, err, 403, "AccessDenied", "Cannot call GetWebIdentityToken with root user credentials")
	session, err := w.sts(ann).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	federated, err := w.sts(ann).GetFederationToken(t.Context(), &sdk.GetFederationTokenInput{Name: aws.String("fed"), Policy: document(allow("sts:*", "*"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*types.Credentials{session.Credentials, federated.Credentials} {
		_, err = w.identityToken(credentials(c), nil)
		refused(t, err, 403, "AccessDenied", "Cannot call GetWebIdentityToken with session credentials")
	}

	// Input.
	for _, algorithm := range []string{"RS512", "HS256", "none!", "es384"} {
		_, err = w.identityToken(ann, func(in *sdk.GetWebIdentityTokenInput) { in.SigningAlgorithm = &algorithm })
		refused(t, err, 400, "ValidationError", "1 validation error detected: Value '"+algorithm+"' at 'signingAlgorithm' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [RS256, ES384]")
	}
	for _, seconds := range []int32{0, 59, 3601} {
		_, err = w.identityToken(ann, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = &seconds })
		if code(err) != "ValidationError" {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
	for _, list := range [][]string{{}, {""}, {strings.Repeat("a", 1001)}, strings.Split("a a a a a a a a a a a", " ")} {
		_, err = w.identityToken(ann, func(in *sdk.GetWebIdentityTokenInput) { in.Audience = list })
		if code(err) != "ValidationError" {
			t.Errorf("%d audiences: %v", len(list), err)
		}
	}
	_, err = w.identityToken(ann, tagged(tag("aws:x", "y")))
	refused(t, err, 400, "InvalidParameterValue", "Tag keys that begin with aws: are reserved and cannot be set: aws:x")
	_, err = w.identityToken(ann, tagged(tag("a", "1"), tag("A", "2")))
	refused(t, err, 400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	var many []types.Tag
	for i := range 50 {
		many = append(many, tag(fmt.Sprintf("%02d%s", i, strings.Repeat("k", 120)), strings.Repeat("v", 256)))
	}
	_, err = w.identityToken(ann, tagged(many...))
	if code(err) != "JWTPayloadSizeExceededException" || !strings.Contains(err.Error(), "exceeds the maximum of 8192. Reduce the number of request tags.") {
		t.Errorf("fifty long tags: %v", err)
	}

	// The global endpoint has no such operation.
	in := &sdk.GetWebIdentityTokenInput{Audience: []string{audience}, SigningAlgorithm: aws.String("ES384")}
	_, err = w.at(t, "sts.amazonaws.com", "us-east-1", ann).GetWebIdentityToken(t.Context(), in)
	refused(t, err, 400, "InvalidAction", "Could not find operation GetWebIdentityToken for version 2011-06-15: it is not available on the STS global endpoint")
	out, err := w.in(t, "eu-west-1", ann).GetWebIdentityToken(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := w.plainly(issuer, *out.WebIdentityToken); claims["https://sts.amazonaws.com/"].(map[string]any)["source_region"] != "eu-west-1" {
		t.Errorf("the region of %v", claims)
	}
}

// TestIdentityTokenConditions: policies see what is asked for, and the life that was not asked for.
func TestIdentityTokenConditions(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	w.enable(a)
	when := func(effect, condition string) string {
		return `{"Effect":"` + effect + `","Action":["sts:GetWebIdentityToken","sts:TagGetWebIdentityToken"],"Resource":"*","Condition":` + condition + `}`
	}
	picky := w.user(a, "picky", when("Allow", `{"ForAllValues:StringEquals":{"sts:IdentityTokenAudience":["`+audience+`","b"],"aws:TagKeys":["job"]},"StringEquals":{"sts:SigningAlgorithm":"ES384"},"NumericLessThanEquals":{"sts:DurationSeconds":"300"}}`))
	short := w.user(a, "short", allow("sts:*", "*"), when("Deny", `{"NumericGreaterThan":{"sts:DurationSeconds":"60"}}`))
	for name, test := range map[string]struct {
		caller aws.Credentials
		change func(*sdk.GetWebIdentityTokenInput)
		want   bool
	}{
		"as it should be": {picky, nil, true},
		"two audiences":   {picky, func(in *sdk.GetWebIdentityTokenInput) { in.Audience = []string{audience, "b"} }, true},
		"a third":         {picky, func(in *sdk.GetWebIdentityTokenInput) { in.Audience = []string{audience, "c"} }, false},
		"algorithm":       {picky, func(in *sdk.GetWebIdentityTokenInput) { in.SigningAlgorithm = aws.String("RS256") }, false},
		"too long":        {picky, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(301) }, false},
		"tag": {picky, func(in *sdk.GetWebIdentityTokenInput) {
			in.Tags = []types.Tag{{Key: aws.String("job"), Value: aws.String("1")}}
		}, true},
		"another tag": {picky, func(in *sdk.GetWebIdentityTokenInput) {
			in.Tags = []types.Tag{{Key: aws.String("x"), Value: aws.String("1")}}
		}, false},
		"the default": {short, nil, false},
		"a minute":    {short, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(60) }, true},
	} {
		if _, err := w.identityToken(test.caller, test.change); (err == nil) != test.want || err != nil && code(err) != "AccessDenied" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIdentityTokenOfSessions: a token ends before its session does, and a session that was revoked gets none.
func TestIdentityTokenOfSessions(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	w.enable(a)
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	role := w.role(a, "worker", trusts(a.id), allow("sts:GetWebIdentityToken", "*"))
	session := w.session(ann, role, func(in *sdk.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) })
	const say = "The requested token duration would extend the session beyond its original expiration time."
	_, err := w.identityToken(session, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(901) })
	refused(t, err, 403, "SessionDurationEscalationException", say)
	if _, err = w.identityToken(session, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(890) }); err != nil {
		t.Error(err)
	}
	w.advance(700 * time.Second)
	_, err = w.identityToken(session, nil) // 300 seconds where nothing is said
	refused(t, err, 403, "SessionDurationEscalationException", say)
	if _, err = w.identityToken(session, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(60) }); err != nil {
		t.Error(err)
	}
	revoke := fmt.Sprintf(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}`, w.now().UTC().Format(time.RFC3339))
	if _, err = w.iam(static(a.root)).PutRolePolicy(t.Context(), &sdkiam.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("revoke"), PolicyDocument: document(revoke)}); err != nil {
		t.Fatal(err)
	}
	_, err = w.identityToken(session, func(in *sdk.GetWebIdentityTokenInput) { in.DurationSeconds = aws.Int32(60) })
	denied(t, err, "arn:aws:sts::"+a.id+":assumed-role/worker/session", "sts:GetWebIdentityToken", "arn:aws:sts::"+a.id+":self", "with an explicit deny in an identity-based policy")
	w.advance(time.Hour)
	_, err = w.identityToken(session, nil)
	if code(err) != "ExpiredToken" {
		t.Errorf("of an ended session: %v", err)
	}
}

func (w *world) advance(d time.Duration) { w.offset.Add(int64(d)) }

// TestIssuerOfAccounts: each account has an issuer and keys of its own; disabling ends new tokens and not those that were given.
func TestIssuerOfAccounts(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	issuerA, issuerB := w.enable(a), w.enable(b)
	token := w.identity(w.user(a, "ann", allow("sts:*", "*")))
	if err := w.discovered(issuerA, audience, token); err != nil {
		t.Error(err)
	}
	if err := w.discovered(issuerB, audience, token); err == nil {
		t.Error("one account's token passes as another's")
	}
	setA, setB := w.fetch(issuerA+"/.well-known/jwks.json"), w.fetch(issuerB+"/.well-known/jwks.json")
	keysA, err := oidc.ParseKeySet(setA)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := oidc.Read(token); err != nil || !keysA.Has(read.KeyID()) || strings.Contains(string(setB), read.KeyID()) {
		t.Errorf("the key of the token is not its account's alone: %v", err)
	}
	if _, err := w.iam(static(a.root)).DisableOutboundWebIdentityFederation(t.Context(), &sdkiam.DisableOutboundWebIdentityFederationInput{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.identityToken(w.user(a, "bob", allow("sts:*", "*")), nil)
	refused(t, err, 403, "OutboundWebIdentityFederationDisabledException", "Outbound web identity federation is disabled for account "+a.id+".")
	if err := w.discovered(issuerA, audience, token); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	if again := w.enable(a); again != issuerA {
		t.Errorf("the issuer was %s and is %s", issuerA, again)
	}
	for _, path := range []string{"/issuers/ffffffff-ffff-4fff-8fff-ffffffffffff/.well-known/jwks.json", strings.TrimPrefix(issuerA, w.url) + "/.well-known/nothing"} {
		resp, err := http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == 200 {
			t.Errorf("%s is answered", path)
		}
	}
}

// TestNoWayBackIn: a token is no credential here, also where an account has made its own issuer a provider and a role trusts it.
func TestNoWayBackIn(t *testing.T) {
	w := newWorldOf(t, node.Config{IssuerURL: oidc.DefaultIssuers})
	a := w.account("a")
	issuer := w.enable(a)
	token := w.identity(w.user(a, "ann", allow("sts:*", "*")))
	out, err := w.iam(static(a.root)).CreateOpenIDConnectProvider(t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{
		Url: &issuer, ClientIDList: []string{audience}, ThumbprintList: []string{strings.Repeat("a", 40)},
	})
	if err != nil {
		t.Fatal(err)
	}
	role := w.role(a, "open", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+*out.OpenIDConnectProviderArn+`"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`)
	_, err = w.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), &sdk.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("back"), WebIdentityToken: &token})
	refused(t, err, 400, "InvalidIdentityToken", "Tokens of GetWebIdentityToken cannot be used to assume a role.")
}

// TestIssuerByHost: AWS's form, an issuer on a host of its own, is answered by the Host of the request.
func TestIssuerByHost(t *testing.T) {
	w := newWorldOf(t, node.Config{IssuerURL: "https://{id}.tokens.example.com"})
	a := w.account("a")
	issuer := w.enable(a)
	ask := func(host, path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	host := strings.TrimPrefix(issuer, "https://")
	if status, text := ask(host, "/.well-known/openid-configuration"); status != 200 || !strings.Contains(text, `"issuer":"`+issuer+`"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := ask(host, "/.well-known/jwks.json"); status != 200 || strings.Count(text, `"kid"`) != 2 {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := ask("tokens.example.com", "/.well-known/jwks.json"); status == 200 {
		t.Error("answered for nobody")
	}
	if status, _ := ask(strings.Replace(host, host[:8], "ffffffff", 1), "/.well-known/jwks.json"); status != 404 {
		t.Errorf("an issuer that is not: %d", status)
	}
}

// TestIdentityTokenRecords: the operator rotates, and no record of anything has a token or a key in it.
func TestIdentityTokenRecords(t *testing.T) {
	var logs logged
	w := newWorldOf(t, node.Config{Logger: logs.logger()})
	a := w.account("a")
	issuer := w.enable(a)
	ann := w.user(a, "ann", allow("sts:*", "*"))
	old := w.identity(ann)
	status, shown := w.ask("GET", "accounts/"+a.id+"/issuer", "")
	if status != 200 || shown["Issuer"] != issuer || shown["Enabled"] != true || len(shown["Keys"].([]any)) != 2 {
		t.Errorf("%d %v", status, shown)
	}
	if status, shown = w.ask("POST", "accounts/"+a.id+"/issuer/rotate", ""); status != 200 || len(shown["Keys"].([]any)) != 4 {
		t.Errorf("%d %v", status, shown)
	}
	if waiting := w.identity(ann); header(t, waiting)["kid"] != header(t, old)["kid"] {
		t.Error("the new key signs before it was published")
	}
	if err := w.discovered(issuer, audience, old); err != nil {
		t.Error(err)
	}
	if status, shown = w.ask("POST", "accounts/"+a.id+"/issuer/rotate", `{"Immediately":true}`); status != 200 || len(shown["Keys"].([]any)) != 2 {
		t.Errorf("%d %v", status, shown)
	}
	fresh := w.identity(ann)
	if err := w.discovered(issuer, audience, fresh); err != nil {
		t.Error(err)
	}
	if err := w.discovered(issuer, audience, old); err == nil {
		t.Error("the stolen key is good")
	}
	for body, want := range map[string]int{`{"Immediately":"yes"}`: 400, `{"Now":true}`: 400, `[]`: 400} {
		if status, _ := w.ask("POST", "accounts/"+a.id+"/issuer/rotate", body); status != want {
			t.Errorf("%s: %d", body, status)
		}
	}
	never := w.account("never")
	for _, id := range []string{"999999999999", never.id} {
		if status, _ := w.ask("POST", "accounts/"+id+"/issuer/rotate", ""); status != 404 {
			t.Errorf("account %s: %d", id, status)
		}
	}
	if status, shown := w.ask("GET", "accounts/"+never.id+"/issuer", ""); status != 200 || shown["Issuer"] != "" || len(shown["Keys"].([]any)) != 0 {
		t.Errorf("%d %v", status, shown)
	}

	text := ""
	asked, rotated := false, 0
	_, page := w.ask("GET", "events?limit=1000&account="+a.id, "")
	for _, e := range page["Events"].([]any) {
		e := e.(map[string]any)
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		text += string(raw)
		switch e["eventName"] {
		case "GetWebIdentityToken":
			asked = true
			if in, _ := e["requestParameters"].(map[string]any); in["signingAlgorithm"] != "ES384" {
				t.Errorf("recorded as %s", raw)
			}
		case "RotateIssuerKeys":
			rotated++
		}
	}
	if !asked || rotated != 2 {
		t.Errorf("tokens recorded %v, rotations %d", asked, rotated)
	}
	text += logs.String()
	for _, token := range []string{old, fresh} {
		for _, part := range strings.Split(token, ".")[1:] {
			if strings.Contains(text, part) {
				t.Error("a token is in the records")
			}
		}
	}
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, `"d":`) {
		t.Error("a key is in the records")
	}
}

// header is a token's.
func header(t testing.TB, token string) (h map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if err == nil {
		err = json.Unmarshal(raw, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// code is the code of an error of the API.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// logged is what a node logs.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
