package asap_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	require.NoError(t, err)
	return b
}

func addrs(s ...string) []netip.Addr {
	var a []netip.Addr
	for _, x := range s {
		a = append(a, netip.MustParseAddr(x))
	}
	return a
}

const (
	probePool  = "0009000d 50726f6265506f6f6c 000000"
	noSuchPool = "0009000e 4e6f53756368506f6f6c 0000"
	peID       = "000e0008 11112222"
	peUser     = "00040010 1e610001 00010008 0a000015"
	roundRobin = "00080008 00000001"
)

var user = rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: addrs("10.0.0.21")}

func element(home rserpool.RegistrarID) rserpool.PoolElement {
	return rserpool.PoolElement{
		ID: 0x11112222, Home: home, Life: 60000, User: user, Policy: rserpool.Policy{Type: rserpool.RoundRobin},
	}
}

// vectors are messages as rsplib's rspregistrar 3.4.4 sent or accepted them, then
// ones after the figures of RFC 5352 §2.2.
var vectors = []struct {
	name, hex, text string
	m               asap.Message
}{
	// rsplib.
	{
		"registration", "0100003c" + probePool + "000a0028 11112222 00000000 0000ea60" + peUser + roundRobin,
		"REGISTRATION ProbePool: pe 0x11112222 home 0x00000000 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin",
		&asap.Registration{Handle: "ProbePool", Element: element(0)},
	},
	{
		"registration response", "0300001c" + probePool + peID, "REGISTRATION_RESPONSE ProbePool pe 0x11112222",
		&asap.RegistrationResponse{Handle: "ProbePool", PEID: 0x11112222},
	},
	{
		"registration rejected", "03010024" + probePool + peID + "000c0008 00050004",
		"REGISTRATION_RESPONSE ProbePool pe 0x11112222 rejected: inconsistent pooling policy",
		&asap.RegistrationResponse{
			Reject: true, Handle: "ProbePool", PEID: 0x11112222,
			Causes: []rserpool.Cause{{Code: rserpool.CauseInconsistentPolicy}},
		},
	},
	{
		"deregistration response for an unknown element", "0400001c" + probePool + "000e0008 00009999",
		"DEREGISTRATION_RESPONSE ProbePool pe 0x00009999",
		&asap.DeregistrationResponse{Handle: "ProbePool", PEID: 0x9999},
	},
	{
		"handle resolution", "05000014" + noSuchPool, "HANDLE_RESOLUTION NoSuchPool",
		&asap.HandleResolution{Handle: "NoSuchPool"},
	},
	{
		"handle resolution, one item", "0500001c" + probePool + "803f0008 00000001", "HANDLE_RESOLUTION ProbePool items=1",
		&asap.HandleResolution{Handle: "ProbePool", HasItems: true, Items: 1},
	},
	{
		"handle resolution response, unknown", "0600001c" + noSuchPool + "000c0008 00090004",
		"HANDLE_RESOLUTION_RESPONSE NoSuchPool: unknown pool handle",
		&asap.HandleResolutionResponse{Handle: "NoSuchPool", Causes: []rserpool.Cause{{Code: rserpool.CauseUnknownPoolHandle}}},
	},
	{
		"handle resolution response",
		"06000044" + probePool + roundRobin + "000a0028 11112222 00001111 0000ea60" + peUser + roundRobin,
		"HANDLE_RESOLUTION_RESPONSE ProbePool RoundRobin [pe 0x11112222 home 0x00001111 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin]",
		&asap.HandleResolutionResponse{
			Handle: "ProbePool", Policy: &rserpool.Policy{Type: rserpool.RoundRobin},
			Elements: []rserpool.PoolElement{element(0x1111)},
		},
	},
	{
		"keep alive", "07000020 00001111" + probePool + peID, "ENDPOINT_KEEP_ALIVE ProbePool pe 0x11112222 from 0x00001111",
		&asap.EndpointKeepAlive{Server: 0x1111, Handle: "ProbePool", HasPEID: true, PEID: 0x11112222},
	},
	{
		"cookie", "0b000018 000d0014 3c50502d5444313e 0000000000000002", "COOKIE len=16",
		&asap.Cookie{Cookie: []byte("<PP-TD1>\x00\x00\x00\x00\x00\x00\x00\x02")},
	},
	{
		"cookie echo", "0c000018 000d0014 3c50502d5444313e 0000000000000002", "COOKIE_ECHO len=16",
		&asap.CookieEcho{Cookie: []byte("<PP-TD1>\x00\x00\x00\x00\x00\x00\x00\x02")},
	},
	{"server announcement", "0a000008 00001111", "SERVER_ANNOUNCE 0x00001111", &asap.ServerAnnounce{Server: 0x1111}},

	// RFC 5352.
	{
		"§2.2.2", "0200001c" + probePool + peID, "DEREGISTRATION ProbePool pe 0x11112222",
		&asap.Deregistration{Handle: "ProbePool", PEID: 0x11112222},
	},
	{
		"§2.2.3 with a warning", "03000024" + probePool + peID + "000c0008 00000004",
		"REGISTRATION_RESPONSE ProbePool pe 0x11112222: unspecified error",
		&asap.RegistrationResponse{
			Handle: "ProbePool", PEID: 0x11112222, Causes: []rserpool.Cause{{Code: rserpool.CauseUnspecified}},
		},
	},
	{
		"§2.2.4 with an error", "04000024" + probePool + peID + "000c0008 000a0004",
		"DEREGISTRATION_RESPONSE ProbePool pe 0x11112222: rejected due to security considerations",
		&asap.DeregistrationResponse{
			Handle: "ProbePool", PEID: 0x11112222, Causes: []rserpool.Cause{{Code: rserpool.CauseSecurity}},
		},
	},
	{
		"§2.2.5 with S", "0501001c" + probePool + "803f0008 ffffffff", "HANDLE_RESOLUTION ProbePool items=max subscribe",
		&asap.HandleResolution{Subscribe: true, Handle: "ProbePool", HasItems: true, Items: rserpool.ItemsMax},
	},
	{
		"§2.2.6 with A, without policy", "0601003c" + probePool + "000a0028 11112222 00001111 0000ea60" + peUser + roundRobin,
		"HANDLE_RESOLUTION_RESPONSE ProbePool [pe 0x11112222 home 0x00001111 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin] subscribed",
		&asap.HandleResolutionResponse{
			AcceptUpdate: true, Handle: "ProbePool", Elements: []rserpool.PoolElement{element(0x1111)},
		},
	},
	{
		"§2.2.7 with H", "07010018 00001111" + probePool, "ENDPOINT_KEEP_ALIVE ProbePool from 0x00001111 as new home",
		&asap.EndpointKeepAlive{Home: true, Server: 0x1111, Handle: "ProbePool"},
	},
	{
		"§2.2.8", "0800001c" + probePool + peID, "ENDPOINT_KEEP_ALIVE_ACK ProbePool pe 0x11112222",
		&asap.EndpointKeepAliveAck{Handle: "ProbePool", PEID: 0x11112222},
	},
	{
		"§2.2.9", "0900001c" + probePool + peID, "ENDPOINT_UNREACHABLE ProbePool pe 0x11112222",
		&asap.EndpointUnreachable{Handle: "ProbePool", PEID: 0x11112222},
	},
	{
		"§2.2.10 with transports", "0a000030 00001111 00050010 0f170000 00010008 0a000001 a6ab0008 26ac0000 00040010 0f170000 00010008 0a000001",
		"SERVER_ANNOUNCE 0x00001111 tcp 10.0.0.1:3863, sctp 10.0.0.1:3863 data udp=9900",
		&asap.ServerAnnounce{Server: 0x1111, Transports: []rserpool.Transport{
			{Protocol: rserpool.ProtoTCP, Port: 3863, Addrs: addrs("10.0.0.1")},
			{Protocol: rserpool.ProtoSCTP, Port: 3863, UDPPort: 9900, Addrs: addrs("10.0.0.1")},
		}},
	},
	{"§2.2.11, padded", "0b00000c 000d0005 78000000", "COOKIE len=1", &asap.Cookie{Cookie: []byte("x")}},
	{"§2.2.12, empty", "0c000008 000d0004", "COOKIE_ECHO len=0", &asap.CookieEcho{}},
	{
		"§2.2.13", "0d00003c" + probePool + "000a0028 11112222 00001111 0000ea60" + peUser + roundRobin,
		"BUSINESS_CARD ProbePool [pe 0x11112222 home 0x00001111 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin]",
		&asap.BusinessCard{Handle: "ProbePool", Elements: []rserpool.PoolElement{element(0x1111)}},
	},
	{
		"§2.2.13 in rsplib's form", "0d000044" + probePool + roundRobin + "000a0028 11112222 00001111 0000ea60" + peUser + roundRobin,
		"BUSINESS_CARD ProbePool RoundRobin [pe 0x11112222 home 0x00001111 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin]",
		&asap.BusinessCard{
			Handle: "ProbePool", Policy: &rserpool.Policy{Type: rserpool.RoundRobin},
			Elements: []rserpool.PoolElement{element(0x1111)},
		},
	},
	{
		"§2.2.14", "0e000014 000c0010 0001000c 40fe0008 01020304", "ERROR: unrecognized parameter len=8",
		&asap.Error{Causes: []rserpool.Cause{
			{Code: rserpool.CauseUnrecognizedParameter, Info: []byte{0x40, 0xfe, 0, 8, 1, 2, 3, 4}},
		}},
	},
}

func TestVectorsBothWays(t *testing.T) {
	seen := map[asap.MessageType]bool{}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			seen[v.m.Type()] = true
			b, err := asap.Marshal(v.m)
			require.NoError(t, err)
			require.Equal(t, unhex(t, v.hex), b)
			require.Equal(t, v.text, v.m.String())
			m, err := asap.Decode(unhex(t, v.hex))
			require.NoError(t, err)
			require.Equal(t, v.m, m)
			require.Nil(t, m.ReportCauses())
		})
	}
	require.Len(t, seen, 14, "every message of RFC 5352")
}
