package acceptance_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// A transcript is a txtar archive: what somebody types, and what they read. Its comment has headers, "name: value":
//
//	about: one line that says what is shown (required)
//	needs: aws, boto3 or awscli (the AWS CLI as a module of Python): the transcript skips where it is missing (required)
//	users: how many users, user-000 and so on, the first account has at the start
//	shows: the items of the checklists that it shows, with spaces between them
//
// A file named "file NAME" is written to the directory that the commands run in, with $PRODUCTION and $DEVELOPMENT, the IDs
// of two accounts, put in. A file named "step WHAT" is one command of the shell with what is expected of it:
//
//	$ the command, which may use $PRODUCTION, $DEVELOPMENT and whatever an earlier step has set
//	> more lines of it
//	out REGEXP       its output has this; it must succeed
//	out! REGEXP      its output does not have this
//	err REGEXP       it must fail, and its errors have this
//	silent           it must succeed and say nothing
//	set NAME REGEXP  the variable NAME becomes what the first group matched in its output
//
// Regular expressions are in multi-line mode. The credentials file has the profiles default (the root user of $DEVELOPMENT)
// and production (that of $PRODUCTION); a file "config" is the configuration file.
type transcript struct {
	about, needs string
	users        int
	shows        []string
	files        map[string]string
	steps        []step
}

type step struct {
	what    string
	command string
	expect  []expectation
}

type expectation struct {
	kind, name string
	re         *regexp.Regexp
}

func parseTranscript(text []byte) (*transcript, error) {
	a := txtar.Parse(text)
	tr := &transcript{files: make(map[string]string)}
	for line := range strings.Lines(string(a.Comment)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.TrimSpace(line) == "":
		case !ok:
			return nil, fmt.Errorf("header %q is not name: value", line)
		case name == "about" && tr.about == "":
			tr.about = value
		case name == "needs" && tr.needs == "" && absent[value] != nil:
			tr.needs = value
		case name == "shows" && tr.shows == nil:
			tr.shows = strings.Fields(value)
		case name == "users" && tr.users == 0:
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, err
			}
			tr.users = n
		default:
			return nil, fmt.Errorf("header %q is unknown, given twice or has a bad value", line)
		}
	}
	for _, f := range a.Files {
		kind, name, _ := strings.Cut(f.Name, " ")
		switch kind {
		case "file":
			tr.files[name] = string(f.Data)
		case "step":
			s, err := parseStep(name, string(f.Data))
			if err != nil {
				return nil, fmt.Errorf("step %s: %w", name, err)
			}
			tr.steps = append(tr.steps, s)
		default:
			return nil, fmt.Errorf("%q is neither a file nor a step", f.Name)
		}
	}
	if tr.about == "" || tr.needs == "" || len(tr.steps) == 0 {
		return nil, fmt.Errorf("about, needs or steps are missing")
	}
	return tr, nil
}

func parseStep(what, text string) (step, error) {
	s := step{what: what}
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		e := expectation{kind: kind}
		switch kind {
		case "$", ">":
			if (kind == "$") != (s.command == "") || len(s.expect) > 0 {
				return s, fmt.Errorf("one command comes first: %s", line)
			}
			s.command += rest + "\n"
			continue
		case "silent":
			e.re = regexp.MustCompile(`\A\z`)
		case "set":
			e.name, rest, _ = strings.Cut(rest, " ")
			fallthrough
		case "out", "out!", "err":
			re, err := regexp.Compile("(?m)" + rest)
			if err != nil || rest == "" || kind == "set" && re.NumSubexp() != 1 {
				return s, fmt.Errorf("%s: %v", line, err)
			}
			e.re = re
		case "":
			continue
		default:
			return s, fmt.Errorf("%q is not understood", line)
		}
		s.expect = append(s.expect, e)
	}
	if s.command == "" || len(s.expect) == 0 {
		return s, fmt.Errorf("there is no command, or nothing is expected of it")
	}
	return s, nil
}

