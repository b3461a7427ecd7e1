/*
 * Memory limits that the original gets wrong: the account of a limit is always
 * the sum of what is alive below it, whatever has been stolen, resized, put
 * into pools or referenced.
 */
#include "../test.h"

#include <time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define HEADER OUR_HEADER
#define REFUSED(call) (errno = 0, (const void *)(call) == NULL && errno == ENOMEM)
#define NEW(ctx, name) talloc_named_const((ctx), 0, (name))

/*
 * The account of a limit, read from the first line of a report that goes no
 * deeper than the chunk itself; -1 without a limit.
 */
static long long account(const void *p)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	const char *key, *end;

	if (f == NULL)
		exit(99);
	talloc_report_depth_file(p, 0, 0, f);
	fclose(f);
	key = strstr(text, "cur_size = ");
	end = strchr(text, '\n');
	return key != NULL && end != NULL && key < end ? atoll(key + 11) : -1;
}

static void add_one(const void *p, int depth, int max_depth, int is_ref, void *sum)
{
	(void)depth;
	(void)max_depth;
	if (!is_ref)
		*(long long *)sum += HEADER + (long long)talloc_get_size(p);
}

/* What the account should be, where there are no pools and no handles. */
static long long live(const void *p)
{
	long long sum = 0;

	talloc_report_depth_cb(p, 0, -1, add_one, &sum);
	return sum;
}

