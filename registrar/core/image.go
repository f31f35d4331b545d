package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Image is what a registrar that starts again wants to know of its former life: who it
// was, and which elements it was the home of. See Registrar.Image and Config.Restore.
type Image struct {
	ID       rserpool.RegistrarID
	Taken    time.Time
	Elements []ImageElement
}

// ImageElement is an element of an Image.
type ImageElement struct {
	Handle  rserpool.PoolHandle
	Element rserpool.PoolElement // its home is that of the Image
	Expiry  time.Time            // when its registration ends; zero: never
}

// The errors of DecodeImage.
var (
	// ErrImageForeign: it is something else, or of a version that is not known.
	ErrImageForeign = errors.New("not an image of a handlespace")
	// ErrImageDamaged: it is not complete, or not as it was written.
	ErrImageDamaged = errors.New("damaged image of a handlespace")
)

// The form of an image, all in network byte order: magic, version, identifier, time and
// number of elements; of each element its expiry, the length of a message and that
// message, the ENRP_HANDLE_UPDATE which announces the element; and a CRC-32C of it all.
// Times are nanoseconds since 1970, 0 is never.
const (
	imageMagic   = "rserpool"
	imageVersion = 1
	imageHeader  = len(imageMagic) + 4 + 4 + 8 + 4
	imageRecord  = 8 + 4
)

func imageSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// AppendTo appends the image in the form that DecodeImage reads.
func (im *Image) AppendTo(b []byte) []byte {
	start := len(b)
	b = append(b, imageMagic...)
	b = binary.BigEndian.AppendUint32(b, imageVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(im.ID))
	b = binary.BigEndian.AppendUint64(b, nanos(im.Taken))
	b = binary.BigEndian.AppendUint32(b, uint32(len(im.Elements)))
	for i := range im.Elements {
		e := &im.Elements[i]
		b = binary.BigEndian.AppendUint64(b, nanos(e.Expiry))
		b = append(b, 0, 0, 0, 0)
		at := len(b)
		pe := e.Element
		pe.Home = im.ID
		b = (&enrp.HandleUpdate{Sender: im.ID, Action: enrp.AddPE, Handle: e.Handle, Element: pe}).AppendTo(b)
		binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at))
	}
	return binary.BigEndian.AppendUint32(b, imageSum(b[start:]))
}

// DecodeImage reads an image. It returns an error that wraps ErrImageForeign or
// ErrImageDamaged unless b is one from the first to the last byte.
func DecodeImage(b []byte) (*Image, error) {
	damaged := func(what string) (*Image, error) { return nil, fmt.Errorf("registrar: %w: %s", ErrImageDamaged, what) }
	switch {
	case len(b) < len(imageMagic) && string(b) == imageMagic[:len(b)]:
		return damaged("cut off")
	case len(b) < len(imageMagic) || string(b[:len(imageMagic)]) != imageMagic:
		return nil, fmt.Errorf("registrar: %w", ErrImageForeign)
	case len(b) < imageHeader+4:
		return damaged("cut off")
	}
	body := b[:len(b)-4]
	if version := binary.BigEndian.Uint32(b[8:]); version != imageVersion {
		return nil, fmt.Errorf("registrar: %w: version %d", ErrImageForeign, version)
	}
	if imageSum(body) != binary.BigEndian.Uint32(b[len(body):]) {
		return damaged("wrong checksum")
	}
	im := &Image{ID: rserpool.RegistrarID(binary.BigEndian.Uint32(b[12:])), Taken: fromNanos(binary.BigEndian.Uint64(b[16:]))}
	n := binary.BigEndian.Uint32(b[24:])
	if im.ID == 0 {
		return damaged("no identifier")
	}
	body = body[imageHeader:]
	seen := make(map[handlespace.Key]bool)
	for ; n > 0; n-- {
		if len(body) < imageRecord {
			return damaged("fewer elements than it says")
		}
		expiry, size := fromNanos(binary.BigEndian.Uint64(body)), int64(binary.BigEndian.Uint32(body[8:]))
		body = body[imageRecord:]
		if size > int64(len(body)) {
			return damaged("an element that is cut off")
		}
		m, err := enrp.Decode(body[:size:size])
		body = body[size:]
		u, ok := m.(*enrp.HandleUpdate)
		if err != nil || !ok || u.Action != enrp.AddPE || u.Element.Home != im.ID || u.Element.ID == 0 {
			return damaged("something that is not an element")
		}
		k := handlespace.Key{Handle: u.Handle, ID: u.Element.ID}
		if seen[k] {
			return damaged("an element twice")
		}
		seen[k] = true
		im.Elements = append(im.Elements, ImageElement{Handle: u.Handle, Element: u.Element.Clone(), Expiry: expiry})
	}
	if len(body) > 0 {
		return damaged("more than it says")
	}
	return im, nil
}

// nanos is a time as a number, 0 for the zero time.
func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func fromNanos(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
