// SPDX-License-Identifier: MIT
/* Card profiles: the default, the shipped ones, and what the parser refuses. */
#include "rig.h"

static const char *write_file(const char *text, size_t len)
{
	static char path[300];
	FILE *out;

	snprintf(path, sizeof(path), "%s/test.card", test_tmpdir());
	out = fopen(path, "w");
	fwrite(text, 1, len, out);
	fclose(out);
	return path;
}

static int load(struct vgg_card *card, const char *text, char *err, size_t size)
{
	return vgg_card_load(card, write_file(text, strlen(text)), err, size);
}

TEST(an_empty_file_is_the_default)
{
	struct vgg_card card, standard;
	char err[256] = "";

	vgg_card_default(&standard);
	memset(&card, 0xff, sizeof(card));
	EXPECT_EQ(load(&card, "", err, sizeof(err)), 0);
	EXPECT_STREQ(card.name, standard.name);
	EXPECT_EQ(card.mac_rows, standard.mac_rows);
	EXPECT_EQ(card.job_cycles, standard.job_cycles);
	EXPECT_TRUE(card.inject);
	EXPECT_STREQ(err, "");
}

TEST(all_properties)
{
	struct vgg_card card;
	char err[256] = "";

	EXPECT_EQ(load(&card,
		       "# a comment\n"
		       "name My card\n"
		       "  mac_rows 16 # behind\n"
		       "mac_cols\t8\r\n"
		       "\n"
		       "clock_khz 100000\nlocal_mib 0\nlocal_mbps 1\n"
		       "onchip_kib 1\npcie_gen 5\npcie_lanes 16\n"
		       "contexts 1\nring_log2 16\njob_cycles 0\n"
		       "command_cycles 65535\ninject 0",
		       err, sizeof(err)),
		  0);
	EXPECT_STREQ(err, "");
	EXPECT_STREQ(card.name, "My card");
	EXPECT_EQ(card.mac_rows, 16u);
	EXPECT_EQ(card.mac_cols, 8u);
	EXPECT_EQ(card.local_mib, 0u);
	EXPECT_EQ(card.pcie_lanes, 16u);
	EXPECT_EQ(card.command_cycles, 65535u);
	EXPECT_FALSE(card.inject);
}

TEST(errors_name_file_line_and_range)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{ "mac_rows 0\n", "test.card:1: mac_rows is \"0\", but must be "
				  "a whole number from 1 to 65535" },
		{ "\nmac_cols 65536\n", ":2: mac_cols" },
		{ "mac_rows\n", ":1: mac_rows is \"\"" },
		{ "mac_rows 12x\n", "\"12x\"" },
		{ "mac_rows -1\n", "\"-1\"" },
		{ "mac_rows +1\n", "\"+1\"" },
		{ "mac_rows 1 2\n", "\"1 2\"" },
		{ "clock_khz 99999999999999999999999\n", "clock_khz" },
		{ "pcie_lanes 3\n", "1, 2, 4, 8 or 16" },
		{ "pcie_lanes 0\n", "1, 2, 4, 8 or 16" },
		{ "pcie_gen 6\n", "1 to 5" },
		{ "local_mib 65537\n", "0 to 65536" },
		{ "ring_log2 17\n", "1 to 16" },
		{ "contexts 65536\n", "1 to 65535" },
		{ "inject 2\n", "0 or 1" },
		{ "inject yes\n", "0 or 1" },
		{ "# ok\n\nspeed 3\n", ":3: \"speed\" is no property" },
		{ "name\n", "1 to 63 characters" },
		{ "name 0123456789012345678901234567890123456789"
		  "012345678901234567890123\n",
		  "1 to 63 characters" },
	};
	struct vgg_card card;
	char err[400];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		card.mac_rows = 77;
		err[0] = 0;
		EXPECT_EQ(load(&card, bad[i].text, err, sizeof(err)), -EINVAL);
		EXPECT_CONTAINS(err, bad[i].part);
		EXPECT_EQ(card.mac_rows, 77u);
	}
}

TEST(files_that_are_none)
{
	struct vgg_card card;
	char err[256], tiny[4];

	EXPECT_EQ(vgg_card_load(&card, "/nonexistent/x.card", err, sizeof(err)),
		  -ENOENT);
	EXPECT_CONTAINS(err, "/nonexistent/x.card");
	EXPECT_EQ(vgg_card_load(&card, test_tmpdir(), err, sizeof(err)),
		  -EISDIR);
	EXPECT_EQ(vgg_card_load(&card, write_file("mac_rows\0 1", 11), err,
				sizeof(err)),
		  -EINVAL);
	EXPECT_CONTAINS(err, "no text file");
	EXPECT_EQ(load(&card, "nonsense", tiny, sizeof(tiny)), -EINVAL);
	EXPECT_EQ(strlen(tiny), 3u);
}

