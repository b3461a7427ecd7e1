/*
 * Every macro of talloc.h that programs use: there, of the right type, each
 * argument evaluated once, and doing what it should.  (What they refuse to
 * compile needs a compiler run, not a program.)
 */
#define TALLOC_DEPRECATED 1
#include "test.h"

struct thing {
	int number;
	char text[12];
};

#define IS_TYPE(expr, type) _Generic((expr), type: 1, default: 0)
#define CHECK_LOCATED(expr, before)                                      \
	do {                                                             \
		const void *located_ = (expr);                           \
		CHECK_STR(talloc_get_name(located_), before __location__); \
	} while (0)

static void *ctx;
static int evaluated;

/* Counts how often a macro evaluates an argument. */
static void *once(void *value)
{
	evaluated++;
	return value;
}

static size_t once_n(size_t value)
{
	evaluated++;
	return value;
}

#define CHECK_EVALUATED(n)            \
	do {                          \
		int seen_ = evaluated; \
		evaluated = 0;        \
		CHECK_INT(seen_, n);  \
	} while (0)

#ifndef talloc
#error talloc
#endif
#ifndef talloc_free
#error talloc_free
#endif
#ifndef talloc_set_destructor
#error talloc_set_destructor
#endif
#ifndef talloc_steal
#error talloc_steal
#endif
#ifndef talloc_move
#error talloc_move
#endif
#ifndef talloc_reference
#error talloc_reference
#endif
#ifndef TALLOC_FREE
#error TALLOC_FREE
#endif
#ifndef __location__
#error __location__
#endif
#ifndef PRINTF_ATTRIBUTE
#error PRINTF_ATTRIBUTE
#endif
#ifndef _DEPRECATED_
#error _DEPRECATED_
#endif
#ifndef TALLOC_MAX_DEPTH
#error TALLOC_MAX_DEPTH
#endif

/* Attributes are there to be used by programs as well. */
static char *format(const char *fmt, ...) PRINTF_ATTRIBUTE(1, 2);
static int old_function(void) _DEPRECATED_;

static char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = talloc_vasprintf(ctx, fmt, ap);
	va_end(ap);
	return s;
}

static int old_function(void)
{
	return 1;
}

static void test_version(void)
{
	CHECK_INT(TALLOC_VERSION_MAJOR, 2);
	CHECK(TALLOC_VERSION_MINOR >= 4);
	CHECK_INT(talloc_version_major(), TALLOC_VERSION_MAJOR);
	CHECK(talloc_version_minor() >= 4);
	CHECK_INT(talloc_test_get_magic(), talloc_test_get_magic());
#if TALLOC_VERSION_MAJOR < 2 || TALLOC_MAX_DEPTH != 10000
#error the preprocessor has to know them too
#endif
	CHECK_INT(TALLOC_MAX_DEPTH, 10000);
}

static void test_small_ones(void)
{
	TALLOC_CTX *c = talloc_new(ctx);
	struct thing *t = talloc(c, struct thing);
	_TALLOC_TYPEOF(t) same = t;
	const char *place = __location__; int line = __LINE__;
	char want[300];

	CHECK(IS_TYPE(c, void *));
	CHECK(IS_TYPE(same, struct thing *));
	CHECK(same == t);
	snprintf(want, sizeof(want), "%s:%d", __FILE__, line);
	CHECK_STR(place, want);
	/* A literal, to be glued to others. */
	place = "at " __location__ "!"; line = __LINE__;
	snprintf(want, sizeof(want), "at %s:%d!", __FILE__, line);
	CHECK_STR(place, want);
	CHECK_STR(format("%d %s", 5, "x"), "5 x");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	CHECK_INT(old_function(), 1);
#pragma GCC diagnostic pop
}

