// SPDX-License-Identifier: MIT
/*
 * QEMU plugin: which AArch64 instructions an inference executes, and how often.
 * One counter per translated block, added to without leaving the translated
 * code. The report has one line per block,
 *	ADDRESS TIMES WORD...
 * (hexadecimal, decimal, the block's instructions); what they are, which pipes
 * they use and whose they are is worked out by tests/bench/cpu_arm.py.
 */
#include "marked.h"

struct block {
	struct block *next;
	uint64_t address, times, before;
	size_t count;
	uint32_t word[];
};

static struct block *blocks;

void plugin_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct block *b = plugin_alloc(sizeof(*b) + n * sizeof(*b->word));

	(void)id;
	b->address = qemu_plugin_tb_vaddr(tb);
	b->count = n;
	for (i = 0; i < n; i++)
		b->word[i] = plugin_insn_word(qemu_plugin_tb_get_insn(tb, i));
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, PLUGIN_INLINE_ADD,
						 &b->times, 1);
}

void plugin_from(void)
{
	struct block *b;

	for (b = blocks; b; b = b->next)
		b->before = b->times;
}

void plugin_report(FILE *out)
{
	struct block *b;
	size_t i;

	for (b = blocks; b; b = b->next) {
		if (b->times == b->before)
			continue;
		fprintf(out, "%llx %llu", (unsigned long long)b->address,
			(unsigned long long)(b->times - b->before));
		for (i = 0; i < b->count; i++)
			fprintf(out, " %08x", b->word[i]);
		fputc('\n', out);
	}
}

void plugin_init(void)
{
}
