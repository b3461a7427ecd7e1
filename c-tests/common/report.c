/*
 * The exact text of the reports.  Addresses are cut off, except in one test.
 */
#include "../test.h"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

static int at_depth, at_max_depth;

static void depth_file(const void *ptr, FILE *f)
{
	talloc_report_depth_file(ptr, at_depth, at_max_depth, f);
}

static const char *brief(const void *ptr)
{
	return without_addresses(text_of(talloc_report, ptr));
}

static const char *full(const void *ptr)
{
	return without_addresses(text_of(talloc_report_full, ptr));
}

static const char *depths(const void *ptr, int depth, int max_depth)
{
	at_depth = depth;
	at_max_depth = max_depth;
	return without_addresses(text_of(depth_file, ptr));
}

static const char *parents(const void *ptr)
{
	return text_of(talloc_show_parents, ptr);
}

static void alone(void)
{
	void *top = node(NULL, "top");

	CHECK_STR(brief(top), "talloc report on 'top' (total     10 bytes in   1 blocks)\n");
	CHECK_STR(full(top), "full talloc report on 'top' (total     10 bytes in   1 blocks)\n");
	CHECK_STR(parents(top), "talloc parents of 'top'\n\t'top'\n");
	CHECK_INT(talloc_free(top), 0);
}

static void addresses(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a");
	char want[512];

	snprintf(want, sizeof(want),
		 "full talloc report on 'top' (total     20 bytes in   2 blocks)\n"
		 "    a                              contains     10 bytes in   1 blocks (ref 0) %p\n",
		 a);
	CHECK_STR(text_of(talloc_report_full, top), want);
	snprintf(want, sizeof(want),
		 "talloc report on 'top' (total     20 bytes in   2 blocks)\n"
		 "    a                              contains     10 bytes in   1 blocks (ref 0) %p\n",
		 a);
	CHECK_STR(text_of(talloc_report, top), want);
	CHECK_INT(talloc_free(top), 0);
}

static void a_tree(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b");

	talloc_strdup(b, "some text");
	talloc_named_const(a, 0, "empty");
	talloc_named_const(top, 100000, "large");
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total 100040 bytes in   6 blocks)\n"
		  "    large                          contains 100000 bytes in   1 blocks (ref 0)\n"
		  "    a                              contains     30 bytes in   4 blocks (ref 0)\n"
		  "        empty                          contains      0 bytes in   1 blocks (ref 0)\n"
		  "        b                              contains     20 bytes in   2 blocks (ref 0)\n"
		  "            some text                      contains     10 bytes in   1 blocks (ref 0)\n");
	/* the children, not what is below them */
	CHECK_STR(brief(top),
		  "talloc report on 'top' (total 100040 bytes in   6 blocks)\n"
		  "    large                          contains 100000 bytes in   1 blocks (ref 0)\n"
		  "    a                              contains     30 bytes in   4 blocks (ref 0)\n");
	CHECK_STR(full(b),
		  "full talloc report on 'b' (total     20 bytes in   2 blocks)\n"
		  "    some text                      contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(parents(b), "talloc parents of 'b'\n\t'b'\n\t'a'\n\t'top'\n");
	CHECK_INT(talloc_free(top), 0);
}

static void wide_numbers(void)
{
	void *top = talloc_named_const(NULL, 0, "top"), *many;
	int i;

	talloc_named_const(top, 12345678, "big");
	many = talloc_named_const(top, 0, "many");
	for (i = 0; i < 1234; i++)
		talloc_named_const(many, 1000, "one");
	CHECK_STR(brief(top),
		  "talloc report on 'top' (total 13579678 bytes in 1237 blocks)\n"
		  "    many                           contains 1234000 bytes in 1235 blocks (ref 0)\n"
		  "    big                            contains 12345678 bytes in   1 blocks (ref 0)\n");
	CHECK_INT(talloc_free(top), 0);
}

