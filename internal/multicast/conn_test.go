package multicast_test

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/internal/multicast/multicasttest"
)

var (
	group4 = netip.MustParseAddrPort("239.0.0.50:3863")
	group6 = netip.MustParseAddrPort("[ff05::133]:3863")
	both   = []netip.AddrPort{group4, group6}
)

// ears collects what was heard.
type ears struct {
	mu  sync.Mutex
	got []string
}

func (e *ears) hear(d multicast.Datagram) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, fmt.Sprintf("%s from %v", d.Data, d.From))
}

// take returns what was heard, in an order of its own, and forgets it.
func (e *ears) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.got
	e.got = nil
	sort.Strings(got)
	return got
}

func open(t testing.TB, cfg multicast.Config) *multicast.Conn {
	t.Helper()
	c, err := multicast.Open(&cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// inBubble is a subtest whose clock is its own.
func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// addresses says which addresses others are told.
func addresses(local []netip.Addr) []byte {
	var s []string
	for _, a := range local {
		s = append(s, a.String())
	}
	return []byte(strings.Join(s, "/"))
}

// What is announced on an interface are the addresses there.
func TestAddressesOfEachInterface(t *testing.T) {
	var n multicasttest.Network
	eth := multicasttest.Ethernet
	host := n.Host(eth(2, "a", "10.1.0.1", "10.1.0.2", "fd00:1::1", "fe80::1"), eth(3, "b", "10.2.0.1"))
	peer := n.Host(eth(2, "a", "10.1.0.9", "fd00:1::9"), eth(3, "b", "10.2.0.9"))
	for _, c := range []struct {
		name    string
		sources []string
		want    []string
	}{
		{"all", nil, []string{
			"10.1.0.1/10.1.0.2 from 10.1.0.1:3863", "10.2.0.1 from 10.2.0.1:3863", "fd00:1::1 from [fd00:1::1]:3863"}},
		{"unspecified", []string{"0.0.0.0", "::"}, []string{
			"10.1.0.1/10.1.0.2 from 10.1.0.1:3863", "10.2.0.1 from 10.2.0.1:3863", "fd00:1::1 from [fd00:1::1]:3863"}},
		{"unspecified of one family", []string{"0.0.0.0"}, []string{
			"10.1.0.1/10.1.0.2 from 10.1.0.1:3863", "10.2.0.1 from 10.2.0.1:3863"}},
		{"two networks", []string{"10.1.0.2", "10.2.0.1"}, []string{
			"10.1.0.2/10.2.0.1 from 10.1.0.2:3863", "10.2.0.1/10.1.0.2 from 10.2.0.1:3863"}},
		{"IPv6 only", []string{"fd00:1::1"}, []string{"fd00:1::1 from [fd00:1::1]:3863"}},
		{"nobody's", []string{"10.3.0.1"}, nil},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			var sources []netip.Addr
			for _, s := range c.sources {
				sources = append(sources, netip.MustParseAddr(s))
			}
			var heard ears
			listener := open(t, multicast.Config{Groups: both, Receive: heard.hear, Network: peer})
			sender := open(t, multicast.Config{Groups: both, Send: true, Sources: sources, SourcePort: 3863, Network: host})
			sender.Send(addresses)
			synctest.Wait()
			require.Equal(t, c.want, heard.take())
			require.EqualValues(t, len(c.want), sender.Stats().Sent)
			require.EqualValues(t, len(c.want), listener.Stats().Heard)
		})
	}
}

// Only the interfaces that were chosen are used; the loopback interface is sent on when
// it was chosen, or is all there is to send from.
func TestChosenInterfaces(t *testing.T) {
	var n multicasttest.Network
	lo := multicasttest.Ethernet(1, "lo", "127.0.0.1")
	lo.Loopback, lo.Multicast = true, false
	down := multicasttest.Ethernet(4, "down", "10.4.0.1")
	down.Up = false
	dumb := multicasttest.Ethernet(5, "dumb", "10.5.0.1")
	dumb.Multicast = false
	host := n.Host(lo, multicasttest.Ethernet(2, "a", "10.1.0.1"), multicasttest.Ethernet(3, "b", "10.2.0.1"), down, dumb)
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for _, c := range []struct {
		name     string
		on, from []string
		sources  []netip.Addr
		want     []string
	}{
		{name: "default", want: []string{"10.1.0.1 from 10.1.0.1:50000", "10.2.0.1 from 10.2.0.1:50000"}},
		{name: "one", on: []string{"b"}, want: []string{"10.2.0.1 from 10.2.0.1:50000"}},
		{name: "hears on one", from: []string{"a", "b"}, on: []string{"a"}, want: []string{"10.1.0.1 from 10.1.0.1:50000"}},
		{name: "loopback", on: []string{"lo"}, want: []string{"127.0.0.1 from 127.0.0.1:50000"}},
		{name: "loopback alone", sources: loopback, want: []string{"127.0.0.1 from 127.0.0.1:50000"}},
		{name: "down", on: []string{"down"}},
		{name: "no multicast, but asked for", on: []string{"dumb"}, want: []string{"10.5.0.1 from 10.5.0.1:50000"}},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			var heard ears
			from := c.on
			if c.from != nil {
				from = c.from
			}
			open(t, multicast.Config{Groups: both, Interfaces: c.on, Receive: heard.hear, Network: host})
			open(t, multicast.Config{Groups: both, Interfaces: from, Send: true, Sources: c.sources, Network: host}).Send(addresses)
			synctest.Wait()
			require.Equal(t, c.want, heard.take())
		})
	}
}

