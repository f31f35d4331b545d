//go:build !unix

package sctp_test

import "testing"

// cpu has nothing to report here.
func cpu(*testing.B) {}
