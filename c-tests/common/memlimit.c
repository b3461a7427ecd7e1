/*
 * Memory limits: verdicts, accounts, and the line in reports.
 *
 * What a chunk header costs is measured (header_cost), not assumed.  Left out
 * are the cases in which the original's accounts are known to go wrong: chunks
 * stolen out of a limit or moved inside it, pools that are freed, pool members
 * that leave their pool, handles made before the limit.
 */
#include "../test.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Did the call fail, the way an allocation over the limit does? */
#define REFUSED(call) (errno = 0, (const void *)(call) == NULL && errno == ENOMEM)

#define NEW(ctx, name) talloc_named_const((ctx), 0, (name))

static size_t header_cost;

/* The first line of text, with what stands behind "cur_size = " replaced. */
static const char *first_line(const char *text, unsigned long *cur)
{
	static char line[512];
	const char *end = strchr(text, '\n');
	const char *key = strstr(text, "cur_size = ");
	int before;

	*cur = (unsigned long)-1;
	if (end == NULL || key == NULL || key > end)
		return "(no limit)";
	before = (int)(key - text) + 11;
	*cur = strtoul(key + 11, (char **)&key, 10);
	snprintf(line, sizeof(line), "%.*sN%.*s", before, text, (int)(end - key), key);
	return line;
}

static const char *limit_line(const void *p)
{
	unsigned long cur;

	return first_line(text_of(talloc_report, p), &cur);
}

/* The account of a limit: what the report says. */
static size_t account(const void *p)
{
	unsigned long cur;

	first_line(text_of(talloc_report, p), &cur);
	return cur;
}

/* n chunks with so many user bytes between them */
static size_t cost(size_t n, size_t bytes)
{
	return n * header_cost + bytes;
}

static int refuse(void *p)
{
	(void)p;
	return -1;
}

static void the_header(void)
{
	void *c = NEW(NULL, "c");

	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	header_cost = account(c);
	CHECK(header_cost >= 48 && header_cost <= 96);
	CHECK_INT(talloc_free(c), 0);
}

/* ---- one limit ---- */

static void verdicts(void)
{
	void *c = NEW(NULL, "c");
	char *m[10];
	int i, bad = 0;

	CHECK_INT(talloc_set_memlimit(c, 10000), 0);
	for (i = 0; i < 9; i++)
		bad += (m[i] = talloc_size(c, 1000)) == NULL;
	CHECK_INT(bad, 0);
	CHECK(account(c) == cost(10, 9000));
	CHECK(REFUSED(talloc_size(c, 1000)));
	CHECK(REFUSED(talloc_size(c, 1000)));
	CHECK(REFUSED(talloc_size(m[0], 1000)));
	CHECK(account(c) == cost(10, 9000));
	CHECK_INT(talloc_total_size(c), 9000);
	CHECK_INT(talloc_total_blocks(c), 10);

	/* What is freed can be had again, over and over. */
	for (i = 0; i < 2000; i++) {
		bad += talloc_free(m[i % 9]) != 0;
		bad += (m[i % 9] = talloc_size(c, 1000)) == NULL;
	}
	CHECK_INT(bad, 0);
	CHECK(account(c) == cost(10, 9000));
	talloc_free_children(c);
	CHECK(account(c) == cost(1, 0));
	CHECK(talloc_size(c, 9000) != NULL);
	CHECK_INT(talloc_free(c), 0);
}

static void exactly_full(void)
{
	void *c = NEW(NULL, "c");
	char *p;

	CHECK_INT(talloc_set_memlimit(c, cost(2, 100)), 0);
	CHECK(REFUSED(talloc_size(c, 101)));
	p = talloc_size(c, 100); /* just fits; sizes are not rounded */
	CHECK(p != NULL);
	CHECK(account(c) == cost(2, 100));
	CHECK(REFUSED(talloc_size(c, 0)));
	CHECK(REFUSED(talloc_realloc_size(c, p, 101)));
	CHECK_INT(talloc_get_size(p), 100);
	p = talloc_realloc_size(c, p, 99);
	CHECK(account(c) == cost(2, 99));
	p = talloc_realloc_size(c, p, 100);
	CHECK(p != NULL);
	CHECK_INT(talloc_free(p), 0);
	CHECK(talloc_size(c, 100) != NULL);
	CHECK_INT(talloc_free(c), 0);
}

