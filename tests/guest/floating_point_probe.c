/*
 * Runs inside a guest: threads keep a pattern of their own in the SSE registers and in MXCSR over system calls, page
 * faults, signals, forks and the start of other programs, while the others do the same. Says what was lost, and exits 1.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 40, PAGE = 4096 };

static char *const program[] = { "/bin/true", NULL };

#define EACH(ACTION) ACTION(0) ACTION(1) ACTION(2) ACTION(3) ACTION(4) ACTION(5) ACTION(6) ACTION(7) \
	ACTION(8) ACTION(9) ACTION(10) ACTION(11) ACTION(12) ACTION(13) ACTION(14) ACTION(15)
#define LOAD(N) "movdqu 16*" #N "(%[in]), %%xmm" #N "\n\t"
#define STORE(N) "movdqu %%xmm" #N ", 16*" #N "(%[out])\n\t"

/* Load the registers, make the system call, write to `page`, store the registers; the call's result. */
static long call_with(const uint8_t *in, uint8_t *out, char *page, long number, long a, long b, long c)
{
	long result = number;

	asm volatile(EACH(LOAD)
		     "syscall\n\t"
		     "movb $1, (%[page])\n\t"
		     EACH(STORE)
		     : "+a"(result)
		     : [in] "r"(in), [out] "r"(out), [page] "r"(page), "D"(a), "S"(b), "d"(c)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return result;
}

/* The same around vfork(), whose child uses the caller's memory and goes straight on to another program. */
static long spawn_with(const uint8_t *in, uint8_t *out)
{
	long result = SYS_vfork;

	asm volatile(EACH(LOAD)
		     "syscall\n\t"
		     "test %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "mov %[execve], %%eax\n\t"
		     "syscall\n\t"
		     "ud2\n"
		     "1:\n\t"
		     EACH(STORE)
		     : "+a"(result)
		     : [in] "r"(in), [out] "r"(out), [execve] "i"(SYS_execve), "D"(program[0]), "S"(program), "d"(0)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return result;
}

static void clobber(int number)
{
	_mm_setcsr(0x1f80 ^ 0x2000);
	asm volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7\n\tpcmpeqd %%xmm15, %%xmm15" ::: "xmm0", "xmm7", "xmm15");
	(void)number;
}

static int lost(const char *what, long thread, int round)
{
	printf("lost after %s: thread %ld, round %d\n", what, thread, round);
	return 1;
}

static long ended_well(long child)
{
	int status = -1;

	return waitpid(child, &status, 0) == child && status == 0;
}

static void *work(void *argument)
{
	static const uint32_t rounding[] = { 0x1f80, 0x3f80, 0x5f80, 0x7f80 };
	long thread = (long)argument, bad = 0;
	uint8_t in[256], out[256];
	char *fresh = mmap(NULL, (size_t)PAGE * ROUNDS * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int round = 0; round < ROUNDS; round++) {
		char *page = fresh + (size_t)PAGE * 3 * round;
		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = (uint8_t)(thread * 61 + round * 7 + i);
		_mm_setcsr(rounding[thread % 4]);

		call_with(in, out, page, SYS_sched_yield, 0, 0, 0);
		if (memcmp(in, out, sizeof(in)))
			bad += lost("a system call and a page fault", thread, round);

		call_with(in, out, page + PAGE, SYS_tgkill, getpid(), gettid(), SIGUSR1);
		if (memcmp(in, out, sizeof(in)))
			bad += lost("a signal", thread, round);

		if (round % 10 == 0) {
			long child = call_with(in, out, page + 2 * PAGE, SYS_fork, 0, 0, 0);
			int same = !memcmp(in, out, sizeof(in)) && _mm_getcsr() == rounding[thread % 4];
			if (child == 0)
				_exit(!same);
			if (!same || !ended_well(child))
				bad += lost("a fork", thread, round);

			child = spawn_with(in, out);
			if (memcmp(in, out, sizeof(in)) || !ended_well(child))
				bad += lost("the start of a program", thread, round);
		}
		if (_mm_getcsr() != rounding[thread % 4])
			bad += lost("a round (MXCSR)", thread, round);
	}
	return (void *)bad;
}

int main(void)
{
	pthread_t threads[THREADS];
	long bad = 0;

	signal(SIGUSR1, clobber);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		bad += (long)result;
	}
	printf("%ld lost\n", bad);
	return bad != 0;
}
