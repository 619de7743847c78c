package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func TestWhichProgramServes(t *testing.T) {
	for _, c := range []struct {
		e            engine.Name
		have, wanted string
		want         bool
	}{
		{engine.Redis, "7.0.15", "7.0", true},
		{engine.Redis, "7.0.15", "7.1", true}, // compatible with Redis 7.0, AWS says
		{engine.Redis, "7.0.15", "7.0.15", true},
		{engine.Redis, "7.0.15", "7.0.16", false},
		{engine.Redis, "7.0.15", "7.2", false},
		{engine.Redis, "7.0.15", "6.2", false},
		{engine.Redis, "7.0.15", "6.x", false},
		{engine.Redis, "6.2.7", "6.x", true},
		{engine.Redis, "6.2.7", "6.0", false},
		{engine.Redis, "5.0.14", "5.0.6", true},
		{engine.Redis, "5.0.5", "5.0.6", false},
		{engine.Valkey, "7.0.15", "7.1", false}, // the equation is Redis's
		{engine.Valkey, "8.0.1", "8.0", true},
		{engine.Valkey, "8.1.1", "8.0", false},
		{engine.Memcached, "1.6.18", "1.6.17", true},
		{engine.Memcached, "1.6.18", "1.6.22", false},
		{engine.Memcached, "1.6.18", "1.5.16", false},
	} {
		have, err := engine.ParseVersion(c.have)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := engine.ParseVersion(c.wanted)
		if err != nil {
			t.Fatal(err)
		}
		if got := have.Serves(c.e, wanted); got != c.want {
			t.Errorf("%s %s for %s: %v", c.e, c.have, c.wanted, got)
		}
	}
}

