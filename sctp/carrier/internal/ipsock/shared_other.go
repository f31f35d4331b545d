//go:build !linux

package ipsock

// share leaves it at one socket for each address: other systems do not spread what
// comes in.
func share(firsts []*Socket, _ int, _ *Config) ([]*Socket, error) { return firsts, nil }
