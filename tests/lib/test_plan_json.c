// SPDX-License-Identifier: MIT
/*
 * Plans in files: what is written is read again, and what doesn't fit the
 * network, or makes no sense, is refused with its place and a way out.
 */
#include <errno.h>
#include <jansson.h>

#include "net.h"
#include "plan/plan_json.h"
#include "plan_support.h"
#include "vgg_harness.h"

static const char network[] = "conv 64 k3 p1\nconv 128 k3 p1 pool2\ncpu\nflat\n"
			      "fc 1000\nfc 10";

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
	return path;
}

static char *slurp(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = calloc(1, 65536);

	ASSERT_TRUE(in && text);
	ASSERT_TRUE(fread(text, 1, 65535, in) > 0);
	fclose(in);
	return text;
}

static void write_text(const char *path, const char *text)
{
	FILE *to = fopen(path, "w");

	ASSERT_TRUE(to && fputs(text, to) >= 0 && !fclose(to));
}

/* One of each kind. */
static void make_plan(const struct vgg_model *m, struct vgg_plan *plan)
{
	OK(vgg_plan_alloc(plan, m));
	plan->layers[0].where = VGG_BY_ROWS;
	plan->layers[0].cut = 3;
	plan->layers[0].streamed = true;
	plan->layers[1].where = VGG_ON_CARD;
	plan->layers[4].where = VGG_BY_CHANNELS;
	plan->layers[4].cut = 448;
	plan->ms = plan->layers[0].ms = 1.5;
	snprintf(plan->layers[0].reason, sizeof(plan->layers[0].reason),
		 "\"quoted\" and \\");
}

TEST(what_is_written_is_read)
{
	struct vgg_model *m = plan_net(3, 8, 8, network);
	const char *path = path_of("plan.json");
	struct vgg_plan a, b;
	unsigned int i;

	make_plan(m, &a);
	OK(vgg_plan_write(&a, m, path));
	OK(vgg_plan_read(&b, m, path));
	ASSERT_EQ(a.count, b.count);
	for (i = 0; i < a.count; i++) {
		EXPECT_EQ(a.layers[i].free, b.layers[i].free);
		EXPECT_EQ(a.layers[i].where, b.layers[i].where);
		EXPECT_EQ(a.layers[i].cut, b.layers[i].cut);
		EXPECT_EQ(a.layers[i].streamed, b.layers[i].streamed);
	}
	EXPECT_NEAR(0, b.ms, 0);
	EXPECT_STREQ("1 layer on the card, 2 on both, 2 on the CPU", b.summary);
	vgg_plan_clear(&a);
	vgg_plan_clear(&b);
	plan_net_free(m);
}

TEST(random_plans_come_back)
{
	uint64_t seed = test_seed();
	const char *path = path_of("random.json");
	int n;

	for (n = 0; n < 100; n++) {
		struct vgg_model *m = plan_net(16, 9, 8, network);
		struct vgg_plan a, b;
		unsigned int i;

		OK(vgg_plan_alloc(&a, m));
		for (i = 0; i < a.count; i++) {
			struct vgg_plan_layer *p = &a.layers[i];
			int all, step;

			p->where = p->free || m->layers[i].cpu_reason ?
					   VGG_ON_CPU :
					   test_random(&seed) % 4;
			step = vgg_cut_step(&m->layers[i], p->where, &all);
			if (p->where >= VGG_BY_ROWS && !step)
				p->where = VGG_ON_CARD;
			else if (p->where >= VGG_BY_ROWS)
				p->cut = step *
					 (int)test_random_in(&seed, 1,
							     (all - 1) / step);
			p->streamed =
				vgg_plan_uses_card(p) && test_random(&seed) % 2;
		}
		OK(vgg_plan_write(&a, m, path));
		OK(vgg_plan_read(&b, m, path));
		for (i = 0; i < a.count; i++) {
			EXPECT_EQ(a.layers[i].where, b.layers[i].where);
			EXPECT_EQ(a.layers[i].cut, b.layers[i].cut);
			EXPECT_EQ(a.layers[i].streamed, b.layers[i].streamed);
		}
		vgg_plan_clear(&a);
		vgg_plan_clear(&b);
		plan_net_free(m);
	}
}

