/* Resizing, for the most part outside of pools. */
#include "test.h"

/* talloc_set_memlimit is deprecated, and here to stay. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define LIMIT ((size_t)0x10000000)

static void *ctx;   /* the parent of what is resized */
static void *other; /* a context that is none of its business */

struct item {
	char bytes[12];
};

/* n bytes under ctx, numbered so that a lost one shows. */
static char *filled(size_t n)
{
	char *p = talloc_named_const(ctx, n, "filled");
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (char)(i * 7 + 1);
	return p;
}

static bool still_filled(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] != (char)(i * 7 + 1))
			return false;
	}
	return true;
}

static void test_contents(void)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 1023, 1024, 1025, 5000, 200000 };
	size_t from, to, n = sizeof(sizes) / sizeof(sizes[0]), bad = 0;

	for (from = 0; from < n; from++) {
		for (to = 1; to < n; to++) {
			char *p = filled(sizes[from]);
			size_t less = sizes[from] < sizes[to] ? sizes[from] : sizes[to];

			/* A neighbour, so that growing in place is not a matter of course. */
			talloc_size(ctx, 30);
			p = talloc_realloc_size(ctx, p, sizes[to]);
			if (p == NULL || talloc_get_size(p) != sizes[to] ||
			    !still_filled(p, less) || (uintptr_t)p % TEST_ALIGN != 0 ||
			    talloc_parent(p) != ctx)
				bad++;
			memset(p, 'w', sizes[to]);
		}
	}
	CHECK_INT(bad, 0);
	talloc_free_children(ctx);

	/* Up and down again and again, through all the small sizes. */
	{
		char *p = filled(1);
		size_t size;

		for (size = 2; size < 3000; size++) {
			p = talloc_realloc_size(ctx, p, size);
			p[size - 1] = (char)((size - 1) * 7 + 1);
		}
		CHECK(still_filled(p, 2999));
		for (size = 2998; size > 0; size -= 3) {
			p = talloc_realloc_size(ctx, p, size);
			if (size < 3)
				break;
		}
		CHECK(still_filled(p, talloc_get_size(p)));
	}
}

static void test_same_pointer(void)
{
	char *p = filled(3000);

	/* The same size, and a little less, change neither place nor name. */
	CHECK(_talloc_realloc(ctx, p, 3000, "new") == p);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(_talloc_realloc(ctx, p, 3000, NULL) == p);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(_talloc_realloc(ctx, p, 2999, "new") == p);
	CHECK_INT(talloc_get_size(p), 2999);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(_talloc_realloc(ctx, p, 2999 - 1023, "new") == p);
	CHECK_INT(talloc_get_size(p), 1976);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(still_filled(p, 1976));
	CHECK_INT(talloc_total_size(ctx), 1976);
	/* Small chunks can be shrunk to next to nothing in place. */
	p = filled(1024);
	CHECK(_talloc_realloc(ctx, p, 1, "new") == p);
	CHECK_STR(talloc_get_name(p), "filled");
}

/* The name is given when the memory is really resized. */
static void test_name(void)
{
	char *p = filled(10);

	p = _talloc_realloc(ctx, p, 11, "grown");
	CHECK_STR(talloc_get_name(p), "grown");
	p = _talloc_realloc(ctx, p, 10, "a little less");
	CHECK_STR(talloc_get_name(p), "grown");
	/* Back to what it was made for: a resize, by the book. */
	p = _talloc_realloc(ctx, p, 11, "grown again");
	CHECK_STR(talloc_get_name(p), "grown again");
	p = _talloc_realloc(ctx, p, 3000, "big");
	CHECK_STR(talloc_get_name(p), "big");
	p = _talloc_realloc(ctx, p, 3000 - 1024, "1 KiB less");
	CHECK_STR(talloc_get_name(p), "1 KiB less");
	p = _talloc_realloc(ctx, p, 1, "small");
	CHECK_STR(talloc_get_name(p), "small");
	p = _talloc_realloc(ctx, p, 2, NULL);
	CHECK_STR(talloc_get_name(p), "UNNAMED");

	/* The chunk of a made name stays where it is. */
	p = talloc_named(ctx, 3, "made %d", 1);
	p = _talloc_realloc(ctx, p, 100000, "new");
	CHECK_STR(talloc_get_name(p), "new");
	CHECK_STR(children_of(p), ".name ");
	/* In place, the made name is kept, and still is text. */
	p = talloc_named(ctx, 30, "made %d", 2);
	p = _talloc_realloc(ctx, p, 3, "new");
	CHECK_STR(talloc_get_name(p), "made 2");
	CHECK_STR(talloc_get_name(talloc_realloc_size(ctx, talloc_size(ctx, 1), 900)), __location__);
}

