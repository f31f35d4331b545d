package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// pools sends pools and elements: rserpoolENRPPoolTable, rserpoolENRPPoolElementTable and
// their address tables.
func (m *scrape) pools(pools []core.PoolStatus) {
	elements := 0
	protocols, policies := map[string]int{}, map[string]int{}
	for i := range pools {
		elements += len(pools[i].Elements)
		for j := range pools[i].Elements {
			e := &pools[i].Elements[j]
			protocols[e.User.Protocol.String()]++
			policies[policyName(e.Policy.Type)]++
		}
	}
	m.gauge("pools", float64(len(pools)))
	m.gauge("elements", float64(elements))
	for p, n := range protocols {
		m.gauge("elements_by_protocol", float64(n), p)
	}
	for p, n := range policies {
		m.gauge("elements_by_policy", float64(n), p)
	}
	left := m.omitted("elements", elements)
	for i := range pools[:m.omitted("pools", len(pools))] {
		p := &pools[i]
		pool := label(string(p.Handle))
		m.gauge("pool_elements", float64(len(p.Elements)), pool)
		for j := range p.Elements {
			if left--; left < 0 {
				break
			}
			m.element(pool, &p.Elements[j])
		}
	}
}

// element sends what is about one element.
func (m *scrape) element(pool string, e *core.ElementStatus) {
	pe := e.ID.String()
	asapPort := ""
	if e.ASAP != nil {
		asapPort = digits(e.ASAP.Port)
		m.addresses("pe_address_info", e.ASAP, pool, pe, "asap")
	}
	m.addresses("pe_address_info", &e.User, pool, pe, "user")
	m.gauge("pe_info", 1, pool, pe, e.Home.String(), e.User.Protocol.String(), digits(e.User.Port), digits(e.User.UDPPort),
		e.User.Use.String(), asapPort, policyName(e.Policy.Type), fmt.Sprintf("0x%08x", uint32(e.Policy.Type)))
	m.gauge("pe_load_ratio", rserpool.Fraction(e.Policy.Load), pool, pe)
	m.gauge("pe_load_degradation_ratio", rserpool.Fraction(e.Policy.LoadDegradation), pool, pe)
	m.gauge("pe_weight", float64(e.Policy.Weight), pool, pe)
	m.gauge("pe_priority", float64(e.Policy.Priority), pool, pe)
	m.gauge("pe_registration_life_seconds", lifeSeconds(e.Lasts), pool, pe)
	m.gauge("pe_updated_seconds", since(m.now, e.Updated), pool, pe)
	m.gauge("pe_connected", flag(e.Connected), pool, pe)
	m.gauge("pe_reports", float64(e.Reports), pool, pe)
}

// peers sends rserpoolENRPPeerTable and rserpoolENRPPeerAddrTable.
func (m *scrape) peers(peers []core.PeerStatus) {
	states := map[string]int{"unknown": 0, "active": 0, "suspect": 0, "inactive": 0, "takeover": 0}
	for i := range peers {
		states[peers[i].State]++
	}
	for s, n := range states {
		m.gauge("peers", float64(n), s)
	}
	for i := range peers[:m.omitted("peers", len(peers))] {
		p := &peers[i]
		id, port, udp := p.ID.String(), "", ""
		if p.Transport != nil {
			port, udp = digits(p.Transport.Port), digits(p.Transport.UDPPort)
			m.addresses("peer_address_info", p.Transport, id)
		}
		m.gauge("peer_info", 1, id, p.State, port, udp, strconv.FormatBool(p.Foreign))
		m.gauge("peer_last_heard_seconds", since(m.now, p.LastHeard), id)
		m.gauge("peer_elements", float64(p.Elements), id)
		m.gauge("peer_in_sync", flag(p.InSync), id)
		m.gauge("peer_connected", flag(p.Connected), id)
	}
}

// addresses sends the addresses of a transport. That of an opaque one is its bytes.
func (m *scrape) addresses(name string, t *rserpool.Transport, labels ...string) {
	var sent []string
	send := func(family, address string) {
		if !slices.Contains(sent, address) { // a peer may list one twice
			sent = append(sent, address)
			m.gauge(name, 1, append(slices.Clone(labels), family, address)...)
		}
	}
	if t.Protocol == rserpool.ProtoOpaque {
		send("unknown", hex.EncodeToString(t.Opaque[:min(len(t.Opaque), 64)]))
	}
	for _, ip := range t.Addrs {
		send(family(ip), ip.WithZone("").String())
	}
}

// roundTrips sends the distribution of round-trip times.
func (m *scrape) roundTrips(channel string, all []time.Duration) {
	slices.Sort(all)
	quantiles := map[float64]float64{}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	for _, q := range []float64{0.5, 0.9, 0.99, 1} {
		quantiles[q] = math.NaN()
		if n := len(all); n > 0 {
			quantiles[q] = all[min(int(q*float64(n)), n-1)].Seconds()
		}
	}
	m.ch <- prometheus.MustNewConstSummary(m.descs["association_rtt_seconds"], uint64(len(all)), sum.Seconds(), quantiles, channel)
}

func digits(n uint16) string { return strconv.Itoa(int(n)) }

func family(ip netip.Addr) string {
	if ip.Unmap().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// policyName keeps the names few: elements may have any type.
func policyName(t rserpool.PolicyType) string {
	if t.Known() {
		return t.String()
	}
	return "unknown"
}

// lifeSeconds is infinite for a registration that does not end.
func lifeSeconds(d time.Duration) float64 {
	if d < 0 {
		return math.Inf(1)
	}
	return d.Seconds()
}

// digest tells long names apart that begin alike, also if somebody tries to make them look
// the same: two series of the same labels would fail the whole scrape.
func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}
