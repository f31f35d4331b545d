package core_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// tape is a random source that can be told what to return next.
type tape struct {
	seeded
	draws  int // of four bytes
	forced map[int]uint32
	count  bool // return the number of the draw, to find out which is which
}

func (s *tape) Read(b []byte) (int, error) {
	if len(b) != 4 {
		return s.seeded.Read(b)
	}
	n, ok := s.forced[s.draws]
	s.draws++
	switch {
	case s.count:
		n = uint32(s.draws)
	case !ok:
		n = s.r.Uint32()
	}
	binary.BigEndian.PutUint32(b, n)
	return 4, nil
}

// force makes the draw that is ahead by so many return n.
func (s *tape) force(ahead int, n uint32) { s.forced[s.draws+ahead] = n }

// drawsOf finds out which draws become the tag and the TSN of an INIT, or INIT ACK.
func drawsOf(t testing.TB, ack bool) (tag, tsn int) {
	s := &tape{seeded: newSeeded(1), forced: map[int]uint32{}, count: true}
	cfg := core.DefaultConfig()
	cfg.Rand = s
	r, err := core.NewResponder(epoch, s)
	require.NoError(t, err)
	before := s.draws
	as, err := core.Dial(epoch, &cfg, core.Endpoint{LocalPort: 1, PeerPort: 2, PeerAddrs: []netip.AddrPort{addrB}}, r)
	require.NoError(t, err)
	tr, ok := as.PollTransmit(epoch, make([]byte, 0, 2000), 1)
	require.True(t, ok)
	if ack {
		before = s.draws
		tr, _ = r.HandlePacket(epoch, core.Inbound{Local: addrB.Addr(), Remote: addrA}, mustParse(t, tr.Data), &core.Listening{Config: &cfg}, make([]byte, 0, 2000))
	}
	var i wire.Init
	require.NoError(t, i.Decode(mustParse(t, tr.Data).First()))
	return int(i.InitiateTag) - 1 - before, int(i.InitialTSN) - 1 - before
}
