/*
 * References: making and dropping them, who owns a chunk afterwards, and what
 * is logged.
 */
#include "../test.h"

static void *top, *chunk, *a, *b, *c;

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

/* top{c b a chunk} */
static void build(void)
{
	top = node(NULL, "top");
	chunk = node(top, "chunk");
	a = node(top, "a");
	b = node(top, "b");
	c = node(top, "c");
}

static int freed;

static int count_free(void *ptr)
{
	(void)ptr;
	freed++;
	return 0;
}

static int refuse(void *ptr)
{
	(void)ptr;
	return -1;
}

static void make_and_count(void)
{
	build();
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK(talloc_reference(a, chunk) == chunk);
	CHECK_INT(talloc_reference_count(chunk), 1);
	CHECK_INT(talloc_reference_count(a), 0);
	CHECK_STR(tree_of(top), "top{c b a{*chunk} chunk}");
	CHECK(talloc_parent(chunk) == top);
	/* twice by the same owner counts twice */
	CHECK(talloc_reference(a, chunk) == chunk);
	CHECK_INT(talloc_reference_count(chunk), 2);
	CHECK(talloc_reference(b, chunk) == chunk);
	CHECK_INT(talloc_reference_count(chunk), 3);
	CHECK_STR(tree_of(top), "top{c b{*chunk} a{*chunk *chunk} chunk}");
	CHECK_INT(talloc_free(top), 0);
}

static void of_nothing(void)
{
	build();
	CHECK(talloc_reference(a, NULL) == NULL);
	CHECK_INT(talloc_increase_ref_count(NULL), -1);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	CHECK_INT(talloc_free(top), 0);
}

static void keeps_the_type(void)
{
	int *number = talloc(NULL, int), *same;
	void *owner = talloc_new(NULL);

	*number = 17;
	same = talloc_reference(owner, number);
	CHECK(same == number);
	CHECK_INT(*same, 17);
	CHECK_STR(talloc_get_name(same), "int");
	CHECK_INT(talloc_free(owner), 0);
	CHECK_INT(talloc_free(number), 0);
}

static void handles_count_as_blocks_only(void)
{
	build();
	node(chunk, "below");
	CHECK_INT(talloc_total_blocks(a), 1);
	talloc_reference(a, chunk);
	CHECK_INT(talloc_total_blocks(a), 2);
	CHECK_INT(talloc_total_size(a), 10);
	CHECK_INT(talloc_total_blocks(chunk), 2);
	CHECK_INT(talloc_total_size(chunk), 20);
	CHECK_INT(talloc_total_blocks(top), 7);
	CHECK_INT(talloc_total_size(top), 60);
	CHECK_INT(talloc_unlink(a, chunk), 0);
	CHECK_INT(talloc_total_blocks(a), 1);
	CHECK_INT(talloc_total_blocks(top), 6);
	CHECK_INT(talloc_free(top), 0);
}

static void freeing_the_owner_drops_it(void)
{
	build();
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_reference_count(chunk), 1);
	CHECK_INT(talloc_free(b), 0);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_INT(freed, 0);
	CHECK_STR(tree_of(top), "top{c chunk}");
	CHECK_INT(talloc_free(chunk), 0);
	CHECK_INT(freed, 1);
	CHECK_INT(talloc_free(top), 0);
}

static void free_children_of_the_owner_drops_it(void)
{
	build();
	talloc_reference(a, chunk);
	talloc_reference(a, chunk);
	node(a, "other");
	talloc_free_children(a);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	CHECK_INT(talloc_free(top), 0);
}

/* --- talloc_free() --- */

static void free_with_references(void)
{
	build();
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	_talloc_reference_loc(a, chunk, "first:1");
	log_start();
	/* even one reference, when there is a parent */
	CHECK_INT(_talloc_free(chunk, "free:9"), -1);
	CHECK_STR(log_text, "ERROR: talloc_free with references at free:9\n"
			    "\treference at first:1\n");
	CHECK_STR(tree_of(top), "top{c b a{*chunk} chunk}");

	_talloc_reference_loc(b, chunk, "second:2");
	_talloc_reference_loc(a, chunk, "third:3");
	log_start();
	CHECK_INT(_talloc_free(chunk, "free:10"), -1);
	CHECK_STR(log_text, "ERROR: talloc_free with references at free:10\n"
			    "\treference at third:3\n"
			    "\treference at second:2\n"
			    "\treference at first:1\n");
	/* without a log function it is the same, silently */
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(chunk), -1);
	CHECK_STR(tree_of(top), "top{c b{*chunk} a{*chunk *chunk} chunk}");
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(freed, 1);
}

