package sts_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

const notAllowed = "Not authorized to perform sts:AssumeRoleWithWebIdentity"

// federated is a node with an identity provider that the account a has registered.
type federated struct {
	*world
	a   account
	idp *oidctest.IdP
	key string // the issuer without scheme, as names of condition keys begin
	arn string // of the provider in a
}

func newFederated(t *testing.T, host, path string) *federated {
	t.Helper()
	idp := oidctest.NewAt(t, host, path)
	w := newWorldWith(t, outbound.Config{Resolver: idp, Dial: idp.Dial})
	f := &federated{world: w, a: w.account("a"), idp: idp, key: host + path}
	f.arn = f.register(f.a, "sts.amazonaws.com")
	return f
}

// register makes the provider in an account.
func (f *federated) register(a account, clients ...string) string {
	f.t.Helper()
	out, err := f.iam(static(a.root)).CreateOpenIDConnectProvider(f.t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{
		Url: &f.idp.Issuer, ClientIDList: clients, ThumbprintList: []string{f.idp.Thumbprint()},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return *out.OpenIDConnectProviderArn
}

// trustsProvider is a statement that trusts a provider, under conditions as JSON; without actions the one that it is for.
func trustsProvider(provider, condition string, actions ...string) string {
	if actions == nil {
		actions = []string{"sts:AssumeRoleWithWebIdentity"}
	}
	return strings.Replace(trust(provider, condition, actions...), `"AWS"`, `"Federated"`, 1)
}

// withToken asks for a session with a token, unsigned; change may be nil.
func (w *world) withToken(role, token string, change func(*sdk.AssumeRoleWithWebIdentityInput)) (*sdk.AssumeRoleWithWebIdentityOutput, error) {
	in := &sdk.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("session"), WebIdentityToken: &token}
	if change != nil {
		change(in)
	}
	anonymous := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: testenv.HTTPClient()})
	return anonymous.AssumeRoleWithWebIdentity(w.t.Context(), in)
}

// signIn is withToken for a session that has to be given.
func (w *world) signIn(role, token string, change func(*sdk.AssumeRoleWithWebIdentityInput)) aws.Credentials {
	w.t.Helper()
	out, err := w.withToken(role, token, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials(out.Credentials)
}

func (f *federated) token(change map[string]any) string {
	return f.idp.Token(time.Now().Add(time.Duration(f.offset.Load())), change)
}

// mayGet reports whether the caller may get users by these names.
func (w *world) mayGet(c aws.Credentials, names ...string) (can []string) {
	w.t.Helper()
	for _, name := range names {
		_, err := w.iam(static(c)).GetUser(w.t.Context(), &sdkiam.GetUserInput{UserName: &name})
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			can = append(can, name)
		}
	}
	return can
}

