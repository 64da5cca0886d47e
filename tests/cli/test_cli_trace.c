// SPDX-License-Identifier: MIT
/* vggctl trace: its three kinds of files, and what bench tells of layers and
 * streams. */
#include "cli_support.h"

static double number_of(const json_t *doc, const char *key)
{
	return json_number_value(json_object_get(doc, key));
}

static const char *text_of(const json_t *doc, const char *key)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return text ? text : "";
}

static json_t *load(const char *name)
{
	json_error_t why;
	json_t *doc =
		json_load_file(in_tmp(name), JSON_REJECT_DUPLICATES, &why);

	if (!doc)
		TH_LOG("%s: %s", name, why.text);
	ASSERT_TRUE(doc != NULL);
	return doc;
}

static json_t *events_of(const json_t *doc)
{
	json_t *events = json_object_get(doc, "traceEvents");

	ASSERT_LT(0u, json_array_size(events));
	return events;
}

static bool is(const json_t *event, const char *key, const char *value)
{
	return !strcmp(text_of(event, key), value);
}

/* Complete events of one thread are apart, or one within the other. */
static void expect_nesting(const json_t *events)
{
	size_t i, k, seen = 0;
	json_t *a, *b;

	json_array_foreach(events, i, a)
	{
		double begin = number_of(a, "ts"), end;

		if (!is(a, "ph", "X"))
			continue;
		seen++;
		end = begin + number_of(a, "dur");
		ASSERT_TRUE(begin >= 0 && end >= begin);
		json_array_foreach(events, k, b)
		{
			double first = number_of(b, "ts");
			double last = first + number_of(b, "dur");

			if (k <= i || !is(b, "ph", "X") ||
			    number_of(a, "tid") != number_of(b, "tid") ||
			    number_of(a, "pid") != number_of(b, "pid"))
				continue;
			/* Half a nanosecond is the format's rounding. */
			if (first < end - 5e-4 && begin < last - 5e-4)
				ASSERT_TRUE(last <= end + 5e-4 ||
					    (begin >= first - 5e-4 &&
					     end <= last + 5e-4));
		}
	}
	EXPECT_LT(10u, seen);
}

/* Each layer that does work, by its name. */
static void expect_layers(const json_t *events, const char *split)
{
	char args[300];
	json_t *plan, *layer, *e;
	size_t i, k, found;

	snprintf(args, sizeof(args), "plan --json --device sim --split %s",
		 split);
	plan = vggctl_json(args, 0);
	json_array_foreach(json_object_get(plan, "layers"), i, layer)
	{
		found = 0;
		json_array_foreach(events, k, e)
		{
			found += !strcmp(text_of(e, "name"),
					 text_of(layer, "name")) &&
				 (is(e, "cat", "step") ||
				  is(e, "cat", "layer") ||
				  is(e, "cat", "floating point"));
		}
		if (strcmp(text_of(layer, "on"), "none"))
			EXPECT_LT(0u, found);
	}
	EXPECT_LT(5u, i);
	json_decref(plan);
}

static bool overlap(const json_t *a, const json_t *b)
{
	double x = number_of(a, "ts"), y = number_of(b, "ts");

	return x < y + number_of(b, "dur") && y < x + number_of(a, "dur");
}

static unsigned int overlaps(const json_t *events)
{
	unsigned int count = 0;
	json_t *a, *b;
	size_t i, k;

	json_array_foreach(events, i, a)
	{
		if (!is(a, "cat", "job"))
			continue;
		json_array_foreach(events, k, b)
		{
			count += is(b, "cat", "CPU work") && overlap(a, b);
		}
	}
	return count;
}

/* How many names of processes and threads the metadata has of this kind. */
static unsigned int names(const json_t *events, const char *what,
			  const char *name)
{
	unsigned int count = 0;
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e)
	{
		count += is(e, "ph", "M") && is(e, "name", what) &&
			 !strcmp(text_of(json_object_get(e, "args"), "name"),
				 name);
	}
	return count;
}

/* A plan with a layer that both compute, and a card so slow that the CPU is done
 * long before it. */
static void make_split(void)
{
	if (exists(in_tmp("split.json")))
		return;
	write_text("slow.card", "clock_khz 1000\n");
	vggctl_ok("plan --machine rk3399 --device sim --what-if "
		  "macs=16x16,gen=3,lanes=8 --save @split.json");
}

