// SPDX-License-Identifier: Apache-2.0
/*
 * Sends a bounded number of TCP SYNs by an interface, at a rate, and counts what comes back: a generator for a lab.
 *
 *   syn_generator INTERFACE GATEWAY_MAC SOURCE TARGET PREFIX PORT KIND COUNT COPIES PER_SECOND DELAY_S SEED TAG ORDERS
 *
 * SOURCE is an address that the machine answers ARP for and has no sockets on; nothing here ever answers a SYN+ACK.
 * TARGET is the address of every SYN, or only its first PREFIX bits, and the rest of it is random. Each SYN is sent
 * COPIES times, the later ones in reverse order. With ORDERS its options are in a random order, with NOPs in between.
 * A replay repeats the target and the token of the last MP_JOIN that somebody else on this machine sends, a guess the
 * target alone.
 * A SYN's sequence number is TAG and its own number: so each answer says which one it is to.
 * In the end it prints what was sent and counted, as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "syn_frames.h"

static const double TICK_S = 0.001, AFTERMATH_S = 1.0, PATIENCE_S = 30.0;

static uint8_t *answered, *refused; /* a bit per SYN */
static uint64_t frames_sent, syn_acks, resets, others, syns_answered, syns_refused;

static void fail(const char *what)
{
	fprintf(stderr, "syn_generator: %s: %s\n", what, errno ? strerror(errno) : "bad value");
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void learn(const uint8_t *ip, const uint8_t *tcp, const uint8_t *end)
{
	const uint8_t *at = tcp + 20, *last = tcp + (tcp[12] >> 4) * 4;

	for (; at + 1 < last && last <= end && *at; at += *at == 1 ? 1 : at[1]) {
		if (*at != 1 && at[1] < 2)
			return;
		if (*at == 30 && at[1] == 12 && at + 12 <= last && at[2] >> 4 == 1) {
			memcpy(&live_token, at + 4, 4);
			memcpy(live_target, ip + (is_ipv6 ? 24 : 16), is_ipv6 ? 16 : 4);
			has_live = 1;
			return;
		}
	}
}

static void mark(uint8_t *bits, uint32_t number, uint64_t *distinct)
{
	if (number < count && !(bits[number / 8] & 1 << number % 8)) {
		bits[number / 8] |= 1 << number % 8;
		++*distinct;
	}
}

/* A packet of the interface: an answer to a SYN of ours, or a SYN that somebody else sends. */
static void hear(const uint8_t *frame, size_t bytes)
{
	const uint8_t *ip = frame + ETH_HLEN, *tcp;
	size_t header = is_ipv6 ? 40 : (ip[0] & 15) * 4, address_bytes = is_ipv6 ? 16 : 4;
	uint32_t acknowledged;

	if (bytes < ETH_HLEN + header + 20 || ip[is_ipv6 ? 6 : 9] != IPPROTO_TCP)
		return;
	tcp = ip + header;
	if (memcmp(ip + (is_ipv6 ? 24 : 16), source, address_bytes)) {
		if ((kind == REPLAY || kind == GUESS) && (tcp[13] & (SYN | ACK)) == SYN && memcmp(ip + (is_ipv6 ? 8 : 12), source, address_bytes))
			learn(ip, tcp, frame + bytes);
		return;
	}
	memcpy(&acknowledged, tcp + 8, 4);
	acknowledged = ntohl(acknowledged) - 1;
	if (acknowledged >> 24 != tag) {
		return; /* another generator's */
	} else if ((tcp[13] & (SYN | ACK)) == (SYN | ACK)) {
		syn_acks++;
		mark(answered, acknowledged & 0xffffff, &syns_answered);
	} else if (tcp[13] & RST) {
		resets++;
		mark(refused, acknowledged & 0xffffff, &syns_refused);
	} else {
		others++;
	}
}

static void hear_all(int fd, double until)
{
	uint8_t frame[256];
	struct pollfd waiting = {fd, POLLIN, 0};

	for (;;) {
		ssize_t bytes = recv(fd, frame, sizeof frame, MSG_DONTWAIT);
		double left = until - now();

		if (bytes >= ETH_HLEN + 20)
			hear(frame, bytes);
		else if (bytes < 0 && errno != EAGAIN)
			fail("receiving");
		else if (bytes < 0 && left <= 0)
			return;
		else if (bytes < 0)
			poll(&waiting, 1, left * 1000 + 1);
	}
}

/* Only what `hear` is about is copied: packets to SOURCE, and other SYNs. */
static void filter(int fd)
{
	uint32_t word[4];
	struct sock_filter of_ipv6[] = {
		{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 14, ETH_P_IPV6},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 38},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 7, 0},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 42},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 46},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 50},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0},
		{BPF_RET | BPF_K, 0, 0, 256},		 {BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 3, IPPROTO_TCP}, {BPF_LD | BPF_B | BPF_ABS, 0, 0, 67},
		{BPF_ALU | BPF_AND | BPF_K, 0, 0, SYN | ACK},	 {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYN},
		{BPF_RET | BPF_K, 0, 0, 0},		 {BPF_RET | BPF_K, 0, 0, 256},
	};
	struct sock_filter of_ipv4[] = {
		{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 8, ETH_P_IP},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 30},	 {BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 0},
		{BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},	 {BPF_JMP | BPF_JEQ | BPF_K, 0, 4, IPPROTO_TCP},
		{BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14},	 {BPF_LD | BPF_B | BPF_IND, 0, 0, 27},
		{BPF_ALU | BPF_AND | BPF_K, 0, 0, SYN | ACK}, {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYN},
		{BPF_RET | BPF_K, 0, 0, 0},		 {BPF_RET | BPF_K, 0, 0, 256},
	};
	struct sock_fprog program = {is_ipv6 ? 18 : 12, is_ipv6 ? of_ipv6 : of_ipv4};

	memcpy(word, source, 16);
	for (int i = 0; i < 4; i++)
		of_ipv6[3 + 2 * i].k = ntohl(word[i]);
	of_ipv4[3].k = ntohl(word[0]);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program))
		fail("filter");
}

