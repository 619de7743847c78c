package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

var titles = map[string]string{
	"S1": "S1: accounts, sign-in, users, passwords, keys, MFA, reports, certificates",
	"S2": "S2: roles, federation, temporary credentials, tags and sessions, CloudTrail",
	"S3": "S3: access management, policies, permissions, examples, troubleshooting",
}

// tests are the names of tests that said something.
type tests map[string]bool

func (t tests) add(m checklist.Mark) { t[strings.TrimPrefix(m.Package, "internal/")+" "+m.Test] = true }

// first are the first names in order, at most n. How many more there are is not said: tests that draw their calls would make it
// another number every time. For the same reason the tests of a service itself come first.
func (t tests) first(n int) string {
	names := slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		own := func(name string) int {
			if strings.HasPrefix(name, "service/") {
				return 0
			}
			return 1
		}
		return cmp.Or(own(a)-own(b), strings.Compare(a, b))
	})
	text := make([]string, 0, n)
	for _, name := range names[:min(len(names), n)] {
		pkg, test, _ := strings.Cut(name, " ")
		text = append(text, pkg+" `"+strings.ReplaceAll(test, "|", `\|`)+"`")
	}
	return strings.Join(text, ", ")
}

// specDocument lists the items with the tests that show them.
func specDocument(marks []checklist.Mark, waits map[string]wait) (text []byte, problems []string) {
	shown := make(map[string]tests)
	for _, m := range marks {
		if m.Kind == checklist.ItemShown {
			if shown[m.Subject] == nil {
				shown[m.Subject] = make(tests)
			}
			shown[m.Subject].add(m)
		}
	}
	var b bytes.Buffer
	b.WriteString(`# What the checklists ask, and the tests that show it

Made by ` + "`go run ./internal/checklist/cover`" + ` from a run of the tests; do not edit. An item's text is how it begins.
Items without a test wait for a part of the product (the console, federation, another service) or say why there is none;
` + "`internal/checklist/waits.txt`" + ` has the reasons.

`)
	type sum struct{ shown, waiting, docs int }
	sums := make(map[string]*sum)
	var body bytes.Buffer
	list := ""
	for item := range checklist.Items() {
		if name := item.ID[:2]; name != list {
			list, sums[name] = name, new(sum)
			fmt.Fprintf(&body, "\n## %s\n\n| item | what | shown by |\n|---|---|---|\n", titles[name])
		}
		by, said := shown[item.ID], ""
		w, waiting := waits[item.ID]
		switch {
		case by != nil && waiting:
			problems = append(problems, item.ID+" is shown by "+by.first(1)+", and waits.txt says that it waits")
		case by != nil:
			said = by.first(2)
			sums[list].shown++
		case waiting:
			said = w.word + ": " + w.reason
			sums[list].waiting++
		case item.Weight == "docs":
			said = "nothing to build"
			sums[list].docs++
		default:
			problems = append(problems, item.ID+" "+item.Weight+": no test shows it: "+item.Text)
		}
		fmt.Fprintf(&body, "| %s | %s | %s |\n", item.ID, strings.ReplaceAll(item.Text, "|", `\|`), said)
	}
	b.WriteString("| checklist | shown by tests | waiting, or elsewhere | nothing to build |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", name, s.shown, s.waiting, s.docs)
	}
	b.Write(body.Bytes())
	return b.Bytes(), problems
}

// operationsDocument is the table of IAM's operations.
func operationsDocument(marks []checklist.Mark) (text []byte, problems []string) {
	answers := make(map[string]map[string]tests) // operation → code → tests
	cannot := make(map[string]map[string]string)
	rows, events := make(map[string]string), make(map[string]bool)
	for _, m := range marks {
		switch m.Kind {
		case checklist.OperationSeen:
			codes := answers[m.Subject]
			if codes == nil {
				codes = make(map[string]tests)
				answers[m.Subject] = codes
			}
			if codes[m.Code] == nil {
				codes[m.Code] = make(tests)
			}
			codes[m.Code].add(m)
		case checklist.ErrorExcluded:
			if cannot[m.Subject] == nil {
				cannot[m.Subject] = make(map[string]string)
			}
			cannot[m.Subject][m.Code] = m.Detail
		case checklist.RowChecked:
			rows[m.Subject] = m.Detail
		case checklist.EventChecked:
			events[m.Subject] = true
		}
	}
	var b bytes.Buffer
	b.WriteString(`# IAM operations and the tests that call them

Made by ` + "`go run ./internal/checklist/cover`" + ` from a run of the tests; do not edit. Every operation of the model has succeeded for a
client over HTTP, has answered each error that its model lists (or the table says why it cannot), has a permission row that was held
against AWS's service authorization reference, and has left the right event of a call that was allowed and of one that was denied.

| operation | succeeds in | errors of the model | permission row | event |
|---|---|---|---|---|
`)
	for _, name := range slices.Sorted(maps.Keys(iam.API.Operations)) {
		o, subject := iam.API.Operations[name], "iam "+name
		hole := func(what string) { problems = append(problems, subject+": "+what) }
		if o.Unbuilt != "" {
			hole("not built: " + o.Unbuilt)
			continue
		}
		succeeds := answers[subject][""].first(1)
		if why := cannot[subject][""]; succeeds == "" && why != "" {
			succeeds = "cannot: " + why
		} else if succeeds == "" {
			hole("no test sees it succeed")
		}
		var errors []string
		for _, code := range slices.Sorted(slices.Values(o.Errors)) {
			seen, why := answers[subject][code], cannot[subject][code]
			switch {
			case seen != nil:
				errors = append(errors, code+": "+seen.first(1))
			case why != "":
				errors = append(errors, code+": cannot occur, "+why)
			default:
				hole("no test sees it answer " + code)
			}
		}
		row, ok := rows[subject]
		if !ok {
			hole("no test compares its permission row")
		}
		if !events[subject] {
			hole("no test looks at its events")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | yes |\n", name, succeeds, strings.Join(errors, "; "), row)
	}
	return b.Bytes(), problems
}
