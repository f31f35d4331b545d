//go:build !linux

package ipsock

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// ListenRaw fails: what raw sockets tell and take differs from system to system.
func ListenRaw(netip.Addr, *Config) (*Socket, error) {
	return nil, fmt.Errorf("raw IP sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