static void macros_give_their_place(void)
{
	const char *place;
	char want[512];

	build();
	log_start();
	/* on one line, so that all three places are the same */
	talloc_reference(a, chunk); talloc_free(chunk); place = __location__;
	snprintf(want, sizeof(want), "ERROR: talloc_free with references at %s\n\treference at %s\n",
		 place, place);
	CHECK_STR(log_text, want);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(top), 0);
}

static int log_calls;

static void count_log(const char *message)
{
	(void)message;
	log_calls++;
}

static void one_message_a_line(void)
{
	build();
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	log_calls = 0;
	talloc_set_log_fn(count_log);
	CHECK_INT(talloc_free(chunk), -1);
	talloc_set_log_fn(NULL);
	CHECK_INT(log_calls, 3);
	CHECK_INT(talloc_free(top), 0);
}

static void free_of_a_top_level_chunk(void)
{
	void *ptr = node(NULL, "ptr"), *owner = node(NULL, "owner"), *more;

	_talloc_set_destructor(ptr, count_free);
	freed = 0;
	talloc_reference(owner, ptr);
	log_start();
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(log_text, "");
	CHECK_INT(freed, 0);
	CHECK(talloc_parent(ptr) == owner);
	CHECK_INT(talloc_reference_count(ptr), 0);
	CHECK_STR(tree_of(owner), "owner{ptr}");

	/* now it has a parent */
	more = node(NULL, "more");
	talloc_reference(more, ptr);
	CHECK_INT(talloc_free(ptr), -1);
	CHECK(log_text[0] != '\0');
	/* the parent goes: the reference's owner has it */
	CHECK_INT(talloc_free(owner), 0);
	CHECK(talloc_parent(ptr) == more);
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_free(more), 0);
	CHECK_INT(freed, 1);
	talloc_set_log_fn(NULL);
}

static void free_of_a_top_level_chunk_with_two(void)
{
	void *ptr = node(NULL, "ptr"), *owner = node(NULL, "owner");

	_talloc_reference_loc(owner, ptr, "r:1");
	_talloc_reference_loc(owner, ptr, "r:2");
	log_start();
	CHECK_INT(_talloc_free(ptr, "f:3"), -1);
	CHECK_STR(log_text, "ERROR: talloc_free with references at f:3\n"
			    "\treference at r:2\n\treference at r:1\n");
	talloc_set_log_fn(NULL);
	CHECK(talloc_parent(ptr) == NULL);
	CHECK_INT(talloc_unlink(owner, ptr), 0);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(tree_of(owner), "owner{ptr}");
	CHECK_INT(talloc_free(owner), 0);
}

static void free_under_the_null_context(void)
{
	void *ptr, *owner;

	talloc_enable_null_tracking_no_autofree();
	ptr = node(NULL, "ptr");
	owner = node(NULL, "owner");
	talloc_reference(owner, ptr);
	CHECK_STR(tree_of(NULL), "null_context{owner{*ptr} ptr}");
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(tree_of(NULL), "null_context{owner{ptr}}");

	ptr = node(NULL, "second");
	talloc_reference(owner, ptr);
	talloc_reference(owner, ptr);
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_STR(tree_of(NULL), "null_context{second owner{*second *second ptr}}");
	CHECK_INT(talloc_free(owner), 0);
	CHECK_STR(tree_of(NULL), "null_context{second}");
	CHECK_INT(talloc_free(ptr), 0);
	talloc_disable_null_tracking();
}

/* --- talloc_unlink() --- */

