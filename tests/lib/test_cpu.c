// SPDX-License-Identifier: MIT
/* Shapes of CPUs, read from trees like those of real machines and from what no
 * machine would say. */
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cpu.h"
#include "vgg_harness.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static char root[256];

static void tree_new(const char *name)
{
	/* All tests of this program share the folder. */
	snprintf(root, sizeof(root), "%s/%s-XXXXXX", test_tmpdir(), name);
	ASSERT_TRUE(mkdtemp(root) != NULL);
}

/* Writes root/path, with the folders to it. */
__attribute__((format(printf, 2, 3))) static void put(const char *path,
						      const char *format, ...)
{
	char full[512], *slash;
	va_list args;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	slash = full + strlen(root);
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = 0;
		mkdir(full, 0777);
		*slash = '/';
	}
	f = fopen(full, "w");
	ASSERT_TRUE(f != NULL);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	fclose(f);
}

/* The same for a file of cpuN. */
__attribute__((format(printf, 3, 4))) static void
put_cpu(int cpu, const char *file, const char *format, ...)
{
	char path[256], text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/%s", cpu,
		 file);
	put(path, "%s\n", text);
}

static void put_cache(int cpu, int index, const char *level, const char *type,
		      const char *size, const char *shared)
{
	char file[64];

	snprintf(file, sizeof(file), "cache/index%d/level", index);
	put_cpu(cpu, file, "%s", level);
	snprintf(file, sizeof(file), "cache/index%d/type", index);
	put_cpu(cpu, file, "%s", type);
	snprintf(file, sizeof(file), "cache/index%d/size", index);
	put_cpu(cpu, file, "%s", size);
	snprintf(file, sizeof(file), "cache/index%d/shared_cpu_list", index);
	put_cpu(cpu, file, "%s", shared);
}

static cpu_set_t cpus(int first, int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	return set;
}

static void expect_set(int first, int last, const cpu_set_t *got)
{
	cpu_set_t want = cpus(first, last);

	EXPECT_TRUE(CPU_EQUAL(&want, got));
}

static void expect_uarch(enum vgg_uarch want, enum vgg_uarch got)
{
	EXPECT_EQ((int)want, (int)got);
}

/* What every answer must hold, whatever was read. */
static void expect_sane(const struct vgg_cpus *c, const cpu_set_t *mask)
{
	int i, cpu, total = 0;

	ASSERT_GE(c->count, 1);
	ASSERT_LE(c->count, VGG_CLUSTERS_MAX);
	for (i = 0; i < c->count; i++) {
		const struct vgg_cluster *k = &c->cluster[i];

		EXPECT_EQ(k->count, CPU_COUNT(&k->cpus));
		EXPECT_GE(k->count, 1);
		EXPECT_TRUE(k->capacity >= 1 && k->capacity <= 1024);
		EXPECT_TRUE(k->l1d_bytes >= 4 * KIB);
		EXPECT_TRUE(k->l2_bytes >= 4 * KIB);
		EXPECT_TRUE(k->l2_sharers >= 1 && k->l2_sharers <= k->count);
		EXPECT_TRUE(!i || k[-1].capacity >= k->capacity);
		for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &k->cpus)) {
				EXPECT_EQ(i, c->cluster_of[cpu]);
				EXPECT_TRUE(CPU_ISSET(cpu, mask));
			}
		total += k->count;
	}
	EXPECT_EQ(total, c->total);
	EXPECT_EQ(total, CPU_COUNT(mask));
}

static struct vgg_cpus read_tree(cpu_set_t mask)
{
	struct vgg_cpus out;

	/* Nothing may depend on what was there before. */
	memset(&out, 0xa5, sizeof(out));
	vgg_cpus_read(root, &mask, &out);
	expect_sane(&out, &mask);
	return out;
}

/* As Linux 6.12 shows an RK3399; where says what is left out. */
enum missing { NO_CACHE = 1, NO_CAPACITY = 2, NO_MIDR = 4, NO_TOPOLOGY = 8 };

