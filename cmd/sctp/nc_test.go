package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp"
)

// listenNc starts a listening nc and waits until it listens: a client is refused before.
func listenNc(t *testing.T, addr string, flags ...string) *started {
	t.Helper()
	s := start(t, append([]string{"nc", "-l", "-v", addr}, flags...)...)
	require.Eventually(t, func() bool { return strings.HasPrefix(s.err.String(), "listening at 127.0.0.1:5000@") },
		20*time.Second, 2*time.Millisecond)
	return s
}

// Lines go both ways; the end of one standard input ends both gracefully, with
// nothing lost.
func TestNcBothWays(t *testing.T) {
	addr := "127.0.0.1:5000@" + freeUDP(t)
	server := listenNc(t, addr)
	client := start(t, "nc", addr)
	say := func(from, to *started, text string) {
		t.Helper()
		_, err := from.in.Write([]byte(text))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return strings.HasSuffix(to.out.String(), text) }, 10*time.Second, 2*time.Millisecond)
	}
	say(client, server, "hello\n")
	say(server, client, "who is there?\n")
	say(client, server, "me\n\nand a last line without its end"[:4])
	_, err := client.in.Write([]byte("no newline"))
	require.NoError(t, err)
	require.Equal(t, "who is there?\n", client.wait())
	require.Equal(t, "hello\nme\n\nno newline", server.wait())
	require.Regexp(t, `\Alistening at 127.0.0.1:5000@\d+\nassociated with 127.0.0.1:\d+@\d+\n\z`, server.err.String())
	require.Empty(t, client.err.String(), "without --verbose")
}

// Each line is one message on the stream and with the identifier of the flags, with
// --raw each block is.
func TestNcMessages(t *testing.T) {
	addr := "127.0.0.1:5000@" + freeUDP(t)
	l, err := sctp.Listen(addr, nil)
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, c := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{"one\n", "two\n", "three"}},
		{[]string{"--raw"}, []string{"one\ntwo\nthree"}},
	} {
		args := append([]string{"nc", addr, "--stream", "3", "--ppid", "4711"}, c.flags...)
		done := make(chan error, 1)
		go func() {
			_, err := execute(t, strings.NewReader("one\ntwo\nthree"), args...)
			done <- err
		}()
		a, err := l.AcceptSCTP(ctx)
		require.NoError(t, err)
		for _, want := range c.want {
			m, err := a.ReceiveMessage(ctx, nil, 1<<20)
			require.NoError(t, err)
			require.Equal(t, want, string(m.Data))
			require.EqualValues(t, 3, m.Stream)
			require.EqualValues(t, 4711, m.PPID)
		}
		require.NoError(t, <-done)
		require.NoError(t, a.Close())
	}
}

// A stream that was not negotiated is a mistake in the command line.
func TestNcStreamBeyondTheAssociation(t *testing.T) {
	addr := "127.0.0.1:5000@" + freeUDP(t)
	listenNc(t, addr)
	_, err := execute(t, strings.NewReader("x"), "nc", addr, "--stream", "60000")
	require.ErrorAs(t, err, &usageError{})
	require.ErrorContains(t, err, "stream 60000")
}

// A host name is as good as an address.
func TestNcHostName(t *testing.T) {
	udp := freeUDP(t)
	server := listenNc(t, "127.0.0.1:5000@"+udp)
	_, err := execute(t, strings.NewReader("by name\n"), "nc", "localhost:5000@"+udp)
	require.NoError(t, err)
	require.Equal(t, "by name\n", server.wait())
}
