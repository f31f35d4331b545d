// Package enrp encodes and decodes the messages of the Endpoint Handlespace
// Redundancy Protocol (RFC 5353 §2), which registrars speak with each other.
//
// # Tour
//
//	message.go       Message, MessageType, Decode, Marshal
//	presence.go      Presence
//	handletable.go   HandleTableRequest and its response
//	update.go        HandleUpdate
//	list.go          ListRequest and ListResponse
//	takeover.go      InitTakeover, InitTakeoverAck, TakeoverServer
//	error.go         Error, the message
//
// A presence, as a registrar sends it to all its peers:
//
//	b, err := enrp.Marshal(&enrp.Presence{
//		Sender:      self.ID,
//		HasChecksum: true,
//		Checksum:    space.Checksum(self.ID),
//		Server:      &self,
//	})
//
// and a reader:
//
//	m, err := enrp.Decode(b)
//	if err != nil {
//		var e *rserpool.Error
//		if errors.As(err, &e) && len(e.Causes) > 0 {
//			reply(&enrp.Error{Sender: self.ID, Causes: e.Causes})
//		}
//		return
//	}
//	if m.To() != 0 && m.To() != self.ID {
//		return
//	}
//
// Nothing decoded aliases the input. Nothing may be reported in answer to a
// multicast message, and there is never a report about an Error.
//
// # Where rsplib differs
//
// The flag of a Presence that requires a reply and the one of a HandleUpdate that
// suggests a takeover are rsplib's; the RFC has no bit for either. rsplib wants
// checksum and server information in every Presence, and a home identifier and an
// ASAP transport in every element. Message lengths may count the last padding.
//
// The package knows no state and no procedures; registrar/core does. RFCs: 5353 §2.
package enrp
