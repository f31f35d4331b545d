package sctp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rserpool/rserpool/internal/simnet"
	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/capture"
	"github.com/rserpool/rserpool/sctp/wire"
)

// event is a line of a trace.
type event map[string]any

// events decodes a trace; every line must be an object with time and kind.
func events(t *testing.T, b []byte) []event {
	t.Helper()
	var all []event
	for line := range bytes.Lines(b) {
		var e event
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		_, err := time.Parse(time.RFC3339Nano, e["time"].(string))
		require.NoError(t, err)
		require.NotEmpty(t, e["kind"])
		all = append(all, e)
	}
	return all
}

// of returns the events of a kind.
func of(all []event, kind string) []event {
	var some []event
	for _, e := range all {
		if e["kind"] == kind {
			some = append(some, e)
		}
	}
	return some
}

// The lines agree with the counters, from the first to the last packet of an
// association.
func TestTraceTellsTheStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		trace := sctp.NewJSONTrace(&out, &sctp.JSONTraceOptions{Buffer: 64 << 20})
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Loss: 0.1}, clientStack: sctp.StackConfig{Trace: trace},
			clientConfig: &sctp.Config{RTOMin: 100 * time.Millisecond}})
		go serveEcho(w.listener)
		c, err := w.client.Dial(t.Context(), w.addr(), w.cfg)
		require.NoError(t, err)
		for range 20 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Stream: 3, PPID: 77, Unordered: true, Data: make([]byte, 3000)}))
			receive(t, c)
		}
		id := c.Info().ID
		require.NoError(t, c.Shutdown(t.Context()))
		require.NoError(t, trace.Close())
		require.NoError(t, trace.Close(), "idempotent")
		require.Zero(t, trace.Dropped())
		st := c.Stats()
		all := events(t, out.Bytes())
		for _, e := range all {
			require.EqualValues(t, id, e["assoc"])
		}
		require.Equal(t, "open", all[0]["kind"])
		require.Equal(t, true, all[0]["dialed"])
		require.Equal(t, "192.0.2.2:5000", all[0]["remote"])
		var states []string
		for _, e := range of(all, "state") {
			states = append(states, e["from"].(string)+">"+e["to"].(string))
		}
		require.Equal(t, []string{"CLOSED>COOKIE-WAIT", "COOKIE-WAIT>COOKIE-ECHOED", "COOKIE-ECHOED>ESTABLISHED",
			"ESTABLISHED>SHUTDOWN-PENDING", "SHUTDOWN-PENDING>SHUTDOWN-SENT", "SHUTDOWN-SENT>CLOSED"}, states)
		require.Len(t, of(all, "in"), int(st.PacketsIn))
		require.Len(t, of(all, "out"), int(st.PacketsOut))
		require.Len(t, of(all, "rtx"), int(st.Retransmitted))
		require.Len(t, of(all, "t3"), int(st.T3Expirations))
		require.NotZero(t, st.Retransmitted)
		require.NotEmpty(t, of(all, "window"))
		for _, e := range of(all, "window") {
			for _, key := range []string{"path", "cwnd", "flight", "srtt_us", "rttvar_us", "rto_us", "pmtu"} {
				require.Contains(t, e, key)
			}
		}
		var data, sacks int
		for _, e := range of(all, "out") {
			require.Equal(t, "192.0.2.2:9899", e["peer"])
			for _, c := range e["chunks"].([]any) {
				c := event(c.(map[string]any))
				require.NotZero(t, c["len"])
				switch c["type"] {
				case "DATA":
					data++
					require.EqualValues(t, 77, c["ppid"])
					require.EqualValues(t, 3, c["stream"])
					require.Contains(t, c["flags"], "U")
					require.NotZero(t, c["bytes"])
				case "SACK":
					sacks++
					require.NotZero(t, c["cum"])
				}
			}
		}
		require.EqualValues(t, st.DataOut+st.Retransmitted, data)
		require.EqualValues(t, st.SacksOut, sacks)
		last := all[len(all)-1]
		require.Equal(t, "end", last["kind"])
		require.NotContains(t, last, "error")
		require.EqualValues(t, st.PacketsIn, last["packets_in"])
	})
}

