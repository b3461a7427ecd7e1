/*
 * Pools: where members lie, when their room is free again, what keeps the
 * memory alive, and how members are resized.
 *
 * The size of a chunk header is not part of the contract, so sizes are chosen
 * for the verdict to be the same for any header of 64 to 96 bytes: a member
 * of BIG bytes takes between 1072 and 1104.
 */
#include "../test.h"

#include <limits.h>
#include <malloc.h>

#define POOL 5000 /* four members of BIG fit, five do not */
#define BIG 1000

static uintptr_t addr(const void *p)
{
	return (uintptr_t)p;
}

/*
 * Does p, with len bytes, lie in the memory of a pool of the given size?  A
 * few bytes of slack for a pool that keeps something of its own there; the
 * next chunk of malloc cannot be that near.
 */
static bool inside(const void *pool, size_t size, const void *p, size_t len)
{
	return addr(p) >= addr(pool) && addr(p) + len <= addr(pool) + size + 48;
}

#define IN(pool, p, len) inside((pool), POOL, (p), (len))

/*
 * Bytes that malloc has handed out; 0 always where that is not known.  Chunks
 * of less than 1 KiB that were freed may still count (malloc's own caches), so
 * the tests that compare it for equality use larger ones.
 */
static size_t in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct mallinfo2 mi = mallinfo2();

	return mi.uordblks + mi.hblkhd;
#else
	return 0;
#endif
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

static int freed;

static int count_free(void *p)
{
	(void)p;
	freed++;
	return 0;
}

static int refuse(void *p)
{
	(void)p;
	return -1;
}

/* ---- what a pool is ---- */

static void the_pool_itself(void)
{
	void *ctx = talloc_named_const(NULL, 0, "ctx");
	void *pool = talloc_pool(ctx, POOL);
	char *a;

	CHECK(pool != NULL);
	CHECK(addr(pool) % TEST_ALIGN == 0);
	CHECK_STR(talloc_get_name(pool), "UNNAMED");
	CHECK_INT(talloc_get_size(pool), 0);
	CHECK_INT(talloc_total_size(pool), 0);
	CHECK_INT(talloc_total_blocks(pool), 1);
	CHECK(talloc_parent(pool) == ctx);

	a = talloc_named_const(pool, BIG, "a");
	CHECK(talloc_named_const(a, 10, "b") != NULL);
	CHECK_INT(talloc_get_size(pool), 0);
	CHECK_INT(talloc_total_size(pool), BIG + 10);
	CHECK_INT(talloc_total_blocks(pool), 3);
	CHECK_INT(talloc_total_size(ctx), BIG + 10);
	CHECK_INT(talloc_total_blocks(ctx), 4);
	CHECK(talloc_parent(a) == pool);

	talloc_set_name_const(pool, "swimming");
	CHECK_STR(talloc_get_name(pool), "swimming");
	CHECK_INT(talloc_free(ctx), 0);
}

static void refused_sizes(void)
{
	void *pool = talloc_pool(NULL, 0);
	void *a, *b;

	/* A pool without room is a pool all the same. */
	CHECK(pool != NULL);
	a = talloc_size(pool, 1);
	b = talloc_size(pool, 0);
	CHECK(a != NULL && b != NULL);
	CHECK_INT(talloc_total_size(pool), 1);
	CHECK_INT(talloc_total_blocks(pool), 3);
	CHECK(talloc_realloc_size(NULL, pool, 10) == NULL);
	CHECK_INT(talloc_free(pool), 0);

	CHECK(talloc_pool(NULL, 0x10000000) == NULL);
	CHECK(talloc_pool(NULL, 0x10000001) == NULL);
	CHECK(talloc_pool(NULL, SIZE_MAX) == NULL);
	CHECK(talloc_pool(NULL, SIZE_MAX - 200) == NULL);
	CHECK(talloc_pool(NULL, SIZE_MAX / 2 + 1) == NULL);

	pool = talloc_pool(NULL, POOL);
	CHECK(talloc_size(pool, 0x10000000) == NULL);
	CHECK(talloc_size(pool, SIZE_MAX) == NULL);
	CHECK(talloc_pool(pool, SIZE_MAX) == NULL);
	CHECK_INT(talloc_total_blocks(pool), 1);
	CHECK_INT(talloc_free(pool), 0);
}

/* ---- where members lie ---- */

