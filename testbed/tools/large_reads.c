/*
 * Large reads for a program that makes small ones: a library to preload (ld.so(8), LD_PRELOAD).
 *
 * ApacheBench asks for 8 KB, and waits in epoll before each read. Here one readv(2) fills its buffer and keeps up to
 * 56 KB more; the next reads are served from what is kept, and epoll_wait(2) reports a socket that has something kept
 * as readable, without a system call. So the client empties its sockets as one with a buffer of 64 KB would.
 *
 * What the program sees is what it would have seen: the same bytes in the same order, an end of file or an error only
 * behind the last byte, EAGAIN where the kernel says so, level-triggered readiness. It takes part in nothing but stream
 * sockets that wait for input, level-triggered, in one epoll set; everything else goes to the kernel as it came. It is
 * for a program of one thread that reads such sockets with read(2), and ends them with close(2).
 *
 * At its end the program leaves in the file $LARGE_READS_REPORT how many of its reads of such sockets there were, and
 * how many system calls they took: a preload that did not come about is passed over with no more than a line on stderr.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define AT_ONCE 65536
#define NO_SET (-1)

/* What is known of a descriptor: the set it waits in, for what and under which name, and what is kept of its input. */
struct descriptor {
	int known; /* 0: never seen, 1: a stream socket, -1: something else, or not alone in one level-triggered set */
	int set;
	uint32_t events;
	epoll_data_t data;
	char *kept;
	size_t begin, end;
};

#define WORD 64

static struct descriptor *descriptors;
static uint64_t *keepers; /* a bit for each of them: whether it has something kept */
static int described;     /* how many of them there are, a multiple of WORD */
static int holding;       /* how many have something kept */
static int next;          /* behind which the next report begins */
static char *spare;       /* a buffer that nobody needs; it begins with the address of another one, or NULL */
static int has_read = 1;
static unsigned long reads, system_calls;

static ssize_t (*kernel_read)(int, void *, size_t);
static int (*kernel_close)(int);
static int (*kernel_ctl)(int, int, int, struct epoll_event *);
static int (*kernel_wait)(int, struct epoll_event *, int, int);

/* Programs call these before constructors have run; the first call of each finds the C library's own. */
#define FIND(function, name) \
	do { \
		if (!function) \
			*(void **)&function = dlsym(RTLD_NEXT, name); \
	} while (0)

static struct descriptor *find(int fd)
{
	return fd >= 0 && fd < described ? &descriptors[fd] : NULL;
}

static struct descriptor *describe(int fd)
{
	struct descriptor *more;
	uint64_t *bits;
	int count = described ? described : WORD;

	if (fd < 0)
		return NULL;
	if (fd >= described) {
		while (count <= fd)
			count *= 2;
		bits = realloc(keepers, count / WORD * sizeof(*bits));
		if (!bits)
			return NULL;
		keepers = bits;
		more = realloc(descriptors, count * sizeof(*more));
		if (!more)
			return NULL;
		descriptors = more;
		memset(bits + described / WORD, 0, (count - described) / WORD * sizeof(*bits));
		memset(more + described, 0, (count - described) * sizeof(*more));
		for (int i = described; i < count; i++)
			more[i].set = NO_SET;
		described = count;
	}
	return &descriptors[fd];
}

/* To be called when it begins, or ceases, to have something kept. */
static void changed(struct descriptor *it)
{
	int fd = it - descriptors;

	keepers[fd / WORD] ^= (uint64_t)1 << fd % WORD;
	holding += it->begin < it->end ? 1 : -1;
}

/* The next one behind `fd` that has something kept, `fd` itself at last; there must be one. */
static int keeper_behind(int fd)
{
	int first = (fd + 1) % described;
	uint64_t bits = keepers[first / WORD] & ~(uint64_t)0 << first % WORD;

	for (fd = first - first % WORD; !bits; bits = keepers[fd / WORD])
		fd = (fd + WORD) % described;
	return fd + __builtin_ctzll(bits);
}

/* A buffer, the one that was given back last: it is still in the processor's cache; NULL if there is no memory. */
static char *take(void)
{
	char *buffer = spare;

	if (!buffer)
		return malloc(AT_ONCE);
	memcpy(&spare, buffer, sizeof(spare));
	return buffer;
}

