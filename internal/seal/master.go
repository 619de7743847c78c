package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The wrapped form of a ring, stored at ("sys", "keyring"):
//
//	version   1 byte, 1
//	nonce     24 bytes
//	text      XAES-256-GCM under a key derived from the master key, of:
//	            store ID   2 bytes of length, then the bytes
//	            current    4 bytes
//	            keys       oldest first, each 4 bytes of ID, 8 of creation time (Unix seconds), 32 of secret
const (
	wrapVersion = 1
	wrapLabel   = "ostiary key ring wrap v1"
	storedKey   = 4 + 8 + keyLen
	maxKeys     = 256
	maxStoreID  = 128
)

// ErrMaster says that the master key at hand did not wrap this ring, or that the wrapped ring was changed.
var ErrMaster = errors.New("seal: the master key does not open the key ring")

// Master is the key that wraps a ring. It is 32 bytes; it prints as nothing.
type Master struct{ raw [keyLen]byte }

// Format keeps the key out of logs, whatever the verb.
func (Master) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[master key]") }

// NewMaster returns a random master key. A nil random means crypto/rand.
func NewMaster(random io.Reader) (Master, error) {
	var m Master
	err := fill(m.raw[:], random)
	return m, err
}

// ParseMaster reads a master key as text, as it stands in a file or an environment variable: 64 hexadecimal digits or 44
// characters of base64, with white space around it.
func ParseMaster(text string) (Master, error) {
	text = strings.TrimSpace(text)
	var raw []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(keyLen):
		raw, err = hex.DecodeString(text)
	case base64.StdEncoding.EncodedLen(keyLen):
		raw, err = base64.StdEncoding.Strict().DecodeString(text)
	default:
		err = errors.New("wrong length")
	}
	if err != nil || len(raw) != keyLen {
		// The cause could quote a part of the key.
		return Master{}, errors.New("seal: a master key is 32 bytes as 64 hexadecimal digits or 44 characters of base64")
	}
	return Master{[keyLen]byte(raw)}, nil
}

// LoadMaster reads a master key from a file that only its owner may read: mode 0600 or less, and no symbolic link, device
// or directory.
func LoadMaster(path string) (Master, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Master{}, fmt.Errorf("seal: looking at the master key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Master{}, fmt.Errorf("seal: %s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Master{}, fmt.Errorf("seal: %s may be read by others (mode %#o); make it 0600", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return Master{}, fmt.Errorf("seal: opening the master key: %w", err)
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return Master{}, fmt.Errorf("seal: %s changed while it was opened", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return Master{}, fmt.Errorf("seal: reading the master key: %w", err)
	}
	m, err := ParseMaster(string(text))
	if err != nil {
		return Master{}, fmt.Errorf("%w (%s)", err, path)
	}
	return m, nil
}

// CreateMaster makes a random master key and writes it to a new file of mode 0600, durably: a ring wrapped under it can be
// opened after a crash. It fails with an error that is fs.ErrExist where there is a file already.
func CreateMaster(path string, random io.Reader) (Master, error) {
	m, err := NewMaster(random)
	if err != nil {
		return Master{}, err
	}
	// Written beside and linked into place, so that no reader ever sees half a key.
	f, err := os.CreateTemp(filepath.Dir(path), ".master-*") // mode 0600
	if err != nil {
		return Master{}, fmt.Errorf("seal: creating the master key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(m.raw[:]) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return Master{}, fmt.Errorf("seal: writing the master key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return Master{}, fmt.Errorf("seal: %s: %w", path, fs.ErrExist)
		}
		return Master{}, fmt.Errorf("seal: placing the master key: %w", err)
	}
	return m, syncDir(filepath.Dir(path))
}

// LoadOrCreateMaster reads a master key, and makes one where there is no file.
func LoadOrCreateMaster(path string) (Master, error) {
	m, err := LoadMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		return CreateMaster(path, nil)
	}
	return m, err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("seal: opening the directory of the master key: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("seal: syncing the directory of the master key: %w", err)
	}
	return nil
}

func (m Master) cipherKey() (*cipherKey, error) {
	raw, err := hkdf.Key(sha256.New, m.raw[:], nil, wrapLabel, keyLen)
	if err != nil {
		return nil, fmt.Errorf("seal: deriving the wrapping key: %w", err)
	}
	return newCipherKey([keyLen]byte(raw)), nil
}

// Marshal returns the ring wrapped under m, for the store.
func (r *Ring) Marshal(m Master) ([]byte, error) {
	ck, err := m.cipherKey()
	if err != nil {
		return nil, err
	}
	set := r.keys.Load()
	text := binary.BigEndian.AppendUint16(nil, uint16(len(set.storeID)))
	text = append(text, set.storeID...)
	text = binary.BigEndian.AppendUint32(text, set.current)
	for _, id := range set.order {
		k := set.byID[id]
		text = binary.BigEndian.AppendUint32(text, id)
		text = binary.BigEndian.AppendUint64(text, uint64(k.created))
		text = append(text, k.secret[:]...)
	}
	var nonce [nonceLen]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, fmt.Errorf("seal: reading randomness: %w", err)
	}
	out := append([]byte{wrapVersion}, nonce[:]...)
	return ck.seal(out, &nonce, text, []byte(wrapLabel)), nil
}

// Unmarshal opens a wrapped ring. Its errors wrap [ErrFormat] and [ErrMaster].
func Unmarshal(wrapped []byte, m Master) (*Ring, error) {
	if len(wrapped) < 1+nonceLen+tagLen || wrapped[0] != wrapVersion {
		return nil, ErrFormat
	}
	ck, err := m.cipherKey()
	if err != nil {
		return nil, err
	}
	nonce := [nonceLen]byte(wrapped[1 : 1+nonceLen])
	text, err := ck.open(nil, &nonce, wrapped[1+nonceLen:], []byte(wrapLabel))
	if err != nil {
		return nil, ErrMaster
	}
	set, err := decodeKeys(text)
	if err != nil {
		return nil, err
	}
	r := new(Ring)
	r.keys.Store(set)
	return r, nil
}

// decodeKeys reads what Marshal wrote. The text is authentic; the checks are against a newer writer and a faulty one.
func decodeKeys(text []byte) (*keySet, error) {
	if len(text) < 2 {
		return nil, ErrFormat
	}
	n := int(binary.BigEndian.Uint16(text))
	text = text[2:]
	if n == 0 || n > maxStoreID || len(text) < n+4 {
		return nil, ErrFormat
	}
	set := &keySet{storeID: string(text[:n]), current: binary.BigEndian.Uint32(text[n:]), byID: map[uint32]*key{}}
	text = text[n+4:]
	if len(text)%storedKey != 0 || len(text)/storedKey > maxKeys {
		return nil, ErrFormat
	}
	for ; len(text) > 0; text = text[storedKey:] {
		k, err := newKey(binary.BigEndian.Uint32(text), int64(binary.BigEndian.Uint64(text[4:])),
			[keyLen]byte(text[12:storedKey]))
		if err != nil {
			return nil, err
		}
		if k.id == 0 || set.byID[k.id] != nil {
			return nil, ErrFormat
		}
		set.byID[k.id] = k
		set.order = append(set.order, k.id)
	}
	if set.byID[set.current] == nil {
		return nil, ErrFormat
	}
	return set, nil
}
