//go:build unix && !solaris && !aix

package registrar

import (
	"errors"
	"os"
	"syscall"
)

// flock takes a file for this process until it is closed, or the process ends.
func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// syncDir makes a renaming in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
