//go:build interop

package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// These are partners of registrars that say what the test wants: single ASAP and ENRP
// messages, well-formed or not, over our SCTP.

// r4 is a guest as r1 to r3 whose registrars the tests by hand share: each has its own
// SCTP ports, and none knows another.
var r4 = machine{"r4", 18}

// Numbers of the nodes whose packets checkcap.sh does not judge.
const byHandFrom, byHandTo = 21, 39

// newByHand reserves a node for partners that send nonsense, too.
func newByHand(t testing.TB) node {
	t.Helper()
	return reserve(t, byHandFrom, byHandTo)
}

// A partner is one association with a registrar or an element.
type partner struct {
	t    testing.TB
	node node
	a    *sctp.Association
	ppid sctp.PPID

	in    chan inbound  // what came, without the keep-alives
	ended chan struct{} // closed with the association
	why   error         // why it ended

	mu     sync.Mutex
	silent map[rserpool.PEID]bool // elements whose keep-alives are not answered
	alives []*asap.EndpointKeepAlive
}

// inbound is a message that came.
type inbound struct {
	stream sctp.StreamID
	bytes  []byte
}

// meet connects to a registrar by one address.
func (n node) meet(t testing.TB, s *sctp.Stack, to string, port, local int, ppid uint32) *partner {
	t.Helper()
	ctx := within(t, 30*time.Second)
	at := &sctp.Addr{IPs: parse([]string{to}), Port: uint16(port)}
	a, err := s.Dial(ctx, at, &sctp.Config{LocalPort: uint16(local), RTOInitial: 500 * time.Millisecond, RTOMin: 200 * time.Millisecond,
		SackDelay: -1})
	require.NoError(t, err)
	p := &partner{t: t, node: n, a: a, ppid: sctp.PPID(ppid), in: make(chan inbound, 20_000), ended: make(chan struct{}), silent: map[rserpool.PEID]bool{}}
	go p.receive()
	t.Cleanup(func() { _ = a.Abort("the test is over") })
	return p
}

// receive takes what comes and answers keep-alives.
func (p *partner) receive() {
	defer close(p.ended)
	for {
		m, err := p.a.ReceiveMessage(context.Background(), nil, 1<<16)
		if err != nil {
			p.why = err
			return
		}
		if p.ppid == sctp.PPID(asap.PPID) {
			if d, err := asap.Decode(m.Data); err == nil {
				if ka, ok := d.(*asap.EndpointKeepAlive); ok {
					p.acknowledge(ka)
					continue
				}
			}
		}
		p.in <- inbound{m.Stream, m.Data}
	}
}

func (p *partner) acknowledge(ka *asap.EndpointKeepAlive) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alives = append(p.alives, ka)
	if !p.silent[ka.PEID] {
		ack := &asap.EndpointKeepAliveAck{Handle: ka.Handle, PEID: ka.PEID}
		_ = p.a.TrySend(&sctp.Message{PPID: p.ppid, Data: ack.AppendTo(nil)})
	}
}

// keepAlives are the elements that were asked so far.
func (p *partner) keepAlives() (ids []rserpool.PEID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ka := range p.alives {
		ids = append(ids, ka.PEID)
	}
	return ids
}

// stopAnswering leaves the keep-alives of an element without answers.
func (p *partner) stopAnswering(id rserpool.PEID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent[id] = true
}

// send sends bytes.
func (p *partner) send(stream sctp.StreamID, b []byte) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(p.t, p.a.Send(ctx, &sctp.Message{Stream: stream, PPID: p.ppid, Data: b}))
}

// next waits for the next message.
func (p *partner) next() inbound {
	p.t.Helper()
	select {
	case m := <-p.in:
		return m
	case <-p.ended:
		require.NoError(p.t, p.why, "instead of an answer the association ended")
	case <-time.After(10 * time.Second):
		require.FailNow(p.t, "no answer")
	}
	return inbound{}
}

// askBytes sends bytes and waits for the next message.
func (p *partner) askBytes(b []byte) asap.Message {
	p.t.Helper()
	p.send(0, b)
	in := p.next()
	m, err := asap.Decode(in.bytes)
	require.NoError(p.t, err, "%x", in.bytes)
	return m
}

// ask sends a message and waits for the next one.
func (p *partner) ask(m asap.Message) asap.Message {
	p.t.Helper()
	b, err := asap.Marshal(m)
	require.NoError(p.t, err)
	return p.askBytes(b)
}

// over waits for the end of the association and returns why.
func (p *partner) over(limit time.Duration) error {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		require.FailNow(p.t, "the association lives on")
	}
	return p.why
}

// element is an element of the partner's.
func (p *partner) element(id rserpool.PEID, policy string) rserpool.PoolElement {
	p.t.Helper()
	pol, err := rserpool.ParsePolicy(policy)
	require.NoError(p.t, err)
	return rserpool.PoolElement{ID: id, Life: 60_000, Policy: pol,
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: parse([]string{p.node.addr()})}}
}

