package fuzz

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// seeds returns the SCTP packets (in UDP, port 9899, or straight over IPv4) of
// all captures that match the glob pattern.
func seeds(f *testing.F, pattern string) [][]byte {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures match %s (%v)", pattern, err)
	}
	var packets [][]byte
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			f.Fatal(err)
		}
		r, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
		for err == nil {
			var data []byte
			if data, _, err = r.ReadPacketData(); err == nil {
				if b := sctpPayload(gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy)); b != nil {
					packets = append(packets, b)
				}
			}
		}
		if err != io.EOF {
			f.Fatal(name, err)
		}
		file.Close()
	}
	return packets
}

// sctpPayload is the SCTP packet in a frame, nil if there is none.
func sctpPayload(p gopacket.Packet) []byte {
	if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		if udp.SrcPort == 9899 || udp.DstPort == 9899 {
			return udp.Payload
		}
		return nil
	}
	if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && ip.Protocol == layers.IPProtocolSCTP {
		return ip.Payload
	}
	return nil
}
