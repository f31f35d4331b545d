package core

import (
	"maps"
	"time"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// Stats counts what a registrar has done and met. All counters only grow.
type Stats struct {
	Registrations     uint64 // of new elements
	Reregistrations   uint64
	Restored          uint64 // elements of an image that have answered
	Deregistrations   uint64
	Rejected          uint64 // registrations and deregistrations that were refused
	Removed           uint64 // elements removed here, for whatever reason
	Expired           uint64 // of these, at the end of their life
	Resolutions       uint64
	ResolutionsFailed uint64 // of these, without elements to return
	Notifications     uint64 // updates sent to subscribers
	Reports           uint64 // of unreachable elements
	RateLimited       uint64 // requests beyond the rate
	Denied            uint64 // by the access list
	KeepAlivesSent    uint64
	KeepAliveTimeouts uint64
	UpdatesSent       uint64 // HANDLE_UPDATE
	UpdatesReceived   uint64
	Resyncs           uint64 // tables fetched because checksums differed
	PagesSent         uint64 // of handle tables
	Conflicts         uint64 // elements that two registrars claimed and this one kept or took back
	TakeoversStarted  uint64
	TakeoversWon      uint64
	TakeoversAborted  uint64
	Refused           uint64 // things that peers may not do
	Dropped           uint64 // messages ignored
	DecodeErrors      uint64
	AnnouncesSent     uint64 // by multicast, ASAP and ENRP
	AnnouncesHeard    uint64
	AnnouncesIgnored  uint64 // garbage, forged, of no use, or too many
	Stalls            uint64 // times this process was late by more than half a keep-alive timeout
}

// PeerStatus is what is known of a peer.
type PeerStatus struct {
	ID        rserpool.RegistrarID
	State     string // unknown, active, suspect, inactive or takeover
	LastHeard time.Time
	Transport *rserpool.Transport // as it announced; nil if it has not
	Elements  int                 // it owns
	Checksum  uint16              // of these, as computed here
	Announced uint16              // the checksum that it announced last
	Announces bool                // it has
	InSync    bool                // they agree, as far as its implementation can
	Foreign   bool                // it is of another implementation
	Connected bool
}

// ElementStatus is what is known of an element.
type ElementStatus struct {
	handlespace.Element
	Connected bool // it has an association with this registrar
	Reports   int  // hosts that found it unreachable lately
	// Lasts is how long its registration lasts, whatever the unit; -1 if it does not end.
	Lasts time.Duration
}

// PoolStatus is a pool and its elements in the order of their identifiers.
type PoolStatus struct {
	handlespace.PoolInfo
	Elements []ElementStatus
}

// Snapshot is the state of a registrar at one instant.
type Snapshot struct {
	ID          rserpool.RegistrarID
	Started     time.Time
	Ready       bool
	Checksum    uint16 // of the owned elements
	Owned       int
	Connections int
	Peers       []PeerStatus // by identifier
	Pools       []PoolStatus // by handle
	Stats       Stats

	// RejectedBy is Stats.Rejected by why, UndecodableBy is Stats.DecodeErrors likewise: those
	// that are answered.
	RejectedBy, UndecodableBy map[rserpool.CauseCode]uint64
}

// causeCounts counts errors by their first cause. Their codes are this package's, so they are
// few.
type causeCounts map[rserpool.CauseCode]uint64

func (m *causeCounts) count(causes []rserpool.Cause) {
	if len(causes) == 0 {
		return
	}
	if *m == nil {
		*m = causeCounts{}
	}
	(*m)[causes[0].Code]++
}

// Stats returns the counters.
func (r *Registrar) Stats() Stats { return r.stats }

// Snapshot returns the state, which shares nothing with the Registrar but what
// never changes.
func (r *Registrar) Snapshot() Snapshot {
	s := Snapshot{
		ID: r.id, Started: r.started, Ready: r.Ready(), Checksum: r.space.Checksum(r.id),
		Owned: r.space.OwnedLen(r.id), Connections: len(r.links.byID), Stats: r.stats,
		Peers: r.PeerStatuses(), RejectedBy: maps.Clone(r.rejectedBy), UndecodableBy: maps.Clone(r.undecodableBy),
	}
	for _, info := range r.space.Pools() {
		ps := PoolStatus{PoolInfo: info}
		_, els, _ := r.space.Pool(info.Handle)
		for _, el := range els {
			st := ElementStatus{Element: el, Lasts: -1}
			if d, ok := life(r.profile.LifeUnit, el.Life, el.Home == r.id); ok {
				st.Lasts = d
			}
			if e := r.entries[el.Key()]; e != nil {
				st.Connected, st.Reports = e.conn != 0, len(e.reports)
			}
			ps.Elements = append(ps.Elements, st)
		}
		s.Pools = append(s.Pools, ps)
	}
	return s
}

// PeerStatuses returns the peers in the order of their identifiers, those that
// have introduced themselves and those whose elements are known.
func (r *Registrar) PeerStatuses() []PeerStatus {
	var out []PeerStatus
	for _, p := range r.sortedPeers() {
		st := PeerStatus{
			ID: p.id, State: p.state.String(), LastHeard: p.lastHeard,
			Elements: r.space.OwnedLen(p.id), Checksum: r.space.Checksum(p.id), Connected: p.conn != 0,
			Announced: p.audit.sum, Announces: p.audit.known, Foreign: p.info != nil && p.foreign,
		}
		st.InSync = st.Announces && r.agrees(p, p.audit.sum)
		if p.info != nil {
			t := p.info.Transport.Clone()
			st.Transport = &t
		}
		out = append(out, st)
	}
	return out
}
