/*
 * What came after 2.4.0: talloc_asprintf_addsep(), talloc_realloc_zero(); the
 * version; elements of size 0; and a type check whose abort function returns.
 */
#include "test.h"

#include <signal.h>
#include <stdarg.h>
#include <wchar.h>

#define LIMIT ((size_t)0x10000000)

/* Not representable in the C locale: a format error for %ls. */
static const wchar_t bad_wide[] = { 0x100, 0 };

static void *ctx;

struct item {
	char bytes[12];
};

static bool all_bytes(const void *ptr, size_t n, unsigned char value)
{
	const unsigned char *p = ptr;
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

static void limit_memory(const void *c, size_t max)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	CHECK_INT(talloc_set_memlimit(c, max), 0);
#pragma GCC diagnostic pop
}

static void test_version(void)
{
	CHECK_INT(TALLOC_VERSION_MAJOR, 2);
	CHECK_INT(TALLOC_VERSION_MINOR, 5);
	CHECK_INT(talloc_version_major(), 2);
	CHECK_INT(talloc_version_minor(), 5);
#if TALLOC_VERSION_MAJOR != 2 || TALLOC_VERSION_MINOR != 5
#error the preprocessor has to know them too
#endif
}

static void test_addsep(void)
{
	char *s = talloc_strdup(ctx, "");
	int i;

	/* No separator before the first. */
	talloc_asprintf_addsep(&s, ", ", "%s", "one");
	CHECK_STR(s, "one");
	talloc_asprintf_addsep(&s, ", ", "%s %d", "two", 2);
	CHECK_STR(s, "one, two 2");
	talloc_asprintf_addsep(&s, "", "%c", '!');
	CHECK_STR(s, "one, two 2!");
	/* Mixes with the others. */
	talloc_asprintf_addbuf(&s, "%d", 7);
	talloc_asprintf_addsep(&s, "|", "plain");
	s = talloc_strdup_append(s, "+");
	talloc_asprintf_addsep(&s, "|", "%%");
	CHECK_STR(s, "one, two 2!7|plain+|%");
	CHECK(talloc_get_name(s) == s);
	CHECK(talloc_parent(s) == ctx);
	CHECK_INT(talloc_get_size(s), strlen(s) + 1);
	CHECK_INT(talloc_total_blocks(ctx), 2);

	/* The separator is text, not a format. */
	talloc_free(s);
	s = talloc_strdup(ctx, "a");
	talloc_asprintf_addsep(&s, "%s%n%d%", "%s", "b");
	CHECK_STR(s, "a%s%n%d%b");

	/* Nothing to add comes after the separator like anything else. */
	talloc_free(s);
	s = talloc_strdup(ctx, "a");
	talloc_asprintf_addsep(&s, ",", "%s", "");
	CHECK_STR(s, "a,");
	talloc_asprintf_addsep(&s, ",", "%s", "");
	CHECK_STR(s, "a,,");
	/* And is still empty when it was. */
	talloc_free(s);
	s = talloc_strdup(ctx, "");
	talloc_asprintf_addsep(&s, ",", "%s", "");
	CHECK_STR(s, "");
	talloc_asprintf_addsep(&s, ",", "%s", "x");
	CHECK_STR(s, "x");

	talloc_free(s);
	s = talloc_strdup(ctx, "");
	for (i = 0; i < 3000; i++) {
		talloc_asprintf_addsep(&s, "; ", "%d", i);
		if (i % 100 == 0)
			talloc_size(ctx, 50);
	}
	CHECK(strncmp(s, "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; 10; ", 34) == 0);
	CHECK_STR(s + strlen(s) - 12, "; 2998; 2999");
	/* 10 + 2 * 90 + 3 * 900 + 4 * 2000 digits and 2999 separators. */
	CHECK_INT(strlen(s), 10 + 180 + 2700 + 8000 + 2 * 2999);
	talloc_asprintf_addsep(&s, ",", "%*s", 70000, "x");
	CHECK_STR(s + strlen(s) - 2, " x");
	CHECK(talloc_get_name(s) == s);
}

