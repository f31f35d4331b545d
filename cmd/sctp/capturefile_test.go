package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

// readAll reads a capture file; data is copied.
func readAll(t *testing.T, file []byte) ([]frame, error) {
	t.Helper()
	next, err := openCapture(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var all []frame
	for {
		f, err := next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		f.data = bytes.Clone(f.data)
		all = append(all, f)
	}
}

// Files that dumpcap wrote read as pcapgo reads them.
func TestCaptureFilesReadAsPcapgoReadsThem(t *testing.T) {
	for _, file := range captures(t) {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all, err := readAll(t, b)
		require.NoError(t, err, file)
		r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
		require.NoError(t, err)
		for i, f := range all {
			data, info, err := r.ReadPacketData()
			require.NoError(t, err)
			require.Equal(t, data, f.data)
			require.True(t, info.Timestamp.Equal(f.at), "%s %d: %v %v", file, i, info.Timestamp, f.at)
			require.EqualValues(t, r.LinkType(), f.link)
			require.Equal(t, info.CaptureLength < info.Length, f.cut)
		}
		_, _, err = r.ReadPacketData()
		require.ErrorIs(t, err, io.EOF, file)
	}
}

// pcap files of both byte orders and both resolutions.
func TestClassicCaptureFiles(t *testing.T) {
	at := time.Unix(1_700_000_000, 123_456_789).UTC()
	for _, nano := range []bool{false, true} {
		var file bytes.Buffer
		w, want := pcapgo.NewWriter(&file), at.Truncate(time.Microsecond)
		if nano {
			w, want = pcapgo.NewWriterNanos(&file), at
		}
		require.NoError(t, w.WriteFileHeader(100, layers.LinkTypeRaw))
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: 3, Length: 9}, []byte("abc")))
		for _, big := range []bool{false, true} {
			b := bytes.Clone(file.Bytes())
			if big {
				swap(b[:4], 4)
				swap(b[8:40], 4)
			}
			all, err := readAll(t, b)
			require.NoError(t, err)
			require.Len(t, all, 1)
			require.True(t, want.Equal(all[0].at), all[0].at)
			all[0].at = time.Time{}
			require.Equal(t, frame{data: []byte("abc"), link: linkRaw, cut: true}, all[0])
		}
	}
}

// swap reverses the bytes of words.
func swap(b []byte, word int) {
	for ; len(b) >= word; b = b[word:] {
		for i := range word / 2 {
			b[i], b[word-1-i] = b[word-1-i], b[i]
		}
	}
}

// pcapngBlock makes a block in big endian, the order that dumpcap does not use here.
func pcapngBlock(typ uint32, body ...byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	b := binary.BigEndian.AppendUint32(nil, typ)
	b = binary.BigEndian.AppendUint32(b, n)
	return binary.BigEndian.AppendUint32(append(b, body...), n)
}

var (
	section   = pcapngBlock(blockSection, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	rawLink   = []byte{0, 101, 0, 0, 0, 0, 0, 3}
	fourBytes = []byte("abcd")
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Simple and obsolete packet blocks, several interfaces with units of their own, blocks
// that nobody knows, and a second section.
func TestPcapngBlocks(t *testing.T) {
	binaryUnits := append(bytes.Clone(rawLink), 0, 9, 0, 1, 0x8a, 0, 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0)
	second := []byte{0, 1, 0, 0, 0, 0, 0, 0} // Ethernet
	file := join(section, pcapngBlock(blockInterface, binaryUnits...), pcapngBlock(blockInterface, second...), pcapngBlock(99, 1, 2, 3),
		pcapngBlock(blockSimple, join([]byte{0, 0, 0, 4}, fourBytes)...),
		pcapngBlock(blockEnhanced, join([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 2}, []byte("xy\x00\x00"))...),
		pcapngBlock(blockObsolete, join([]byte{0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 1, 0, 0, 0, 1}, []byte("z"))...),
		section, pcapngBlock(blockInterface, second...),
		pcapngBlock(blockSimple, 0, 0, 0, 1, 'q'))
	all, err := readAll(t, file)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, "abc", string(all[0].data))
	require.True(t, all[0].cut)
	require.Equal(t, linkRaw, all[0].link)
	require.Equal(t, "xy", string(all[1].data))
	require.True(t, time.Unix(100, 500_000_000).Equal(all[1].at), "2^-10 s, 100 s later")
	require.Equal(t, "z", string(all[2].data))
	require.Equal(t, linkEthernet, all[2].link)
	require.True(t, time.Unix(1, 0).Equal(all[2].at))
	require.Equal(t, "q", string(all[3].data))
	for n := range file {
		_, err := readAll(t, file[:n])
		if n < 4 {
			require.Error(t, err, n)
		} else if err != nil {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, n)
		}
	}
}

// What no file can mean is refused before memory is spent on it.
func TestMalformedCaptureFiles(t *testing.T) {
	head := join(section, pcapngBlock(blockInterface, rawLink...))
	long := func(n uint32) []byte { return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 99), n) }
	for name, file := range map[string][]byte{
		"no magic":         []byte("a text, not a capture"),
		"byte order":       pcapngBlock(blockSection, 1, 2, 3, 4, 0, 1, 0, 0),
		"block of 0":       join(head, long(0), make([]byte, 99)),
		"block of 8":       join(head, long(8), make([]byte, 99)),
		"block of 13":      join(head, long(13), make([]byte, 99)),
		"block of 4 GiB":   join(head, long(1<<32-4), make([]byte, 99)),
		"no interface":     join(section, pcapngBlock(blockSimple, 0, 0, 0, 1, 0)),
		"which interface":  join(head, pcapngBlock(blockEnhanced, join([]byte{0, 0, 0, 1}, make([]byte, 20))...)),
		"packet too long":  join(head, pcapngBlock(blockEnhanced, join(make([]byte, 12), []byte{0, 0, 0, 5, 0, 0, 0, 5}, fourBytes)...)),
		"packet cut":       join(head, pcapngBlock(blockEnhanced, make([]byte, 16)...)),
		"simple cut":       join(head, pcapngBlock(blockSimple)),
		"interface cut":    join(section, pcapngBlock(blockInterface, 0, 1)),
		"pcap, a long one": join([]byte{0xa1, 0xb2, 0xc3, 0xd4}, make([]byte, 20), make([]byte, 8), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}),
	} {
		_, err := readAll(t, file)
		require.Error(t, err, name)
	}
	// Options that are cut or mean nothing are left out.
	for _, o := range [][]byte{{0, 9, 0, 0}, {0, 9, 0, 1, 0x7f, 0, 0, 0}, {0, 9, 0, 1, 0xff, 0, 0, 0}, {0, 9, 0xff, 0xff}, {0, 14, 0, 1, 5, 0, 0, 0}, {0, 9}} {
		_, err := readAll(t, join(section, pcapngBlock(blockInterface, append(bytes.Clone(rawLink), o...)...), pcapngBlock(blockSimple, 0, 0, 0, 1, 'q')))
		require.NoError(t, err)
	}
}
