/* SPDX-License-Identifier: MIT */
/*
 * A test harness with the interface that kernel developers know from
 * kselftest: TEST, FIXTURE, variants, EXPECT and ASSERT, TAP on stdout.
 *
 * Each test runs in a process of its own with a time limit, so a crash, a
 * sanitizer's report or a hang is one "not ok" and the others go on. EXPECT
 * notes a failure and goes on, ASSERT ends the test (the fixture is still torn
 * down). SKIP ends it with a reason.
 *
 *   FIXTURE(ring) { struct ring *r; };
 *   FIXTURE_VARIANT(ring) { int entries; };
 *   FIXTURE_VARIANT_ADD(ring, small) { .entries = 2 };
 *   FIXTURE_SETUP(ring) { self->r = ring_new(variant->entries); }
 *   FIXTURE_TEARDOWN(ring) { ring_free(self->r); }
 *   TEST_F(ring, starts_empty) { EXPECT_EQ(0, ring_count(self->r)); }
 *   TEST(no_fixture) { ASSERT_TRUE(1 + 1 == 2); }
 *   TEST_HARNESS_MAIN
 *
 * A test program takes the names of tests (or parts of them) to run only
 * those, -l to list them, and exits with 0, 1, or 4 if all were skipped.
 * VGG_TEST_SEED sets the seed of test_seed(), which is printed if used.
 */
#ifndef VGG_HARNESS_H
#define VGG_HARNESS_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_SKIP_CODE 4
#define TEST_TIMEOUT_DEFAULT 60 /* seconds; emulation multiplies it */

struct test_case {
	const char *fixture; /* NULL for TEST() */
	const char *name;
	size_t self_size;
	void (*setup)(void *self, const void *variant);
	void (*body)(void *self, const void *variant);
	void (*teardown)(void *self, const void *variant);
	unsigned int timeout;
	struct test_case *next;
};

struct test_variant {
	const char *fixture;
	const char *name;
	const void *data;
	struct test_variant *next;
};

/* State of the test that runs in this process. */
struct test_state {
	jmp_buf out;
	bool failed;
	bool skipped;
};
extern struct test_state test_state;

void test_register(struct test_case *test);
void test_register_variant(struct test_variant *variant);
int test_main(int argc, char **argv);

/* Says file and line and the text; marks the test as failed. */
void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void test_skip(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* A TAP diagnostic. */
void test_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define TH_LOG(...) test_log(__VA_ARGS__)

/* The seed of this run, printed at first use; test_random() steps a generator
 * of its own from *state. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
/* Uniform in lo..hi, both included. */
int64_t test_random_in(uint64_t *state, int64_t lo, int64_t hi);

/* A folder for this test's files, removed when the program ends. */
const char *test_tmpdir(void);
/* A path below the project's tests/ folder, whatever the working directory. */
const char *test_data(const char *relative);
/* True where another architecture is emulated: long tests may do less. */
bool test_emulated(void);

#define TEST_REGISTER_(fixture_, name_, size_, setup_, teardown_, timeout_)    \
	static void test_body_##name_(void *self_, const void *variant_);     \
	static struct test_case test_case_##name_ = {                         \
		fixture_, #name_,    size_,    setup_, test_body_##name_,      \
		teardown_, timeout_, NULL                                      \
	};                                                                     \
	__attribute__((constructor)) static void test_reg_##name_(void)       \
	{                                                                      \
		test_register(&test_case_##name_);                             \
	}

#define TEST_TIMEOUT(name, seconds)                                            \
	TEST_REGISTER_(NULL, name, 0, NULL, NULL, seconds)                     \
	static void test_body_##name(                                          \
		__attribute__((unused)) void *self_,                           \
		__attribute__((unused)) const void *variant_)
#define TEST(name) TEST_TIMEOUT(name, TEST_TIMEOUT_DEFAULT)

#define FIXTURE(fixture) struct fixture_##fixture
#define FIXTURE_VARIANT(fixture) struct variant_##fixture

