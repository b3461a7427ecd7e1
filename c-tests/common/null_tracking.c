/*
 * Null tracking, the autofree context, and leak reports at exit.  Each test
 * changes the state of the whole process, and so has a process of its own:
 * what a test finds is printed there, and passed on.
 */
#include "../test.h"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

static const char *full_of_null(void)
{
	return without_addresses(text_of(talloc_report_full, NULL));
}

#define NULL_LINE(bytes, blocks) \
	"full talloc report on 'null_context' (total " bytes " bytes in " blocks " blocks)\n"
#define LINE(name, bytes, blocks) \
	"    " name " contains " bytes " bytes in " blocks " blocks (ref 0)\n"

static void enable(void)
{
	void *before = node(NULL, "before"), *after, *null;

	CHECK(talloc_parent(before) == NULL);
	talloc_enable_null_tracking();
	/* what is there already stays out */
	CHECK_STR(tree_of(NULL), "null_context");
	CHECK(talloc_parent(before) == NULL);
	after = node(NULL, "after");
	null = talloc_parent(after);
	CHECK(null != NULL);
	CHECK_STR(talloc_get_name(null), "null_context");
	CHECK_INT(talloc_get_size(null), 0);
	CHECK(talloc_parent(null) == NULL);
	CHECK_STR(tree_of(NULL), "null_context{after}");
	CHECK_STR(tree_of(null), "null_context{after}");
	CHECK_STR(full_of_null(), NULL_LINE("    10", "  2")
		  LINE("after                         ", "    10", "  1"));
	/* once more changes nothing */
	talloc_enable_null_tracking();
	talloc_enable_null_tracking_no_autofree();
	CHECK(talloc_parent(after) == null);
	CHECK_STR(tree_of(NULL), "null_context{after}");
	/* a steal brings the old one in */
	talloc_steal(NULL, before);
	CHECK(talloc_parent(before) == null);
	CHECK_STR(tree_of(NULL), "null_context{before after}");
	talloc_free(before);
	talloc_free(after);
	CHECK_STR(tree_of(NULL), "null_context");
}

static void all_ways_to_the_top(void)
{
	void *top, *child;
	char *text;

	talloc_enable_null_tracking();
	top = node(NULL, "top");
	child = node(top, "child");
	talloc_steal(NULL, child);
	CHECK_STR(tree_of(NULL), "null_context{child top}");
	talloc_steal(top, child);
	CHECK(talloc_move(NULL, &child) != NULL);
	CHECK_STR(tree_of(NULL), "null_context{child top}");
	talloc_strdup(NULL, "strdup");
	talloc_init("%s", "init");
	talloc_asprintf(NULL, "%s", "asprintf");
	talloc_set_name_const(talloc_pool(NULL, 100), "pool");
	talloc_set_name_const(talloc_realloc_size(NULL, NULL, 5), "realloc");
	text = talloc_strdup_append(NULL, "append");
	(void)text;
	CHECK_STR(tree_of(NULL),
		  "null_context{append realloc pool asprintf init{.name} strdup child top}");
	/* the null context by its pointer is the same */
	CHECK(talloc_parent(node(talloc_parent(top), "direct")) == talloc_parent(top));
	CHECK_INT(talloc_unlink(NULL, top), 0);
	CHECK_STR(tree_of(NULL),
		  "null_context{direct append realloc pool asprintf init{.name} strdup child}");
	talloc_free_children(NULL);
	CHECK_STR(tree_of(NULL),
		  "null_context{direct append realloc pool asprintf init{.name} strdup child}");
	talloc_free_children(talloc_parent(text));
	CHECK_STR(tree_of(NULL), "null_context");
}

static void totals(void)
{
	CHECK_INT(talloc_total_blocks(NULL), 0);
	talloc_enable_null_tracking();
	CHECK_INT(talloc_total_blocks(NULL), 1);
	CHECK_INT(talloc_total_size(NULL), 0);
	node(node(NULL, "a"), "b");
	talloc_increase_ref_count(node(NULL, "c"));
	CHECK_INT(talloc_total_blocks(NULL), 5);
	CHECK_INT(talloc_total_size(NULL), 30);
	talloc_disable_null_tracking();
	CHECK_INT(talloc_total_blocks(NULL), 0);
	CHECK_INT(talloc_total_size(NULL), 0);
}

