// Package capture writes the packets of a stack to a pcapng file, which Wireshark,
// tshark, tcpdump and `sctp dump` read. No privilege is needed: the packets come from
// the stack, not from an interface.
//
//	f, err := os.OpenFile("trace.pcapng", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
//	…
//	w, err := capture.NewWriter(f, &capture.Options{SnapLen: 128})
//	…
//	stack, err := sctp.NewStack(&sctp.StackConfig{Capture: w})
//	…
//	stack.Close()
//	w.Close() // writes what waits
//
// The headers below SCTP are made up: IP and UDP (RFC 6951) with the addresses and
// ports that the stack knows, or IP alone where SCTP runs directly on it. Each packet
// says whether it came in or went out. Packets that travelled as one write or read
// (GSO, GRO) are single ones in the file.
//
// The writer never makes the stack wait: what does not fit its buffer because the file
// is slow is dropped, and the file says how many packets are missing, and where.
//
// # Secrets
//
// A capture is what somebody on the wire sees: verification tags, State Cookies and
// user data included, keys not. Whoever reads the file while an association lives
// could forge its packets, so files should not be readable by others. Options.Redact
// takes out of the file what is secret: it blanks user data, State Cookies, heartbeat
// nonces and what errors quote, and replaces verification tags by others, each always
// by the same, so that associations can still be followed.
package capture
