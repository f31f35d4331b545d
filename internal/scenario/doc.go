// Package scenario runs scripts that a person can read: commands at the begin of
// a line, and below each of them, indented, what happened in consequence. The
// indented part is golden: a test compares it, and -update rewrites it.
//
//	# RFC 9260 §6.2: every second packet is acknowledged at once.
//	A accept
//	A< DATA tsn=1 BE text=one
//	    A! Readable stream=0
//	A< DATA tsn=2 ssn=1 BE text=two
//	    A> SACK cum=2 rwnd=1048442
//
// Lines that begin with # and empty lines are comments. A line that begins with a
// space is golden. Everything else is a command for an [Actor]; this package has
// one, [NewSCTP], which drives SCTP associations.
//
// # SCTP scripts
//
// There is one clock, which only tick moves, and hosts with upper case names. A
// host has one association, whose peer is either the script or another host. What
// happens is shown as
//
//	A> CHUNK | CHUNK     a packet that A sent
//	A! Established       an event for A's user
//	A= ...               an answer to the command
//	+1.5s A> ...         the same, 1.5 s after the begin of a tick
//
// TSNs count from 1 for the first of each side, so that cum=0 acknowledges
// nothing. Verification tags have names: A1 and A2 are the first and second that A
// chose, names that begin with P are the script's. A packet that carries another
// tag than the peer's, goes elsewhere than to the peer, or leaves from another than
// A's first address, says so with vtag=, to= and from=.
//
// Commands:
//
//	A config key=value…    before the association exists, see sctpconfig.go
//	A connect [opts]       open an association to the script; nothing is shown
//	A accept [opts]        the same, but the script is the client
//	                       opts: rwnd= os= mis= tag= tsn= (absolute) addrs= rtt= (of the handshake)
//	A home ip…             further addresses of A, before the association exists
//	A dial [B] [also=ip:port,…]   begin to open an association to the script or to B,
//	                       which has the other addresses as well
//	A listen               accept associations
//	A< CHUNK | CHUNK …     give A a packet in the name of its peer; vtag=, from=ip:port, ecn=,
//	                       at=ip of A
//	A send [len= text= sid= ppid= count= unordered immediate
//	       nobundle partial life= context= path=ip]
//	A cancel [sid=]        give up a message that is sent piece by piece
//	A recv [max= count= sid=]   read all there is, max bytes at a time, of one stream
//	A shutdown, A abort [reason]
//	A primary ip, A heartbeat ip   set the primary path, probe a path
//	A set key=value…       change the settings of paths, see multihome.go
//	A state, A path, A stats field…
//	A crash                forget everything without a word, as if the process died
//	deliver [A]            deliver what is under way between hosts until nothing is,
//	                       or once what A sent
//	drop A [n], dup A, swap A   lose the n oldest packets of A, double the oldest,
//	                       exchange the two oldest
//	delay 10ms             from now on packets between hosts arrive by themselves
//	tick 3s                let time pass
//	clock -1h              set the clock
//	quietly …              do it and show nothing
//
// Chunks are written as they are shown; what is left out has a sensible default.
package scenario