static void put_rk3399(const char *name, int missing)
{
	int i;

	tree_new(name);
	for (i = 0; i < 6; i++) {
		bool big = i >= 4;
		const char *list = big ? "4-5" : "0-3";
		char own[4] = { (char)('0' + i) };

		if (!(missing & NO_CAPACITY))
			put_cpu(i, "cpu_capacity", big ? "1024" : "485");
		if (!(missing & NO_MIDR))
			put_cpu(i, "regs/identification/midr_el1",
				big ? "0x00000000410fd082" :
				      "0x00000000410fd034");
		if (!(missing & NO_TOPOLOGY)) {
			put_cpu(i, "topology/cluster_cpus_list", "%s", list);
			put_cpu(i, "topology/core_siblings_list", "0-5");
		}
		if (missing & NO_CACHE)
			continue;
		put_cache(i, 0, "1", "Data", "32K", own);
		put_cache(i, 1, "1", "Instruction", big ? "48K" : "32K", own);
		put_cache(i, 2, "2", "Unified", big ? "1024K" : "512K", list);
	}
}

TEST(rk3399)
{
	struct vgg_cpus c;

	put_rk3399("rk3399", 0);
	c = read_tree(cpus(0, 5));
	ASSERT_EQ(2, c.count);
	EXPECT_EQ(6, c.total);
	expect_uarch(VGG_UARCH_A72, c.cluster[0].uarch);
	EXPECT_EQ(1024u, c.cluster[0].capacity);
	EXPECT_EQ(2, c.cluster[0].count);
	EXPECT_EQ(32 * KIB, c.cluster[0].l1d_bytes);
	EXPECT_EQ(1 * MIB, c.cluster[0].l2_bytes);
	EXPECT_EQ(2, c.cluster[0].l2_sharers);
	expect_set(4, 5, &c.cluster[0].cpus);
	expect_uarch(VGG_UARCH_A53, c.cluster[1].uarch);
	EXPECT_EQ(485u, c.cluster[1].capacity);
	EXPECT_EQ(4, c.cluster[1].count);
	EXPECT_EQ(512 * KIB, c.cluster[1].l2_bytes);
	EXPECT_EQ(4, c.cluster[1].l2_sharers);
	expect_set(0, 3, &c.cluster[1].cpus);
	EXPECT_EQ(1, c.cluster_of[0]);
	EXPECT_EQ(0, c.cluster_of[5]);
}

TEST(rk3399_within_a_mask)
{
	struct vgg_cpus c;

	put_rk3399("rk3399", 0);
	c = read_tree(cpus(2, 4));
	ASSERT_EQ(2, c.count);
	EXPECT_EQ(1, c.cluster[0].count);
	EXPECT_EQ(1, c.cluster[0].l2_sharers);
	EXPECT_EQ(2, c.cluster[1].count);
	EXPECT_EQ(2, c.cluster[1].l2_sharers);
	c = read_tree(cpus(1, 3));
	ASSERT_EQ(1, c.count);
	expect_uarch(VGG_UARCH_A53, c.cluster[0].uarch);
	EXPECT_EQ(3, c.cluster[0].l2_sharers);
}

TEST(rk3399_without_caches)
{
	struct vgg_cpus c;

	put_rk3399("rk3399", NO_CACHE);
	c = read_tree(cpus(0, 5));
	ASSERT_EQ(2, c.count);
	EXPECT_EQ(32 * KIB, c.cluster[1].l1d_bytes);
	EXPECT_EQ(1 * MIB, c.cluster[1].l2_bytes);
	EXPECT_EQ(4, c.cluster[1].l2_sharers);
	EXPECT_EQ(2, c.cluster[0].l2_sharers);
}

TEST(rk3399_without_capacities)
{
	struct vgg_cpus c;

	put_rk3399("rk3399", NO_CAPACITY | NO_TOPOLOGY);
	c = read_tree(cpus(0, 5));
	ASSERT_EQ(2, c.count);
	expect_uarch(VGG_UARCH_A72, c.cluster[0].uarch);
	EXPECT_EQ(1024u, c.cluster[1].capacity);
	EXPECT_EQ(4, c.cluster[1].l2_sharers);
}

static const char cpuinfo_rk3399[] =
	"processor\t: 0\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\n"
	"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\n"
	"CPU revision\t: 4\n\n"
	"processor\t: 4\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\n"
	"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\n"
	"CPU revision\t: 2\n\nHardware\t: x\n";

TEST(rk3399_by_cpuinfo_alone)
{
	cpu_set_t mask = cpus(0, 0);
	struct vgg_cpus c;

	put_rk3399("rk3399", NO_CAPACITY | NO_MIDR | NO_CACHE | NO_TOPOLOGY);
	put("proc/cpuinfo", "%s", cpuinfo_rk3399);
	CPU_SET(4, &mask);
	c = read_tree(mask);
	ASSERT_EQ(2, c.count);
	expect_uarch(VGG_UARCH_A72, c.cluster[0].uarch);
	expect_set(4, 4, &c.cluster[0].cpus);
	expect_uarch(VGG_UARCH_A53, c.cluster[1].uarch);
	expect_set(0, 0, &c.cluster[1].cpus);
}

