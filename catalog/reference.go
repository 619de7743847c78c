package catalog

import (
	_ "embed"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Reference is AWS's service authorization reference: which services there are, which actions each has, and which resources
// and condition keys go with them (S5-161 to S5-184). It is immutable and safe for concurrent use. Names of services, actions
// and keys are compared without regard to letter case (S5-166).
//
// A service's part is decompressed and read at its first use and then kept; what nobody asks for costs nothing.
type Reference struct {
	// Source says where the data comes from, AsOf of which day it is (2006-01-02).
	Source, AsOf string

	services []*Service          // in the order of prefixes
	byPrefix map[string]*Service // lower-case
	foreign  []foreignPrefix
	actions  int
}

// foreignPrefix is a prefix of condition keys that is no service's own, such as saml or accounts.google.com.
type foreignPrefix struct {
	prefix  string // may hold ${…}
	service *Service
}

// Service is one service of the reference.
type Service struct {
	Prefix   string // as in actions: s3
	Name     string // Amazon S3
	Category string // storage

	first, count int // indexes of its actions
	at           *section
	start, size  int
	once         sync.Once
	tables       *tables
}

// AccessLevel classifies an action (S5-175).
type AccessLevel uint8

// The access levels. Tagging and PermissionsManagement actions write too.
const (
	List AccessLevel = iota + 1
	Read
	Write
	Tagging
	PermissionsManagement
)

var levelNames = [...]string{"unknown", "List", "Read", "Write", "Tagging", "Permissions management"}

// String returns the level as AWS writes it, such as "Permissions management".
func (l AccessLevel) String() string {
	if int(l) >= len(levelNames) {
		l = 0
	}
	return levelNames[l]
}

// Action is an action that a policy can name. Values are shared: callers must not change them. The reference does not say which
// actions are permissions only and no API operations.
type Action struct {
	Service   *Service
	Name      string // GetObject
	Level     AccessLevel
	Resources []ResourceUse // the resource types it knows; none means that only "*" works
	Keys      []*Key        // condition keys of the action whatever the resource, besides the global ones

	index int
}

// ResourceUse is a resource type of an action.
type ResourceUse struct {
	Type     *ResourceType
	Required bool   // every request names one
	Keys     []*Key // keys that go with the action on this type
}

// ResourceType is a kind of resource. Values are shared: callers must not change them.
type ResourceType struct {
	Name string   // bucket
	ARNs []string // forms, mostly one: arn:${Partition}:s3:::${BucketName}; a few hold a * as well
	Keys []*Key   // keys of requests about such resources
}

// KeyType is the type of a condition key's values.
type KeyType uint8

// The types of condition key.
const (
	StringKey KeyType = iota + 1
	ARNKey
	BoolKey
	NumericKey
	DateKey
	IPKey
)

// String returns the type as AWS writes it in the reference, such as IPAddress.
func (t KeyType) String() string {
	names := [...]string{"unknown", "String", "ARN", "Bool", "Numeric", "Date", "IPAddress"}
	if int(t) >= len(names) {
		t = 0
	}
	return names[t]
}

// Key is a condition key. Values are shared: callers must not change them.
type Key struct {
	Name    string // s3:prefix; with a part to fill in: aws:RequestTag/${TagKey}
	Type    KeyType
	Multi   bool   // a request may carry several values (ArrayOf… in the reference)
	Global  bool   // may come with every action, as far as the request has it
	Instead string // for a deprecated key: what to write in its place
}

// Templated reports whether the key's name has a part that policies fill in, such as ${TagKey}.
func (k *Key) Templated() bool { _, _, ok := cutTemplate(k.Name); return ok }

// Stem returns what stands before the part that policies fill in: aws:RequestTag/ of aws:RequestTag/${TagKey}. Of other keys it
// returns the name.
func (k *Key) Stem() string { before, _, _ := cutTemplate(k.Name); return before }

// Matches reports whether name is the key, or one of the keys that a templated key stands for.
func (k *Key) Matches(name string) bool {
	return matchTemplate(k.Name, name) || !strings.HasSuffix(name, "/") && equalFold(k.Name, name)
}

// Index numbers the actions of a reference from 0, in the order of services and names. The numbers of another edition of the
// reference differ: they are for tables in memory, not for storage.
func (a *Action) Index() int { return a.index }

// String returns the action as policies write it: s3:GetObject.
func (a *Action) String() string { return a.Service.Prefix + ":" + a.Name }

// Carries reports whether requests of the action may carry a condition key: one of its own, of one of its resource types or a
// global one. Of the global keys about tags only those that the reference lists for the action count.
func (a *Action) Carries(name string) bool {
	has := func(keys []*Key) bool { return slices.ContainsFunc(keys, func(k *Key) bool { return k.Matches(name) }) }
	if has(a.Keys) {
		return true
	}
	for i := range a.Resources {
		if has(a.Resources[i].Keys) || has(a.Resources[i].Type.Keys) {
			return true
		}
	}
	k, ok := GlobalKey(name)
	return ok && !perAction(k)
}

// perAction reports whether a global key comes only with the actions for which the reference lists it.
func perAction(k *Key) bool {
	switch k.Name {
	case "aws:RequestTag/${TagKey}", "aws:ResourceTag/${TagKey}", "aws:TagKeys":
		return true
	}
	return false
}

//go:embed reference.bin
var referenceFile []byte

var embeddedReference = sync.OnceValue(func() *Reference {
	r, err := readReference(referenceFile)
	if err != nil {
		panic("catalog: the embedded service authorization reference is damaged: " + err.Error())
	}
	return r
})

// ServiceReference returns the embedded reference. The first call reads the index (well under a millisecond).
func ServiceReference() *Reference { return embeddedReference() }

// Services yields the services in the order of prefixes.
func (r *Reference) Services() iter.Seq[*Service] { return slices.Values(r.services) }

// NumActions is the number of actions of all services.
func (r *Reference) NumActions() int { return r.actions }

// Service returns the service with that prefix.
func (r *Reference) Service(prefix string) (*Service, bool) {
	s, ok := r.byPrefix[strings.ToLower(prefix)]
	return s, ok
}

// Action returns the action with that full name, such as s3:GetObject.
func (r *Reference) Action(name string) (*Action, bool) {
	prefix, name, _ := strings.Cut(name, ":")
	s, ok := r.Service(prefix)
	if !ok {
		return nil, false
	}
	return s.Action(name)
}

// ActionAt returns the action with that index, which must be less than NumActions.
func (r *Reference) ActionAt(index int) *Action {
	i := sort.Search(len(r.services), func(i int) bool { return r.services[i].first > index }) - 1
	s := r.services[i]
	return &s.load().actions[index-s.first]
}

// Key returns the condition key that a policy means by name: a global key, a key of the service whose prefix it has, or a key of
// an identity provider. Names filled in for a template find the templated key.
func (r *Reference) Key(name string) (*Key, bool) {
	if k, ok := GlobalKey(name); ok {
		return k, true
	}
	prefix, _, ok := strings.Cut(name, ":")
	if !ok {
		return nil, false
	}
	if s, ok := r.Service(prefix); ok {
		if k, ok := s.Key(name); ok {
			return k, true
		}
	}
	for _, f := range r.foreign {
		if matchTemplate(f.prefix, prefix) {
			if k, ok := f.service.Key(name); ok {
				return k, true
			}
		}
	}
	return nil, false
}

// KnowsKeyPrefix reports whether the reference has condition keys that begin with the prefix, such as s3, aws or saml.
func (r *Reference) KnowsKeyPrefix(prefix string) bool {
	if _, ok := r.Service(prefix); ok || strings.EqualFold(prefix, "aws") {
		return true
	}
	return slices.ContainsFunc(r.foreign, func(f foreignPrefix) bool { return matchTemplate(f.prefix, prefix) })
}

// Actions yields the service's actions in the order of lower-case names.
func (s *Service) Actions() iter.Seq[*Action] {
	return func(yield func(*Action) bool) {
		all := s.load().actions
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
}

// ActionNames yields the names of the service's actions, in the order of lower-case names.
func (s *Service) ActionNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for a := range s.Actions() {
			if !yield(a.Name) {
				return
			}
		}
	}
}

