package rawip_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/carrier/rawip"
)

// Who cannot have raw sockets is told why.
func TestErrorsSayWhatIsMissing(t *testing.T) {
	_, err := rawip.Listen(netip.MustParseAddr("127.0.0.1"), nil)
	switch {
	case runtime.GOOS != "linux":
		require.ErrorIs(t, err, errors.ErrUnsupported)
	case os.Geteuid() != 0 && err != nil:
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "CAP_NET_RAW")
	}
	_, all := rawip.ListenAll(nil, nil)
	require.Equal(t, err == nil, all == nil)
}