/* No string: nothing happens.  No memory: no string. */
static void test_addsep_failures(void)
{
	void *small = talloc_new(ctx);
	char *s = NULL;

	talloc_asprintf_addsep(&s, ",", "%d", 1);
	CHECK(s == NULL);

	s = talloc_strdup(small, "kept");
	limit_memory(small, 5000);
	talloc_asprintf_addsep(&s, ",", "%d", 1);
	CHECK_STR(s, "kept,1");
	talloc_asprintf_addsep(&s, ",", "%*s", 20000, "x");
	CHECK(s == NULL);
	CHECK_INT(talloc_total_blocks(small), 1);
	talloc_asprintf_addsep(&s, ",", "%d", 2);
	CHECK(s == NULL);

	/* The separator alone is too much. */
	{
		char *sep = malloc(20001);

		memset(sep, '-', 20000);
		sep[20000] = '\0';
		s = talloc_strdup(small, "kept");
		talloc_asprintf_addsep(&s, sep, "%d", 1);
		CHECK(s == NULL);
		/* But to an empty string it is not added. */
		s = talloc_strdup(small, "");
		talloc_asprintf_addsep(&s, sep, "%d", 1);
		CHECK_STR(s, "1");
		free(sep);
	}
	CHECK_INT(talloc_free(small), 0);

	/* A format error takes nothing away. */
	s = talloc_strdup(ctx, "whole");
	talloc_asprintf_addsep(&s, ",", "%ls", bad_wide);
	CHECK(s != NULL && strncmp(s, "whole", 5) == 0);
	CHECK(talloc_get_size(s) == strlen(s) + 1);
}

static void test_realloc_zero(void)
{
	struct item *items = talloc_realloc_zero(ctx, NULL, struct item, 10);
	char *p;
	size_t size;
	int bad = 0;

	CHECK(_Generic(talloc_realloc_zero(ctx, NULL, struct item, 1), struct item *: 1,
		       default: 0));
	CHECK_INT(talloc_array_length(items), 10);
	CHECK_STR(talloc_get_name(items), "struct item");
	CHECK(talloc_parent(items) == ctx);
	CHECK(all_bytes(items, 120, 0));

	memset(items, 'i', 120);
	items = talloc_realloc_zero(ctx, items, struct item, 1000);
	CHECK_INT(talloc_array_length(items), 1000);
	CHECK(all_bytes(items, 120, 'i'));
	CHECK(all_bytes(items + 10, 12000 - 120, 0));

	/* Less: what remains is left alone. */
	memset(items, 'j', 12000);
	items = talloc_realloc_zero(ctx, items, struct item, 990);
	CHECK_INT(talloc_array_length(items), 990);
	CHECK(all_bytes(items, 990 * 12, 'j'));
	/* And more again: no byte of before comes back. */
	items = talloc_realloc_zero(ctx, items, struct item, 1000);
	CHECK(all_bytes(items, 990 * 12, 'j'));
	CHECK(all_bytes(items + 990, 120, 0));
	/* The same. */
	memset(items, 'k', 12000);
	CHECK(talloc_realloc_zero(ctx, items, struct item, 1000) == items);
	CHECK(all_bytes(items, 12000, 'k'));
	/* The other element type is a matter of the new size only. */
	p = talloc_realloc_zero(ctx, items, char, 12001);
	CHECK_STR(talloc_get_name(p), "char");
	CHECK(all_bytes(p, 12000, 'k'));
	CHECK_INT(p[12000], 0);
	CHECK_INT(talloc_free(p), 0);
	talloc_free_children(ctx);

	/* Byte by byte, over memory that others have used. */
	for (size = 16; size < 3000; size *= 2) {
		p = talloc_size(ctx, size);
		memset(p, 0xee, size);
		talloc_free(p);
	}
	p = NULL;
	for (size = 1; size < 3000; size++) {
		p = talloc_realloc_zero(ctx, p, char, (unsigned)size);
		if (p == NULL || p[size - 1] != 0 || (size > 1 && p[size - 2] != 'x'))
			bad++;
		p[size - 1] = 'x';
	}
	CHECK_INT(bad, 0);
	CHECK(all_bytes(p, 2999, 'x'));
	/* Down and up in steps, in place or not. */
	for (size = 2999; size > 100; size -= 97) {
		p = talloc_realloc_zero(ctx, p, char, (unsigned)(size - 97));
		p = talloc_realloc_zero(ctx, p, char, (unsigned)(size - 50));
		if (!all_bytes(p, size - 97, 'x') || !all_bytes(p + size - 97, 47, 0))
			bad++;
		memset(p, 'x', size - 50);
	}
	CHECK_INT(bad, 0);
}

