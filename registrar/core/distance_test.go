package core_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// away is an association with the given round-trip time.
func (g *rig) away(ch core.Channel, ip string, port uint16, rtt time.Duration) core.ConnID {
	id := g.r.Accept(g.now, core.Conn{Channel: ch, Remote: at(ip, port), Local: local, RTT: func() time.Duration { return rtt }})
	g.drain()
	return id
}

// draft-dreibholz-rserpool-delay §2: the home measures the distance to its elements,
// in steps; other registrars add theirs to the home.
func TestDistances(t *testing.T) {
	g := newRig(t, core.Config{})
	p := g.away(core.ENRP, "10.0.0.9", rserpool.ENRPPort, 210*time.Millisecond)
	g.say(p, g.presence(0x900, "10.0.0.9", none))
	g.out = nil
	for i, c := range []struct {
		rtt  time.Duration
		want uint32
	}{{0, 0}, {49 * time.Millisecond, 0}, {50 * time.Millisecond, 50}, {149 * time.Millisecond, 50}, {150 * time.Millisecond, 100}, {-1, 0}} {
		ip := "10.0.1." + string(rune('1'+i))
		e := g.away(core.ASAP, ip, 5000, c.rtt)
		pe := element(rserpool.PEID(i+1), ip)
		pe.Policy = rserpool.Policy{Type: rserpool.RsplibLeastUsedDPF, DPF: 1, Distance: 77} // which is not for it to say
		g.register(e, pe)
		require.Equal(t, c.want, one[*enrp.HandleUpdate](g, p).Element.Policy.Distance, "%v", c.rtt)
	}
	far := owned(0x900, 9, "10.0.1.9")
	for told, want := range map[uint32]uint32{0: 100, 150: 250, math.MaxUint32: math.MaxUint32} { // 105 ms is 100
		far.Policy = rserpool.Policy{Type: rserpool.RsplibLeastUsedDPF, DPF: 1, Distance: told}
		g.say(p, add(far))
		el, _ := g.r.Space().Get(pool, 9)
		require.Equal(t, want, el.Policy.Distance)
	}
	far.Policy.Distance = 0
	g.say(p, add(far))
	resp := g.resolve(g.asap("10.0.2.1"), &asap.HandleResolution{Handle: pool})
	require.Equal(t, "1", ids(resp.Elements[:1]), "the nearest")
	require.Equal(t, rserpool.PEID(9), resp.Elements[len(resp.Elements)-1].ID, "the last among those that are as far")

	// Policies without distance stay as they are.
	e := g.away(core.ASAP, "10.0.3.1", 5000, time.Second)
	g.say(e, registration("rr", element(1, "10.0.3.1")))
	el, _ := g.r.Space().Get("rr", 1)
	require.Zero(t, el.Policy.Distance)
}