// NumActions is the number of the service's actions.
func (s *Service) NumActions() int { return s.count }

// Action returns the action with that name, without the service's prefix.
func (s *Service) Action(name string) (*Action, bool) {
	all := s.load().actions
	i, ok := sort.Find(len(all), func(i int) int { return compareFold(name, all[i].Name) })
	if !ok {
		return nil, false
	}
	return &all[i], true
}

// ResourceTypes yields the service's resource types in the order of lower-case names.
func (s *Service) ResourceTypes() iter.Seq[*ResourceType] { return slices.Values(s.load().types) }

// ResourceType returns the resource type with that name.
func (s *Service) ResourceType(name string) (*ResourceType, bool) {
	all := s.load().types
	i, ok := sort.Find(len(all), func(i int) int { return compareFold(name, all[i].Name) })
	if !ok {
		return nil, false
	}
	return all[i], true
}

// Keys yields the condition keys that the reference lists for the service, in the order of lower-case names. Global keys other than
// those about tags are not among them.
func (s *Service) Keys() iter.Seq[*Key] { return slices.Values(s.load().keys) }

// Key returns the service's condition key that a policy means by name.
func (s *Service) Key(name string) (*Key, bool) { return findKey(s.load().keys, name) }

// findKey searches keys in the order of lower-case names.
func findKey(keys []*Key, name string) (*Key, bool) {
	if i, ok := sort.Find(len(keys), func(i int) int { return compareFold(name, keys[i].Name) }); ok && !strings.HasSuffix(name, "/") {
		return keys[i], true
	}
	for _, k := range keys {
		if k.Templated() && k.Matches(name) {
			return k, true
		}
	}
	return nil, false
}

// cutTemplate splits a key's name around the part that policies fill in. AWS writes that part as ${TagKey}, as <key>, as tag-key, or
// leaves it out behind the slash.
func cutTemplate(name string) (before, after string, ok bool) {
	if before, rest, ok := strings.Cut(name, "${"); ok {
		_, after, _ := strings.Cut(rest, "}")
		return before, after, true
	}
	if before, ok := strings.CutSuffix(name, "<key>"); ok {
		return before, "", true
	}
	if before, ok := strings.CutSuffix(name, "/tag-key"); ok {
		return before + "/", "", true
	}
	return name, "", strings.HasSuffix(name, "/")
}

// matchTemplate compares without regard to ASCII letter case; the part to fill in stands for one character or more.
func matchTemplate(template, name string) bool {
	before, after, ok := cutTemplate(template)
	if !ok {
		return equalFold(template, name)
	}
	return len(name) > len(before)+len(after) && equalFold(name[:len(before)], before) && equalFold(name[len(name)-len(after):], after)
}

// compareFold compares by bytes, ASCII letters in lower case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func equalFold(a, b string) bool { return len(a) == len(b) && compareFold(a, b) == 0 }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
