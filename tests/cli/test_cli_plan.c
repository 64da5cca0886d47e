// SPDX-License-Identifier: MIT
/* vggctl plan: its text, its JSON, its files, its mistakes. */
#include "cli_support.h"

static json_t *plan_json(const char *args)
{
	json_error_t why;
	char command[256];
	struct ran r;
	json_t *doc;

	snprintf(command, sizeof(command), "plan --json %s", args);
	r = vggctl(command);
	if (r.status)
		TH_LOG("%s: %s", command, r.err);
	ASSERT_EQ(0, r.status);
	doc = json_loads(r.out, 0, &why);
	ASSERT_TRUE(doc != NULL);
	ran_free(&r);
	return doc;
}

static double number_of(const json_t *doc, const char *key)
{
	return json_number_value(json_object_get(doc, key));
}

TEST(text_tells_layers_and_totals)
{
	struct ran r = vggctl("plan --machine rk3399 --device sim");

	EXPECT_EQ(0, r.status);
	EXPECT_STREQ("", r.err);
	EXPECT_CONTAINS(r.out, "layer  ");
	EXPECT_CONTAINS(r.out, "/conv1_2/Conv");
	EXPECT_CONTAINS(r.out, "\nmachine       rk3399: 2x A72 + 4x A53\n");
	EXPECT_CONTAINS(r.out, "\ncard          64 x 32 MACs at 200 MHz");
	EXPECT_CONTAINS(r.out, "\nlatency       ");
	EXPECT_CONTAINS(r.out, "\nbottleneck    the ");
	EXPECT_CONTAINS(r.out, "\non board      ");
	EXPECT_CONTAINS(r.out, "\nstages        ");
	EXPECT_CONTAINS(r.out, "\nbound         ");
	EXPECT_CONTAINS(r.out, "Times of the CPU are guessed");
	ran_free(&r);
}

/* Digits, also where there are many; and a link that nothing crosses is told so. */
TEST(figures_are_for_people)
{
	struct ran r = vggctl("plan --device sim --split cpu --machine rk3399 "
			      "--what-if macs=128x128,clock=1000");

	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "\nlink          nothing crosses it; ");
	EXPECT_CONTAINS(r.out, " images/s, each on one processor");
	EXPECT_TRUE(!strstr(r.out, "e+"));
	ran_free(&r);
}

/* What the totals say is the sum of what the layers say, and the chosen plan is
 * none the worse than simple ones. */
TEST(json_adds_up)
{
	json_t *doc = plan_json("--machine rk3399 --device sim"), *l;
	double ms = 0, card = 0, bytes = 0;
	size_t i;

	json_array_foreach(json_object_get(doc, "layers"), i, l)
	{
		ms += number_of(l, "ms");
		card += number_of(l, "card_ms") + number_of(l, "gather_ms");
		bytes += number_of(l, "link_bytes");
		EXPECT_TRUE(json_is_string(json_object_get(l, "why")));
	}
	EXPECT_LT(5u, i);
	EXPECT_NEAR(ms, number_of(doc, "ms"), 1e-6);
	/* Jobs cost the host time, at least one, in which the card isn't busy. */
	EXPECT_LT(0, number_of(doc, "card_ms"));
	EXPECT_LE(number_of(doc, "card_ms"), card - 0.1 + 1e-6);
	EXPECT_NEAR(bytes, number_of(doc, "link_bytes"), 0.5);
	EXPECT_TRUE(ms <= number_of(doc, "all_card_ms") + 1e-6);
	EXPECT_TRUE(ms <= number_of(doc, "all_cpu_ms") + 1e-6);
	EXPECT_TRUE(json_is_true(json_object_get(doc, "guessed")));
	l = json_object_get(doc, "stream");
	EXPECT_TRUE(number_of(l, "stages_per_second") <=
		    number_of(l, "bound_per_second") * 1.000001);
	json_decref(doc);
}

