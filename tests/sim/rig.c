// SPDX-License-Identifier: MIT
/* See rig.h. The numbers here come from vggaccel_hw.h only. */
#include "rig.h"

#include <sys/mman.h>
#include <time.h>

#define PAGE ((uint64_t)VGG_PAGE_SIZE)
#define STAGE_BYTES 65536u

/* The parts of a bus address range that exist; NULL if any is missing. */
static uint8_t *bus_at(struct rig *rig, uint64_t addr, size_t len)
{
	if (addr < RIG_BUS || addr - RIG_BUS > rig->size ||
	    len > rig->size - (addr - RIG_BUS)) {
		rig->refused++;
		return NULL;
	}
	return rig->mem + (addr - RIG_BUS);
}

static int bus_read(void *ctx, uint64_t addr, void *to, size_t len)
{
	struct rig *rig = ctx;
	uint8_t *from;

	if (rig->on_read)
		rig->on_read(rig, addr);
	from = bus_at(rig, addr, len);
	if (!from)
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}

static int bus_write(void *ctx, uint64_t addr, const void *from, size_t len)
{
	uint8_t *to = bus_at(ctx, addr, len);

	if (!to)
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}

static void *bus_map(void *ctx, uint64_t addr, size_t len, bool writable)
{
	(void)writable;
	return bus_at(ctx, addr, len);
}

static void bus_irq(void *ctx, int vector)
{
	struct rig *rig = ctx;

	if (vector >= 0) {
		rig->messages[vector]++;
		return;
	}
	rig->line = vector == VGG_SIM_INTX_HIGH;
	rig->pulses += rig->line;
}

static void bus_kick(void *ctx)
{
	((struct rig *)ctx)->kicks++;
}

static void bus_log(void *ctx, const char *line)
{
	struct rig *rig = ctx;

	rig->logs++;
	snprintf(rig->log, sizeof(rig->log), "%s", line);
}

uint32_t rig_read(struct rig *rig, uint32_t reg)
{
	return vgg_sim_reg_read(rig->sim, reg, 4);
}

void rig_write(struct rig *rig, uint32_t reg, uint32_t value)
{
	vgg_sim_reg_write(rig->sim, reg, 4, value);
}

uint64_t rig_read64(struct rig *rig, uint32_t reg_lo)
{
	uint64_t lo = rig_read(rig, reg_lo);

	return lo | (uint64_t)rig_read(rig, reg_lo + 4) << 32;
}

int rig_take_error(struct rig *rig)
{
	uint32_t valid = rig_read(rig, VGG_REG_ERR_STATUS) & VGG_ERR_VALID;
	int code = (int)rig_read(rig, VGG_REG_ERR_CODE);

	rig_write(rig, VGG_REG_ERR_STATUS, VGG_ERR_VALID | VGG_ERR_MORE);
	return valid ? code : VGG_STATUS_OK;
}

static unsigned int log2_of(uint32_t entries)
{
	return (unsigned int)__builtin_ctz(entries);
}

void rig_enable(struct rig *rig)
{
	rig_write(rig, VGG_REG_SQ_BASE_LO, (uint32_t)rig->sq);
	rig_write(rig, VGG_REG_SQ_BASE_HI, (uint32_t)(rig->sq >> 32));
	rig_write(rig, VGG_REG_SQ_SIZE, log2_of(rig->sq_entries));
	rig_write(rig, VGG_REG_CQ_BASE_LO, (uint32_t)rig->cq);
	rig_write(rig, VGG_REG_CQ_BASE_HI, (uint32_t)(rig->cq >> 32));
	rig_write(rig, VGG_REG_CQ_SIZE, log2_of(rig->cq_entries));
	rig_write(rig, VGG_REG_IRQ_MASK, 0);
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_ENABLE);
}

