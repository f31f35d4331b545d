// Command apidump records the exported identifiers of the module's public
// packages in api/, one text file a package and one line an identifier, so
// that a change of the API shows up in review.
//
//	apidump            compare; exit 1 and print the difference if there is one
//	apidump -update    rewrite the files
//
// It runs in the module's root and reads compiled export data, so what it
// sees is what a user's compiler sees (for linux/amd64).
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	update := flag.Bool("update", false, "rewrite the files instead of comparing")
	dir := flag.String("dir", "api", "folder of the record")
	flag.Parse()
	if err := run(*dir, *update, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apidump:", err)
		os.Exit(1)
	}
}

// errDiffers says that the record is not what the packages export.
var errDiffers = errors.New("the exported API differs from the record; if that is meant: make api")

func run(dir string, update bool, out io.Writer) error {
	api, err := exported()
	if err != nil {
		return err
	}
	if update {
		return write(dir, api)
	}
	old, err := read(dir)
	if err != nil {
		return err
	}
	if d := diff(old, api); d != "" {
		fmt.Fprint(out, d)
		return errDiffers
	}
	return nil
}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath, Name, Export string
	Module                   *struct {
		Path string
		Main bool
	}
}

// exported returns the lines of each public package under its file's name.
func exported() (map[string][]string, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,Module", "./...")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	files, public := map[string]string{}, map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		files[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main && p.Name != "main" {
			if rel := strings.TrimPrefix(p.ImportPath, p.Module.Path+"/"); isPublic(rel) {
				public[p.ImportPath] = fileName(rel)
			}
		}
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(files[path])
	})
	api := map[string][]string{}
	for path, file := range public {
		pkg, err := imp.Import(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if lines := describe(pkg); len(lines) > 0 {
			api[file] = lines
		}
	}
	return api, nil
}

// isPublic says whether users may import the package at rel, a path inside
// the module.
func isPublic(rel string) bool {
	parts := strings.Split(rel, "/")
	switch parts[0] {
	case "cmd", "examples", "bench", "fuzz", "interop":
		return false
	}
	return !slices.Contains(parts, "internal")
}

func fileName(rel string) string { return strings.ReplaceAll(rel, "/", "-") + ".txt" }

func write(dir string, api map[string][]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if api[filepath.Base(f)] == nil {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for f, lines := range api {
		b := []byte(strings.Join(lines, "\n") + "\n")
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func read(dir string) (map[string][]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	api := map[string][]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		api[filepath.Base(f)] = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
	return api, nil
}

// diff lists the lines that only one side has, "-" for the old one's and "+"
// for the new one's. Order in a file does not matter: it is sorted.
func diff(old, now map[string][]string) string {
	names := map[string]bool{}
	for f := range old {
		names[f] = true
	}
	for f := range now {
		names[f] = true
	}
	var sorted []string
	for f := range names {
		sorted = append(sorted, f)
	}
	slices.Sort(sorted)
	var b strings.Builder
	for _, f := range sorted {
		for _, l := range old[f] {
			if !slices.Contains(now[f], l) {
				fmt.Fprintf(&b, "%s: - %s\n", f, l)
			}
		}
		for _, l := range now[f] {
			if !slices.Contains(old[f], l) {
				fmt.Fprintf(&b, "%s: + %s\n", f, l)
			}
		}
	}
	return b.String()
}
