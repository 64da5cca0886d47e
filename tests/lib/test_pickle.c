// SPDX-License-Identifier: MIT
/* Pickles that want more than tensors: none of them is obeyed. */
#include "model/pth.h"
#include "pth_build.h"
#include "util/error.h"
#include "vgg_harness.h"

#define PATH "net.pth"

static int open_pickle(const void *pickle, size_t size)
{
	struct vgg_file file = pth_with(pickle, size);
	struct vgg_pth pth;
	int err = vgg_pth_open(&pth, PATH, &file);

	vgg_pth_close(&pth);
	free((void *)file.data);
	return err;
}

/* Programs in pickle's language; "\x80\2" before and "." behind each. */
#define P(code) code, sizeof(code) - 1

static const struct {
	const char *code;
	size_t size;
	int err;
	const char *message;
} programs[] = {
	/* What pickles are feared for. */
	{ P("cos\nsystem\n(X\2\0\0\0idtR"), -EOPNOTSUPP,
	  "the file wants to call os.system: refused" },
	{ P("cposix\nsystem\n"), -EOPNOTSUPP, "call posix.system: refused" },
	{ P("cbuiltins\neval\n"), -EOPNOTSUPP, "call builtins.eval: refused" },
	{ P("c__builtin__\ngetattr\n"), -EOPNOTSUPP,
	  "call __builtin__.getattr: refused" },
	{ P("csubprocess\nPopen\n"), -EOPNOTSUPP, "call subprocess.Popen" },
	{ P("ctorch.storage\n_load_from_bytes\n"), -EOPNOTSUPP,
	  "call torch.storage._load_from_bytes: refused" },
	{ P("ctorch.hub\nload\n"), -EOPNOTSUPP, "call torch.hub.load" },
	{ P("cnumpy.core.multiarray\nscalar\n"), -EOPNOTSUPP,
	  "call numpy.core.multiarray.scalar: refused" },
	{ P("ctorchvision.models.vgg\nVGG\n"), -EOPNOTSUPP,
	  "call torchvision.models.vgg.VGG: refused" },
	/* Names that only begin or end like good ones, or are split elsewhere.
	 */
	{ P("ctorch\nFloatStorageX\n"), -EOPNOTSUPP, "torch.FloatStorageX" },
	{ P("ctorch\nFloatStorage.__init__\n"), -EOPNOTSUPP, "refused" },
	{ P("ctorch\nFloat\n"), -EOPNOTSUPP, "call torch.Float: refused" },
	{ P("c\n\n"), -EOPNOTSUPP, "call .: refused" },
	{ P("ccollections\nOrderedDict\0\n"), -EOPNOTSUPP,
	  "collections.OrderedDict?: refused" },
	{ P("c\x1b[2Jos\nsystem\n"), -EOPNOTSUPP, "call ?[2Jos.system" },
	{ P("ios\nsystem\n"), -EOPNOTSUPP, "opcode (0x69, at its byte 2)" },
	{ P("X\2\0\0\0osX\6\0\0\0system\x93"), -EOPNOTSUPP, "opcode (0x93" },
	{ P("\x82\1"), -EOPNOTSUPP, "opcode (0x82" },
	{ P("(os"), -EOPNOTSUPP, "opcode (0x6f" },
	{ P("0"), -EOPNOTSUPP, "opcode (0x30" },
	{ P("S'x'\n"), -EOPNOTSUPP, "opcode (0x53" },
	{ P("I1\n"), -EOPNOTSUPP, "opcode (0x49" },
	{ P("P0\n"), -EOPNOTSUPP, "opcode (0x50" },
	{ P("\x95\0\0\0\0\0\0\0\0"), -EOPNOTSUPP, "opcode (0x95" },
	{ P("\x80\4"), -EOPNOTSUPP, "of protocol 4, not 2" },
	/* Good names, used in another way. */
	{ P("ccollections\nOrderedDict\n(Ntb"), -EBADMSG,
	  "what has no state gets one" },
	{ P("ccollections\nOrderedDict\nK\1R"), -EBADMSG,
	  "what is called is not a name" },
	{ P("K\1)R"), -EBADMSG, "what is called is not a name" },
	{ P("ccollections\nOrderedDict\n(K\1tR"), -EBADMSG,
	  "a dictionary is made of no list" },
	{ P("ccollections\nOrderedDict\n(](K\1etR"), -EBADMSG,
	  "a dictionary is made of no pairs" },
	{ P("ctorch\nFloatStorage\n)R"), -EBADMSG, "a type is called" },
	{ P("ctorch\nSize\n)R"), -EBADMSG, "a size has no numbers" },
	{ P("ctorch._utils\n_rebuild_tensor_v2\n)R"), -EBADMSG,
	  "a tensor has no storage" },
	{ P("ctorch._utils\n_rebuild_tensor_v2\n(K\0K\0))tR"), -EBADMSG,
	  "a tensor has no storage" },
	{ P("ctorch._utils\n_rebuild_parameter\n(K\0tR"), -EBADMSG,
	  "a parameter has no tensor" },
	/* References to something outside. */
	{ P("K\1Q"), -EBADMSG, "something that is no storage" },
	{ P("(X\6\0\0\0moduletQ"), -EBADMSG, "something that is no storage" },
	{ P("(X\7\0\0\0storageX\1\0\0\0aX\1\0\0\0bNK\1tQ"), -EBADMSG,
	  "something that is no storage" },
	{ P("(X\7\0\0\0storagectorch\nSize\nX\1\0\0\0bNK\1tQ"), -EBADMSG,
	  "something that is no storage" },
	{ P("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0bNJ\xff\xff\xff"
	    "\xfftQ"),
	  -EBADMSG, "something that is no storage" },
	{ P("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0bNK\5(NK\4K\2ttQ"),
	  -EBADMSG, "a part of a storage exceeds it" },
	/* The stack, the marks and the memo. */
	{ P(""), -EBADMSG, "the stack is empty" },
	{ P("KK"), -EOPNOTSUPP, "no dictionary of tensors" },
	{ P("NN"), -EBADMSG, "values are left over" },
	{ P("("), -EBADMSG, "the stack is empty" },
	{ P("(N"), -EBADMSG, "values are left over" },
	{ P("t"), -EBADMSG, "there is no mark" },
	{ P("Nu"), -EBADMSG, "there is no mark" },
	{ P("(Nu"), -EBADMSG, "there is nothing to add items to" },
	{ P("N(NNu"), -EBADMSG, "there is nothing to add items to" },
	{ P("}(Nu"), -EBADMSG, "a key has no value" },
	{ P("}(Ns"), -EBADMSG, "an item is missing" },
	{ P("}s"), -EBADMSG, "the stack is empty" },
	{ P("](a"), -EBADMSG, "an item is missing" },
	{ P("\x87"), -EBADMSG, "the stack is empty" },
	{ P("(N\x86"), -EBADMSG, "the stack is empty" },
	{ P("R"), -EBADMSG, "the stack is empty" },
	{ P("b"), -EBADMSG, "the stack is empty" },
	{ P("Q"), -EBADMSG, "the stack is empty" },
	{ P("h\0"), -EBADMSG, "nothing is remembered" },
	{ P("Nq\1h\2"), -EBADMSG, "nothing is remembered" },
	{ P("j\xff\xff\xff\xff"), -EBADMSG, "nothing is remembered" },
	{ P("q\0"), -EBADMSG, "there is nothing to remember" },
	{ P("(q\0"), -EBADMSG, "there is nothing to remember" },
	{ P("Nr\xff\xff\xff\x7f"), -EBADMSG, "a number in the memo is too " },
	/* Lengths. */
	{ P("X\xff\xff\xff\xff"), -EBADMSG, "it ends here" },
	{ P("X\0\0\0\x80"), -EBADMSG, "it ends here" },
	{ P("T\xff\xff\xff\xff"), -EBADMSG, "it ends here" },
	{ P("U\xff"), -EBADMSG, "it ends here" },
	{ P("G\0"), -EBADMSG, "it ends here" },
	{ P("\x8a\xff"), -EBADMSG, "a number has more than 64 bits" },
	{ P("\x8a\x0a"), -EBADMSG, "a number has more than 64 bits" },
	{ P("cos"), -EBADMSG, "it ends in a name" },
	{ P("cos\nsystem"), -EBADMSG, "it ends in a name" },
	/* Sound pickles without tensors. */
	{ P("}"), -EOPNOTSUPP, "it has: nothing" },
	{ P("]"), -EOPNOTSUPP, "no dictionary of tensors" },
	{ P("\x8a\0"), -EOPNOTSUPP, "no dictionary of tensors" },
	{ P("\x8a\1\xff"), -EOPNOTSUPP, "no dictionary of tensors" },
	{ P("}(X\5\0\0\0modelNX\3\0\0\0netK\1u"), -EOPNOTSUPP,
	  "it has: model, net" },
	/* Dictionaries that contain themselves. */
	{ P("}q\0X\5\0\0\0modelh\0s"), -EOPNOTSUPP, "it has: model" },
	{ P("]q\0h\0a"), -EOPNOTSUPP, "no dictionary of tensors" },
	/* As Python 2 writes dictionaries. */
	{ P("ccollections\nOrderedDict\n(](](U\1aK\1eetR"), -EOPNOTSUPP,
	  "it has: a" },
	{ P("ccollections\nOrderedDict\n(](U\1aK\1\206etR"), -EOPNOTSUPP,
	  "it has: a" },
};

