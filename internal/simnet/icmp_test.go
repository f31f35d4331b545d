package simnet_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// noticesOf reads c until it is closed and collects its ICMP messages.
func noticesOf(c *simnet.Carrier) *[]carrier.Notice {
	var all []carrier.Notice
	c.SetNotify(func(n carrier.Notice) { all = append(all, n) })
	go func() {
		for {
			if _, err := c.ReadBatch(make([]carrier.Datagram, 4)); err != nil {
				return
			}
		}
	}()
	return &all
}

func TestICMPTellsTheSenderWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetLink(addrA, addrB, simnet.Link{Delay: 10 * time.Millisecond, MTU: 600})
		a := bind(t, n.Host(addrA), portA)
		require.True(t, a.DontFragment())
		got := noticesOf(a)
		large := bytes.Repeat([]byte("x"), 600)
		write(t, a, carrier.Datagram{Remote: portB, Data: large})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, *got, "off by default")

		n.SetICMP(true)
		write(t, a, carrier.Datagram{Remote: portB, Data: large}, carrier.Datagram{Remote: portB, Data: []byte("nobody")})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []carrier.Notice{
			{Kind: carrier.NoticeTooBig, Local: addrA, Remote: portB, MTU: 600, Quoted: large[:128]},
			{Kind: carrier.NoticePort, Local: addrA, Remote: portB, Quoted: []byte("nobody")},
		}, *got)

		b := bind(t, n.Host(addrB), portB)
		write(t, a, carrier.Datagram{Remote: portB, Data: large, MayFragment: true})
		ds := make([]carrier.Datagram, 4)
		k, err := b.ReadBatch(ds)
		require.NoError(t, err)
		require.Equal(t, 1, k)
		require.Equal(t, large, ds[0].Data)
		require.Len(t, *got, 2)
	})
}

// A NAT translates what the message quotes: the sender recognises its packet.
func TestICMPThroughANAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetICMP(true)
		n.AddNAT(simnet.NATConfig{Public: netip.MustParseAddr("198.51.100.1"), Inside: []netip.Addr{addrA}})
		a := bind(t, n.Host(addrA), portA)
		got := noticesOf(a)
		write(t, a, carrier.Datagram{Remote: portB, Data: []byte("nobody")})
		synctest.Wait()
		require.Len(t, *got, 1)
		require.Equal(t, addrA, (*got)[0].Local)
		require.Equal(t, portB, (*got)[0].Remote)

		// It is lost where its packets are, and nobody waits for it after Close.
		n.PartitionOneWay([]netip.Addr{addrB}, []netip.Addr{addrA})
		write(t, a, carrier.Datagram{Remote: portB, Data: []byte("nobody")})
		synctest.Wait()
		require.Len(t, *got, 1)
		n.Heal()
		n.SetDefaultLink(simnet.Link{Delay: time.Second})
		write(t, a, slices.Repeat([]carrier.Datagram{{Remote: portB, Data: []byte("nobody")}}, 3)...)
		require.NoError(t, a.Close())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, *got, 1)
	})
}

func TestICMPWithoutCarriers(t *testing.T) {
	n := simnet.New(1)
	n.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, MTU: 1000})
	big := make([]byte, 1000-20-8+1)
	big[7] = 7
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: big})
	require.Zero(t, n.InFlight(), "a black hole")
	n.SetICMP(true)
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: big})
	n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: big[1:]})
	when, ok := n.Next()
	require.True(t, ok)
	require.Len(t, n.Deliver(when), 1, "one byte less fits")
	require.Equal(t, []carrier.Notice{{Kind: carrier.NoticeTooBig, Local: addrA, Remote: portB, MTU: 1000, Quoted: big[:128]}}, n.Notices())
	require.Empty(t, n.Notices())
	require.Equal(t, 2, n.Count(simnet.TooBig))
	n.Send(when, portA, carrier.Datagram{Remote: portB, Data: big, MayFragment: true})
	require.Len(t, n.Deliver(when.Add(time.Second)), 1)
	require.Equal(t, 1, n.Count(simnet.Fragmented))
}

func TestMarksAtRandom(t *testing.T) {
	n := simnet.New(1)
	n.SetDefaultLink(simnet.Link{Mark: 0.5})
	for ecn := range uint8(4) {
		marked := 0
		for range 200 {
			n.Send(epoch, portA, carrier.Datagram{Remote: portB, Data: []byte{1}, ECN: ecn})
			for _, p := range n.Deliver(epoch) {
				if p.ECN == 3 {
					marked++
				} else {
					require.Equal(t, ecn, p.ECN)
				}
			}
		}
		switch ecn {
		case 0:
			require.Zero(t, marked, "not ECN-capable")
		case 3:
			require.Equal(t, 200, marked, "marked before")
		default:
			require.InDelta(t, 100, marked, 30)
		}
	}
}
