package pooluser

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h (RFC 5482).
const tcpUserTimeout = 18

// unacknowledged bounds how long data of a TCP connection may stay unacknowledged.
func unacknowledged(d time.Duration) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(_ context.Context, network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
		}); cerr != nil {
			return cerr
		}
		if err != nil {
			return fmt.Errorf("TCP_USER_TIMEOUT: %w", err)
		}
		return nil
	}
}