// TestWebIdentity is the flow F10 of S2: a provider, a role that trusts it, a session, and what the session may do.
func TestWebIdentity(t *testing.T) {
	f := newFederated(t, "server.example.com", "")
	role := f.role(f.a, "web", *document(trustsProvider(f.arn, `{"StringEquals":{"server.example.com:aud":"sts.amazonaws.com"}}`)),
		`{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${server.example.com:sub}"}`,
		`{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"server.example.com:sub":"alice","server.example.com:aud":"sts.amazonaws.com"}}}`,
		`{"Effect":"Allow","Action":"iam:ListGroups","Resource":"*","Condition":{"StringEquals":{"server.example.com:email":"a@b.c"}}}`)
	out, err := f.withToken(role, f.token(map[string]any{"email": "a@b.c"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the answer", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-1", "S2-143", "S2-153", "S2-154", "S2-157")
		r, err := f.iam(static(f.a.root)).GetRole(t.Context(), &sdkiam.GetRoleInput{RoleName: aws.String("web")})
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(*out.Credentials.Expiration).Round(time.Minute); left != time.Hour {
			t.Errorf("lasts %s", left)
		}
		want := &sdk.AssumeRoleWithWebIdentityOutput{
			Audience: aws.String("sts.amazonaws.com"), Provider: &f.arn, SubjectFromWebIdentityToken: aws.String("alice"),
			AssumedRoleUser: &types.AssumedRoleUser{
				Arn: aws.String("arn:aws:sts::" + f.a.id + ":assumed-role/web/session"), AssumedRoleId: aws.String(*r.Role.RoleId + ":session"),
			},
		}
		want.Credentials, want.ResultMetadata, want.SessionTokenSize, want.SessionTokenUtilization = out.Credentials, out.ResultMetadata, out.SessionTokenSize, out.SessionTokenUtilization
		if diff := cmp.Diff(want, out, cmp.FilterPath(func(p cmp.Path) bool {
			return strings.HasSuffix(p.String(), "noSmithyDocumentSerde") || strings.HasSuffix(p.String(), "ResultMetadata")
		}, cmp.Ignore())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	session := credentials(out.Credentials)
	t.Run("who it is", func(t *testing.T) {
		f.t = t
		who, err := f.sts(session).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		if err != nil || *who.Arn != "arn:aws:sts::"+f.a.id+":assumed-role/web/session" || *who.Account != f.a.id || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
			t.Errorf("%+v, %v", who, err)
		}
	})
	t.Run("needs its token", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-160")
		bare := session
		bare.SessionToken = ""
		_, err := f.sts(bare).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	})
	t.Run("the provider's keys stay with the session", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-147", "S4-207")
		if got := f.mayGet(session, "alice", "bob"); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("alice may get %v", got)
		}
		if got := f.may(session); got != "users" { // email was for the trust policy alone
			t.Errorf("alice may list %s", got)
		}
		bob := f.signIn(role, f.token(map[string]any{"sub": "bob"}), nil)
		if got := f.mayGet(bob, "alice", "bob"); !slices.Equal(got, []string{"bob"}) || f.may(bob) != "" {
			t.Errorf("bob may get %v", got)
		}
	})
}

