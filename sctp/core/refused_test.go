package core_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// RFC 6951 §5.5 with RFC 9260 §10 ICMP8: a port unreachable that quotes the INIT is
// an ABORT that answers it, where there is no other address to try.
func TestPortUnreachableRefusesTheINIT(t *testing.T) {
	second := netip.MustParseAddrPort("10.0.0.3:9899")
	for name, tc := range map[string]struct {
		peers   []netip.AddrPort
		kind    core.ICMPKind
		refused bool
	}{
		"port":                     {[]netip.AddrPort{addrB}, core.ICMPPort, true},
		"host":                     {[]netip.AddrPort{addrB}, core.ICMPUnreachable, false},
		"port of one address only": {[]netip.AddrPort{addrB, second}, core.ICMPPort, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, _ := two(t, 1, nil)
			w.net.SetFilter(func(time.Time, simnet.Packet) bool { return false })
			var init []byte
			a.tap = func(p wire.Packet) { init = bytes.Clone(p.Bytes()) }
			as, err := core.Dial(w.now, &a.cfg, core.Endpoint{LocalPort: 5000, PeerPort: 5001, PeerAddrs: tc.peers}, a.resp)
			require.NoError(t, err)
			a.assocs = append(a.assocs, as)
			a.drain(as)
			as.HandleICMP(w.now, core.ICMP{Kind: tc.kind, Remote: addrB, Quoted: init})
			a.drain(as)
			if tc.refused {
				require.ErrorIs(t, as.Err(), core.ErrPortUnreachable)
			} else {
				require.Equal(t, core.CookieWait, as.State(), "T1-init goes on")
			}
		})
	}
}
