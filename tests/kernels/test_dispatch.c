// SPDX-License-Identifier: MIT
/* Which set of kernels runs: their names, their order, the environment. */
#include "kernels/conv.h"
#include "support.h"

/* Bit i: the set's instructions are here, by the compiler's or the system's word
 * for it rather than the sets' own. */
static bool supported(const char *name)
{
#ifdef __x86_64__
	if (!strcmp(name, "avx2"))
		return __builtin_cpu_supports("avx2") &&
		       __builtin_cpu_supports("fma");
	if (!strcmp(name, "avx512"))
		return __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512vnni");
#endif
#ifdef __aarch64__
	if (!strcmp(name, "neon-dot")) {
		FILE *f = fopen("/proc/self/auxv", "r");
		uint64_t entry[2];
		bool has = false;

		while (f && fread(entry, sizeof(entry), 1, f) == 1)
			if (entry[0] == 16)		  /* AT_HWCAP */
				has = entry[1] >> 20 & 1; /* ASIMDDP */
		if (f)
			fclose(f);
		return has;
	}
#endif
	(void)name;
	return true;
}

TEST(sets_are_named_and_ordered)
{
	static const char *const names[] = {
		"scalar", "generic",
#ifdef __x86_64__
		"avx2",	  "avx512",
#endif
#ifdef __aarch64__
		"neon",	  "neon-dot",
#endif
	};
	const size_t n = sizeof(names) / sizeof(*names);
	size_t i;

	for (i = 0; i < n; i++) {
		const struct vgg_kernels *v = vgg_kernels_get((unsigned int)i);

		ASSERT_TRUE(v != NULL);
		EXPECT_STREQ(names[i], v->name);
		EXPECT_EQ((int)supported(names[i]), (int)v->usable());
	}
	EXPECT_TRUE(vgg_kernels_get((unsigned int)n) == NULL);
}

/* What the driver and packing rely on, see conv.h. */
static void check_engine(const struct vgg_engine *e)
{
	EXPECT_TRUE(e->elem == 1 || e->elem == 2 || e->elem == 4);
	EXPECT_EQ(e->is_float, e->elem == 4);
	EXPECT_EQ(0, VGG_BLOCK_MAX % e->block);
	EXPECT_EQ(0, e->chunk % e->step);
	EXPECT_TRUE(e->gemm[0] && e->gemm[1]);
	EXPECT_EQ(!e->sizes && !e->is_float, !!e->gather);
}

TEST(engines_are_complete)
{
	const struct vgg_kernels *v;
	unsigned int i;

	for (i = 0; (v = vgg_kernels_get(i)); i++) {
		const struct vgg_engine *const e[] = { v->winograd_s8,
						       v->direct_s8,
						       v->winograd_f32,
						       v->direct_f32 };
		size_t k;

		TH_LOG("%s: %s", v->name, v->usable() ? "usable" : "not here");
		for (k = 0; k < 4; k++)
			if (e[k])
				check_engine(e[k]);
		EXPECT_TRUE(v->dot_s8 && v->pool && v->affine && v->lrn);
		EXPECT_TRUE(!v->winograd_s8 || v->direct_s8);
	}
}

/* The last usable one is the fastest. */
TEST(the_best_is_the_last_usable)
{
	const struct vgg_kernels *v, *last = NULL;
	unsigned int i;

	unsetenv("VGG_DISABLE");
	for (i = 0; (v = vgg_kernels_get(i)); i++)
		if (supported(v->name))
			last = v;
	ASSERT_TRUE(last != NULL);
	EXPECT_STREQ(last->name, vgg_kernels_best()->name);
	TH_LOG("best: %s", last->name);
}

/* One after the other from the fastest on; the scalar one stays. */
TEST(sets_can_be_switched_off)
{
	char list[256] = "nothing";
	const struct vgg_kernels *best;
	unsigned int i, n = 0;

	while (vgg_kernels_get(n))
		n++;
	for (i = n; i-- > 0;) {
		const struct vgg_kernels *v = vgg_kernels_get(i);

		strcat(list, ",");
		strcat(list, v->name);
		setenv("VGG_DISABLE", list, 1);
		best = vgg_kernels_best();
		if (i)
			EXPECT_STRNE(v->name, best->name);
		else
			EXPECT_STREQ("scalar", best->name);
	}
	/* A name is a whole name. */
	setenv("VGG_DISABLE", "generics,gener", 1);
	EXPECT_STRNE("scalar", vgg_kernels_best()->name);
}

TEST_HARNESS_MAIN
