// SPDX-License-Identifier: MIT
/*
 * QEMU plugin: the data caches of a Cortex-A72 as in RK3399, and what an
 * inference moves between them and DRAM. L1 32 KiB, 2 ways; L2 1 MiB, 16 ways;
 * lines of 64 bytes, least recently used goes first, written back when it goes.
 * No prefetcher: it moves the same lines, only earlier. Instructions and page
 * tables aren't modelled; guest addresses stand for physical ones.
 *
 * The report has the totals,
 *	read BYTES
 *	written BYTES
 * and which instructions' misses read how much,
 *	at ADDRESS BYTES
 */
#include "marked.h"

#define LINE_SHIFT 6
#define LINE (1u << LINE_SHIFT)

/* A line is kept as number + 1, so that 0 is an empty way. */
struct way {
	uint64_t line, used;
	bool dirty;
};

struct cache {
	struct way *way;
	unsigned int sets, ways;
	uint64_t missed, written;
};

/* An instruction that reads or writes memory. */
struct site {
	struct site *next;
	uint64_t address, missed, before;
};

static struct cache l1, l2;
static uint64_t clock_, read_before, written_before;
static struct site *sites;

static void cache_init(struct cache *c, unsigned int kib, unsigned int ways)
{
	c->ways = ways;
	c->sets = kib * 1024 / LINE / ways;
	c->way = plugin_alloc((size_t)c->sets * ways * sizeof(*c->way));
}

/* Looks a line up and, if it isn't there, puts it in place of the oldest one.
 * *out becomes that one if it has to be written, else 0. */
static bool cache_touch(struct cache *c, uint64_t line, bool store,
			uint64_t *out)
{
	struct way *set = &c->way[line % c->sets * c->ways], *oldest = set, *w;

	*out = 0;
	for (w = set; w < set + c->ways; w++) {
		if (w->line == line + 1) {
			w->used = ++clock_;
			w->dirty |= store;
			return true;
		}
		if (w->used < oldest->used)
			oldest = w;
	}
	c->missed++;
	if (oldest->line && oldest->dirty) {
		*out = oldest->line;
		c->written++;
	}
	*oldest = (struct way){ line + 1, ++clock_, store };
	return false;
}

static void l1_missed(struct site *site, uint64_t line, uint64_t victim)
{
	uint64_t before = l2.missed, out;

	if (victim)
		cache_touch(&l2, victim - 1, true, &out);
	cache_touch(&l2, line, false, &out);
	site->missed += l2.missed - before;
}

/* Most accesses go to the line of the one before: that can't change anything,
 * unless it is the first store. */
static void on_access(unsigned int cpu, uint32_t info, uint64_t address,
		      void *data)
{
	static uint64_t last = ~0ull;
	static bool last_store;
	bool store = qemu_plugin_mem_is_store(info);
	unsigned int bytes = 1u << qemu_plugin_mem_size_shift(info);
	uint64_t line = address >> LINE_SHIFT, victim;
	uint64_t end = (address + bytes - 1) >> LINE_SHIFT;

	(void)cpu;
	for (; line <= end; line++) {
		if (line == last && (last_store || !store))
			continue;
		last = line;
		last_store = store;
		if (!cache_touch(&l1, line, store, &victim))
			l1_missed(data, line, victim);
	}
}

static bool touches_memory(uint32_t word)
{
	return (word >> 25 & 5) == 4; /* the encoding's "loads and stores" */
}

void plugin_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct qemu_plugin_insn *insn;
	struct site *site;

	(void)id;
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		if (!touches_memory(plugin_insn_word(insn)))
			continue;
		site = plugin_alloc(sizeof(*site));
		site->address = qemu_plugin_insn_vaddr(insn);
		site->next = sites;
		sites = site;
		qemu_plugin_register_vcpu_mem_cb(insn, on_access,
						 PLUGIN_NO_REGISTERS,
						 PLUGIN_MEM_BOTH, site);
	}
}

void plugin_from(void)
{
	struct site *s;

	read_before = l2.missed;
	written_before = l2.written;
	for (s = sites; s; s = s->next)
		s->before = s->missed;
}

void plugin_report(FILE *out)
{
	struct site *s;

	fprintf(out, "read %llu\nwritten %llu\n",
		(unsigned long long)(l2.missed - read_before) * LINE,
		(unsigned long long)(l2.written - written_before) * LINE);
	for (s = sites; s; s = s->next)
		if (s->missed != s->before)
			fprintf(out, "at %llx %llu\n",
				(unsigned long long)s->address,
				(unsigned long long)(s->missed - s->before) *
					LINE);
}

void plugin_init(void)
{
	cache_init(&l1, 32, 2);
	cache_init(&l2, 1024, 16);
}
