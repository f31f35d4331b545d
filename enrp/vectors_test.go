package enrp_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
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
	probePool = "0009000d 50726f6265506f6f6c 000000"
	peOf1111  = "000a0038 11112222 00001111 0000ea60" +
		"00040010 1e610001 00010008 0a000015 00080008 00000001 00040010 c9210000 00010008 0a000015"
	peText = "pe 0x11112222 home 0x00001111 life 60000, sctp 10.0.0.21:7777 data+control, RoundRobin, asap sctp 10.0.0.21:51489 data"
)

func element() rserpool.PoolElement {
	return rserpool.PoolElement{
		ID: 0x11112222, Home: 0x1111, Life: 60000,
		User:   rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: addrs("10.0.0.21")},
		Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		ASAP:   &rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 0xc921, Addrs: addrs("10.0.0.21")},
	}
}

func server(id rserpool.RegistrarID, addr string) rserpool.ServerInfo {
	return rserpool.ServerInfo{
		ID: id, Transport: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 9901, Addrs: addrs(addr)},
	}
}

func serverPtr(id rserpool.RegistrarID, addr string) *rserpool.ServerInfo {
	s := server(id, addr)
	return &s
}

// vectors are messages as rsplib's rspregistrar 3.4.4 sent them, then ones after
// the figures of RFC 5353 §2.
var vectors = []struct {
	name, hex, text string
	m               enrp.Message
}{
	// rsplib.
	{
		"presence, multicast", "0100002c 00001111 00000000 000f0006 ffff0000 000b0018 00001111 00040010 26ad0000 00010008 0a000001",
		"PRESENCE 0x00001111 to all checksum=0xffff, registrar 0x00001111 at sctp 10.0.0.1:9901 data",
		&enrp.Presence{Sender: 0x1111, HasChecksum: true, Checksum: 0xffff, Server: serverPtr(0x1111, "10.0.0.1")},
	},
	{
		"handle update, add", "04000058 00001111 00000005 00000000" + probePool + peOf1111,
		"HANDLE_UPDATE 0x00001111 to 0x00000005 add ProbePool: " + peText,
		&enrp.HandleUpdate{Sender: 0x1111, Receiver: 5, Action: enrp.AddPE, Handle: "ProbePool", Element: element()},
	},
	{
		"list request", "0500000c 00001111 00000005", "LIST_REQUEST 0x00001111 to 0x00000005",
		&enrp.ListRequest{Sender: 0x1111, Receiver: 5},
	},
	{
		"list response, empty", "0600000c 00001111 00000005", "LIST_RESPONSE 0x00001111 to 0x00000005",
		&enrp.ListResponse{Sender: 0x1111, Receiver: 5},
	},
	{
		"handle table response, rejected", "0301000c 00001111 00000005", "HANDLE_TABLE_RESPONSE 0x00001111 to 0x00000005 rejected",
		&enrp.HandleTableResponse{Sender: 0x1111, Receiver: 5, Reject: true},
	},
	{
		"init takeover", "07000010 00001111 00000005 00007777", "INIT_TAKEOVER 0x00001111 to 0x00000005 target 0x00007777",
		&enrp.InitTakeover{Sender: 0x1111, Receiver: 5, Target: 0x7777},
	},
	{
		"init takeover ack", "08000010 00001111 00000005 00007777", "INIT_TAKEOVER_ACK 0x00001111 to 0x00000005 target 0x00007777",
		&enrp.InitTakeoverAck{Sender: 0x1111, Receiver: 5, Target: 0x7777},
	},

	// RFC 5353.
	{
		"§2.1 without parameters", "0100000c 00001111 00000005", "PRESENCE 0x00001111 to 0x00000005",
		&enrp.Presence{Sender: 0x1111, Receiver: 5},
	},
	{
		"§2.1 with checksum only", "01000014 00001111 00000005 000f0006 00000000", "PRESENCE 0x00001111 to 0x00000005 checksum=0x0000",
		&enrp.Presence{Sender: 0x1111, Receiver: 5, HasChecksum: true},
	},
	{
		"§2.1, reply required, with UDP port", "0101002c 00001111 00000005 a6ab0008 26ac0000 000b0018 00001111 00040010 26ad0000 00010008 0a000001",
		"PRESENCE 0x00001111 to 0x00000005 reply-required, registrar 0x00001111 at sctp 10.0.0.1:9901 data udp=9900",
		func() enrp.Message {
			s := serverPtr(0x1111, "10.0.0.1")
			s.Transport.UDPPort = 9900
			return &enrp.Presence{Sender: 0x1111, Receiver: 5, ReplyRequired: true, Server: s}
		}(),
	},
	{
		"§2.2", "0200000c 00001111 00000005", "HANDLE_TABLE_REQUEST 0x00001111 to 0x00000005",
		&enrp.HandleTableRequest{Sender: 0x1111, Receiver: 5},
	},
	{
		"§2.2 with W", "0201000c 00001111 00000005", "HANDLE_TABLE_REQUEST 0x00001111 to 0x00000005 own-only",
		&enrp.HandleTableRequest{Sender: 0x1111, Receiver: 5, OwnOnly: true},
	},
	{
		"§2.2 with W and a place", "02010024 00001111 00000005" + probePool + "000e0008 11112222",
		"HANDLE_TABLE_REQUEST 0x00001111 to 0x00000005 own-only after ProbePool/0x11112222",
		&enrp.HandleTableRequest{Sender: 0x1111, Receiver: 5, OwnOnly: true, After: &enrp.TablePlace{Handle: "ProbePool", PEID: 0x11112222}},
	},
	{
		"§2.3 with M, the same pool twice",
		"030200dc 00001111 00000005" + probePool + peOf1111 + peOf1111 + "00090005 78000000" + probePool + peOf1111,
		"HANDLE_TABLE_RESPONSE 0x00001111 to 0x00000005 more ProbePool [" + peText + "; " + peText + "] x [] ProbePool [" + peText + "]",
		&enrp.HandleTableResponse{Sender: 0x1111, Receiver: 5, More: true, Pools: []enrp.PoolEntries{
			{Handle: "ProbePool", Elements: []rserpool.PoolElement{element(), element()}},
			{Handle: "x"},
			{Handle: "ProbePool", Elements: []rserpool.PoolElement{element()}},
		}},
	},
	{
		"§2.4, delete, with rsplib's T", "04010058 00001111 00000005 00010000" + probePool + peOf1111,
		"HANDLE_UPDATE 0x00001111 to 0x00000005 delete ProbePool: " + peText + ", takeover suggested",
		&enrp.HandleUpdate{
			Sender: 0x1111, Receiver: 5, TakeoverSuggested: true, Action: enrp.DelPE, Handle: "ProbePool", Element: element(),
		},
	},
	{
		"§2.4, reserved action", "04000058 00001111 00000005 00070000" + probePool + peOf1111,
		"HANDLE_UPDATE 0x00001111 to 0x00000005 action 7 ProbePool: " + peText,
		&enrp.HandleUpdate{Sender: 0x1111, Receiver: 5, Action: 7, Handle: "ProbePool", Element: element()},
	},
	{
		"§2.6", "0600003c 00001111 00000005 000b0018 00002222 00040010 26ad0000 00010008 0a000002 000b0018 00003333 00040010 26ad0000 00010008 0a000003",
		"LIST_RESPONSE 0x00001111 to 0x00000005: registrar 0x00002222 at sctp 10.0.0.2:9901 data; registrar 0x00003333 at sctp 10.0.0.3:9901 data",
		&enrp.ListResponse{Sender: 0x1111, Receiver: 5, Servers: []rserpool.ServerInfo{server(0x2222, "10.0.0.2"), server(0x3333, "10.0.0.3")}},
	},
	{
		"§2.6 with R", "0601000c 00001111 00000005", "LIST_RESPONSE 0x00001111 to 0x00000005 rejected",
		&enrp.ListResponse{Sender: 0x1111, Receiver: 5, Reject: true},
	},
	{
		"§2.9", "09000010 00001111 00000000 00007777", "TAKEOVER_SERVER 0x00001111 to all target 0x00007777",
		&enrp.TakeoverServer{Sender: 0x1111, Target: 0x7777},
	},
	{
		"§2.10", "0a000014 00001111 00000005 000c0008 f0060004", "ERROR 0x00001111 to 0x00000005: invalid registrar (rsplib)",
		&enrp.Error{Sender: 0x1111, Receiver: 5, Causes: []rserpool.Cause{{Code: rserpool.CauseRsplibInvalidRegistrar}}},
	},
}

func TestVectorsBothWays(t *testing.T) {
	seen := map[enrp.MessageType]bool{}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			seen[v.m.Type()] = true
			b, err := enrp.Marshal(v.m)
			require.NoError(t, err)
			require.Equal(t, unhex(t, v.hex), b)
			require.Equal(t, v.text, v.m.String())
			m, err := enrp.Decode(unhex(t, v.hex))
			require.NoError(t, err)
			require.Equal(t, v.m, m)
			require.Nil(t, m.ReportCauses())
			require.Equal(t, rserpool.RegistrarID(0x1111), m.From())
		})
	}
	require.Len(t, seen, 10, "every message of RFC 5353")
}
