//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/rserpool"
)

// The groups of rsplib, at which it announces and listens with "auto".
var (
	rsplibASAP = netip.MustParseAddrPort("239.0.0.50:3863")
	rsplibENRP = netip.MustParseAddrPort("239.0.0.51:9901")
)

// discoverElement starts rsplib's element, which is told no registrar, and does not wait
// for anything.
func discoverElement(t testing.TB, m machine, pool string, id uint32) *peer {
	t.Helper()
	return m.start(t, "finder", "rspserver", "-echo", "-poolhandle="+pool, fmt.Sprintf("-identifier=0x%08x", id),
		"-policy=RoundRobin", "-asapannounce=auto", "-loglevel=4", "-logcolor=off", "-rereginterval=2000")
}

// announcingRegistrar starts a registrar of ours that is announced.
func announcingRegistrar(t testing.TB, h host, id uint32, more ...string) *process {
	t.Helper()
	p := startHost(t, append([]string{bin("rserpool"), "registrar", "--listen", h.addr(), "--id", fmt.Sprintf("%x", id),
		"--profile", "rsplib", "--announce", "on", "--http", h.addr() + ":9980"}, more...)...)
	p.await(t, "ready", 20*time.Second)
	return p
}

// announcer announces a registrar by hand, once a second until the test ends or stop is
// called: from a UDP port, with transports or without.
func announcer(t testing.TB, h host, port uint16, id rserpool.RegistrarID, ts ...rserpool.Transport) (stop func()) {
	t.Helper()
	c, err := multicast.Open(&multicast.Config{
		Groups: []netip.AddrPort{rsplibASAP}, Send: true, Sources: []netip.Addr{netip.MustParseAddr(h.addr())}, SourcePort: port,
	})
	require.NoError(t, err)
	b, err := asap.Marshal(&asap.ServerAnnounce{Server: id, Transports: ts})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		for {
			c.Send(func([]netip.Addr) []byte { return b })
			select {
			case <-time.After(time.Second):
			case <-done:
				return
			}
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			close(done)
			_ = c.Close()
		}
	}
	t.Cleanup(stop)
	return stop
}

// atOurs reports whether the registrar with its status at h has the element, and is its
// home.
func atOurs(h host, home, id uint32) bool {
	out, err := exec.Command(bin("rserpool"), "status", "--http", h.addr()+":9980", "--json").Output()
	s := strings.ReplaceAll(string(out), " ", "")
	return err == nil && strings.Contains(s, fmt.Sprintf(`"id":"0x%08x","home":"0x%08x"`, id, home))
}

// rsplib's element finds our registrar by its announcements.
func TestRspserverFindsOurAnnouncement(t *testing.T) {
	inScope(t)
	h := newHost(t)
	file := capture(t, "announced", "udp and (dst "+rsplibASAP.Addr().String()+" or dst "+rsplibENRP.Addr().String()+")")
	announcingRegistrar(t, h, 0x99990011)
	discoverElement(t, r1, "Found", 0xe001)
	require.Eventually(t, func() bool { return atOurs(h, 0x99990011, 0xe001) }, 40*time.Second, 500*time.Millisecond)
	rig(t, "endcapture", "announced")
	out, err := exec.Command("tshark", "-r", file, "-d", "udp.port==3863,asap", "-d", "udp.port==9901,enrp", "-T", "fields",
		"-e", "ip.src", "-e", "udp.srcport", "-e", "ip.ttl", "-e", "asap.message_type", "-e", "enrp.message_type", "-e", "_ws.malformed").Output()
	require.NoError(t, err)
	require.Regexp(t, `(?m)^`+h.addr()+"\t3863\t30\t10\t\t$", string(out), "ASAP_SERVER_ANNOUNCE")
	require.Regexp(t, `(?m)^`+h.addr()+"\t9901\t30\t\t1\t$", string(out), "ENRP_PRESENCE")
	require.NotContains(t, string(out), "alformed")
}

// What rsplib makes of announcements: it dials one SCTP transport in it, wherever the
// announcement comes from; without one it dials where the announcement comes from, port
// included. With our UDP Port parameter it takes the message for malformed.
func TestRspserverReadsAnnouncements(t *testing.T) {
	for i, c := range []struct {
		name      string
		port      uint16
		transport bool
		udpPort   uint16
		found     bool
	}{
		{"transport, from another port", 40_000, true, 0, true},
		{"transport and UDP port", asapPort, true, encapPort, false},
		{"no transport, from the ASAP port", asapPort, false, 0, true},
		{"no transport, from another port", 40_000, false, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScope(t)
			h, id := newHost(t), uint32(0x99990020+i)
			ourRegistrar(t, h, id, "--http", h.addr()+":9980")
			var ts []rserpool.Transport
			if c.transport {
				ts = []rserpool.Transport{{Protocol: rserpool.ProtoSCTP, Port: asapPort, UDPPort: c.udpPort, Addrs: []netip.Addr{netip.MustParseAddr(h.addr())}}}
			}
			announcer(t, h, c.port, rserpool.RegistrarID(id), ts...)
			discoverElement(t, r1, "Read", 0xe010+uint32(i))
			found := func() bool { return atOurs(h, id, 0xe010+uint32(i)) }
			if c.found {
				require.Eventually(t, found, 40*time.Second, 500*time.Millisecond)
				return
			}
			time.Sleep(12 * time.Second)
			require.False(t, found())
		})
	}
}