// Interfaces that come are used, those that go are not any more, and one that comes back is
// again.
func TestInterfacesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n multicasttest.Network
		a, b := multicasttest.Ethernet(2, "a", "10.1.0.1"), multicasttest.Ethernet(3, "b", "10.2.0.1")
		host := n.Host()
		peer := n.Host(multicasttest.Ethernet(7, "a", "10.1.0.9"), multicasttest.Ethernet(8, "b", "10.2.0.9"))
		var heard, told ears
		var used [][]string
		open(t, multicast.Config{Groups: both, Receive: heard.hear, Network: peer})
		c := open(t, multicast.Config{Groups: both, Send: true, Receive: told.hear, Network: host,
			OnChange: func(names []string) { used = append(used, names) }})
		other := open(t, multicast.Config{Groups: both, Send: true, Network: peer})
		for _, step := range []struct {
			ifs          []multicast.Interface
			heard, tells []string
		}{
			{},
			{[]multicast.Interface{a}, []string{"10.1.0.1 from 10.1.0.1:50000"}, []string{"x from 10.1.0.9:50000"}},
			{[]multicast.Interface{b}, []string{"10.2.0.1 from 10.2.0.1:50000"}, []string{"x from 10.2.0.9:50000"}},
			{[]multicast.Interface{multicasttest.Ethernet(4, "a", "10.1.0.5")}, []string{"10.1.0.5 from 10.1.0.5:50000"}, []string{"x from 10.1.0.9:50000"}},
			{[]multicast.Interface{multicasttest.Ethernet(4, "a", "10.1.0.6")}, []string{"10.1.0.6 from 10.1.0.6:50000"}, []string{"x from 10.1.0.9:50000"}},
		} {
			host.Set(step.ifs...)
			time.Sleep(3 * time.Second)
			told.take()
			c.Send(addresses)
			synctest.Wait()
			require.Equal(t, step.heard, heard.take())
			told.take()
			other.Send(func([]netip.Addr) []byte { return []byte("x") })
			synctest.Wait()
			require.Equal(t, step.tells, told.take())
			heard.take()
		}
		require.Equal(t, [][]string{{"a"}, {"b"}, {"a"}}, used)
	})
}

// Z12: what is too long is dropped, and a flood of own announcements does not wait
// for ever.
func TestZ12Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n multicasttest.Network
		host := n.Host(multicasttest.Ethernet(2, "a", "10.1.0.1"))
		var heard ears
		c := open(t, multicast.Config{Groups: both, Send: true, Receive: heard.hear, Network: host})
		long := func(n int) func([]netip.Addr) []byte {
			return func([]netip.Addr) []byte { return make([]byte, n) }
		}
		c.Send(long(multicast.MaxDatagram))
		c.Send(long(multicast.MaxDatagram + 1))
		c.Send(long(9000))
		c.Send(long(0))
		synctest.Wait()
		require.Len(t, heard.take(), 1)
		require.EqualValues(t, 2, c.Stats().Ignored)
		held := make(chan struct{})
		c.Send(func([]netip.Addr) []byte { <-held; return nil })
		synctest.Wait()
		for range 1000 {
			c.Send(long(1))
		}
		close(held)
		synctest.Wait()
		require.Len(t, heard.take(), 16)
	})
}

func TestConfigIsChecked(t *testing.T) {
	for _, groups := range [][]string{{"10.0.0.1:3863"}, {"239.0.0.1:0"}, {"239.0.0.1"}, {"[ff02::1%eth0]:1"}, {"x"}} {
		_, err := multicast.ParseGroups(groups)
		require.Error(t, err, "%v", groups)
	}
	gs, err := multicast.ParseGroups([]string{"239.0.0.50:3863", "[ff05::133]:3863"})
	require.NoError(t, err)
	require.Equal(t, both, gs)
	_, err = multicast.Open(&multicast.Config{})
	require.Error(t, err)
	_, err = multicast.Open(&multicast.Config{Groups: both, TTL: 256})
	require.Error(t, err)
	_, err = multicast.Open(&multicast.Config{Groups: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1")}})
	require.Error(t, err)
}
