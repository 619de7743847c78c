package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Checked is what [Check] found in a file.
type Checked struct {
	Pages    int      // in use or free
	Lost     int      // that are neither: room that is not used, nothing more
	Problems []string // what is damaged, each with its place; at most maxProblems
}

const maxProblems = 20

// What is needed of bbolt's other pages. A page begins with its number (8 bytes), kind and number of elements (2 each) and the
// number of pages that it goes on for (4). Elements of 16 bytes follow: in a branch position, length of the key and number of the
// page below; in a leaf flags, position and the lengths of key and value. Positions count from the element itself. A bucket is the
// value of a leaf's element: the number of its first page, 0 where a page follows in the value, and its sequence number.
const (
	pageHeader   = 16
	elementSize  = 16
	bucketSize   = 16
	kindBranch   = 0x01
	kindLeaf     = 0x02
	kindFreelist = 0x10
	bucketFlag   = 0x01
	noFreelist   = ^uint64(0)
	maxDepth     = 64
)

// Check reads the file at path, page by page, without bbolt and without mapping it: a damaged file cannot end the process. It is for
// a file that nobody writes to. Its error is that of opening or reading, and for a file that is none of ours what [Open] says.
func Check(path string) (Checked, error) {
	f, err := os.Open(path)
	if err != nil {
		return Checked{}, err
	}
	defer f.Close()
	if err := checkWhole(f); err != nil {
		return Checked{}, fmt.Errorf("%s: %w", path, err)
	}
	m, offset, ok := newestMeta(f)
	if !ok {
		return Checked{}, fmt.Errorf("%s: %w", path, errForeign)
	}
	info, err := f.Stat()
	if err != nil {
		return Checked{}, err
	}
	c := &checker{f: f, size: uint64(m.pageSize), pages: min(m.pages, uint64(info.Size())/uint64(m.pageSize))}
	c.seen = make([]bool, c.pages)
	for i := range min(2, len(c.seen)) {
		c.seen[i] = true
	}
	var page [metaStart + metaSize]byte
	if _, err := f.ReadAt(page[:], offset); err != nil {
		return Checked{}, err
	}
	about := page[metaStart:]
	c.branch(binary.NativeEndian.Uint64(about[16:]), nil, nil, 0)
	if free := binary.NativeEndian.Uint64(about[32:]); free != noFreelist {
		c.freelist(free)
	} else {
		c.found.Lost = -1
	}
	if c.err != nil {
		return Checked{}, fmt.Errorf("reading %s: %w", path, c.err)
	}
	c.found.Pages = int(c.pages)
	if c.found.Lost == 0 {
		for _, seen := range c.seen {
			if !seen {
				c.found.Lost++
			}
		}
	}
	c.found.Lost = max(c.found.Lost, 0)
	return c.found, nil
}

// checker walks the pages of a file.
type checker struct {
	f     io.ReaderAt
	size  uint64 // of a page
	pages uint64
	seen  []bool
	found Checked
	err   error // of reading
}

func (c *checker) problem(page uint64, format string, args ...any) {
	if len(c.found.Problems) < maxProblems {
		c.found.Problems = append(c.found.Problems, fmt.Sprintf("page %d: ", page)+fmt.Sprintf(format, args...))
	}
}

// page reads a page with all that it goes on for; nil where there is none that makes sense.
func (c *checker) page(id uint64) (b []byte, kind uint16, count int) {
	if id < 2 || id >= c.pages {
		c.problem(id, "it is referred to and not in the file")
		return nil, 0, 0
	}
	var head [pageHeader]byte
	if _, err := c.f.ReadAt(head[:], int64(id*c.size)); err != nil {
		c.err = errors.Join(c.err, err)
		return nil, 0, 0
	}
	more := uint64(binary.NativeEndian.Uint32(head[12:]))
	if own := binary.NativeEndian.Uint64(head[:]); own != id || id+more >= c.pages {
		c.problem(id, "its header makes no sense: number %d, and %d further pages", own, more)
		return nil, 0, 0
	}
	for i := id; i <= id+more; i++ {
		if c.seen[i] {
			c.problem(i, "it is used twice")
			return nil, 0, 0
		}
		c.seen[i] = true
	}
	b = make([]byte, (1+more)*c.size)
	if _, err := c.f.ReadAt(b, int64(id*c.size)); err != nil {
		c.err = errors.Join(c.err, err)
		return nil, 0, 0
	}
	return b, binary.NativeEndian.Uint16(head[8:]), int(binary.NativeEndian.Uint16(head[10:]))
}

