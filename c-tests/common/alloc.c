/* Allocation: sizes, limits, alignment, order, contents, and where it hangs. */
#include "test.h"

#include <sys/resource.h>

#define LIMIT ((size_t)0x10000000)

struct odd {
	char text[37];
};

/* One place for the name check: the macro call and __location__ share a line. */
#define CHECK_LOCATED(expr)                                       \
	do {                                                      \
		const void *located_ = (expr);                    \
		CHECK_STR(talloc_get_name(located_), __location__); \
	} while (0)

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

/* Every call that takes a size, at the limit and beyond: nothing may be made. */
static void test_sizes_refused(void)
{
	static const size_t sizes[] = {
		LIMIT,	      LIMIT + 1,      LIMIT * 2,      SIZE_MAX / 2, SIZE_MAX - 96,
		SIZE_MAX - 64, SIZE_MAX - 63, SIZE_MAX - 15, SIZE_MAX - 1, SIZE_MAX,
	};
	void *ctx = talloc_new(NULL);
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];

		CHECK(talloc_named_const(ctx, size, "big") == NULL);
		CHECK(talloc_named_const(NULL, size, "big") == NULL);
		CHECK(_talloc(ctx, size) == NULL);
		CHECK(_talloc_zero(ctx, size, "big") == NULL);
		CHECK(_talloc_memdup(ctx, "x", size, "big") == NULL);
		CHECK(talloc_named(ctx, size, "big%d", 1) == NULL);
		CHECK(talloc_pool(ctx, size) == NULL);
		CHECK(_talloc_array(ctx, size, 1, "big") == NULL);
		CHECK(_talloc_zero_array(ctx, size, 1, "big") == NULL);
		CHECK(_talloc_pooled_object(ctx, size, "big", 0, 0) == NULL);
		CHECK(_talloc_pooled_object(ctx, 8, "big", 0, size) == NULL);
	}
	CHECK_INT(talloc_total_blocks(ctx), 1);

	/* A refused size is not an out-of-memory: errno stays as it was. */
	errno = 0;
	CHECK(talloc_size(ctx, LIMIT) == NULL);
	CHECK_INT(errno, 0);
	talloc_free(ctx);
}

/* The greatest size there is; the pages are not touched. */
static void test_greatest_size(void)
{
	void *ctx = talloc_new(NULL);
	char *p = talloc_named_const(ctx, LIMIT - 1, "great");

	CHECK(p != NULL);
	CHECK_INT(talloc_get_size(p), LIMIT - 1);
	CHECK_INT(talloc_total_size(ctx), LIMIT - 1);
	p[0] = 1;
	p[LIMIT - 2] = 2;
	CHECK_INT(talloc_free(p), 0);

	p = _talloc(ctx, LIMIT - 1);
	CHECK_INT(talloc_get_size(p), LIMIT - 1);
	CHECK_INT(talloc_free(p), 0);

	p = talloc_pool(ctx, LIMIT - 1);
	CHECK(p != NULL);
	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(talloc_total_blocks(ctx), 1);
	talloc_free(ctx);
}

/*
 * count * size: refused from count == limit / size on, even when the product
 * would still be below the limit (3 * 89478485 is).
 */
