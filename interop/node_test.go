//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/carrier/rawip"
	"github.com/rserpool/rserpool/sctp/carrier/udpencap"
)

// A node is a network namespace with a cable of its own to each network, for one
// stack of ours (or for one of usrsctp) whose links can be pulled. Its addresses are
// 10.99.1.n, 10.99.2.n, fd99:1::n and fd99:2::n.
type node struct {
	name string
	n    int
}

// Numbers of the nodes for stacks of ours, which checkcap.sh judges by their
// addresses, and of those for usrsctp.
const (
	oursFrom, oursTo       = 61, 99
	usrsctpFrom, usrsctpTo = 43, 59
)

var nodes = struct {
	sync.Mutex
	used [oursTo + 1]bool
}{}

// newNode reserves a node for a stack of ours until the test ends.
func newNode(t testing.TB) node {
	t.Helper()
	ours(t)
	return reserve(t, oursFrom, oursTo)
}

// usrsctps bounds how many tests with usrsctp run side by side: it takes much of a
// processor.
var usrsctps = make(chan struct{}, 2)

// newUsrsctp takes a node for usrsctp for the test alone, and waits for one.
func newUsrsctp(t testing.TB) usrsctp {
	t.Helper()
	usrsctps <- struct{}{}
	t.Cleanup(func() { <-usrsctps })
	return usrsctp{reserve(t, usrsctpFrom, usrsctpTo)}
}

func reserve(t testing.TB, from, to int) node {
	t.Helper()
	nodes.Lock()
	defer nodes.Unlock()
	for n := from; n <= to; n++ {
		if nodes.used[n] {
			continue
		}
		nd := node{"o" + strconv.Itoa(n), n}
		rig(t, "node", nd.name, strconv.Itoa(n)) // a second time it does nothing
		nodes.used[n] = true
		t.Cleanup(func() {
			nodes.Lock()
			defer nodes.Unlock()
			nodes.used[n] = false
		})
		return nd
	}
	require.FailNow(t, "all nodes are in use")
	return node{}
}

// ours tells run.sh that the captures must hold packets of ours.
func ours(t testing.TB) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("INTEROP_OUT"), "ours"), nil, 0o644))
}

func (n node) addr() string    { return fmt.Sprintf("10.99.1.%d", n.n) }
func (n node) both() []string  { return []string{n.addr(), fmt.Sprintf("10.99.2.%d", n.n)} }
func (n node) addr6() string   { return fmt.Sprintf("fd99:1::%d", n.n) }
func (n node) both6() []string { return []string{n.addr6(), fmt.Sprintf("fd99:2::%d", n.n)} }

// link plugs or unplugs the node's cable to network a or b; the end of the test
// plugs it in again.
func (n node) link(t testing.TB, network string, up bool) { machine(n).link(t, network, up) }

// must runs a program in the node and requires that it succeeds.
func (n node) must(t testing.TB, cmd ...string) string {
	t.Helper()
	return rig(t, append([]string{"in", n.name}, cmd...)...)
}

// inside runs f on a thread of the node's namespace; sockets that it opens stay
// there.
func (n node) inside(t testing.TB, f func()) {
	t.Helper()
	const (
		setns   = 308 // the system call, on amd64
		newNet  = 0x40000000
		netnsAt = "/var/run/netns/"
	)
	ns, err := os.Open(netnsAt + os.Getenv("INTEROP_NS") + "-" + n.name)
	require.NoError(t, err)
	defer ns.Close()
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nothing else runs
		// in the wrong namespace.
		runtime.LockOSThread()
		if _, _, e := syscall.RawSyscall(setns, ns.Fd(), newNet, 0); e != 0 {
			done <- e
			return
		}
		f()
		done <- nil
	}()
	require.NoError(t, <-done)
}

// A layer is what is below SCTP.
type layer string

const (
	udp   layer = "in UDP"
	rawIP layer = "over IP"
)

// speak makes the guest speak SCTP in UDP, as it does by itself, or directly over IP.
func (m machine) speak(t testing.TB, l layer) {
	t.Helper()
	if l == rawIP {
		m.sysctl(t, "net.sctp.udp_port=0", "net.sctp.encap_port=0")
	}
}

// sockets binds UDP sockets in the node, at the encapsulation port.
func (n node) sockets(t testing.TB, addrs ...string) []carrier.Carrier {
	t.Helper()
	return n.layer(t, udp, addrs...)
}

// layer binds sockets in the node, in UDP at the encapsulation port.
func (n node) layer(t testing.TB, l layer, addrs ...string) []carrier.Carrier {
	t.Helper()
	var out []carrier.Carrier
	var err error
	n.inside(t, func() {
		if l == rawIP {
			out, err = carriers(rawip.ListenAll(parse(addrs), nil))
			return
		}
		var at []netip.AddrPort
		for _, ip := range parse(addrs) {
			at = append(at, netip.AddrPortFrom(ip, encapPort))
		}
		out, err = carriers(udpencap.ListenAll(at, nil))
	})
	require.NoError(t, err)
	return out
}

func carriers[T carrier.Carrier](socks []T, err error) ([]carrier.Carrier, error) {
	out := make([]carrier.Carrier, 0, len(socks))
	for _, s := range socks {
		out = append(out, s)
	}
	return out, err
}

// stack opens a stack of ours on addresses of the node, at the encapsulation port.
func (n node) stack(t testing.TB, addrs ...string) *sctp.Stack {
	t.Helper()
	return stackOn(t, n.sockets(t, addrs...))
}

// stackOn opens a stack of ours on carriers.
func stackOn(t testing.TB, carriers []carrier.Carrier) *sctp.Stack {
	t.Helper()
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: carriers})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
