package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// echo is an actor that says what it hears.
type echo struct{}

func (echo) Do(command string) ([]string, error) {
	if command == "wrong" {
		return nil, errors.New("no such command")
	}
	return strings.Fields(command)[1:], nil
}

func TestParseTellsCommandsFromWhatTheyBroughtAbout(t *testing.T) {
	items := parse("# about\n\nsay one\n    one\n\ttwo  \n# in between\n    three\nsay\n")
	require.Len(t, items, 5)
	require.Equal(t, item{line: 1, text: "# about"}, items[0])
	require.Equal(t, item{line: 2}, items[1])
	require.Equal(t, item{line: 3, text: "say one", command: true, golden: []string{"one", "two", "three"}}, items[2])
	require.Equal(t, "# in between", items[3].text)
	require.Empty(t, items[4].golden)
}

func TestPlayRewritesOnlyTheGoldenPart(t *testing.T) {
	*update = true
	defer func() { *update = false }()
	got := play(t, "x", "# about\nsay one two\n    old\n\nsay three", echo{})
	require.Equal(t, "# about\nsay one two\n    one\n    two\n\nsay three\n    three\n", got)
	require.Equal(t, got, play(t, "x", got, echo{}), "twice is no more than once")
}

func TestUpdateWritesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "a.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("say hello\n"), 0o600))
	*update = true
	Run(t, dir, func(testing.TB) Actor { return echo{} })
	*update = false
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "say hello\n    hello\n", string(b))
	Run(t, dir, func(testing.TB) Actor { return echo{} })
}

// judge is a testing.TB that notes the verdict of a script.
type judge struct {
	testing.TB
	errors []string
	fatal  bool
}

func (j *judge) Helper() {}

func (j *judge) Errorf(format string, args ...any) { j.errors = append(j.errors, format) }

func (j *judge) Fatalf(string, ...any) {
	j.fatal = true
	panic(j)
}

func TestDifferencesAndErrorsFail(t *testing.T) {
	j := &judge{TB: t}
	play(j, "x", "say one\n    one\nsay two\n    three\nsay four", echo{})
	require.Len(t, j.errors, 2)
	require.PanicsWithValue(t, j, func() { play(j, "x", "wrong", echo{}) })
	require.True(t, j.fatal)
	require.Equal(t, "      same\nwant  old\ngot   new\ngot   more\n", difference([]string{"same", "old"}, []string{"same", "new", "more"}))
}

func TestCommandsThatMakeNoSense(t *testing.T) {
	for _, script := range []string{
		"    a golden line without a command", "nonsense", "A", "A fly", "A send", "A recv", "A path", "A stats Dropped", "A shutdown", "A abort",
		"A< NOTHING", "A<", "A< DATA tsn=x", "A< DATA Q", "A< SACK gaps=1", "A< COOKIE-ECHO", "A< CHUNK value=xyz", "A< DATA tsn=1 what",
		"A< DATA from=nowhere", "A< ERROR cause=x", "A< INIT param=0", "tick soon", "clock x", "delay x", "drop A", "swap A", "drop A x",
		"A config rto.min=x", "A config hb=x", "A config unknown=1", "A connect rtt=x",
	} {
		s := NewSCTP(t)
		_, err := s.Do("A config")
		require.NoError(t, err)
		_, err = s.Do(script)
		require.Error(t, err, script)
	}
}

// do runs commands and returns what the last one brought about.
func do(t *testing.T, s Actor, commands ...string) []string {
	var out []string
	for _, c := range commands {
		var err error
		out, err = s.Do(c)
		require.NoError(t, err, c)
	}
	return out
}

func TestHostsExchangePackets(t *testing.T) {
	s := NewSCTP(t)
	do(t, s, "A config hb=off", "B config hb=off", "B listen", "A dial B", "deliver", "A send text=one", "A send text=two")
	require.Empty(t, do(t, s, "swap A"))
	out := do(t, s, "deliver A")
	require.Contains(t, out[0], "SACK cum=0")
	require.Contains(t, out[0], "gaps=2-2")
	do(t, s, "A send text=lost", "drop A", "A send text=twice", "dup A")
	require.Contains(t, strings.Join(do(t, s, "deliver A"), "\n"), "dups=4")
	do(t, s, "delay 10ms")
	out = do(t, s, "B send text=hello", "tick 1s")
	require.Equal(t, "+10ms A> SACK cum=1 rwnd=40170", out[0], "packets travel by themselves: %v", out)
	require.Equal(t, []string{"A= ESTABLISHED, no timer"}, do(t, s, "deliver", "tick 30s", "A state"))
}

func TestScriptsAreRepeatable(t *testing.T) {
	run := func() []string {
		s := NewSCTP(t)
		return do(t, s, "A accept", "tick 1m")
	}
	require.Equal(t, run(), run())
	require.NotEmpty(t, run())
}

func TestTagsHaveNames(t *testing.T) {
	s := NewSCTP(t)
	require.Equal(t, []string{"A> INIT-ACK tag=A1 rwnd=1048576 os=64 mis=65535 cookie=99"}, do(t, s, "A listen", "A< INIT tag=P1"))
	require.Equal(t, []string{"A> ABORT T vtag=0x7"}, do(t, s, "A< SACK vtag=7"))
	require.Empty(t, do(t, s, "quietly A< SACK vtag=7"))
	require.Equal(t, []string{"A> ABORT T vtag=0x7 to=192.0.2.99:1"}, do(t, s, "A< SACK vtag=7 from=192.0.2.99:1"))
	require.Equal(t, []string{"A= CLOSED"}, do(t, s, "A state"))
}

func TestClockOfAScript(t *testing.T) {
	s := NewSCTP(t)
	do(t, s, "A connect", "A send len=10")
	require.Equal(t, []string{"A= ESTABLISHED, next timer in 1h0m1s"}, do(t, s, "clock -1h", "A state"))
	require.Equal(t, []string{"A= Dropped 1"}, do(t, s, "A< COOKIE-ACK vtag=9", "A stats Dropped"))
}
