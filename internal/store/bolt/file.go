package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// format is the version of the file's drawing in the package comment.
const format = 1

var (
	storeBucket   = []byte("store")
	recordsBucket = []byte("records")
	formatKey     = []byte("format")
)

// errForeign says that a file is none of ours.
var errForeign = errors.New("the file is damaged or is not an Ostiary store")

// openFile opens and checks the file, or makes it, and returns the revision that it holds.
func openFile(path string, maxSize int) (db *bbolt.DB, head store.Revision, err error) {
	var file *os.File
	defer func() {
		// bbolt answers pages that make no sense with a panic. The mapping is lost then; the file and its lock are not.
		if p := recover(); p != nil {
			if file != nil {
				_ = file.Close() // the panic is the error to report
			}
			db, head, err = nil, 0, fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         time.Nanosecond, // one attempt
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMmap(),
		MaxSize:         maxSize,
		NoStatistics:    true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err = openChecked(path, flag, mode)
			return file, err
		},
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, 0, store.ErrLocked
	}
	if err != nil {
		return nil, 0, err
	}
	if head, err = prepare(db); err != nil {
		return nil, 0, errors.Join(err, db.Close())
	}
	return db, head, nil
}

// initialMmap is how much address space is taken at once. Until the file outgrows it, a commit never has to wait for readers
// to let it map the file anew. It costs no memory, but on Windows it would be the size of the file.
func initialMmap() int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return 1 << 30
}

// openChecked opens the file, locks it, checks that it is whole and syncs what a killed predecessor may have left in the
// system's cache: a commit that can be read must not vanish any more.
func openChecked(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	err = checkWhole(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes the name of a new file durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prepare checks the format of an open file and gives a new one its buckets.
func prepare(db *bbolt.DB) (head store.Revision, err error) {
	empty := false
	err = db.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Cursor().First()
		if empty = first == nil; empty {
			return nil
		}
		about, records := tx.Bucket(storeBucket), tx.Bucket(recordsBucket)
		if about == nil || records == nil {
			return errForeign
		}
		marker := about.Get(formatKey)
		if len(marker) != 4 {
			return errForeign
		}
		if v := binary.BigEndian.Uint32(marker); v != format {
			return fmt.Errorf("the file has format %d and this version of Ostiary knows format %d only", v, format)
		}
		head = store.Revision(records.Sequence())
		return nil
	})
	if err != nil || !empty {
		return head, err
	}
	return 0, db.Update(func(tx *bbolt.Tx) error {
		about, err := tx.CreateBucket(storeBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(recordsBucket); err != nil {
			return err
		}
		return about.Put(formatKey, binary.BigEndian.AppendUint32(nil, format))
	})
}

// What is needed of bbolt's meta pages, the first two of the file: after a page header of 16 bytes they hold, in the
// machine's byte order, a magic number, a version and the page size (4 bytes each), and 24 bytes further the freelist's page,
// the number of pages in use, the transaction and a checksum of what is before it (8 bytes each).
const (
	metaStart    = 16
	metaSize     = 64
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	minPageSize  = 1024
	maxPageShift = 14 // bbolt looks for the second page at minPageSize << 0 … maxPageShift
)

type meta struct {
	pageSize uint32
	pages    uint64
	txn      uint64
}

// checkWhole refuses a file that is shorter than the pages in use. bbolt maps the file and would be killed by the system at
// the first page that is not there.
func checkWhole(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil // new
	}
	newest, found := readMeta(f, 0)
	if found {
		if m, ok := readMeta(f, int64(newest.pageSize)); ok && m.txn > newest.txn {
			newest = m
		}
	}
	for shift := 0; !found && shift <= maxPageShift; shift++ {
		newest, found = readMeta(f, minPageSize<<shift)
	}
	if !found {
		return errForeign
	}
	need := newest.pages * uint64(newest.pageSize)
	if uint64(info.Size()) < need {
		return fmt.Errorf("the file is damaged: it has lost its end, %d of at least %d bytes are there", info.Size(), need)
	}
	return nil
}

// readMeta reads the meta page at an offset, if a valid one is there.
func readMeta(r io.ReaderAt, offset int64) (meta, bool) {
	var page [metaStart + metaSize]byte
	if _, err := r.ReadAt(page[:], offset); err != nil {
		return meta{}, false
	}
	b, order := page[metaStart:], binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // a hash takes everything
	if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[56:]) != sum.Sum64() {
		return meta{}, false
	}
	return meta{pageSize: order.Uint32(b[8:]), pages: order.Uint64(b[40:]), txn: order.Uint64(b[48:])}, true
}
