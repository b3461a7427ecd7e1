/*
 * Deep chains and long lists of siblings: no recursion on depth anywhere, and
 * no walk along the siblings to find the parent.
 */
#include "../test.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Can be made smaller, to try the tests themselves on the original. */
#ifndef DEEP
#define DEEP 1000000
#endif
#ifndef THREAD_DEEP
#define THREAD_DEEP 20000
#endif
#ifndef WIDE
#define WIDE 1000000
#endif
#ifndef REPORT_DEEP
#define REPORT_DEEP 20000
#endif

static FILE *null_file;

/* The processor time of this process, in seconds. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A chain of depth chunks of 8 bytes below ctx; gives its first, and its last in *end. */
static void *chain(const void *ctx, int depth, void **end)
{
	void *first = talloc_named_const(ctx, 8, "first"), *ptr = first;
	int i;

	for (i = 1; i < depth; i++)
		ptr = talloc_named_const(ptr, 8, "link");
	if (end != NULL)
		*end = ptr;
	return first;
}

static void free_the_top(void)
{
	CHECK_INT(talloc_free(chain(NULL, DEEP, NULL)), 0);
}

static void free_the_children(void)
{
	void *first = chain(NULL, DEEP, NULL);

	talloc_free_children(first);
	CHECK_INT(talloc_total_blocks(first), 1);
	CHECK_INT(talloc_free(first), 0);
}

static int destroyed;

static int count_destroyed(void *ptr)
{
	(void)ptr;
	destroyed++;
	return 0;
}

static void free_with_destructors(void)
{
	void *first = talloc_named_const(NULL, 8, "first"), *ptr = first;
	int i;

	for (i = 1; i < DEEP; i++) {
		_talloc_set_destructor(ptr, count_destroyed);
		ptr = talloc_named_const(ptr, 8, "link");
		/* some that are not on the chain */
		if (i % 10 == 0)
			_talloc_set_destructor(talloc_named_const(talloc_parent(ptr), 8, "side"),
					       count_destroyed);
	}
	_talloc_set_destructor(ptr, count_destroyed);
	destroyed = 0;
	CHECK_INT(talloc_free(first), 0);
	CHECK_INT(destroyed, DEEP + (DEEP - 1) / 10);
}

static int refusals_left;

static int refuse_for_a_while(void *ptr)
{
	(void)ptr;
	return refusals_left-- > 0 ? -1 : 0;
}

static void refusing_at_the_bottom(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *end;
	void *first = chain(top, DEEP, &end);

	/* it climbs as long as it refuses, one level each time */
	_talloc_set_destructor(end, refuse_for_a_while);
	refusals_left = 1000;
	CHECK_INT(talloc_free(first), 0);
	CHECK_INT(refusals_left, -1);
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_free(top), 0);
}

static void reference_to_the_bottom(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *end;
	void *first = chain(top, DEEP, &end);

	talloc_set_name_const(end, "end");
	talloc_reference(top, end);
	CHECK_INT(talloc_free(first), 0);
	CHECK_STR(tree_of(top), "top{end}");
	CHECK_INT(talloc_free(top), 0);
}

static void reference_from_the_bottom(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *end;
	void *first = chain(top, DEEP, &end);

	/* whether the referrer is below takes the whole way up */
	_talloc_set_destructor(first, count_destroyed);
	destroyed = 0;
	talloc_reference(end, first);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(destroyed, 1);
}

static void totals(void)
{
	void *first = chain(NULL, DEEP, NULL);

	CHECK_INT(talloc_total_blocks(first), DEEP);
	CHECK_INT(talloc_total_size(first), 8LL * DEEP);
	CHECK_INT(talloc_free(first), 0);
}

static void upwards(void)
{
	void *other = talloc_new(NULL), *end;
	void *first = chain(NULL, DEEP, &end);

	CHECK_INT(talloc_is_parent(end, first), 1);
	CHECK_INT(talloc_is_parent(first, end), 0);
	CHECK_INT(talloc_is_parent(end, other), 0);
	CHECK(talloc_find_parent_byname(end, "first") == first);
	CHECK(talloc_find_parent_byname(end, "absent") == NULL);
	talloc_show_parents(end, null_file);
	CHECK_INT(talloc_free(first), 0);
	CHECK_INT(talloc_free(other), 0);
}

/* The original gives up at TALLOC_MAX_DEPTH levels. */
static void is_parent_around_the_old_limit(void)
{
	int depth;

	for (depth = 9998; depth <= 10003; depth++) {
		void *end, *first = chain(NULL, depth, &end);

		CHECK_INT(talloc_is_parent(end, first), 1);
		CHECK_INT(talloc_is_parent(first, end), 0);
		CHECK_INT(talloc_free(first), 0);
	}
}

static int walked, walk_bad;