static void test_realloc_zero_refused(void)
{
	void *owner = talloc_new(ctx);
	void *small;
	char *p = talloc_realloc_zero(ctx, NULL, char, 5);

	strcpy(p, "text");
	CHECK(_talloc_realloc_array_zero(ctx, p, 1, LIMIT, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, p, 16, LIMIT / 16, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, p, 3, LIMIT / 3, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, p, LIMIT + 1, 0, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, p, SIZE_MAX, 2, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, p, 2, (unsigned)-1, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(ctx, NULL, 16, LIMIT / 16, "big") == NULL);
	CHECK(_talloc_realloc_array_zero(NULL, NULL, SIZE_MAX, 1, "big") == NULL);
	talloc_reference(owner, p);
	CHECK(talloc_realloc_zero(ctx, p, char, 10) == NULL);
	CHECK_INT(talloc_unlink(owner, p), 0);
	CHECK_INT(talloc_get_size(p), 5);
	CHECK_STR(p, "text");
	CHECK_STR(talloc_get_name(p), "char");
	CHECK(talloc_realloc_zero(ctx, talloc_pool(ctx, 100), char, 10) == NULL);

	small = talloc_new(ctx);
	p = talloc_memdup(small, "text", 5);
	limit_memory(small, 5000);
	CHECK(talloc_realloc_zero(small, p, char, 20000) == NULL);
	CHECK_STR(p, "text");
	CHECK_INT(talloc_get_size(p), 5);

	/* Size 0 frees. */
	CHECK(talloc_realloc_zero(small, p, char, 0) == NULL);
	CHECK_INT(talloc_total_blocks(small), 1);
	CHECK(talloc_realloc_zero(small, NULL, char, 0) == NULL);
	p = talloc_realloc_zero(NULL, NULL, char, 9);
	CHECK(talloc_parent(p) == NULL && all_bytes(p, 9, 0));
	CHECK(_talloc_realloc_array_zero(NULL, p, 4, 0, "none") == NULL);
	CHECK_INT(talloc_total_blocks(small), 1);
}

static void test_realloc_zero_in_pool(void)
{
	void *pool = talloc_pool(ctx, 4000);
	char *p = talloc_size(pool, 3000), *q;

	/* Dirty the pool first. */
	memset(p, 0xee, 3000);
	CHECK_INT(talloc_free(p), 0);
	p = talloc_realloc_zero(pool, NULL, char, 10);
	CHECK(all_bytes(p, 10, 0));
	memset(p, 'p', 10);
	/* In place: within the rounded size, then as the last member. */
	p = talloc_realloc_zero(pool, p, char, 14);
	CHECK(all_bytes(p, 10, 'p') && all_bytes(p + 10, 4, 0));
	p = talloc_realloc_zero(pool, p, char, 500);
	CHECK(all_bytes(p, 10, 'p') && all_bytes(p + 10, 490, 0));
	/* To another place, no longer the last. */
	q = talloc_size(pool, 16);
	memset(q, 'q', 16);
	p = talloc_realloc_zero(pool, p, char, 900);
	CHECK(all_bytes(p, 10, 'p') && all_bytes(p + 10, 890, 0));
	/* To the start, as the only one: over its own old bytes. */
	memset(p, 'r', 900);
	talloc_free(q);
	p = talloc_realloc_zero(pool, p, char, 3000);
	CHECK(all_bytes(p, 900, 'r') && all_bytes(p + 900, 2100, 0));
	/* Out of the pool. */
	memset(p, 's', 3000);
	p = talloc_realloc_zero(pool, p, char, 9000);
	CHECK(all_bytes(p, 3000, 's') && all_bytes(p + 3000, 6000, 0));
	CHECK(talloc_parent(p) == pool);
	CHECK_INT(talloc_free(pool), 0);
}

static void test_realloc_zero_family(void)
{
	char *p = talloc_realloc_zero(ctx, NULL, char, 10);
	void *child = talloc_size(p, 1);

	talloc_named_const(ctx, 0, "younger");
	p = talloc_realloc_zero(ctx, p, char, 300000);
	CHECK(talloc_parent(child) == p);
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(children_of(ctx), "younger char ");
	CHECK(all_bytes(p, 300000, 0));
}

/*
 * A limit follows its chunk when that moves, and can still be changed.  (The
 * original then sets a second limit next to the first.)
 */
static void test_limit_changed_after_move(void)
{
	char *p = talloc_named_const(ctx, 100, "p"), *old = p;
	int i;

	limit_memory(p, 500000);
	for (i = 0; i < 3; i++) {
		talloc_size(ctx, 100);
		p = talloc_realloc_size(ctx, p, 100000 + 50000 * (size_t)i);
		CHECK(talloc_size(p, 450000) == NULL);
	}
	CHECK(p != old);
	limit_memory(p, 800000);
	CHECK(talloc_size(p, 450000) != NULL);
	CHECK(talloc_size(p, 450000) == NULL);
	limit_memory(p, 0);
	CHECK(talloc_size(p, 450000) != NULL);
	CHECK_INT(talloc_free(p), 0);
}

/* Elements of size 0: upstream divides by zero. */
static void test_element_size_zero(void)
{
	static const unsigned counts[] = { 0, 1, 2, 1000, 0x10000000, (unsigned)-1 };
	size_t i;
	void *p;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		p = talloc_array_size(ctx, 0, counts[i]);
		CHECK(p != NULL);
		CHECK_INT(talloc_get_size(p), 0);
		CHECK(talloc_parent(p) == ctx);
		p = _talloc_zero_array(ctx, 0, counts[i], "zero");
		CHECK(p != NULL);
		CHECK_INT(talloc_get_size(p), 0);
		/* A resize to that is a resize to size 0. */
		CHECK(_talloc_realloc_array(ctx, NULL, 0, counts[i], "none") == NULL);
		CHECK(_talloc_realloc_array_zero(ctx, NULL, 0, counts[i], "none") == NULL);
		CHECK(_talloc_realloc_array(ctx, p, 0, counts[i], "none") == NULL);
		p = talloc_size(ctx, 5);
		CHECK(_talloc_realloc_array_zero(ctx, p, 0, counts[i], "none") == NULL);
		CHECK_INT(talloc_total_blocks(ctx), 2 + i);
	}
	CHECK_INT(talloc_total_size(ctx), 0);
}

