package asaplinktest

import (
	"net/netip"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/carrier"
)

// liar is a carrier of one address that pretends to have others as well.
type liar struct {
	carrier.Carrier
	claims []netip.AddrPort
}

func (l *liar) LocalAddrs() []netip.AddrPort {
	return append(slices.Clone(l.Carrier.LocalAddrs()), l.claims...)
}

func (l *liar) WriteBatch(ds []carrier.Datagram) (int, error) {
	for i := range ds {
		ds[i].Local = l.Carrier.LocalAddrs()[0].Addr() // it cannot send from others
	}
	return l.Carrier.WriteBatch(ds)
}

// Liar opens a stack on host n that says in its INITs that it has the addresses of other
// hosts, too.
func (w *World) Liar(n int, claims ...int) *sctp.Stack {
	w.T.Helper()
	c, err := w.Net.Host(IP(n)).Carrier(netip.AddrPortFrom(IP(n), sctp.DefaultUDPPort))
	require.NoError(w.T, err)
	l := &liar{Carrier: c}
	for _, other := range claims {
		l.claims = append(l.claims, netip.AddrPortFrom(IP(other), sctp.DefaultUDPPort))
	}
	s, err := sctp.NewStack(&sctp.StackConfig{Carriers: []carrier.Carrier{l}})
	require.NoError(w.T, err)
	w.T.Cleanup(func() { require.NoError(w.T, s.Close()) })
	return s
}
