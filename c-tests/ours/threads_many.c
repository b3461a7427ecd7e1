/*
 * Threads that come and go leave no memory behind.
 */
#include "../test.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Can be made smaller for a tool that makes programs slow. */
#ifndef COUNT
#define COUNT 10000
#endif
#define AT_ONCE 4

static atomic_int bad;

/* What one thread does in its life: a bit of everything. */
static void *one_life(void *number)
{
	void *top = talloc_named_const(NULL, 10, "top");
	void *pool = talloc_pool(top, 1000);
	void *cache = talloc_pool_cache(top, 1000, 50);
	char *text = talloc_asprintf(pool, "%d", (int)(intptr_t)number);
	void *other = talloc_init("other %d", (int)(intptr_t)number);

	talloc_set_memlimit(other, 1 << 20);
	talloc_reference(other, text);
	talloc_strdup(talloc_cache(cache), "below an object");
	text = talloc_realloc_size(pool, talloc_strdup(pool, "moves"), 5000);
	if (text == NULL || strcmp(text, "moves") != 0)
		bad++;
	top = talloc_realloc_size(NULL, top, 3000);
	if (talloc_total_blocks(top) != 7 || talloc_steal(other, top) != top)
		bad++;
	if (talloc_free(other) != 0)
		bad++;
	return NULL;
}

static void lives(int count)
{
	pthread_t thread[AT_ONCE];
	int i, k;

	for (i = 0; i < count; i += AT_ONCE) {
		for (k = 0; k < AT_ONCE; k++)
			if (pthread_create(&thread[k], NULL, one_life,
					   (void *)(intptr_t)(i + k)) != 0)
				exit(99);
		for (k = 0; k < AT_ONCE; k++)
			pthread_join(thread[k], NULL);
	}
}

/* Kilobytes of this process in memory. */
static long resident(void)
{
	long total = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
		exit(99);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A tenth of the smallest chunk for each thread. */
#define ALLOWED (256 * 1024L + COUNT * 8L) /* a thread keeps 256 KiB of freed blocks */

static void come_and_go(void)
{
	long in_use, before;

	bad = 0;
	/* until malloc and the thread library have what they keep for ever */
	lives(200);
	before = resident();
	in_use = (long)test_in_use();
	lives(COUNT);
	in_use = (long)test_in_use() - in_use;
	if (in_use >= ALLOWED)
		fprintf(stderr, "%ld bytes more in use\n", in_use);
	CHECK(in_use < ALLOWED);
	before = resident() - before;
	if (before >= 4096)
		fprintf(stderr, "%ld KiB more in memory\n", before);
	CHECK(before < 4096);
	CHECK_INT(bad, 0);
}

static void without_null_tracking(void)
{
	come_and_go();
}

static void with_null_tracking(void)
{
	talloc_enable_null_tracking();
	come_and_go();
	CHECK_STR(tree_of(NULL), "null_context");
	talloc_disable_null_tracking();
}

/* What a thread has left with another is freed there. */
static void *leave_a_tree(void *to)
{
	void *top = talloc_named_const(NULL, 100, "left");

	talloc_asprintf(talloc_pool(top, 2000), "%d", 1);
	*(void **)to = top;
	return NULL;
}

static void lives_left(int count)
{
	void *left = NULL;
	pthread_t thread;
	int i;

	for (i = 0; i < count; i++) {
		if (pthread_create(&thread, NULL, leave_a_tree, &left) != 0)
			exit(99);
		pthread_join(thread, NULL);
		bad += talloc_total_blocks(left) != 3 || talloc_free(left) != 0;
	}
}

static void freed_by_another(void)
{
	long in_use;

	bad = 0;
	talloc_enable_null_tracking();
	lives_left(200);
	in_use = (long)test_in_use();
	lives_left(COUNT);
	in_use = (long)test_in_use() - in_use;
	CHECK(in_use < ALLOWED);
	CHECK_INT(bad, 0);
	CHECK_STR(tree_of(NULL), "null_context");
}

int main(void)
{
	alarm(110);
	RUN(without_null_tracking);
	RUN(with_null_tracking);
	RUN(freed_by_another);
	TEST_END();
}
