//go:build !unix || solaris || aix

package registrar

import "os"

// flock does nothing where package syscall has no lock that ends with the process.
func flock(*os.File) error { return nil }

// syncDir does nothing where directories cannot be synchronized.
func syncDir(string) error { return nil }
