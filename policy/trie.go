package policy

import (
	"bytes"
	"slices"
	"strings"
)

// node is a node of a radix trie over strings. Its place is the text that the labels spell on the way to it, its own included.
// The children of a node stand one behind another and begin with different bytes.
type node struct {
	label    string
	children uint32
	count    uint16 // of children
	lo, hi   int32  // what stands at the node; the meaning is the owner's
}

// forest holds the nodes of tries, by index. first has the first byte of each node's label, so that a child is found with one
// scan of its parent's children.
type forest struct {
	nodes []node
	first []byte
}

// none is no node.
const none = -1

// plant makes a trie of keys, which are sorted, and returns its root. at is called for every node with the index of the node
// and the range of keys that equal its place; it is called for a node before it is for its children.
func (f *forest) plant(keys []string, at func(n int32, lo, hi int)) int32 {
	if len(keys) == 0 {
		return none
	}
	root := f.add(1)
	f.grow(root, keys, 0, len(keys), 0, at)
	return root
}

func (f *forest) add(n int) int32 {
	f.nodes = append(f.nodes, make([]node, n)...)
	f.first = append(f.first, make([]byte, n)...)
	return int32(len(f.nodes) - n)
}

// grow makes node n of keys[lo:hi], which have their first depth bytes in common and are its place and what is below.
func (f *forest) grow(n int32, keys []string, lo, hi, depth int, at func(n int32, lo, hi int)) {
	place := commonPrefix(keys[lo], keys[hi-1])
	f.nodes[n].label = keys[lo][depth:place]
	if place > depth {
		f.first[n] = keys[lo][depth]
	}
	own := lo
	for own < hi && len(keys[own]) == place {
		own++
	}
	at(n, lo, own)
	var starts []int
	for i := own; i < hi; i++ {
		if i == own || keys[i][place] != keys[i-1][place] {
			starts = append(starts, i)
		}
	}
	children := f.add(len(starts))
	f.nodes[n].children, f.nodes[n].count = uint32(children), uint16(len(starts))
	starts = append(starts, hi)
	for i := range len(starts) - 1 {
		f.grow(children+int32(i), keys, starts[i], starts[i+1], place, at)
	}
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// child returns the child of n for texts that go on with c, or nil.
func (f *forest) child(n *node, c byte) *node {
	i := bytes.IndexByte(f.first[n.children:n.children+uint32(n.count)], c)
	if i < 0 {
		return nil
	}
	return &f.nodes[n.children+uint32(i)]
}

// clip gives back memory that was not needed.
func (f *forest) clip() { f.nodes, f.first = slices.Clip(f.nodes), slices.Clip(f.first) }

// literalLead returns the part of an action pattern before its first wildcard, and what the rest is.
func literalLead(pattern string) (lead string, rest leadRest) {
	i := strings.IndexAny(pattern, "*?")
	switch {
	case i < 0:
		return pattern, restNone
	case pattern[i:] == "*":
		return pattern[:i], restAny
	}
	return pattern[:i], restWild
}

// leadRest is what follows the lead of a pattern.
type leadRest uint8

const (
	restNone leadRest = iota // nothing
	restAny                  // one star
	restWild                 // something that has to be matched
)
