/*
 * Five million levels, and five million siblings, with the stack of a main
 * thread and with that of a small one.
 */
#include "../test.h"

#include <pthread.h>
#include <sys/resource.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#ifndef COUNT
#define COUNT 5000000
#endif

/* Header and memory of one chunk, as a limit counts them. */
#define WEIGHT (OUR_HEADER + 8)

static FILE *null_file;

/* What is not right, since CHECK is for the main thread only. */
static int bad;

static void must_be(int good, const char *text, int line)
{
	if (!good) {
		fprintf(stderr, "%s:%d: %s\n", __FILE__, line, text);
		bad++;
	}
}

#define MUST(cond) must_be((cond) ? 1 : 0, #cond, __LINE__)

static long shown, out_of_order;

static void show_chain(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)ptr;
	(void)unused;
	out_of_order += depth != shown || max_depth != -1 || is_ref;
	shown++;
}

static void show_list(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)ptr;
	(void)unused;
	out_of_order += depth != (shown > 0) || max_depth != -1 || is_ref;
	shown++;
}

static long destroyed;

static int count_destroyed(void *ptr)
{
	(void)ptr;
	destroyed++;
	return 0;
}

/* A limit that is what all this weighs, not one byte more. */
static void limit_to(const void *top, size_t bytes)
{
	MUST(talloc_set_memlimit(top, bytes) == 0);
	MUST(talloc_named_const(top, 0, "too much") == NULL);
	MUST(talloc_set_memlimit(top, bytes + WEIGHT) == 0);
	MUST(talloc_free(talloc_named_const(top, 8, "enough")) == 0);
	MUST(talloc_named_const(top, 9, "too much") == NULL);
}

/* --- a chain --- */

static void *chain(const void *ctx, void **end)
{
	void *first = talloc_named_const(ctx, 8, "first"), *ptr = first;
	int i;

	for (i = 1; i < COUNT; i++)
		ptr = talloc_named_const(ptr, 8, "link");
	if (ptr == NULL) {
		fprintf(stderr, "not enough memory for this test\n");
		exit(99);
	}
	*end = ptr;
	return first;
}

static void deep(void)
{
	void *a = talloc_named_const(NULL, 8, "a"), *b = talloc_named_const(NULL, 8, "b");
	void *end, *first = chain(a, &end);
	int i;

	/* counted */
	MUST(talloc_total_blocks(a) == COUNT + 1);
	MUST(talloc_total_size(a) == 8 * (size_t)(COUNT + 1));
	/* upwards */
	MUST(talloc_is_parent(end, first) == 1);
	MUST(talloc_is_parent(end, b) == 0);
	MUST(talloc_find_parent_byname(end, "a") == a);
	talloc_show_parents(end, null_file);
	/* reported */
	shown = out_of_order = 0;
	talloc_report_depth_cb(a, 0, -1, show_chain, NULL);
	MUST(shown == COUNT + 1 && out_of_order == 0);
	talloc_report(a, null_file);
	talloc_report_depth_file(a, 0, 50, null_file);
	/* stolen: as a whole, and the end of it alone */
	MUST(talloc_steal(b, first) == first);
	MUST(talloc_steal(a, end) == end);
	MUST(talloc_total_blocks(a) == 2);
	MUST(talloc_reparent(a, first, end) == end);
	MUST(talloc_move(a, &first) == talloc_parent(end));
	first = talloc_parent(end);
	/* referred to from the top */
	for (i = 0; i < 10; i++)
		MUST(talloc_reference(first, end) == end);
	MUST(talloc_reference_count(end) == 10);
	for (i = 0; i < 10; i++)
		MUST(talloc_unlink(first, end) == 0);
	MUST(talloc_free(a) == 0);
	MUST(talloc_free(b) == 0);
}

static void deep_under_limits(void)
{
	void *a = talloc_named_const(NULL, 8, "a"), *b = talloc_named_const(NULL, 8, "b");
	void *end, *first;
	size_t all = WEIGHT * (size_t)(COUNT + 1);

	/* a limit from the beginning on, and one that comes later */
	MUST(talloc_set_memlimit(a, TEST_PLENTY) == 0);
	first = chain(a, &end);
	limit_to(a, all);
	MUST(talloc_set_memlimit(b, TEST_PLENTY) == 0);
	MUST(talloc_steal(b, first) == first);
	limit_to(b, all);
	limit_to(a, WEIGHT);
	limit_to(first, all - WEIGHT);
	MUST(talloc_new(end) != NULL);
	MUST(talloc_set_memlimit(end, 1) == 0);
	MUST(talloc_new(end) == NULL);
	MUST(talloc_set_memlimit(a, 0) == 0);
	MUST(talloc_steal(a, first) == first);
	MUST(talloc_free(a) == 0);
	limit_to(b, WEIGHT);
	MUST(talloc_free(b) == 0);
}

static int stays;

static int stay_for_a_while(void *ptr)
{
	(void)ptr;
	return stays-- > 0 ? -1 : 0;
}

/* Destructors all the way down, a refusal, a referrer at the end. */
static void deep_free(void)
{
	void *top = talloc_named_const(NULL, 8, "top");
	void *end, *first = chain(top, &end), *ptr = end;
	int i;

	for (i = 0; i < COUNT; i++) {
		_talloc_set_destructor(ptr, i > 0 ? count_destroyed : stay_for_a_while);
		ptr = talloc_parent(ptr);
	}
	MUST(ptr == top);
	talloc_reference(end, first);
	destroyed = 0;
	stays = 100;
	talloc_free_children(top);
	MUST(destroyed == COUNT - 1 && stays == -1);
	MUST(talloc_total_blocks(top) == 1);
	MUST(talloc_free(top) == 0);
}

