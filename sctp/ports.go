package sctp

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// Ephemeral ports are random ones of the dynamic range (RFC 6335 §6), so that
// nobody guesses them (RFC 6056).
const (
	firstDynamicPort = 49152
	lastPort         = 65535
	firstUserPort    = 1024
	dynamicPorts     = lastPort - firstDynamicPort + 1
	randomTries      = 16 // before ports are tried one after the other
)

// freePort returns a random port that nobody uses and that is usable, or, when
// ports run short, one that associations share.
func (d *demux) freePort(usable func(uint16) bool) (uint16, bool) {
	free := func(port uint16, share bool) bool {
		return d.listeners[port] == nil && (share || d.ports[port] == 0) && usable(port)
	}
	if port, ok := d.shared.pick(func(port uint16) bool { return free(port, false) }); ok {
		return port, true
	}
	for range randomTries {
		if port := uint16(firstDynamicPort + int(random16())%dynamicPorts); free(port, false) {
			return port, true
		}
	}
	start := int(random16()) % dynamicPorts
	for _, share := range []bool{false, true} {
		for i := range dynamicPorts {
			if port := uint16(firstDynamicPort + (start+i)%dynamicPorts); free(port, share) {
				return port, true
			}
		}
	}
	for port := uint16(firstDynamicPort - 1); port >= firstUserPort; port-- {
		if free(port, true) {
			return port, true
		}
	}
	return 0, false
}

func random16() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return binary.BigEndian.Uint16(b[:])
}

// share says that other programs get the same packets as this stack. It may answer only
// those to ports that it has used, be it that nobody has them any more. Its ephemeral
// ports come out of blocks that it reserves among the programs with r, if not nil.
func (d *demux) share(r carrier.PortReserver) {
	d.shared = &sharedPorts{reserver: r}
	d.shared.grow()
}

// ours says whether packets to a port are for this stack and no other.
func (d *demux) ours(port uint16) bool {
	if d.shared == nil {
		return true
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.shared.used[port/64]&(1<<(port%64)) != 0
}

// blockPorts is how many ports are reserved at once. A block is kept as long as the
// stack lives, so that late packets to a port are answered by nobody else.
const blockPorts = 128

// sharedPorts are the ports of a stack that shares its addresses with other programs.
type sharedPorts struct {
	used     [1 << 16 / 64]uint64 // set of all ports ever used
	reserver carrier.PortReserver
	blocks   []uint16 // first ports of the reserved blocks
	own      [dynamicPorts / blockPorts]bool
}

// use enters a port into those ever used.
func (p *sharedPorts) use(port uint16) {
	if p != nil {
		p.used[port/64] |= 1 << (port % 64)
	}
}

// pick returns a free port out of the reserved blocks, and reserves more of them when
// they get full.
func (p *sharedPorts) pick(free func(uint16) bool) (uint16, bool) {
	if p == nil || len(p.blocks) == 0 && !p.grow() {
		return 0, false
	}
	at := func(i int) uint16 { return p.blocks[i/blockPorts] + uint16(i%blockPorts) }
	for {
		n := len(p.blocks) * blockPorts
		for range randomTries {
			if port := at(int(random16()) % n); free(port) {
				return port, true
			}
		}
		if !p.grow() {
			break
		}
	}
	for i := range len(p.blocks) * blockPorts {
		if port := at(i); free(port) {
			return port, true
		}
	}
	return 0, false
}

// grow reserves one more block, a random one. It is false if other programs have all
// that are left.
func (p *sharedPorts) grow() bool {
	if p.reserver == nil {
		return false
	}
	start := int(random16()) % len(p.own)
	for i := range p.own {
		b := (start + i) % len(p.own)
		first := uint16(firstDynamicPort + b*blockPorts)
		if !p.own[b] && p.reserver.ReservePorts(first, first+blockPorts-1) {
			p.own[b] = true
			p.blocks = append(p.blocks, first)
			return true
		}
	}
	return false
}
