package core

// State is the state of an association (RFC 9260 §4).
type State uint8

// States of an association.
const (
	Closed State = iota
	CookieWait
	CookieEchoed
	Established
	ShutdownPending
	ShutdownSent
	ShutdownReceived
	ShutdownAckSent
)

var stateNames = [...]string{
	"CLOSED", "COOKIE-WAIT", "COOKIE-ECHOED", "ESTABLISHED",
	"SHUTDOWN-PENDING", "SHUTDOWN-SENT", "SHUTDOWN-RECEIVED", "SHUTDOWN-ACK-SENT",
}

// String is the state's name in the words of RFC 9260 §4.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "UNKNOWN"
}

// sendsData says whether queued and lost data may be sent in this state.
func (s State) sendsData() bool {
	return s == Established || s == ShutdownPending || s == ShutdownReceived
}

// receivesData says whether DATA is processed in this state (RFC 9260 §6).
func (s State) receivesData() bool {
	return s == Established || s == ShutdownPending || s == ShutdownSent
}

// Established says whether the association counts as established: in the states
// ESTABLISHED, SHUTDOWN-PENDING and SHUTDOWN-RECEIVED (RFC 3873, sctpCurrEstab).
func (s State) Established() bool { return s.sendsData() }

// setup says whether the four-way handshake is under way.
func (s State) setup() bool { return s == CookieWait || s == CookieEchoed }

// setState is the only place that changes the state.
func (a *Association) setState(s State) {
	if a.state == s {
		return
	}
	if a.cfg.Trace.StateChange != nil {
		a.cfg.Trace.StateChange(a.state, s)
	}
	a.state = s
}