static void walk(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)ptr;
	(void)private_data;
	walk_bad += depth != walked || max_depth != -1 || is_ref;
	walked++;
}

static void reports(void)
{
	void *first = chain(NULL, DEEP, NULL);
	char want[256];

	walked = walk_bad = 0;
	talloc_report_depth_cb(first, 0, -1, walk, NULL);
	CHECK_INT(walked, DEEP);
	CHECK_INT(walk_bad, 0);
	/* two lines, with the totals of all */
	snprintf(want, sizeof(want),
		 "talloc report on 'first' (total %6d bytes in %3d blocks)\n"
		 "    link                           contains %6d bytes in %3d blocks (ref 0)\n",
		 8 * DEEP, DEEP, 8 * (DEEP - 1), DEEP - 1);
	CHECK_STR(without_addresses(text_of(talloc_report, first)), want);
	/* to the bottom, but only some lines are written: none at all */
	talloc_report_full(first, NULL);
	CHECK_INT(talloc_free(first), 0);
}

/*
 * A full report on a chain indents each line further than the one before, so
 * the text alone is O(n^2) bytes: 0.8 GB here.  So the time it takes is
 * compared with that of writing the same lines.
 */
static void full_report(void)
{
	void *first = chain(NULL, REPORT_DEEP, NULL);
	double start, plain, report;
	int i;

	start = now();
	for (i = 1; i < REPORT_DEEP; i++)
		fprintf(null_file, "%*s%-30s contains %6lu bytes in %3lu blocks (ref %d) %p\n",
			4 * i, "", "link", 8UL * (unsigned long)(REPORT_DEEP - i),
			(unsigned long)(REPORT_DEEP - i), 0, first);
	fflush(null_file);
	plain = now() - start;
	start = now();
	talloc_report_full(first, null_file);
	fflush(null_file);
	report = now() - start;
	if (report > 2 * plain + 0.5)
		fprintf(stderr, "report %.3f s, plain text %.3f s\n", report, plain);
	CHECK(report <= 2 * plain + 0.5);
	CHECK_INT(talloc_free(first), 0);
}

/* The same without the text: much below, little indented. */
static void full_report_of_a_broad_tree(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *ptr = top;
	double start = now();
	int i, j;

	for (i = 0; i < 50; i++) {
		ptr = talloc_named_const(ptr, 1, "chain");
		for (j = 0; j < 4000; j++)
			talloc_named_const(ptr, 1, "leaf");
	}
	CHECK_INT(talloc_total_blocks(top), 50 * 4001 + 1);
	talloc_report_full(top, null_file);
	CHECK_INT(talloc_free(top), 0);
	CHECK(now() - start < 5);
}

static void steal(void)
{
	void *a = talloc_named_const(NULL, 0, "a"), *b = talloc_named_const(NULL, 0, "b"), *end;
	void *first = chain(a, DEEP, &end);

	CHECK(talloc_steal(b, first) == first);
	CHECK(talloc_parent(first) == b);
	CHECK_INT(talloc_total_blocks(a), 1);
	CHECK_INT(talloc_total_blocks(b), DEEP + 1);
	/* from the bottom of one to the bottom of another */
	CHECK(talloc_steal(a, end) == end);
	CHECK_INT(talloc_total_blocks(b), DEEP);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(b), 0);
}

static void steal_with_limits(void)
{
	void *from = talloc_named_const(NULL, 0, "from"), *to = talloc_named_const(NULL, 0, "to");
	void *first;

	CHECK_INT(talloc_set_memlimit(from, TEST_PLENTY), 0);
	CHECK_INT(talloc_set_memlimit(to, TEST_PLENTY), 0);
	first = chain(from, DEEP, NULL);
	CHECK(talloc_steal(to, first) == first);
	CHECK_INT(talloc_total_blocks(to), DEEP + 1);
	CHECK(talloc_steal(from, first) == first);
	CHECK(talloc_steal(NULL, first) == first);
	CHECK_INT(talloc_free(from), 0);
	CHECK_INT(talloc_total_blocks(first), DEEP);
	CHECK(talloc_steal(to, first) == first);
	CHECK_INT(talloc_free(to), 0);
}

static void limit_on_a_deep_chain(void)
{
	void *first = chain(NULL, DEEP, NULL);

	CHECK_INT(talloc_set_memlimit(first, TEST_PLENTY), 0);
	CHECK(talloc_new(first) != NULL);
	CHECK_INT(talloc_set_memlimit(first, 1), 0);
	CHECK(talloc_new(first) == NULL);
	CHECK_INT(talloc_free(first), 0);
}

