/*
 * Contexts that are their own ancestors: nothing hangs.  Each test has a
 * process of its own and five seconds.
 */
#include "../test.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *top, *a, *b, *c, *tail, *aside;

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

/* a{b{c{a ...}}}, detached from top; tail hangs below b, aside below top. */
static void make_cycle(void)
{
	top = node(NULL, "top");
	a = node(top, "a");
	aside = node(top, "aside");
	b = node(a, "b");
	tail = node(b, "tail");
	c = node(b, "c");
	talloc_steal(c, a);
}

static void has_no_way_out(void)
{
	make_cycle();
	CHECK(talloc_parent(a) == c);
	CHECK(talloc_parent(b) == a);
	CHECK(talloc_parent(c) == b);
	CHECK_STR(tree_of(top), "top{aside}");
	CHECK_STR(talloc_parent_name(a), "c");
	CHECK_STR(talloc_get_name(a), "a");
}

static void find(void)
{
	make_cycle();
	CHECK(talloc_find_parent_byname(a, "a") == a);
	CHECK(talloc_find_parent_byname(a, "b") == b);
	CHECK(talloc_find_parent_byname(a, "c") == c);
	CHECK(talloc_find_parent_byname(tail, "c") == c);
	CHECK(talloc_find_parent_byname(tail, "tail") == tail);
	CHECK(talloc_find_parent_byname(a, "top") == NULL);
	CHECK(talloc_find_parent_byname(b, "absent") == NULL);
	CHECK(talloc_find_parent_byname(c, "") == NULL);
	/* from outside of the cycle itself */
	CHECK(talloc_find_parent_byname(tail, "absent") == NULL);
	CHECK(talloc_find_parent_byname(node(node(tail, "x"), "y"), "absent") == NULL);
	CHECK(talloc_find_parent_byname(a, "tail") == NULL);
	CHECK(talloc_find_parent_bytype(c, struct absent) == NULL);
}

static void show(void)
{
	const char *text;

	make_cycle();
	text = text_of(talloc_show_parents, a);
	CHECK(strncmp(text, "talloc parents of 'a'\n\t'a'\n\t'c'\n\t'b'\n", 39) == 0);
	CHECK(strlen(text) < 1000);
	text = text_of(talloc_show_parents, tail);
	CHECK(strncmp(text, "talloc parents of 'tail'\n\t'tail'\n\t'b'\n\t'a'\n\t'c'\n", 50) == 0);
	CHECK(strlen(text) < 1000);
}

static void is_parent(void)
{
	make_cycle();
	CHECK_INT(talloc_is_parent(a, a), 1);
	CHECK_INT(talloc_is_parent(a, b), 1);
	CHECK_INT(talloc_is_parent(a, c), 1);
	CHECK_INT(talloc_is_parent(b, a), 1);
	CHECK_INT(talloc_is_parent(tail, a), 1);
	CHECK_INT(talloc_is_parent(tail, c), 1);
	CHECK_INT(talloc_is_parent(a, tail), 0);
	CHECK_INT(talloc_is_parent(a, top), 0);
	CHECK_INT(talloc_is_parent(tail, top), 0);
	CHECK_INT(talloc_is_parent(tail, aside), 0);
	CHECK_INT(talloc_is_parent(aside, a), 0);
}

static void totals(void)
{
	make_cycle();
	CHECK_INT(talloc_total_blocks(top), 2);
	CHECK_INT(talloc_total_blocks(a), 4);
	CHECK_INT(talloc_total_blocks(b), 4);
	CHECK_INT(talloc_total_blocks(c), 4);
	CHECK_INT(talloc_total_size(a), 40);
	CHECK_INT(talloc_total_size(b), 40);
	CHECK_INT(talloc_total_blocks(tail), 1);
	/* and again: nothing is left marked */
	CHECK_INT(talloc_total_blocks(a), 4);
}

