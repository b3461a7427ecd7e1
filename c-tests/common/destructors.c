/*
 * Destructors: when they run, what they see, what refusing means, who gets a
 * child that refuses, and what they may do to the tree around them.
 *
 * One case is left out on purpose: a refusing child of a freed chunk that was
 * not the newest child of its own parent (the original forgets that parent).
 * So each freed parent here is the newest child, or free_children() is used.
 */
#include "../test.h"

static char calls[1024];

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

static void note_call(const void *ptr)
{
	const char *parent = talloc_parent_name(ptr);

	strcat(calls, talloc_get_name(ptr));
	strcat(calls, "<");
	strcat(calls, parent ? parent : "-");
	strcat(calls, " ");
}

static int agree(void *ptr)
{
	note_call(ptr);
	return 0;
}

static int refuse(void *ptr)
{
	note_call(ptr);
	return -1;
}

/* Refuses as often as this says, then agrees. */
static int refusals;

static int refuse_some(void *ptr)
{
	note_call(ptr);
	return refusals-- > 0 ? -1 : 0;
}

/* --- the return value --- */

static int return_value;

static int return_it(void *ptr)
{
	note_call(ptr);
	return return_value;
}

static void only_minus_one_refuses(void)
{
	static const int others[] = { 0, 1, -2, 2, 255, 65535, 0x7fffffff, -0x7fffffff - 1 };
	size_t i;
	void *ptr;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		return_value = others[i];
		calls[0] = '\0';
		ptr = node(NULL, "ptr");
		_talloc_set_destructor(ptr, return_it);
		CHECK_INT(talloc_free(ptr), 0);
		CHECK_STR(calls, "ptr<- ");
	}
	return_value = -1;
	calls[0] = '\0';
	ptr = node(NULL, "ptr");
	node(ptr, "child");
	_talloc_set_destructor(ptr, return_it);
	CHECK_INT(talloc_free(ptr), -1);
	/* it stays, whole, and is asked again the next time */
	CHECK_STR(tree_of(ptr), "ptr{child}");
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_STR(calls, "ptr<- ptr<- ");
	return_value = 0;
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(calls, "ptr<- ptr<- ptr<- ");
}

