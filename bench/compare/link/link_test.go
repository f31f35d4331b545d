package link

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseSpec(t *testing.T) {
	s, err := ParseSpec("20ms,1%")
	require.NoError(t, err)
	require.Equal(t, Spec{RTT: 20 * time.Millisecond, Loss: 0.01, Rate: 1e9}, s)
	s, err = ParseSpec("100ms,0.5%,100Mbit")
	require.NoError(t, err)
	require.Equal(t, Spec{RTT: 100 * time.Millisecond, Loss: 0.005, Rate: 1e8}, s)
	for _, bad := range []string{"", "20ms", "20,1%", "20ms,1", "20ms,-1%", "20ms,101%", "20ms,NaN%", "-1ms,1%", "1ms,1%,x", "1ms,1%,0Mbit", "1ms,1%,1Mbit,2"} {
		_, err := ParseSpec(bad)
		require.Error(t, err, bad)
	}
}

// The same seed drops the same packets, each direction its own, as many as asked for.
func TestLossIsSeeded(t *testing.T) {
	lost := func(seed, way uint64) string {
		d := newDirection(Spec{Loss: 0.05, Rate: 1e9, Seed: seed}, way)
		var b strings.Builder
		now := time.Now()
		for i := range 10_000 {
			if _, ok := d.take(now.Add(time.Duration(i)*time.Millisecond), 1500); ok {
				b.WriteByte('.')
			} else {
				b.WriteByte('x')
			}
		}
		return b.String()
	}
	require.Equal(t, lost(1, 0), lost(1, 0))
	require.NotEqual(t, lost(1, 0), lost(2, 0))
	require.NotEqual(t, lost(1, 0), lost(1, 1))
	require.InDelta(t, 500, strings.Count(lost(1, 0), "x"), 100)
}

// A packet takes half of the round trip and its time on the line, behind those before
// it; what finds 50 ms of packets in the queue is dropped.
func TestDelayAndQueue(t *testing.T) {
	d := newDirection(Spec{RTT: 20 * time.Millisecond, Rate: 12e6}, 0) // 1500 bytes: 1 ms
	now := time.Now()
	for i := range 60 {
		due, ok := d.take(now, 1500)
		if i > 50 {
			require.False(t, ok, i)
			continue
		}
		require.True(t, ok, i)
		require.Equal(t, time.Duration(11+i)*time.Millisecond, due.Sub(now).Round(time.Microsecond))
	}
	due, ok := d.take(now.Add(time.Second), 1500)
	require.True(t, ok)
	require.Equal(t, 1011*time.Millisecond, due.Sub(now).Round(time.Microsecond), "an idle line is at once free")
}

// Packets go through a real link between processes of the two namespaces, and take
// its round-trip time.
func TestLinkCarriesPackets(t *testing.T) {
	l, err := Open(Spec{RTT: 20 * time.Millisecond, Rate: 1e9})
	if err != nil {
		t.Skip(err)
	}
	defer func() { require.NoError(t, l.Close()) }()
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skip(err)
	}
	command := func(ns *os.File, role string) *exec.Cmd {
		c := l.Command(ns, os.Args[0])
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Env = append(os.Environ(), "LINK_TEST="+role)
		cmd.Stderr = os.Stderr
		return cmd
	}
	server := command(l.Server, "server")
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	ready := make([]byte, 6)
	_, err = io.ReadFull(out, ready)
	require.NoError(t, err)
	took, err := command(l.Client, "client").Output()
	require.NoError(t, err)
	require.NoError(t, server.Wait())
	rtt, err := time.ParseDuration(string(took))
	require.NoError(t, err)
	require.GreaterOrEqual(t, rtt, 20*time.Millisecond)
	require.Less(t, rtt, time.Second)
}

// The test binary plays both processes: one echoes ten datagrams, the other sends them
// and prints the fastest round trip.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("LINK_TEST") {
	case "server":
		err = echo()
	case "client":
		err = ask()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func echo() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ServerIP), Port: 7000})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	buf := make([]byte, 100)
	for range 10 {
		n, from, err := c.ReadFromUDP(buf)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(buf[:n], from); err != nil {
			return err
		}
	}
	return nil
}

func ask() error {
	c, err := net.Dial("udp4", ServerIP+":7000")
	if err != nil {
		return err
	}
	fastest := time.Hour
	for range 10 {
		start := time.Now()
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		if err := c.SetReadDeadline(start.Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			return err
		}
		fastest = min(fastest, time.Since(start))
	}
	fmt.Print(fastest)
	return nil
}