#define FIXTURE_VARIANT_ADD(fixture, name_)                                    \
	extern const struct variant_##fixture                                  \
		variant_data_##fixture##_##name_;                              \
	static struct test_variant variant_reg_##fixture##_##name_ = {         \
		#fixture, #name_, &variant_data_##fixture##_##name_, NULL      \
	};                                                                     \
	__attribute__((constructor)) static void                               \
		variant_add_##fixture##_##name_(void)                          \
	{                                                                      \
		test_register_variant(&variant_reg_##fixture##_##name_);       \
	}                                                                      \
	const struct variant_##fixture variant_data_##fixture##_##name_ =

#define FIXTURE_HOOK_(fixture, hook)                                           \
	struct variant_##fixture;                                              \
	static void hook##_typed_##fixture(                                    \
		struct fixture_##fixture *, const struct variant_##fixture *); \
	static void hook##_##fixture(void *self, const void *variant)          \
	{                                                                      \
		hook##_typed_##fixture(self, variant);                         \
	}                                                                      \
	static void hook##_typed_##fixture(                                    \
		__attribute__((unused)) struct fixture_##fixture *self,        \
		__attribute__((unused)) const struct variant_##fixture *variant)
#define FIXTURE_SETUP(fixture) FIXTURE_HOOK_(fixture, setup)
#define FIXTURE_TEARDOWN(fixture) FIXTURE_HOOK_(fixture, teardown)

#define TEST_F_TIMEOUT(fixture, name, seconds)                                 \
	TEST_REGISTER_(#fixture, fixture##_##name,                             \
		       sizeof(struct fixture_##fixture), setup_##fixture,      \
		       teardown_##fixture, seconds)                            \
	static void typed_##fixture##_##name(                                  \
		struct fixture_##fixture *, const struct variant_##fixture *); \
	static void test_body_##fixture##_##name(void *self,                   \
						 const void *variant)          \
	{                                                                      \
		typed_##fixture##_##name(self, variant);                       \
	}                                                                      \
	static void typed_##fixture##_##name(                                  \
		__attribute__((unused)) struct fixture_##fixture *self,        \
		__attribute__((unused)) const struct variant_##fixture *variant)
#define TEST_F(fixture, name) TEST_F_TIMEOUT(fixture, name, TEST_TIMEOUT_DEFAULT)

#define SKIP(...) test_skip(__VA_ARGS__)

#define TEST_CHECK_(a_, op_, b_, end_)                                         \
	do {                                                                   \
		__typeof__(a_) x_ = (a_);                                      \
		__typeof__(b_) y_ = (b_);                                      \
		if (!(x_ op_ y_)) {                                            \
			test_fail(__FILE__, __LINE__,                          \
				  "%s (%" PRIdMAX ") %s %s (%" PRIdMAX ")",    \
				  #a_, (intmax_t)x_, #op_, #b_,                \
				  (intmax_t)y_);                               \
			end_;                                                  \
		}                                                              \
	} while (0)
#define TEST_CHECK_TRUE_(a_, want_, end_)                                      \
	do {                                                                   \
		if (((a_) ? true : false) != (want_)) {                                     \
			test_fail(__FILE__, __LINE__, "%s is %s", #a_,         \
				  (want_) ? "false" : "true");                 \
			end_;                                                  \
		}                                                              \
	} while (0)
#define TEST_CHECK_STR_(a_, same_, b_, end_)                                   \
	do {                                                                   \
		const char *x_ = (a_), *y_ = (b_);                             \
		bool eq_ = x_ && y_ && !strcmp(x_, y_);                        \
		if (eq_ != (same_)) {                                          \
			test_fail(__FILE__, __LINE__, "%s is \"%s\", %s \"%s\"", \
				  #b_, y_ ? y_ : "(null)",                     \
				  (same_) ? "not" : "but must not be",         \
				  x_ ? x_ : "(null)");                         \
			end_;                                                  \
		}                                                              \
	} while (0)
#define TEST_END_ longjmp(test_state.out, 1)

#define EXPECT_EQ(a, b) TEST_CHECK_(a, ==, b, (void)0)
#define EXPECT_NE(a, b) TEST_CHECK_(a, !=, b, (void)0)
#define EXPECT_LT(a, b) TEST_CHECK_(a, <, b, (void)0)
#define EXPECT_LE(a, b) TEST_CHECK_(a, <=, b, (void)0)
#define EXPECT_GT(a, b) TEST_CHECK_(a, >, b, (void)0)
#define EXPECT_GE(a, b) TEST_CHECK_(a, >=, b, (void)0)
#define EXPECT_TRUE(a) TEST_CHECK_TRUE_(a, true, (void)0)
#define EXPECT_FALSE(a) TEST_CHECK_TRUE_(a, false, (void)0)
#define EXPECT_STREQ(a, b) TEST_CHECK_STR_(a, true, b, (void)0)
#define EXPECT_STRNE(a, b) TEST_CHECK_STR_(a, false, b, (void)0)

#define ASSERT_EQ(a, b) TEST_CHECK_(a, ==, b, TEST_END_)
#define ASSERT_NE(a, b) TEST_CHECK_(a, !=, b, TEST_END_)
#define ASSERT_LT(a, b) TEST_CHECK_(a, <, b, TEST_END_)
#define ASSERT_LE(a, b) TEST_CHECK_(a, <=, b, TEST_END_)
#define ASSERT_GT(a, b) TEST_CHECK_(a, >, b, TEST_END_)
#define ASSERT_GE(a, b) TEST_CHECK_(a, >=, b, TEST_END_)
#define ASSERT_TRUE(a) TEST_CHECK_TRUE_(a, true, TEST_END_)
#define ASSERT_FALSE(a) TEST_CHECK_TRUE_(a, false, TEST_END_)
#define ASSERT_STREQ(a, b) TEST_CHECK_STR_(a, true, b, TEST_END_)

/* Doubles and strings with a part in them, for messages that show them. */
#define EXPECT_NEAR(a, b, tolerance)                                           \
	do {                                                                   \
		double x_ = (a), y_ = (b), t_ = (tolerance);                   \
		if (!(x_ - y_ <= t_ && y_ - x_ <= t_))                         \
			test_fail(__FILE__, __LINE__,                          \
				  "%s (%.9g) is not within %g of %s (%.9g)",   \
				  #b, y_, t_, #a, x_);                         \
	} while (0)
#define EXPECT_CONTAINS(text, part)                                            \
	do {                                                                   \
		const char *x_ = (text), *y_ = (part);                         \
		if (!x_ || !strstr(x_, y_))                                    \
			test_fail(__FILE__, __LINE__,                          \
				  "\"%s\" does not contain \"%s\"",            \
				  x_ ? x_ : "(null)", y_);                     \
	} while (0)

#define TEST_HARNESS_MAIN                                                      \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		return test_main(argc, argv);                                  \
	}

#endif
