//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asapPort and enrpPort are the SCTP ports of every registrar in these tests.
const (
	asapPort = 3863
	enrpPort = 9901
)

// rspregistrar is the command line of rsplib's registrar in a guest. It neither
// announces nor listens to announcements but talks to the peers given (addresses), as
// the rig's networks are shared by all tests.
func rspregistrar(m machine, id uint32, peers ...string) []string {
	both := strings.Join(m.both()[1:], ",")
	args := []string{"rspregistrar", "-loglevel=4", "-logcolor=off",
		fmt.Sprintf("-asap=%s:%d,%s", m.addr(), asapPort, both),
		fmt.Sprintf("-enrp=%s:%d,%s", m.addr(), enrpPort, both),
		fmt.Sprintf("-identifier=0x%08x", id),
		"-asapannounce=off", "-enrpannounce=off",
		// Quick enough for a test: milliseconds.
		"-peerheartbeatcycle=1000", "-peermaxtimelastheard=2500", "-peermaxtimenoresponse=1500",
		"-mentordiscoverytimeout=2000", "-endpointkeepalivetransmissioninterval=1500",
		"-endpointkeepalivetimeoutinterval=1500"}
	for _, p := range peers {
		args = append(args, fmt.Sprintf("-peer=%s:%d", p, enrpPort))
	}
	return args
}

// startRegistrar starts rsplib's registrar in a guest.
func startRegistrar(t testing.TB, m machine, id uint32, peers ...string) *peer {
	t.Helper()
	return launch(t, m, "registrar", rspregistrar(m, id, peers...))
}

// launch starts rsplib's registrar with this command line, and waits until it runs. The
// associations of one before, at the same ports, may still be closing: then it tries again.
func launch(t testing.TB, m machine, tag string, args []string) *peer {
	t.Helper()
	for try := 0; ; try++ {
		p := m.start(t, tag, args...)
		p.await(t, "Registrar started|Address already in use", 20*time.Second)
		if strings.Contains(p.log(), "Registrar started") || try == 10 {
			require.Contains(t, p.log(), "Registrar started")
			return p
		}
		time.Sleep(2 * time.Second)
	}
}

// startElement starts rsplib's pool element for a pool, with a service such as
// pingpong or echo and a policy such as RoundRobin or Priority:10.
func startElement(t testing.TB, m machine, tag, service, pool string, id uint32, policy, registrar string, more ...string) *peer {
	t.Helper()
	p := m.start(t, tag, append([]string{"rspserver", "-" + service, "-poolhandle=" + pool, fmt.Sprintf("-identifier=0x%08x", id),
		"-policy=" + policy, fmt.Sprintf("-registrar=%s:%d", registrar, asapPort), "-asapannounce=off",
		"-loglevel=4", "-logcolor=off", "-rereginterval=2000"}, more...)...)
	p.await(t, "Connected to registrar", 20*time.Second)
	return p
}

// handlespaceOf asks a registrar, ours or rsplib's, for its handlespace by ENRP, with
// rsplib's hsdump in guest m.
func handlespaceOf(t testing.TB, m machine, registrar string) string {
	t.Helper()
	out, _ := m.run(15*time.Second, "timeout", "10", "hsdump", fmt.Sprintf("%s:%d", registrar, enrpPort))
	return out
}

// eventuallyKnows waits until the registrar's handlespace holds a pool element.
func eventuallyKnows(t testing.TB, m machine, registrar string, id uint32, limit time.Duration) {
	t.Helper()
	want, last := fmt.Sprintf("%08x", id), ""
	require.Eventually(t, func() bool {
		last = handlespaceOf(t, m, registrar)
		return strings.Contains(strings.ToLower(last), want)
	}, limit, 500*time.Millisecond, "%s is not in the handlespace of %s", want, registrar)
}

func TestRigRsplib(t *testing.T) {
	inScope(t)
	startRegistrar(t, r1, 0x11111111, r2.addr())
	startRegistrar(t, r2, 0x22222222, r1.addr())
	startElement(t, r3, "element", "pingpong", "Rig", 0xa001, "RoundRobin", r1.addr())
	eventuallyKnows(t, r3, r1.addr(), 0xa001, 15*time.Second)
	eventuallyKnows(t, r3, r2.addr(), 0xa001, 15*time.Second)
	out, _ := r3.run(20*time.Second, "timeout", "-s", "INT", "5", "pingpongclient", "-poolhandle=Rig",
		fmt.Sprintf("-registrar=%s:%d", r2.addr(), asapPort), "-asapannounce=off")
	require.Contains(t, out, "Ack #3", "the user played with the element")
}
