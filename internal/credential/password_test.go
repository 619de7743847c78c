package credential_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// cheap is a cost for tests.
var cheap = credential.PasswordCost{MemoryKiB: 8, Passes: 1, Lanes: 1}

func hasher(t testing.TB, c credential.HasherConfig) *credential.Hasher {
	t.Helper()
	if c.Cost == (credential.PasswordCost{}) {
		c.Cost = cheap
	}
	h, err := credential.NewHasher(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashAndVerify(t *testing.T) {
	h := hasher(t, credential.HasherConfig{})
	for _, text := range []string{"secret", "SECRET", " ", strings.Repeat("x", 128), "pässwörd", "a\tb"} {
		hash, err := h.Hash(t.Context(), secret.New(text))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(hash, text) {
			t.Errorf("hash of %q: %s", text, hash)
		}
		for _, other := range []string{"secret", "SECRET", " ", "", strings.Repeat("x", 128), strings.Repeat("x", 127), "pässwörd", "a\tb"} {
			ok, err := h.Verify(t.Context(), hash, secret.New(other))
			if err != nil || ok != (other == text) {
				t.Errorf("%q against the hash of %q: %v, %v", other, text, ok, err)
			}
		}
		again, err := h.Hash(t.Context(), secret.New(text))
		if err != nil || again == hash {
			t.Errorf("the same salt twice: %v", err)
		}
	}
}

// TestOtherParameters: hashes carry their parameters, and old ones go on being good.
func TestOtherParameters(t *testing.T) {
	h := hasher(t, credential.HasherConfig{})
	old := hasher(t, credential.HasherConfig{Cost: credential.PasswordCost{MemoryKiB: 64, Passes: 2, Lanes: 4}})
	hash, err := old.Hash(t.Context(), secret.New("p"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Verify(t.Context(), hash, secret.New("p")); err != nil || !ok {
		t.Errorf("a hash with other parameters: %v, %v", ok, err)
	}
	if !h.Outdated(hash) || old.Outdated(hash) || !h.Outdated("") {
		t.Error("Outdated tells nothing of the parameters")
	}
}

func TestVerifyRefuses(t *testing.T) {
	h := hasher(t, credential.HasherConfig{})
	good, err := h.Hash(t.Context(), secret.New("p"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "p", good + "$", good[1:], strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=8", "m=7", 1), strings.Replace(good, "m=8", "m=08", 1), strings.Replace(good, "m=8", "m=1048577", 1),
		strings.Replace(good, "m=8", "m=99999999999", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=65", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=17", 1), strings.Replace(good, "p=1", "p=257", 1),
		strings.Replace(good, "p=1", "p=1,x=1", 1), strings.Replace(good, "p=1", "p=2", 1), // two lanes need 16 KiB
		good[:len(good)-1], good[:len(good)-4], good + "=", strings.Replace(good, "m=8", "m=8\n", 1),
		good[:len(good)-4] + "\n" + good[len(good)-4:],
	} {
		if ok, err := h.Verify(t.Context(), bad, secret.New("p")); err == nil || ok {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
}

func TestHasherConfig(t *testing.T) {
	for _, c := range []credential.HasherConfig{
		{Concurrent: -1}, {Cost: credential.PasswordCost{MemoryKiB: 8}}, {Cost: credential.PasswordCost{MemoryKiB: 8, Passes: 1, Lanes: 2}},
		{Cost: credential.PasswordCost{MemoryKiB: 1<<20 + 1, Passes: 1, Lanes: 1}},
	} {
		if h, err := credential.NewHasher(c); err == nil {
			t.Errorf("%+v: %v", c, h)
		}
	}
	h, err := credential.NewHasher(credential.HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	salt, sum := base64.RawStdEncoding.EncodeToString(make([]byte, 16)), base64.RawStdEncoding.EncodeToString(make([]byte, 32))
	if h.Outdated("$argon2id$v=19$m=47104,t=1,p=1$" + salt + "$" + sum) {
		t.Error("the default cost is not the documented one")
	}
}

type broken struct{}

var errBroken = errors.New("no randomness")

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestHashWithoutRandomness(t *testing.T) {
	h := hasher(t, credential.HasherConfig{Rand: broken{}})
	if hash, err := h.Hash(t.Context(), secret.New("p")); !errors.Is(err, errBroken) || hash != "" {
		t.Errorf("%q, %v", hash, err)
	}
}

// TestHasherTurns: no more than the given number of hashes at once; who waits heeds the context.
func TestHasherTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(t, credential.HasherConfig{Concurrent: 2})
		release := credential.Occupy(h, 2)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		results := make(chan error, 3)
		for range 3 {
			wg.Go(func() { results <- h.Pretend(ctx, secret.New("p")) })
		}
		synctest.Wait()
		if len(results) != 0 {
			t.Error("a third hash began beside two")
		}
		cancel()
		wg.Wait()
		for range 3 {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("waiting ended with %v", err)
			}
		}
		release()
		if err := h.Pretend(t.Context(), secret.New("p")); err != nil {
			t.Error(err)
		}
		if _, err := h.Hash(ctx, secret.New("p")); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func FuzzHash(f *testing.F) {
	h := hasher(f, credential.HasherConfig{})
	good, err := h.Hash(context.Background(), secret.New("p"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, "", "$argon2id$v=19$m=8,t=1,p=1$$", "$argon2id$v=19$m=8,t=1,p=1$AAAA\nAAAA$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !credential.ParsesAsHash(text) {
			return
		}
		// What is read is written the same: no two texts are one hash.
		if again := credential.Reprint(text); again != text {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}
