// Package poolelement makes a server a member of a pool (RFC 5352): it registers
// with a registrar, stays registered while registrars come and go, and accepts the
// sessions of pool users.
//
//	pe, err := poolelement.Listen(ctx, "EchoPool", &poolelement.Config{
//		Registrars: []string{"192.0.2.1:3863", "192.0.2.2:3863"},
//	})
//	if err != nil {
//		return err
//	}
//	defer pe.Close()
//	for {
//		conn, err := pe.Accept() // a net.Listener
//		if err != nil {
//			return err
//		}
//		go serve(conn)
//	}
//
// A [PoolElement] is a net.Listener, so that net/http serves a pool unchanged.
// [PoolElement.AcceptSession] gives a [Session] instead, which has messages, the
// cookie that a user brings along from an element that failed, and a way to
// give the user a new one. [Server] runs a handler for each session and keeps the
// load of an adaptive policy up to date.
//
// # Ports
//
// An element has two SCTP ports: that of its service, which pool users learn, and
// that of its ASAP endpoint. Registrars are dialed from the latter, and the element
// listens there too, because a registrar that takes over from a dead one looks for
// its elements at the port that they registered from (RFC 5352 §3.1 rule 4). Both
// share one UDP port.
//
// # Home registrar
//
// Registrars are configured, or found by what they announce by multicast
// ([Config].Discover), or both; three at most are dialed at once, and the first that
// answers is the home registrar.
//
// The element notices a registrar that dies by its association, hunts for
// another one (RFC 5352 §3.6) and registers there; or it is found by a registrar
// that took over, whose keep-alive with H flag it follows (§3.4). Behind a NAT,
// where nobody can dial the element, the former still works.
//
// # Several elements
//
// A program may serve several pools, or one pool several times. [NewEndpoint] opens what
// its elements share by Config.Endpoint: the UDP port, and the association with the
// home registrar, on which all of them are registered.
//
// # Servers of TCP and UDP
//
// [Register] enters a server with a listener of its own, such as that of net/http on a TCP
// port; pool users dial it by pooluser.PoolUser.DialContext.
//
// # Load
//
// Config.Load is asked for the load that the adaptive policies (RFC 5356 §5) go by;
// without it a [Server] with MaxSessions registers the part of them that is in use.
//
// # What it does not do
//
// Data is neither authenticated nor encrypted: run TLS over the sessions where that
// matters. Cookies are sealed if Config.Cookies says so, by package cookie.
package poolelement
