// Package policytest runs policy cases that people can read: txtar archives with the policies of a situation and the questions
// asked in it. It is for tests of this module and of programs that embed the engine.
//
// An archive begins with a comment. Files named identity[0], identity[1] …, resource, trust, boundary, session[0] …, scp[0][0] …,
// rcp[0][0] … hold the documents of a layer as JSON; resource and trust exclude each other. A file named "case TEXT" is a
// question to the documents above it, written as "name: value" lines:
//
//	principal: user arn:aws:iam::111122223333:user/alice
//	action: s3:GetObject
//	resource: arn:aws:s3:::bucket/key
//	account: 111122223333            the owner of the resource, if it cannot be seen from its ARN
//	context: s3:prefix = home/       as often as needed; values of a multivalued key are separated by " | "
//	expect: allow identity
//	statements: identity[0]#1 scp[0][0]#0
//	missing: aws:username
//
// The principal is a type (user, root, assumed-role, federated-user, web-identity, saml, service, anonymous) and its ARN, for web
// identities and SAML the provider, for services the name; then name=value for what else there is: id, account, role, issuer, provider,
// service-linked. A context line without value gives an empty multivalued key; the value "" is the empty string.
//
// expect is allow, deny-explicit or deny-implicit, and the layer. statements and missing are compared only when they are there.
// A file named "refused KIND TEXT" holds a document that cannot be a policy of that kind; its last line, behind the
// document, begins with "error: " and gives AWS's sentence. A document changes what stands in the archive before it: a later
// file of the same name replaces it for the cases below, and an empty one removes it.
//
// Everything else is an error: unknown names, repeated lines, files before the documents they need.
package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/batch"
)

// Outcome is the outcome of one case.
type Outcome struct {
	Name    string // the case's name
	Line    int    // of its header in the archive
	Problem string // empty when the case came out as expected
}

// Run runs every archive that matches the pattern in fsys as a subtest, and every case as a subtest of that.
func Run(t *testing.T, fsys fs.FS, pattern string) {
	t.Helper()
	names, err := fs.Glob(fsys, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives match %q: %v", pattern, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			outcomes, err := Check(text)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, o := range outcomes {
				t.Run(o.Name, func(t *testing.T) {
					if o.Problem != "" {
						t.Errorf("%s:%d: %s", name, o.Line, o.Problem)
					}
				})
			}
		})
	}
}

// Check runs the cases of one archive. The error is about the archive's form; what comes out otherwise than expected is in
// the outcomes.
func Check(archive []byte) ([]Outcome, error) {
	files, err := split(string(archive))
	if err != nil {
		return nil, err
	}
	var out []Outcome
	documents := map[string]string{}
	for _, f := range files {
		switch kind, rest, _ := strings.Cut(f.name, " "); {
		case kind == "case" && rest != "":
			problem, err := runCase(documents, f.text)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", f.line, f.name, err)
			}
			out = append(out, Outcome{Name: rest, Line: f.line, Problem: problem})
		case kind == "refused" && rest != "":
			problem, err := runRefused(rest, f.text)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", f.line, f.name, err)
			}
			out = append(out, Outcome{Name: f.name, Line: f.line, Problem: problem})
		case layer.MatchString(f.name):
			documents[f.name] = f.text
			if strings.TrimSpace(f.text) == "" {
				delete(documents, f.name)
			}
		default:
			return nil, fmt.Errorf("line %d: unknown file %q", f.line, f.name)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no case")
	}
	return out, nil
}

var layer = regexp.MustCompile(`^(?:resource|trust|boundary|(?:identity|session)\[\d+\]|(?:scp|rcp)\[\d+\]\[\d+\])$`)

type file struct {
	name string
	text string
	line int
}

