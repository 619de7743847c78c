package trail_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

var update = flag.Bool("update", false, "rewrite the expected records in testdata")

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// samples are one event per kind of identity (S2-391 to S2-397, S2-409, S2-413).
func samples() map[string]*trail.Event {
	session := func(is *trail.SessionIssuer) *trail.SessionContext {
		return &trail.SessionContext{Issuer: is, Attributes: trail.SessionAttributes{CreationDate: at.Add(-time.Minute)}}
	}
	role := &trail.SessionIssuer{
		Type: "Role", PrincipalID: "AROA1", ARN: "arn:aws:iam::222222222222:role/p/r", AccountID: "222222222222", UserName: "r",
	}
	ann := trail.Identity{
		Type: trail.TypeIAMUser, PrincipalID: "AIDA1", ARN: "arn:aws:iam::111111111111:user/ann", AccountID: "111111111111",
		AccessKeyID: "AKIA1", UserName: "ann",
	}
	annSession := ann
	annSession.AccessKeyID = "ASIA1"
	annSession.Session = session(nil)
	annSession.Session.Attributes.MFAAuthenticated = true
	annSession.InvokedBy = "signin.amazonaws.com"
	webSession := session(role)
	webSession.WebIdentity = &trail.WebIdentity{
		FederatedProvider: "arn:aws:iam::222222222222:oidc-provider/idp.example.com",
		Attributes:        map[string]string{"idp.example.com:sub": "bob", "idp.example.com:aud": "app"},
	}
	webSession.SourceIdentity = "bob"
	base := func(source, name string, id trail.Identity) *trail.Event {
		return &trail.Event{
			Identity: id, Time: at, Source: source, Name: name, Region: "us-east-1", SourceIP: "192.0.2.1", UserAgent: "aws-cli/2",
			RequestID: "r1", ID: "e1", Recipient: id.AccountID,
		}
	}
	get := base("iam.amazonaws.com", "GetUserPolicy", annSession)
	get.RequestParameters = json.RawMessage(`{"userName":"ann","policyName":"p1"}`)
	get.ReadOnly = true

	assume := base("sts.amazonaws.com", "AssumeRole", ann)
	assume.RequestParameters = json.RawMessage(`{"roleArn":"arn:aws:iam::222222222222:role/p/r","roleSessionName":"s"}`)
	assume.ResponseElements = json.RawMessage(`{"credentials":{"accessKeyId":"ASIA2","expiration":"Mar 4, 2026 6:06:07 AM"}}`)
	assume.Resources = []trail.Resource{{AccountID: "222222222222", Type: "AWS::IAM::Role", ARN: "arn:aws:iam::222222222222:role/p/r"}}
	assume.SharedID = "x1"
	assume.TLS = &trail.TLS{Version: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ClientHost: "sts.example.com"}
	assume.Additional.Decision = &trail.Decision{Effect: "allow", Layer: "resource", Policy: "AROA1", Statement: 2, Sid: "Ann", Revision: 7}

	denied := base("iam.amazonaws.com", "CreateUser", trail.Identity{
		Type: trail.TypeAssumedRole, PrincipalID: "AROA1:s", ARN: "arn:aws:sts::222222222222:assumed-role/r/s",
		AccountID: "222222222222", AccessKeyID: "ASIA2", Session: session(role),
	})
	denied.ErrorCode = "AccessDenied"
	denied.ErrorMessage = `User: arn:aws:sts::222222222222:assumed-role/r/s is not authorized to perform: iam:CreateUser`
	denied.Additional.Decision = &trail.Decision{Effect: "deny-implicit", Layer: "identity", Revision: 8}

	signIn := base("signin.amazonaws.com", "ConsoleLogin", trail.Identity{
		Type: trail.TypeIAMUser, AccountID: "111111111111", UserName: trail.Hidden,
	})
	signIn.Type = trail.TypeConsoleSignIn
	signIn.ErrorMessage = "No username found in supplied account"
	signIn.ResponseElements = json.RawMessage(`{"ConsoleLogin":"Failure"}`)
	signIn.Additional.Members = []trail.Member{
		{Name: "MobileVersion", Value: json.RawMessage(`"No"`)}, {Name: "MFAUsed", Value: json.RawMessage(`"No"`)},
	}
	console := base("iam.amazonaws.com", "GetUserPolicy", trail.Identity{
		Type: trail.TypeFederatedUser, PrincipalID: "111111111111:bob", ARN: "arn:aws:sts::111111111111:federated-user/bob",
		AccountID: "111111111111", AccessKeyID: "ASIA3", Session: session(nil),
	})
	console.FromConsole = true
	return map[string]*trail.Event{
		"user-session": get,
		"assume-role":  assume,
		"denied-role":  denied,
		"owner-copy":   assume.ForOwner("222222222222", "e2"),
		"sign-in":      signIn,
		"root": base("sts.amazonaws.com", "GetCallerIdentity", trail.Identity{
			Type: trail.TypeRoot, PrincipalID: "111111111111", ARN: "arn:aws:iam::111111111111:root", AccountID: "111111111111",
			AccessKeyID: "AKIA0",
		}),
		"federated": base("s3.amazonaws.com", "DeleteBucket", trail.Identity{
			Type: trail.TypeFederatedUser, PrincipalID: "111111111111:bob", ARN: "arn:aws:sts::111111111111:federated-user/bob",
			AccountID: "111111111111", AccessKeyID: "ASIA3", Session: session(&trail.SessionIssuer{
				Type: "IAMUser", PrincipalID: "AIDA1", ARN: "arn:aws:iam::111111111111:user/ann", AccountID: "111111111111", UserName: "ann",
			}),
		}),
		"web-role": base("s3.amazonaws.com", "DeleteBucket", trail.Identity{
			Type: trail.TypeAssumedRole, PrincipalID: "AROA1:w", ARN: "arn:aws:sts::222222222222:assumed-role/r/w",
			AccountID: "222222222222", AccessKeyID: "ASIA4", Session: webSession,
		}),
		"web-caller": base("sts.amazonaws.com", "AssumeRoleWithWebIdentity", trail.Identity{
			Type: trail.TypeWebIdentityUser, PrincipalID: "idp.example.com:app:bob", UserName: "bob", IdentityProvider: "idp.example.com",
		}),
		"console": console,
		"zero":    {},
	}
}

