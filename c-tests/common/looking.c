/*
 * Looking at trees: totals, parents, and the walk of talloc_report_depth_cb().
 */
#include "../test.h"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

/* --- totals and sizes --- */

static void sizes(void)
{
	void *top = talloc_named_const(NULL, 7, "top");

	CHECK_INT(talloc_get_size(NULL), 0);
	CHECK_INT(talloc_get_size(top), 7);
	talloc_named_const(top, 100, "child");
	CHECK_INT(talloc_get_size(top), 7);
	CHECK_INT(talloc_get_size(talloc_named_const(top, 0, "empty")), 0);
	CHECK_INT(talloc_get_size(talloc_strdup(top, "four")), 5);
	CHECK_INT(talloc_array_length(talloc_array(top, uint32_t, 12)), 12);
	CHECK_INT(talloc_free(top), 0);
}

static void totals(void)
{
	void *top = talloc_named_const(NULL, 1, "top");
	void *mid = talloc_named_const(top, 20, "mid");
	void *leaf = talloc_named_const(mid, 300, "leaf");

	talloc_named_const(top, 4000, "beside");
	CHECK_INT(talloc_total_size(top), 4321);
	CHECK_INT(talloc_total_blocks(top), 4);
	CHECK_INT(talloc_total_size(mid), 320);
	CHECK_INT(talloc_total_blocks(mid), 2);
	CHECK_INT(talloc_total_size(leaf), 300);
	CHECK_INT(talloc_total_blocks(leaf), 1);
	/* the text of a name is a chunk like others */
	talloc_set_name(leaf, "%s", "12345");
	CHECK_INT(talloc_total_size(top), 4327);
	CHECK_INT(talloc_total_blocks(top), 5);
	CHECK_INT(talloc_total_size(leaf), 306);
	/* asking changes nothing */
	CHECK_INT(talloc_total_size(top), 4327);
	CHECK_INT(talloc_free(top), 0);
}

static void totals_follow_changes(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *a = talloc_named_const(top, 10, "a");
	void *b = talloc_named_const(top, 20, "b");
	void *leaf = talloc_named_const(a, 100, "leaf");

	leaf = talloc_realloc_size(a, leaf, 200);
	CHECK_INT(talloc_total_size(a), 210);
	talloc_steal(b, leaf);
	CHECK_INT(talloc_total_size(a), 10);
	CHECK_INT(talloc_total_size(b), 220);
	CHECK_INT(talloc_total_size(top), 230);
	CHECK_INT(talloc_total_blocks(b), 2);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_total_size(top), 220);
	CHECK_INT(talloc_total_blocks(top), 3);
	CHECK_INT(talloc_free(top), 0);
}

static void totals_of_pools(void)
{
	void *top = talloc_named_const(NULL, 5, "top");
	void *pool = talloc_pool(top, 5000);
	void *member;

	CHECK_INT(talloc_get_size(pool), 0);
	CHECK_INT(talloc_total_size(pool), 0);
	CHECK_INT(talloc_total_blocks(pool), 1);
	member = talloc_named_const(pool, 100, "member");
	talloc_named_const(member, 30, "below");
	CHECK_INT(talloc_total_size(pool), 130);
	CHECK_INT(talloc_total_blocks(pool), 3);
	/* does not fit, and counts the same */
	talloc_named_const(pool, 50000, "outside");
	CHECK_INT(talloc_total_size(top), 50135);
	CHECK_INT(talloc_total_blocks(top), 5);
	/* counts where it hangs, not where it lies */
	talloc_steal(top, member);
	CHECK_INT(talloc_total_size(pool), 50000);
	CHECK_INT(talloc_total_size(top), 50135);
	CHECK_INT(talloc_free(top), 0);
}

