package wire

// Abort is an ABORT chunk.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 6    |  Reserved   |T|            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                   zero or more Error Causes                   /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.7.
type Abort struct {
	// T says that the Verification Tag is reflected (RFC 9260 §8.5.1).
	T bool
	// Causes are raw error causes: read with the function Causes, built with
	// AppendCause.
	Causes []byte
}

// Decode fills a from c. It fails if the causes are malformed: an ABORT with a
// format error is to be discarded (RFC 9260 §3.3.7). Unknown causes are fine.
func (a *Abort) Decode(c RawChunk) error {
	a.T, a.Causes = c.Flags()&flagT != 0, c.Value()
	if err := checkType(c, TypeAbort); err != nil {
		return err
	}
	return checkCauses(c)
}

// AppendTo appends the complete chunk with padding.
func (a *Abort) AppendTo(b []byte) []byte {
	b, start := beginChunk(b, TypeAbort, tFlag(a.T))
	return endChunk(append(b, a.Causes...), start)
}

// Len is the size of the chunk with padding.
func (a *Abort) Len() int { return padded(ChunkHeaderLen + len(a.Causes)) }

// String describes the chunk: `ABORT T (Protocol Violation: "…")`.
func (a *Abort) String() string { return "ABORT" + tName(a.T) + describeCauses(a.Causes) }

// OperationError is an ERROR chunk. Its name is the RFC's "Operation Error";
// Error is the error type of this package.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type = 9    |  Chunk Flags  |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	/                   one or more Error Causes                    /
//	\                                                               \
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 9260 §3.3.10.
type OperationError struct {
	// Causes are raw error causes: read with the function Causes, built with
	// AppendCause.
	Causes []byte
}

// Decode fills e from c. It fails if there is no cause or a malformed one.
func (e *OperationError) Decode(c RawChunk) error {
	e.Causes = c.Value()
	if err := checkType(c, TypeError); err != nil {
		return err
	}
	if len(c.Value()) == 0 {
		return chunkError(c, ErrMissing, 0)
	}
	return checkCauses(c)
}

// AppendTo appends the complete chunk with padding.
func (e *OperationError) AppendTo(b []byte) []byte {
	b, start := beginChunk(b, TypeError, 0)
	return endChunk(append(b, e.Causes...), start)
}

// Len is the size of the chunk with padding.
func (e *OperationError) Len() int { return padded(ChunkHeaderLen + len(e.Causes)) }

// String describes the chunk: "ERROR (Stale Cookie: 000f4240)".
func (e *OperationError) String() string { return "ERROR" + describeCauses(e.Causes) }
