/*
 * Static pool caches and nested pools, the way a program uses them.
 *
 * A cache holds a fixed number of objects of one size in one piece of memory:
 * talloc_pool_cache() makes it, talloc_cache() and talloc_cache_zero() take
 * the next object, talloc_free() gives it back.
 */
#include "test.h"

#include <malloc.h>
#include <time.h>

struct session {
	int id;
	char *user;
	char buffer[400];
};

#define COUNT 20
#define OBJECT sizeof(struct session)

static uintptr_t addr(const void *p)
{
	return (uintptr_t)p;
}

/* Bytes that malloc has handed out; 0 always where that is not known. */
static size_t in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct mallinfo2 mi = mallinfo2();

	return mi.uordblks + mi.hblkhd;
#else
	return 0;
#endif
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill(void *p, size_t len, unsigned seed)
{
	unsigned char *b = p;
	size_t i;

	for (i = 0; i < len; i++)
		b[i] = (unsigned char)(seed + i * 7);
}

static bool filled(const void *p, size_t len, unsigned seed)
{
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < len; i++)
		if (b[i] != (unsigned char)(seed + i * 7))
			return false;
	return true;
}

static int closed;

static int session_close(struct session *s)
{
	closed += s->id;
	return 0;
}

static int session_refuse(struct session *s)
{
	(void)s;
	return -1;
}

/* Takes objects until there is none: how many there were. */
static int take_all(void *cache, void **objects, int max)
{
	int n = 0;
	void *p;

	while (n <= max && (p = talloc_cache(cache)) != NULL) {
		if (n < max)
			objects[n] = p;
		n++;
	}
	return n;
}

/* Does p lie in the memory of these objects? */
static bool among(void *const *objects, int n, size_t size, const void *p)
{
	uintptr_t low = UINTPTR_MAX, high = 0;
	int i;

	for (i = 0; i < n; i++) {
		if (addr(objects[i]) < low)
			low = addr(objects[i]);
		if (addr(objects[i]) + size > high)
			high = addr(objects[i]) + size;
	}
	return addr(p) >= low && addr(p) < high;
}

/* ---- making a cache ---- */

static void refused(void)
{
	void *ctx = talloc_named_const(NULL, 0, "ctx");

	CHECK(talloc_pool_cache(ctx, 0, 0) == NULL);
	CHECK(talloc_pool_cache(ctx, 0, 16) == NULL);
	CHECK(talloc_pool_cache(ctx, 16, 0) == NULL);
	CHECK(talloc_pool_cache(ctx, 16, 17) == NULL);
	CHECK(talloc_pool_cache(ctx, 1, SIZE_MAX) == NULL);
	CHECK(talloc_pool_cache(ctx, 0x10000000, 0x10000000) == NULL);
	CHECK(talloc_pool_cache(ctx, 0x10000000, 16) == NULL);
	CHECK(talloc_pool_cache(ctx, 0x0fffffff, 1) == NULL); /* the headers count */
	CHECK(talloc_pool_cache(ctx, SIZE_MAX, 1) == NULL);
	CHECK(talloc_pool_cache(ctx, SIZE_MAX, 2) == NULL);
	CHECK(talloc_pool_cache(ctx, SIZE_MAX, SIZE_MAX) == NULL);
	CHECK(talloc_pool_cache(ctx, SIZE_MAX, SIZE_MAX - 63) == NULL);
	CHECK(talloc_pool_cache(ctx, SIZE_MAX - 15, 64) == NULL);
	CHECK(talloc_pool_cache(ctx, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);
	CHECK_INT(talloc_free(ctx), 0);
}

static void how_many(void)
{
	/* size, object size, number of objects: size / objsize, rounded up */
	static const size_t cases[][3] = {
		{ 1, 1, 1 },	   { 16, 16, 1 },      { 17, 16, 2 },	  { 31, 16, 2 },
		{ 32, 16, 2 },	   { 100, 1, 100 },    { 1000, 10, 100 }, { 1001, 10, 101 },
		{ 640, 10, 64 },   { 630, 10, 63 },    { 650, 10, 65 },	  { 1280, 10, 128 },
		{ 1290, 10, 129 }, { 5000, 5000, 1 },  { 5001, 5000, 2 }, { 4097, 64, 65 },
		{ 999, 1000, 0 },  { 300, 7, 43 },     { 512, 1, 512 },	  { 513, 1, 513 },
	};
	void *objects[600];
	size_t i;
	int bad = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *cache = talloc_pool_cache(NULL, cases[i][0], cases[i][1]);

		if (cases[i][2] == 0) {
			bad += cache != NULL;
			continue;
		}
		if (cache == NULL ||
		    take_all(cache, objects, 600) != (int)cases[i][2]) {
			fprintf(stderr, "talloc_pool_cache(NULL, %zu, %zu)\n", cases[i][0],
				cases[i][1]);
			bad++;
		}
		bad += talloc_cache(cache) != NULL; /* still full */
		bad += talloc_cache_zero(cache) != NULL;
		bad += talloc_free(cache) != 0;
	}
	CHECK_INT(bad, 0);
}

