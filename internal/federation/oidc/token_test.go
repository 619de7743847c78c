package oidc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const issuer = "https://idp.example/realms/one"

var provider = &oidc.Provider{Issuer: issuer, ClientIDs: []string{"app", "other"}}

// algorithms with a key each, made once: RSA keys take a while.
var testKeys = sync.OnceValue(func() map[string]*oidctest.Key {
	t := &testing.T{}
	all := make(map[string]*oidctest.Key)
	for _, alg := range []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"} {
		all[alg] = oidctest.NewKey(t, "key-"+alg, alg)
	}
	return all
})

// document is a key set of these members.
func document(t testing.TB, keys ...any) []byte {
	t.Helper()
	for i, k := range keys {
		if key, ok := k.(*oidctest.Key); ok {
			keys[i] = key.JWK()
		}
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func keySet(t testing.TB, keys ...any) *oidc.KeySet {
	t.Helper()
	set, err := oidc.ParseKeySet(document(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func allKeys(t testing.TB) *oidc.KeySet {
	var all []any
	for _, k := range testKeys() {
		all = append(all, k)
	}
	return keySet(t, all...)
}

// with is good claims, changed; a nil value takes a claim away.
func with(change map[string]any) map[string]any {
	c := map[string]any{"iss": issuer, "sub": "alice", "aud": "app", "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Minute).Unix()}
	for name, value := range change {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return c
}

func verify(text string, p *oidc.Provider, keys *oidc.KeySet, at time.Time) (*oidc.Identity, error) {
	token, err := oidc.Read(text)
	if err != nil {
		return nil, err
	}
	return token.Verify(p, keys, at)
}

func TestAlgorithms(t *testing.T) {
	keys := allKeys(t)
	for name, k := range testKeys() {
		id, err := verify(k.Compact(k.Header(), with(nil)), provider, keys, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := &oidc.Identity{Subject: "alice", Audience: "app", Expires: now.Add(time.Minute), Keys: []oidc.Key{
			{Name: "idp.example/realms/one:sub", Values: []string{"alice"}, Session: true},
			{Name: "idp.example/realms/one:aud", Values: []string{"app"}, Session: true},
			{Name: "idp.example/realms/one:oaud", Values: []string{"app"}},
		}}
		if diff := cmp.Diff(want, id); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Without a key ID the set must leave no choice.
	k := testKeys()["ES256"]
	if _, err := verify(k.Compact(map[string]any{"alg": "ES256"}, with(nil)), provider, keys, now); err != nil {
		t.Errorf("one key for the algorithm, and none named: %v", err)
	}
}

// TestAttacks: tokens that are not the provider's, or not for us, or not for now, or that parsers could read in two ways.
func TestAttacks(t *testing.T) {
	rs, es := testKeys()["RS256"], testKeys()["ES256"]
	stranger := oidctest.NewKey(t, rs.ID, "RS256")
	good := rs.Compact(rs.Header(), with(nil))
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	// hmacWith is the classic confusion: the public key as the secret of an HMAC.
	hmacWith := func(header string, secret []byte) string {
		input := b64([]byte(header)) + "." + parts[1]
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	claims := func(change map[string]any) string { return rs.Compact(rs.Header(), with(change)) }
	header := func(change map[string]any) string {
		h := rs.Header()
		for name, value := range change {
			if value == nil {
				delete(h, name)
			} else {
				h[name] = value
			}
		}
		return rs.Compact(h, with(nil))
	}
	payload := func(text string) string { return rs.Compact(rs.Header(), text) }
	body := func(more string) string {
		text, _ := json.Marshal(with(nil))
		return payload(strings.TrimSuffix(string(text), "}") + "," + more + "}")
	}
	ecOther := oidctest.NewKey(t, es.ID, "ES384")
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }

	attacks := map[string]string{
		// Signatures.
		"no signature": parts[0] + "." + parts[1] + ".", "two parts": parts[0] + "." + parts[1], "four parts": good + ".", "five parts, as if encrypted": good + "..",
		"alg none": b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "alg None": b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + "." + parts[2],
		"alg none, signed": rs.Compact(`{"alg":"none","kid":"key-RS256"}`, with(nil)), "alg empty": rs.Compact(`{"alg":"","kid":"key-RS256"}`, with(nil)),
		"no alg": header(map[string]any{"alg": nil}), "alg of another type": header(map[string]any{"alg": 256}), "alg in a list": header(map[string]any{"alg": []string{"RS256"}}),
		"alg in lower case": header(map[string]any{"alg": "rs256"}), "alg PS256": header(map[string]any{"alg": "PS256"}), "alg EdDSA": header(map[string]any{"alg": "EdDSA"}),
		"alg ES256K": header(map[string]any{"alg": "ES256K"}), "alg HS256": header(map[string]any{"alg": "HS256"}),
		"HMAC with the public key in PEM": hmacWith(`{"alg":"HS256","kid":"key-RS256"}`, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HMAC with the public key in DER": hmacWith(`{"alg":"HS256","kid":"key-RS256"}`, der),
		"HMAC called RS256":               hmacWith(`{"alg":"RS256","kid":"key-RS256"}`, der),
		"RS256 signature called RS512":    header(map[string]any{"alg": "RS512"}),
		"RS256 signature called ES256":    header(map[string]any{"alg": "ES256"}),
		"RS256 key, named as the EC key":  rs.Compact(map[string]any{"alg": "RS256", "kid": es.ID}, with(nil)),
		"EC key, named as the RSA key":    es.Compact(map[string]any{"alg": "ES256", "kid": rs.ID}, with(nil)),
		"another curve under the same ID": ecOther.Compact(map[string]any{"alg": "ES384", "kid": es.ID}, with(nil)),
		"ES384 key that says ES256":       ecOther.Compact(map[string]any{"alg": "ES256", "kid": es.ID}, with(nil)),
		"a stranger's key":                stranger.Compact(stranger.Header(), with(nil)),
		"a stranger's key in the header":  stranger.Compact(map[string]any{"alg": "RS256", "kid": rs.ID, "jwk": stranger.JWK()}, with(nil)),
		"a key set in the header":         stranger.Compact(map[string]any{"alg": "RS256", "kid": rs.ID, "jku": "https://evil.example/keys"}, with(nil)),
		"a certificate in the header":     stranger.Compact(map[string]any{"alg": "RS256", "kid": rs.ID, "x5c": []string{base64.StdEncoding.EncodeToString(der)}}, with(nil)),
		"a certificate's URL":             stranger.Compact(map[string]any{"alg": "RS256", "kid": rs.ID, "x5u": "https://evil.example/cert"}, with(nil)),
		"an unknown key":                  header(map[string]any{"kid": "nobody"}), "an empty key ID": header(map[string]any{"kid": ""}),
		"a key ID that is a number": header(map[string]any{"kid": 1}), "a key ID that is null": rs.Compact(`{"alg":"RS256","kid":null}`, with(nil)),
		"a key ID that is a path": header(map[string]any{"kid": "../../dev/null"}), "a key ID that is a query": header(map[string]any{"kid": "x' UNION SELECT 'key"}),
		"no key ID where three keys fit":     header(map[string]any{"kid": nil, "alg": "RS256"}),
		"signature of another token":         parts[0] + "." + strings.Split(claims(map[string]any{"sub": "bob"}), ".")[1] + "." + parts[2],
		"header of another token":            strings.Split(header(map[string]any{"typ": nil}), ".")[0] + "." + parts[1] + "." + parts[2],
		"a zero signature":                   parts[0] + "." + parts[1] + "." + b64(make([]byte, 256)),
		"a zero EC signature":                strings.Join(strings.Split(es.Compact(es.Header(), with(nil)), ".")[:2], ".") + "." + b64(make([]byte, 64)),
		"an EC signature that is too short":  strings.Join(strings.Split(es.Compact(es.Header(), with(nil)), ".")[:2], ".") + "." + b64(make([]byte, 10)),
		"a truncated signature":              good[:len(good)-4],
		"a signature with a byte in front":   parts[0] + "." + parts[1] + "." + "AAAA" + parts[2],
		"an ES256 signature in DER's length": parts[0] + "." + parts[1] + "." + b64(make([]byte, 71)),

		// Headers that change the meaning.
		"crit":             header(map[string]any{"crit": []string{"exp"}, "exp": at(time.Hour)}),
		"crit b64":         header(map[string]any{"crit": []string{"b64"}, "b64": false}),
		"crit, empty":      header(map[string]any{"crit": []string{}}),
		"crit, null":       rs.Compact(`{"alg":"RS256","kid":"key-RS256","crit":null}`, with(nil)),
		"b64 without crit": header(map[string]any{"b64": false}), "zip": header(map[string]any{"zip": "DEF"}), "enc": header(map[string]any{"enc": "A256GCM"}),
		"an access token's type": header(map[string]any{"typ": "at+jwt"}), "a logout token's type": header(map[string]any{"typ": "logout+jwt"}), "a type that is null": rs.Compact(`{"alg":"RS256","kid":"key-RS256","typ":null}`, with(nil)),
		"two algs":        rs.Compact(`{"alg":"none","kid":"key-RS256","alg":"RS256"}`, with(nil)),
		"two key IDs":     rs.Compact(`{"alg":"RS256","kid":"x","kid":"key-RS256"}`, with(nil)),
		"ALG":             rs.Compact(`{"ALG":"RS256","kid":"key-RS256"}`, with(nil)),
		"header in array": rs.Compact(`["RS256"]`, with(nil)), "header twice": rs.Compact(`{"alg":"RS256","kid":"key-RS256"}{}`, with(nil)),
		"header is no UTF-8": rs.Compact("{\"alg\":\"RS256\",\"kid\":\"key-RS256\",\"x\":\"\xff\"}", with(nil)),

		// Spellings.
		"padding": parts[0] + "." + parts[1] + "." + parts[2] + "==", "standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"a line end": parts[0] + "." + parts[1] + ".\n" + parts[2], "a space": " " + good, "a space behind": good + " ", "a zero byte": good + "\x00", "Bearer": "Bearer " + good,
		"bits that mean nothing": parts[0] + "." + parts[1] + "." + looseEnd(parts[2]), "too long": good + strings.Repeat("A", 20000), "empty": "", "dots": "..",
		"JSON serialization": `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "not ASCII": "ä" + good,

		// Payloads that can be read in two ways.
		"two subjects": body(`"sub":"root"`), "two issuers": body(`"iss":"https://idp.example"`), "two audiences apart": body(`"aud":"other"`), "two members below": body(`"x":{"a":1,"a":2}`),
		"SUB beside sub is another claim, and sub is gone": payload(`{"iss":"` + issuer + `","SUB":"alice","aud":"app","iat":1,"exp":9999999999}`),
		"an escaped second name":                           body(`"\u0073ub":"root"`),
		"not an object":                                    payload(`"alice"`), "an array": payload(`[]`), "null": payload(`null`), "something behind": payload(`{"iss":"x"} {}`), "too deep": body(`"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)),
		"payload is no UTF-8": body("\"x\":\"\xc3\x28\""), "a comment": body(`"x":1/**/`), "NaN": body(`"x":NaN`),

		// Whose.
		"another issuer": claims(map[string]any{"iss": "https://evil.example"}), "the issuer's host": claims(map[string]any{"iss": "https://idp.example"}),
		"a slash more": claims(map[string]any{"iss": issuer + "/"}), "another case": claims(map[string]any{"iss": strings.ToUpper(issuer)}), "without scheme": claims(map[string]any{"iss": strings.TrimPrefix(issuer, "https://")}),
		"http": claims(map[string]any{"iss": strings.Replace(issuer, "https", "http", 1)}), "issuer with a port": claims(map[string]any{"iss": "https://idp.example:443/realms/one"}),
		"issuer with a dot segment": claims(map[string]any{"iss": "https://idp.example/realms/./one"}), "an encoded issuer": claims(map[string]any{"iss": "https://idp.example/realms%2fone"}),
		"issuer in a list": claims(map[string]any{"iss": []string{issuer}}), "no issuer": claims(map[string]any{"iss": nil}), "issuer with a space": claims(map[string]any{"iss": issuer + " "}),

		// For whom.
		"another audience": claims(map[string]any{"aud": "evil"}), "no audience": claims(map[string]any{"aud": nil}), "an empty audience": claims(map[string]any{"aud": ""}), "no audiences": claims(map[string]any{"aud": []string{}}),
		"audience in another case": claims(map[string]any{"aud": "APP"}), "audience with a wildcard": claims(map[string]any{"aud": "*"}), "audience that contains": claims(map[string]any{"aud": "app,evil"}),
		"several audiences, nobody authorized": claims(map[string]any{"aud": []string{"app", "evil"}}), "several of ours, nobody authorized": claims(map[string]any{"aud": []string{"app", "other"}}),
		"a stranger authorized": claims(map[string]any{"azp": "evil"}), "authorized, for others": claims(map[string]any{"aud": []string{"evil"}, "azp": "app"}),
		"an empty party": claims(map[string]any{"azp": ""}), "a party in a list": claims(map[string]any{"azp": []string{"app"}}), "audience is a number": claims(map[string]any{"aud": 1}),
		"audience null in a list": payload(`{"iss":"` + issuer + `","sub":"alice","aud":["app",null],"azp":"app","iat":` + num(now.Unix()) + `,"exp":` + num(at(60*time.Second)) + `}`),
		"audience is an object":   claims(map[string]any{"aud": map[string]any{"app": true}}),

		// When.
		"expired": claims(map[string]any{"exp": at(-time.Second)}), "expires now": claims(map[string]any{"exp": at(0)}), "no end": claims(map[string]any{"exp": nil}), "end null": body(`"nbf":null`),
		"end is a text": claims(map[string]any{"exp": num(at(time.Minute))}), "end negative": claims(map[string]any{"exp": -1}), "end with an exponent": payload(strings.Replace(plain(t), num(at(time.Minute)), "1e11", 1)),
		"end too large": payload(strings.Replace(plain(t), num(at(time.Minute)), "999999999999999999999", 1)), "not yet": claims(map[string]any{"nbf": at(2 * time.Minute), "exp": at(time.Hour)}),
		"made in the future": claims(map[string]any{"iat": at(2 * time.Minute), "exp": at(time.Hour)}), "made at no time": claims(map[string]any{"iat": nil}), "ends before it begins": claims(map[string]any{"iat": at(30 * time.Second), "exp": at(20 * time.Second)}),
		"too old": claims(map[string]any{"iat": at(-25 * time.Hour)}), "milliseconds": claims(map[string]any{"iat": now.UnixMilli(), "exp": now.Add(time.Hour).UnixMilli()}),

		// Who.
		"no subject": claims(map[string]any{"sub": nil}), "an empty subject": claims(map[string]any{"sub": ""}), "a subject that is a number": claims(map[string]any{"sub": 0}), "a subject in a list": claims(map[string]any{"sub": []string{"alice"}}),
		"a subject with a line end": claims(map[string]any{"sub": "alice\nroot"}), "a long subject": claims(map[string]any{"sub": strings.Repeat("a", 256)}), "amr of numbers": claims(map[string]any{"amr": []int{1}}),

		// Session tags and source identity.
		"tags that are a list": claims(map[string]any{tagsClaim: []string{"a"}}), "tags of another name": claims(map[string]any{tagsClaim: map[string]any{"Principal_Tags": map[string]any{}}}),
		"a tag with two values": claims(map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}}}), "a tag without value": claims(map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"a": []string{}}}}),
		"a tag that is a number": claims(map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"a": 1}}}), "a tag in both forms": claims(map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"a": "1"}}, tagsClaim + "/principal_tags/a": "2"}),
		"transitive keys twice":   claims(map[string]any{tagsClaim: map[string]any{"transitive_tag_keys": []string{"a"}}, tagsClaim + "/transitive_tag_keys": []string{"b"}}),
		"a source that is a list": claims(map[string]any{"https://aws.amazon.com/source_identity": []string{"a"}}), "an empty source": claims(map[string]any{"https://aws.amazon.com/source_identity": ""}),
	}
	keys := keySet(t, rs, es, oidctest.NewKey(t, "second", "RS256"), map[string]any{"kty": "oct", "kid": "hmac", "k": b64([]byte("secret"))})
	for name, text := range attacks {
		id, err := verify(text, provider, keys, now)
		if err == nil || id != nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		if kind := fault.KindOf(err); kind != fault.InvalidIdentityToken && kind != fault.ExpiredIdentityToken || fault.MessageOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := verify(good, provider, keys, now); err != nil {
		t.Errorf("the token that the others are made from: %v", err)
	}
	if _, err := verify(good, &oidc.Provider{Issuer: issuer}, keys, now); fault.MessageOf(err) != "Incorrect token audience" {
		t.Errorf("without client IDs: %v", err)
	}
	t.Logf("%d attacks were refused", len(attacks))
	if len(attacks) < 130 {
		t.Errorf("only %d attacks", len(attacks))
	}
}