// script is a program that says a version.
func script(t *testing.T, dir, name, says string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n[ -z \"$CANARY\" ] || exit 3\n"+says+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func finder(paths ...string) *engine.Finder {
	return &engine.Finder{Engine: engine.Redis, Program: "cached", Package: "cached-server", Paths: paths, Version: func(out []byte) (engine.Version, error) {
		text, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "cached ")
		if !ok {
			return engine.Version{}, errors.New("it is something else")
		}
		return engine.ParseVersion(text)
	}}
}

func TestFinder(t *testing.T) {
	t.Setenv("CANARY", "the environment of the server")
	dir := t.TempDir()
	old := script(t, dir, "old", "echo cached 6.2.1")
	one := script(t, dir, "one", "echo cached 7.0.3")
	two := script(t, dir, "two", "echo cached 7.0.9")
	if err := os.Symlink(two, filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	f := finder(old, one, two, filepath.Join(dir, "again"))
	all, err := f.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range all {
		got = append(got, b.Path)
	}
	if want := []string{two, one, old}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if b, err := f.Find(t.Context(), "7.0"); err != nil || b.Path != two {
		t.Errorf("7.0: %v %v", b, err)
	}
	script(t, dir, "two", "echo cached 7.2.10") // an upgrade of the package
	if b, err := f.Find(t.Context(), "7.0"); err != nil || b.Path != one {
		t.Errorf("7.0 after an upgrade: %v %v", b, err)
	}
	var missing *engine.MissingBinary
	if _, err := f.Find(t.Context(), "8.0"); !errors.As(err, &missing) || fault.KindOf(err) != fault.Unavailable || len(missing.Found) != 3 {
		t.Errorf("8.0: %v", err)
	}
	if _, err := finder(filepath.Join(dir, "nowhere")).All(t.Context()); err == nil {
		t.Error("a program that the operator named and that is not there is no error")
	}
	if _, err := finder(script(t, dir, "other", "echo httpd 2.4")).All(t.Context()); err == nil {
		t.Error("a program that is something else is no error")
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := finder().Find(t.Context(), "7.0"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "install the package cached-server") {
		t.Errorf("nothing installed: %v", err)
	}
}

func TestAccessStrings(t *testing.T) {
	a, err := engine.ParseAccess(" on ~app::* -@all +@read %R~x* &chan:* ( +GET ~sel:* ) (%W~w* +set) ")
	if err != nil {
		t.Fatal(err)
	}
	want := engine.Access{On: true, Rules: []string{"~app::*", "-@all", "+@read", "%R~x*", "&chan:*"}, Selectors: [][]string{{"+GET", "~sel:*"}, {"%W~w*", "+set"}}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		">password", "<password", "#" + strings.Repeat("0", 64), "!x", "nopass", "resetpass", "reset", "clearselectors", "sanitize-payload",
		"~", "%R", "%R~", "%Q~x", "+", "-@", "get", "(on +get)", "(+get", "+get)", "((+get))", "+get\x00", "+get'", strings.Repeat("~k ", 2000),
	} {
		if a, err := engine.ParseAccess(bad); err == nil {
			t.Errorf("%q is taken: %+v", bad, a)
		}
	}
}

func TestUserLineClosesCommandsLast(t *testing.T) {
	u := engine.User{Name: "mallory", Passwords: []secret.Text{secret.New("pw")}, Access: "on ~* +@all +config (+debug ~*)"}
	line, err := u.Line()
	if err != nil {
		t.Fatal(err)
	}
	if line[0] != "reset" || slices.Contains(line, ">pw") || !slices.Contains(line, "#"+engine.Digest(secret.New("pw"))) {
		t.Errorf("line %v", line)
	}
	if slices.Index(line, "-config") < slices.Index(line, "+config") {
		t.Error("config is open")
	}
	selector := line[len(line)-1]
	for _, c := range engine.Closed() {
		if !slices.Contains(line, "-"+c) || !strings.Contains(selector, " -"+c) {
			t.Errorf("%s is not closed", c)
		}
	}
}

func TestRanges(t *testing.T) {
	got := engine.Ranges([]int{5, 3, 4, 4, 9, 0, 10})
	if diff := cmp.Diff([]engine.SlotRange{{0, 0}, {3, 5}, {9, 10}}, got); diff != "" {
		t.Error(diff)
	}
	n := 0
	engine.Each(got, func(int) { n++ })
	if n != 6 {
		t.Errorf("%d slots", n)
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"7.0", "7.0.15", "6.x", "1.6.17", "6.x.1", "", "7", "a.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := engine.ParseVersion(s)
		if err != nil {
			return
		}
		again, err := engine.ParseVersion(v.String())
		if err != nil || again != v {
			t.Errorf("%q is %v, printed %s, read %v %v", s, v, v, again, err)
		}
		if !v.Serves(engine.Memcached, v) {
			t.Errorf("%s does not serve itself", v)
		}
	})
}

func FuzzParseAccess(f *testing.F) {
	for _, s := range []string{"", "on ~* +@all", "off", "on (+get ~a) (+set ~b)", "(", ")", "on ~a ( +get ) -@all", "%RW~x", "+config|get"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u := engine.User{Name: "u", Access: s}
		line, err := u.Line()
		if err != nil {
			return
		}
		for _, rule := range line[1:] {
			switch {
			case strings.ContainsAny(rule, "\n\r\x00\""):
				t.Errorf("%q makes the rule %q", s, rule)
			case strings.ContainsAny(rule[:1], "><#!"), strings.EqualFold(rule, "nopass"), strings.EqualFold(rule, "reset"):
				t.Errorf("%q lets somebody in by %q", s, rule)
			}
		}
		if i, j := slices.Index(line, "-config"), slices.IndexFunc(line, func(r string) bool { return strings.EqualFold(r, "+config") || strings.EqualFold(r, "+@all") }); i < j && !strings.HasPrefix(line[j], "(") {
			t.Errorf("%q opens config", s)
		}
	})
}

func FuzzParseNodes(f *testing.F) {
	f.Add("07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,hostname4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected\n" +
		"e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 [5461->-292f] [93-<-67ed]\n")
	f.Add("x :0@0 master,noaddr,fail? - 0 0 0 disconnected 1 3-4")
	f.Add("x [::1]:1@2 master - 0 0 0 connected 99999")
	f.Fuzz(func(t *testing.T, s string) {
		all, err := engine.ParseNodes(s)
		if err != nil {
			return
		}
		for _, n := range all {
			engine.Each(n.Slots, func(slot int) {
				if slot < 0 || slot >= engine.Slots {
					t.Errorf("slot %d", slot)
				}
			})
		}
	})
}

func TestParseNodes(t *testing.T) {
	got, err := engine.ParseNodes("aa 127.0.0.1:30004@31004,host4,shard-id=x slave bb 0 1 4 connected\nbb 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5 9 [6->-cc] [7-<-dd]\ncc :0@0 master,fail - 0 0 0 disconnected\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Role != engine.Replica || got[0].Primary != "bb" || got[0].Hostname != "host4" || got[0].BusPort != 31004 ||
		!got[1].Myself || got[1].Migrating[6] != "cc" || got[1].Importing[7] != "dd" || !got[2].Failed || !got[2].Endpoint.IsZero() {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]engine.SlotRange{{0, 5}, {9, 9}}, got[1].Slots); diff != "" {
		t.Error(diff)
	}
}
