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

// tokenCache remembers opened tokens, so that a session's second request neither decrypts nor compiles. It holds two
// generations: when the younger is full it becomes the older, and the older is forgotten.
type tokenCache struct {
	mu           sync.Mutex
	young, older map[[sha256.Size]byte]*openToken
}

const tokenGeneration = 4096

func newTokenCache() *tokenCache {
	return &tokenCache{young: make(map[[sha256.Size]byte]*openToken)}
}

// open returns the token's claims. Expiry is the caller's to check.
func (c *tokenCache) open(ring *seal.Ring, token string) (*openToken, error) {
	id := sha256.Sum256([]byte(token))
	c.mu.Lock()
	t, ok := c.young[id]
	if !ok {
		t, ok = c.older[id]
	}
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	claims, err := session.Open(ring, token)
	if err != nil {
		return nil, err
	}
	t = &openToken{claims: claims, managed: make([]managedPolicy, len(claims.PolicyARNs))}
	for i, arn := range claims.PolicyARNs {
		t.managed[i].arn = arn
	}
	if claims.Policy != "" {
		if t.inline, err = compileSession("session policy", claims.Policy); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= tokenGeneration {
		c.young, c.older = make(map[[sha256.Size]byte]*openToken), c.young
	}
	c.young[id] = t
	return t, nil
}
