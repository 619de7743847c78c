package credential

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// PasswordCost says what one hash of a password costs.
type PasswordCost struct {
	MemoryKiB uint32 // 8 to 1,048,576 (1 GiB), and at least 8 for each lane
	Passes    uint32 // 1 to 64
	Lanes     uint8  // 1 to 16, computed side by side
}

// DefaultPasswordCost is the first choice of OWASP's Password Storage Cheat Sheet for argon2id.
var DefaultPasswordCost = PasswordCost{MemoryKiB: 47104, Passes: 1, Lanes: 1}

// DefaultConcurrentHashes is how many hashes a [Hasher] computes at once unless it is told otherwise.
const DefaultConcurrentHashes = 2

// HasherConfig says how to hash passwords. The zero value is for real use.
type HasherConfig struct {
	Cost       PasswordCost // of new hashes; zero means DefaultPasswordCost
	Concurrent int          // how many hashes are computed at once; zero means DefaultConcurrentHashes
	Rand       io.Reader    // for salts; nil means crypto/rand; must be safe for concurrent use
}

// Hasher hashes passwords with argon2id and compares them. A hash is text in PHC form, with the parameters that it was made
// with, so that old hashes go on being good when the parameters change:
//
//	$argon2id$v=19$m=47104,t=1,p=1$<salt>$<hash>      base64 without padding; 16 and 32 bytes
//
// At most Concurrent hashes are computed at once; others wait their turn, or for their context to end. So the memory that
// passwords take is at most Concurrent times the largest cost among new and stored hashes: 92 MiB by default. A hash that has
// begun is not interrupted. A Hasher is safe for concurrent use.
type Hasher struct {
	cost  PasswordCost
	rand  io.Reader
	turns chan struct{}
	decoy string // a hash of no password
}

// NewHasher returns a Hasher, or an error where the cost is out of its range.
func NewHasher(c HasherConfig) (*Hasher, error) {
	if c.Cost == (PasswordCost{}) {
		c.Cost = DefaultPasswordCost
	}
	if c.Concurrent == 0 {
		c.Concurrent = DefaultConcurrentHashes
	}
	if !c.Cost.valid() || c.Concurrent < 0 {
		return nil, fmt.Errorf("credential: the cost of passwords is out of range: %+v, %d at once", c.Cost, c.Concurrent)
	}
	decoy := phc{cost: c.Cost, salt: make([]byte, saltLen), sum: make([]byte, sumLen)}
	return &Hasher{cost: c.Cost, rand: c.Rand, turns: make(chan struct{}, c.Concurrent), decoy: decoy.String()}, nil
}

// Bounds of what a stored hash may make us compute: a damaged record must not take all memory.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	maxLanes     = 16
	saltLen      = 16
	sumLen       = 32
)

func (c PasswordCost) valid() bool {
	return c.Lanes >= 1 && c.Lanes <= maxLanes && c.Passes >= 1 && c.Passes <= maxPasses &&
		c.MemoryKiB >= 8*uint32(c.Lanes) && c.MemoryKiB <= maxMemoryKiB
}

// Hash returns the hash of a password with a new salt. The error is ctx's, or that of the source of randomness.
func (h *Hasher) Hash(ctx context.Context, password secret.Text) (string, error) {
	p := phc{cost: h.cost, salt: make([]byte, saltLen)}
	if err := fill(p.salt, h.rand); err != nil {
		return "", err
	}
	sum, err := h.compute(ctx, &p, password)
	if err != nil {
		return "", err
	}
	p.sum = sum
	return p.String(), nil
}

// Verify reports whether a hash is that of the password. It compares in constant time. A hash that is not in the form above
// is an error, not a mismatch.
func (h *Hasher) Verify(ctx context.Context, hash string, password secret.Text) (bool, error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	sum, err := h.compute(ctx, &p, password)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.sum) == 1, nil
}

// Pretend takes the time that Verify takes, for somebody who has no password: how long an answer took must not tell.
func (h *Hasher) Pretend(ctx context.Context, password secret.Text) error {
	_, err := h.Verify(ctx, h.decoy, password)
	return err
}

// Outdated reports whether a hash was made with other parameters than new ones are, and should be made again when the
// password is next seen.
func (h *Hasher) Outdated(hash string) bool {
	p, err := parsePHC(hash)
	return err != nil || p.cost != h.cost
}

func (h *Hasher) compute(ctx context.Context, p *phc, password secret.Text) ([]byte, error) {
	if err := ctx.Err(); err != nil { // select would choose by chance
		return nil, fmt.Errorf("credential: waiting to hash a password: %w", err)
	}
	select {
	case h.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("credential: waiting to hash a password: %w", ctx.Err())
	}
	defer func() { <-h.turns }()
	return argon2.IDKey([]byte(password.Reveal()), p.salt, p.cost.Passes, p.cost.MemoryKiB, p.cost.Lanes, sumLen), nil
}

// phc is a hash in parts.
type phc struct {
	cost      PasswordCost
	salt, sum []byte
}

func (p *phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.MemoryKiB, p.cost.Passes, p.cost.Lanes,
		phcBase64.EncodeToString(p.salt), phcBase64.EncodeToString(p.sum))
}

var phcBase64 = base64.RawStdEncoding.Strict()

var errPHC = errors.New("credential: not an argon2id hash as it is written here")

// parsePHC reads exactly what String writes.
func parsePHC(text string) (p phc, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return phc{}, errPHC
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return phc{}, errPHC
	}
	m, errM := costOf(costs[0], "m=")
	t, errT := costOf(costs[1], "t=")
	l, errL := costOf(costs[2], "p=")
	salt, errSalt := phcBase64.DecodeString(parts[4])
	sum, errSum := phcBase64.DecodeString(parts[5])
	if errors.Join(errM, errT, errL, errSalt, errSum) != nil || l > maxLanes {
		return phc{}, errPHC
	}
	p = phc{cost: PasswordCost{MemoryKiB: m, Passes: t, Lanes: uint8(l)}, salt: salt, sum: sum}
	// The one comparison holds the rest: empty and foreign parts, leading zeros, line breaks that the decoder skips.
	if !p.cost.valid() || len(salt) != saltLen || len(sum) != sumLen || p.String() != text {
		return phc{}, errPHC
	}
	return p, nil
}

func costOf(text, name string) (uint32, error) {
	digits, ok := strings.CutPrefix(text, name)
	if !ok {
		return 0, errPHC
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err
}
