package fuzz

import (
	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/rserpool"
)

// chooser makes choices of the bytes of a step.
type chooser struct{ b []byte }

func (c *chooser) n(most int) int {
	if len(c.b) == 0 {
		return 0
	}
	v := int(c.b[0]) % most
	c.b = c.b[1:]
	return v
}

func (c *chooser) yes() bool { return c.n(2) == 1 }

func (c *chooser) handle() rserpool.PoolHandle {
	return []rserpool.PoolHandle{fuzzPool, "b", "c", "d", "e", "f"}[c.n(6)]
}

// registrar is one of six, the one under test among them.
func (c *chooser) registrar() rserpool.RegistrarID {
	return fuzzRegistrar - 2 + rserpool.RegistrarID(c.n(6))
}

func (c *chooser) element() rserpool.PoolElement {
	pe := rserpool.PoolElement{
		ID: rserpool.PEID(1 + c.n(16)), Life: []uint32{0, 1, 60, 90_000, 1<<32 - 1}[c.n(5)],
		User:   rserpool.Transport{Protocol: rserpool.ProtoTCP, Port: 80, Addrs: sctpAt(byte(c.n(16)), 0).Addrs},
		Policy: rserpool.Policy{Type: rserpool.RoundRobin},
		Home:   c.registrar(),
	}
	if c.yes() {
		at := sctpAt(byte(c.n(16)), 5000)
		pe.ASAP = &at
	}
	return pe
}

func (c *chooser) asap() asap.Message {
	switch c.n(8) {
	case 0, 1, 2:
		pe := c.element()
		if c.yes() {
			pe.Home = 0
		}
		return &asap.Registration{Handle: c.handle(), Element: pe}
	case 3:
		return &asap.Deregistration{Handle: c.handle(), PEID: rserpool.PEID(1 + c.n(16))}
	case 4:
		return &asap.HandleResolution{Handle: c.handle(), Subscribe: c.yes()}
	case 5:
		return &asap.EndpointUnreachable{Handle: c.handle(), PEID: rserpool.PEID(1 + c.n(16))}
	default:
		return &asap.EndpointKeepAliveAck{Handle: c.handle(), PEID: rserpool.PEID(1 + c.n(16))}
	}
}

func (c *chooser) enrp() enrp.Message {
	from, to := c.registrar(), fuzzRegistrar
	if c.n(8) == 0 {
		to = c.registrar()
	}
	server := rserpool.ServerInfo{ID: from, Transport: sctpAt(byte(c.n(16)), rserpool.ENRPPort)}
	switch c.n(10) {
	case 0, 1:
		return &enrp.Presence{Sender: from, Receiver: to, ReplyRequired: c.yes(), Checksum: uint16(c.n(256)) << 8, HasChecksum: c.yes(), Server: &server}
	case 2:
		m := &enrp.HandleTableRequest{Sender: from, Receiver: to, OwnOnly: c.yes()}
		if c.yes() {
			m.After = &enrp.TablePlace{Handle: c.handle(), PEID: rserpool.PEID(1 + c.n(16))}
		}
		return m
	case 3:
		m := &enrp.HandleTableResponse{Sender: from, Receiver: to, More: c.yes()}
		for range c.n(3) {
			m.Pools = append(m.Pools, enrp.PoolEntries{Handle: c.handle(), Elements: []rserpool.PoolElement{c.element()}})
		}
		return m
	case 4, 5:
		pe := c.element()
		if c.yes() {
			pe.Home = from
		}
		return &enrp.HandleUpdate{Sender: from, Receiver: to, TakeoverSuggested: c.yes(), Action: enrp.UpdateAction(c.n(2)), Handle: c.handle(), Element: pe}
	case 6:
		return &enrp.ListRequest{Sender: from, Receiver: to}
	case 7:
		server.ID = c.registrar()
		return &enrp.ListResponse{Sender: from, Receiver: to, Servers: []rserpool.ServerInfo{server}}
	case 8:
		return &enrp.InitTakeover{Sender: from, Receiver: to, Target: c.registrar()}
	default:
		if c.yes() {
			return &enrp.InitTakeoverAck{Sender: from, Receiver: to, Target: c.registrar()}
		}
		return &enrp.TakeoverServer{Sender: from, Receiver: to, Target: c.registrar()}
	}
}
