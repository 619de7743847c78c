package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
)

// Check reports what forbids the use of d as a policy of kind k: nil, or Errors with every problem. It judges the grammar only;
// whether a service knows an action, a resource or a key is not asked (S3-89).
//
// The rules by kind. Identity, Boundary, Session, ServiceControl: no principals, a resource in every statement (S4-11, S4-34, S4-M23);
// an Id, which the guide refuses there (S4-22), is accepted, as AWS's API does. Resource: a principal in every statement, NotPrincipal only with Deny, the resource may be
// left out (S4-75, S4-M19). Trust: a principal, no NotPrincipal, no resource, actions of sts only (S4-75, S4-M19).
// ResourceControl: version 2012-10-17, Principal "*", Action, a resource, and Deny, except that the default policy's
// statement that allows everything is accepted (S4-M25).
func (d *Document) Check(k Kind) error {
	c := &checker{doc: d, kind: k}
	c.document()
	return c.errs.err()
}

type checker struct {
	doc  *Document
	kind Kind
	errs Errors
}

func (c *checker) fail(pos Position, path string, rank int, msg, detail string) {
	if len(c.errs) < maxProblems {
		c.errs = append(c.errs, &SyntaxError{Pos: pos, Path: path, Msg: msg, Detail: detail, rank: rank})
	}
}

// namesPrincipals reports whether policies of the kind say whom they are for.
func (k Kind) namesPrincipals() bool { return k == Resource || k == Trust || k == ResourceControl }

func (c *checker) document() {
	d := c.doc
	if c.kind < Identity || c.kind > ResourceControl {
		c.fail(Position{}, "", rankSyntax, msgSyntax, "unknown kind of policy")
	}
	switch d.Version {
	case Version2012:
	case "", Version2008:
		if c.kind == ResourceControl {
			c.fail(Position{}, "Version", rankVersion, msgVersion, "a resource control policy must state version 2012-10-17")
		}
	default:
		c.fail(Position{}, "Version", rankSyntax, msgSyntax, "must be 2012-10-17 or 2008-10-17")
	}
	if d.ID != nil && c.kind == ResourceControl {
		c.fail(d.ID.Pos, "Id", rankSyntax, msgSyntax, "not allowed in resource control policies")
	}
	if len(d.Statements) == 0 {
		c.fail(Position{}, "Statement", rankSyntax, msgSyntax, "holds no statement")
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		st := &d.Statements[i]
		path := fmt.Sprintf("Statement[%d]", i)
		c.sid(st, path, sids)
		c.principals(st, path)
		c.actions(st, path)
		c.resources(st, path)
		c.conditions(st, path)
		if c.kind == ResourceControl {
			c.resourceControl(st, path)
		}
	}
}