static int aborts;

static void note_abort(const char *reason)
{
	(void)reason;
	aborts++;
}

static void test_type_abort_returns(void)
{
	void *p = talloc(ctx, struct item);

	talloc_set_abort_fn(note_abort);
	CHECK(talloc_get_type_abort(p, int) == NULL);
	CHECK(talloc_get_type_abort(NULL, int) == NULL);
	CHECK_INT(aborts, 2);
	CHECK(talloc_get_type_abort(p, struct item) == p);
	CHECK_INT(aborts, 2);
	talloc_set_abort_fn(NULL);
	/* All goes on as before. */
	CHECK_STR(talloc_get_name(p), "struct item");
	CHECK_INT(talloc_free(p), 0);
}

static void silent_mismatch(void)
{
	talloc_set_log_fn(NULL);
	_talloc_get_type_abort(talloc(ctx, struct item), "int", "there:9");
}

/* Nobody to tell: the reason goes to stderr before the end. */
static void test_abort_with_a_word(void)
{
	struct outcome *o = run_apart(silent_mismatch, false);

	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK(strstr(o->out, "there:9: Type mismatch: name[struct item] expected[int]") != NULL);
}

#define RUN_FRESH(fn)                                     \
	do {                                              \
		ctx = talloc_named_const(NULL, 0, "ctx"); \
		RUN(fn);                                  \
		CHECK_INT(talloc_free(ctx), 0);           \
	} while (0)

int main(void)
{
	RUN_FRESH(test_version);
	RUN_FRESH(test_addsep);
	RUN_FRESH(test_addsep_failures);
	RUN_FRESH(test_realloc_zero);
	RUN_FRESH(test_realloc_zero_refused);
	RUN_FRESH(test_realloc_zero_in_pool);
	RUN_FRESH(test_realloc_zero_family);
	RUN_FRESH(test_limit_changed_after_move);
	RUN_FRESH(test_element_size_zero);
	RUN_FRESH(test_type_abort_returns);
	RUN_FRESH(test_abort_with_a_word);
	TEST_END();
}
