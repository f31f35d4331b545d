// Package securelink carries the messages of ASAP and ENRP within TLS over an SCTP
// association (RFC 5352 §9.2, RFC 5353 §6.2, RFC 3436): one TLS session on stream 0,
// whose records are ordered, reliable user messages with the payload protocol identifier
// of the protocol inside. Within the session the messages follow each other, each padded
// to a multiple of four bytes; the length in its header tells where it ends.
//
// RFC 5352 and 5353 want pre-shared keys between registrars and between them and elements.
// crypto/tls has none. Certificates take their place: one that the configured authority
// has signed is what having the key is there, the permission to take part.
//
// Messages over TCP (RFC 5352 §2.1) follow each other in the same way, within TLS or not.
package securelink
