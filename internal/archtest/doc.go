// Package archtest holds the module to its architecture: who may import whom,
// which outside modules may be used where, and that the packages which
// promise to be pure functions of their inputs keep that promise.
//
// It parses the source tree, so it needs neither network nor build, and sees
// every file whatever its build constraints. The rules are tables in rules.go;
// a package that is not there yet breaks nothing, a package that the tables
// do not know does. The checks themselves are tested on made-up sources.
package archtest
