package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

func TestP14PacketsOfStrangeSources(t *testing.T) { // RFC 9260 §8.4 rule 1
	_, _, b := two(t, 1, nil)
	for _, from := range []string{"224.0.0.1:9899", "0.0.0.0:9899", "255.255.255.255:9899", "[ff02::1]:9899", "[::]:9899"} {
		b.receive(netip.MustParseAddrPort(from), packetTo(5000, 5001, 0, &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1}))
		require.Zero(t, b.sent, from)
	}
}

func TestP14AddressesListedInAnInit(t *testing.T) { // RFC 9260 §5.1.2
	p := listening(t, nil)
	list := []string{"0.0.0.0", "224.0.0.9", "127.0.0.1", "::1", "::", "ff02::1", "255.255.255.255", "10.0.0.1", "10.0.0.7", "2001:db8::7", "10.0.0.7"}
	tag, c := p.cookie(func(i *wire.Init) {
		for _, a := range list {
			i.Addrs = append(i.Addrs, mustAddr(a))
		}
	})
	p.inject(tag, &wire.CookieEcho{Cookie: c})
	as := p.b.only()
	var got []string
	for _, path := range as.Paths() {
		got = append(got, path.Remote.String())
	}
	// The source first; what makes no sense for a remote host is left out, and so is
	// a family of which this end has no address.
	require.Equal(t, []string{"10.0.0.1:9899", "10.0.0.7:9899"}, got)
	for _, path := range as.Paths()[1:] {
		require.Equal(t, core.PathUnconfirmed, path.State, "§5.4 rule 2")
	}
}

func TestX8ManyListedAddresses(t *testing.T) { // RFC 5062 §3.2
	p := listening(t, nil)
	tag, c := p.cookie(func(i *wire.Init) {
		for n := range 60 {
			i.Addrs = append(i.Addrs, netip.AddrFrom4([4]byte{10, 9, 9, byte(n)}))
		}
	})
	p.inject(tag, &wire.CookieEcho{Cookie: c})
	require.LessOrEqual(t, len(p.b.only().Paths()), 16)
}

func TestX4NoDataToUnconfirmedAddresses(t *testing.T) { // RFC 9260 §5.4
	p := listening(t, nil)
	tag, c := p.cookie(func(i *wire.Init) { i.Addrs = append(i.Addrs, mustAddr("10.0.0.66")) })
	p.inject(tag, &wire.CookieEcho{Cookie: c})
	as := p.b.only()
	buf := make([]byte, 0, 65536)
	require.NoError(t, as.Send(p.w.now, &core.Outgoing{}, []byte("for the confirmed one")))
	for range 200 {
		for {
			tr, ok := as.PollTransmit(p.w.now, buf, 1)
			if !ok {
				break
			}
			pkt, err := wire.Parse(tr.Data)
			require.NoError(t, err)
			if tr.Remote.Addr() == mustAddr("10.0.0.66") {
				require.Equal(t, []wire.ChunkType{wire.TypeHeartbeat}, chunkTypes(pkt))
			}
		}
		when, ok := as.NextTimeout()
		if !ok {
			break
		}
		p.w.now = when.Add(time.Microsecond)
		as.HandleTimeout(p.w.now)
	}
}
