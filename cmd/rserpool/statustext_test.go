package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar"
)

// What a registrar says about others reaches a terminal in printable characters only, and in
// columns.
func TestStatusForPeople(t *testing.T) {
	s := &registrar.Status{
		Registrar: registrar.RegistrarStatus{ID: "0x00000001", Ready: true, UptimeS: 61, Profile: "fast", Checksum: "0xffff", ENRP: "192.0.2.1:9901",
			Scope: "red\x1b[31m"},
		Peers: []registrar.PeerStatus{
			{ID: "0x00000002", State: "active", LastHeardS: 1.25, Elements: 12, Checksum: "0x0001", Announced: "0x0001", InSync: true, Connected: true},
			{ID: "0x00000003", State: "suspect", LastHeardS: -1, Checksum: "0x0002", Announced: "0x0003"},
		},
		Events: []registrar.EventStatus{{At: time.Now(), Text: "took 2 elements over from 0x00000009", Grave: true}},
	}
	var plain, colored strings.Builder
	require.NoError(t, printStatus(&plain, s, false))
	require.NoError(t, printStatus(&colored, s, true))
	out := plain.String()
	require.NotContains(t, out, "\x1b")
	require.Contains(t, out, "registrar 0x00000001: ready, up 1m1s, profile fast\n")
	require.Contains(t, out, `"red\x1b[31m"`)
	require.Contains(t, out, "0x00000002  active    1.2s ago        12  0x0001 in sync\n")
	require.Contains(t, out, "0x00000003  suspect   never            0  0x0002 announces 0x0003   not connected\n")
	require.Contains(t, out, "  took 2 elements over from 0x00000009\n")
	require.Contains(t, colored.String(), "\x1b[31msuspect\x1b[0m   never")
	require.Equal(t, 5, width("\x1b[31mäb\x1b[0mc\x1b[1mde\x1b[0m"))
	require.Equal(t, "████░░░░", bar(0.5))
}

// A picture never scrolls the terminal.
func TestStatusFitsTheScreen(t *testing.T) {
	var b strings.Builder
	require.NoError(t, draw(&b, strings.Repeat("line\n", 100)))
	require.Equal(t, 23, strings.Count(b.String(), "\n"))
	require.Contains(t, b.String(), "… 77 lines more")
	require.True(t, strings.HasPrefix(b.String(), "\x1b[H"))
	require.True(t, strings.HasSuffix(b.String(), "\x1b[K\x1b[J"))
}
