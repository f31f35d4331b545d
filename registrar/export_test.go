package registrar

import "github.com/rserpool/rserpool/internal/multicast"

// SetNetwork has announcements go to a network of tests.
func (a *Announcements) SetNetwork(n multicast.Network) { a.network = n }