static void limits_on_each_level(void)
{
	void *first = talloc_named_const(NULL, 8, "first"), *ptr = first;
	int i;

	for (i = 0; i < 1000; i++) {
		ptr = talloc_named_const(ptr, 8, "link");
		talloc_set_memlimit(ptr, (size_t)1 << 30);
	}
	CHECK_INT(talloc_total_blocks(first), 1001);
	CHECK(talloc_new(ptr) != NULL);
	CHECK(talloc_steal(first, ptr) == ptr);
	CHECK_INT(talloc_free(first), 0);
}

static void move_and_reparent(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *other = talloc_named_const(NULL, 0, "other");
	void *first = chain(top, DEEP, NULL);

	CHECK(talloc_reparent(top, other, first) == first);
	CHECK(talloc_parent(first) == other);
	CHECK(talloc_move(top, &first) != NULL);
	CHECK(first == NULL);
	CHECK_INT(talloc_total_blocks(top), DEEP + 1);
	CHECK_INT(talloc_unlink(NULL, top), 0);
	CHECK_INT(talloc_free(other), 0);
}

static void in_a_pool(void)
{
	void *pool = talloc_pool(NULL, 1000000), *end;
	void *first = chain(pool, DEEP / 10, &end);

	CHECK_INT(talloc_total_blocks(pool), DEEP / 10 + 1);
	CHECK_INT(talloc_free(first), 0);
	first = chain(pool, DEEP / 10, &end);
	CHECK_INT(talloc_is_parent(end, pool), 1);
	CHECK_INT(talloc_free(pool), 0);
}

static void pools_in_pools(void)
{
	void *top = talloc_new(NULL), *ptr = top;
	int i;

	for (i = 0; i < 50000; i++)
		ptr = talloc_pool(ptr, 64);
	CHECK_INT(talloc_total_blocks(top), 50001);
	CHECK_INT(talloc_free(top), 0);
}

static void under_the_null_context(void)
{
	void *first;

	talloc_enable_null_tracking_no_autofree();
	first = chain(NULL, DEEP, NULL);
	CHECK_INT(talloc_total_blocks(NULL), DEEP + 1);
	walked = walk_bad = 0;
	talloc_report_depth_cb(NULL, 0, -1, walk, NULL);
	CHECK_INT(walked, DEEP + 1);
	CHECK_INT(talloc_free(first), 0);
	CHECK_STR(tree_of(NULL), "null_context");
	talloc_disable_null_tracking();
}

/* A chain of references: each is the only one left of a chunk without parent. */
static void chain_of_references(void)
{
	void *first = talloc_named_const(NULL, 8, "first"), *ptr = first;
	int i;

	for (i = 1; i < DEEP / 2; i++) {
		void *next = talloc_named_const(NULL, 8, "next");

		talloc_reference(ptr, next);
		/* hands it to ptr */
		if (talloc_free(next) != 0)
			break;
		ptr = next;
	}
	CHECK_INT(i, DEEP / 2);
	CHECK_INT(talloc_total_blocks(first), DEEP / 2);
	CHECK_INT(talloc_free(first), 0);
}

static int free_next(void *ptr)
{
	destroyed++;
	return talloc_free(*(void **)ptr) == 77;
}

/* Destructors that free the next are calls within calls, by their nature: some must work. */
static void destructors_that_free_the_next(void)
{
	void *next = NULL;
	int i;

	for (i = 0; i < 2000; i++) {
		void **ptr = talloc_named_const(NULL, sizeof(void *), "ptr");

		*ptr = next;
		_talloc_set_destructor(ptr, free_next);
		next = ptr;
	}
	destroyed = 0;
	CHECK_INT(talloc_free(next), 0);
	CHECK_INT(destroyed, 2000);
}

/* --- on a small stack --- */

static int thread_failures;

static void *in_a_thread(void *unused)
{
	void *end, *first, *to = talloc_named_const(NULL, 0, "to");
	int deep;

	for (deep = 10000; deep <= THREAD_DEEP; deep += 10000) {
		first = chain(NULL, deep, &end);
		thread_failures += talloc_total_blocks(first) != (size_t)deep;
		thread_failures += talloc_total_size(first) != 8 * (size_t)deep;
		thread_failures += talloc_is_parent(end, first) != 1;
		walked = walk_bad = 0;
		talloc_report_depth_cb(first, 0, -1, walk, NULL);
		thread_failures += walked != deep;
		talloc_report(first, null_file);
		talloc_show_parents(end, null_file);
		talloc_set_memlimit(to, (size_t)1 << 30);
		thread_failures += talloc_steal(to, first) != first;
		thread_failures += talloc_steal(NULL, first) != first;
		talloc_free_children(talloc_parent(end));
		thread_failures += talloc_free(first) != 0;
	}
	first = chain(to, 3000, NULL);
	talloc_report_full(first, null_file);
	thread_failures += talloc_free(to) != 0;
	return unused;
}

