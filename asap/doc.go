// Package asap encodes and decodes the messages of the Aggregate Server Access
// Protocol (RFC 5352 §2.2), which pool elements and pool users speak with
// registrars, and with each other over a control channel.
//
// # Tour
//
//	message.go        Message, MessageType, Decode, Marshal
//	registration.go   Registration, Deregistration and their responses
//	resolution.go     HandleResolution and its response; BusinessCard
//	keepalive.go      EndpointKeepAlive and its acknowledgement
//	unreachable.go    EndpointUnreachable
//	announce.go       ServerAnnounce
//	cookie.go         Cookie and CookieEcho
//	error.go          Error, the message
//
// A registrar's reader:
//
//	m, err := asap.Decode(b)
//	if err != nil {
//		var e *rserpool.Error
//		if errors.As(err, &e) && len(e.Causes) > 0 {
//			reply(&asap.Error{Causes: e.Causes})
//		}
//		return
//	}
//	if causes := m.ReportCauses(); causes != nil {
//		reply(&asap.Error{Causes: causes})
//	}
//	switch m := m.(type) {
//	case *asap.Registration:
//		…
//	}
//
// Nothing decoded aliases the input. Neither kind of report may answer a multicast
// message, and there is never one about an Error.
//
// # Where rsplib differs
//
// Decode accepts what rsplib sends as well as what RFC 5352 draws: a PE Identifier
// in EndpointKeepAlive, a Handle Resolution Option in HandleResolution, a policy in
// BusinessCard, a policy of RoundRobin in HandleResolutionResponse, no transport in
// ServerAnnounce, and message lengths that count the last padding. Each type's
// comment says what to send to be understood by both.
//
// The package knows no state and no procedures; asap/core does. RFCs: 5352 §2.2.
package asap