static void refusing_keeps_the_place(void)
{
	void *top = node(NULL, "top");
	void *ptr;

	node(top, "older");
	ptr = node(top, "ptr");
	node(top, "newer");
	node(ptr, "child");
	_talloc_set_destructor(ptr, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_STR(tree_of(top), "top{newer ptr{child} older}");
	CHECK(talloc_parent(ptr) == top);
	CHECK_INT(talloc_unlink(top, ptr), -1);
	CHECK_STR(tree_of(top), "top{newer ptr{child} older}");
	CHECK_STR(calls, "ptr<top ptr<top ");
	_talloc_set_destructor(ptr, NULL);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(tree_of(top), "top{newer older}");
	CHECK_INT(talloc_free(top), 0);
}

/* --- setting --- */

static void set_and_unset(void)
{
	int *number = talloc(NULL, int);

	calls[0] = '\0';
	_talloc_set_destructor(number, agree);
	_talloc_set_destructor(number, NULL);
	CHECK_INT(talloc_free(number), 0);
	CHECK_STR(calls, "");

	number = talloc(NULL, int);
	_talloc_set_destructor(number, refuse);
	_talloc_set_destructor(number, agree);
	CHECK_INT(talloc_free(number), 0);
	CHECK_STR(calls, "int<- ");
}

static int typed_calls;

static int typed(int *number)
{
	typed_calls += *number;
	return 0;
}

static void set_with_a_type(void)
{
	int *number = talloc(NULL, int);

	*number = 42;
	talloc_set_destructor(number, typed);
	CHECK_INT(talloc_free(number), 0);
	CHECK_INT(typed_calls, 42);
}

static int become_agree_and_refuse(void *ptr)
{
	note_call(ptr);
	_talloc_set_destructor(ptr, agree);
	return -1;
}

static int become_refuse_and_agree(void *ptr)
{
	note_call(ptr);
	_talloc_set_destructor(ptr, refuse);
	return 0;
}

static int unset_and_refuse(void *ptr)
{
	note_call(ptr);
	_talloc_set_destructor(ptr, NULL);
	return -1;
}

static void change_while_running(void)
{
	void *ptr = node(NULL, "ptr");

	calls[0] = '\0';
	_talloc_set_destructor(ptr, become_agree_and_refuse);
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_STR(calls, "ptr<- ");
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(calls, "ptr<- ptr<- ");

	/* the new one is not asked in the same free */
	ptr = node(NULL, "ptr");
	calls[0] = '\0';
	_talloc_set_destructor(ptr, become_refuse_and_agree);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(calls, "ptr<- ");

	ptr = node(NULL, "ptr");
	calls[0] = '\0';
	_talloc_set_destructor(ptr, unset_and_refuse);
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(calls, "ptr<- ");
}

/* --- what it sees --- */

static struct {
	char tree_top[256], tree_self[256];
	size_t blocks_top, blocks_mid, size_mid;
	bool parent_mid, named_parent, found_self, found_parent;
} seen;
static void *seen_top, *seen_mid;

static int look(void *ptr)
{
	note_call(ptr);
	snprintf(seen.tree_top, sizeof(seen.tree_top), "%s", tree_of(seen_top));
	snprintf(seen.tree_self, sizeof(seen.tree_self), "%s", tree_of(ptr));
	seen.blocks_top = talloc_total_blocks(seen_top);
	seen.blocks_mid = talloc_total_blocks(seen_mid);
	seen.size_mid = talloc_total_size(seen_mid);
	seen.parent_mid = talloc_parent(ptr) == seen_mid;
	seen.named_parent = talloc_parent_name(ptr) &&
			    strcmp(talloc_parent_name(ptr), "mid") == 0;
	seen.found_self = talloc_find_parent_byname(ptr, talloc_get_name(ptr)) == ptr;
	seen.found_parent = talloc_find_parent_byname(ptr, "mid") == seen_mid;
	return 0;
}

static void own_destructor_sees_all_linked(void)
{
	void *child;

	seen_top = node(NULL, "top");
	seen_mid = node(seen_top, "mid");
	node(seen_top, "newer");
	child = node(seen_mid, "child");
	_talloc_set_destructor(child, agree);
	_talloc_set_destructor(seen_mid, look);
	calls[0] = '\0';
	CHECK_INT(talloc_free(seen_mid), 0);
	CHECK_STR(calls, "mid<top child<mid ");
	CHECK_STR(seen.tree_top, "top{newer mid{child}}");
	CHECK_STR(seen.tree_self, "mid{child}");
	CHECK_INT(seen.blocks_top, 4);
	CHECK_INT(seen.blocks_mid, 2);
	CHECK_INT(seen.size_mid, 20);
	CHECK_STR(tree_of(seen_top), "top{newer}");
	CHECK_INT(talloc_free(seen_top), 0);
}

static void child_destructor_sees_the_parent_gone_from_its_list(void)
{
	int newest;

	/* where the parent stands in its own parent's list is all the same */
	for (newest = 0; newest < 2; newest++) {
		void *child;

		seen_top = node(NULL, "top");
		if (newest)
			node(seen_top, "other");
		seen_mid = node(seen_top, "mid");
		if (!newest)
			node(seen_top, "other");
		child = node(seen_mid, "child");
		node(child, "below");
		_talloc_set_destructor(child, look);
		calls[0] = '\0';
		CHECK_INT(talloc_free(seen_mid), 0);
		CHECK_STR(calls, "child<mid ");
		CHECK(seen.parent_mid);
		CHECK(seen.named_parent);
		CHECK(seen.found_self);
		CHECK(seen.found_parent);
		CHECK_STR(seen.tree_top, "top{other}");
		CHECK_STR(seen.tree_self, "child{below}");
		CHECK_INT(seen.blocks_top, 2);
		/* it is being walked, and so counted once: further up */
		CHECK_INT(seen.blocks_mid, 0);
		CHECK_INT(seen.size_mid, 0);
		CHECK_INT(talloc_free(seen_top), 0);
	}
}

static void child_destructor_in_free_children(void)
{
	void *child;

	seen_top = node(NULL, "top");
	seen_mid = node(seen_top, "mid");
	node(seen_mid, "older");
	child = node(seen_mid, "child");
	node(seen_mid, "newer");
	node(child, "below");
	_talloc_set_destructor(child, look);
	talloc_free_children(seen_mid);
	/* the newer one has gone, mid itself stays linked */
	CHECK_STR(seen.tree_top, "top{mid{child{below} older}}");
	CHECK_INT(seen.blocks_top, 5);
	CHECK_INT(seen.blocks_mid, 4);
	CHECK(seen.parent_mid);
	CHECK_STR(tree_of(seen_top), "top{mid}");
	CHECK_INT(talloc_free(seen_top), 0);
}

/* --- freeing from inside --- */

static void *inner_ptr;
static int inner_result, inner_calls;

static int free_inner(void *ptr)
{
	note_call(ptr);
	inner_calls++;
	inner_result = talloc_free(inner_ptr);
	return 0;
}

static void free_of_itself_inside(void)
{
	void *top = node(NULL, "top"), *ptr;

	inner_ptr = ptr = node(NULL, "ptr");
	_talloc_set_destructor(ptr, free_inner);
	inner_calls = 0;
	inner_result = 77;
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, -1);

	/* the same as a child, freed with its parent */
	inner_ptr = ptr = node(top, "ptr");
	node(ptr, "below");
	_talloc_set_destructor(ptr, free_inner);
	inner_calls = 0;
	inner_result = 77;
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, -1);
}