/* One byte changed at a time: an error or a card that works. */
TEST(any_byte_may_be_wrong)
{
	static const char text[] = "name x\nmac_rows 64\npcie_lanes 4\n";
	char changed[sizeof(text)], err[256];
	struct vgg_sim_options options = { 0 };
	struct vgg_sim_bus none = { 0 };
	struct vgg_card card;
	uint64_t random = test_seed();
	size_t i;
	int round;

	for (i = 0; i < sizeof(text) - 1; i++)
		for (round = 0; round < 8; round++) {
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)test_random(&random);
			err[0] = 0;
			if (vgg_card_load(&card,
					  write_file(changed, sizeof(text) - 1),
					  err, sizeof(err)))
				EXPECT_CONTAINS(err, "test.card");
		}
	/* a bus without read and write is no bus */
	vgg_card_default(&card);
	EXPECT_TRUE(vgg_sim_create(&card, &none, &options) == NULL);
}

TEST(the_shipped_profiles)
{
	static const char *const names[] = { "default",	 "small",  "middle",
					     "large",	 "artix7", "kintexu",
					     "alveo-u50" };
	struct vgg_card card, standard;
	struct rig_options options = { .card = &card };
	char path[64], err[256];
	struct rig *rig;
	size_t i;

	vgg_card_default(&standard);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "../firmware-sim/cards/%s.card",
			 names[i]);
		err[0] = 0;
		EXPECT_EQ(
			vgg_card_load(&card, test_data(path), err, sizeof(err)),
			0);
		EXPECT_STREQ(err, "");
		EXPECT_STREQ(card.name, names[i]);
		if (i == 0)
			EXPECT_EQ(memcmp(&card, &standard,
					 offsetof(struct vgg_card, inject)),
				  0);
		rig = rig_create(&options);
		EXPECT_EQ(rig_read(rig, VGG_REG_CAP_MAC),
			  card.mac_cols << 16 | card.mac_rows);
		EXPECT_EQ(rig_execute(rig).status, VGG_STATUS_OK);
		rig_destroy(rig);
	}
}

/* Profiles of boards on the market ask for no more than those have. */
TEST(boards_have_what_their_profiles_say)
{
	static const struct {
		const char *name;
		uint32_t dsps, macs_per_dsp, block_rams, ultra_rams;
		uint32_t mib, mbps;
	} boards[] = {
		{ "artix7", 740, 1, 365, 0, 1024, 1600 },
		{ "kintexu", 1920, 2, 600, 0, 2048, 19200 },
		{ "alveo-u50", 5952, 2, 1344, 640, 8192, 201000 },
	};
	char path[64], err[256];
	struct vgg_card card;
	uint32_t dsps, kib;
	size_t i;

	for (i = 0; i < sizeof(boards) / sizeof(*boards); i++) {
		snprintf(path, sizeof(path), "../firmware-sim/cards/%s.card",
			 boards[i].name);
		ASSERT_EQ(
			vgg_card_load(&card, test_data(path), err, sizeof(err)),
			0);
		/* 4 for each column's requantisation */
		dsps = card.mac_rows * card.mac_cols / boards[i].macs_per_dsp +
		       4 * card.mac_cols;
		EXPECT_LE(dsps, boards[i].dsps);
		EXPECT_GE(dsps, boards[i].dsps * 3 / 4);
		kib = (boards[i].block_rams * 36 + boards[i].ultra_rams * 288) /
		      8;
		EXPECT_LE(card.onchip_kib, kib);
		EXPECT_EQ(card.local_mib, boards[i].mib);
		EXPECT_LT(card.local_mbps, boards[i].mbps);
		EXPECT_EQ(card.pcie_gen, 1u);
		EXPECT_EQ(card.pcie_lanes, 4u);
	}
}

TEST(cards_out_of_range_are_not_built)
{
	struct rig_options options = { 0 };
	struct rig *rig = rig_create(&options);
	struct vgg_sim_bus bus = { 0 };
	struct vgg_sim_options sim_options = { 0 };
	struct vgg_card card = rig->card;

	bus.read = (int (*)(void *, uint64_t, void *, size_t))abort;
	bus.write = (int (*)(void *, uint64_t, const void *, size_t))abort;
	card.pcie_lanes = 5;
	EXPECT_TRUE(vgg_sim_create(&card, &bus, &sim_options) == NULL);
	card = rig->card;
	card.mac_cols = 0;
	EXPECT_TRUE(vgg_sim_create(&card, &bus, &sim_options) == NULL);
	rig_destroy(rig);
}

TEST_HARNESS_MAIN
