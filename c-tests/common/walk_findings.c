/*
 * Corners where this library once differed from the original, as random walks
 * on both found and shrank them.  Each in a process of its own, which says what
 * it sees.
 */
#include "../test.h"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

#define SEES(fn, text) CHECK_STR(run_apart(fn, true)->out, text)

/* With null tracking on, "no parent" is not the null context. */
static void older_than_tracking(void)
{
	void *c = node(NULL, "c"), *d;

	talloc_enable_null_tracking();
	d = node(NULL, "d");
	_talloc_reference_loc(d, c, "ref");
	talloc_set_log_stderr();
	printf("%d\n", _talloc_free(c, "free"));
}

static void reference_older_than_tracking(void)
{
	void *la = node(NULL, "la"), *c = node(la, "c");

	talloc_increase_ref_count(c);
	talloc_enable_null_tracking();
	printf("%d %s\n", talloc_unlink(la, c), talloc_parent_name(c));
}

static void null_is_no_heir(void)
{
	void *top, *middle, *c;

	talloc_enable_null_tracking();
	top = node(NULL, "top");
	middle = node(top, "middle");
	c = node(middle, "c");
	talloc_increase_ref_count(c);
	printf("%d", talloc_free(middle));
	printf(" %s %zu\n", talloc_parent_name(c), talloc_reference_count(c));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void autofree_with_a_parent(void)
{
	void *af = talloc_autofree_context(), *c = node(NULL, "c");

	talloc_steal(c, af);
	talloc_enable_null_tracking();
	printf("%s\n", talloc_parent_name(af));
}

static void autofree_with_a_reference_from_null(void)
{
	void *af = talloc_autofree_context(), *c = node(NULL, "c"), *x = node(NULL, "x");

	talloc_steal(c, af);
	_talloc_reference_loc(x, af, "ref");
	talloc_reparent(x, NULL, af);
	talloc_enable_null_tracking();
	printf("%s %zu\n", talloc_parent_name(af), talloc_total_blocks(NULL));
}

static void autofree_with_a_reference(void)
{
	void *c;

	talloc_enable_leak_report();
	c = talloc_named_const(NULL, 2, "s");
	_talloc_reference_loc(c, talloc_autofree_context(), "ref");
}

static void name_under_a_limit(void)
{
	void *c = talloc_new(NULL), *p;

	talloc_set_memlimit(c, 0);
	p = talloc_named_const(c, 418, "old");
	p = _talloc_realloc(NULL, p, 110, "new");
	printf("%s\n", talloc_get_name(p));
}

#pragma GCC diagnostic pop

static void *heir;

static int resize_heir(void *ptr)
{
	(void)ptr;
	heir = talloc_realloc_size(NULL, heir, 100000);
	printf("%zu\n", talloc_get_size(heir));
	return 0;
}

/* The owner of a reference from below is looked up before the destructor runs,
 * which may resize it. */
static void heir_is_resized(void)
{
	void *top = node(NULL, "top"), *c = node(top, "c");

	heir = node(c, "heir");
	_talloc_reference_loc(heir, c, "ref");
	_talloc_set_destructor(c, resize_heir);
	talloc_free_children(top);
	printf("%zu\n", talloc_total_blocks(top));
}

static void checks_the_first_argument(void)
{
	static char foreign[256];

	printf("%d\n", talloc_is_parent(foreign + 128, NULL));
}

int main(void)
{
	struct outcome *o;

	SEES(older_than_tracking, "ERROR: talloc_free with references at free\n"
				  "\treference at ref\n-1\n");
	SEES(reference_older_than_tracking, "-1 la\n");
	SEES(null_is_no_heir, "0 top 0\n");
	SEES(autofree_with_a_parent, "c\n");
	SEES(autofree_with_a_reference_from_null, "c 2\n");
	o = run_apart(autofree_with_a_reference, true);
	CHECK_STR(without_addresses(o->out),
		  "talloc report on 'null_context' (total      2 bytes in   3 blocks)\n"
		  "    s                              contains      2 bytes in   2 blocks (ref 0)\n");
	SEES(name_under_a_limit, "new\n");
	SEES(heir_is_resized, "100000\n1\n");
	o = run_apart(checks_the_first_argument, true);
	CHECK_STR(o->reason, "Bad talloc magic value - unknown value");
	TEST_END();
}
