//go:build interop

package interop

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rsplib's calcappclient has its job begun by an element of ours and ended by one of
// rsplib's, and the reverse: the cookie of the one is understood by the other. The
// first is so slow that the job is not done before it leaves.
func TestCalcAppGoesOn(t *testing.T) {
	t.Parallel()
	reg := newNode(t)
	startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--profile", "rsplib", "--http", "off").await(t, "ready", 20*time.Second)
	at := fmt.Sprintf("%s:%d", reg.addr(), asapPort)
	for _, c := range []struct {
		name        string
		first, next bool // whether ours
	}{
		{"from ours to ours", true, true},
		{"from ours to rspserver", true, false},
		{"from rspserver to ours", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := "Calc" + strings.ReplaceAll(c.name, " ", "")
			start := func(tag string, ours bool, id, capacity int) (stop func()) {
				if ours {
					n := newNode(t)
					p := startNode(t, n.name, bin("rserpool"), "serve", "calcapp", "--pool", pool, "--id", fmt.Sprintf("%x", id),
						"--capacity", fmt.Sprint(capacity), "--policy", "LeastUsed", "--registrar", at,
						"--listen", fmt.Sprintf("%s@%d", n.addr(), encapPort), "--profile", "rsplib")
					p.await(t, "registered", 20*time.Second)
					return func() { p.signal(syscall.SIGTERM); p.signal(syscall.SIGTERM) }
				}
				p := startElement(t, r4, tag, "calcapp", pool, uint32(id), "LeastUsed", reg.addr(),
					fmt.Sprintf("-capcapacity=%d", capacity), "-capcookiemaxtime=1")
				return func() { p.stop(t, "INT") }
			}
			stop := start("calcfirst", c.first, 0xca1, 1000)
			user := r4.start(t, "calcuser", rsplibUser("calcappclient", pool, reg.addr(), "-jobsize=1000000", "-jobinterval=1")...)
			user.await(t, "Job #1 accepted", 20*time.Second)
			start("calcnext", c.next, 0xca2, 1_000_000)
			time.Sleep(2500 * time.Millisecond) // two cookies
			stop()
			user.await(t, "FAILOVER_COMPLETE, cookie=yes", 60*time.Second)
			user.await(t, "Job #1 completed", 60*time.Second)
			require.Equal(t, 1, strings.Count(user.log(), "Request for job #1 "), "it is not asked for again")
			user.await(t, "Job #2 completed", 60*time.Second)
			user.stop(t, "KILL")
		})
	}
}

// rsplib's fractalpooluser has its images computed by an element of ours: it takes them
// for complete and asks for the next.
func TestFractalpooluserAtOurElement(t *testing.T) {
	t.Parallel()
	reg, n := newNode(t), newNode(t)
	startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--profile", "rsplib", "--http", "off").await(t, "ready", 20*time.Second)
	startNode(t, n.name, bin("rserpool"), "serve", "fractal", "--pool", "FractalPool", "--id", "fa", "--registrar", fmt.Sprintf("%s:%d", reg.addr(), asapPort),
		"--listen", fmt.Sprintf("%s@%d", n.addr(), encapPort), "--profile", "rsplib").await(t, "registered", 20*time.Second)
	file := capture(t, "fractal", "host "+n.addr())
	user := r4.start(t, "fractaluser", append([]string{"env", "QT_QPA_PLATFORM=offscreen"},
		rsplibUser("fractalpooluser", "FractalPool", reg.addr(), "-threads=1")...)...)
	messages := func(filter string) int {
		// The last packet may be half written: the status says so.
		out, _ := exec.Command("tshark", "-n", "-r", file, "-Y", filter, "-T", "fields", "-e", "frame.number").Output()
		return strings.Count(string(out), "\n")
	}
	require.Eventually(t, func() bool { return messages("fractalgeneratorprotocol.message_type == 1") >= 2 }, 60*time.Second, time.Second)
	require.Positive(t, messages("fractalgeneratorprotocol.data_start_x == 4294967295"), "the end of an image")
	user.stop(t, "KILL")
}