static void references(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b"), *c = node(a, "c");

	node(c, "below");
	talloc_reference(b, c);
	talloc_reference(b, c);
	talloc_reference(top, c);
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     50 bytes in   8 blocks)\n"
		  "    reference to: c\n"
		  "    b                              contains     10 bytes in   3 blocks (ref 0)\n"
		  "        reference to: c\n"
		  "        reference to: c\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n"
		  "        c                              contains     20 bytes in   2 blocks (ref 3)\n"
		  "            below                          contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(brief(top),
		  "talloc report on 'top' (total     50 bytes in   8 blocks)\n"
		  "    reference to: c\n"
		  "    b                              contains     10 bytes in   3 blocks (ref 0)\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n");
	CHECK_STR(brief(b),
		  "talloc report on 'b' (total     10 bytes in   3 blocks)\n"
		  "    reference to: c\n"
		  "    reference to: c\n");
	/* the reference count of the top of a report is not told */
	CHECK_STR(full(c),
		  "full talloc report on 'c' (total     20 bytes in   2 blocks)\n"
		  "    below                          contains     10 bytes in   1 blocks (ref 0)\n");
	/* parents, never owners of references */
	CHECK_STR(parents(c), "talloc parents of 'c'\n\t'c'\n\t'a'\n\t'top'\n");
	CHECK_INT(talloc_free(top), 0);
}

static void reference_to_a_stranger(void)
{
	void *top = node(NULL, "top"), *stranger = node(NULL, "stranger");

	node(stranger, "its child");
	talloc_reference(top, stranger);
	CHECK_STR(full(top), "full talloc report on 'top' (total     10 bytes in   2 blocks)\n"
			     "    reference to: stranger\n");
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(talloc_free(stranger), 0);
}

static void reference_loops(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b");

	talloc_reference(a, b);
	talloc_reference(b, a);
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     30 bytes in   5 blocks)\n"
		  "    b                              contains     10 bytes in   2 blocks (ref 1)\n"
		  "        reference to: a\n"
		  "    a                              contains     10 bytes in   2 blocks (ref 1)\n"
		  "        reference to: b\n");
	talloc_reference(a, top);
	talloc_reference(top, top);
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     30 bytes in   7 blocks)\n"
		  "    reference to: top\n"
		  "    b                              contains     10 bytes in   2 blocks (ref 1)\n"
		  "        reference to: a\n"
		  "    a                              contains     10 bytes in   3 blocks (ref 1)\n"
		  "        reference to: top\n"
		  "        reference to: b\n");
	CHECK_INT(talloc_unlink(a, top), 0);
	CHECK_INT(talloc_unlink(top, top), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void loop_of_parents(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b"), *c = node(b, "c");

	talloc_steal(c, a);
	CHECK_STR(full(top), "full talloc report on 'top' (total     10 bytes in   1 blocks)\n");
	CHECK_STR(full(a),
		  "full talloc report on 'a' (total     30 bytes in   3 blocks)\n"
		  "    b                              contains     20 bytes in   2 blocks (ref 0)\n"
		  "        c                              contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(brief(b),
		  "talloc report on 'b' (total     30 bytes in   3 blocks)\n"
		  "    c                              contains     20 bytes in   2 blocks (ref 0)\n");
	talloc_steal(top, a);
	CHECK_INT(talloc_free(top), 0);
}

static void name_chunks(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a");

	talloc_set_name(a, "nm %d%%s", 7);
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     27 bytes in   3 blocks)\n"
		  "    nm 7%s                         contains     17 bytes in   2 blocks (ref 0)\n"
		  "        .name                          contains      7 bytes in   1 blocks (ref 0)\n");
	talloc_set_name(a, "other");
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     33 bytes in   4 blocks)\n"
		  "    other                          contains     23 bytes in   3 blocks (ref 0)\n"
		  "        .name                          contains      6 bytes in   1 blocks (ref 0)\n"
		  "        .name                          contains      7 bytes in   1 blocks (ref 0)\n");
	talloc_set_name_const(a, "constant");
	CHECK_STR(brief(top),
		  "talloc report on 'top' (total     33 bytes in   4 blocks)\n"
		  "    constant                       contains     23 bytes in   3 blocks (ref 0)\n");
	talloc_free_children(top);

	talloc_named(top, 5, "%s/%s", "x", "y");
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     19 bytes in   3 blocks)\n"
		  "    x/y                            contains      9 bytes in   2 blocks (ref 0)\n"
		  "        .name                          contains      4 bytes in   1 blocks (ref 0)\n");
	CHECK_INT(talloc_free(top), 0);
}

