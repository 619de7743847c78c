package entity_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

// fill sets every field of a record to something that is not its zero value.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("<&>é\"")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(time.Hour))
	default:
		panic("a record has a field of type " + v.Type().String())
	}
}

func roundTrip[T any](t *testing.T) {
	t.Run(reflect.TypeFor[T]().Name(), func(t *testing.T) {
		full := new(T)
		fill(reflect.ValueOf(full).Elem())
		for _, want := range []*T{new(T), full} {
			got, err := entity.Decode[T](entity.Encode(want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		if bytes.Contains(entity.Encode(full), []byte(`\u003c`)) {
			t.Error("documents are stored with HTML escapes")
		}
	})
}

func TestRoundTrip(t *testing.T) {
	roundTrip[entity.Account](t)
	roundTrip[entity.User](t)
	roundTrip[entity.Group](t)
	roundTrip[entity.Role](t)
	roundTrip[entity.Policy](t)
	roundTrip[entity.AccessKey](t)
	roundTrip[entity.LoginProfile](t)
	roundTrip[entity.MFADevice](t)
	roundTrip[entity.SSHKey](t)
	roundTrip[entity.SigningCertificate](t)
	roundTrip[entity.ServiceCredential](t)
	roundTrip[entity.ServerCertificate](t)
	roundTrip[entity.SAMLProvider](t)
	roundTrip[entity.OIDCProvider](t)
	roundTrip[entity.InstanceProfile](t)
	roundTrip[entity.RoleDeletion](t)
	roundTrip[entity.DelegationTemplate](t)
	roundTrip[entity.DelegationRequest](t)
	roundTrip[entity.DelegationAssignment](t)
	roundTrip[entity.Epoch](t)
	roundTrip[entity.Ref](t)
	roundTrip[entity.NameRef](t)
	roundTrip[entity.Count](t)
	roundTrip[entity.Usage](t)
	roundTrip[entity.OneTime](t)
	roundTrip[entity.HardwareToken](t)
	roundTrip[entity.Access](t)
	roundTrip[entity.OpenJobs](t)
	roundTrip[entity.CredentialReport](t)
	roundTrip[entity.AccessReport](t)
	roundTrip[entity.ReportPart](t)
}

// Records written by this version must be read by later ones: the stored form is spelled out.
func TestStoredForm(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		record any
		want   string
	}{
		{&entity.User{ID: "AIDA", Account: "1", Name: "a", Path: "/", CreatedAt: at, Groups: []string{"AGPA"}, Grants: entity.Grants{Attached: []string{"ANPA"}}},
			`1{"ID":"AIDA","Account":"1","Name":"a","Path":"/","CreatedAt":"2026-03-01T12:00:00Z","Attached":["ANPA"],"Groups":["AGPA"]}`},
		{&entity.NameRef{Ref: entity.Ref{Account: "1", Kind: entity.KindUser, ID: "AIDA"}, Path: "/", Name: "A"},
			`1{"Account":"1","Kind":"user","ID":"AIDA","Path":"/","Name":"A"}`},
		{&entity.Epoch{}, `1{}`},
		{&entity.Count{N: 2}, `1{"N":2}`},
	} {
		if got := string(entity.Encode(tt.record)); got != tt.want {
			t.Errorf("%T is stored as\n%s\nwant\n%s", tt.record, got, tt.want)
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"nothing", "", "empty record"},
		{"a newer format", `2{"N":1}`, `format '2' is not known`},
		{"no format", `{"N":1}`, `format '{' is not known`},
		{"an unknown member", `1{"N":1,"M":2}`, `unknown field "M"`},
		{"another type", `1{"N":"1"}`, "decoding entity.Count"},
		{"cut off", `1{"N":`, "decoding entity.Count"},
		{"something after it", `1{"N":1}{"N":2}`, "data after the record"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			record, err := entity.Decode[entity.Count]([]byte(tt.value))
			if err == nil || !strings.Contains(err.Error(), tt.want) || record != nil {
				t.Errorf("got %+v, error %v; want %q", record, err, tt.want)
			}
		})
	}
}

// FuzzDecode: no input crashes, and what is read is written and read as the same.
func FuzzDecode(f *testing.F) {
	full := new(entity.User)
	fill(reflect.ValueOf(full).Elem())
	f.Add(entity.Encode(full))
	f.Add(entity.Encode(&entity.User{}))
	f.Add([]byte(`1{"name":"a","NAME":"b","Tags":[null]}`))
	f.Add([]byte("1null"))
	f.Fuzz(func(t *testing.T, value []byte) {
		u, err := entity.Decode[entity.User](value)
		if err != nil {
			return
		}
		again, err := entity.Decode[entity.User](entity.Encode(u))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(entity.Encode(u), entity.Encode(again)) {
			t.Errorf("%s became %s", entity.Encode(u), entity.Encode(again))
		}
	})
}

func TestARNs(t *testing.T) {
	const account = "123456789012"
	for _, tt := range []struct{ got, want string }{
		{(&entity.User{Account: account, Path: "/division_abc/subdivision_xyz/", Name: "Bob"}).ARN(), "arn:aws:iam::123456789012:user/division_abc/subdivision_xyz/Bob"},
		{(&entity.Group{Account: account, Path: "/", Name: "Developers"}).ARN(), "arn:aws:iam::123456789012:group/Developers"},
		{(&entity.Role{Account: account, Path: "/application_abc/component_xyz/", Name: "S3Access"}).ARN(), "arn:aws:iam::123456789012:role/application_abc/component_xyz/S3Access"},
		{(&entity.Policy{Account: account, Path: "/", Name: "UsersManageOwnCredentials"}).ARN(), "arn:aws:iam::123456789012:policy/UsersManageOwnCredentials"},
		{(&entity.NameRef{Ref: entity.Ref{Account: account, Kind: entity.KindUser}, Path: "/a/", Name: "Bob"}).ARN(), "arn:aws:iam::123456789012:user/a/Bob"},
		{entity.RootARN(account), "arn:aws:iam::123456789012:root"},
		{entity.AssumedRoleARN(account, "Accounting-Role", "Mary"), "arn:aws:sts::123456789012:assumed-role/Accounting-Role/Mary"},
		{entity.FederatedUserARN(account, "Bob"), "arn:aws:sts::123456789012:federated-user/Bob"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

// Every key is its own, stands in its plane, and prints as the package comment draws it.
func TestKeys(t *testing.T) {
	keys := map[string][]byte{
		`("id", "account", "1")`:            entity.AccountKey("1"),
		`("id", "user", "1", "x")`:          entity.UserKey("1", "x"),
		`("id", "group", "1", "x")`:         entity.GroupKey("1", "x"),
		`("id", "role", "1", "x")`:          entity.RoleKey("1", "x"),
		`("id", "policy", "1", "x")`:        entity.PolicyKey("1", "x"),
		`("id", "key", "x")`:                entity.AccessKeyKey("x"),
		`("id", "epoch", "1")`:              entity.EpochKey("1"),
		`("ix", "uid", "x")`:                entity.UniqueIDKey("x"),
		`("ix", "alias", "x")`:              entity.AliasKey("x"),
		`("ix", "count", "1", "user")`:      entity.CountKey("1", entity.KindUser),
		`("ix", "name", "1", "user", "x")`:  entity.NameKey("1", entity.KindUser, "X"),
		`("use", "key", "x")`:               entity.KeyUsageKey("x"),
		`("use", "role", "1", "x")`:         entity.RoleUsageKey("1", "x"),
		`("out", 7, "x")`:                   entity.OutboxKey(7, "x"),
		`("out", "n", 7, "x")`:              entity.NodeOutboxKey("n", 7, "x"),
		`("node", "n")`:                     entity.NodeKey("n"),
		`("sys", "x")`:                      entity.SystemKey("x"),
		`("iss", "1")`:                      entity.IssuerKey("1"),
		`("otp", "saml", 7, "1", "x", "s")`: entity.UsedAssertionKey(time.Unix(7, 5), "1", "x", []byte("s")),
		`("otp", "used", "X")`:              entity.OneTimeKey("X"),
		`("otp", "token", "x")`:             entity.TokenKey("X"),
		`("use", "access", "1", "x", "s")`:  entity.AccessUsageKey("1", "x", "s"),
		`("job", "open", "1")`:              entity.OpenJobsKey("1"),
		`("job", "credentials", "1")`:       entity.CredentialsKey("1"),
		`("job", "access", "1", "x")`:       entity.AccessReportKey("1", "x"),
		`("job", "part", "1", "x", 7)`:      entity.ReportPartKey("1", "x", 7),
	}
	planes := map[string][]byte{"(\"id\"": entity.IdentityPlane, "(\"use\"": entity.UsagePlane, "(\"out\"": entity.OutboxPlane,
		"(\"job\", \"open\"": entity.OpenJobsPlane, "(\"job\", \"access\"": entity.AccessReports, "(\"job\", \"part\"": entity.ReportParts,
		`("otp", "token"`: entity.TokenPlane, `("otp", "saml"`: entity.UsedAssertions,
		`("out", "n"`: entity.NodeOutbox("n"), `("node"`: entity.NodesPlane, `("out", 7`: entity.UnownedOutbox}
	for want, key := range keys {
		if got := keyenc.Print(key); got != want {
			t.Errorf("key %s, want %s", got, want)
		}
		for start, plane := range planes {
			if in := bytes.HasPrefix(key, plane); in != strings.HasPrefix(want, start) {
				t.Errorf("%s is in the plane %s: %v", want, keyenc.Print(plane), in)
			}
		}
	}
	if len(keys) != 26 {
		t.Errorf("%d different keys", len(keys))
	}
}

func TestNamesWithoutCase(t *testing.T) {
	if !bytes.Equal(entity.NameKey("1", entity.KindUser, "PRODROLE"), entity.NameKey("1", entity.KindUser, "prodrole")) {
		t.Error("PRODROLE and prodrole have different keys")
	}
	if bytes.Equal(entity.NameKey("1", entity.KindUser, "a"), entity.NameKey("1", entity.KindGroup, "a")) {
		t.Error("a user and a group share a key")
	}
	if got := entity.FoldName("A-z+=,.@_9"); got != "a-z+=,.@_9" {
		t.Errorf("folded to %s", got)
	}
}

func TestDefaultDocument(t *testing.T) {
	p := entity.Policy{Default: 3, Versions: []entity.PolicyVersion{{Number: 1, Document: "one"}, {Number: 3, Document: "three"}}}
	if got := p.DefaultDocument(); got != "three" {
		t.Errorf("got %q", got)
	}
	p.Default = 2
	if got := p.DefaultDocument(); got != "" {
		t.Errorf("a version that is not there: %q", got)
	}
}
