/* SPDX-License-Identifier: MIT */
/*
 * The part of QEMU's plugin interface, version 1, that the counting plugins
 * use, in declarations of our own: Debian's qemu-user (7.2) brings no header.
 * QEMU resolves these names when it loads a plugin.
 *
 * One guest thread is assumed throughout: no counter is atomic.
 */
#ifndef BENCH_PLUGIN_API_H
#define BENCH_PLUGIN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef void (*plugin_fn)(plugin_id id);
typedef void (*plugin_trans_fn)(plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*plugin_mem_fn)(unsigned int cpu, uint32_t info, uint64_t address,
			      void *data);
typedef void (*plugin_syscall_fn)(plugin_id id, unsigned int cpu,
				  int64_t number, uint64_t a1, uint64_t a2,
				  uint64_t a3, uint64_t a4, uint64_t a5,
				  uint64_t a6, uint64_t a7, uint64_t a8);

enum { PLUGIN_INLINE_ADD = 0 };
enum { PLUGIN_NO_REGISTERS = 0 };
enum { PLUGIN_MEM_BOTH = 3 };

void qemu_plugin_reset(plugin_id id, plugin_fn done);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_trans_fn fn);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, plugin_syscall_fn fn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					      void *counter, uint64_t add);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      plugin_mem_fn fn, int registers, int rw,
				      void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(uint32_t info);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);

/* What each plugin defines for QEMU. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

#endif
