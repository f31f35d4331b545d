package core

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Parameters is the protocol parameters of an association that may be changed while
// it lives (RFC 9260 §11.1.13, §16); those of single paths are PathSettings. All
// values count as they are: there are no defaults for zero.
type Parameters struct {
	RTOMin, RTOMax time.Duration // 1 ms to 24 hours
	SackDelay      time.Duration // SACK.Delay, 0 to 500 ms (RFC 9260 §6.2)
	SackFrequency  int           // packets with DATA per SACK, at least 1
	MaxBurst       int           // Max.Burst in packets; 0: no limit
	NoDelay        bool          // small messages need not wait for others (Nagle)

	AssociationMaxRetrans int // Association.Max.Retrans, 0 to 16,777,216
	HeartbeatMaxBurst     int // HB.Max.Burst, at least 1

	// PrimarySwitchover makes another path the primary one when the primary has failed
	// more than PrimaryMaxRetrans times in a row. That must not be less than what makes
	// data leave the path: the error is a *ParameterError (RFC 7829 §5 rule 1).
	PrimarySwitchover bool
	PrimaryMaxRetrans int
}

// ParameterError says that the value of a protocol parameter is outside of its
// bounds.
type ParameterError struct {
	Name            string // as in the standard, such as "RTO.Min"
	Value, Min, Max any    // int or time.Duration
}

// Error names the parameter, the value and the bounds.
func (e *ParameterError) Error() string {
	return fmt.Sprintf("sctp: %s is %v, not from %v to %v", e.Name, e.Value, e.Min, e.Max)
}

// inRange is nil, or a *ParameterError if v is not in [least, most].
func inRange[T cmp.Ordered](name string, v, least, most T) error {
	if v < least || v > most {
		return &ParameterError{Name: name, Value: v, Min: least, Max: most}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Parameters returns the parameters in force.
func (a *Association) Parameters() Parameters {
	c := a.cfg
	return Parameters{
		RTOMin: c.RTOMin, RTOMax: c.RTOMax, SackDelay: c.SackDelay, SackFrequency: c.SackFrequency,
		MaxBurst: c.MaxBurst, NoDelay: c.NoDelay,
		AssociationMaxRetrans: c.AssociationMaxRetrans, HeartbeatMaxBurst: c.HeartbeatMaxBurst,
		PrimarySwitchover: c.PrimarySwitchover, PrimaryMaxRetrans: c.PrimaryMaxRetrans,
	}
}

// SetParameters changes the parameters. Running timers keep the times they were
// started with. Errors: a *ParameterError, with nothing changed, or why the
// association ended.
func (a *Association) SetParameters(now time.Time, p Parameters) error {
	if a.state == Closed {
		return a.endError()
	}
	least := 0
	if p.PrimarySwitchover {
		least = a.cfg.leastSwitchover()
	}
	err := firstError(
		inRange("RTO.Max", p.RTOMax, minTimeout, maxTimeout),
		inRange("RTO.Min", p.RTOMin, minTimeout, p.RTOMax),
		inRange("SACK.Delay", p.SackDelay, 0, maxSackDelay),
		inRange("SACK frequency", p.SackFrequency, 1, math.MaxInt32),
		inRange("Max.Burst", p.MaxBurst, 0, math.MaxInt32),
		inRange("Association.Max.Retrans", p.AssociationMaxRetrans, 0, maxRetrans),
		inRange("HB.Max.Burst", p.HeartbeatMaxBurst, 1, math.MaxInt32),
		inRange("Primary.Switchover.Max.Retrans", p.PrimaryMaxRetrans, least, maxRetrans),
	)
	if err != nil {
		return err
	}
	a.read(now)
	c := a.own()
	c.RTOMin, c.RTOMax, c.SackDelay, c.SackFrequency = p.RTOMin, p.RTOMax, p.SackDelay, p.SackFrequency
	c.MaxBurst, c.NoDelay = p.MaxBurst, p.NoDelay
	c.AssociationMaxRetrans, c.HeartbeatMaxBurst = p.AssociationMaxRetrans, p.HeartbeatMaxBurst
	c.PrimarySwitchover, c.PrimaryMaxRetrans = p.PrimarySwitchover, p.PrimaryMaxRetrans
	for _, q := range a.paths.All {
		q.RTO.SetBounds(p.RTOMin, p.RTOMax)
	}
	return nil
}
