package sctp

import "time"

// AssociationInfo is what is known of an association at one moment, after the
// tables of RFC 3873. It holds nothing that would help to forge its packets.
type AssociationInfo struct {
	ID     uint32 // a number of this stack's; it appears in traces as well
	State  string // as in RFC 9260 §4: ESTABLISHED, SHUTDOWN-SENT, …
	Dialed bool   // by this end; false: a listener let it in
	Local  *Addr
	Remote *Addr // that of the primary path first

	InStreams, OutStreams int       // as negotiated
	MaxRetrans            int       // Association.Max.Retrans
	Established           time.Time // zero while it is not
	Buffered              int       // bytes to be sent or acknowledged
	Unread                int       // bytes received and not read

	Paths []PathInfo
	Stats Stats
}

// Info returns what is known of the association now. After its end that is its last
// state.
func (a *Association) Info() AssociationInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.info()
}

// info is Info. The caller holds a.mu.
func (a *Association) info() AssociationInfo {
	i := AssociationInfo{ID: a.id, Dialed: a.dialed, State: closedState, Local: a.local(), Remote: a.remote(), Stats: a.counted()}
	c := a.core
	if c == nil {
		return i
	}
	i.State = c.State().String()
	i.InStreams, i.OutStreams = c.InStreams(), c.OutStreams()
	i.MaxRetrans = c.Parameters().AssociationMaxRetrans
	i.Established = c.Established()
	i.Buffered, i.Unread = c.Buffered(), c.Held()
	i.Paths = c.Paths()
	return i
}

// closedState is the name of the state after the end (RFC 9260 §4).
const closedState = "CLOSED"

// Associations describes all associations of the stack, in the order of their IDs.
// Each is looked at under its own lock, one after the other.
func (s *Stack) Associations() []AssociationInfo {
	all, _ := s.ledger.open()
	infos := make([]AssociationInfo, 0, len(all))
	for _, a := range all {
		infos = append(infos, a.Info())
	}
	return infos
}