void rig_reset(struct rig *rig)
{
	rig_write(rig, VGG_REG_CTRL, VGG_CTRL_RESET);
	rig_run(rig);
	rig->sq_tail = rig->cq_head = 0;
	rig->phase = true;
	memset(rig_at(rig, rig->cq), 0,
	       rig->cq_entries * sizeof(struct vgg_hw_cqe));
}

uint64_t rig_pages(struct rig *rig, size_t bytes)
{
	uint64_t bus = RIG_BUS + rig->used;

	rig->used += (bytes + PAGE - 1) / PAGE * PAGE;
	if (rig->used > rig->size) {
		test_fail(__FILE__, __LINE__, "the rig's memory is used up");
		longjmp(test_state.out, 1);
	}
	return bus;
}

void *rig_at(struct rig *rig, uint64_t bus)
{
	return rig->mem + (bus - RIG_BUS);
}

uint64_t rig_new_table(struct rig *rig)
{
	return rig_pages(rig, PAGE);
}

/* level: 1 is the root. Makes the tables above. */
uint64_t *rig_entry(struct rig *rig, uint64_t root, uint64_t va, int level)
{
	uint64_t table = root, *entry = NULL;
	int at;

	for (at = 1; at <= level; at++) {
		int shift = 12 + 9 * (3 - at);

		if (entry && !*entry)
			*entry = rig_new_table(rig) | VGG_PTE_VALID;
		if (entry)
			table = *entry & VGG_PTE_ADDR;
		entry = (uint64_t *)rig_at(rig, table) + (va >> shift) % 512;
	}
	return entry;
}

void rig_set_leaf(struct rig *rig, uint64_t root, uint64_t va, int level,
		  uint64_t pte)
{
	*rig_entry(rig, root, va, level) = pte;
}

/* On-board memory is given out from its start, host pages one by one. */
static uint64_t new_page(struct rig *rig, unsigned int kind)
{
	uint64_t addr;

	/* Leaving one out is enough to be no neighbour. */
	if (kind & RIG_LOCAL) {
		addr = rig->next_local;
		rig->next_local += kind & RIG_SCATTERED ? 2 * PAGE : PAGE;
		return addr | VGG_PTE_LOCAL;
	}
	if (kind & RIG_SCATTERED)
		rig_pages(rig, PAGE);
	return rig_pages(rig, PAGE);
}

uint64_t rig_alloc(struct rig *rig, size_t bytes, unsigned int kind)
{
	uint64_t flags = VGG_PTE_VALID | VGG_PTE_LEAF, va = rig->next_va, at;

	if (!(kind & RIG_READONLY))
		flags |= VGG_PTE_WRITE;
	for (at = va; at < va + bytes; at += PAGE)
		rig_set_leaf(rig, rig->root, at, 3,
			     new_page(rig, kind) | flags);
	rig->next_va = at + PAGE;
	return va;
}

/* Through on-board memory's only door. */
static void copy_by_card(struct rig *rig, uint64_t src, uint64_t dst,
			 size_t bytes)
{
	struct vgg_hw_cmd_copy copy = rig_copy(src, dst, (uint32_t)bytes);
	uint32_t kept = rig->commands;
	uint8_t *stream = rig_at(rig, rig->stream_bus), saved[2 * VGG_CMD_SIZE];
	struct vgg_hw_cqe cqe;

	memcpy(saved, stream, sizeof(saved));
	rig->commands = 0;
	rig_add(rig, &copy);
	cqe = rig_execute(rig);
	if (cqe.status)
		test_fail(__FILE__, __LINE__, "rig's copy: %s",
			  vgg_sim_status_name(cqe.status));
	memcpy(stream, saved, sizeof(saved));
	rig->commands = kept;
}

static size_t in_page(uint64_t va, size_t bytes)
{
	size_t rest = PAGE - va % PAGE;

	return bytes < rest ? bytes : rest;
}

