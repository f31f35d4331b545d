package wire_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/wire"
)

// sample is a chunk as a struct, in hex with padding, and in words.
type sample struct {
	name  string
	chunk wire.Chunk
	hex   string
	text  string
}

// samples holds at least one chunk of each type, written by hand from the
// diagrams of RFC 9260 §3.3, and of the RFCs named.
var samples = []sample{
	{"DATA", // §3.3.1
		&wire.Data{TSN: 7, Stream: 1, SSN: 2, PPID: 11, Begin: true, End: true, Payload: []byte("hello")},
		"00 03 0015 | 00000007 | 0001 0002 | 0000000b | 68656c6c6f 000000",
		"DATA tsn=7 sid=1 ssn=2 ppid=11 len=5 BE"},
	{"DATA unordered first immediate",
		&wire.Data{TSN: 0xFFFFFFFF, Stream: 0xFFFF, PPID: 0x80000001, Unordered: true, Begin: true, Immediate: true, Payload: []byte{1, 2, 3, 4}},
		"00 0e 0014 | ffffffff | ffff 0000 | 80000001 | 01020304",
		"DATA tsn=4294967295 sid=65535 ssn=0 ppid=2147483649 len=4 IUB"},
	{"DATA middle", &wire.Data{TSN: 1, Payload: []byte{9}},
		"00 00 0011 | 00000001 | 0000 0000 | 00000000 | 09 000000", "DATA tsn=1 sid=0 ssn=0 ppid=0 len=1"},
	{"DATA without user data", &wire.Data{TSN: 1, End: true, Payload: []byte{}},
		"00 01 0010 | 00000001 | 0000 0000 | 00000000", "DATA tsn=1 sid=0 ssn=0 ppid=0 len=0 E"},
	{"INIT bare", // §3.3.2
		&wire.Init{InitiateTag: 0x11223344, ARwnd: 65536, OutStreams: 10, InStreams: 2048, InitialTSN: 7},
		"01 00 0014 | 11223344 | 00010000 | 000a 0800 | 00000007",
		"INIT tag=0x11223344 rwnd=65536 os=10 mis=2048 tsn=7"},
	{"INIT full",
		&wire.Init{InitiateTag: 1, ARwnd: 1500, OutStreams: 1, InStreams: 2, InitialTSN: 3,
			Addrs:              []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
			CookiePreservative: 5000, HasPreservative: true,
			SupportedAddrTypes: []wire.ParamType{wire.ParamIPv4}, ECN: true, ForwardTSN: true,
			SupportedExtensions: []wire.ChunkType{wire.TypeForwardTSN, wire.TypeAuth, wire.TypeReconfig},
			Unrecognized:        [][]byte{{0xC0, 0x06, 0, 5, 0xAA}, {0x40, 0x07, 0, 4}}, Stopped: true},
		`01 00 005c | 00000001 | 000005dc | 0001 0002 | 00000003
		 0005 0008 c0000201 | 0006 0014 20010db8000000000000000000000001
		 0009 0008 00001388 | 000c 0006 0005 0000 | 8000 0004 | 8008 0007 c00f82 00 | c000 0004
		 c006 0005 aa 000000 | 4007 0004`,
		"INIT tag=0x00000001 rwnd=1500 os=1 mis=2 tsn=3 addrs=192.0.2.1,2001:db8::1 preservative=5000ms types=5" +
			" ecn forward-tsn ext=FORWARD-TSN,AUTH,RE-CONFIG unrecognized=2 stopped"},
	{"INIT ACK", // §3.3.3: the padding of the last parameter is the chunk's
		&wire.Init{Ack: true, InitiateTag: 1, ARwnd: 1500, OutStreams: 1, InStreams: 2, InitialTSN: 3,
			Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.7")}, Cookie: []byte("cookie"), HasCookie: true,
			Reported: [][]byte{{0xC0, 0x06, 0, 5, 0xAA}}},
		`02 00 0031 | 00000001 | 000005dc | 0001 0002 | 00000003
		 0005 0008 c6336407 | 0007 000a 636f6f6b6965 0000 | 0008 0009 c006 0005 aa 000000`,
		"INIT-ACK tag=0x00000001 rwnd=1500 os=1 mis=2 tsn=3 addrs=198.51.100.7 cookie=6 reported=1"},
	{"SACK of the example", // §3.3.4
		&wire.Sack{CumTSN: 12, ARwnd: 4660, Gaps: []wire.GapBlock{{Start: 2, End: 3}, {Start: 5, End: 5}}},
		"03 00 0018 | 0000000c | 00001234 | 0002 0000 | 0002 0003 | 0005 0005",
		"SACK cum=12 rwnd=4660 gaps=2-3,5-5"},
	{"SACK with duplicates",
		&wire.Sack{CumTSN: 0xFFFFFFFF, ARwnd: 0xFFFFFFFF, Gaps: []wire.GapBlock{{Start: 0xFFFF, End: 1}}, Dups: []wire.TSN{19, 19}},
		"03 00 001c | ffffffff | ffffffff | 0001 0002 | ffff 0001 | 00000013 | 00000013",
		"SACK cum=4294967295 rwnd=4294967295 gaps=65535-1 dups=19,19"},
	{"HEARTBEAT", &wire.Heartbeat{Info: []byte("nonce")}, // §3.3.5
		"04 00 000d | 0001 0009 6e6f6e6365 000000", "HEARTBEAT len=5"},
	{"HEARTBEAT ACK", &wire.Heartbeat{Ack: true, Info: []byte("12345678")}, // §3.3.6
		"05 00 0010 | 0001 000c 3132333435363738", "HEARTBEAT-ACK len=8"},
	{"ABORT bare", &wire.Abort{T: true, Causes: []byte{}}, "06 01 0004", "ABORT T"}, // §3.3.7
	{"ABORT with causes",
		&wire.Abort{Causes: wire.AppendCause(wire.AppendCause(nil, wire.CauseUserAbort, []byte("b"), []byte("ye")), 0xBEEF, []byte{1})},
		"06 00 0011 | 000c 0007 627965 00 | beef 0005 01 000000",
		`ABORT (User-Initiated Abort: "bye") (cause 48879: 01)`},
	{"SHUTDOWN", &wire.Shutdown{CumTSN: 8}, "07 00 0008 | 00000008", "SHUTDOWN cum=8"}, // §3.3.8
	{"SHUTDOWN ACK", &wire.ShutdownAck{}, "08 00 0004", "SHUTDOWN-ACK"},                // §3.3.9
	{"ERROR", &wire.OperationError{Causes: wire.AppendStaleCookie(nil, 1000000)}, // §3.3.10
		"09 00 000c | 0003 0008 000f4240", "ERROR (Stale Cookie: 000f4240)"},
	{"COOKIE ECHO", &wire.CookieEcho{Cookie: []byte("cookie")}, "0a 00 000a | 636f6f6b6965 0000", "COOKIE-ECHO len=6"}, // §3.3.11
	{"COOKIE ACK", &wire.CookieAck{}, "0b 00 0004", "COOKIE-ACK"},                                                      // §3.3.12
	{"SHUTDOWN COMPLETE", &wire.ShutdownComplete{}, "0e 00 0004", "SHUTDOWN-COMPLETE"},                                 // §3.3.13
	{"SHUTDOWN COMPLETE T", &wire.ShutdownComplete{T: true}, "0e 01 0004", "SHUTDOWN-COMPLETE T"},
	{"ECNE", &wire.ECNE{LowestTSN: 7}, "0c 00 0008 | 00000007", "ECNE tsn=7"}, // RFC 4960 Appendix A
	{"CWR", &wire.CWR{LowestTSN: 0xFFFFFFFF}, "0d 00 0008 | ffffffff", "CWR tsn=4294967295"},
	{"PAD", &wire.Pad{Data: 6}, "84 00 000a | 000000000000 0000", "PAD len=6"}, // RFC 4820 §3
}

