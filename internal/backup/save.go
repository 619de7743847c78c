package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ostiary-iam/ostiary/internal/seal"
)

// Save puts a backup that write makes under a name, readable by its owner only. The file is there when it is complete, on disk and
// was read once more; before that nothing is under the name, or what was. Unless overwrite is true a file that is there is an error
// that is fs.ErrExist.
func Save(path string, overwrite bool, write func(io.Writer) error) (sum Summary, err error) {
	if _, err := os.Lstat(path); err == nil && !overwrite {
		return sum, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return sum, err
	}
	defer os.Remove(f.Name()) // fails when all went well: the file has its name by then
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		var a *Archive
		if a, err = Open(f, nil); err == nil {
			sum = a.Summary
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, err
	}
	if overwrite {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path) // unlike a rename this never takes the place of a file that came meanwhile
	}
	if err != nil {
		return sum, err
	}
	return sum, syncDir(dir)
}

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

// OpenFile opens a file by its name: see [Open]. The caller closes it when the archive is not needed any more.
func OpenFile(path string, master *seal.Master) (*Archive, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	a, err := Open(f, master)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return a, f, nil
}