static void one_malloc(void)
{
	size_t before = in_use(), with;
	void *cache = talloc_pool_cache(NULL, COUNT * OBJECT, OBJECT), *objects[COUNT];
	int i, bad = 0;

	CHECK(cache != NULL);
	with = in_use();
	CHECK_INT(take_all(cache, objects, COUNT), COUNT);
	CHECK(in_use() == with);
	for (i = 0; i < COUNT; i++)
		bad += talloc_free(objects[i]) != 0;
	CHECK_INT(bad, 0);
	CHECK(in_use() == with);
	CHECK_INT(talloc_free(cache), 0);
	CHECK(in_use() == before);
}

static void not_a_cache(void)
{
	void *cache = talloc_pool_cache(NULL, 1000, 100);
	void *plain = talloc_size(NULL, 100);
	void *pool = talloc_pool(NULL, 1000);
	void *member = talloc_size(pool, 10);
	int *object = talloc_pooled_object(NULL, int, 2, 100);

	CHECK(talloc_cache(NULL) == NULL);
	CHECK(talloc_cache_zero(NULL) == NULL);
	CHECK(talloc_cache(plain) == NULL);
	CHECK(talloc_cache_zero(plain) == NULL);
	CHECK(talloc_cache(pool) == NULL);
	CHECK(talloc_cache_zero(pool) == NULL);
	CHECK(talloc_cache(member) == NULL);
	CHECK(talloc_cache(object) == NULL);
	CHECK(talloc_cache(talloc_cache(cache)) == NULL); /* an object is none */
	CHECK(talloc_cache(talloc_size(cache, 10)) == NULL);
	CHECK_INT(talloc_total_blocks(plain), 1);
	CHECK_INT(talloc_total_blocks(pool), 2);
	talloc_free(cache);
	talloc_free(plain);
	talloc_free(pool);
	talloc_free(object);
}

/* ---- objects ---- */

static void size_and_alignment(void)
{
	static const size_t sizes[] = { 1, 2, 15, 16, 17, 24, 100, 128, 1000, 4095 };
	void *objects[50];
	size_t k;
	int i, j, bad = 0;

	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		size_t size = sizes[k];
		void *cache = talloc_pool_cache(NULL, 50 * size, size);

		bad += take_all(cache, objects, 50) != 50;
		for (i = 0; i < 50; i++) {
			bad += addr(objects[i]) % TEST_ALIGN != 0;
			bad += talloc_get_size(objects[i]) != size;
			bad += talloc_parent(objects[i]) != cache;
			for (j = 0; j < i; j++)
				bad += addr(objects[i]) < addr(objects[j]) + size &&
				       addr(objects[j]) < addr(objects[i]) + size;
			fill(objects[i], size, (unsigned)i);
		}
		/* all bytes of each are its own */
		for (i = 0; i < 50; i++) {
			bad += !filled(objects[i], size, (unsigned)i);
			bad += talloc_get_size(objects[i]) != size;
		}
		bad += talloc_total_blocks(cache) != 51;
		for (i = 0; i < 50; i++)
			bad += talloc_free(objects[i]) != 0;
		bad += talloc_total_blocks(cache) != 1;
		bad += talloc_free(cache) != 0;
	}
	CHECK_INT(bad, 0);
}

static void totals(void)
{
	void *cache = talloc_pool_cache(NULL, 1000, 100);
	size_t alone = talloc_total_size(cache);
	void *a = talloc_cache(cache);

	CHECK_INT(talloc_total_blocks(cache), 2);
	CHECK(talloc_total_size(cache) == alone + 100);
	CHECK(talloc_cache(cache) != NULL);
	CHECK(talloc_total_size(cache) == alone + 200);
	CHECK(talloc_size(a, 30) != NULL);
	CHECK_INT(talloc_total_size(a), 130);
	CHECK_INT(talloc_total_blocks(a), 2);
	CHECK(talloc_total_size(cache) == alone + 230);
	CHECK_INT(talloc_array_length((char *)a), 100);
	CHECK_INT(talloc_free(a), 0);
	CHECK(talloc_total_size(cache) == alone + 100);
	CHECK_INT(talloc_free(cache), 0);
}

static void zeroing(void)
{
	void *cache = talloc_pool_cache(NULL, 10 * 100, 100), *objects[10];
	int i, j, bad = 0;

	CHECK_INT(take_all(cache, objects, 10), 10);
	for (i = 0; i < 10; i++) {
		memset(objects[i], 0xff, 100);
		talloc_free(objects[i]);
	}
	for (i = 0; i < 10; i++) {
		unsigned char *p = talloc_cache_zero(cache);

		bad += p == NULL || talloc_get_size(p) != 100 || talloc_parent(p) != cache;
		for (j = 0; p != NULL && j < 100; j++)
			bad += p[j] != 0;
	}
	CHECK_INT(bad, 0);
	CHECK(talloc_cache_zero(cache) == NULL);
	CHECK_INT(talloc_free(cache), 0);
}