static void *limited(const void *ctx, size_t max)
{
	void *c = NEW(ctx, "limited");

	if (c == NULL || talloc_set_memlimit(c, max) != 0)
		exit(99);
	return c;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int refuse(void *p)
{
	(void)p;
	return -1;
}

static void the_header(void)
{
	void *c = limited(NULL, 1000);

	CHECK_INT(account(c), HEADER);
	CHECK(talloc_size(c, 100) != NULL);
	CHECK_INT(account(c), 2 * HEADER + 100);
	CHECK_INT(account(c), live(c));
	CHECK_INT(talloc_free(c), 0);
}

/* ---- pools ---- */

static void pools_come_and_go(void)
{
	void *c = limited(NULL, 1 << 20);
	long long with_pool;
	void *pool, *m;
	int i, bad = 0;

	pool = talloc_pool(c, 100000);
	with_pool = account(c);
	CHECK(with_pool >= 2 * HEADER + 100000 && with_pool <= 3 * HEADER + 100000);
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(account(c), HEADER);
	for (i = 0; i < 1000; i++) {
		pool = talloc_pool(c, 100000);
		bad += pool == NULL || account(c) != with_pool;
		m = talloc_size(pool, 50000);
		bad += m == NULL || account(c) != with_pool;
		if (i % 2)
			bad += talloc_free(m) != 0;
		bad += talloc_free(pool) != 0 || account(c) != HEADER;
	}
	CHECK_INT(bad, 0);

	/* the members outside of the pool too, and pools in pools */
	for (i = 0; i < 1000; i++) {
		pool = talloc_pool(c, 100000);
		bad += talloc_size(pool, 200000) == NULL;
		bad += talloc_pool(pool, 50000) == NULL; /* inside: free of charge */
		bad += account(c) != with_pool + HEADER + 200000;
		bad += talloc_free(pool) != 0 || account(c) != HEADER;
	}
	CHECK_INT(bad, 0);

	for (i = 0; i < 1000; i++) {
		int *object = talloc_pooled_object(c, int, 3, 100000);

		bad += object == NULL;
		bad += talloc_size(object, 10000) == NULL;
		bad += account(c) < HEADER + 100000;
		bad += talloc_free(object) != 0 || account(c) != HEADER;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(c), 0);
}

static void a_member_outgrows_its_pool(void)
{
	void *c = limited(NULL, 1 << 20);
	void *pool = talloc_pool(c, 10000);
	long long with_pool = account(c);
	int i, bad = 0;

	for (i = 0; i < 1000; i++) {
		char *m = talloc_size(pool, 1000), *big;

		if (m == NULL) {
			bad++;
			break;
		}
		memset(m, i, 1000);
		big = talloc_realloc_size(pool, m, 500000);
		bad += big == NULL;
		bad += account(c) != with_pool + HEADER + 500000;
		bad += big != NULL && (big[0] != (char)i || big[999] != (char)i);
		big = talloc_realloc_size(pool, big, 100000);
		bad += account(c) != with_pool + HEADER + 100000;
		bad += talloc_free(big) != 0;
		bad += account(c) != with_pool;
	}
	CHECK_INT(bad, 0);

	/* Resizing within the pool costs nothing, shrinking stays in place. */
	for (i = 0; i < 1000; i++) {
		char *first = talloc_size(pool, 1000);
		char *last = talloc_size(pool, 1000), *p;

		bad += talloc_realloc_size(pool, last, 4000) != (void *)last;
		bad += account(c) != with_pool;
		bad += talloc_realloc_size(pool, first, 500) != (void *)first;
		bad += talloc_realloc_size(pool, last, 10) != (void *)last;
		bad += account(c) != with_pool;
		p = talloc_realloc_size(pool, first, 2000);
		bad += p == NULL || account(c) != with_pool;
		bad += talloc_free(p) != 0 || talloc_free(last) != 0;
		bad += account(c) != with_pool;
	}
	CHECK_INT(bad, 0);

	/* No room under the limit: the member stays where and what it was. */
	{
		char *m = talloc_size(pool, 1000);

		memset(m, 7, 1000);
		CHECK(REFUSED(talloc_realloc_size(pool, m, 2 << 20)));
		CHECK_INT(talloc_get_size(m), 1000);
		CHECK(m[0] == 7 && m[999] == 7);
		CHECK_INT(account(c), with_pool);
		CHECK_INT(talloc_free(m), 0);
	}
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(account(c), HEADER);
	CHECK_INT(talloc_free(c), 0);
}

static void members_that_move(void)
{
	void *c = limited(NULL, 1 << 20), *d = limited(NULL, 1 << 20);
	int i, bad = 0;

	/* Whoever is last to hold the memory: at the end nothing is left. */
	for (i = 0; i < 1000; i++) {
		void *pool = talloc_pool(c, 100000);
		void *m = talloc_size(pool, 1000), *n = talloc_size(pool, 1000);

		bad += pool == NULL || m == NULL || n == NULL;
		talloc_steal(d, m); /* to another limit */
		talloc_steal(c, n); /* to the pool's parent */
		if (i % 3 == 0)
			bad += talloc_free(pool) != 0;
		bad += talloc_free(m) != 0;
		bad += talloc_free(n) != 0;
		if (i % 3 != 0)
			bad += talloc_free(pool) != 0;
		bad += account(c) != HEADER || account(d) != HEADER;
	}
	CHECK_INT(bad, 0);

	/* A pool with all its members, to and fro. */
	for (i = 0; i < 1000; i++) {
		void *pool = talloc_pool(c, 100000);
		long long with_pool = account(c);

		bad += talloc_size(pool, 1000) == NULL;
		bad += talloc_size(pool, 200000) == NULL;
		talloc_steal(d, pool);
		bad += account(c) != HEADER;
		bad += account(d) != with_pool + HEADER + 200000;
		talloc_steal(c, pool);
		bad += account(d) != HEADER;
		bad += account(c) != with_pool + HEADER + 200000;
		talloc_steal(NULL, pool);
		bad += account(c) != HEADER;
		bad += talloc_free(pool) != 0;
	}
	CHECK_INT(bad, 0);

	/* One that has outgrown its pool takes those below it along, which have not. */
	{
		void *pool = talloc_pool(c, 10000), *m = talloc_size(pool, 10), *below = talloc_size(m, 10);
		long long with_pool = account(c);

		m = talloc_realloc_size(NULL, m, 100000);
		talloc_steal(d, m);
		CHECK(talloc_size(below, 50000) != NULL);
		CHECK_INT(account(c), with_pool);
		CHECK_INT(account(d), 3 * HEADER + 150000);
		CHECK_INT(talloc_free(m), 0);
		CHECK_INT(talloc_free(pool), 0);
	}
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(talloc_free(d), 0);
}

static void caches(void)
{
	void *c = limited(NULL, 1 << 20);
	long long with_cache = 0;
	int i, k, bad = 0;

	for (i = 0; i < 1000; i++) {
		void *cache = talloc_pool_cache(c, 100000, 1000);
		void *first = NULL, *p;

		bad += cache == NULL;
		if (i == 0)
			with_cache = account(c);
		bad += account(c) != with_cache;
		for (k = 0; k < 100; k++) {
			p = talloc_cache(cache);
			bad += p == NULL;
			if (k == 0)
				first = p;
		}
		bad += account(c) != with_cache;
		bad += talloc_free(first) != 0;
		bad += account(c) != with_cache;
		p = talloc_size(cache, 500); /* malloc's: it costs */
		bad += account(c) != with_cache + HEADER + 500;
		bad += talloc_free(cache) != 0;
		bad += account(c) != HEADER;
	}
	CHECK_INT(bad, 0);
	CHECK(with_cache >= HEADER + 100 * (HEADER + 1000));
	CHECK(with_cache <= 2 * HEADER + 100 * (HEADER + 1008) + 1024);
	CHECK(REFUSED(talloc_pool_cache(c, 2 << 20, 1000)));
	CHECK_INT(account(c), HEADER);
	CHECK_INT(talloc_free(c), 0);
}

/* ---- moving ---- */

static void stolen_out(void)
{
	void *c = limited(NULL, 100000), *out = NEW(NULL, "out"), *p;
	int i, bad = 0;

	for (i = 0; i < 1000; i++) {
		p = talloc_size(c, 50000);
		bad += p == NULL || account(c) != 2 * HEADER + 50000;
		talloc_steal(i % 2 ? out : NULL, p);
		bad += account(c) != HEADER;
		bad += talloc_free(p) != 0;
		bad += account(c) != HEADER;
	}
	CHECK_INT(bad, 0);

	/* out and in again, with what is below it */
	p = talloc_size(c, 1000);
	CHECK(talloc_size(talloc_size(p, 1000), 1000) != NULL);
	for (i = 0; i < 1000; i++) {
		talloc_steal(out, p);
		bad += account(c) != HEADER;
		talloc_steal(c, p);
		bad += account(c) != 4 * HEADER + 3000;
	}
	CHECK_INT(bad, 0);
	/* made outside of it, then stolen in */
	talloc_steal(out, p);
	CHECK(talloc_size(p, 200000) != NULL);
	talloc_steal(c, p);
	CHECK_INT(account(c), live(c));
	CHECK(REFUSED(talloc_size(c, 1)));
	talloc_move(out, &p);
	CHECK_INT(account(c), HEADER);
	CHECK_INT(talloc_free(out), 0);
	CHECK_INT(talloc_free(c), 0);
}

static void moved_inside(void)
{
	void *c = limited(NULL, 10000);
	void *a = NEW(c, "a"), *b = limited(c, 5000), *p;
	int i, bad = 0;

	p = talloc_size(a, 1000);
	for (i = 0; i < 1000; i++) {
		talloc_steal(c, p);
		bad += account(c) != live(c);
		talloc_steal(c, p); /* to where it is */
		bad += account(c) != live(c) || account(b) != HEADER;
		talloc_steal(b, p);
		bad += account(c) != live(c) || account(b) != live(b);
		talloc_steal(a, p);
		bad += account(c) != live(c) || account(b) != HEADER;
		bad += talloc_reparent(a, b, p) != p;
		bad += account(c) != live(c) || account(b) != live(b);
		bad += talloc_reparent(b, a, p) != p;
		bad += account(c) != live(c) || account(b) != HEADER;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(account(c), 4 * HEADER + 1000);
	CHECK_INT(talloc_free(c), 0);
}

static void a_child_that_stays(void)
{
	void *c = limited(NULL, 10000);
	void *a = limited(c, 5000);
	char *p = talloc_size(a, 1000);

	/* It goes up one level; the outer account is what it was, less a. */
	talloc_set_destructor(p, (int (*)(char *))refuse);
	CHECK_INT(talloc_free(a), 0);
	CHECK(talloc_parent(p) == c);
	CHECK_INT(account(c), 2 * HEADER + 1000);
	CHECK(talloc_size(p, 6000) != NULL);
	CHECK(REFUSED(talloc_size(p, 5000)));
	CHECK_INT(account(c), live(c));

	/* Now the outer one goes: no limit is left. */
	CHECK_INT(talloc_free(c), 0);
	CHECK(talloc_parent(p) == NULL);
	CHECK(talloc_size(p, 50000) != NULL);
	talloc_set_destructor(p, (int (*)(char *))NULL);
	CHECK_INT(talloc_free(p), 0);

	c = limited(NULL, 10000);
	p = talloc_size(c, 1000);
	CHECK_STR(talloc_set_name(c, "name %d", 1), "name 1");
	talloc_free_children(c); /* keeps the name */
	CHECK_INT(account(c), live(c));
	CHECK_INT(account(c), 2 * HEADER + 7);
	CHECK_INT(talloc_free(c), 0);
}

static void *refuge;

static int flee(void *p)
{
	talloc_steal(refuge, p);
	return -1;
}

static void destructors_that_move(void)
{
	void *c = limited(NULL, 100000);
	int i, bad = 0;

	refuge = limited(NULL, 1000000);
	for (i = 0; i < 1000; i++) {
		void *p = talloc_size(c, 50000);

		bad += p == NULL;
		talloc_set_destructor(p, flee);
		talloc_free_children(c);
		bad += talloc_parent(p) != refuge;
		bad += account(c) != HEADER;
		bad += account(refuge) != 2 * HEADER + 50000;
		talloc_set_destructor(p, (int (*)(void *))NULL);
		bad += talloc_free(p) != 0;
		bad += account(refuge) != HEADER;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(talloc_free(refuge), 0);
}

static void references(void)
{
	void *c = limited(NULL, 100000), *d = limited(NULL, 100000);
	void *e = NEW(NULL, "e"), *p;
	long long handle;
	int i, bad = 0;

	p = talloc_size(c, 1000);
	CHECK(talloc_reference(d, p) == p);
	handle = account(d) - HEADER;
	CHECK(handle >= HEADER && handle <= HEADER + 64);
	CHECK_INT(account(c), 2 * HEADER + 1000);
	CHECK_INT(talloc_unlink(d, p), 0);
	CHECK_INT(account(d), HEADER);

	for (i = 0; i < 1000; i++) {
		/* the owner goes, the referrer gets it: once there, once back */
		bad += talloc_reference(d, p) == NULL;
		bad += talloc_unlink(c, p) != 0;
		bad += account(c) != HEADER || account(d) != 2 * HEADER + 1000;
		bad += talloc_reference(c, p) == NULL;
		bad += account(c) != HEADER + handle;
		bad += talloc_unlink(d, p) != 0;
		bad += account(d) != HEADER || account(c) != 2 * HEADER + 1000;
		/* a reference that moves */
		bad += talloc_reference(e, p) == NULL;
		bad += talloc_reparent(e, d, p) != p;
		bad += account(d) != HEADER + handle;
		bad += talloc_reparent(d, e, p) != p;
		bad += account(d) != HEADER;
		bad += talloc_unlink(e, p) != 0;
		bad += talloc_reference_count(p) != 0;
		bad += account(c) != 2 * HEADER + 1000;
	}
	CHECK_INT(bad, 0);

	/* A limit that is set later, or that the owner of a handle moves to. */
	CHECK(talloc_reference(e, p) == p);
	CHECK_INT(talloc_set_memlimit(e, 10000), 0);
	CHECK_INT(account(e), HEADER + handle);
	CHECK_INT(talloc_unlink(e, p), 0);
	CHECK_INT(account(e), HEADER);
	talloc_free(e);
	e = NEW(NULL, "e");
	CHECK(talloc_reference(e, p) == p);
	talloc_steal(d, e);
	CHECK_INT(account(d), 2 * HEADER + handle);
	CHECK_INT(talloc_free(e), 0);
	CHECK_INT(account(d), HEADER);
	CHECK_INT(talloc_increase_ref_count(p), 0);
	CHECK_INT(account(c), 2 * HEADER + 1000);
	CHECK_INT(talloc_unlink(NULL, p), 0);
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(talloc_free(d), 0);
}

/* ---- the limited chunk itself ---- */

/*
 * A destructor makes a loop of what is dying above it: what comes into the loop leaves
 * the limit outside, and so does a limit that is in it.
 */
static void *around, *inside;

static int into_the_loop(void *p)
{
	(void)p;
	talloc_steal(inside, around);
	return 0;
}

static void a_loop_of_the_dying(void)
{
	void *outer = limited(NULL, 100000), *inner, *last;

	around = NEW(outer, "around");
	inner = limited(around, 50000);
	NEW(around, "newer"); /* so that inner has no parent while it dies */
	inside = talloc_named_const(inner, 500, "inside");
	last = NEW(inner, "last");
	talloc_set_destructor(last, into_the_loop);
	CHECK_INT(talloc_free(inner), 0);
	CHECK_INT(account(outer), HEADER);
	CHECK_INT(talloc_free(outer), 0);
}

/*
 * The same around the limit: what comes to lie below a chunk that it counts, and that stays,
 * is none of its own, and must not leave it.
 */
static void a_loop_around_a_limit(void)
{
	void *limit, *dying, *asked;

	around = NEW(NULL, "around");
	limit = limited(around, 100000);
	talloc_size(limit, 100);
	dying = NEW(limit, "dying");
	NEW(limit, "newer"); /* so that dying has no parent while it dies */
	asked = NEW(dying, "asked");
	inside = talloc_named_const(asked, 10, "inside");
	talloc_set_destructor(inside, refuse);
	talloc_set_destructor(asked, into_the_loop);
	talloc_size(around, 1000);
	CHECK_INT(talloc_free(dying), 0);
	CHECK_INT(account(limit), live(limit));
	talloc_set_destructor(inside, NULL);
	CHECK_INT(talloc_free(inside), 0);
}

static void the_limited_chunk_moves(void)
{
	void *block, *c = limited(NULL, 100000);
	int i, bad = 0;

	/* Resized, and moved by it: it is the same limit. */
	for (i = 0; i < 20; i++) {
		block = talloc_size(NULL, 3000); /* in the way */
		c = talloc_realloc_size(NULL, c, (size_t)(1000 + 2000 * i));
		bad += c == NULL || account(c) != live(c);
		talloc_free(block);
	}
	CHECK_INT(bad, 0);
	CHECK_INT(account(c), HEADER + 39000);
	CHECK(talloc_size(c, 50000) != NULL);
	CHECK(REFUSED(talloc_size(c, 30000)));
	CHECK(REFUSED(talloc_realloc_size(NULL, c, 70000)));
	CHECK_INT(talloc_set_memlimit(c, 0), 0);
	CHECK(talloc_size(c, 300000) != NULL);
	CHECK_INT(account(c), live(c));
	CHECK_INT(talloc_free(c), 0);
}

static void many_limits(void)
{
	enum { DEPTH = 300 };
	void *level[DEPTH], *p, *out = NEW(NULL, "out");
	int i, k, bad = 0;

	for (i = 0; i < DEPTH; i++)
		level[i] = limited(i ? level[i - 1] : NULL, 1000000);
	p = talloc_size(level[DEPTH - 1], 1000);
	for (i = 0; i < DEPTH; i++)
		bad += account(level[i]) != (long long)(DEPTH - i + 1) * HEADER + 1000;
	CHECK_INT(bad, 0);
	for (k = DEPTH - 1; k > 0; k -= 23) {
		talloc_steal(out, p);
		for (i = 0; i < DEPTH; i++)
			bad += account(level[i]) != (long long)(DEPTH - i) * HEADER;
		talloc_steal(level[k], p);
		for (i = 0; i < DEPTH; i++)
			bad += account(level[i]) != (long long)(DEPTH - i) * HEADER +
							    (i <= k ? HEADER + 1000 : 0);
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(level[0]), 0);
	CHECK_INT(talloc_free(out), 0);
}

static void deep(void)
{
	enum { N = 1000000 };
	void *c = limited(NULL, TEST_PLENTY), *out = NEW(NULL, "out");
	void *first = NEW(c, "first"), *p = first, *low = NULL;
	double start = now();
	int i, bad = 0;

	for (i = 1; i < N; i++) {
		p = talloc_named_const(p, 1, "link");
		if (p == NULL) {
			bad++;
			break;
		}
		if (i == N / 2)
			low = p;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(account(c), (long long)(N + 1) * HEADER + N - 1);
	for (i = 0; i < 3; i++) {
		talloc_steal(out, first);
		bad += account(c) != HEADER;
		talloc_steal(c, first);
		bad += account(c) != (long long)(N + 1) * HEADER + N - 1;
	}
	CHECK_INT(bad, 0);
	/* a limit half way down, set late; half of it stolen away */
	CHECK_INT(talloc_set_memlimit(low, (size_t)1 << 31), 0);
	CHECK_INT(account(low), (long long)(N / 2) * (HEADER + 1));
	talloc_steal(NULL, low);
	CHECK_INT(account(c), (long long)(N / 2 + 1) * HEADER + N / 2 - 1);
	CHECK_INT(account(low), (long long)(N / 2) * (HEADER + 1));
	CHECK_INT(talloc_free(low), 0);
	CHECK_INT(talloc_free(first), 0);
	CHECK_INT(account(c), HEADER);
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(talloc_free(out), 0);
	CHECK(now() - start < 20.0);
}

/* ---- many ---- */

static unsigned walk_state = 777;

static unsigned walk(unsigned below)
{
	walk_state = walk_state * 1103515245u + 12345u;
	return (walk_state >> 8) % below;
}

/*
 * Chunks that come, go, grow and move between limits in limits; after each
 * step all accounts are what is alive.
 */
static void random_walk(void)
{
	enum { SLOTS = 24, HOMES = 6 };
	void *home[HOMES], *slot[SLOTS] = { NULL };
	long step, bad = 0;
	int i, k;

	home[0] = NEW(NULL, "unlimited");
	home[1] = limited(NULL, 20000);
	home[2] = limited(home[1], 8000);
	home[3] = NEW(home[2], "below");
	home[4] = limited(home[3], 4000);
	home[5] = limited(home[1], 6000);
	for (step = 0; step < 5000 && bad == 0; step++) {
		k = (int)walk(SLOTS);
		switch (walk(5)) {
		case 0:
		case 1:
			if (slot[k] == NULL)
				slot[k] = talloc_size(home[walk(HOMES)], walk(1500));
			break;
		case 2:
			bad += slot[k] != NULL && talloc_free(slot[k]) != 0;
			slot[k] = NULL;
			break;
		case 3:
			if (slot[k] != NULL) {
				void *p = talloc_realloc_size(NULL, slot[k], 1 + walk(3000));

				if (p != NULL)
					slot[k] = p;
			}
			break;
		default:
			if (slot[k] != NULL)
				talloc_steal(home[walk(HOMES)], slot[k]);
			break;
		}
		for (i = 0; i < HOMES; i++)
			if (i != 0 && i != 3)
				bad += account(home[i]) != live(home[i]);
	}
	CHECK_INT(bad, 0);
	CHECK_INT(step, 5000);
	CHECK_INT(talloc_free(home[0]), 0);
	CHECK_INT(talloc_free(home[1]), 0);
}

#define CHUNKS 40

static int is_below(const void *p, const void *above)
{
	while (p != NULL && p != above)
		p = talloc_parent(p);
	return p != NULL;
}

/* Does what malloc gives for a child of this one count for the limits above it, and no other? */
static int counts_above(void *parent, void *const chunk[CHUNKS])
{
	enum { SIZE = 100000 };
	long long before[CHUNKS];
	int i, bad = 0;
	void *child;

	for (i = 0; i < CHUNKS; i++)
		before[i] = chunk[i] == NULL ? -1 : account(chunk[i]);
	child = talloc_size(parent, SIZE);
	bad += child == NULL;
	for (i = 0; i < CHUNKS; i++)
		if (before[i] >= 0)
			bad += account(chunk[i]) - before[i] != (is_below(parent, chunk[i]) ? HEADER + SIZE : 0);
	bad += talloc_free(child) != 0;
	for (i = 0; i < CHUNKS; i++)
		if (before[i] >= 0)
			bad += account(chunk[i]) != before[i];
	return bad == 0;
}

static void forget_below(void *chunk[CHUNKS], int which)
{
	void *gone = chunk[which];
	int i;

	for (i = 0; i < CHUNKS; i++)
		if (i != which && chunk[i] != NULL && is_below(chunk[i], gone))
			chunk[i] = NULL;
	chunk[which] = NULL;
}

/*
 * Pools in pools, members that are taken elsewhere, outgrow their pool or get limits of their
 * own; some of it before there is any limit, some after.
 */
static void children_of_members(void)
{
	void *chunk[CHUNKS], *p;
	int round, step, i, to, bad = 0;

	for (round = 0; round < 300 && bad == 0; round++) {
		memset(chunk, 0, sizeof(chunk));
		chunk[0] = NEW(NULL, "root");
		for (step = 0; step < 150 && bad == 0; step++) {
			do
				to = (int)walk(CHUNKS);
			while (chunk[to] == NULL);
			i = 1 + (int)walk(CHUNKS - 1);
			switch (walk(step < 50 ? 7 : 9)) {
			case 0:
				if (chunk[i] == NULL)
					chunk[i] = talloc_pool(chunk[to], 300 + walk(4000));
				break;
			case 1:
				if (chunk[i] != NULL && !is_below(chunk[to], chunk[i]))
					talloc_steal(chunk[to], chunk[i]);
				break;
			case 2:
				p = chunk[i] == NULL ? NULL : talloc_realloc_size(NULL, chunk[i], 1 + walk(6000));
				if (p != NULL)
					chunk[i] = p;
				break;
			case 3:
				if (chunk[i] != NULL && walk(4) == 0) {
					p = chunk[i];
					forget_below(chunk, i);
					bad += talloc_free(p) != 0;
				}
				break;
			case 7:
				bad += walk(3) == 0 && talloc_set_memlimit(chunk[to], TEST_PLENTY) != 0;
				break;
			case 8:
				bad += !counts_above(chunk[to], chunk);
				break;
			default:
				if (chunk[i] == NULL)
					chunk[i] = talloc_size(chunk[to], walk(200));
				break;
			}
		}
		bad += talloc_free(chunk[0]) != 0;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(round, 300);
}

/* What a child takes at the end of a chain of members, with a limit somewhere. */
static double below_members(int levels)
{
	void *c = limited(NULL, TEST_PLENTY), *p = talloc_pool(c, 1000 * (HEADER + 16));
	double least = 1, took;
	int i, k;

	while (levels-- > 0)
		p = talloc_size(p, 1);
	for (k = 0; k < 50; k++) {
		took = now();
		for (i = 0; i < 200; i++)
			talloc_free(talloc_size(p, 200000));
		took = now() - took;
		least = took < least ? took : least;
	}
	CHECK_INT(talloc_free(c), 0);
	return least;
}

static void a_chain_of_members(void)
{
	double few = below_members(1), many = below_members(900);

	CHECK(many < 4 * few);
}

int main(void)
{
	RUN(the_header);
	RUN(pools_come_and_go);
	RUN(a_member_outgrows_its_pool);
	RUN(members_that_move);
	RUN(caches);
	RUN(stolen_out);
	RUN(moved_inside);
	RUN(a_child_that_stays);
	RUN(destructors_that_move);
	RUN(references);
	RUN(a_loop_of_the_dying);
	RUN(a_loop_around_a_limit);
	RUN(the_limited_chunk_moves);
	RUN(many_limits);
	RUN(random_walk);
	RUN(children_of_members);
	RUN(a_chain_of_members);
	RUN(deep);
	TEST_END();
}