const tagsClaim = "https://aws.amazon.com/tags"

func num(n int64) string { b, _ := json.Marshal(n); return string(b) }

func plain(t testing.TB) string {
	t.Helper()
	b, err := json.Marshal(with(nil))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// looseEnd changes the last character of an encoding so that only bits change that stand for nothing.
func looseEnd(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])|1])
}

// TestClaims: what is accepted, and what it says.
func TestClaims(t *testing.T) {
	k := testKeys()["ES256"]
	keys := keySet(t, k)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		change map[string]any
		want   func(*oidc.Identity) bool
	}{
		"several audiences and a party": {map[string]any{"aud": []string{"evil", "app"}, "azp": "other"}, func(id *oidc.Identity) bool { return id.Audience == "other" }},
		"one audience in a list":        {map[string]any{"aud": []string{"app"}}, func(id *oidc.Identity) bool { return id.Audience == "app" }},
		"a clock a minute ahead":        {map[string]any{"iat": at(time.Minute), "nbf": at(time.Minute), "exp": at(time.Hour)}, nil},
		"fractions":                     {map[string]any{"iat": json.RawMessage(num(at(-5*time.Second)) + ".25"), "exp": json.RawMessage(num(at(5*time.Second)) + ".75")}, nil},
		"a day old":                     {map[string]any{"iat": at(-24 * time.Hour)}, nil},
		"a long subject":                {map[string]any{"sub": strings.Repeat("ä", 255)}, nil},
		"nested tags": {map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"Team": []string{"red"}, "Cost": "12"}, "transitive_tag_keys": []string{"Team"}}},
			func(id *oidc.Identity) bool {
				return cmp.Equal(id.Tags, []oidc.Tag{{Key: "Cost", Value: "12"}, {Key: "Team", Value: "red"}}) && cmp.Equal(id.TransitiveTagKeys, []string{"Team"})
			}},
		"flat tags": {map[string]any{tagsClaim + "/principal_tags/Team": "red", tagsClaim + "/transitive_tag_keys": []string{"Team"}},
			func(id *oidc.Identity) bool {
				return cmp.Equal(id.Tags, []oidc.Tag{{Key: "Team", Value: "red"}}) && cmp.Equal(id.TransitiveTagKeys, []string{"Team"})
			}},
		"a source identity": {map[string]any{"https://aws.amazon.com/source_identity": "alice"}, func(id *oidc.Identity) bool { return id.SourceIdentity == "alice" }},
		"amr and email": {map[string]any{"amr": []string{"mfa", "pwd"}, "email": "a@b.c", "actor": "ignored"}, func(id *oidc.Identity) bool {
			return cmp.Equal(id.Keys[3:], []oidc.Key{{Name: "idp.example/realms/one:amr", Values: []string{"mfa", "pwd"}, Session: true},
				{Name: "idp.example/realms/one:email", Values: []string{"a@b.c"}}})
		}},
	} {
		id, err := verify(k.Compact(k.Header(), with(c.change)), provider, keys, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.want != nil && !c.want(id) {
			t.Errorf("%s: %+v", name, id)
		}
	}
}

