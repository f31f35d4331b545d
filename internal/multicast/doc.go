// Package multicast sends datagrams to multicast groups and hears what others send to
// them: the announcements of registrars (RFC 5352 §3.6, RFC 5353 §3.1).
//
// A Conn is in its groups on every chosen interface, also on those that come up later.
// It sends on each interface separately, from an address of that interface, because what
// is announced there are the addresses by which others on it reach this host. Several
// programs of one host can be in the same group at the same port, and hear each other.
//
// What is heard comes from anybody: it is bounded in length, passed on as it is, and
// nothing is known about who has sent it.
package multicast