static void report(void)
{
	make_cycle();
	CHECK_STR(tree_of(a), "a{b{c tail}}");
	CHECK_STR(tree_of(b), "b{c{a} tail}");
	CHECK_STR(tree_of(c), "c{a{b{tail}}}");
	CHECK_STR(tree_of(a), "a{b{c tail}}");
	CHECK_STR(without_addresses(text_of(talloc_report_full, a)),
		  "full talloc report on 'a' (total     40 bytes in   4 blocks)\n"
		  "    b                              contains     30 bytes in   3 blocks (ref 0)\n"
		  "        c                              contains     10 bytes in   1 blocks (ref 0)\n"
		  "        tail                           contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(without_addresses(text_of(talloc_report, c)),
		  "talloc report on 'c' (total     40 bytes in   4 blocks)\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n");
}

static void of_two(void)
{
	a = node(NULL, "a");
	b = node(a, "b");
	talloc_steal(b, a);
	CHECK(talloc_find_parent_byname(a, "absent") == NULL);
	CHECK(talloc_find_parent_byname(b, "a") == a);
	CHECK(strlen(text_of(talloc_show_parents, a)) < 1000);
	CHECK_INT(talloc_is_parent(a, b), 1);
	CHECK_INT(talloc_is_parent(b, a), 1);
	CHECK_INT(talloc_total_blocks(a), 2);
	CHECK_STR(tree_of(a), "a{b}");
	CHECK_STR(tree_of(b), "b{a}");
	CHECK_INT(talloc_free(b), 0);
}

static void of_one(void)
{
	a = node(NULL, "a");
	/* no cycle: nothing is done */
	CHECK(talloc_steal(a, a) == a);
	CHECK(talloc_parent(a) == NULL);
	CHECK(talloc_find_parent_byname(a, "absent") == NULL);
	CHECK_STR(text_of(talloc_show_parents, a), "talloc parents of 'a'\n\t'a'\n");
	CHECK_STR(tree_of(a), "a");
	CHECK_INT(talloc_free(a), 0);
}

/* Made by a reference: its owner, below the chunk itself, gets the chunk. */
static void by_a_reference(void)
{
	a = node(NULL, "a");
	b = node(a, "b");
	talloc_reference(b, a);
	CHECK_INT(talloc_free(a), 0);
	CHECK(talloc_parent(a) == b);
	CHECK(talloc_parent(b) == a);
	CHECK(talloc_find_parent_byname(a, "absent") == NULL);
	CHECK(talloc_find_parent_byname(b, "a") == a);
	CHECK(strlen(text_of(talloc_show_parents, b)) < 1000);
	CHECK_INT(talloc_is_parent(a, top), 0);
	CHECK_INT(talloc_total_blocks(a), 2);
	CHECK_STR(tree_of(a), "a{b}");
	CHECK_INT(talloc_free(a), 0);
}

static void of_many(void)
{
	void *ptr;
	int i;

	a = ptr = node(NULL, "a");
	for (i = 1; i < 100000; i++)
		ptr = node(ptr, "link");
	tail = node(ptr, "tail");
	talloc_steal(ptr, a);
	CHECK_INT(talloc_total_blocks(a), 100001);
	CHECK_INT(talloc_is_parent(a, ptr), 1);
	CHECK_INT(talloc_is_parent(tail, a), 1);
	CHECK_INT(talloc_is_parent(a, tail), 0);
	CHECK(talloc_find_parent_byname(tail, "a") == a);
	CHECK(talloc_find_parent_byname(tail, "absent") == NULL);
	CHECK(talloc_find_parent_byname(a, "absent") == NULL);
	CHECK_INT(talloc_free(ptr), 0);
}

static int freed;

static int count_free(void *ptr)
{
	(void)ptr;
	freed++;
	return 0;
}

static void set_counters(void)
{
	freed = 0;
	_talloc_set_destructor(a, count_free);
	_talloc_set_destructor(b, count_free);
	_talloc_set_destructor(c, count_free);
	_talloc_set_destructor(tail, count_free);
}

static void freeing(void)
{
	make_cycle();
	set_counters();
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(freed, 4);
	CHECK_INT(talloc_free(top), 0);

	make_cycle();
	set_counters();
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(freed, 4);
	CHECK_INT(talloc_free(top), 0);

	make_cycle();
	set_counters();
	CHECK_INT(talloc_free(tail), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(a), "a{b{c}}");
	CHECK_INT(talloc_unlink(c, a), 0);
	CHECK_INT(freed, 4);
	CHECK_INT(talloc_free(top), 0);
}

static int refuse(void *ptr)
{
	(void)ptr;
	freed++;
	return -1;
}