static void test_array_limit(void)
{
	static const size_t el_sizes[] = {
		1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 100, 4096, 65536, 0x7ffffff, 0x8000000,
	};
	void *ctx = talloc_new(NULL);
	size_t i;

	for (i = 0; i < sizeof(el_sizes) / sizeof(el_sizes[0]); i++) {
		size_t el = el_sizes[i];
		unsigned edge = (unsigned)(LIMIT / el);
		void *p = _talloc_array(ctx, el, edge - 1, "edge");

		CHECK(p != NULL);
		CHECK_INT(talloc_get_size(p), el * (edge - 1));
		CHECK_INT(talloc_free(p), 0);
		CHECK(_talloc_array(ctx, el, edge, "edge") == NULL);
		CHECK(_talloc_array(ctx, el, edge + 1, "edge") == NULL);
		CHECK(_talloc_array(ctx, el, (unsigned)-1, "edge") == NULL);
		CHECK(_talloc_zero_array(ctx, el, edge, "edge") == NULL);
		CHECK(_talloc_zero_array(ctx, el, edge + 1, "edge") == NULL);
		CHECK(_talloc_zero_array(ctx, el, (unsigned)-1, "edge") == NULL);
	}

	/* limit / size is 1 from just above the half on: one element is too much. */
	CHECK(_talloc_array(ctx, LIMIT / 2 + 1, 1, "edge") == NULL);
	CHECK(_talloc_array(ctx, LIMIT - 1, 1, "edge") == NULL);
	CHECK(_talloc_array(ctx, LIMIT, 1, "edge") == NULL);

	/* No elements: fine up to an element of the limit's size. */
	CHECK_INT(talloc_get_size(_talloc_array(ctx, 1, 0, "none")), 0);
	CHECK_INT(talloc_get_size(_talloc_array(ctx, LIMIT - 1, 0, "none")), 0);
	CHECK_INT(talloc_get_size(_talloc_array(ctx, LIMIT, 0, "none")), 0);
	CHECK_INT(talloc_get_size(_talloc_zero_array(ctx, LIMIT, 0, "none")), 0);
	CHECK_STR(children_of(ctx), "none none none none ");
	CHECK(_talloc_array(ctx, LIMIT + 1, 0, "none") == NULL);
	CHECK(_talloc_array(ctx, SIZE_MAX, 0, "none") == NULL);
	CHECK(_talloc_zero_array(ctx, LIMIT + 1, 0, "none") == NULL);
	CHECK(_talloc_zero_array(ctx, SIZE_MAX, 0, "none") == NULL);

	/* Products that wrap to something small. */
	CHECK(_talloc_array(ctx, SIZE_MAX / 2 + 1, 2, "wrap") == NULL);
	CHECK(_talloc_array(ctx, (size_t)1 << (sizeof(size_t) * 4), 0x80000000u, "wrap") == NULL);
	CHECK(_talloc_array(ctx, SIZE_MAX / 2 + 2, 2, "wrap") == NULL);
	talloc_free(ctx);
}

static void test_size_zero(void)
{
	void *ctx = talloc_new(NULL);
	void *chunks[4];
	int i;

	chunks[0] = talloc_size(ctx, 0);
	chunks[1] = talloc_zero_size(ctx, 0);
	chunks[2] = _talloc(ctx, 0);
	chunks[3] = talloc_array(ctx, int, 0);
	for (i = 0; i < 4; i++) {
		void *child;

		CHECK(chunks[i] != NULL);
		CHECK_INT(talloc_get_size(chunks[i]), 0);
		/* A chunk as good as any other: it can have children. */
		child = talloc_size(chunks[i], 5);
		CHECK(talloc_parent(child) == chunks[i]);
		CHECK_INT(talloc_total_blocks(chunks[i]), 2);
		CHECK_INT(talloc_total_size(chunks[i]), 5);
	}
	CHECK(chunks[0] != chunks[1] && chunks[1] != chunks[2] && chunks[2] != chunks[3]);
	CHECK_INT(talloc_total_size(ctx), 20);
	CHECK_INT(talloc_free(ctx), 0);
}