static void slots_come_back(void)
{
	void *cache = talloc_pool_cache(NULL, COUNT * OBJECT, OBJECT);
	void *objects[COUNT], *p, *q, *r;
	int i, round, bad = 0;

	CHECK_INT(take_all(cache, objects, COUNT), COUNT);
	/* full but for one: that one is the next */
	for (i = 0; i < COUNT; i++) {
		p = objects[i];
		bad += talloc_free(p) != 0;
		bad += (objects[i] = talloc_cache(cache)) != p;
		bad += talloc_cache(cache) != NULL;
	}
	for (i = COUNT - 1; i >= 0; i--) {
		p = objects[i];
		bad += talloc_free(p) != 0;
		bad += (objects[i] = talloc_cache_zero(cache)) != p;
		bad += talloc_cache(cache) != NULL;
	}
	CHECK_INT(bad, 0);
	/* two: both come, in some order */
	p = objects[3];
	q = objects[17];
	talloc_free(p);
	talloc_free(q);
	objects[3] = talloc_cache(cache);
	objects[17] = talloc_cache(cache);
	CHECK((objects[3] == p && objects[17] == q) || (objects[3] == q && objects[17] == p));
	CHECK(talloc_cache(cache) == NULL);
	/* through realloc to nothing, and through the children of the cache */
	p = objects[7];
	CHECK(talloc_realloc_size(cache, p, 0) == NULL);
	CHECK(talloc_cache(cache) == p);
	for (round = 0; round < 5; round++) {
		talloc_free_children(cache);
		bad += take_all(cache, objects, COUNT) != COUNT;
	}
	CHECK_INT(bad, 0);
	/* a destructor that refuses keeps its slot */
	p = objects[0];
	((struct session *)p)->id = 1;
	talloc_set_destructor((struct session *)p, session_refuse);
	CHECK_INT(talloc_free(p), -1);
	CHECK(talloc_cache(cache) == NULL);
	talloc_set_destructor((struct session *)p, session_close);
	closed = 0;
	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(closed, 1);
	r = talloc_cache(cache);
	CHECK(r == p);
	/* nothing of the one before is left on it */
	closed = 0;
	CHECK_INT(talloc_free(r), 0);
	CHECK_INT(closed, 0);
	CHECK_INT(talloc_free(cache), 0);
}

static void chunks_in_every_way(void)
{
	void *ctx = talloc_named_const(NULL, 0, "ctx");
	void *cache = talloc_pool_cache(ctx, COUNT * OBJECT, OBJECT);
	struct session *s, *t;
	int i;

	talloc_set_name_const(cache, "sessions");
	CHECK_STR(talloc_get_name(cache), "sessions");
	CHECK(talloc_parent(cache) == ctx);

	s = talloc_cache_zero(cache);
	talloc_set_type(s, struct session);
	CHECK(talloc_get_type(s, struct session) == s);
	CHECK(talloc_get_type_abort(s, struct session) == s);
	CHECK_STR(talloc_parent_name(s), "sessions");
	CHECK_INT(talloc_is_parent(s, ctx), 1);
	CHECK(talloc_find_parent_byname(s, "sessions") == cache);

	/* names, strings, children and grandchildren */
	s->id = 5;
	s->user = talloc_strdup(s, "somebody");
	CHECK_STR(talloc_set_name(s, "session %d", s->id), "session 5");
	s->user = talloc_asprintf_append(s->user, " else %0500d", 0);
	CHECK(talloc_parent(s->user) == s);
	CHECK_INT(talloc_total_blocks(s), 3);
	CHECK_INT(s->id, 5);
	talloc_free_children(s);
	CHECK_STR(talloc_get_name(s), "session 5");
	s->user = talloc_strdup(s, "again");

	/* destructors: the object's first, then its children's */
	t = talloc_cache_zero(cache);
	t->id = 30;
	talloc_set_destructor(s, session_close);
	talloc_set_destructor(t, session_close);
	talloc_steal(s, t); /* an object below an object */
	CHECK(talloc_parent(t) == s);
	closed = 0;
	CHECK_INT(talloc_free(s), 0);
	CHECK_INT(closed, 35);
	CHECK_INT(talloc_total_blocks(cache), 1);

	/* the same with the cache */
	for (i = 0; i < COUNT; i++) {
		s = talloc_cache_zero(cache);
		s->id = 1 << i;
		s->user = talloc_strdup(s, "user");
		talloc_set_destructor(s, session_close);
	}
	closed = 0;
	CHECK_INT(talloc_free(cache), 0);
	CHECK_INT(closed, (1 << COUNT) - 1);
	CHECK_INT(talloc_total_blocks(ctx), 1);
	CHECK_INT(talloc_free(ctx), 0);
}

