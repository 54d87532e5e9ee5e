// SPDX-License-Identifier: Apache-2.0
/*
 * Drops the OCCURRENCE-th packet of one kind (PACKET) of each MPTCP connection, told by its MPTCP
 * option (RFC 8684 section 3). Both are given to the compiler: -DPACKET=MP_PRIO -DOCCURRENCE=1.
 *
 * One instance is attached (tc, clsact, direct action) to both directions of every interface on the
 * client's side of the first hops, so that it sees every packet of every subflow, with the addresses
 * that the client sees. Every MPTCP option of a packet is looked at: MP_PRIO comes after a DSS.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

enum packet { ADD_ADDR, ADD_ADDR_ECHO, MP_PRIO, JOIN_SYN, JOIN_SYN_ACK, CAPABLE_SYN };

#define HELPER(name) __attribute__((kernel_helper(BPF_FUNC_##name)))
#define SECTION(name) __attribute__((section(name), used))

extern void *bpf_map_lookup_elem(void *map, const void *key) HELPER(map_lookup_elem);
extern long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags) HELPER(map_update_elem);
extern long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 bytes) HELPER(skb_load_bytes);

/* An IPv4 address is the last four bytes of one of IPv6: v4-mapped, as RFC 4291 section 2.5.5.2 has it. */
struct address {
	__be32 words[4];
};

/* Both ends of a TCP flow, the lower address first: the same for both directions. */
struct flow {
	struct address address[2];
	__be16 port[2];
};

/* What the SYN of a subflow said: of a join the token, of an initial subflow (token 0) its sequence number. */
struct subflow {
	__be32 token;
	__be32 isn;
};

/* An MPTCP connection: the token in its joins; or else its initial subflow, whose ports may have been used before. */
struct connection {
	struct subflow subflow;
	struct flow initial;
};

struct count {
	__u32 packets; /* of the wanted kind */
	__u32 dropped;
};

struct {
	int (*type)[BPF_MAP_TYPE_HASH];
	int (*max_entries)[1 << 17];
	struct flow *key;
	struct subflow *value;
} subflows SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_HASH];
	int (*max_entries)[1 << 17];
	struct connection *key;
	struct count *value;
} counts SECTION(".maps");

enum { EOL = 0, NOP = 1, MPTCP = 30 };			  /* kinds of TCP options */
enum { SUBTYPE_CAPABLE = 0, SUBTYPE_JOIN = 1, SUBTYPE_ADD_ADDR = 3, SUBTYPE_PRIO = 5 }; /* RFC 8684 section 8 */
enum { FLAG_SYN = 0x02, FLAG_ACK = 0x10, FLAG_ECHO = 0x01 };

/* What the MPTCP options of one packet say: a bit per kind of packet, the token of a join's SYN; its sequence number. */
struct options {
	__u32 kinds;
	__be32 token;
	__be32 sequence;
};

static void note(struct __sk_buff *skb, __u32 at, __u8 subtype_and_flags, __u8 tcp_flags, struct options *found)
{
	__u8 subtype = subtype_and_flags >> 4;
	__u8 handshake = tcp_flags & (FLAG_SYN | FLAG_ACK);

	if (subtype == SUBTYPE_ADD_ADDR)
		found->kinds |= 1 << (subtype_and_flags & FLAG_ECHO ? ADD_ADDR_ECHO : ADD_ADDR);
	else if (subtype == SUBTYPE_PRIO)
		found->kinds |= 1 << MP_PRIO;
	else if (subtype == SUBTYPE_CAPABLE && handshake == FLAG_SYN)
		found->kinds |= 1 << CAPABLE_SYN;
	else if (subtype == SUBTYPE_JOIN && handshake == FLAG_SYN && !bpf_skb_load_bytes(skb, at + 4, &found->token, 4))
		found->kinds |= 1 << JOIN_SYN;
	else if (subtype == SUBTYPE_JOIN && handshake == (FLAG_SYN | FLAG_ACK))
		found->kinds |= 1 << JOIN_SYN_ACK;
}

