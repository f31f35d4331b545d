package carrier

// PortReserver is a Carrier whose addresses other programs can use at the same time,
// who are then told apart by their SCTP ports.
type PortReserver interface {
	// ReservePorts reserves the SCTP ports from first to last until Close. It is false
	// if somebody else has reserved these, which both must ask for by the same bounds.
	ReservePorts(first, last uint16) bool
}