static void totals_of_references(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b"), *c = node(a, "c");

	node(c, "below");
	talloc_reference(b, c);
	CHECK_INT(talloc_total_blocks(top), 6);
	CHECK_INT(talloc_total_size(top), 50);
	CHECK_INT(talloc_total_blocks(b), 2);
	CHECK_INT(talloc_total_size(b), 10);
	/* loops are nothing special: a handle is never followed */
	talloc_reference(c, top);
	talloc_reference(a, a);
	CHECK_INT(talloc_total_blocks(top), 8);
	CHECK_INT(talloc_total_size(top), 50);
	CHECK_INT(talloc_total_blocks(a), 5);
	CHECK_INT(talloc_unlink(c, top), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void totals_of_null(void)
{
	void *ptr;

	CHECK_INT(talloc_total_size(NULL), 0);
	CHECK_INT(talloc_total_blocks(NULL), 0);
	ptr = node(NULL, "ptr");
	CHECK_INT(talloc_total_size(NULL), 0);
	CHECK_INT(talloc_total_blocks(NULL), 0);
	talloc_free(ptr);

	talloc_enable_null_tracking_no_autofree();
	CHECK_INT(talloc_total_size(NULL), 0);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	ptr = node(NULL, "ptr");
	node(ptr, "child");
	CHECK_INT(talloc_total_size(NULL), 20);
	CHECK_INT(talloc_total_blocks(NULL), 3);
	talloc_free(ptr);
	talloc_disable_null_tracking();
	CHECK_INT(talloc_total_blocks(NULL), 0);
}

/* --- a chunk stolen under its own descendant --- */

static void counted_once_in_a_loop(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b"), *c = node(b, "c");

	talloc_steal(c, a);
	CHECK_INT(talloc_total_blocks(top), 1);
	CHECK_INT(talloc_total_blocks(a), 3);
	CHECK_INT(talloc_total_size(a), 30);
	CHECK_INT(talloc_total_blocks(b), 3);
	CHECK_INT(talloc_total_blocks(c), 3);
	CHECK(talloc_parent(a) == c);
	CHECK_STR(tree_of(a), "a{b{c}}");
	CHECK_STR(tree_of(b), "b{c{a}}");
	CHECK_INT(talloc_is_parent(a, b), 1);
	CHECK_INT(talloc_is_parent(b, a), 1);
	CHECK(talloc_find_parent_byname(a, "b") == b);
	/* and undone */
	talloc_steal(top, a);
	CHECK_STR(tree_of(top), "top{a{b{c}}}");
	CHECK_INT(talloc_total_blocks(top), 4);
	CHECK_INT(talloc_free(top), 0);
}

static void free_of_a_loop(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b"), *c = node(b, "c");

	talloc_steal(c, a);
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_free(top), 0);
}

/* --- parents --- */

static void parent(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b"), *c = node(a, "c");
	void *pool, *member;

	CHECK(talloc_parent(NULL) == NULL);
	CHECK(talloc_parent(top) == NULL);
	CHECK(talloc_parent(a) == top);
	CHECK(talloc_parent(b) == top);
	CHECK(talloc_parent(c) == a);
	talloc_steal(b, c);
	CHECK(talloc_parent(c) == b);
	talloc_steal(NULL, c);
	CHECK(talloc_parent(c) == NULL);
	talloc_steal(a, c);
	talloc_reference(b, c);
	CHECK(talloc_parent(c) == a);

	pool = talloc_pool(top, 1000);
	member = node(pool, "member");
	CHECK(talloc_parent(member) == pool);
	talloc_steal(a, member);
	CHECK(talloc_parent(member) == a);
	CHECK_INT(talloc_free(top), 0);
}

static void parent_name(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b");

	CHECK(talloc_parent_name(NULL) == NULL);
	CHECK(talloc_parent_name(top) == NULL);
	CHECK_STR(talloc_parent_name(a), "top");
	CHECK_STR(talloc_parent_name(b), "top");
	talloc_set_name(top, "%d", 5);
	CHECK_STR(talloc_parent_name(a), "5");
	/* no stand-in for a missing name here */
	talloc_set_name_const(top, NULL);
	CHECK(talloc_parent_name(a) == NULL);
	CHECK_STR(talloc_get_name(top), "UNNAMED");
	CHECK_INT(talloc_free(top), 0);
}

static void find_by_name(void)
{
	void *top = node(NULL, "name"), *a = node(top, "a"), *b = node(a, "name");
	void *c = node(b, "c"), *other = node(top, "other");

	CHECK(talloc_find_parent_byname(NULL, "name") == NULL);
	CHECK(talloc_find_parent_byname(c, "c") == c);
	CHECK(talloc_find_parent_byname(c, "name") == b);
	CHECK(talloc_find_parent_byname(b, "name") == b);
	CHECK(talloc_find_parent_byname(a, "name") == top);
	CHECK(talloc_find_parent_byname(other, "name") == top);
	CHECK(talloc_find_parent_byname(c, "a") == a);
	/* neither down nor sideways */
	CHECK(talloc_find_parent_byname(top, "a") == NULL);
	CHECK(talloc_find_parent_byname(other, "a") == NULL);
	CHECK(talloc_find_parent_byname(c, "nam") == NULL);
	CHECK(talloc_find_parent_byname(c, "names") == NULL);
	CHECK(talloc_find_parent_byname(c, "") == NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void find_by_name_meets_the_unnamed(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a"), *b = node(a, "b");

	talloc_set_name_const(a, NULL);
	CHECK(talloc_find_parent_byname(b, "top") == top);
	CHECK(talloc_find_parent_byname(b, "UNNAMED") == NULL);
	CHECK_INT(talloc_free(top), 0);
}

struct kind {
	int number;
};

static void find_by_type(void)
{
	struct kind *kind = talloc(NULL, struct kind), *found;
	void *below = talloc_new(talloc_new(kind));

	found = talloc_find_parent_bytype(below, struct kind);
	CHECK(found == kind);
	CHECK(talloc_find_parent_bytype(below, struct other_kind) == NULL);
	CHECK_INT(talloc_free(kind), 0);
}

static void find_by_name_among_references(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a"), *b = node(top, "b"), *c = node(a, "c");

	/* the way up is by parents, never by references */
	talloc_reference(b, c);
	CHECK(talloc_find_parent_byname(c, "b") == NULL);
	CHECK(talloc_find_parent_byname(c, "a") == a);
	CHECK_INT(talloc_free(top), 0);
}

static void is_parent(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a"), *b = node(a, "b"), *c = node(top, "c");

	/* is the second one the first, or an ancestor of it? */
	CHECK_INT(talloc_is_parent(a, top), 1);
	CHECK_INT(talloc_is_parent(b, top), 1);
	CHECK_INT(talloc_is_parent(b, a), 1);
	CHECK_INT(talloc_is_parent(c, top), 1);
	CHECK_INT(talloc_is_parent(b, b), 1);
	CHECK_INT(talloc_is_parent(top, top), 1);
	CHECK_INT(talloc_is_parent(top, a), 0);
	CHECK_INT(talloc_is_parent(a, b), 0);
	CHECK_INT(talloc_is_parent(c, a), 0);
	CHECK_INT(talloc_is_parent(a, c), 0);
	CHECK_INT(talloc_is_parent(NULL, top), 0);
	CHECK_INT(talloc_is_parent(top, NULL), 0);
	CHECK_INT(talloc_is_parent(NULL, NULL), 0);
	/* references do not count */
	talloc_reference(c, b);
	CHECK_INT(talloc_is_parent(b, c), 0);
	talloc_steal(c, a);
	CHECK_INT(talloc_is_parent(b, c), 1);
	CHECK_INT(talloc_free(top), 0);
}

static void is_parent_far_up(void)
{
	void *top = node(NULL, "top"), *ptr = top;
	int i;

	for (i = 0; i < 5000; i++) {
		/* now the newest child, now an older one */
		ptr = node(ptr, "link");
		if (i % 2)
			node(talloc_parent(ptr), "side");
	}
	CHECK_INT(talloc_is_parent(ptr, top), 1);
	CHECK_INT(talloc_is_parent(top, ptr), 0);
	CHECK(talloc_find_parent_byname(ptr, "top") == top);
	CHECK_INT(talloc_free(top), 0);
}

static void parents_under_the_null_context(void)
{
	void *ptr, *null;

	talloc_enable_null_tracking_no_autofree();
	ptr = node(NULL, "ptr");
	null = talloc_parent(ptr);
	CHECK(null != NULL);
	CHECK_STR(talloc_get_name(null), "null_context");
	CHECK_STR(talloc_parent_name(ptr), "null_context");
	CHECK(talloc_parent(null) == NULL);
	CHECK(talloc_find_parent_byname(ptr, "null_context") == null);
	CHECK_INT(talloc_is_parent(ptr, null), 1);
	CHECK_INT(talloc_is_parent(ptr, NULL), 0);
	CHECK_INT(talloc_is_parent(NULL, ptr), 0);
	CHECK_INT(talloc_free(ptr), 0);
	talloc_disable_null_tracking();
}

/* --- talloc_report_depth_cb() --- */

static char walk[4096];
static int walk_private;
static int walk_bad;

static void walk_one(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	size_t used = strlen(walk);

	if (private_data != &walk_private)
		walk_bad++;
	snprintf(walk + used, sizeof(walk) - used, "%s,%d,%d,%d ", talloc_get_name(ptr), depth,
		 max_depth, is_ref);
}

static const char *walked(const void *ptr, int depth, int max_depth)
{
	walk[0] = '\0';
	walk_bad = 0;
	talloc_report_depth_cb(ptr, depth, max_depth, walk_one, &walk_private);
	return walk_bad ? "bad private pointer" : walk;
}

static void walk_order_and_arguments(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(a, "b");

	node(b, "c");
	node(a, "d");
	node(top, "e");
	CHECK_STR(walked(top, 0, -1),
		  "top,0,-1,0 e,1,-1,0 a,1,-1,0 d,2,-1,0 b,2,-1,0 c,3,-1,0 ");
	CHECK_STR(walked(b, 0, -1), "b,0,-1,0 c,1,-1,0 ");
	CHECK_STR(walked(a, 5, -7), "a,5,-7,0 d,6,-7,0 b,6,-7,0 c,7,-7,0 ");
	CHECK_INT(talloc_free(top), 0);
}

static void walk_limits(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a");

	node(node(a, "b"), "c");
	CHECK_STR(walked(top, 0, 0), "top,0,0,0 ");
	CHECK_STR(walked(top, 0, 1), "top,0,1,0 a,1,1,0 ");
	CHECK_STR(walked(top, 0, 2), "top,0,2,0 a,1,2,0 b,2,2,0 ");
	CHECK_STR(walked(top, 0, 3), "top,0,3,0 a,1,3,0 b,2,3,0 c,3,3,0 ");
	CHECK_STR(walked(top, 0, 100), "top,0,100,0 a,1,100,0 b,2,100,0 c,3,100,0 ");
	/* the limit is on the depth as it is counted from the start value */
	CHECK_STR(walked(top, 1, 1), "top,1,1,0 ");
	CHECK_STR(walked(top, 1, 2), "top,1,2,0 a,2,2,0 ");
	CHECK_STR(walked(top, 5, 2), "top,5,2,0 ");
	CHECK_STR(walked(top, -1, 1), "top,-1,1,0 a,0,1,0 b,1,1,0 ");
	CHECK_INT(talloc_free(top), 0);
}

static void walk_references(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a"), *b = node(top, "b"), *c = node(a, "c");

	node(c, "below");
	talloc_reference(b, c);
	talloc_reference(c, b);
	talloc_reference(a, a);
	CHECK_STR(walked(top, 0, -1),
		  "top,0,-1,0 b,1,-1,0 c,2,-1,1 a,1,-1,0 a,2,-1,1 c,2,-1,0 b,3,-1,1 "
		  "below,3,-1,0 ");
	CHECK_STR(walked(b, 0, 1), "b,0,1,0 c,1,1,1 ");
	CHECK_STR(walked(b, 0, 0), "b,0,0,0 ");
	CHECK_INT(talloc_free(top), 0);
}

static const void *walk_ptrs[8];
static int walk_count;

static void walk_keep(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)private_data;
	if (walk_count < 8)
		walk_ptrs[walk_count++] = ptr;
}

static void walk_gives_the_pointers(void)
{
	void *top = node(NULL, "top"), *a = node(top, "a"), *b = node(top, "b");

	talloc_reference(b, a);
	walk_count = 0;
	talloc_report_depth_cb(top, 0, -1, walk_keep, NULL);
	CHECK_INT(walk_count, 4);
	CHECK(walk_ptrs[0] == top);
	CHECK(walk_ptrs[1] == b);
	/* the referenced chunk, not the handle */
	CHECK(walk_ptrs[2] == a);
	CHECK(walk_ptrs[3] == a);
	CHECK_INT(talloc_free(top), 0);
}

static size_t walk_blocks;

static void walk_total(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)private_data;
	/* within the walk the chunk can be asked for its total */
	walk_blocks = walk_blocks * 10 + talloc_total_blocks(ptr);
}

static void totals_within_a_walk(void)
{
	void *top = node(NULL, "top");

	node(node(top, "a"), "b");
	node(top, "c");
	walk_blocks = 0;
	talloc_report_depth_cb(top, 0, -1, walk_total, NULL);
	CHECK_INT(walk_blocks, 4121);
	CHECK_INT(talloc_free(top), 0);
}

static void walk_null(void)
{
	void *ptr;

	CHECK_STR(walked(NULL, 0, -1), "");
	talloc_enable_null_tracking_no_autofree();
	CHECK_STR(walked(NULL, 0, -1), "null_context,0,-1,0 ");
	ptr = node(NULL, "ptr");
	CHECK_STR(walked(NULL, 0, -1), "null_context,0,-1,0 ptr,1,-1,0 ");
	CHECK_INT(talloc_free(ptr), 0);
	talloc_disable_null_tracking();
	CHECK_STR(walked(NULL, 0, -1), "");
}

/* --- names --- */

static void names(void)
{
	void *ptr = node(NULL, "name");

	CHECK_STR(talloc_get_name(ptr), "name");
	CHECK(talloc_check_name(ptr, "name") == ptr);
	CHECK(talloc_check_name(ptr, "other") == NULL);
	CHECK(talloc_check_name(NULL, "name") == NULL);
	talloc_set_name_const(ptr, NULL);
	CHECK_STR(talloc_get_name(ptr), "UNNAMED");
	CHECK(talloc_check_name(ptr, "UNNAMED") == ptr);
	CHECK_INT(talloc_free(ptr), 0);
}

static void walk_any(const void *ptr, int depth, int max_depth, int is_ref, void *count)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	++*(int *)count;
}

