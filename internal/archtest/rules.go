package archtest

import (
	"path"
	"strings"
)

// Module is the path of the module that the rules are about.
const Module = "github.com/rserpool/rserpool"

// arrows says for each package which packages of this module it may import;
// what those may import is allowed too. Paths are inside the module.
var arrows = map[string][]string{
	"internal/tlv": {},

	// The transport, bottom to top.
	"sctp/wire":                    {"internal/tlv"},
	"sctp/congestion":              {},
	"sctp/carrier":                 {},
	"sctp/carrier/udpencap":        {"sctp/carrier", "sctp/carrier/internal/ipsock"},
	"sctp/carrier/rawip":           {"sctp/carrier", "sctp/carrier/internal/ipsock"},
	"sctp/carrier/memory":          {"sctp/carrier"},
	"sctp/carrier/internal/ipsock": {"sctp/carrier"},
	"sctp/core/internal/path":      {"sctp/wire", "sctp/congestion"},
	"sctp/core/internal/rx":        {"sctp/wire"},
	"sctp/core/internal/tx":        {"sctp/wire", "sctp/core/internal/path"},
	"sctp/core": {"sctp/wire", "sctp/congestion",
		"sctp/core/internal/path", "sctp/core/internal/rx", "sctp/core/internal/tx"},
	"sctp/internal/spool": {},
	"sctp/capture":        {"sctp/wire", "sctp/internal/spool"},
	"sctp": {"sctp/core", "sctp/wire", "sctp/carrier", "sctp/carrier/udpencap", "sctp/carrier/rawip",
		"sctp/capture", "sctp/internal/spool"},

	// RSerPool, bottom to top.
	"rserpool":            {"internal/tlv"},
	"rserpool/profile":    {"rserpool"},
	"rserpool/csp":        {},
	"asap":                {"rserpool"},
	"enrp":                {"rserpool"},
	"handlespace/policy":  {"rserpool"},
	"handlespace":         {"rserpool", "handlespace/policy"},
	"asap/core":           {"asap", "rserpool/profile"},
	"registrar/core":      {"asap", "enrp", "handlespace", "rserpool/profile"},
	"internal/multicast":  {},
	"internal/securelink": {"sctp"},
	"registrar":           {"registrar/core", "sctp", "internal/multicast", "internal/securelink"},
	"internal/asaplink":   {"asap/core", "sctp", "internal/multicast", "internal/securelink"}, // the shell that elements and users share
	"internal/asapload":   {"asap/core", "sctp", "internal/asaplink"},                         // load for tests and benchmarks
	"poolelement/cookie":  {"rserpool"},
	"poolelement":         {"asap/core", "sctp", "internal/asaplink", "poolelement/cookie"},
	"pooluser":            {"asap/core", "handlespace/policy", "sctp", "internal/asaplink"},

	// What tests and tools share. simnet is a carrier; scenario runs cores.
	"internal/simnet":     {"sctp/carrier"},
	"internal/coresim":    {"internal/simnet", "sctp/core"}, // simnet's carrier
	"internal/malformed":  {"asap", "enrp"},
	"internal/scenario":   {"sctp/core", "asap/core", "registrar/core"},
	"internal/archtest":   {},
	"internal/browser":    {},
	"internal/outputtest": {},
	"internal/apidump":    {},
	"interop/pattern":     {},
}

// shells own sockets, goroutines and clocks, and may log.
var shells = []string{
	"sctp", "sctp/carrier/internal/ipsock", "registrar", "internal/asaplink", "poolelement", "pooluser",
}

// free packages are programs or their parts: every arrow may leave them, but
// none may lead to them. Matched as path prefixes.
var free = []string{"cmd", "examples", "bench", "fuzz", "interop"}

// programParts are what the commands share. They are as free as a command, but
// only commands, examples and benchmarks may import them.
var programParts = []string{"internal/cli", "internal/daemon", "internal/service"}

// codecs have neither state nor I/O. Internal packages that arrows does not
// name, and packet layers, may import these and nothing else, so that nothing
// is smuggled past the arrows. Of the former, X/internal/Y is for X, and those
// right below internal/ are for shells and programs.
var codecs = []string{"internal/tlv", "sctp/wire", "rserpool", "asap", "enrp", "sctp/carrier"}

