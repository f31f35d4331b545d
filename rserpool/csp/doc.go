// Package csp sends component status reports: small UDP datagrams by which rsplib's program
// cspmonitor shows the registrars, pool elements and pool users of a scope on one screen. No
// RFC describes them; the format is that of rsplib 3.4.
//
// Reports are neither acknowledged, nor authenticated, nor encrypted. They are for a network
// in which everybody may know what runs; metrics are for the others.
package csp
