package registrar

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A user of TCP who asks and never reads takes bounded memory, and no time of who answers;
// then it is given up.
func TestStreamToADeafUserIsBounded(t *testing.T) {
	here, there := net.Pipe() // has no buffer of its own
	defer there.Close()
	s := newStream(here, 200*time.Millisecond)
	answer := make([]byte, 1000)
	kept, err := 0, error(nil)
	for kept <= 4*streamBuffer {
		if _, err = s.Write(answer); err != nil {
			break
		}
		kept += len(answer)
	}
	require.ErrorIs(t, err, errStreamFull)
	require.LessOrEqual(t, kept, 2*streamBuffer, "what is being written, and what waits")
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		require.Fail(t, "not given up")
	}
	_, err = s.Write(answer)
	require.Error(t, err)
}