static int destroyed;

static int count_destroyed(char *p)
{
	(void)p;
	destroyed++;
	return 0;
}

static int refuse(char *p)
{
	(void)p;
	destroyed++;
	return -1;
}

/* Size 0 is an unlink, with all that goes with it. */
static void test_size_zero(void)
{
	char *p = filled(10);

	destroyed = 0;
	talloc_set_destructor(p, count_destroyed);
	/* Neither parent nor reference owner: NULL all the same, p stays. */
	CHECK(_talloc_realloc(other, p, 0, "x") == NULL);
	CHECK(_talloc_realloc(NULL, p, 0, "x") == NULL);
	CHECK(_talloc_realloc(p, p, 0, "x") == NULL);
	CHECK_INT(destroyed, 0);
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(still_filled(p, 10));
	CHECK(_talloc_realloc(ctx, p, 0, "x") == NULL);
	CHECK_INT(destroyed, 1);
	CHECK_INT(talloc_total_blocks(ctx), 1);

	/* A destructor may refuse; the answer does not tell. */
	p = filled(10);
	destroyed = 0;
	talloc_set_destructor(p, refuse);
	CHECK(_talloc_realloc(ctx, p, 0, "x") == NULL);
	CHECK_INT(destroyed, 1);
	CHECK(still_filled(p, 10));
	CHECK(talloc_parent(p) == ctx);
	talloc_set_destructor(p, NULL);
	CHECK(talloc_realloc_fn(ctx, p, 0) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);

	/* With children. */
	p = filled(10);
	talloc_size(talloc_size(p, 1), 1);
	CHECK(talloc_realloc(ctx, p, char, 0) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);

	/* A chunk without a parent is the child of NULL. */
	p = talloc_size(NULL, 10);
	talloc_set_destructor(p, count_destroyed);
	destroyed = 0;
	CHECK(talloc_realloc_size(ctx, p, 0) == NULL);
	CHECK_INT(destroyed, 0);
	CHECK(talloc_realloc_size(NULL, p, 0) == NULL);
	CHECK_INT(destroyed, 1);

	/* Nothing to nothing. */
	CHECK(_talloc_realloc(ctx, NULL, 0, "x") == NULL);
	CHECK(_talloc_realloc(NULL, NULL, 0, "x") == NULL);
	CHECK(talloc_realloc_fn(ctx, NULL, 0) == NULL);
	CHECK(talloc_realloc(ctx, NULL, char, 0) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);
}

static void test_size_zero_references(void)
{
	char *p = filled(10);

	talloc_reference(other, p);
	/* The reference is what other has, so that is what goes. */
	CHECK(_talloc_realloc(other, p, 0, "x") == NULL);
	CHECK_INT(talloc_reference_count(p), 0);
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(children_of(other), "");

	/* The parent lets go: the owner of the reference takes it. */
	talloc_reference(other, p);
	CHECK(_talloc_realloc(ctx, p, 0, "x") == NULL);
	CHECK_INT(talloc_reference_count(p), 0);
	CHECK(talloc_parent(p) == other);
	CHECK(still_filled(p, 10));
	CHECK_STR(children_of(ctx), "");
	CHECK_STR(children_of(other), "filled ");
}

static void test_no_pointer(void)
{
	char *p = _talloc_realloc(ctx, NULL, 7, "made");

	CHECK_INT(talloc_get_size(p), 7);
	CHECK_STR(talloc_get_name(p), "made");
	CHECK(talloc_parent(p) == ctx);
	p = _talloc_realloc(NULL, NULL, 7, "loose");
	CHECK(p != NULL && talloc_parent(p) == NULL);
	CHECK_INT(talloc_free(p), 0);
	p = talloc_realloc_fn(ctx, NULL, 7);
	CHECK_INT(talloc_get_size(p), 7);
	CHECK_STR(talloc_get_name(p), "UNNAMED");
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(children_of(ctx), "UNNAMED made ");
	CHECK(_talloc_realloc(ctx, NULL, LIMIT, "big") == NULL);
	CHECK(_talloc_realloc(ctx, NULL, SIZE_MAX, "big") == NULL);
}

