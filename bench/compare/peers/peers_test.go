package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every peer of the plan does what the modes ask for, and its server counts what its
// client has sent.
func TestPeersAndModes(t *testing.T) {
	for _, name := range []string{"tcp", "tcp-reno", "pion", "quic", "rawudp", "rawudp-gso-work"} {
		t.Run(name, func(t *testing.T) {
			free, err := net.ListenPacket("udp4", "127.0.0.1:0")
			require.NoError(t, err)
			addr := free.LocalAddr().String()
			require.NoError(t, free.Close())
			p := peers[name]
			stats, err := p.serve(addr)
			if err != nil {
				t.Skip(err) // no such congestion control, no GRO
			}
			run := func(mode string, args ...int) report {
				got, err := p.client(addr, mode, append(args, 0, 0, 0))
				require.NoError(t, err, mode)
				return got
			}
			require.Positive(t, run("pingpong", 64, 20)["p50_us"])
			if _, reliable := p.(messagePeer); !reliable {
				require.Positive(t, run("bulk", 1000, 30)["msgs"])
				_, err := p.client(addr, "assoc", []int{1, 1, 0})
				require.ErrorIs(t, err, errUnsupported)
				return
			}
			sent := run("bulk", 1000, 30, 3)["msgs"].(int)
			got := stats()
			require.EqualValues(t, sent, got["rx_msgs"])
			require.EqualValues(t, sent*1000, got["rx_bytes"])
			require.Positive(t, got["rx_secs"])

			assoc := run("assoc", 30, 2)
			require.Positive(t, assoc["assocs"])
			require.Zero(t, assoc["failed"])
			idle := run("idle", 3)
			require.Contains(t, idle, "client_rss_per")
			require.NotContains(t, idle, "watch_secs")

			before := stats()["rx_msgs"].(int64)
			timed := run("timed", 1000, 50)
			require.Positive(t, timed["msgs"])
			require.Greater(t, stats()["rx_msgs"].(int64), before, "told without a mark")
		})
	}
}