/* All sizes from 0 on, each with all of its bytes written. */
static void test_alignment(void)
{
	void *ctx = talloc_new(NULL);
	size_t size, bad_align = 0, bad_size = 0, bad_bytes = 0;
	unsigned char *chunks[600];

	for (size = 0; size < 600; size++) {
		chunks[size] = talloc_size(ctx, size);
		if (((uintptr_t)chunks[size] % TEST_ALIGN) != 0)
			bad_align++;
		if (talloc_get_size(chunks[size]) != size)
			bad_size++;
		memset(chunks[size], (int)(size & 255), size);
	}
	for (size = 0; size < 600; size++) {
		if (!all_bytes(chunks[size], size, (unsigned char)(size & 255)))
			bad_bytes++;
	}
	CHECK_INT(bad_align, 0);
	CHECK_INT(bad_size, 0);
	CHECK_INT(bad_bytes, 0);
	CHECK_INT(talloc_total_size(ctx), 600 * 599 / 2);
	CHECK_INT(talloc_total_blocks(ctx), 601);

	/* The same for everything else that hands out memory. */
	CHECK(((uintptr_t)ctx % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_pool(ctx, 100) % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_strdup(ctx, "abc") % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_asprintf(ctx, "abc%d", 5) % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_memdup(ctx, "abc", 3) % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_zero_array(ctx, char, 33) % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_named(ctx, 3, "n") % TEST_ALIGN) == 0);
	CHECK(((uintptr_t)talloc_pooled_object(ctx, struct odd, 2, 30) % TEST_ALIGN) == 0);
	talloc_free(ctx);
}

/* Members of a pool are aligned too, whatever the sizes before them. */
static void test_alignment_in_pool(void)
{
	void *pool = talloc_pool(NULL, 60000);
	size_t size, bad = 0;

	for (size = 0; size < 100; size++) {
		char *p = talloc_size(pool, size);

		if (((uintptr_t)p % TEST_ALIGN) != 0)
			bad++;
		memset(p, 'x', size);
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_total_size(pool), 100 * 99 / 2);
	CHECK_INT(talloc_free(pool), 0);
}

static void test_newest_first(void)
{
	void *ctx = talloc_new(NULL);
	char *b;

	CHECK_STR(children_of(ctx), "");
	talloc_named_const(ctx, 1, "a");
	CHECK_STR(children_of(ctx), "a ");
	b = talloc_zero_size(ctx, 1);
	talloc_set_name_const(b, "b");
	talloc_strdup(ctx, "c");
	talloc_named(ctx, 0, "d");
	talloc_asprintf(ctx, "%s", "e");
	_talloc_memdup(ctx, "x", 1, "f");
	_talloc_array(ctx, 1, 1, "g");
	talloc_set_name_const(talloc_pool(ctx, 10), "h");
	_talloc_pooled_object(ctx, 4, "i", 1, 1);
	_talloc_realloc(ctx, NULL, 4, "j");
	CHECK_STR(children_of(ctx), "j i h g f e d c b a ");
	/* Taking one out of the middle leaves the rest in order. */
	talloc_free(b);
	talloc_named_const(ctx, 1, "k");
	CHECK_STR(children_of(ctx), "k j i h g f e d c a ");
	talloc_free(ctx);
}

static char freed[64];

static int note_free(char *name)
{
	strcat(freed, name);
	return 0;
}

static void test_freed_newest_first(void)
{
	void *ctx = talloc_new(NULL);
	static const char *const names[] = { "1", "2", "3", "4" };
	int i;

	freed[0] = '\0';
	for (i = 0; i < 4; i++) {
		char *p = talloc_strdup(ctx, names[i]);

		talloc_set_destructor(p, note_free);
	}
	CHECK_INT(talloc_free(ctx), 0);
	CHECK_STR(freed, "4321");
}

static void test_zeroing(void)
{
	void *ctx = talloc_new(NULL);
	int round;

	/* Dirty the memory first, so that zeroes are not there by luck. */
	for (round = 0; round < 3; round++) {
		struct odd *z;
		char *p = talloc_size(ctx, 5000);
		char *q = talloc_size(ctx, 37);

		memset(p, 0xff, 5000);
		memset(q, 0xff, 37);
		talloc_free(p);
		talloc_free(q);
		z = talloc_zero(ctx, struct odd);
		CHECK(all_bytes(z, sizeof(*z), 0));
		CHECK_INT(talloc_get_size(z), sizeof(*z));
		p = talloc_zero_size(ctx, 5000);
		CHECK(all_bytes(p, 5000, 0));
		memset(p, 0xff, 5000);
		talloc_free(p);
		z = talloc_zero_array(ctx, struct odd, 100);
		CHECK(all_bytes(z, 3700, 0));
		CHECK_INT(talloc_get_size(z), 3700);
	}
	CHECK_STR(talloc_get_name(_talloc_zero(ctx, 3, "zeroed")), "zeroed");
	talloc_free(ctx);
}