static void test_making(void)
{
	struct thing *t, *u = NULL;
	void *v;

	t = talloc(once(ctx), struct thing);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc(ctx, struct thing), struct thing *));
	CHECK_INT(talloc_get_size(t), sizeof(*t));
	CHECK_STR(talloc_get_name(t), "struct thing");
	CHECK(talloc_parent(t) == ctx);

	t = talloc_zero(once(ctx), struct thing);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc_zero(ctx, struct thing), struct thing *));
	CHECK(t->number == 0 && t->text[11] == 0);
	CHECK_STR(talloc_get_name(t), "struct thing");

	v = talloc_size(once(ctx), once_n(30));
	CHECK_EVALUATED(2);
	CHECK(IS_TYPE(talloc_size(ctx, 1), void *));
	CHECK_INT(talloc_get_size(v), 30);
	CHECK_LOCATED(talloc_size(ctx, 1), "");

	v = talloc_zero_size(once(ctx), once_n(30));
	CHECK_EVALUATED(2);
	CHECK_INT(talloc_get_size(v), 30);
	CHECK_INT(((char *)v)[29], 0);
	CHECK_LOCATED(talloc_zero_size(ctx, 1), "");

	v = talloc_new(once(ctx));
	CHECK_EVALUATED(1);
	CHECK_INT(talloc_get_size(v), 0);
	CHECK_LOCATED(talloc_new(ctx), "talloc_new: ");

	u = talloc_ptrtype(once(ctx), u);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc_ptrtype(ctx, u), struct thing *));
	CHECK_INT(talloc_get_size(u), sizeof(*u));
	CHECK_LOCATED(talloc_ptrtype(ctx, u), "");

	v = talloc_memdup(once(ctx), once((void *)"abc"), once_n(4));
	CHECK_EVALUATED(3);
	CHECK_STR(v, "abc");
	CHECK_LOCATED(talloc_memdup(ctx, "abc", 2), "");

	t = talloc_pooled_object(once(ctx), struct thing, (unsigned)once_n(2), once_n(50));
	CHECK_EVALUATED(3);
	CHECK(IS_TYPE(talloc_pooled_object(ctx, struct thing, 0, 0), struct thing *));
	CHECK_STR(talloc_get_name(t), "struct thing");
	CHECK_INT(talloc_get_size(t), sizeof(*t));

	/* The text of the type is taken as it is written, macros and all. */
#define THING struct thing
	CHECK_STR(talloc_get_name(talloc(ctx, THING)), "THING");
	CHECK_STR(talloc_get_name(talloc(ctx, const char *const)), "const char *const");
}

static void test_arrays(void)
{
	struct thing *t;
	void *v;

	t = talloc_array(once(ctx), struct thing, (unsigned)once_n(5));
	CHECK_EVALUATED(2);
	CHECK(IS_TYPE(talloc_array(ctx, struct thing, 1), struct thing *));
	CHECK_STR(talloc_get_name(t), "struct thing");
	CHECK_INT(talloc_array_length(t), 5);
	CHECK(IS_TYPE(talloc_array_length(t), size_t));

	v = talloc_array_size(once(ctx), once_n(3), (unsigned)once_n(5));
	CHECK_EVALUATED(3);
	CHECK_INT(talloc_get_size(v), 15);
	CHECK_LOCATED(talloc_array_size(ctx, 3, 5), "");

	t = talloc_array_ptrtype(once(ctx), t, (unsigned)once_n(2));
	CHECK_EVALUATED(2);
	CHECK(IS_TYPE(talloc_array_ptrtype(ctx, t, 1), struct thing *));
	CHECK_INT(talloc_array_length(t), 2);
	CHECK_LOCATED(talloc_array_ptrtype(ctx, t, 5), "");

	t = talloc_zero_array(once(ctx), struct thing, (unsigned)once_n(9));
	CHECK_EVALUATED(2);
	CHECK(IS_TYPE(talloc_zero_array(ctx, struct thing, 1), struct thing *));
	CHECK(t[8].number == 0 && t[8].text[11] == 0);
	CHECK_INT(talloc_array_length(t), 9);

	t[8].number = 8;
	t = talloc_realloc(once(ctx), once(t), struct thing, (unsigned)once_n(90));
	CHECK_EVALUATED(3);
	CHECK(IS_TYPE(talloc_realloc(ctx, NULL, struct thing, 1), struct thing *));
	CHECK_INT(talloc_array_length(t), 90);
	CHECK_INT(t[8].number, 8);
	CHECK_STR(talloc_get_name(t), "struct thing");

	v = talloc_realloc_size(once(ctx), once(t), once_n(5000));
	CHECK_EVALUATED(3);
	CHECK_INT(talloc_get_size(v), 5000);
	CHECK_LOCATED(talloc_realloc_size(ctx, v, 6000), "");
	CHECK_LOCATED(talloc_realloc_size(ctx, NULL, 3), "");
}

