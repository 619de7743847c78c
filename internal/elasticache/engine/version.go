package engine

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Version is a program's version, or one that somebody wants. Patch is -1 where a wish names none, Minor too where it is "6.x".
type Version struct{ Major, Minor, Patch int }

var versionForm = regexp.MustCompile(`^([0-9]{1,4})\.(x|[0-9]{1,4})(?:\.([0-9]{1,4}))?$`)

// ParseVersion reads 7.0, 7.0.15 or 6.x.
func ParseVersion(s string) (Version, error) {
	m := versionForm.FindStringSubmatch(s)
	if m == nil || m[2] == "x" && m[3] != "" {
		return Version{}, fmt.Errorf("%q is not a version such as 7.0 or 1.6.17", s)
	}
	v := Version{Minor: -1, Patch: -1}
	v.Major, _ = strconv.Atoi(m[1]) // the form has digits only
	if m[2] != "x" {
		v.Minor, _ = strconv.Atoi(m[2])
	}
	if m[3] != "" {
		v.Patch, _ = strconv.Atoi(m[3])
	}
	return v, nil
}

// String prints what ParseVersion reads.
func (v Version) String() string {
	switch {
	case v.Minor < 0:
		return fmt.Sprintf("%d.x", v.Major)
	case v.Patch < 0:
		return fmt.Sprintf("%d.%d", v.Major, v.Minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// Compare orders versions; what is not named comes first.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// Serves reports whether a program of version v may run as the AWS engine version wanted:
//
//   - Its line (major and minor) must be the wanted one. A line is what decides commands, parameters and formats, and since Redis 6
//     AWS names lines only. "6.x" wants any 6.
//   - A patch that is wanted is a lower bound: AWS applies patches by itself, and a later patch has all that an earlier one has.
//     memcached 1.6.18 serves 1.6.6, 1.6.12 and 1.6.17, not 1.6.22.
//   - Redis 7.1 is of the line 7.0: there is no Redis of that number, and AWS documents that its 7.1 is compatible with Redis 7.0
//     (Supported engine versions, "ElastiCache version 7.1 for Redis OSS").
//
// The program's own version is shown to callers beside the wanted one, so that what runs is never a guess.
func (v Version) Serves(e Name, wanted Version) bool {
	if e == Redis && wanted.Major == 7 && wanted.Minor == 1 && wanted.Patch < 0 {
		wanted.Minor = 0
	}
	if v.Major != wanted.Major || wanted.Minor >= 0 && v.Minor != wanted.Minor {
		return false
	}
	return v.Patch >= wanted.Patch
}

// MissingBinary says that no program here serves an engine version. It is of the kind [fault.Unavailable], and its text may be
// shown: it names the engine, the version, what was found and the package to install.
type MissingBinary struct {
	Engine  Name
	Wanted  string
	Program string
	Package string
	Found   []Binary
}

// Error names what is missing and how to get it.
func (m *MissingBinary) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no %s on this machine serves engine %s version %s", m.Program, m.Engine, m.Wanted)
	if len(m.Found) == 0 {
		fmt.Fprintf(&b, ": install the package %s", m.Package)
		return b.String()
	}
	b.WriteString(": there is")
	for i, f := range m.Found {
		if i > 0 {
			b.WriteString(" and")
		}
		fmt.Fprintf(&b, " %s at %s", f.Version, f.Path)
	}
	fmt.Fprintf(&b, "; install the package %s of that version, or name another engine version", m.Package)
	return b.String()
}

// Unwrap gives it its kind.
func (m *MissingBinary) Unwrap() error {
	return &fault.Error{Kind: fault.Unavailable, Subject: m.Program}
}
