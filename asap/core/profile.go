package core

import "github.com/rserpool/rserpool/rserpool/profile"

// Profile is a set of timer values and thresholds for an element or user;
// TransportProfile the SCTP parameters that go with them. Profiles are data; the code
// asks for no profile by name.
type (
	Profile          = profile.Endpoint
	TransportProfile = profile.Transport
)

// The profiles. docs/timers.md says what they are good for.
var (
	ProfileDefault = profile.Default.Endpoint
	ProfileRFC     = profile.RFC.Endpoint
	ProfileRsplib  = profile.Rsplib.Endpoint
	ProfileFast    = profile.Fast.Endpoint
)

// Profiles lists the known profiles, the default one first.
func Profiles() []Profile {
	return []Profile{ProfileDefault, ProfileRFC, ProfileRsplib, ProfileFast}
}

// ParseProfile returns the profile with the given name: default, rfc, rsplib or
// fast.
func ParseProfile(name string) (Profile, error) {
	p, err := profile.Parse(name)
	return p.Endpoint, err
}