static void test_types(void)
{
	void *v = talloc(ctx, struct thing);

	CHECK(talloc_get_type(once(v), struct thing) == v);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc_get_type(v, struct thing), struct thing *));
	CHECK(talloc_get_type(v, int) == NULL);
	CHECK(talloc_get_type_abort(once(v), struct thing) == v);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc_get_type_abort(v, struct thing), struct thing *));
	talloc_set_type(once(v), unsigned long long);
	CHECK_EVALUATED(1);
	CHECK_STR(talloc_get_name(v), "unsigned long long");
	CHECK(talloc_get_type(v, unsigned long long) == v);
	CHECK(talloc_find_parent_bytype(once(talloc_size(v, 1)), unsigned long long) == v);
	CHECK_EVALUATED(1);
	CHECK(IS_TYPE(talloc_find_parent_bytype(v, struct thing), struct thing *));
	CHECK(talloc_find_parent_bytype(v, struct thing) == NULL);
}

static void test_moving(void)
{
	void *a = talloc_new(ctx), *b = talloc_new(ctx);
	struct thing *t = talloc(a, struct thing), *u;
	const struct thing *c = t;

	u = talloc_steal(once(b), (struct thing *)once(t));
	CHECK_EVALUATED(2);
	CHECK(u == t && talloc_parent(t) == b);
	CHECK(IS_TYPE(talloc_steal(b, t), struct thing *));
	CHECK(IS_TYPE(talloc_steal(b, c), const struct thing *));
	/* One in the other. */
	u = talloc_steal(a, talloc_steal(b, (struct thing *)once(t)));
	CHECK_EVALUATED(1);
	CHECK(u == t && talloc_parent(t) == a);

	u = talloc_move(once(b), (struct thing **)once(&t));
	CHECK_EVALUATED(2);
	CHECK(t == NULL && talloc_parent(u) == b);
	CHECK(IS_TYPE(talloc_move(b, &u), struct thing *));

	t = talloc(a, struct thing);
	u = talloc_reference(once(b), (struct thing *)once(t));
	CHECK_EVALUATED(2);
	CHECK(u == t);
	CHECK(IS_TYPE(talloc_reference(b, t), struct thing *));
	CHECK_INT(talloc_reference_count(t), 1);
	CHECK(talloc_reference(b, (struct thing *)NULL) == NULL);
	CHECK_INT(talloc_unlink(b, t), 0);
}

static int destroyed;

static int thing_destructor(struct thing *t)
{
	destroyed += t->number;
	return 0;
}

static int plain_destructor(void *ptr)
{
	(void)ptr;
	destroyed += 100;
	return 0;
}

static void test_freeing(void)
{
	struct thing *t = talloc(ctx, struct thing);
	void *v = talloc_size(ctx, 1);
	size_t blocks = talloc_total_blocks(ctx);

	t->number = 5;
	talloc_set_destructor((struct thing *)once(t), thing_destructor);
	CHECK_EVALUATED(1);
	/* One statement, also where braces are left out. */
	if (destroyed == 0)
		talloc_set_destructor(v, plain_destructor);
	else
		talloc_set_destructor(v, NULL);
	CHECK_INT(talloc_free(once(t)), 0);
	CHECK_EVALUATED(1);
	CHECK_INT(destroyed, 5);
	CHECK_INT(talloc_free(v), 0);
	CHECK_INT(destroyed, 105);
	CHECK_INT(talloc_total_blocks(ctx), blocks - 2);

	t = talloc(ctx, struct thing);
	talloc_set_destructor(t, thing_destructor);
	talloc_set_destructor(t, NULL);
	if (t != NULL)
		TALLOC_FREE(t);
	else
		CHECK(0);
	CHECK(t == NULL);
	CHECK_INT(destroyed, 105);
	CHECK_INT(talloc_total_blocks(ctx), blocks - 2);
	/* Nothing to free is fine here, unlike for talloc_free(). */
	TALLOC_FREE(t);
	CHECK(t == NULL);
	v = NULL;
	CHECK_INT(talloc_free(v), -1);
	CHECK_INT(talloc_free(NULL), -1);
}

