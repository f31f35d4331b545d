// Package profile holds the timers and thresholds of RSerPool as data: what RFC 5352,
// RFC 5353 and RFC 9260 name, what they leave open, and the switches for what rsplib
// does differently. This is the only place where they have values; registrar/core and
// asap/core know no profile by name.
//
//	p, err := profile.Parse("fast")
//	cfg := registrar.Config{Profile: p.Registrar}
//
// docs/timers.md lists all values, and how fast each profile notices a failure.
package profile

import "fmt"

// Profile is a set of values that belong together.
type Profile struct {
	// Name is what Parse reads.
	Name string
	// Registrar is for registrars, Endpoint for pool elements and pool users.
	Registrar Registrar
	Endpoint  Endpoint
}

// All lists the known profiles, the default one first.
func All() []Profile { return []Profile{Default, RFC, Rsplib, Fast} }

// Parse returns the profile of the given name: default, rfc, rsplib or fast.
func Parse(name string) (Profile, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("profile: unknown profile %q (default, rfc, rsplib or fast)", name)
}