// TestWhoIsNotLetIn: tokens that are not accepted, roles that do not trust, and that neither tells what there is.
func TestWhoIsNotLetIn(t *testing.T) {
	f := newFederated(t, "idp.example", "/one")
	other := f.account("other")
	role := f.role(f.a, "web", *document(trustsProvider(f.arn, `{"StringEquals":{"idp.example/one:sub":"alice"}}`)))
	stranger := oidctest.NewKey(t, f.idp.Key().ID, "RS256")
	try := func(role, token string) error { _, err := f.withToken(role, token, nil); return err }

	t.Run("tokens", func(t *testing.T) {
		checklist.Shows(t, "S2-156")
		for say, token := range map[string]string{
			"Incorrect token audience": f.token(map[string]any{"aud": "evil"}),
			"No OpenIDConnect provider found in your account for https://evil.example":                       f.token(map[string]any{"iss": "https://evil.example"}),
			"No OpenIDConnect provider found in your account for https://idp.example/ONE":                    f.token(map[string]any{"iss": "https://idp.example/ONE"}),
			"No OpenIDConnect provider found in your account for https://idp.example/one/":                   f.token(map[string]any{"iss": "https://idp.example/one/"}),
			"No OpenIDConnect provider found in your account for idp.example/one":                            f.token(map[string]any{"iss": "idp.example/one"}),
			"The token's signature could not be verified":                                                    stranger.Compact(stranger.Header(), f.idp.Claims(time.Now(), nil)),
			"The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)": "abcd",
			"Missing a required claim: sub":                                                                  f.token(map[string]any{"sub": nil}),
		} {
			refused(t, try(role, token), 400, "InvalidIdentityToken", say)
		}
		at := time.Now().Unix()
		_, err := f.withToken(role, f.token(map[string]any{"exp": at - 1}), nil)
		if err == nil || !strings.Contains(err.Error(), "ExpiredTokenException: Token expired: current date/time ") {
			t.Errorf("an expired token: %v", err)
		}
	})
	t.Run("trust", func(t *testing.T) {
		checklist.Shows(t, "S2-139", "S2-161")
		good := f.token(nil)
		nobody := f.role(f.a, "nobody", trusts(f.a.id))
		denying := f.role(f.a, "denying", *document(trustsProvider(f.arn, ""), strings.Replace(trustsProvider(f.arn, ""), "Allow", "Deny", 1)))
		foreign := f.role(f.a, "foreign", *document(trustsProvider(other.arn("oidc-provider/idp.example/one"), "")))
		prefix := f.role(f.a, "prefix", *document(trustsProvider(f.a.arn("oidc-provider/idp.example"), ""), trustsProvider("accounts.google.com", "")))
		wrong := f.role(f.a, "wrong", *document(trustsProvider(f.arn, "", "sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:TagSession")))
		absent := f.role(f.a, "absent", *document(trustsProvider(f.arn, `{"StringEquals":{"idp.example/one:amr":"mfa"}}`)))
		for name, arn := range map[string]string{"another principal": nobody, "an explicit deny": denying, "another account's provider": foreign, "other providers": prefix,
			"another action": wrong, "a key that is not there": absent, "no such role": f.a.arn("role/none"), "another path": f.a.arn("role/x/web")} {
			if err := try(arn, good); err == nil {
				t.Errorf("%s: let in", name)
			} else {
				refused(t, err, 403, "AccessDenied", notAllowed)
			}
		}
		refused(t, try(role, f.token(map[string]any{"sub": "bob"})), 403, "AccessDenied", notAllowed)
		if err := try(role, good); err != nil {
			t.Errorf("whom the role trusts: %v", err)
		}
		anyone := f.role(f.a, "anyone", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+f.arn+`"},"Action":"sts:*"}]}`)
		if err := try(anyone, f.token(map[string]any{"sub": "bob"})); err != nil {
			t.Errorf("a role that trusts every user of the provider: %v", err)
		}
	})
	t.Run("other accounts", func(t *testing.T) {
		theirs := f.role(other, "theirs", *document(trustsProvider(f.arn, "")))
		refused(t, try(theirs, f.token(nil)), 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://idp.example/one")
		f.register(other, "sts.amazonaws.com")
		refused(t, try(theirs, f.token(nil)), 403, "AccessDenied", notAllowed) // it trusts the provider of another account
		refused(t, try("arn:aws:iam::999999999999:role/x", f.token(nil)), 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://idp.example/one")
	})
	t.Run("providers that are asked, not verified", func(t *testing.T) {
		for _, p := range []string{"www.amazon.com", "graph.facebook.com", "accounts.google.com"} {
			_, err := f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.ProviderId = &p })
			refused(t, err, 403, "IDPRejectedClaim", "Access tokens of "+p+" are not accepted. Leave ProviderId out for OpenID Connect ID tokens.")
		}
	})
	t.Run("parameters", func(t *testing.T) {
		refused(t, try("arn:aws:iam::"+f.a.id+":user/alice", f.token(nil)), 400, "ValidationError", "arn:aws:iam::"+f.a.id+":user/alice is invalid")
		_, err := f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(899) })
		refused(t, err, 400, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")
		_, err = f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(3601) })
		refused(t, err, 400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	})
	t.Run("the provider is deleted", func(t *testing.T) {
		if _, err := f.iam(static(f.a.root)).DeleteOpenIDConnectProvider(t.Context(), &sdkiam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &f.arn}); err != nil {
			t.Fatal(err)
		}
		refused(t, try(role, f.token(nil)), 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://idp.example/one")
	})
}