static int stay(void *ptr)
{
	(void)ptr;
	return -1;
}

/* The pointer is set to NULL even when the free was refused. */
static void test_free_refused(void)
{
	void *v = talloc_size(ctx, 1), *kept = v;

	talloc_set_destructor(v, stay);
	TALLOC_FREE(v);
	CHECK(v == NULL);
	CHECK(talloc_parent(kept) == ctx);
	talloc_set_destructor(kept, NULL);
	CHECK_INT(talloc_free(kept), 0);
}

/* The location in the macro is the place of the call. */
static void test_free_location(void)
{
	void *v = talloc_size(ctx, 1);
	const char *where;
	char want[300];

	_talloc_reference_loc(ctx, v, "one");
	_talloc_reference_loc(ctx, v, "two");
	log_start();
	where = __location__; CHECK_INT(talloc_free(v), -1);
	snprintf(want, sizeof(want),
		 "ERROR: talloc_free with references at %s\n"
		 "\treference at two\n\treference at one\n",
		 where);
	CHECK_STR(log_text, want);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_unlink(ctx, v), 0);
	CHECK_INT(talloc_unlink(ctx, v), 0);

	log_start();
	where = __location__; talloc_reference(ctx, v);
	snprintf(want, sizeof(want),
		 "WARNING: talloc_steal with references at x\n\treference at %s\n", where);
	_talloc_steal_loc(NULL, v, "x");
	CHECK_STR(log_text, want);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_unlink(ctx, v), 0);
	CHECK_INT(talloc_free(v), 0);
}

static void test_deprecated(void)
{
	struct thing *t;
	char *s;

	CHECK(IS_TYPE(talloc_p(ctx, struct thing), struct thing *));
	t = talloc_p(ctx, struct thing);
	CHECK_STR(talloc_get_name(t), "struct thing");
	CHECK_INT(talloc_destroy(t), 0);
	CHECK_INT(talloc_destroy(NULL), -1);
	t = talloc_zero_p(ctx, struct thing);
	CHECK(t->number == 0 && t->text[11] == 0);
	CHECK_STR(talloc_get_name(t), "struct thing");
	t = talloc_array_p(ctx, struct thing, 3);
	CHECK_INT(talloc_array_length(t), 3);
	t = talloc_realloc_p(ctx, t, struct thing, 30);
	CHECK_INT(talloc_array_length(t), 30);
	CHECK_STR(talloc_get_name(t), "struct thing");

	/* With nothing to append to it is a copy under the context. */
	s = NULL;
	s = talloc_append_string(ctx, s, "one");
	CHECK_STR(s, "one");
	CHECK(talloc_parent(s) == ctx);
	s = talloc_append_string(NULL, s, " two");
	CHECK_STR(s, "one two");
	CHECK(talloc_parent(s) == ctx);
	CHECK(talloc_append_string(ctx, s, NULL) == s);
}

int main(void)
{
	ctx = talloc_named_const(NULL, 0, "ctx");
	RUN(test_version);
	RUN(test_small_ones);
	RUN(test_making);
	RUN(test_arrays);
	RUN(test_types);
	RUN(test_moving);
	RUN(test_freeing);
	RUN(test_free_refused);
	RUN(test_free_location);
	RUN(test_deprecated);
	CHECK_INT(talloc_free(ctx), 0);
	TEST_END();
}
