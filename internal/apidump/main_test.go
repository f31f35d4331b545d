package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = `package p

import "io"

type Kind uint8

const (
	A Kind = iota
	B
	hidden
)

var Err error

type Config struct {
	Size  int
	inner int
	io.Writer
}

func (c *Config) Set(n int) error { return nil }
func (c Config) Get() int         { return 0 }
func (c Config) get() int         { return 0 }

type Pipe interface {
	io.Reader
	Flush(hard bool) error
	seal()
}

type Pair[T any] struct{ Left, Right T }
type Old = Config

func New(k Kind, more ...string) *Config { return nil }
func helper()                            {}
`

func check(t *testing.T, src string) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", src, 0)
	require.NoError(t, err)
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := conf.Check("p", fset, []*ast.File{f}, nil)
	require.NoError(t, err)
	return pkg
}

func TestDescribeListsAllThatUsersCanReach(t *testing.T) {
	require.Equal(t, []string{
		"const A Kind = 0",
		"const B Kind = 1",
		"func New(k Kind, more ...string) *Config",
		"method (*Config) Set(n int) error",
		"method (Config) Get() int",
		"method (Config) Write(p []byte) (n int, err error)",
		"type Config struct",
		"type Config struct, Size int",
		"type Config struct, embedded io.Writer",
		"type Kind uint8",
		"type Old = Config",
		"type Pair[T any] struct",
		"type Pair[T any] struct, Left T",
		"type Pair[T any] struct, Right T",
		"type Pipe interface",
		"type Pipe interface, Flush(hard bool) error",
		"type Pipe interface, Read(p []byte) (n int, err error)",
		"type Pipe interface, unexported methods",
		"var Err error",
	}, describe(check(t, source)))
}

func TestDiffNamesWhatWentAndWhatCame(t *testing.T) {
	old := map[string][]string{"p.txt": {"func A()", "func B()"}, "q.txt": {"var Q int"}}
	now := map[string][]string{"p.txt": {"func A()", "func B(n int)"}}
	require.Equal(t, "p.txt: - func B()\np.txt: + func B(n int)\nq.txt: - var Q int\n", diff(old, now))
	require.Empty(t, diff(old, old))
}

func TestRecordSurvivesWritingAndReading(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, write(dir, map[string][]string{"gone.txt": {"x"}}))
	api := map[string][]string{"a.txt": {"func A()"}, "b-c.txt": {"var X int", "var Y int"}}
	require.NoError(t, write(dir, api))
	got, err := read(dir)
	require.NoError(t, err)
	require.Equal(t, api, got, "and the file of a removed package is gone")
}

func TestPublicPackages(t *testing.T) {
	for rel, want := range map[string]bool{
		"sctp": true, "sctp/wire": true, "sctp/core": true,
		"sctp/core/internal/tx": false, "internal/tlv": false, "cmd/sctp": false, "interop/pattern": false,
	} {
		require.Equal(t, want, isPublic(rel), rel)
	}
	require.Equal(t, "sctp-carrier-udpencap.txt", fileName("sctp/carrier/udpencap"))
}
