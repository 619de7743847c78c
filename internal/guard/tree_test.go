package guard

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tracked returns the files of the repository, relative to its root.
func tracked(t *testing.T) (root string, files []string) {
	t.Helper()
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Skip("not in a git checkout")
	}
	root = strings.TrimSpace(string(top))
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files = strings.Fields(string(out))
	if len(files) == 0 {
		t.Fatal("git lists no files")
	}
	return root, files
}

// TestNoClockDeepInTheCode holds the rule that time is a field of a config: only the packages at the rim read the clock.
func TestNoClockDeepInTheCode(t *testing.T) {
	root, files := tracked(t)
	rim := regexp.MustCompile(`^(cmd/|bench/|internal/(server|node|telemetry|guard|testenv)/|ostiarytest/|.*_test\.go$|.*/storetest/|.*/gen/)`)
	clock := regexp.MustCompile(`\btime\.(Now|Since|Until)\(`)
	for _, name := range files {
		if !strings.HasSuffix(name, ".go") || rim.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if clock.MatchString(strings.SplitN(line, "//", 2)[0]) {
				t.Errorf("%s:%d reads the clock; take it from the config", name, i+1)
			}
		}
	}
}

// TestNoMachinePaths keeps paths of somebody's machine out of the tree.
func TestNoMachinePaths(t *testing.T) {
	root, files := tracked(t)
	paths := regexp.MustCompile(`(^|["'\s=(])/(work|root|farm|home/[a-z]+)/`)
	for _, name := range files {
		if strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".bin") || name == "internal/guard/tree_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if at := paths.FindIndex(text); at != nil {
			t.Errorf("%s: machine path near byte %d", name, at[0])
		}
	}
}

// TestFilesStaySmall holds hand-written files under a size at which they have one subject.
func TestFilesStaySmall(t *testing.T) {
	root, files := tracked(t)
	for _, name := range files {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "zz_") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n > 600 {
			t.Errorf("%s has %d lines: usually two subjects", name, n)
		}
	}
}

// TestNoEncryptedTokens: encryption is where the JOSE library's advisories were, and nothing here has a use for it.
func TestNoEncryptedTokens(t *testing.T) {
	root, files := tracked(t)
	encryption := regexp.MustCompile(`\bjose\.\w*(Encrypt|Decrypt|JWE|JSONWebEncryption)`)
	seen := 0
	for _, name := range files {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "github.com/go-jose/go-jose") || strings.HasPrefix(name, "internal/guard/") {
			continue
		}
		seen++
		if found := encryption.Find(text); found != nil {
			t.Errorf("%s uses %s", name, found)
		}
	}
	if seen == 0 {
		t.Error("nobody uses the library: this test has nothing to hold")
	}
}
