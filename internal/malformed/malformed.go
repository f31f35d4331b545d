// Package malformed makes ASAP and ENRP messages that are nearly right, from seeds: the
// same for the tests of our registrar and for those of others (make interop).
package malformed

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// A Source makes messages. It is not safe for concurrent use.
type Source struct {
	rng *rand.Rand
	ip  netip.Addr
}

// New returns a source whose elements and registrars are at an address.
func New(seed uint64, ip netip.Addr) *Source {
	return &Source{rand.New(rand.NewPCG(seed, 0)), ip}
}

// ASAP returns the next ASAP message. No pool handle in it is longer than 32 bytes,
// which rsplib would not survive.
func (s *Source) ASAP() []byte { return s.spoil(s.asap().AppendTo(nil)) }

// ENRP returns the next ENRP message, likewise.
func (s *Source) ENRP() []byte { return s.spoil(s.enrp().AppendTo(nil)) }

func (s *Source) yes() bool { return s.rng.IntN(2) == 0 }

func (s *Source) handle() rserpool.PoolHandle {
	return []rserpool.PoolHandle{"Pool", "Another pool", "", "A pool whose name has 32 letters"}[s.rng.IntN(4)]
}

func (s *Source) pe() rserpool.PEID            { return rserpool.PEID(s.rng.IntN(5)) }
func (s *Source) server() rserpool.RegistrarID { return rserpool.RegistrarID(s.rng.IntN(5)) << 12 }

func (s *Source) transport() rserpool.Transport {
	p := []rserpool.Protocol{rserpool.ProtoSCTP, rserpool.ProtoSCTP, rserpool.ProtoTCP, rserpool.ProtoUDP, rserpool.ProtoDCCP, rserpool.ProtoUDPLite}[s.rng.IntN(6)]
	return rserpool.Transport{Protocol: p, Port: uint16(s.rng.Uint32()), Addrs: []netip.Addr{s.ip}}
}

func (s *Source) element() rserpool.PoolElement {
	types := rserpool.PolicyTypes()
	e := rserpool.PoolElement{ID: s.pe(), Home: s.server(), Life: s.rng.Uint32() >> s.rng.IntN(32), User: s.transport(),
		Policy: rserpool.Policy{Type: types[s.rng.IntN(len(types))], Weight: s.rng.Uint32(), Priority: s.rng.Uint32(),
			Load: s.rng.Uint32(), LoadDegradation: s.rng.Uint32()}}
	if s.yes() {
		e.ASAP = &rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: uint16(s.rng.Uint32()), Addrs: []netip.Addr{s.ip}}
	}
	return e
}

func (s *Source) causes() []rserpool.Cause {
	return []rserpool.Cause{{Code: rserpool.CauseCode(s.rng.IntN(16)), Info: make([]byte, s.rng.IntN(9))}}
}

func (s *Source) asap() asap.Message {
	h, id := s.handle(), s.pe()
	switch s.rng.IntN(13) {
	case 0, 1, 2:
		return &asap.Registration{Handle: h, Element: s.element()}
	case 3:
		return &asap.Deregistration{Handle: h, PEID: id}
	case 4:
		return &asap.HandleResolution{Handle: h, HasItems: s.yes(), Items: s.rng.Uint32()}
	case 5:
		return &asap.EndpointUnreachable{Handle: h, PEID: id}
	case 6:
		return &asap.EndpointKeepAliveAck{Handle: h, PEID: id}
	case 7:
		return &asap.EndpointKeepAlive{Handle: h, PEID: id, HasPEID: s.yes(), Home: s.yes(), Server: s.server()}
	case 8:
		return &asap.RegistrationResponse{Handle: h, PEID: id, Reject: s.yes(), Causes: s.causes()}
	case 9:
		return &asap.Cookie{Cookie: make([]byte, s.rng.IntN(64))}
	case 10:
		return &asap.BusinessCard{Handle: h, Elements: []rserpool.PoolElement{s.element()}}
	case 11:
		return &asap.ServerAnnounce{Server: s.server(), Transports: []rserpool.Transport{s.transport()}}
	default:
		return &asap.Error{Causes: s.causes()}
	}
}

