//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// encapPort is the UDP port of every guest and of Go servers that guests
// connect to (RFC 6951 §5.1).
const encapPort = 9899

func TestMain(m *testing.M) {
	if os.Getenv("INTEROP_RIG") == "" {
		fmt.Fprintln(os.Stderr, "interop: these tests run in a rig: make interop, or interop/run.sh")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bin is the path of a program that run.sh built: sctp, rserpool, xfer,
// xfer_usrsctp or peer.py. It is the same path inside a guest.
func bin(name string) string { return filepath.Join(os.Getenv("INTEROP_BIN"), name) }

// outFile is the path of a file that is kept when the run fails.
func outFile(t testing.TB, name string) string {
	return filepath.Join(os.Getenv("INTEROP_OUT"), strings.ReplaceAll(t.Name(), "/", "_")+"-"+name)
}

// tryRig runs rig.sh with a limit and returns what it printed.
func tryRig(limit time.Duration, args ...string) (string, error) {
	cmd := exec.Command(os.Getenv("INTEROP_RIG"), args...)
	// rig.sh gives up by itself; a few seconds later the pipe is cut.
	secs := max(1, int(limit/time.Second))
	cmd.Env = append(os.Environ(), "TIMEOUT="+strconv.Itoa(secs))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("rig %s: %w: %s", strings.Join(args, " "), err, tail(out.String()))
	}
	return out.String(), nil
}

// rig runs rig.sh and fails the test when that fails.
func rig(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tryRig(30*time.Second, args...)
	require.NoError(t, err)
	return out
}

// tail is the end of a program's output, as much as an error message bears.
func tail(s string) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-4000):]
}

// A machine is a guest with a kernel of its own (k1, k2: kernel SCTP; r1 to r3:
// the same without IPv6, for rsplib). Its addresses are 10.99.1.n and 10.99.2.n.
type machine struct {
	name string
	n    int
}

var (
	k1 = machine{"k1", 11}
	k2 = machine{"k2", 12}
	r1 = machine{"r1", 13}
	r2 = machine{"r2", 14}
	r3 = machine{"r3", 15}
)

// kernels are the guests that tests which run side by side share out: k1 to k4. A
// test that names k1 or k2 must not be parallel.
var kernels = func() chan machine {
	c := make(chan machine, 4)
	c <- k1
	c <- k2
	c <- machine{"k3", 16}
	c <- machine{"k4", 17}
	return c
}()

// newKernel takes a guest with kernel SCTP for the test alone, and waits for one.
func newKernel(t testing.TB) machine {
	t.Helper()
	m := <-kernels
	t.Cleanup(func() {
		defer func() { kernels <- m }()
		if !t.Failed() {
			return
		}
		if _, err := m.run(10*time.Second, "true"); err != nil {
			t.Logf("%s does not answer, and is booted again: %v", m.name, err)
			m.reboot(t)
		}
	})
	return m
}

// addr is the machine's IPv4 address on network a; both its addresses on both.
func (m machine) addr() string    { return fmt.Sprintf("10.99.1.%d", m.n) }
func (m machine) both() []string  { return []string{m.addr(), fmt.Sprintf("10.99.2.%d", m.n)} }
func (m machine) addr6() string   { return fmt.Sprintf("fd99:1::%d", m.n) }
func (m machine) both6() []string { return []string{m.addr6(), fmt.Sprintf("fd99:2::%d", m.n)} }

// run runs a command in the guest and returns what it printed.
func (m machine) run(limit time.Duration, cmd ...string) (string, error) {
	return tryRig(limit, append([]string{"run", m.name}, cmd...)...)
}

// must is run for commands that have to work.
func (m machine) must(t testing.TB, cmd ...string) string {
	t.Helper()
	out, err := m.run(20*time.Second, cmd...)
	require.NoError(t, err)
	return out
}

// link plugs or unplugs the guest's cable to network a or b; the end of the
// test plugs it in again.
func (m machine) link(t testing.TB, network string, up bool) {
	t.Helper()
	state := map[bool]string{true: "up", false: "down"}
	rig(t, "link", m.name, network, state[up])
	if !up {
		t.Cleanup(func() { _, _ = tryRig(10*time.Second, "link", m.name, network, "up") })
	}
}

// netem impairs what the guest sends on eth0 (network a) or eth1 (b), in the words
// of tc-netem, until the test ends: netem(t, "eth0", "loss", "5%").
func (m machine) netem(t testing.TB, dev string, what ...string) {
	t.Helper()
	m.must(t, append([]string{"tc", "qdisc", "replace", "dev", dev, "root", "netem"}, what...)...)
	t.Cleanup(func() { m.calm(dev) })
}

