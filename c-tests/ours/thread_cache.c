/*
 * The blocks that a thread keeps when they are freed: not too many, given back
 * when it ends, none when told so, and a use after the free is still seen.
 */
#include "../test.h"

#include <pthread.h>

#define BOUND (256 * 1024L)

static long in_use(void)
{
	return (long)test_in_use();
}

static void make_and_free(int count, size_t size)
{
	void *top = talloc_new(NULL);
	int i;

	for (i = 0; i < count; i++)
		talloc_size(top, size);
	talloc_free(top);
}

static void *all_sizes(void *unused)
{
	size_t size;

	(void)unused;
	for (size = 0; size < 2000; size += 8)
		make_and_free(100, size);
	return NULL;
}

static void keeps_no_more_than_its_bound(void)
{
	long before = in_use();

	make_and_free(100000, 48);
	CHECK(in_use() - before <= BOUND);
	all_sizes(NULL);
	CHECK(in_use() - before <= BOUND);
}

/*
 * A tree that may be kept is kept as a whole. Of one that is larger nothing is, but a few
 * blocks: malloc joins what lies between those that are kept to many pieces, not to one.
 */
static void *keep_all_or_nothing(void *unused)
{
	long before = in_use(), small, large;
	int i;

	(void)unused;
	if (before == 0)
		return NULL; /* this C library does not tell */
	for (i = 0; i < 20; i++)
		make_and_free(1000, 60 + (size_t)i % 3 * 40);
	small = in_use() - before;
	for (i = 0; i < 5; i++)
		make_and_free(10000, 60 + (size_t)i % 3 * 40);
	large = in_use() - before;
	CHECK(small >= 1000 * (long)(60 + OUR_HEADER));
	CHECK(large <= 16 * 1024);
	for (i = 0; i < 20; i++)
		make_and_free(1000, 60 + (size_t)i % 3 * 40);
	CHECK(in_use() - before >= 1000 * (long)(60 + OUR_HEADER));
	return NULL;
}

static void keeps_all_or_nothing(void)
{
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, keep_all_or_nothing, NULL), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
}

/* A chunk that shrank in place, at once or bit by bit, has a larger block than it seems. */
static void *shrink_and_free(void *step)
{
	void *top = talloc_new(NULL), *p[4000];
	long before = in_use();
	size_t size;
	int i;

	for (i = 0; i < 4000; i++)
		p[i] = talloc_size(top, 1000);
	for (size = 1000; size > 10;) {
		size = size - 10 > *(size_t *)step ? size - *(size_t *)step : 10;
		for (i = 0; i < 4000; i++)
			p[i] = talloc_realloc_size(top, p[i], size);
	}
	talloc_free(top);
	CHECK(in_use() - before <= BOUND);
	return NULL;
}

static void knows_how_large_blocks_are(void)
{
	static size_t steps[] = { 990, 700, 101, 17 };
	pthread_t thread;
	size_t i;

	/* Each in a thread of its own, which keeps nothing yet. */
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		CHECK_INT(pthread_create(&thread, NULL, shrink_and_free, &steps[i]), 0);
		CHECK_INT(pthread_join(thread, NULL), 0);
	}
}

/* Where nothing is kept, malloc has the blocks that growing lists leave, for the next ones. */
static void *grow_lists(void *unused)
{
	void *top = talloc_new(NULL), *p[1000];
	long before;
	int i;

	(void)unused;
	for (i = 0; i < 1000; i++)
		p[i] = talloc_size(top, 8);
	before = in_use();
	for (i = 0; i < 1000; i++)
		p[i] = talloc_realloc_size(top, p[i], 16);
	CHECK(in_use() - before <= 1000 * 32 + 8192);
	for (i = 0; i < 1000; i++)
		CHECK_INT(talloc_get_size(p[i]), 16);
	talloc_free(top);
	return NULL;
}

static void leaves_to_malloc_what_lists_leave(void)
{
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, grow_lists, NULL), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
}

static void gives_back_when_the_thread_ends(void)
{
	pthread_t thread;
	long before;
	int i;

	/* what malloc and the thread library keep for ever */
	pthread_create(&thread, NULL, all_sizes, NULL);
	pthread_join(thread, NULL);
	before = in_use();
	for (i = 0; i < 10; i++) {
		pthread_create(&thread, NULL, all_sizes, NULL);
		pthread_join(thread, NULL);
	}
	CHECK(in_use() - before < 16 * 1024);
}

