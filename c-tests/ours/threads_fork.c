/*
 * Forks at any moment while eight threads allocate: the child can go on.
 *
 * usage: threads_fork [ROUNDS]     all of it that often, 1 if not given
 */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define THREADS 8

/* Can be made smaller for a tool that makes programs slow. */
#ifndef FORKS
#define FORKS 200
#endif

static atomic_int bad, stop;
static atomic_long work_done;
static FILE *null_file;

/* --- what goes on at the time of the fork --- */

static unsigned int next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(*seed >> 33);
}

/*
 * Top-level chunks only. Nothing hangs below them, so that the whole of the null
 * context is in order in a child: a fork takes no notice of what another thread
 * is about to do in a tree of its own.
 */
static void *top_level_chunks(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;
	void *held[16] = { NULL };
	int i;

	while (!stop) {
		void **slot = &held[next_random(&seed) % 16];

		if (*slot == NULL) {
			*slot = talloc_named_const(NULL, next_random(&seed) % 2000, "top");
		} else if (next_random(&seed) % 2 == 0) {
			/* moves it in memory, under the eyes of its neighbours */
			*slot = talloc_realloc_size(NULL, *slot, 1 + next_random(&seed) % 200000);
		} else {
			bad += talloc_free(*slot) != 0;
			*slot = NULL;
			continue;
		}
		bad += *slot == NULL;
		work_done++;
	}
	for (i = 0; i < 16; i++)
		talloc_free(held[i]);
	return NULL;
}

static void *trees(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;

	while (!stop) {
		void *top = talloc_init("thread %d", (int)(intptr_t)number);
		void *pool = talloc_pool(top, 1000);
		char *text = talloc_asprintf(pool, "%u", next_random(&seed));
		void *cache = talloc_pool_cache(NULL, 1000, 100);

		talloc_set_memlimit(top, 1 << 20);
		text = talloc_asprintf_append(text, "%1000d", 1);
		talloc_reference(cache, text);
		bad += talloc_cache_zero(cache) == NULL;
		bad += talloc_free(top) != 0 || talloc_free(cache) != 0;
		work_done++;
	}
	return NULL;
}

static pthread_t thread[THREADS];

static void start(void *(*fn)(void *))
{
	int i;

	bad = 0;
	stop = 0;
	work_done = 0;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, fn, (void *)(intptr_t)(i + 1)) != 0)
			exit(99);
}

static void finish(void)
{
	int i;

	stop = 1;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_INT(bad, 0);
	CHECK(work_done > 0);
	CHECK_STR(tree_of(NULL), "null_context");
}

/* --- the children --- */

static void count_shown(const void *ptr, int depth, int max_depth, int is_ref, void *count)
{
	(void)max_depth;
	(void)is_ref;
	if (depth == 1 && talloc_get_size(ptr) != (size_t)-1)
		(*(size_t *)count)++;
}

/* Top-level chunks and trees of its own. */
static int can_work(void)
{
	int i, failed = 0;

	for (i = 0; i < 100; i++) {
		void *top = talloc_named(NULL, 100, "child's %d", i), *pool;
		char *text;

		if (top == NULL)
			return 1;
		pool = talloc_pool(top, 1000);
		text = talloc_strdup(pool, "text");
		text = talloc_asprintf_append(text, "%3000d", i);
		failed |= text == NULL || strlen(text) != 3004;
		failed |= talloc_total_blocks(top) != 4;
		talloc_report_full(top, null_file);
		talloc_show_parents(text, null_file);
		top = talloc_realloc_size(NULL, top, 100000);
		failed |= top == NULL || talloc_free(top) != 0;
	}
	return failed;
}

/* The same with all that the other threads have left behind. */
static int can_work_and_report(void)
{
	size_t before = 0, after = 0, blocks = talloc_total_blocks(NULL);
	void *ptr, *null;

	talloc_report_depth_cb(NULL, 0, -1, count_shown, &before);
	if (before > THREADS * 16 + 10 || blocks != before + 1 || can_work() != 0)
		return 1;
	talloc_report_full(NULL, null_file);
	talloc_report_depth_cb(NULL, 0, -1, count_shown, &after);
	if (after != before)
		return 1;
	/* and it can do away with it */
	ptr = talloc_new(NULL);
	null = talloc_parent(ptr);
	if (null == NULL)
		return 1;
	talloc_free_children(null);
	if (talloc_total_blocks(NULL) != 1)
		return 1;
	talloc_disable_null_tracking();
	talloc_enable_null_tracking();
	return can_work();
}

/* It may have threads itself, and fork. */
static void *work_in_a_thread(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)can_work();
}

static int can_go_on_like_the_parent(void)
{
	pthread_t own[2];
	void *result;
	int i, failed = 0, status = -1;
	pid_t pid;

	for (i = 0; i < 2; i++)
		if (pthread_create(&own[i], NULL, work_in_a_thread, NULL) != 0)
			return 1;
	pid = fork();
	if (pid == 0) {
		alarm(10);
		/* one of the two threads may have been writing to the other file: with musl it
		 * stays locked in the child for ever */
		null_file = fopen("/dev/null", "w");
		_exit(null_file == NULL || can_work());
	}
	failed |= waitpid(pid, &status, 0) != pid || status != 0;
	for (i = 0; i < 2; i++) {
		pthread_join(own[i], &result);
		failed |= result != NULL;
	}
	return failed | can_work();
}

