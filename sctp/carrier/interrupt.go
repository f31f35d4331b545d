package carrier

// Interrupter is a Carrier whose blocked ReadBatch can be made to return. Who has
// such a Carrier can let several goroutines read it in turn.
type Interrupter interface {
	// Interrupt makes the ReadBatch that is blocked, or the next one, return 0
	// datagrams and no error.
	Interrupt()
}
