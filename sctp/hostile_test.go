package sctp_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
	"github.com/rserpool/rserpool/sctp/wire"
)

var attackerIP = netip.MustParseAddr("192.0.2.66")

// attacker writes packets by hand and reads the answers.
type attacker struct {
	t    *testing.T
	c    *simnet.Carrier
	in   chan wire.Packet
	port uint16 // SCTP port
}

func (w *world) attacker() *attacker {
	w.t.Helper()
	c, err := w.net.Host(attackerIP).Carrier(netip.AddrPortFrom(attackerIP, sctp.DefaultUDPPort))
	require.NoError(w.t, err)
	a := &attacker{t: w.t, c: c, in: make(chan wire.Packet, 100_000), port: 1}
	w.t.Cleanup(func() { _ = c.Close() })
	go func() {
		ds := make([]carrier.Datagram, 64)
		for {
			n, err := c.ReadBatch(ds)
			if err != nil {
				return
			}
			for _, d := range ds[:n] {
				for b := range d.Segments() {
					if p, err := wire.Parse(bytes.Clone(b)); err == nil {
						a.in <- p
					}
				}
			}
		}
	}()
	return a
}

// send sends one packet with the given chunks to the listener.
func (a *attacker) send(tag wire.VTag, chunks ...interface{ AppendTo([]byte) []byte }) {
	a.t.Helper()
	b := wire.Header{SrcPort: a.port, DstPort: testPort, VTag: tag}.AppendTo(nil)
	for _, c := range chunks {
		b = c.AppendTo(b)
	}
	wire.SetChecksum(b)
	_, err := a.c.WriteBatch([]carrier.Datagram{{Remote: netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort), Data: b}})
	require.NoError(a.t, err)
}

// next returns the next packet that comes in within a second of fake time.
func (a *attacker) next() (wire.Packet, bool) {
	select {
	case p := <-a.in:
		return p, true
	case <-time.After(time.Second):
		return wire.Packet{}, false
	}
}

func (a *attacker) init() *wire.Init {
	return &wire.Init{InitiateTag: 0x1234, ARwnd: 1 << 16, OutStreams: 10, InStreams: 10, InitialTSN: 100}
}

// cookie gets the tag and the cookie of the server.
func (a *attacker) cookie() (wire.VTag, *wire.CookieEcho) {
	a.t.Helper()
	a.send(0, a.init())
	for {
		p, ok := a.next()
		require.True(a.t, ok)
		if p.First().Type() != wire.TypeInitAck || p.DstPort != a.port {
			continue // an answer to something sent before
		}
		var ack wire.Init
		require.NoError(a.t, ack.Decode(p.First()))
		return ack.InitiateTag, &wire.CookieEcho{Cookie: ack.Cookie}
	}
}

