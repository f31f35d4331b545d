package handlespace

// SetLimits changes three of the limits of Options, which are read as there: 0 means
// the default, a negative number no limit. What is there already stays, however much
// it is.
func (s *Space) SetLimits(maxPools, maxElements, maxElementsPerPool int) {
	o := Options{MaxPools: maxPools, MaxElements: maxElements, MaxElementsPerPool: maxElementsPerPool}.withDefaults()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.MaxPools, s.opts.MaxElements, s.opts.MaxElementsPerPool = o.MaxPools, o.MaxElements, o.MaxElementsPerPool
}