static void keeps_nothing(void)
{
	void *p = talloc_new(NULL); /* once, for what is made only once */
	long before;

	talloc_free(p);
	before = in_use();
	all_sizes(NULL);
	printf("%ld\n", in_use() - before);
}

static void fills(void)
{
	char *p = talloc_size(NULL, 40), *q;

	memset(p, 1, 40);
	talloc_free(p);
	q = talloc_size(NULL, 40);
	printf("%s\n", q == p ? "kept" : "new");
}

static char **args;

static void start_again(void)
{
	execv("/proc/self/exe", args);
	exit(99);
}

static const char *with(const char *variable, const char *value, char *what)
{
	char *again[] = { "thread_cache", what, NULL };
	struct outcome *o;

	args = again;
	setenv(variable, value, 1);
	o = run_apart(start_again, false);
	unsetenv(variable);
	return o->out;
}

static void can_be_switched_off(void)
{
	CHECK_STR(with("TALLOC_THREAD_CACHE", "0", "keeps_nothing"), "0\n");
	/* a program that wants freed memory filled wants to see it */
	CHECK_STR(with("TALLOC_FREE_FILL", "0x5a", "keeps_nothing"), "0\n");
	CHECK(atol(with("TALLOC_THREAD_CACHE", "4096", "keeps_nothing")) < 6000);
	CHECK_STR(with("TALLOC_THREAD_CACHE", "4096", "fills"), "kept\n");
}

static char *gone;

static void touch(void)
{
	talloc_set_log_stderr();
	talloc_get_size(gone);
}

static void double_free(void)
{
	talloc_set_log_stderr();
	talloc_free(gone);
}

static void sees_a_use_after_the_free(void)
{
	const char *reason = "Bad talloc magic value - access after free";
	struct outcome *o;

	gone = talloc_size(NULL, 48);
	_talloc_free(gone, "here");
	o = run_apart(touch, true);
	CHECK_STR(o->reason, reason);
	CHECK(strstr(o->out, "first free may be at here\n") != NULL);
	o = run_apart(double_free, true);
	CHECK_STR(o->reason, reason);
	CHECK(strstr(o->out, "first free may be at here\n") != NULL);
}

/* The block of a pool is kept as any other, and seen as freed. */
static void keeps_pools(void)
{
	static const size_t rooms[] = { 100, 900, 20000 };
	struct outcome *o;
	char *again;
	size_t i;

	for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		gone = talloc_pool(NULL, rooms[i]);
		CHECK(talloc_size(gone, 10) != NULL);
		talloc_free(gone);
		o = run_apart(double_free, true);
		CHECK(o->aborted);
		CHECK_STR(o->reason, "Bad talloc magic value - access after free");
		again = talloc_pool(NULL, rooms[i]);
		CHECK(again == gone);
		CHECK(talloc_size(again, 10) != NULL);
		CHECK_INT(talloc_free(again), 0);
	}
}

static void survives_a_fork(void)
{
	pid_t pid;
	int status;

	make_and_free(1000, 48);
	pid = fork();
	if (pid == 0) {
		all_sizes(NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
}

int main(int argc, char **argv)
{
	alarm(60);
	/* malloc keeps freed blocks too, and counts them as in use */
	if (setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 0) == 0 &&
	    getenv("TESTS_BEGAN") == NULL) {
		setenv("TESTS_BEGAN", "1", 1);
		execv("/proc/self/exe", argv);
		return 99;
	}
	if (argc == 2) {
		if (strcmp(argv[1], "fills") == 0)
			fills();
		else
			keeps_nothing();
		return 0;
	}
	RUN(keeps_pools); /* as long as there is room */
	RUN(keeps_no_more_than_its_bound);
	RUN(keeps_all_or_nothing);
	RUN(knows_how_large_blocks_are);
	RUN(leaves_to_malloc_what_lists_leave);
	RUN(gives_back_when_the_thread_ends);
	RUN(can_be_switched_off);
	RUN(sees_a_use_after_the_free);
	RUN(survives_a_fork);
	TEST_END();
}