// M1: handshakes that are aborted at every stage leave nothing behind.
func TestM1AbortedHandshakes(t *testing.T) {
	rounds := 10_000
	if testing.Short() || raceEnabled {
		rounds = 500
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			link:         simnet.Link{Delay: time.Millisecond},
			serverConfig: &sctp.Config{Backlog: 4},
			serverStack:  sctp.StackConfig{MaxReplyRate: 1 << 30},
		})
		a := w.attacker()
		data := &wire.Data{TSN: 100, Begin: true, End: true, Payload: []byte("hello")}
		stages := []func(){
			func() { a.send(0, a.init()) }, // INIT only
			func() { a.cookie() },          // cookie never echoed
			func() { tag, _ := a.cookie(); a.send(tag, &wire.Abort{}) },
			func() { tag, c := a.cookie(); a.send(tag, c); a.send(tag, &wire.Abort{}) },
			func() { tag, c := a.cookie(); a.send(tag, c, &wire.Abort{}) },
			func() { tag, c := a.cookie(); a.send(tag, c, data); a.send(tag, &wire.Abort{}) },
			func() { // in the middle of the shutdown
				tag, c := a.cookie()
				a.send(tag, c)
				a.send(tag, &wire.Shutdown{CumTSN: 0})
				a.send(tag, &wire.Abort{})
			},
			func() { // protocol violation: no user data
				tag, c := a.cookie()
				a.send(tag, c)
				a.send(tag, &wire.Data{TSN: 100, Begin: true, End: true})
				a.send(tag, &wire.Abort{})
			},
			func() { // the dialing end gives up
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				_, err := w.client.Dial(ctx, w.addr(), nil)
				require.Error(t, err)
			},
		}
		run := func(n int) {
			for i := range n {
				a.port = uint16(1 + i%60000)
				stages[i%len(stages)]()
				if i%len(stages) == 0 {
					time.Sleep(100 * time.Millisecond)
					for len(a.in) > 0 {
						<-a.in
					}
				}
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			for len(a.in) > 0 {
				<-a.in
			}
		}
		run(len(stages) * 10)
		goroutines, before := runtime.NumGoroutine(), heap()
		run(rounds)
		require.Greater(t, w.server.Stats().Accepted, int64(rounds/3), "the handshakes did complete")
		require.Zero(t, w.server.Stats().Associations)
		require.Zero(t, w.client.Stats().Associations)
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
		require.Less(t, heap()-before, 2<<20, "bytes left over")
		// The backlog is empty: it has room for honest peers.
		for range 4 {
			c, err := w.client.Dial(t.Context(), w.addr(), nil)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
	})
}

// M6: a reader that is slow closes the window of its peer; neither end holds more
// than its buffers, and nothing is lost.
func TestM6SlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 128 << 10
		cfg := &sctp.Config{RecvBuffer: buffer, SendBuffer: buffer}
		w := newWorld(t, worldOption{clientConfig: cfg, serverConfig: cfg})
		c, s := w.pair()
		var sent atomic.Int64
		go func() {
			for i := 0; ; i++ {
				m := &sctp.Message{Data: make([]byte, 1000), PPID: sctp.PPID(i)}
				if c.Send(context.Background(), m) != nil {
					return
				}
				sent.Add(1)
			}
		}()
		time.Sleep(10 * time.Minute) // nobody reads
		stuck := sent.Load()
		require.LessOrEqual(t, stuck*1000, int64(2*buffer+buffer/4))
		require.LessOrEqual(t, c.Buffered(), buffer)
		before := heap()
		time.Sleep(time.Hour)
		require.Equal(t, stuck, sent.Load())
		require.Less(t, heap()-before, 1<<20)
		require.Equal(t, 1, w.client.Stats().Associations, "zero window probes keep it alive (RFC 9260 §6.1 A)")
		for i := range 2000 {
			require.EqualValues(t, i, receive(t, s).PPID)
		}
	})
}

// M8: neither a goroutine nor a timer per chunk.
func TestM8NoGoroutinePerChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Loss: 0.02}})
		c, s := w.pair()
		base := runtime.NumGoroutine()
		var most atomic.Int64
		w.net.Observe(func(simnet.Event) { most.Store(max(most.Load(), int64(runtime.NumGoroutine()))) })
		go func() {
			for range 500 {
				_ = c.Send(context.Background(), &sctp.Message{Data: make([]byte, 10_000)})
			}
		}()
		for range 500 {
			receive(t, s)
		}
		// The sender, and timers that fire.
		require.LessOrEqual(t, most.Load(), int64(base+10))
	})
}

