// Package asapload makes load for registrars: many pool elements on few associations,
// and users that ask for pools without a pause. It is for tests and benchmarks.
//
// The elements of a Fleet are the ASAP endpoints that package poolelement uses, with their
// hunt for registrars, their timers and their answers to keep-alives. What differs is
// that those of one fleet share an association with each registrar, as programs with
// thousands of elements would, and that they serve nobody.
package asapload