// Each struct encodes to its hex, each hex decodes to its struct.
func TestChunksMatchTheirDiagrams(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			want := unhex(t, s.hex)
			require.Equal(t, want, s.chunk.AppendTo(nil))
			require.Equal(t, len(want), s.chunk.Len())
			require.Equal(t, s.text, s.chunk.String())
			require.Equal(t, append([]byte("before"), want...), s.chunk.AppendTo([]byte("before")), "padding counts from the chunk's start")

			raw := rawChunk(t, want)
			d, err := wire.DecodeChunk(raw)
			require.NoError(t, err)
			require.Equal(t, s.text, d.String())
			require.Equal(t, s.text, raw.String())
			require.Equal(t, want, d.AppendTo(nil))
			require.Equal(t, s.chunk, d)
		})
	}
}

// A decoder refuses chunks of any type but its own, and the zero RawChunk.
func TestDecodersCheckTheType(t *testing.T) {
	for _, s := range samples {
		mine := rawChunk(t, unhex(t, s.hex)).Type()
		require.ErrorIs(t, s.chunk.Decode(wire.RawChunk{}), wire.ErrType, s.name)
		for _, o := range samples {
			other := rawChunk(t, unhex(t, o.hex))
			d, err := wire.DecodeChunk(rawChunk(t, unhex(t, s.hex)))
			require.NoError(t, err)
			if other.Type() == mine {
				continue
			}
			if _, ok := d.(*wire.Init); ok && (other.Type() == wire.TypeInit || other.Type() == wire.TypeInitAck) {
				continue
			}
			if _, ok := d.(*wire.Heartbeat); ok && (other.Type() == wire.TypeHeartbeat || other.Type() == wire.TypeHeartbeatAck) {
				continue
			}
			require.ErrorIs(t, d.Decode(other), wire.ErrType, "%s fed with %s", s.name, o.name)
		}
	}
	_, err := wire.DecodeChunk(rawChunk(t, chunk(wire.TypeAuth, 0)))
	require.ErrorIs(t, err, wire.ErrType)
}

// RFC 9260 §3.3: reserved flags are ignored on receipt and zero on transmit.
func TestReservedFlagsAreIgnored(t *testing.T) {
	for _, s := range samples {
		want := unhex(t, s.hex)
		b := unhex(t, s.hex)
		switch wire.ChunkType(b[0]) {
		case wire.TypeData:
			b[1] |= 0xF0
		case wire.TypeAbort, wire.TypeShutdownComplete:
			b[1] |= 0xFE
		default:
			b[1] = 0xFF
		}
		d, err := wire.DecodeChunk(rawChunk(t, b))
		require.NoError(t, err, s.name)
		require.Equal(t, want, d.AppendTo(nil), s.name)
	}
}

// AppendDataHeader with payload and padding by hand is what AppendTo writes.
func TestAppendDataHeader(t *testing.T) {
	d := wire.Data{TSN: 1 << 30, Stream: 3, SSN: 4, PPID: 5, Unordered: true, End: true, Payload: []byte("abcdefg")}
	b := wire.AppendDataHeader(nil, &d, len(d.Payload))
	require.Len(t, b, wire.DataHeaderLen)
	require.Equal(t, d.AppendTo(nil), append(append(b, d.Payload...), 0))
}