static void references(void)
{
	void *ctx = talloc_named_const(NULL, 0, "ctx");
	void *cache = talloc_pool_cache(ctx, 2 * OBJECT, OBJECT);
	void *owner = talloc_named_const(NULL, 0, "owner");
	struct session *s = talloc_cache_zero(cache), *t = talloc_cache_zero(cache);

	s->id = 7;
	talloc_set_destructor(s, session_close);
	CHECK(talloc_reference(owner, s) == s);
	CHECK_INT(talloc_reference_count(s), 1);
	log_start();
	CHECK_INT(talloc_free(s), -1);
	CHECK(strstr(log_text, "ERROR: talloc_free with references at ") != NULL);
	CHECK(talloc_cache(cache) == NULL);
	CHECK_INT(talloc_unlink(owner, s), 0);
	CHECK_INT(talloc_reference_count(s), 0);

	/* The cache goes, the referrer keeps the object. */
	fill(s->buffer, sizeof(s->buffer), 3);
	CHECK(talloc_reference(owner, s) == s);
	closed = 0;
	CHECK_INT(talloc_free(cache), 0);
	CHECK_INT(closed, 0);
	CHECK(talloc_parent(s) == owner);
	CHECK_INT(s->id, 7);
	CHECK(filled(s->buffer, sizeof(s->buffer), 3));
	CHECK_INT(talloc_free(owner), 0);
	CHECK_INT(closed, 7);

	/* The other way round: the cache refers to something of another. */
	cache = talloc_pool_cache(ctx, 2 * OBJECT, OBJECT);
	s = talloc_cache_zero(cache);
	t = talloc(ctx, struct session);
	CHECK(talloc_reference(s, t) == t);
	CHECK(talloc_reference(cache, t) == t);
	CHECK_INT(talloc_reference_count(t), 2);
	CHECK_INT(talloc_free(cache), 0);
	CHECK_INT(talloc_reference_count(t), 0);

	/* The cache itself referenced. */
	owner = talloc_named_const(NULL, 0, "owner");
	cache = talloc_pool_cache(ctx, 2 * OBJECT, OBJECT);
	CHECK(talloc_reference(owner, cache) == cache);
	CHECK_INT(talloc_free(ctx), 0);
	CHECK(talloc_parent(cache) == owner);
	CHECK(talloc_cache(cache) != NULL);
	CHECK(talloc_cache(cache) != NULL);
	CHECK(talloc_cache(cache) == NULL);
	CHECK_INT(talloc_free(owner), 0);
}

static void stolen_objects(void)
{
	size_t before = in_use();
	void *home = talloc_named_const(NULL, 0, "home");
	void *cache = talloc_pool_cache(NULL, COUNT * OBJECT, OBJECT);
	void *other = talloc_pool_cache(NULL, COUNT * OBJECT, OBJECT);
	void *objects[COUNT], *p, *q;
	struct session *s;
	int i, bad = 0;

	CHECK_INT(take_all(cache, objects, COUNT), COUNT);
	/* Elsewhere in the tree it is still an object of its cache. */
	talloc_steal(home, objects[4]);
	CHECK(talloc_parent(objects[4]) == home);
	CHECK(talloc_cache(cache) == NULL);
	p = objects[4];
	CHECK_INT(talloc_free(p), 0);
	CHECK((objects[4] = talloc_cache(cache)) == p);
	/* Also below another cache: the slot goes back to the right one. */
	p = objects[5];
	talloc_steal(other, p);
	talloc_free(p);
	q = talloc_cache(other);
	CHECK(q != NULL && q != p);
	CHECK((objects[5] = talloc_cache(cache)) == p);

	/* Stolen objects outlive the cache, whatever order they are freed in. */
	for (i = 0; i < COUNT; i++)
		fill(objects[i], OBJECT, (unsigned)i);
	for (i = 0; i < COUNT; i += 2)
		talloc_steal(home, objects[i]);
	CHECK_INT(talloc_free(cache), 0);
	for (i = 0; i < COUNT; i += 2) {
		bad += !filled(objects[i], OBJECT, (unsigned)i);
		bad += talloc_get_size(objects[i]) != OBJECT;
		bad += talloc_parent(objects[i]) != home;
	}
	CHECK_INT(bad, 0);
	s = objects[8];
	s->id = 9;
	s->user = talloc_strdup(s, "orphan");
	talloc_set_destructor(s, session_close);
	CHECK_INT(talloc_free(objects[0]), 0);
	CHECK_INT(talloc_free(objects[18]), 0);
	CHECK_INT(talloc_free(objects[2]), 0);
	CHECK_STR(s->user, "orphan");
	CHECK(filled(objects[4], OBJECT, 4) && filled(objects[16], OBJECT, 16));
	closed = 0;
	CHECK_INT(talloc_free(home), 0);
	CHECK_INT(closed, 9);
	CHECK_INT(talloc_free(other), 0);
	CHECK(in_use() == before);

	/* An object that refuses goes to the parent of the cache. */
	home = talloc_named_const(NULL, 0, "home");
	cache = talloc_pool_cache(home, COUNT * OBJECT, OBJECT);
	s = talloc_cache_zero(cache);
	s->id = 11;
	talloc_set_destructor(s, session_refuse);
	CHECK_INT(talloc_free(cache), 0);
	CHECK(talloc_parent(s) == home);
	CHECK_INT(s->id, 11);
	talloc_set_destructor(s, (int (*)(struct session *))NULL);
	CHECK_INT(talloc_free(home), 0);
	CHECK(in_use() == before);

	/* A cache that refuses is still one. */
	cache = talloc_pool_cache(NULL, COUNT * OBJECT, OBJECT);
	talloc_set_destructor((struct session *)cache, session_refuse);
	CHECK_INT(talloc_free(cache), -1);
	CHECK_INT(take_all(cache, objects, COUNT), COUNT);
	talloc_set_destructor((struct session *)cache, (int (*)(struct session *))NULL);
	CHECK_INT(talloc_free(cache), 0);
	CHECK(in_use() == before);
}

