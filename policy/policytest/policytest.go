// Package policytest runs policy cases that people can read: txtar archives with the policies of a situation and the questions
// asked in it. It is for tests of this module, of programs that embed the engine, and of policies: `ostiary policy test` runs the
// same archives without any Go.
//
//	Who may read the reports.
//	-- identity[0] --
//	{"Version": "2012-10-17", "Statement": [
//	  {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/${aws:username}/*"}]}
//	-- request --
//	principal: user arn:aws:iam::111122223333:user/alice
//	action: s3:GetObject
//	account: 111122223333
//	context: aws:username = alice
//	-- case her own --
//	resource: arn:aws:s3:::reports/alice/may.pdf
//	expect: allow identity
//	-- case somebody else's --
//	resource: arn:aws:s3:::reports/bob/may.pdf
//	expect: deny-implicit identity
//	-- refused identity a policy of a user names nobody --
//	{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}}
//	error: Policy document should not specify a principal.
//
// # Documents
//
// An archive begins with a comment. Files named identity[0], identity[1] …, resource, trust, boundary, session[0] …, scp[0][0] …,
// rcp[0][0] … hold the documents of a layer as JSON; resource and trust exclude each other; the first number of an scp or rcp is
// its level, from the organization's root down. A document counts for the cases below it. A later file of the same name replaces
// it, and an empty one removes it.
//
// # Cases
//
// A file named "case TEXT" is a question to the documents above it, written as "name: value" lines:
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
// A file named "request" holds such lines, without the last three, for all cases below it, which then say only what is theirs; a
// context line of a case replaces one for the same key. An empty file ends it.
//
// The principal is a type (user, root, assumed-role, federated-user, web-identity, saml, service, anonymous) and its ARN, for web
// identities and SAML the provider, for services the name; then name=value for what else there is: id, account, role, issuer, provider,
// service-linked. A context line without value gives an empty multivalued key; the value "" is the empty string. The context is
// complete: nothing is added to it.
//
// expect is allow, deny-explicit or deny-implicit, and the layer that decided. statements and missing are compared only when they
// are there.
//
// # Documents to accept and to refuse
//
// A file named "accepted KIND TEXT" holds a document that can be a policy of that kind, which is identity, resource, trust, boundary,
// session, scp or rcp. One named "refused KIND TEXT" holds a document that cannot; behind the document a line "error: " gives AWS's
// sentence, and if lines "at: " follow, they are all of its problems, each with line, column and path.
//
// Everything else is an error: unknown names, repeated lines, documents out of order.
//
// # In Go
//
// [Run] runs archives as subtests. [Check] gives outcomes for other uses, and [Update] writes down what really comes out, for tests with
// an -update flag.
package policytest

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
)

// Outcome is the outcome of one case.
type Outcome struct {
	Name    string // the case's name; of a document to accept or refuse, the file's
	Line    int    // of its header in the archive
	Problem string // empty when the case came out as expected; otherwise one line
	// Of a case that did not: what was expected, what came instead, and how the decision came about (not for documents).
	Want, Got, Explanation string
}

// String tells a person what went wrong, in several lines, without name and line; it is empty when nothing did.
func (o Outcome) String() string {
	if o.Problem == "" {
		return ""
	}
	var b strings.Builder
	indented := func(head, text string) {
		for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			if i > 0 {
				head = strings.Repeat(" ", len(head))
			}
			b.WriteString(strings.TrimRight(head+line, " ") + "\n")
		}
	}
	indented("want  ", o.Want)
	indented("got   ", o.Got)
	if o.Explanation != "" {
		indented("      ", o.Explanation)
	}
	return b.String()
}

// Run runs every archive that matches the pattern in fsys as a subtest, and every case as a subtest of that.
func Run(t *testing.T, fsys fs.FS, pattern string) {
	t.Helper()
	names, err := fs.Glob(fsys, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives match %q: %v", pattern, err)
	}
	for _, name := range names {
		t.Run(path.Base(name), func(t *testing.T) {
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
						t.Errorf("%s:%d:\n%s", name, o.Line, o)
					}
				})
			}
		})
	}
}

// Check runs the cases of one archive. The error is about the archive's form; what comes out otherwise than expected is in
// the outcomes.
func Check(text []byte) ([]Outcome, error) {
	a, err := split(string(text))
	if err != nil {
		return nil, err
	}
	results, err := a.run()
	if err != nil {
		return nil, err
	}
	out := make([]Outcome, len(results))
	for i, r := range results {
		out[i] = r.outcome
	}
	return out, nil
}

// Update returns the archive with the expectations of its cases as they really come out, for those that match accepts; nil accepts
// all. It changes the values of expect, statements, missing, error and at lines that are there, and nothing else: a document that is
// refused though the case says accepted, or the other way round, stays as it is.
func Update(text []byte, match func(name string) bool) ([]byte, error) {
	a, err := split(string(text))
	if err != nil {
		return nil, err
	}
	results, err := a.run()
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.outcome.Problem != "" && (match == nil || match(r.outcome.Name)) {
			a.files[r.file].text = r.text
		}
	}
	out := []byte(a.String())
	if _, err := Check(out); err != nil {
		return nil, fmt.Errorf("the updated archive: %w", err)
	}
	return out, nil
}