func (s *Source) enrp() enrp.Message {
	from, to := s.server(), s.server()
	info := rserpool.ServerInfo{ID: from, Transport: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: enrp.Port, Addrs: []netip.Addr{s.ip}}}
	switch s.rng.IntN(11) {
	case 0, 1:
		return &enrp.Presence{Sender: from, Receiver: to, ReplyRequired: s.yes(), HasChecksum: true, Checksum: uint16(s.rng.Uint32()), Server: &info}
	case 2:
		return &enrp.HandleTableRequest{Sender: from, Receiver: to, OwnOnly: s.yes()}
	case 3:
		return &enrp.HandleTableResponse{Sender: from, Receiver: to, More: s.yes(),
			Pools: []enrp.PoolEntries{{Handle: s.handle(), Elements: []rserpool.PoolElement{s.element(), s.element()}}}}
	case 4, 5, 6:
		return &enrp.HandleUpdate{Sender: from, Receiver: to, Action: enrp.UpdateAction(s.rng.IntN(3)), Handle: s.handle(), Element: s.element()}
	case 7:
		return &enrp.ListRequest{Sender: from, Receiver: to}
	case 8:
		return &enrp.ListResponse{Sender: from, Receiver: to, Servers: []rserpool.ServerInfo{info}}
	case 9:
		return []enrp.Message{&enrp.InitTakeover{Sender: from, Receiver: to, Target: s.server()},
			&enrp.InitTakeoverAck{Sender: from, Receiver: to, Target: s.server()},
			&enrp.TakeoverServer{Sender: from, Receiver: to, Target: s.server()}}[s.rng.IntN(3)]
	default:
		return &enrp.Error{Sender: from, Receiver: to, Causes: s.causes()}
	}
}

// spoil damages a message in one to three places.
func (s *Source) spoil(b []byte) []byte {
	for range 1 + s.rng.IntN(3) {
		b = s.damage(b)
	}
	if len(b) < 4 {
		b = append(b, make([]byte, 4-len(b))...)
	}
	if s.rng.IntN(4) > 0 { // else the length is wrong as well
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return short(b)
}

var words = []uint16{0, 1, 2, 3, 4, 5, 7, 8, 9, 0x0a, 0x0c, 0x0e, 0x0f, 16, 0x3f, 0xff, 0x7fff, 0x8000, 0x803f, 0x80ff, 0xfff0, 0xffff}

func (s *Source) damage(b []byte) []byte {
	if len(b) == 0 {
		return []byte{byte(s.rng.Uint32())}
	}
	from := s.rng.IntN(len(b)) &^ 3
	to := min(len(b), from+4*s.rng.IntN(8))
	switch s.rng.IntN(7) {
	case 0: // a bit
		b[s.rng.IntN(len(b))] ^= 1 << s.rng.IntN(8)
	case 1, 2: // a type, a length, a count
		if at := s.rng.IntN(len(b)) &^ 1; at+2 <= len(b) {
			binary.BigEndian.PutUint16(b[at:], words[s.rng.IntN(len(words))])
		}
	case 3: // its end
		b = b[:s.rng.IntN(len(b))]
	case 4: // more
		for range s.rng.IntN(40) {
			b = append(b, byte(s.rng.Uint32()))
		}
	case 5: // some of it twice
		b = append(b[:to:to], b[from:]...)
	case 6: // not all of it
		b = append(b[:from:from], b[to:]...)
	}
	return b
}

// short shortens what may be read as a pool handle of more than 32 bytes.
func short(b []byte) []byte {
	for i := 0; i+4 <= len(b); i++ {
		if binary.BigEndian.Uint16(b[i:]) == uint16(rserpool.ParamPoolHandle) && binary.BigEndian.Uint16(b[i+2:]) > 4+rserpool.MaxPoolHandleRsplib {
			binary.BigEndian.PutUint16(b[i+2:], 8)
		}
	}
	return b
}
