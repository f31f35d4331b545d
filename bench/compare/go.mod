module github.com/rserpool/rserpool/bench/compare

go 1.26.0

require (
	github.com/pion/logging v0.2.4
	github.com/pion/sctp v1.11.3
	github.com/quic-go/quic-go v0.65.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/pion/randutil v0.1.0 // indirect
	github.com/pion/transport/v5 v5.0.1 // indirect
	golang.org/x/crypto v0.58.0 // indirect
)