// An association that comes in is traced from its first state on; one that fails says
// why; packets can be left out.
func TestTraceOfAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		trace := sctp.NewJSONTrace(&out, &sctp.JSONTraceOptions{OmitPackets: true})
		w := newWorld(t, worldOption{serverStack: sctp.StackConfig{Trace: trace}})
		c, s := w.pair()
		c2, s2 := w.pair()
		require.NoError(t, c.Abort("my reason"))
		require.NoError(t, c2.Close())
		time.Sleep(time.Second)
		require.NoError(t, trace.Close())
		all := events(t, out.Bytes())
		require.Empty(t, of(all, "in"))
		require.Empty(t, of(all, "out"))
		for _, a := range []*sctp.Association{s, s2} {
			var mine []event
			for _, e := range all {
				if e["assoc"] == float64(a.Info().ID) {
					mine = append(mine, e)
				}
			}
			require.Equal(t, "open", mine[0]["kind"])
			require.Equal(t, false, mine[0]["dialed"])
			require.Equal(t, "state", mine[1]["kind"])
			require.Equal(t, "ESTABLISHED", mine[1]["to"])
			require.Equal(t, "end", mine[len(mine)-1]["kind"])
		}
		ends := of(all, "end")
		require.Equal(t, "sctp: abort from peer: User-Initiated Abort", ends[0]["error"])
		require.NotContains(t, ends[1], "error")
		require.NotContains(t, out.String(), "my reason")
	})
}

// blockedWriter never returns.
type blockedWriter struct{ c chan struct{} }

func (w blockedWriter) Write(b []byte) (int, error) { <-w.c; return len(b), nil }

// Whoever reads the trace, or the capture, may be stuck: associations go on, and what
// is missing is counted.
func TestTraceAndCaptureNeverBlockTheStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		trace := sctp.NewJSONTrace(blockedWriter{stop}, &sctp.JSONTraceOptions{Buffer: 1000})
		head := make(chan struct{}, 1)
		head <- struct{}{} // the head of the file
		file, err := capture.NewWriter(blockedWriter{head}, &capture.Options{Buffer: 1000})
		require.NoError(t, err)
		w := newWorld(t, worldOption{clientStack: sctp.StackConfig{Trace: trace, Capture: file}})
		c, s := w.pair()
		for range 100 {
			require.NoError(t, c.Send(t.Context(), text("on")))
			require.Equal(t, "on", string(receive(t, s).Data))
		}
		require.Greater(t, trace.Dropped(), uint64(100))
		require.Greater(t, file.Dropped(), uint64(50))
		close(stop)
		close(head)
		require.NoError(t, trace.Close())
		require.NoError(t, file.Close())
	})
}

// diceRecorder remembers all random bytes that a stack drew. They follow from a seed:
// four of them are short enough to be found somewhere by chance, once in a while.
type diceRecorder struct {
	mu   sync.Mutex
	dice *rand.ChaCha8
	all  [][]byte
}

func (d *diceRecorder) Read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.dice.Read(b)
	d.all = append(d.all, bytes.Clone(b[:n]))
	return n, err
}

// spellings is how bytes may show up in text.
func spellings(b []byte) []string {
	all := []string{string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		strings.Trim(fmt.Sprint(b), "[]"), strings.Join(strings.Fields(strings.Trim(fmt.Sprint(b), "[]")), ",")}
	quoted := fmt.Sprintf("%q", b)
	all = append(all, quoted[1:len(quoted)-1])
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		if len(b) > 4 {
			all = append(all, e.EncodeToString(b)[:len(b)/3*4])
		}
	}
	switch len(b) {
	case 4:
		all = append(all, fmt.Sprint(binary.BigEndian.Uint32(b)), fmt.Sprintf("%#x", binary.BigEndian.Uint32(b)))
	case 8:
		all = append(all, fmt.Sprint(binary.BigEndian.Uint64(b)))
	}
	return all
}

