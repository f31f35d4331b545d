//go:build ignore

/*
 * LD_PRELOAD shim for Debian's linux.uml (6.1) on hosts whose XSAVE area is
 * larger than the 2696 bytes that UML was compiled for (any CPU with AMX).
 *
 * UML saves and restores a guest process's FPU state with
 * PTRACE_GETREGSET/SETREGSET(NT_X86_XSTATE) and a 2696-byte buffer.  Reading
 * is truncated harmlessly, but the host kernel refuses a short write with
 * EFAULT, and UML then kills init ("ptrace set fp regs failed, errno = 14").
 * This shim pads the short write to the size that the host wants.  The state
 * components that lie past the buffer (AMX tiles) are put back to their
 * initial state; nothing in the guest uses them.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NT_X86_XSTATE 0x202
#define XSTATE_BV 512	/* offset of the XSTATE_BV header word */
#define IN_BUFFER 0x2ffULL	/* components 0-7 and 9 lie below 2696 */

static unsigned char area[65536] __attribute__((aligned(64)));
static size_t want;

long ptrace(enum __ptrace_request req, ...)
{
	va_list ap;
	va_start(ap, req);
	long pid = va_arg(ap, long);
	void *addr = va_arg(ap, void *);
	void *data = va_arg(ap, void *);
	va_end(ap);
	pid = (int)pid;

	if ((int)req == PTRACE_SETREGSET && (long)addr == NT_X86_XSTATE) {
		struct iovec *in = data;
		if (want == 0) {
			struct iovec full = { area, sizeof area };
			if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, addr,
				    &full) == 0)
				want = full.iov_len;
			memset(area, 0, sizeof area);
		}
		if (in->iov_len >= 576 && in->iov_len < want) {
			struct iovec out = { area, want };
			uint64_t bv;
			memcpy(area, in->iov_base, in->iov_len);
			memcpy(&bv, area + XSTATE_BV, sizeof bv);
			bv &= IN_BUFFER;
			memcpy(area + XSTATE_BV, &bv, sizeof bv);
			return syscall(SYS_ptrace, (long)req, pid, addr, &out);
		}
	}
	/* The raw call differs from glibc's only for PTRACE_PEEK*. */
	if ((int)req >= 1 && (int)req <= 3) {
		long word;
		long rc = syscall(SYS_ptrace, (long)req, pid, addr, &word);
		return rc < 0 ? rc : word;
	}
	return syscall(SYS_ptrace, (long)req, pid, addr, data);
}
