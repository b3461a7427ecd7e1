/*
 * A new cache takes memory in which there is what chunks before it have left:
 * chunks that moved, that were freed one by one, with their parent, with their pool
 * or in a cache of other objects.  None of it may pass for an object of the cache.
 * Each case with objects of eight sizes, in a process of its own.
 */
#include "../test.h"

#include <malloc.h>

static size_t objsize;

#define MUST(cond)                                                                   \
	do {                                                                         \
		if (!(cond)) {                                                       \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                     \
		}                                                                    \
	} while (0)

static char newest_child[16];

static void note_child(const void *ptr, int depth, int max_depth, int is_ref, void *count)
{
	(void)max_depth;
	MUST(!is_ref);
	if (depth == 1) {
		++*(size_t *)count;
		MUST(strcmp(talloc_get_name(ptr), newest_child) == 0);
	}
}

#define MOST 4096
static char *object[MOST];

/* Takes all objects of a cache, uses them, gives every second one back, and takes it again. */
static void use_up(void *cache, size_t size, size_t count, bool zero)
{
	size_t i, seen = 0, round;

	MUST(cache != NULL && count <= MOST);
	for (i = 0; i < count; i++) {
		object[i] = zero ? talloc_cache_zero(cache) : talloc_cache(cache);
		MUST(object[i] != NULL && talloc_get_size(object[i]) == size);
		MUST(!zero || (object[i][0] == 0 && object[i][size - 1] == 0));
		MUST((uintptr_t)object[i] % TEST_ALIGN == 0);
		memset(object[i], (int)(i % 250 + 1), size);
		talloc_set_name_const(object[i], "object");
	}
	MUST(talloc_cache(cache) == NULL);
	strcpy(newest_child, "object");
	talloc_report_depth_cb(cache, 0, 1, note_child, &seen);
	MUST(seen == count);
	MUST(talloc_total_blocks(cache) == count + 1 && talloc_total_size(cache) == count * size);
	for (round = 0; round < 2; round++) {
		for (i = round; i < count; i += 2)
			MUST(talloc_free(object[i]) == 0);
		for (i = round; i < count; i += 2) {
			object[i] = talloc_cache(cache);
			MUST(object[i] != NULL && talloc_get_size(object[i]) == size);
			memset(object[i], (int)(i % 250 + 1), size);
			talloc_set_name_const(object[i], "object");
		}
		MUST(talloc_cache(cache) == NULL);
	}
	for (i = 0; i < count; i++)
		MUST(object[i][0] == (char)(i % 250 + 1) &&
		     object[i][size - 1] == (char)(i % 250 + 1) &&
		     talloc_parent(object[i]) == cache);
}

/* As many objects as there were bytes before. */
static size_t count_for(size_t bytes)
{
	size_t count = bytes / (objsize + 112);

	return count < 2 ? 2 : count > MOST ? MOST : count;
}

static void cache_over(const void *ctx, size_t bytes)
{
	size_t count = count_for(bytes);
	void *cache = talloc_pool_cache(ctx, count * objsize, objsize);

	use_up(cache, objsize, count, false);
	MUST(talloc_free(cache) == 0);
}

/* --- what was there before ------------------------------------------------ */

/* One chunk that grows and leaves its place, at all distances to the cache. */
static void one_moved(void)
{
	size_t before, by;

	for (before = 1504; before < 1632; before += 16)
		for (by = 0; by < 3; by++) {
			void *volatile room = malloc(before);
			char *ptr = talloc_size(NULL, 2000);
			void *volatile behind = malloc(3000);

			free(room);
			ptr = talloc_realloc_size(NULL, ptr, 9000 + 500 * (before - 1504) + by);
			MUST(ptr != NULL);
			cache_over(NULL, 1300 + before);
			free(behind);
			MUST(talloc_free(ptr) == 0);
		}
}

/* Many side by side, as rows of them grow; texts and arrays, with children and destructors. */
static int agree(void *ptr)
{
	(void)ptr;
	return 0;
}