static void resized_objects(void)
{
	void *home = talloc_named_const(NULL, 0, "home");
	void *cache = talloc_pool_cache(home, 10 * 200, 200), *objects[10];
	char *p, *q, *child;
	int i, bad = 0;

	CHECK_INT(take_all(cache, objects, 10), 10);
	for (i = 0; i < 10; i++)
		fill(objects[i], 200, (unsigned)i);

	/* Larger: it leaves the cache, with all that hangs on it. */
	p = objects[3];
	talloc_set_name_const(p, "resized");
	child = talloc_strdup(p, "child");
	q = talloc_realloc_size(cache, p, 5000);
	CHECK(q != NULL && q != p);
	CHECK(filled(q, 200, 3));
	CHECK_INT(talloc_get_size(q), 5000);
	CHECK(talloc_parent(q) == cache && talloc_parent(child) == q);
	CHECK(!among(objects, 10, 200, q));
	fill(q, 5000, 33);
	/* ... and its slot is free. */
	objects[3] = talloc_cache(cache);
	CHECK(objects[3] == p);
	CHECK(talloc_cache(cache) == NULL);
	fill(objects[3], 200, 3);
	CHECK(filled(q, 5000, 33));
	CHECK_INT(talloc_free(q), 0);
	CHECK(talloc_cache(cache) == NULL); /* that was not a slot any more */

	/* Smaller, and back to what it was. */
	p = objects[6];
	q = talloc_realloc_size(cache, p, 20);
	CHECK(q != NULL);
	CHECK(filled(q, 20, 6));
	CHECK_INT(talloc_get_size(q), 20);
	q = talloc_realloc_size(cache, q, 200);
	CHECK(q != NULL);
	CHECK(filled(q, 20, 6));
	CHECK_INT(talloc_get_size(q), 200);
	fill(q, 200, 6);
	CHECK(talloc_realloc_size(cache, q, 200) == (void *)q);
	objects[6] = q;

	/* Too large: nothing changes. */
	CHECK(talloc_realloc_size(cache, objects[7], 0x10000000) == NULL);
	CHECK_INT(talloc_get_size(objects[7]), 200);
	for (i = 0; i < 10; i++)
		bad += !filled(objects[i], 200, (unsigned)i);
	CHECK_INT(bad, 0);

	/* Out of a cache that is gone. */
	talloc_steal(home, objects[1]);
	CHECK_INT(talloc_free(cache), 0);
	q = talloc_realloc_size(home, objects[1], 3000);
	CHECK(filled(q, 200, 1));
	CHECK_INT(talloc_free(home), 0);

	/* The cache itself is a pool: it keeps its size. */
	cache = talloc_pool_cache(NULL, 1000, 100);
	CHECK(talloc_realloc_size(NULL, cache, 5000) == NULL);
	CHECK(talloc_cache(cache) != NULL);
	CHECK_INT(talloc_free(cache), 0);
}

static void ordinary_allocations(void)
{
	void *cache = talloc_pool_cache(NULL, 10 * 500, 500), *objects[10], *p;
	int i, bad = 0;

	/* Below the cache and its objects, they take no slot: */
	for (i = 0; i < 100; i++)
		bad += talloc_size(cache, 100) == NULL;
	CHECK_INT(bad, 0);
	CHECK_INT(take_all(cache, objects, 10), 10);
	for (i = 0; i < 10; i++) {
		p = talloc_size(objects[i], 200);
		bad += p == NULL || among(objects, 10, 500, p);
		p = talloc_strdup(p, "text");
		bad += p == NULL || among(objects, 10, 500, p);
		p = talloc_size(cache, 16);
		bad += p == NULL || among(objects, 10, 500, p);
	}
	CHECK_INT(bad, 0);
	/* ... not a free one either. */
	talloc_free(objects[5]);
	p = talloc_size(cache, 100);
	CHECK(p != NULL && !among(objects, 10, 500, p));
	CHECK(talloc_cache(cache) == objects[5]);
	CHECK(talloc_cache(cache) == NULL);
	CHECK_INT(talloc_free(cache), 0);
}

