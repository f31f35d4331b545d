//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// rsplib's registrar without UDP below SCTP: the same messages, the same answers.
func TestRspregistrarOverIP(t *testing.T) {
	t.Parallel()
	k, n := newKernel(t), newByHand(t)
	k.speak(t, rawIP)
	startRegistrarAt(t, k, "overip", asapByHand, 0x1111)
	s := stackOn(t, n.layer(t, rawIP, n.addr()))
	p := n.meet(t, s, k.addr(), asapByHand, 0, asap.PPID)
	p.register("OverIP", p.element(1, "RoundRobin"))
	require.Equal(t, "1", order(p.resolve("OverIP", def)))
	require.Equal(t, rserpool.CauseUnknownPoolHandle, p.resolve("NoSuchPool", def).Causes[0].Code)
	require.Eventually(t, func() bool { return len(p.keepAlives()) >= 3 }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, "1", order(p.resolve("OverIP", def)))
	p.deregister("OverIP", 1)
	require.Empty(t, p.resolve("OverIP", def).Elements)
}

// Nothing but IPv6: our element, rsplib's registrar and user; then rsplib's element, our
// registrar and user; then a registrar of each, who are peers.
func TestRsplibOverIPv6(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	at6 := func(addr string, port int) string {
		return netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(port)).String()
	}
	reg, element := newNode(t), newNode(t)
	startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", "["+reg.addr6()+"]", "--id", "9999", "--profile", "rsplib", "--http", "off",
		"--peer", at6(k.addr6(), asapByHand+1)).await(t, "ready", 20*time.Second)
	startRegistrarOn(t, k, "ipv6", []netip.Addr{netip.MustParseAddr(k.addr6())}, asapByHand, 0x1111, "-peer="+at6(reg.addr6(), enrpPort))
	ours, theirs := at6(reg.addr6(), asapPort), at6(k.addr6(), asapByHand)
	startNode(t, element.name, bin("rserpool"), "serve", "pingpong", "--pool", "Six", "--id", "a", "--registrar", theirs,
		"--listen", fmt.Sprintf("[%s]@%d", element.addr6(), encapPort), "--profile", "rsplib").await(t, "registered", 20*time.Second)
	k.start(t, "element", "rspserver", "-pingpong", "-poolhandle=Six", "-identifier=0xb", "-policy=RoundRobin", "-local="+at6(k.addr6(), 0),
		"-registrar="+ours, "-asapannounce=off", "-loglevel=4", "-logcolor=off", "-rereginterval=2000")
	knows := func(registrar string) bool {
		out, _ := exec.Command(bin("rserpool"), "resolve", "Six", "--json", "--profile", "rsplib", "--registrar", registrar).Output()
		return strings.Contains(string(out), "0x0000000a") && strings.Contains(string(out), "0x0000000b")
	}
	for _, registrar := range []string{ours, theirs} {
		require.Eventually(t, func() bool { return knows(registrar) }, 40*time.Second, 300*time.Millisecond, registrar)
	}
	user := k.start(t, "user", "stdbuf", "-oL", "pingpongclient", "-poolhandle=Six", "-registrar="+theirs, "-asapannounce=off", "-loglevel=2", "-logcolor=off")
	user.await(t, "Ack #3", 20*time.Second)
	require.Contains(t, call(t, host{}, "Six", ours, "hello\n", "--pingpong", "--profile", "rsplib"), "hello")
}

// A cookie is echoed in the first message of a session or never: rsplib's element
// ends the session. Ours sends the echo first, see TestPingPongGoesOn.
func TestLateCookieEchoEndsTheSession(t *testing.T) {
	t.Parallel()
	n := newByHand(t)
	startRegistrarAt(t, r4, "cookies", asapCookies, 0x1111)
	e := r4.start(t, "cookieserver", "rspserver", "-pingpong", "-poolhandle=Cookies", "-identifier=0xc", "-policy=RoundRobin",
		fmt.Sprintf("-registrar=%s:%d", r4.addr(), asapCookies), "-asapannounce=off", "-loglevel=4", "-logcolor=off")
	e.await(t, "Connected to registrar", 20*time.Second)
	s := n.stack(t, n.addr())
	u := n.meet(t, s, r4.addr(), asapCookies, 0, asap.PPID)
	var found []rserpool.PoolElement
	require.Eventually(t, func() bool { found = u.resolve("Cookies", 1).Elements; return len(found) == 1 }, 20*time.Second, 100*time.Millisecond)
	const pingpong = 33 // its PPID
	ping := unhex(t, "0100000c 0000000000000001")
	echo := (&asap.CookieEcho{Cookie: append([]byte("<PP-TD1>"), 0, 0, 0, 0, 0, 0, 0, 41)}).AppendTo(nil)

	first := n.meet(t, s, r4.addr(), int(found[0].User.Port), 0, asap.PPID)
	first.send(0, echo)
	first.ppid = pingpong
	first.send(0, ping)
	for {
		in := first.next()
		if in.bytes[0] == 2 { // a pong, with the number of the reply
			require.EqualValues(t, 41, in.bytes[19], "%x", in.bytes)
			break
		}
	}
	late := n.meet(t, s, r4.addr(), int(found[0].User.Port), 0, pingpong)
	late.send(0, ping)
	for late.next().bytes[0] != 2 {
	}
	late.ppid = sctp.PPID(asap.PPID)
	late.send(0, echo)
	late.over(15 * time.Second)
}
