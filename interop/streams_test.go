//go:build interop

package interop

import (
	"testing"
	"time"
)

// A hundred streams in both directions, of which the last is unordered.
func TestManyStreams(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		manyStreams(t, role, newKernel(t))
	})
}

func TestManyStreamsWithUsrsctp(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		manyStreams(t, role, newUsrsctp(t))
	})
}

func manyStreams(t *testing.T, role string, them opponent) {
	n := newNode(t)
	x := sized(10_000)
	x.streams = 100
	cfg := lossTimers
	cfg.OutStreams = 100
	x.play(within(t, time.Minute), t, role, n.stack(t, n.addr()), &cfg, them, []string{n.addr()}, []string{them.addr()})
}

// Everything unordered: one stream, which is the last.
func TestUnordered(t *testing.T) {
	eachRole(t, func(t *testing.T, role string) {
		k, n := newKernel(t), newNode(t)
		x := sized(5000)
		x.streams = 1
		x.play(within(t, time.Minute), t, role, n.stack(t, n.addr()), nil, k, []string{n.addr()}, []string{k.addr()})
	})
}
