package archtest

import (
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

// made parses a made-up file.
func made(t *testing.T, name, text string) *source {
	t.Helper()
	s, err := parse(token.NewFileSet(), name, []byte(text))
	require.NoError(t, err)
	return s
}

// Each rule is shown to fail on a source that breaks it, and to pass on the
// nearest source that does not.
func TestImportRulesCanFail(t *testing.T) {
	const own = Module + "/"
	for _, c := range []struct{ file, imp, want string }{
		{"sctp/core/a.go", own + "sctp/wire", ""},
		{"sctp/core/a.go", own + "internal/tlv", ""}, // below wire
		{"sctp/core/a.go", own + "sctp/carrier", "no such arrow"},
		{"sctp/core/a.go", own + "internal/simnet", "no such arrow"},
		{"sctp/core/a_test.go", own + "internal/simnet", ""},
		{"sctp/wire/a.go", own + "sctp/core", "no such arrow"},
		{"sctp/core/internal/path/a.go", own + "sctp/core/internal/tx", "no such arrow"},
		{"pooluser/a.go", own + "handlespace/policy", ""},
		{"pooluser/a.go", own + "registrar", "no such arrow"},
		{"registrar/a.go", own + "handlespace", ""},
		{"registrar/a.go", own + "internal/multicast", ""},
		{"registrar/core/a.go", own + "internal/multicast", "no such arrow"},
		{"internal/multicast/a.go", own + "registrar", "no such arrow"},
		{"internal/gadget/a.go", own + "registrar", "codecs only"},
		{"handlespace/a.go", own + "handlespace/internal/ordered", ""},
		{"handlespace/policy/a.go", own + "handlespace/internal/ordered", ""},
		{"registrar/core/a.go", own + "handlespace/internal/ordered", "no such arrow"},
		{"handlespace/internal/ordered/a.go", own + "handlespace", "codecs only"},
		{"asap/asaplayer/a.go", own + "asap", ""},
		{"asap/asaplayer/a.go", own + "pooluser", "codecs only"},
		{"handlespace/handlespacetest/a.go", own + "handlespace", ""},
		{"handlespace/handlespacetest/a.go", own + "handlespace/policy", ""},
		{"handlespace/handlespacetest/a.go", own + "asap", "what its parent may"},
		{"handlespace/handlespacetest/a.go", "github.com/stretchr/testify/require", ""},
		{"registrar/core/a.go", own + "handlespace/handlespacetest", "no such arrow"},
		{"fuzz/a.go", own + "handlespace/handlespacetest", ""},
		{"cmd/rserpool/a.go", own + "registrar", ""},
		{"sctp/a.go", own + "cmd/sctp", "nothing imports programs"},
		{"sctp/a.go", own + "internal/daemon", "nothing imports programs"},
		{"internal/service/a.go", own + "pooluser", ""},
		{"internal/asaplink/asaplinktest/a.go", own + "internal/simnet", ""},
		{"newpkg/a.go", own + "sctp", "does not know newpkg"},

		{"sctp/a.go", "go.uber.org/zap", ""},
		{"sctp/core/a.go", "go.uber.org/zap", "other packages"},
		{"asap/a.go", "go.uber.org/zap/zapcore", "other packages"},
		{"sctp/carrier/internal/ipsock/a.go", "golang.org/x/net/ipv4", ""},
		{"internal/multicast/a.go", "golang.org/x/net/ipv4", ""},
		{"registrar/a.go", "golang.org/x/net/ipv4", "other packages"},
		{"sctp/a.go", "golang.org/x/net/ipv4", "other packages"},
		{"cmd/sctp/a.go", "github.com/google/gopacket/pcapgo", ""},
		{"cmd/rserpool/a.go", "github.com/google/gopacket", "other packages"},
		{"sctp/wire/a.go", "github.com/google/gopacket", "other packages"},
		{"sctp/wire/a_test.go", "github.com/google/gopacket", ""},
		{"asap/asaplayer/a.go", "github.com/google/gopacket", ""},
		{"registrar/a.go", "github.com/prometheus/client_golang/prometheus", "other packages"},
		{"internal/daemon/a.go", "github.com/prometheus/client_golang/prometheus", ""},
		{"cmd/rserpool/a.go", "github.com/spf13/cobra", ""},
		{"registrar/a.go", "github.com/goccy/go-yaml", "other packages"},
		{"examples/echo/main.go", "github.com/schollz/progressbar/v3", ""},
		{"sctp/a_test.go", "github.com/stretchr/testify/require", ""},
		{"sctp/a_test.go", "github.com/stretchr/testify/assert", "not in rules.go"},
		{"sctp/a.go", "github.com/stretchr/testify/require", "not in rules.go"},
		{"sctp/a.go", "example.org/new/thing", "not in rules.go"},
		{"sctp/a.go", "C", "pure Go"},
		{"sctp/a.go", "net/http", ""},
	} {
		bad := checkImports(made(t, c.file, "package p\nimport _ \""+c.imp+"\"\n"))
		if c.want == "" {
			require.Empty(t, bad, "%s imports %s", c.file, c.imp)
			continue
		}
		require.Len(t, bad, 1, "%s imports %s", c.file, c.imp)
		require.Contains(t, bad[0], c.want)
	}
}

func TestUnknownPackagesAreFound(t *testing.T) {
	require.Empty(t, unknown([]string{".", "sctp", "sctp/core/internal/tx", "internal/new", "handlespace/internal/new", "cmd/new", "asap/asaplayer", "asap/asaptest"}))
	require.Len(t, unknown([]string{"sctp/extra"}), 1)
}

func TestPurityRulesCanFail(t *testing.T) {
	for _, c := range []struct{ name, pkg, text, want string }{
		{"lock", "sctp/core", `import "sync"; var _ sync.Mutex`, "import sync"},
		{"atomic", "sctp/core/internal/tx", `import "sync/atomic"; var _ atomic.Int32`, "import sync/atomic"},
		{"socket", "registrar/core", `import "net"; var _ net.Conn`, "import net"},
		{"address", "registrar/core", `import "net/netip"; var _ netip.Addr`, ""},
		{"file", "asap/core", `import "os"; var _ os.File`, "import os"},
		{"dice", "sctp/core", `import "math/rand/v2"; func f() int { return rand.Int() }`, "math/rand/v2.Int"},
		{"old dice", "sctp/core", `import "math/rand"; func f() int { return rand.Int() }`, "import math/rand"},
		{"seeded dice", "asap/core", `import "math/rand/v2"; func f(r *rand.Rand) int { return r.Int() }`, ""},
		{"dice of a handlespace", "handlespace/policy", `import "math/rand/v2"; func f() int { return rand.Int() }`, ""},
		{"goroutine", "sctp/core", `func f() { go f() }`, "goroutines"},
		{"goroutine in a shell", "sctp", `func f() { go f() }`, ""},
		{"clock", "sctp/core", `import "time"; func f() { _ = time.Now() }`, "time.Now"},
		{"renamed clock", "sctp/congestion", `import tm "time"; func f() { _ = tm.Since }`, "time.Since"},
		{"hidden clock", "handlespace", `import . "time"; func f() { Sleep(1) }`, "under a name"},
		{"timer", "handlespace", `import "time"; func f() { time.AfterFunc(1, f) }`, "time.AfterFunc"},
		{"duration", "sctp/core", `import "time"; func f(now time.Time) time.Time { return now.Add(time.Second) }`, ""},
		{"method called After", "sctp/core", `import "time"; func f(a, b time.Time) bool { return a.After(b) }`, ""},
		{"clock in a shell", "sctp", `import "time"; func f() { _ = time.Now() }`, ""},

		{"sentinel", "sctp/core", `import "errors"; var ErrX = errors.New("x"); func f() error { return ErrX }`, ""},
		{"table", "sctp/core", `var names = [...]string{"a"}; func f(i int) string { return names[i] }`, ""},
		{"assignment", "sctp/core", `var n int; func f() { n = 1 }`, "package variable n"},
		{"count", "sctp/wire", `var n int; func f() { n++ }`, "package variable n"},
		{"element", "sctp/core", `var m = map[int]int{}; func f() { m[1] = 2 }`, "package variable m"},
		{"field", "sctp/core", `var s struct{ a []int }; func f() { s.a[0] = 2 }`, "package variable s"},
		{"deletion", "sctp/core", `var m = map[int]int{}; func f() { delete(m, 1) }`, "package variable m"},
		{"range", "sctp/core", `var n int; func f() { for n = range 3 {} }`, "package variable n"},
		{"pointer", "sctp/core", `var n int; func f() *int { return &n }`, "package variable n"},
		{"shadow", "sctp/core", `var n int; func f() { n := 2; n = 1; _ = n }`, ""},
		{"state of a shell", "sctp", `var n int; func f() { n = 1 }`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := made(t, c.pkg+"/a.go", "package p\n"+c.text+"\n")
			bad := checkPurity(c.pkg, []*source{s})
			if c.want == "" {
				require.Empty(t, bad)
				return
			}
			require.Len(t, bad, 1)
			require.Contains(t, bad[0], c.want)
		})
	}
}

// A variable of one file changed in another is still found.
func TestMutationAcrossFiles(t *testing.T) {
	fset := token.NewFileSet()
	a, err := parse(fset, "sctp/core/a.go", []byte("package core\nimport \"fmt\"\nvar last = fmt.Sprint(1)\n"))
	require.NoError(t, err)
	b, err := parse(fset, "sctp/core/b.go", []byte("package core\nfunc f() { last = \"\" }\n"))
	require.NoError(t, err)
	require.Len(t, checkPurity("sctp/core", []*source{a, b}), 1)
	require.Empty(t, checkPurity("sctp/core", []*source{a}))
}