/* Zeroed memory out of a pool that was used before. */
static void test_zeroing_in_pool(void)
{
	void *pool = talloc_pool(NULL, 1000);
	char *p = talloc_size(pool, 500);

	memset(p, 0xff, 500);
	talloc_free(p);
	p = talloc_zero_size(pool, 500);
	CHECK(all_bytes(p, 500, 0));
	memset(p, 0xff, 500);
	talloc_free(p);
	p = talloc_zero_array(pool, char, 400);
	CHECK(all_bytes(p, 400, 0));
	talloc_free(pool);
}

static void test_memdup(void)
{
	void *ctx = talloc_new(NULL);
	static const char bytes[] = { 'a', 0, 'b', (char)0xff };
	char *big = malloc(100000);
	char *p = talloc_memdup(ctx, bytes, sizeof(bytes));

	CHECK(p != NULL && p != bytes);
	CHECK_INT(talloc_get_size(p), 4);
	CHECK(memcmp(p, bytes, 4) == 0);
	CHECK(talloc_parent(p) == ctx);
	CHECK_STR(talloc_get_name(_talloc_memdup(ctx, bytes, 2, "dup")), "dup");

	memset(big, 'z', 100000);
	p = talloc_memdup(ctx, big, 100000);
	CHECK(memcmp(p, big, 100000) == 0);
	free(big);

	p = talloc_memdup(NULL, "xy", 3);
	CHECK_STR(p, "xy");
	CHECK(talloc_parent(p) == NULL);
	CHECK_INT(talloc_free(p), 0);

	/* Nothing to copy is a chunk of size 0, with or without a source ... */
	CHECK_INT(talloc_get_size(talloc_memdup(ctx, "a", 0)), 0);
	p = talloc_memdup(ctx, NULL, 0);
	CHECK(p != NULL);
	CHECK_INT(talloc_get_size(p), 0);
	/* ... but something to copy from nowhere is refused. */
	CHECK(talloc_memdup(ctx, NULL, 1) == NULL);
	CHECK(talloc_memdup(NULL, NULL, 100) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 6);
	talloc_free(ctx);
}

static void test_arrays(void)
{
	void *ctx = talloc_new(NULL);
	uint64_t *q = talloc_array(ctx, uint64_t, 11);
	struct odd *o = NULL;
	void *p;

	CHECK_INT(talloc_get_size(q), 88);
	CHECK_INT(talloc_array_length(q), 11);
	CHECK_STR(talloc_get_name(q), "uint64_t");
	o = talloc_array_ptrtype(ctx, o, 7);
	CHECK_INT(talloc_array_length(o), 7);
	CHECK_INT(talloc_get_size(o), 7 * 37);
	p = talloc_array_size(ctx, 3, 5);
	CHECK_INT(talloc_get_size(p), 15);
	CHECK_LOCATED(talloc_array_size(ctx, 3, 5));
	CHECK_LOCATED(talloc_array_ptrtype(ctx, o, 2));
	CHECK_INT(talloc_array_length(talloc_array(ctx, struct odd, 0)), 0);
	CHECK_STR(talloc_get_name(talloc_zero_array(ctx, struct odd, 1)), "struct odd");

	/* Length is size / element, rounded down, whatever made the chunk. */
	p = talloc_size(ctx, 23);
	CHECK_INT(talloc_array_length((uint64_t *)p), 2);
	CHECK_INT(talloc_array_length((uint32_t *)p), 5);
	CHECK_INT(talloc_array_length((uint64_t *)NULL), 0);
	CHECK_INT(talloc_array_length(talloc_strdup(ctx, "four")), 5);
	talloc_free(ctx);
}

