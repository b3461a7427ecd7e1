/*
 * Threads that make and free top-level chunks at the same time while null
 * tracking is on: they share the null context's list.
 */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_THREADS 8

/* Can be made smaller for a tool that makes programs slow. */
#ifndef ROUNDS
#define ROUNDS 40000
#endif

static atomic_int bad, stop;
static int rounds;

static void run_threads(int count, void *(*fn)(void *))
{
	pthread_t thread[MAX_THREADS];
	int i;

	bad = 0;
	for (i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, fn, (void *)(intptr_t)(i + 1)) != 0)
			exit(99);
	for (i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

static void nothing_is_left(void)
{
	CHECK_INT(bad, 0);
	CHECK_STR(tree_of(NULL), "null_context");
	CHECK_INT(talloc_total_blocks(NULL), 1);
	CHECK_INT(talloc_total_size(NULL), 0);
}

/* Make one, free it. */
static void *one_by_one(void *number)
{
	int i;

	for (i = 0; i < rounds; i++) {
		intptr_t *ptr = talloc(NULL, intptr_t);

		if (ptr == NULL) {
			bad++;
			continue;
		}
		*ptr = (intptr_t)number;
		if (*ptr != (intptr_t)number || talloc_free(ptr) != 0)
			bad++;
	}
	return NULL;
}

#define HELD 64

/* Hold some, and free them in another order than they were made. */
static void *a_handful(void *number)
{
	intptr_t *held[HELD] = { NULL };
	unsigned int seed = (unsigned int)(intptr_t)number;
	int i;

	for (i = 0; i < rounds; i++) {
		intptr_t **slot;

		seed = seed * 1103515245 + 12345;
		slot = &held[(seed >> 16) % HELD];
		if (*slot != NULL) {
			if (**slot != (intptr_t)number || talloc_free(*slot) != 0)
				bad++;
			*slot = NULL;
			continue;
		}
		*slot = talloc_array(NULL, intptr_t, 1 + (seed >> 8) % 100);
		if (*slot == NULL)
			bad++;
		else
			**slot = (intptr_t)number;
	}
	for (i = 0; i < HELD; i++)
		if (held[i] != NULL && talloc_free(held[i]) != 0)
			bad++;
	return NULL;
}

static int count_destroyed(atomic_int **counter)
{
	(**counter)++;
	return 0;
}

/* Whole trees: names, strings, destructors, resizing, pools. */
static void *trees(void *number)
{
	atomic_int destroyed;
	int i;

	destroyed = 0;
	for (i = 0; i < rounds / 8; i++) {
		void *top = talloc_init("thread %d", (int)(intptr_t)number);
		atomic_int **child = talloc(top, atomic_int *);
		void *pool = talloc_pool(NULL, 500);
		char *text = talloc_asprintf(pool, "%d", i);

		*child = &destroyed;
		talloc_set_destructor(child, count_destroyed);
		text = talloc_asprintf_append(text, "-%d", i);
		if (atoi(text) != i || talloc_total_blocks(top) != 3)
			bad++;
		text = talloc_realloc(pool, text, char, 2000);
		if (atoi(text) != i)
			bad++;
		if (talloc_free(pool) != 0 || talloc_free(top) != 0)
			bad++;
	}
	if (destroyed != rounds / 8)
		bad++;
	return NULL;
}

/* Chunks that enter and leave the list by other ways. */
static void *in_and_out(void *number)
{
	void *home = talloc_named_const(NULL, 0, "home");
	int i;

	for (i = 0; i < rounds / 4; i++) {
		intptr_t *ptr = talloc(home, intptr_t);

		*ptr = (intptr_t)number;
		talloc_steal(NULL, ptr);
		talloc_steal(home, ptr);
		talloc_steal(NULL, ptr);
		ptr = talloc_realloc(NULL, ptr, intptr_t, 100);
		if (*ptr != (intptr_t)number || talloc_unlink(NULL, ptr) != 0)
			bad++;
	}
	if (talloc_total_blocks(home) != 1 || talloc_free(home) != 0)
		bad++;
	return NULL;
}

/* References by nobody hang in the same list. */
static void *counted(void *number)
{
	int i;

	for (i = 0; i < rounds / 4; i++) {
		intptr_t *ptr = talloc(NULL, intptr_t);

		*ptr = (intptr_t)number;
		if (talloc_increase_ref_count(ptr) != 0 || talloc_unlink(NULL, ptr) != 0 ||
		    *ptr != (intptr_t)number || talloc_free(ptr) != 0)
			bad++;
	}
	return NULL;
}

static void two(void)
{
	rounds = 2 * ROUNDS;
	run_threads(2, one_by_one);
	nothing_is_left();
	run_threads(2, a_handful);
	nothing_is_left();
	run_threads(2, trees);
	nothing_is_left();
	run_threads(2, in_and_out);
	nothing_is_left();
	run_threads(2, counted);
	nothing_is_left();
}

static void eight(void)
{
	rounds = ROUNDS;
	run_threads(8, one_by_one);
	nothing_is_left();
	run_threads(8, a_handful);
	nothing_is_left();
	run_threads(8, trees);
	nothing_is_left();
	run_threads(8, in_and_out);
	nothing_is_left();
	run_threads(8, counted);
	nothing_is_left();
}

/* What the threads leave is whole: all there, each once. */
static void *leave_some(void *number)
{
	int i;

	(void)number;
	for (i = 0; i < 5000; i++) {
		void *ptr = talloc_named_const(NULL, 1, "left");

		if (ptr == NULL || talloc_named_const(NULL, 1, "left") == NULL)
			bad++;
		talloc_free(ptr);
	}
	return NULL;
}

static void what_is_left_is_whole(void)
{
	void *null = talloc_parent(talloc_named_const(NULL, 1, "left"));

	run_threads(8, leave_some);
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_total_blocks(NULL), 40002);
	CHECK_INT(talloc_total_size(NULL), 40001);
	talloc_free_children(null);
	nothing_is_left();
}

