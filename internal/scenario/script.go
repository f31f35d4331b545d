package scenario

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden part of scenario scripts")

// indent is what golden lines begin with.
const indent = "    "

// Actor executes the commands of one script.
type Actor interface {
	// Do executes a command and returns what happened, a line each. An error says
	// that the script is wrong.
	Do(command string) ([]string, error)
}

// Run runs every script below dir, the files that end in .txt, as a subtest each.
// start makes the actor of a script.
func Run(t *testing.T, dir string, start func(testing.TB) Actor) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		found = true
		name, _ := filepath.Rel(dir, path)
		t.Run(strings.TrimSuffix(filepath.ToSlash(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, path, string(text), start(t))
			if *update && got != string(text) {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Fatalf("no scripts in %s", dir)
	}
}

// item is a comment, or a command with the golden lines below it.
type item struct {
	line    int
	text    string
	command bool
	golden  []string
}

// parse splits a script. Golden lines behind a comment belong to the command
// before it.
func parse(text string) []item {
	var items []item
	last := -1
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || line[0] == '#':
			items = append(items, item{line: n + 1, text: strings.TrimRight(line, " \t")})
		case line[0] == ' ' || line[0] == '\t':
			if last < 0 {
				items = append(items, item{line: n + 1, text: line, command: true}) // the actor will complain
				last = len(items) - 1
				continue
			}
			items[last].golden = append(items[last].golden, trimmed)
		default:
			items = append(items, item{line: n + 1, text: trimmed, command: true})
			last = len(items) - 1
		}
	}
	return items
}

// play executes a script and returns it with the golden part that came out. Unless
// it is to be rewritten, differences are errors.
func play(t testing.TB, path, text string, a Actor) string {
	t.Helper()
	var out strings.Builder
	for _, i := range parse(text) {
		out.WriteString(i.text + "\n")
		if !i.command {
			continue
		}
		got, err := a.Do(i.text)
		if err != nil {
			t.Fatalf("%s:%d: %s: %v", path, i.line, i.text, err)
		}
		for _, l := range got {
			out.WriteString(indent + l + "\n")
		}
		if !*update && !slices.Equal(got, i.golden) {
			t.Errorf("%s:%d: %s\n%s", path, i.line, i.text, difference(i.golden, got))
		}
	}
	return out.String()
}

// difference shows what was expected and what happened, side by side in prose.
func difference(want, got []string) string {
	var b strings.Builder
	same := 0
	for same < len(want) && same < len(got) && want[same] == got[same] {
		b.WriteString("      " + want[same] + "\n")
		same++
	}
	for _, l := range want[same:] {
		b.WriteString("want  " + l + "\n")
	}
	for _, l := range got[same:] {
		b.WriteString("got   " + l + "\n")
	}
	return b.String()
}

// fields are the words of a command: flags, and key=value.
type fields struct {
	words []string
	err   error
}

func splitFields(s string) fields { return fields{words: strings.Fields(s)} }

// word takes the first word that is not key=value.
func (f *fields) word() (string, bool) {
	for i, w := range f.words {
		if !strings.Contains(w, "=") {
			f.words = slices.Delete(f.words, i, i+1)
			return w, true
		}
	}
	return "", false
}

// flag takes a word if it is there.
func (f *fields) flag(name string) bool {
	if i := slices.Index(f.words, name); i >= 0 {
		f.words = slices.Delete(f.words, i, i+1)
		return true
	}
	return false
}

// value takes the value of a key.
func (f *fields) value(key string) (string, bool) {
	for i, w := range f.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			f.words = slices.Delete(f.words, i, i+1)
			return v, true
		}
	}
	return "", false
}
