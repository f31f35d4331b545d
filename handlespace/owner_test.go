package handlespace_test

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// RFC 5353 §3.6.2. The values were seen on the wire from rsplib's registrar; each
// row includes the elements of the rows before it.
func TestChecksumGoldenValues(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	require.EqualValues(t, 0xffff, s.Checksum(0x1111))
	require.EqualValues(t, 0xffff, s.ChecksumRsplib(0x1111))
	sums := []uint16{0xffff}
	for _, c := range []struct {
		h   rserpool.PoolHandle
		id  rserpool.PEID
		sum uint16
	}{
		{"ProbePool", 0x11112222, 0xcc37},
		{"ab", 1, 0x6ad4},
		{"abc", 0xdeadbeef, 0x08d4},
		{"\xff\xff\xff\xff\xff", 0xffffffff, 0x09d3},
	} {
		register(t, s, c.h, element(c.id, 0x1111))
		require.Equal(t, c.sum, s.Checksum(0x1111), "%s %s", c.h, c.id)
		require.Equal(t, c.sum, s.ChecksumRsplib(0x1111))
		sums = append(sums, c.sum)
	}
	register(t, s, "other", element(5, 0x2222))
	require.EqualValues(t, 0x09d3, s.Checksum(0x1111), "the elements of others do not count")

	// Subtraction is exact: the same values again on the way back.
	for i, k := range []handlespace.Key{
		{Handle: "\xff\xff\xff\xff\xff", ID: 0xffffffff}, {Handle: "abc", ID: 0xdeadbeef}, {Handle: "ab", ID: 1}, {Handle: "ProbePool", ID: 0x11112222},
	} {
		s.Deregister(k.Handle, k.ID)
		require.Equal(t, sums[3-i], s.Checksum(0x1111))
	}
}

// An element of zero bytes only does not make the sum of nothing a different zero,
// and one whose words add up to 0xffff is not lost.
func TestChecksumOfZeros(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	register(t, s, "\x00", element(0x0000ffff, 1))
	require.EqualValues(t, 0x0000, s.Checksum(1))
	s.Deregister("\x00", 0xffff)
	require.EqualValues(t, 0xffff, s.Checksum(1))
}

// Far beyond where rsplib's 32-bit accumulator wraps, Checksum is RFC 1071's and
// ChecksumRsplib is rsplib's.
func TestChecksumsBeyondRsplibsWrap(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	h := rserpool.PoolHandle(strings.Repeat("\xfe", 32))
	var rfc uint64
	var rsplib uint32 // of words in the order of a little-endian host
	for i := range uint32(6000) {
		id := 0xfedc0000 + i*7
		register(t, s, h, element(rserpool.PEID(id), 1))
		block := binary.BigEndian.AppendUint32([]byte(h), id)
		for j := 0; j < len(block); j += 2 {
			rfc += uint64(binary.BigEndian.Uint16(block[j:]))
			rsplib += uint32(binary.LittleEndian.Uint16(block[j:]))
		}
	}
	for rfc > 0xffff {
		rfc = rfc>>16 + rfc&0xffff
	}
	for rsplib > 0xffff {
		rsplib = rsplib>>16 + rsplib&0xffff
	}
	require.Equal(t, ^uint16(rfc), s.Checksum(1))
	require.Equal(t, bits.ReverseBytes16(^uint16(rsplib)), s.ChecksumRsplib(1))
	require.NotEqual(t, s.Checksum(1), s.ChecksumRsplib(1))
}

func TestOwnershipMovesWithChecksums(t *testing.T) {
	s, want := handlespace.New(handlespace.Options{}), handlespace.New(handlespace.Options{})
	for id := rserpool.PEID(1); id <= 3; id++ {
		register(t, s, "a", element(id, 1))
		register(t, want, "a", element(id, 2))
	}
	sum := want.Checksum(2)
	require.Equal(t, sum, s.Checksum(1))

	c, ok := s.SetOwner("a", 2, 2)
	require.True(t, ok)
	require.True(t, c.OwnerChanged())
	require.Equal(t, handlespace.Updated, c.Kind)
	require.Equal(t, []rserpool.PEID{1, 3}, stored(s.Owned(1)))
	require.Equal(t, []rserpool.PEID{2}, stored(s.Owned(2)))
	c, ok = s.SetOwner("a", 2, 2)
	require.True(t, ok)
	require.Equal(t, handlespace.Refreshed, c.Kind)
	_, ok = s.SetOwner("a", 9, 2)
	require.False(t, ok)

	moved := s.TakeOver(1, 2)
	require.Equal(t, []rserpool.PEID{1, 3}, stored(moved))
	require.Equal(t, rserpool.RegistrarID(2), moved[0].Home)
	require.Equal(t, []rserpool.RegistrarID{2}, s.Owners())
	require.Equal(t, sum, s.Checksum(2))
	require.EqualValues(t, 0xffff, s.Checksum(1))
	require.Empty(t, s.TakeOver(1, 2))
	require.Empty(t, s.TakeOver(2, 2))
	got, _ := s.Get("a", 1)
	require.Equal(t, rserpool.RegistrarID(2), got.Home)
}

