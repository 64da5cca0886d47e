// SPDX-License-Identifier: MIT
/* The counting plugins' common part; see marked.h. */
#include <stdlib.h>
#include <string.h>

#include "marked.h"
#include "marks.h"

int qemu_plugin_version = 1;

static const char *out_path;

void *plugin_alloc(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p) {
		fputs("counting plugin: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

uint32_t plugin_insn_word(const struct qemu_plugin_insn *insn)
{
	uint32_t word;

	memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
	return word;
}

static void write_report(void)
{
	FILE *out = fopen(out_path, "w");

	if (!out) {
		perror(out_path);
		exit(1);
	}
	plugin_report(out);
	if (fclose(out)) {
		perror(out_path);
		exit(1);
	}
}

static void on_syscall(plugin_id id, unsigned int cpu, int64_t number,
		       uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

/* All translations are gone: what runs from here on is instrumented. */
static void instrument(plugin_id id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, plugin_translate);
	qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
}

static void on_syscall(plugin_id id, unsigned int cpu, int64_t number,
		       uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
		       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
	(void)cpu, (void)a1, (void)a2, (void)a3, (void)a4;
	(void)a5, (void)a6, (void)a7, (void)a8;
	if (number == BENCH_MARK_BEGIN)
		qemu_plugin_reset(id, instrument);
	else if (number == BENCH_MARK_FROM)
		plugin_from();
	else if (number == BENCH_MARK_TO)
		write_report();
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out_path = strdup(argv[i] + 4);
	if (!out_path) {
		fputs("counting plugin: say out=FILE\n", stderr);
		return -1;
	}
	plugin_init();
	qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
	return 0;
}
