package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiffSteps holds that the steps lead from one text to the other, along a longest common subsequence where that is small.
func TestDiffSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		text := func() []string {
			out := make([]string, r.IntN(12))
			for i := range out {
				out[i] = string(rune('a' + r.IntN(4)))
			}
			return out
		}
		a, b := text(), text()
		var olds, news []string
		kept := 0
		for _, s := range diffSteps(a, b) {
			if s.kind != '+' {
				if s.a != len(olds) {
					t.Fatalf("%q %q: line %d of the old text is called %d", a, b, len(olds), s.a)
				}
				olds = append(olds, s.text)
			}
			if s.kind != '-' {
				news = append(news, s.text)
			}
			if s.kind == ' ' {
				kept++
			}
		}
		if strings.Join(olds, "") != strings.Join(a, "") || strings.Join(news, "") != strings.Join(b, "") {
			t.Fatalf("%q and %q become %q and %q", a, b, olds, news)
		}
		if want := longestCommon(a, b); kept != want {
			t.Fatalf("%q %q: %d lines kept of %d", a, b, kept, want)
		}
	}
}

func longestCommon(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

func TestWriteDiff(t *testing.T) {
	numbered := strings.Split("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", " ")
	far := append([]string{}, numbered...)
	far[2], far[17] = "two", "\x1b[2Jseventeen"
	near := append([]string{}, numbered...)
	near[2], near[8] = "two", "eight"
	join := func(lines []string) string { return strings.Join(lines, "\n") + "\n" }
	for _, tt := range []struct{ before, after, want string }{
		{"", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		{"a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{join(numbered), join(far), "@@ -1,6 +1,6 @@\n 0\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -15,6 +15,6 @@\n 14\n 15\n 16\n-17\n+?[2Jseventeen\n 18\n 19\n"},
		{join(numbered), join(near), "@@ -1,12 +1,12 @@\n 0\n 1\n-2\n+two\n 3\n 4\n 5\n 6\n 7\n-8\n+eight\n 9\n 10\n 11\n"},
	} {
		var b strings.Builder
		writeDiff(&b, "n", []byte(tt.before), []byte(tt.after))
		if want := "--- n\n+++ n (formatted)\n" + tt.want; b.String() != want {
			t.Errorf("%q, %q:\n%s\nwant\n%s", tt.before, tt.after, b.String(), want)
		}
	}
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	text, err := os.ReadFile(file)
	if info, statErr := os.Stat(file); err != nil || statErr != nil || string(text) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, err, info)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	if err := replaceFile(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("a file that is not there is replaced")
	}
}
