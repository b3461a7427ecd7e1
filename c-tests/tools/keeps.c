/*
 * Memory that one function gives back, and that another asks for and keeps: a profiler
 * has to name the latter, a leak checker must not find memory that has been given back.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

enum { COUNT = 1000 };

/* Of the runtime of LeakSanitizer, where that is in the process. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static size_t in_use(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL
		       ? __sanitizer_get_current_allocated_bytes()
		       : 0;
}

static size_t size_of_one(const char *shape, int i)
{
	return strcmp(shape, "large") == 0 ? 2000 + 10 * (size_t)i : 100;
}

__attribute__((noinline)) static void tidy(void *top, const char *shape)
{
	void *all = talloc_named_const(top, 0, "all");
	int i;

	if (strcmp(shape, "pools") == 0)
		for (i = 0; i < COUNT; i++)
			talloc_free(talloc_pool(all, 500));
	for (i = 0; i < COUNT; i++)
		talloc_named_const(all, size_of_one(shape, i), "for a while");
	talloc_free(all);
	__asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void keeper(void *top, const char *shape)
{
	int i;

	for (i = 0; i < COUNT; i++)
		talloc_named_const(top, size_of_one(shape, i), "kept");
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	const char *shape = argc > 1 ? argv[1] : "small";
	void *top = talloc_named_const(NULL, 0, "top");
	size_t before = in_use();

	tidy(top, shape);
	printf("%lu bytes kept back\n", (unsigned long)(in_use() - before));
	fflush(stdout);
	keeper(top, shape);
	return talloc_total_blocks(top) != COUNT + 1;
}