/* The context counts for nothing when there is something to resize. */
static void test_context_ignored(void)
{
	char *p = filled(10);

	p = _talloc_realloc(other, p, 20000, "a");
	CHECK(talloc_parent(p) == ctx);
	p = _talloc_realloc(NULL, p, 40000, "b");
	CHECK(talloc_parent(p) == ctx);
	p = _talloc_realloc(p, p, 60000, "c");
	CHECK(talloc_parent(p) == ctx);
	CHECK(still_filled(p, 10));
	p = talloc_realloc_fn(other, p, 80000);
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(children_of(ctx), "UNNAMED ");
	CHECK_STR(children_of(other), "");
}

static void test_refused(void)
{
	char *p = filled(10);
	static const size_t sizes[] = { LIMIT, LIMIT + 1, SIZE_MAX / 2, SIZE_MAX - 64, SIZE_MAX };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		errno = 0;
		CHECK(_talloc_realloc(ctx, p, sizes[i], "new") == NULL);
		CHECK_INT(errno, 0);
		CHECK(talloc_realloc_fn(ctx, p, sizes[i]) == NULL);
	}
	CHECK_INT(talloc_get_size(p), 10);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(still_filled(p, 10));

	/* References forbid every change, even none at all. */
	talloc_reference(other, p);
	CHECK(_talloc_realloc(ctx, p, 20, "new") == NULL);
	CHECK(_talloc_realloc(ctx, p, 10, "new") == NULL);
	CHECK(_talloc_realloc(ctx, p, 5, "new") == NULL);
	CHECK(talloc_realloc_fn(ctx, p, 20) == NULL);
	CHECK(talloc_realloc(ctx, p, char, 20) == NULL);
	CHECK_INT(talloc_get_size(p), 10);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(still_filled(p, 10));
	CHECK_INT(talloc_unlink(other, p), 0);
	CHECK(_talloc_realloc(ctx, p, 20, "new") != NULL);

	/* Pools. */
	p = talloc_pool(ctx, 1000);
	CHECK(_talloc_realloc(ctx, p, 10, "new") == NULL);
	CHECK(_talloc_realloc(ctx, p, 2000, "new") == NULL);
	CHECK_STR(talloc_get_name(p), "UNNAMED");
	CHECK_INT(talloc_get_size(p), 0);
	/* Except to nothing. */
	CHECK(_talloc_realloc(ctx, p, 0, "new") == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 2);
	p = _talloc_pooled_object(ctx, 10, "object", 1, 100);
	CHECK(_talloc_realloc(ctx, p, 10, "new") == NULL);
	CHECK(_talloc_realloc(ctx, p, 5, "new") == NULL);
	CHECK(_talloc_realloc(ctx, p, 20, "new") == NULL);
	CHECK_STR(talloc_get_name(p), "object");
	CHECK_INT(talloc_get_size(p), 10);
}

/* No memory: NULL, and p is what it was. */
static void test_no_memory(void)
{
	char *p = filled(100);
	void *child = talloc_size(p, 1);

	CHECK_INT(talloc_set_memlimit(ctx, 10000), 0);
	errno = 0;
	CHECK(_talloc_realloc(ctx, p, 20000, "new") == NULL);
	CHECK_INT(errno, ENOMEM);
	CHECK(talloc_realloc(ctx, p, int, 5000) == NULL);
	CHECK(talloc_realloc_fn(ctx, p, 20000) == NULL);
	CHECK_INT(talloc_get_size(p), 100);
	CHECK_STR(talloc_get_name(p), "filled");
	CHECK(still_filled(p, 100));
	CHECK(talloc_parent(child) == p);
	/* What the limit allows works, there and back, any number of times. */
	{
		int i, failed = 0;

		for (i = 0; i < 1000; i++) {
			p = talloc_realloc_size(ctx, p, 8000);
			if (p == NULL || talloc_realloc_size(ctx, p, 20000) != NULL)
				failed++;
			p = talloc_realloc_size(ctx, p, 100);
		}
		CHECK_INT(failed, 0);
	}
	CHECK(still_filled(p, 100));
}

/* A limit belongs to its chunk and moves along with it. */
static void test_own_limit(void)
{
	char *p = filled(100), *old = p;
	void *child;

	CHECK_INT(talloc_set_memlimit(p, 500000), 0);
	talloc_size(ctx, 100);
	p = talloc_realloc_size(ctx, p, 300000);
	CHECK(p != old);
	CHECK(still_filled(p, 100));
	CHECK(talloc_size(p, 250000) == NULL);
	child = talloc_size(p, 150000);
	CHECK(talloc_parent(child) == p);
	CHECK(talloc_size(child, 100000) == NULL);
	CHECK_INT(talloc_free(p), 0);
}