// V8, X6: packets out of the blue get the answer of RFC 9260 §8.4 or none, never
// more than one, and not more than MaxReplyRate a second.
func TestV8OutOfTheBlue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverStack: sctp.StackConfig{MaxReplyRate: 50}})
		a := w.attacker()
		answers := func() (got []wire.Packet) {
			time.Sleep(time.Second)
			for len(a.in) > 0 {
				got = append(got, <-a.in)
			}
			return got
		}
		data := &wire.Data{TSN: 1, Begin: true, End: true, Payload: []byte("x")}
		for name, c := range map[string]struct {
			chunk interface{ AppendTo([]byte) []byte }
			want  wire.ChunkType
			none  bool
		}{
			"DATA":              {chunk: data, want: wire.TypeAbort},
			"SACK":              {chunk: &wire.Sack{}, want: wire.TypeAbort},
			"HEARTBEAT":         {chunk: &wire.Heartbeat{Info: []byte("info")}, want: wire.TypeAbort},
			"SHUTDOWN":          {chunk: &wire.Shutdown{}, want: wire.TypeAbort},
			"SHUTDOWN ACK":      {chunk: &wire.ShutdownAck{}, want: wire.TypeShutdownComplete},
			"SHUTDOWN COMPLETE": {chunk: &wire.ShutdownComplete{}, none: true},
			"COOKIE ACK":        {chunk: &wire.CookieAck{}, none: true},
			"COOKIE ECHO":       {chunk: &wire.CookieEcho{Cookie: bytes.Repeat([]byte("junk"), 40)}, none: true},
			"ABORT":             {chunk: &wire.Abort{}, none: true},
			"ABORT T":           {chunk: &wire.Abort{T: true}, none: true},
		} {
			a.send(777, c.chunk)
			got := answers()
			if c.none {
				require.Empty(t, got, name)
				continue
			}
			require.Len(t, got, 1, name)
			require.Equal(t, c.want, got[0].First().Type(), name)
			require.EqualValues(t, 777, got[0].VTag, name)
			require.EqualValues(t, 1, got[0].First().Flags()&1, "%s: the tag is reflected", name)
		}
		for range 500 {
			a.send(777, data)
		}
		require.InDelta(t, 50, len(answers()), 2)
		require.NotZero(t, w.server.Stats().RateLimited)
		require.Zero(t, w.server.Stats().Associations)
	})
}

// C10: INITs cost no memory, and MaxInitRate bounds the answers.
func TestC10InitFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverStack: sctp.StackConfig{MaxInitRate: 100}})
		a := w.attacker()
		before := heap()
		for i := range 5000 {
			a.port = uint16(1 + i)
			a.send(0, a.init())
		}
		time.Sleep(time.Second)
		require.InDelta(t, 100, len(a.in), 5)
		for len(a.in) > 0 {
			<-a.in
		}
		require.Less(t, heap()-before, 1<<20)
		require.Zero(t, w.server.Stats().Associations)
	})
}

// P7, P12, P13: what is no SCTP packet is counted and dropped.
func TestMalformedPacketsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		a := w.attacker()
		raw := func(b []byte) {
			_, err := a.c.WriteBatch([]carrier.Datagram{{Remote: netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort), Data: b}})
			require.NoError(t, err)
		}
		good := (&wire.Data{Payload: []byte("x")}).AppendTo(wire.Header{SrcPort: 1, DstPort: testPort}.AppendTo(nil))
		wire.SetChecksum(good)
		for n := range len(good) {
			raw(good[:n])
		}
		zero := bytes.Clone(good)
		copy(zero[8:12], []byte{0, 0, 0, 0})
		raw(zero)
		noPort := bytes.Clone(good)
		noPort[0], noPort[1] = 0, 0
		wire.SetChecksum(noPort)
		raw(noPort)
		time.Sleep(time.Second)
		require.Empty(t, a.in)
		st := w.server.Stats()
		require.EqualValues(t, len(good)+2, st.Malformed+st.BadChecksum)
	})
}

// V1: packets with a wrong tag do nothing to an association; V2: an ABORT needs the
// right one.
func TestV1WrongTagsDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		c, s := w.pair()
		forge := func(tag wire.VTag, chunk interface{ AppendTo([]byte) []byte }) {
			b := wire.Header{SrcPort: c.LocalAddr().(*sctp.Addr).Port, DstPort: testPort, VTag: tag}.AppendTo(nil)
			b = chunk.AppendTo(b)
			wire.SetChecksum(b)
			// Blind injection: the address of the peer is forged as well.
			w.net.Send(time.Now(), netip.AddrPortFrom(clientIP, sctp.DefaultUDPPort),
				carrier.Datagram{Remote: netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort), Data: b})
		}
		for tag := wire.VTag(1); tag < 500; tag++ {
			for _, chunk := range []interface{ AppendTo([]byte) []byte }{
				&wire.Abort{}, &wire.Abort{T: true}, &wire.ShutdownComplete{}, &wire.Shutdown{}, &wire.Sack{},
				&wire.Data{TSN: 1, Begin: true, End: true, Payload: []byte("forged")},
			} {
				forge(tag, chunk)
			}
		}
		time.Sleep(time.Second)
		require.NoError(t, c.Send(t.Context(), text("true")))
		require.Equal(t, "true", string(receive(t, s).Data))
	})
}