TEST(programs_are_refused)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct bytes b = { 0 };
		int err;

		bytes_put(&b, "\x80\2", 2);
		bytes_put(&b, programs[i].code, programs[i].size);
		bytes_put(&b, ".", 1);
		err = open_pickle(b.data, b.size);
		if (err != programs[i].err ||
		    !strstr(vgg_error_last()->what, programs[i].message))
			test_fail(__FILE__, __LINE__, "%zu: %d, %s", i, err,
				  vgg_error_last()->what);
		EXPECT_STREQ(PATH, vgg_error_last()->where);
		EXPECT_TRUE(vgg_error_last()->next_step[0]);
		free(b.data);
	}
}

TEST(what_is_no_pickle_is_refused)
{
	EXPECT_EQ(-EBADMSG, open_pickle("", 0));
	EXPECT_CONTAINS(vgg_error_last()->what, "doesn't begin as one");
	EXPECT_EQ(-EBADMSG, open_pickle("(dp0\n.", 6));
	EXPECT_EQ(-EBADMSG, open_pickle("\x80", 1));
	EXPECT_EQ(-EBADMSG, open_pickle("\x80\2", 2));
	EXPECT_CONTAINS(vgg_error_last()->what, "it ends here");
}

/* n times the code, after a beginning. */
static int repeated(const char *begin, const char *code, size_t code_bytes,
		    size_t n)
{
	struct bytes b = { 0 };
	int err;

	bytes_put(&b, "\x80\2", 2);
	bytes_put(&b, begin, strlen(begin));
	while (n--)
		bytes_put(&b, code, code_bytes);
	bytes_put(&b, ".", 1);
	err = open_pickle(b.data, b.size);
	free(b.data);
	return err;
}

