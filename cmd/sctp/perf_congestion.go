package main

import (
	"fmt"

	"github.com/rserpool/rserpool/sctp"
	"github.com/rserpool/rserpool/sctp/congestion"
)

// congestionFlag is the name of a congestion control: a pflag.Value.
type congestionFlag struct{ name string }

// String is the name.
func (f *congestionFlag) String() string { return f.name }

// Type is what the help shows.
func (f *congestionFlag) Type() string { return "reno|cubic" }

// Set takes a name.
func (f *congestionFlag) Set(name string) error {
	if name != "reno" && name != "cubic" {
		return fmt.Errorf("no congestion control %q: reno or cubic", name)
	}
	f.name = name
	return nil
}

// algorithm is the congestion control of that name.
func (f *congestionFlag) algorithm() congestion.Algorithm {
	if f.name == "cubic" {
		return sctp.Cubic
	}
	return sctp.Reno
}
