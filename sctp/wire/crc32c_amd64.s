#include "textflag.h"

// func hasCRC() bool
// SSE 4.2 and PCLMULQDQ: bits 20 and 1 of ECX of CPUID leaf 1.
TEXT ·hasCRC(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $(1<<20 | 1<<1), CX
	CMPL CX, $(1<<20 | 1<<1)
	SETEQ ret+0(FP)
	RET

// func sum3(pkt []byte, n int, twice, once uint64) uint32
//
// The CRC32c of a packet of at least 12 + 24n bytes whose checksum field counts as
// zero. Behind the common header lie three streams A, B and C of n words of 8 bytes:
// their checksums are independent, so that three instructions are on their way at a
// time. twice and once move a checksum over 2n and n words, see crc32c_amd64.go.
TEXT ·sum3(SB), NOSPLIT, $0-52
	MOVQ pkt_base+0(FP), SI
	MOVQ pkt_len+8(FP), CX
	MOVQ n+24(FP), DX

	MOVL   $0xffffffff, AX
	CRC32Q (SI), AX
	XORL   BX, BX
	CRC32L BX, AX            // the checksum field
	ADDQ   $12, SI
	SUBQ   $12, CX

	TESTQ DX, DX
	JZ    words
	IMUL3Q $24, DX, R10
	SUBQ   R10, CX
	LEAQ   (SI)(DX*8), R8    // B
	LEAQ   (R8)(DX*8), R9    // C
	XORL   DI, DI
	XORL   R11, R11
	DECQ   DX
	JZ     last

streams:
	CRC32Q (SI)(R11*8), AX
	CRC32Q (R8)(R11*8), BX
	CRC32Q (R9)(R11*8), DI
	INCQ   R11
	CMPQ   R11, DX
	JB     streams

last:
	CRC32Q    (SI)(R11*8), AX
	CRC32Q    (R8)(R11*8), BX
	MOVQ      AX, X0
	MOVQ      BX, X1
	MOVQ      twice+32(FP), X2
	MOVQ      once+40(FP), X3
	PCLMULQDQ $0, X2, X0
	PCLMULQDQ $0, X3, X1
	PXOR      X1, X0
	MOVQ      X0, AX
	XORQ      (R9)(R11*8), AX
	CRC32Q    AX, DI         // the last word of C, and A and B moved over it
	MOVQ      DI, AX
	LEAQ      8(R9)(R11*8), SI

words:
	CMPQ   CX, $8
	JB     bytes
	CRC32Q (SI), AX
	ADDQ   $8, SI
	SUBQ   $8, CX
	JMP    words

bytes:
	TESTQ  CX, CX
	JZ     done
	CRC32B (SI), AX
	INCQ   SI
	DECQ   CX
	JMP    bytes

done:
	NOTL AX
	MOVL AX, ret+48(FP)
	RET