static void test_arrays(void)
{
	static const size_t el_sizes[] = { 1, 2, 3, 4, 7, 12, 16, 100, 4096, 0x8000000 };
	struct item *items = talloc_realloc(ctx, NULL, struct item, 3);
	size_t i;
	char *p;

	CHECK_STR(talloc_get_name(items), "struct item");
	CHECK_INT(talloc_array_length(items), 3);
	memset(items, 'i', 36);
	items = talloc_realloc(ctx, items, struct item, 1000);
	CHECK_INT(talloc_get_size(items), 12000);
	CHECK_INT(talloc_array_length(items), 1000);
	CHECK(items[2].bytes[11] == 'i');
	p = (char *)talloc_realloc(ctx, items, uint64_t, 10);
	CHECK_STR(talloc_get_name(p), "uint64_t");
	CHECK_INT(talloc_get_size(p), 80);

	for (i = 0; i < sizeof(el_sizes) / sizeof(el_sizes[0]); i++) {
		size_t el = el_sizes[i];
		unsigned edge = (unsigned)(LIMIT / el);
		void *q = _talloc_realloc_array(ctx, NULL, el, edge - 1, "edge");

		CHECK_INT(talloc_get_size(q), el * (edge - 1));
		talloc_free(q);
		CHECK(_talloc_realloc_array(ctx, NULL, el, edge, "edge") == NULL);
		CHECK(_talloc_realloc_array(ctx, p, el, edge, "edge") == NULL);
		CHECK(_talloc_realloc_array(ctx, p, el, (unsigned)-1, "edge") == NULL);
	}
	/* No elements is size 0, unless the element alone is beyond the limit. */
	CHECK(_talloc_realloc_array(ctx, p, LIMIT + 1, 0, "none") == NULL);
	CHECK(_talloc_realloc_array(ctx, p, SIZE_MAX, 2, "none") == NULL);
	CHECK_INT(talloc_get_size(p), 80);
	CHECK_STR(talloc_get_name(p), "uint64_t");
	CHECK(_talloc_realloc_array(ctx, p, 8, 0, "none") == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);
	p = filled(10);
	CHECK(_talloc_realloc_array(ctx, p, LIMIT, 0, "none") == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 1);
}

/* As near to the limit as it goes; the pages are not touched. */
static void test_greatest_size(void)
{
	char *p = filled(100);

	p = talloc_realloc_size(ctx, p, LIMIT - 1);
	CHECK_INT(talloc_get_size(p), LIMIT - 1);
	CHECK(still_filled(p, 100));
	p = talloc_realloc_size(ctx, p, 100);
	CHECK_INT(talloc_get_size(p), 100);
	CHECK(still_filled(p, 100));
}

/* What is tied to a chunk has to follow it when it moves. */
static void test_family(void)
{
	void *before = talloc_named_const(ctx, 1, "before");
	char *p = talloc_named_const(ctx, 10, "p"), *old;
	void *after = talloc_named_const(ctx, 1, "after");
	void *k1 = talloc_named_const(p, 1, "k1");
	void *k2 = talloc_named_const(p, 1, "k2");
	void *deep = talloc_named_const(k2, 1, "deep");
	void *target = talloc_named_const(other, 1, "target");

	talloc_reference(p, target);
	talloc_set_destructor(p, count_destroyed);
	old = p;
	p = _talloc_realloc(ctx, p, 400000, "moved");
	CHECK(p != old);
	CHECK_STR(children_of(ctx), "after moved before ");
	CHECK_STR(children_of(p), "->target k2 k1 ");
	CHECK(talloc_parent(p) == ctx);
	CHECK(talloc_parent(before) == ctx && talloc_parent(after) == ctx);
	CHECK(talloc_parent(k1) == p && talloc_parent(k2) == p);
	CHECK(talloc_parent_name(k1) == talloc_get_name(p));
	CHECK(talloc_find_parent_byname(deep, "moved") == p);
	/* The first argument is the one below, whatever talloc.h says. */
	CHECK_INT(talloc_is_parent(deep, p), 1);
	CHECK_INT(talloc_is_parent(deep, ctx), 1);
	CHECK_INT(talloc_is_parent(p, deep), 0);
	CHECK_INT(talloc_reference_count(target), 1);
	CHECK_INT(talloc_total_blocks(ctx), 8);
	CHECK_INT(talloc_total_size(ctx), 400000 + 5);

	/* It can still be walked, added to, and taken from. */
	talloc_named_const(p, 0, "k3");
	talloc_free(k2);
	CHECK_STR(children_of(p), "k3 ->target k1 ");
	CHECK_INT(talloc_unlink(p, target), 0);
	CHECK_INT(talloc_reference_count(target), 0);
	CHECK_STR(children_of(p), "k3 k1 ");
	destroyed = 0;
	/* The newest, then the oldest child: both ends of the list. */
	old = _talloc_realloc(ctx, after, 300000, "after");
	before = _talloc_realloc(ctx, before, 300000, "before");
	CHECK_STR(children_of(ctx), "after moved before ");
	CHECK(talloc_parent(old) == ctx && talloc_parent(before) == ctx);
	CHECK_INT(talloc_free(old), 0);
	CHECK_INT(talloc_free(before), 0);
	CHECK_STR(children_of(ctx), "moved ");
	/* An only child. */
	p = _talloc_realloc(ctx, p, 1000, "alone");
	CHECK_STR(children_of(ctx), "alone ");
	CHECK(talloc_parent(k1) == p);
	CHECK_INT(destroyed, 0);
	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(destroyed, 1);
	CHECK_INT(talloc_total_blocks(ctx), 1);
}

