//go:build ignore

/*
 * The transfer that xfer.c (Linux kernel SCTP) and xfer_usrsctp.c (usrsctp)
 * have in common: options, the message pattern that README.md defines, the
 * check of every message received, and the order of events.  The .c file
 * brings the t_ functions below.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_ADDRS 8
#define MAX_STREAMS 1024
#define MAX_MESSAGE 65536
#define GAMMA 0x9e3779b97f4a7c15ULL

static struct {
	int listen, unordered, nodelay, streams, rcvbuf, sndbuf, limit;
	int size, rate, pause, fast;
	int port, dport, encap, udp;
	unsigned long send, recv;
	uint64_t seed, peer_seed;
	int nbind, nto;
	struct sockaddr_storage bind[MAX_ADDRS], to[MAX_ADDRS];
} opt = { .streams = 1, .limit = 300, .seed = 1, .peer_seed = 2, .udp = 9899, .encap = 9899 };

struct part { /* what a receive call gave */
	size_t len;
	uint16_t sid;
	uint32_t ppid;
	int unordered, end;
};

static void t_open(void);	/* listen and accept, or connect */
static int t_send(const void *b, size_t n, uint16_t sid, uint32_t ppid, int unordered);
static ssize_t t_recv(void *b, size_t cap, struct part *p); /* 0 at the end, -1 on error */
static void t_shutdown(void);	/* graceful; t_recv then comes to the end */