TEST(what_if_and_profiles_change_the_plan)
{
	json_t *small = plan_json("--machine rk3399 --device sim --split card "
				  "--what-if macs=16x16,link=100");
	json_t *large = plan_json("--device sim --split card "
				  "--what-if macs=128x128,gen=3,lanes=8");
	json_t *none = plan_json("--machine rk3399 --device cpu");

	EXPECT_TRUE(number_of(large, "ms") < number_of(small, "ms"));
	EXPECT_NEAR(6304,
		    number_of(json_object_get(large, "link"), "from_host_mbps"),
		    1e-9);
	EXPECT_TRUE(json_is_null(json_object_get(none, "card")));
	EXPECT_TRUE(json_is_null(json_object_get(none, "all_card_ms")));
	EXPECT_NEAR(number_of(none, "ms"), number_of(none, "all_cpu_ms"), 1e-6);
	json_decref(small);
	json_decref(large);
	json_decref(none);
}

/* An RK3399's root port has four lanes of the first generation, and a card with
 * more has no use for it there. */
TEST(a_machine_limits_the_link)
{
	static const struct {
		const char *args;
		double mbps;
		const char *source;
	} links[] = {
		{ "--what-if gen=3,lanes=8", 800, "machine" },
		{ "--what-if gen=2,lanes=2", 400, "machine" },
		{ "--card firmware-sim/cards/large.card", 800, "machine" },
		{ "--card firmware-sim/cards/small.card", 200, "registers" },
		{ "--what-if gen=1,lanes=2", 400, "supposed" },
		{ "--what-if link=1600", 1600, "supposed" },
	};
	char args[256];
	struct ran r;
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(*links); i++) {
		json_t *doc, *link;

		snprintf(args, sizeof(args), "--machine rk3399 --device sim %s",
			 links[i].args);
		doc = plan_json(args);
		link = json_object_get(doc, "link");
		EXPECT_NEAR(links[i].mbps, number_of(link, "from_host_mbps"),
			    0);
		EXPECT_NEAR(links[i].mbps, number_of(link, "to_host_mbps"), 0);
		EXPECT_STREQ(links[i].source, json_string_value(json_object_get(
						      link, "source")));
		json_decref(doc);
	}
	r = vggctl("plan --machine rk3399 --card firmware-sim/cards/"
		   "large.card");
	EXPECT_CONTAINS(r.out,
			"800 MB/s, limited by the machine to gen 1 x4\n");
	ran_free(&r);
}

/* Ends with this status, and stderr says both. */
static void expect_failure(const char *args, int status, const char *what,
			   const char *code)
{
	struct ran r = vggctl(args);

	TH_LOG("vggctl %s", args);
	EXPECT_EQ(status, r.status);
	EXPECT_CONTAINS(r.err, what);
	EXPECT_CONTAINS(r.err, code);
	ran_free(&r);
}

TEST(a_plan_is_kept_edited_and_used)
{
	json_t *saved = plan_json("--machine rk3399 --device sim --save "
				  "@plan.json");
	json_t *again = plan_json("--machine rk3399 --device sim --split "
				  "@plan.json");
	char *text;

	EXPECT_NEAR(number_of(saved, "ms"), number_of(again, "ms"), 1e-6);
	EXPECT_STREQ(json_string_value(json_object_get(saved, "placement")),
		     json_string_value(json_object_get(again, "placement")));
	text = slurp(in_tmp("plan.json"));
	EXPECT_CONTAINS(text, "\"vggaccel_plan\": 1");
	memcpy(strstr(text, "\"on\""), "\"no\"", 4);
	write_text("edited.json", text);
	expect_failure("plan --device sim --split @edited.json", 1,
		       "edited.json: /conv1_1/Conv: \"no\" is unknown",
		       "[PLAN_FORMAT]\n  hint: edit the file");
	free(text);
	json_decref(saved);
	json_decref(again);
}