/* Machines of one name may have unlike CPUs, on which times differ. */
TEST(models_are_told_apart)
{
	char text[VGG_CPU_MODEL_SIZE];

	tree_new("models");
	EXPECT_STREQ("", vgg_cpu_model_read(root, text));
	put("proc/cpuinfo", "%s",
	    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
	    "model\t\t: 143\nmodel name\t: Xeon 8\nstepping\t: 8\n\n"
	    "processor\t: 1\nvendor_id\t: GenuineIntel\n");
	EXPECT_STREQ("GenuineIntel 6 143 Xeon 8 8",
		     vgg_cpu_model_read(root, text));
	put("proc/cpuinfo", "%s", cpuinfo_rk3399);
	EXPECT_STREQ("0x41 0x0 0xd03 4", vgg_cpu_model_read(root, text));
}

/* RK3588: each core has an L2 of its own; the A76 of one pair clock slightly
 * less than the others and must not become a third shape. */
TEST(private_caches_and_a_small_difference)
{
	struct vgg_cpus c;
	int i;

	tree_new("rk3588");
	for (i = 0; i < 8; i++) {
		char own[4] = { (char)('0' + i) };

		put_cpu(i, "cpu_capacity",
			i < 4 ? "414" :
			i < 6 ? "1024" :
				"1002");
		put_cpu(i, "regs/identification/midr_el1",
			i < 4 ? "0x00000000412fd050" : "0x00000000414fd0b0");
		put_cache(i, 0, "1", "Data", i < 4 ? "32K" : "64K", own);
		put_cache(i, 2, "2", "Unified", i < 4 ? "128K" : "512K", own);
		put_cache(i, 3, "3", "Unified", "3072K", "0-7");
	}
	c = read_tree(cpus(0, 7));
	/* index1 is missing: what is behind it isn't looked for. */
	ASSERT_EQ(2, c.count);
	for (i = 0; i < 8; i++) {
		char own[4] = { (char)('0' + i) };

		put_cache(i, 1, "1", "Instruction", "64K", own);
	}
	c = read_tree(cpus(0, 7));
	ASSERT_EQ(2, c.count);
	EXPECT_EQ(4, c.cluster[0].count);
	EXPECT_EQ(1024u, c.cluster[0].capacity);
	expect_uarch(VGG_UARCH_A72, c.cluster[0].uarch);
	EXPECT_EQ(64 * KIB, c.cluster[0].l1d_bytes);
	EXPECT_EQ(512 * KIB, c.cluster[0].l2_bytes);
	EXPECT_EQ(1, c.cluster[0].l2_sharers);
	expect_uarch(VGG_UARCH_A53, c.cluster[1].uarch);
	EXPECT_EQ(128 * KIB, c.cluster[1].l2_bytes);
}

static void put_x86(int cpu, const char *l1d, const char *l2, const char *core)
{
	char own[4] = { (char)('0' + cpu) };

	put_cpu(cpu, "topology/thread_siblings_list", "%s", core);
	put_cache(cpu, 0, "1", "Data", l1d, core);
	put_cache(cpu, 1, "1", "Instruction", "32K", own);
	put_cache(cpu, 2, "2", "Unified", l2, core);
}

TEST(x86_with_two_threads_a_core)
{
	struct vgg_cpus c;
	int i;

	tree_new("x86");
	put("proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
			    "CPU part\t: 0xd03\n");
	for (i = 0; i < 4; i++)
		put_x86(i, "48K", "2M", i < 2 ? "0-1" : "2,3");
	c = read_tree(cpus(0, 3));
	ASSERT_EQ(1, c.count);
	expect_uarch(VGG_UARCH_GENERIC, c.cluster[0].uarch);
	EXPECT_EQ(48 * KIB, c.cluster[0].l1d_bytes);
	EXPECT_EQ(2 * MIB, c.cluster[0].l2_bytes);
	EXPECT_EQ(2, c.cluster[0].l2_sharers);
}

/* Two threads on each big core, four little ones on one L2, which is the bigger
 * one: with and without capacities the big ones come first. */
