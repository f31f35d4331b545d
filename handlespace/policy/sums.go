package policy

// sums is a list of weights that can change, with the sums of blocks of them, of
// blocks of blocks and so on: finding the weight that a lot belongs to reads
// log₁₆ n blocks. (A binary tree reads four times as many cache lines, and one in
// an array, such as Fenwick's, at distances of powers of two, where caches are
// worst.) Weights are added modulo 2⁶⁴, so that a negated weight subtracts.
type sums struct {
	// levels[0] has the weights, levels[l+1][i] the sum of block i of levels[l]. The
	// last level is a single block.
	levels [][]uint64
	total  uint64
}

const (
	blockBits = 4
	blockSize = 1 << blockBits
)

// push appends a weight.
func (s *sums) push(w uint64) {
	if len(s.levels) == 0 {
		s.levels = append(s.levels, nil)
	}
	at := len(s.levels[0])
	for l := range s.levels {
		if at == len(s.levels[l]) {
			s.levels[l] = append(s.levels[l], 0)
		}
		at >>= blockBits
	}
	s.add(len(s.levels[0])-1, w)
	if top := s.levels[len(s.levels)-1]; len(top) > blockSize {
		// Only the last weight is in the second block.
		second := top[blockSize]
		s.levels = append(s.levels, append(make([]uint64, 0, blockSize), s.total-second, second))
	}
}

// pop takes the last weight, which must be 0, away.
func (s *sums) pop() {
	n := len(s.levels[0]) - 1
	for l := range s.levels {
		s.levels[l] = s.levels[l][:n]
		n = (n + blockSize - 1) >> blockBits
	}
	if top := len(s.levels) - 1; top > 0 && len(s.levels[top-1]) <= blockSize {
		s.levels = s.levels[:top]
	}
}

// add adds w to the weight at index i.
func (s *sums) add(i int, w uint64) {
	s.total += w
	for _, level := range s.levels {
		level[i] += w
		i >>= blockBits
	}
}

// find is the index of the weight that lot number n belongs to, where the lots of
// index 0 are the first ones. n must be less than the total.
func (s *sums) find(n uint64) int {
	at := 0
	for l := len(s.levels) - 1; l >= 0; l-- {
		level := s.levels[l]
		for at <<= blockBits; n >= level[at]; at++ {
			n -= level[at]
		}
	}
	return at
}
