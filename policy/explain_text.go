package policy

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteText writes the explanation for people: the outcome and what decided it, then layer by layer every statement about the action
// with what did not fit. Statements about other actions are only counted.
func (x *Explanation) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s\n  who   %s\n  what  %s on %s\n  why   %s\n", x.outcome(), x.principal.text(), x.action, x.resource, x.why())
	if len(x.Missing) > 0 {
		fmt.Fprintf(out, "  the request lacks %s\n", strings.Join(x.Missing, ", "))
	}
	for i := range x.Layers {
		x.Layers[i].write(out)
	}
	if x.Disagreement != nil {
		fmt.Fprintf(out, "\nThis explanation is wrong, please report it: %v\n", x.Disagreement)
	}
	return out.Flush()
}

func (x *Explanation) outcome() string {
	switch {
	case x.Decision.Effect == Allow:
		return "ALLOWED"
	case x.Decision.Explicit:
		return "DENIED, explicitly"
	}
	return "DENIED, since nothing allows it"
}

// why is the sentence with the deciding layer.
func (x *Explanation) why() string {
	d := &x.Decision
	trust := false
	for _, a := range x.Layers {
		trust = trust || a.Layer == LayerResource && a.trust()
	}
	layer := d.Layer.kindText(trust)
	switch {
	case d.Policy == nil && d.Effect == Allow:
		return "the caller is the root user, and nothing denies it"
	case d.Policy == nil:
		return "no " + layer + " allows it"
	}
	verb := "allows it"
	if d.Explicit {
		verb = "denies it"
	}
	article := "a"
	if d.Layer == LayerIdentity {
		article = "an"
	}
	return fmt.Sprintf("%s of %s, %s %s, %s", d.Policy.statementText(d.Statement), d.Policy.name, article, layer, verb)
}

// kindText is the kind of policy in AWS's words (S4-M6).
func (l Layer) kindText(trust bool) string {
	if l == LayerResource && trust {
		return "role trust policy"
	}
	names := [...]string{"policy", "identity-based policy", "resource-based policy", "permissions boundary", "session policy", "service control policy",
		"resource control policy"}
	if int(l) >= len(names) {
		l = 0
	}
	return names[l]
}

func (a *LayerAccount) trust() bool {
	return len(a.Policies) > 0 && a.Policies[0].Policy.kind == Trust
}

// statementText names a statement: where it stands, what it does and its Sid.
func (p *Policy) statementText(i int) string {
	st := &p.doc.Statements[i]
	a := StatementAccount{Index: i, Effect: st.Effect, Pos: st.Pos}
	if st.Sid != nil {
		a.Sid = st.Sid.Text
	}
	return a.title()
}

func (a *StatementAccount) title() string {
	out := fmt.Sprintf("statement %d, %s", a.Index+1, a.Effect)
	if a.Pos.Line > 0 {
		out = fmt.Sprintf("the %s in line %d", a.Effect, a.Pos.Line)
	}
	if a.Sid != "" {
		out += " (" + a.Sid + ")"
	}
	return out
}

// text says who somebody is.
func (p *Principal) text() string {
	out := p.describe()
	switch {
	case p.Type == AssumedRole && p.RoleARN != "":
		out += ", a session of " + p.RoleARN
	case p.Type == FederatedUser && p.IssuerUserARN != "":
		out += ", made by " + p.IssuerUserARN
	}
	return out
}

func (a *LayerAccount) write(out io.Writer) {
	name := a.Layer.kindText(a.trust())
	if a.Level > 0 {
		name += fmt.Sprintf(", level %d", a.Level)
	}
	if a.Exempt != "" {
		fmt.Fprintf(out, "\n%s: not asked; %s\n", name, a.Exempt)
		return
	}
	fmt.Fprintf(out, "\n%s: %s\n", name, a.Verdict)
	if len(a.Policies) == 0 {
		fmt.Fprintf(out, "  there is no policy\n")
	}
	for _, p := range a.Policies {
		p.write(out)
	}
}

func (a *PolicyAccount) write(out io.Writer) {
	fmt.Fprintf(out, "  %s\n", a.Policy.name)
	others := 0
	for i := range a.Statements {
		st := &a.Statements[i]
		switch f := st.Failed; {
		case f == nil:
			fmt.Fprintf(out, "    %s matches\n", st.title())
		case f.Element == "Action" || f.Element == "NotAction":
			others++
			continue
		default:
			fmt.Fprintf(out, "    %s does not match\n", st.title())
			f.write(out)
		}
		for _, v := range st.Variables {
			fmt.Fprintf(out, "        ${%s} %s\n", v.Key, v.text())
		}
	}
	switch {
	case others == 1:
		fmt.Fprintf(out, "    one statement is about other actions\n")
	case others > 1:
		fmt.Fprintf(out, "    %d statements are about other actions\n", others)
	}
}

func (v *Variable) text() string {
	switch {
	case v.Problem != "":
		return "has no value: " + v.Problem
	case v.Default:
		return "is " + strconv.Quote(v.Value) + ", its default"
	}
	return "is " + strconv.Quote(v.Value)
}

func (f *Failure) write(out io.Writer) {
	name := f.Element
	if f.Key != "" {
		name += " " + f.Operator + " " + f.Key
	}
	fmt.Fprintf(out, "      %s: %s\n", name, f.Reason)
	if len(f.Saw) > 0 {
		fmt.Fprintf(out, "        request has %s\n", listText(f.Saw))
	}
	if len(f.Wanted) > 0 {
		fmt.Fprintf(out, "        policy has  %s\n", listText(f.Wanted))
	}
}

// listText writes values in one line, of long lists the beginning.
func listText(values []string) string {
	const most = 8
	var quoted []string
	for i, v := range values {
		if i == most && len(values) > most+1 {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(values)-most))
			break
		}
		quoted = append(quoted, strconv.Quote(v))
	}
	return strings.Join(quoted, ", ")
}
