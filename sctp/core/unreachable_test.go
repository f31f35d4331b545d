package core_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// Who did not answer is named by address and UDP port, over IP by the address alone.
func TestUnreachableErrorNamesAddresses(t *testing.T) {
	err := &core.UnreachableError{Chunk: wire.TypeInit, Sent: 9, Addrs: []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:9899"), netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 0),
	}}
	require.EqualError(t, err, "sctp: peer unreachable: no answer to 9 × INIT to 192.0.2.1:9899, 2001:db8::1")
	require.ErrorIs(t, err, core.ErrTimeout)
}