// rawChunk is a chunk as bytes.
type rawChunk []byte

func (c rawChunk) AppendTo(b []byte) []byte { return append(b, c...) }

// P9: an unknown chunk whose type asks for a report is answered by one ERROR, which
// the application of the peer can learn of (RFC 9260 §3.2, §11.2.6).
func TestP9UnknownChunkIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Events: sctp.EventRemote}})
		var tag atomic.Uint32 // of the server
		w.net.Observe(func(e simnet.Event) {
			if p, err := wire.Parse(e.Packet.Data); err == nil && p.DstPort == testPort && p.VTag != 0 {
				tag.Store(uint32(p.VTag))
			}
		})
		c, s := w.pair()
		b := wire.Header{SrcPort: c.LocalAddr().(*sctp.Addr).Port, DstPort: testPort, VTag: wire.VTag(tag.Load())}.AppendTo(nil)
		for range 100 {
			b = rawChunk{0xfe, 0, 0, 4}.AppendTo(b) // skip and report
		}
		wire.SetChecksum(b)
		w.net.Send(time.Now(), netip.AddrPortFrom(clientIP, sctp.DefaultUDPPort),
			carrier.Datagram{Remote: netip.AddrPortFrom(serverIP, sctp.DefaultUDPPort), Data: b})
		ev, err := c.NextEvent(t.Context())
		require.NoError(t, err)
		causes := ev.(sctp.RemoteError).Causes
		require.NotEmpty(t, causes)
		require.Equal(t, wire.CauseUnrecognizedChunk, causes[0].Code)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.NextEvent(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "one ERROR for all of them")
		require.NoError(t, c.Send(t.Context(), text("unharmed")))
		require.Equal(t, "unharmed", string(receive(t, s).Data))
	})
}

// flaky is a carrier whose system calls fail now and then.
type flaky struct {
	carrier.Carrier
	reads, writes atomic.Int64
}

var errFlaky = errors.New("no buffer space available")

func (f *flaky) ReadBatch(ds []carrier.Datagram) (int, error) {
	if f.reads.Add(1)%3 == 0 {
		return 0, errFlaky
	}
	return f.Carrier.ReadBatch(ds)
}

func (f *flaky) WriteBatch(ds []carrier.Datagram) (int, error) {
	if f.writes.Add(1)%5 == 0 {
		return 0, errFlaky
	}
	return f.Carrier.WriteBatch(ds)
}

// S4: errors of the network are not fatal.
func TestS4ErrorsOfTheCarrierAreNotFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{})
		ip := netip.MustParseAddr("192.0.2.3")
		inner, err := w.net.Host(ip).Carrier(netip.AddrPortFrom(ip, sctp.DefaultUDPPort))
		require.NoError(t, err)
		f := &flaky{Carrier: inner}
		stack, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{f}})
		require.NoError(t, err)
		go serveEcho(w.listener)
		c, err := stack.Dial(t.Context(), w.addr(), nil)
		require.NoError(t, err)
		data := bytes.Repeat([]byte("data"), 50_000)
		require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: data}))
		require.True(t, bytes.Equal(data, receive(t, c).Data))
		require.NotZero(t, stack.Stats().SendErrors)
		require.NotZero(t, stack.Stats().ReadErrors)
		require.NoError(t, c.Close())
		require.NoError(t, stack.Close())
	})
}