// TestProviderCertificate: the thumbprints decide where no authority is trusted, and addresses that are not public need the
// operator's leave.
func TestProviderCertificate(t *testing.T) {
	t.Run("thumbprints", func(t *testing.T) {
		checklist.Shows(t, "S2-133")
		f := newFederated(t, "idp.example", "")
		role := f.role(f.a, "web", *document(trustsProvider(f.arn, "")))
		set := func(thumbprint string) {
			_, err := f.iam(static(f.a.root)).UpdateOpenIDConnectProviderThumbprint(t.Context(), &sdkiam.UpdateOpenIDConnectProviderThumbprintInput{
				OpenIDConnectProviderArn: &f.arn, ThumbprintList: []string{thumbprint}})
			if err != nil {
				t.Fatal(err)
			}
		}
		f.signIn(role, f.token(nil), nil)
		set(strings.Repeat("0", 40))
		_, err := f.withToken(role, f.token(nil), nil)
		refused(t, err, 400, "InvalidIdentityToken", "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")
		set(strings.ToUpper(f.idp.Thumbprint()))
		f.signIn(role, f.token(nil), nil)
	})
	for name, c := range map[string]struct {
		allow []netip.Prefix
		want  string // the error of making the provider without thumbprints
	}{
		"a loopback address":          {nil, "OpenIdIdpCommunicationError"},
		"a loopback address, allowed": {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			idp := oidctest.New(t, "/x")
			w := newWorldWith(t, outbound.Config{Allow: c.allow, Roots: idp.Roots})
			a := w.account("a")
			out, err := w.iam(static(a.root)).CreateOpenIDConnectProvider(t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{Url: &idp.Issuer, ClientIDList: []string{"sts.amazonaws.com"}})
			if c.want != "" {
				refused(t, err, 400, c.want, "The request failed because IAM cannot connect to the OpenID Connect identity provider URL.")
				if idp.Fetches() != 0 {
					t.Error("was asked")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checklist.Shows(t, "S2-131")
			p, err := w.iam(static(a.root)).GetOpenIDConnectProvider(t.Context(), &sdkiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: out.OpenIDConnectProviderArn})
			if err != nil || !slices.Equal(p.ThumbprintList, []string{idp.Thumbprint()}) {
				t.Errorf("%+v, %v", p, err)
			}
			role := w.role(a, "web", *document(trustsProvider(*out.OpenIDConnectProviderArn, "")))
			w.signIn(role, idp.Token(time.Now(), nil), nil)
		})
	}
	t.Run("a provider that is not there", func(t *testing.T) {
		f := newFederated(t, "idp.example", "")
		out, err := f.iam(static(f.a.root)).CreateOpenIDConnectProvider(t.Context(), &sdkiam.CreateOpenIDConnectProviderInput{
			Url: aws.String("https://gone.example"), ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: []string{f.idp.Thumbprint()}})
		if err != nil {
			t.Fatal(err)
		}
		role := f.role(f.a, "web", *document(trustsProvider(*out.OpenIDConnectProviderArn, "")))
		_, err = f.withToken(role, f.token(map[string]any{"iss": "https://gone.example"}), nil)
		refused(t, err, 400, "IDPCommunicationError", "Error contacting identity provider")
		f.idp.Answer("/keys", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		role = f.role(f.a, "web2", *document(trustsProvider(f.arn, "")))
		_, err = f.withToken(role, f.token(nil), nil)
		refused(t, err, 400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	})
}

// TestKeyRotation: a token of a new key is accepted as soon as the key is published, and one of an old key no longer.
func TestKeyRotation(t *testing.T) {
	f := newFederated(t, "idp.example", "")
	role := f.role(f.a, "web", *document(trustsProvider(f.arn, "")))
	f.signIn(role, f.token(nil), nil)
	old, fresh := f.idp.Key(), oidctest.NewKey(t, "fresh", "ES384")
	f.idp.SetKeys(fresh, old)
	f.offset.Store(int64(time.Minute)) // past the moment after a fetch
	f.signIn(role, f.token(nil), nil)
	now := time.Now().Add(time.Minute)
	f.signIn(role, old.Compact(old.Header(), f.idp.Claims(now, nil)), nil)
	f.idp.SetKeys(fresh)
	f.offset.Store(int64(7 * time.Minute))
	_, err := f.withToken(role, old.Compact(old.Header(), f.idp.Claims(now, nil)), nil)
	refused(t, err, 400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	before := f.idp.Fetches()
	for range 50 { // guesses do not make the provider work
		_, _ = f.withToken(role, old.Compact(map[string]any{"alg": "RS256", "kid": fmt.Sprint(before)}, f.idp.Claims(now, nil)), nil)
	}
	if n := f.idp.Fetches() - before; n > 1 {
		t.Errorf("50 guesses made %d fetches", n)
	}
}

// TestSessionFacts: session tags, source identity, the provider and MFA as policies see them.
func TestSessionFacts(t *testing.T) {
	f := newFederated(t, "idp.example", "")
	const tags, source = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"
	both := map[string]any{source: "alice.smith", tags: map[string]any{"principal_tags": map[string]any{"Team": []string{"red"}, "Cost": []string{"12"}}, "transitive_tag_keys": []string{"Team"}}}
	condition := func(operator, key, value string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{%q:{%q:%q}}}`, operator, key, value)
	}
	all := []string{"sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"}
	facts := map[string]string{
		"tag": condition("StringEquals", "aws:PrincipalTag/team", "red"), "other": condition("StringEquals", "aws:PrincipalTag/Cost", "12"),
		"source": condition("StringEquals", "aws:SourceIdentity", "alice.smith"), "provider": condition("StringEquals", "aws:FederatedProvider", f.arn),
		"mfa": condition("Bool", "aws:MultiFactorAuthPresent", "false"), "age": condition("Null", "aws:MultiFactorAuthAge", "true"),
		"issued": condition("Null", "aws:TokenIssueTime", "false"), "type": condition("StringEquals", "aws:PrincipalType", "AssumedRole"),
		"name absent": condition("Null", "aws:username", "true"), "userid": condition("StringLike", "aws:userid", "AROA*:session"),
	}
	for name, statement := range facts {
		t.Run(name, func(t *testing.T) {
			f.t = t
			role := f.role(f.a, "fact-"+strings.ReplaceAll(name, " ", "-"), *document(trustsProvider(f.arn, "", all...)), statement)
			if got := f.may(f.signIn(role, f.token(both), nil)); got != "users" {
				t.Errorf("%s does not hold", statement)
			}
		})
	}
	t.Run("needs permission", func(t *testing.T) {
		f.t = t
		for i, want := range []string{"", "sts:SetSourceIdentity", "sts:TagSession"} {
			actions := slices.Delete(slices.Clone(all), len(all)-i, len(all))
			role := f.role(f.a, fmt.Sprint("needs-", i), *document(trustsProvider(f.arn, "", actions...)))
			_, err := f.withToken(role, f.token(both), nil)
			if want == "" && err == nil {
				continue
			}
			refused(t, err, 403, "AccessDenied", "Not authorized to perform "+want)
		}
	})
	t.Run("the trust policy sees them", func(t *testing.T) {
		f.t = t
		role := f.role(f.a, "sees", *document(trustsProvider(f.arn, `{"StringEquals":{"aws:RequestTag/Team":"red","sts:SourceIdentity":"alice.smith","sts:RoleSessionName":"session"},
			"ForAllValues:StringEquals":{"aws:TagKeys":["Team","Cost"],"sts:TransitiveTagKeys":["Team"]}}`, all...)))
		f.signIn(role, f.token(both), nil)
		_, err := f.withToken(role, f.token(map[string]any{source: "alice.smith", tags + "/principal_tags/Team": "blue"}), nil)
		refused(t, err, 403, "AccessDenied", notAllowed)
	})
	t.Run("chained", func(t *testing.T) {
		f.t = t
		first := f.signIn(f.role(f.a, "first", *document(trustsProvider(f.arn, "", all...)), allow("sts:*", "*")), f.token(both), nil)
		for name, c := range map[string]struct {
			statement string
			want      string
		}{
			"transitive": {condition("StringEquals", "aws:PrincipalTag/Team", "red"), "users"}, "plain": {condition("StringEquals", "aws:PrincipalTag/Cost", "12"), ""},
			"source": {condition("StringEquals", "aws:SourceIdentity", "alice.smith"), "users"}, "sub": {condition("StringEquals", "idp.example:sub", "alice"), ""},
			"provider": {condition("Null", "aws:FederatedProvider", "true"), "users"},
		} {
			second := f.role(f.a, "second-"+name, *document(trust(f.a.id, "", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")), c.statement)
			if got := f.may(f.session(first, second, nil)); got != c.want {
				t.Errorf("%s: may list %q", name, got)
			}
		}
	})
	t.Run("what a provider may not state", func(t *testing.T) {
		f.t = t
		role := f.role(f.a, "states", *document(trustsProvider(f.arn, "", all...)))
		many := map[string]any{}
		for i := range 51 {
			many[fmt.Sprint("k", i)] = "v"
		}
		tag := func(key, value string) map[string]any {
			return map[string]any{tags: map[string]any{"principal_tags": map[string]any{key: value}}}
		}
		for say, change := range map[string]map[string]any{
			"The token states an invalid session tag.":                                                            tag("a", "<>"),
			"Tag keys that begin with aws: are reserved and cannot be set: AWS:x":                                 tag("AWS:x", "v"),
			"Duplicate tag keys found. Please note that Tag keys are case insensitive.":                           {tags: map[string]any{"principal_tags": map[string]any{"a": "1", "A": "2"}}},
			"The specified transitive tag key must be included in the requested tags.":                            {tags: map[string]any{"principal_tags": map[string]any{"a": "1"}, "transitive_tag_keys": []string{"b"}}},
			"The number of session tags, with those inherited from the calling session, exceeds the limit of 50.": {tags: map[string]any{"principal_tags": many}},
			"The token states an invalid source identity.":                                                        {source: "a b"},
		} {
			_, err := f.withToken(role, f.token(change), nil)
			refused(t, err, 400, "InvalidIdentityToken", say)
		}
		for _, bad := range []map[string]any{{source: "aws:x"}, {source: "x"}, {source: strings.Repeat("x", 65)}} {
			_, err := f.withToken(role, f.token(bad), nil)
			refused(t, err, 400, "InvalidIdentityToken", "The token states an invalid source identity.")
		}
		for _, bad := range []map[string]any{tag("", "v"), tag(strings.Repeat("k", 129), "v"), tag("k", strings.Repeat("v", 257))} {
			_, err := f.withToken(role, f.token(bad), nil)
			refused(t, err, 400, "InvalidIdentityToken", "The token states an invalid session tag.")
		}
	})
}

// TestWebIdentitySessionPolicies: they narrow and never widen.
func TestWebIdentitySessionPolicies(t *testing.T) {
	f := newFederated(t, "idp.example", "")
	role := f.role(f.a, "web", *document(trustsProvider(f.arn, "")), allow("iam:ListUsers", "*"))
	with := func(policy *string) func(*sdk.AssumeRoleWithWebIdentityInput) {
		return func(in *sdk.AssumeRoleWithWebIdentityInput) { in.Policy = policy }
	}
	t.Run("narrow", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-158")
		for want, policy := range map[string]*string{"users": document(allow("iam:*", "*")), "": document(allow("iam:ListGroups", "*"))} {
			if got := f.may(f.signIn(role, f.token(nil), with(policy))); got != want {
				t.Errorf("with %s: may list %q", *policy, got)
			}
		}
		managed := f.signIn(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) {
			in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}}
		})
		if got := f.may(managed); got != "users" {
			t.Errorf("with a managed policy: may list %q", got)
		}
	})
	t.Run("size", func(t *testing.T) {
		f.t = t
		out, err := f.withToken(role, f.token(nil), with(document(allow("iam:*", "*"))))
		if err != nil {
			t.Fatal(err)
		}
		//lint:ignore SA1019 clients still read it, deprecated or not
		if out.PackedPolicySize == nil || *out.PackedPolicySize < 1 {
			t.Error("no packed size")
		}
		_, err = f.withToken(role, f.token(nil), with(document(allow("iam:"+strings.Repeat("x", 2048), "*"))))
		if err == nil || !strings.Contains(err.Error(), "PackedPolicyTooLarge") && !strings.Contains(err.Error(), "ValidationError") {
			t.Errorf("a policy that is too long: %v", err)
		}
		ten := func(in *sdk.AssumeRoleWithWebIdentityInput) {
			in.Policy = document(allow("iam:"+strings.Repeat("x", 1900), "*"))
			for range 10 {
				in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")})
			}
		}
		_, err = f.withToken(role, f.token(nil), ten)
		refused(t, err, 400, "PackedPolicyTooLarge", "The session policies are longer than 2048 characters together.")
		_, err = f.withToken(role, f.token(nil), with(aws.String("{")))
		refused(t, err, 400, "MalformedPolicyDocument", "Syntax errors in policy.")
	})
	t.Run("life", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-155")
		for seconds, say := range map[int32]string{
			899:  "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
			3601: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
		} {
			_, err := f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = &seconds })
			refused(t, err, 400, "ValidationError", say)
		}
		whole, err := f.withToken(role, f.token(nil), nil)
		if err != nil || time.Until(*whole.Credentials.Expiration).Round(time.Minute) != time.Hour {
			t.Errorf("%+v, %v", whole, err)
		}
		out, err := f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(900) })
		if err != nil || time.Until(*out.Credentials.Expiration).Round(time.Minute) != 15*time.Minute {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

// TestWebIdentityEvents: a verified call leaves an event of somebody known to the provider, let in or not; an unverified one none.
func TestWebIdentityEvents(t *testing.T) {
	f := newFederated(t, "idp.example", "")
	role := f.role(f.a, "web", *document(trustsProvider(f.arn, `{"StringEquals":{"idp.example:sub":"alice"}}`)))
	before, err := f.node.Events(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	session := f.signIn(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(900) })
	_, denial := f.withToken(role, f.token(map[string]any{"sub": "bob"}), nil)
	refused(t, denial, 403, "AccessDenied", notAllowed)
	_, _ = f.withToken(role, f.token(map[string]any{"aud": "evil"}), nil)
	_, _ = f.withToken(role, "not.a.token", nil)
	_, _ = f.withToken(role, f.token(nil), func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(1) })
	if _, err := f.sts(session).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
		t.Fatal(err)
	}
	all, err := f.node.Events(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	events := all[len(before):]
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	t.Run("identity and resources", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-385", "S2-397")
		for i, sub := range []string{"alice", "bob"} {
			e := events[i]
			id := e.Identity
			if id.Type != "WebIdentityUser" || id.PrincipalID != f.arn+":sts.amazonaws.com:"+sub || id.UserName != sub || id.IdentityProvider != f.arn || id.ARN != "" || id.AccountID != "" {
				t.Errorf("%+v", id)
			}
			if e.Name != "AssumeRoleWithWebIdentity" || e.Recipient != f.a.id || e.Region != "us-east-1" || len(e.Resources) != 1 || e.Resources[0].ARN != role {
				t.Errorf("%+v", e)
			}
		}
		if e := events[1]; e.ErrorCode != "AccessDenied" || e.ErrorMessage != notAllowed || e.ResponseElements != nil || e.Additional.Decision == nil || e.Additional.Decision.Effect != "deny-implicit" {
			t.Errorf("the denial is recorded as %+v", e)
		}
	})
	t.Run("parameters and answer", func(t *testing.T) {
		f.t = t
		checklist.Shows(t, "S2-415")
		in, out := string(events[0].RequestParameters), string(events[0].ResponseElements)
		for _, want := range []string{`"durationSeconds":900`, `"roleArn":"` + role, `"roleSessionName":"session"`} {
			if !strings.Contains(in, want) {
				t.Errorf("%s is not in %s", want, in)
			}
		}
		for _, want := range []string{`"provider":"` + f.arn, `"subjectFromWebIdentityToken":"alice"`, `"audience":"sts.amazonaws.com"`, `"credentials":{`, `"assumedRoleUser":{`} {
			if !strings.Contains(out, want) {
				t.Errorf("%s is not in %s", want, out)
			}
		}
		for _, secret := range []string{"eyJ", session.SecretAccessKey} {
			if strings.Contains(in+out, secret) {
				t.Errorf("%s is recorded", secret)
			}
		}
	})
	t.Run("the session's own", func(t *testing.T) {
		f.t = t
		w := events[2].Identity.Session.WebIdentity
		if w == nil || w.FederatedProvider != f.arn || w.Attributes["idp.example:sub"] != "alice" || w.Attributes["idp.example:aud"] != "sts.amazonaws.com" {
			t.Errorf("recorded as %+v", w)
		}
	})
}