/* Replaces the first `from` in a written plan by `to`. */
static const struct {
	const char *from, *to, *what;
	int err;
} damages[] = {
	{ "{", "", "is no JSON", -EBADMSG },
	{ "\"vggaccel_plan\"", "\"plan\"", "this is no plan", -EBADMSG },
	{ "\"vggaccel_plan\": 1", "\"vggaccel_plan\": 2", "version is 2",
	  -EBADMSG },
	{ "\"network\": \"net\"", "\"network\": \"other\"",
	  "it is for \"other\", the network is \"net\"", -ESTALE },
	{ "\"network\": \"net\",", "", "\"network\" is missing", -EBADMSG },
	{ "\"layers\": [", "\"layers\": 5, \"more\": [", "\"more\" is unknown",
	  -EBADMSG },
	{ "\"name\": \"conv 64", "\"name\": \"conv 65",
	  "the file has \"conv 65 k3 p1\" in its place", -ESTALE },
	{ "\"name\": \"conv 64", "\"nam\": \"conv 64", "\"nam\" is unknown",
	  -EBADMSG },
	{ "\"out\": \"64x8x8\"", "\"out\": \"64x9x8\"",
	  "conv 64 k3 p1: its output is 64x8x8, in the file 64x9x8", -ESTALE },
	{ "\"on\": \"rows\"", "\"on\": \"gpu\"", "\"on\" is \"gpu\"",
	  -EBADMSG },
	{ "\"on\": \"rows\"", "\"on\": \"none\"", "must not be \"none\"",
	  -EBADMSG },
	{ "\"on\": \"none\"", "\"on\": \"cpu\"", "must be \"none\"", -EBADMSG },
	{ "\"on\": \"rows\"", "\"on\": 1", "\"on\" is missing or no text",
	  -EBADMSG },
	{ "\"on\": \"rows\"", "\"on\": \"card\"", "\"cut\" is for", -EBADMSG },
	{ "\"on\": \"cpu\"", "\"on\": \"card\"", "the card can't run",
	  -EBADMSG },
	{ "\"on\": \"cpu\"", "\"on\": \"rows\"", "can't be cut by rows",
	  -EBADMSG },
	{ "\"cut\": 3,", "", "\"cut\" is missing", -EBADMSG },
	{ "\"cut\": 3", "\"cut\": 3.5", "no whole number", -EBADMSG },
	{ "\"cut\": 3", "\"cut\": 0",
	  "\"cut\" is 0, but must be 1 to 7, as there are 8 rows", -EBADMSG },
	{ "\"cut\": 3", "\"cut\": 8",
	  "\"cut\" is 8, but must be 1 to 7, as there are 8 rows", -EBADMSG },
	{ "\"cut\": 3", "\"cut\": 99999999999", "as there are 8 rows",
	  -EBADMSG },
	{ "\"cut\": 448", "\"cut\": 450", "must be a multiple of 64",
	  -EBADMSG },
	{ "\"streamed\": true", "\"streamed\": 1", "neither true nor false",
	  -EBADMSG },
	{ "\"on\": \"cpu\"", "\"on\": \"cpu\", \"streamed\": true",
	  "\"streamed\" is for layers on the card", -EBADMSG },
	{ "\"cut\": 3", "\"cut\": 3, \"cut\": 3", "duplicate", -EBADMSG },
};

TEST(damage_is_named)
{
	struct vgg_model *m = plan_net(3, 8, 8, network);
	const char *path = path_of("damaged.json");
	struct vgg_plan plan, read;
	char *text, *at, *damaged = calloc(1, 65536);
	size_t i;

	ASSERT_TRUE(damaged != NULL);
	make_plan(m, &plan);
	OK(vgg_plan_write(&plan, m, path));
	text = slurp(path);
	for (i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		at = strstr(text, damages[i].from);
		if (!at)
			TH_LOG("no %s in %s", damages[i].from, text);
		ASSERT_TRUE(at != NULL);
		snprintf(damaged, 65536, "%.*s%s%s", (int)(at - text), text,
			 damages[i].to, at + strlen(damages[i].from));
		write_text(path, damaged);
		EXPECT_EQ(damages[i].err, vgg_plan_read(&read, m, path));
		EXPECT_CONTAINS(vgg_error_last()->what, damages[i].what);
		EXPECT_STREQ(path, vgg_error_last()->where);
		EXPECT_CONTAINS(vgg_error_last()->next_step, "vggctl plan");
		vgg_plan_clear(&read);
	}
	vgg_plan_clear(&plan);
	free(text);
	free(damaged);
	plan_net_free(m);
}

TEST(a_plan_for_fewer_or_more_layers_is_refused)
{
	struct vgg_model *m = plan_net(3, 8, 8, network);
	struct vgg_model *less = plan_net(3, 8, 8, "conv 64 k3 p1");
	const char *path = path_of("count.json");
	struct vgg_plan plan, read;

	OK(vgg_plan_alloc(&plan, less));
	OK(vgg_plan_write(&plan, less, path));
	EXPECT_EQ(-ESTALE, vgg_plan_read(&read, m, path));
	EXPECT_CONTAINS(vgg_error_last()->what,
			"layer \"conv 128 k3 p1 pool2\" is missing");
	vgg_plan_clear(&read);
	vgg_plan_clear(&plan);
	OK(vgg_plan_alloc(&plan, m));
	OK(vgg_plan_write(&plan, m, path));
	EXPECT_EQ(-ESTALE, vgg_plan_read(&read, less, path));
	EXPECT_CONTAINS(vgg_error_last()->what, "6 layers, the network 1");
	vgg_plan_clear(&read);
	vgg_plan_clear(&plan);
	plan_net_free(m);
	plan_net_free(less);
}

/* Nothing but an error comes of any cut or flipped byte; or it is still a plan. */
TEST(no_damage_does_harm)
{
	uint64_t seed = test_seed();
	struct vgg_model *m = plan_net(3, 8, 8, network);
	const char *path = path_of("harm.json");
	struct vgg_plan plan, read;
	size_t n, i, refused = 0;
	char *text;

	make_plan(m, &plan);
	OK(vgg_plan_write(&plan, m, path));
	text = slurp(path);
	n = strlen(text);
	for (i = 0; i < 400; i++) {
		char kept;
		size_t at = (size_t)test_random(&seed) % n;

		kept = text[at];
		text[at] = i % 4 ? (char)test_random_in(&seed, 1, 255) : 0;
		write_text(path, text);
		if (vgg_plan_read(&read, m, path))
			refused++;
		vgg_plan_clear(&read);
		text[at] = kept;
	}
	EXPECT_LT(200u, refused);
	write_text(path, "");
	EXPECT_EQ(-EBADMSG, vgg_plan_read(&read, m, path));
	vgg_plan_clear(&read);
	EXPECT_EQ(-ENOENT, vgg_plan_read(&read, m, path_of("absent")));
	vgg_plan_clear(&read);
	write_text(path, "[1]");
	EXPECT_EQ(-EBADMSG, vgg_plan_read(&read, m, path));
	vgg_plan_clear(&read);
	vgg_plan_clear(&plan);
	free(text);
	plan_net_free(m);
}

TEST_HARNESS_MAIN
