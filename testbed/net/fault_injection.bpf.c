// SPDX-License-Identifier: Apache-2.0
/*
 * Does something to chosen packets of one connection, counted as they pass: loses one, sends it twice, sends it
 * late, or behind the next one. Notes every TCP packet that passes.
 *
 * A pair of programs (tc, clsact, direct action) for each place in the middle of the network, an interface towards the
 * client: what comes from the client is ingress there, what goes to it egress. All of them count in one order. Which
 * packets are chosen is in the map `controls`, what has passed in `passed`; both are mapped into the toolkit's memory.
 *
 * A packet that is late goes to a pair of devices with a queue that delays (netem) and is given back where it was taken
 * from. One that lets the next one pass is kept as bytes meanwhile, since a program cannot keep a packet. What comes
 * back is told by the mark, which is taken off before the packet goes on.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#define HELPER(name) __attribute__((kernel_helper(BPF_FUNC_##name)))
#define SECTION(name) __attribute__((section(name), used))

extern void *bpf_map_lookup_elem(void *map, const void *key) HELPER(map_lookup_elem);
extern long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 bytes) HELPER(skb_load_bytes);
extern long bpf_skb_store_bytes(void *skb, __u32 offset, const void *from, __u32 bytes, __u64 flags)
	HELPER(skb_store_bytes);
extern long bpf_skb_change_tail(void *skb, __u32 bytes, __u64 flags) HELPER(skb_change_tail);
extern long bpf_clone_redirect(void *skb, __u32 ifindex, __u64 flags) HELPER(clone_redirect);
extern long bpf_redirect(__u32 ifindex, __u64 flags) HELPER(redirect);
extern __u64 bpf_ktime_get_ns(void) HELPER(ktime_get_ns);

enum { PLACES = 4, HOOKS = 2, FAULTS = 8, MOST_PACKETS = 16384, MOST_BYTES = 2048 };
enum hook { FROM_CLIENT, TO_CLIENT };
enum action { NOTHING, LOSE, DUPLICATE, DELAY, SWAP };
enum fate { PASSED, LOST, DUPLICATED, DELAYED, SWAPPED, LATE, COPY, AHEAD, FAILED };

/* What is done to packet number `packet` (from 1); `line` is where a late one waits, at each place. */
struct fault {
	__u32 packet;
	__u32 action;
	__u32 line[PLACES];
};

struct control {
	__u32 armed;
	__u32 seen;
	__u32 noted;
	__u32 struck;
	struct fault faults[FAULTS];
	__u32 waiting[PLACES * HOOKS]; /* the fault, from 1, whose packet lets the next one pass there */
};

/* A TCP packet that has passed; addresses are IPv4's, or the last four bytes of IPv6's. */
struct passage {
	__u64 time_ns;
	__u32 seq;
	__u32 ack;
	__be32 source;
	__be32 target;
	__be16 sport;
	__be16 dport;
	__u16 payload;
	__u16 options; /* a bit per subtype of MPTCP, and those below */
	__u8 flags;
	__u8 place;
	__u8 hook;
	__u8 fate;
	__u32 number; /* from 1; 0 for one that comes back, or that we have made */
};

struct kept {
	__u32 bytes;
	__u8 frame[MOST_BYTES];
};

enum { ECHO = 1 << 9, DATA_FIN = 1 << 10, BACKUP = 1 << 11 };

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	int (*map_flags)[BPF_F_MMAPABLE];
	__u32 *key;
	struct control *value;
} controls SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[MOST_PACKETS];
	int (*map_flags)[BPF_F_MMAPABLE];
	__u32 *key;
	struct passage *value;
} passed SECTION(".maps");

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[FAULTS];
	__u32 *key;
	struct kept *value;
} keep SECTION(".maps");

/* A mark of ours: what the packet is, where it belongs. */
enum { OURS = 0x5a, INDEX_BITS = 16 };

static __u32 mark_of(__u32 fate, __u32 hook, __u32 ifindex)
{
	return (__u32)OURS << 24 | fate << 20 | hook << INDEX_BITS | (ifindex & 0xffff);
}

static int is_ours(__u32 mark)
{
	return mark >> 24 == OURS;
}

enum { EOL = 0, NOP = 1, MPTCP = 30, MOST_OPTIONS = 40, ROOM = 64 };
enum { SUBTYPE_JOIN = 1, SUBTYPE_DSS = 2, SUBTYPE_ADD_ADDR = 3, SUBTYPE_PRIO = 5 };