static char *hash_of(const char *args)
{
	char command[256];
	struct ran r;
	json_t *doc, *first;
	char *hash;

	snprintf(command, sizeof(command), "run --json %s", args);
	r = vggctl(command);
	if (r.status)
		TH_LOG("%s: %s", command, r.err);
	ASSERT_EQ(0, r.status);
	doc = json_loads(r.out, 0, NULL);
	first = json_array_get(json_object_get(doc, "results"), 0);
	ASSERT_TRUE(json_is_string(json_object_get(first, "output_sha256")));
	hash = strdup(
		json_string_value(json_object_get(first, "output_sha256")));
	json_decref(doc);
	ran_free(&r);
	return hash;
}

/* A saved plan is what runs, to the same bytes. */
TEST(saved_plans_run)
{
	json_t *plan = plan_json("--machine rk3399 --device sim --what-if "
				 "macs=16x16,link=6304 --save "
				 "@split.json");
	char *cpu, *split, image[300], args[700];
	struct ran r;

	snprintf(image, sizeof(image), "%s", test_data("../samples/star.jpg"));
	EXPECT_CONTAINS(json_string_value(json_object_get(plan, "placement")),
			"on both");
	snprintf(args, sizeof(args), "--device cpu %s", image);
	cpu = hash_of(args);
	snprintf(args, sizeof(args), "--device sim --split @split.json %s",
		 image);
	split = hash_of(args);
	EXPECT_STREQ(cpu, split);
	snprintf(args, sizeof(args), "run --device sim --split @split.json %s",
		 image);
	r = vggctl(args);
	EXPECT_CONTAINS(r.out,
			json_string_value(json_object_get(plan, "placement")));
	ran_free(&r);
	snprintf(args, sizeof(args), "run --device cpu --split @split.json %s",
		 image);
	expect_failure(args, 3, "runs layers on a card", "[NO_DEVICE]");
	snprintf(args, sizeof(args),
		 "run --precision fp32 --split @split.json %s", image);
	expect_failure(args, 2, "needs --precision int8", "");
	free(cpu);
	free(split);
	json_decref(plan);
}

/* Not just as no bytes on board and no room. */
TEST(why_memory_is_not_used_is_told)
{
	json_t *doc = plan_json("--device sim --what-if memory=0");
	struct ran r = vggctl("plan --device sim --what-if memory=0");

	EXPECT_TRUE(json_is_false(json_object_get(doc, "on_board")));
	EXPECT_LT(0, number_of(doc, "activation_bytes"));
	EXPECT_CONTAINS(r.out, "on board      nothing: ");
	EXPECT_CONTAINS(r.out, " of activations don't fit");
	json_decref(doc);
	ran_free(&r);
}

TEST_TIMEOUT(calibration_is_told_and_used, 120)
{
	struct ran r;
	json_t *doc, *link;

	setenv("VGG_COSTS", in_tmp("costs.json"), 1);
	r = vggctl("calibrate --rounds 1 --threads 1 --device sim");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, " shapes measured\n");
	EXPECT_CONTAINS(r.out, ", by 1 thread; the guess was");
	EXPECT_TRUE(!strstr(r.out, "a job"));
	EXPECT_CONTAINS(r.out, "\nlink          not measured: the card is ");
	EXPECT_CONTAINS(r.out, "costs.json\n");
	ran_free(&r);
	doc = plan_json("--device sim --threads 1");
	EXPECT_TRUE(json_is_false(json_object_get(doc, "guessed")));
	link = json_object_get(doc, "link");
	EXPECT_STREQ("registers",
		     json_string_value(json_object_get(link, "source")));
	json_decref(doc);
	r = vggctl("calibrate --rounds 1 --threads 1 --device sim --pace");
	EXPECT_CONTAINS(r.out, "\na job         ");
	EXPECT_CONTAINS(r.out, "MB/s from the host, ");
	ran_free(&r);
	doc = plan_json("--device sim --threads 1");
	link = json_object_get(doc, "link");
	EXPECT_STREQ("measured",
		     json_string_value(json_object_get(link, "source")));
	EXPECT_TRUE(number_of(link, "to_host_mbps") > 0);
	json_decref(doc);
	r = vggctl("plan --device sim --threads 1");
	/* One speed or, where the two ways differ, two. */
	EXPECT_CONTAINS(r.out, ", measured\n");
	ran_free(&r);
	r = vggctl("calibrate --json --rounds 1 --threads 1 --device cpu");
	doc = json_loads(r.out, 0, NULL);
	EXPECT_TRUE(json_is_null(json_object_get(doc, "job_ms")));
	link = json_object_get(doc, "warnings");
	EXPECT_TRUE(json_is_array(link));
	/* None, unless stderr has it, too. */
	EXPECT_EQ(strstr(r.err, "[BUSY_MACHINE]\n  hint: ") != NULL,
		  json_array_size(link) > 0);
	EXPECT_TRUE(json_is_null(json_object_get(doc, "link")));
	EXPECT_TRUE(number_of(doc, "ms") > 0);
	json_decref(doc);
	ran_free(&r);
	r = vggctl("calibrate --rounds 1 --threads 256 --device cpu");
	EXPECT_CONTAINS(r.err, "note: 256 threads were asked for, ");
	ran_free(&r);
	expect_failure("calibrate x", 2, "takes no argument 'x'", "");
}