// RFC 5353 §3.6.3.
func TestMarkAndSweep(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	for id := rserpool.PEID(1); id <= 6; id++ {
		register(t, s, "a", element(id, 1))
	}
	register(t, s, "b", element(1, 2))
	require.Empty(t, s.Sweep(1), "without Mark nothing goes")
	s.Mark(1)
	register(t, s, "a", element(2, 1))        // listed by the peer
	register(t, s, "a", element(7, 1))        // new since
	register(t, s, "a", element(3, 2))        // moved away
	s.SetOwner("a", 4, 1)                     // confirmed
	s.SetExpiry("a", 5, t0)                   // not confirmed by that
	_, _ = s.Register(t0, "a", element(0, 1)) // refused
	require.Equal(t, []rserpool.PEID{1, 5, 6}, stored(s.Sweep(1)))
	require.Equal(t, []rserpool.PEID{2, 4, 7}, stored(s.Owned(1)))
	require.Equal(t, []rserpool.PEID{3, 1}, stored(s.Owned(2)))
	require.Empty(t, s.Sweep(1), "once")
	_, ok := s.NextExpiry()
	require.False(t, ok, "what is swept does not expire")

	s.Mark(1)
	s.Unmark(1)
	require.Empty(t, s.Sweep(1))
	s.Mark(1)
	register(t, s, "a", element(2, 1))
	s.Mark(1) // a second request starts anew
	require.Equal(t, []rserpool.PEID{2, 4, 7}, stored(s.Sweep(1)))
	s.Mark(9)
	s.Unmark(9)
	require.Empty(t, s.Sweep(9))
}

// What is taken over from a peer while it is marked is not swept with it.
func TestTakeOverRemovesMarks(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	register(t, s, "a", element(1, 1))
	register(t, s, "a", element(2, 2))
	s.Mark(1)
	s.Mark(2)
	s.TakeOver(1, 2)
	require.Equal(t, []rserpool.PEID{2}, stored(s.Sweep(2)))
	require.Equal(t, []rserpool.PEID{1}, stored(s.Owned(2)))
}

func TestExpiry(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	for id := rserpool.PEID(1); id <= 5; id++ {
		register(t, s, "a", element(id, 1))
	}
	at := func(d int) time.Time { return t0.Add(time.Duration(d) * time.Second) }
	_, ok := s.NextExpiry()
	require.False(t, ok)
	require.False(t, s.SetExpiry("a", 9, at(1)))
	for id, d := range map[rserpool.PEID]int{1: 30, 2: 10, 3: 20} {
		require.True(t, s.SetExpiry("a", id, at(d)))
	}
	s.SetExpiry("a", 5, at(10))
	next, ok := s.NextExpiry()
	require.True(t, ok)
	require.Equal(t, at(10), next)
	require.Empty(t, s.Expire(at(10).Add(-1)))

	register(t, s, "a", element(1, 2)) // keeps its expiry, wherever it belongs
	got, _ := s.Get("a", 1)
	require.Equal(t, at(30), got.Expiry)

	require.Equal(t, []rserpool.PEID{2, 5}, stored(s.Expire(at(10))), "at the very time, ties in the order set")
	s.SetExpiry("a", 1, at(15))      // earlier
	s.SetExpiry("a", 3, time.Time{}) // never
	s.SetExpiry("a", 4, time.Time{}) // was never
	next, _ = s.NextExpiry()
	require.Equal(t, at(15), next)
	gone := s.Expire(at(1000))
	require.Equal(t, []rserpool.PEID{1}, stored(gone))
	require.Equal(t, at(15), gone[0].Expiry)
	_, els, _ := s.Pool("a")
	require.Equal(t, []rserpool.PEID{3, 4}, stored(els))
}
