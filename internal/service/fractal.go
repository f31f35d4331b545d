package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"time"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/sctp"
)

// PPIDFractal is the payload protocol identifier of the Fractal Generator protocol.
const PPIDFractal sctp.PPID = 32

const (
	fractalParameter = 1
	fractalData      = 2

	fractalLength = 60  // of a PARAMETER
	fractalPoints = 324 // most in a DATA message

	mandelbrot  = 1
	mandelbrotN = 2

	// What an image may take; rsplib's user asks for much less.
	fractalMaxSide  = 16_384
	fractalMaxCount = 65_536

	fractalCookie     = "<FG-TD1>" // begins every cookie
	fractalCookieTime = time.Second
	fractalCookieRate = 10 // DATA messages
)

var errFractal = errors.New("malformed Fractal Generator message")

// FractalParameter says which image is wanted (PARAMETER).
type FractalParameter struct {
	Width, Height uint32     // points
	Iterations    uint32     // most for a point
	Algorithm     uint32     // 1: Mandelbrot, 2: with another exponent
	C1, C2        complex128 // corners
	N             float64    // the exponent
}

// AppendTo appends the message to b.
func (p *FractalParameter) AppendTo(b []byte) []byte {
	b = append(b, fractalParameter, 0, 0, fractalLength)
	for _, n := range []uint32{p.Width, p.Height, p.Iterations, p.Algorithm} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, f := range []float64{real(p.C1), imag(p.C1), real(p.C2), imag(p.C2), p.N} {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

// DecodeFractalParameter reads the message. Its length is not looked at: rsplib has 4
// there in cookies.
func DecodeFractalParameter(b []byte) (FractalParameter, error) {
	r := tlv.NewReader(b)
	typ := r.U8()
	r.Bytes(3)
	p := FractalParameter{Width: r.U32(), Height: r.U32(), Iterations: r.U32(), Algorithm: r.U32()}
	float := func() float64 { return math.Float64frombits(r.U64()) }
	re, im := float(), float()
	p.C1 = complex(re, im)
	re, im = float(), float()
	p.C2 = complex(re, im)
	p.N = float()
	switch {
	case r.Err() != nil || r.Len() != 0 || typ != fractalParameter:
		return p, errFractal
	case p.Width == 0 || p.Height == 0 || p.Width > fractalMaxSide || p.Height > fractalMaxSide || p.Iterations > fractalMaxCount:
		return p, fmt.Errorf("an image of %d × %d with %d iterations is not made here", p.Width, p.Height, p.Iterations)
	case p.Algorithm != mandelbrot && p.Algorithm != mandelbrotN:
		return p, fmt.Errorf("algorithm %d is not known", p.Algorithm)
	}
	return p, nil
}

// value is a point of the image: how often z → z² − c (or zᴺ − c) goes before |z|² is 2.
func (p *FractalParameter) value(x, y uint32) uint32 {
	c := p.C1 + complex((real(p.C2)-real(p.C1))*float64(x)/float64(p.Width), (imag(p.C2)-imag(p.C1))*float64(y)/float64(p.Height))
	var z complex128
	for i := range p.Iterations {
		if p.Algorithm == mandelbrotN {
			z = cmplx.Pow(z, complex(p.N, 0)) - c
		} else {
			z = z*z - c
		}
		if real(z)*real(z)+imag(z)*imag(z) >= 2 {
			return i
		}
	}
	return p.Iterations
}

// fractalState is how far an image is.
type fractalState struct {
	FractalParameter
	next uint32 // point, row by row
}

func (f *fractalState) cookie() []byte {
	b := f.AppendTo([]byte(fractalCookie))
	b = binary.BigEndian.AppendUint32(b, f.next%f.Width)
	return binary.BigEndian.AppendUint32(b, f.next/f.Width)
}

func decodeFractalCookie(b []byte) (*fractalState, error) {
	r := tlv.NewReader(b)
	id, parameter, x, y := r.Bytes(len(fractalCookie)), r.Bytes(fractalLength), r.U32(), r.U32()
	if r.Err() != nil || r.Len() != 0 || string(id) != fractalCookie {
		return nil, errors.New("not a Fractal Generator cookie")
	}
	p, err := DecodeFractalParameter(parameter)
	if err != nil {
		return nil, err
	}
	if x >= p.Width || y > p.Height {
		return nil, errors.New("a cookie beyond its image")
	}
	return &fractalState{p, y*p.Width + x}, nil
}

// data is the next DATA message, and whether it is the last, which says that the image
// is complete.
func (f *fractalState) data() (b []byte, last bool) {
	x, y, n := f.next%f.Width, f.next/f.Width, min(fractalPoints, f.Width*f.Height-f.next)
	if last = n == 0; last {
		x, y = math.MaxUint32, math.MaxUint32
	}
	b = binary.BigEndian.AppendUint16([]byte{fractalData, 0}, uint16(16+4*n))
	for _, u := range []uint32{x, y, n} {
		b = binary.BigEndian.AppendUint32(b, u)
	}
	for ; n > 0; n-- {
		b = binary.BigEndian.AppendUint32(b, f.value(f.next%f.Width, f.next/f.Width))
		f.next++
	}
	return b, last
}

// Fractal computes images as rsplib's Fractal Generator does. Cookies say how far an
// image is, so that another element goes on with it.
type Fractal struct{}

// ServeSession implements poolelement.Handler.
func (Fractal) ServeSession(ctx context.Context, s *poolelement.Session) {
	if err := fractal(ctx, s); err != nil {
		_ = s.Association().Abort(err.Error()) // it may have ended
	}
}

func fractal(ctx context.Context, s *poolelement.Session) error {
	state, err := s.Cookie(ctx)
	if errors.Is(err, cookie.ErrInvalid) {
		return err
	}
	if err != nil {
		return nil // the user has gone
	}
	if state != nil {
		f, err := decodeFractalCookie(state)
		if err != nil {
			return err
		}
		if !f.draw(ctx, s) {
			return nil
		}
	}
	var in []byte
	for {
		m, err := Receive(ctx, s, in, fractalLength)
		if errors.Is(err, ErrTooLong) {
			return err
		}
		if err != nil {
			return nil
		}
		in = m.Data
		p, err := DecodeFractalParameter(m.Data)
		if err != nil {
			return err
		}
		if !(&fractalState{FractalParameter: p}).draw(ctx, s) {
			return nil
		}
	}
}

// draw sends the rest of the image; false means that the user has gone.
func (f *fractalState) draw(ctx context.Context, s *poolelement.Session) bool {
	var told time.Time
	for i := 0; ; i++ {
		if i%fractalCookieRate == 0 || time.Since(told) > fractalCookieTime {
			told = time.Now()
			// On a transport without control channel there are no cookies.
			_ = s.SendCookie(ctx, f.cookie())
		}
		b, last := f.data()
		if s.Send(ctx, &sctp.Message{PPID: PPIDFractal, Data: b}) != nil {
			return false
		}
		if last {
			return true
		}
	}
}
