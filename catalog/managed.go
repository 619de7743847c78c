package catalog

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	_ "embed"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ManagedPolicy is an AWS managed policy. Values are shared: callers must not change them.
type ManagedPolicy struct {
	Name           string
	ID             string // ANPAI and 16 characters derived from the ARN; AWS's own IDs are not published
	ARN            string // arn:aws:iam::aws:policy + Path + Name
	Path           string // begins and ends with a slash
	DefaultVersion string // "v3"; the catalog knows no other versions
	CreateDate     time.Time
	UpdateDate     time.Time // when the default version was made

	doc         *section
	start, size int
}

// Document returns the text of the default version: compact JSON that begins with Version. The text is the same in every
// process and on every call; the section that holds it is decompressed at its first use and then kept.
func (p *ManagedPolicy) Document() string { return p.doc.text()[p.start : p.start+p.size] }

// Managed is the set of AWS managed policies. It is immutable and safe for concurrent use.
type Managed struct {
	all    []*ManagedPolicy // in the order of lower-case names
	byARN  map[string]*ManagedPolicy
	byID   map[string]*ManagedPolicy
	byName map[string]*ManagedPolicy
}

// ManagedPolicies returns the embedded set; the index is read at the first call (a few milliseconds).
func ManagedPolicies() *Managed { return embedded() }

// ByARN returns the policy with that ARN; ARNs are compared with case, as AWS does.
func (m *Managed) ByARN(arn string) (*ManagedPolicy, bool) { p, ok := m.byARN[arn]; return p, ok }

// ByID returns the policy with that unique ID.
func (m *Managed) ByID(id string) (*ManagedPolicy, bool) { p, ok := m.byID[id]; return p, ok }

// ByName returns the policy with that name, compared with case.
func (m *Managed) ByName(name string) (*ManagedPolicy, bool) { p, ok := m.byName[name]; return p, ok }

// Len is the number of policies.
func (m *Managed) Len() int { return len(m.all) }

// All yields every policy in the order of lower-case names, the order in which IAM lists.
func (m *Managed) All() iter.Seq[*ManagedPolicy] { return slices.Values(m.all) }

// After yields the policies whose lower-case names are greater than folded, in order; for listings that resume.
func (m *Managed) After(folded string) iter.Seq[*ManagedPolicy] {
	i, _ := slices.BinarySearchFunc(m.all, folded, func(p *ManagedPolicy, folded string) int {
		if strings.ToLower(p.Name) <= folded {
			return -1
		}
		return 1
	})
	return slices.Values(m.all[i:])
}

//go:embed managed.bin
var managedFile []byte

var embedded = sync.OnceValue(func() *Managed {
	m, err := readManaged(managedFile)
	if err != nil {
		panic("catalog: the embedded managed policies are damaged: " + err.Error())
	}
	return m
})

const (
	managedMagic = "OSTIARY-MANAGED-1\n"
	// maxSection bounds what a damaged length can make the reader allocate.
	maxSection = 4 << 20
)

// readManaged reads the index of managed.bin. Documents are not touched.
func readManaged(file []byte) (*Managed, error) {
	rest, ok := bytes.CutPrefix(file, []byte(managedMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("no managed policy file")
	}
	sections, err := readSections(rest[sha256.Size:])
	if err != nil {
		return nil, err
	}
	if len(sections) == 0 {
		return nil, errors.New("no index")
	}
	index, err := sections[0].inflate()
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	m := &Managed{byARN: map[string]*ManagedPolicy{}, byID: map[string]*ManagedPolicy{}, byName: map[string]*ManagedPolicy{}}
	filled := make([]int, len(sections))
	for line := range strings.Lines(index) {
		p, at, err := readLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("index line %d: %w", len(m.all)+1, err)
		}
		if at < 1 || at >= len(sections) {
			return nil, fmt.Errorf("index line %d: no section %d", len(m.all)+1, at)
		}
		p.doc, p.start = sections[at], filled[at]
		if filled[at] += p.size; filled[at] > sections[at].size {
			return nil, fmt.Errorf("index line %d: past the end of section %d", len(m.all)+1, at)
		}
		if n := len(m.all); n > 0 && strings.ToLower(m.all[n-1].Name) >= strings.ToLower(p.Name) {
			return nil, fmt.Errorf("index line %d: %s is out of order", n+1, p.Name)
		}
		m.all = append(m.all, p)
		m.byARN[p.ARN], m.byID[p.ID], m.byName[p.Name] = p, p, p
	}
	if len(m.byID) != len(m.all) {
		return nil, errors.New("two policies have the same ID")
	}
	return m, nil
}

func readLine(line string) (p *ManagedPolicy, at int, err error) {
	f := strings.Split(line, "\t")
	if len(f) != 7 {
		return nil, 0, fmt.Errorf("%d fields", len(f))
	}
	p = &ManagedPolicy{Name: f[0], Path: f[1], DefaultVersion: f[2]}
	p.ARN = "arn:aws:iam::aws:policy" + p.Path + p.Name
	p.ID = managedID(p.ARN)
	var errs [4]error
	p.CreateDate, errs[0] = time.Parse(time.RFC3339, f[3])
	p.UpdateDate, errs[1] = time.Parse(time.RFC3339, f[4])
	at, errs[2] = strconv.Atoi(f[5])
	p.size, errs[3] = strconv.Atoi(f[6])
	if p.size < 0 {
		return nil, 0, errors.New("negative length")
	}
	return p, at, errors.Join(errs[:]...)
}

// managedID makes the unique ID of an AWS managed policy from its ARN, so that it is the same everywhere and for ever.
// IDs of customer managed policies never begin with ANPAI.
func managedID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return "ANPAI" + base32.StdEncoding.EncodeToString(sum[:10])
}

// section is one compressed part of the file.
type section struct {
	packed []byte
	size   int
	once   sync.Once
	raw    string
}

func readSections(b []byte) ([]*section, error) {
	var all []*section
	for len(b) > 0 {
		packed, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("damaged section length")
		}
		size, k := binary.Uvarint(b[n:])
		if b = b[n+max(k, 0):]; k <= 0 || packed > uint64(len(b)) || size > maxSection {
			return nil, errors.New("damaged section length")
		}
		all = append(all, &section{packed: b[:packed], size: int(size)})
		b = b[packed:]
	}
	return all, nil
}

// text returns the section's content, decompressing it once.
func (s *section) text() string {
	s.once.Do(func() {
		raw, err := s.inflate()
		if err != nil {
			panic("catalog: an embedded file is damaged: " + err.Error())
		}
		s.raw = raw
	})
	return s.raw
}

func (s *section) inflate() (string, error) {
	var b strings.Builder
	b.Grow(s.size)
	n, err := io.Copy(&b, io.LimitReader(flate.NewReader(bytes.NewReader(s.packed)), int64(s.size)+1))
	if err != nil {
		return "", err
	}
	if n != int64(s.size) {
		return "", fmt.Errorf("section has %d bytes, not %d", n, s.size)
	}
	return b.String(), nil
}