static void rows_moved(void)
{
	static const size_t sizes[] = { 1, 30, 90, 130, 500, 1100, 3000 };
	size_t s, i;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		enum { ROW = 120 };
		void *top = talloc_new(NULL);
		char *row[ROW];

		for (i = 0; i < ROW; i++) {
			row[i] = talloc_zero_array(top, char, sizes[s]);
			if (i % 3 == 0)
				_talloc_set_destructor(row[i], agree);
			if (i % 5 == 0)
				talloc_reference(top, talloc_strdup(row[i], "child"));
		}
		for (i = 0; i < ROW; i++)
			row[i] = i % 2 ? talloc_asprintf_append(row[i], "%*d", 40000, 1) :
					 talloc_realloc(top, row[i], char, 40000 + i);
		cache_over(top, sizes[s] * ROW);
		for (i = 0; i < 20; i++)
			cache_over(NULL, (sizes[s] + 100) * (i + 1) * 3);
		MUST(talloc_free(top) == 0);
		cache_over(NULL, 200000);
	}
}

/* Freed one by one, from both ends, with the parent; then moved to another place. */
static void freed(void)
{
	size_t how, i;

	for (how = 0; how < 4; how++) {
		enum { ROW = 600 };
		void *top = talloc_new(NULL);
		char *row[ROW];

		for (i = 0; i < ROW; i++)
			row[i] = talloc_size(how == 3 && i > 0 ? row[i - 1] : top, 1 + i * 3);
		for (i = 0; how < 2 && i < ROW; i++)
			MUST(talloc_free(row[how ? ROW - 1 - i : i]) == 0);
		MUST(talloc_free(top) == 0);
		cache_over(NULL, 300000);
		cache_over(NULL, 30000);
	}
}

/* Members that a pool gives up, moved or freed; the cache lies in the same pool. */
static void in_a_pool(void)
{
	size_t shift;

	for (shift = 0; shift < 160; shift += 16) {
		enum { ROW = 40 };
		void *pool = talloc_pool(NULL, 30000), *last = NULL, *cache;
		char *row[ROW];
		size_t i, count = 4096 / (objsize + 112) + 2;

		talloc_free(talloc_size(pool, shift));
		for (i = 0; i < ROW; i++)
			row[i] = talloc_size(pool, shift + i);
		for (i = 0; i < ROW; i++)
			if (i % 2)
				row[i] = talloc_realloc_size(pool, row[i], 50000);
		if (shift % 32)
			last = talloc_size(pool, shift);
		for (i = 0; i < ROW; i++)
			MUST(talloc_free(row[i]) == 0);
		MUST(talloc_free(last) == (last ? 0 : -1));
		/* all of the pool is free again */
		cache = talloc_pool_cache(pool, count * objsize, objsize);
		MUST(cache > pool && (char *)cache < (char *)pool + 30000);
		use_up(cache, objsize, count, shift % 32 == 0);
		MUST(talloc_free(cache) == 0);
		cache = talloc_pool_cache(pool, count * objsize, objsize);
		use_up(cache, objsize, count, false);
		MUST(talloc_free(pool) == 0);
	}
}

/* A pool that went with its members alive, or that they outlived. */
static void where_a_pool_was(void)
{
	size_t shift, i;

	for (shift = 0; shift < 160; shift += 16) {
		enum { ROW = 60 };
		void *pool = talloc_pool(NULL, 20000 + shift), *inner = talloc_pool(pool, 5000);
		char *row[ROW];

		for (i = 0; i < ROW; i++)
			row[i] = talloc_size(i % 3 ? pool : inner, shift / 2 + i % 7);
		if (shift % 32)
			talloc_steal(NULL, row[ROW / 2]);
		MUST(talloc_free(pool) == 0);
		if (shift % 32)
			MUST(talloc_free(row[ROW / 2]) == 0);
		cache_over(NULL, 20000 + shift);
	}
}

/* A cache where one of other objects was, which was full. */
static void where_a_cache_was(void)
{
	static const size_t others[] = { 8, 16, 40, 72, 96, 120, 300 };
	size_t o, i;

	for (o = 0; o < sizeof(others) / sizeof(others[0]); o++) {
		size_t count = 20000 / (others[o] + 112);
		void *cache = talloc_pool_cache(NULL, count * others[o], others[o]);

		use_up(cache, others[o], count, o % 2);
		/* some are no longer here when it goes */
		for (i = 0; i < count; i += 7)
			talloc_steal(NULL, object[i]);
		for (i = 3; i < count; i += 7)
			MUST(talloc_free(object[i]) == 0);
		MUST(talloc_free(cache) == 0);
		for (i = 0; i < count; i += 7)
			MUST(talloc_free(object[i]) == 0);
		cache_over(NULL, 20000);
	}
}

