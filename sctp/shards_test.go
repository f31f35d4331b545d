package sctp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// Several sockets share a UDP port; associations are found wherever their packets
// arrive, and all sockets are used, though there is one peer only.
func TestSeveralSocketsPerPort(t *testing.T) {
	const count, associations, messages = 2, 64, 20
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	stacks := make([]*sctp.Stack, 2)
	socks := make([][]*udpencap.Socket, 2)
	for i := range stacks {
		var err error
		socks[i], err = udpencap.ListenShared(at, count, nil)
		require.NoError(t, err)
		var carriers []carrier.Carrier
		for _, s := range socks[i] {
			carriers = append(carriers, s)
		}
		stacks[i], err = sctp.NewStack(&sctp.StackConfig{Carriers: carriers})
		require.NoError(t, err)
		defer stacks[i].Close()
		require.Len(t, stacks[i].LocalAddrs(), 1, "one address, however many sockets")
	}
	l, err := stacks[1].Listen(nil, nil)
	require.NoError(t, err)
	go serveEcho(l)
	var wg sync.WaitGroup
	for i := range associations {
		wg.Go(func() {
			a, err := stacks[0].Dial(context.Background(), l.Addr().(*sctp.Addr), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Close()
			buf := make([]byte, 3000)
			for j := range messages {
				data := bytes.Repeat(binary.BigEndian.AppendUint16(nil, uint16(i)), 1000+j)
				if err := a.Send(context.Background(), &sctp.Message{Data: data}); err != nil {
					t.Error(err)
					return
				}
				m, err := a.ReceiveMessage(context.Background(), buf, len(buf))
				if err != nil || !bytes.Equal(m.Data, data) {
					t.Errorf("message %d of %d: %d bytes, %v", j, i, len(m.Data), err)
					return
				}
			}
		})
	}
	wg.Wait()
	if runtime.GOOS != "linux" {
		return
	}
	for i := range socks {
		for j, s := range socks[i] {
			st := s.Stats()
			require.Greater(t, st.Received, uint64(associations*messages/10), "socket %d of stack %d", j, i)
			require.Greater(t, st.Sent, uint64(associations*messages/10))
		}
	}
}

func TestSocketsOfTheConfiguration(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 3} {
		s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Sockets: n})
		require.NoError(t, err)
		require.Len(t, s.LocalAddrs(), 1)
		require.NoError(t, s.Close())
	}
}