static __u16 walk(const __u8 *options, __u32 bytes)
{
	__u16 found = 0;
	__u32 at = 0;

	for (int i = 0; i < MOST_OPTIONS && at + 2 < bytes; i++) {
		__u8 kind, length, subtype;

		asm volatile("" : "+r"(at)); /* the compiler knows that it is small enough, and must say so */
		at &= ROOM - 1;
		kind = options[at];
		length = options[at + 1];
		subtype = options[at + 2] >> 4;
		if (kind == EOL)
			break;
		if (kind == NOP) {
			at++;
			continue;
		}
		if (length < 2)
			break;
		if (kind == MPTCP && length > 2) {
			found |= subtype < 9 ? 1 << subtype : 0;
			if (subtype == SUBTYPE_ADD_ADDR && (options[at + 2] & 1))
				found |= ECHO;
			if (subtype == SUBTYPE_DSS && (options[at + 3] & 0x10))
				found |= DATA_FIN;
			if ((subtype == SUBTYPE_PRIO || subtype == SUBTYPE_JOIN) && (options[at + 2] & 1))
				found |= BACKUP;
		}
		at += length;
	}
	return found;
}

/* Fill in what the packet is; 0 if it is none of TCP. An extension header of IPv6 is none. */
static int parse(struct __sk_buff *skb, struct passage *one)
{
	__u8 head[60], options[ROOM + 4] = {};
	__u32 tcp, end, doff;

	if (bpf_skb_load_bytes(skb, 12, head, 2 + 20))
		return 0;
	if (head[0] == 0x08 && head[1] == 0x00) {
		if (head[2 + 9] != IPPROTO_TCP)
			return 0;
		tcp = ETH_HLEN + (head[2] & 0x0f) * 4;
		end = ETH_HLEN + (head[2 + 2] << 8 | head[2 + 3]);
		__builtin_memcpy(&one->source, head + 2 + 12, 4);
		__builtin_memcpy(&one->target, head + 2 + 16, 4);
	} else if (head[0] == 0x86 && head[1] == 0xdd) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, head, 40) || head[6] != IPPROTO_TCP)
			return 0;
		tcp = ETH_HLEN + 40;
		end = tcp + (head[4] << 8 | head[5]);
		__builtin_memcpy(&one->source, head + 20, 4);
		__builtin_memcpy(&one->target, head + 36, 4);
	} else {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, tcp, head, 20))
		return 0;
	__builtin_memcpy(&one->sport, head, 2);
	__builtin_memcpy(&one->dport, head + 2, 2);
	one->seq = (__u32)head[4] << 24 | head[5] << 16 | head[6] << 8 | head[7];
	one->ack = (__u32)head[8] << 24 | head[9] << 16 | head[10] << 8 | head[11];
	one->flags = head[13];
	doff = (head[12] >> 4) * 4;
	if (doff < 20 || tcp + doff > end)
		return 0;
	one->payload = end - tcp - doff;
	if (doff > 20) {
		__u32 less_one = doff - 21;

		asm volatile("" : "+r"(less_one)); /* that it is 1 to 64 must be said, though the compiler knows */
		if (bpf_skb_load_bytes(skb, tcp + 20, options, (less_one & (ROOM - 1)) + 1))
			return 0;
		one->options = walk(options, doff - 20);
	}
	return 1;
}

static void note(struct control *control, const struct passage *one)
{
	__u32 at = control->noted;
	struct passage *to = bpf_map_lookup_elem(&passed, &at);

	control->noted = at + 1;
	if (to)
		*to = *one;
}

/* Keep the bytes of a packet that lets the next one pass. */
static int take(struct __sk_buff *skb, struct control *control, __u32 fault, __u32 slot)
{
	struct kept *kept = bpf_map_lookup_elem(&keep, &fault);
	__u32 bytes = skb->len;

	if (!kept || bytes < ETH_HLEN || bytes > MOST_BYTES || slot >= PLACES * HOOKS || control->waiting[slot])
		return 0;
	bytes--;
	asm volatile("" : "+r"(bytes)); /* that it is 1 to 2048 must be said, though the compiler knows */
	bytes = (bytes & (MOST_BYTES - 1)) + 1;
	if (bpf_skb_load_bytes(skb, 0, kept->frame, bytes))
		return 0;
	kept->bytes = bytes;
	control->waiting[slot] = fault + 1;
	return 1;
}

