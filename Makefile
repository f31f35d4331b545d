# Everything a contributor or CI runs. `make help` lists the targets.
# Needs Go; a C compiler only for the race detector; the rest each target
# installs itself or does without.

SHELL     := /bin/bash
GO        ?= go
PKG       ?= ./...
FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 300ms
COUNT     ?= 3
SEEDS     ?= 200
BULK_MIB  ?= 1024
SOAK      ?= 30m
KILL_SIZE ?= 10000
KILL_ROUNDS ?= 12
ROUNDS    ?= 7
SKIP      ?=
BIN       := bin

# The race detector is cgo: without a C compiler tests run without it.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race)

# Packages whose tests own golden files and so have an -update flag.
GOLDEN = $(shell grep -rlE 'Bool."update"|"github.com/rserpool/rserpool/internal/scenario"' \
	--include='*_test.go' . 2>/dev/null | xargs -r -n1 dirname | sort -u)

.DEFAULT_GOAL := help
.PHONY: help build test race fuzz bench bench-peers bench-resolve cover lint golden sim kill memory \
	interop test-compare test-grpc test-web api tidy check cross demo soak cover-core

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | \
		awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## build the commands into bin/
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/ ./cmd/...

test: ## every hermetic test with the race detector; no root, no network
	@[ -n "$(RACE)" ] || echo "make test: no C compiler, so no race detector"
	$(GO) test $(RACE) -timeout 20m ./...

race: ## the same tests COUNT times over, to find rarer races
	$(GO) test -race -count=$(COUNT) -timeout 60m $(PKG)

fuzz: ## each fuzz target for FUZZTIME
	@pkgs=$$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); \
	[ -n "$$pkgs" ] || { echo "make fuzz: no targets" >&2; exit 1; }; \
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for p in $$pkgs; do \
		targets=$$($(GO) test -run '^$$' -list '^Fuzz' $$p | grep '^Fuzz') || exit 1; \
		for t in $$targets; do \
			echo "== $$p $$t"; \
			for try in 1 2; do \
				$(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) \
					-fuzzminimizetime 5s $$p >$$log 2>&1 && { tail -2 $$log; break; }; \
				cat $$log; \
				[ $$try = 1 ] && grep -q 'context deadline exceeded' $$log || exit 1; \
				echo "== the fuzzer missed its own deadline; once more"; \
			done; \
		done; \
	done

bench: ## the project's own benchmarks (BENCH=regexp, BENCHTIME, PKG)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) $(PKG)

bench-peers: build ## beside other stacks; writes bench/RESULTS.md (ROUNDS, BENCH=bulk,assoc, SKIP)
	ROUNDS=$(ROUNDS) BENCH='$(filter-out .,$(BENCH))' SKIP='$(SKIP)' bench/compare/bench.sh

bench-resolve: ## a registrar beside etcd; writes bench/RESOLUTIONS.md (ROUNDS)
	cd bench/compare/resolve && $(GO) run . -rounds $(ROUNDS) -o ../../RESOLUTIONS.md

cover: ## coverage of all packages by all tests; profile in cover.out
	$(GO) test -timeout 15m -coverpkg=./... -coverprofile=cover.out ./...
	@$(GO) tool cover -func=cover.out | tail -1

# What scenarios, replays, simulations and the corpora of the fuzzers reach, without
# the tests that look for one thing each.
CORE_RUN := TestScenarios|TestReplay|TestSim|Fuzz
cover-core: ## coverage of sctp/core by scenarios, simulations and fuzz corpora
	SIM_SEEDS=$(SEEDS) $(GO) test -count=1 -run '$(CORE_RUN)' -coverpkg=./sctp/core/... -coverprofile=cover-core.out \
		./sctp/core ./internal/coresim ./fuzz
	@$(GO) tool cover -func=cover-core.out | \
		awk '$$1 != "total:" && $$NF+0 < 70 { print } END { print; if ($$NF+0 < 90) exit 1 }'

lint: ## gofmt, vet, architecture, API record; golangci-lint if installed
	@bad=$$(find . -name '*.go' -not -path './.git/*' -exec gofmt -l {} +); \
		[ -z "$$bad" ] || { echo "not gofmt'ed:"; echo "$$bad"; exit 1; } >&2
	$(GO) vet ./...
	$(GO) vet -tags interop ./interop/...
	$(GO) test ./internal/archtest
	$(GO) run ./internal/apidump
	cd bench/compare && $(GO) vet ./...
	cd bench/compare/resolve && $(GO) vet ./...
	cd examples/grpc && $(GO) vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; \
		else echo "make lint: golangci-lint is not installed, skipped"; fi

golden: ## rewrite golden files from what the code does now; review the diff
	$(if $(GOLDEN),$(GO) test $(GOLDEN) -update,@echo "make golden: no golden tests")
	@git status --short -- '*/testdata/*'

sim: ## simulated networks and clusters with SEEDS seeds instead of a few; BULK_MIB=1024
	SIM_SEEDS=$(SEEDS) BULK_MIB=$(BULK_MIB) $(GO) test -count=1 -timeout 120m -run 'Sim' $(PKG)

kill: ## kill and stop processes under load, with figures (KILL_SIZE, KILL_ROUNDS)
	KILL_SIZE=$(KILL_SIZE) KILL_ROUNDS=$(KILL_ROUNDS) $(GO) test -count=1 -timeout 30m -v -run '^TestKill' ./cmd/rserpool

memory: ## resident memory of a registrar with KILL_SIZE elements
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/ ./cmd/rserpool
	RSERPOOL=$(CURDIR)/$(BIN)/rserpool KILL_SIZE=$(KILL_SIZE) $(GO) test -count=1 -timeout 10m -v -run '^TestMemory' ./cmd/rserpool

soak: ## long runs (tests named TestSoak...) for SOAK each
	SOAK=$(SOAK) $(GO) test -count=1 -timeout 24h -v -run '^TestSoak' $(PKG)

test-compare: ## beside pion/sctp, and the tools of bench/compare (a module of its own)
	cd bench/compare && $(GO) test -timeout 5m ./...

# The tests named TestWeb are in `make test`, too, where they are skipped without a browser.
test-web: ## the status page in headless Chromium (Debian as root: installs it)
	@if ! command -v chromium-headless-shell chromium google-chrome >/dev/null && [ "$$(id -u)" = 0 ] && \
		command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive; apt-get -q update && \
		apt-get -q install -y --no-install-recommends chromium-headless-shell; fi
	RSERPOOL_WEB=1 $(GO) test -count=1 -run '^TestWeb' ./registrar

test-grpc: ## the example with gRPC (a module of its own)
	cd examples/grpc && $(GO) test -timeout 5m ./...

interop: ## against Linux kernel SCTP, usrsctp and rsplib (Debian, root)
	interop/run.sh

api: ## record the exported identifiers in api/
	$(GO) run ./internal/apidump -update
	@git status --short -- api

tidy: ## go mod tidy for all modules
	$(GO) mod tidy
	cd bench/compare && $(GO) mod tidy
	cd bench/compare/resolve && $(GO) mod tidy
	cd examples/grpc && $(GO) mod tidy

cross: ## compile for the systems and word sizes that tests do not run on
	@for t in darwin/arm64 windows/amd64 freebsd/amd64 linux/386 linux/arm64; do \
		echo "== $$t"; \
		GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) build ./... && \
		GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) vet ./... || exit 1; \
	done

check: lint test test-compare test-grpc cross ## what must pass before a change goes in

demo: ## three registrars, three servers, one download, three kills
	$(GO) run ./cmd/rserpool demo
