// SPDX-License-Identifier: Apache-2.0
/*
 * TCP's timestamps (RFC 7323 section 3) on their way: one program a purpose, each of them attached by itself.
 *
 * set_server_id: a server writes the number SERVER_ID into the low BITS bits of each TSval that it sends, so that the
 * client's echo (TSecr) says to a balancer without any state whose connection a packet is of.
 * add_offset, take_offset: a middlebox adds an offset of each connection's own (SEED) to what comes to the client, and
 * takes it off the client's echoes again, or does not.
 * move_back: a middlebox puts what the client sends of it behind the packet's other options.
 *
 * All three numbers are given to the compiler, those that a program does not use as 0. TCP's checksum follows.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#define HELPER(name) __attribute__((kernel_helper(BPF_FUNC_##name)))
#define SECTION(name) __attribute__((section(name), used))

extern long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 bytes) HELPER(skb_load_bytes);
extern long bpf_skb_store_bytes(void *skb, __u32 offset, const void *from, __u32 bytes, __u64 flags)
	HELPER(skb_store_bytes);
extern long bpf_l4_csum_replace(void *skb, __u32 offset, __u64 from, __u64 to, __u64 flags) HELPER(l4_csum_replace);

enum { EOL = 0, NOP = 1, TIMESTAMPS = 8 }; /* kinds of TCP options */
enum { OPTIONS = 20, CHECKSUM = 16 };	   /* in TCP's header */
enum { TSVAL = 2, TSECR = 6 };		   /* in the option */

/* The compiler calls a function that there is not where it is to swap what it does not know. */
static __u32 swapped(__u32 word)
{
	return word << 24 | (word & 0xff00) << 8 | (word >> 8 & 0xff00) | word >> 24;
}

/* The end of a flow that is the client's: the last word of its address, its port. */
struct client {
	__be32 address;
	__be16 port;
};

/* Where TCP's header is; 0 if it is none of TCP. An extension header of IPv6 is none. */
static __u32 past_ip(struct __sk_buff *skb, int is_source, struct client *client)
{
	__u8 first, protocol;
	__be16 ethertype;
	__u32 tcp, address;

	if (bpf_skb_load_bytes(skb, 12, &ethertype, 2) || bpf_skb_load_bytes(skb, ETH_HLEN, &first, 1))
		return 0;
	if (ethertype == __builtin_bswap16(ETH_P_IP)) {
		tcp = ETH_HLEN + (first & 0x0f) * 4;
		address = ETH_HLEN + (is_source ? 12 : 16);
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1))
			return 0;
	} else if (ethertype == __builtin_bswap16(ETH_P_IPV6)) {
		tcp = ETH_HLEN + 40;
		address = ETH_HLEN + (is_source ? 20 : 36);
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1))
			return 0;
	} else
		return 0;
	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, address, &client->address, 4) ||
	    bpf_skb_load_bytes(skb, tcp + (is_source ? 0 : 2), &client->port, 2))
		return 0;
	return tcp;
}

/* Where the timestamps are; 0 if there are none. */
static __u32 find(struct __sk_buff *skb, __u32 tcp)
{
	__u32 at = tcp + OPTIONS, end;
	__u8 data_offset, head[2];

	if (bpf_skb_load_bytes(skb, tcp + 12, &data_offset, 1))
		return 0;
	end = tcp + (data_offset >> 4) * 4;
	for (int i = 0; i < 40 && at < end; i++) {
		if (bpf_skb_load_bytes(skb, at, head, 1) || head[0] == EOL)
			return 0;
		if (head[0] == NOP) {
			at++;
			continue;
		}
		if (bpf_skb_load_bytes(skb, at, head, 2) || head[1] < 2)
			return 0;
		if (head[0] == TIMESTAMPS)
			return head[1] == 10 && at + 10 <= end ? at : 0;
		at += head[1];
	}
	return 0;
}

static void replace(struct __sk_buff *skb, __u32 tcp, __u32 at, __be32 from, __be32 to)
{
	if (from == to)
		return;
	bpf_l4_csum_replace(skb, tcp + CHECKSUM, from, to, 4);
	bpf_skb_store_bytes(skb, at, &to, 4, 0);
}

SECTION("tc") int set_server_id(struct __sk_buff *skb)
{
	struct client client;
	__u32 tcp = past_ip(skb, 0, &client), at = tcp ? find(skb, tcp) : 0;
	__be32 was;

	if (at && !bpf_skb_load_bytes(skb, at + TSVAL, &was, 4)) {
		__u32 value = (swapped(was) & ~((1U << BITS) - 1)) | SERVER_ID;

		replace(skb, tcp, at + TSVAL, was, swapped(value));
	}
	return TC_ACT_UNSPEC;
}

/* By the finaliser of MurmurHash3 (Austin Appleby): every bit depends on every bit. */
static __u32 offset_of(const struct client *client)
{
	__u32 x = client->address ^ ((__u32)client->port << 16) ^ client->port ^ SEED;

	x = (x ^ (x >> 16)) * 0x85ebca6bU;
	x = (x ^ (x >> 13)) * 0xc2b2ae35U;
	return x ^ (x >> 16);
}

SECTION("tc") int add_offset(struct __sk_buff *skb)
{
	struct client client;
	__u32 tcp = past_ip(skb, 0, &client), at = tcp ? find(skb, tcp) : 0;
	__be32 was;

	if (at && !bpf_skb_load_bytes(skb, at + TSVAL, &was, 4))
		replace(skb, tcp, at + TSVAL, was, swapped(swapped(was) + offset_of(&client)));
	return TC_ACT_UNSPEC;
}

SECTION("tc") int take_offset(struct __sk_buff *skb)
{
	struct client client;
	__u32 tcp = past_ip(skb, 1, &client), at = tcp ? find(skb, tcp) : 0;
	__be32 was;

	/* A SYN echoes nothing. */
	if (at && !bpf_skb_load_bytes(skb, at + TSECR, &was, 4) && was)
		replace(skb, tcp, at + TSECR, was, swapped(swapped(was) - offset_of(&client)));
	return TC_ACT_UNSPEC;
}

/* Words of 16 bits in another order have the same sum, so the checksum stays. */
SECTION("tc") int move_back(struct __sk_buff *skb)
{
	struct client client;
	__u32 tcp = past_ip(skb, 1, &client), end, at, word;
	__u8 data_offset, first[12], last[12];

	if (!tcp || bpf_skb_load_bytes(skb, tcp + 12, &data_offset, 1) || data_offset >> 4 < 8 ||
	    bpf_skb_load_bytes(skb, tcp + OPTIONS, first, 12) || first[0] != NOP || first[1] != NOP ||
	    first[2] != TIMESTAMPS)
		return TC_ACT_UNSPEC;
	end = tcp + (data_offset >> 4) * 4 - 12;
	at = tcp + OPTIONS;
	for (int i = 0; i < 7 && at < end; i++) {
		if (bpf_skb_load_bytes(skb, at + 12, &word, 4))
			return TC_ACT_UNSPEC;
		bpf_skb_store_bytes(skb, at, &word, 4, 0);
		at += 4;
	}
	/* The option, and what fills its last word behind it. */
	for (int i = 0; i < 10; i++)
		last[i] = first[i + 2];
	last[10] = last[11] = NOP;
	bpf_skb_store_bytes(skb, at, last, 12, 0);
	return TC_ACT_UNSPEC;
}

char licence[] SECTION("license") = "Apache-2.0";