// S2: with everything switched on that tells, at both ends of associations that open,
// lose packets, fail, restart and are attacked, nothing comes out that is secret: no tag,
// cookie, key or nonce, and no user data. A capture without Redact shows the wire and is
// not meant.
func TestS2LogsAndTracesHoldNoSecrets(t *testing.T) {
	const marker = "SeCrEt-UsEr-DaTa"
	var log, trace, redacted bytes.Buffer
	dice := diceRecorder{dice: rand.NewChaCha8([32]byte{1})}
	var wireTap recorder
	var state []byte
	synctest.Test(t, func(t *testing.T) {
		logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&log)), zapcore.DebugLevel))
		tracer := sctp.NewJSONTrace(&trace, &sctp.JSONTraceOptions{Buffer: 64 << 20})
		file, err := capture.NewWriter(&redacted, &capture.Options{Redact: true, Buffer: 64 << 20})
		require.NoError(t, err)
		cfg := sctp.StackConfig{Rand: &dice, Logger: logger, Trace: tracer, Capture: tee{file, &wireTap}}
		w := newWorld(t, worldOption{link: simnet.Link{Delay: delay, Loss: 0.05, Corrupt: 0.01}, clientStack: cfg, serverStack: cfg,
			clientConfig: &sctp.Config{LocalPort: 4000, Linger: -1}})
		c, s := w.pair()
		for range 50 {
			require.NoError(t, c.Send(t.Context(), &sctp.Message{Data: bytes.Repeat([]byte(marker), 200)}))
			receive(t, s)
			require.NoError(t, s.Send(t.Context(), text(marker)))
			receive(t, c)
		}
		time.Sleep(5 * time.Minute) // heartbeats, and new cookie keys
		state, err = json.Marshal([]any{w.client.Associations(), w.server.Associations(), w.client.Stats(), w.server.Stats()})
		require.NoError(t, err)
		w.restart()
		_, s2 := w.pair()
		require.NoError(t, s2.Abort(marker))
		_, err = w.client.Dial(t.Context(), &sctp.Addr{IPs: w.addr().IPs, Port: 99}, nil)
		require.Error(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, w.client.Close())
		require.NoError(t, w.server.Close())
		require.NoError(t, tracer.Close())
		require.NoError(t, file.Close())
	})
	// TSNs are drawn as well, but are no secret here: who watches needs them.
	known := map[uint32]bool{}
	secrets := map[string]string{marker: "user data", marker[:8]: "user data"}
	add := func(b []byte, what string) {
		if len(b) != 4 || !known[binary.BigEndian.Uint32(b)] {
			for _, s := range spellings(b) {
				secrets[s] = what
			}
		}
	}
	tags, cookies, nonces := 0, 0, 0
	var inits []wire.Init
	for _, p := range wireTap.all {
		pkt, err := wire.Parse(p.Data)
		if err != nil {
			continue
		}
		var i wire.Init
		if t := pkt.First().Type(); (t == wire.TypeInit || t == wire.TypeInitAck) && i.Decode(pkt.First()) == nil {
			known[uint32(i.InitialTSN)] = true
			inits = append(inits, i)
		}
	}
	for _, i := range inits {
		add(binary.BigEndian.AppendUint32(nil, uint32(i.InitiateTag)), "tag")
		tags++
		if i.HasCookie {
			add(i.Cookie[len(i.Cookie)-32:], "cookie")
			add(i.Cookie[:32], "cookie")
			cookies++
		}
	}
	for _, p := range wireTap.all {
		pkt, err := wire.Parse(p.Data)
		if err != nil {
			continue
		}
		for c := range pkt.Chunks() {
			var h wire.Heartbeat
			if c.Type() == wire.TypeHeartbeat && h.Decode(c) == nil {
				add(h.Info[:8], "nonce")
				nonces++
			}
		}
	}
	for _, b := range dice.all {
		if len(b) >= 4 {
			add(b, "random bytes")
		}
	}
	require.NotZero(t, tags*cookies*nonces)
	require.Contains(t, trace.String(), `"kind":"rtx"`)
	require.Contains(t, log.String(), "restarted")
	for name, out := range map[string][]byte{"log": log.Bytes(), "trace": trace.Bytes(), "redacted capture": redacted.Bytes(), "state": state} {
		require.NotEmpty(t, out, name)
		for s, what := range secrets {
			if bytes.Contains(out, []byte(s)) {
				i := bytes.Index(out, []byte(s))
				t.Fatalf("%s holds %s %q: …%q…", name, what, s, out[max(0, i-80):min(len(out), i+len(s)+20)])
			}
		}
	}
}

// tee is two sinks.
type tee struct{ one, two capture.Sink }

func (s tee) Capture(p capture.Packet) {
	s.one.Capture(p)
	s.two.Capture(p)
}

// Tracing costs no allocation for each packet.
func TestTraceDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	trace := sctp.NewJSONTrace(io.Discard, nil)
	defer trace.Close()
	ip := netip.MustParseAddr("127.0.0.1")
	s, err := sctp.NewStack(&sctp.StackConfig{ListenAddrs: []netip.Addr{ip}, Trace: trace})
	require.NoError(t, err)
	defer s.Close()
	l, err := s.Listen(nil, nil)
	require.NoError(t, err)
	go serveEcho(l)
	a, err := s.Dial(t.Context(), l.Addr().(*sctp.Addr), nil)
	require.NoError(t, err)
	buf := make([]byte, 100)
	turn := func() {
		if err := a.Send(t.Context(), text("0123456789")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Receive(t.Context(), buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 3000 {
		turn()
	}
	require.Less(t, testing.AllocsPerRun(1000, turn), 1.0)
}