/* ---- caches in caches and pools ---- */

static void caches_in_caches(void)
{
	size_t before = in_use();
	void *outer, *inner, *below, *a, *b, *c, *objects[20];
	int order, bad = 0;

	outer = talloc_pool_cache(NULL, 20 * 200, 200);
	CHECK_INT(take_all(outer, objects, 20), 20);
	inner = talloc_pool_cache(outer, 30 * 100, 100);
	below = talloc_pool_cache(objects[3], 10 * 300, 300);
	CHECK(inner != NULL && below != NULL);
	CHECK(talloc_parent(inner) == outer && talloc_parent(below) == objects[3]);
	CHECK(!among(objects, 20, 200, inner) && !among(objects, 20, 200, below));
	a = talloc_cache(inner);
	b = talloc_cache(below);
	CHECK(!among(objects, 20, 200, a) && !among(objects, 20, 200, b));
	CHECK_INT(talloc_get_size(a), 100);
	CHECK_INT(talloc_get_size(b), 300);
	CHECK(talloc_cache(outer) == NULL);
	CHECK(talloc_cache(inner) != NULL);
	/* The object goes, and with it the cache below. */
	CHECK_INT(talloc_free(objects[3]), 0);
	CHECK(talloc_cache(outer) == objects[3]);
	CHECK_INT(talloc_free(outer), 0);
	CHECK(in_use() == before);

	/* Each of the six orders in which three nested ones can go. */
	for (order = 0; order < 6; order++) {
		static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
		void *all[3];
		int i;

		outer = talloc_pool_cache(NULL, 4 * 1000, 1000);
		a = talloc_cache(outer);
		inner = talloc_pool_cache(a, 4 * 1000, 1000);
		b = talloc_cache(inner);
		below = talloc_pool_cache(b, 4 * 1000, 1000);
		c = talloc_cache(below);
		fill(a, 1000, 1);
		fill(b, 1000, 2);
		fill(c, 1000, 3);
		talloc_steal(NULL, inner);
		talloc_steal(NULL, below);
		talloc_steal(NULL, c);
		all[0] = outer;
		all[1] = inner;
		all[2] = below;
		for (i = 0; i < 3; i++)
			bad += talloc_free(all[orders[order][i]]) != 0;
		bad += !filled(c, 1000, 3);
		bad += talloc_free(c) != 0;
	}
	CHECK_INT(bad, 0);
	CHECK(in_use() == before);
}

static void caches_in_pools(void)
{
	size_t before = in_use(), with;
	char *pool = talloc_pool(NULL, 20000);
	void *cache, *again, *member, *objects[20], *p;

	with = in_use();
	cache = talloc_pool_cache(pool, 10 * 400, 400);
	CHECK(cache != NULL);
	CHECK(in_use() == with); /* room in the pool */
	CHECK(addr(cache) > addr(pool) && addr(cache) < addr(pool) + 20000);
	CHECK_INT(take_all(cache, objects, 20), 10);
	CHECK(in_use() == with);
	CHECK(addr(objects[9]) > addr(pool) && addr(objects[9]) + 400 <= addr(pool) + 20000);
	/* What else the pool holds lies elsewhere. */
	member = talloc_size(pool, 1000);
	CHECK(!among(objects, 10, 400, member));
	CHECK(in_use() == with);
	fill(member, 1000, 1);
	memset(objects[0], 0xff, 400);
	memset(objects[9], 0xff, 400);
	CHECK(filled(member, 1000, 1));
	CHECK_INT(talloc_free(member), 0);
	/* The cache gone, all of the pool is free again. */
	CHECK_INT(talloc_free(cache), 0);
	again = talloc_pool_cache(pool, 10 * 400, 400);
	CHECK(again == cache);
	/* below a member: the same pool */
	CHECK_INT(talloc_free(again), 0);
	member = talloc_size(pool, 100);
	cache = talloc_pool_cache(member, 10 * 400, 400);
	CHECK(in_use() == with);
	CHECK(addr(cache) > addr(pool) && addr(cache) < addr(pool) + 20000);

	/* An object stolen away keeps cache and pool in memory. */
	p = talloc_cache(cache);
	fill(p, 400, 5);
	talloc_steal(NULL, p);
	CHECK_INT(talloc_free(pool), 0);
	CHECK(in_use() == with);
	CHECK(filled(p, 400, 5));
	CHECK_INT(talloc_free(p), 0);
	CHECK(in_use() == before);

	/* No room in the pool: malloc. */
	pool = talloc_pool(NULL, 2000);
	cache = talloc_pool_cache(pool, 10 * 400, 400);
	CHECK(cache != NULL);
	CHECK(!(addr(cache) >= addr(pool) && addr(cache) < addr(pool) + 2000));
	CHECK(talloc_parent(cache) == pool);
	CHECK_INT(take_all(cache, objects, 20), 10);
	CHECK_INT(talloc_free(pool), 0);
	CHECK(in_use() == before);

	/* A pool below a cache, and below one of its objects. */
	cache = talloc_pool_cache(NULL, 10 * 400, 400);
	p = talloc_pool(talloc_cache(cache), 2000);
	member = talloc_size(p, 1500);
	CHECK(addr(member) > addr(p) && addr(member) < addr(p) + 2000);
	pool = talloc_pool(cache, 2000);
	CHECK(pool != NULL);
	CHECK_INT(talloc_free(cache), 0);
	CHECK(in_use() == before);
}

