package registrar

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// Status is the registrar's state as /api/status gives it.
type Status struct {
	Registrar RegistrarStatus `json:"registrar"`
	Peers     []PeerStatus    `json:"peers"`
	Pools     []PoolStatus    `json:"pools"`
	Rates     RatesStatus     `json:"rates"`
	Events    []EventStatus   `json:"events"` // the newest first: at most 100 of registrars and 100 of elements
}

// RegistrarStatus is the registrar itself.
type RegistrarStatus struct {
	ID       string  `json:"id"`
	UptimeS  float64 `json:"uptime_s"`
	Ready    bool    `json:"ready"`
	Draining bool    `json:"draining"`
	Checksum string  `json:"checksum"`
	Owned    int     `json:"owned"`
	Profile  string  `json:"profile"`
	ASAP     string  `json:"asap"`
	ENRP     string  `json:"enrp"`

	Scope       string `json:"scope,omitempty"`
	Description string `json:"description,omitempty"`

	Connections int        `json:"connections"`
	Stats       core.Stats `json:"stats"`
}

// PeerStatus is another registrar.
type PeerStatus struct {
	ID         string  `json:"id"`
	State      string  `json:"state"`
	LastHeardS float64 `json:"last_heard_s"` // -1: never
	Elements   int     `json:"elements"`
	Checksum   string  `json:"checksum"`            // of these, as computed here
	Announced  string  `json:"announced,omitempty"` // the checksum that the peer announced last
	InSync     bool    `json:"in_sync"`             // they agree
	Connected  bool    `json:"connected"`
	Foreign    bool    `json:"foreign,omitempty"` // of another implementation
	// Transport is where it is reached, as it announced; nil if it has not.
	Transport *TransportStatus `json:"transport,omitempty"`
}

// PoolStatus is a pool with its elements.
type PoolStatus struct {
	Pool     string          `json:"pool"` // bytes that are no UTF-8 are replaced in JSON
	Name     string          `json:"name"` // printable: a Go string literal if need be
	Policy   string          `json:"policy"`
	Elements []ElementStatus `json:"elements"`
}

// ElementStatus is a pool element.
type ElementStatus struct {
	ID         string            `json:"id"`
	Home       string            `json:"home"`
	Policy     PolicyStatus      `json:"policy"`
	Transports []TransportStatus `json:"transports"`
	Connected  bool              `json:"connected"`
	Reports    int               `json:"reports"`   // hosts that lately found it unreachable
	AgeS       float64           `json:"age_s"`     // since it is known here
	UpdatedS   float64           `json:"updated_s"` // since it was last registered
	ExpiresS   float64           `json:"expires_s"` // until it expires; -1: never
}

// PolicyStatus is a policy with its parameters.
type PolicyStatus struct {
	Type     string  `json:"type"`
	Weight   uint32  `json:"weight,omitempty"`
	Priority uint32  `json:"priority,omitempty"`
	Load     float64 `json:"load,omitempty"` // 0 to 1
	// Text is the policy with all that belongs to it, as flags have it.
	Text string `json:"text"`
}

// TransportStatus is where an element is reached.
type TransportStatus struct {
	Protocol  string       `json:"protocol"`
	Addresses []netip.Addr `json:"addresses"`
	Port      uint16       `json:"port"`
	UDPPort   uint16       `json:"udp_port,omitempty"`
}

