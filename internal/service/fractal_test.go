package service_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/internal/service"
	"github.com/rserpool/rserpool/sctp"
)

// Recorded between rsplib 3.4.4's fractalpooluser and rspserver: the request, the first
// cookie, and of the values each fifth of two rows.
const (
	fractalBody    = "000000c8 0000004a 00000400 00000001 bff8000000000000 3ff8000000000000 3ff8000000000000 bff8000000000000 4000000000000000"
	fractalRequest = "0100003c" + fractalBody
)

var fractalRows = map[uint32][]uint32{
	37: {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 6, 11, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 0},
	20: {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 7, 5, 5, 5, 8, 10, 1024, 1024, 17, 9, 6, 6, 69, 3, 3, 3, 3, 2, 2, 2, 2, 2, 0, 0, 0},
}

// image collects an image, of which the first points may be missing.
func image(t *testing.T, a *sctp.Association) map[uint32]uint32 {
	t.Helper()
	points := map[uint32]uint32{}
	buf := make([]byte, 2000)
	for {
		m, err := a.Receive(t.Context(), buf)
		require.NoError(t, err)
		if m.PPID != service.PPIDFractal {
			continue // a cookie
		}
		x, y, n := binary.BigEndian.Uint32(m.Data[4:]), binary.BigEndian.Uint32(m.Data[8:]), binary.BigEndian.Uint32(m.Data[12:])
		require.EqualValues(t, 16+4*n, binary.BigEndian.Uint16(m.Data[2:]))
		require.Len(t, m.Data, int(16+4*n))
		if n == 0 {
			require.EqualValues(t, uint32(math.MaxUint32), x)
			require.EqualValues(t, uint32(math.MaxUint32), y)
			return points
		}
		for i := range n {
			points[y*200+x+i] = binary.BigEndian.Uint32(m.Data[16+4*i:])
		}
	}
}

func TestFractalIsTheOneOfRsplib(t *testing.T) {
	p, err := service.DecodeFractalParameter(unhex(t, fractalRequest))
	require.NoError(t, err)
	require.Equal(t, service.FractalParameter{Width: 200, Height: 74, Iterations: 1024, Algorithm: 1,
		C1: complex(-1.5, 1.5), C2: complex(1.5, -1.5), N: 2}, p)
	require.Equal(t, unhex(t, fractalRequest), p.AppendTo(nil))
	inWorld(t, func(t *testing.T, w *world) {
		a := w.raw(w.serve(1, newService(t, "fractal", service.Options{})))
		for range 2 { // one after the other
			require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: service.PPIDFractal, Data: unhex(t, fractalRequest)}))
			points := image(t, a)
			require.Len(t, points, 200*74)
			for y, row := range fractalRows {
				for i, v := range row {
					require.Equal(t, v, points[y*200+uint32(i)*5], "%d, %d", i*5, y)
				}
			}
		}
	})
}

// rsplib's cookie, whose length field is wrong, and from the middle of a row on.
func TestFractalGoesOnFromTheCookie(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.raw(w.serve(1, newService(t, "fractal", service.Options{})))
		w.echo(a, append([]byte("<FG-TD1>"), unhex(t, "01000004"+fractalBody+"00000064 0000000a")...))
		points := image(t, a)
		require.Len(t, points, 200*74-10*200-100)
		require.Equal(t, fractalRows[20][3], points[20*200+15])
	})
}

func TestFractalHostile(t *testing.T) {
	for name, b := range map[string]string{
		"cut": fractalRequest[:len(fractalRequest)-2], "longer": fractalRequest + "00", "type": "0200003c" + fractalBody,
		"no width":   "0100003c 00000000" + fractalBody[8:],
		"wide":       "0100003c ffffffff" + fractalBody[8:],
		"iterations": "0100003c 000000c8 0000004a ffffffff" + fractalBody[26:],
		"algorithm":  "0100003c 000000c8 0000004a 00000400 00000003" + fractalBody[35:],
	} {
		_, err := service.DecodeFractalParameter(unhex(t, b))
		require.Error(t, err, name)
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.serve(1, newService(t, "fractal", service.Options{})))
			require.NoError(t, a.Send(t.Context(), &sctp.Message{PPID: service.PPIDFractal, Data: unhex(t, b)}))
			_, err := next(t, a)
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, name)
		})
	}
	for _, c := range []string{"<FG-TD2>", "<FG-TD1>"} {
		inWorld(t, func(t *testing.T, w *world) {
			a := w.raw(w.serve(1, newService(t, "fractal", service.Options{})))
			at := "00000000 00000000"
			if c == "<FG-TD1>" {
				at = "000000c8 00000000" // beyond the row
			}
			w.echo(a, append([]byte(c), unhex(t, "01000004"+fractalBody+at)...))
			_, err := next(t, a)
			var abort *sctp.AbortError
			require.ErrorAs(t, err, &abort, c)
		})
	}
}
