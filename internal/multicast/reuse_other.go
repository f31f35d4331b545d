//go:build !unix

package multicast

import "syscall"

// reuse does nothing: where the port is taken another one is used.
func reuse(_, _ string, _ syscall.RawConn) error { return nil }