// TestKubernetes: service accounts, as Amazon EKS and self-managed clusters have them (IAM roles for service accounts). The SDK
// finds the token and the role in the environment by itself. (That of Go asks STS for them at AWS_ENDPOINT_URL_STS: it has not
// read AWS_ENDPOINT_URL by then.)
func TestKubernetes(t *testing.T) {
	f := newFederated(t, "oidc.eks.us-east-1.amazonaws.com", "/id/0123456789ABCDEF")
	const subject = "system:serviceaccount:shop:cart"
	role := f.role(f.a, "cart", *document(trustsProvider(f.arn, fmt.Sprintf(`{"StringEquals":{"%s:sub":%q,"%[1]s:aud":"sts.amazonaws.com"}}`, f.key, subject))), allow("iam:ListUsers", "*"))
	claims := func(sub string) map[string]any {
		return map[string]any{"sub": sub, "aud": []string{"sts.amazonaws.com"}, "jti": "8f3c", "nbf": time.Now().Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
			"kubernetes.io": map[string]any{"namespace": "shop", "serviceaccount": map[string]any{"name": "cart", "uid": "u"}, "pod": map[string]any{"name": "cart-1", "uid": "p"}}}
	}
	k := f.idp.Key()
	token := k.Compact(map[string]any{"alg": "RS256", "kid": k.ID}, f.idp.Claims(time.Now(), claims(subject))) // without typ, as Kubernetes signs
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_SESSION_NAME": "cart-pod", "AWS_ENDPOINT_URL": f.world.url, "AWS_ENDPOINT_URL_STS": f.world.url, "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = testenv.HTTPClient()
	who, err := sdk.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::"+f.a.id+":assumed-role/cart/cart-pod" {
		t.Fatalf("%+v, %v", who, err)
	}
	if _, err := sdkiam.NewFromConfig(cfg).ListUsers(t.Context(), &sdkiam.ListUsersInput{}); err != nil {
		t.Error(err)
	}
	// Another service account of the cluster, and one whose name begins alike.
	for _, sub := range []string{"system:serviceaccount:shop:cart2", "system:serviceaccount:other:cart"} {
		_, err := f.withToken(role, f.token(claims(sub)), nil)
		refused(t, err, 403, "AccessDenied", notAllowed)
	}
	// A token for another audience, such as the cluster's own API.
	other := claims(subject)
	other["aud"] = []string{"https://kubernetes.default.svc"}
	_, err = f.withToken(role, f.token(other), nil)
	refused(t, err, 400, "InvalidIdentityToken", "Incorrect token audience")
}

