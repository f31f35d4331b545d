package pooluser_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/asaplink/asaplinktest"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
)

// Both ends of a session behave as package net says of a net.Conn. The test brings
// its own clock, so this one runs in real time.
func TestSessionsAreConns(t *testing.T) {
	w := asaplinktest.NewWorld(t)
	r := w.Registrar(1)
	pe, err := poolelement.Listen(t.Context(), pool, &poolelement.Config{
		Registrars: []string{r.Address()}, Stack: w.Stack(2), Profile: core.ProfileDefault,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pe.Close()) })
	pu, err := pooluser.New(&pooluser.Config{
		Registrars: []string{r.Address()}, Stack: w.Stack(3), Profile: core.ProfileDefault,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pu.Close()) })
	nettest.TestConn(t, func() (user, element net.Conn, stop func(), err error) {
		user, err = pu.DialContext(t.Context(), "sctp", "EchoPool:7")
		if err != nil {
			return nil, nil, nil, err
		}
		element, err = pe.Accept()
		if err != nil {
			return nil, nil, nil, err
		}
		return user, element, func() {
			_ = user.Close() // the test may have done so
			_ = element.Close()
		}, nil
	})
}