/* Memory for a pickle is limited, however it is asked for. */
TEST(bombs_do_not_go_off)
{
	size_t many = VGG_PICKLE_VALUES_MAX + 1;

	EXPECT_EQ(-EOPNOTSUPP, repeated("](", "N", 1, many));
	EXPECT_CONTAINS(vgg_error_last()->what, "more than 1048576 values");
	EXPECT_EQ(-EOPNOTSUPP, repeated("", "(", 1, many));
	EXPECT_EQ(-EOPNOTSUPP, repeated("]", "]a", 2, many));
	EXPECT_EQ(-EBADMSG, repeated("]q\1(", "h\1", 2, many));
	EXPECT_CONTAINS(vgg_error_last()->what, "the stack is too high");
	/* Each list has the one before twice: 2^100000 of them to walk. */
	EXPECT_EQ(-EBADMSG, repeated("]q\1", "](h\1h\1eq\1", 9, 100000));
	EXPECT_CONTAINS(vgg_error_last()->what, "values are left over");
	EXPECT_EQ(-EOPNOTSUPP, repeated("]q\1", "](h\1h\1eq\1", 9, many / 2));
	EXPECT_CONTAINS(vgg_error_last()->what, "more than 1048576 values");
	/* As deep as it is long. */
	EXPECT_EQ(-EOPNOTSUPP, repeated("]", "\x85", 1, 500000));
	EXPECT_CONTAINS(vgg_error_last()->what, "no dictionary of tensors");
}

/* All short programs of the opcodes that there are. */
TEST(random_programs_are_harmless)
{
	static const char *const words[] = {
		"(",
		".",
		"K\1",
		"N",
		"Q",
		"R",
		"X\1\0\0\0a",
		"]",
		"a",
		"b",
		"ccollections\nOrderedDict\n",
		"ctorch._utils\n_rebuild_tensor_v2\n",
		"ctorch\nFloatStorage\n",
		"e",
		"h\1",
		"q\1",
		"s",
		"t",
		")",
		"u",
		"}",
		"\x81",
		"\x85",
		"\x86",
		"\x87",
		"\x88",
		"X\7\0\0\0storage",
		"(X\7\0\0\0storage",
		"\x8a\1\5",
	};
	static const size_t sizes[] = {
		1, 1, 2, 1, 1, 1, 6, 1, 1, 1, 25, 33, 20, 1, 2,
		2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  12, 13, 3,
	};
	unsigned int rounds = test_emulated() ? 5000 : 100000;
	uint64_t state = test_seed();
	unsigned int finished = 0;

	_Static_assert(sizeof(sizes) / sizeof(*sizes) ==
			       sizeof(words) / sizeof(*words),
		       "one size a word");
	for (unsigned int i = 0; i < rounds; i++) {
		struct bytes b = { 0 };

		bytes_put(&b, "\x80\2", 2);
		for (int64_t n = test_random_in(&state, 1, 24); n; n--) {
			size_t w = (size_t)test_random_in(
				&state, 0, sizeof(sizes) / sizeof(*sizes) - 1);

			bytes_put(&b, words[w], sizes[w]);
		}
		bytes_put(&b, ".", 1);
		finished += open_pickle(b.data, b.size) == -EOPNOTSUPP;
		free(b.data);
	}
	/* Some of them are sound, though without tensors. */
	EXPECT_GT(finished, rounds / 1000);
}

TEST_HARNESS_MAIN