/* A list of texts that are its children, one more each time, between neighbours: all of them
 * know at each size where it is. */
static void test_list_of_children(void)
{
	enum { MOST = 1500 };
	char **list = talloc_named_const(ctx, 0, "list");
	void *after = talloc_named_const(ctx, 1, "after");
	int n, i, bad = 0;

	for (n = 1; n <= MOST; n++) {
		list = talloc_realloc(ctx, list, char *, n);
		list[n - 1] = talloc_asprintf(list, "%d", n);
		bad += talloc_get_size(list) != n * sizeof(char *) || talloc_parent(list) != ctx;
		if (n % 50 != 0 && n > 70)
			continue;
		for (i = 0; i < n; i++)
			bad += atoi(list[i]) != i + 1 || talloc_parent(list[i]) != list;
		bad += talloc_total_blocks(list) != (size_t)n + 1;
	}
	CHECK_INT(bad, 0);
	/* As many go again, by a few and by many. */
	for (; n > 2; n -= n > 900 ? 1 : n > 200 ? 170 : 30) {
		for (i = talloc_array_length(list); i >= n; i--)
			talloc_free(list[i - 1]);
		list = talloc_realloc(ctx, list, char *, n - 1);
		bad += talloc_total_blocks(list) != (size_t)n;
		for (i = 0; i < n - 1; i += 7)
			bad += atoi(list[i]) != i + 1 || talloc_parent(list[i]) != list;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(after), 0);
	CHECK_INT(talloc_free(list), 0);
	CHECK_INT(talloc_total_blocks(ctx), 1);
}

