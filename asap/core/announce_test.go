package core_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

var announcer = netip.MustParseAddrPort("10.0.0.50:40000")

func (r *rig) announce(ts ...rserpool.Transport) {
	r.t.Helper()
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: 0x50, Transports: ts})
	require.NoError(r.t, err)
	r.e.HandleAnnounce(r.now, announcer, b)
}

// RFC 5352 §3.6: included transports are used; without one the sender's address
// with the registered port is, and, as rsplib means it, with the sender's port.
func TestAnnounceAddresses(t *testing.T) {
	at := func(ip string, port uint16) rserpool.Transport {
		return rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: port, Addrs: []netip.Addr{netip.MustParseAddr(ip)}}
	}
	withUDP := at("10.0.0.51", 3863)
	withUDP.UDPPort = 9900
	tcp := at("10.0.0.52", 3863)
	tcp.Protocol = rserpool.ProtoTCP
	for _, c := range []struct {
		name string
		in   []rserpool.Transport
		want []rserpool.Transport
	}{
		{"none", nil, []rserpool.Transport{at("10.0.0.50", 40000), at("10.0.0.50", 3863)}},
		{"sctp", []rserpool.Transport{at("10.0.0.51", 9000)}, []rserpool.Transport{at("10.0.0.51", 9000)}},
		{"sctp in UDP", []rserpool.Transport{withUDP}, []rserpool.Transport{withUDP}},
		{"tcp first", []rserpool.Transport{tcp, at("10.0.0.51", 9000)}, []rserpool.Transport{at("10.0.0.51", 9000)}},
		{"Z6: multicast", []rserpool.Transport{at("239.0.0.50", 9000)}, nil},
		{"Z6: unspecified", []rserpool.Transport{at("0.0.0.0", 9000)}, nil},
		{"Z6: port 0", []rserpool.Transport{at("10.0.0.51", 0)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, core.Config{})
			r.announce(c.in...)
			require.Empty(t, r.take(), "nobody needs a registrar")
			r.e.Resolve(r.now, pool, 0)
			var got []rserpool.Transport
			for _, d := range r.dials() {
				got = append(got, d.Registrar)
			}
			require.ElementsMatch(t, c.want, got)
		})
	}
}

// RFC 5352 §3.6: T7-ENRPoutdate deletes an address that is not announced again.
func TestAnnounceOutdated(t *testing.T) {
	r := newRig(t, core.Config{})
	r.announce(reg(1))
	r.advance(4 * time.Second)
	r.announce(reg(1)) // T7 restarts
	r.advance(4 * time.Second)
	r.e.Resolve(r.now, pool, 0)
	require.Len(t, r.dials(), 1)

	r = newRig(t, core.Config{})
	r.announce(reg(1))
	r.advance(5 * time.Second)
	r.e.Resolve(r.now, pool, 0)
	require.Empty(t, r.take())
	_, armed := r.e.NextTimeout()
	require.True(t, armed)
}

// A hunt that has nobody to dial uses an announcement at once.
func TestAnnounceEndsPause(t *testing.T) {
	r := newRig(t, core.Config{})
	_, err := r.e.Register(r.now, registration())
	require.NoError(t, err)
	r.advance(10 * time.Minute)
	require.Empty(t, r.take())
	r.announce(reg(1))
	require.Len(t, r.dials(), 1)
}

// Z6, Z12: configured registrars come first, the list is bounded, garbage is
// ignored.
func TestZ6AnnounceFlood(t *testing.T) {
	r := newRig(t, core.Config{Registrars: regs(2)})
	for i := range 10_000 {
		tr := reg(1)
		tr.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})}
		r.announce(tr)
	}
	r.e.HandleAnnounce(r.now, announcer, []byte{10, 0, 0, 2})
	r.e.HandleAnnounce(r.now, announcer, nil)
	b, err := asap.Marshal(answer(1))
	require.NoError(t, err)
	r.e.HandleAnnounce(r.now, announcer, b)

	r.e.Resolve(r.now, pool, 0)
	ds := r.dials()
	require.ElementsMatch(t, regs(2), []rserpool.Transport{ds[0].Registrar, ds[1].Registrar})
	tried := len(ds)
	for i := 0; len(ds) > 0; i++ {
		r.e.HandleLost(r.now, ds[0].Link, errGone)
		more := r.dials()
		tried += len(more)
		ds = append(ds[1:], more...)
	}
	require.Equal(t, 64, tried)
}
