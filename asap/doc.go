// Package asap encodes and decodes the messages of the Aggregate Server Access
// Protocol (RFC 5352), between pool elements, pool users and registrars.
package asap
