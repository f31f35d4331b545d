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
func (r *Registrar) Snapshot() Snapshot { return r.SnapshotLater()() }

// SnapshotLater is Snapshot in two steps, for scopes of many elements: the function that it
// returns does most of the work, and may be called while others use the Registrar. What it
// says of pools and elements is as of then.
func (r *Registrar) SnapshotLater() func() Snapshot {
	s := Snapshot{
		ID: r.id, Started: r.started, Ready: r.Ready(), Checksum: r.space.Checksum(r.id),
		Owned: r.space.OwnedLen(r.id), Connections: len(r.links.byID), Stats: r.stats,
		Peers: r.PeerStatuses(), RejectedBy: maps.Clone(r.rejectedBy), UndecodableBy: maps.Clone(r.undecodableBy),
	}
	marks := make(map[handlespace.Key]mark, len(r.entries))
	for k, e := range r.entries {
		if e.conn != 0 || len(e.reports) > 0 {
			marks[k] = mark{e.conn != 0, len(e.reports)}
		}
	}
	space, unit := r.space, r.profile.LifeUnit
	return func() Snapshot {
		s.Pools = poolStatuses(space, marks, unit, s.ID)
		return s
	}
}

// mark is what is known of an element beside the handlespace.
type mark struct {
	connected bool
	reports   int
}

// poolStatuses reads the handlespace, which may be done at any time.
func poolStatuses(space *handlespace.Space, marks map[handlespace.Key]mark, unit LifeUnit, own rserpool.RegistrarID) []PoolStatus {
	infos := space.Pools()
	out := make([]PoolStatus, 0, len(infos))
	for _, info := range infos {
		_, els, ok := space.Pool(info.Handle)
		if !ok {
			continue // it has ended meanwhile
		}
		ps := PoolStatus{PoolInfo: info, Elements: make([]ElementStatus, 0, len(els))}
		for _, el := range els {
			m := marks[el.Key()]
			st := ElementStatus{Element: el, Lasts: -1, Connected: m.connected, Reports: m.reports}
			if d, ok := life(unit, el.Life, el.Home == own); ok {
				st.Lasts = d
			}
			ps.Elements = append(ps.Elements, st)
		}
		out = append(out, ps)
	}
	return out
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
