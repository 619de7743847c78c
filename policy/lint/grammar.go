package lint

import (
	"errors"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// FromErrors turns the errors of policy.Parse or Document.Check into findings, in the terms of AWS's validation. Another error,
// or none, gives none.
func FromErrors(err error) []Finding {
	var list policy.Errors
	if !errors.As(err, &list) {
		return nil
	}
	var out []Finding
	for _, e := range list {
		out = append(out, Finding{Code: grammarCode(e), Severity: Error, Pos: e.Pos, Path: e.Path, Message: sentence(e),
			Remedy: "AWS refuses the document: " + e.Msg})
	}
	return out
}

// sentence makes a sentence of the detail, which often says something of the element that it stands at.
func sentence(e *policy.SyntaxError) string {
	text := e.Detail
	if text == "" {
		text = e.Msg
	}
	for begin, verb := range map[string]string{"is ": "", "must ": "", "belongs ": "", "names nobody": "", "holds ": "", "lacks ": "",
		"an empty ": "is ", "not allowed": "is "} {
		if strings.HasPrefix(text, begin) && e.Path != "" {
			text = e.Path[strings.LastIndexByte(e.Path, '.')+1:] + " " + verb + text
			break
		}
	}
	if c := text[0]; 'a' <= c && c <= 'z' {
		text = string(c-'a'+'A') + text[1:]
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// addGrammar adds what Check refuses, where no other finding of weight stands at the same place.
func (l *linter) addGrammar() {
	type place struct {
		pos  policy.Position
		path string
	}
	taken := map[place]bool{}
	for _, f := range l.out {
		if f.Severity == Error || f.Severity == SecurityWarning {
			taken[place{f.Pos, f.Path}] = true
		}
	}
	for _, f := range FromErrors(l.doc.Check(l.kind)) {
		if !taken[place{f.Pos, f.Path}] {
			l.out = append(l.out, f)
		}
	}
}

// grammarRules say which code a problem of the grammar gets: the first row of which all words that are not empty occur in path,
// AWS's sentence and our detail.
var grammarRules = []struct {
	path, msg, detail string
	code              Code
}{
	{"", "", "not JSON", JSONSyntaxError},
	{"", "", "text behind the document", JSONSyntaxError},
	{"", "", "invalid UTF-8", JSONSyntaxError},
	{"", "", "unknown element", InvalidPolicyElement},
	{"", "", "written twice", PolicySyntax},
	{"", "", "letter case does not matter", DuplicateKeysWithDifferentCase},
	{"", "", "Effect is missing", MissingEffect},
	{"", "", "Statement is missing", MissingStatement},
	{"", "", "holds no statement", MissingStatement},
	{"", "", "exclude each other", UnsupportedElementCombination},
	{"", "", "must be a string", DataTypeMismatch},
	{"", "", "must be an object", DataTypeMismatch},
	{".Condition", "", "IfExists cannot be added to Null", NullWithIfExists},
	{".Condition", "", "unknown condition operator", InvalidConditionOperator},
	{".Condition", "", "not a number", TypeMismatchNumber},
	{".Condition", "", "not a date", TypeMismatchDate},
	{".Condition", "", "not true or false", TypeMismatchBoolean},
	{".Condition", "", "not an IP address", TypeMismatchIPRange},
	{".Condition", "", "not base64", TypeMismatchString},
	{".Condition", "", "brace", MissingBraceInVariable},
	{".Condition", "", "quote", MissingQuoteInVariable},
	{".Condition", "vendor", "", InvalidConditionKeyFormat},
	{".Condition", "", "", PolicySyntax},
	{".Effect", "", "", InvalidEffect},
	{"Version", "", "", InvalidVersion},
	{".Sid", "unique", "", UniqueSidsRequired},
	{".Sid", "", "", UnsupportedSid},
	{"Id", "", "resource-based policies only", InvalidPolicyElement},
	{"", "Missing required field Principal", "", MissingPrincipal},
	{"rincipal", "", "an empty list", EmptyPrincipal},
	{"rincipal", "", "names nobody", EmptyPrincipal},
	{"rincipal", "should not specify a principal", "", UnsupportedPrincipal},
	{"rincipal", "", "wildcard", UnsupportedWildcardInPrincipal},
	{".NotPrincipal", "", "not allowed", UnsupportedElementCombination},
	{".NotPrincipal", "", "Deny only", UnsupportedElementCombination},
	{"rincipal", "", "", InvalidPrincipalFormat},
	{"Action", "", "is missing", MissingAction},
	{"Action", "", "an empty list", EmptyAction},
	{"Action", "may only specify STS", "", UnsupportedActionInPolicy},
	{"Action", "Vendor", "", InvalidServiceInAction},
	{"Action", "", "", InvalidAction},
	{"Resource", "", "is missing", MissingResource},
	{"Resource", "", "an empty list", EmptyResource},
	{"Resource", "ARN format", "", InvalidARNPrefix},
	{"Resource", "", "six parts", MissingARNField},
	{"Resource", "Partition", "", InvalidPartition},
	{"Resource", "prohibited field", "", UnsupportedElementCombination},
	{"Resource", "", "brace", MissingBraceInVariable},
	{"Resource", "", "quote", MissingQuoteInVariable},
	{"Resource", "", "variables may stand", VariableUnsupportedInElement},
	{"Resource", "", "", InvalidARNResource},
}

func grammarCode(e *policy.SyntaxError) Code {
	i := slices.IndexFunc(grammarRules, func(r struct {
		path, msg, detail string
		code              Code
	}) bool {
		return strings.Contains(e.Path, r.path) && strings.Contains(e.Msg, r.msg) && strings.Contains(e.Detail, r.detail)
	})
	if i < 0 {
		return PolicySyntax
	}
	return grammarRules[i].code
}
