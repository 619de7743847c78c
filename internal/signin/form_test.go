package signin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// FuzzForm: parameters are read or refused; what is read is known, given once, and reads the same again.
func FuzzForm(f *testing.F) {
	for _, text := range []string{
		"Action=login&Issuer=Example.org&SigninToken=x", "action=a&ACTION=b", "Action=%zz", "&&=&", "Action", "a=b", "Session=%7B%22sessionId%22%3A+%22A%22%7D",
	} {
		f.Add(text, "")
		f.Add("Action=login", text)
	}
	known := []string{"Action", "Issuer", "SigninToken", "Session"}
	f.Fuzz(func(t *testing.T, query, body string) {
		got, err := parseForm([]string{query, body}, known)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			for _, r := range fault.MessageOf(err) {
				if r < ' ' || r > '~' {
					t.Fatalf("the message has %q", r)
				}
			}
			return
		}
		for name := range got {
			if !strings.Contains(" Action Issuer SigninToken Session ", " "+name+" ") {
				t.Fatalf("%q is a parameter", name)
			}
		}
	})
}

// FuzzSession: the credentials are read or refused; what is read is what every JSON parser reads, and nothing else was there.
func FuzzSession(f *testing.F) {
	for _, text := range []string{
		`{"sessionId":"ASIA","sessionKey":"k","sessionToken":"t"}`, `{"sessionId":"a","sessionId":"b","sessionKey":"k","sessionToken":"t"}`,
		`{"sessionId":"a","sessionKey":"k"}`, `{"sessionId":1,"sessionKey":"k","sessionToken":"t"}`, `{"sessionId":"a","sessionKey":"k","sessionToken":"t"}x`, `[]`, ``, `null`,
		`{"sessionId":"a","sessionKey":"k","sessionToken":"t","x":"y"}`, `{"SessionId":"a","sessionKey":"k","sessionToken":"t"}`, `{"sessionId":["a"],"sessionKey":"k","sessionToken":"t"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseSession(text)
		if err != nil {
			if fault.KindOf(err) != fault.UnknownKey || fault.MessageOf(err) != sayInvalidCredentials {
				t.Fatal(err)
			}
			return
		}
		var all map[string]string
		if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 3 {
			t.Fatalf("%q was read: %v", text, err)
		}
		if all["sessionId"] != c.AccessKeyID || all["sessionKey"] != c.Secret.Reveal() || all["sessionToken"] != c.Token || c.AccessKeyID == "" || c.Secret.IsZero() || c.Token == "" {
			t.Fatalf("%q was read as %+v", text, c)
		}
	})
}