static void odd_names(void)
{
	void *top = node(NULL, "100%d %s%n"), *a = node(top, "%s%s%s"), *b = node(a, "");

	/* names are never formats, and never cut */
	CHECK_STR(full(top),
		  "full talloc report on '100%d %s%n' (total     30 bytes in   3 blocks)\n"
		  "    %s%s%s                         contains     20 bytes in   2 blocks (ref 0)\n"
		  "                                       contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(parents(b), "talloc parents of ''\n\t''\n\t'%s%s%s'\n\t'100%d %s%n'\n");
	talloc_set_name_const(b, "exactly thirty characters long");
	talloc_set_name_const(a, "a name that is quite a lot longer than thirty characters");
	talloc_set_name_const(top, "another name that is a lot longer than thirty characters");
	CHECK_STR(full(top),
		  "full talloc report on 'another name that is a lot longer than thirty characters' "
		  "(total     30 bytes in   3 blocks)\n"
		  "    a name that is quite a lot longer than thirty characters "
		  "contains     20 bytes in   2 blocks (ref 0)\n"
		  "        exactly thirty characters long contains     10 bytes in   1 blocks (ref 0)\n");
	talloc_set_name_const(a, "two\nlines\tand a tab");
	CHECK_STR(brief(top),
		  "talloc report on 'another name that is a lot longer than thirty characters' "
		  "(total     30 bytes in   3 blocks)\n"
		  "    two\nlines\tand a tab            contains     20 bytes in   2 blocks (ref 0)\n");
	talloc_set_name_const(a, NULL);
	talloc_set_name_const(top, NULL);
	CHECK_STR(brief(top),
		  "talloc report on 'UNNAMED' (total     30 bytes in   3 blocks)\n"
		  "    UNNAMED                        contains     20 bytes in   2 blocks (ref 0)\n");
	CHECK_STR(parents(a), "talloc parents of 'UNNAMED'\n\t'UNNAMED'\n\t'UNNAMED'\n");
	talloc_reference(top, a);
	CHECK_STR(brief(top),
		  "talloc report on 'UNNAMED' (total     30 bytes in   4 blocks)\n"
		  "    reference to: UNNAMED\n"
		  "    UNNAMED                        contains     20 bytes in   2 blocks (ref 1)\n");
	CHECK_INT(talloc_free(top), 0);
}

static void very_long_name(void)
{
	void *top = node(NULL, "top");
	char *name = talloc_size(NULL, 9001), *want = talloc_size(NULL, 10000);
	int bad = 0;
	const char *got;

	memset(name, 'n', 9000);
	name[9000] = '\0';
	node(top, name);
	snprintf(want, 10000,
		 "full talloc report on 'top' (total     20 bytes in   2 blocks)\n"
		 "    %s contains     10 bytes in   1 blocks (ref 0)\n", name);
	got = full(top);
	bad = strcmp(got, want) != 0;
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(talloc_free(want), 0);
	CHECK_INT(talloc_free(name), 0);
}

static void with_depths(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b"), *o;

	node(b, "c");
	o = node(top, "o");
	talloc_reference(o, b);

	CHECK_STR(depths(top, 0, 0), "talloc report on 'top' (total     50 bytes in   6 blocks)\n");
	CHECK_STR(depths(top, 0, 1),
		  "talloc report on 'top' (total     50 bytes in   6 blocks)\n"
		  "    o                              contains     10 bytes in   2 blocks (ref 0)\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n");
	CHECK_STR(depths(top, 0, 2),
		  "talloc report on 'top' (total     50 bytes in   6 blocks)\n"
		  "    o                              contains     10 bytes in   2 blocks (ref 0)\n"
		  "        reference to: b\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n"
		  "        b                              contains     20 bytes in   2 blocks (ref 1)\n");
	CHECK_STR(depths(top, 0, 3),
		  "talloc report on 'top' (total     50 bytes in   6 blocks)\n"
		  "    o                              contains     10 bytes in   2 blocks (ref 0)\n"
		  "        reference to: b\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n"
		  "        b                              contains     20 bytes in   2 blocks (ref 1)\n"
		  "            c                              contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(depths(top, 0, -1),
		  "full talloc report on 'top' (total     50 bytes in   6 blocks)\n"
		  "    o                              contains     10 bytes in   2 blocks (ref 0)\n"
		  "        reference to: b\n"
		  "    a                              contains     30 bytes in   3 blocks (ref 0)\n"
		  "        b                              contains     20 bytes in   2 blocks (ref 1)\n"
		  "            c                              contains     10 bytes in   1 blocks (ref 0)\n");
	/* only what is at depth 0 is a heading */
	CHECK_STR(depths(top, 1, 0),
		  "    top                            contains     50 bytes in   6 blocks (ref 0)\n");
	CHECK_STR(depths(top, 1, 1),
		  "    top                            contains     50 bytes in   6 blocks (ref 0)\n");
	CHECK_STR(depths(top, 2, 1),
		  "        top                            contains     50 bytes in   6 blocks (ref 0)\n");
	CHECK_STR(depths(top, 1, 2),
		  "    top                            contains     50 bytes in   6 blocks (ref 0)\n"
		  "        o                              contains     10 bytes in   2 blocks (ref 0)\n"
		  "        a                              contains     30 bytes in   3 blocks (ref 0)\n");
	CHECK_STR(depths(b, 3, -1),
		  "            b                              contains     20 bytes in   2 blocks (ref 1)\n"
		  "                c                              contains     10 bytes in   1 blocks (ref 0)\n");
	/* any negative maximum is none */
	CHECK_STR(depths(b, 0, -5),
		  "full talloc report on 'b' (total     20 bytes in   2 blocks)\n"
		  "    c                              contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_INT(talloc_free(top), 0);
}

static void below_depth_zero(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a");

	node(a, "b");
	talloc_reference(a, top);
	/* what comes to depth 0 is a heading, here the child */
	CHECK_STR(depths(top, -1, 1),
		  "    top                            contains     30 bytes in   4 blocks (ref 1)\n"
		  "talloc report on 'a' (total     20 bytes in   3 blocks)\n"
		  "    reference to: top\n"
		  "    b                              contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_INT(talloc_unlink(a, top), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void many_levels(void)
{
	void *top = node(NULL, "0");
	char *want = talloc_strdup(NULL, "full talloc report on '0' (total    310 bytes in  31 blocks)\n");
	void *ptr = top;
	int i;

	for (i = 1; i <= 30; i++) {
		char *name = talloc_asprintf(want, "%d", i);

		ptr = node(ptr, name);
		want = talloc_asprintf_append(want, "%*s%-30s contains %6d bytes in %3d blocks (ref 0)\n",
					      4 * i, "", name, 310 - 10 * i, 31 - i);
	}
	CHECK_STR(full(top), want);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(talloc_free(want), 0);
}

static void pools(void)
{
	void *top = node(NULL, "top");
	void *pool = talloc_pool(top, 1000), *object;

	node(node(pool, "m1"), "m2");
	/* a pool starts without a name */
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     30 bytes in   4 blocks)\n"
		  "    UNNAMED                        contains     20 bytes in   3 blocks (ref 0)\n"
		  "        m1                             contains     20 bytes in   2 blocks (ref 0)\n"
		  "            m2                             contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(full(pool),
		  "full talloc report on 'UNNAMED' (total     20 bytes in   3 blocks)\n"
		  "    m1                             contains     20 bytes in   2 blocks (ref 0)\n"
		  "        m2                             contains     10 bytes in   1 blocks (ref 0)\n");
	talloc_set_name_const(pool, "pool");
	object = talloc_pooled_object(top, int, 3, 100);
	node(object, "part");
	CHECK_STR(full(top),
		  "full talloc report on 'top' (total     44 bytes in   6 blocks)\n"
		  "    int                            contains     14 bytes in   2 blocks (ref 0)\n"
		  "        part                           contains     10 bytes in   1 blocks (ref 0)\n"
		  "    pool                           contains     20 bytes in   3 blocks (ref 0)\n"
		  "        m1                             contains     20 bytes in   2 blocks (ref 0)\n"
		  "            m2                             contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_INT(talloc_free(top), 0);
}

static void show_parents(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b"), *c = node(a, "c"), *d = node(a, "d");

	/* first, middle and last in the list of a */
	CHECK_STR(parents(d), "talloc parents of 'd'\n\t'd'\n\t'a'\n\t'top'\n");
	CHECK_STR(parents(c), "talloc parents of 'c'\n\t'c'\n\t'a'\n\t'top'\n");
	CHECK_STR(parents(b), "talloc parents of 'b'\n\t'b'\n\t'a'\n\t'top'\n");
	CHECK_STR(parents(NULL), "talloc no parents for NULL\n");
	talloc_set_name(a, "name %d", 3);
	CHECK_STR(parents(b), "talloc parents of 'b'\n\t'b'\n\t'name 3'\n\t'top'\n");
	CHECK_STR(parents(talloc_get_name(a)),
		  "talloc parents of '.name'\n\t'.name'\n\t'name 3'\n\t'top'\n");
	CHECK_INT(talloc_free(top), 0);
}

static void of_null(void)
{
	void *ptr;

	CHECK_STR(brief(NULL), "");
	CHECK_STR(full(NULL), "");
	CHECK_STR(depths(NULL, 0, -1), "");
	CHECK_STR(depths(NULL, 3, 7), "");

	talloc_enable_null_tracking_no_autofree();
	CHECK_STR(brief(NULL), "talloc report on 'null_context' (total      0 bytes in   1 blocks)\n");
	CHECK_STR(full(NULL),
		  "full talloc report on 'null_context' (total      0 bytes in   1 blocks)\n");
	ptr = node(NULL, "ptr");
	node(ptr, "child");
	talloc_increase_ref_count(ptr);
	CHECK_STR(brief(NULL),
		  "talloc report on 'null_context' (total     20 bytes in   4 blocks)\n"
		  "    reference to: ptr\n"
		  "    ptr                            contains     20 bytes in   2 blocks (ref 1)\n");
	CHECK_STR(full(NULL),
		  "full talloc report on 'null_context' (total     20 bytes in   4 blocks)\n"
		  "    reference to: ptr\n"
		  "    ptr                            contains     20 bytes in   2 blocks (ref 1)\n"
		  "        child                          contains     10 bytes in   1 blocks (ref 0)\n");
	CHECK_STR(depths(NULL, 1, 2),
		  "    null_context                   contains     20 bytes in   4 blocks (ref 0)\n"
		  "        reference to: ptr\n"
		  "        ptr                            contains     20 bytes in   2 blocks (ref 1)\n");
	CHECK_STR(parents(ptr), "talloc parents of 'ptr'\n\t'ptr'\n\t'null_context'\n");
	CHECK_STR(parents(talloc_parent(ptr)),
		  "talloc parents of 'null_context'\n\t'null_context'\n");
	CHECK_STR(parents(NULL), "talloc no parents for NULL\n");
	CHECK_INT(talloc_unlink(NULL, ptr), 0);
	CHECK_INT(talloc_free(ptr), 0);
	talloc_disable_null_tracking();
	CHECK_STR(full(NULL), "");
}

static void no_file(void)
{
	void *top = node(NULL, "top");

	node(top, "a");
	talloc_report(top, NULL);
	talloc_report_full(top, NULL);
	talloc_report_depth_file(top, 0, 5, NULL);
	CHECK_STR(tree_of(top), "top{a}");
	CHECK_INT(talloc_free(top), 0);
}

int main(void)
{
	RUN(alone);
	RUN(addresses);
	RUN(a_tree);
	RUN(wide_numbers);
	RUN(references);
	RUN(reference_to_a_stranger);
	RUN(reference_loops);
	RUN(loop_of_parents);
	RUN(name_chunks);
	RUN(odd_names);
	RUN(very_long_name);
	RUN(with_depths);
	RUN(below_depth_zero);
	RUN(many_levels);
	RUN(pools);
	RUN(show_parents);
	RUN(of_null);
	RUN(no_file);
	TEST_END();
}
