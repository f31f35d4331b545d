package core_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

func sampleImage() *core.Image {
	taken := time.Unix(1_700_000_000, 5)
	im := &core.Image{ID: 0x500, Taken: taken}
	for i := range 3 {
		pe := owned(0x500, rserpool.PEID(i+1), "10.0.1.1")
		im.Elements = append(im.Elements, core.ImageElement{Handle: "pool\x00\xff", Element: pe, Expiry: taken.Add(time.Duration(i) * time.Minute)})
	}
	im.Elements[1].Expiry = time.Time{}
	return im
}

func TestImageRoundTrip(t *testing.T) {
	for _, im := range []*core.Image{sampleImage(), {ID: 1, Taken: time.Unix(0, 1)}} {
		b := im.AppendTo([]byte("before"))
		got, err := core.DecodeImage(b[6:])
		require.NoError(t, err)
		require.Equal(t, im.AppendTo(nil), got.AppendTo(nil))
		require.Equal(t, im.ID, got.ID)
		require.True(t, im.Taken.Equal(got.Taken))
		require.Len(t, got.Elements, len(im.Elements))
		for i, e := range got.Elements {
			require.Equal(t, im.Elements[i].Handle, e.Handle)
			require.True(t, im.Elements[i].Element.Equal(e.Element), "%v", e.Element)
			require.True(t, im.Elements[i].Expiry.Equal(e.Expiry))
		}
	}
}

// Whatever is not an image from the first to the last byte is an error that says which
// kind it is, wherever it is cut and whichever bit is wrong.
func TestImageDamage(t *testing.T) {
	whole := sampleImage().AppendTo(nil)
	for n := range whole {
		_, err := core.DecodeImage(whole[:n])
		require.ErrorIs(t, err, core.ErrImageDamaged, "cut off at %d", n)
	}
	for i := range whole {
		for bit := range 8 {
			b := append([]byte(nil), whole...)
			b[i] ^= 1 << bit
			_, err := core.DecodeImage(b)
			require.Error(t, err, "byte %d bit %d", i, bit)
		}
	}
	for name, b := range map[string][]byte{"other file": []byte("#!/bin/sh\n"), "empty": {}, "more": append(whole[:len(whole):len(whole)], 0)} {
		_, err := core.DecodeImage(b)
		require.Error(t, err, name)
	}
	_, err := core.DecodeImage([]byte("something else altogether, long enough"))
	require.ErrorIs(t, err, core.ErrImageForeign)

	resum := func(change func(b []byte)) error { // with a checksum that is right
		b := append([]byte(nil), whole...)
		change(b)
		binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], crc32.MakeTable(crc32.Castagnoli)))
		_, err := core.DecodeImage(b)
		return err
	}
	require.NoError(t, resum(func([]byte) {}))
	require.ErrorIs(t, resum(func(b []byte) { b[11] = 2 }), core.ErrImageForeign, "a later version")
	require.ErrorIs(t, resum(func(b []byte) { copy(b[12:], "\x00\x00\x00\x00") }), core.ErrImageDamaged, "no identifier")
	require.ErrorIs(t, resum(func(b []byte) { b[27] = 200 }), core.ErrImageDamaged, "too few elements")
	require.ErrorIs(t, resum(func(b []byte) { b[27] = 1 }), core.ErrImageDamaged, "too many")
	require.ErrorIs(t, resum(func(b []byte) { b[36] = 0xff }), core.ErrImageDamaged, "a length beyond the end")
	require.ErrorIs(t, resum(func(b []byte) { b[40] = 1 }), core.ErrImageDamaged, "another message")

	twice := sampleImage()
	twice.Elements[1] = twice.Elements[0]
	_, err = core.DecodeImage(twice.AppendTo(nil))
	require.ErrorIs(t, err, core.ErrImageDamaged)
}
