// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU plugin that counts the instructions the guest executes, by block of translated
 * code. scripts/profile builds and runs it, tests/bench/profile.py maps blocks to functions.
 *
 * Whenever the guest executes the address MARK, the counts since the last time are written
 * to the file FOLDER/blocks as one line "mark" and lines "ADDRESS INSTRUCTIONS".
 * Argument: out=FOLDER. One virtual CPU only.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x5e5a0000
#define BUCKETS (1 << 16)

/* The used part of QEMU's plugin interface, version 1: Debian does not package its header. */
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
		void (*cb)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
		void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
		void *counter, uint64_t add);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct block {
	struct block *next;
	uint64_t addr;
	uint64_t insns;
};

static struct block *blocks[BUCKETS];
static FILE *out;

static struct block *find(uint64_t addr)
{
	struct block **bucket = &blocks[(addr >> 1) % BUCKETS], *b;

	for (b = *bucket; b; b = b->next)
		if (b->addr == addr)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->addr = addr;
	b->next = *bucket;
	*bucket = b;
	return b;
}

static void mark(unsigned int cpu, void *data)
{
	fputs("mark\n", out);
	for (int i = 0; i < BUCKETS; i++)
		for (struct block *b = blocks[i]; b; b = b->next) {
			if (b->insns)
				fprintf(out, "%" PRIx64 " %" PRIu64 "\n", b->addr, b->insns);
			b->insns = 0;
		}
	fflush(out);
}

/* A block that is translated again keeps its counter. */
static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t addr = qemu_plugin_tb_vaddr(tb);

	if (addr == MARK)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, mark, CB_NO_REGS, NULL);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &find(addr)->insns,
						 qemu_plugin_tb_n_insns(tb));
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	char path[4096];

	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("profile: needs out=FOLDER\n", stderr);
		return -1;
	}
	snprintf(path, sizeof(path), "%s/blocks", argv[0] + 4);
	out = fopen(path, "w");
	if (!out) {
		perror(path);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