static void what_was_there_counts(void)
{
	void *c = NEW(NULL, "c");
	char *a = talloc_size(c, 3000);
	char *b = talloc_size(a, 3000);

	CHECK_INT(talloc_set_memlimit(c, 10000), 0);
	CHECK(account(c) == cost(3, 6000));
	CHECK(REFUSED(talloc_size(b, 5000)));
	CHECK(talloc_size(b, 3000) != NULL);
	CHECK(account(c) == cost(4, 9000));
	CHECK_INT(talloc_free(b), 0);
	CHECK(account(c) == cost(2, 3000));
	CHECK(talloc_size(a, 5000) != NULL);

	/* A limit below what is there: nothing new, but nothing goes either. */
	CHECK_INT(talloc_set_memlimit(c, 100), 0);
	CHECK(REFUSED(talloc_size(c, 0)));
	CHECK(REFUSED(talloc_size(a, 1)));
	CHECK_INT(talloc_total_size(c), 8000);
	a = talloc_realloc_size(c, a, 2000); /* smaller is always allowed */
	CHECK(a != NULL);
	CHECK_INT(talloc_get_size(a), 2000);
	CHECK(account(c) == cost(3, 7000));
	CHECK_INT(talloc_free(c), 0);
}

static void every_way(void)
{
	void *c = NEW(NULL, "c"), *p;
	void *other = NEW(NULL, "other");
	char *s, *t;

	CHECK_INT(talloc_set_memlimit(c, 1), 0);
	CHECK(REFUSED(talloc_new(c)));
	CHECK(REFUSED(talloc(c, int)));
	CHECK(REFUSED(talloc_size(c, 1)));
	CHECK(REFUSED(talloc_zero(c, int)));
	CHECK(REFUSED(talloc_zero_size(c, 1)));
	CHECK(REFUSED(talloc_memdup(c, "x", 1)));
	CHECK(REFUSED(talloc_array(c, int, 3)));
	CHECK(REFUSED(talloc_zero_array(c, int, 3)));
	CHECK(REFUSED(talloc_array_size(c, 3, 3)));
	CHECK(REFUSED(talloc_realloc(c, NULL, int, 3)));
	CHECK(REFUSED(talloc_realloc_size(c, NULL, 3)));
	CHECK(REFUSED(talloc_strdup(c, "x")));
	CHECK(REFUSED(talloc_strndup(c, "xyz", 2)));
	CHECK(REFUSED(talloc_asprintf(c, "%d", 1)));
	CHECK(REFUSED(talloc_named(c, 1, "x%d", 1)));
	CHECK(REFUSED(talloc_named_const(c, 1, "x")));
	CHECK(REFUSED(talloc_pool(c, 10)));
	CHECK(REFUSED(talloc_pooled_object(c, int, 1, 10)));
	CHECK(REFUSED(talloc_reference(c, other)));
	CHECK_INT(talloc_reference_count(other), 0);
	CHECK(REFUSED(talloc_set_name(c, "x%d", 1)));
	CHECK_STR(talloc_get_name(c), "UNNAMED");
	CHECK(account(c) == cost(1, 0));
	CHECK_INT(talloc_total_blocks(c), 1);

	/* Room for the chunk but not for its name: neither is left. */
	CHECK_INT(talloc_set_memlimit(c, cost(2, 10)), 0);
	CHECK(REFUSED(talloc_named(c, 1, "x%d", 1)));
	CHECK(account(c) == cost(1, 0));
	CHECK_INT(talloc_total_blocks(c), 1);

	/* Strings that cannot grow stay as they were. */
	CHECK_INT(talloc_set_memlimit(c, cost(2, 100)), 0);
	s = talloc_strdup(c, "some text");
	CHECK(account(c) == cost(2, 10));
	s = talloc_strdup_append(s, " and more");
	CHECK(account(c) == cost(2, 19));
	s = talloc_asprintf_append(s, " %d", 42);
	CHECK(account(c) == cost(2, 22));
	CHECK(REFUSED(talloc_asprintf_append(s, "%0100d", 0)));
	CHECK(REFUSED(talloc_asprintf_append_buffer(s, "%0100d", 0)));
	CHECK_STR(s, "some text and more 42");
	t = talloc_named_const(NULL, 101, "filler");
	memset(t, 'x', 100);
	t[100] = '\0';
	CHECK(REFUSED(talloc_strdup_append(s, t)));
	CHECK(REFUSED(talloc_strdup_append_buffer(s, t)));
	CHECK(REFUSED(talloc_strndup_append(s, t, 90)));
	CHECK_STR(s, "some text and more 42");
	CHECK_STR(talloc_get_name(s), "some text and more 42");
	CHECK(account(c) == cost(2, 22));
	/* This one gives up the string. */
	errno = 0;
	talloc_asprintf_addbuf(&s, "%0100d", 0);
	CHECK(s == NULL);
	CHECK_INT(errno, ENOMEM);
	CHECK(account(c) == cost(1, 0));

	/* Names are chunks. */
	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	CHECK_STR(talloc_set_name(c, "x%d", 1), "x1");
	CHECK(account(c) == cost(2, 3));
	p = talloc_named(c, 100, "yy%d", 2);
	CHECK(account(c) == cost(4, 107));
	CHECK_INT(talloc_free(p), 0);
	CHECK(account(c) == cost(2, 3));

	talloc_free(t);
	talloc_free(other);
	CHECK_INT(talloc_free(c), 0);
}

