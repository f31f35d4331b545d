package rserpool_test

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool"
)

// unhex decodes hex with spaces between groups.
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

// recorded returns the messages of testdata/messages.txt.
func recorded(t testing.TB) []captured {
	t.Helper()
	text, err := os.ReadFile("testdata/messages.txt")
	require.NoError(t, err)
	var all []captured
	for line := range strings.Lines(string(text)) {
		if proto, h, ok := strings.Cut(strings.TrimSpace(line), " "); ok && (proto == "asap" || proto == "enrp") && !strings.HasPrefix(line, "\t") {
			all = append(all, captured{proto, unhex(t, h)})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// kindOf is the kind of a decode error, 0 without one.
func kindOf(t testing.TB, err error) rserpool.Kind {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *rserpool.Error
	require.ErrorAs(t, err, &e)
	return e.Kind
}

// sample elements used by several tests.
var (
	sctpUser = rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Use: rserpool.UseDataControl, Addrs: addrs("10.0.0.21")}
	element  = rserpool.PoolElement{ID: 0x11112222, Life: 60000, User: sctpUser, Policy: rserpool.Policy{Type: rserpool.RoundRobin}}
)