// absent says why a tool cannot be used; it is found out once.
var absent = map[string]func() error{
	"aws":    probe("aws", "--version"),
	"curl":   probe("curl", "--version"),
	"boto3":  probe("python3", "-c", "import boto3"),
	"awscli": probe("python3", "-c", "import awscli.clidriver"),
}

func probe(name string, args ...string) func() error {
	return sync.OnceValue(func() error {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		return exec.Command(path, args...).Run()
	})
}

// needs skips the test where the tool is missing, and fails it where the tool must be there.
func needs(t *testing.T, tool string) {
	t.Helper()
	err := absent[tool]()
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("OSTIARY_REQUIRE"), ","), tool):
		t.Fatalf("%s is required and cannot be used: %v", tool, err)
	default:
		t.Skipf("%s cannot be used: %v", tool, err)
	}
}

// shell is where the commands of a transcript run.
type shell struct {
	dir string
	env []string
}

// run runs a command and returns what it wrote; failed says whether its status was not zero.
func (s *shell) run(t *testing.T, command string) (stdout, stderr string, failed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", command)
	cmd.Dir, cmd.Env = s.dir, s.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), err != nil
}

// expect runs the step. It reports whether the next one makes sense.
func (s *shell) expect(t *testing.T, st step) bool {
	t.Helper()
	stdout, stderr, failed := s.run(t, st.command)
	ok, mayFail := true, false
	for _, e := range st.expect {
		var good bool
		switch e.kind {
		case "out":
			good = e.re.MatchString(stdout)
		case "out!":
			good = !e.re.MatchString(stdout)
		case "err":
			good, mayFail = failed && e.re.MatchString(stderr), true
		case "silent":
			good = stdout+stderr == ""
		case "set":
			if m := e.re.FindStringSubmatch(stdout); m != nil {
				s.env, good = append(s.env, e.name+"="+m[1]), true
			}
		}
		if !good {
			ok = false
			t.Errorf("step %s: %s %s %s", st.what, e.kind, e.name, e.re)
		}
	}
	if failed && !mayFail {
		ok = false
		t.Errorf("step %s failed", st.what)
	}
	if !ok {
		t.Logf("$ %s%s%s", st.command, stdout, stderr)
	}
	return ok
}

// newShell writes the files of the transcript, and credentials of two fresh accounts.
func newShell(t *testing.T, srv *ostiarytest.Server, tr *transcript) *shell {
	t.Helper()
	dev, production := srv.Account(t), srv.Account(t)
	c := reach(t, srv.URL)
	for i := range tr.users {
		name := fmt.Sprintf("user-%03d", i)
		must(c.root(dev).iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t)
	}
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		text = strings.NewReplacer("$PRODUCTION", production.AccountID, "$DEVELOPMENT", dev.AccountID).Replace(text)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	profile := func(name string, a ostiarytest.Account) string {
		return fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", name, a.AccessKeyID, a.SecretAccessKey)
	}
	put("credentials", profile("default", dev)+profile("production", production))
	put("config", "")
	for name, text := range tr.files {
		put(name, text)
	}
	cert := testenv.Issue(t, testenv.CertificateOf{Name: "example"})
	put("cert.pem", cert.Body)
	put("key.pem", cert.PEM)
	put("ssh.pub", testenv.SSHKey(t, 2048))
	env := slices.DeleteFunc(dev.Env(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=")
	})
	env = append(env, testenv.Environment(t)...)
	return &shell{dir: dir, env: append(env, "HOME="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "config"),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "credentials"), "PRODUCTION="+production.AccountID, "DEVELOPMENT="+dev.AccountID)}
}

