package simnet

// PathStates returns for how many directions n keeps state.
func PathStates(n *Network) int { return len(n.paths) }
