package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

var at = time.Date(2026, 8, 1, 11, 45, 22, 0, time.UTC)

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		service, request string
		out              wire.Output
		body             string
	}{
		{"iam", "Action=DeleteUser&UserName=u", nil,
			`<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteUserResponse>`},
		{"iam", "Action=CreateUser&UserName=u", &iam.CreateUserResponse{User: &iam.User{UserName: "u", Path: "/", Arn: "arn:aws:iam::1:user/u", UserId: "AIDA", CreateDate: at}},
			`<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><Arn>arn:aws:iam::1:user/u</Arn><CreateDate>2026-08-01T11:45:22Z</CreateDate>` +
				`<Path>/</Path><UserId>AIDA</UserId><UserName>u</UserName></User></CreateUserResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateUserResponse>`},
		// A required list is there even when it is empty.
		{"iam", "Action=ListUsers", &iam.ListUsersResponse{IsTruncated: new(false)},
			`<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><IsTruncated>false</IsTruncated><Users></Users></ListUsersResult>` +
				`<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListUsersResponse>`},
		{"iam", "Action=ListUserPolicies&UserName=u", &iam.ListUserPoliciesResponse{},
			`<ListUserPoliciesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUserPoliciesResult><PolicyNames></PolicyNames></ListUserPoliciesResult>` +
				`<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListUserPoliciesResponse>`},
		{"iam", "Action=GetAccountSummary", &iam.GetAccountSummaryResponse{SummaryMap: map[string]int{"Users": 2, "Groups": 1}},
			`<GetAccountSummaryResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetAccountSummaryResult><SummaryMap><entry><key>Groups</key><value>1</value></entry>` +
				`<entry><key>Users</key><value>2</value></entry></SummaryMap></GetAccountSummaryResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetAccountSummaryResponse>`},
		{"elasticache", "Action=ListTagsForResource&ResourceName=r", &elasticache.TagListMessage{TagList: []elasticache.Tag{{Key: new("a<b"), Value: new("x\r\ny\x00")}}},
			`<ListTagsForResourceResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><ListTagsForResourceResult><TagList><Tag><Key>a&lt;b</Key><Value>x&#xD;&#xA;y` + "\uFFFD" +
				`</Value></Tag></TagList></ListTagsForResourceResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListTagsForResourceResponse>`},
		{"organizations", "ListRoots {}", &organizations.ListRootsResponse{Roots: []organizations.Root{{Name: new("R\"<\n"), Id: new("r-abcd")}}},
			`{"Roots":[{"Id":"r-abcd","Name":"R\"\u003c\n"}]}`},
		{"organizations", `AttachPolicy {"PolicyId":"p-12345678","TargetId":"r-abcd"}`, nil, ""},
	} {
		var call *wire.Call
		var err error
		if c.service == "organizations" {
			name, body, _ := strings.Cut(c.request, " ")
			call, err = all.Recognize(post(body, "Content-Type", jsonType, "X-Amz-Target", "AWSOrganizationsV20161128."+name))
		} else {
			version := map[string]string{"iam": iam.API.Version, "elasticache": elasticache.API.Version}[c.service]
			call, err = all.Recognize(post(c.request + "&Version=" + version))
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from a used buffer
			w := httptest.NewRecorder()
			wire.WriteOutput(w, call, "id-1", c.out)
			if got := w.Body.String(); got != c.body {
				t.Errorf("%s:\ngot  %s\nwant %s", c.request, got, c.body)
			}
			h := w.Result().Header
			wantType := "text/xml"
			if c.service == "organizations" {
				wantType = jsonType
			}
			if w.Code != 200 || h.Get("Content-Type") != wantType || h.Get("X-Amzn-RequestId") != "id-1" {
				t.Errorf("%s: %d %v", c.request, w.Code, h)
			}
		}
	}
}