static void disable(void)
{
	void *a, *b, *c;

	/* nothing to disable */
	talloc_disable_null_tracking();
	talloc_enable_null_tracking();
	a = node(NULL, "a");
	b = node(NULL, "b");
	c = node(b, "c");
	talloc_disable_null_tracking();
	CHECK(talloc_parent(a) == NULL);
	CHECK(talloc_parent(b) == NULL);
	CHECK(talloc_parent(c) == b);
	CHECK_STR(tree_of(NULL), "");
	talloc_disable_null_tracking();
	CHECK(talloc_parent(node(NULL, "later")) == NULL);

	/* a new one starts empty */
	talloc_enable_null_tracking();
	CHECK_STR(tree_of(NULL), "null_context");
	talloc_steal(NULL, a);
	talloc_steal(NULL, b);
	CHECK_STR(tree_of(NULL), "null_context{b{c} a}");
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(b), 0);
	CHECK_STR(tree_of(NULL), "null_context");
}

static int destroyed;

static int count_destroyed(void *ptr)
{
	(void)ptr;
	destroyed++;
	return 0;
}

static void disable_frees_nothing(void)
{
	void *a, *b;

	talloc_enable_null_tracking();
	a = node(NULL, "a");
	b = node(NULL, "b");
	_talloc_set_destructor(a, count_destroyed);
	_talloc_set_destructor(b, count_destroyed);
	talloc_reference(a, b);
	talloc_disable_null_tracking();
	CHECK_INT(destroyed, 0);
	CHECK_INT(talloc_reference_count(b), 1);
	/* one reference and no parent: the owner gets it */
	CHECK_INT(talloc_free(b), 0);
	CHECK_STR(tree_of(a), "a{b}");
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(destroyed, 2);
}

static void disable_with_many(void)
{
	void *ptr[1000];
	int i, bad = 0;

	talloc_enable_null_tracking();
	for (i = 0; i < 1000; i++)
		ptr[i] = node(NULL, "ptr");
	CHECK_INT(talloc_total_blocks(NULL), 1001);
	talloc_disable_null_tracking();
	for (i = 0; i < 1000; i++)
		bad += talloc_parent(ptr[i]) != NULL || talloc_total_blocks(ptr[i]) != 1;
	CHECK_INT(bad, 0);
	for (i = 0; i < 1000; i++)
		bad += talloc_free(ptr[i]) != 0;
	CHECK_INT(bad, 0);
}

/* --- the autofree context --- */

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void autofree_alone(void)
{
	void *autofree = talloc_autofree_context();

	CHECK(autofree != NULL);
	CHECK(talloc_autofree_context() == autofree);
	CHECK_STR(talloc_get_name(autofree), "autofree_context");
	CHECK_INT(talloc_get_size(autofree), 0);
	CHECK(talloc_parent(autofree) == NULL);
	node(autofree, "child");
	CHECK_STR(tree_of(autofree), "autofree_context{child}");
	/* freed by hand: the next call makes another */
	CHECK_INT(talloc_free(autofree), 0);
	autofree = talloc_autofree_context();
	CHECK(autofree != NULL);
	CHECK_STR(tree_of(autofree), "autofree_context");
}

static void autofree_moves_in(void)
{
	void *autofree = talloc_autofree_context();

	node(autofree, "child");
	node(NULL, "not moved");
	talloc_enable_null_tracking();
	CHECK_STR(tree_of(NULL), "null_context{autofree_context{child}}");
	CHECK(talloc_autofree_context() == autofree);
	CHECK_STR(talloc_parent_name(autofree), "null_context");
	talloc_disable_null_tracking();
	CHECK(talloc_parent(autofree) == NULL);
	CHECK(talloc_autofree_context() == autofree);
	CHECK_STR(tree_of(autofree), "autofree_context{child}");
	talloc_enable_null_tracking();
	CHECK_STR(tree_of(NULL), "null_context{autofree_context{child}}");
}

static void autofree_stays_out(void)
{
	void *autofree = talloc_autofree_context();

	node(autofree, "child");
	talloc_enable_null_tracking_no_autofree();
	CHECK_STR(tree_of(NULL), "null_context");
	CHECK(talloc_parent(autofree) == NULL);
	CHECK(talloc_autofree_context() == autofree);
	/* there is a null context already: nothing is done any more */
	talloc_enable_null_tracking();
	CHECK(talloc_parent(autofree) == NULL);
}

static void autofree_made_later(void)
{
	talloc_enable_null_tracking_no_autofree();
	talloc_autofree_context();
	CHECK_STR(tree_of(NULL), "null_context{autofree_context}");
}

static int say(void *ptr)
{
	fprintf(stderr, "destructor of %s\n", talloc_get_name(ptr));
	return 0;
}