/* To and fro between sizes, with a neighbour, a child, a destructor. */
static void to_and_fro(void *parent, bool with_child, bool with_destructor)
{
	static const size_t sizes[] = { 200, 30, 31, 400, 399, 10, 900, 901, 2000, 1500, 3000,
		2999, 600, 8000, 7500, 100, 90, 60, 1016, 1017, 1, 700, 20000, 18000, 64 };
	size_t n = sizeof(sizes) / sizeof(sizes[0]), i, least = 0;
	char *p = talloc_named_const(parent, 0, "p");
	void *newer = talloc_named_const(parent, 1, "newer");
	void *above = talloc_parent(newer), *child = NULL;
	int bad = 0;

	if (with_child)
		child = talloc_named_const(p, 3, "child");
	if (with_destructor)
		talloc_set_destructor(p, count_destroyed);
	destroyed = 0;
	for (i = 0; i < n * 3; i++) {
		size_t size = sizes[i % n], k;

		p = talloc_realloc_size(parent, p, size);
		bad += talloc_get_size(p) != size || talloc_parent(p) != above;
		bad += talloc_total_size(p) != size + (with_child ? 3 : 0);
		bad += with_child && talloc_parent(child) != p;
		if (size < least)
			least = size;
		bad += !still_filled(p, least);
		for (k = least; k < size; k++)
			p[k] = (char)(k * 7 + 1);
		least = size;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(destroyed, 0);
	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(destroyed, with_destructor);
	CHECK_INT(talloc_free(newer), 0);
}

static void test_to_and_fro(void)
{
	int with;

	for (with = 0; with < 4; with++) {
		void *limited = talloc_named_const(ctx, 0, "limited");
		void *pool = talloc_pool(ctx, 100000), *full = talloc_pool(ctx, 1500);
		void *member = talloc_named_const(talloc_pool(ctx, 6000), 0, "member");

		talloc_set_memlimit(limited, 50000);
		to_and_fro(ctx, with & 1, with & 2);
		to_and_fro(NULL, with & 1, with & 2);
		to_and_fro(limited, with & 1, with & 2);
		/* Nothing of it is left that counts. */
		CHECK(talloc_size(limited, 49000) != NULL);
		CHECK_INT(talloc_free(limited), 0);
		to_and_fro(pool, with & 1, with & 2);
		to_and_fro(full, with & 1, with & 2);
		to_and_fro(member, with & 1, with & 2);
		CHECK_INT(talloc_total_blocks(ctx), 5);
		talloc_free_children(ctx);
		talloc_enable_null_tracking_no_autofree();
		to_and_fro(NULL, with & 1, with & 2);
		talloc_disable_null_tracking();
	}
}

/* A handle's owner is moved, then freed: the reference goes, by the new place. */
static void test_reference_from(void)
{
	char *owner = talloc_size(ctx, 10);
	void *target = talloc_named_const(other, 1, "target");

	talloc_reference(owner, target);
	owner = talloc_realloc_size(ctx, owner, 400000);
	CHECK_INT(talloc_reference_count(target), 1);
	/* Its parent goes: the owner is the one to take the target. */
	CHECK_INT(talloc_unlink(other, target), 0);
	CHECK(talloc_parent(target) == owner);
	CHECK_INT(talloc_reference_count(target), 0);
	CHECK_STR(children_of(owner), "target ");
	CHECK_INT(talloc_free(owner), 0);
	CHECK_INT(talloc_total_blocks(ctx), 1);
}

static void test_top_level(void)
{
	char *p = talloc_named_const(NULL, 3, "top"), *q;
	void *child = talloc_size(p, 1);

	p = _talloc_realloc(NULL, p, 200000, "top");
	CHECK(talloc_parent(p) == NULL);
	CHECK(talloc_parent(child) == p);

	talloc_enable_null_tracking_no_autofree();
	q = talloc_named_const(NULL, 3, "tracked");
	talloc_named_const(NULL, 0, "newer");
	q = _talloc_realloc(NULL, q, 200000, "tracked");
	CHECK_STR(talloc_parent_name(q), "null_context");
	CHECK_STR(children_of(talloc_parent(q)), "newer tracked ");
	CHECK_INT(talloc_total_size(NULL), 200000);
	/* Here NULL is the null context, so this frees. */
	CHECK(_talloc_realloc(NULL, q, 0, "x") == NULL);
	CHECK_INT(talloc_total_size(NULL), 0);
	CHECK_INT(talloc_total_blocks(NULL), 2);
	talloc_free_children(talloc_parent(talloc_size(NULL, 0)));
	talloc_disable_null_tracking();
	CHECK_INT(talloc_free(p), 0);
}

#define RUN_FRESH(fn)                                         \
	do {                                                  \
		ctx = talloc_named_const(NULL, 0, "ctx");     \
		other = talloc_named_const(NULL, 0, "other"); \
		RUN(fn);                                      \
		CHECK_INT(talloc_free(ctx), 0);               \
		CHECK_INT(talloc_free(other), 0);             \
	} while (0)

int main(void)
{
	RUN_FRESH(test_contents);
	RUN_FRESH(test_same_pointer);
	RUN_FRESH(test_name);
	RUN_FRESH(test_size_zero);
	RUN_FRESH(test_size_zero_references);
	RUN_FRESH(test_no_pointer);
	RUN_FRESH(test_context_ignored);
	RUN_FRESH(test_refused);
	RUN_FRESH(test_no_memory);
	RUN_FRESH(test_own_limit);
	RUN_FRESH(test_arrays);
	RUN_FRESH(test_greatest_size);
	RUN_FRESH(test_family);
	RUN_FRESH(test_list_of_children);
	RUN_FRESH(test_to_and_fro);
	RUN_FRESH(test_reference_from);
	RUN_FRESH(test_top_level);
	TEST_END();
}