static int unlink_inner(void *ptr)
{
	note_call(ptr);
	inner_calls++;
	inner_result = talloc_unlink(talloc_parent(inner_ptr), inner_ptr);
	return 0;
}

static void unlink_of_itself_inside(void)
{
	void *top = node(NULL, "top");

	inner_ptr = node(top, "ptr");
	_talloc_set_destructor(inner_ptr, unlink_inner);
	inner_calls = 0;
	inner_result = 77;
	CHECK_INT(talloc_free(inner_ptr), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, -1);
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_free(top), 0);
}

static int free_self_and_refuse(void *ptr)
{
	inner_calls++;
	inner_result = talloc_free(ptr);
	return -1;
}

static void free_of_itself_inside_and_refuse(void)
{
	void *ptr = node(NULL, "ptr");

	_talloc_set_destructor(ptr, free_self_and_refuse);
	inner_calls = 0;
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, -1);
	CHECK_STR(tree_of(ptr), "ptr");
	CHECK_INT(talloc_free(ptr), -1);
	CHECK_INT(inner_calls, 2);
	_talloc_set_destructor(ptr, NULL);
	CHECK_INT(talloc_free(ptr), 0);
}

/* top{mid{older child{below} newer}}: child's destructor frees something */
static void *top, *mid, *older, *child, *below, *newer;

static void build(void)
{
	top = node(NULL, "top");
	node(top, "beside");
	mid = node(top, "mid");
	older = node(mid, "older");
	child = node(mid, "child");
	newer = node(mid, "newer");
	below = node(child, "below");
	_talloc_set_destructor(older, agree);
	_talloc_set_destructor(newer, agree);
	_talloc_set_destructor(below, agree);
	_talloc_set_destructor(child, free_inner);
	calls[0] = '\0';
	inner_calls = 0;
	inner_result = 77;
}

