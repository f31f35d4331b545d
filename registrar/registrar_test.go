package registrar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// running is a registrar that serves on loopback, on a UDP port of its own.
type running struct {
	*registrar.Registrar
	stop func()
}

// stack opens a stack on 127.0.0.1 and any UDP port.
func stack(t testing.TB) *sctp.Stack {
	t.Helper()
	a, err := sctp.ParseListenAddr("127.0.0.1@0")
	require.NoError(t, err)
	s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: a.IPs})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// start runs registrars that know each other, with the profile fast; identifiers are 1,
// 2, …
func start(t testing.TB, n int) []*running {
	t.Helper()
	return startWith(t, n, core.ProfileFast)
}

// startWith is start with another profile: with default, what waits for a processor is not
// taken for dead.
func startWith(t testing.TB, n int, p core.Profile) []*running {
	t.Helper()
	stacks := make([]*sctp.Stack, n)
	var peers []string
	for i := range stacks {
		stacks[i] = stack(t)
		peers = append(peers, fmt.Sprintf("127.0.0.1:9901@%d", stacks[i].UDPPort()))
	}
	out := make([]*running, n)
	for i := range out {
		r, err := registrar.New(&registrar.Config{ID: rserpool.RegistrarID(i + 1), Peers: peers, Profile: p, Stack: stacks[i]})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		stopped := false
		out[i] = &running{r, func() {
			if !stopped {
				stopped = true
				cancel()
				require.NoError(t, <-done)
			}
		}}
		t.Cleanup(func() { _ = r.Close(); out[i].stop() })
	}
	for _, r := range out {
		select {
		case <-r.Ready():
		case <-time.After(20 * time.Second):
			require.Fail(t, "not ready")
		}
	}
	return out
}

// client is an ASAP association by hand.
type client struct {
	t testing.TB
	a *sctp.Association
}

func (r *running) dial(t testing.TB) *client {
	t.Helper()
	addr, _ := r.Addrs()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	a, err := stack(t).Dial(ctx, addr, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return &client{t, a}
}

func (c *client) send(m asap.Message) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(c.t, c.a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: m.AppendTo(nil)}))
}

// await acknowledges keep-alives until another message comes.
func (c *client) await() asap.Message {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		m, err := c.a.ReceiveMessage(ctx, nil, 1<<16)
		require.NoError(c.t, err)
		require.Equal(c.t, sctp.PPID(asap.PPID), m.PPID)
		got, err := asap.Decode(m.Data)
		require.NoError(c.t, err)
		k, ok := got.(*asap.EndpointKeepAlive)
		if !ok {
			return got
		}
		c.send(&asap.EndpointKeepAliveAck{Handle: k.Handle, PEID: k.PEID})
	}
}

func element(id rserpool.PEID) rserpool.PoolElement {
	return rserpool.PoolElement{ID: id, Life: 60, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7, Use: rserpool.UseDataControl, Addrs: loopback(), UDPPort: 4711}}
}

func get(t testing.TB, h http.Handler, path string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	b, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return w.Code, string(b), w.Header()
}

func TestRegistrationReachesAllRegistrars(t *testing.T) { // RFC 5353 §3.4
	rs := startWith(t, 3, core.ProfileDefault)
	c := rs[0].dial(t).stayAlive()
	resp := c.ask(&asap.Registration{Handle: "pool", Element: element(0xa1)}).(*asap.RegistrationResponse)
	require.False(t, resp.Reject)
	for i, r := range rs {
		require.Eventually(t, func() bool {
			s := r.Snapshot()
			return len(s.Pools) == 1 && len(s.Pools[0].Elements) == 1
		}, 20*time.Second, 10*time.Millisecond, "registrar %d", i+1)
		q := r.dial(t)
		q.send(&asap.HandleResolution{Handle: "pool"})
		a := q.await().(*asap.HandleResolutionResponse)
		require.Len(t, a.Elements, 1)
		require.Equal(t, rserpool.PEID(0xa1), a.Elements[0].ID)
		require.Equal(t, uint16(4711), a.Elements[0].User.UDPPort, "the UDP port travels along")
	}
	checksums := map[uint16]bool{}
	for _, r := range rs[1:] {
		for _, p := range r.Snapshot().Peers {
			if p.ID == 1 {
				checksums[p.Checksum] = true
			}
		}
	}
	require.Equal(t, map[uint16]bool{rs[0].Snapshot().Checksum: true}, checksums)
}

