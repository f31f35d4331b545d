// Package rserpool holds the words that ASAP and ENRP share: pool handles, pool
// elements, transports, selection policies, error causes (RFC 5354, RFC 5356) and
// the frame around every message.
package rserpool