static void unlink_basics(void)
{
	build();
	CHECK_INT(talloc_unlink(top, NULL), -1);
	CHECK_INT(talloc_unlink(NULL, NULL), -1);
	/* neither parent nor owner */
	CHECK_INT(talloc_unlink(a, chunk), -1);
	CHECK_INT(talloc_unlink(NULL, chunk), -1);
	CHECK_INT(talloc_unlink(chunk, chunk), -1);
	CHECK_INT(talloc_unlink(chunk, top), -1);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	/* the parent: as free */
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	CHECK_INT(talloc_unlink(top, chunk), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b a}");
	CHECK_INT(talloc_unlink(NULL, top), 0);
}

static void unlink_an_owner(void)
{
	build();
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	talloc_reference(c, chunk);
	CHECK_INT(talloc_unlink(b, chunk), 0);
	CHECK_STR(tree_of(top), "top{c{*chunk} b a{*chunk} chunk}");
	CHECK_INT(talloc_unlink(b, chunk), -1);
	CHECK_INT(talloc_reference_count(chunk), 2);
	CHECK_INT(talloc_unlink(a, chunk), 0);
	CHECK_INT(talloc_unlink(c, chunk), 0);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	CHECK_INT(talloc_free(top), 0);
}

static void unlink_one_of_two_by_the_same(void)
{
	build();
	_talloc_reference_loc(a, chunk, "old:1");
	_talloc_reference_loc(a, chunk, "new:2");
	CHECK_INT(talloc_unlink(a, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a{*chunk} chunk}");
	/* the newer one went */
	log_start();
	CHECK_INT(_talloc_free(chunk, "f:3"), -1);
	CHECK_STR(log_text, "ERROR: talloc_free with references at f:3\n\treference at old:1\n");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_unlink(a, chunk), 0);
	CHECK_INT(talloc_unlink(a, chunk), -1);
	CHECK_INT(talloc_free(top), 0);
}

