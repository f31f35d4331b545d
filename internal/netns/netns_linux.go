package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Host is a network namespace. It lives as long as the test.
type Host struct {
	calls chan func()
	tid   int // of the thread that is in the namespace
}

// New opens a host with nothing but its loopback interface, or skips the test.
func New(t testing.TB) *Host {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("no command ip")
	}
	h := &Host{calls: make(chan func())}
	ready := make(chan error)
	go h.run(ready)
	if err := <-ready; errors.Is(err, syscall.EPERM) {
		t.Skip("no right to make a network namespace")
	} else if err != nil {
		t.Fatal("netns:", err)
	}
	t.Cleanup(func() { close(h.calls) })
	if hasIPv6() {
		// Link-local addresses could not be used for a second.
		h.Sysctl(t, "net/ipv6/conf/default/accept_dad", "0")
	}
	h.IP(t, "link", "set", "lo", "up")
	return h
}

// run is the goroutine of a host. It keeps its thread, which ends with it.
func (h *Host) run(ready chan<- error) {
	runtime.LockOSThread()
	err := syscall.Unshare(syscall.CLONE_NEWNET)
	h.tid = syscall.Gettid()
	ready <- err
	if err != nil {
		return
	}
	for f := range h.calls {
		f()
	}
}

// Do runs f on the host, in a goroutine of its own that may not fail the test.
func (h *Host) Do(f func() error) error {
	done := make(chan error)
	h.calls <- func() { done <- f() }
	return <-done
}

// IP runs the command ip on the host.
func (h *Host) IP(t testing.TB, args ...string) {
	t.Helper()
	err := h.Do(func() error {
		out, err := exec.Command("ip", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal("netns:", err)
	}
}

// Sysctl sets a kernel parameter of the host, such as net/ipv4/ip_forward.
func (h *Host) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := h.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) }); err != nil {
		t.Fatal("netns:", err)
	}
}

// Forward makes the host a router, which does not limit its ICMP messages.
func (h *Host) Forward(t testing.TB) {
	t.Helper()
	h.Sysctl(t, "net/ipv4/ip_forward", "1")
	h.Sysctl(t, "net/ipv4/icmp_ratelimit", "0")
	if hasIPv6() {
		h.Sysctl(t, "net/ipv6/conf/all/forwarding", "1")
		h.Sysctl(t, "net/ipv6/icmp/ratelimit", "0")
	}
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// Wire is a link between two hosts.
type Wire struct {
	A, B []string // addresses of the ends, with prefix length
	MTU  int      // 0: 1,500
}

// links numbers the interfaces, which need names that differ within a host.
var links atomic.Int64

// Link joins two hosts, waits until the link works, and returns the name of the interfaces, which is the same at
// both ends.
func Link(t testing.TB, a, b *Host, w Wire) string {
	t.Helper()
	name := "t" + strconv.FormatInt(links.Add(1), 10)
	a.IP(t, "link", "add", name, "type", "veth", "peer", "name", name, "netns", strconv.Itoa(b.tid))
	for _, end := range []struct {
		host  *Host
		addrs []string
	}{{a, w.A}, {b, w.B}} {
		if w.MTU > 0 {
			end.host.IP(t, "link", "set", name, "mtu", strconv.Itoa(w.MTU))
		}
		for _, addr := range end.addrs {
			args := []string{"addr", "add", addr, "dev", name}
			if strings.Contains(addr, ":") {
				args = append(args, "nodad")
			}
			end.host.IP(t, args...)
		}
		end.host.IP(t, "link", "set", name, "up")
	}
	for _, addr := range w.B {
		if err := reach(a, b, addr); err != nil {
			t.Fatal("netns:", err)
		}
	}
	return name
}

// reach waits until datagrams from a arrive at an address of b. The kernel may take a
// second to notice that a link is up, and loses what is sent until then.
func reach(a, b *Host, prefix string) error {
	addr, _, _ := strings.Cut(prefix, "/")
	var in net.PacketConn
	var out net.Conn
	err := b.Do(func() (err error) {
		in, err = net.ListenPacket("udp", net.JoinHostPort(addr, "0"))
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	err = a.Do(func() (err error) {
		out, err = net.Dial("udp", in.LocalAddr().String())
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	for range 1000 {
		_, _ = out.Write([]byte("there?")) // errors tell of earlier ones
		_ = in.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, _, err = in.ReadFrom(make([]byte, 16)); err == nil {
			return nil
		}
	}
	return err
}