static void autofree_with_destructors(void)
{
	void *autofree = talloc_autofree_context();
	void *first = node(autofree, "first"), *second = node(autofree, "second");

	_talloc_set_destructor(autofree, say);
	_talloc_set_destructor(first, say);
	_talloc_set_destructor(node(first, "below"), say);
	_talloc_set_destructor(second, say);
	/* not under it */
	_talloc_set_destructor(node(NULL, "other"), say);
	fputs("end\n", stderr);
}

static void autofree_freed_before(void)
{
	_talloc_set_destructor(talloc_autofree_context(), say);
	talloc_free(talloc_autofree_context());
	fputs("end\n", stderr);
}

static void autofree_made_again(void)
{
	talloc_free(talloc_autofree_context());
	_talloc_set_destructor(talloc_autofree_context(), say);
	fputs("end\n", stderr);
}

static void autofree_under_tracking(void)
{
	talloc_enable_null_tracking();
	_talloc_set_destructor(node(talloc_autofree_context(), "child"), say);
	_talloc_set_destructor(node(NULL, "other"), say);
	fputs("end\n", stderr);
}

static void autofree_at_exit(void)
{
	CHECK_STR(run_apart(autofree_with_destructors, true)->out,
		  "end\ndestructor of autofree_context\ndestructor of second\n"
		  "destructor of first\ndestructor of below\n");
	CHECK_STR(run_apart(autofree_freed_before, true)->out,
		  "destructor of autofree_context\nend\n");
	CHECK_STR(run_apart(autofree_made_again, true)->out,
		  "end\ndestructor of autofree_context\n");
	CHECK_STR(run_apart(autofree_under_tracking, true)->out, "end\ndestructor of child\n");
}

/* --- leak reports --- */

static void leak(void)
{
	talloc_enable_leak_report();
	node(node(NULL, "leaked"), "below");
}

static void leak_full(void)
{
	talloc_enable_leak_report_full();
	node(node(NULL, "leaked"), "below");
}

static void leak_none(void)
{
	talloc_enable_leak_report();
	talloc_enable_leak_report_full();
	talloc_free(node(NULL, "not leaked"));
}

/* The total is what counts, not the number of chunks. */
static void leak_of_no_bytes(void)
{
	talloc_enable_leak_report_full();
	talloc_named_const(NULL, 0, "empty");
}

static void leak_both(void)
{
	talloc_enable_leak_report();
	talloc_enable_leak_report_full();
	node(node(NULL, "leaked"), "below");
}

static void leak_both_the_other_way(void)
{
	talloc_enable_leak_report_full();
	talloc_enable_leak_report();
	node(node(NULL, "leaked"), "below");
}

static void leak_enabled_twice(void)
{
	talloc_enable_leak_report();
	talloc_enable_leak_report();
	node(NULL, "leaked");
}

static void leak_with_tracking_before(void)
{
	talloc_enable_null_tracking();
	node(NULL, "before");
	talloc_enable_leak_report();
	node(NULL, "after");
}

static void leak_of_earlier_chunks(void)
{
	node(NULL, "early");
	talloc_enable_leak_report();
}

static void leak_disabled(void)
{
	talloc_enable_leak_report();
	node(NULL, "leaked");
	talloc_disable_null_tracking();
}

/* The autofree context is gone when the report is made. */
static void leak_and_autofree(void)
{
	talloc_enable_leak_report_full();
	_talloc_set_destructor(node(talloc_autofree_context(), "in autofree"), say);
	node(NULL, "leaked");
}

static void leak_only_autofree(void)
{
	talloc_enable_leak_report_full();
	_talloc_set_destructor(node(talloc_autofree_context(), "in autofree"), say);
}

static void leak_autofree_made_before(void)
{
	_talloc_set_destructor(node(talloc_autofree_context(), "in autofree"), say);
	talloc_enable_leak_report_full();
	node(NULL, "leaked");
}

static void leak_of_references(void)
{
	void *a, *b;

	talloc_enable_leak_report_full();
	a = node(NULL, "a");
	b = node(NULL, "b");
	talloc_reference(a, b);
	talloc_increase_ref_count(a);
}

static void leak_in_a_pool(void)
{
	talloc_enable_leak_report_full();
	node(talloc_pool(NULL, 1000), "member");
}

static void leak_exit_handler(void)
{
	fputs("handler\n", stderr);
	node(NULL, "made at exit");
}

static void leak_with_a_later_handler(void)
{
	talloc_enable_leak_report();
	atexit(leak_exit_handler);
}