TEST_TIMEOUT(perfetto_gets_a_split_run, 120)
{
	json_t *doc, *events, *summary, *ms;

	make_files();
	make_split();
	summary = vggctl_json("trace --json --pace --card @slow.card --split "
			      "@split.json -i 2 --threads 2 -o @t.json",
			      0);
	doc = load("t.json");
	events = events_of(doc);
	EXPECT_STREQ("ms", text_of(doc, "displayTimeUnit"));
	EXPECT_EQ(1u, names(events, "process_name", "CPU"));
	EXPECT_EQ(1u, names(events, "process_name", "card"));
	EXPECT_EQ(1u, names(events, "thread_name", "inferences"));
	EXPECT_EQ(1u, names(events, "thread_name", "CPU thread 1"));
	EXPECT_EQ(1u, names(events, "thread_name", "system calls"));
	EXPECT_EQ(1u, names(events, "thread_name", "card"));
	EXPECT_EQ(1u, names(events, "thread_name", "DMA over PCIe"));
	expect_nesting(events);
	expect_layers(events, "@split.json");
	EXPECT_LT(0u, overlaps(events));
	ms = json_object_get(summary, "ms");
	EXPECT_TRUE(number_of(ms, "both") > 0);
	EXPECT_TRUE(number_of(ms, "both") <= number_of(ms, "cpu"));
	EXPECT_TRUE(number_of(ms, "card") <= number_of(ms, "all"));
	EXPECT_EQ(2, (int)number_of(summary, "images"));
	EXPECT_EQ(0, (int)number_of(summary, "dropped"));
	EXPECT_TRUE(json_is_false(json_object_get(summary, "unpaced")));
	json_decref(summary);
	json_decref(doc);
}

/* A card that no machine simulates in time: what it computes for the first time
 * ends late. The trace says so, as bench does. */
TEST(late_jobs_are_told)
{
	static const char card[] = "--device sim --pace --card @fast.card "
				   "--split card -i 1 ";
	unsigned long long late, jobs;
	json_t *doc, *summary;
	char args[200];
	struct ran r;

	write_text("fast.card", "clock_khz 2000000\nmac_rows 128\n"
				"mac_cols 128\n");
	snprintf(args, sizeof(args), "trace %s -w 0 -o @late.json", card);
	r = vggctl(args);
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.err, " ended later than the modelled card's, by ");
	ran_free(&r);
	doc = load("late.json");
	ASSERT_EQ(2, sscanf(text_of(json_object_get(doc, "otherData"), "note"),
			    "The card is simulated, and paced, but %llu of "
			    "%llu job",
			    &late, &jobs));
	EXPECT_LT(0u, late);
	EXPECT_LE(late, jobs);
	json_decref(doc);
	snprintf(args, sizeof(args), "trace %s --json -w 0 -o @late.svg", card);
	summary = vggctl_json(args, 0);
	EXPECT_LT(0, (int)number_of(summary, "late_jobs"));
	EXPECT_TRUE(number_of(summary, "late_ms") > 0.1);
	EXPECT_LE((int)number_of(summary, "late_jobs"),
		  (int)number_of(summary, "jobs"));
	json_decref(summary);
	snprintf(args, sizeof(args), "bench %s -w 0", card);
	r = vggctl(args);
	EXPECT_CONTAINS(r.err, " ended later than the modelled card's, by ");
	ran_free(&r);
}