// split takes a txtar archive apart.
func split(archive string) ([]file, error) {
	var out []file
	n := 0
	for line := range strings.Lines(archive) {
		n++
		trimmed := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(trimmed, "-- ") && strings.HasSuffix(trimmed, " --") && len(trimmed) > 6 {
			out = append(out, file{name: strings.TrimSpace(trimmed[3 : len(trimmed)-3]), line: n})
		} else if len(out) > 0 {
			out[len(out)-1].text += line
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no files in the archive")
	}
	return out, nil
}

// runCase evaluates one case and compares.
func runCase(documents map[string]string, text string) (problem string, err error) {
	c, want, err := parseCase(text)
	if err != nil {
		return "", err
	}
	if err := addDocuments(&c.Policies, documents); err != nil {
		return "", err
	}
	var ev batch.Evaluator
	got, err := ev.Evaluate(c)
	if err != nil {
		return "", err
	}
	if have := got.Decision + " " + got.Layer; have != want.expect {
		return fmt.Sprintf("%s, want %s (statements %v, missing %v)", have, want.expect, statements(got), got.Missing), nil
	}
	if have := statements(got); want.hasStatements && !slices.Equal(have, want.statements) {
		return fmt.Sprintf("statements %v, want %v", have, want.statements), nil
	}
	if want.hasMissing && !slices.Equal(got.Missing, want.missing) {
		return fmt.Sprintf("missing keys %q, want %q", got.Missing, want.missing), nil
	}
	return "", nil
}

func statements(r *batch.Result) []string {
	var out []string
	for _, s := range r.Statements {
		out = append(out, s.Policy+"#"+strconv.Itoa(s.Index))
	}
	return out
}

func addDocuments(p *batch.Policies, documents map[string]string) error {
	names := make([]string, 0, len(documents))
	for name := range documents {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text := documents[name]
		doc := json.RawMessage(text)
		kind, index, err := name, []int(nil), error(nil)
		if i := strings.IndexByte(name, '['); i >= 0 {
			kind = name[:i]
			for s := range strings.SplitSeq(strings.Trim(name[i:], "[]"), "][") {
				n, _ := strconv.Atoi(s)
				index = append(index, n)
			}
		}
		switch kind {
		case "resource", "trust":
			if p.Resource != nil {
				return errors.New("resource and trust exclude each other")
			}
			p.Resource, p.ResourceKind = doc, kind
		case "boundary":
			p.Boundary = doc
		case "identity":
			err = appendAt(&p.Identity, index[0], name, doc)
		case "session":
			err = appendAt(&p.Session, index[0], name, doc)
		case "scp":
			err = addLevel(&p.SCP, index, name, doc)
		case "rcp":
			err = addLevel(&p.RCP, index, name, doc)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// appendAt appends a document to its layer, where it must become the one that its name says.
func appendAt(list *[]json.RawMessage, i int, name string, doc json.RawMessage) error {
	if i != len(*list) {
		return fmt.Errorf("%s does not follow the one before it", name)
	}
	*list = append(*list, doc)
	return nil
}

func addLevel(levels *[][]json.RawMessage, index []int, name string, doc json.RawMessage) error {
	if index[0] > len(*levels) {
		return fmt.Errorf("%s does not follow the one before it", name)
	}
	if index[0] == len(*levels) {
		*levels = append(*levels, nil)
	}
	return appendAt(&(*levels)[index[0]], index[1], name, doc)
}

// kinds are the kinds of policy as "refused" files name them.
var kinds = map[string]policy.Kind{"identity": policy.Identity, "resource": policy.Resource, "trust": policy.Trust,
	"boundary": policy.Boundary, "session": policy.Session, "scp": policy.ServiceControl, "rcp": policy.ResourceControl}

func runRefused(name, text string) (problem string, err error) {
	kindName, _, _ := strings.Cut(name, " ")
	kind, ok := kinds[kindName]
	if !ok {
		return "", fmt.Errorf("unknown kind %q", kindName)
	}
	text = strings.TrimRight(text, "\n")
	i := strings.LastIndexByte(text, '\n')
	want, ok := strings.CutPrefix(text[i+1:], "error: ")
	if !ok {
		return "", errors.New(`the last line does not begin with "error: "`)
	}
	d, err := policy.Parse([]byte(text[:i+1]))
	if err == nil {
		err = d.Check(kind)
	}
	switch {
	case err == nil:
		return "accepted, want " + want, nil
	case err.Error() != want:
		return fmt.Sprintf("error %q, want %q", err, want), nil
	}
	return "", nil
}