// sid checks characters and uniqueness. An empty Sid counts as none, as on AWS, where tools write it often.
func (c *checker) sid(st *Statement, path string, seen map[string]bool) {
	if st.Sid == nil || st.Sid.Text == "" {
		return
	}
	path += ".Sid"
	if c.kind != Resource && strings.ContainsFunc(st.Sid.Text, func(r rune) bool { return !alphanumeric(r) }) {
		c.fail(st.Sid.Pos, path, rankSid, msgSid, "only letters and digits")
	}
	if seen[st.Sid.Text] {
		c.fail(st.Sid.Pos, path, rankSid, msgSidTwice, fmt.Sprintf("%q names an earlier statement", st.Sid.Text))
	}
	seen[st.Sid.Text] = true
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (c *checker) principals(st *Statement, path string) {
	ps := st.Principals
	switch {
	case ps == nil:
		if c.kind.namesPrincipals() {
			c.fail(st.Pos, path+".Principal", rankPrincipal, msgNeedPrincipal, "is missing")
		}
		return
	case !c.kind.namesPrincipals():
		c.fail(ps.Pos, path+"."+not(ps.Not)+"Principal", rankPrincipal, msgNoPrincipal, "belongs to resource-based policies only")
		return
	case ps.Not && c.kind == Trust:
		c.fail(ps.Pos, path+".NotPrincipal", rankPrincipal, "Has prohibited field NotPrincipal", "not allowed in trust policies")
	case ps.Not && st.Effect == Allow:
		c.fail(ps.Pos, path+".NotPrincipal", rankPrincipal, msgSyntax, "NotPrincipal works with Deny only")
	}
	if len(ps.Refs) == 0 {
		c.fail(ps.Pos, path+"."+not(ps.Not)+"Principal", rankPrincipal, msgSyntax, "names nobody")
	}
	for _, ref := range ps.Refs {
		if problem := checkPrincipal(ref, c.kind); problem != "" {
			c.fail(refPosition(ps, ref), path+"."+not(ps.Not)+"Principal."+ref.Type, rankPrincipal,
				fmt.Sprintf(msgPrincipal, principalLabel(ref.Type), ref.Value), problem)
		}
	}
}

// refPosition gives the place of a reference, or of the element when the document did not come from text.
func refPosition(ps *Principals, ref PrincipalRef) Position {
	if ref.End == 0 {
		return ps.Pos
	}
	return Position{Offset: ref.Start, Line: ref.line, Column: ref.column}
}

// principalLabel is the type as AWS's sentence writes it.
func principalLabel(typ string) string {
	if typ == "AWS" || typ == "*" {
		return "AWS"
	}
	return strings.ToUpper(typ)
}

// checkPrincipal returns what is wrong with one principal, or nothing.
func checkPrincipal(ref PrincipalRef, k Kind) string {
	switch ref.Type {
	case "*":
		if ref.Value != "*" {
			return `the only principal outside an object is "*"`
		}
	case "AWS":
		return checkAWSPrincipal(ref.Value)
	case "Service":
		if !hostName(ref.Value) {
			return "not the name of a service, such as ec2.amazonaws.com"
		}
	case "Federated":
		return checkFederated(ref.Value)
	case "CanonicalUser":
		if k != Resource {
			return "canonical users belong to S3's resource policies"
		}
		if len(ref.Value) != 64 || strings.Trim(ref.Value, "0123456789abcdefABCDEF") != "" {
			return "not a canonical user ID of 64 hexadecimal digits"
		}
	default:
		return "unknown type of principal"
	}
	return ""
}

func checkAWSPrincipal(v string) string {
	if v == "*" || accountID(v) || uniqueID(v) || roleSession(v) {
		return ""
	}
	if strings.ContainsAny(v, "*?") {
		return "a wildcard cannot stand for part of a principal"
	}
	a, err := arn.Parse(v)
	if err != nil {
		return "neither an account, an ARN, a unique ID nor *"
	}
	typ, name, _ := strings.Cut(a.Resource(), "/")
	path, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		path, last = name[:i], name[i+1:]
	}
	switch {
	case a.Region() != "" || a.Account() == "":
	case a.Service() == "iam" && a.Resource() == "root" && accountID(a.Account()):
		return ""
	case a.Service() == "iam" && (typ == "user" || typ == "role") && friendlyName(last):
		return ""
	case a.Service() == "iam" && a.Account() == "cloudfront" && typ == "user" && friendlyName(strings.ReplaceAll(name, " ", "")):
		return "" // CloudFront Origin Access Identity E…, in the policies of buckets
	case a.Service() == "sts" && accountID(a.Account()) && typ == "assumed-role" && friendlyName(path) && friendlyName(last):
		return ""
	case a.Service() == "sts" && accountID(a.Account()) && typ == "federated-user" && friendlyName(name):
		return ""
	case a.Service() == "iam" && typ == "group":
		return "a group cannot be a principal"
	}
	return "not the ARN of an account, user, role or session"
}

func checkFederated(v string) string {
	if a, err := arn.Parse(v); err == nil {
		typ, name, _ := strings.Cut(a.Resource(), "/")
		if a.Service() == "iam" && accountID(a.Account()) && name != "" && (typ == "saml-provider" || typ == "oidc-provider") &&
			!strings.ContainsAny(name, "*?") {
			return ""
		}
	}
	if hostName(v) {
		return ""
	}
	return "neither a domain name nor the ARN of an identity provider"
}