static void front_to_back(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, BIG);
	char *b = talloc_size(pool, BIG);
	char *c = talloc_size(a, BIG); /* below a member: from the pool too */
	char *d = talloc_size(c, BIG);
	char *e = talloc_size(pool, BIG);

	CHECK(IN(pool, a, BIG));
	CHECK(IN(pool, b, BIG));
	CHECK(IN(pool, c, BIG));
	CHECK(IN(pool, d, BIG));
	CHECK(e != NULL && !IN(pool, e, BIG)); /* no room: malloc */
	CHECK(talloc_parent(e) == pool);
	CHECK(addr(a) % TEST_ALIGN == 0 && addr(b) % TEST_ALIGN == 0 && addr(c) % TEST_ALIGN == 0);
	CHECK(addr(a) < addr(b) && addr(b) < addr(c) && addr(c) < addr(d));
	CHECK(addr(b) - addr(a) == addr(c) - addr(b));
	CHECK(addr(d) - addr(c) == addr(c) - addr(b));
	CHECK(addr(b) - addr(a) >= BIG);
	fill(a, BIG, 1);
	fill(b, BIG, 2);
	fill(c, BIG, 3);
	fill(d, BIG, 4);
	fill(e, BIG, 5);
	CHECK(filled(a, BIG, 1) && filled(b, BIG, 2) && filled(c, BIG, 3));
	CHECK(filled(d, BIG, 4) && filled(e, BIG, 5));

	/* What is too large goes to malloc, what still fits does not. */
	CHECK_INT(talloc_free(d), 0);
	CHECK(!IN(pool, talloc_size(pool, 2 * BIG), 2 * BIG));
	CHECK(IN(pool, talloc_size(pool, 10), 10));
	CHECK_INT(talloc_free(pool), 0);
}

static void sizes_are_rounded(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 0);
	char *b = talloc_size(pool, 1);
	char *c = talloc_size(pool, 16);
	char *d = talloc_size(pool, 17);
	char *e = talloc_size(pool, 0);
	size_t header = addr(b) - addr(a);

	CHECK(header % 16 == 0);
	CHECK(addr(c) - addr(b) == header + 16);
	CHECK(addr(d) - addr(c) == header + 16);
	CHECK(addr(e) - addr(d) == header + 32);
	CHECK_INT(talloc_get_size(b), 1);
	CHECK_INT(talloc_get_size(d), 17);
	CHECK_INT(talloc_total_size(pool), 34);
	CHECK_INT(talloc_total_blocks(pool), 6);
	CHECK_INT(talloc_free(pool), 0);
}

static void who_uses_the_pool(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *heap = talloc_size(NULL, 10);
	char *member = talloc_size(pool, 10);
	char *p;

	/* The memory a context lies in decides, not its place in the tree. */
	talloc_steal(pool, heap);
	p = talloc_size(heap, 10);
	CHECK(!IN(pool, p, 10));
	talloc_steal(NULL, member);
	p = talloc_size(member, 10);
	CHECK(IN(pool, p, 10));
	p = talloc_size(p, 10);
	CHECK(IN(pool, p, 10));
	p = talloc_realloc_size(pool, heap, 200);
	CHECK(p != NULL && !IN(pool, p, 200));
	p = talloc_realloc_size(pool, NULL, 100);
	CHECK(IN(pool, p, 100));

	/* Every way of making a chunk. */
	p = talloc_strdup(pool, "text");
	CHECK(IN(pool, p, 5));
	p = talloc_asprintf(pool, "%d", 42);
	CHECK(IN(pool, p, 3));
	p = talloc_memdup(pool, "data", 4);
	CHECK(IN(pool, p, 4) && memcmp(p, "data", 4) == 0);
	p = talloc_zero_size(pool, 64);
	CHECK(IN(pool, p, 64));
	p = (char *)talloc_array(pool, int, 10);
	CHECK(IN(pool, p, 40));
	p = talloc_named(pool, 10, "name %d", 1);
	CHECK(IN(pool, p, 10));
	CHECK(IN(pool, talloc_get_name(p), 7));
	CHECK_INT(talloc_free(member), 0);
	CHECK_INT(talloc_free(pool), 0);
}

static void zeroed_again(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, BIG), *b;
	size_t i, set = 0;

	memset(a, 0xff, BIG);
	talloc_free(a);
	b = talloc_zero_size(pool, BIG);
	CHECK(a == b);
	for (i = 0; i < BIG; i++)
		set += b[i] != 0;
	CHECK_INT(set, 0);
	CHECK_INT(talloc_free(pool), 0);
}

/* ---- when room is free again ---- */

static void last_member_gives_back(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 100);
	char *b = talloc_size(pool, 100);
	char *c = talloc_size(pool, 100);
	char *d;

	CHECK_INT(talloc_free(c), 0);
	d = talloc_size(pool, 500);
	CHECK(d == c);
	CHECK_INT(talloc_free(d), 0);
	d = talloc_size(a, 7);
	CHECK(d == c);

	/* Not the last: its room stays taken, also when the rest goes. */
	CHECK_INT(talloc_free(b), 0);
	CHECK_INT(talloc_free(d), 0);
	d = talloc_size(pool, 100);
	CHECK(d == c);
	CHECK_INT(talloc_free(pool), 0);

	/* From the back, one by one. */
	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, 100);
	b = talloc_size(pool, 100);
	c = talloc_size(pool, 100);
	talloc_free(c);
	talloc_free(b);
	d = talloc_size(pool, 100);
	CHECK(d == b);
	talloc_free(d);
	talloc_free(a);
	d = talloc_size(pool, 100);
	CHECK(d == a);
	CHECK_INT(talloc_free(pool), 0);
}

