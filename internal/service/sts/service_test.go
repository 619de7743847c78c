package sts_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// ask calls the operator API with its token.
func (w *world) ask(method, path, body string) (status int, answer map[string]any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/_ostiary/v1/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.node.OperatorToken().Reveal())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return resp.StatusCode, answer
}

// asService asks for a role as a service; more are further members.
func (w *world) asService(service, role string, more map[string]any) (status int, answer map[string]any) {
	w.t.Helper()
	in := map[string]any{"Service": service, "RoleArn": role, "SessionName": "i-0123456789abcdef0"}
	for k, v := range more {
		in[k] = v
	}
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ask("POST", "service-credentials", string(body))
}

func given(answer map[string]any) aws.Credentials {
	text := func(name string) string { s, _ := answer[name].(string); return s }
	return aws.Credentials{AccessKeyID: text("AccessKeyId"), SecretAccessKey: text("SecretAccessKey"), SessionToken: text("SessionToken")}
}

// trustsService is a trust policy for a service principal, under conditions as JSON; empty: none.
func trustsService(service, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return *document(`{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"` + condition + `}`)
}

// TestService: a service gets credentials of a role whose trust policy names it, and is recorded as who asked.
func TestService(t *testing.T) {
	checklist.Shows(t, "S2-111")
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trustsService("ec2.amazonaws.com", ""), allow("iam:ListUsers", "*"))
	status, out := w.asService("ec2.amazonaws.com", role, nil)
	if status != 200 {
		t.Fatalf("%d %v", status, out)
	}
	secrets := given(out)
	if at, err := time.Parse(time.RFC3339, out["Expiration"].(string)); err != nil || time.Until(at) > time.Hour || time.Until(at) < 59*time.Minute {
		t.Errorf("expires at %v, %v", out["Expiration"], err)
	}
	if got := w.may(given(out)); got != "users" {
		t.Errorf("may list %q", got)
	}
	who, err := w.sts(given(out)).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	session := "arn:aws:sts::" + a.id + ":assumed-role/worker/i-0123456789abcdef0"
	if *who.Arn != session || out["Arn"] != session || *who.UserId != out["UserId"] {
		t.Errorf("is %s, %s; answered %v", *who.Arn, *who.UserId, out)
	}

	if status, out = w.asService("lambda.amazonaws.com", role, nil); status != 403 ||
		out["Error"] != "User: lambda.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "+role {
		t.Errorf("another service: %d %v", status, out)
	}

	var asked []*trail.Event
	events, err := w.node.Events(t.Context(), a.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Name == "AssumeRole" {
			asked = append(asked, e)
		}
	}
	if len(asked) != 2 {
		t.Fatalf("%d events", len(asked))
	}
	yes, no := asked[0], asked[1]
	if yes.Identity != (trail.Identity{Type: "AWSService", InvokedBy: "ec2.amazonaws.com"}) || yes.SourceIP != "ec2.amazonaws.com" || yes.UserAgent != "ec2.amazonaws.com" ||
		yes.Source != "sts.amazonaws.com" || yes.ErrorCode != "" || yes.Recipient != a.id || yes.Additional.Decision.Effect != "allow" ||
		len(yes.Resources) != 1 || yes.Resources[0].ARN != role {
		t.Errorf("the event: %+v", yes)
	}
	if response := string(yes.ResponseElements); strings.Contains(response, secrets.SecretAccessKey) || !strings.Contains(response, secrets.AccessKeyID) {
		t.Errorf("the response in the event: %s", yes.ResponseElements)
	}
	if no.Identity.InvokedBy != "lambda.amazonaws.com" || no.ErrorCode != "AccessDenied" || no.ResponseElements != nil || no.Recipient != a.id {
		t.Errorf("the refusal's event: %+v", no)
	}
}