TEST(x86_hybrid)
{
	struct vgg_cpus c;
	int i, pass;

	tree_new("hybrid");
	for (i = 0; i < 4; i++)
		put_x86(i, "48K", "1280K", i < 2 ? "0-1" : "2-3");
	for (; i < 8; i++)
		put_x86(i, "32K", "2048K", "4-7");
	for (pass = 0; pass < 2; pass++) {
		c = read_tree(cpus(0, 7));
		ASSERT_EQ(2, c.count);
		expect_set(0, 3, &c.cluster[0].cpus);
		EXPECT_EQ(1280 * KIB, c.cluster[0].l2_bytes);
		EXPECT_EQ(2, c.cluster[0].l2_sharers);
		EXPECT_EQ(2 * MIB, c.cluster[1].l2_bytes);
		EXPECT_EQ(4, c.cluster[1].l2_sharers);
		EXPECT_EQ(pass ? 623u : 1024u, c.cluster[1].capacity);
		/* Favoured cores. */
		for (i = 0; i < 8; i++)
			put_cpu(i, "cpu_capacity",
				i >= 4 ? "623" :
				i >= 2 ? "987" :
					 "1024");
	}
}

TEST(nothing_there)
{
	struct vgg_cpus c;
	cpu_set_t none;

	tree_new("empty");
	c = read_tree(cpus(1, 3));
	ASSERT_EQ(1, c.count);
	EXPECT_EQ(1024u, c.cluster[0].capacity);
	EXPECT_EQ(32 * KIB, c.cluster[0].l1d_bytes);
	EXPECT_EQ(1 * MIB, c.cluster[0].l2_bytes);
#ifdef __aarch64__
	EXPECT_EQ(3, c.cluster[0].l2_sharers);
#else
	EXPECT_EQ(1, c.cluster[0].l2_sharers);
#endif
	CPU_ZERO(&none);
	vgg_cpus_read(root, &none, &c);
	EXPECT_EQ(1, c.count);
	EXPECT_EQ(1, c.total);
	EXPECT_EQ(1, c.cluster[0].l2_sharers);
}

static const char *const hostile[] = {
	"",
	" ",
	"-1",
	"0",
	"0x",
	"1e9",
	"99999999999999999999999999",
	"4294967296",
	"18446744073709551615K",
	"9223372036854775807M",
	"3-0",
	"0-",
	"-",
	",",
	"0,,1",
	"0-4294967295",
	"0-2147483647",
	"1024",
	"512KK",
	"\x80\xff",
	"%s%n",
	"nan",
	"0-3,",
	"2x",
};

TEST(senseless_values)
{
	size_t count = sizeof(hostile) / sizeof(hostile[0]), k;
	struct vgg_cpus c;
	int i;

	tree_new("hostile");
	for (k = 0; k < count; k++) {
		const char *h = hostile[k];

		for (i = 0; i < 4; i++) {
			put_cpu(i, "cpu_capacity", "%s",
				strcmp(h, "1024") ? h : "1025");
			put_cpu(i, "regs/identification/midr_el1", "%s", h);
			put_cpu(i, "topology/cluster_cpus_list", "%s", h);
			put_cpu(i, "topology/thread_siblings_list", "%s", h);
			put_cache(i, 0, "1", "Data", h, h);
			put_cache(i, 1, h, h, h, h);
			put_cache(i, 2, "2", "Unified", h, h);
		}
		c = read_tree(cpus(0, 3));
		EXPECT_EQ(1, c.count);
		EXPECT_EQ(1024u, c.cluster[0].capacity);
		EXPECT_EQ(32 * KIB, c.cluster[0].l1d_bytes);
		EXPECT_EQ(1 * MIB, c.cluster[0].l2_bytes);
	}
}

/* Random bytes in every file; ASan and UBSan watch, expect_sane() judges. */
TEST(random_files)
{
	static const char *const files[] = {
		"cpu_capacity",
		"regs/identification/midr_el1",
		"topology/cluster_cpus_list",
		"topology/thread_siblings_list",
		"cache/index0/level",
		"cache/index0/type",
		"cache/index0/size",
		"cache/index0/shared_cpu_list",
		"cache/index1/level",
		"cache/index1/size",
		"cache/index1/type",
		"cache/index1/shared_cpu_list",
	};
	static const char letters[] = "0123456789-,KMxDataUnified\n ";
	uint64_t seed = test_seed();
	int round, cpu;
	size_t f;

	tree_new("random");
	for (round = 0; round < (test_emulated() ? 10 : 100); round++) {
		for (cpu = 0; cpu < 3; cpu++)
			for (f = 0; f < sizeof(files) / sizeof(*files); f++) {
				char text[24] = "";
				int64_t n = test_random_in(&seed, 0, 6);

				while (n--)
					text[n] = letters[test_random_in(
						&seed, 0, sizeof(letters) - 2)];
				put_cpu(cpu, files[f], "%s", text);
			}
		read_tree(cpus(0, 2));
	}
}