static void all_free_when_alone(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *m[4], *p;
	int i, round;

	m[0] = talloc_size(pool, BIG);
	for (round = 0; round < 3; round++) {
		for (i = round ? 0 : 1; i < 4; i++)
			m[i] = talloc_size(pool, BIG);
		CHECK(IN(pool, m[3], BIG));
		p = talloc_size(pool, BIG);
		CHECK(!IN(pool, p, BIG));
		/* Oldest first: nobody but the very last gives room back. */
		for (i = 0; i < 4; i++)
			talloc_free(m[i]);
		p = talloc_size(pool, 4 * BIG); /* one chunk over all of it */
		CHECK(p == m[0]);
		CHECK(IN(pool, p, 4 * BIG));
		fill(p, 4 * BIG, 9);
		CHECK(filled(p, 4 * BIG, 9));
		talloc_free(p);
	}
	/* Members that went to malloc do not count. */
	CHECK_INT(talloc_total_blocks(pool), 4);

	for (i = 0; i < 4; i++)
		m[i] = talloc_size(pool, BIG);
	talloc_free_children(pool);
	CHECK_INT(talloc_total_blocks(pool), 1);
	p = talloc_size(pool, BIG);
	CHECK(p == m[0]);

	/* A member that lives elsewhere in the tree keeps its room. */
	talloc_free(p);
	m[0] = talloc_size(pool, BIG);
	m[1] = talloc_size(pool, BIG);
	m[2] = talloc_size(pool, BIG);
	talloc_steal(NULL, m[1]);
	talloc_free(m[0]);
	talloc_free(m[2]);
	p = talloc_size(pool, BIG);
	CHECK(p == m[2]);
	talloc_free(p);
	talloc_free(m[1]);
	p = talloc_size(pool, BIG);
	CHECK(p == m[0]);
	CHECK_INT(talloc_free(pool), 0);
}

/* ---- memory ---- */

static void one_malloc(void)
{
	size_t before = in_use(), with;
	char *pool = talloc_pool(NULL, POOL);
	char *m[4];
	int i;

	with = in_use();
	for (i = 0; i < 4; i++)
		m[i] = talloc_size(pool, BIG);
	CHECK(in_use() == with);
	for (i = 0; i < 4; i++)
		talloc_free(m[i]);
	CHECK(in_use() == with);
	m[0] = talloc_size(pool, BIG);
	talloc_steal(NULL, m[0]);
	CHECK_INT(talloc_free(pool), 0);
	CHECK(in_use() == with); /* the member keeps it */
	CHECK_INT(talloc_free(m[0]), 0);
	CHECK(in_use() == before);
}

static void stolen_members(void)
{
	size_t before = in_use();
	void *home = talloc_named_const(NULL, 0, "home");
	char *pool, *a, *b, *c, *p;

	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, BIG);
	b = talloc_size(pool, BIG);
	c = talloc_size(a, BIG);
	fill(a, BIG, 1);
	fill(c, BIG, 3);
	talloc_set_destructor(b, (int (*)(char *))count_free);
	freed = 0;
	talloc_steal(home, a);
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(freed, 1);
	CHECK(filled(a, BIG, 1) && filled(c, BIG, 3));
	CHECK(talloc_parent(a) == home && talloc_parent(c) == a);
	CHECK_INT(talloc_total_size(home), 2 * BIG);
	CHECK_INT(talloc_total_blocks(home), 3);

	/* The rest of a pool that was freed still serves its members. */
	p = talloc_size(a, BIG);
	CHECK(IN(pool, p, BIG));
	CHECK(addr(p) > addr(c));
	fill(p, BIG, 4);
	CHECK_INT(talloc_free(c), 0);
	CHECK(filled(a, BIG, 1) && filled(p, BIG, 4));
	CHECK_INT(talloc_free(home), 0);
	CHECK(in_use() == before);

	/* All members gone first, one of them from another place in the tree. */
	home = talloc_named_const(NULL, 0, "home");
	pool = talloc_pool(home, POOL);
	a = talloc_size(pool, BIG);
	b = talloc_size(pool, BIG);
	talloc_steal(home, a);
	talloc_steal(a, b);
	CHECK_INT(talloc_free(a), 0);
	p = talloc_size(pool, BIG);
	CHECK(p == a);
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(talloc_free(home), 0);
	CHECK(in_use() == before);
}

static void a_member_that_stays(void)
{
	void *first = talloc_named_const(NULL, 0, "first"), *home, *pool, *owner;
	char *a, *b;
	size_t before;

	/* What a thread keeps of small chunks and of references is not counted. */
	home = talloc_named_const(first, 0, "home");
	talloc_named_const(first, 0, "owner");
	talloc_reference(first, home);
	talloc_free(first);
	before = in_use();
	home = talloc_named_const(NULL, 0, "home");
	pool = talloc_pool(home, POOL);
	a = talloc_size(pool, BIG);
	b = talloc_size(pool, BIG);
	owner = talloc_named_const(NULL, 0, "owner");

	/* One refuses to go, one is referenced: both outlive the pool. */
	fill(a, BIG, 1);
	fill(b, BIG, 2);
	talloc_set_destructor(a, (int (*)(char *))refuse);
	talloc_reference(owner, b);
	CHECK_INT(talloc_free(pool), 0);
	CHECK(talloc_parent(a) == home);
	CHECK(talloc_parent(b) == owner);
	CHECK(filled(a, BIG, 1) && filled(b, BIG, 2));
	talloc_set_destructor(a, (int (*)(char *))NULL);
	CHECK_INT(talloc_free(home), 0);
	CHECK(filled(b, BIG, 2));
	CHECK_INT(talloc_free(owner), 0);
	CHECK(in_use() == before);

	/* A pool that refuses is still a pool. */
	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, BIG);
	talloc_set_destructor(pool, refuse);
	CHECK_INT(talloc_free(pool), -1);
	CHECK_INT(talloc_free(a), 0);
	CHECK(talloc_size(pool, BIG) == (void *)a);
	talloc_set_destructor(pool, (int (*)(void *))NULL);
	CHECK_INT(talloc_free(pool), 0);
	CHECK(in_use() == before);
}

