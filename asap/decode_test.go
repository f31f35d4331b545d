package asap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// Parameters out of the order of RFC 5352's figures, missing, doubled, or of
// another message.
func TestDecodeOrderAndPresence(t *testing.T) {
	const (
		pe    = "000a0028 11112222 00001111 0000ea60" + peUser + roundRobin
		cause = "000c0008 00090004"
	)
	for _, c := range []struct {
		name, head, body string
		want             error
	}{
		{"registration without handle", "01000000", pe, rserpool.ErrUnexpectedParameter},
		{"registration without element", "01000000", probePool, rserpool.ErrMissingParameter},
		{"registration backwards", "01000000", pe + probePool, rserpool.ErrUnexpectedParameter},
		{"registration of two elements", "01000000", probePool + pe + pe, rserpool.ErrUnexpectedParameter},
		{"registration of nothing", "01000000", "", rserpool.ErrMissingParameter},
		{"deregistration without id", "02000000", probePool, rserpool.ErrMissingParameter},
		{"deregistration with cause", "02000000", probePool + peID + cause, rserpool.ErrUnexpectedParameter},
		{"response without id", "03000000", probePool + cause, rserpool.ErrUnexpectedParameter},
		{"resolution without handle", "05000000", "803f0008 00000001", rserpool.ErrMissingParameter},
		{"resolution with element", "05000000", probePool + pe, rserpool.ErrUnexpectedParameter},
		{"resolution with a short option", "05000000", probePool + "803f0006 00010000", rserpool.ErrInvalidValue},
		{"resolution response, policy behind elements", "06000000", probePool + pe + roundRobin, rserpool.ErrUnexpectedParameter},
		{"resolution response, cause first", "06000000", probePool + cause + pe, rserpool.ErrUnexpectedParameter},
		{"keep alive without server", "07000000", probePool, rserpool.ErrTruncated},
		{"keep alive without handle", "07000000 00001111", peID, rserpool.ErrUnexpectedParameter},
		{"announcement without server", "0a000000", "", rserpool.ErrTruncated},
		{"announcement with udp", "0a000000 00001111", "00060010 0f170000 00010008 0a000001", rserpool.ErrUnexpectedParameter},
		{"cookie without cookie", "0b000000", "", rserpool.ErrMissingParameter},
		{"two cookies", "0c000000", "000d0004 000d0004", rserpool.ErrUnexpectedParameter},
		{"card without handle", "0d000000", pe, rserpool.ErrUnexpectedParameter},
		{"card with cause", "0d000000", probePool + cause, rserpool.ErrUnexpectedParameter},
		{"error without cause", "0e000000", "", rserpool.ErrMissingParameter},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.head+c.body)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			m, err := asap.Decode(b)
			require.Nil(t, m)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A positive answer without elements is against RFC 5352 §2.2.6, but only its
// receiver knows what to make of it. So with both elements and causes.
func TestDecodeLeavesJudgementToTheCore(t *testing.T) {
	m, err := asap.Decode(unhex(t, "06000014"+probePool))
	require.NoError(t, err)
	require.Equal(t, &asap.HandleResolutionResponse{Handle: "ProbePool"}, m)
	_, err = asap.Decode(unhex(t, "06000044"+probePool+"000a0028 11112222 00001111 0000ea60"+peUser+roundRobin+"000c0008 00090004"))
	require.NoError(t, err)
	m, err = asap.Decode(unhex(t, "0100003c"+probePool+"000a0028 00000000 00000000 0000ea60"+peUser+roundRobin))
	require.NoError(t, err, "PE identifier 0 deserves a registration response")
	require.Zero(t, m.(*asap.Registration).Element.ID)
}

// Flags without a meaning are ignored on receipt (RFC 5354 §4).
func TestDecodeIgnoresOtherFlags(t *testing.T) {
	for _, v := range vectors {
		b := unhex(t, v.hex)
		b[1] |= 0xfe
		m, err := asap.Decode(b)
		require.NoError(t, err, v.name)
		require.Equal(t, v.m, m, v.name)
	}
}

// Skipped extensions may stand anywhere, the UDP Port and the Handle Resolution
// Option in messages that have no use for them too.
func TestDecodeSkipsExtensionsElsewhere(t *testing.T) {
	for _, ext := range []string{"a6ab0008 26ac0000", "803f0008 00000001", "803f0005 01000000", "80ff0004"} {
		b := unhex(t, "08000000"+ext+probePool+ext+peID+ext)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		m, err := asap.Decode(b)
		require.NoError(t, err, ext)
		require.Equal(t, &asap.EndpointKeepAliveAck{Handle: "ProbePool", PEID: 0x11112222}, m, ext)
	}
}

func TestDecodeKeepsWhatIsToBeReported(t *testing.T) {
	m, err := asap.Decode(unhex(t, "08000024"+probePool+peID+"c0fe0008 01020304"))
	require.NoError(t, err)
	ack := m.(*asap.EndpointKeepAliveAck)
	require.Equal(t, [][]byte{unhex(t, "c0fe0008 01020304")}, ack.Unrecognized)
	reply, err := asap.Marshal(&asap.Error{Causes: ack.ReportCauses()})
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0e000014 000c0010 0001000c c0fe0008 01020304"), reply)
}

func TestDecodeBoundsElementsAndTransports(t *testing.T) {
	// The smallest element has an opaque transport without content.
	pe := unhex(t, "000a001c 00000001 00000000 00000001 00100004 00080008 00000001")
	for n, want := range map[int]error{asap.MaxElements: nil, asap.MaxElements + 1: rserpool.ErrLimit} {
		b := append(unhex(t, "06000000"+probePool), bytes.Repeat(pe, n)...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		m, err := asap.Decode(b)
		require.ErrorIs(t, err, want)
		if want == nil {
			require.Len(t, m.(*asap.HandleResolutionResponse).Elements, n)
			continue
		}
		var e *rserpool.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, []rserpool.Cause{{Code: rserpool.CauseLackOfResources}}, e.Causes)
	}
	tr := unhex(t, "00040010 0f170000 00010008 0a000001")
	for n, want := range map[int]error{asap.MaxTransports: nil, asap.MaxTransports + 1: rserpool.ErrLimit} {
		b := append(unhex(t, "0a000000 00000001"), bytes.Repeat(tr, n)...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		_, err := asap.Decode(b)
		require.ErrorIs(t, err, want)
	}
}

func TestMarshalRefusesWhatCannotBeExpressed(t *testing.T) {
	noAddr := element(0)
	noAddr.User.Addrs = nil
	udp := rserpool.Transport{Protocol: rserpool.ProtoUDP, Port: 1, Addrs: addrs("10.0.0.1")}
	badPolicy := &rserpool.Policy{}
	tooMany := make([]rserpool.Cause, rserpool.MaxCauses+1)
	for name, m := range map[string]asap.Message{
		"registration without handle":      &asap.Registration{Element: element(0)},
		"registration without address":     &asap.Registration{Handle: "p", Element: noAddr},
		"deregistration without handle":    &asap.Deregistration{},
		"response without handle":          &asap.RegistrationResponse{},
		"response with too many causes":    &asap.RegistrationResponse{Handle: "p", Causes: tooMany},
		"dereg response with too many":     &asap.DeregistrationResponse{Handle: "p", Causes: tooMany},
		"resolution without handle":        &asap.HandleResolution{},
		"resolution response, bad policy":  &asap.HandleResolutionResponse{Handle: "p", Policy: badPolicy},
		"resolution response, bad element": &asap.HandleResolutionResponse{Handle: "p", Elements: []rserpool.PoolElement{noAddr}},
		"resolution response, many":        &asap.HandleResolutionResponse{Handle: "p", Elements: make([]rserpool.PoolElement, asap.MaxElements+1)},
		"keep alive without handle":        &asap.EndpointKeepAlive{},
		"keep alive ack without handle":    &asap.EndpointKeepAliveAck{},
		"unreachable without handle":       &asap.EndpointUnreachable{},
		"announcement of udp":              &asap.ServerAnnounce{Transports: []rserpool.Transport{udp}},
		"announcement without address":     &asap.ServerAnnounce{Transports: []rserpool.Transport{{Protocol: rserpool.ProtoSCTP}}},
		"announcement of too many":         &asap.ServerAnnounce{Transports: make([]rserpool.Transport, asap.MaxTransports+1)},
		"card without handle":              &asap.BusinessCard{},
		"error without cause":              &asap.Error{},
		"error with too many":              &asap.Error{Causes: tooMany},
	} {
		b, err := asap.Marshal(m)
		require.Error(t, err, name)
		require.Nil(t, b, name)
		require.NotPanics(t, func() { _, _ = m.AppendTo(nil), m.String() }, name)
	}
}

func TestMessageTypeStrings(t *testing.T) {
	require.Equal(t, "ENDPOINT_KEEP_ALIVE_ACK", asap.TypeEndpointKeepAliveAck.String())
	require.Equal(t, "type 0x00", asap.MessageType(0).String())
	require.Equal(t, "type 0x3e", asap.MessageType(0x3e).String())
}