static void free_the_parent_inside(void)
{
	build();
	inner_ptr = mid;
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_result, 0);
	CHECK_STR(calls, "newer<mid child<mid below<child older<mid ");
	CHECK_STR(tree_of(top), "top{beside}");
	CHECK_INT(talloc_free(top), 0);

	/* begun at the child itself */
	build();
	inner_ptr = mid;
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, 0);
	CHECK_STR(tree_of(top), "top{beside}");
	CHECK_INT(talloc_free(top), 0);
}

static void free_the_grandparent_inside(void)
{
	build();
	inner_ptr = top;
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, 0);

	build();
	inner_ptr = top;
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, 0);

	build();
	inner_ptr = top;
	CHECK_INT(talloc_free(top), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(inner_result, 0);
}

static void free_a_sibling_inside(void)
{
	build();
	inner_ptr = older;
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_result, 0);
	CHECK_STR(calls, "newer<mid child<mid older<mid below<child ");
	CHECK_INT(talloc_free(top), 0);

	build();
	inner_ptr = newer;
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(inner_result, 0);
	CHECK_STR(calls, "child<mid newer<mid below<child ");
	CHECK_STR(tree_of(top), "top{mid{older} beside}");
	CHECK_INT(talloc_free(top), 0);
}

static void free_its_child_inside(void)
{
	build();
	inner_ptr = below;
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_result, 0);
	CHECK_STR(calls, "newer<mid child<mid below<child older<mid ");
	CHECK_INT(talloc_free(top), 0);
}

static int free_children_inner(void *ptr)
{
	inner_calls++;
	note_call(ptr);
	talloc_free_children(inner_ptr);
	return 0;
}

static void free_children_inside(void)
{
	build();
	_talloc_set_destructor(child, free_children_inner);
	inner_ptr = mid;
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_STR(tree_of(top), "top{beside}");
	CHECK_INT(talloc_free(top), 0);

	build();
	_talloc_set_destructor(child, free_children_inner);
	inner_ptr = mid;
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_STR(tree_of(top), "top{mid beside}");
	CHECK_INT(talloc_free(top), 0);

	build();
	_talloc_set_destructor(child, free_children_inner);
	inner_ptr = child;
	CHECK_INT(talloc_free(child), 0);
	CHECK_STR(calls, "child<mid below<child ");
	CHECK_INT(talloc_free(top), 0);

	build();
	_talloc_set_destructor(child, free_children_inner);
	inner_ptr = mid;
	talloc_free_children(mid);
	CHECK_INT(inner_calls, 1);
	CHECK_STR(tree_of(top), "top{mid beside}");
	CHECK_INT(talloc_free(top), 0);
}

/* --- making and moving from inside --- */

static void *inner_ctx;

static int allocate_inner(void *ptr)
{
	inner_calls++;
	_talloc_set_destructor(node(inner_ctx ? inner_ctx : ptr, "made"), agree);
	return 0;
}

