package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

var apis = map[string]*wire.API{"iam": iam.API, "sts": sts.API, "organizations": organizations.API, "elasticache": elasticache.API}

// loadAll gives the services as the generator sees them.
func loadAll(t testing.TB) map[string]*service {
	t.Helper()
	dir, err := wireDir()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*service{}
	for _, name := range services {
		s, err := load(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = s
	}
	return all
}

func TestCommittedIsGenerated(t *testing.T) {
	dir, err := wireDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range loadAll(t) {
		files, err := s.render()
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(filepath.Join(dir, "shape", name), files); err != nil {
			t.Error(err)
		}
		again, err := s.render()
		if err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(files, again, func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Errorf("%s: two runs differ", name)
		}
	}
}

// ceiling is how many operations may be unbuilt. It only ever goes down.
var ceiling = map[string]int{"iam": 0, "sts": 0, "organizations": 63, "elasticache": 46}

func TestUnbuiltOnlyShrinks(t *testing.T) {
	for name, api := range apis {
		if n := api.Unbuilt(); n > ceiling[name] {
			t.Errorf("%s: %d operations are not built, at most %d may be", name, n, ceiling[name])
		}
	}
}

// The interface is generated, so a built operation has a method; here the table, the list and the model are held together.
func TestEveryOperationIsBuiltOrListed(t *testing.T) {
	want := map[string]int{"iam": 180, "sts": 11, "organizations": 63, "elasticache": 77}
	for name, s := range loadAll(t) {
		api := apis[name]
		if len(api.Operations) != want[name] || len(s.ops) != want[name] {
			t.Errorf("%s: %d operations in the table, %d in the model, want %d", name, len(api.Operations), len(s.ops), want[name])
		}
		for _, o := range s.ops {
			have := api.Operations[o.name]
			if have == nil || have.Unbuilt != s.unbuilt[o.name] || have.API != api || (have.NewOutput != nil) != (o.out != nil) {
				t.Errorf("%s %s: table and model differ: %+v", name, o.name, have)
			}
		}
	}
}

func TestUnbuiltListIsStrict(t *testing.T) {
	for _, bad := range []string{"iam CreateUser\n", "# why\niam\n", "# why\niam B\niam A\n", "# why\niam A\n\n# why not\niam A\n"} {
		path := filepath.Join(t.TempDir(), "unbuilt.txt")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := readUnbuilt(path); err == nil {
			t.Errorf("%q was read as %v", bad, list)
		}
	}
}

func TestOverlaysOnlyAdd(t *testing.T) {
	base := func() *model {
		m := &model{}
		m.Operations.add("A", &operation{Name: "A"})
		st := &shape{Type: "structure", Required: []string{"X"}}
		st.Members.add("X", &ref{Shape: "S"})
		m.Shapes.add("T", st)
		m.Shapes.add("S", &shape{Type: "string", Enum: []string{"a"}})
		return m
	}
	again := &shape{Type: "structure"}
	again.Members.add("X", &ref{Shape: "S"})
	for name, bad := range map[string]func(*model){
		"an operation": func(o *model) { o.Operations.add("A", &operation{}) },
		"a member":     func(o *model) { o.Shapes.add("T", again) },
		"a type":       func(o *model) { o.Shapes.add("S", &shape{Type: "integer"}) },
		"a value":      func(o *model) { o.Shapes.add("S", &shape{Type: "string", Enum: []string{"a"}}) },
		"an option":    func(o *model) { o.Shapes.add("T", &shape{Type: "structure", Optional: []string{"Y"}}) },
	} {
		over := &model{}
		bad(over)
		if err := base().lay(over); err == nil {
			t.Errorf("an overlay that repeats or changes %s was accepted", name)
		}
	}
	good := &model{}
	good.Shapes.add("T", &shape{Type: "structure", Optional: []string{"X"}})
	m := base()
	if err := m.lay(good); err != nil || len(m.Shapes.by["T"].Required) != 0 {
		t.Errorf("a member did not become optional: %v", err)
	}
}

func TestEveryPatternCompiles(t *testing.T) {
	n := 0
	for name, s := range loadAll(t) {
		for _, p := range s.patterns() {
			n++
			tr, err := translate(p)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, err := regexp.Compile(`\A(?:` + tr.text + `)\z`); err != nil {
				t.Errorf("%s: %s: %v", name, p, err)
			}
			(&wire.Pattern{Model: p, Go: tr.text, Without: tr.without}).Match("a") // compiles as the run time does
		}
	}
	if n < 50 {
		t.Errorf("only %d patterns were found", n)
	}
}

// The Java readings here are those of java.util.regex.Pattern's documentation.
func TestPatternsMeanWhatJavaMeans(t *testing.T) {
	for _, c := range []struct {
		java     string
		yes, not []string
	}{
		{`[\w+=,.@-]+`, []string{"a_1+=,.@-"}, []string{"", "a b", "é", "a\n"}},
		{`[\w+=,.@-]*`, []string{"", "x"}, []string{" "}},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, []string{"\t\n\r ÿ"}, []string{"\x00", "\u0100", "😀"}},
		{`[\u0020-\u00FF]+`, []string{"ÿ "}, []string{"\n"}},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, []string{"/", "/a/", "/a/b/"}, []string{"", "a", "/a", "/a b/", "//a/\n"}},
		{`((/[A-Za-z0-9\.,\+@=_-]+)*)/`, []string{"/", "/a/", "/a/b/"}, []string{"", "/a", "//"}},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, []string{"ключ 1", "a\u00a0b", "٣"}, []string{"", "a\tb", "#", "😀"}},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, []string{"abc", "a-b", "a-b-c", strings.Repeat("a", 63)},
			[]string{"ab", "a--b", "-ab", "ab-", strings.Repeat("a", 64), "Abc"}},
		{`^(r-[0-9a-z]{4,32})|(\d{12})|(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$`,
			[]string{"r-abcd", "123456789012", "ou-abcd-12345678"}, []string{"x123456789012", "r-abcd!", "1234567890123"}},
		{`[\s\S]*`, []string{"", "a\nb\v", "😀"}, nil},
		{`.*\S.*`, []string{"a", " a "}, []string{"", " ", "\v", "a\nb", "a\u2028b\u2028c"}},
		{`[^\s@]+@[^\s@]+\.[^\s@]+`, []string{"a@b.c"}, []string{"a@b", "a b@c.d", "a\v@b.c"}},
		{`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`,
			[]string{"{\"a\":1}\n", "😀", "ÿ"}, []string{"", "\x01", "\u007f", "\u0080", "\ufffe"}},
		{`\d{12}`, []string{"123456789012"}, []string{"12345678901", "1234567890123", "١٢٣٤٥٦٧٨٩٠١٢"}},
	} {
		tr, err := translate(c.java)
		if err != nil {
			t.Error(err)
			continue
		}
		p := &wire.Pattern{Model: c.java, Go: tr.text, Without: tr.without}
		for _, v := range c.yes {
			if !p.Match(v) {
				t.Errorf("%s does not match %q", c.java, v)
			}
		}
		for _, v := range c.not {
			if p.Match(v) {
				t.Errorf("%s matches %q", c.java, v)
			}
		}
	}
}