static void small_stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	CHECK_INT(pthread_attr_setstacksize(&attr, TEST_SMALL_STACK), 0);
	thread_failures = 0;
	CHECK_INT(pthread_create(&thread, &attr, in_a_thread, NULL), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(thread_failures, 0);
	pthread_attr_destroy(&attr);
}

/* --- many siblings --- */

#define SAMPLE 500

/* Seconds for the questions about the oldest children of a list of this length. */
static double time_siblings(int count, int what, int *bad)
{
	void *top = talloc_named_const(NULL, 0, "top"), *sample[SAMPLE];
	double start, taken;
	int i;

	for (i = 0; i < count; i++) {
		void *ptr = talloc_named_const(top, 0, "child");

		if (i < SAMPLE)
			sample[i] = ptr;
	}
	start = now();
	for (i = 0; i < SAMPLE; i++) {
		void *ptr = sample[i];

		switch (what) {
		case 0:
			*bad += talloc_parent(ptr) != top;
			break;
		case 1:
			*bad += strcmp(talloc_parent_name(ptr), "top") != 0;
			break;
		case 2:
			*bad += talloc_find_parent_byname(ptr, "top") != top;
			break;
		case 3:
			*bad += talloc_unlink(top, ptr) != 0;
			break;
		case 4:
			*bad += talloc_is_parent(ptr, top) != 1;
			break;
		case 5:
			*bad += talloc_free(ptr) != 0;
			break;
		case 6:
			*bad += talloc_reparent(top, top, ptr) != ptr;
			break;
		case 7:
			*bad += talloc_steal(top, ptr) != ptr;
			break;
		case 8:
			ptr = talloc_realloc_size(top, ptr, 5000);
			*bad += talloc_parent(ptr) != top;
			break;
		}
	}
	taken = now() - start;
	*bad += talloc_free(top) != 0;
	return taken;
}

static void siblings(void)
{
	static const char *const names[] = {
		"talloc_parent", "talloc_parent_name", "talloc_find_parent_byname",
		"talloc_unlink", "talloc_is_parent", "talloc_free", "talloc_reparent",
		"talloc_steal", "talloc_realloc",
	};
	int what, bad = 0;

	for (what = 0; what < (int)(sizeof(names) / sizeof(names[0])); what++) {
		double few, many;

		printf("# %s\n", names[what]);
		few = time_siblings(1000, what, &bad);
		many = time_siblings(WIDE, what, &bad);
		if (many > 50 * few + 0.05)
			fprintf(stderr, "%s: %g s among 1000, %g s among %d\n", names[what], few,
				many, WIDE);
		CHECK(many <= 50 * few + 0.05);
		CHECK_INT(bad, 0);
	}
}

static void many_top_level_chunks(void)
{
	void **ptr = malloc(sizeof(*ptr) * WIDE);
	double start;
	int i, bad = 0;

	talloc_enable_null_tracking_no_autofree();
	for (i = 0; i < WIDE; i++)
		ptr[i] = talloc_named_const(NULL, 0, "top");
	CHECK_INT(talloc_total_blocks(NULL), WIDE + 1);
	start = now();
	for (i = 0; i < WIDE; i++)
		bad += talloc_unlink(NULL, ptr[i]) != 0;
	CHECK(now() - start < 5);
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	for (i = 0; i < WIDE; i++)
		ptr[i] = talloc_named_const(NULL, 0, "top");
	talloc_disable_null_tracking();
	for (i = 0; i < WIDE; i++)
		bad += talloc_parent(ptr[i]) != NULL || talloc_free(ptr[i]) != 0;
	CHECK_INT(bad, 0);
	free(ptr);
}

int main(void)
{
	struct rlimit limit;

	/* as usual, whatever the caller has set */
	if (getrlimit(RLIMIT_STACK, &limit) == 0) {
		limit.rlim_cur = 8 << 20;
		setrlimit(RLIMIT_STACK, &limit);
	}
	alarm(120);
	null_file = fopen("/dev/null", "w");
	RUN(free_the_top);
	RUN(free_the_children);
	RUN(free_with_destructors);
	RUN(refusing_at_the_bottom);
	RUN(reference_to_the_bottom);
	RUN(reference_from_the_bottom);
	RUN(totals);
	RUN(upwards);
	RUN(is_parent_around_the_old_limit);
	RUN(reports);
	RUN(full_report);
	RUN(full_report_of_a_broad_tree);
	RUN(steal);
	RUN(steal_with_limits);
	RUN(limit_on_a_deep_chain);
	RUN(limits_on_each_level);
	RUN(move_and_reparent);
	RUN(in_a_pool);
	RUN(pools_in_pools);
	RUN(under_the_null_context);
	RUN(chain_of_references);
	RUN(destructors_that_free_the_next);
	RUN(small_stack);
	RUN(siblings);
	RUN(many_top_level_chunks);
	TEST_END();
}
