package profile

import "fmt"

// LifeUnit is what the Registration Life of an element counts. RFC 5354 §3.10
// says seconds, rsplib sends and expects milliseconds, and nothing on the wire
// tells which.
type LifeUnit uint8

const (
	// LifeAuto reads values below 1000 as seconds. Larger ones may be either: the
	// home registrar reads them as seconds, because its keep-alives find a dead
	// element anyway, other registrars as milliseconds, and no registrar
	// drops an element whose home is alive. Lives sent to a peer that
	// is not of this implementation are converted to milliseconds.
	LifeAuto LifeUnit = iota
	LifeSeconds
	LifeMilliseconds
)

// String is "auto", "s" or "ms".
func (u LifeUnit) String() string {
	switch u {
	case LifeSeconds:
		return "s"
	case LifeMilliseconds:
		return "ms"
	}
	return "auto"
}

// ParseLifeUnit reads what String writes.
func ParseLifeUnit(s string) (LifeUnit, error) {
	for _, u := range []LifeUnit{LifeAuto, LifeSeconds, LifeMilliseconds} {
		if u.String() == s {
			return u, nil
		}
	}
	return 0, fmt.Errorf("profile: unknown life unit %q (auto, s or ms)", s)
}

// Arbitration is the rule by which one of two registrars that want to take over
// the same peer wins.
type Arbitration uint8

const (
	// ArbitrationAuto is ArbitrationLarger as long as all known peers are of this
	// implementation, else ArbitrationSmaller: all registrars of a scope must go by
	// the same rule or nobody wins.
	ArbitrationAuto    Arbitration = iota
	ArbitrationLarger              // the larger identifier wins (RFC 5353 §3.5.1)
	ArbitrationSmaller             // the smaller identifier wins, as rsplib does
)

// String is "auto", "larger" or "smaller".
func (a Arbitration) String() string {
	switch a {
	case ArbitrationLarger:
		return "larger"
	case ArbitrationSmaller:
		return "smaller"
	}
	return "auto"
}

// ParseArbitration reads what String writes.
func ParseArbitration(s string) (Arbitration, error) {
	for _, a := range []Arbitration{ArbitrationAuto, ArbitrationLarger, ArbitrationSmaller} {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("profile: unknown arbitration %q (auto, larger or smaller)", s)
}
