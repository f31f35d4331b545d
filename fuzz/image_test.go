package fuzz

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
)

// FuzzImage: a file that is to be the image of a handlespace, with a right checksum or
// without. What is accepted is written as it was read, and a registrar can start
// with it.
func FuzzImage(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	whole := formerLife(now).AppendTo(nil)
	f.Add(whole, false)
	f.Add((&core.Image{ID: 1}).AppendTo(nil), false)
	f.Add(whole[:len(whole)-4], true)
	f.Add(whole[:28], true)
	for _, b := range rserpoolSeeds(f, "enrp") {
		head := append([]byte(nil), whole[:28]...)
		head[27] = 1
		head = append(head, 0, 0, 0, 0, 0, 0, 0, 0)
		f.Add(append(binary.BigEndian.AppendUint32(head, uint32(len(b))), b...), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if sum {
			b = binary.BigEndian.AppendUint32(b[:len(b):len(b)], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		}
		im, err := core.DecodeImage(b)
		if err != nil {
			require.Nil(t, im)
			return
		}
		require.LessOrEqual(t, len(im.Elements), len(b)/12)
		again, err := core.DecodeImage(im.AppendTo(nil))
		require.NoError(t, err)
		require.Equal(t, im.AppendTo(nil), again.AppendTo(nil))
		g := &registrarRig{t: t, now: now, dialing: map[core.ConnID]core.Action{}, ended: map[core.ConnID]bool{}, enrp: map[core.ConnID]bool{}}
		g.r, err = core.New(now, core.Config{ID: im.ID, Rand: pcg{rand.New(rand.NewPCG(6, 7))}, Profile: core.ProfileFast, Limits: registrarLimits, Restore: im})
		require.NoError(t, err)
		g.drain()
		g.advance(time.Minute, true)
		require.Zero(t, g.r.Snapshot().Connections)
		require.Empty(t, g.r.Snapshot().Pools, "nobody has answered")
		require.Empty(t, g.r.Image(g.now).Elements)
	})
}