static void references_and_handles(void)
{
	size_t before = in_use();
	char *pool = talloc_pool(NULL, POOL);
	char *heap = talloc_size(NULL, BIG);
	char *a = talloc_size(pool, 10), *b, *c;

	/* A handle is a chunk like any other: it takes room in the pool. */
	CHECK(talloc_reference(pool, heap) == heap);
	b = talloc_size(pool, 10);
	CHECK(IN(pool, b, 10));
	talloc_unlink(pool, heap);
	talloc_free(b);
	c = talloc_size(a, 10);
	CHECK(addr(c) > addr(a) && addr(c) <= addr(b));
	CHECK(talloc_reference(pool, heap) == heap);
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(talloc_reference_count(heap), 0);
	CHECK_INT(talloc_free(heap), 0);

	/* A pool can be referenced; the last owner frees it. */
	heap = talloc_size(NULL, 1);
	b = talloc_size(NULL, 1);
	pool = talloc_pool(heap, POOL);
	a = talloc_size(pool, BIG);
	fill(a, BIG, 1);
	talloc_reference(b, pool);
	CHECK_INT(talloc_free(heap), 0);
	CHECK(filled(a, BIG, 1));
	CHECK(talloc_parent(pool) == b);
	CHECK(IN(pool, talloc_size(pool, BIG), BIG));
	CHECK(talloc_realloc_size(NULL, pool, 3) == NULL);
	CHECK_INT(talloc_free(b), 0);
	CHECK(in_use() == before);
}

/* ---- pools in pools ---- */

static void nested(void)
{
	char *outer = talloc_pool(NULL, POOL);
	char *inner = talloc_pool(outer, 1500);
	char *a = talloc_size(inner, BIG);
	char *b = talloc_size(inner, BIG);
	char *c = talloc_size(outer, BIG);
	char *third, *p;

	CHECK(IN(outer, inner, 1500));
	CHECK(inside(inner, 1500, a, BIG));
	/* The inner pool is full: what else is made below it is malloc's. */
	CHECK(!IN(outer, b, BIG));
	CHECK(IN(outer, c, BIG) && addr(c) > addr(a));
	CHECK_INT(talloc_total_size(outer), 3 * BIG);
	CHECK_INT(talloc_total_blocks(outer), 5);
	third = talloc_pool(a, 10);
	CHECK(inside(inner, 1500, third, 10));
	CHECK_INT(talloc_free(third), 0);
	CHECK_INT(talloc_free(inner), 0);
	CHECK_INT(talloc_free(c), 0);
	p = talloc_pool(outer, 4000);
	CHECK(p == inner); /* all of the outer one is free again */
	CHECK_INT(talloc_free(p), 0);

	/* Larger than the pool around it: malloc, but its child. */
	p = talloc_pool(outer, 2 * POOL);
	CHECK(p != NULL && !IN(outer, p, 2 * POOL));
	CHECK(talloc_parent(p) == outer);
	a = talloc_size(p, 2 * BIG);
	CHECK(inside(p, 2 * POOL, a, 2 * BIG));
	CHECK_INT(talloc_free(outer), 0);

	/* Three deep, the free of the middle one gives all its room back. */
	outer = talloc_pool(NULL, POOL);
	inner = talloc_pool(outer, 3000);
	third = talloc_pool(inner, 1500);
	p = talloc_size(third, BIG);
	CHECK(IN(outer, third, 1500) && inside(inner, 3000, third, 1500));
	CHECK(inside(third, 1500, p, BIG));
	CHECK_INT(talloc_free(inner), 0);
	p = talloc_pool(outer, 3000);
	CHECK(p == inner);
	CHECK_INT(talloc_free(talloc_pool(p, 10)), 0);
	CHECK_INT(talloc_free(outer), 0);

	outer = talloc_pool(talloc_pool(NULL, 4096), 1024);
	CHECK(outer != NULL);
	CHECK_INT(talloc_free(talloc_parent(outer)), 0);
}

