package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// checkImports holds one file to the arrows and to the list of modules.
func checkImports(s *source) []string {
	var bad []string
	for imp, pos := range s.imports() {
		why := ""
		switch own, inside := strings.CutPrefix(imp, Module+"/"); {
		case inside && s.test:
			// A test may use whatever it needs of this module.
		case inside:
			why = arrow(s.pkg, own)
		case imp == "C":
			why = "the module is pure Go"
		case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
			why = outside(s.pkg, imp, s.test)
		}
		if why != "" {
			bad = append(bad, fmt.Sprintf("%s: %s may not import %s: %s", pos, s.pkg, imp, why))
		}
	}
	slices.Sort(bad)
	return bad
}

// arrow returns why package from may not import package to, or "".
func arrow(from, to string) string {
	if under(from, free...) || under(from, programParts...) || from == "." {
		return ""
	}
	if under(to, programParts...) || under(to, "cmd", "examples", "bench", "fuzz") {
		return "nothing imports programs"
	}
	direct, known := arrows[from]
	switch {
	case known && reach(direct)[to]:
		return ""
	case known && unlistedInternal(to) && mayUseInternal(from, to):
		return ""
	case known:
		return "no such arrow in rules.go"
	case testSupport(from):
		if parent := path.Dir(from); to == parent || to == "internal/simnet" || reach(arrows[parent])[to] {
			return ""
		}
		return "a test helper may import what its parent may"
	case unlistedInternal(from) || packetLayer(from):
		if reach(codecs)[to] || unlistedInternal(to) {
			return ""
		}
		return "a package without arrows of its own may import codecs only"
	}
	return "rules.go does not know " + from
}

// unlistedInternal says whether p is an internal package that arrows does not
// name.
func unlistedInternal(p string) bool {
	_, known := arrows[p]
	return !known && slices.Contains(strings.Split(p, "/"), "internal")
}

// mayUseInternal says whether from may import to, an unlisted internal package.
func mayUseInternal(from, to string) bool {
	owner, _, _ := strings.Cut("/"+to, "/internal")
	if owner == "" {
		return oneOf(from, shells)
	}
	return under(from, owner[1:])
}

// reach returns the packages and all that the arrows lead to from them.
func reach(from []string) map[string]bool {
	all := map[string]bool{}
	var add func([]string)
	add = func(list []string) {
		for _, p := range list {
			if !all[p] {
				all[p] = true
				add(arrows[p])
			}
		}
	}
	add(from)
	return all
}

// outside returns why pkg may not import the outside package imp, or "".
func outside(pkg, imp string, test bool) string {
	if test || testSupport(pkg) {
		for _, m := range testModules {
			if under(imp, m) {
				return ""
			}
		}
	}
	for _, m := range modules {
		if under(imp, m.path) {
			if m.allow(pkg) {
				return ""
			}
			return m.path + " is for other packages, see rules.go"
		}
	}
	return "this module is not in rules.go"
}

// unknown lists the packages that the rules do not mention: each new public
// package has to say what it may import.
func unknown(pkgs []string) []string {
	var bad []string
	for _, p := range pkgs {
		_, known := arrows[p]
		if !known && p != "." && !under(p, free...) && !unlistedInternal(p) && !packetLayer(p) && !testSupport(p) {
			bad = append(bad, p+": rules.go does not know this package")
		}
	}
	return bad
}
