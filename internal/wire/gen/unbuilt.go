package main

import (
	"fmt"
	"os"
	"strings"
)

// readUnbuilt reads unbuilt.txt: service → operation → reason.
//
// A line is "service Operation"; lines stand in groups, and a group begins with a line "# reason", which is the reason of every
// operation below it. Lines that begin with "##" are comments; empty lines mean nothing.
func readUnbuilt(path string) (map[string]map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := map[string]map[string]string{}
	reason, last := "", ""
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "", strings.HasPrefix(line, "##"):
		case strings.HasPrefix(line, "# "):
			reason, last = strings.TrimPrefix(line, "# "), ""
		default:
			svc, op, ok := strings.Cut(line, " ")
			if !ok || strings.TrimSpace(op) != op || reason == "" {
				return nil, fmt.Errorf("unbuilt.txt:%d: want \"service Operation\" below a reason", n)
			}
			if list[svc] == nil {
				list[svc] = map[string]string{}
			}
			if _, twice := list[svc][op]; twice {
				return nil, fmt.Errorf("unbuilt.txt:%d: %s comes twice", n, line)
			}
			if line <= last {
				return nil, fmt.Errorf("unbuilt.txt:%d: %s is out of order", n, line)
			}
			last = line
			list[svc][op] = reason
		}
	}
	return list, nil
}
