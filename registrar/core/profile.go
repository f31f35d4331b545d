package core

import "github.com/rserpool/rserpool/rserpool/profile"

// Profile holds the timers, thresholds and compatibility switches of a registrar;
// TransportProfile the SCTP parameters that go with them.
type (
	Profile          = profile.Registrar
	TransportProfile = profile.Transport
)

// The profiles. docs/timers.md says what they are good for.
var (
	ProfileDefault = profile.Default.Registrar
	ProfileRFC     = profile.RFC.Registrar
	ProfileRsplib  = profile.Rsplib.Registrar
	ProfileFast    = profile.Fast.Registrar
)

// Profiles lists the known profiles, the default one first.
func Profiles() []Profile {
	return []Profile{ProfileDefault, ProfileRFC, ProfileRsplib, ProfileFast}
}

// ParseProfile returns the profile of the given name: default, rfc, rsplib or
// fast.
func ParseProfile(name string) (Profile, error) {
	p, err := profile.Parse(name)
	return p.Registrar, err
}

// LifeUnit is what the Registration Life of an element counts.
type LifeUnit = profile.LifeUnit

// The units.
const (
	LifeAuto         = profile.LifeAuto
	LifeSeconds      = profile.LifeSeconds
	LifeMilliseconds = profile.LifeMilliseconds
)

// ParseLifeUnit reads auto, s or ms.
func ParseLifeUnit(s string) (LifeUnit, error) { return profile.ParseLifeUnit(s) }

// Arbitration is the rule by which one of two registrars that want to take over
// the same peer wins.
type Arbitration = profile.Arbitration

// The rules.
const (
	ArbitrationAuto    = profile.ArbitrationAuto
	ArbitrationLarger  = profile.ArbitrationLarger
	ArbitrationSmaller = profile.ArbitrationSmaller
)

// ParseArbitration reads auto, larger or smaller.
func ParseArbitration(s string) (Arbitration, error) { return profile.ParseArbitration(s) }