func TestDeadElementIsRemovedInASecond(t *testing.T) { // RFC 5352 §3.5
	rs := start(t, 2)
	c := rs[0].dial(t).stayAlive()
	c.ask(&asap.Registration{Handle: "pool", Element: element(0xa1)})
	require.Eventually(t, func() bool { return len(rs[1].Snapshot().Pools) == 1 }, 20*time.Second, 10*time.Millisecond)
	c.hush() // it answers no keep-alive any more
	begin := time.Now()
	require.Eventually(t, func() bool {
		return len(rs[0].Snapshot().Pools) == 0 && len(rs[1].Snapshot().Pools) == 0
	}, 20*time.Second, 10*time.Millisecond)
	t.Logf("removed after %v", time.Since(begin))
}

func TestTwoRegistrarsTakeOver(t *testing.T) { // RFC 5353 §3.5, without a third to acknowledge
	rs := start(t, 2)
	c := rs[0].dial(t).stayAlive()
	c.ask(&asap.Registration{Handle: "pool", Element: element(0xa1)})
	require.Eventually(t, func() bool { return len(rs[1].Snapshot().Pools) == 1 }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, rs[0].Close())
	require.Eventually(t, func() bool {
		s := rs[1].Snapshot()
		return s.Stats.TakeoversWon == 1 || len(s.Pools) == 1 && s.Pools[0].Elements[0].Home == 2
	}, 20*time.Second, 10*time.Millisecond)
}

func TestWrongPayloadProtocolEndsTheAssociation(t *testing.T) { // RFC 5352 §8
	c := start(t, 1)[0].dial(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, c.a.Send(ctx, &sctp.Message{PPID: 12, Data: []byte{1, 0, 0, 4}}))
	_, err := c.a.Receive(ctx, make([]byte, 100))
	var e *sctp.AbortError
	require.ErrorAs(t, err, &e)
}

func TestStatusAndMetrics(t *testing.T) {
	rs := startWith(t, 2, core.ProfileDefault)
	c := rs[0].dial(t).stayAlive()
	hostile := rserpool.PoolHandle("<script>alert(1)</script>\xff")
	c.ask(&asap.Registration{Handle: hostile, Element: element(0xa1)})
	h := rs[0].Handler()
	code, body, header := get(t, h, "/")
	require.Equal(t, 200, code)
	require.Contains(t, body, "<title>Registrar 0x00000001</title>")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	code, body, _ = get(t, h, "/api/status")
	require.Equal(t, 200, code)
	var s registrar.Status
	require.NoError(t, json.Unmarshal([]byte(body), &s))
	require.Equal(t, "0x00000001", s.Registrar.ID)
	require.Len(t, s.Peers, 1)
	require.Equal(t, "RoundRobin", s.Pools[0].Policy)
	require.Equal(t, "0x000000a1", s.Pools[0].Elements[0].ID)
	require.Equal(t, uint16(4711), s.Pools[0].Elements[0].Transports[0].UDPPort)
	for _, name := range []string{`"registrar"`, `"uptime_s"`, `"last_heard_s"`, `"udp_port"`} {
		require.Contains(t, body, name)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		code, _, _ = get(t, h, path)
		require.Equal(t, 200, code, path)
	}
	code, _, _ = get(t, h, "/nothing")
	require.Equal(t, 404, code)
	rs[0].stop()
	code, _, _ = get(t, h, "/readyz")
	require.Equal(t, 503, code)
}

func loopback() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }
