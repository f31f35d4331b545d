//go:build !unix

package service

import "io/fs"

// nonblock is not needed where files have no named pipes among them.
const nonblock = 0

// identify returns what distinguishes a file, and a state of it, from others.
func identify(fi fs.FileInfo, path string) fileID {
	return fileID{path: path, size: fi.Size(), mtime: fi.ModTime().UnixNano()}
}