// TestNamedClaims: claims of well-known providers have condition keys, by the exact issuer.
func TestNamedClaims(t *testing.T) {
	k := testKeys()["ES256"]
	keys := keySet(t, k)
	for url, want := range map[string]bool{
		"https://token.actions.githubusercontent.com": true, "https://token.actions.githubusercontent.com/acme": true,
		"https://token.actions.acme.ghe.com": true, "https://token.actions.githubusercontent.com.evil.example": false,
		"https://evil.example/token.actions.githubusercontent.com": false, "https://token.actions.githubusercontent.com:8443": false,
	} {
		p := &oidc.Provider{Issuer: url, ClientIDs: []string{"app"}}
		id, err := verify(k.Compact(k.Header(), with(map[string]any{"iss": url, "repository": "acme/app", "repository_id": "7"})), p, keys, now)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, key := range id.Keys {
			got = got || key.Name == strings.TrimPrefix(url, "https://")+":repository" && cmp.Equal(key.Values, []string{"acme/app"})
			if key.Session && strings.HasSuffix(key.Name, ":repository") {
				t.Error("a claim for the trust policy stays with the session")
			}
		}
		if got != want {
			t.Errorf("%s: repository is a key: %v", url, got)
		}
	}
}

// TestSentences are AWS's.
func TestSentences(t *testing.T) {
	k := testKeys()["ES256"]
	keys := keySet(t, k)
	for want, text := range map[string]string{
		"Token expired: current date/time 1795262400 must be before the expiration date/time 1795262399": k.Compact(k.Header(), with(map[string]any{"exp": now.Unix() - 1})),
		"Token too old: 86401":          k.Compact(k.Header(), with(map[string]any{"iat": now.Unix() - 86401})),
		"Incorrect token audience":      k.Compact(k.Header(), with(map[string]any{"aud": "x"})),
		"Missing a required claim: sub": k.Compact(k.Header(), with(map[string]any{"sub": nil})),
		"The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)":                                             "not.a.token",
		"Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements": k.Compact(map[string]any{"alg": "ES256", "kid": "x"}, with(nil)),
	} {
		if _, err := verify(text, provider, keys, now); fault.MessageOf(err) != want {
			t.Errorf("got %q, want %q", fault.MessageOf(err), want)
		}
	}
}