static void allocate_inside(void)
{
	/* below itself: freed with it */
	build();
	inner_ctx = NULL;
	_talloc_set_destructor(child, allocate_inner);
	CHECK_INT(talloc_free(child), 0);
	CHECK_STR(calls, "made<child below<child ");
	CHECK_INT(talloc_free(top), 0);

	/* below the parent that is being freed: freed next, being the newest */
	build();
	inner_ctx = mid;
	_talloc_set_destructor(child, allocate_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(tree_of(top), "top{beside}");
	CHECK(strstr(calls, "made<mid ") != NULL);
	CHECK_INT(talloc_free(top), 0);

	/* elsewhere: stays */
	build();
	inner_ctx = top;
	_talloc_set_destructor(child, allocate_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(tree_of(top), "top{made beside}");
	CHECK_INT(talloc_free(top), 0);
}

static int steal_inner(void *ptr)
{
	note_call(ptr);
	inner_calls++;
	talloc_steal(inner_ctx, inner_ptr);
	return inner_result;
}

static void steal_a_sibling_inside(void)
{
	build();
	inner_ctx = top;
	inner_ptr = older;
	inner_result = 0;
	_talloc_set_destructor(child, steal_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(tree_of(top), "top{older beside}");
	CHECK(talloc_parent(older) == top);
	CHECK_STR(calls, "newer<mid child<mid below<child ");
	CHECK_INT(talloc_free(top), 0);
}

static void steal_its_child_inside(void)
{
	build();
	inner_ctx = top;
	inner_ptr = below;
	inner_result = 0;
	_talloc_set_destructor(child, steal_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(tree_of(top), "top{below beside}");
	CHECK_INT(talloc_free(top), 0);
}

/* It steals itself away, and then agrees to go, or refuses. */
static void steal_itself(int answer, void (*how)(void), const char *left)
{
	build();
	inner_ctx = top;
	inner_ptr = child;
	inner_result = answer;
	_talloc_set_destructor(child, steal_inner);
	_talloc_set_destructor(below, NULL);
	how();
	CHECK_INT(inner_calls, 1);
	CHECK_STR(tree_of(top), left);
	if (answer == -1) {
		CHECK(talloc_parent(child) == top);
		_talloc_set_destructor(child, NULL);
	}
	CHECK_INT(talloc_free(top), 0);
}

static void by_free(void)
{
	CHECK_INT(talloc_free(mid), 0);
}

static void by_free_of_the_child(void)
{
	CHECK_INT(talloc_free(child), inner_result);
}

static void by_free_children(void)
{
	talloc_free_children(mid);
}

static void steal_itself_inside(void)
{
	steal_itself(0, by_free, "top{beside}");
	steal_itself(-1, by_free, "top{child{below} beside}");
	steal_itself(0, by_free_of_the_child, "top{mid{newer older} beside}");
	steal_itself(-1, by_free_of_the_child, "top{child{below} mid{newer older} beside}");
	steal_itself(0, by_free_children, "top{mid beside}");
	steal_itself(-1, by_free_children, "top{child{below} mid beside}");
}

static void steal_itself_to_nowhere(void)
{
	build();
	inner_ctx = NULL;
	inner_ptr = child;
	inner_result = -1;
	_talloc_set_destructor(child, steal_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_calls, 1);
	CHECK(talloc_parent(child) == NULL);
	CHECK_STR(tree_of(child), "child{below}");
	CHECK_STR(tree_of(top), "top{beside}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(talloc_free(top), 0);
}

static void *referred;

static int reference_inner(void *ptr)
{
	inner_calls++;
	talloc_reference(ptr, referred);
	return 0;
}

static void reference_something_inside(void)
{
	build();
	referred = node(top, "referred");
	_talloc_set_destructor(child, reference_inner);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_INT(inner_calls, 1);
	CHECK_INT(talloc_reference_count(referred), 0);
	CHECK_STR(tree_of(top), "top{referred beside}");
	CHECK_INT(talloc_free(top), 0);
}

/* --- handing over --- */

static void to_the_grandparent(void)
{
	build();
	_talloc_set_destructor(child, refuse);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(calls, "newer<mid child<mid older<mid ");
	CHECK_STR(tree_of(top), "top{child{below} beside}");
	CHECK(talloc_parent(child) == top);
	/* its destructor is still set */
	CHECK_INT(talloc_free(child), -1);
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void to_the_grandparent_from_free_children(void)
{
	build();
	_talloc_set_destructor(child, refuse);
	talloc_free_children(mid);
	CHECK_STR(calls, "newer<mid child<mid older<mid ");
	CHECK_STR(tree_of(top), "top{child{below} mid beside}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);

	/* mid not the newest child */
	build();
	node(top, "last");
	_talloc_set_destructor(child, refuse);
	talloc_free_children(mid);
	CHECK_STR(tree_of(top), "top{child{below} last mid beside}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void several_refuse(void)
{
	build();
	_talloc_set_destructor(older, refuse);
	_talloc_set_destructor(child, refuse);
	_talloc_set_destructor(newer, refuse);
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(calls, "newer<mid child<mid older<mid ");
	CHECK_STR(tree_of(top), "top{older child{below} newer beside}");
	_talloc_set_destructor(older, NULL);
	_talloc_set_destructor(child, NULL);
	_talloc_set_destructor(newer, NULL);
	CHECK_INT(talloc_free(top), 0);
}

static void to_nobody(void)
{
	void *ptr = node(NULL, "ptr");

	child = node(ptr, "child");
	_talloc_set_destructor(child, refuse);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK(talloc_parent(child) == NULL);
	CHECK_STR(tree_of(child), "child");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(child), 0);

	ptr = node(NULL, "ptr");
	child = node(ptr, "child");
	_talloc_set_destructor(child, refuse);
	talloc_free_children(ptr);
	CHECK(talloc_parent(child) == NULL);
	CHECK_STR(tree_of(ptr), "ptr");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(child), 0);
	CHECK_INT(talloc_free(ptr), 0);
}

static void to_the_null_context(void)
{
	void *ptr;

	talloc_enable_null_tracking_no_autofree();
	ptr = node(NULL, "ptr");
	child = node(ptr, "child");
	_talloc_set_destructor(child, refuse);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_STR(tree_of(NULL), "null_context{child}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(child), 0);
	talloc_disable_null_tracking();
}

static void asked_again_on_each_level(void)
{
	void *a, *b;

	/* top{a{b{child}}}: the child moves up one level each time it refuses */
	top = node(NULL, "top");
	a = node(top, "a");
	b = node(a, "b");
	child = node(b, "child");
	node(child, "below");
	_talloc_set_destructor(child, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(calls, "child<b child<a ");
	CHECK_STR(tree_of(top), "top{child{below}}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);

	/* gives in at the second time */
	top = node(NULL, "top");
	a = node(top, "a");
	b = node(a, "b");
	child = node(b, "child");
	_talloc_set_destructor(child, refuse_some);
	refusals = 1;
	calls[0] = '\0';
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(calls, "child<b child<a ");
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_free(top), 0);

	/* up to the very top: nobody is left */
	top = node(NULL, "top");
	a = node(top, "a");
	child = node(a, "child");
	_talloc_set_destructor(child, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(calls, "child<a child<top ");
	CHECK(talloc_parent(child) == NULL);
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(child), 0);
}

static void refusing_stops_at_the_level(void)
{
	/* a child that refuses does not keep its parent */
	top = node(NULL, "top");
	mid = node(top, "mid");
	child = node(mid, "child");
	_talloc_set_destructor(mid, agree);
	_talloc_set_destructor(child, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(calls, "mid<top child<mid ");
	CHECK_STR(tree_of(top), "top{child}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);

	/* and a parent that refuses keeps its children from being asked */
	top = node(NULL, "top");
	mid = node(top, "mid");
	child = node(mid, "child");
	_talloc_set_destructor(mid, refuse);
	_talloc_set_destructor(child, agree);
	calls[0] = '\0';
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(calls, "mid<top ");
	CHECK_STR(tree_of(mid), "mid{child}");
	_talloc_set_destructor(mid, NULL);
	CHECK_INT(talloc_free(mid), 0);
}

static void to_the_owner_of_the_newest_reference(void)
{
	void *first, *second;

	/* met while the parent goes, it is not even asked */
	top = node(NULL, "top");
	first = node(top, "first");
	second = node(top, "second");
	mid = node(top, "mid");
	child = node(mid, "child");
	talloc_reference(first, child);
	talloc_reference(second, child);
	_talloc_set_destructor(child, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(mid), 0);
	CHECK_STR(calls, "");
	CHECK_STR(tree_of(top), "top{second{child} first{*child}}");
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);
}

/* --- loops --- */

static void loops_of_references(void)
{
	void *a, *b;

	top = node(NULL, "top");
	a = node(top, "a");
	b = node(top, "b");
	_talloc_set_destructor(a, agree);
	_talloc_set_destructor(b, agree);
	talloc_reference(a, b);
	talloc_reference(b, a);
	calls[0] = '\0';
	CHECK_INT(talloc_free(top), 0);
	/* each once */
	CHECK(strstr(calls, "a<") != NULL && strstr(strstr(calls, "a<") + 1, "a<") == NULL);
	CHECK(strstr(calls, "b<") != NULL && strstr(strstr(calls, "b<") + 1, "b<") == NULL);
}

static int free_each_other(void *ptr)
{
	void **other = ptr;

	inner_calls++;
	if (*other != NULL)
		inner_result = talloc_free(*other);
	return 0;
}

static void destructors_that_free_each_other(void)
{
	void **a = talloc_zero_size(NULL, sizeof(void *));
	void **b = talloc_zero_size(NULL, sizeof(void *));

	*a = b;
	*b = a;
	_talloc_set_destructor(a, free_each_other);
	_talloc_set_destructor(b, free_each_other);
	inner_calls = 0;
	inner_result = 77;
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(inner_calls, 2);
	/* the last to be set: b's free, begun by a */
	CHECK_INT(inner_result, 0);
}

static void in_pools(void)
{
	void *pool = talloc_pool(NULL, 4096);

	top = node(NULL, "top");
	mid = node(pool, "mid");
	child = node(mid, "child");
	memset(child, 9, 10);
	talloc_steal(top, pool);
	_talloc_set_destructor(child, refuse);
	calls[0] = '\0';
	CHECK_INT(talloc_free(pool), 0);
	CHECK_STR(tree_of(top), "top{child}");
	CHECK_INT(((char *)child)[9], 9);
	_talloc_set_destructor(child, NULL);
	CHECK_INT(talloc_free(top), 0);
}

static int moved_calls;

static int count_moved(void *ptr)
{
	moved_calls += ((char *)ptr)[0];
	return 0;
}

static void follows_realloc(void)
{
	char *ptr = talloc_size(NULL, 10);

	ptr[0] = 5;
	_talloc_set_destructor(ptr, count_moved);
	ptr = talloc_realloc_size(NULL, ptr, 200000);
	CHECK_INT(moved_calls, 0);
	CHECK_INT(talloc_free(ptr), 0);
	CHECK_INT(moved_calls, 5);
}

int main(void)
{
	RUN(only_minus_one_refuses);
	RUN(refusing_keeps_the_place);
	RUN(set_and_unset);
	RUN(set_with_a_type);
	RUN(change_while_running);
	RUN(own_destructor_sees_all_linked);
	RUN(child_destructor_sees_the_parent_gone_from_its_list);
	RUN(child_destructor_in_free_children);
	RUN(free_of_itself_inside);
	RUN(unlink_of_itself_inside);
	RUN(free_of_itself_inside_and_refuse);
	RUN(free_the_parent_inside);
	RUN(free_the_grandparent_inside);
	RUN(free_a_sibling_inside);
	RUN(free_its_child_inside);
	RUN(free_children_inside);
	RUN(allocate_inside);
	RUN(steal_a_sibling_inside);
	RUN(steal_its_child_inside);
	RUN(steal_itself_inside);
	RUN(steal_itself_to_nowhere);
	RUN(reference_something_inside);
	RUN(to_the_grandparent);
	RUN(to_the_grandparent_from_free_children);
	RUN(several_refuse);
	RUN(to_nobody);
	RUN(to_the_null_context);
	RUN(asked_again_on_each_level);
	RUN(refusing_stops_at_the_level);
	RUN(to_the_owner_of_the_newest_reference);
	RUN(loops_of_references);
	RUN(destructors_that_free_each_other);
	RUN(in_pools);
	RUN(follows_realloc);
	TEST_END();
}