static void fail(const char *format, ...)
{
	va_list ap;
	printf("FAILED ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_until(double t)
{
	double left = t - now();
	if (left > 0)
		usleep(left * 1e6);
}

/* ---- the pattern ---- */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t key_of(uint64_t seed, uint16_t sid, uint32_t index)
{
	return mix(seed + GAMMA * (1 + ((uint64_t)sid << 32) + index));
}

static size_t size_of(uint64_t key)
{
	uint64_t r = key % 1000, q = key >> 32;
	if (opt.size > 0)
		return opt.size;
	if (r < 900)
		return 8 + q % 193;
	if (r < 990)
		return 201 + q % 1200;
	if (r < 999)
		return 1401 + q % 14600;
	return 16001 + q % 49536;
}

static uint32_t ppid_of(uint64_t key)
{
	return 0x7e000000 | ((key >> 8) & 0xffffff);
}

static size_t max_message(void)
{
	return opt.size > MAX_MESSAGE ? (size_t)opt.size : MAX_MESSAGE;
}

static unsigned char *buffer(size_t n)
{
	unsigned char *b = malloc(n);
	if (b == NULL)
		fail("no memory");
	return b;
}

/* b must hold max_message() + 8 bytes. */
static size_t build(unsigned char *b, uint64_t key, uint16_t sid, uint32_t index)
{
	size_t n = size_of(key), j;
	int i;
	b[0] = sid >> 8, b[1] = sid, b[2] = b[3] = 0;
	b[4] = index >> 24, b[5] = index >> 16, b[6] = index >> 8, b[7] = index;
	for (j = 8; j < n; j += 8) {
		uint64_t w = mix(key + GAMMA * (j / 8));
		for (i = 0; i < 8; i++)
			b[j + i] = w >> (8 * i);
	}
	return n;
}

/* ---- sending ---- */

static void *sender(void *arg)
{
	unsigned char *b = buffer(max_message() + 8);
	double t0 = now();
	(void)arg;
	for (unsigned long m = 0; m < opt.send; m++) {
		if (opt.rate > 0)
			sleep_until(t0 + (double)m / opt.rate);
		uint16_t sid = m % opt.streams;
		uint32_t index = m / opt.streams;
		uint64_t key = key_of(opt.seed, sid, index);
		size_t n = build(b, key, sid, index);
		if (t_send(b, n, sid, ppid_of(key), opt.unordered && sid == opt.streams - 1) < 0)
			fail("send of message %lu: %s", m, strerror(errno));
	}
	return NULL;
}

/* ---- checking ---- */

static uint32_t next_index[MAX_STREAMS];
static unsigned char *seen; /* bits: messages of the unordered stream */

static void check(const unsigned char *b, size_t n, const struct part *p)
{
	static unsigned char *want;
	uint32_t index;
	uint64_t key;
	int unordered = opt.unordered && p->sid == opt.streams - 1;
	if (p->sid >= opt.streams)
		fail("message on stream %u of %d", p->sid, opt.streams);
	if (n < 8)
		fail("message of %zu bytes on stream %u", n, p->sid);
	index = (uint32_t)b[4] << 24 | b[5] << 16 | b[6] << 8 | b[7];
	if (p->unordered != unordered)
		fail("stream %u index %u: unordered is %d", p->sid, index, p->unordered);
	if (!unordered && index != next_index[p->sid])
		fail("stream %u: index %u where %u was due", p->sid, index, next_index[p->sid]);
	if ((uint64_t)index * opt.streams + p->sid >= opt.recv)
		fail("stream %u: index %u is past the end", p->sid, index);
	if (unordered) {
		if (seen[index / 8] & 1 << index % 8)
			fail("stream %u: index %u came twice", p->sid, index);
		seen[index / 8] |= 1 << index % 8;
	}
	next_index[p->sid]++;
	key = key_of(opt.peer_seed, p->sid, index);
	if (p->ppid != ppid_of(key))
		fail("stream %u index %u: ppid %08x, not %08x", p->sid, index, p->ppid, ppid_of(key));
	if (n != size_of(key))
		fail("stream %u index %u: %zu bytes, not %zu", p->sid, index, n, size_of(key));
	if (want == NULL)
		want = buffer(max_message() + 8);
	build(want, key, p->sid, index);
	if (memcmp(b, want, n) != 0)
		fail("stream %u index %u: wrong content", p->sid, index);
}

static double gap; /* longest time between two messages received, seconds */

/* Receives up to limit messages, or to the end; returns how many. */
static unsigned long receive(unsigned long limit, unsigned long *bytes)
{
	static unsigned char *b;
	static unsigned long tenth = 1;
	size_t room = 2 * max_message(), have = 0;
	unsigned long got = 0;
	double last = 0;
	if (b == NULL)
		b = buffer(room);
	while (got < limit) {
		struct part p = { 0 };
		ssize_t n = t_recv(b + have, room - have, &p);
		if (n < 0)
			fail("receive after %lu messages: %s", got, strerror(errno));
		if (n == 0) {
			if (have > 0)
				fail("the end came within a message");
			break;
		}
		have += n;
		if (have >= room)
			fail("a message has no end");
		if (last > 0 && now() - last > gap)
			gap = now() - last;
		last = now();
		if (!p.end)
			continue;
		check(b, have, &p);
		*bytes += have;
		have = 0;
		got++;
		for (; tenth < 10 && got * 10 >= tenth * opt.recv; tenth++) {
			printf("received %lu0 %%\n", tenth);
			fflush(stdout);
		}
	}
	return got;
}

static void transfer(void)
{
	double t0;
	pthread_t thread;
	unsigned long got, bytes = 0;
	seen = calloc(1, opt.recv / opt.streams / 8 + 2);
	t0 = now();
	if (pthread_create(&thread, NULL, sender, NULL) != 0)
		fail("no thread");
	sleep(opt.pause);
	got = receive(opt.recv, &bytes);
	if (got != opt.recv)
		fail("received %lu messages of %lu", got, opt.recv);
	pthread_join(thread, NULL);
	if (!opt.listen)
		t_shutdown();
	if (receive(1, &bytes) != 0)
		fail("a message too many");
	printf("OK sent=%lu received=%lu bytes=%lu secs=%.2f gap=%.2f\n", opt.send, got, bytes, now() - t0, gap);
	fflush(stdout);
}

/* ---- options ---- */

static int addrs(char *list, struct sockaddr_storage *into)
{
	int n = 0;
	for (char *a = strtok(list, ","); a != NULL && n < MAX_ADDRS; a = strtok(NULL, ","), n++) {
		struct sockaddr_in *v4 = (void *)&into[n];
		struct sockaddr_in6 *v6 = (void *)&into[n];
		if (inet_pton(AF_INET, a, &v4->sin_addr) == 1)
			v4->sin_family = AF_INET;
		else if (inet_pton(AF_INET6, a, &v6->sin6_addr) == 1)
			v6->sin6_family = AF_INET6;
		else
			fail("bad address %s", a);
	}
	return n;
}

static void set_ports(struct sockaddr_storage *a, int n, int port)
{
	for (; n > 0; a++, n--) /* both families have it in one place */
		((struct sockaddr_in *)a)->sin_port = htons(port);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: xfer [OPTION VALUE]... listen|connect\n"
		"       xfer pattern SEED STREAM INDEX\n"
		"  --bind A[,B..] --port P    own addresses and SCTP port\n"
		"  --to A[,B..] --dport P     peer's addresses and SCTP port\n"
		"  --udp P --encap P          own UDP port (usrsctp), peer's UDP port\n"
		"  --streams S                streams each way (1)\n"
		"  --send N --recv N          messages to send and to expect\n"
		"  --seed X --peer-seed Y     of what is sent (1) and expected (2)\n"
		"  --unordered 1              send the last stream's messages unordered\n"
		"  --size N                   of every message, in place of the pattern's sizes\n"
		"  --rate N                   messages to send per second (as fast as it goes)\n"
		"  --pause S                  receive nothing during the first S seconds\n"
		"  --nodelay 1 --rcvbuf N     as the socket options (rcvbuf: 1 MiB, usrsctp 128 KiB)\n"
		"  --fast 1                   timers for short round trips (usrsctp)\n"
		"  --sndbuf N                 as the socket option; a message must fit\n"
		"  --limit S                  give up after S seconds (300)\n");
	exit(2);
}

static void show(uint64_t seed, uint16_t sid, uint32_t index)
{
	unsigned char *b = buffer(max_message() + 8);
	uint64_t key = key_of(seed, sid, index), h = 0xcbf29ce484222325ULL;
	size_t n = build(b, key, sid, index), j;
	for (j = 0; j < n; j++) /* FNV-1a */
		h = (h ^ b[j]) * 0x100000001b3ULL;
	printf("size=%zu ppid=%08x fnv=%016llx\n", n, ppid_of(key), (unsigned long long)h);
}

static void options(int argc, char **argv)
{
	int i;
	if (argc == 5 && strcmp(argv[1], "pattern") == 0) {
		show(strtoull(argv[2], NULL, 0), atoi(argv[3]), strtoul(argv[4], NULL, 0));
		exit(0);
	}
	for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		const char *o = argv[i] + 2;
		char *v = argv[i + 1];
		if (strcmp(o, "bind") == 0)
			opt.nbind = addrs(v, opt.bind);
		else if (strcmp(o, "to") == 0)
			opt.nto = addrs(v, opt.to);
		else if (strcmp(o, "seed") == 0)
			opt.seed = strtoull(v, NULL, 0);
		else if (strcmp(o, "peer-seed") == 0)
			opt.peer_seed = strtoull(v, NULL, 0);
		else if (strcmp(o, "send") == 0)
			opt.send = strtoul(v, NULL, 0);
		else if (strcmp(o, "recv") == 0)
			opt.recv = strtoul(v, NULL, 0);
		else {
			int *n = strcmp(o, "port") == 0 ? &opt.port :
				strcmp(o, "dport") == 0 ? &opt.dport :
				strcmp(o, "udp") == 0 ? &opt.udp :
				strcmp(o, "encap") == 0 ? &opt.encap :
				strcmp(o, "streams") == 0 ? &opt.streams :
				strcmp(o, "unordered") == 0 ? &opt.unordered :
				strcmp(o, "nodelay") == 0 ? &opt.nodelay :
				strcmp(o, "rcvbuf") == 0 ? &opt.rcvbuf :
				strcmp(o, "sndbuf") == 0 ? &opt.sndbuf :
				strcmp(o, "size") == 0 ? &opt.size :
				strcmp(o, "fast") == 0 ? &opt.fast :
				strcmp(o, "rate") == 0 ? &opt.rate :
				strcmp(o, "pause") == 0 ? &opt.pause :
				strcmp(o, "limit") == 0 ? &opt.limit : NULL;
			if (n == NULL)
				usage();
			*n = atoi(v);
		}
	}
	if (i + 1 != argc || opt.streams < 1 || opt.streams > MAX_STREAMS || (opt.size > 0 && opt.size < 8))
		usage();
	opt.listen = strcmp(argv[i], "listen") == 0;
	if (!opt.listen && (strcmp(argv[i], "connect") != 0 || opt.nto == 0))
		usage();
	set_ports(opt.bind, opt.nbind, opt.port);
	set_ports(opt.to, opt.nto, opt.dport);
}

/* The addresses without gaps between them, as the bindx calls want them. */
static size_t pack(unsigned char *into, const struct sockaddr_storage *a, int n)
{
	size_t have = 0;
	for (; n > 0; a++, n--) {
		size_t len = a->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
			sizeof(struct sockaddr_in6);
		memcpy(into + have, a, len);
		have += len;
	}
	return have;
}

/* A socket of IPv6 takes addresses of both families. */
static int family(void)
{
	for (int i = 0; i < opt.nbind; i++)
		if (opt.bind[i].ss_family == AF_INET6)
			return AF_INET6;
	return opt.nbind == 0 && opt.nto > 0 ? opt.to[0].ss_family : AF_INET;
}

int main(int argc, char **argv)
{
	options(argc, argv);
	alarm(opt.limit);
	t_open();
	transfer();
	return 0;
}
