package main

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rserpool/rserpool/internal/service"
)

// outputName returns the name of the file to write, where name is that in the pool.
func outputName(flag, name string) (string, error) {
	switch {
	case flag == "-":
		return "-", nil
	case flag == "":
		flag = name
	default:
		if fi, err := os.Stat(flag); err == nil && fi.IsDir() {
			flag = filepath.Join(flag, name)
		}
	}
	if base := filepath.Base(flag); base == "." || base == ".." || !filepath.IsLocal(base) {
		return "", usage("get: %s is no name for a file", flag)
	}
	if fi, err := os.Stat(flag); err == nil && fi.IsDir() {
		return "", usage("get: %s is a directory", flag)
	}
	return flag, nil
}

// partSink is a file under its temporary name. That has the hash of the content in
// it, so that what is there can only be a part of this content.
type partSink struct {
	*os.File
	out  string
	info service.FileInfo
}

// openPart opens the temporary file for out. It is locked, where the system can do
// that: two downloads would spoil it.
func openPart(out string, info service.FileInfo) (*partSink, error) {
	name := fmt.Sprintf("%s.%x.part", out, info.SHA256[:8])
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err == nil {
		if err = lock(f); err != nil {
			err = fmt.Errorf("%s: another download is under way: %w", name, err)
		}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return &partSink{File: f, out: out, info: info}, nil
}

// resume hashes what is there, and leaves the file at its end.
func (p *partSink) resume(h hash.Hash) (int64, error) {
	n, err := io.Copy(h, p.File)
	if err != nil {
		return 0, err
	}
	if n > p.info.Size {
		return 0, p.reject(fmt.Errorf("%s is longer than the file", p.Name()))
	}
	return n, nil
}

func (p *partSink) keep(err error, have int64) error {
	if have == 0 {
		_ = os.Remove(p.Name()) // empty
		return err
	}
	return fmt.Errorf("%w (%s of %s are kept in %s; the same command goes on from there)",
		err, human(have), human(p.info.Size), p.Name())
}

func (p *partSink) reject(err error) error {
	if rerr := os.Remove(p.Name()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return fmt.Errorf("%w (remove it: %w)", err, rerr)
	}
	return fmt.Errorf("%w; the part was removed", err)
}

// commit gives the file its name. What had that name before is replaced only now, and
// in one step.
func (p *partSink) commit() error {
	if err := p.Sync(); err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	return os.Rename(p.Name(), p.out)
}
