package acceptance_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// query makes a request of the Query protocol by hand, in the body of a POST or the address of a GET, signed by the SDK's signer.
func (c *cloud) query(t *testing.T, by *caller, method, service, form string) (status int, body string) {
	t.Helper()
	q := badRequest{method: method, service: service, body: form}
	if method == "GET" {
		q.body, q.target, q.header = "", "/?"+form, map[string]string{"Content-Type": ""}
	}
	res := must(c.http.Do(q.signed(t, c, by)))(t)
	text := must(io.ReadAll(res.Body))(t)
	_ = res.Body.Close()
	return res.StatusCode, string(text)
}

// TestQueryOfSTS is what AssumeRole and GetSessionToken look like to somebody who has no SDK.
func TestQueryOfSTS(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + a.AccountID + `"},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"sts:ExternalId":"123ABC"}}}}`
	made := must(admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("demo"), Path: aws.String("/far/away/"), AssumeRolePolicyDocument: &trust}))(t).Role
	form := "Version=2011-06-15&Action=AssumeRole&RoleSessionName=Bob&DurationSeconds=900&ExternalId=123ABC&RoleArn=" + url.QueryEscape(*made.Arn) +
		"&Policy=" + url.QueryEscape(statement("Allow", "s3:*", "*"))
	type answer struct {
		XMLName xml.Name
		Result  struct {
			Credentials      struct{ SessionToken, SecretAccessKey, Expiration, AccessKeyId string }
			AssumedRoleUser  struct{ Arn, AssumedRoleId string }
			PackedPolicySize int
		} `xml:"AssumeRoleResult"`
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}
	for _, method := range []string{"POST", "GET"} {
		t.Run("AssumeRole by "+method, func(t *testing.T) {
			checklist.Shows(t, "S2-96", "S2-97", "S2-105", "S2-106", "S2-108", "S2-335")
			status, body := c.query(t, admin, method, "sts", form)
			var out answer
			if err := xml.Unmarshal([]byte(body), &out); err != nil || status != 200 {
				t.Fatalf("%d %v %s", status, err, body)
			}
			if out.XMLName != (xml.Name{Space: "https://sts.amazonaws.com/doc/2011-06-15/", Local: "AssumeRoleResponse"}) || len(out.RequestID) != 36 {
				t.Errorf("%v, request ID %q", out.XMLName, out.RequestID)
			}
			r := out.Result
			if r.AssumedRoleUser.Arn != "arn:aws:sts::"+a.AccountID+":assumed-role/demo/Bob" || r.AssumedRoleUser.AssumedRoleId != *made.RoleId+":Bob" ||
				!strings.HasPrefix(*made.RoleId, "AROA") || r.PackedPolicySize < 1 || r.PackedPolicySize > 100 {
				t.Errorf("%+v", r)
			}
			ends, err := time.Parse("2006-01-02T15:04:05Z", r.Credentials.Expiration)
			if left := time.Until(ends); err != nil || left > 15*time.Minute || left < 14*time.Minute {
				t.Errorf("Expiration %q: %v", r.Credentials.Expiration, err)
			}
			if got := c.as(r.Credentials.AccessKeyId, r.Credentials.SecretAccessKey, r.Credentials.SessionToken).arn(t); got != r.AssumedRoleUser.Arn {
				t.Errorf("the credentials are of %s", got)
			}
		})
	}
	t.Run("unsigned", func(t *testing.T) {
		checklist.Shows(t, "S2-96")
		res := must(c.http.Post(c.url, "application/x-www-form-urlencoded", strings.NewReader(form)))(t)
		defer res.Body.Close()
		if text := string(must(io.ReadAll(res.Body))(t)); res.StatusCode != 403 || !strings.Contains(text, "MissingAuthenticationToken") {
			t.Errorf("%d %s", res.StatusCode, text)
		}
	})
	t.Run("codes where none are taken", func(t *testing.T) {
		checklist.Shows(t, "S2-334")
		forms := map[string]string{
			"AssumeRoleWithSAML":        "&PrincipalArn=" + url.QueryEscape(a.ARN("saml-provider/p")) + "&SAMLAssertion=PHg%2BPC94Pg%3D%3D&RoleArn=" + url.QueryEscape(*made.Arn),
			"AssumeRoleWithWebIdentity": "&RoleSessionName=Bob&WebIdentityToken=aaaa.bbbb.cccc&RoleArn=" + url.QueryEscape(*made.Arn),
			"GetFederationToken":        "&Name=Bob",
		}
		for operation, form := range forms {
			for _, parameter := range []string{"SerialNumber", "TokenCode"} {
				status, body := c.query(t, admin, "POST", "sts", "Version=2011-06-15&Action="+operation+form+"&"+parameter+"=123456789")
				if status != 400 || !strings.Contains(body, "<Code>ValidationError</Code>") || !strings.Contains(body, parameter) {
					t.Errorf("%s with %s: %d %s", operation, parameter, status, body)
				}
			}
		}
	})
	t.Run("GetSessionToken", func(t *testing.T) {
		checklist.Shows(t, "S2-322", "S2-326", "S2-335")
		status, body := c.query(t, admin, "POST", "sts", "Version=2011-06-15&Action=GetSessionToken&DurationSeconds=3600")
		shape := regexp.MustCompile(`^(?s)(?:<\?xml[^>]*>\s*)?<GetSessionTokenResponse xmlns="https://sts\.amazonaws\.com/doc/2011-06-15/">\s*<GetSessionTokenResult>\s*<Credentials>(.*)</Credentials>(.*)</GetSessionTokenResult>`)
		m := shape.FindStringSubmatch(body)
		if status != 200 || m == nil || strings.Contains(m[2], "Arn") || strings.Contains(m[2], "User") || strings.Contains(m[2], "Policy") {
			t.Errorf("%d %s", status, body)
		}
		status, body = c.query(t, admin, "POST", "sts", "Version=2011-06-15&Action=GetSessionToken&Policy="+url.QueryEscape(statement("Allow", "s3:*", "*")))
		if status != 400 || strings.Contains(body, "Credentials") {
			t.Errorf("with a policy: %d %s", status, body)
		}
	})
	t.Run("IAM", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-13", "S2-SLR-14")
		must(admin.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("elasticache.amazonaws.com")}))(t)
		status, body := c.query(t, admin, "GET", "iam", "Action=UpdateRoleDescription&RoleName=AWSServiceRoleForElastiCache&Version=2010-05-08&Description=%22For+the+cache%22")
		if status != 200 {
			t.Errorf("%d %s", status, body)
		}
		status, body = c.query(t, admin, "GET", "iam", "Action=GetRole&RoleName=AWSServiceRoleForElastiCache&Version=2010-05-08")
		if status != 200 || !strings.Contains(body, "<Description>&#34;For the cache&#34;</Description>") && !strings.Contains(body, `<Description>"For the cache"</Description>`) &&
			!strings.Contains(body, "<Description>&quot;For the cache&quot;</Description>") {
			t.Errorf("%d %s", status, body)
		}
	})
}

