package main

import (
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// What is read of packets is what gopacket reads of them: families, link types, VLAN
// tags, cut at every byte and with bytes changed.
func TestIPPacketsAreReadAsGopacketReadsThem(t *testing.T) {
	payload := gopacket.Payload("sixteen bytes of")
	ip4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2")}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 9899}
	eth := func(t layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: t}
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		link  layers.LinkType
		stack []gopacket.SerializableLayer
	}{
		{layers.LinkTypeRaw, []gopacket.SerializableLayer{ip4, udp, payload}},
		{layers.LinkTypeRaw, []gopacket.SerializableLayer{ip6, udp, payload}},
		{layers.LinkTypeEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeIPv4), ip4, udp, payload}},
		{layers.LinkTypeEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeIPv6), ip6, udp, payload}},
		{layers.LinkTypeEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeDot1Q),
			&layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}, ip4, udp, payload}},
		{layers.LinkTypeEthernet, []gopacket.SerializableLayer{eth(layers.EthernetTypeARP), payload}},
	} {
		b := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, tc.stack...))
		for n := range len(b.Bytes()) + 1 {
			sameAsGopacket(t, tc.link, b.Bytes()[:n], true)
		}
		for range 2000 {
			bent := append([]byte(nil), b.Bytes()...)
			bent[dice.IntN(len(bent))] = byte(dice.Uint32())
			sameAsGopacket(t, tc.link, bent, false)
		}
	}
}

// sameAsGopacket compares. If not strict, packets with features that only one of both
// knows may differ.
func sameAsGopacket(t *testing.T, link layers.LinkType, b []byte, strict bool) {
	t.Helper()
	p := gopacket.NewPacket(b, link, gopacket.Lazy)
	ip, ok := readIP(linkType(link), b)
	udp, isUDP := readUDP(&ip)
	theirs, _ := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if strict { // gopacket shows a layer that it could not decode, too
		require.Equal(t, theirs != nil && p.ErrorLayer() == nil, isUDP, "%x", b)
		require.True(t, ok || !isUDP)
	}
	if theirs == nil || !isUDP {
		return
	}
	src, dst := p.NetworkLayer().NetworkFlow().Endpoints()
	require.Equal(t, src.String(), ip.src.String())
	require.Equal(t, dst.String(), ip.dst.String())
	require.EqualValues(t, theirs.SrcPort, udp.src)
	require.EqualValues(t, theirs.DstPort, udp.dst)
	if strict {
		require.Equal(t, string(theirs.Payload), string(udp.payload))
	}
}

// IPv6 extension headers are stepped over, and fragments told apart.
func TestIPv6ExtensionHeaders(t *testing.T) {
	head := func(next byte, rest ...byte) []byte {
		b := make([]byte, 40, 40+len(rest))
		b[0], b[5], b[6] = 0x60, byte(len(rest)), next
		return append(b, rest...)
	}
	data := []byte{0, 1, 0, 2, 0, 12, 0, 0, 'd', 'a', 't', 'a'}
	options := append([]byte{protoUDP, 0, 0, 0, 0, 0, 0, 0}, data...)
	p, ok := readIP(linkRaw, head(60, options...))
	require.True(t, ok)
	udp, ok := readUDP(&p)
	require.True(t, ok)
	require.Equal(t, "data", string(udp.payload))

	for offset, fragment := range map[byte]bool{0: false, 1: true, 8: true} {
		p, ok := readIP(linkRaw, head(44, append([]byte{protoUDP, 0, 0, offset, 0, 0, 0, 9}, data...)...))
		require.True(t, ok)
		require.Equal(t, fragment, p.fragment, offset)
		require.EqualValues(t, protoUDP, p.proto)
		_, ok = readUDP(&p)
		require.Equal(t, !fragment, ok)
	}
	p, ok = readIP(linkRaw, head(60, protoUDP, 200, 0, 0, 0, 0, 0, 0))
	require.True(t, ok, "options that are cut off")
	_, ok = readUDP(&p)
	require.False(t, ok)
}
