// Package interop holds the tests of our stack against other implementations:
// Linux kernel SCTP in User Mode Linux guests, usrsctp, and rsplib's registrar,
// pool elements and pool users. The tests have the build tag interop and run
// inside the rig that run.sh sets up; README.md tells how to write one.
package interop