TEST(a_plan_for_another_network_is_refused)
{
	struct ran r = vggctl("import --random-weights 1 --arch vgg11 "
			      "--no-quantize -o @other.st");

	EXPECT_EQ(0, r.status);
	ran_free(&r);
	write_text("other.json", "{\"vggaccel_plan\": 1, \"network\": \"x\", "
				 "\"layers\": []}");
	expect_failure("plan --device sim --split @other.json", 1,
		       "it is for \"x\", the network is \"",
		       "[PLAN_MISMATCH]\n  hint: make a plan");
	expect_failure("plan --device sim --split @absent.json", 2,
		       "absent.json' is neither", "");
	expect_failure("plan --device sim -m @other.st", 1, "no integer form",
		       "[MODEL_PRECISION]");
}

/* What `auto` is told to be here, and what it does elsewhere. */
TEST(a_card_that_wins_no_time)
{
	struct ran r = vggctl("plan --device sim");

	EXPECT_CONTAINS(r.out, "This simulated card isn't paced");
	ran_free(&r);
	r = vggctl("plan --device sim --pace");
	EXPECT_FALSE(strstr(r.out, "isn't paced"));
	ran_free(&r);
	r = vggctl("plan --device sim --machine rk3399");
	EXPECT_FALSE(strstr(r.out, "isn't paced"));
	ran_free(&r);
}

TEST(mistakes_are_named)
{
	json_t *doc;

	expect_failure("plan --device sim --what-if lanes=3", 2,
		       "lanes=3: there are links of 1, 2, 4, 8 and 16 lanes",
		       "[BAD_ARGUMENT]\n  hint: ");
	expect_failure("plan --device sim --what-if lanes=1,gen=2,lanes=2", 2,
		       "lanes=2: lanes is given twice",
		       "[BAD_ARGUMENT]\n  hint: give it once");
	expect_failure("plan --device sim --what-if link=100,lanes=1", 2,
		       "lanes=1: link is the speed itself",
		       "[BAD_ARGUMENT]\n  hint: ");
	expect_failure("plan --device cpu --split card", 3, "without a card",
		       "[NO_DEVICE]");
	expect_failure("plan --device sim --save /nonexistent/plan.json", 1,
		       "/nonexistent/", "hint: ");
	/* A card that is imagined is a card. */
	doc = plan_json("--device cpu --split card --what-if gen=2");
	EXPECT_TRUE(number_of(doc, "ms") > 0);
	json_decref(doc);
}

TEST(whole_layers_are_not_cut)
{
	json_t *doc = plan_json("--machine rk3399 --device sim --whole"), *l;
	size_t i;

	json_array_foreach(json_object_get(doc, "layers"), i, l)
		EXPECT_TRUE(!json_object_get(l, "cut"));
	json_decref(doc);
}

TEST_HARNESS_MAIN