/* outer pool, inner pool, a member of each: freed in each of the 24 orders */
static void any_order(void)
{
	static const char *const names[] = { "outer", "inner", "a", "b" };
	size_t before = in_use();
	int order, i, j, k, bad = 0, wrong = 0;

	for (order = 0; order < 256; order++) {
		char *p[4];
		int idx[4] = { order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 };

		for (i = 0, k = 0; i < 4; i++)
			for (j = 0; j < i; j++)
				k += idx[i] == idx[j];
		if (k != 0)
			continue;
		p[0] = talloc_pool(NULL, 4000);
		p[1] = talloc_pool(p[0], 2000);
		p[2] = talloc_size(p[1], BIG);
		p[3] = talloc_size(p[0], BIG);
		for (i = 0; i < 4; i++)
			talloc_set_name_const(p[i], names[i]);
		/* nobody's child: each is freed on its own */
		for (i = 1; i < 4; i++)
			talloc_steal(NULL, p[i]);
		fill(p[2], BIG, 2);
		fill(p[3], BIG, 3);
		for (i = 0; i < 4; i++) {
			wrong += strcmp(talloc_get_name(p[idx[i]]), names[idx[i]]) != 0;
			wrong += talloc_free(p[idx[i]]) != 0;
			for (j = i + 1; j < 4; j++)
				if (idx[j] >= 2)
					bad += !filled(p[idx[j]], BIG, (unsigned)idx[j]);
		}
	}
	CHECK_INT(wrong, 0);
	CHECK_INT(bad, 0);
	CHECK(in_use() == before);
}

/* ---- pooled objects ---- */

struct thing {
	int number;
	char *text[3];
};

static void pooled_object(void)
{
	size_t before = in_use(), with;
	struct thing *t = talloc_pooled_object(NULL, struct thing, 3, 3000);
	char *outer, *p, *again;
	int *n;

	CHECK(t != NULL);
	CHECK(addr(t) % TEST_ALIGN == 0);
	CHECK_STR(talloc_get_name(t), "struct thing");
	CHECK_INT(talloc_get_size(t), sizeof(*t));
	CHECK_INT(talloc_total_size(t), sizeof(*t));
	CHECK_INT(talloc_total_blocks(t), 1);
	CHECK(talloc_get_type(t, struct thing) == t);
	t->number = 77;

	/* Room for three, whatever their sizes. */
	with = in_use();
	t->text[0] = talloc_size(t, 1);
	t->text[1] = talloc_size(t, 2000);
	t->text[2] = talloc_size(t->text[0], 999);
	CHECK(in_use() == with);
	CHECK(addr(t->text[0]) >= addr(t) + sizeof(*t));
	CHECK(inside(t, sizeof(*t) + 4000, t->text[2], 999));
	fill(t->text[0], 1, 1);
	fill(t->text[1], 2000, 2);
	fill(t->text[2], 999, 3);
	CHECK_INT(t->number, 77);
	CHECK(filled(t->text[0], 1, 1) && filled(t->text[1], 2000, 2));
	CHECK(filled(t->text[2], 999, 3));
	CHECK_INT(talloc_total_size(t), sizeof(*t) + 3000);
	CHECK_INT(talloc_total_blocks(t), 4);

	/* All of it is free again, except the object. */
	again = t->text[0];
	talloc_free(t->text[1]);
	talloc_free(t->text[0]);
	CHECK(talloc_size(t, 100) == (void *)again);
	CHECK_INT(t->number, 77);

	/* It is a pool: it cannot be resized. */
	CHECK(talloc_realloc_size(NULL, t, sizeof(*t) * 2) == NULL);
	CHECK(talloc_realloc(NULL, t, struct thing, 2) == NULL);
	CHECK_INT(t->number, 77);

	/* A subobject that is stolen keeps the memory. */
	talloc_free_children(t);
	p = talloc_strdup(t, "kept");
	talloc_steal(NULL, p);
	CHECK_INT(talloc_free(t), 0);
	CHECK_STR(p, "kept");
	CHECK_INT(talloc_free(p), 0);
	CHECK(in_use() == before);

	/* Without subobjects. */
	n = talloc_pooled_object(NULL, int, 0, 0);
	CHECK(n != NULL);
	*n = 5;
	CHECK(talloc_size(n, BIG) != NULL);
	CHECK_INT(*n, 5);
	CHECK_INT(talloc_free(n), 0);

	/* In a pool. */
	before = in_use();
	outer = talloc_pool(NULL, POOL);
	t = talloc_pooled_object(outer, struct thing, 2, 200);
	CHECK(IN(outer, t, sizeof(*t)));
	p = talloc_size(t, 100);
	CHECK(IN(outer, p, 100) && addr(p) > addr(t));
	again = talloc_size(outer, 10);
	CHECK(IN(outer, again, 10) && addr(again) > addr(p));
	CHECK(addr(again) >= addr(t) + sizeof(*t) + 200);
	CHECK_INT(talloc_free(outer), 0);
	CHECK(in_use() == before);
}