/* More shapes than there is room for, and a line too long for any buffer. */
TEST(too_many_shapes)
{
	struct vgg_cpus c;
	int i;

	tree_new("shapes");
	for (i = 0; i < 12; i++) {
		put_cpu(i, "cpu_capacity", "%d", 1024 >> (i < 10 ? i : 10));
		put_cpu(i, "topology/thread_siblings_list", "%0200d", i);
	}
	c = read_tree(cpus(0, 11));
	EXPECT_EQ(VGG_CLUSTERS_MAX, c.count);
	EXPECT_EQ(5, c.cluster[VGG_CLUSTERS_MAX - 1].count);
	EXPECT_EQ(1024u, c.cluster[0].capacity);
	c = read_tree(cpus(0, 1023));
	EXPECT_EQ(1024, c.total);
}

TEST(quota)
{
	tree_new("cgroup");
	EXPECT_EQ(0, vgg_cpus_quota_read(root));
	put("proc/self/cgroup", "0::/a.slice/b.scope\n");
	EXPECT_EQ(0, vgg_cpus_quota_read(root));
	put("sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
	EXPECT_EQ(0, vgg_cpus_quota_read(root));
	put("sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
	EXPECT_EQ(2, vgg_cpus_quota_read(root));
	put("sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000\n");
	EXPECT_EQ(2, vgg_cpus_quota_read(root));
	put("sys/fs/cgroup/a.slice/b.scope/cpu.max", "1000 100000\n");
	EXPECT_EQ(1, vgg_cpus_quota_read(root));
	/* A container's own root, whose path is not in its view. */
	put("proc/self/cgroup", "0::/docker/0123\n");
	put("sys/fs/cgroup/cpu.max", "300000 100000\n");
	EXPECT_EQ(3, vgg_cpus_quota_read(root));
	put("proc/self/cgroup", "0::/../other\n");
	EXPECT_EQ(3, vgg_cpus_quota_read(root));
	put("proc/self/cgroup", "0::/\n");
	EXPECT_EQ(3, vgg_cpus_quota_read(root));
}

TEST(quota_of_version_1)
{
	tree_new("cgroup1");
	put("proc/self/cgroup", "7:memory:/x\n4:cpu,cpuacct:/x\n0::/\n");
	put("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n");
	put("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(0, vgg_cpus_quota_read(root));
	put("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "250000\n");
	EXPECT_EQ(3, vgg_cpus_quota_read(root));
	put("proc/self/cgroup", "3:cpuset:/x\n2:cpuacct:/x\n");
	EXPECT_EQ(0, vgg_cpus_quota_read(root));
}

TEST(senseless_quotas)
{
	static const char *const bad[] = {
		"0 100000", "100000 0", "100000",    "x",
		"1 ",	    " ",	"-5 100000", "99999999999999999999 1",
		"1 1 1"
	};
	size_t i;

	tree_new("cgroup_bad");
	put("proc/self/cgroup", "\n:\n::\n0::\n0::/a\n9:cpu\n9:,,:/\n");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("sys/fs/cgroup/a/cpu.max", "%s\n", bad[i]);
		EXPECT_EQ(0, vgg_cpus_quota_read(root));
	}
	put("sys/fs/cgroup/a/cpu.max", "9223372036854775807 1\n");
	EXPECT_EQ(CPU_SETSIZE, vgg_cpus_quota_read(root));
}

static void *ask(void *out)
{
	*(const struct vgg_cpus **)out = vgg_cpus();
	return NULL;
}

/* First use by many threads at once gives one complete object. */
TEST(this_machine)
{
	const struct vgg_cpus *seen[8];
	pthread_t thread[8];
	cpu_set_t mask;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, ask, &seen[i]));
	for (i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(seen[i] == vgg_cpus());
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mask), &mask));
	expect_sane(vgg_cpus(), &mask);
	for (i = 0; i < 100; i++) {
		EXPECT_GE(vgg_cluster_here(), 0);
		EXPECT_LT(vgg_cluster_here(), vgg_cpus()->count);
	}
}

/* On each CPU in turn the answer is that CPU's cluster. */
TEST(cluster_of_the_cpu_that_runs)
{
	const struct vgg_cpus *c = vgg_cpus();
	cpu_set_t one;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			continue;
		EXPECT_EQ(c->cluster_of[cpu], vgg_cluster_here());
	}
}

TEST_HARNESS_MAIN