// TestGitHub: workflows are told apart by their subject, with wildcards, and by claims of their own.
func TestGitHub(t *testing.T) {
	f := newFederated(t, "token.actions.githubusercontent.com", "")
	const k = "token.actions.githubusercontent.com"
	branch := f.role(f.a, "main-branch", *document(trustsProvider(f.arn, `{"StringEquals":{"`+k+`:aud":"sts.amazonaws.com"},"StringLike":{"`+k+`:sub":"repo:acme/shop:ref:refs/heads/main"}}`)))
	repo := f.role(f.a, "repo", *document(trustsProvider(f.arn, `{"StringEquals":{"`+k+`:aud":"sts.amazonaws.com"},"StringLike":{"`+k+`:sub":"repo:acme/shop:*"}}`)))
	environment := f.role(f.a, "environment", *document(trustsProvider(f.arn, `{"StringEquals":{"`+k+`:repository_id":"42","`+k+`:environment":"prod","`+k+`:ref":"refs/heads/main"}}`)))
	claims := func(sub string, change map[string]any) map[string]any {
		c := map[string]any{"sub": sub, "repository": "acme/shop", "repository_id": "42", "ref": "refs/heads/main", "actor": "ann", "workflow": "deploy"}
		for name, value := range change {
			c[name] = value
		}
		return c
	}
	for name, c := range map[string]struct {
		role   string
		claims map[string]any
		want   bool
	}{
		"the branch":                   {branch, claims("repo:acme/shop:ref:refs/heads/main", nil), true},
		"another branch":               {branch, claims("repo:acme/shop:ref:refs/heads/main2", nil), false},
		"a pull request":               {branch, claims("repo:acme/shop:pull_request", nil), false},
		"any branch of the repository": {repo, claims("repo:acme/shop:ref:refs/heads/x", nil), true},
		"a pull request of it":         {repo, claims("repo:acme/shop:pull_request", nil), true},
		"a repository with its prefix": {repo, claims("repo:acme/shop2:ref:refs/heads/main", nil), false},
		"another owner":                {repo, claims("repo:evil/shop:ref:refs/heads/main", nil), false},
		"an owner with a longer name":  {repo, claims("xrepo:acme/shop:ref:refs/heads/main", nil), false},
		"another case":                 {repo, claims("repo:ACME/shop:ref:refs/heads/main", nil), false},
		"the environment":              {environment, claims("x", map[string]any{"environment": "prod"}), true},
		"another environment":          {environment, claims("x", map[string]any{"environment": "test"}), false},
		"no environment":               {environment, claims("x", nil), false},
		"a repository renamed":         {environment, claims("x", map[string]any{"environment": "prod", "repository_id": "43"}), false},
	} {
		_, err := f.withToken(c.role, f.token(c.claims), nil)
		if c.want && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.want {
			refused(t, err, 403, "AccessDenied", notAllowed)
		}
	}
}