/* Without null tracking the threads share nothing. */
static void without_tracking(void)
{
	talloc_disable_null_tracking();
	rounds = ROUNDS;
	run_threads(8, a_handful);
	CHECK_INT(bad, 0);
	run_threads(8, trees);
	CHECK_INT(bad, 0);
	talloc_enable_null_tracking_no_autofree();
}

static void *until_stopped(void *number)
{
	while (!stop) {
		void *ptr = talloc_named_const(NULL, 16, "churn");

		(void)number;
		if (talloc_strdup(ptr, "text") == NULL || talloc_free(ptr) != 0)
			bad++;
	}
	return NULL;
}

/*
 * Whatever the threads were doing at the fork: the child can go on. What they have
 * below their chunks may be half made, so it looks at its own only.
 */
static int after_fork(void)
{
	int i, failed = 0;

	alarm(5);
	for (i = 0; i < 200; i++) {
		void *ptr = talloc_named_const(NULL, 100, "child's own");

		failed |= ptr == NULL || talloc_strdup(ptr, "text") == NULL;
		failed |= talloc_free(ptr) != 0;
	}
	return failed;
}

static void fork_among_threads(void)
{
	pthread_t thread[4];
	int i, failed = 0;

	bad = 0;
	stop = 0;
	for (i = 0; i < 4; i++)
		if (pthread_create(&thread[i], NULL, until_stopped, NULL) != 0)
			exit(99);
	for (i = 0; i < 100; i++) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0)
			_exit(after_fork());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			failed++;
		/* some hang: not a hundred times five seconds */
		if (failed > 2)
			break;
	}
	stop = 1;
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CHECK_INT(failed, 0);
	nothing_is_left();
}

int main(void)
{
	alarm(60);
	talloc_enable_null_tracking_no_autofree();
	RUN(two);
	RUN(eight);
	RUN(what_is_left_is_whole);
	RUN(without_tracking);
	RUN(fork_among_threads);
	TEST_END();
}