static void absurd_objects(void)
{
#define OBJECT(size, n, total) _talloc_pooled_object(NULL, (size), "absurd", (n), (total))
	void *p;

	p = OBJECT(0, 0, 0);
	CHECK(p != NULL);
	CHECK_STR(talloc_get_name(p), "absurd");
	CHECK_INT(talloc_get_size(p), 0);
	CHECK_INT(talloc_free(p), 0);
	p = OBJECT(0, 1000, 0);
	CHECK(p != NULL);
	CHECK_INT(talloc_free(p), 0);

	CHECK(OBJECT(SIZE_MAX, 0, 0) == NULL);
	CHECK(OBJECT(SIZE_MAX - 40, 0, 0) == NULL);
	CHECK(OBJECT(SIZE_MAX - 95, 0, 0) == NULL);
	CHECK(OBJECT(0x10000000, 0, 0) == NULL);
	CHECK(OBJECT(0, UINT_MAX, 0) == NULL);
	CHECK(OBJECT(0, 0, SIZE_MAX) == NULL);
	CHECK(OBJECT(0, 0, SIZE_MAX - 15) == NULL);
	CHECK(OBJECT(0, UINT_MAX, SIZE_MAX) == NULL);
	CHECK(OBJECT(1, 1, SIZE_MAX - 100) == NULL);
	CHECK(OBJECT(4, 1, 0x10000000) == NULL);
	CHECK(OBJECT(0x8000000, 0, 0x8000000) == NULL);
	/* each sum wraps around to something small */
	CHECK(OBJECT(SIZE_MAX / 2, 0, SIZE_MAX / 2 + 2) == NULL);
	CHECK(OBJECT(16, 1, SIZE_MAX - 64) == NULL);
	CHECK(OBJECT(16, 1, SIZE_MAX - 96) == NULL);
	CHECK(OBJECT(16, 2, SIZE_MAX - 192 - 16) == NULL);
#undef OBJECT
}

/* ---- resizing members ---- */

static void resize_the_pool(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 10);

	CHECK(talloc_realloc_size(NULL, pool, 0x1000) == NULL);
	CHECK(talloc_realloc_size(NULL, pool, 1) == NULL);
	CHECK(talloc_parent(a) == pool);
	CHECK_INT(talloc_get_size(pool), 0);
	CHECK_INT(talloc_free(pool), 0);

	/* size 0 is a free, for a pool too */
	pool = talloc_pool(NULL, POOL);
	CHECK(talloc_realloc_size(NULL, pool, 0) == NULL);
}

static void shrink(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 2 * BIG);
	char *b = talloc_size(pool, 2 * BIG);
	char *p, *first;

	fill(a, 2 * BIG, 1);
	fill(b, 2 * BIG, 2);
	/* Never moves, however much; the tail of one in the middle is lost. */
	CHECK(talloc_realloc_size(pool, a, 100) == (void *)a);
	CHECK_INT(talloc_get_size(a), 100);
	CHECK(filled(a, 100, 1));
	p = talloc_size(pool, BIG);
	CHECK(!IN(pool, p, BIG));
	talloc_free(p);

	/* The last one gives its tail back. */
	CHECK(talloc_realloc_size(pool, b, 100) == (void *)b);
	CHECK(filled(b, 100, 2));
	p = talloc_size(pool, BIG);
	CHECK(IN(pool, p, BIG));
	CHECK(addr(p) > addr(b) && addr(p) < addr(b) + 300);
	CHECK_INT(talloc_free(pool), 0);

	/* The tail starts after the rounded size. */
	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, 17);
	first = talloc_size(pool, 17);
	talloc_free(first);
	CHECK(talloc_realloc_size(pool, a, 400) == (void *)a);
	CHECK(talloc_realloc_size(pool, a, 32) == (void *)a);
	p = talloc_size(pool, 17);
	CHECK(p == first);
	CHECK_INT(talloc_free(pool), 0);
}

static void grow_in_place(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 97);
	char *b = talloc_size(pool, 100);
	char *c;

	fill(a, 97, 1);
	fill(b, 100, 2);
	/* the rounded size does not change: 97 to 112 are the same */
	CHECK(talloc_realloc_size(pool, a, 112) == (void *)a);
	CHECK_INT(talloc_get_size(a), 112);
	memset(a + 97, 0, 15);
	CHECK(filled(b, 100, 2));
	/* the last member, while there is room */
	CHECK(talloc_realloc_size(pool, b, 1000) == (void *)b);
	CHECK(talloc_realloc_size(pool, b, 4000) == (void *)b);
	CHECK_INT(talloc_get_size(b), 4000);
	CHECK(filled(a, 97, 1) && filled(b, 100, 2));
	fill(b, 4000, 3);
	c = talloc_size(pool, BIG);
	CHECK(!IN(pool, c, BIG));
	CHECK(talloc_realloc_size(pool, b, 4000) == (void *)b);
	CHECK(filled(b, 4000, 3) && filled(a, 97, 1));
	CHECK_INT(talloc_free(pool), 0);
}

