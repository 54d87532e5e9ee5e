// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counts the instructions of a QEMU machine of one processor that it translates (TCG), and writes the counts down when
// the guest asks for it: by a call of a function at the address MARK, which nobody else uses.
//
//     -plugin counter.so,counts=FILE
//
// A line a mark, and in it two numbers: instructions of programs, and of the kernel. A processor that waits executes
// none. Every turn of a string instruction (rep) counts as one, as for QEMU's own -icount.
//
// Declared here is the part of QEMU's plugin interface that is used, because Debian has no package with its header:
// it is the same in each of the interface's versions; VERSION is that of the QEMU that will load it.

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_info;
typedef void (*translated)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*executed)(unsigned int processor, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed callback, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);

#define EXPORTED __attribute__((visibility("default")))
#define NO_REGISTERS 0

EXPORTED int qemu_plugin_version = VERSION;

static uint64_t programs, kernel;
static FILE *file;

static void in_program(unsigned int processor, void *data)
{
	(void)processor;
	programs += (uintptr_t)data;
}

static void in_kernel(unsigned int processor, void *data)
{
	(void)processor;
	kernel += (uintptr_t)data;
}

static void marked(unsigned int processor, void *data)
{
	(void)processor;
	(void)data;
	fprintf(file, "%" PRIu64 " %" PRIu64 "\n", programs, kernel);
	fflush(file);
}

static void count(uint64_t id, struct qemu_plugin_tb *block)
{
	uint64_t address = qemu_plugin_tb_vaddr(block);
	uintptr_t instructions = qemu_plugin_tb_n_insns(block);

	(void)id;
	// The kernel has the upper half of the addresses.
	qemu_plugin_register_vcpu_tb_exec_cb(block, address >> 63 ? in_kernel : in_program, NO_REGISTERS,
					     (void *)instructions);
	if (address == MARK)
		qemu_plugin_register_vcpu_tb_exec_cb(block, marked, NO_REGISTERS, NULL);
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct qemu_plugin_info *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "counts=", 7))
		return -1;
	file = fopen(argv[0] + 7, "w");
	if (!file)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, count);
	return 0;
}
