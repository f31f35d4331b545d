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
		require.Empty(t, *got, "off by default")

		n.SetICMP(true)
		write(t, a, carrier.Datagram{Remote: portB, Data: large}, carrier.Datagram{Remote: portB, Data: []byte("nobody")})
		time.Sleep(time.Second)
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
		require.Len(t, *got, 1)
	})
}
