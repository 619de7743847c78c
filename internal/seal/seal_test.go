package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/seal"
)

var t0 = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func newRing(t testing.TB) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing("store-1", t0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustSeal(t testing.TB, r *seal.Ring, p seal.Purpose, text, ad string) []byte {
	t.Helper()
	sealed, err := r.Seal(p, []byte(text), []byte(ad))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestRoundTrip(t *testing.T) {
	r := newRing(t)
	for _, text := range []string{"", "x", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", strings.Repeat("long", 10000)} {
		sealed := mustSeal(t, r, seal.AccessKeySecret, text, "AKIAEXAMPLE")
		if len(sealed) != len(text)+seal.Overhead {
			t.Errorf("overhead is %d, want %d", len(sealed)-len(text), seal.Overhead)
		}
		if len(text) > 4 && bytes.Contains(sealed, []byte(text[:5])) {
			t.Error("the text shows")
		}
		got, err := r.Open(seal.AccessKeySecret, sealed, []byte("AKIAEXAMPLE"))
		if err != nil || string(got) != text {
			t.Errorf("opened %q, %v", got, err)
		}
	}
	if bytes.Equal(mustSeal(t, r, seal.TOTPSeed, "same", ""), mustSeal(t, r, seal.TOTPSeed, "same", "")) {
		t.Error("two seals of one text are equal")
	}
	appended, err := r.AppendSeal([]byte("before"), seal.Message, []byte("text"), []byte("ad"))
	if err != nil || !bytes.HasPrefix(appended, []byte("before")) {
		t.Fatalf("AppendSeal: %q, %v", appended, err)
	}
	if got, err := r.Open(seal.Message, appended[len("before"):], []byte("ad")); err != nil || string(got) != "text" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := newRing(t)
	sealed := mustSeal(t, r, seal.AccessKeySecret, "the text", "here")
	open := func(p seal.Purpose, sealed []byte, ad string) error {
		text, err := r.Open(p, sealed, []byte(ad))
		if err != nil && text != nil {
			t.Error("text with an error")
		}
		return err
	}
	wantErr(t, "another purpose", open(seal.SessionToken, sealed, "here"), seal.ErrOpen)
	wantErr(t, "no purpose", open(seal.Purpose(200), sealed, "here"), seal.ErrOpen)
	wantErr(t, "another place", open(seal.AccessKeySecret, sealed, "there"), seal.ErrOpen)
	wantErr(t, "no place", open(seal.AccessKeySecret, sealed, ""), seal.ErrOpen)
	wantErr(t, "another ring", func() error {
		_, err := newRing(t).Open(seal.AccessKeySecret, sealed, []byte("here"))
		return err
	}(), seal.ErrUnknownKey)
	if _, err := r.Seal(seal.Purpose(200), nil, nil); err == nil {
		t.Error("sealed for no purpose")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x10
		want := seal.ErrOpen
		switch {
		case i == 0:
			want = seal.ErrFormat
		case i < 5:
			want = seal.ErrUnknownKey
		}
		wantErr(t, fmt.Sprintf("byte %d changed", i), open(seal.AccessKeySecret, changed, "here"), want)
	}
	for n := range sealed {
		want := seal.ErrOpen
		if n < seal.Overhead {
			want = seal.ErrFormat
		}
		wantErr(t, fmt.Sprintf("cut to %d", n), open(seal.AccessKeySecret, sealed[:n], "here"), want)
	}
	wantErr(t, "longer", open(seal.AccessKeySecret, append(bytes.Clone(sealed), 0), "here"), seal.ErrOpen)
}

// TestKeyIDIsBound swaps two key IDs whose keys the ring both holds: the header is authenticated.
func TestKeyIDIsBound(t *testing.T) {
	r := newRing(t)
	old := mustSeal(t, r, seal.PrivateKey, "text", "")
	if err := r.Rotate(t0, nil); err != nil {
		t.Fatal(err)
	}
	fresh := mustSeal(t, r, seal.PrivateKey, "text", "")
	copy(old[1:5], fresh[1:5])
	_, err := r.Open(seal.PrivateKey, old, nil)
	wantErr(t, "swapped key ID", err, seal.ErrOpen)
}

func TestRotation(t *testing.T) {
	r := newRing(t)
	first := r.Keys()[0].ID
	old := mustSeal(t, r, seal.SessionToken, "old", "")
	if err := r.Rotate(t0.Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	keys := r.Keys()
	second := keys[1].ID
	want := []seal.Key{{ID: first, Created: t0}, {ID: second, Created: t0.Add(time.Hour), Current: true}}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	fresh := mustSeal(t, r, seal.SessionToken, "fresh", "")
	if id, ok := seal.KeyOf(old); !ok || id != first {
		t.Errorf("KeyOf(old) = %d, %v", id, ok)
	}
	if id, ok := seal.KeyOf(fresh); !ok || id != second {
		t.Errorf("KeyOf(fresh) = %d, %v", id, ok)
	}
	for want, sealed := range map[string][]byte{"old": old, "fresh": fresh} {
		if got, err := r.Open(seal.SessionToken, sealed, nil); err != nil || string(got) != want {
			t.Errorf("opened %q, %v; want %s", got, err, want)
		}
	}
	if err := r.Drop(second); err == nil {
		t.Error("the current key was dropped")
	}
	if err := r.Drop(first); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "dropping twice", r.Drop(first), seal.ErrUnknownKey)
	_, err := r.Open(seal.SessionToken, old, nil)
	wantErr(t, "sealed under a dropped key", err, seal.ErrUnknownKey)
	if _, err := r.Open(seal.SessionToken, fresh, nil); err != nil {
		t.Error(err)
	}
}

// TestAddAndPromote adds a key on one node: another opens with it before anybody seals with it.
func TestAddAndPromote(t *testing.T) {
	r := newRing(t)
	first := r.Current()
	id, err := r.Add(t0.Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := seal.KeyOf(mustSeal(t, r, seal.TOTPSeed, "x", "")); !ok || got != first {
		t.Errorf("sealed under %d", got)
	}
	want := []seal.Key{{ID: first, Created: t0, Current: true}, {ID: id, Created: t0.Add(time.Hour), Waiting: true}}
	if diff := cmp.Diff(want, r.Keys()); diff != "" {
		t.Error(diff)
	}
	master, _ := seal.NewMaster(nil)
	wrapped, err := r.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.Unmarshal(wrapped, master)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, other.Keys()); diff != "" {
		t.Error(diff)
	}
	if r.Promote(first, t0) == nil || r.Promote(id+1, t0) == nil {
		t.Error("promoted what does not wait")
	}
	if err := r.Promote(id, t0.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want = []seal.Key{{ID: first, Created: t0}, {ID: id, Created: t0.Add(2 * time.Hour), Current: true}}
	if diff := cmp.Diff(want, r.Keys()); diff != "" {
		t.Error(diff)
	}
	if _, err := other.Open(seal.TOTPSeed, mustSeal(t, r, seal.TOTPSeed, "x", ""), nil); err != nil {
		t.Error(err)
	}
}

func TestRingIsBounded(t *testing.T) {
	r := newRing(t)
	for range 255 {
		if err := r.Rotate(t0, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Rotate(t0, nil); err == nil {
		t.Error("a ring of 257 keys")
	}
	if _, err := seal.NewRing("", t0, nil); err == nil {
		t.Error("a ring of no store")
	}
	if _, err := seal.NewRing("store", t0, bytes.NewReader(make([]byte, 1000))); err == nil {
		t.Error("a source that gives zeros only was used")
	}
	if _, err := seal.NewRing("store", t0, strings.NewReader("short")); err == nil {
		t.Error("a source that ended was used")
	}
}

func TestMarshal(t *testing.T) {
	master, err := seal.NewMaster(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRing(t)
	old := mustSeal(t, r, seal.AccessKeySecret, "old", "ad")
	if err := r.Rotate(t0.Add(time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	wrapped, err := r.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.Unmarshal(wrapped, master)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Keys(), again.Keys()); diff != "" {
		t.Error(diff)
	}
	if again.StoreID() != "store-1" {
		t.Errorf("store ID %q", again.StoreID())
	}
	fresh := mustSeal(t, r, seal.AccessKeySecret, "fresh", "ad")
	for want, sealed := range map[string][]byte{"old": old, "fresh": fresh} {
		if got, err := again.Open(seal.AccessKeySecret, sealed, []byte("ad")); err != nil || string(got) != want {
			t.Errorf("opened %q, %v; want %s", got, err, want)
		}
	}

	other, _ := seal.NewMaster(nil)
	_, err = seal.Unmarshal(wrapped, other)
	wantErr(t, "another master key", err, seal.ErrMaster)
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := seal.Unmarshal(changed, master); err == nil {
			t.Fatalf("byte %d changed: opened", i)
		}
		if _, err := seal.Unmarshal(wrapped[:i], master); err == nil {
			t.Fatalf("cut to %d: opened", i)
		}
	}
}

func TestAdopt(t *testing.T) {
	master, _ := seal.NewMaster(nil)
	here := newRing(t)
	wrapped, err := here.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	there, err := seal.Unmarshal(wrapped, master)
	if err != nil {
		t.Fatal(err)
	}
	if err := there.Rotate(t0, nil); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, there, seal.TOTPSeed, "text", "")
	_, err = here.Open(seal.TOTPSeed, sealed, nil)
	wantErr(t, "before", err, seal.ErrUnknownKey)
	if err := here.Adopt(there); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Open(seal.TOTPSeed, sealed, nil); err != nil {
		t.Error(err)
	}
	foreign, _ := seal.NewRing("store-2", t0, nil)
	if err := here.Adopt(foreign); err == nil {
		t.Error("adopted the ring of another installation")
	}
}

func TestConcurrent(t *testing.T) {
	r := newRing(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				sealed, err := r.Seal(seal.Message, []byte("text"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Open(seal.Message, sealed, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			if err := r.Rotate(t0, nil); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func TestMasterText(t *testing.T) {
	const hexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	const b64Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	a, err := seal.ParseMaster(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.ParseMaster(" " + b64Key + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("one key, two values")
	}
	for _, v := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if s := fmt.Sprintf(v, a); s != "[master key]" {
			t.Errorf("%s prints %q", v, s)
		}
	}
	for _, text := range []string{"", "short", hexKey[:63], hexKey + "0", "zz" + hexKey[2:], b64Key[:43] + "*", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", b64Key[:20] + "\n" + b64Key[21:]} {
		_, err := seal.ParseMaster(text)
		if err == nil {
			t.Errorf("%q accepted", text)
		} else if len(text) > 5 && strings.Contains(err.Error(), text[:5]) {
			t.Errorf("the error shows the text: %v", err)
		}
	}
}

func TestMasterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	made, err := seal.CreateMaster(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	loaded, err := seal.LoadMaster(path)
	if err != nil || loaded != made {
		t.Errorf("loaded another key: %v", err)
	}
	_, err = seal.CreateMaster(path, nil)
	wantErr(t, "creating twice", err, fs.ErrExist)
	if again, err := seal.LoadMaster(path); err != nil || again != made {
		t.Errorf("the second creation changed the file: %v", err)
	}
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	hidden, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(names)+len(hidden) != 1 {
		t.Errorf("left behind: %v %v", names, hidden)
	}

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadMaster(link); err == nil {
		t.Error("a symbolic link was followed")
	}
	if _, err := seal.LoadMaster(filepath.Dir(path)); err == nil {
		t.Error("a directory was read")
	}
	_, err = seal.LoadMaster(filepath.Join(t.TempDir(), "absent"))
	wantErr(t, "absent", err, fs.ErrNotExist)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadMaster(path); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a file that others may read: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	r := newRing(f)
	f.Add(mustSeal(f, r, seal.SessionToken, "text", "ad"))
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		text, err := r.Open(seal.Message, sealed, nil)
		if err == nil {
			t.Fatalf("opened %q", text)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	master, _ := seal.NewMaster(nil)
	wrapped, err := newRing(f).Marshal(master)
	if err != nil {
		f.Fatal(err)
	}
	other, _ := seal.NewMaster(nil)
	f.Add(wrapped)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := seal.Unmarshal(data, other); err == nil {
			t.Fatal("opened a ring that was never wrapped")
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := newRing(b)
	sealed := mustSeal(b, r, seal.SessionToken, strings.Repeat("x", 500), "ad")
	ad := []byte("ad")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(seal.SessionToken, sealed, ad); err != nil {
			b.Fatal(err)
		}
	}
}
