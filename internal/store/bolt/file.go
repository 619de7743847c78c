package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
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

// openFile opens and checks the file, and returns the revision that it holds. Where it may be new it is made if there is none.
func openFile(path string, maxSize int, mayBeNew bool) (db *bbolt.DB, head store.Revision, err error) {
	if mayBeNew {
		if err := create(path, maxSize); err != nil {
			return nil, 0, err
		}
	}
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
	db, err = bbolt.Open(path, 0o600, options(maxSize, func(path string, flag int, mode os.FileMode) (*os.File, error) {
		file, err = openChecked(path, flag&^os.O_CREATE, mode)
		return file, err
	}))
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, 0, store.ErrLocked
	}
	if err != nil {
		return nil, 0, err
	}
	if head, err = readHead(db); err != nil {
		return nil, 0, errors.Join(err, db.Close())
	}
	return db, head, nil
}

func options(maxSize int, open func(string, int, os.FileMode) (*os.File, error)) *bbolt.Options {
	return &bbolt.Options{
		Timeout:         time.Nanosecond, // one attempt
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMmap(),
		MaxSize:         maxSize,
		NoStatistics:    true,
		OpenFile:        open,
	}
}

// create makes the file where there is none, or an empty one. It is made whole under another name: when the power fails meanwhile, the
// next start finds no file, or the whole one.
func create(path string, maxSize int) error {
	if info, err := os.Stat(path); err == nil && (info.Size() > 0 || !info.Mode().IsRegular()) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unfinished := path + ".new"
	db, err := bbolt.Open(unfinished, 0o600, options(maxSize, openEmpty))
	if errors.Is(err, berrors.ErrTimeout) {
		return store.ErrLocked
	}
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		about, err := tx.CreateBucket(storeBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(recordsBucket); err != nil {
			return err
		}
		return about.Put(formatKey, binary.BigEndian.AppendUint32(nil, format))
	})
	if runtime.GOOS == "windows" { // where an open file keeps its name
		err = errors.Join(err, db.Close())
	} else {
		defer db.Close() // the lock: nobody else begins with the same file meanwhile. All is synced
	}
	if err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openEmpty opens a file that is being made, and throws away what a predecessor left of it.
func openEmpty(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	if err = lock(f); err == nil {
		err = stillAt(path, f)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// stillAt refuses a file that another process has finished, and so renamed, before it could be locked.
func stillAt(path string, f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(opened, named) {
		return store.ErrLocked
	}
	return nil
}

// initialMmap is how much address space is taken at once. Until the file outgrows it, a commit never has to wait for readers
// to let it map the file anew. It costs no memory, but on Windows it would be the size of the file.
func initialMmap() int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return 1 << 30
}

// openChecked opens the file, locks it, checks that it is whole and makes durable what a predecessor may have left in the system's
// cache: a commit that can be read must not vanish any more. Its pages were synced before its meta page was written; whether the
// meta page was, nobody knows, and a page whose sync failed counts as clean, so that it is written once more.
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
		err = rewriteMeta(f)
	}
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

// readHead checks the format of an open file and returns the revision that it holds.
func readHead(db *bbolt.DB) (head store.Revision, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
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
	return head, err
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

// newestMeta finds the meta page that counts, and where it is.
func newestMeta(f *os.File) (newest meta, offset int64, found bool) {
	newest, found = readMeta(f, 0)
	if found {
		if m, ok := readMeta(f, int64(newest.pageSize)); ok && m.txn > newest.txn {
			return m, int64(newest.pageSize), true
		}
	}
	for shift := 0; !found && shift <= maxPageShift; shift++ {
		offset = minPageSize << shift
		newest, found = readMeta(f, offset)
	}
	return newest, offset, found
}

// rewriteMeta writes the newest meta page again, as it is. It lies in one sector, so that no power failure can tear it.
func rewriteMeta(f *os.File) error {
	_, offset, found := newestMeta(f)
	if !found {
		return nil // new
	}
	page := make([]byte, metaStart+metaSize)
	if _, err := f.ReadAt(page, offset); err != nil {
		return err
	}
	_, err := f.WriteAt(page, offset)
	return err
}

// checkWhole refuses a file that is shorter than the pages in use. bbolt maps the file and would be killed by the system at
// the first page that is not there.
func checkWhole(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	newest, _, found := newestMeta(f)
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
