//go:build ignore

/*
 * Checked transfer over Linux kernel SCTP (its socket API, RFC 6458), for use
 * in a rig guest.  See xfer.h.
 */
#include "xfer.h"
#include <linux/sctp.h>

static int fd, closing;

static void option(int name, const void *v, socklen_t n, const char *what)
{
	if (setsockopt(fd, IPPROTO_SCTP, name, v, n) < 0)
		fail("%s: %s", what, strerror(errno));
}

static void prepare(void)
{
	struct sctp_initmsg init = { .sinit_num_ostreams = opt.streams, .sinit_max_instreams = opt.streams };
	unsigned char list[MAX_ADDRS * sizeof(struct sockaddr_in6)];
	int on = 1;
	fd = socket(family(), SOCK_STREAM, IPPROTO_SCTP);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	option(SCTP_INITMSG, &init, sizeof init, "streams");
	option(SCTP_RECVRCVINFO, &on, sizeof on, "rcvinfo");
	if (opt.nodelay)
		option(SCTP_NODELAY, &on, sizeof on, "nodelay");
	/* The default holds so few small messages that a transfer crawls; the
	 * system caps what it gives. */
	if (opt.rcvbuf == 0)
		opt.rcvbuf = 1 << 20;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt.rcvbuf, sizeof opt.rcvbuf) < 0)
		fail("rcvbuf: %s", strerror(errno));
	if (opt.sndbuf > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &opt.sndbuf, sizeof opt.sndbuf) < 0)
		fail("sndbuf: %s", strerror(errno));
	if (opt.nbind > 0)
		option(SCTP_SOCKOPT_BINDX_ADD, list, pack(list, opt.bind, opt.nbind), "bind");
	if (opt.encap != 9899) { /* else the guest's sysctl says so already */
		struct sctp_udpencaps e = { .sue_port = htons(opt.encap) };
		e.sue_address.ss_family = AF_INET;
		option(SCTP_REMOTE_UDP_ENCAPS_PORT, &e, sizeof e, "encap");
	}
}

static void t_open(void)
{
	unsigned char list[MAX_ADDRS * sizeof(struct sockaddr_in6)];
	prepare();
	if (!opt.listen) {
		option(SCTP_SOCKOPT_CONNECTX, list, pack(list, opt.to, opt.nto), "connect");
		say("connected");
		return;
	}
	if (listen(fd, 8) < 0)
		fail("listen: %s", strerror(errno));
	say("listening");
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		fail("accept: %s", strerror(errno));
	say("accepted");
}

static int t_send(const void *b, size_t n, uint16_t sid, uint32_t ppid, int unordered)
{
	struct iovec io = { (void *)b, n };
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(struct sctp_sndinfo))];
	} ctl;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof ctl };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct sctp_sndinfo *info = (void *)CMSG_DATA(c);
	memset(&ctl, 0, sizeof ctl);
	c->cmsg_level = IPPROTO_SCTP;
	c->cmsg_type = SCTP_SNDINFO;
	c->cmsg_len = CMSG_LEN(sizeof *info);
	info->snd_sid = sid;
	info->snd_ppid = htonl(ppid);
	info->snd_flags = unordered ? SCTP_UNORDERED : 0;
	return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static ssize_t t_recv(void *b, size_t cap, struct part *p)
{
	struct iovec io = { b, cap };
	union {
		struct cmsghdr align;
		char b[256];
	} ctl;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof ctl };
	ssize_t n = recvmsg(fd, &m, 0);
	if (n < 0 && closing && errno == ENOTCONN)
		return 0; /* what Linux says when the shutdown is done already */
	if (n <= 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		struct sctp_rcvinfo *info = (void *)CMSG_DATA(c);
		if (c->cmsg_level != IPPROTO_SCTP || c->cmsg_type != SCTP_RCVINFO)
			continue;
		p->sid = info->rcv_sid;
		p->ppid = ntohl(info->rcv_ppid);
		p->unordered = (info->rcv_flags & SCTP_UNORDERED) != 0;
	}
	p->end = (m.msg_flags & MSG_EOR) != 0;
	return n;
}

static void t_shutdown(void)
{
	closing = 1;
	if (shutdown(fd, SHUT_WR) < 0)
		fail("shutdown: %s", strerror(errno));
}