// TestServiceTrust: which trust policies admit a service.
func TestServiceTrust(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	const ec2 = "ec2.amazonaws.com"
	instance := "arn:aws:ec2:us-east-1:" + a.id + ":instance/i-0123456789abcdef0"
	source := map[string]any{"SourceArn": instance}
	deny := strings.Replace(trustsService(ec2, ""), `"Statement":[`, `"Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"Bool":{"aws:PrincipalIsAWSService":"true"}}},`, 1)
	for name, test := range map[string]struct {
		trust string
		more  map[string]any
		want  int
	}{
		"named":                                     {trustsService(ec2, ""), nil, 200},
		"named in other letters":                    {trustsService("EC2.amazonaws.com", ""), nil, 403},
		"another":                                   {trustsService("lambda.amazonaws.com", ""), nil, 403},
		"the account":                               {trusts(a.id), nil, 403},
		"an explicit deny beside":                   {deny, nil, 403},
		"for its account":                           {trustsService(ec2, `{"StringEquals":{"aws:SourceAccount":"`+a.id+`"}}`), source, 200},
		"for its account, which is not known":       {trustsService(ec2, `{"StringEquals":{"aws:SourceAccount":"`+a.id+`"}}`), nil, 403},
		"for another account":                       {trustsService(ec2, `{"StringEquals":{"aws:SourceAccount":"`+b.id+`"}}`), source, 403},
		"for its instance":                          {trustsService(ec2, `{"ArnEquals":{"aws:SourceArn":"`+instance+`"}}`), source, 200},
		"for another instance":                      {trustsService(ec2, `{"ArnEquals":{"aws:SourceArn":"`+instance+`1"}}`), source, 403},
		"by the service's name":                     {trustsService(ec2, `{"StringEquals":{"aws:PrincipalServiceName":"ec2.amazonaws.com"},"Bool":{"aws:PrincipalIsAWSService":"true"}}`), nil, 200},
		"by the service's names":                    {trustsService(ec2, `{"ForAnyValue:StringEquals":{"aws:PrincipalServiceNamesList":"ec2.amazonaws.com"}}`), nil, 200},
		"of an organization":                        {trustsService(ec2, `{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`), nil, 403},
		"with the session's name":                   {trustsService(ec2, `{"StringLike":{"sts:RoleSessionName":"i-*"}}`), nil, 200},
		"not with this session's name":              {trustsService(ec2, `{"StringLike":{"sts:RoleSessionName":"j-*"}}`), nil, 403},
		"through TLS, where it comes from a socket": {trustsService(ec2, `{"Bool":{"aws:SecureTransport":"true"}}`), nil, 200},
		"from an address":                           {trustsService(ec2, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), nil, 403},
	} {
		t.Run(name, func(t *testing.T) {
			role := w.role(a, strings.Map(func(r rune) rune {
				if r == ' ' || r == '\'' || r == ',' {
					return '-'
				}
				return r
			}, name), test.trust)
			if status, out := w.asService(ec2, role, test.more); status != test.want {
				t.Errorf("%d %v", status, out)
			}
		})
	}
}