static void resize(void)
{
	void *c = NEW(NULL, "c");
	char *p;
	int i, bad = 0;

	CHECK_INT(talloc_set_memlimit(c, 10000), 0);
	p = talloc_size(c, 100);
	memset(p, 'p', 100);
	p = talloc_realloc_size(c, p, 50);
	CHECK(account(c) == cost(2, 50));
	p = talloc_realloc_size(c, p, 5000);
	CHECK(account(c) == cost(2, 5000));
	/* Only what is added counts, not old and new together. */
	p = talloc_realloc_size(c, p, 9000);
	CHECK(p != NULL);
	CHECK(account(c) == cost(2, 9000));
	CHECK(REFUSED(talloc_realloc_size(c, p, 12000)));
	CHECK(REFUSED(talloc_realloc_size(NULL, p, 12000)));
	CHECK(p[0] == 'p' && p[49] == 'p');
	CHECK_INT(talloc_get_size(p), 9000);
	CHECK(account(c) == cost(2, 9000));
	CHECK(REFUSED(talloc_size(c, 1000)));
	p = talloc_realloc_size(c, p, 10);
	CHECK(account(c) == cost(2, 10));
	CHECK(talloc_realloc_size(c, p, 0) == NULL);
	CHECK(account(c) == cost(1, 0));
	for (i = 0, p = NULL; i < 1000; i++) {
		p = talloc_realloc_size(c, p, (size_t)(1 + i * 37 % 9000));
		bad += p == NULL;
	}
	CHECK_INT(bad, 0);
	CHECK(account(c) == cost(2, talloc_get_size(p)));
	CHECK_INT(talloc_free(c), 0);
}

static void max_changed(void)
{
	void *c = NEW(NULL, "c");

	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	CHECK(REFUSED(talloc_size(c, 2000)));
	CHECK_INT(talloc_set_memlimit(c, 3000), 0);
	CHECK(talloc_size(c, 2000) != NULL);
	CHECK(account(c) == cost(2, 2000));
	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	CHECK(REFUSED(talloc_size(c, 0)));

	/* 0: no limit, but the account is kept. */
	CHECK_INT(talloc_set_memlimit(c, 0), 0);
	CHECK(talloc_size(c, 200000) != NULL);
	CHECK(account(c) == cost(3, 202000));
	CHECK_STR(limit_line(c), "c                              is a memlimit context "
				 "(max_size = 0 bytes, cur_size = N bytes)");
	CHECK_INT(talloc_set_memlimit(c, 202500), 0);
	CHECK(REFUSED(talloc_size(c, 500)));
	CHECK(talloc_size(c, 100) != NULL);
	CHECK_INT(talloc_set_memlimit(c, SIZE_MAX), 0);
	CHECK(talloc_size(c, 100000) != NULL);
	CHECK_INT(talloc_free(c), 0);

	/* 0 from the start */
	c = NEW(NULL, "c");
	CHECK_INT(talloc_set_memlimit(c, 0), 0);
	CHECK(talloc_size(c, 100000) != NULL);
	CHECK(account(c) == cost(2, 100000));
	CHECK_INT(talloc_free(c), 0);
}

