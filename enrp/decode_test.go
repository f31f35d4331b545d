package enrp_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// Parameters out of the order of RFC 5353's figures, missing, doubled, or of
// another message.
func TestDecodeOrderAndPresence(t *testing.T) {
	const (
		ids      = "00001111 00000005"
		checksum = "000f0006 ffff0000"
		info     = "000b0018 00001111 00040010 26ad0000 00010008 0a000001"
		cause    = "000c0008 00090004"
	)
	for _, c := range []struct {
		name, head, body string
		want             error
	}{
		{"presence without ids", "01000000", "", rserpool.ErrTruncated},
		{"presence with one id", "01000000 00001111", "", rserpool.ErrTruncated},
		{"presence backwards", "01000000" + ids, info + checksum, rserpool.ErrUnexpectedParameter},
		{"presence with two checksums", "01000000" + ids, checksum + checksum, rserpool.ErrUnexpectedParameter},
		{"presence, info over tcp", "01000000" + ids, "000b0018 00001111 00050010 26ad0000 00010008 0a000001", rserpool.ErrUnexpectedParameter},
		{"presence, info without transport", "01000000" + ids, "000b0008 00001111", rserpool.ErrMissingParameter},
		{"presence, info with two transports", "01000000" + ids, "000b0028 00001111 00040010 26ad0000 00010008 0a000001 00040010 26ad0000 00010008 0a000001", rserpool.ErrUnexpectedParameter},
		{"table request with half a place", "02000000" + ids, probePool, rserpool.ErrMissingParameter},
		{"table request with identifier", "02000000" + ids, "000e0008 11112222", rserpool.ErrUnexpectedParameter},
		{"table request with two places", "02000000" + ids, probePool + "000e0008 11112222" + probePool, rserpool.ErrUnexpectedParameter},
		{"table, element first", "03000000" + ids, peOf1111, rserpool.ErrUnexpectedParameter},
		{"table with info", "03000000" + ids, probePool + info, rserpool.ErrUnexpectedParameter},
		{"update without action", "04000000" + ids, "", rserpool.ErrTruncated},
		{"update without handle", "04000000" + ids + "00000000", peOf1111, rserpool.ErrUnexpectedParameter},
		{"update without element", "04000000" + ids + "00000000", probePool, rserpool.ErrMissingParameter},
		{"update of two elements", "04000000" + ids + "00000000", probePool + peOf1111 + peOf1111, rserpool.ErrUnexpectedParameter},
		{"list with handle", "06000000" + ids, info + probePool, rserpool.ErrUnexpectedParameter},
		{"takeover without target", "07000000" + ids, "", rserpool.ErrTruncated},
		{"takeover of half a target", "08000000" + ids, "0000", rserpool.ErrTruncated},
		{"takeover of two", "09000000" + ids + "00000001", "00000002", rserpool.ErrLength},
		{"error without cause", "0a000000" + ids, "", rserpool.ErrMissingParameter},
		{"error twice", "0a000000" + ids, cause + cause, rserpool.ErrUnexpectedParameter},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.head+c.body)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			m, err := enrp.Decode(b)
			require.Nil(t, m)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// Flags and reserved fields without a meaning are ignored on receipt (RFC 5354
// §4, RFC 5353 §2.4).
func TestDecodeIgnoresReservedBits(t *testing.T) {
	for _, v := range vectors {
		b := unhex(t, v.hex)
		b[1] |= 0xfc
		if v.m.Type() == enrp.TypeHandleUpdate {
			b[14], b[15] = 0xab, 0xcd
		}
		m, err := enrp.Decode(b)
		require.NoError(t, err, v.name)
		require.Equal(t, v.m, m, v.name)
	}
}

func TestDecodeKeepsWhatIsToBeReported(t *testing.T) {
	m, err := enrp.Decode(unhex(t, "05000014 00001111 00000005 c0fe0008 01020304"))
	require.NoError(t, err)
	require.Equal(t, [][]byte{unhex(t, "c0fe0008 01020304")}, m.(*enrp.ListRequest).Unrecognized)
	reply, err := enrp.Marshal(&enrp.Error{Sender: m.To(), Receiver: m.From(), Causes: m.ReportCauses()})
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0a00001c 00000005 00001111 000c0010 0001000c c0fe0008 01020304"), reply)
}

func TestDecodeBoundsTables(t *testing.T) {
	pe := unhex(t, "000a001c 00000001 00000000 00000001 00100004 00080008 00000001")
	pool := unhex(t, "00090005 78000000")
	info := unhex(t, "000b0018 00001111 00040010 26ad0000 00010008 0a000001")
	for _, c := range []struct {
		name, head string
		first, per []byte
		limit      int
	}{
		{"elements", "03000000 00000001 00000002", pool, pe, enrp.MaxElements},
		{"pools", "03000000 00000001 00000002", nil, pool, enrp.MaxElements},
		{"servers", "06000000 00000001 00000002", nil, info, enrp.MaxServers},
	} {
		for n, want := range map[int]error{c.limit: nil, c.limit + 1: rserpool.ErrLimit} {
			b := append(unhex(t, c.head), c.first...)
			b = append(b, bytes.Repeat(c.per, n)...)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			m, err := enrp.Decode(b)
			require.ErrorIs(t, err, want, "%d %s", n, c.name)
			if want == nil {
				require.NoError(t, m.Validate())
			}
		}
	}
}

func TestMarshalRefusesWhatCannotBeExpressed(t *testing.T) {
	noAddr := element()
	noAddr.User.Addrs = nil
	tcp := rserpool.ServerInfo{Transport: rserpool.Transport{Protocol: rserpool.ProtoTCP, Addrs: addrs("10.0.0.1")}}
	for name, m := range map[string]enrp.Message{
		"presence over tcp":      &enrp.Presence{Server: &tcp},
		"table, empty handle":    &enrp.HandleTableResponse{Pools: []enrp.PoolEntries{{}}},
		"table, no address":      &enrp.HandleTableResponse{Pools: []enrp.PoolEntries{{Handle: "p", Elements: []rserpool.PoolElement{noAddr}}}},
		"table of too many":      &enrp.HandleTableResponse{Pools: manyPools(enrp.MaxElements + 1)},
		"update without handle":  &enrp.HandleUpdate{Element: element()},
		"update without address": &enrp.HandleUpdate{Handle: "p", Element: noAddr},
		"list of tcp":            &enrp.ListResponse{Servers: []rserpool.ServerInfo{tcp}},
		"list of too many":       &enrp.ListResponse{Servers: make([]rserpool.ServerInfo, enrp.MaxServers+1)},
		"error without cause":    &enrp.Error{},
		"error of too many":      &enrp.Error{Causes: make([]rserpool.Cause, rserpool.MaxCauses+1)},
	} {
		b, err := enrp.Marshal(m)
		require.Error(t, err, name)
		require.Nil(t, b, name)
		require.NotPanics(t, func() { _, _ = m.AppendTo(nil), m.String() }, name)
	}
}

func manyPools(n int) []enrp.PoolEntries {
	pools := make([]enrp.PoolEntries, n)
	for i := range pools {
		pools[i].Handle = "p"
	}
	return pools
}

func TestTypeAndActionStrings(t *testing.T) {
	require.Equal(t, "TAKEOVER_SERVER", enrp.TypeTakeoverServer.String())
	require.Equal(t, "type 0x0b", enrp.MessageType(0x0b).String())
	require.Equal(t, "type 0x00", enrp.MessageType(0).String())
	require.Equal(t, "delete", enrp.DelPE.String())
}