static void leak_with_an_earlier_handler(void)
{
	atexit(leak_exit_handler);
	talloc_enable_leak_report();
	node(NULL, "leaked");
}

static void leak_without_exit(void)
{
	talloc_enable_leak_report_full();
	node(NULL, "leaked");
	_exit(0);
}

static const char *left_by(void (*fn)(void))
{
	return without_addresses(run_apart(fn, true)->out);
}

#define BRIEF_LEAK(bytes, blocks) \
	"talloc report on 'null_context' (total " bytes " bytes in " blocks " blocks)\n"

static void leak_reports(void)
{
	CHECK_STR(left_by(leak), BRIEF_LEAK("    20", "  3")
		  LINE("leaked                        ", "    20", "  2"));
	CHECK_STR(left_by(leak_full), NULL_LINE("    20", "  3")
		  LINE("leaked                        ", "    20", "  2")
		  "    " LINE("below                         ", "    10", "  1"));
	CHECK_STR(left_by(leak_none), "");
	CHECK_STR(left_by(leak_of_no_bytes), "");
	CHECK_STR(left_by(leak_without_exit), "");
}

static void leak_reports_are_made_once(void)
{
	CHECK_STR(left_by(leak_both), NULL_LINE("    20", "  3")
		  LINE("leaked                        ", "    20", "  2")
		  "    " LINE("below                         ", "    10", "  1"));
	CHECK_STR(left_by(leak_both_the_other_way), NULL_LINE("    20", "  3")
		  LINE("leaked                        ", "    20", "  2")
		  "    " LINE("below                         ", "    10", "  1"));
	CHECK_STR(left_by(leak_enabled_twice), BRIEF_LEAK("    10", "  2")
		  LINE("leaked                        ", "    10", "  1"));
}

static void leak_reports_and_tracking(void)
{
	CHECK_STR(left_by(leak_with_tracking_before), BRIEF_LEAK("    20", "  3")
		  LINE("after                         ", "    10", "  1")
		  LINE("before                        ", "    10", "  1"));
	CHECK_STR(left_by(leak_of_earlier_chunks), "");
	CHECK_STR(left_by(leak_disabled), "");
	CHECK_STR(left_by(leak_in_a_pool), NULL_LINE("    10", "  3")
		  LINE("UNNAMED                       ", "    10", "  2")
		  "    " LINE("member                        ", "    10", "  1"));
	CHECK_STR(left_by(leak_of_references), NULL_LINE("    20", "  5")
		  "    reference to: a\n"
		  "    b                              contains     10 bytes in   1 blocks (ref 1)\n"
		  "    a                              contains     10 bytes in   2 blocks (ref 1)\n"
		  "        reference to: b\n");
}

static void leak_reports_and_autofree(void)
{
	CHECK_STR(left_by(leak_and_autofree), "destructor of in autofree\n"
		  NULL_LINE("    10", "  2")
		  LINE("leaked                        ", "    10", "  1"));
	CHECK_STR(left_by(leak_only_autofree), "destructor of in autofree\n");
	CHECK_STR(left_by(leak_autofree_made_before), "destructor of in autofree\n"
		  NULL_LINE("    10", "  2")
		  LINE("leaked                        ", "    10", "  1"));
}

static void leak_reports_among_handlers(void)
{
	CHECK_STR(left_by(leak_with_a_later_handler), "handler\n"
		  BRIEF_LEAK("    10", "  2")
		  LINE("made at exit                  ", "    10", "  1"));
	CHECK_STR(left_by(leak_with_an_earlier_handler), BRIEF_LEAK("    10", "  2")
		  LINE("leaked                        ", "    10", "  1") "handler\n");
}

/* --- each in its own process --- */

static void (*test)(void);

static void run_test(void)
{
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
		if (o->status != 0) {                                              \
			fprintf(stderr, "%s failed:\n%s", #fn, o->out);            \
			test_failures++;                                           \
		}                                                                  \
	} while (0)

int main(void)
{
	ALONE(enable);
	ALONE(all_ways_to_the_top);
	ALONE(totals);
	ALONE(disable);
	ALONE(disable_frees_nothing);
	ALONE(disable_with_many);
	ALONE(autofree_alone);
	ALONE(autofree_moves_in);
	ALONE(autofree_stays_out);
	ALONE(autofree_made_later);
	RUN(autofree_at_exit);
	RUN(leak_reports);
	RUN(leak_reports_are_made_once);
	RUN(leak_reports_and_tracking);
	RUN(leak_reports_and_autofree);
	RUN(leak_reports_among_handlers);
	TEST_END();
}