// S2: logs hold neither keys, cookies and tags nor user data.
func TestS2LogsHoldNoSecrets(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	sink := zapcore.Lock(zapcore.AddSync(&log))
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), sink, zapcore.DebugLevel))
	var secrets []string
	secret := func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		secrets = append(secrets, string(b), hex.EncodeToString(b))
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{
			clientStack: sctp.StackConfig{Logger: logger}, serverStack: sctp.StackConfig{Logger: logger},
			clientConfig: &sctp.Config{AssociationMaxRetrans: 2, Linger: -1, LocalPort: 4000},
		})
		w.net.Observe(func(e simnet.Event) {
			p, err := wire.Parse(e.Packet.Data)
			if err != nil {
				return
			}
			for c := range p.Chunks() {
				if c.Type() == wire.TypeCookieEcho {
					secret(c.Value())
					secret(fmt.Append(nil, uint32(p.VTag)))
				}
			}
		})
		c, s := w.pair()
		secret([]byte("user data"))
		require.NoError(t, c.Send(t.Context(), text("user data")))
		receive(t, s)
		w.restart()
		w.pair()
		w.cut()
		_ = c.Send(t.Context(), text("user data"))
		time.Sleep(time.Hour)
	})
	require.NotEmpty(t, log.String())
	require.Greater(t, len(secrets), 4)
	for _, s := range secrets {
		require.NotContains(t, log.String(), s)
	}
	require.Contains(t, log.String(), "restarted")
}

// R4: a user who does not read anything, or closes from many places, blocks nobody
// else on the stack.
func TestR4OneStuckAssociationBlocksNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{serverConfig: &sctp.Config{RecvBuffer: 4096}, clientConfig: &sctp.Config{SendBuffer: 4096}})
		stuck, _ := w.pair()
		for range 10 {
			go stuck.Send(context.Background(), &sctp.Message{Data: make([]byte, 4000)})
		}
		time.Sleep(time.Minute)
		c, s := w.pair()
		go echo(s)
		for i := range 100 {
			require.NoError(t, c.Send(t.Context(), text(fmt.Sprint(i))))
			require.Equal(t, fmt.Sprint(i), string(receive(t, c).Data))
		}
	})
}

// R1: Close, Abort, packets and timers at the same instant.
func TestR1EndsAtTheSameInstant(t *testing.T) {
	rounds := 300
	if testing.Short() || raceEnabled {
		rounds = 60
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{clientConfig: &sctp.Config{Linger: delay}, serverConfig: &sctp.Config{Linger: delay}})
		for i := range rounds {
			c, s := w.pair()
			_ = c.Send(t.Context(), text("in flight"))
			_ = s.Send(t.Context(), text("too"))
			time.Sleep(time.Duration(i%11) * time.Millisecond)
			var wg sync.WaitGroup
			for _, a := range []*sctp.Association{c, s} {
				for _, end := range []func(){
					func() { _ = a.Close() },
					func() { _ = a.Abort("now") },
					func() {
						ctx, cancel := context.WithTimeout(context.Background(), delay)
						defer cancel()
						_ = a.Shutdown(ctx)
					},
					func() { _, _ = a.Receive(context.Background(), make([]byte, 10)) },
					func() { _ = a.Send(context.Background(), text("late")) },
				} {
					wg.Go(end)
				}
			}
			wg.Wait()
		}
		time.Sleep(time.Minute)
		require.Zero(t, w.client.Stats().Associations)
		require.Zero(t, w.server.Stats().Associations)
	})
}

