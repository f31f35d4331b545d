package core_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// everyChunk is one valid chunk of each type of RFC 9260.
func everyChunk(tsn wire.TSN) map[string]appender {
	return map[string]appender{
		"DATA":              &wire.Data{TSN: tsn, Begin: true, End: true, Payload: []byte("evil")},
		"INIT ACK":          &wire.Init{Ack: true, InitiateTag: 9, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true},
		"SACK":              &wire.Sack{CumTSN: tsn, ARwnd: 0},
		"HEARTBEAT":         &wire.Heartbeat{Info: []byte("12345678")},
		"HEARTBEAT ACK":     &wire.Heartbeat{Ack: true, Info: []byte("123456789012")},
		"ABORT":             &wire.Abort{},
		"ABORT T":           &wire.Abort{T: true},
		"SHUTDOWN":          &wire.Shutdown{CumTSN: tsn},
		"SHUTDOWN ACK":      &wire.ShutdownAck{},
		"ERROR":             &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 5)},
		"COOKIE ECHO":       &wire.CookieEcho{Cookie: make([]byte, 200)},
		"COOKIE ACK":        &wire.CookieAck{},
		"SHUTDOWN COMPLETE": &wire.ShutdownComplete{},
		"unknown 0x3f":      rawChunk{0x3f, 0, 0, 4},
		"unknown 0xff":      rawChunk{0xff, 0, 0, 4},
	}
}

func TestV1WrongTagChangesNothing(t *testing.T) { // RFC 9260 §8.5
	for name, c := range everyChunk(1) {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, nil)
			for _, tag := range []wire.VTag{0, 1, v.as.LocalTag() + 1, v.as.LocalTag() ^ 0x80000000, v.as.PeerTag()} {
				if tag == v.as.PeerTag() && name == "ABORT T" {
					continue // the one right use of the peer's tag: V2
				}
				before := v.as.Stats()
				out := v.inject(tag, c)
				require.Empty(t, out, "tag %#x", tag)
				after := v.as.Stats()
				require.Equal(t, before.Dropped+1, after.Dropped)
			}
			v.alive()
		})
	}
}

func TestV1WrongTagInEveryState(t *testing.T) {
	states := map[string]func(*victim){
		"SHUTDOWN-PENDING": func(v *victim) {
			require.NoError(v.t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("held back")))
			require.NoError(v.t, v.as.Shutdown(v.w.now))
		},
		"SHUTDOWN-SENT":     func(v *victim) { require.NoError(v.t, v.as.Shutdown(v.w.now)) },
		"SHUTDOWN-ACK-SENT": func(v *victim) { v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1}) },
		"SHUTDOWN-RECEIVED": func(v *victim) {
			require.NoError(v.t, v.as.Send(v.w.now, &core.Outgoing{}, []byte("held back")))
			v.inject(v.as.LocalTag(), &wire.Shutdown{CumTSN: v.b.firstTSN - 1})
		},
	}
	for state, enter := range states {
		t.Run(state, func(t *testing.T) {
			v := attacked(t, nil)
			enter(v)
			v.b.drain(v.as)
			require.Equal(t, state, v.as.State().String())
			for name, c := range everyChunk(1) {
				require.Empty(t, v.inject(v.as.LocalTag()+1, c), name)
				require.Equal(t, state, v.as.State().String(), name)
			}
		})
	}
	for _, state := range []core.State{core.CookieWait, core.CookieEchoed} {
		t.Run(state.String(), func(t *testing.T) {
			w, a, b := two(t, 5, nil)
			a.dial(b)
			w.until(1e9, "state", func() bool { return a.only().State() == state })
			before := a.sent
			for name, c := range everyChunk(1) {
				if name == "SHUTDOWN ACK" {
					continue // §8.5.1 E: answered as out of the blue whatever its tag
				}
				a.receive(addrB, packetTo(5001, 5000, a.only().LocalTag()+1, c))
				require.Equal(t, state, a.only().State(), name)
			}
			require.Equal(t, before, a.sent)
			w.until(30e9, "established", func() bool { return a.only().State() == core.Established })
		})
	}
}

func TestV2AbortTags(t *testing.T) { // RFC 9260 §8.5.1 B
	for _, own := range []bool{true, false} {
		for _, reflected := range []bool{true, false} {
			t.Run(fmt.Sprintf("own tag %v T %v", own, reflected), func(t *testing.T) {
				v := attacked(t, nil)
				tag := v.as.PeerTag()
				if own {
					tag = v.as.LocalTag()
				}
				require.Empty(t, v.inject(tag, &wire.Abort{T: reflected}), "an ABORT is never answered")
				if own != reflected {
					require.Equal(t, core.Closed, v.as.State())
					var e *core.AbortError
					require.ErrorAs(t, v.as.Err(), &e)
					require.False(t, e.Local)
				} else {
					v.alive()
				}
			})
		}
	}
}

func TestV3OffPathGarbageIsIgnored(t *testing.T) { // CVE-2021-3772
	v := attacked(t, nil)
	for i := range 200 {
		tag := v.as.LocalTag() + wire.VTag(i) + 1
		v.inject(tag, &wire.Abort{})
		v.inject(tag, &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseOutOfResource)})
		v.inject(tag, rawChunk{0, 3, 0, 4})
		v.inject(tag, rawChunk{6, 0, 0, 9, 1, 2, 3, 4, 5, 0, 0, 0})
	}
	v.alive()
}