/* Send this packet, then the one that was waiting for it, made of a copy of this one. Both come by here again. */
static int give(struct __sk_buff *skb, struct control *control, __u32 slot, __u32 hook)
{
	__u32 ifindex = skb->ifindex, way = hook == FROM_CLIENT ? BPF_F_INGRESS : 0, fault, bytes;
	struct kept *kept;

	if (slot >= PLACES * HOOKS)
		return TC_ACT_UNSPEC;
	fault = control->waiting[slot] - 1;
	kept = bpf_map_lookup_elem(&keep, &fault);
	if (!kept)
		return TC_ACT_UNSPEC;
	bytes = kept->bytes - 1;
	asm volatile("" : "+r"(bytes));
	bytes = (bytes & (MOST_BYTES - 1)) + 1;
	control->waiting[slot] = 0;
	skb->mark = mark_of(AHEAD, hook, ifindex);
	if (bpf_clone_redirect(skb, ifindex, way))
		return TC_ACT_SHOT;
	skb->mark = mark_of(LATE, hook, ifindex);
	if (!bpf_skb_change_tail(skb, bytes, 0) && !bpf_skb_store_bytes(skb, 0, kept->frame, bytes, 0))
		bpf_clone_redirect(skb, ifindex, way);
	return TC_ACT_SHOT;
}

static int strike(struct __sk_buff *skb, struct control *control, struct passage *one, __u32 number)
{
	__u32 ifindex = skb->ifindex, slot = one->place * HOOKS + one->hook;
	__u32 way = one->hook == FROM_CLIENT ? BPF_F_INGRESS : 0, line;
	struct fault *fault;

	if (number >= FAULTS || one->place >= PLACES)
		return TC_ACT_UNSPEC;
	fault = &control->faults[number];
	switch (fault->action) {
	case LOSE:
		one->fate = LOST;
		control->struck++;
		return TC_ACT_SHOT;
	case DUPLICATE:
		one->fate = DUPLICATED;
		control->struck++;
		note(control, one);
		skb->mark = mark_of(COPY, one->hook, ifindex);
		if (bpf_clone_redirect(skb, ifindex, way))
			control->struck--;
		skb->mark = 0;
		return TC_ACT_OK;
	case DELAY:
		line = fault->line[one->place];
		if (!line)
			break;
		one->fate = DELAYED;
		control->struck++;
		skb->mark = mark_of(LATE, one->hook, ifindex);
		return bpf_redirect(line, 0);
	case SWAP:
		if (!take(skb, control, number, slot))
			break;
		one->fate = SWAPPED;
		control->struck++;
		return TC_ACT_SHOT;
	}
	one->fate = FAILED;
	return TC_ACT_UNSPEC;
}

static int handle(struct __sk_buff *skb, __u32 place, __u32 hook)
{
	__u32 zero = 0, mark = skb->mark, slot = place * HOOKS + hook, struck = FAULTS;
	struct control *control = bpf_map_lookup_elem(&controls, &zero);
	int verdict = TC_ACT_UNSPEC;
	struct passage one;

	if (!control)
		return TC_ACT_UNSPEC;
	asm volatile("" ::: "memory"); /* the verifier wants the pointer compared with the number 0, not with a register */
	__builtin_memset(&one, 0, sizeof(one));
	if (is_ours(mark))
		skb->mark = 0;
	if (!control->armed || !parse(skb, &one))
		return TC_ACT_UNSPEC;
	one.place = place;
	one.hook = hook;
	one.time_ns = bpf_ktime_get_ns();
	if (is_ours(mark)) {
		one.fate = mark >> 20 & 0xf;
		if (one.fate != AHEAD)
			note(control, &one);
		return TC_ACT_UNSPEC;
	}
	one.number = ++control->seen;
	for (int i = 0; i < FAULTS; i++)
		if (control->faults[i].action && control->faults[i].packet == one.number)
			struck = i;
	if (struck < FAULTS) {
		verdict = strike(skb, control, &one, struck);
		if (one.fate != DUPLICATED)
			note(control, &one);
		return verdict == TC_ACT_OK ? TC_ACT_UNSPEC : verdict;
	}
	note(control, &one);
	return control->waiting[slot] ? give(skb, control, slot, hook) : TC_ACT_UNSPEC;
}

#define PLACE(number) \
	SECTION("tc") int from_client_##number(struct __sk_buff *skb) { return handle(skb, number, FROM_CLIENT); } \
	SECTION("tc") int to_client_##number(struct __sk_buff *skb) { return handle(skb, number, TO_CLIENT); }

PLACE(0)
PLACE(1)
PLACE(2)
PLACE(3)

/* At the far end of a pair of devices: what was late goes back to where it was taken from, in the same direction. */
SECTION("tc") int give_back(struct __sk_buff *skb)
{
	__u32 mark = skb->mark;

	if (!is_ours(mark))
		return TC_ACT_SHOT;
	return bpf_redirect(mark & 0xffff, (mark >> INDEX_BITS & 1) == FROM_CLIENT ? BPF_F_INGRESS : 0);
}

char licence[] SECTION("license") = "Apache-2.0";
