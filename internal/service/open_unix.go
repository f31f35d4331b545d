//go:build unix

package service

import (
	"io/fs"
	"syscall"
)

// nonblock lets the opening of a named pipe return at once.
const nonblock = syscall.O_NONBLOCK

// identify returns what distinguishes a file, and a state of it, from others.
func identify(fi fs.FileInfo, path string) fileID {
	id := fileID{size: fi.Size(), mtime: fi.ModTime().UnixNano()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino = uint64(st.Dev), uint64(st.Ino)
	} else {
		id.path = path
	}
	return id
}