static void grow_elsewhere(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 100);
	char *b = talloc_size(pool, 100);
	char *child = talloc_size(a, 10);
	char *p, *q;

	fill(a, 100, 1);
	fill(b, 100, 2);
	talloc_set_name_const(a, "grown");
	talloc_set_destructor(a, (int (*)(char *))count_free);

	/* Not the last, but there is room: a new place in the pool. */
	p = talloc_realloc_size(pool, a, BIG);
	talloc_set_name_const(p, "grown");
	CHECK(p != a);
	CHECK(IN(pool, p, BIG) && addr(p) > addr(child));
	CHECK(filled(p, 100, 1) && filled(b, 100, 2));
	CHECK(talloc_parent(p) == pool && talloc_parent(child) == p);
	CHECK_INT(talloc_get_size(p), BIG);
	CHECK_INT(talloc_total_blocks(pool), 4);
	fill(p, BIG, 1);

	/* No room: malloc.  What was the last member gives its room back. */
	freed = 0;
	q = talloc_realloc_size(pool, p, 2 * POOL);
	CHECK(q != NULL && !IN(pool, q, 2 * POOL));
	CHECK(filled(q, BIG, 1) && filled(b, 100, 2));
	CHECK(talloc_parent(q) == pool && talloc_parent(child) == q);
	CHECK_INT(talloc_get_size(q), 2 * POOL);
	CHECK(talloc_size(pool, BIG) == (void *)p);
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_free(q), 0); /* the destructor has moved along */
	CHECK_INT(freed, 1);

	/* A chunk of malloc below a pool stays with malloc. */
	q = talloc_size(pool, 2 * POOL);
	q = talloc_realloc_size(pool, q, 3 * POOL);
	CHECK(q != NULL && !IN(pool, q, 3 * POOL));
	q = talloc_realloc_size(pool, q, 10);
	CHECK(q != NULL && !IN(pool, q, 10));

	/* Too much: nothing changes. */
	CHECK(talloc_realloc_size(pool, b, 0x10000000) == NULL);
	CHECK(talloc_realloc_size(pool, b, SIZE_MAX) == NULL);
	CHECK_INT(talloc_get_size(b), 100);
	CHECK(filled(b, 100, 2));

	/* References forbid it. */
	p = talloc_size(pool, 10);
	talloc_reference(q, p);
	CHECK(talloc_realloc_size(pool, p, 12) == NULL);
	CHECK(talloc_realloc_size(pool, p, 100) == NULL);
	CHECK_INT(talloc_get_size(p), 10);
	CHECK_INT(talloc_free(pool), 0);
}

static void grow_the_only_one(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 2 * BIG);
	char *b = talloc_size(pool, BIG);
	char *p;

	/* It moves to the front, and has all the room. */
	fill(b, BIG, 2);
	talloc_set_destructor(b, (int (*)(char *))count_free);
	CHECK_INT(talloc_free(a), 0);
	p = talloc_realloc_size(pool, b, 4000);
	CHECK(p == a);
	CHECK(filled(p, BIG, 2));
	CHECK(talloc_parent(p) == pool);
	CHECK_INT(talloc_total_size(pool), 4000);
	fill(p, 4000, 3);
	p = talloc_realloc_size(pool, p, 4400);
	CHECK(p == a);
	CHECK(filled(p, 4000, 3));
	/* More than all: malloc, and the pool is empty. */
	p = talloc_realloc_size(pool, p, 2 * POOL);
	CHECK(p != NULL && !IN(pool, p, 2 * POOL));
	CHECK(filled(p, 4000, 3));
	CHECK(talloc_size(pool, BIG) == (void *)a);
	freed = 0;
	CHECK_INT(talloc_free(pool), 0);
	CHECK_INT(freed, 1);

	/* Overlapping: from 1 KiB in to the front, 3000 bytes kept. */
	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, 200);
	b = talloc_size(pool, 3000);
	fill(b, 3000, 5);
	talloc_free(a);
	p = talloc_realloc_size(pool, b, 4700);
	CHECK(p == a);
	CHECK(filled(p, 3000, 5));
	CHECK_INT(talloc_free(pool), 0);

	/* The same for a member whose pool was freed before it. */
	pool = talloc_pool(NULL, POOL);
	a = talloc_size(pool, 2 * BIG);
	b = talloc_size(pool, BIG);
	fill(b, BIG, 6);
	talloc_steal(NULL, b);
	CHECK_INT(talloc_free(pool), 0);
	p = talloc_realloc_size(NULL, b, 4000);
	CHECK(p == a);
	CHECK(filled(p, BIG, 6));
	CHECK(talloc_parent(p) == NULL);
	CHECK_INT(talloc_free(p), 0);
}

static void resize_to_nothing(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 100);
	char *b = talloc_size(pool, 100);

	talloc_set_destructor(b, (int (*)(char *))count_free);
	freed = 0;
	CHECK(talloc_realloc_size(pool, b, 0) == NULL);
	CHECK_INT(freed, 1);
	CHECK(talloc_size(pool, 0) == (void *)b);
	/* of another context: not freed */
	CHECK(talloc_realloc_size(b, a, 0) == NULL);
	CHECK(talloc_parent(a) == pool);
	CHECK_INT(talloc_total_blocks(pool), 3);
	CHECK_INT(talloc_free(pool), 0);
}

static void strings_in_a_pool(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *s = talloc_strdup(pool, "a"), *t;
	int i;

	for (i = 0; i < 500; i++) {
		t = talloc_strdup_append(s, "bc");
		if (t != s)
			break;
		s = t;
	}
	CHECK_INT(i, 500); /* the last member grows where it is */
	CHECK_INT(strlen(s), 1001);
	CHECK_STR(talloc_get_name(s), s);
	t = talloc_strdup(pool, "other");
	CHECK(IN(pool, t, 6));
	s = talloc_asprintf_append(s, "%01000d", 0);
	CHECK(IN(pool, s, 2002));
	CHECK(addr(s) > addr(t)); /* not the last any more */
	CHECK_INT(strlen(s), 2001);
	CHECK(s[1000] == 'c' && s[1001] == '0');
	CHECK_INT(talloc_free(pool), 0);
}