static void unlink_the_parent(void)
{
	build();
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	talloc_reference(c, chunk);
	log_start();
	/* the newest owner takes its place, then the next */
	CHECK_INT(talloc_unlink(top, chunk), 0);
	CHECK_STR(tree_of(top), "top{c{chunk} b{*chunk} a{*chunk}}");
	CHECK(talloc_parent(chunk) == c);
	CHECK_INT(talloc_unlink(top, chunk), -1);
	CHECK_INT(talloc_unlink(c, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b{chunk} a{*chunk}}");
	CHECK_INT(talloc_unlink(b, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a{chunk}}");
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_unlink(a, chunk), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b a}");
	/* all of that without a word */
	CHECK_STR(log_text, "");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void unlink_parent_and_owner_in_one(void)
{
	build();
	talloc_reference(top, chunk);
	CHECK_STR(tree_of(top), "top{*chunk c b a chunk}");
	/* the reference goes first */
	CHECK_INT(talloc_unlink(top, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	CHECK_INT(talloc_unlink(top, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a}");
	CHECK_INT(talloc_free(top), 0);
}

static void unlink_what_refuses(void)
{
	build();
	_talloc_set_destructor(chunk, refuse);
	CHECK_INT(talloc_unlink(top, chunk), -1);
	CHECK_STR(tree_of(top), "top{c b a chunk}");
	/* dropping a reference asks nobody */
	talloc_reference(a, chunk);
	CHECK_INT(talloc_unlink(a, chunk), 0);
	/* nor does the change of the parent */
	talloc_reference(a, chunk);
	CHECK_INT(talloc_unlink(top, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a{chunk}}");
	_talloc_set_destructor(chunk, NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void from_null(void)
{
	void *ptr, *child;

	/* the parent is nobody */
	ptr = node(NULL, "ptr");
	_talloc_set_destructor(ptr, count_free);
	freed = 0;
	CHECK_INT(talloc_unlink(NULL, ptr), 0);
	CHECK_INT(freed, 1);

	/* a reference by nobody */
	ptr = node(NULL, "ptr");
	child = node(ptr, "child");
	CHECK_INT(talloc_unlink(NULL, child), -1);
	CHECK_INT(talloc_increase_ref_count(child), 0);
	CHECK_INT(talloc_reference_count(child), 1);
	CHECK(talloc_reference(NULL, child) == child);
	CHECK_INT(talloc_reference_count(child), 2);
	CHECK_INT(talloc_unlink(NULL, child), 0);
	CHECK_INT(talloc_unlink(NULL, child), 0);
	CHECK_INT(talloc_reference_count(child), 0);
	CHECK_INT(talloc_unlink(NULL, child), -1);
	CHECK(talloc_parent(child) == ptr);

	/* the parent lets go: nobody has it */
	CHECK_INT(talloc_increase_ref_count(child), 0);
	CHECK_INT(talloc_unlink(ptr, child), 0);
	CHECK(talloc_parent(child) == talloc_parent(ptr));
	CHECK_INT(talloc_reference_count(child), 0);
	CHECK_STR(tree_of(ptr), "ptr");

	/* nobody lets go, somebody has it still */
	talloc_reference(ptr, child);
	CHECK_INT(talloc_unlink(NULL, child), 0);
	CHECK(talloc_parent(child) == ptr);
	CHECK_INT(talloc_reference_count(child), 0);
	CHECK_STR(tree_of(ptr), "ptr{child}");
	CHECK_INT(talloc_free(ptr), 0);
}

static void counted_top_level_chunk(void)
{
	void *ptr = node(NULL, "ptr");

	_talloc_set_destructor(ptr, count_free);
	freed = 0;
	CHECK_INT(talloc_increase_ref_count(ptr), 0);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_reference_count(ptr), 0);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_INT(freed, 1);

	ptr = node(NULL, "ptr");
	_talloc_set_destructor(ptr, count_free);
	freed = 0;
	CHECK_INT(talloc_increase_ref_count(ptr), 0);
	CHECK_INT(talloc_increase_ref_count(ptr), 0);
	log_start();
	CHECK_INT(_talloc_free(ptr, "f:1"), -1);
	CHECK(strstr(log_text, "ERROR: talloc_free with references at f:1\n\treference at ") ==
	      log_text);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_unlink(NULL, ptr), 0);
	CHECK_INT(talloc_unlink(NULL, ptr), 0);
	CHECK_INT(talloc_reference_count(ptr), 0);
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_unlink(NULL, ptr), 0);
	CHECK_INT(freed, 1);
}

static void with_null_tracking(void)
{
	void *ptr;

	talloc_enable_null_tracking_no_autofree();
	from_null();
	counted_top_level_chunk();
	CHECK_STR(tree_of(NULL), "null_context");

	ptr = node(NULL, "ptr");
	CHECK_INT(talloc_increase_ref_count(ptr), 0);
	CHECK_STR(tree_of(NULL), "null_context{*ptr ptr}");
	CHECK_INT(talloc_total_blocks(NULL), 3);
	CHECK_INT(talloc_total_size(NULL), 10);
	/* the null context itself may be named */
	CHECK_INT(talloc_unlink(talloc_parent(ptr), ptr), 0);
	CHECK_STR(tree_of(NULL), "null_context{ptr}");
	CHECK_INT(talloc_unlink(talloc_parent(ptr), ptr), 0);
	CHECK_STR(tree_of(NULL), "null_context");
	talloc_disable_null_tracking();
}

static void null_reference_made_before_tracking(void)
{
	void *ptr = node(NULL, "ptr"), *child = node(ptr, "child");

	CHECK_INT(talloc_increase_ref_count(child), 0);
	CHECK_INT(talloc_unlink(NULL, child), 0);
	CHECK_INT(talloc_reference_count(child), 0);
	CHECK_INT(talloc_free(ptr), 0);
}

static void null_reference_outlives_tracking(void)
{
	void *ptr, *child;

	talloc_enable_null_tracking_no_autofree();
	ptr = node(NULL, "ptr");
	child = node(ptr, "child");
	CHECK_INT(talloc_increase_ref_count(child), 0);
	talloc_disable_null_tracking();
	CHECK_INT(talloc_reference_count(child), 1);
	CHECK(talloc_parent(child) == ptr);
	CHECK_INT(talloc_unlink(NULL, child), 0);
	CHECK_INT(talloc_reference_count(child), 0);
	CHECK_INT(talloc_free(ptr), 0);
}

/* --- the parent is freed --- */

static void child_with_references(void)
{
	void *parent;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	node(chunk, "below");
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	talloc_reference(c, chunk);
	log_start();
	CHECK_INT(talloc_free(parent), 0);
	CHECK_STR(tree_of(top), "top{c{chunk{below}} b{*chunk} a{*chunk}}");
	CHECK_INT(talloc_free(c), 0);
	CHECK_STR(tree_of(top), "top{b{chunk{below}} a{*chunk}}");
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(tree_of(top), "top{b{chunk{below}}}");
	CHECK_INT(freed, 0);
	CHECK_INT(talloc_free(b), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top");
	CHECK_STR(log_text, "");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void child_with_references_in_free_children(void)
{
	void *parent;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	talloc_free_children(parent);
	CHECK_STR(tree_of(top), "top{parent c b{chunk} a{*chunk}}");
	CHECK_INT(talloc_free(top), 0);
}

static void deeper_child_with_a_reference(void)
{
	void *parent, *mid;

	build();
	parent = node(top, "parent");
	mid = node(parent, "mid");
	talloc_steal(mid, chunk);
	talloc_reference(a, chunk);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_STR(tree_of(top), "top{c b a{chunk}}");
	CHECK_INT(talloc_free(top), 0);
}

static void referrer_below_the_child(void)
{
	void *parent, *below, *deep;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	below = node(chunk, "below");
	deep = node(below, "deep");
	_talloc_set_destructor(chunk, count_free);
	_talloc_set_destructor(deep, count_free);
	freed = 0;
	talloc_reference(deep, chunk);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_INT(freed, 2);
	CHECK_STR(tree_of(top), "top{c b a}");

	/* by itself */
	parent = node(top, "parent");
	chunk = node(parent, "chunk");
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	talloc_reference(chunk, chunk);
	CHECK_INT(talloc_reference_count(chunk), 1);
	CHECK_STR(tree_of(parent), "parent{chunk{*chunk}}");
	CHECK_INT(talloc_free(parent), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b a}");

	/* an older one from below, the newest from outside */
	parent = node(top, "parent");
	chunk = node(parent, "chunk");
	below = node(chunk, "below");
	talloc_reference(below, chunk);
	talloc_reference(a, chunk);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_STR(tree_of(top), "top{c b a{chunk{below{*chunk}}}}");
	CHECK_INT(talloc_reference_count(chunk), 1);
	CHECK_INT(talloc_free(top), 0);
}

static void referrer_beside_the_child(void)
{
	void *parent, *beside;
	int newer;

	/* all of it goes, whichever is met first */
	for (newer = 0; newer < 2; newer++) {
		build();
		parent = node(top, "parent");
		beside = newer ? NULL : node(parent, "beside");
		chunk = node(parent, "chunk");
		if (newer)
			beside = node(parent, "beside");
		_talloc_set_destructor(chunk, count_free);
		_talloc_set_destructor(beside, count_free);
		freed = 0;
		talloc_reference(beside, chunk);
		CHECK_INT(talloc_free(parent), 0);
		CHECK_INT(freed, 2);
		CHECK_STR(tree_of(top), "top{c b a chunk}");
		CHECK_INT(talloc_free(top), 0);
	}
}

static void referrer_is_the_parent(void)
{
	void *parent;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	talloc_reference(parent, chunk);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b a}");
	CHECK_INT(talloc_free(top), 0);
}

static void referrer_is_the_grandparent(void)
{
	void *parent;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	talloc_reference(top, chunk);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_STR(tree_of(top), "top{chunk c b a}");
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_INT(talloc_free(top), 0);
}

/* Nobody's reference keeps the child from going, but nobody cannot be its parent. */
static void referrer_is_nobody(void)
{
	void *parent, *mid;

	build();
	parent = node(top, "parent");
	talloc_steal(parent, chunk);
	CHECK_INT(talloc_increase_ref_count(chunk), 0);
	CHECK_INT(talloc_free(parent), 0);
	CHECK_STR(tree_of(top), "top{chunk c b a}");
	CHECK_INT(talloc_reference_count(chunk), 0);

	/* its new parent goes too: so does it */
	parent = node(top, "parent");
	mid = node(parent, "mid");
	talloc_steal(mid, chunk);
	CHECK_INT(talloc_increase_ref_count(chunk), 0);
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	CHECK_INT(talloc_free(parent), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b a}");
	CHECK_INT(talloc_free(top), 0);
}

/* --- two trees that refer to each other --- */

static void loop_of_two_tops(void)
{
	void *one = node(NULL, "one"), *two = node(NULL, "two");
	void *in_one = node(one, "in one"), *in_two = node(two, "in two");

	_talloc_set_destructor(one, count_free);
	_talloc_set_destructor(two, count_free);
	freed = 0;
	talloc_reference(in_one, two);
	talloc_reference(in_two, one);
	CHECK_INT(talloc_total_blocks(one), 3);
	CHECK_INT(talloc_total_size(one), 20);
	CHECK_INT(talloc_free(one), 0);
	CHECK_INT(freed, 0);
	CHECK(talloc_parent(one) == in_two);
	CHECK_STR(tree_of(two), "two{in two{one{in one{*two}}}}");
	CHECK_INT(talloc_unlink(in_one, two), 0);
	CHECK_INT(talloc_free(two), 0);
	CHECK_INT(freed, 2);
}

static void two_trees_hold_each_others_parts(void)
{
	void *one = node(NULL, "one"), *two = node(NULL, "two");
	void *in_one = node(one, "in one"), *in_two = node(two, "in two");

	_talloc_set_destructor(in_one, count_free);
	_talloc_set_destructor(in_two, count_free);
	freed = 0;
	talloc_reference(one, in_two);
	talloc_reference(two, in_one);
	CHECK_STR(tree_of(one), "one{*in two in one}");
	CHECK_INT(talloc_free(one), 0);
	CHECK_INT(freed, 0);
	CHECK_STR(tree_of(two), "two{in one in two}");
	CHECK_INT(talloc_reference_count(in_one), 0);
	CHECK_INT(talloc_reference_count(in_two), 0);
	CHECK_INT(talloc_free(two), 0);
	CHECK_INT(freed, 2);
}

static void siblings_refer_to_each_other(void)
{
	build();
	talloc_reference(a, b);
	talloc_reference(b, a);
	_talloc_set_destructor(a, count_free);
	_talloc_set_destructor(b, count_free);
	freed = 0;
	CHECK_STR(tree_of(top), "top{c b{*a} a{*b} chunk}");
	CHECK_INT(talloc_free(a), -1);
	CHECK_INT(talloc_free(b), -1);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(freed, 2);
}

static void reference_to_an_ancestor(void)
{
	build();
	_talloc_set_destructor(top, count_free);
	freed = 0;
	talloc_reference(a, top);
	CHECK_STR(tree_of(top), "top{c b a{*top} chunk}");
	CHECK_INT(talloc_total_blocks(top), 6);
	CHECK_INT(talloc_unlink(a, top), 0);
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(freed, 1);
}

/* --- moving --- */

static void reparent(void)
{
	build();
	talloc_reference(a, chunk);
	log_start();
	CHECK(talloc_reparent(c, b, chunk) == NULL);
	CHECK(talloc_reparent(a, b, NULL) == NULL);
	CHECK_STR(tree_of(top), "top{c b a{*chunk} chunk}");
	/* the reference moves, the chunk does not */
	CHECK(talloc_reparent(a, b, chunk) == chunk);
	CHECK_STR(tree_of(top), "top{c b{*chunk} a chunk}");
	CHECK(talloc_reparent(a, b, chunk) == NULL);
	CHECK_INT(talloc_unlink(a, chunk), -1);
	/* the parent's side: no warning */
	CHECK(talloc_reparent(top, a, chunk) == chunk);
	CHECK_STR(tree_of(top), "top{c b{*chunk} a{chunk}}");
	CHECK_STR(log_text, "");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_unlink(b, chunk), 0);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void reparent_one_of_several(void)
{
	build();
	talloc_reference(a, chunk);
	talloc_reference(b, chunk);
	node(c, "there before");
	CHECK(talloc_reparent(a, c, chunk) == chunk);
	CHECK_STR(tree_of(top), "top{c{*chunk there before} b{*chunk} a chunk}");
	CHECK_INT(talloc_reference_count(chunk), 2);
	CHECK_INT(talloc_free(top), 0);
}

static void reparent_from_and_to_null(void)
{
	build();
	talloc_reference(a, chunk);
	CHECK(talloc_reparent(top, NULL, chunk) == chunk);
	CHECK(talloc_parent(chunk) == NULL);
	CHECK(talloc_reparent(NULL, b, chunk) == chunk);
	CHECK_STR(tree_of(top), "top{c b{chunk} a{*chunk}}");
	/* the reference becomes one of nobody */
	CHECK(talloc_reparent(a, NULL, chunk) == chunk);
	CHECK_INT(talloc_reference_count(chunk), 1);
	CHECK_STR(tree_of(top), "top{c b{chunk} a}");
	CHECK_INT(talloc_unlink(NULL, chunk), 0);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void steal_with_references(void)
{
	build();
	_talloc_reference_loc(a, chunk, "r:1");
	log_start();
	CHECK(_talloc_steal_loc(b, chunk, "s:2") == chunk);
	CHECK_STR(log_text, "WARNING: talloc_steal with references at s:2\n\treference at r:1\n");
	CHECK_STR(tree_of(top), "top{c b{chunk} a{*chunk}}");
	/* to its parent */
	log_start();
	CHECK(talloc_steal(b, chunk) == chunk);
	CHECK_STR(log_text, "");
	/* to the reference's owner, which then has both */
	_talloc_reference_loc(c, chunk, "r:3");
	CHECK(_talloc_steal_loc(a, chunk, "s:4") == chunk);
	CHECK_STR(log_text, "WARNING: talloc_steal with references at s:4\n"
			    "\treference at r:3\n\treference at r:1\n");
	CHECK_STR(tree_of(top), "top{c{*chunk} b a{chunk *chunk}}");
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void steal_the_owner(void)
{
	void *other = node(NULL, "other");

	build();
	talloc_reference(a, chunk);
	talloc_steal(other, a);
	CHECK_STR(tree_of(other), "other{a{*chunk}}");
	CHECK_INT(talloc_free(top), 0);
	/* a holds it now */
	CHECK_STR(tree_of(other), "other{a{chunk}}");
	CHECK_INT(talloc_free(other), 0);
}

static void realloc_and_references(void)
{
	char *text;

	/* a chunk with references stays where it is */
	build();
	talloc_reference(a, chunk);
	CHECK(talloc_realloc_size(top, chunk, 50) == NULL);
	CHECK(talloc_realloc_size(top, chunk, 5) == NULL);
	CHECK_INT(talloc_get_size(chunk), 10);
	/* size 0 is unlink */
	CHECK(talloc_realloc_size(a, chunk, 0) == NULL);
	CHECK_INT(talloc_reference_count(chunk), 0);
	CHECK_STR(tree_of(top), "top{c b a chunk}");

	/* its own references follow a chunk that moves */
	talloc_reference(a, chunk);
	text = talloc_realloc_size(top, a, 300000);
	talloc_set_name_const(text, "moved");
	CHECK_INT(talloc_unlink(text, chunk), 0);
	CHECK_STR(tree_of(top), "top{c b moved chunk}");
	CHECK_INT(talloc_free(top), 0);
}

/* A reference goes with the tree it is in, among others, and leaves the chunk as it was. */
static void references_go_with_a_tree(void)
{
	int round;

	for (round = 0; round < 3; round++) {
		build();
		talloc_set_destructor(chunk, count_free);
		freed = 0;
		talloc_strdup(a, "older");
		talloc_reference(a, chunk);
		talloc_reference(talloc_strdup(a, "newer"), chunk);
		talloc_reference(b, chunk);
		CHECK_INT(talloc_reference_count(chunk), 3);
		if (round == 0) {
			CHECK_INT(talloc_free(a), 0);
		} else if (round == 1) {
			talloc_free_children(a);
			CHECK_INT(talloc_total_blocks(a), 1);
		} else {
			CHECK_INT(talloc_unlink(top, a), 0);
		}
		CHECK_INT(talloc_reference_count(chunk), 1);
		CHECK_INT(freed, 0);
		CHECK_INT(talloc_unlink(b, chunk), 0);
		CHECK_INT(talloc_reference_count(chunk), 0);
		CHECK_INT(talloc_free(chunk), 0);
		CHECK_INT(freed, 1);
		CHECK_INT(talloc_free(top), 0);
	}
}

/* The chunk whose children go is the one that they refer to. */
static void references_to_the_parent_go(void)
{
	build();
	talloc_reference(a, a);
	talloc_strdup(a, "text");
	talloc_reference(talloc_strdup(a, "text"), a);
	CHECK_INT(talloc_reference_count(a), 2);
	talloc_free_children(a);
	CHECK_INT(talloc_reference_count(a), 0);
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(tree_of(top), "top{c b chunk}");
	CHECK_INT(talloc_free(top), 0);
}

/* What comes before the reference in the list, and is what it refers to, goes with it. */
static void referred_and_referrer_in_one_tree(void)
{
	void *x;

	build();
	x = node(a, "x");
	talloc_set_destructor(x, count_free);
	freed = 0;
	talloc_reference(a, x);
	talloc_strdup(a, "newest");
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(freed, 1);
	CHECK_STR(tree_of(top), "top{c b chunk}");
	CHECK_INT(talloc_free(top), 0);
}

static void many_references(void)
{
	void *owner[200];
	int i, bad = 0;

	build();
	_talloc_set_destructor(chunk, count_free);
	freed = 0;
	for (i = 0; i < 200; i++) {
		owner[i] = node(NULL, "owner");
		talloc_reference(owner[i], chunk);
	}
	CHECK_INT(talloc_reference_count(chunk), 200);
	for (i = 0; i < 200; i += 2)
		bad += talloc_unlink(owner[(i * 7) % 200], chunk) != 0;
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_reference_count(chunk), 100);
	CHECK_INT(talloc_free(top), 0);
	CHECK(talloc_parent(chunk) == owner[199]);
	for (i = 199; i >= 0; i--)
		bad += talloc_free(owner[i]) != 0 || freed != (i <= 1);
	CHECK_INT(bad, 0);
	CHECK_INT(freed, 1);
}

static void in_pools(void)
{
	void *pool = talloc_pool(NULL, 2048), *member;

	talloc_set_name_const(pool, "pool");
	build();
	member = node(pool, "member");
	memset(member, 6, 10);
	talloc_reference(a, member);
	CHECK_INT(talloc_free(pool), 0);
	CHECK_STR(tree_of(top), "top{c b a{member} chunk}");
	CHECK_INT(((char *)member)[9], 6);
	CHECK_INT(talloc_free(top), 0);
}

int main(void)
{
	RUN(make_and_count);
	RUN(of_nothing);
	RUN(keeps_the_type);
	RUN(handles_count_as_blocks_only);
	RUN(freeing_the_owner_drops_it);
	RUN(free_children_of_the_owner_drops_it);
	RUN(free_with_references);
	RUN(macros_give_their_place);
	RUN(one_message_a_line);
	RUN(free_of_a_top_level_chunk);
	RUN(free_of_a_top_level_chunk_with_two);
	RUN(free_under_the_null_context);
	RUN(unlink_basics);
	RUN(unlink_an_owner);
	RUN(unlink_one_of_two_by_the_same);
	RUN(unlink_the_parent);
	RUN(unlink_parent_and_owner_in_one);
	RUN(unlink_what_refuses);
	RUN(from_null);
	RUN(counted_top_level_chunk);
	RUN(with_null_tracking);
	RUN(null_reference_made_before_tracking);
	RUN(null_reference_outlives_tracking);
	RUN(child_with_references);
	RUN(child_with_references_in_free_children);
	RUN(deeper_child_with_a_reference);
	RUN(referrer_below_the_child);
	RUN(referrer_beside_the_child);
	RUN(referrer_is_the_parent);
	RUN(referrer_is_the_grandparent);
	RUN(referrer_is_nobody);
	RUN(loop_of_two_tops);
	RUN(two_trees_hold_each_others_parts);
	RUN(siblings_refer_to_each_other);
	RUN(reference_to_an_ancestor);
	RUN(reparent);
	RUN(reparent_one_of_several);
	RUN(reparent_from_and_to_null);
	RUN(steal_with_references);
	RUN(steal_the_owner);
	RUN(realloc_and_references);
	RUN(references_go_with_a_tree);
	RUN(references_to_the_parent_go);
	RUN(referred_and_referrer_in_one_tree);
	RUN(many_references);
	RUN(in_pools);
	TEST_END();
}