// The alias pattern without look-ahead says the same as one that is checked by hand, on all short words.
func TestAliasPattern(t *testing.T) {
	tr, err := translate(`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`)
	if err != nil {
		t.Fatal(err)
	}
	p := &wire.Pattern{Go: tr.text, Without: tr.without}
	letters := "a9-A"
	var walk func(word string)
	walk = func(word string) {
		want := len(word) >= 3 && !strings.Contains(word, "--") && !strings.Contains(word, "A") && word[0] != '-' && word[len(word)-1] != '-'
		if got := p.Match(word); got != want {
			t.Errorf("%q: %t, want %t", word, got, want)
		}
		if len(word) < 6 {
			for _, c := range letters {
				walk(word + string(c))
			}
		}
	}
	walk("")
}

func TestUntranslatablePatternsAreRefused(t *testing.T) {
	for _, p := range []string{`(?i)a`, `a(?=b)`, `[a&&b]`, `[a[b]]`, `\bfoo`, `[^\S]`, `a++`} {
		if tr, err := translate(p); err == nil {
			t.Errorf("%s was translated to %s", p, tr.text)
		}
	}
}

// Every name that sounds like a secret is one, or is known to be none.
func TestSecretsAreMarked(t *testing.T) {
	sounds := regexp.MustCompile(`(?i)secret|password|token|private_?key|seed|authenticationcode|qrcode|assertion`)
	harmless := []string{
		"NextToken", "SecretArn", "SecretManagerConfig", "PasswordLastUsed", "PasswordResetRequired", "PasswordPolicy", "PasswordCount",
		"PasswordReusePrevention", "AllowUsersToChangePassword", "MinimumPasswordLength", "MaxPasswordAge", "PrivateKeyList",
		"RemovePrivateKey", "GlobalEndpointTokenVersion", "AssertionEncryptionMode", "SubjectFromWebIdentityToken", "ContextAssertion",
		"AuthTokenEnabled", "AuthTokenLastModifiedDate", "AuthTokenStatus", "AuthTokenUpdateStrategy", "NoPasswordRequired",
		"SessionTokenSize", "SessionTokenUtilization", "MinimumSessionTokenSize",
	}
	used := map[string]bool{}
	for name, s := range loadAll(t) {
		for _, st := range s.structs {
			for _, mem := range st.members {
				if !sounds.MatchString(mem.name) || mem.secrecy == credential {
					continue
				}
				used[mem.name] = true
				if !slices.Contains(harmless, mem.name) && mem.typ.Type != "integer" && mem.typ.Type != "boolean" {
					t.Errorf("%s %s.%s sounds like a secret and is not marked as one", name, st.shape, mem.name)
				}
			}
		}
	}
	for _, h := range harmless {
		if !used[h] {
			t.Errorf("no member %s any more", h)
		}
	}
}