/*
 * What the thread that forks has made itself is whole in the child, to the byte: a tree
 * with all there is, made and changed until right before the fork.
 */
static struct {
	void *top, *pool, *cache, *limited;
	char *text, *shared;
	size_t blocks, size;
} own;

static int deaths;

static int count_death(void *ptr)
{
	(void)ptr;
	deaths++;
	return 0;
}

static void own_make(unsigned int round)
{
	unsigned int i;

	own.top = talloc_named(NULL, 50, "own %u", round);
	own.pool = talloc_pool(own.top, 2000);
	own.cache = talloc_pool_cache(own.top, 1000, 100);
	own.limited = talloc_named_const(own.top, 100, "limited");
	talloc_set_memlimit(own.limited, 100000);
	own.shared = talloc_strdup(own.limited, "shared");
	own.text = talloc_strdup(own.pool, "");
	for (i = 0; i < 4 + round % 5; i++) {
		void *object = talloc_cache_zero(own.cache);

		_talloc_set_destructor(object, count_death);
		talloc_reference(object, own.shared);
		own.text = talloc_asprintf_append(own.text, "%200u", i);
		talloc_named_const(i % 2 ? own.limited : own.pool, i * 100, "part");
	}
	own.top = talloc_realloc_size(NULL, own.top, 50 + round);
	own.blocks = talloc_total_blocks(own.top);
	own.size = talloc_total_size(own.top);
}

static void count_all(const void *ptr, int depth, int max_depth, int is_ref, void *count)
{
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(*(size_t *)count) += talloc_get_name(ptr) != NULL;
}

static int own_is_whole(void)
{
	size_t shown = 0, objects = talloc_reference_count(own.shared);
	void *part;
	int failed = 0;

	if (talloc_total_blocks(own.top) != own.blocks || talloc_total_size(own.top) != own.size)
		return 2;
	talloc_report_depth_cb(own.top, 0, -1, count_all, &shown);
	talloc_report_full(own.top, null_file);
	talloc_show_parents(own.text, null_file);
	failed |= shown != own.blocks;
	failed |= !talloc_is_parent(own.text, own.top) || talloc_parent(own.shared) != own.limited;
	/* and goes on */
	part = talloc_size(own.limited, 90000);
	failed |= part == NULL || talloc_size(own.limited, 90000) != NULL || talloc_free(part) != 0;
	failed |= talloc_cache(own.cache) == NULL;
	own.text = talloc_asprintf_append_buffer(own.text, "%3000d", 1);
	failed |= own.text == NULL || talloc_steal(NULL, own.text) != own.text;
	talloc_steal(own.limited, own.text);
	failed |= talloc_total_size(own.limited) < 3000;
	deaths = 0;
	failed |= talloc_free(own.top) != 0 || deaths != (int)objects;
	return failed ? 3 : 0;
}

#ifndef UNDER_TSAN
/*
 * All that is there, with the trees that other threads are in the middle of: what it
 * looks like nobody knows, but looking comes to an end.
 */
static int can_look_at_all(void)
{
	size_t shown = 0;

	if (talloc_total_blocks(NULL) < 1)
		return 4;
	talloc_total_size(NULL);
	talloc_report_depth_cb(NULL, 0, -1, count_all, &shown);
	talloc_report_depth_file(NULL, 0, 1, null_file);
	talloc_report_full(NULL, null_file);
	return shown < 1 ? 5 : 0;
}

static int looks_then_works(void)
{
	int failed = can_look_at_all();

	if (failed == 0)
		failed = own_is_whole();
	return failed ? failed : can_work();
}
#endif

/* by_exit: with what is done at exit. */
static int forks(int count, int (*fn)(void), bool by_exit)
{
	int i, failed = 0;

	fflush(stdout);
	for (i = 0; i < count; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			int result;

			alarm(10);
			result = fn();
			if (!by_exit)
				_exit(result);
			/* leak reports, of which there is one each time */
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(1);
			/* what the parent has not written yet is not ours to write */
			fclose(stdout);
			exit(result);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
			fprintf(stderr, "child %d: status %#x\n", i, (unsigned int)status);
			failed++;
		}
		/* some hang: not all of them ten seconds */
		if (failed > 2)
			break;
	}
	return failed;
}

/* --- tests --- */

static void among_top_level_chunks(void)
{
	start(top_level_chunks);
	CHECK_INT(forks(FORKS / 2, can_work_and_report, false), 0);
	CHECK_INT(forks(FORKS / 4, can_work_and_report, true), 0);
	finish();
}

static void among_trees(void)
{
	start(trees);
	CHECK_INT(forks(FORKS / 2, can_work, false), 0);
	finish();
}

