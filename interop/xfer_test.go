//go:build interop

package interop

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A transfer describes one end of the checked transfer; the zero values are those of
// the C programs (xfer.h).
type transfer struct {
	bind, to    []string // own and peer's addresses
	port, dport int      // own and peer's SCTP port
	encap       int      // peer's UDP port, 0 = 9899
	streams     int
	send, recv  int    // messages
	seed, peer  uint64 // of what is sent, of what must come
	unordered   bool   // the last stream's messages
	size        int    // of each message, 0 = the pattern's
	rate        int    // messages per second of either end, 0 = no limit
	piece       int    // that our end sends messages in, 0 = whole
	rcvbuf      int
	sndbuf      int
	pause       time.Duration // before the C end begins to read, whole seconds
	oursPause   time.Duration // before our end does
	fast        bool          // the timers of usrsctp, as fastTimers
	limit       time.Duration
}

// args are the arguments of xfer and xfer_usrsctp; role is listen or connect.
func (x transfer) args(role string) []string {
	var a []string
	add := func(name string, v any) { a = append(a, "--"+name, fmt.Sprint(v)) }
	if len(x.bind) > 0 {
		add("bind", strings.Join(x.bind, ","))
	}
	if len(x.to) > 0 {
		add("to", strings.Join(x.to, ","))
	}
	for name, v := range map[string]int{
		"port": x.port, "dport": x.dport, "encap": x.encap, "streams": x.streams,
		"send": x.send, "recv": x.recv, "size": x.size, "rate": x.rate, "rcvbuf": x.rcvbuf, "sndbuf": x.sndbuf,
		"pause": int(x.pause / time.Second), "limit": int(x.limit / time.Second),
	} {
		if v != 0 {
			add(name, v)
		}
	}
	if x.seed != 0 {
		add("seed", x.seed)
	}
	if x.peer != 0 {
		add("peer-seed", x.peer)
	}
	if x.fast {
		add("fast", 1)
	}
	if x.unordered {
		add("unordered", 1)
	}
	return append(a, role)
}

// start starts this end in a guest, over the kernel's SCTP; a listening end is
// ready when it returns.
func (x transfer) start(t testing.TB, m machine, tag, role string) *peer {
	t.Helper()
	p := m.start(t, tag, append([]string{bin("xfer")}, x.args(role)...)...)
	if role == "listen" {
		p.await(t, "listening", 10*time.Second)
	}
	return p
}

// gap is the longest pause between two messages that the C end reports at the end.
func gap(t testing.TB, output string) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`gap=([0-9.]+)`).FindStringSubmatch(output)
	require.NotNil(t, m, output)
	d, err := time.ParseDuration(m[1] + "s")
	require.NoError(t, err)
	return d
}

// startUsrsctp starts this end in a node, over usrsctp.
func (x transfer) startUsrsctp(t testing.TB, node, role string) *process {
	t.Helper()
	p := startNode(t, node, append([]string{bin("xfer_usrsctp")}, x.args(role)...)...)
	if role == "listen" {
		p.await(t, "listening", 10*time.Second)
	}
	return p
}

// finished takes the output of a C end that has ended, and requires that it checked
// and sent everything.
func (x transfer) finished(t testing.TB, output string) {
	t.Helper()
	require.Regexp(t, "OK sent="+strconv.Itoa(x.send)+" received="+strconv.Itoa(x.recv)+" ", output)
}
