// Package enrp encodes and decodes the messages of the Endpoint Handlespace
// Redundancy Protocol (RFC 5353), between registrars.
package enrp