/* An object that grows leaves its slot, which is the next one's. */
static void moved_out_of_its_slot(void)
{
	void *cache = talloc_pool_cache(NULL, 50 * objsize, objsize), *top = talloc_new(NULL);
	size_t i;

	for (i = 0; i < 200; i++) {
		char *ptr = talloc_cache(cache);

		MUST(ptr != NULL);
		talloc_strdup(ptr, "child");
		if (i % 3 == 0)
			talloc_steal(top, ptr);
		ptr = talloc_realloc_size(top, ptr, objsize + 1000);
		MUST(ptr != NULL && talloc_get_size(ptr) == objsize + 1000);
		MUST(talloc_total_blocks(ptr) == 2);
		if (i % 2)
			MUST(talloc_free(ptr) == 0);
		talloc_steal(top, i % 2 ? NULL : ptr);
	}
	use_up(cache, objsize, 50, true);
	MUST(talloc_free(top) == 0 && talloc_free(cache) == 0);
}

/* Caches below caches and their objects, in pools and below pooled objects, again and again. */
static void nested(void)
{
	size_t round;

	for (round = 0; round < 8; round++) {
		void *pool = talloc_pool(NULL, 60000), *outer, *inner, *own, *ptr;

		outer = talloc_pool_cache(round % 2 ? pool : NULL, 3 * 4096, 4096);
		ptr = talloc_cache(outer);
		MUST(ptr != NULL);
		inner = talloc_pool_cache(ptr, 20 * objsize, objsize);
		use_up(inner, objsize, 20, false);
		if (round & 2)
			MUST(talloc_free(ptr) == 0);
		inner = talloc_pool_cache(outer, 10 * objsize, objsize);
		use_up(inner, objsize, 10, true);
		if (round & 4)
			talloc_steal(NULL, inner);
		own = talloc_pool_cache(pool, 20 * objsize, objsize);
		use_up(own, objsize, 20, false);
		MUST(talloc_free(pool) == 0);
		if (round % 2 == 0)
			MUST(talloc_free(outer) == 0);
		if (round & 4)
			MUST(talloc_free(inner) == 0);
		cache_over(NULL, 60000);
	}
}

/* What a program keeps in its own memory is no header either, whatever it looks like. */
static void copied(void)
{
	void *top = talloc_new(NULL), *cache = talloc_pool_cache(top, 40 * objsize, objsize);
	size_t bytes, shift, i;
	char *copy, *from, *end;

	use_up(cache, objsize, 40, false);
	/* as one that dumps its memory does: from the first object to the last */
	from = object[0] < object[39] ? object[0] : object[39];
	end = from == object[0] ? object[39] : object[0];
	bytes = (size_t)(end - from);
	for (shift = 0; shift < 96; shift += 16) {
		copy = malloc(2 * bytes + shift);
		MUST(copy != NULL);
		memcpy(copy + shift, from, bytes);
		memcpy(copy + shift + bytes, from, bytes);
		/* the compiler may not leave it out */
		__asm__ volatile("" : : "r"(copy) : "memory");
		free(copy);
		for (i = 0; i < 4; i++)
			cache_over(i % 2 ? top : NULL, i < 2 ? bytes : 2 * bytes);
	}
	MUST(talloc_free(top) == 0);
}

int main(void)
{
	static const size_t sizes[] = { 1, 16, 24, 48, 64, 100, 200, 1000 };
#define CASE(fn) { #fn, fn }
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		CASE(one_moved), CASE(rows_moved), CASE(freed), CASE(in_a_pool),
		CASE(where_a_pool_was), CASE(where_a_cache_was), CASE(moved_out_of_its_slot),
		CASE(nested), CASE(copied),
	};
	size_t c, s;

	for (c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct outcome *o;

			objsize = sizes[s];
			o = run_apart(cases[c].fn, true);
			printf("%s - %s, objects of %zu\n", o->status == 0 ? "ok" : "not ok",
			       cases[c].name, objsize);
			if (o->status != 0) {
				fprintf(stderr, "%s, %zu: status %#x %s\n%s", cases[c].name, objsize,
					(unsigned int)o->status, o->reason, o->out);
				test_failures++;
			}
		}
	TEST_END();
}