static void give_back(struct descriptor *it)
{
	memcpy(it->kept, &spare, sizeof(spare));
	spare = it->kept;
	it->kept = NULL;
}

static void forget(struct descriptor *it)
{
	if (it->begin < it->end) {
		it->begin = it->end;
		changed(it);
		give_back(it);
	}
	*it = (struct descriptor){.set = NO_SET};
}

static int is_stream(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

ssize_t read(int fd, void *buffer, size_t size)
{
	struct descriptor *it = find(fd);
	struct iovec into[2];
	ssize_t got;

	FIND(kernel_read, "read");
	if (!it || !it->known)
		return kernel_read(fd, buffer, size);
	has_read = 1;
	if (it->begin < it->end) {
		reads++;
		if (size > it->end - it->begin)
			size = it->end - it->begin;
		memcpy(buffer, it->kept + it->begin, size);
		it->begin += size;
		if (it->begin == it->end) {
			changed(it);
			give_back(it);
		}
		return size;
	}
	if (it->known < 0 || it->set == NO_SET || size == 0 || size >= AT_ONCE || !(it->kept = take()))
		return kernel_read(fd, buffer, size);
	reads++;
	system_calls++;
	into[0] = (struct iovec){buffer, size};
	into[1] = (struct iovec){it->kept, AT_ONCE - size};
	got = readv(fd, into, 2);
	if (got > (ssize_t)size) {
		it->begin = 0;
		it->end = got - size;
		changed(it);
		got = size;
	} else
		give_back(it);
	return got;
}

int close(int fd)
{
	struct descriptor *it = find(fd);

	FIND(kernel_close, "close");
	if (it && it->known)
		forget(it);
	for (int i = 0; i < described; i++) /* it may have been a set */
		if (descriptors[i].set == fd)
			descriptors[i].set = NO_SET;
	return kernel_close(fd);
}

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	struct descriptor *it;
	int status;

	FIND(kernel_ctl, "epoll_ctl");
	status = kernel_ctl(set, operation, fd, event);
	if (status != 0)
		return status;
	if (operation == EPOLL_CTL_DEL) {
		it = find(fd);
		if (it && it->set == set)
			it->set = NO_SET;
		return status;
	}
	it = describe(fd);
	if (!it)
		return status;
	if (operation == EPOLL_CTL_ADD && it->set == set) /* it was closed by other ways than close(2) */
		forget(it);
	if (!it->known) {
		int error = errno;

		it->known = is_stream(fd) ? 1 : -1;
		errno = error;
	}
	/* From here on nothing more of it is kept; what is kept is still handed out. */
	if ((it->set != NO_SET && it->set != set) || event->events & (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE))
		it->known = -1;
	it->set = set;
	it->events = event->events;
	it->data = event->data;
	return status;
}

/* Adds to the `count` events those of the set's descriptors that have something kept; returns how many there are now. */
static int report(int set, struct epoll_event *events, int count, int most)
{
	int fd = next;

	for (int left = holding; left && count < most; left--) {
		struct descriptor *it = &descriptors[fd = keeper_behind(fd)];
		int known = 0;

		if (it->set != set || !(it->events & EPOLLIN))
			continue;
		for (int j = 0; j < count && !known; j++)
			if (events[j].data.u64 == it->data.u64) {
				events[j].events |= EPOLLIN;
				known = 1;
			}
		if (!known)
			events[count++] = (struct epoll_event){EPOLLIN, it->data};
	}
	if (count == most) /* the others have their turn with the next one */
		next = fd;
	return count;
}

int epoll_wait(int set, struct epoll_event *events, int most, int timeout_ms)
{
	int count = 0;

	FIND(kernel_wait, "epoll_wait");
	if (holding && most > 0) {
		/* Whoever reads nothing of what is kept must still hear of the others. */
		if (!has_read)
			count = kernel_wait(set, events, most, 0);
		if (count < 0)
			return count;
		has_read = 0;
		count = report(set, events, count, most);
		if (count)
			return count;
	}
	return kernel_wait(set, events, most, timeout_ms);
}

__attribute__((destructor)) static void leave_report(void)
{
	const char *path = getenv("LARGE_READS_REPORT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "{\"reads\": %lu, \"system_calls\": %lu}\n", reads, system_calls);
	FIND(kernel_close, "close");
	kernel_close(fd);
}