static void pools_in_pools(void)
{
	size_t before = in_use();
	void *outer, *inner, *a, *b;

	/* the outer one first */
	outer = talloc_pool(NULL, 8000);
	inner = talloc_pool(outer, 4000);
	a = talloc_size(inner, 1000);
	fill(a, 1000, 1);
	talloc_steal(NULL, inner);
	CHECK_INT(talloc_free(outer), 0);
	b = talloc_size(inner, 1000);
	fill(b, 1000, 2);
	CHECK(filled(a, 1000, 1));
	CHECK_INT(talloc_free(inner), 0);
	CHECK(in_use() == before);

	/* the inner one first, its member lives on and outlives the outer one */
	outer = talloc_pool(NULL, 8000);
	inner = talloc_pool(outer, 4000);
	a = talloc_size(inner, 1000);
	fill(a, 1000, 1);
	talloc_steal(NULL, a);
	CHECK_INT(talloc_free(inner), 0);
	CHECK(filled(a, 1000, 1));
	CHECK_INT(talloc_free(outer), 0);
	CHECK(filled(a, 1000, 1));
	CHECK_INT(talloc_free(a), 0);
	CHECK(in_use() == before);

	inner = talloc_pool(talloc_pool(talloc_pool(NULL, 9000), 5000), 1000);
	CHECK(talloc_size(inner, 500) != NULL);
	outer = talloc_parent(talloc_parent(inner));
	CHECK_INT(talloc_free(outer), 0);
	CHECK(in_use() == before);
}

/* ---- the rest of the library ---- */

static void null_tracking(void)
{
	void *cache, *p;

	talloc_enable_null_tracking_no_autofree();
	cache = talloc_pool_cache(NULL, 1000, 100);
	CHECK_STR(talloc_parent_name(cache), "null_context");
	p = talloc_cache(cache);
	talloc_steal(NULL, p);
	CHECK_STR(talloc_parent_name(p), "null_context");
	CHECK_INT(talloc_total_blocks(NULL), 3);
	CHECK_INT(talloc_free(cache), 0);
	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_disable_null_tracking();
}

static void reports(void)
{
	void *cache = talloc_pool_cache(NULL, 1000, 100), *p = talloc_cache(cache);
	const char *text;

	talloc_set_name_const(cache, "cache");
	talloc_set_name_const(p, "object");
	text = text_of(talloc_report_full, cache);
	CHECK(strstr(text, "    object                         contains    100 bytes in   "
			   "1 blocks (ref 0)") != NULL);
	CHECK_STR(text_of(talloc_show_parents, p), "talloc parents of 'object'\n"
						   "\t'object'\n\t'cache'\n");
	CHECK_INT(talloc_free(cache), 0);
}

static void *stale;

static void free_twice(void)
{
	stale = talloc_cache(talloc_pool_cache(NULL, 1000, 100));
	talloc_free(stale);
	talloc_free(stale);
}

static void use_after_free(void)
{
	stale = talloc_cache(talloc_pool_cache(NULL, 1000, 100));
	talloc_free(stale);
	talloc_strdup(stale, "text");
}

static void cache_after_free(void)
{
	/* an object keeps the memory, so that this can be seen */
	void *cache = talloc_pool_cache(NULL, 1000, 100);

	stale = talloc_steal(NULL, talloc_cache(cache));
	talloc_free(cache);
	talloc_cache(cache);
}

static void faults(void)
{
	static void (*const all[])(void) = { free_twice, use_after_free, cache_after_free };
	size_t i;

	for (i = 0; i < 3; i++) {
		struct outcome *o = run_apart(all[i], true);

		CHECK(o->aborted);
		CHECK_STR(o->reason, "Bad talloc magic value - access after free");
	}
}

/* ---- many ---- */

static unsigned walk_state = 4711;

static unsigned walk(unsigned below)
{
	walk_state = walk_state * 1103515245u + 12345u;
	return (walk_state >> 8) % below;
}

/*
 * A million objects.  Filling the cache, and going on when it is full but for
 * one, take a time that does not grow with the number of objects: a search
 * from the start would take hours here.
 */