static void test_ptrtype_and_locations(void)
{
	void *ctx = talloc_new(NULL);
	struct odd *o;

	o = talloc_ptrtype(ctx, o);
	CHECK_INT(talloc_get_size(o), sizeof(struct odd));
	CHECK(talloc_parent(o) == ctx);
	CHECK_LOCATED(talloc_ptrtype(ctx, o));
	CHECK_LOCATED(talloc_size(ctx, 1));
	CHECK_LOCATED(talloc_zero_size(ctx, 1));
	CHECK_LOCATED(talloc_memdup(ctx, "x", 1));
	CHECK_LOCATED(talloc_realloc_size(ctx, NULL, 1));
	CHECK_STR(talloc_get_name(_talloc(ctx, 1)), "UNNAMED");
	talloc_free(ctx);
}

static void test_pooled_object(void)
{
	void *ctx = talloc_new(NULL);
	struct odd *o = talloc_pooled_object(ctx, struct odd, 3, 100);
	char *a, *b, *c;

	CHECK(o != NULL);
	CHECK(talloc_parent(o) == ctx);
	CHECK_STR(talloc_get_name(o), "struct odd");
	/* Unlike a plain pool it has a size of its own. */
	CHECK_INT(talloc_get_size(o), sizeof(*o));
	CHECK_INT(talloc_total_size(ctx), sizeof(*o));
	CHECK_INT(talloc_total_blocks(ctx), 2);
	memset(o, 'x', sizeof(*o));
	a = talloc_strdup(o, "first");
	b = talloc_strdup(o, "second");
	c = talloc_size(b, 80);
	memset(c, 'y', 80);
	CHECK_STR(a, "first");
	CHECK_STR(b, "second");
	CHECK(all_bytes(o, sizeof(*o), 'x'));
	CHECK_INT(talloc_total_size(o), sizeof(*o) + 6 + 7 + 80);
	/* More than it was made for still works. */
	a = talloc_size(o, 10000);
	memset(a, 'z', 10000);
	CHECK(all_bytes(o, sizeof(*o), 'x'));
	CHECK_INT(talloc_total_blocks(o), 5);
	CHECK_INT(talloc_free(o), 0);

	CHECK_INT(talloc_get_size(talloc_pooled_object(ctx, struct odd, 0, 0)), 37);
	o = _talloc_pooled_object(ctx, 0, "none", 0, 0);
	CHECK(o != NULL);
	CHECK_INT(talloc_get_size(o), 0);
	CHECK_STR(talloc_get_name(o), "none");
	o = talloc_pooled_object(NULL, struct odd, 1, 10);
	CHECK(o != NULL && talloc_parent(o) == NULL);
	CHECK_INT(talloc_free(o), 0);

	/* Sums beyond the limit, or beyond size_t, are refused. */
	CHECK(_talloc_pooled_object(ctx, LIMIT - 1, "big", 0, 0) == NULL);
	CHECK(_talloc_pooled_object(ctx, 4, "big", (unsigned)-1, 0) == NULL);
	CHECK(_talloc_pooled_object(ctx, 4, "big", 1, SIZE_MAX) == NULL);
	CHECK(_talloc_pooled_object(ctx, SIZE_MAX, "big", 1, SIZE_MAX) == NULL);
	CHECK(_talloc_pooled_object(ctx, LIMIT / 2, "big", 1, LIMIT / 2) == NULL);
	talloc_free(ctx);
}

