//go:build ignore

/*
 * Checked transfer over usrsctp, for use in a rig node.  See xfer.h.
 */
#include "xfer.h"
#include <usrsctp.h>

static struct socket *so;

static void option(int name, const void *v, socklen_t n, const char *what)
{
	if (usrsctp_setsockopt(so, IPPROTO_SCTP, name, v, n) < 0)
		fail("%s: %s", what, strerror(errno));
}

static void prepare(void)
{
	struct sctp_initmsg init;
	struct sctp_udpencaps e;
	unsigned char list[MAX_ADDRS * sizeof(struct sockaddr_in6)];
	int on = 1, fam = family();
	usrsctp_init(opt.udp, NULL, NULL);
	usrsctp_sysctl_set_sctp_blackhole(2);
	/* A whole message must fit; its UDP socket holds no more than this. */
	usrsctp_sysctl_set_sctp_sendspace(opt.sndbuf > 0 ? opt.sndbuf : 1 << 20);
	usrsctp_sysctl_set_sctp_recvspace(opt.rcvbuf > 0 ? opt.rcvbuf : 128 << 10);
	if (opt.fast) { /* milliseconds; the others are the sysctls of guests */
		usrsctp_sysctl_set_sctp_rto_initial_default(300);
		usrsctp_sysctl_set_sctp_rto_min_default(100);
		usrsctp_sysctl_set_sctp_rto_max_default(1000);
		usrsctp_sysctl_set_sctp_path_rtx_max_default(1);
		usrsctp_sysctl_set_sctp_heartbeat_interval_default(500);
		usrsctp_sysctl_set_sctp_delayed_sack_time_default(20);
	}
	so = usrsctp_socket(fam, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	if (so == NULL)
		fail("socket: %s", strerror(errno));
	memset(&init, 0, sizeof init);
	init.sinit_num_ostreams = opt.streams;
	init.sinit_max_instreams = opt.streams;
	option(SCTP_INITMSG, &init, sizeof init, "streams");
	option(SCTP_RECVRCVINFO, &on, sizeof on, "rcvinfo");
	if (opt.nodelay)
		option(SCTP_NODELAY, &on, sizeof on, "nodelay");
	memset(&e, 0, sizeof e);
	e.sue_address.ss_family = fam;
	e.sue_port = htons(opt.encap);
	option(SCTP_REMOTE_UDP_ENCAPS_PORT, &e, sizeof e, "encap");
	if (opt.nbind > 0) {
		pack(list, opt.bind, opt.nbind);
		if (usrsctp_bindx(so, (struct sockaddr *)list, opt.nbind, SCTP_BINDX_ADD_ADDR) < 0)
			fail("bind: %s", strerror(errno));
	}
}

static void t_open(void)
{
	unsigned char list[MAX_ADDRS * sizeof(struct sockaddr_in6)];
	sctp_assoc_t id;
	prepare();
	if (!opt.listen) {
		pack(list, opt.to, opt.nto);
		if (usrsctp_connectx(so, (struct sockaddr *)list, opt.nto, &id) < 0)
			fail("connect: %s", strerror(errno));
		say("connected");
		return;
	}
	if (usrsctp_listen(so, 8) < 0)
		fail("listen: %s", strerror(errno));
	say("listening");
	so = usrsctp_accept(so, NULL, NULL);
	if (so == NULL)
		fail("accept: %s", strerror(errno));
	say("accepted");
}

static int t_send(const void *b, size_t n, uint16_t sid, uint32_t ppid, int unordered)
{
	struct sctp_sndinfo info;
	memset(&info, 0, sizeof info);
	info.snd_sid = sid;
	info.snd_ppid = htonl(ppid);
	info.snd_flags = unordered ? SCTP_UNORDERED : 0;
	return usrsctp_sendv(so, b, n, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0) == (ssize_t)n ? 0 : -1;
}

static ssize_t t_recv(void *b, size_t cap, struct part *p)
{
	struct sockaddr_storage from;
	socklen_t fromlen = sizeof from;
	struct sctp_rcvinfo info;
	socklen_t infolen = sizeof info;
	unsigned int type = 0;
	int flags = 0;
	ssize_t n = usrsctp_recvv(so, b, cap, (struct sockaddr *)&from, &fromlen, &info, &infolen, &type, &flags);
	if (n <= 0)
		return n;
	if (type == SCTP_RECVV_RCVINFO) {
		p->sid = info.rcv_sid;
		p->ppid = ntohl(info.rcv_ppid);
		p->unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
	}
	p->end = (flags & MSG_EOR) != 0;
	return n;
}

static void t_shutdown(void)
{
	if (usrsctp_shutdown(so, SHUT_WR) < 0)
		fail("shutdown: %s", strerror(errno));
}