// TestTranscripts runs the command-line sessions in testdata/transcripts.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	paths := must(filepath.Glob("testdata/transcripts/*.txtar"))(t)
	if len(paths) == 0 {
		t.Fatal("there are no transcripts")
	}
	for _, path := range paths {
		tr := must(parseTranscript(must(os.ReadFile(path))(t)))
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			tr := tr(t)
			needs(t, tr.needs)
			checklist.Shows(t, tr.shows...)
			s := newShell(t, ostiarytest.New(t), tr)
			for _, st := range tr.steps {
				if !s.expect(t, st) {
					return
				}
			}
		})
	}
}

// TestParseTranscript: a transcript that is not understood is refused, not skipped over.
func TestParseTranscript(t *testing.T) {
	good := "about: x\nneeds: aws\n-- step one --\n$ true\nsilent\n"
	if _, err := parseTranscript([]byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "needs: aws\n-- step one --\n$ true\nsilent\n", strings.Replace(good, "aws", "luck", 1), strings.Replace(good, "about", "abuot", 1),
		strings.Replace(good, "about: x", "about: x\nabout: y", 1), strings.Replace(good, "silent", "slient", 1), strings.Replace(good, "silent\n", "", 1),
		strings.Replace(good, "silent", "out (", 1), strings.Replace(good, "silent", "set A b", 1), strings.Replace(good, "silent", "$ more", 1),
		strings.Replace(good, "step one", "stpe one", 1), strings.Replace(good, "$ true\n", "", 1),
	} {
		if _, err := parseTranscript([]byte(bad)); err == nil {
			t.Errorf("understood:\n%s", bad)
		}
	}
}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	account = regexp.MustCompile(`\b\d{12}\b`)
)

// TestReadme does what the README's first five minutes say, word for word but for the port.
func TestReadme(t *testing.T) {
	t.Parallel()
	needs(t, "aws")
	text := string(must(os.ReadFile("../../README.md"))(t))
	_, text, ok := strings.Cut(text, "\n## Five minutes\n")
	text, _, ok2 := strings.Cut(text, "\n## In your own tests\n")
	if !ok || !ok2 {
		t.Fatal("the README has no first five minutes")
	}
	dir := t.TempDir()
	p := serve(t, filepath.Join(dir, "ostiary-data"))
	var script strings.Builder
	var shown []string // what the README shows of outputs
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		kind, block := m[1], m[2]
		switch {
		case strings.HasPrefix(block, "go run ./cmd/ostiary serve"):
			if block != "go run ./cmd/ostiary serve\n" {
				t.Errorf("the first command is %q", block)
			}
		case kind == "sh":
			script.WriteString(block)
		case kind == "console":
			command, output, _ := strings.Cut(block, "\n")
			fmt.Fprintf(&script, "%s >shown-%d 2>&1 || true\n", strings.TrimPrefix(command, "$ "), len(shown))
			shown = append(shown, output)
		default:
			t.Errorf("a block of %s", kind)
		}
	}
	if script.Len() == 0 || len(shown) == 0 {
		t.Fatal("the README's blocks are not found")
	}
	// The reader's own environment, without what this machine's says about AWS.
	env := slices.DeleteFunc(ostiarytest.Account{}.Env(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	s := &shell{dir: dir, env: append(append(env, testenv.Environment(t)...), "HOME="+dir, "AWS_PAGER=")}
	stdout, stderr, failed := s.run(t, strings.ReplaceAll(script.String(), "http://127.0.0.1:4566", p.url))
	if failed {
		t.Fatalf("a command failed:\n%s\n%s", stdout, stderr)
	}
	for i, want := range shown {
		got := string(must(os.ReadFile(filepath.Join(dir, fmt.Sprint("shown-", i))))(t))
		mask := func(s string) string { return strings.TrimSpace(account.ReplaceAllString(s, "ACCOUNT")) }
		if diff := cmp.Diff(mask(want), mask(got)); diff != "" {
			t.Errorf("what the README shows (-README +command):\n%s", diff)
		}
	}
	for _, want := range []string{`:root"`, `"UserName": "alice"`, `"eventName":"ListUsers"`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %s:\n%s", want, stdout)
		}
	}
	p.stop(t)
}
