package sigv4_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// The credentials of AWS's published signing test suite.
const (
	suiteKey    = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteToken  = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func clock(at time.Time) func() time.Time { return func() time.Time { return at } }

// vector is a request signed by a foreign signer.
type vector struct {
	Name    string      `json:"name"`
	Form    string      `json:"form"`
	Method  string      `json:"method"`
	Path    string      `json:"path"` // as on the wire, not escaped
	Query   string      `json:"query"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

// request makes the request as a server sees it. It goes around net/http's reader, which refuses some paths of the suite.
func (v vector) request() *http.Request {
	r := &http.Request{Method: v.Method, Header: http.Header{}, Host: "example.amazonaws.com", ContentLength: int64(len(v.Body))}
	r.URL = &url.URL{RawPath: v.Path, RawQuery: v.Query}
	r.URL.Path, _ = url.PathUnescape(v.Path)
	for _, h := range v.Headers {
		if strings.EqualFold(h[0], "Host") {
			r.Host = h[1]
		} else {
			r.Header.Add(h[0], h[1])
		}
	}
	return r
}

func vectors(t testing.TB, file string) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 8 {
		t.Fatalf("only %d vectors in %s", len(all), file)
	}
	return all
}

// verify parses and verifies, and then checks that the same request fails with another secret, another body, another
// method, another host and another query string.
func verify(t *testing.T, v *sigv4.Verifier, make func() *http.Request, body string) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	check := func(r *http.Request, secret string, sum [32]byte) error {
		p, err := sigv4.Parse(r)
		if err != nil {
			return err
		}
		return v.Verify(p, secret, sum)
	}
	if err := check(make(), suiteSecret, sum); err != nil {
		t.Fatalf("%v\n%s", err, reply(err))
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("accepted with %s", what)
		}
	}
	refused("another secret", check(make(), suiteSecret+"x", sum))
	refused("another body", check(make(), suiteSecret, sha256.Sum256([]byte(body+"x"))))
	r := make()
	r.Method = "PUT"
	refused("another method", check(r, suiteSecret, sum))
	r = make()
	r.Host = "evil.amazonaws.com"
	refused("another host", check(r, suiteSecret, sum))
	r = make()
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&extra=1", "&")
	refused("another query string", check(r, suiteSecret, sum))
	r = make()
	r.URL.Path += "x"
	r.URL.RawPath += "x"
	refused("another path", check(r, suiteSecret, sum))
}

func reply(err error) string {
	if e, ok := err.(*sigv4.Error); ok {
		return e.Reply()
	}
	return ""
}

// TestBotocore verifies what botocore signed: the cases of AWS's suite and more, in both forms (testdata/generate.py).
func TestBotocore(t *testing.T) {
	for _, cache := range []*sigv4.Cache{nil, sigv4.NewCache(100)} {
		for _, vec := range vectors(t, "botocore.json") {
			t.Run(vec.Name+"/"+vec.Form, func(t *testing.T) {
				verify(t, &sigv4.Verifier{Now: clock(suiteTime), Cache: cache}, vec.request, vec.Body)
			})
		}
	}
}

// published are signatures as AWS's test suite publishes them (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4), by
// case and form. They say that botocore and the suite mean the same.
var published = map[string]string{
	"get-vanilla-query-order-encoded/header":    "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
	"get-vanilla-query-order-encoded/query":     "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
	"get-vanilla-query-order-key-case/header":   "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
	"get-vanilla-empty-query-key/header":        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
	"get-vanilla-query-unreserved/header":       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
	"get-vanilla-utf8-query/header":             "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
	"get-vanilla-with-session-token/header":     "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
	"get-vanilla-with-session-token/query":      "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
	"get-unreserved/header":                     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
	"get-utf8/header":                           "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
	"get-space-normalized/header":               "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
	"get-slashes-normalized/header":             "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
	"get-slash-pointless-dot-normalized/header": "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
	"get-relative-relative-normalized/header":   "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
	"get-header-key-duplicate/header":           "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
	"get-header-key-duplicate/query":            "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
	"get-header-value-order/header":             "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
	"get-header-value-trim/header":              "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
	"post-header-key-sort/header":               "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
	"post-header-value-case/header":             "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
	"post-vanilla-query/header":                 "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
	"post-sts-header-before/header":             "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
	"post-sts-header-after/header":              "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
}

func TestPublishedSignatures(t *testing.T) {
	found := 0
	for _, vec := range vectors(t, "botocore.json") {
		want, ok := published[vec.Name+"/"+vec.Form]
		if !ok {
			continue
		}
		found++
		text := vec.Query
		for _, h := range vec.Headers {
			text += " " + h[1]
		}
		if !strings.Contains(text, "Signature="+want) {
			t.Errorf("%s: botocore and the suite differ", vec.Name)
		}
	}
	if found != len(published) {
		t.Errorf("%d of %d published signatures are in the vectors", found, len(published))
	}
}

// TestPublishedRequests verifies cases of the suite whose requests botocore does not make: signed Content-Length and payload
// hash, folded lines, and the paths that are not normalized, which are S3's.
func TestPublishedRequests(t *testing.T) {
	auth := func(headers, signature string) [2]string {
		return [2]string{"Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" +
			headers + ", Signature=" + signature}
	}
	date := [2]string{"X-Amz-Date", "20150830T123600Z"}
	const form, formHash = "Param1=value1", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
	for _, c := range []struct {
		vector
		s3 bool
	}{
		{vector{Name: "post-x-www-form-urlencoded", Method: "POST", Path: "/", Body: form, Headers: [][2]string{date,
			{"Content-Type", "application/x-www-form-urlencoded"}, {"X-Amz-Content-Sha256", formHash},
			auth("content-length;content-type;host;x-amz-content-sha256;x-amz-date", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b")}}, false},
		{vector{Name: "post-x-www-form-urlencoded-parameters", Method: "POST", Path: "/", Body: form, Headers: [][2]string{date,
			{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, {"X-Amz-Content-Sha256", formHash},
			auth("content-length;content-type;host;x-amz-content-sha256;x-amz-date", "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422")}}, false},
		{vector{Name: "get-header-value-multiline", Method: "GET", Path: "/", Headers: [][2]string{date,
			{"My-Header1", "value1"}, {"My-Header1", "  value2"}, {"My-Header1", "     value3"},
			auth("host;my-header1;x-amz-date", "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790")}}, false},
		{vector{Name: "get-slash-unnormalized", Method: "GET", Path: "//", Headers: [][2]string{date,
			auth("host;x-amz-date", "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e")}}, true},
		{vector{Name: "get-slashes-unnormalized", Method: "GET", Path: "//example//", Headers: [][2]string{date,
			auth("host;x-amz-date", "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5")}}, true},
		{vector{Name: "get-slash-dot-slash-unnormalized", Method: "GET", Path: "/./", Headers: [][2]string{date,
			auth("host;x-amz-date", "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145")}}, true},
		{vector{Name: "get-relative-unnormalized", Method: "GET", Path: "/example/..", Headers: [][2]string{date,
			auth("host;x-amz-date", "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282")}}, true},
		{vector{Name: "get-space-unnormalized", Method: "GET", Path: "/example%20space/", Headers: [][2]string{date,
			auth("host;x-amz-date", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741")}}, true},
	} {
		t.Run(c.Name, func(t *testing.T) {
			verify(t, &sigv4.Verifier{Now: clock(suiteTime), S3: c.s3}, c.request, c.Body)
		})
	}
}

// TestTokenAddedAfterSigning is the suite's post-sts-header-after, and the same in the query form.
func TestTokenAddedAfterSigning(t *testing.T) {
	for _, vec := range vectors(t, "botocore.json") {
		header := vec.Name == "post-sts-header-after"
		if !header && (vec.Name != "get-vanilla" || vec.Form != "query") {
			continue
		}
		t.Run(vec.Form, func(t *testing.T) {
			signed := func() *http.Request {
				r := vec.request()
				if header {
					r.Header.Set("X-Amz-Security-Token", suiteToken)
				} else {
					r.URL.RawQuery += "&X-Amz-Security-Token=" + suiteToken
				}
				return r
			}
			verify(t, &sigv4.Verifier{Now: clock(suiteTime), UnsignedToken: true}, signed, "")
			p, err := sigv4.Parse(signed())
			if err != nil {
				t.Fatal(err)
			}
			if p.SecurityToken != suiteToken {
				t.Errorf("token %q", p.SecurityToken)
			}
			err = (&sigv4.Verifier{Now: clock(suiteTime)}).Verify(p, suiteSecret, sha256.Sum256(nil))
			if err == nil {
				t.Error("an unsigned token was accepted by default")
			}
		})
	}
}

// TestSmithySigV4A verifies what smithy-go's aws-http-auth signed with SigV4A (testdata/smithy).
func TestSmithySigV4A(t *testing.T) {
	for _, cache := range []*sigv4.Cache{nil, sigv4.NewCache(100)} {
		for _, vec := range vectors(t, "smithy.json") {
			t.Run(vec.Name+"/"+vec.Form, func(t *testing.T) {
				verify(t, &sigv4.Verifier{Now: clock(suiteTime), Cache: cache}, vec.request, vec.Body)
			})
		}
	}
}

// TestPublishedSigV4A verifies signatures that AWS's suite publishes (tests/aws-signing-test-suite/v4a).
func TestPublishedSigV4A(t *testing.T) {
	auth := func(headers, signature string) [2]string {
		return [2]string{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20150830/service/aws4_request, SignedHeaders=" +
			headers + ", Signature=" + signature}
	}
	date, regions := [2]string{"X-Amz-Date", "20150830T123600Z"}, [2]string{"X-Amz-Region-Set", "us-east-1"}
	const query = "Param-3=Value3&Param=Value2&%E1%88%B4=Value1"
	for _, vec := range []vector{
		{Name: "get-vanilla-query-order-encoded", Method: "GET", Path: "/", Query: query, Headers: [][2]string{date, regions,
			auth("host;x-amz-date;x-amz-region-set", "3044022041ffa05b60e2cc9bac499a22148bb69825873b913cabdcf8b3f97c75ba28f81a"+
				"0220492937cb6eccb784d5fcf1969e4493ad9417ac3409496ef74f281aa13e279739")}},
		{Name: "get-vanilla-query-order-encoded, query", Method: "GET", Path: "/", Query: query + "&X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256" +
			"&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host" +
			"&X-Amz-Expires=3600&X-Amz-Region-Set=us-east-1&X-Amz-Signature=3046022100e25504f18aab11f2f511664a9e6b98f522b9c8bd95ad0c7502" +
			"b56ff4248d2dba022100c00ee21af060180bac879294598c03ba8523367daf1edf88688923a21f26e0df"},
		{Name: "get-vanilla-with-session-token", Method: "GET", Path: "/", Headers: [][2]string{date, regions,
			{"X-Amz-Security-Token", suiteToken},
			auth("host;x-amz-date;x-amz-region-set;x-amz-security-token", "3044021f7cfd51af2b722f8d1fa1afb65b4d5486ed59a67bcf9f3acc62aad6d"+
				"dd37db10221009d4c9f9a37104fc01a8daffc9a6bd1056b7b43c1196edde0b52878b759628f8c")}},
		{Name: "post-x-www-form-urlencoded", Method: "POST", Path: "/", Body: "Param1=value1", Headers: [][2]string{date, regions,
			{"Content-Type", "application/x-www-form-urlencoded"},
			{"X-Amz-Content-Sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
			auth("content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-region-set", "30450221008941153b3d200f283106550a8"+
				"32d6be09549761ad76eef23a0a30d84a1dd187f022069dba6b765b5caaac77911c1875909e70bdde412784f19215821129cbd170551")}},
		{Name: "get-relative-normalized", Method: "GET", Path: "/example/..", Headers: [][2]string{date, regions,
			auth("host;x-amz-date;x-amz-region-set", "3046022100e4dcadee13cc9bc5bd1d61014e503af3fb8ade2675abb4d57b3dc7d084338ab7"+
				"0221009b801b82caff74bca1f553edaad1d259450ac9d3f1b05512de3d3b12312874a2")}},
		{Name: "get-space-normalized", Method: "GET", Path: "/example space/", Headers: [][2]string{date, regions,
			auth("host;x-amz-date;x-amz-region-set", "3044022010ed419c059a306809f13ed114b7be5bc55bba81b65c37673c47be6e7bcb9310"+
				"0220233159500c619a3793b8ab02766a6be57059c2fe51fc73894591a7536aac24f3")}},
	} {
		t.Run(vec.Name, func(t *testing.T) {
			verify(t, &sigv4.Verifier{Now: clock(suiteTime)}, vec.request, vec.Body)
		})
	}
}