/* Without a last level all is shown, whatever the first one is called. */
static void walk_from_the_last_level(void)
{
	void *top = node(NULL, "top");
	int count = 0;

	node(node(top, "mid"), "low");
	talloc_report_depth_cb(top, INT_MAX, -1, walk_any, &count);
	CHECK_INT(count, 3);
	CHECK_INT(talloc_free(top), 0);
}

int main(void)
{
	RUN(sizes);
	RUN(totals);
	RUN(totals_follow_changes);
	RUN(totals_of_pools);
	RUN(totals_of_references);
	RUN(totals_of_null);
	RUN(counted_once_in_a_loop);
	RUN(free_of_a_loop);
	RUN(parent);
	RUN(parent_name);
	RUN(find_by_name);
	RUN(find_by_name_meets_the_unnamed);
	RUN(find_by_type);
	RUN(find_by_name_among_references);
	RUN(is_parent);
	RUN(is_parent_far_up);
	RUN(parents_under_the_null_context);
	RUN(walk_order_and_arguments);
	RUN(walk_limits);
	RUN(walk_references);
	RUN(walk_gives_the_pointers);
	RUN(totals_within_a_walk);
	RUN(walk_null);
	RUN(names);
	RUN(walk_from_the_last_level);
	TEST_END();
}
