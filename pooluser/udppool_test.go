package pooluser_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	registrarcore "github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// A pool of UDP servers over real sockets: each answers with its identifier; when one
// dies, whoever dials again reaches another, and the registrar hears of it.
func TestLoopbackUDPPool(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@0", Profile: registrarcore.ProfileFast})
	require.NoError(t, err)
	rctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(rctx) }()
	t.Cleanup(func() { _ = r.Close(); stop(); <-done })
	at, _ := r.Addrs()
	registrars := []string{at.String()}

	kill := map[rserpool.PEID]func(){}
	for id := rserpool.PEID(1); id <= 2; id++ {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = pc.Close() })
		m, err := poolelement.Register(ctx, "UDPPool", pc.LocalAddr(), &poolelement.Config{
			Registrars: registrars, Profile: core.ProfileFast, PEID: id,
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		kill[id] = func() { _ = pc.Close() } // its ASAP endpoint lives on: the hard case
		go func() {
			buf := make([]byte, 100)
			for {
				_, from, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = pc.WriteTo(fmt.Append(nil, id), from)
			}
		}()
	}

	pu, err := pooluser.New(&pooluser.Config{Registrars: registrars, Profile: core.ProfileFast})
	require.NoError(t, err)
	defer pu.Close()
	ask := func() (rserpool.PEID, error) {
		c, err := pu.DialContext(ctx, "udp", "UDPPool")
		require.NoError(t, err)
		defer c.Close()
		id := c.(*pooluser.NetConn).Element().ID
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte("?")); err != nil {
			return id, err
		}
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err == nil {
			require.Equal(t, fmt.Sprint(id), string(buf[:n]))
		}
		return id, err
	}
	dead, err := ask()
	require.NoError(t, err)
	kill[dead]()
	failures := 0
	for range 6 {
		id, err := ask()
		if err != nil {
			require.Equal(t, dead, id)
			failures++
		}
	}
	require.LessOrEqual(t, failures, 1, "its port was unreachable once, and others are preferred then")
}