// TestSessionNames: what a session may be called.
func TestSessionNames(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	role := admin.role(t, "app", trusting(a.AccountID), "")
	for name, ok := range map[string]bool{
		"ab": true, "a=b,c.d@e-f_g+h": true, strings.Repeat("n", 64): true, "AWS-CLI-session-1515432100": true,
		"a": false, strings.Repeat("n", 65): false, "a b": false, "a/b": false, "a:b": false, "ä-b": false, "": false,
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-99")
			out, err := admin.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name})
			switch {
			case !ok && code(err) != "ValidationError":
				t.Errorf("%q: %v", name, err)
			case ok && (err != nil || !strings.HasSuffix(*out.AssumedRoleUser.Arn, ":assumed-role/app/"+name)):
				t.Errorf("%q: %v, %v", name, out, err)
			}
		})
	}
	t.Run("in events", func(t *testing.T) {
		checklist.Shows(t, "S2-89")
		for _, e := range srv.Events(t, a.AccountID) {
			if e.Name == "AssumeRole" && strings.Contains(string(e.Parameters), `"roleSessionName":"AWS-CLI-session-1515432100"`) {
				return
			}
		}
		t.Error("the CLI's session is in no event")
	})
	t.Run("none", func(t *testing.T) {
		checklist.Shows(t, "S2-99")
		status, body := c.query(t, admin, "POST", "sts", "Version=2011-06-15&Action=AssumeRole&RoleArn="+url.QueryEscape(role))
		if status != 400 || !strings.Contains(body, "<Code>ValidationError</Code>") {
			t.Errorf("%d %s", status, body)
		}
	})
}