func TestFailures(t *testing.T) {
	w := httptest.NewRecorder()
	all.WriteFailure(w, iam.API, "id-2", iam.API.Failure("NoSuchEntity", "The user with name <x> cannot be found."))
	want := `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>` +
		`<Message>The user with name &lt;x&gt; cannot be found.</Message></Error><RequestId>id-2</RequestId></ErrorResponse>`
	if w.Code != 404 || w.Body.String() != want || w.Result().Header.Get("Content-Type") != "text/xml" {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	w = httptest.NewRecorder()
	all.WriteFailure(w, iam.API, "id-2", iam.API.Failure("ServiceFailure", "Sorry."))
	if w.Code != 500 || !strings.Contains(w.Body.String(), "<Type>Receiver</Type>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	w = httptest.NewRecorder()
	all.WriteFailure(w, organizations.API, "id-3", organizations.API.Failure("ConstraintViolationException", "Too many.", wire.Member{Name: "Reason", Value: "OU_NUMBER_LIMIT_EXCEEDED"}))
	want = `{"__type":"ConstraintViolationException","Reason":"OU_NUMBER_LIMIT_EXCEEDED","Message":"Too many."}`
	if h := w.Result().Header; w.Code != 400 || w.Body.String() != want || h.Get("X-Amzn-ErrorType") != "ConstraintViolationException" || h.Get("X-Amzn-RequestId") != "id-3" {
		t.Errorf("%d %s %v", w.Code, w.Body, h)
	}
	if f := organizations.API.Failure("ServiceException", ""); f.Status != 500 || f.Sender {
		t.Errorf("%+v", f)
	}
	if f := iam.API.Failure("Unheard", "m"); !reflect.DeepEqual(f, wire.Failure{Code: "Unheard", Message: "m", Status: 400, Sender: true}) {
		t.Errorf("%+v", f)
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		v    wire.Output
		want string
	}{
		{&iam.GetAccountSummaryRequest{}, "null"},
		{&iam.ListUsersRequest{}, "null"},
		{&iam.CreateUserRequest{UserName: "u", Tags: []iam.Tag{{Key: "k", Value: "v"}}}, `{"tags":[{"key":"k","value":"v"}],"userName":"u"}`},
		{&iam.ListUsersRequest{MaxItems: new(3)}, `{"maxItems":3}`},
		{&iam.CreateLoginProfileRequest{UserName: new("u"), Password: new(secret.New("hunter2"))}, `{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","userName":"u"}`},
		{&iam.CreateAccessKeyResponse{AccessKey: iam.AccessKey{AccessKeyId: "AKIA", SecretAccessKey: secret.New("hunter2"), Status: "Active", UserName: "u", CreateDate: &at}},
			`{"accessKey":{"accessKeyId":"AKIA","createDate":"Aug 1, 2026, 11:45:22 AM","secretAccessKey":"HIDDEN_DUE_TO_SECURITY_REASONS","status":"Active","userName":"u"}}`},
		{&sts.GetSessionTokenRequest{TokenCode: new(secret.New("123456")), SerialNumber: new("arn:aws:iam::1:mfa/u")},
			`{"serialNumber":"arn:aws:iam::1:mfa/u","tokenCode":"HIDDEN_DUE_TO_SECURITY_REASONS"}`},
		{&iam.AcquireRoleRequest{TemplateArn: "t", ReplacementValues: map[string]iam.ReplacementValueEntry{"b": {}, "a": {Values: []string{"1"}}}},
			`{"replacementValues":{"a":{"values":["1"]},"b":{}},"templateArn":"t"}`},
		{&organizations.CreateAccountRequest{AccountName: "n", Email: "a@b.c"}, `{"accountName":"****","email":"****"}`},
		{&elasticache.CreateUserMessage{UserId: "u", Passwords: []secret.Text{secret.New("hunter2")}, AccessString: "on", Engine: "redis", UserName: "n"},
			`{"accessString":"on","engine":"redis","passwords":"HIDDEN_DUE_TO_SECURITY_REASONS","userId":"u","userName":"n"}`},
	} {
		got := string(c.v.AppendEvent([]byte("x")))
		if got != "x"+c.want {
			t.Errorf("%T: %s, want %s", c.v, got, c.want)
		}
		if !json.Valid([]byte(got[1:])) {
			t.Errorf("%T: no JSON", c.v)
		}
	}
}

// No value that is a credential gets into an event, whatever the operation.
func TestEventsHideEverySecret(t *testing.T) {
	const planted = "pLaNtEd"
	hidden := 0
	for _, api := range []*wire.API{iam.API, sts.API, organizations.API, elasticache.API} {
		for name, o := range api.Operations {
			values := []wire.Output{o.NewInput()}
			if o.NewOutput != nil {
				values = append(values, o.NewOutput())
			}
			for _, v := range values {
				plant(reflect.ValueOf(v).Elem(), planted, 6)
				event := string(v.AppendEvent(nil))
				if strings.Contains(event, planted) {
					t.Errorf("%s %s: %s", api.Name, name, event)
				}
				if !json.Valid([]byte(event)) {
					t.Errorf("%s %s: no JSON: %s", api.Name, name, event)
				}
				hidden += strings.Count(event, "HIDDEN_DUE_TO_SECURITY_REASONS")
			}
		}
	}
	if hidden < 40 {
		t.Errorf("only %d secrets were met", hidden)
	}
}

// plant fills everything and puts text into every secret.
func plant(v reflect.Value, text string, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[secret.Text]():
		v.Set(reflect.ValueOf(secret.New(text)))
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Pointer && depth > 0:
		v.Set(reflect.New(v.Type().Elem()))
		plant(v.Elem(), text, depth-1)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 && depth > 0:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), text, depth-1)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			plant(v.Field(i), text, depth)
		}
	}
}

