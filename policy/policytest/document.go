package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/batch"
)

// addDocuments puts the documents into their layers.
func addDocuments(p *batch.Policies, documents map[string]string) error {
	names := make([]string, 0, len(documents))
	for name := range documents {
		names = append(names, name)
	}
	slices.SortFunc(names, byIndex)
	for _, name := range names {
		doc := json.RawMessage(documents[name])
		kind, index := splitName(name)
		var err error
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

// splitName takes scp[1][0] apart into scp and 1, 0.
func splitName(name string) (kind string, index []int) {
	kind, rest, ok := strings.Cut(name, "[")
	if !ok {
		return kind, nil
	}
	for s := range strings.SplitSeq(strings.TrimSuffix(rest, "]"), "][") {
		n, _ := strconv.Atoi(s) // digits only, see layer; one too large does not follow the one before it
		index = append(index, n)
	}
	return kind, index
}

// byIndex orders names of files so that identity[10] comes behind identity[9].
func byIndex(a, b string) int {
	kindA, indexA := splitName(a)
	kindB, indexB := splitName(b)
	if kindA != kindB {
		return strings.Compare(kindA, kindB)
	}
	return slices.Compare(indexA, indexB)
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

// kinds are the kinds of policy as "accepted" and "refused" files name them.
var kinds = map[string]policy.Kind{"identity": policy.Identity, "resource": policy.Resource, "trust": policy.Trust,
	"boundary": policy.Boundary, "session": policy.Session, "scp": policy.ServiceControl, "rcp": policy.ResourceControl}

// judge runs a file named "accepted KIND …" or "refused KIND …" and returns its text with the errors that the document really has.
func judge(o *Outcome, verb, name, text string) (right string, err error) {
	kindName, _, _ := strings.Cut(name, " ")
	kind, ok := kinds[kindName]
	if !ok {
		return "", fmt.Errorf("unknown kind %q", kindName)
	}
	doc, wanted := cutErrors(text)
	problem := compile(kind, doc)
	if verb == "accepted" {
		if len(wanted) > 0 {
			return "", errors.New("an accepted document with an error")
		}
		if problem != nil {
			o.Want, o.Got = "accepted", "refused: "+everyProblem(problem)
			o.Problem = o.Got
		}
		return text, nil
	}
	if len(wanted) == 0 || wanted[0].name != "error" {
		return "", errors.New(`no line behind the document begins with "error: "`)
	}
	o.Want = "refused: " + wanted[0].value
	if problem == nil {
		o.Got, o.Problem = "accepted", "accepted, want "+wanted[0].value
		return text, nil
	}
	if problem.Error() != wanted[0].value {
		o.Got = "refused: " + problem.Error()
		o.Problem = fmt.Sprintf("error %q, want %q", problem, wanted[0].value)
	}
	right = doc + wanted[0].prefix + problem.Error() + "\n"
	if len(wanted) == 1 {
		return right, nil
	}
	var have, want []string
	for _, line := range wanted[1:] {
		want = append(want, line.value)
	}
	for _, e := range problem {
		have = append(have, e.String())
		right += "at: " + e.String() + "\n"
	}
	if o.Problem == "" && !slices.Equal(have, want) {
		o.Want, o.Got = strings.Join(want, "\n"), strings.Join(have, "\n")
		o.Problem = fmt.Sprintf("problems %q, want %q", have, want)
	}
	return right, nil
}

// compile returns the problems of a document, or nil.
func compile(k policy.Kind, text string) policy.Errors {
	d, err := policy.Options{}.ParseAs(k, []byte(text))
	if err == nil {
		_, err = policy.Compile(k, "document", d)
	}
	var list policy.Errors
	errors.As(err, &list)
	return list
}

func everyProblem(list policy.Errors) string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.String()
	}
	return strings.Join(out, "; ")
}

// errorLine is a line behind a document.
type errorLine struct{ name, prefix, value string }

// cutErrors splits a text into the document and the lines "error: …" and "at: …" behind it.
func cutErrors(text string) (doc string, wanted []errorLine) {
	doc = text
	for {
		body := strings.TrimRight(doc, "\r\n")
		i := strings.LastIndexByte(body, '\n') + 1
		line := body[i:]
		name, value, ok := strings.Cut(line, ":")
		if !ok || name != "error" && name != "at" {
			return doc, wanted
		}
		value = strings.TrimSpace(value)
		prefix := line[:len(line)-len(strings.TrimLeft(line[len(name)+1:], " "))]
		wanted = slices.Insert(wanted, 0, errorLine{name, prefix, value})
		doc = doc[:i]
	}
}
