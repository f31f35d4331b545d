package ipsock

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Interrupt marks the descriptor and then wakes the reader, which may have seen the mark
// by then. Such a wake must not keep the reader from sleeping.
func TestLateWakeEndsOneWait(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	d, err := detach(c)
	require.NoError(t, err)
	var tries atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- d.Read(func(uintptr) bool { tries.Add(1); return false })
	}()
	for range 10 {
		d.wake()
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, tries.Load(), int64(20), "no spinning")
	d.Interrupt()
	require.ErrorIs(t, <-done, errInterrupted)
	go func() {
		done <- d.Read(func(uintptr) bool { tries.Add(1); return false })
	}()
	require.NoError(t, d.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	require.LessOrEqual(t, tries.Load(), int64(20), "no spinning")
}