static void a_million(void)
{
	enum { N = 1000000 };
	void *cache = talloc_pool_cache(NULL, (size_t)N * 16, 16), *p;
	static void *objects[N];
	double start = now();
	int i, k, bad = 0;

	CHECK(cache != NULL);
	CHECK_INT(take_all(cache, objects, N), N);
	CHECK(now() - start < 10.0);
	for (i = 0; i < N; i++)
		*(int *)objects[i] = i;
	start = now();
	/* at random, from the back, from the front, the last one always */
	for (i = 0; i < N; i++) {
		k = (int)walk(N);
		p = objects[k];
		bad += *(int *)p != k || talloc_free(p) != 0;
		bad += (objects[k] = talloc_cache(cache)) != p;
		*(int *)p = k;
	}
	CHECK_INT(bad, 0);
	for (i = N - 1; i >= 0; i--) {
		p = objects[i];
		bad += talloc_free(p) != 0 || talloc_cache(cache) != p;
	}
	for (i = 0; i < N; i++) {
		p = objects[i];
		bad += talloc_free(p) != 0 || talloc_cache(cache) != p;
	}
	for (i = 0; i < N; i++)
		bad += talloc_free(p) != 0 || talloc_cache(cache) != p;
	/* full, and asked all the same */
	for (i = 0; i < N; i++)
		bad += talloc_cache(cache) != NULL;
	CHECK_INT(bad, 0);
	CHECK(now() - start < 30.0);

	/* Every second one is freed, and taken again. */
	start = now();
	for (i = 0; i < N; i += 2)
		bad += talloc_free(objects[i]) != 0;
	for (i = 0; i < N; i += 2)
		bad += talloc_cache(cache) == NULL;
	CHECK_INT(bad, 0);
	CHECK(talloc_cache(cache) == NULL);
	CHECK_INT(talloc_total_blocks(cache), N + 1);
	CHECK_INT(talloc_free(cache), 0);
	CHECK(now() - start < 10.0);
}

/* Objects that come, go, grow and move, against what their bytes should be. */
static void random_walk(void)
{
	enum { SLOTS = 64 };
	void *top = talloc_named_const(NULL, 0, "top"), *cache[4], *slot[SLOTS] = { NULL };
	size_t len[SLOTS] = { 0 };
	static const size_t sizes[4] = { 40, 100, 300, 1000 };
	long step, bad = 0;
	int i, k, c;

	cache[0] = talloc_pool_cache(top, 20 * sizes[0], sizes[0]);
	cache[1] = talloc_pool_cache(talloc_pool(top, 50000), 20 * sizes[1], sizes[1]);
	cache[2] = talloc_pool_cache(talloc_cache(cache[1]), 20 * sizes[2], sizes[2]);
	cache[3] = talloc_pool_cache(cache[2], 5 * sizes[3], sizes[3]);
	for (step = 0; step < 200000 && bad == 0; step++) {
		k = (int)walk(SLOTS);
		c = (int)walk(4);
		switch (walk(6)) {
		case 0:
		case 1:
			if (slot[k] != NULL)
				break;
			slot[k] = walk(2) ? talloc_cache(cache[c]) : talloc_cache_zero(cache[c]);
			if (slot[k] == NULL)
				break;
			len[k] = sizes[c];
			bad += talloc_get_size(slot[k]) != len[k];
			fill(slot[k], len[k], (unsigned)k);
			break;
		case 2:
		case 3:
			if (slot[k] == NULL)
				break;
			bad += !filled(slot[k], len[k], (unsigned)k);
			bad += talloc_free(slot[k]) != 0;
			slot[k] = NULL;
			break;
		case 4: {
			size_t n = 1 + walk(1500), kept;

			if (slot[k] == NULL || walk(4) != 0)
				break;
			kept = n < len[k] ? n : len[k];
			slot[k] = talloc_realloc_size(NULL, slot[k], n);
			bad += slot[k] == NULL || !filled(slot[k], kept, (unsigned)k);
			len[k] = n;
			fill(slot[k], n, (unsigned)k);
			break;
		}
		default:
			if (slot[k] != NULL)
				talloc_steal(walk(3) ? cache[c] : top, slot[k]);
			break;
		}
	}
	for (i = 0; i < SLOTS; i++)
		if (slot[i] != NULL)
			bad += !filled(slot[i], len[i], (unsigned)i);
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(top), 0);
}

int main(void)
{
	/* what a thread keeps is not to count below, nor what is made once, on first use */
	setenv("TALLOC_THREAD_CACHE", "0", 1);
	printf("# caches\n");
	talloc_free(talloc_strdup(NULL, "warm"));
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
#endif

	RUN(refused);
	RUN(how_many);
	RUN(one_malloc);
	RUN(not_a_cache);
	RUN(size_and_alignment);
	RUN(totals);
	RUN(zeroing);
	RUN(slots_come_back);
	RUN(chunks_in_every_way);
	RUN(references);
	RUN(stolen_objects);
	RUN(resized_objects);
	RUN(ordinary_allocations);
	RUN(caches_in_caches);
	RUN(caches_in_pools);
	RUN(pools_in_pools);
	RUN(null_tracking);
	RUN(reports);
	RUN(faults);
	RUN(random_walk);
	RUN(a_million);
	TEST_END();
}