// register registers an element, which must be accepted.
func (p *partner) register(pool rserpool.PoolHandle, e rserpool.PoolElement) {
	p.t.Helper()
	r, ok := p.ask(&asap.Registration{Handle: pool, Element: e}).(*asap.RegistrationResponse)
	require.True(p.t, ok)
	require.False(p.t, r.Reject, "%v", r)
	require.Equal(p.t, pool, r.Handle)
	require.Equal(p.t, e.ID, r.PEID)
}

// refused registers an element and returns the cause of the rejection.
func (p *partner) refused(pool rserpool.PoolHandle, e rserpool.PoolElement) rserpool.CauseCode {
	p.t.Helper()
	r, ok := p.ask(&asap.Registration{Handle: pool, Element: e}).(*asap.RegistrationResponse)
	require.True(p.t, ok)
	require.True(p.t, r.Reject, "%v", r)
	require.Len(p.t, r.Causes, 1)
	return r.Causes[0].Code
}

// deregister takes an element out.
func (p *partner) deregister(pool rserpool.PoolHandle, id rserpool.PEID) {
	p.t.Helper()
	r, ok := p.ask(&asap.Deregistration{Handle: pool, PEID: id}).(*asap.DeregistrationResponse)
	require.True(p.t, ok)
	require.Empty(p.t, r.Causes)
}

// items is how many elements a resolution asks for; def leaves it to the registrar.
const def = -1

// resolve asks for a pool.
func (p *partner) resolve(pool rserpool.PoolHandle, items int) *asap.HandleResolutionResponse {
	p.t.Helper()
	q := &asap.HandleResolution{Handle: pool}
	if items != def {
		q.HasItems, q.Items = true, uint32(items)
	}
	r, ok := p.ask(q).(*asap.HandleResolutionResponse)
	require.True(p.t, ok)
	require.Equal(p.t, pool, r.Handle)
	return r
}

// order is the elements of an answer, as one digit each.
func order(r *asap.HandleResolutionResponse) string {
	var b strings.Builder
	for _, e := range r.Elements {
		fmt.Fprintf(&b, "%x", uint32(e.ID))
	}
	return b.String()
}

// orders are the answers to some resolutions.
func (p *partner) orders(pool rserpool.PoolHandle, count int) string {
	p.t.Helper()
	var all []string
	for range count {
		all = append(all, order(p.resolve(pool, def)))
	}
	return strings.Join(all, " ")
}

// gone waits until a pool has no elements.
func (p *partner) gone(pool rserpool.PoolHandle, limit time.Duration) {
	p.t.Helper()
	for end := time.Now().Add(limit); len(p.resolve(pool, def).Elements) > 0; time.Sleep(50 * time.Millisecond) {
		require.True(p.t, time.Now().Before(end), "%s has elements yet", pool)
	}
}

// errorOf is the cause of an ASAP_ERROR.
func errorOf(t testing.TB, m asap.Message) rserpool.Cause {
	t.Helper()
	e, ok := m.(*asap.Error)
	require.True(t, ok, "%v", m)
	require.Len(t, e.Causes, 1)
	return e.Causes[0]
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// startRegistrarAt starts rsplib's registrar in r4 with SCTP ports of its own, enrp =
// asap + 1, and waits for it.
func startRegistrarAt(t testing.TB, m machine, tag string, asapAt int, id uint32, more ...string) *peer {
	t.Helper()
	addr := netip.MustParseAddr(m.addr())
	return startRegistrarOn(t, m, tag, []netip.Addr{addr}, asapAt, id, more...)
}

func startRegistrarOn(t testing.TB, m machine, tag string, addrs []netip.Addr, asapAt int, id uint32, more ...string) *peer {
	t.Helper()
	at := func(port int) string {
		s := netip.AddrPortFrom(addrs[0], uint16(port)).String()
		for _, a := range addrs[1:] {
			s += "," + a.String()
		}
		return s
	}
	return launch(t, m, tag, append([]string{"rspregistrar", "-loglevel=4", "-logcolor=off", "-asap=" + at(asapAt), "-enrp=" + at(asapAt+1),
		fmt.Sprintf("-identifier=0x%08x", id), "-asapannounce=off", "-enrpannounce=off",
		"-peerheartbeatcycle=1000", "-peermaxtimelastheard=2500", "-peermaxtimenoresponse=1500", "-takeoverexpiryinterval=2000",
		"-mentordiscoverytimeout=2000", "-endpointkeepalivetransmissioninterval=1500", "-endpointkeepalivetimeoutinterval=1500"}, more...))
}

// ended reports whether the program has ended, and with which status.
func (p *peer) ended() (bool, string) {
	b, err := os.ReadFile(fmt.Sprintf("%s/run-%s/%s/%s.rc", os.Getenv("INTEROP_DIR"), os.Getenv("INTEROP_NS"), p.m.name, p.tag))
	return err == nil && len(b) > 0, strings.TrimSpace(string(b))
}

// requireAborted requires that an association ended by the other's ABORT.
func requireAborted(t testing.TB, err error) {
	t.Helper()
	var abort *sctp.AbortError
	require.ErrorAs(t, err, &abort)
}
