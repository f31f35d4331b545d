module github.com/rserpool/rserpool/bench/compare

go 1.26.0

require (
	github.com/pion/logging v0.2.4
	github.com/pion/sctp v1.11.3
	github.com/quic-go/quic-go v0.65.0
	github.com/rserpool/rserpool v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/pion/randutil v0.1.0 // indirect
	github.com/pion/transport/v5 v5.0.1 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.uber.org/zap v1.28.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
)

// interop/ tests this checkout beside pion/sctp.
replace github.com/rserpool/rserpool => ../..