// calm ends what netem began.
func (m machine) calm(dev string) {
	_, _ = m.run(10*time.Second, "tc", "qdisc", "del", "dev", dev, "root")
}

// sysctl sets NAME=VALUE in the guest and puts the old values back at the end.
func (m machine) sysctl(t testing.TB, settings ...string) {
	t.Helper()
	read := []string{"sysctl"}
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		read = append(read, name)
	}
	var restore []string
	for line := range strings.Lines(m.must(t, read...)) {
		name, old, ok := strings.Cut(strings.TrimSpace(line), " = ")
		require.True(t, ok, line)
		restore = append([]string{name + "=" + old}, restore...)
	}
	m.must(t, append([]string{"sysctl", "-w"}, settings...)...)
	t.Cleanup(func() { _, _ = m.run(10*time.Second, append([]string{"sysctl", "-w"}, restore...)...) })
}

// reboot takes the guest's power away and boots it again as it was; it must be one
// with kernel SCTP.
func (m machine) reboot(t testing.TB) {
	t.Helper()
	rig(t, "crash", m.name)
	m.boot(t, strings.Fields(os.Getenv("INTEROP_KERNEL_SYSCTLS"))...)
}

// boot boots the guest if it does not run.
func (m machine) boot(t testing.TB, sysctls ...string) {
	t.Helper()
	for line := range strings.Lines(rig(t, "status")) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == m.name && f[3] == "running" {
			return
		}
	}
	_, err := tryRig(150*time.Second, append([]string{"boot", m.name, strconv.Itoa(m.n)}, sysctls...)...)
	require.NoError(t, err)
}

// rsplibScope is the guests r1 to r3 and the announcements on the networks.
var rsplibScope sync.Mutex

// inScope makes a test of RSerPool parallel, with rsplib's guests for itself.
func inScope(t *testing.T) {
	t.Helper()
	t.Parallel()
	rsplibScope.Lock()
	t.Cleanup(rsplibScope.Unlock)
}

// hosts hands out the host's addresses on the two networks, .1 to .8. A Go stack
// that a guest connects to needs one of its own: it must have UDP port 9899.
var hosts = struct {
	sync.Mutex
	used [9]bool
}{}

// A host is one pair of the host's addresses, for one Go stack.
type host struct{ n int }

// newHost reserves a host until the test ends.
func newHost(t testing.TB) host {
	t.Helper()
	var n int
	// Only tests that hold the rsplib scope, one at a time, need more than one of them.
	require.Eventually(t, func() bool { n = freeHost(); return n > 0 }, 5*time.Minute, 10*time.Millisecond,
		"all eight host addresses are in use")
	ours(t)
	t.Cleanup(func() {
		hosts.Lock()
		defer hosts.Unlock()
		hosts.used[n] = false
	})
	return host{n}
}

// freeHost takes a host that nobody has; 0 if there is none.
func freeHost() int {
	hosts.Lock()
	defer hosts.Unlock()
	for n := 1; n <= 8; n++ {
		if !hosts.used[n] {
			hosts.used[n] = true
			return n
		}
	}
	return 0
}

// rubbish is the host whose packets checkcap.sh does not judge.
var rubbish = host{9}

func (h host) addr() string    { return fmt.Sprintf("10.99.1.%d", h.n) }
func (h host) both() []string  { return []string{h.addr(), fmt.Sprintf("10.99.2.%d", h.n)} }
func (h host) addr6() string   { return fmt.Sprintf("fd99:1::%d", h.n) }
func (h host) both6() []string { return []string{h.addr6(), fmt.Sprintf("fd99:2::%d", h.n)} }

// udp is the host's UDP socket address on network a, at the encapsulation port.
func (h host) udp() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(h.addr()), encapPort)
}

// capture records both networks until the test ends and returns the file, which
// is kept when the run fails.
func capture(t testing.TB, tag string, filter ...string) string {
	t.Helper()
	file := outFile(t, tag+".pcapng")
	rig(t, append([]string{"capture", tag, file}, filter...)...)
	t.Cleanup(func() { _, _ = tryRig(15*time.Second, "endcapture", tag) })
	return file
}

// cable is the host's end of the cable of guest or node number n.
func cable(n int, network string) string { return fmt.Sprintf("t%d%s", n, network) }