/* ---- limits in limits ---- */

static void nested(void)
{
	void *top = NEW(NULL, "top"), *mid, *low, *p;

	/* the inner one is the stricter */
	CHECK_INT(talloc_set_memlimit(top, 10000), 0);
	mid = NEW(top, "mid");
	low = NEW(mid, "low");
	CHECK_INT(talloc_set_memlimit(low, 2000), 0);
	CHECK(REFUSED(talloc_size(low, 3000)));
	CHECK(talloc_size(mid, 3000) != NULL);
	p = talloc_size(low, 1500);
	CHECK(p != NULL);
	CHECK(account(low) == cost(2, 1500));
	CHECK(account(top) == cost(5, 4500));
	CHECK(REFUSED(talloc_size(low, 1000)));
	CHECK(account(low) == cost(2, 1500));
	CHECK(account(top) == cost(5, 4500));
	/* the outer one is full: the inner one has room, and that is not enough */
	CHECK(talloc_size(top, 4800) != NULL);
	CHECK(REFUSED(talloc_size(low, 400)));
	CHECK(account(low) == cost(2, 1500));
	CHECK(account(top) == cost(6, 9300));
	CHECK_INT(talloc_free(p), 0);
	CHECK(account(low) == cost(1, 0));
	CHECK(account(top) == cost(5, 7800));
	CHECK(talloc_size(low, 400) != NULL);
	CHECK_INT(talloc_free(low), 0);
	CHECK(account(top) == cost(4, 7800));
	CHECK_INT(talloc_free(top), 0);

	/* the outer one is the stricter */
	top = NEW(NULL, "top");
	low = NEW(top, "low");
	CHECK_INT(talloc_set_memlimit(top, 1000), 0);
	CHECK_INT(talloc_set_memlimit(low, 100000), 0);
	CHECK(REFUSED(talloc_size(low, 1000)));
	CHECK(talloc_size(low, 500) != NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void nested_in_any_order(void)
{
	void *top = NEW(NULL, "top");
	void *mid = NEW(top, "mid");
	void *low = NEW(mid, "low");
	char *p = talloc_size(low, 100);

	/* below first, above last, between them at the end */
	CHECK_INT(talloc_set_memlimit(low, 5000), 0);
	CHECK_INT(talloc_set_memlimit(top, 3000), 0);
	CHECK(account(low) == cost(2, 100));
	CHECK(account(top) == cost(4, 100));
	CHECK(REFUSED(talloc_size(low, 3000)));
	CHECK_INT(talloc_set_memlimit(mid, 1500), 0);
	CHECK(account(mid) == cost(3, 100));
	CHECK(REFUSED(talloc_size(low, 1500)));
	CHECK(REFUSED(talloc_size(mid, 1500)));
	CHECK(REFUSED(talloc_size(p, 1500)));
	CHECK(talloc_size(top, 1500) != NULL);
	CHECK(talloc_size(p, 500) != NULL);
	CHECK(account(low) == cost(3, 600));
	CHECK(account(mid) == cost(4, 600));
	CHECK(account(top) == cost(6, 2100));
	/* top is nearly full, and counts for all */
	CHECK(REFUSED(talloc_size(low, 700)));
	/* a limit that is lifted does not lift the others */
	CHECK_INT(talloc_set_memlimit(top, 0), 0);
	CHECK_INT(talloc_set_memlimit(mid, 0), 0);
	CHECK(REFUSED(talloc_size(low, 5000)));
	CHECK(talloc_size(low, 4000) != NULL);
	CHECK(talloc_size(mid, 50000) != NULL);
	CHECK(account(low) == cost(4, 4600));
	CHECK(account(mid) == cost(6, 54600));
	CHECK(account(top) == cost(8, 56100));
	CHECK_INT(talloc_free(low), 0);
	CHECK(account(mid) == cost(2, 50000));
	CHECK(account(top) == cost(4, 51500));
	CHECK_INT(talloc_free(top), 0);
}

/* ---- moving ---- */

static void stolen_in(void)
{
	void *c = NEW(NULL, "c");
	void *tree = NEW(NULL, "tree");
	char *a = talloc_size(tree, 1000);
	char *b = talloc_size(a, 1000);

	CHECK_INT(talloc_set_memlimit(c, 10000), 0);
	CHECK(talloc_size(b, 1000) != NULL);
	talloc_steal(c, tree);
	CHECK(account(c) == cost(5, 3000));
	CHECK(REFUSED(talloc_size(b, 7000)));
	CHECK(talloc_size(b, 1000) != NULL);
	CHECK(account(c) == cost(6, 4000));
	CHECK_INT(talloc_free(b), 0);
	CHECK(account(c) == cost(3, 1000));
	CHECK_INT(talloc_free(tree), 0);
	CHECK(account(c) == cost(1, 0));

	/* A steal never fails, but afterwards the limit is overdrawn. */
	a = talloc_size(NULL, 20000);
	CHECK(talloc_move(c, &a) != NULL);
	CHECK(a == NULL);
	CHECK(account(c) == cost(2, 20000));
	CHECK(REFUSED(talloc_size(c, 0)));
	talloc_free_children(c);
	CHECK(account(c) == cost(1, 0));
	CHECK(talloc_size(c, 9000) != NULL);
	talloc_free_children(c);

	/* All limits above take it over. */
	tree = NEW(c, "tree");
	CHECK_INT(talloc_set_memlimit(tree, 5000), 0);
	a = talloc_size(NULL, 2000);
	CHECK(talloc_size(a, 1000) != NULL);
	talloc_steal(tree, a);
	CHECK(account(tree) == cost(3, 3000));
	CHECK(account(c) == cost(4, 3000));
	CHECK(REFUSED(talloc_size(a, 2000)));
	CHECK_INT(talloc_free(a), 0);
	CHECK(account(tree) == cost(1, 0));
	CHECK(account(c) == cost(2, 0));
	CHECK_INT(talloc_free(c), 0);
}

static void limit_below_stolen(void)
{
	void *c = NEW(NULL, "c");
	void *tree = NEW(NULL, "tree");
	void *low = NEW(tree, "low");
	char *a = talloc_size(low, 1000), *b;

	/* A limit further down comes along, and both count. */
	CHECK_INT(talloc_set_memlimit(c, 5000), 0);
	CHECK_INT(talloc_set_memlimit(low, 3000), 0);
	talloc_steal(c, tree);
	CHECK(account(low) == cost(2, 1000));
	CHECK(account(c) == cost(4, 1000));
	CHECK(REFUSED(talloc_size(low, 2500)));
	CHECK(talloc_size(tree, 2500) != NULL);
	b = talloc_size(a, 500);
	CHECK(b != NULL);
	CHECK(account(low) == cost(3, 1500));
	CHECK(account(c) == cost(6, 4000));
	CHECK(REFUSED(talloc_size(low, 900)));
	CHECK_INT(talloc_free(b), 0);
	CHECK_INT(talloc_free(tree), 0);
	CHECK(account(c) == cost(1, 0));

	/* Set free from all parents, a limit stays, and is nobody else's. */
	low = NEW(c, "low");
	a = talloc_size(low, 1000);
	CHECK_INT(talloc_set_memlimit(low, 3000), 0);
	CHECK(account(c) == cost(3, 1000));
	talloc_steal(NULL, low);
	CHECK(account(c) == cost(1, 0));
	CHECK(account(low) == cost(2, 1000));
	CHECK(REFUSED(talloc_size(low, 2500)));
	CHECK(talloc_size(a, 1500) != NULL);
	CHECK(account(low) == cost(3, 2500));
	CHECK(account(c) == cost(1, 0));
	CHECK_INT(talloc_free(low), 0);
	CHECK_INT(talloc_free(c), 0);
}

static void a_chunk_that_stays(void)
{
	void *out = NEW(NULL, "out");
	void *c = NEW(out, "c");
	char *a = talloc_size(c, 100);

	/* The limited context goes, its child refuses: it is unlimited then. */
	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	CHECK(REFUSED(talloc_size(a, 2000)));
	talloc_set_destructor(a, (int (*)(char *))refuse);
	CHECK_INT(talloc_free(c), 0);
	CHECK(talloc_parent(a) == out);
	CHECK(talloc_size(a, 2000) != NULL);
	talloc_set_destructor(a, (int (*)(char *))NULL);
	CHECK_INT(talloc_free(out), 0);

	/* The limited context itself refuses. */
	c = NEW(NULL, "c");
	CHECK_INT(talloc_set_memlimit(c, 1000), 0);
	CHECK(talloc_size(c, 100) != NULL);
	talloc_set_destructor(c, refuse);
	CHECK_INT(talloc_free(c), -1);
	CHECK(account(c) == cost(2, 100));
	CHECK(REFUSED(talloc_size(c, 1000)));
	talloc_set_destructor(c, (int (*)(void *))NULL);
	CHECK_INT(talloc_free(c), 0);
}

static void references(void)
{
	void *c = NEW(NULL, "c"), *out = NEW(NULL, "out");
	char *a;

	CHECK_INT(talloc_set_memlimit(c, 5000), 0);
	CHECK_INT(talloc_set_memlimit(out, 5000), 0);
	a = talloc_size(c, 1000);
	CHECK(talloc_reference(out, a) == a);
	/* The handle costs its owner a little, the chunk is still c's. */
	CHECK(account(out) > cost(2, 0) && account(out) < cost(2, 100));
	CHECK(account(c) == cost(2, 1000));
	CHECK_INT(talloc_unlink(out, a), 0);
	CHECK(account(out) == cost(1, 0));
	CHECK(account(c) == cost(2, 1000));

	/* The owner goes: the chunk is the referrer's, with its cost. */
	CHECK(talloc_reference(out, a) == a);
	CHECK_INT(talloc_free(c), 0);
	CHECK(talloc_parent(a) == out);
	CHECK(account(out) == cost(2, 1000));
	CHECK(REFUSED(talloc_size(a, 4000)));
	CHECK_INT(talloc_free(a), 0);
	CHECK(account(out) == cost(1, 0));
	CHECK_INT(talloc_free(out), 0);
}

static void deep(void)
{
	void *c = NEW(NULL, "c");
	char *first = talloc_size(NULL, 10), *p = first, *low = NULL;
	int i, bad = 0;

	for (i = 1; i < 2000; i++) {
		p = talloc_size(p, 10);
		bad += p == NULL;
		if (i == 1000)
			low = p;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_set_memlimit(c, 1000000), 0);
	talloc_steal(c, first);
	CHECK(account(c) == cost(2001, 20000));
	CHECK(talloc_size(p, 10) != NULL);
	CHECK(account(c) == cost(2002, 20010));
	CHECK(REFUSED(talloc_size(p, 1000000)));
	CHECK_INT(talloc_free(low), 0);
	CHECK(account(c) == cost(1001, 10000));
	CHECK_INT(talloc_free(first), 0);
	CHECK(account(c) == cost(1, 0));
	CHECK_INT(talloc_free(c), 0);
}

/* ---- pools ---- */

static void pools(void)
{
	void *c = NEW(NULL, "c"), *pool;
	size_t with_pool;
	char *m[4], *p;
	int i, bad = 0;

	CHECK_INT(talloc_set_memlimit(c, 10000), 0);
	CHECK(REFUSED(talloc_pool(c, 10000)));
	CHECK(account(c) == cost(1, 0));
	pool = talloc_pool(c, 5000);
	with_pool = account(c);
	/* A pool costs its size and a little more. */
	CHECK(with_pool >= cost(2, 5000) && with_pool <= cost(2, 5000) + 64);
	/* Members cost nothing, ... */
	for (i = 0; i < 4; i++)
		bad += (m[i] = talloc_size(pool, 1000)) == NULL;
	CHECK_INT(bad, 0);
	CHECK(account(c) == with_pool);
	CHECK(talloc_realloc_size(pool, m[3], 1300) == (void *)m[3]);
	CHECK(account(c) == with_pool);
	/* ... those that found no room do. */
	p = talloc_size(m[0], 2000);
	CHECK(p != NULL);
	CHECK(account(c) == with_pool + cost(1, 2000));
	CHECK(REFUSED(talloc_size(m[0], 3000)));
	CHECK(REFUSED(talloc_size(pool, 3000)));
	CHECK_INT(talloc_free(p), 0);
	CHECK(account(c) == with_pool);
	for (i = 0; i < 4; i++)
		bad += talloc_free(m[i]) != 0;
	CHECK_INT(bad, 0);
	CHECK(account(c) == with_pool);
	/* Over and over: no member ever counts. */
	for (i = 0; i < 1000; i++) {
		p = talloc_size(pool, 4000);
		bad += p == NULL || talloc_free(p) != 0;
	}
	CHECK_INT(bad, 0);
	CHECK(account(c) == with_pool);
	CHECK_INT(talloc_free(c), 0);

	/* A limit that comes later does not count the members either. */
	c = NEW(NULL, "c");
	pool = talloc_pool(c, 5000);
	m[0] = talloc_size(pool, 1000);
	p = talloc_size(m[0], 5000);
	CHECK_INT(talloc_set_memlimit(c, 20000), 0);
	CHECK(account(c) == with_pool + cost(1, 5000));
	CHECK_INT(talloc_free(p), 0);
	CHECK(account(c) == with_pool);
	CHECK_INT(talloc_free(c), 0);

	/* A pool with its members, stolen in. */
	c = NEW(NULL, "c");
	CHECK_INT(talloc_set_memlimit(c, 20000), 0);
	pool = talloc_pool(NULL, 5000);
	m[0] = talloc_size(pool, 1000);
	p = talloc_size(m[0], 5000);
	talloc_steal(c, pool);
	CHECK(account(c) == with_pool + cost(1, 5000));
	CHECK_INT(talloc_free(p), 0);
	CHECK(account(c) == with_pool);
	CHECK_INT(talloc_free(c), 0);
}

static void limit_on_a_pool(void)
{
	void *pool = talloc_pool(NULL, 5000);
	char *m = talloc_size(pool, 1000);
	size_t alone;

	CHECK_INT(talloc_set_memlimit(pool, 10000), 0);
	alone = account(pool);
	CHECK(alone >= cost(1, 5000) && alone <= cost(1, 5000) + 64);
	CHECK(talloc_size(pool, 3000) != NULL);
	CHECK(account(pool) == alone);
	CHECK(REFUSED(talloc_size(m, 6000)));
	CHECK(talloc_size(m, 4000) != NULL);
	CHECK(account(pool) == alone + cost(1, 4000));
	CHECK_INT(talloc_free(pool), 0);

	/* On a member: what lies in the pool is free of charge. */
	pool = talloc_pool(NULL, 5000);
	m = talloc_size(pool, 1000);
	CHECK_INT(talloc_set_memlimit(m, 150), 0);
	CHECK_INT(account(m), 0);
	CHECK(talloc_size(m, 1000) != NULL);
	CHECK_INT(account(m), 0);
	CHECK(REFUSED(talloc_size(m, 5000)));
	CHECK_INT(talloc_set_memlimit(m, 6000), 0);
	CHECK(talloc_size(m, 5000) != NULL);
	CHECK(account(m) == cost(1, 5000));
	CHECK_INT(talloc_free(pool), 0);

	/* An object with its pool is a pool. */
	pool = talloc_pooled_object(NULL, int, 2, 3000);
	CHECK_INT(talloc_set_memlimit(pool, 5000), 0);
	alone = account(pool);
	CHECK(alone > 3000 && alone < 3600);
	CHECK(talloc_size(pool, 1000) != NULL);
	CHECK(talloc_size(pool, 2000) != NULL);
	CHECK(account(pool) == alone);
	CHECK(REFUSED(talloc_size(pool, 3000)));
	CHECK_INT(talloc_free(pool), 0);
}

/* ---- reports ---- */

static void report_depth(const void *p, FILE *f)
{
	talloc_report_depth_file(p, 1, 1, f);
}

/* got, with every account and every address (" 0x…" at the end) taken out */
static const char *plain(const char *got)
{
	static char text[8192];
	char *to = text;

	while (*got != '\0' && to < text + sizeof(text) - 16) {
		if (strncmp(got, "cur_size = ", 11) == 0) {
			to += sprintf(to, "cur_size = N");
			got += 11;
			got += strspn(got, "0123456789");
		} else if (strncmp(got, ") 0x", 4) == 0) {
			*to++ = ')';
			got += 4;
			got += strspn(got, "0123456789abcdef");
		} else {
			*to++ = *got++;
		}
	}
	*to = '\0';
	return text;
}

static void report_lines(void)
{
	void *root = NEW(NULL, "root");
	void *a = talloc_named_const(root, 100, "a");
	void *b = talloc_named_const(a, 50, "b");
	void *r = NEW(root, "r");

	CHECK_STR(limit_line(root), "(no limit)");
	CHECK_INT(talloc_set_memlimit(root, 10000), 0);
	CHECK_INT(talloc_set_memlimit(a, 5000), 0);
	CHECK(talloc_reference(r, a) != NULL);
	CHECK_STR(plain(text_of(talloc_report_full, root)),
		  "root                           is a memlimit context (max_size = 10000 bytes, cur_size = N bytes)\n"
		  "full talloc report on 'root' (total    150 bytes in   5 blocks)\n"
		  "    r                              contains      0 bytes in   2 blocks (ref 0)\n"
		  "        reference to: a\n"
		  "    a                              is a memlimit context (max_size = 5000 bytes, cur_size = N bytes)\n"
		  "    a                              contains    150 bytes in   2 blocks (ref 1)\n"
		  "        b                              contains     50 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(plain(text_of(talloc_report, root)),
		  "root                           is a memlimit context (max_size = 10000 bytes, cur_size = N bytes)\n"
		  "talloc report on 'root' (total    150 bytes in   5 blocks)\n"
		  "    r                              contains      0 bytes in   2 blocks (ref 0)\n"
		  "    a                              is a memlimit context (max_size = 5000 bytes, cur_size = N bytes)\n"
		  "    a                              contains    150 bytes in   2 blocks (ref 1)\n");
	CHECK_STR(plain(text_of(report_depth, a)),
		  "    a                              is a memlimit context (max_size = 5000 bytes, cur_size = N bytes)\n"
		  "    a                              contains    150 bytes in   2 blocks (ref 1)\n");
	/* below a limit there is no line; among parents neither */
	CHECK_STR(plain(text_of(talloc_report_full, b)),
		  "full talloc report on 'b' (total     50 bytes in   1 blocks)\n");
	CHECK_STR(text_of(talloc_show_parents, b),
		  "talloc parents of 'b'\n\t'b'\n\t'a'\n\t'root'\n");
	/* a long name is not cut */
	talloc_set_name_const(root, "a name that is longer than thirty characters");
	CHECK_STR(limit_line(root), "a name that is longer than thirty characters is a memlimit "
				    "context (max_size = 10000 bytes, cur_size = N bytes)");
	talloc_unlink(r, a);
	CHECK_INT(talloc_free(root), 0);
}

static void limit_on_everything(void)
{
	void *null_context, *c;

	/* reached as a parent: the original cannot take NULL here */
	talloc_enable_null_tracking_no_autofree();
	c = talloc_size(NULL, 1000);
	null_context = talloc_parent(c);
	CHECK_INT(talloc_set_memlimit(null_context, 5000), 0);
	CHECK(account(NULL) == cost(2, 1000));
	CHECK_STR(limit_line(NULL), "null_context                   is a memlimit context "
				    "(max_size = 5000 bytes, cur_size = N bytes)");
	CHECK(REFUSED(talloc_size(NULL, 4000)));
	CHECK(REFUSED(talloc_size(c, 4000)));
	CHECK_INT(talloc_free(c), 0);
	CHECK(account(NULL) == cost(1, 0));
	CHECK(talloc_size(NULL, 4000) != NULL);
	CHECK(REFUSED(talloc_init("%01000d", 0)));
	CHECK(account(NULL) == cost(2, 4000));
	talloc_free_children(null_context);
	talloc_disable_null_tracking();
}

int main(void)
{
	RUN(the_header);
	RUN(verdicts);
	RUN(exactly_full);
	RUN(what_was_there_counts);
	RUN(every_way);
	RUN(resize);
	RUN(max_changed);
	RUN(nested);
	RUN(nested_in_any_order);
	RUN(stolen_in);
	RUN(limit_below_stolen);
	RUN(a_chunk_that_stays);
	RUN(references);
	RUN(deep);
	RUN(pools);
	RUN(limit_on_a_pool);
	RUN(report_lines);
	RUN(limit_on_everything);
	TEST_END();
}