static void transfer_page(struct rig *rig, uint64_t va, void *to,
			  const void *from, size_t n)
{
	uint64_t pte = *rig_entry(rig, rig->root, va, 3);
	uint8_t *stage = rig_at(rig, rig->stage_bus);
	uint8_t *mem = stage;
	bool local = pte & VGG_PTE_LOCAL;

	if (!local)
		mem = (uint8_t *)rig_at(rig, pte & VGG_PTE_ADDR) + va % PAGE;
	if (from)
		memcpy(mem, from, n);
	if (local)
		copy_by_card(rig, from ? rig->stage_va : va,
			     from ? va : rig->stage_va, n);
	if (to)
		memcpy(to, mem, n);
}

void rig_put(struct rig *rig, uint64_t va, const void *from, size_t bytes)
{
	const uint8_t *at = from;
	size_t n;

	for (; bytes; bytes -= n, va += n, at += n) {
		n = in_page(va, bytes);
		transfer_page(rig, va, NULL, at, n);
	}
}

void rig_get(struct rig *rig, uint64_t va, void *to, size_t bytes)
{
	uint8_t *at = to;
	size_t n;

	for (; bytes; bytes -= n, va += n, at += n) {
		n = in_page(va, bytes);
		transfer_page(rig, va, at, NULL, n);
	}
}

void rig_add(struct rig *rig, const void *command)
{
	uint8_t *stream = rig_at(rig, rig->stream_bus);

	if (rig->commands == RIG_COMMANDS) {
		test_fail(__FILE__, __LINE__, "the rig's stream is full");
		longjmp(test_state.out, 1);
	}
	memcpy(stream + rig->commands++ * VGG_CMD_SIZE, command, VGG_CMD_SIZE);
}

void rig_add_plain(struct rig *rig, unsigned int opcode)
{
	struct vgg_hw_cmd_plain plain = { 0 };

	plain.head.opcode = (uint16_t)opcode;
	rig_add(rig, &plain);
}

struct vgg_hw_sqe rig_sqe(struct rig *rig)
{
	struct vgg_hw_sqe sqe = {
		.seq = ++rig->seq,
		.root = rig->root,
		.stream = rig->stream_va,
		.stream_bytes = rig->commands * VGG_CMD_SIZE,
		.tag = 0x7a900000 + rig->seq,
		.generation = 0x6e000000 + rig->seq,
	};

	rig->commands = 0;
	return sqe;
}

void rig_place(struct rig *rig, const struct vgg_hw_sqe *sqe)
{
	struct vgg_hw_sqe *ring = rig_at(rig, rig->sq);

	ring[rig->sq_tail] = *sqe;
	rig->sq_tail = (rig->sq_tail + 1) % rig->sq_entries;
}

void rig_ring(struct rig *rig)
{
	rig_write(rig, VGG_REG_DB_SQ_TAIL, rig->sq_tail);
}

void rig_push(struct rig *rig, const struct vgg_hw_sqe *sqe)
{
	rig_place(rig, sqe);
	rig_ring(rig);
}

void rig_run(struct rig *rig)
{
	int64_t ns;

	while ((ns = vgg_sim_run(rig->sim)) >= 0) {
		struct timespec wait = { ns / 1000000000, ns % 1000000000 };

		if (rig->on_wait)
			rig->on_wait(rig, ns);
		else
			nanosleep(&wait, NULL);
	}
}

bool rig_pop(struct rig *rig, struct vgg_hw_cqe *cqe)
{
	*cqe = ((struct vgg_hw_cqe *)rig_at(rig, rig->cq))[rig->cq_head];
	if ((cqe->phase & 1) != rig->phase)
		return false;
	rig->cq_head = (rig->cq_head + 1) % rig->cq_entries;
	rig->phase ^= !rig->cq_head;
	rig_write(rig, VGG_REG_DB_CQ_HEAD, rig->cq_head);
	return true;
}

struct vgg_hw_cqe rig_execute_sqe(struct rig *rig, const struct vgg_hw_sqe *sqe)
{
	struct vgg_hw_cqe cqe = { 0 }, other;