// service is the smallest implementation of one built operation of each kind.
type service struct {
	sts.Service[string]
	err error
}

func (s service) GetCallerIdentity(_ context.Context, c string, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &sts.GetCallerIdentityResponse{Account: &c}, nil
}

func TestHandlers(t *testing.T) {
	h := sts.Bind(sts.Service[string](service{}))["GetCallerIdentity"]
	out, err := h(context.Background(), "123456789012", &sts.GetCallerIdentityRequest{})
	if err != nil || *out.(*sts.GetCallerIdentityResponse).Account != "123456789012" {
		t.Errorf("%v %v", out, err)
	}
	broken := errors.New("broken")
	h = sts.Bind(sts.Service[string](service{err: broken}))["GetCallerIdentity"]
	if out, err := h(context.Background(), "", &sts.GetCallerIdentityRequest{}); out != nil || !errors.Is(err, broken) {
		t.Errorf("%v %v", out, err)
	}
	done := wire.WithoutOutput(func(context.Context, int, *iam.DeleteUserRequest) error { return nil })
	if out, err := done(context.Background(), 1, &iam.DeleteUserRequest{}); out != nil || err != nil {
		t.Errorf("%v %v", out, err)
	}
}

// The binding has what is built, and nothing else.
func TestBindings(t *testing.T) {
	check := func(api *wire.API, bound map[string]bool) {
		for name, o := range api.Operations {
			if bound[name] != (o.Unbuilt == "") {
				t.Errorf("%s %s: bound %t, unbuilt %q", api.Name, name, bound[name], o.Unbuilt)
			}
		}
	}
	check(sts.API, names(sts.Bind(sts.Service[string](service{}))))
	check(iam.API, names(iam.Bind(iam.Service[string](struct{ iam.Service[string] }{panics{}}))))
	check(organizations.API, names(organizations.Bind[string](nil)))
	check(elasticache.API, names(elasticache.Bind(elasticache.Service[string](struct{ elasticache.Service[string] }{cachePanics{}}))))
}

// panics stands for an implementation that is bound and never called.
type panics struct{ iam.Service[string] }

type cachePanics struct{ elasticache.Service[string] }

func names[C any](m map[string]wire.Handler[C]) map[string]bool {
	set := map[string]bool{}
	for name := range m {
		set[name] = true
	}
	return set
}

// A page's members exist where the table says, so that paging code can rely on it.
func TestPagesNameRealMembers(t *testing.T) {
	n := 0
	for _, api := range []*wire.API{iam.API, sts.API, organizations.API, elasticache.API} {
		for name, o := range api.Operations {
			p := o.Pages
			if p == nil {
				continue
			}
			n++
			in, out := reflect.TypeOf(o.NewInput()), reflect.TypeOf(o.NewOutput())
			for _, m := range []struct {
				of   reflect.Type
				path string
			}{{in, p.InputToken}, {in, p.LimitKey}, {out, p.OutputToken}, {out, p.MoreResults}} {
				if m.path != "" && !hasMember(m.of, m.path) {
					t.Errorf("%s %s: no %s in %s", api.Name, name, m.path, m.of)
				}
			}
			for _, key := range p.ResultKeys {
				if !hasMember(out, key) {
					t.Errorf("%s %s: no %s in %s", api.Name, name, key, out)
				}
			}
		}
	}
	if n < 70 {
		t.Errorf("only %d paginated operations", n)
	}
}

func hasMember(typ reflect.Type, path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		f, ok := typ.FieldByName(part)
		if !ok {
			return false
		}
		typ = f.Type
	}
	return true
}
