package gate

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// openToken is a session token that was opened, with its session policies compiled. It is immutable but for what managed
// remembers.
type openToken struct {
	claims  *session.Claims
	inline  *policy.Policy // nil: none was passed
	managed []managedPolicy
}

// managedPolicy is a managed session policy: the document is today's, so it is compiled again when it has changed.
type managedPolicy struct {
	arn  string
	last atomic.Pointer[compiledDocument]
}

type compiledDocument struct {
	text   string
	policy *policy.Policy
}

// policies returns the session policies, nil where none were passed, and the records that they were read from. A managed one
// that is gone grants nothing: the session does not become unlimited by it, because the set stays one that is not nil.
func (t *openToken) policies(find func(arn string) managedDocument) ([]*policy.Policy, []store.Guard, error) {
	if t.inline == nil && len(t.managed) == 0 {
		return nil, nil, nil
	}
	all := make([]*policy.Policy, 0, 1+len(t.managed))
	if t.inline != nil {
		all = append(all, t.inline)
	}
	var guards []store.Guard
	for i := range t.managed {
		m := &t.managed[i]
		doc := find(m.arn)
		if doc.text == "" {
			continue
		}
		last := m.last.Load()
		if last == nil || last.text != doc.text {
			p, err := compileSession(m.arn, doc.text)
			if err != nil {
				return nil, nil, err
			}
			last = &compiledDocument{doc.text, p}
			m.last.Store(last)
		}
		all, guards = append(all, last.policy), append(guards, doc.guards...)
	}
	return all, guards, nil
}

// everything is what a task of root begins with: a task's policy only denies.
var everything = sync.OnceValue(func() *policy.Policy {
	p, err := compileSession("everything", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	if err != nil {
		panic(err) // a constant
	}
	return p
})

func compileSession(name, text string) (*policy.Policy, error) {
	doc, err := policy.Parse([]byte(text))
	if err != nil {
		return nil, fault.Wrap(err, "reading session policy "+name)
	}
	p, err := policy.Compile(policy.Session, name, doc)
	if err != nil {
		return nil, fault.Wrap(err, "compiling session policy "+name)
	}
	return p, nil
}

// tokenCache remembers opened tokens, so that a session's second request neither decrypts nor compiles.
type tokenCache struct {
	generations[[sha256.Size]byte, *openToken]
}

// sealedSecret is a long-term access key's secret as it stands in one version of its record. What it says when it is opened is
// remembered for the next request, as that of tokens is.
type sealedSecret struct {
	id       string
	revision store.Revision
}

// generations is a bounded memory: when the younger generation is full it becomes the older, and the older is forgotten. The zero
// value is ready.
type generations[K comparable, V any] struct {
	mu           sync.Mutex
	young, older map[K]V
}

// generation is how many entries make a generation.
const generation = 4096

func (c *generations[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[key]
	if !ok {
		v, ok = c.older[key]
	}
	return v, ok
}

func (c *generations[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= generation {
		c.young, c.older = make(map[K]V), c.young
	}
	c.young[key] = v
}

// open returns the token's claims. Expiry is the caller's to check.
func (c *tokenCache) open(ring *seal.Ring, token string) (*openToken, error) {
	id := sha256.Sum256([]byte(token))
	if t, ok := c.get(id); ok {
		return t, nil
	}
	claims, err := session.Open(ring, token)
	if err != nil {
		return nil, err
	}
	t := &openToken{claims: claims, managed: make([]managedPolicy, len(claims.PolicyARNs))}
	for i, arn := range claims.PolicyARNs {
		t.managed[i].arn = arn
	}
	if claims.Policy != "" {
		if t.inline, err = compileSession("session policy", claims.Policy); err != nil {
			return nil, err
		}
	}
	c.put(id, t)
	return t, nil
}