// When announcements stop rsplib's element stays where it is; when that registrar dies it
// hunts again and finds the other one.
func TestRspserverStaysAndHuntsAgain(t *testing.T) {
	inScope(t)
	h1, h2 := newHost(t), newHost(t)
	const one, two = 0x99990031, 0x99990032
	first := ourRegistrar(t, h1, one, "--http", h1.addr()+":9980")
	stop := announcer(t, h1, asapPort, one)
	discoverElement(t, r1, "Stays", 0xe021)
	require.Eventually(t, func() bool { return atOurs(h1, one, 0xe021) }, 40*time.Second, 500*time.Millisecond)
	stop()
	announcingRegistrar(t, h2, two)
	for range 10 { // the announcement is outdated after 5 s, and it registers again every 2 s
		time.Sleep(time.Second)
		require.True(t, atOurs(h1, one, 0xe021))
	}
	first.signal(syscall.SIGKILL)
	died := time.Now()
	require.Eventually(t, func() bool { return atOurs(h2, two, 0xe021) }, 60*time.Second, 200*time.Millisecond)
	t.Logf("registered again after %.1f s", time.Since(died).Seconds())
}

// announcingRspregistrar starts rsplib's registrar, which knows no peer, announces and
// listens.
func announcingRspregistrar(t testing.TB, m machine, id uint32) *peer {
	t.Helper()
	args := rspregistrar(m, id)
	for i, a := range args {
		switch a {
		case "-asapannounce=off", "-enrpannounce=off":
			args[i] = strings.TrimSuffix(a, "off") + "auto"
		}
	}
	return launch(t, m, "registrar", args)
}

// firstAnnouncement listens to rsplib's group, and says when a registrar was announced
// first.
func firstAnnouncement(t testing.TB, id rserpool.RegistrarID) (at func() time.Time) {
	t.Helper()
	var first atomic.Pointer[time.Time]
	c, err := multicast.Open(&multicast.Config{Groups: []netip.AddrPort{rsplibASAP}, Receive: func(d multicast.Datagram) {
		m, _ := asap.Decode(d.Data)
		if a, ok := m.(*asap.ServerAnnounce); ok && a.Server == id {
			now := time.Now()
			first.CompareAndSwap(nil, &now)
		}
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return func() time.Time {
		if p := first.Load(); p != nil {
			return *p
		}
		return time.Time{}
	}
}

// rsplib's registrar starts while we announce ours: it takes ours as its mentor, asks it
// for its list and for the whole handlespace, and begins before the five seconds are
// over that it waits otherwise.
func TestRspregistrarTakesUsAsMentor(t *testing.T) {
	inScope(t)
	h := newHost(t)
	announcingRegistrar(t, h, 0x99990041)
	serve(t, newHost(t), encapPort, "echo", "Mentored", 0xe031, h.addr())
	file := capture(t, "mentor", "host "+r1.addr())
	announced := firstAnnouncement(t, 0x11111111)
	announcingRspregistrar(t, r1, 0x11111111)
	started := time.Now()
	require.Eventually(t, func() bool { return !announced().IsZero() }, 20*time.Second, 20*time.Millisecond)
	require.Less(t, announced().Sub(started), 4500*time.Millisecond)
	t.Logf("it began after %.1f s", announced().Sub(started).Seconds())
	eventuallyKnows(t, r3, r1.addr(), 0xe031, 15*time.Second)
	rig(t, "endcapture", "mentor")
	out, err := exec.Command("tshark", "-r", file, "-Y", "enrp", "-T", "fields", "-e", "ip.src", "-e", "enrp.message_type", "-e", "enrp.w_bit").Output()
	require.NoError(t, err)
	require.Regexp(t, `(?m)^`+r1.addr()+"\t(.*,)?5\\b", string(out), "ENRP_LIST_REQUEST")
	require.Regexp(t, `(?m)^`+r1.addr()+"\t(.*,)?2\\b[^\t]*\t.*(0|False)", string(out), "ENRP_HANDLE_TABLE_REQUEST for all")
}

// Our programs find rsplib's registrar by its announcements: the registrar becomes a peer of
// it, the element registers with it, the user resolves.
func TestWeFindRspregistrar(t *testing.T) {
	inScope(t)
	h, e := newHost(t), newHost(t)
	announcingRspregistrar(t, r1, 0x11111111)
	element := startHost(t, bin("rserpool"), "serve", "echo", "--pool", "Theirs", "--id", "e041", "--discover",
		"--listen", e.addr()+"@"+strconv.Itoa(encapPort), "--profile", "rsplib", "--log", "debug")
	element.await(t, "registered 0x0000e041", 30*time.Second)
	out, err := exec.Command(bin("rserpool"), "resolve", "Theirs", "--json", "--discover", "--profile", "rsplib").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "0x0000e041")

	// Ours starts, hears the other one, and has its handlespace when it is ready.
	announcingRegistrar(t, h, 0x99990051)
	require.True(t, atOurs(h, 0x11111111, 0xe041))
	eventuallyKnows(t, r3, r1.addr(), 0xe041, 15*time.Second)
}
