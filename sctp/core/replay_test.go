package core_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// A replay gives a core what a kernel or usrsctp sent in a capture, at the times of
// the capture, and plays its user: who dials, sends and ends when the capture says
// so. Tags and TSNs are those of the end that the core stands for. What cannot come
// out of a capture is put in: our cookie in place of the other's, and answers to our
// HEARTBEATs.
//
// Expected is that nothing the other end sent is dropped or answered by an ABORT.
// What we sent is golden: testdata/replay/NAME.golden shows it beside what the original
// sent in our place:
//
//	+0.001000 < what the other end sent
//	+0.001000 > what we sent
//	+0.001100 = what the original sent, if we did not or have not yet
//	+0.001200 ~ not given to us: the cable is out
//
// A replay ends where the other end acknowledges what we have not sent yet, because
// the original sent it sooner: what follows belongs to another story.

// replayCase is a capture and who we are in it.
type replayCase struct {
	name    string // of the golden file
	capture string
	we      []string // our addresses in the capture
	change  func(*core.Config)
	// mayDrop is what may be dropped, by the reason that the trace tells.
	mayDrop []string
	// readFrom is when our user begins to read, after the first packet.
	readFrom time.Duration
	// lost says that a packet of the capture did not reach us, or that ours do not
	// arrive, because a cable was out.
	lost func(since time.Duration, local netip.Addr) bool
	most int // golden lines; 0: all
}

var (
	replayServer = []string{"10.99.1.11", "10.99.2.11", "fd99:1::11"}
	replayClient = []string{"10.99.1.12", "10.99.2.12", "fd99:1::12"}
)

// quickKernel is the settings of the captures with two networks.
func quickKernel(c *core.Config) { c.HeartbeatInterval = time.Second }

func failoverKernel(c *core.Config) {
	c.HeartbeatInterval = time.Second
	c.RTOMin, c.RTOInitial, c.RTOMax, c.PathMaxRetrans = 200*time.Millisecond, 400*time.Millisecond, time.Second, 2
}

// replays is all of them. A SACK that was overtaken is old, and dropped.
var replays = []replayCase{
	{name: "basic-server", capture: "basic", we: replayServer},
	{name: "basic-client", capture: "basic", we: replayClient},
	// Window updates that come after our SHUTDOWN: RFC 9260 §6 has them discarded.
	{name: "fragments-server", capture: "fragments", we: replayServer, mayDrop: []string{"SACK in a state without data to acknowledge"}},
	{name: "fragments-client", capture: "fragments", we: replayClient},
	{name: "loss-server", capture: "loss", we: replayServer, mayDrop: []string{"old SACK"}, most: 250},
	{name: "loss-client", capture: "loss", we: replayClient, mayDrop: []string{"old SACK"}, most: 250},
	{name: "heartbeat-server", capture: "heartbeat", we: replayServer, change: quickKernel},
	{name: "heartbeat-client", capture: "heartbeat", we: replayClient, change: quickKernel},
	{name: "multihome-init-server", capture: "multihome-init", we: replayServer, change: quickKernel},
	{name: "multihome-init-client", capture: "multihome-init", we: replayClient, change: quickKernel},
	{name: "multihome-failover-server", capture: "multihome-failover", we: replayServer, change: failoverKernel},
	{name: "multihome-failover-client", capture: "multihome-failover", we: replayClient, change: failoverKernel,
		lost: func(since time.Duration, local netip.Addr) bool {
			return local == netip.MustParseAddr("10.99.1.12") && since > 3500*time.Millisecond && since < 10500*time.Millisecond
		}},
	{name: "restart-server", capture: "restart", we: replayServer},
	{name: "restart-client", capture: "restart", we: replayClient},
	{name: "zero-window-server", capture: "zero-window", we: replayServer, readFrom: 8 * time.Second,
		change: func(c *core.Config) { c.RecvBuffer = 8000 }},
	{name: "zero-window-client", capture: "zero-window", we: replayClient},
	{name: "abort-server", capture: "abort", we: replayServer},
	{name: "abort-client", capture: "abort", we: replayClient},
	{name: "ipv6-server", capture: "ipv6", we: replayServer},
	{name: "ipv6-client", capture: "ipv6", we: replayClient},
	{name: "native-server", capture: "native", we: replayServer},
	{name: "init-timeout-server", capture: "init-timeout", we: replayServer},
	{name: "init-timeout-client", capture: "init-timeout", we: replayClient},
	{name: "usrsctp-server", capture: "usrsctp-client", we: replayServer, most: 250},
	{name: "ecn-server", capture: "ecn", we: replayServer, most: 250},
	{name: "ecn-client", capture: "ecn", we: replayClient, most: 250},
}