// R2: every method at once.
func TestR2EverythingAtOnce(t *testing.T) {
	rounds := 20
	if testing.Short() || raceEnabled {
		rounds = 5
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{link: simnet.Link{Delay: time.Millisecond, Loss: 0.01}, clientConfig: &sctp.Config{Events: sctp.EventAll}})
		for range rounds {
			c, s := w.pair()
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(context.Background())
			forever := func(f func() error) {
				wg.Go(func() {
					for ctx.Err() == nil {
						if err := f(); errors.Is(err, net.ErrClosed) {
							return
						}
						time.Sleep(time.Millisecond / 4)
					}
				})
			}
			for _, a := range []*sctp.Association{c, s} {
				st, err := a.Stream(3)
				require.NoError(t, err)
				conn := a.Conn()
				buf := make([]byte, 2000)
				forever(func() error { return a.Send(ctx, &sctp.Message{Stream: 3, Data: buf}) })
				forever(func() error { return a.TrySend(&sctp.Message{Stream: 5, Unordered: true, Data: buf[:10]}) })
				forever(func() error { _, err := a.ReceiveMessage(ctx, make([]byte, 100), 1<<20); return err })
				forever(func() error { _, err := st.Read(make([]byte, 100)); return err })
				forever(func() error { _, err := conn.Write(buf[:100]); return err })
				forever(func() error { return conn.SetDeadline(time.Now().Add(time.Millisecond)) })
				forever(func() error { st, err := a.OpenStream(); return errors.Join(err, closeStream(st)) })
				forever(func() error { st, err := a.AcceptStream(ctx); return errors.Join(err, closeStream(st)) })
				forever(func() error { _, err := a.NextEvent(ctx); return err })
				forever(func() error {
					a.Stats()
					a.Paths()
					a.Buffered()
					a.LocalAddr()
					a.RemoteAddr()
					w.server.Stats()
					return a.TrySend(text("x"))
				})
			}
			time.Sleep(50 * time.Millisecond)
			wg.Go(func() { _ = c.Close() })
			wg.Go(func() { _ = s.Close() })
			time.Sleep(10 * time.Second)
			cancel()
			wg.Wait()
		}
		time.Sleep(time.Minute)
		require.Zero(t, w.client.Stats().Associations)
		require.Zero(t, w.server.Stats().Associations)
	})
}

func closeStream(s *sctp.Stream) error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// Dial, Accept and Close of a stack meet in all orders.
func TestStackCloseRacesWithDials(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOption{})
			go serveEcho(w.listener)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					a, err := w.client.Dial(context.Background(), w.addr(), nil)
					if err == nil {
						_ = a.Send(context.Background(), text("x"))
						_ = a.Close()
					}
				})
			}
			time.Sleep(12 * time.Millisecond)
			wg.Go(func() { _ = w.client.Close() })
			_ = w.client.Close()
			wg.Wait()
			require.Zero(t, w.client.Stats().Associations)
		})
	}
}

func TestStringsOfErrors(t *testing.T) {
	for want, err := range map[string]error{
		"sctp: peer unreachable":            sctp.ErrUnreachable,
		"sctp: shutdown timed out":          sctp.ErrShutdownTimeout,
		"sctp: peer restarted":              sctp.ErrRestarted,
		"sctp: abort":                       &sctp.AbortError{Local: true},
		"sctp: abort from peer":             &sctp.AbortError{},
		"sctp: association was shut down":   sctp.ErrShutdown,
		"sctp: association reset by peer":   sctp.ErrReset,
		"sctp: an association with this":    sctp.ErrAssociationExists,
		"sctp: all streams are in use":      sctp.ErrNoStream,
		"sctp: send buffer full":            sctp.ErrWouldBlock,
		"sctp: message too large":           sctp.ErrMessageTooLarge,
		"sctp: not an address of the stack": sctp.ErrNotLocal,
		"sctp: no free port":                sctp.ErrNoPort,
		"sctp: port is in use":              sctp.ErrPortInUse,
		"sctp: too many associations":       sctp.ErrTooManyAssociations,
		"sctp: empty message":               sctp.ErrEmptyMessage,
		"sctp: invalid stream":              sctp.ErrInvalidStream,
	} {
		require.True(t, strings.HasPrefix(err.Error(), want), err.Error())
	}
	require.True(t, errors.Is(&sctp.AbortError{}, sctp.ErrReset))
	require.False(t, errors.Is(&sctp.AbortError{Local: true}, sctp.ErrReset))
	require.Nil(t, (&sctp.AbortError{}).Reason())
}