static void send_batch(int fd, struct mmsghdr *messages, int many)
{
	for (int done = 0; done < many;) {
		int sent = sendmmsg(fd, messages + done, many - done, 0);

		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN)
			fail("sending");
		if (sent < 0) { /* the interface's queue is full */
			struct timespec pause = {0, 100000};
			nanosleep(&pause, NULL);
			continue;
		}
		done += sent;
		frames_sent += sent;
	}
}

static void send_syns(int fd, const struct sockaddr_ll *out, uint32_t first, int many)
{
	static uint8_t frames[BATCH][FRAME];
	struct iovec part[BATCH];
	struct mmsghdr messages[BATCH];

	memset(messages, 0, sizeof messages);
	for (int i = 0; i < many; i++) {
		part[i] = (struct iovec){frames[i], put_syn(frames[i], first + i)};
		messages[i].msg_hdr = (struct msghdr){(void *)out, sizeof *out, &part[i], 1, NULL, 0, 0};
	}
	send_batch(fd, messages, many);
	for (int copy = 1; copy < copies; copy++) {
		for (int i = 0; i < many / 2; i++) {
			struct mmsghdr kept = messages[i];
			messages[i] = messages[many - 1 - i];
			messages[many - 1 - i] = kept;
		}
		send_batch(fd, messages, many);
	}
}

static void wait_until(double when)
{
	struct timespec at = {(time_t)when, (long)((when - (time_t)when) * 1e9)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static void parse_mac(const char *text, uint8_t *mac)
{
	unsigned part[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", part, part + 1, part + 2, part + 3, part + 4, part + 5) != 6)
		fail("hardware address");
	for (int i = 0; i < 6; i++)
		mac[i] = part[i];
}

int main(int argc, char **argv)
{
	struct sockaddr_ll out = {.sll_family = AF_PACKET, .sll_halen = 6};
	struct ifreq interface = {0};
	int sender, receiver, size = 1 << 22;
	double rate, begin;

	if (argc != 15)
		fail("fourteen arguments");
	is_ipv6 = strchr(argv[3], ':') != NULL;
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[3], source) != 1 ||
	    inet_pton(is_ipv6 ? AF_INET6 : AF_INET, argv[4], target) != 1)
		fail("address");
	parse_mac(argv[2], gateway_mac);
	prefix = atoi(argv[5]), port = atoi(argv[6]);
	for (kind = 0; kind <= CAPABLE_AND_JOIN && strcmp(argv[7], KINDS[kind]); kind++)
		;
	count = strtoul(argv[8], NULL, 10), copies = atoi(argv[9]), rate = atof(argv[10]);
	state = strtoull(argv[12], NULL, 10), tag = strtoul(argv[13], NULL, 10), orders = atoi(argv[14]);
	if (kind > CAPABLE_AND_JOIN || !count || count > MOST_SYNS || rate <= 0 || tag > 255 || prefix < 8 || prefix % 8)
		fail("kind, count, rate, tag or prefix");
	answered = calloc(1, MOST_SYNS / 8), refused = calloc(1, MOST_SYNS / 8);
	sender = socket(AF_PACKET, SOCK_RAW, 0), receiver = socket(AF_PACKET, SOCK_RAW, 0);
	if (!answered || !refused || sender < 0 || receiver < 0)
		fail("packet socket");
	filter(receiver);
	strncpy(interface.ifr_name, argv[1], IFNAMSIZ - 1);
	if (ioctl(sender, SIOCGIFHWADDR, &interface))
		fail(argv[1]);
	memcpy(own_mac, interface.ifr_hwaddr.sa_data, 6);
	if (ioctl(sender, SIOCGIFINDEX, &interface))
		fail(argv[1]);
	out.sll_ifindex = interface.ifr_ifindex, out.sll_protocol = htons(ETH_P_ALL);
	memcpy(out.sll_addr, gateway_mac, 6);
	setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (bind(receiver, (struct sockaddr *)&out, sizeof out))
		fail("bind");

	begin = now() + atof(argv[11]);
	hear_all(receiver, begin);
	for (double patience = begin + PATIENCE_S; (kind == REPLAY || kind == GUESS) && !has_live; begin = now()) {
		hear_all(receiver, now() + TICK_S);
		if (now() > patience) {
			fprintf(stderr, "syn_generator: nobody has sent an MP_JOIN\n");
			return 1;
		}
	}
	for (uint32_t sent = 0; sent < count;) {
		uint64_t due = (now() - begin) * rate + 1;
		uint32_t many = due > sent ? due - sent : 0;

		many = many > BATCH ? BATCH : many;
		many = many > count - sent ? count - sent : many;
		if (many)
			send_syns(sender, &out, sent, many);
		sent += many;
		hear_all(receiver, 0);
		if (sent < count && sent >= due)
			wait_until(begin + (sent + 1) / rate > now() + TICK_S ? begin + (sent + 1) / rate : now() + TICK_S);
	}
	hear_all(receiver, now() + AFTERMATH_S);
	printf("{\"syns\": %u, \"frames\": %llu, \"answered\": %llu, \"refused\": %llu, \"syn_acks\": %llu, "
	       "\"resets\": %llu, \"others\": %llu}\n",
	       count, (unsigned long long)frames_sent, (unsigned long long)syns_answered, (unsigned long long)syns_refused,
	       (unsigned long long)syn_acks, (unsigned long long)resets, (unsigned long long)others);
	return 0;
}