func accountID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// uniqueID reports whether s has the form of a unique ID of a user or role (S4-232, S4-M18). The IDs of other things are
// accepted in the form in which a deleted principal stays behind, and match nobody.
func uniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || s[0] != 'A' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return slices.Contains([]string{"AIDA", "AROA"}, s[:4])
}

// roleSession reports whether s has the form of a role session's unique ID, AROA…:session: what a session's ARN in a trust
// policy is stored as.
func roleSession(s string) bool {
	id, session, _ := strings.Cut(s, ":")
	return strings.HasPrefix(id, "AROA") && uniqueID(id) && len(session) <= 64 && friendlyName(session)
}

// friendlyName reports whether s has the characters of names of users, roles and sessions (S4-233). Variables have others: they
// mean nothing in a principal (S4-141).
func friendlyName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("_+=,.@-", r) })
}

// hostName reports whether s looks like a domain name with at least two labels.
func hostName(s string) bool {
	if !strings.Contains(s, ".") || len(s) > 255 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !alphanumeric(r) && r != '-' }) {
			return false
		}
	}
	return true
}

// conditions checks operators, keys and values. An operator without any test means nothing, and AWS's API accepts every name for it.
func (c *checker) conditions(st *Statement, path string) {
	for _, cond := range st.Conditions {
		path := path + ".Condition." + inPath(cond.Operator.Text)
		op, problem := parseOperator(cond.Operator.Text, c.doc.dateAliases)
		if problem != "" && len(cond.Tests) > 0 {
			c.fail(cond.Operator.Pos, path, rankSyntax, msgSyntax, problem)
		}
		for _, t := range cond.Tests {
			path := path + "." + inPath(t.Key.Text)
			// AWS and the guide (L17819) accept keys without a service's prefix.
			if t.Key.Text == "" || strings.ContainsFunc(t.Key.Text, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				c.fail(t.Key.Pos, path, rankCondition, msgVendor, "a condition key has the form service:name")
			}
			if problem != "" {
				continue
			}
			for _, v := range t.Values {
				if problem := op.checkValue(v, c.doc.EffectiveVersion()); problem != "" {
					c.fail(v.Pos, path, rankLegacy, msgLegacy, problem)
				}
			}
		}
	}
}

// resourceControl adds the rules for RCPs (S4-M25).
func (c *checker) resourceControl(st *Statement, path string) {
	if st.Actions.Not {
		c.fail(st.Actions.Pos, path+".NotAction", rankSyntax, msgSyntax, "not allowed in resource control policies")
	}
	everyone := func(p *Principals) bool {
		return !p.Not && len(p.Refs) == 1 && (p.Refs[0].Type == "*" || p.Refs[0].Type == "AWS" && p.Refs[0].Value == "*")
	}
	if st.Principals != nil && !everyone(st.Principals) {
		c.fail(st.Principals.Pos, path+".Principal", rankPrincipal, msgSyntax, `a resource control policy has Principal "*"`)
	}
	star := func(s Strings) bool { return !s.Not && len(s.Values) == 1 && s.Values[0].Text == "*" }
	if st.Effect == Allow && (!star(st.Actions) || !star(st.Resources) || len(st.Conditions) > 0) {
		c.fail(st.Pos, path+".Effect", rankSyntax, msgSyntax, "a resource control policy only denies")
	}
}

// CheckManaged reports what forbids the use of d as a managed policy, beside what Check says: managed policies came with version
// 2012-10-17 and must state it; policies embedded in a user, group or role, and trust policies, need not (S4-15, S4-16).
func (d *Document) CheckManaged() error {
	if d.EffectiveVersion() == Version2012 {
		return nil
	}
	return Errors{{Path: "Version", Msg: msgVersion, Detail: "a managed policy must state version 2012-10-17", rank: rankVersion}}
}