static void walk(struct __sk_buff *skb, __u32 at, __u32 end, __u8 tcp_flags, struct options *found)
{
	for (int i = 0; i < 40 && at < end; i++) {
		__u8 head[3]; /* kind, length, subtype and flags */

		if (bpf_skb_load_bytes(skb, at, head, 1) || head[0] == EOL)
			return;
		if (head[0] == NOP) {
			at++;
			continue;
		}
		if (bpf_skb_load_bytes(skb, at, head, 2) || head[1] < 2)
			return;
		if (head[0] == MPTCP && head[1] > 2 && !bpf_skb_load_bytes(skb, at, head, 3))
			note(skb, at, head[2], tcp_flags, found);
		at += head[1];
	}
}

/* Where TCP's header is, and the addresses of the packet; 0 if it is none of TCP. An extension header is none. */
static __u32 past_ip(struct __sk_buff *skb, struct flow *flow)
{
	__u8 version_and_length, protocol;
	__be16 ethertype;

	if (bpf_skb_load_bytes(skb, 12, &ethertype, 2))
		return 0;
	if (ethertype == __builtin_bswap16(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1) || protocol != IPPROTO_TCP ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + 8, flow->address, 32))
			return 0;
		return ETH_HLEN + 40;
	}
	if (ethertype != __builtin_bswap16(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &version_and_length, 1) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) || protocol != IPPROTO_TCP)
		return 0;
	for (int i = 0; i < 2; i++) {
		flow->address[i].words[2] = __builtin_bswap32(0xffff);
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 12 + 4 * i, &flow->address[i].words[3], 4))
			return 0;
	}
	return ETH_HLEN + (version_and_length & 0x0f) * 4;
}

static int is_above(const struct address *one, const struct address *other)
{
	for (int i = 0; i < 4; i++)
		if (one->words[i] != other->words[i])
			return one->words[i] > other->words[i];
	return 0;
}

static int parse(struct __sk_buff *skb, struct flow *flow, struct options *found)
{
	__u8 data_offset, tcp_flags;
	__u32 tcp = past_ip(skb, flow);

	if (!tcp || bpf_skb_load_bytes(skb, tcp + 12, &data_offset, 1) || bpf_skb_load_bytes(skb, tcp + 13, &tcp_flags, 1))
		return 0;
	if (bpf_skb_load_bytes(skb, tcp, flow->port, 4) || bpf_skb_load_bytes(skb, tcp + 4, &found->sequence, 4))
		return 0;
	if (is_above(&flow->address[0], &flow->address[1]))
		*flow = (struct flow){{flow->address[1], flow->address[0]}, {flow->port[1], flow->port[0]}};
	walk(skb, tcp + 20, tcp + (data_offset >> 4) * 4, tcp_flags, found);
	return found->kinds;
}

SECTION("tc") int drop_one(struct __sk_buff *skb)
{
	struct connection connection = {};
	struct options found = {};
	struct count *count, none = {};
	struct subflow *subflow;
	struct flow flow = {};

	if (!parse(skb, &flow, &found))
		return TC_ACT_UNSPEC;
	if (found.kinds & (1 << JOIN_SYN | 1 << CAPABLE_SYN)) {
		struct subflow opened = {found.token, found.token ? 0 : found.sequence};

		bpf_map_update_elem(&subflows, &flow, &opened, BPF_ANY);
	}
	if (!(found.kinds & 1 << PACKET))
		return TC_ACT_UNSPEC;

	subflow = bpf_map_lookup_elem(&subflows, &flow);
	/* Joins are counted by their token, everything else on the initial subflow only. */
	if (!subflow || (subflow->token != 0) != (PACKET == JOIN_SYN || PACKET == JOIN_SYN_ACK))
		return TC_ACT_UNSPEC;
	connection.subflow = *subflow;
	if (!subflow->token)
		connection.initial = flow;
	bpf_map_update_elem(&counts, &connection, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &connection);
	if (!count || ++count->packets != OCCURRENCE)
		return TC_ACT_UNSPEC;
	count->dropped++;
	return TC_ACT_SHOT;
}

char licence[] SECTION("license") = "Apache-2.0";