/* --- siblings --- */

static void **fill(const void *ctx)
{
	void **ptr = malloc(sizeof(*ptr) * COUNT);
	int i;

	for (i = 0; ptr != NULL && i < COUNT; i++) {
		ptr[i] = talloc_named_const(ctx, 8, "child");
		if (ptr[i] == NULL)
			break;
	}
	if (ptr == NULL || i < COUNT) {
		fprintf(stderr, "not enough memory for this test\n");
		exit(99);
	}
	return ptr;
}

static void wide(void)
{
	void *a = talloc_named_const(NULL, 8, "a"), *b = talloc_named_const(NULL, 8, "b");
	void **ptr = fill(a);
	int i, failed = 0;

	MUST(talloc_total_blocks(a) == COUNT + 1);
	MUST(talloc_total_size(a) == 8 * (size_t)(COUNT + 1));
	shown = out_of_order = 0;
	talloc_report_depth_cb(a, 0, -1, show_list, NULL);
	MUST(shown == COUNT + 1 && out_of_order == 0);
	/* five million lines */
	talloc_report(a, null_file);
	MUST(talloc_steal(b, a) == a);
	MUST(talloc_total_blocks(b) == COUNT + 2);
	/* one by one to another, oldest and newest in turn */
	for (i = 0; i < COUNT; i++) {
		void *child = ptr[i % 2 == 0 ? i / 2 : COUNT - 1 - i / 2];

		failed += talloc_is_parent(child, a) != 1;
		failed += talloc_steal(b, child) != child || talloc_parent(child) != b;
	}
	MUST(failed == 0);
	MUST(talloc_total_blocks(a) == 1);
	/* half of them with a reference, half of them moved in memory, oldest first */
	for (i = 0; i < COUNT; i += 2)
		failed += talloc_reference(a, ptr[i]) == NULL;
	for (i = 1; i < COUNT; i += 100) {
		ptr[i] = talloc_realloc_size(b, ptr[i], 200);
		failed += ptr[i] == NULL;
	}
	for (i = 0; i < COUNT; i += 200)
		failed += talloc_unlink(a, ptr[i]) != 0 || talloc_unlink(b, ptr[i]) != 0;
	MUST(failed == 0);
	talloc_free_children(b);
	MUST(talloc_total_blocks(b) == 1);
	MUST(talloc_free(b) == 0);
	free(ptr);
}

static void wide_under_limits(void)
{
	void *a = talloc_named_const(NULL, 8, "a"), *b = talloc_named_const(NULL, 8, "b");
	size_t all = WEIGHT * (size_t)(COUNT + 1);
	void **ptr = fill(a);
	int i, failed = 0;

	MUST(talloc_set_memlimit(b, TEST_PLENTY) == 0);
	limit_to(a, all);
	MUST(talloc_steal(b, a) == a);
	limit_to(b, all + WEIGHT);
	for (i = 0; i < COUNT; i++) {
		_talloc_set_destructor(ptr[i], count_destroyed);
		if (i % 2 == 0)
			failed += talloc_steal(b, ptr[i]) != ptr[i];
	}
	limit_to(b, all + WEIGHT);
	limit_to(a, all - WEIGHT * (size_t)((COUNT + 1) / 2));
	for (i = 0; i < COUNT / 2; i++)
		failed += talloc_free(ptr[i]) != 0;
	MUST(failed == 0);
	limit_to(b, all + WEIGHT - WEIGHT * (size_t)(COUNT / 2));
	destroyed = 0;
	MUST(talloc_free(b) == 0);
	MUST(destroyed == COUNT - COUNT / 2);
	free(ptr);
}

/* --- both stacks --- */

static void *run(void *fn)
{
	(*(void (**)(void))fn)();
	return NULL;
}

static void on_both_stacks(void (*fn)(void))
{
	pthread_attr_t attr;
	pthread_t thread;

	bad = 0;
	fn();
	CHECK_INT(bad, 0);
	pthread_attr_init(&attr);
	CHECK_INT(pthread_attr_setstacksize(&attr, TEST_SMALL_STACK), 0);
	CHECK_INT(pthread_create(&thread, &attr, run, &fn), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
	CHECK_INT(bad, 0);
}

static void chains(void)
{
	on_both_stacks(deep);
}

static void chains_under_limits(void)
{
	on_both_stacks(deep_under_limits);
}

static void chains_with_destructors(void)
{
	on_both_stacks(deep_free);
}

static void siblings(void)
{
	on_both_stacks(wide);
}

static void siblings_under_limits(void)
{
	on_both_stacks(wide_under_limits);
}

int main(void)
{
	struct rlimit limit;

	/* as usual, whatever the caller has set */
	if (getrlimit(RLIMIT_STACK, &limit) == 0) {
		limit.rlim_cur = 8 << 20;
		setrlimit(RLIMIT_STACK, &limit);
	}
	alarm(110);
	null_file = fopen("/dev/null", "w");
	RUN(chains);
	RUN(chains_under_limits);
	RUN(chains_with_destructors);
	RUN(siblings);
	RUN(siblings_under_limits);
	TEST_END();
}