// TestExternalIDs: any text on which the two have agreed.
func TestExternalIDs(t *testing.T) {
	c, srv := newCloud(t)
	a, b := srv.Account(t), srv.Account(t)
	admin, theirs := c.admin(t, a), c.admin(t, b)
	for i, id := range []string{"12345", "9c1f6ac5-6a0b-4b6e-8f6d-0e2d3a3c1f10", "Invoice-2018/03:0042", "Kunde=4,a+b_c@example.com"} {
		t.Run(id, func(t *testing.T) {
			checklist.Shows(t, "S2-118")
			trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole",
				"Condition":{"StringEquals":{"sts:ExternalId":%q}}}}`, b.AccountID, id)
			role := admin.role(t, fmt.Sprint("deputy-", i), trust, "")
			in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session"), ExternalId: &id}
			must(theirs.sts.AssumeRole(t.Context(), in))(t)
			in.ExternalId = aws.String(id + "0")
			_, err := theirs.sts.AssumeRole(t.Context(), in)
			denied(t, err, b.ARN("user/Administrator"), "sts:AssumeRole", role, "")
		})
	}
}

// TestWhichRoles: what the Resource of a caller's policy opens.
func TestWhichRoles(t *testing.T) {
	c, srv := newCloud(t)
	a, b, other := srv.Account(t), srv.Account(t), srv.Account(t)
	admin := c.admin(t, a)
	user := c.user(t, admin, "user")
	roles := map[string]string{
		"own": admin.role(t, "Test1", trusting(a.AccountID), ""), "theirs": c.admin(t, b).role(t, "Test2", trusting(a.AccountID), ""),
		"another": admin.role(t, "Prod", trusting(a.AccountID), ""), "closed": c.admin(t, other).role(t, "Test3", trusting(b.AccountID), ""),
	}
	for resource, open := range map[string]string{
		"*": "own theirs another", "arn:aws:iam::" + a.AccountID + ":role/Test*": "own", "arn:aws:iam::*:role/Test*": "own theirs",
		"arn:aws:iam::" + b.AccountID + ":role/Test2": "theirs", "arn:aws:iam::" + a.AccountID + ":user/*": "",
	} {
		t.Run(resource, func(t *testing.T) {
			checklist.Shows(t, "S2-102")
			admin.inline(t, "user", "assume", statement("Allow", "sts:AssumeRole", resource))
			for name, role := range roles {
				_, err := user.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")})
				if want := map[bool]string{true: "", false: "AccessDenied"}[strings.Contains(" "+open+" ", " "+name+" ")]; code(err) != want {
					t.Errorf("%s: %v, want %q", name, err, want)
				}
			}
		})
	}
}

// TestEnvironment: credentials of a role in the three variables are found by the SDK's usual ways.
func TestEnvironment(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin := c.admin(t, a)
	role := admin.role(t, "app", trusting(a.AccountID), "")
	checklist.Shows(t, "S2-91")
	session := c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")})
	for _, v := range a.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", session.id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", session.secret)
	t.Setenv("AWS_SESSION_TOKEN", session.token)
	t.Setenv("AWS_CA_BUNDLE", "")
	cfg := must(config.LoadDefaultConfig(t.Context(), config.WithHTTPClient(c.http), config.WithBaseEndpoint(c.url)))(t)
	out := must(sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if want := "arn:aws:sts::" + a.AccountID + ":assumed-role/app/session"; *out.Arn != want {
		t.Errorf("the environment is %s, want %s", *out.Arn, want)
	}
}

// guideRegions are the regions of STS in the guide (L10333-10352).
var guideRegions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1",
	"ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2", "sa-east-1",
}

// TestEndpointsOfSTS calls STS under the names that AWS gives its endpoints: events are of the endpoint's region, and credentials
// are good in all.
func TestEndpointsOfSTS(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	role := admin.role(t, "app", trusting(a.AccountID), statement("Allow", "iam:ListUsers", "*"))
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	var called atomic.Value // the last host that was asked for
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		called.Store(address)
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(c.url, "http://"))
	}
	tr.DisableKeepAlives = true
	at := func(by *caller, region string, endpoint *string) *sts.Client {
		o := sts.Options{Region: region, Credentials: credentials.NewStaticCredentialsProvider(by.id, by.secret, by.token), BaseEndpoint: endpoint,
			HTTPClient: testenv.PlainBodies(&http.Client{Transport: tr})}
		o.EndpointOptions.DisableHTTPS = true
		return sts.New(o)
	}
	regionOf := func(name string) string {
		events := srv.Events(t, a.AccountID)
		for i := len(events) - 1; i >= 0; i-- {
			if events[i].Name == name {
				return events[i].Region
			}
		}
		return ""
	}
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	t.Run("global", func(t *testing.T) {
		checklist.Shows(t, "S2-363", "S2-372", "S2-423")
		must(at(admin, "us-east-1", aws.String("http://sts.amazonaws.com")).AssumeRole(ctx, in))(t)
		if host, region := called.Load(), regionOf("AssumeRole"); host != "sts.amazonaws.com:80" || region != "us-east-1" {
			t.Errorf("called %v, recorded in %s", host, region)
		}
	})
	for _, region := range guideRegions {
		t.Run(region, func(t *testing.T) {
			checklist.Shows(t, "S2-304", "S2-364", "S2-372", "S2-424")
			k := must(at(admin, region, nil).AssumeRole(ctx, in))(t).Credentials
			if host, got := called.Load(), regionOf("AssumeRole"); host != "sts."+region+".amazonaws.com:80" || got != region {
				t.Errorf("called %v, recorded in %s", host, got)
			}
			session := c.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
			must(session.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
			if got := regionOf("ListUsers"); got != "us-east-1" {
				t.Errorf("an IAM call is recorded in %s", got)
			}
			must(at(session, "eu-west-1", nil).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
			must(at(session, "sa-east-1", nil).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
		})
	}
}

// TestLiveSessions: what sessions may do is looked up when they ask, and nothing of them outlives their end.
func TestLiveSessions(t *testing.T) {
	var ahead atomic.Int64
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	c, a := reach(t, srv.URL), srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("app")
	role := admin.role(t, *name, trusting(a.AccountID), "")
	must(admin.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(43200)}))(t)
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	var sessions []*caller
	for _, seconds := range []int32{900, 3600, 43200} {
		in.DurationSeconds = &seconds
		sessions = append(sessions, c.assume(t, admin, in))
	}
	may := func(t *testing.T, want bool) {
		t.Helper()
		for i, s := range sessions {
			_, err := s.iam.ListUsers(ctx, &iam.ListUsersInput{})
			if want && err != nil || !want && code(err) != "AccessDenied" {
				t.Errorf("session %d: %v", i, err)
			}
		}
	}
	put := func(t *testing.T, policy, document string) {
		t.Helper()
		must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: &policy, PolicyDocument: &document}))(t)
	}
	remove := func(t *testing.T, policy string) {
		t.Helper()
		must(admin.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy}))(t)
	}
	t.Run("changes count at once", func(t *testing.T) {
		checklist.Shows(t, "S2-302", "S2-306", "S2-343")
		may(t, false)
		put(t, "own", statement("Allow", "iam:ListUsers", "*"))
		may(t, true)
		put(t, "own", statement("Allow", "iam:ListRoles", "*"))
		may(t, false)
		put(t, "own", statement("Allow", "iam:*", "*"))
		may(t, true)
		put(t, "deny", statement("Deny", "iam:ListUsers", "*"))
		may(t, false)
		remove(t, "deny")
		may(t, true)
		remove(t, "own")
		may(t, false)
		put(t, "own", statement("Allow", "iam:*", "*"))
	})
	revoke := func() string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}}`,
			time.Now().Add(time.Duration(ahead.Load())+time.Second).UTC().Format(time.RFC3339))
	}
	t.Run("revoked, short and long", func(t *testing.T) {
		checklist.Shows(t, "S2-293", "S2-297", "S2-353")
		put(t, "AWSRevokeOlderSessions", revoke())
		may(t, false)
		remove(t, "AWSRevokeOlderSessions")
		may(t, true)
	})
	t.Run("revoked at the user", func(t *testing.T) {
		checklist.Shows(t, "S2-297", "S2-353")
		user := c.user(t, admin, "user", iamReadOnlyAccess)
		admin.inline(t, "user", "assume", statement("Allow", "sts:AssumeRole", "*"))
		k := must(user.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
		session := c.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
		in.DurationSeconds = nil
		must(session.sts.AssumeRole(ctx, in))(t)
		admin.inline(t, "user", "revoke", revoke())
		_, err := session.sts.AssumeRole(ctx, in)
		denied(t, err, a.ARN("user/user"), "sts:AssumeRole", role, explicitDeny)
		must(user.sts.AssumeRole(ctx, in))(t) // the long-term key has no such time
		must(user.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	})
}

// TestTrustConditions: the conditions of a trust policy are asked with each call, about that call.
func TestTrustConditions(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: now})
	c, a := reach(t, srv.URL), srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	in := &sts.AssumeRoleInput{RoleSessionName: aws.String("session")}
	for name, test := range map[string]struct {
		condition string
		first     bool // the call is let in
		then      func()
		second    bool
	}{
		"time":        {`"DateLessThan":{"aws:CurrentTime":"` + now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}`, true, func() { ahead.Add(int64(2 * time.Minute)) }, false},
		"address":     {`"IpAddress":{"aws:SourceIp":["127.0.0.0/8","::1/128"]}`, true, func() {}, true},
		"elsewhere":   {`"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, false, func() {}, false},
		"external ID": {`"StringEquals":{"sts:ExternalId":"x1"}`, false, func() { in.ExternalId = aws.String("x1") }, true},
		"name":        {`"StringEquals":{"sts:RoleSessionName":"other"}`, false, func() { in.RoleSessionName = aws.String("other") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-29")
			role := admin.role(t, strings.ReplaceAll(name, " ", "-"), fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},
				"Action":"sts:AssumeRole","Condition":{%s}}}`, a.AccountID, test.condition), "")
			in.RoleArn, in.RoleSessionName, in.ExternalId = &role, aws.String("session"), nil
			try := func(want bool) {
				t.Helper()
				_, err := admin.sts.AssumeRole(ctx, in)
				if code(err) != map[bool]string{true: "", false: "AccessDenied"}[want] {
					t.Errorf("%v", err)
				}
			}
			try(test.first)
			test.then()
			try(test.second)
		})
	}
}

// TestRoleSessionEvents: what a session does is recorded as the role's, with the session's name.
func TestRoleSessionEvents(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	role := admin.role(t, "app", trusting(a.AccountID), statement("Allow", "iam:*", "*"))
	session := c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("s1")})
	must(session.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("g")}))(t)
	id := *must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("app")}))(t).Role.RoleId
	checklist.Shows(t, "S2-395", "S2-403", "S2-404")
	for _, e := range srv.Events(t, a.AccountID) {
		var r struct {
			UserIdentity struct {
				Type, PrincipalID, Arn, AccountID, AccessKeyID string
				SessionContext                                 struct {
					SessionIssuer struct{ Type, PrincipalID, Arn, AccountID, UserName string }
					Attributes    struct{ CreationDate, MfaAuthenticated string }
				}
			}
			RequestParameters, ResponseElements json.RawMessage
		}
		if err := json.Unmarshal(e.Record, &r); err != nil {
			t.Fatal(err)
		}
		switch e.Name {
		case "AssumeRole":
			if got, want := string(r.RequestParameters), `{"roleArn":"`+role+`","roleSessionName":"s1"}`; got != want {
				t.Errorf("requestParameters %s, want %s", got, want)
			}
		case "GetRole":
			if string(r.ResponseElements) != "null" || string(r.RequestParameters) != `{"roleName":"app"}` {
				t.Errorf("a read is recorded with %s and %s", r.RequestParameters, r.ResponseElements)
			}
		case "CreateGroup":
			who := r.UserIdentity
			if who.Type != "AssumedRole" || who.PrincipalID != id+":s1" || who.Arn != session.arn(t) || who.AccountID != a.AccountID || who.AccessKeyID != session.id {
				t.Errorf("userIdentity %+v", who)
			}
			issuer, attributes := who.SessionContext.SessionIssuer, who.SessionContext.Attributes
			if issuer.Type != "Role" || issuer.PrincipalID != id || issuer.Arn != role || issuer.AccountID != a.AccountID || issuer.UserName != "app" ||
				attributes.MfaAuthenticated != "false" || len(attributes.CreationDate) != len("2006-01-02T15:04:05Z") {
				t.Errorf("sessionContext %+v", who.SessionContext)
			}
			if !strings.HasPrefix(string(r.ResponseElements), `{"group":{`) || !strings.Contains(string(r.ResponseElements), `"groupName":"g"`) {
				t.Errorf("responseElements %s", r.ResponseElements)
			}
		}
	}
}