func TestReplayOfCaptures(t *testing.T) {
	for _, c := range replays {
		t.Run(c.name, func(t *testing.T) {
			r := newReplay(t, &c)
			r.run()
			for _, why := range r.drops {
				require.Contains(t, c.mayDrop, why)
			}
			for _, as := range r.assocs {
				require.False(t, as.Err() != nil && !r.expected[as], "%v", as.Err())
			}
			r.golden("testdata/replay/" + c.name + ".golden")
		})
	}
}

// golden compares what happened with the file, or rewrites it.
func (r *replay) golden(file string) {
	lines := r.lines
	if r.c.most > 0 && len(lines) > r.c.most {
		lines = append(lines[:r.c.most:r.c.most], fmt.Sprintf("… and %d more", len(lines)-r.c.most))
	}
	for _, as := range r.assocs {
		s := as.Stats()
		lines = append(lines, fmt.Sprintf("end: %v err=%v out: %d bytes in %d DATA, %d again; in: %d bytes in %d DATA, %d twice",
			as.State(), as.Err(), s.BytesOut, s.DataOut, s.Retransmitted, s.BytesIn, s.DataIn, s.DuplicatesIn))
	}
	got := strings.Join(lines, "\n") + "\n"
	if flag.Lookup("update").Value.String() == "true" { // of internal/scenario
		require.NoError(r.t, os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(r.t, err)
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(lines) || line != lines[i] {
			have := "nothing"
			if i < len(lines) {
				have = lines[i]
			}
			require.True(r.t, line == "" && i == len(lines), "%s:%d:\nwant %s\nhave %s\nif this is as it should be: go test -run TestReplay ./sctp/core -update, and read the diff",
				file, i+1, line, have)
		}
	}
}

// cookieLen is what the size of our cookies shows in, which is no matter here.
var cookieLen = regexp.MustCompile(`(cookie|COOKIE-ECHO len)=[0-9]+`)

// sample is a packet of a capture.
type sample struct {
	at       time.Duration // since the first
	from, to netip.AddrPort
	pkt      wire.Packet
	ours     bool
	ecn      uint8
}

// replay is one that runs.
type replay struct {
	t        testing.TB
	c        *replayCase
	now      time.Time
	cfg      core.Config
	dice     *tape
	resp     *core.Responder
	listens  map[uint16]bool
	assocs   []*core.Association
	expected map[*core.Association]bool // may end with an error: the capture shows one
	samples  []sample
	homed    bool              // there is more than one network
	cookies  map[uint16][]byte // ours, by the peer's SCTP port
	began    map[wire.TSN]bool // messages of ours that were sent, by their first TSN
	echoes   []sample          // HEARTBEAT ACKs on their way to us
	sentTSN  map[*core.Association]wire.TSN
	lines    []string
	unseen   map[string]int // packets we sent that the original has not sent yet
	drops    []string
	buf      []byte
}

func newReplay(t testing.TB, c *replayCase) *replay {
	r := &replay{t: t, c: c, now: epoch, dice: &tape{seeded: newSeeded(3), forced: map[int]uint32{}}, listens: map[uint16]bool{}, expected: map[*core.Association]bool{},
		cookies: map[uint16][]byte{}, began: map[wire.TSN]bool{}, sentTSN: map[*core.Association]wire.TSN{}, unseen: map[string]int{}, buf: make([]byte, 0, 1<<16)}
	r.cfg = core.DefaultConfig()
	r.cfg.Rand = r.dice
	r.cfg.RecvBuffer = 106496 // Linux' default
	r.cfg.RTOInitial, r.cfg.HeartbeatInterval = 3*time.Second, 30*time.Second
	r.cfg.Trace = &core.Trace{Drop: func(why string) {
		r.drops = append(r.drops, why)
		r.say("!", "dropped: "+why)
	}}
	if c.change != nil {
		c.change(&r.cfg)
	}
	var err error
	r.resp, err = core.NewResponder(r.now, r.dice)
	require.NoError(t, err)
	r.samples = readCapture(t, "../wire/testdata/sctp-"+c.capture+".pcapng", c.we)
	for _, s := range r.samples {
		r.homed = r.homed || s.from.Addr() != r.samples[0].from.Addr() && s.from.Addr() != r.samples[0].to.Addr()
		if s.ours && s.pkt.First().Type() == wire.TypeInitAck {
			r.listens[s.pkt.SrcPort] = true
		}
	}
	return r
}

// run plays the capture to its end, and ten seconds more.
func (r *replay) run() {
	for i := range r.samples {
		s := &r.samples[i]
		r.until(epoch.Add(s.at))
		switch {
		case s.ours:
			r.user(i)
			r.original(s)
		case r.c.lost != nil && r.c.lost(s.at, s.to.Addr()):
			r.say("~", r.show(s.from, s.to, s.pkt))
		case !r.peer(i):
			r.say("~", "the end: we have not sent what this acknowledges: "+s.pkt.String())
			return
		}
	}
	r.until(r.now.Add(10 * time.Second))
}

// until lets time pass: timers, answers to HEARTBEATs, the reader.
func (r *replay) until(limit time.Time) {
	for {
		next := limit
		if len(r.echoes) > 0 && epoch.Add(r.echoes[0].at).Before(next) {
			next = epoch.Add(r.echoes[0].at)
		}
		for _, as := range r.assocs {
			if when, ok := as.NextTimeout(); ok && when.Before(next) {
				next = when
			}
		}
		if next.After(r.now) {
			r.now = next
		}
		if !r.now.Before(limit) {
			r.read()
			return
		}
		if len(r.echoes) > 0 && !epoch.Add(r.echoes[0].at).After(r.now) {
			e := r.echoes[0]
			r.echoes = r.echoes[1:]
			r.give(&e)
		}
		for _, as := range r.assocs {
			if when, ok := as.NextTimeout(); ok && !when.After(r.now) {
				as.HandleTimeout(r.now)
				r.drain(as)
			}
		}
		r.read()
	}
}

// read is our user reading.
func (r *replay) read() {
	if r.now.Sub(epoch) < r.c.readFrom {
		return
	}
	buf := make([]byte, 1<<16)
	for _, as := range r.assocs {
		for {
			if _, n, err := as.Receive(r.now, buf); err != nil || n == 0 {
				break
			}
		}
		r.drain(as)
	}
}

func (r *replay) drain(as *core.Association) {
	for {
		t, ok := as.PollTransmit(r.now, r.buf, 1)
		if !ok {
			break
		}
		r.sent(as, t)
	}
	for {
		if _, ok := as.PollEvent(); !ok {
			break
		}
	}
	require.NoError(r.t, as.Verify())
}

// show is a packet, and between which addresses it went if there are several.
func (r *replay) show(from, to netip.AddrPort, pkt wire.Packet) string {
	if !r.homed {
		return pkt.String()
	}
	src := from.Addr()
	if !src.IsValid() {
		src = r.source(to.Addr())
	}
	return fmt.Sprintf("%v>%v %v", src, to.Addr(), pkt)
}

// source is our address in the network of another.
func (r *replay) source(to netip.Addr) netip.Addr {
	for _, a := range r.c.we {
		if x := netip.MustParseAddr(a); x.Is4() && to.Is4() && x.As4()[2] == to.As4()[2] {
			return x
		}
	}
	return netip.MustParseAddr(r.c.we[0])
}

// say adds a line.
func (r *replay) say(mark, text string) {
	text = cookieLen.ReplaceAllString(text, "$1=*")
	r.lines = append(r.lines, fmt.Sprintf("+%.6f %s %s", r.now.Sub(epoch).Seconds(), mark, text))
}

// sent notes a packet of ours and answers its HEARTBEATs.
func (r *replay) sent(as *core.Association, t core.Transmit) {
	pkt := mustParse(r.t, slices.Clone(t.Data))
	text := r.show(netip.AddrPortFrom(t.Local, 9899), t.Remote, pkt)
	r.say(">", text)
	r.unseen[text]++
	src := t.Local
	if !src.IsValid() {
		src = r.source(t.Remote.Addr())
	}
	lost := r.c.lost != nil && r.c.lost(r.now.Sub(epoch), src)
	for c := range pkt.Chunks() {
		var d wire.Data
		var i wire.Init
		switch {
		case d.Decode(c) == nil:
			r.sentTSN[as] = d.TSN
		case i.Decode(c) == nil && i.HasCookie:
			r.cookies[pkt.DstPort] = slices.Clone(i.Cookie)
		case c.Type() == wire.TypeHeartbeat && !lost:
			b := wire.Header{SrcPort: pkt.DstPort, DstPort: pkt.SrcPort, VTag: as.LocalTag()}.AppendTo(nil)
			b = append(b, c.Bytes()...)
			b[wire.HeaderLen] = byte(wire.TypeHeartbeatAck)
			wire.SetChecksum(b)
			r.echoes = append(r.echoes, sample{at: r.now.Sub(epoch) + time.Millisecond, from: t.Remote, to: netip.AddrPortFrom(src, 9899), pkt: mustParse(r.t, b)})
		}
	}
}

// original notes what the original sent in our place, unless we did as well.
func (r *replay) original(s *sample) {
	text := r.show(s.from, s.to, s.pkt)
	if r.unseen[text] > 0 {
		r.unseen[text]--
		return
	}
	r.say("=", text)
}