// modules says which package may import an outside module outside of tests.
// A module that is not here may not be used at all.
var modules = []struct {
	path  string
	allow func(pkg string) bool
}{
	{"go.uber.org/zap", func(p string) bool { return oneOf(p, shells) || program(p) }},
	{"golang.org/x/net", func(p string) bool {
		return p == "sctp/carrier/internal/ipsock" || p == "internal/multicast" || under(p, "cmd", "bench")
	}},
	{"github.com/google/gopacket", func(p string) bool { return p == "cmd/sctp" || packetLayer(p) }},
	{"github.com/spf13/cobra", program},
	{"github.com/spf13/pflag", program}, // cobra's flags
	{"github.com/prometheus/client_golang", program},
	{"github.com/goccy/go-yaml", program},
	{"github.com/schollz/progressbar", program},
	{"golang.org/x/term", program}, // of the progress bar, too
}

// testModules may be imported by tests only; for gopacket that is in addition
// to the rule above.
var testModules = []string{
	"github.com/stretchr/testify/require",
	"github.com/google/gopacket",
	"go.uber.org/zap",
	"golang.org/x/net",
	"github.com/prometheus/client_golang",
	"github.com/spf13/cobra",
	"github.com/spf13/pflag",
	"github.com/goccy/go-yaml",
}

// program says whether p is built into a command and not into a library.
func program(p string) bool {
	return under(p, "cmd", "examples", "bench") || under(p, programParts...)
}

// testSupport says whether p helps to test its parent, as net/http/httptest does
// net/http: X/Xtest may import what X may, X, and the simulated network. Only
// tests, and programs such as those in fuzz/, may import it.
func testSupport(p string) bool {
	parent, last := path.Split(p)
	return parent != "" && last == path.Base(parent)+"test"
}

// packetLayer says whether p teaches gopacket a protocol: such a package is
// called …layer or …layers, or reads captures.
func packetLayer(p string) bool {
	last := p[strings.LastIndex(p, "/")+1:]
	return strings.HasSuffix(last, "layer") || strings.HasSuffix(last, "layers") ||
		strings.HasPrefix(last, "pcap") || last == "gopacket"
}

// A purity is what the source of a package must not contain.
type purity struct {
	imports bool // no locks, sockets, files, logs, dice of unknown seed
	vars    bool // no package variable that changes
	goStmt  bool // no goroutines
	clock   bool // no reading of the clock, no timers
}

// purityOf returns what package p promises.
func purityOf(p string) purity {
	for _, part := range strings.Split(p, "/") {
		if part == "core" {
			return purity{imports: true, vars: true, goStmt: true, clock: true}
		}
	}
	switch p {
	case "sctp/wire", "sctp/congestion", "internal/tlv", "rserpool", "rserpool/profile", "asap", "enrp":
		return purity{imports: true, vars: true, goStmt: true, clock: true}
	case "handlespace", "handlespace/policy":
		// Several goroutines share a handlespace and its policies draw lots, so
		// locks and random numbers are its business. Time is still an argument.
		return purity{vars: true, goStmt: true, clock: true}
	}
	return purity{}
}

// impureImports may not be imported where purity.imports holds. net/netip and
// the encodings are fine. A trailing slash covers what is below as well.
var impureImports = []string{
	"sync", "sync/", "os", "os/", "net", "math/rand",
	"syscall", "log", "log/", "context", "runtime", "runtime/", "unsafe",
}

// diceNames of math/rand/v2 make or name a generator that the caller seeds;
// its other functions draw from a seed that nobody knows, so that no run could
// be repeated. (crypto/rand is fine as the default of a Config.)
var diceNames = []string{
	"Rand", "Source", "New", "NewPCG", "PCG", "NewChaCha8", "ChaCha8", "NewZipf", "Zipf",
}

// clockFuncs of package time read the clock or start a timer.
var clockFuncs = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick",
}

func oneOf(p string, list []string) bool {
	for _, l := range list {
		if p == l {
			return true
		}
	}
	return false
}

// under says whether p is one of the folders or below one.
func under(p string, folders ...string) bool {
	for _, f := range folders {
		if p == f || strings.HasPrefix(p, f+"/") {
			return true
		}
	}
	return false
}
