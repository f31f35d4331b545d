package multicast

// System is the Network of the operating system.
var System Network = system{}
