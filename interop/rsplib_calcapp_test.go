//go:build interop

package interop

import (
	"fmt"
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
