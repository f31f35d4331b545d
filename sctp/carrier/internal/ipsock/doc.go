// Package ipsock is one socket that moves datagrams, as packages udpencap and rawip
// offer it: UDP sockets on all systems, raw IP sockets on Linux.
package ipsock
