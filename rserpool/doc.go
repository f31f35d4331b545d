// Package rserpool holds the words that ASAP and ENRP share: pool handles, pool
// elements, transports, selection policies and error causes (RFC 5354, RFC 5356),
// and the frame around every message. Packages asap and enrp build their messages
// from it; handlespace stores its PoolElement.
//
// # Tour
//
//	param.go, reader.go   parameter types; ParamReader, the decoder's cursor
//	message.go            message header, length and padding
//	handle.go, id.go      PoolHandle, PEID, RegistrarID
//	transport.go          Transport, of six protocols, with address.go and udpport.go
//	policytype.go         PolicyType: what each policy means
//	policy.go             Policy, and policyparse.go to read one from a command line
//	element.go            PoolElement and ServerInfo
//	cause.go, errors.go   Cause, which goes onto the wire; Error, which comes from a decoder
//	cookie.go, checksum.go, option.go   the small parameters
//
// A pool element as a parameter, and back:
//
//	policy, err := rserpool.ParsePolicy("WeightedRoundRobin:3")
//	pe := rserpool.PoolElement{
//		ID:     0x11112222,
//		Life:   90_000,
//		User:   rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7777, Addrs: addrs, UDPPort: 9899},
//		Policy: policy,
//	}
//	if err := pe.Validate(); err != nil { … }
//	b = pe.AppendTo(b)
//
//	p := rserpool.NewParamReader(b)
//	pe = p.PoolElement()
//	if err := p.Finish(); err != nil { … }
//
// # Writing
//
// AppendTo never fails, never panics and allocates only to grow the slice. What a
// type cannot express (no address, an unknown protocol, a handle too long) is for
// Validate to say; AppendTo then writes what it can. A message that would not fit
// into its 16-bit length is not written at all.
//
// Parameters go out in the order in which the RFCs draw them, padded with zeros.
// The length of a parameter does not count its own padding (RFC 5354 §2, §3); the
// length of a message does, since rsplib counts it and reads both ways.
//
// # Reading
//
// A ParamReader takes any bytes. It accepts padding that is counted or not, there
// or not, zero or not; reserved fields and flags of any value; the transport use
// that rsplib puts into TCP's reserved field; and a policy of any type, whose body
// it keeps. Unknown parameters are passed over, reported or fatal as their two
// high bits say, in every position. The order of known parameters is fixed.
// Numbers and sizes have bounds: MaxPoolHandle, MaxAddrs, MaxOpaqueTransport,
// MaxPolicyBody, MaxCauses, MaxCookie, MaxMessage.
//
// Whatever it accepts can be written again, and then reads the same.
//
// # What it does not do
//
// No procedures, no state: which registrations are acceptable, what a registration
// life means (see PoolElement.Life), how policies select (handlespace/policy), and
// the PE checksum's arithmetic (handlespace) are elsewhere.
//
// RFCs: 5354 (all of it), 5356 §4 to §7 (formats and numbers),
// draft-dreibholz-rserpool-asap-hropt (the option's format), and our UDP Port
// parameter (docs/udp-port-parameter.md). docs/rfc/5354.md and docs/rfc/5356.md
// list each requirement with its code and test.
package rserpool
