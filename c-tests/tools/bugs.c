/*
 * Programs with one bug each, which a memory tool has to report. The argument
 * says which; `bugs list` lists them.  touch() is where each bug happens, so
 * that a report can be told from others by its stack.
 */
#include <stdio.h>
#include <string.h>
#include <talloc.h>

static __attribute__((noinline)) void touch(volatile char *place)
{
	*place = 1;
}

static void heap_after_free(void)
{
	char *p = talloc_size(NULL, 40);

	talloc_free(p);
	touch(p + 3);
}

static void heap_overrun(void)
{
	char *p = talloc_size(NULL, 40);

	touch(p + 40);
	talloc_free(p);
}

static void child_after_free_of_parent(void)
{
	char *parent = talloc_size(NULL, 40);
	char *child = talloc_size(parent, 40);

	talloc_free(parent);
	touch(child);
}

static void after_realloc(void)
{
	char *p = talloc_size(NULL, 40), *old = p;
	char *in_the_way = talloc_size(NULL, 40);

	p = talloc_realloc_size(NULL, p, 100000);
	touch(p == old ? in_the_way + 40 : old);
	talloc_free(p);
	talloc_free(in_the_way);
}

static void pool_after_free(void)
{
	char *pool = talloc_pool(NULL, 4096);
	char *p = talloc_size(pool, 40);
	char *neighbour = talloc_size(pool, 40);

	talloc_free(p);
	touch(p + 3);
	talloc_free(neighbour);
	talloc_free(pool);
}

static void pool_overrun(void)
{
	char *pool = talloc_pool(NULL, 4096);
	char *p = talloc_size(pool, 48);

	talloc_size(pool, 48);
	touch(p + 48);
	talloc_free(pool);
}

static void pool_beyond_a_shrink(void)
{
	char *pool = talloc_pool(NULL, 4096);
	char *p = talloc_size(pool, 48);

	talloc_size(pool, 48);
	p = talloc_realloc_size(pool, p, 20);
	touch(p + 30);
	talloc_free(pool);
}

static void pool_before_use(void)
{
	char *pool = talloc_pool(NULL, 4096);
	char *p = talloc_size(pool, 48);

	touch(p + 1024);
	talloc_free(pool);
}

static void cache_after_free(void)
{
	char *cache = talloc_pool_cache(NULL, 4096, 48);
	char *p = talloc_cache(cache);

	talloc_free(p);
	touch(p + 3);
	talloc_free(cache);
}

static void cache_overrun(void)
{
	char *cache = talloc_pool_cache(NULL, 4096, 48);
	char *p = talloc_cache(cache);

	talloc_cache(cache);
	touch(p + 48);
	talloc_free(cache);
}

static const struct {
	const char *name;
	void (*run)(void);
} bugs[] = {
	{ "heap_after_free", heap_after_free },
	{ "heap_overrun", heap_overrun },
	{ "child_after_free_of_parent", child_after_free_of_parent },
	{ "after_realloc", after_realloc },
	{ "pool_after_free", pool_after_free },
	{ "pool_overrun", pool_overrun },
	{ "pool_beyond_a_shrink", pool_beyond_a_shrink },
	{ "pool_before_use", pool_before_use },
	{ "cache_after_free", cache_after_free },
	{ "cache_overrun", cache_overrun },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
		if (argc == 2 && strcmp(argv[1], "list") == 0)
			puts(bugs[i].name);
		else if (argc == 2 && strcmp(argv[1], bugs[i].name) == 0)
			return bugs[i].run(), 0;
	}
	return argc == 2 && strcmp(argv[1], "list") == 0 ? 0 : 2;
}