// Status returns the state as /api/status gives it.
func (r *Registrar) Status() Status {
	s := r.Snapshot()
	now := time.Now()
	asap, enrp := r.Addrs()
	r.mu.Lock()
	draining := r.isDrain
	events, rates := r.journal.recent(), r.rates.status()
	r.mu.Unlock()
	out := Status{
		Registrar: RegistrarStatus{
			ID: s.ID.String(), UptimeS: now.Sub(r.started).Seconds(), Ready: s.Ready, Draining: draining,
			Checksum: hex16(s.Checksum), Owned: s.Owned, Profile: r.cfg.profile().Name,
			ASAP: asap.String(), ENRP: enrp.String(), Connections: s.Connections, Stats: s.Stats,
			Scope: r.cfg.Scope, Description: r.cfg.Description,
		},
		Peers: make([]PeerStatus, 0, len(s.Peers)), Pools: make([]PoolStatus, 0, len(s.Pools)), // [] rather than null
		Rates: rates, Events: events,
	}
	for i := range s.Peers {
		out.Peers = append(out.Peers, peerStatus(now, &s.Peers[i]))
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		ps := PoolStatus{Pool: string(p.Handle), Name: p.Handle.String(), Elements: make([]ElementStatus, 0, len(p.Elements))}
		for j := range p.Elements {
			e := &p.Elements[j]
			ps.Policy = e.Policy.Type.String()
			ps.Elements = append(ps.Elements, elementStatus(now, e))
		}
		out.Pools = append(out.Pools, ps)
	}
	return out
}

// Summary is a little of what there is to know about a registrar, and cheap.
type Summary struct {
	ID              rserpool.RegistrarID
	Pools, Elements int
	Owned           int               // elements that it is the home of
	Peers           []core.PeerStatus // by identifier
}

// Summary returns numbers, in a time that does not depend on how many elements there are.
func (r *Registrar) Summary() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Summary{ID: r.core.ID(), Peers: r.core.PeerStatuses()}
	s.Pools, s.Elements = r.core.Space().Len()
	s.Owned = r.core.Space().OwnedLen(s.ID)
	return s
}

func peerStatus(now time.Time, p *core.PeerStatus) PeerStatus {
	s := PeerStatus{ID: p.ID.String(), State: p.State, LastHeardS: since(now, p.LastHeard), Elements: p.Elements,
		Checksum: hex16(p.Checksum), InSync: p.InSync, Connected: p.Connected, Foreign: p.Foreign}
	if p.Announces {
		s.Announced = hex16(p.Announced)
	}
	if p.Transport != nil {
		t := transportStatus(p.Transport)
		s.Transport = &t
	}
	return s
}

func elementStatus(now time.Time, e *core.ElementStatus) ElementStatus {
	s := ElementStatus{
		ID: e.ID.String(), Home: e.Home.String(), Connected: e.Connected, Reports: e.Reports,
		Policy: PolicyStatus{Type: e.Policy.Type.String(), Weight: e.Policy.Weight, Priority: e.Policy.Priority,
			Load: rserpool.Fraction(e.Policy.Load), Text: e.Policy.String()},
		Transports: []TransportStatus{transportStatus(&e.User)},
		AgeS:       since(now, e.Registered), UpdatedS: since(now, e.Updated), ExpiresS: -1,
	}
	if !e.Expiry.IsZero() {
		s.ExpiresS = max(e.Expiry.Sub(now).Seconds(), 0)
	}
	return s
}

func transportStatus(t *rserpool.Transport) TransportStatus {
	s := TransportStatus{Protocol: t.Protocol.String(), Addresses: t.Addrs, Port: t.Port, UDPPort: t.UDPPort}
	if s.Addresses == nil {
		s.Addresses = []netip.Addr{}
	}
	if t.Protocol == rserpool.ProtoSCTP && s.UDPPort == 0 {
		s.UDPPort = 9899
	}
	return s
}

func hex16(n uint16) string {
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}

// Handler serves the status page at /, its data at /api/status, /healthz, and
// /readyz, which is 503 during start-up and drain. Metrics need a library that this
// package does without: the rserpool command adds them at /metrics.
func (r *Registrar) Handler() http.Handler {
	mux := http.NewServeMux()
	r.servePage(mux)
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(r.Status()) // the client may be gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		ready := r.isReady && !r.isDrain && !r.closed
		r.mu.Unlock()
		if !ready {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	return mux
}

// since is the seconds since t, -1 if it never was.
func since(now, t time.Time) float64 {
	if t.IsZero() {
		return -1
	}
	return now.Sub(t).Seconds()
}