// branch walks the pages of a bucket from id downwards. All keys are from low on and below high, which is nil where nothing bounds.
func (c *checker) branch(id uint64, low, high []byte, depth int) {
	if depth > maxDepth || c.err != nil {
		c.problem(id, "the pages above it go round in a circle")
		return
	}
	b, kind, count := c.page(id)
	if b == nil {
		return
	}
	switch kind {
	case kindLeaf:
		c.leaf(id, b, count, low, high, depth)
	case kindBranch:
		c.below(id, b, count, low, high, depth)
	default:
		c.problem(id, "it is of kind %#x where records should be", kind)
	}
}

// part returns bytes of a page that an element points to.
func part(b []byte, element int, position, length uint32) ([]byte, bool) {
	from := uint64(element) + uint64(position)
	if from+uint64(length) > uint64(len(b)) {
		return nil, false
	}
	return b[from : from+uint64(length)], true
}

// ordered checks a key against its neighbours.
func (c *checker) ordered(id uint64, key, before, low, high []byte, first bool) bool {
	if !first && bytes.Compare(before, key) >= 0 || bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
		c.problem(id, "its keys are out of order")
		return false
	}
	return true
}

func (c *checker) below(id uint64, b []byte, count int, low, high []byte, depth int) {
	type child struct {
		key []byte
		id  uint64
	}
	var children []child
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(b) {
			c.problem(id, "it has more elements than room")
			return
		}
		key, ok := part(b, at, binary.NativeEndian.Uint32(b[at:]), binary.NativeEndian.Uint32(b[at+4:]))
		if !ok {
			c.problem(id, "a key is not in it")
			return
		}
		var before []byte
		if i > 0 {
			before = children[i-1].key
		}
		if !c.ordered(id, key, before, low, high, i == 0) {
			return
		}
		children = append(children, child{key, binary.NativeEndian.Uint64(b[at+8:])})
	}
	if count == 0 {
		c.problem(id, "it leads nowhere")
	}
	for i, ch := range children {
		end := high
		if i+1 < len(children) {
			end = children[i+1].key
		}
		c.branch(ch.id, ch.key, end, depth+1)
	}
}

func (c *checker) leaf(id uint64, b []byte, count int, low, high []byte, depth int) {
	var before []byte
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(b) {
			c.problem(id, "it has more elements than room")
			return
		}
		word := func(n int) uint32 { return binary.NativeEndian.Uint32(b[at+4*n:]) }
		key, ok := part(b, at, word(1), word(2))
		value, fits := part(b, at, word(1), word(2)+word(3))
		if !ok || !fits || len(value) < len(key) || len(key) == 0 {
			c.problem(id, "a record is not in it")
			return
		}
		if !c.ordered(id, key, before, low, high, i == 0) {
			return
		}
		before = key
		switch flags := word(0); {
		case flags == bucketFlag:
			c.bucket(id, value[len(key):], depth)
		case flags != 0:
			c.problem(id, "a record has flags %#x", flags)
		}
	}
}

// bucket walks a bucket that is the value of an element.
func (c *checker) bucket(id uint64, value []byte, depth int) {
	if len(value) < bucketSize {
		c.problem(id, "a bucket has no header")
		return
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		c.branch(root, nil, nil, depth+1)
		return
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != kindLeaf || depth > maxDepth {
		c.problem(id, "a bucket has no page")
		return
	}
	c.leaf(id, inline, int(binary.NativeEndian.Uint16(inline[10:])), nil, nil, depth+1)
}

// freelist walks the list of free pages.
func (c *checker) freelist(id uint64) {
	b, kind, count := c.page(id)
	if b == nil {
		return
	}
	if kind != kindFreelist {
		c.problem(id, "it is of kind %#x where the list of free pages should be", kind)
		return
	}
	list := b[pageHeader:]
	n := uint64(count)
	if count == 0xFFFF && len(list) >= 8 {
		n, list = binary.NativeEndian.Uint64(list), list[8:]
	}
	if n > uint64(len(list)/8) {
		c.problem(id, "it lists more free pages than it has room for")
		return
	}
	for i := range n {
		free := binary.NativeEndian.Uint64(list[8*i:])
		if free < 2 || free >= c.pages || c.seen[free] {
			c.problem(id, "it lists page %d as free, which is in use or not there", free)
			return
		}
		c.seen[free] = true
	}
}