/* From the file on; on a card that is not paced, which is told. */
TEST(an_image_is_traced_from_its_file_on)
{
	struct ran r;
	json_t *doc, *e;
	bool decoded = false;
	size_t i;

	make_files();
	r = vggctl("trace -m @mini.st --device sim -i 1 -o @image.json @a.png");
	EXPECT_EQ(0, r.status);
	EXPECT_CONTAINS(r.out, "1 inference in ");
	EXPECT_CONTAINS(r.out, "card, as it is simulated here");
	EXPECT_CONTAINS(r.out, "card and CPU at once");
	EXPECT_CONTAINS(r.out, "image.json\n");
	ran_free(&r);
	doc = load("image.json");
	json_array_foreach(events_of(doc), i, e)
	{
		decoded |= is(e, "name", "decode") && is(e, "cat", "input");
	}
	EXPECT_TRUE(decoded);
	EXPECT_CONTAINS(text_of(json_object_get(doc, "otherData"), "note"),
			"without pace");
	json_decref(doc);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* Of either kind: all boxes closed, each with its details, nothing from
 * elsewhere. */
static void expect_picture(const char *name)
{
	char *text = slurp(in_tmp(name));

	ASSERT_TRUE(text != NULL);
	EXPECT_EQ(1u, count(text, "<svg "));
	EXPECT_EQ(1u, count(text, "</svg>"));
	EXPECT_EQ(count(text, "<g "), count(text, "</g>"));
	EXPECT_LT(10u, count(text, "<g class=\"e\""));
	EXPECT_LE(count(text, "<g class=\"e\""), count(text, "<title>"));
	EXPECT_CONTAINS(text, ">CPU thread 1</text>");
	EXPECT_CONTAINS(text, ">layer on the card, modelled</text>");
	EXPECT_CONTAINS(text, "<title>/conv1_2/Conv\n");
	EXPECT_CONTAINS(text, "prefers-color-scheme:");
	EXPECT_EQ(1u, count(text, "http")); /* SVG's own name */
	EXPECT_EQ(0u, count(text, "src="));
	EXPECT_EQ(0u, count(text, "href="));
	EXPECT_EQ(0u, count(text, "nan"));
	free(text);
}

TEST(pictures_are_whole_and_need_nothing)
{
	char *text;

	make_files();
	vggctl_ok("trace --device sim -i 2 -o @t.svg");
	expect_picture("t.svg");
	vggctl_ok("trace --device sim -i 2 -o @t.html");
	expect_picture("t.html");
	text = slurp(in_tmp("t.svg"));
	EXPECT_EQ(0u, count(text, "<script"));
	EXPECT_EQ(1u, count(text, "<?xml "));
	free(text);
	text = slurp(in_tmp("t.html"));
	EXPECT_EQ(1u, count(text, "<script>"));
	EXPECT_EQ(count(text, "<g class=\"e\""), count(text, "data-b="));
	EXPECT_CONTAINS(text, "'wheel'");
	free(text);
}

TEST(other_runs_can_be_traced)
{
	json_t *doc;

	make_files();
	vggctl_ok("trace --device cpu --precision fp32 -m @mini.st -i 1 -w 0 "
		  "-o @f32.json");
	doc = load("f32.json");
	EXPECT_EQ(0u, names(events_of(doc), "thread_name", "card"));
	expect_nesting(events_of(doc));
	json_decref(doc);
	vggctl_ok("trace --device sim --split card --threads 1 -m @mini.st "
		  "-o @card.json");
	doc = load("card.json");
	EXPECT_EQ(0u, names(events_of(doc), "thread_name", "CPU thread 2"));
	json_decref(doc);
}

/* From 1 on, whatever the warm-up was; and a step of the CPU has it from its begin
 * to its end: who waits for it is in no such step. */
static void expect_stream(const json_t *events, int images)
{
	int least = images + 1, most = 0;
	json_t *e, *step;
	size_t i, k;

	json_array_foreach(events, i, e)
	{
		int image = (int)number_of(json_object_get(e, "args"), "image");

		if (!is(e, "ph", "X"))
			continue;
		least = image < least ? image : least;
		most = image > most ? image : most;
		json_array_foreach(events, k, step)
		{
			EXPECT_FALSE(is(e, "cat", "wait") &&
				     is(step, "cat", "step") &&
				     is(json_object_get(step, "args"), "where",
					"cpu") &&
				     number_of(e, "tid") ==
					     number_of(step, "tid") &&
				     overlap(e, step));
		}
	}
	EXPECT_EQ(1, least);
	EXPECT_EQ(images, most);
}

/* Images in flight at the same time each have a track. */
TEST(streams_can_be_traced)
{
	json_t *doc, *summary;

	make_files();
	make_split();
	summary = vggctl_json("trace --json --pace --card @slow.card --split "
			      "@split.json --in-flight 3 -i 8 -w 3 "
			      "-o @stream.json",
			      0);
	EXPECT_EQ(8, (int)number_of(summary, "images"));
	EXPECT_EQ(3, (int)number_of(summary, "warmup"));
	EXPECT_EQ(0, (int)number_of(summary, "dropped"));
	doc = load("stream.json");
	EXPECT_EQ(1u, names(events_of(doc), "thread_name", "inferences"));
	EXPECT_EQ(1u,
		  names(events_of(doc), "thread_name", "inferences, lane 3"));
	EXPECT_EQ(0u,
		  names(events_of(doc), "thread_name", "inferences, lane 4"));
	expect_nesting(events_of(doc));
	expect_stream(events_of(doc), 8);
	EXPECT_LT(0u, overlaps(events_of(doc)));
	json_decref(summary);
	json_decref(doc);
	/* Each image in flight is warmed up; or none. */
	summary = vggctl_json("trace --json --device sim --split card "
			      "--in-flight 4 -w 1 -i 2 -o @warm.json",
			      0);
	EXPECT_EQ(4, (int)number_of(summary, "warmup"));
	EXPECT_EQ(2, (int)number_of(summary, "images"));
	json_decref(summary);
	summary = vggctl_json("trace --json --device sim --split card "
			      "--in-flight 4 -w 0 -i 2 -o @warm.json",
			      0);
	EXPECT_EQ(0, (int)number_of(summary, "warmup"));
	json_decref(summary);
	/* Lanes with different plans. */
	summary = vggctl_json("trace --json --pace --in-flight 0 -i 12 "
			      "-o @lanes.json",
			      0);
	EXPECT_EQ(12, (int)number_of(summary, "images"));
	doc = load("lanes.json");
	EXPECT_EQ(1u, names(events_of(doc), "thread_name", "card"));
	expect_nesting(events_of(doc));
	json_decref(summary);
	json_decref(doc);
}

TEST(a_failed_trace_leaves_no_file)
{
	struct ran r;

	make_files();
	r = vggctl("trace --device sim -m @mini.st -o @none/t.svg");
	EXPECT_EQ(1, r.status);
	EXPECT_CONTAINS(r.err, "/none/t.svg");
	EXPECT_CONTAINS(r.err, "hint: create the folder first");
	ran_free(&r);
	r = vggctl("trace --device sim -m @mini.st -o @gone.svg @none.png");
	EXPECT_EQ(1, r.status);
	EXPECT_FALSE(exists(in_tmp("gone.svg")));
	ran_free(&r);
}

static void expect_bench_layers(const char *args, const char *modelled)
{
	json_t *doc = vggctl_json(args, 0), *layers, *l;
	bool found = false;
	double share = 0;
	size_t i;

	layers = json_object_get(doc, "layers");
	json_array_foreach(layers, i, l)
	{
		share += number_of(l, "share");
		EXPECT_TRUE(*text_of(l, "on"));
		if (i + 1 < json_array_size(layers))
			EXPECT_TRUE(number_of(l, "ms") > 0);
		found |= !strcmp(text_of(l, "name"), modelled) &&
			 json_is_true(json_object_get(l, "modelled"));
	}
	EXPECT_LT(5u, i);
	EXPECT_NEAR(1, share, 1e-6);
	EXPECT_EQ(*modelled != 0, found);
	l = json_object_get(doc, "ms");
	EXPECT_TRUE(number_of(l, "median") <= number_of(l, "p90"));
	EXPECT_TRUE(number_of(l, "p90") <= number_of(l, "p99"));
	EXPECT_TRUE(number_of(l, "p99") <= number_of(l, "max"));
	json_decref(doc);
}

TEST(bench_tells_of_layers)
{
	struct ran r;
	json_t *doc;

	make_files();
	make_split();
	expect_bench_layers("bench --json --layers -i 11 --device cpu", "");
	expect_bench_layers("bench --json --layers -i 3 --device sim",
			    "/conv1_2/Conv");
	expect_bench_layers("bench --json --layers -i 3 --device cpu "
			    "--precision fp32",
			    "");
	r = vggctl("bench --layers -i 3 --device sim --split @split.json");
	EXPECT_CONTAINS(r.out, "both: ");
	EXPECT_CONTAINS(r.out, " rows on the card");
	EXPECT_CONTAINS(r.out, "(the rest)");
	ran_free(&r);
	doc = vggctl_json("bench --json -i 3 --device sim", 0);
	EXPECT_TRUE(!json_object_get(doc, "layers"));
	json_decref(doc);
}

static double mean_cycles(const char *line)
{
	json_t *doc = vggctl_json(line, 0);
	double cycles = -1;

	EXPECT_EQ(0, json_unpack(doc, "{s:F}", "card_cycles_mean", &cycles));
	EXPECT_TRUE(json_object_get(doc, "card_ms_mean"));
	/* That would be one image's. */
	EXPECT_TRUE(!json_object_get(doc, "card_cycles"));
	EXPECT_TRUE(!json_object_get(doc, "card_ms"));
	json_decref(doc);
	return cycles;
}

/* Cycles of the card are a stream's, not its last image's. */
TEST(stream_bench_tells_the_mean)
{
	json_t *doc;
	int one;

	make_files();
	doc = vggctl_json("bench -i 1 --split card --device sim --json", 0);
	ASSERT_EQ(0, json_unpack(doc, "{s:i}", "card_cycles", &one));
	EXPECT_LT(0, one);
	EXPECT_NEAR((double)one,
		    mean_cycles("bench -i 6 --in-flight 2 --split card "
				"--device sim --json"),
		    1e-6 * one);
	EXPECT_NEAR(0.,
		    mean_cycles("bench -i 6 --in-flight 2 --split cpu "
				"--device sim --json"),
		    1e-9);
	json_decref(doc);
}

TEST_HARNESS_MAIN
