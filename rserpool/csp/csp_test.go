package csp_test

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool/csp"
)

func sample() *csp.Report {
	return &csp.Report{
		Sender: csp.NewID(csp.PoolElement, 0x11112222), Uptime: 3661 * time.Second, Interval: 250 * time.Millisecond,
		Location: "192.0.2.1:7@9899", Status: "2 sessions", Workload: 0.5,
		Associations: []csp.Association{
			{Receiver: csp.NewID(csp.Registrar, 0x1111), Duration: 5 * time.Second, Protocol: 132, PPID: 11},
			{Receiver: csp.NewID(csp.PoolUser, 1<<55), Duration: csp.Unknown, Protocol: 132},
		},
	}
}

// The bytes are those that rsplib's cspmonitor 3.4.4 shows as they are meant.
func TestReportOnTheWire(t *testing.T) {
	b := sample().AppendTo(nil)
	require.Len(t, b, 288+2*24)
	require.Equal(t, "01000150"+"00000200"+"0200000011112222"+"00000000da366d40"+"0003d090", hex.EncodeToString(b[:28]))
	require.Equal(t, "192.0.2.1:7@9899"+strings.Repeat("\x00", 112), string(b[28:156]))
	require.Equal(t, "2 sessions"+strings.Repeat("\x00", 118), string(b[156:284]))
	require.Equal(t, "7fff"+"0002"+"0100000000001111"+"00000000004c4b40"+"0000"+"0084"+"0000000b"+
		"0380000000000000"+"ffffffffffffffff"+"0000"+"0084"+"00000000", hex.EncodeToString(b[284:]))
	got, err := csp.Decode(b)
	require.NoError(t, err)
	want := sample()
	require.InDelta(t, 0.5, got.Workload, 1e-4)
	want.Workload = got.Workload
	require.Equal(t, want, got)
	require.Equal(t, csp.PoolElement, got.Sender.Group())
	require.EqualValues(t, 0x11112222, got.Sender.Number())
}

// Cut anywhere, or with lengths that do not fit: malformed, and nothing worse.
func TestDecodeRefuses(t *testing.T) {
	b := sample().AppendTo(nil)
	for i := range b {
		_, err := csp.Decode(b[:i])
		require.ErrorIs(t, err, csp.ErrMalformed, i)
	}
	for _, at := range []int{0, 3, 6, 287} { // type, length, version, number of associations
		c := append([]byte(nil), b...)
		c[at]++
		_, err := csp.Decode(c)
		require.ErrorIs(t, err, csp.ErrMalformed, at)
	}
	_, err := csp.Decode(append(b, 0))
	require.ErrorIs(t, err, csp.ErrMalformed)
}

// What others say goes to a terminal: no control characters, no ends of texts that are cut.
func TestTextsAreHarmless(t *testing.T) {
	r := &csp.Report{Location: "a\x1b[2Jb\n\x00c\u202ed\xff", Status: strings.Repeat("ä", 100), Workload: csp.NoWorkload,
		Uptime: -1, Interval: -1, Associations: make([]csp.Association, 1000)}
	got, err := csp.Decode(r.AppendTo(nil))
	require.NoError(t, err)
	require.Equal(t, "a?[2Jb??c?d?", got.Location)
	require.Equal(t, strings.Repeat("ä", 63), got.Status)
	require.Len(t, got.Associations, csp.MaxAssociations)
	require.EqualValues(t, csp.NoWorkload, got.Workload)
	require.Zero(t, got.Interval)
	require.Zero(t, got.Uptime)
	r.Workload = 7
	got, err = csp.Decode(r.AppendTo(nil))
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Workload)
	require.Equal(t, "group(9)", csp.NewID(9, 0).Group().String())
}

// A reporter reports at once, again and again, and at the end.
func TestReporter(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r, err := csp.Start(&csp.Config{Server: l.LocalAddr().String(), Interval: time.Nanosecond, Report: func() csp.Report { return *sample() }})
	require.NoError(t, err)
	read := func() *csp.Report {
		b := make([]byte, 2000)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _, err := l.ReadFrom(b)
		require.NoError(t, err)
		got, err := csp.Decode(b[:n])
		require.NoError(t, err)
		require.Equal(t, sample().Sender, got.Sender)
		return got
	}
	first := read()
	require.False(t, first.Final)
	require.Less(t, first.Uptime, time.Minute)
	require.Equal(t, 10*time.Millisecond, first.Interval, "no flood by mistake")
	require.Greater(t, read().Uptime, first.Uptime)
	require.NoError(t, r.Close())
	for !read().Final {
	}
	_, err = csp.Start(&csp.Config{Server: "127.0.0.1:port"})
	require.Error(t, err)
}