static void test_null_context(void)
{
	void *p = talloc_named_const(NULL, 3, "loose");
	void *null_ctx;

	CHECK(talloc_parent(p) == NULL);
	CHECK_INT(talloc_total_blocks(NULL), 0);
	CHECK_INT(talloc_total_size(NULL), 0);
	talloc_enable_null_tracking_no_autofree();
	/* What was made before stays loose, what comes now is a child. */
	CHECK(talloc_parent(p) == NULL);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_free(p);
	p = talloc_named_const(NULL, 3, "held");
	null_ctx = talloc_parent(p);
	CHECK_STR(talloc_get_name(null_ctx), "null_context");
	talloc_strdup(NULL, "str");
	talloc_zero_size(NULL, 7);
	talloc_array(NULL, char, 2);
	talloc_memdup(NULL, "x", 1);
	talloc_asprintf(NULL, "%d", 1);
	talloc_realloc_size(NULL, NULL, 4);
	talloc_pool(NULL, 100);
	_talloc(NULL, 1);
	CHECK_INT(talloc_total_blocks(NULL), 10);
	CHECK_INT(talloc_total_size(NULL), 3 + 4 + 7 + 2 + 1 + 2 + 4 + 0 + 1);
	talloc_free_children(null_ctx);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_disable_null_tracking();
	CHECK_INT(talloc_total_blocks(NULL), 0);
}

/* A child of a pool, or of a pool's member, and what does not fit there. */
static void test_pool_first(void)
{
	char *pool = talloc_pool(NULL, 1000);
	char *a = talloc_size(pool, 100);
	char *b = talloc_size(a, 100);
	char *c = talloc_size(pool, 5000);
	char *d = talloc_size(c, 10);

	CHECK(a > pool && a + 100 <= pool + 1000);
	CHECK(b > a && b + 100 <= pool + 1000);
	CHECK(c + 5000 <= pool || c >= pool + 1000);
	/* Its parent is not in the pool, so neither is this one. */
	CHECK(d + 10 <= pool || d >= pool + 1000);
	CHECK(talloc_parent(b) == a && talloc_parent(c) == pool);
	CHECK_INT(talloc_total_size(pool), 5210);
	CHECK_INT(talloc_free(pool), 0);
}

/* malloc() itself says no. */
static void little_memory(void)
{
	unsigned long pages = 0;
	struct rlimit lim;
	FILE *f = fopen("/proc/self/statm", "r");
	void *ctx = talloc_new(NULL);
	char *p = talloc_strdup(ctx, "kept");

	if (f == NULL || fscanf(f, "%lu", &pages) != 1)
		_exit(99);
	fclose(f);
	lim.rlim_cur = lim.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (64 << 20);
	setrlimit(RLIMIT_AS, &lim);
	CHECK(talloc_size(ctx, LIMIT - 1) == NULL);
	CHECK(talloc_zero_size(ctx, LIMIT - 1) == NULL);
	CHECK(talloc_array(ctx, int, 60000000) == NULL);
	CHECK(talloc_pool(ctx, LIMIT - 1) == NULL);
	CHECK(talloc_named(ctx, LIMIT - 1, "n%d", 1) == NULL);
	CHECK(talloc_realloc_size(ctx, p, LIMIT - 1) == NULL);
	CHECK_STR(p, "kept");
	CHECK_STR(talloc_get_name(p), "kept");
	CHECK_INT(talloc_total_blocks(ctx), 2);
	CHECK_INT(talloc_free(ctx), 0);
	exit(test_failures);
}

static void test_out_of_memory(void)
{
	struct outcome *o = run_apart(little_memory, false);

	printf("%s", o->out);
	CHECK_INT(o->status, 0);
}

int main(void)
{
	RUN(test_sizes_refused);
	RUN(test_greatest_size);
	RUN(test_array_limit);
	RUN(test_size_zero);
	RUN(test_alignment);
	RUN(test_alignment_in_pool);
	RUN(test_newest_first);
	RUN(test_freed_newest_first);
	RUN(test_zeroing);
	RUN(test_zeroing_in_pool);
	RUN(test_memdup);
	RUN(test_arrays);
	RUN(test_ptrtype_and_locations);
	RUN(test_pooled_object);
	RUN(test_null_context);
	RUN(test_pool_first);
	RUN(test_out_of_memory);
	TEST_END();
}