// TestServiceLimits: durations, bad input, and what is not there.
func TestServiceLimits(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	const ec2 = "ec2.amazonaws.com"
	role := w.role(a, "worker", trustsService(ec2, ""))
	with := func(name string, value any) map[string]any { return map[string]any{name: value} }
	for name, test := range map[string]struct {
		service, role string
		more          map[string]any
		want          int
	}{
		"fifteen minutes":            {ec2, role, with("DurationSeconds", 900), 200},
		"an hour":                    {ec2, role, with("DurationSeconds", 3600), 200},
		"longer than the role's":     {ec2, role, with("DurationSeconds", 3601), 400},
		"shorter than any":           {ec2, role, with("DurationSeconds", 899), 400},
		"a part of a second":         {ec2, role, with("DurationSeconds", 900.5), 400},
		"a duration as text":         {ec2, role, with("DurationSeconds", "900"), 400},
		"no service":                 {"", role, nil, 400},
		"an account":                 {a.id, role, nil, 400},
		"a wildcard":                 {"*.amazonaws.com", role, nil, 400},
		"no role":                    {ec2, "", nil, 400},
		"a user":                     {ec2, a.arn("user/ann"), nil, 400},
		"a role that is not there":   {ec2, role + "x", nil, 403},
		"an unknown account":         {ec2, "arn:aws:iam::000000000001:role/worker", nil, 403},
		"no session name":            {ec2, role, with("SessionName", ""), 400},
		"a bad session name":         {ec2, role, with("SessionName", "a b"), 400},
		"a source that is no ARN":    {ec2, role, with("SourceArn", "x"), 400},
		"another account's source":   {ec2, role, with("SourceArn", "arn:aws:ec2:us-east-1:"+b.id+":instance/i-1"), 400},
		"a member that is not known": {ec2, role, with("ExternalId", "x"), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, out := w.asService(test.service, test.role, test.more); status != test.want {
				t.Errorf("%d %v", status, out)
			}
		})
	}
	resp, err := http.Post(w.url+"/_ostiary/v1/service-credentials", "application/json", strings.NewReader(`{"Service":"ec2.amazonaws.com","RoleArn":"`+role+`","SessionName":"i-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("without the operator's token: %d", resp.StatusCode)
	}
}

// TestSourceInstance: calls with an instance's credentials say which instance that is, and no others do.
func TestSourceInstance(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	instance := "arn:aws:ec2:us-east-1:" + a.id + ":instance/i-0123456789abcdef0"
	grant := `{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"ArnEquals":{"ec2:SourceInstanceARN":"` + instance + `"}}}`
	both := strings.Replace(trustsService("ec2.amazonaws.com", ""), `"Service":"ec2.amazonaws.com"`, `"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]`, 1)
	role := w.role(a, "worker", both, grant)
	for _, test := range []struct{ service, source, want string }{
		{"ec2.amazonaws.com", instance, "users"},
		{"ec2.amazonaws.com", instance + "1", ""},
		{"ec2.amazonaws.com", "", ""},
		{"lambda.amazonaws.com", instance, ""},
	} {
		more := map[string]any{}
		if test.source != "" {
			more["SourceArn"] = test.source
		}
		status, out := w.asService(test.service, role, more)
		if status != 200 {
			t.Fatalf("%d %v", status, out)
		}
		if got := w.may(given(out)); got != test.want {
			t.Errorf("%s for %q: may list %q", test.service, test.source, got)
		}
	}
}

// TestInstanceProfileLookup: what an instance needs to know of its profile.
func TestInstanceProfileLookup(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	iam := w.iam(static(a.root))
	role := w.role(a, "worker", trustsService("ec2.amazonaws.com", ""))
	made, err := iam.CreateInstanceProfile(t.Context(), &sdkiam.CreateInstanceProfileInput{InstanceProfileName: aws.String("web")})
	if err != nil {
		t.Fatal(err)
	}
	look := func(query string, want int) map[string]any {
		t.Helper()
		status, out := w.ask("GET", "instance-profiles?"+query, "")
		if status != want {
			t.Errorf("%s: %d %v", query, status, out)
		}
		return out
	}
	arn, id := *made.InstanceProfile.Arn, *made.InstanceProfile.InstanceProfileId
	if out := look("account="+a.id+"&name=web", 200); out["InstanceProfileArn"] != arn || out["InstanceProfileId"] != id || out["RoleArn"] != "" || out["RoleName"] != "" {
		t.Errorf("an empty profile: %v", out)
	}
	if out := look("account="+a.id+"&role=worker", 200); out["InstanceProfileArn"] != "" || out["RoleArn"] != role {
		t.Errorf("a role in no profile: %v", out)
	}
	if _, err := iam.AddRoleToInstanceProfile(t.Context(), &sdkiam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("web"), RoleName: aws.String("worker")}); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"account=" + a.id + "&name=web", "account=" + a.id + "&role=worker"} {
		if out := look(query, 200); out["InstanceProfileArn"] != arn || out["InstanceProfileId"] != id || out["RoleArn"] != role || out["RoleName"] != "worker" {
			t.Errorf("%s: %v", query, out)
		}
	}
	look("account="+a.id+"&name=nosuch", 404)
	look("account="+a.id+"&role=nosuch", 404)
	look("account=000000000001&name=web", 404)
	look("account="+a.id, 400)
	look("name=web", 404) // the first account has none
	look("account="+a.id+"&name=web&role=worker", 400)
}
