//go:build interop

package interop

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/malformed"
	"github.com/rserpool/rserpool/sctp"
)

// What rsplib's registrar does not survive: that we must not forward to it.
func TestRspregistrarDies(t *testing.T) {
	t.Parallel()
	n := newByHand(t)
	s := n.stack(t, n.addr())
	t.Run("of a pool handle of 33 bytes", func(t *testing.T) {
		r := startRegistrarAt(t, r4, "doomed", asapDoomed, 0x1111)
		p := n.meet(t, s, r4.addr(), asapDoomed, 0, asap.PPID)
		b, err := asap.Marshal(&asap.HandleResolution{Handle: "123456789012345678901234567890123"})
		require.NoError(t, err)
		p.send(0, b)
		require.Eventually(t, func() bool { over, _ := r.ended(); return over }, 15*time.Second, 100*time.Millisecond)
	})
	// Messages that are nearly right: how many it takes is in the log. Ours survives the
	// same, see also TestMalformedMessages in registrar/core.
	t.Run("of what is nearly right", func(t *testing.T) {
		const count = 2000
		deaths, ends := 0, 0
		for first := 0; first < count; {
			r := startRegistrarAt(t, r4, "doomed", asapDoomed, 0x1111, "-loglevel=3")
			sent, e := throw(t, n, s, r4.addr(), asapDoomed, first, count, func() bool { over, _ := r.ended(); return over })
			first, ends = first+sent, ends+e
			if over, status := r.ended(); over {
				deaths++
				t.Logf("it died with status %s after %d messages: %s", status, first, lastLine(r.log()))
			} else {
				r.stop(t, "INT")
			}
		}
		t.Logf("rspregistrar: %d messages each to ASAP and ENRP, %d deaths, %d associations aborted", count, deaths, ends)
	})
	t.Run("ours does not", func(t *testing.T) {
		const count = 20_000
		reg := newByHand(t) // its errors quote what tshark calls malformed
		p := startNode(t, reg.name, bin("rserpool"), "registrar", "--listen", reg.addr(), "--profile", "rsplib", "--http", "off")
		p.await(t, "ready", 20*time.Second)
		dead := func() bool {
			select {
			case <-p.done:
				return true
			default:
				return false
			}
		}
		sent, ends := throw(t, n, s, reg.addr(), asapPort, 0, count, dead)
		require.Equal(t, count, sent)
		require.False(t, dead())
		u := n.meet(t, s, reg.addr(), asapPort, 0, asap.PPID)
		u.register("Serves", u.element(77, "RoundRobin"))
		t.Logf("ours: %d messages each to ASAP and ENRP, %d associations ended", count, ends)
	})
}

// lastLine is what a program said in the end.
func lastLine(log string) string {
	for _, line := range slices.Backward(strings.Split(log, "\n")) {
		if strings.Contains(line, "rror: ") || strings.Contains(line, "assertion") {
			return line
		}
	}
	return tail(log)
}

// throw sends messages that are nearly right to both ports of a registrar, from the
// first on, until there are no more or it is dead; it returns how many, and how often
// an association ended.
func throw(t *testing.T, n node, s *sctp.Stack, to string, asapAt, first, count int, dead func() bool) (sent, ends int) {
	t.Helper()
	enrpAt := asapAt + 1
	if asapAt == asapPort {
		enrpAt = enrpPort
	}
	src := malformed.New(1, netip.MustParseAddr(n.addr()))
	var a, e *partner
	defer func() {
		for _, p := range []*partner{a, e} {
			if p != nil {
				_ = p.a.Abort("enough")
			}
		}
	}()
	put := func(p **partner, port int, ppid uint32, b []byte) {
		for try := 0; ; try++ {
			if *p == nil {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				at := &sctp.Addr{IPs: parse([]string{to}), Port: uint16(port)}
				assoc, err := s.Dial(ctx, at, &sctp.Config{RTOInitial: 300 * time.Millisecond, RTOMin: 200 * time.Millisecond, MaxInitRetransmits: 2})
				cancel()
				if err != nil {
					return
				}
				*p = &partner{t: t, node: n, a: assoc, ppid: sctp.PPID(ppid), in: make(chan inbound, 1), ended: make(chan struct{})}
				go drop(*p)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			err := (*p).a.Send(ctx, &sctp.Message{PPID: sctp.PPID(ppid), Data: b})
			cancel()
			if err == nil || try > 0 {
				return
			}
			ends++
			*p = nil
		}
	}
	for i := range count {
		one, two := src.ASAP(), src.ENRP()
		if i < first {
			continue
		}
		put(&a, asapAt, asap.PPID, one)
		put(&e, enrpAt, enrp.PPID, two)
		sent++
		if i%50 == 49 {
			settle(a, e)
			if dead() {
				return sent, ends
			}
		}
	}
	time.Sleep(time.Second) // for what the last one does
	return sent, ends
}

// drop reads and forgets what comes.
func drop(p *partner) {
	defer close(p.ended)
	for {
		if _, err := p.a.ReceiveMessage(context.Background(), nil, 1<<16); err != nil {
			return
		}
	}
}

// settle waits until what was sent has arrived.
func settle(ps ...*partner) {
	for _, p := range ps {
		for range 500 {
			if p == nil || p.a.Buffered() == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}