/* The one that refuses is handed on, and must not go round for ever. */
static void refusing(void)
{
	make_cycle();
	freed = 0;
	_talloc_set_destructor(a, refuse);
	CHECK_INT(talloc_free(b), 0);
	CHECK(freed >= 1 && freed < 100);
	CHECK_STR(talloc_get_name(a), "a");
	_talloc_set_destructor(a, NULL);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void children_only(void)
{
	void *referred = node(NULL, "referred");

	/* the way down comes round to the chunk itself */
	make_cycle();
	set_counters();
	talloc_reference(a, referred);
	node(a, "newer");
	talloc_free_children(a);
	CHECK_INT(talloc_reference_count(referred), 0);
	CHECK(freed >= 3);
	CHECK_INT(talloc_free(referred), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void opened_again(void)
{
	make_cycle();
	talloc_steal(top, a);
	CHECK_STR(tree_of(top), "top{a{b{c tail}} aside}");
	CHECK_INT(talloc_is_parent(c, top), 1);
	CHECK(talloc_find_parent_byname(c, "top") == top);
	CHECK_INT(talloc_free(top), 0);

	/* at another place */
	make_cycle();
	talloc_steal(NULL, c);
	CHECK_STR(tree_of(c), "c{a{b{tail}}}");
	CHECK_INT(talloc_free(c), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void working_inside(void)
{
	make_cycle();
	CHECK(node(b, "new") != NULL);
	CHECK(talloc_strdup(a, "text") != NULL);
	CHECK_INT(talloc_total_blocks(a), 6);
	CHECK(talloc_reference(c, aside) == aside);
	CHECK(talloc_reference(top, b) == b);
	CHECK_STR(tree_of(top), "top{*b aside}");
	CHECK_INT(talloc_unlink(top, b), 0);
	b = talloc_realloc_size(a, b, 100000);
	talloc_set_name_const(b, "b");
	CHECK(talloc_parent(c) == b);
	CHECK_INT(talloc_is_parent(a, b), 1);
	CHECK_INT(talloc_free(tail), 0);
	talloc_free_children(a);
	CHECK_INT(talloc_free(top), 0);
}

static void with_a_limit(void)
{
	top = node(NULL, "top");
	a = node(top, "a");
	b = node(a, "b");
	c = node(b, "c");
	CHECK_INT(talloc_set_memlimit(a, 1 << 20), 0);
	talloc_steal(c, a);
	/* that it ends is all that is asked */
	node(b, "new");
	talloc_total_size(a);
	talloc_set_memlimit(b, 1 << 19);
	node(c, "new");
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void under_the_null_context(void)
{
	talloc_enable_null_tracking_no_autofree();
	make_cycle();
	CHECK_STR(tree_of(NULL), "null_context{top{aside}}");
	CHECK(talloc_find_parent_byname(tail, "null_context") == NULL);
	CHECK_INT(talloc_is_parent(a, talloc_parent(top)), 0);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(tree_of(NULL), "null_context");
}

/* --- */

static void (*test)(void);

static void run_test(void)
{
	alarm(5);
	test();
	fflush(stdout);
	_exit(test_failures ? 1 : 0);
}

#define ALONE(fn)                                                                  \
	do {                                                                       \
		struct outcome *o;                                                 \
		test = fn;                                                         \
		o = run_apart(run_test, false);                                    \
		printf("# %s\n%s", #fn, o->out);                                   \
		if (WIFSIGNALED(o->status))                                        \
			printf("not ok - ended by signal %d\n", WTERMSIG(o->status)); \
		if (o->status != 0) {                                              \
			fprintf(stderr, "%s failed:\n%s", #fn, o->out);            \
			test_failures++;                                           \
		}                                                                  \
	} while (0)

int main(void)
{
	ALONE(has_no_way_out);
	ALONE(find);
	ALONE(show);
	ALONE(is_parent);
	ALONE(totals);
	ALONE(report);
	ALONE(of_two);
	ALONE(of_one);
	ALONE(by_a_reference);
	ALONE(of_many);
	ALONE(freeing);
	ALONE(refusing);
	ALONE(children_only);
	ALONE(opened_again);
	ALONE(working_inside);
	ALONE(with_a_limit);
	ALONE(under_the_null_context);
	TEST_END();
}
