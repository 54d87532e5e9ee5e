// SPDX-License-Identifier: Apache-2.0
/*
 * The frames of `syn_generator.c`: TCP SYNs with the options that a kind of SYN has, and right checksums.
 * RFC 9293 section 3.1, RFC 8684 sections 3.1 and 3.2.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

enum { MOST_SYNS = 1 << 24, BATCH = 64, FRAME = 128, FIRST_PORT = 1024, PORTS = 64512 };
enum { SYN = 2, RST = 4, ACK = 16 };
enum kind { PLAIN, CAPABLE, JOIN, GUESS, REPLAY, MALFORMED_JOIN, CAPABLE_AND_JOIN };
static const char *const KINDS[] = {"plain",  "capable",	     "join",		"guess",
				    "replay", "malformed-join", "capable-and-join"};

static int is_ipv6, prefix, port, copies, orders;
static uint32_t count, tag;
static enum kind kind;
static uint8_t own_mac[6], gateway_mac[6], source[16], target[16], live_target[16];
static uint32_t live_token; /* in network order, as what follows */
static int has_live;
static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
	uint64_t z = (state += 0x9e3779b97f4a7c15ull);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t add(uint32_t sum, const void *from, size_t bytes)
{
	const uint8_t *at = from;
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += at[i] << 8 | at[i + 1];
	return bytes & 1 ? sum + (at[bytes - 1] << 8) : sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

struct option {
	uint8_t length, bytes[16];
};

static struct option mptcp(int subtype)
{
	struct option made = {4, {30, 4, 0x01, 0x01}}; /* MP_CAPABLE, version 1, HMAC-SHA256 */
	if (subtype == 1) {
		uint64_t token = next_random(), nonce = next_random();
		made = (struct option){12, {30, 12, 0x10, 7}};
		memcpy(made.bytes + 4, kind == REPLAY ? (void *)&live_token : (void *)&token, 4);
		memcpy(made.bytes + 8, &nonce, 4);
		if (kind == MALFORMED_JOIN)
			made.length = made.bytes[1] = next_random() & 1 ? 16 : 8;
	}
	return made;
}

/* The options of a SYN at `at`; their length, a multiple of four. */
static int put_options(uint8_t *at, uint32_t number)
{
	struct option each[6] = {{4, {2, 4, 0x05, 0xb4}}, {2, {4, 2}}, {10, {8, 10}}, {3, {3, 3, 7}}};
	uint32_t stamp = htonl(number + 1);
	int all = 4, length = 0, used = 0, room;

	memcpy(each[2].bytes + 2, &stamp, 4);
	if (kind == CAPABLE || kind == CAPABLE_AND_JOIN)
		each[all++] = mptcp(0);
	if (kind != PLAIN && kind != CAPABLE)
		each[all++] = mptcp(1);
	for (int i = 0; i < all; i++)
		used += each[i].length;
	if (orders)
		for (int i = all - 1; i > 0; i--) {
			int other = next_random() % (i + 1);
			struct option kept = each[i];
			each[i] = each[other];
			each[other] = kept;
		}
	room = 40 - used;
	for (int i = 0; i < all; i++) {
		for (int more = orders ? next_random() % 3 : 0; more && room; more--, room--)
			at[length++] = 1;
		memcpy(at + length, each[i].bytes, each[i].length);
		length += each[i].length;
	}
	while (length % 4)
		at[length++] = 1;
	return length;
}

static int put_syn(uint8_t *frame, uint32_t number)
{
	int tcp_at = ETH_HLEN + (is_ipv6 ? 40 : 20), address_bytes = is_ipv6 ? 16 : 4, tcp_bytes;
	uint8_t *ip = frame + ETH_HLEN, *tcp = frame + tcp_at, to[16];
	uint16_t value;
	uint32_t sequence = htonl(tag << 24 | number), sum;

	memset(frame, 0, FRAME);
	memcpy(frame, gateway_mac, 6);
	memcpy(frame + 6, own_mac, 6);
	value = htons(is_ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(frame + 12, &value, 2);
	memcpy(to, kind == REPLAY || kind == GUESS ? live_target : target, 16);
	for (int bit = prefix; bit < address_bytes * 8; bit += 8)
		to[bit / 8] = next_random();
	value = htons(FIRST_PORT + (number + tag * 5003) % PORTS);
	memcpy(tcp, &value, 2);
	value = htons(port);
	memcpy(tcp + 2, &value, 2);
	memcpy(tcp + 4, &sequence, 4);
	tcp_bytes = 20 + put_options(tcp + 20, number);
	tcp[12] = tcp_bytes / 4 << 4;
	tcp[13] = SYN;
	tcp[14] = 0xff;
	if (is_ipv6) {
		ip[0] = 0x60;
		ip[5] = tcp_bytes;
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, source, 16);
		memcpy(ip + 24, to, 16);
	} else {
		ip[0] = 0x45;
		ip[3] = 20 + tcp_bytes;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, source, 4);
		memcpy(ip + 16, to, 4);
		value = folded(add(0, ip, 20));
		memcpy(ip + 10, &value, 2);
	}
	sum = add(add(IPPROTO_TCP + tcp_bytes, source, address_bytes), to, address_bytes);
	value = folded(add(sum, tcp, tcp_bytes));
	memcpy(tcp + 16, &value, 2);
	return tcp_at + tcp_bytes;
}