/* ---- writing too far ---- */

static size_t overflow_bytes;
static int overflow_value;

static void overflow(void)
{
	char *pool = talloc_pool(NULL, POOL);
	char *a = talloc_size(pool, 16);
	char *b = talloc_size(pool, 16);

	memset(a + 16, overflow_value, overflow_bytes);
	talloc_free(b);
}

/*
 * Members lie side by side, so that the first byte too many hits a header,
 * and that has to be seen.  The magic is different in each process: one of
 * three values may happen to be right.
 */
static void overflow_is_seen(void)
{
	static const int values[] = { 0x00, 'x', 0xff };
	static const size_t lengths[] = { 1, 2, 3, 4, 8, 16, 48 };
	size_t i, k;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int seen = 0;

		for (k = 0; k < 3; k++) {
			struct outcome *o;

			overflow_bytes = lengths[i];
			overflow_value = values[k];
			o = run_apart(overflow, true);
			seen += strcmp(o->reason,
				       "Bad talloc magic value - unknown value") == 0;
		}
		printf("# %zu bytes too many\n", lengths[i]);
		CHECK(seen >= 2);
	}
}

/* ---- many ---- */

/*
 * A fixed random walk over pools in pools with members that come, go, grow
 * and move, against what their bytes should be.
 */
static unsigned walk_state = 12345;

static unsigned walk(unsigned below)
{
	walk_state = walk_state * 1103515245u + 12345u;
	return (walk_state >> 8) % below;
}

static void random_walk(void)
{
	enum { SLOTS = 40 };
	size_t before = in_use();
	void *top = talloc_named_const(NULL, 0, "top");
	void *pools[4];
	char *slot[SLOTS] = { NULL };
	size_t len[SLOTS] = { 0 }, total;
	long step, bad = 0, blocks;
	int i;

	pools[0] = talloc_pool(top, 60000);
	pools[1] = talloc_pool(pools[0], 20000);
	pools[2] = talloc_pool(pools[1], 5000);
	pools[3] = talloc_pool(top, 3000);
	for (step = 0; step < 200000; step++) {
		int k = (int)walk(SLOTS);

		switch (walk(8)) {
		case 0:
		case 1:
		case 2:
			if (slot[k] != NULL)
				break;
			len[k] = walk(1500);
			slot[k] = talloc_size(pools[walk(4)], len[k]);
			fill(slot[k], len[k], (unsigned)k);
			break;
		case 3:
		case 4:
			if (slot[k] == NULL)
				break;
			bad += !filled(slot[k], len[k], (unsigned)k);
			bad += talloc_free(slot[k]) != 0;
			slot[k] = NULL;
			break;
		case 5:
		case 6: {
			size_t n = 1 + walk(2500), old = len[k];
			char *p;

			if (slot[k] == NULL)
				break;
			p = talloc_realloc_size(NULL, slot[k], n);
			bad += p == NULL || !filled(p, n < old ? n : old, (unsigned)k);
			slot[k] = p;
			len[k] = n;
			fill(p, n, (unsigned)k);
			break;
		}
		default:
			if (slot[k] != NULL)
				talloc_steal(walk(3) ? pools[walk(4)] : top, slot[k]);
			break;
		}
	}
	for (i = 0, total = 0, blocks = 5; i < SLOTS; i++) {
		if (slot[i] == NULL)
			continue;
		total += len[i];
		blocks++;
		bad += !filled(slot[i], len[i], (unsigned)i);
	}
	CHECK_INT(bad, 0);
	CHECK(talloc_total_size(top) == total);
	CHECK((long)talloc_total_blocks(top) == blocks);
	CHECK_INT(talloc_free(top), 0);
	/* malloc keeps a few small chunks at hand; a leak would be megabytes */
	CHECK(in_use() <= before + (1 << 20));
}

int main(void)
{
	/* what a thread keeps is not to count below, nor what is made once, on first use */
	setenv("TALLOC_THREAD_CACHE", "0", 1);
	printf("# pools\n");
	talloc_free(talloc_strdup(NULL, "warm"));
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
#endif

	RUN(the_pool_itself);
	RUN(refused_sizes);
	RUN(front_to_back);
	RUN(sizes_are_rounded);
	RUN(who_uses_the_pool);
	RUN(zeroed_again);
	RUN(last_member_gives_back);
	RUN(all_free_when_alone);
	RUN(one_malloc);
	RUN(stolen_members);
	RUN(a_member_that_stays);
	RUN(references_and_handles);
	RUN(nested);
	RUN(any_order);
	RUN(pooled_object);
	RUN(absurd_objects);
	RUN(resize_the_pool);
	RUN(shrink);
	RUN(grow_in_place);
	RUN(grow_elsewhere);
	RUN(grow_the_only_one);
	RUN(resize_to_nothing);
	RUN(strings_in_a_pool);
	RUN(overflow_is_seen);
	RUN(random_walk);
	TEST_END();
}
