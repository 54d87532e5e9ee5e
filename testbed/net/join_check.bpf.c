// SPDX-License-Identifier: Apache-2.0
/*
 * Lets a SYN reach a server's unique addresses only if it joins a connection there: the token in its MP_JOIN
 * (RFC 8684 section 3.2) hashes to the address that it is sent to. It keeps nothing of any connection.
 *
 * An address is the server's prefix (64 bits) and SipHash-2-4 of the token's four bytes under a key that the server
 * alone knows, byte by byte. There are two keys, so that addresses of before a change of the key are good until the
 * next one. A SYN to the server's one plain unique address is no join: nobody was told of it.
 *
 * Attached as XDP, it sees packets where they arrive; what is no SYN of TCP over IPv6 it leaves alone.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>

#define HELPER(name) __attribute__((kernel_helper(BPF_FUNC_##name)))
#define SECTION(name) __attribute__((section(name), used))

extern void *bpf_map_lookup_elem(void *map, const void *key) HELPER(map_lookup_elem);
extern long bpf_xdp_load_bytes(void *packet, __u32 offset, void *to, __u32 bytes) HELPER(xdp_load_bytes);

struct address {
	__u64 prefix, rest; /* in the order of the packet's bytes */
};

struct settings {
	struct address unique; /* of which the prefix is another one */
	__u64 prefix;
	__u64 key[2][2]; /* the one in use, and the one before */
};

/* What has become of SYNs: by the key in use, by the one before; joins of other addresses, and no joins at all. */
enum { PASSED, PASSED_BY_OLD, REFUSED_JOIN, REFUSED_OTHER, OUTCOMES };

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	__u32 *key;
	struct settings *value;
} settings SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[OUTCOMES];
	__u32 *key;
	__u64 *value;
} counts SECTION(".maps");

enum { EOL = 0, NOP = 1, MPTCP = 30 }; /* kinds of TCP options */
enum { SUBTYPE_JOIN = 1, JOIN_SYN_BYTES = 12 };
enum { FLAG_SYN = 0x02, FLAG_ACK = 0x10 };
enum { TCP_AT = ETH_HLEN + 40 };

#define ROTATED(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

/* The bytes of SipHash-2-4 (Aumasson and Bernstein, 2012) of a message of four bytes, as they lie in memory. */
static __u64 hash(const __u64 *key, __u32 message)
{
	__u64 a = 0x736f6d6570736575ull ^ key[0], b = 0x646f72616e646f6dull ^ key[1];
	__u64 c = 0x6c7967656e657261ull ^ key[0], d = 0x7465646279746573ull ^ key[1];
	__u64 block = 4ull << 56 | message;

	d ^= block;
	for (int round = 0; round < 6; round++) {
		if (round == 2) {
			a ^= block;
			c ^= 0xff;
		}
		a += b;
		c += d;
		b = ROTATED(b, 13) ^ a;
		d = ROTATED(d, 16) ^ c;
		a = ROTATED(a, 32);
		c += b;
		a += d;
		b = ROTATED(b, 17) ^ c;
		d = ROTATED(d, 21) ^ a;
		c = ROTATED(c, 32);
	}
	return a ^ b ^ c ^ d;
}

/* The token of a join's SYN: its first MPTCP option, by which the kernel takes it for one, must be an MP_JOIN. */
static int find_token(struct xdp_md *packet, __u32 at, __u32 end, __u32 *token)
{
	for (int i = 0; i < 40 && at < end; i++) {
		__u8 head[3] = {}; /* kind, length, subtype and flags */

		if (bpf_xdp_load_bytes(packet, at, head, 1) || head[0] == EOL)
			return 0;
		if (head[0] == NOP) {
			at++;
			continue;
		}
		if (bpf_xdp_load_bytes(packet, at, head, 2) || head[1] < 2)
			return 0;
		if (head[0] == MPTCP)
			return head[1] == JOIN_SYN_BYTES && at + JOIN_SYN_BYTES <= end &&
			       !bpf_xdp_load_bytes(packet, at, head, 3) && head[2] >> 4 == SUBTYPE_JOIN &&
			       !bpf_xdp_load_bytes(packet, at + 4, token, 4);
		at += head[1];
	}
	return 0;
}

static int judge(struct xdp_md *packet, const struct settings *now, const struct address *to, __u8 data_offset)
{
	__u32 token;

	if (!find_token(packet, TCP_AT + 20, TCP_AT + (data_offset >> 4) * 4, &token))
		return REFUSED_OTHER;
	if (to->prefix != now->prefix)
		return REFUSED_JOIN;
	if (to->rest == hash(now->key[0], token))
		return PASSED;
	return to->rest == hash(now->key[1], token) ? PASSED_BY_OLD : REFUSED_JOIN;
}

SECTION("xdp") int check_joins(struct xdp_md *packet)
{
	__u32 first = 0, outcome;
	const struct settings *now = bpf_map_lookup_elem(&settings, &first);
	struct address to;
	__u8 protocol, of_tcp[2]; /* the offset of the data, and the flags */
	__be16 ethertype;
	__u64 *count;

	if (!now || bpf_xdp_load_bytes(packet, 12, &ethertype, 2) || ethertype != __builtin_bswap16(ETH_P_IPV6))
		return XDP_PASS;
	if (bpf_xdp_load_bytes(packet, ETH_HLEN + 6, &protocol, 1) || protocol != IPPROTO_TCP ||
	    bpf_xdp_load_bytes(packet, ETH_HLEN + 24, &to, 16) || bpf_xdp_load_bytes(packet, TCP_AT + 12, of_tcp, 2))
		return XDP_PASS;
	if (to.prefix != now->prefix && (to.prefix != now->unique.prefix || to.rest != now->unique.rest))
		return XDP_PASS;
	if ((of_tcp[1] & (FLAG_SYN | FLAG_ACK)) != FLAG_SYN)
		return XDP_PASS;
	outcome = judge(packet, now, &to, of_tcp[0]);
	count = bpf_map_lookup_elem(&counts, &outcome);
	if (count)
		__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	return outcome == PASSED || outcome == PASSED_BY_OLD ? XDP_PASS : XDP_DROP;
}

char licence[] SECTION("license") = "Apache-2.0";
