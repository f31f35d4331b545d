package profile

import "time"

// Detection is how long it takes from a failure until the others act on it, where the
// times of messages are small beside the timers.
type Detection struct {
	What      string
	Mean, Max time.Duration
}

// The failures of Profile.Detections, and what the times end with.
const (
	SilentElement   = "element silent: removed by its home"
	ResetElement    = "element's association reset: removed by its home"
	SilentRegistrar = "registrar silent: takeover by its peers"
	ResetRegistrar  = "registrar's association reset: takeover by its peers"
	SilentSession   = "other end of an element's or user's association silent: noticed"
)

// Detections computes the times that the values of the profile make. Silent is what
// loses its network or power, or hangs; reset is what its system reports as gone.
func (p *Profile) Detections() []Detection {
	r := &p.Registrar
	return []Detection{
		// A keep-alive each 0.5 to 1.5 KeepAlive: the one after the failure comes after
		// E[X²]/2E[X] = 13/24 of it on average.
		{SilentElement, r.KeepAlive*13/24 + r.KeepAliveTimeout, r.KeepAlive*3/2 + r.KeepAliveTimeout},
		{ResetElement, r.LinkGrace, r.LinkGrace},
		// The last sign of life was half a heartbeat before the failure on average.
		{SilentRegistrar, r.MaxTimeLastHeard - r.Heartbeat/2 + r.MaxTimeNoResponse, r.MaxTimeLastHeard + r.MaxTimeNoResponse},
		{ResetRegistrar, r.MaxTimeNoResponse, r.MaxTimeNoResponse},
		{SilentSession, p.Endpoint.Transport.silence(2), p.Endpoint.Transport.silence(1)},
	}
}

// silence is how long an SCTP association lives on without its other end: a
// heartbeat after HB.interval and RTO, jittered by half the RTO (RFC 9260 §8.3), which
// part of has passed already, then AssociationMaxRetrans+1 timeouts that double.
func (t *Transport) silence(part time.Duration) time.Duration {
	d := (t.HeartbeatInterval + t.RTOMin*3/2) / part
	rto := t.RTOMin
	for range t.AssociationMaxRetrans + 1 {
		d += rto
		rto = min(2*rto, t.RTOMax)
	}
	return d
}
