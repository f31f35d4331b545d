package sctp_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/wire"
)

// transferTime is how long a transfer takes on a link of 2 MB/s while somebody sends
// forged INITs, so many in each millisecond.
func transferTime(t *testing.T, bytes, forged int) (took time.Duration, floods, grown int) {
	synctest.Test(t, func(t *testing.T) {
		link := simnet.Link{Delay: delay, Bandwidth: 2 << 20, Queue: 100_000}
		w := newWorld(t, worldOption{serverStack: sctp.StackConfig{MaxInitRate: 1000}})
		w.net.SetLink(clientIP, serverIP, link)
		a := w.attacker()
		c, s := w.pair()
		before := heap()
		done := make(chan struct{})
		go func() {
			buf := make([]byte, 64<<10)
			for n := 0; n < bytes; {
				m, err := s.Receive(t.Context(), buf)
				if err != nil {
					return
				}
				n += len(m.Data)
			}
			close(done)
		}()
		begin := time.Now()
		go func() {
			m := &sctp.Message{Data: make([]byte, 32<<10)}
			for n := 0; n < bytes; n += len(m.Data) {
				if c.Send(t.Context(), m) != nil {
					return
				}
			}
		}()
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-done:
				took = time.Since(begin)
				tick.Stop()
				for len(a.in) > 0 {
					<-a.in
				}
				grown = heap() - before
				require.Equal(t, 1, w.server.Stats().Associations)
				return
			case <-tick.C:
				for range forged {
					a.port = uint16(1 + floods%60_000)
					floods++
					a.send(0, a.init())
				}
			}
		}
	})
	return took, floods, grown
}

// C10: a million forged INITs leave no state, and an association that transfers
// meanwhile keeps its goodput.
func TestC10LiveAssociationKeepsItsGoodput(t *testing.T) {
	bytes, forged := 4<<20, 500
	if testing.Short() || raceEnabled {
		bytes, forged = 1<<20, 20
	}
	alone, _, _ := transferTime(t, bytes, 0)
	flooded, floods, grown := transferTime(t, bytes, forged)
	t.Logf("%v alone, %v with %d INITs; the heap has grown by %d bytes", alone, flooded, floods, grown)
	require.LessOrEqual(t, flooded, alone*10/9)
	require.Less(t, grown, 4<<20, "what the network and the attacker hold included")
	if !testing.Short() && !raceEnabled {
		require.GreaterOrEqual(t, floods, 1_000_000)
	}
}

// BenchmarkInitFlood measures what an association over real sockets transfers while
// forged INITs arrive at the same port, so many a second, and with a limit to the
// answers. The flood and both ends share the processors.
func BenchmarkInitFlood(b *testing.B) {
	for _, limit := range []int{-1, 0, 1000} {
		for _, rate := range []int{0, 10_000, 50_000, 200_000} {
			if limit < 0 && rate > 50_000 {
				continue // takes all there is: minutes for a hundred messages
			}
			b.Run(fmt.Sprintf("limit=%d/rate=%d", limit, rate), func(b *testing.B) {
				s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, MaxInitRate: limit})
				require.NoError(b, err)
				defer s.Close()
				l, err := s.Listen(nil, nil)
				require.NoError(b, err)
				at := l.Addr().(*sctp.Addr)
				client, err := sctp.Dial(context.Background(), at.String(), nil)
				require.NoError(b, err)
				defer client.Close()
				server, err := l.AcceptSCTP(context.Background())
				require.NoError(b, err)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				sent := make(chan int, 1)
				go flood(ctx, b, at, rate, sent)
				sink(b, client, server, 16<<10, false)
				cancel()
				b.ReportMetric(float64(<-sent)/b.Elapsed().Seconds(), "INIT/s")
			})
		}
	}
}

// flood sends forged INITs in bursts of a millisecond until it is cancelled.
func flood(ctx context.Context, b *testing.B, at *sctp.Addr, rate int, sent chan<- int) {
	n := 0
	defer func() { sent <- n }()
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: at.IPs[0].AsSlice(), Port: int(at.UDPPort)})
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	i := wire.Init{InitiateTag: 7, ARwnd: 1 << 16, OutStreams: 10, InStreams: 10, InitialTSN: 100}
	for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
		for range rate / 1000 {
			p := i.AppendTo(wire.Header{SrcPort: uint16(1 + n%60_000), DstPort: at.Port}.AppendTo(nil))
			wire.SetChecksum(p)
			_, _ = c.Write(p)
			n++
		}
	}
}