// recordItems are the items that the texts of samples show.
var recordItems = map[string][]string{
	"user-session": {"S2-392", "S2-393", "S2-398", "S2-399", "S2-400", "S2-403", "S2-406"},
	"assume-role":  {"S2-392", "S2-393", "S2-398", "S2-399", "S2-401", "S2-409"},
	"owner-copy":   {"S2-392", "S2-394", "S2-410"},
	"denied-role":  {"S2-392", "S2-395", "S2-398"},
	"sign-in":      {"S2-398", "S2-399", "S2-400"},
	"root":         {"S2-392"},
	"web-role":     {"S2-395", "S2-399", "S2-413"},
	"web-caller":   {"S2-392", "S2-397"},
}

// TestRecords holds every kind of record against the text in testdata, which a person can read beside CloudTrail's samples,
// and reads it back.
func TestRecords(t *testing.T) {
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, recordItems[name]...)
			got := e.Append([]byte("before "))
			got, ok := bytes.CutPrefix(got, []byte("before "))
			if !ok || !json.Valid(got) {
				t.Fatalf("not appended, or not JSON: %s", got)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			back, err := trail.Decode(got)
			if err != nil {
				t.Fatal(err)
			}
			again := *e
			if again.Type == "" {
				again.Type = trail.TypeAPICall
			}
			if diff := cmp.Diff(&again, back); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnerCopyLeaksNothing is S2-410: the owner of the role learns the caller's account and unique ID only.
func TestOwnerCopyLeaksNothing(t *testing.T) {
	checklist.Shows(t, "S2-410")
	e := samples()["assume-role"]
	e.ErrorMessage = "User: " + e.Identity.ARN + " is not authorized"
	line := string(e.ForOwner("222222222222", "e2").Append(nil))
	for _, leak := range []string{"user/ann", `"ann"`, "AKIA1", "ostiaryDecision"} {
		if strings.Contains(line, leak) {
			t.Errorf("the owner's copy shows %s: %s", leak, line)
		}
	}
	if !strings.Contains(line, `"sharedEventID":"x1"`) || !strings.Contains(line, `"eventID":"e2"`) {
		t.Errorf("the copy is not tied to the original: %s", line)
	}
}

func TestFieldLimits(t *testing.T) {
	object := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	const omitted = `{"omitted":true}`
	e := &trail.Event{
		UserAgent:         strings.Repeat("a", 1023) + "é",
		ErrorMessage:      strings.Repeat("b", 5000),
		RequestParameters: object(100<<10 + 1),
		ResponseElements:  object(100 << 10),
	}
	e.Additional.Members = []trail.Member{{Name: "big", Value: object(28<<10 + 1)}, {Name: "small", Value: json.RawMessage("1")}}
	back, err := trail.Decode(e.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("a", 1023); back.UserAgent != want {
		t.Errorf("user agent has %d bytes, want the character that crosses the limit left out", len(back.UserAgent))
	}
	if len(back.ErrorMessage) != 1024 {
		t.Errorf("error message has %d bytes", len(back.ErrorMessage))
	}
	if string(back.RequestParameters) != omitted {
		t.Errorf("request parameters: %.40s", back.RequestParameters)
	}
	if !bytes.Equal(back.ResponseElements, e.ResponseElements) {
		t.Errorf("response elements of exactly the limit: %.40s", back.ResponseElements)
	}
	want := []trail.Member{{Name: "small", Value: json.RawMessage("1")}, {Name: "omitted", Value: json.RawMessage("true")}}
	if diff := cmp.Diff(want, back.Additional.Members); diff != "" {
		t.Errorf("additional members (-want +got):\n%s", diff)
	}
}

// FuzzEncode: whatever a client sends, a record is one line of valid JSON that reads back.
func FuzzEncode(f *testing.F) {
	f.Add("plain", "quote \" backslash \\", "{\"a\":\n1}")
	f.Add("\x00\x1f\x7f\n\r\t", "\xff\xfe half a character \xc3", "null")
	f.Add("\u2028 \U0001F600 <&>", "", "[1,\r\n2]")
	f.Fuzz(func(t *testing.T, agent, name, params string) {
		e := &trail.Event{UserAgent: agent, Identity: trail.Identity{UserName: name}, ID: "e1"}
		if json.Valid([]byte(params)) {
			e.RequestParameters = json.RawMessage(params)
		}
		line := e.Append(nil)
		if bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("more than one line: %q", line)
		}
		back, err := trail.Decode(line)
		if err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if want := string([]rune(name)); back.Identity.UserName != want { // every bad byte becomes one U+FFFD
			t.Errorf("user name %q came back as %q", name, back.Identity.UserName)
		}
		if !utf8.Valid(line) && utf8.ValidString(params) {
			t.Errorf("not UTF-8: %q", line)
		}
	})
}

// FuzzDecode: a line of the log may hold anything after a damaged disk.
func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		f.Add(e.Append(nil))
	}
	f.Add([]byte(`{"additionalEventData":[]}`))
	f.Add([]byte(`{"additionalEventData":null,"requestParameters":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := trail.Decode(line)
		if err != nil {
			return
		}
		if again := e.Append(nil); !json.Valid(again) {
			t.Errorf("decoded, and encodes as %q", again)
		}
	})
}

func TestNewID(t *testing.T) {
	if got, want := trail.NewID(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16))), "ffffffff-ffff-4fff-bfff-ffffffffffff"; got != want {
		t.Errorf("NewID = %s, want %s", got, want)
	}
	if a, b := trail.NewID(nil), trail.NewID(nil); a == b {
		t.Errorf("the same ID twice: %s", a)
	}
}