func TestV4InitWithATagIsDropped(t *testing.T) { // RFC 9260 §8.5.1 A
	i := &wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1, InitialTSN: 1}
	v := attacked(t, nil)
	require.Empty(t, v.inject(v.as.LocalTag(), i))
	require.Empty(t, v.inject(5, i))
	v.alive()
	w, _, b := two(t, 1, nil)
	b.receive(addrA, packetTo(5000, 5001, 9, i))
	require.Zero(t, b.sent)
	_ = w
}

func TestV4InitAckWithTagZeroEndsTheAttempt(t *testing.T) { // RFC 9260 §3.3.3
	w, a, b := two(t, 1, nil)
	as := a.dial(b)
	before := a.sent
	a.receive(addrB, packetTo(5001, 5000, as.LocalTag(), &wire.Init{Ack: true, ARwnd: 65536, OutStreams: 1, InStreams: 1, Cookie: []byte("c"), HasCookie: true}))
	require.Equal(t, core.Closed, as.State())
	require.Error(t, as.Err())
	require.LessOrEqual(t, a.sent-before, 1)
	_ = w
}

func TestV5UnusableInit(t *testing.T) { // RFC 9260 §3.3.2
	good := wire.Init{InitiateTag: 7, ARwnd: 65536, OutStreams: 1, InStreams: 1, InitialTSN: 1}
	for name, c := range map[string]struct {
		change func(*wire.Init)
		abort  bool
	}{
		"tag 0":         {func(i *wire.Init) { i.InitiateTag = 0 }, false}, // §3.3.2: silently discarded
		"no outbound":   {func(i *wire.Init) { i.OutStreams = 0 }, true},
		"no inbound":    {func(i *wire.Init) { i.InStreams = 0 }, true},
		"a_rwnd 1499":   {func(i *wire.Init) { i.ARwnd = 1499 }, true},
		"host name":     {func(i *wire.Init) { i.Extra = []byte{0, 11, 0, 8, 'h', 'o', 's', 0} }, true},
		"a_rwnd 0":      {func(i *wire.Init) { i.ARwnd = 0 }, true},
		"a_rwnd enough": {func(i *wire.Init) { i.ARwnd = 1500 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, b := two(t, 1, nil)
			var out []wire.Packet
			b.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
			i := good
			c.change(&i)
			b.receive(addrA, packetTo(5000, 5001, 0, &i))
			require.Empty(t, b.assocs)
			switch {
			case c.abort:
				require.Len(t, out, 1)
				require.Equal(t, []wire.ChunkType{wire.TypeAbort}, chunkTypes(out[0]))
				require.Equal(t, wire.VTag(7), out[0].VTag)
				require.Zero(t, out[0].First().Flags())
			case i.InitiateTag == 0:
				require.Empty(t, out)
			default:
				require.Equal(t, []wire.ChunkType{wire.TypeInitAck}, chunkTypes(out[0]))
			}
		})
	}
}

func TestV7AbortWithUnknownCause(t *testing.T) {
	v := attacked(t, nil)
	causes := wire.AppendCause(nil, 0x7777, []byte("whatever"))
	v.inject(v.as.LocalTag(), &wire.Abort{Causes: causes})
	var e *core.AbortError
	require.ErrorAs(t, v.as.Err(), &e)
	require.Equal(t, causes, e.Causes)
}

func TestV8OutOfTheBlue(t *testing.T) { // RFC 9260 §8.4
	for name, c := range map[string]struct {
		chunk appender
		reply wire.ChunkType
		none  bool
	}{
		"DATA":              {chunk: &wire.Data{Begin: true, End: true, Payload: []byte("x")}, reply: wire.TypeAbort},
		"SACK":              {chunk: &wire.Sack{}, reply: wire.TypeAbort},
		"HEARTBEAT":         {chunk: &wire.Heartbeat{Info: []byte("x")}, reply: wire.TypeAbort},
		"SHUTDOWN":          {chunk: &wire.Shutdown{}, reply: wire.TypeAbort},
		"INIT ACK":          {chunk: &wire.Init{Ack: true, InitiateTag: 1, Cookie: []byte("c"), HasCookie: true}, reply: wire.TypeAbort},
		"ERROR":             {chunk: &wire.OperationError{Causes: wire.AppendCause(nil, wire.CauseOutOfResource)}, reply: wire.TypeAbort},
		"unknown":           {chunk: rawChunk{0x3f, 0, 0, 4}, reply: wire.TypeAbort},
		"SHUTDOWN ACK":      {chunk: &wire.ShutdownAck{}, reply: wire.TypeShutdownComplete},
		"stale cookie":      {chunk: &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 1)}, none: true},
		"COOKIE ACK":        {chunk: &wire.CookieAck{}, none: true},
		"SHUTDOWN COMPLETE": {chunk: &wire.ShutdownComplete{}, none: true},
		"ABORT":             {chunk: &wire.Abort{}, none: true},
		"ABORT T":           {chunk: &wire.Abort{T: true}, none: true},
		"COOKIE ECHO":       {chunk: &wire.CookieEcho{Cookie: make([]byte, 150)}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, b := two(t, 1, nil)
			var out []wire.Packet
			b.tap = func(p wire.Packet) { out = append(out, clone(t, p)) }
			b.receive(addrA, packetTo(5000, 5001, 1234, c.chunk))
			require.Empty(t, b.assocs)
			if c.none {
				require.Empty(t, out)
				return
			}
			require.Len(t, out, 1)
			require.Equal(t, []wire.ChunkType{c.reply}, chunkTypes(out[0]))
			require.Equal(t, wire.VTag(1234), out[0].VTag)
			require.Equal(t, uint8(1), out[0].First().Flags(), "T bit")
			out = nil
			b.receive(addrA, packetTo(5000, 5001, 1234, c.chunk, &wire.Abort{}))
			require.Empty(t, out, "never an answer to an ABORT")
		})
	}
}