/* A new tree before each fork, among the one and the other. */
static void with_trees_of_its_own(void (*begin)(void), int (*fn)(void))
{
	unsigned int i;
	int failed = 0;

	begin();
	for (i = 0; i < FORKS / 4 && failed < 3; i++) {
		own_make(i);
		failed += forks(1, fn, false);
		if (talloc_total_blocks(own.top) != own.blocks || talloc_free(own.top) != 0)
			bad++;
	}
	CHECK_INT(failed, 0);
	finish();
}

static void start_top_level(void) { start(top_level_chunks); }
static void start_trees(void) { start(trees); }

#ifndef UNDER_TSAN
static void *some_of_each(void *number)
{
	return (intptr_t)number % 2 ? trees(number) : top_level_chunks(number);
}

static void start_both(void) { start(some_of_each); }
#endif

static void own_trees(void)
{
	with_trees_of_its_own(start_top_level, own_is_whole);
	with_trees_of_its_own(start_trees, own_is_whole);
#ifndef UNDER_TSAN
	/* ThreadSanitizer takes what other threads were doing for a race in the child. */
	with_trees_of_its_own(start_both, looks_then_works);
#endif
}

#ifndef UNDER_TSAN
/* ThreadSanitizer knows of no threads after a fork among threads. */
static void threads_in_the_child(void)
{
	start(top_level_chunks);
	CHECK_INT(forks(FORKS / 8, can_go_on_like_the_parent, false), 0);
	finish();
}
#endif

/* Not the main thread forks, but one that allocates itself, several at a time. */
static void *fork_and_work(void *number)
{
	int i;

	for (i = 0; i < FORKS / 16; i++) {
		void *ptr = talloc_named_const(NULL, 100, "forker");

		bad += forks(1, can_work, false) != 0;
		bad += talloc_free(ptr) != 0;
		work_done++;
	}
	return number;
}

static void several_at_once(void)
{
	start(fork_and_work);
	finish();
}

/* In a destructor and in a callback of a report no lock may be held. */
static int fork_in_destructor(void *ptr)
{
	(void)ptr;
	bad += forks(1, can_work, false) != 0;
	return 0;
}

static void fork_in_callback(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)unused;
	bad += forks(1, can_work, false) != 0;
}

static void from_callbacks(void)
{
	int i;

	start(top_level_chunks);
	for (i = 0; i < FORKS / 16; i++) {
		void *top = talloc_named_const(NULL, 0, "top");

		_talloc_set_destructor(top, fork_in_destructor);
		_talloc_set_destructor(talloc_named_const(top, 0, "child"), fork_in_destructor);
		talloc_report_depth_cb(top, 0, -1, fork_in_callback, NULL);
		bad += talloc_free(top) != 0;
	}
	finish();
}

/*
 * The program's own fork handlers, which may allocate; glibc runs those that are
 * registered first the innermost, within the library's own. Runs in a process of
 * its own, since they cannot be taken back.
 */
static atomic_int handled;
static void *from_prepare;

static void prepare(void)
{
	from_prepare = talloc_named(NULL, 10, "made in %s", "prepare");
	talloc_free(talloc_realloc_size(NULL, talloc_new(NULL), 100000));
	handled++;
}

static void after(void)
{
	talloc_free(from_prepare);
	from_prepare = NULL;
	talloc_free(talloc_new(NULL));
	handled++;
}

/* A child has no alarm from its parent. */
static void after_in_child(void)
{
	alarm(10);
	after();
}

static int handlers_have_run(void)
{
	return handled < 2 || handled % 2 != 0 || can_work() != 0;
}

static void fork_with_handlers(void)
{
	start(top_level_chunks);
	CHECK_INT(forks(FORKS / 8, handlers_have_run, false), 0);
	CHECK_INT(handled, FORKS / 8 * 2);
	finish();
}

static void handlers_first(void)
{
	alarm(20);
	test_failures = 0;
	pthread_atfork(prepare, after, after_in_child);
	talloc_enable_null_tracking();
	fork_with_handlers();
	exit(test_failures != 0);
}

static void library_first(void)
{
	alarm(20);
	test_failures = 0;
	talloc_enable_null_tracking();
	pthread_atfork(prepare, after, after_in_child);
	fork_with_handlers();
	exit(test_failures != 0);
}

static void handlers_of_the_program(void)
{
	struct outcome *o = run_apart(handlers_first, false);

	CHECK_INT(o->status, 0);
	o = run_apart(library_first, false);
	CHECK_INT(o->status, 0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;

	null_file = fopen("/dev/null", "w");
	if (null_file == NULL)
		return 99;
	while (rounds-- > 0 && test_failures == 0) {
		alarm(110);
		/* once a leak report is on it stays so, to the last round */
		RUN(handlers_of_the_program);
		talloc_enable_leak_report_full();
		RUN(among_top_level_chunks);
		RUN(among_trees);
		RUN(own_trees);
#ifndef UNDER_TSAN
		RUN(threads_in_the_child);
#endif
		RUN(several_at_once);
		RUN(from_callbacks);
	}
	TEST_END();
}