	rig_push(rig, sqe);
	rig_run(rig);
	if (!rig_pop(rig, &cqe)) {
		test_fail(__FILE__, __LINE__, "the job did not complete");
		cqe.status = 0xffff;
	} else if (rig_pop(rig, &other)) {
		test_fail(__FILE__, __LINE__, "more than one completion");
	} else if (cqe.seq != sqe->seq || cqe.generation != sqe->generation) {
		test_fail(__FILE__, __LINE__, "completion of another job");
	}
	return cqe;
}

struct vgg_hw_cqe rig_execute(struct rig *rig)
{
	struct vgg_hw_sqe sqe;

	rig_add_plain(rig, VGG_CMD_END);
	sqe = rig_sqe(rig);
	return rig_execute_sqe(rig, &sqe);
}

struct vgg_hw_cmd_copy rig_copy(uint64_t src, uint64_t dst, uint32_t bytes)
{
	return (struct vgg_hw_cmd_copy){
		.head.opcode = VGG_CMD_COPY,
		.src = src,
		.dst = dst,
		.width = bytes,
		.height = 1,
	};
}

struct vgg_hw_cmd_fill rig_fill(uint64_t dst, uint32_t bytes, uint8_t value)
{
	return (struct vgg_hw_cmd_fill){
		.head.opcode = VGG_CMD_FILL,
		.dst = dst,
		.width = bytes,
		.height = 1,
		.value = value,
	};
}

static void set_up(struct rig *rig)
{
	uint64_t leaf = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE, at;

	rig->sq = rig_pages(rig, rig->sq_entries * sizeof(struct vgg_hw_sqe));
	rig->cq = rig_pages(rig, rig->cq_entries * sizeof(struct vgg_hw_cqe));
	rig->root = rig_new_table(rig);
	rig->stream_va = 0x10000;
	rig->stream_bus = rig_pages(rig, RIG_COMMANDS * VGG_CMD_SIZE);
	for (at = 0; at < RIG_COMMANDS * VGG_CMD_SIZE; at += PAGE)
		rig_set_leaf(rig, rig->root, rig->stream_va + at, 3,
			     (rig->stream_bus + at) | leaf);
	rig->stage_va = 0x100000;
	rig->stage_bus = rig_pages(rig, STAGE_BYTES);
	for (at = 0; at < STAGE_BYTES; at += PAGE)
		rig_set_leaf(rig, rig->root, rig->stage_va + at, 3,
			     (rig->stage_bus + at) | leaf);
	rig->next_va = 0x200000;
	rig->phase = true;
}

struct rig *rig_create(const struct rig_options *options)
{
	struct vgg_sim_options sim_options = {
		.order = options->order,
		.msi_vectors = options->msi_vectors,
		.bus_master = !options->no_master,
		.pace = options->pace,
		.replay_mib = options->replay_mib,
		.clock = options->clock,
	};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct vgg_sim_bus bus = {
		.ctx = rig,
		.read = bus_read,
		.write = bus_write,
		.map = options->no_map ? NULL : bus_map,
		.irq = bus_irq,
		.kick = bus_kick,
		.log = bus_log,
	};

	if (options->card)
		rig->card = *options->card;
	else
		vgg_card_default(&rig->card);
	rig->on_wait = options->on_wait;
	rig->size = options->memory ? options->memory : 16u << 20;
	rig->mem = mmap(NULL, rig->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	rig->sq_entries = 1u << (options->sq_log2 ? options->sq_log2 : 4);
	rig->cq_entries = 1u << (options->cq_log2 ? options->cq_log2 : 4);
	set_up(rig);
	rig->sim = vgg_sim_create(&rig->card, &bus, &sim_options);
	if (!rig->sim) {
		test_fail(__FILE__, __LINE__, "vgg_sim_create() failed");
		longjmp(test_state.out, 1);
	}
	if (!options->no_setup)
		rig_enable(rig);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	if (!rig)
		return;
	vgg_sim_destroy(rig->sim);
	munmap(rig->mem, rig->size);
	free(rig);
}
