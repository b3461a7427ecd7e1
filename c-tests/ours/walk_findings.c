/*
 * Corners found by random walks in which the original fails too, or cannot be
 * compared: loops, and accounts of what becomes one.
 */
#include "../test.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

static int deaths;

static int die(void *ptr)
{
	(void)ptr;
	deaths++;
	return 0;
}

static int refuse(void *ptr)
{
	(void)ptr;
	return -1;
}

/* A free of the children of c comes to c itself. */
static void children_in_a_loop(void)
{
	void *c = node(NULL, "c"), *x = node(c, "x"), *y = node(x, "y");

	_talloc_set_destructor(c, die);
	_talloc_set_destructor(x, die);
	_talloc_set_destructor(y, die);
	talloc_steal(x, c);
	talloc_free_children(c);
	CHECK_INT(deaths, 3);
}

/* What becomes a loop leaves the account, which may go before it. */
static void loop_leaves_its_limit(void)
{
	void *l = talloc_named_const(NULL, 0, "l"), *c, *u, *z;
	char want[64];

	CHECK_INT(talloc_set_memlimit(l, 1 << 20), 0);
	c = node(l, "c");
	u = node(c, "u");
	talloc_steal(u, c);
	snprintf(want, sizeof(want), "cur_size = %d bytes", OUR_HEADER);
	CHECK(strstr(text_of(talloc_report, l), want) != NULL);
	CHECK_INT(talloc_free(l), 0);
	z = talloc_named_const(c, 100, "z");
	CHECK(z != NULL);
	CHECK_INT(talloc_free(c), 0);
}

/* A member that refuses, below a dying one without a parent. */
static void member_leaves_its_limit(void)
{
	void *l = talloc_named_const(NULL, 0, "l"), *pool, *m, *x, *y;

	CHECK_INT(talloc_set_memlimit(l, 1 << 20), 0);
	pool = talloc_pool(l, 4000);
	m = node(pool, "m");
	node(pool, "newer");
	x = node(m, "x");
	y = talloc_named_const(x, 10000, "y");
	_talloc_set_destructor(x, refuse);
	CHECK_INT(talloc_free(m), 0);
	CHECK(talloc_parent(x) == NULL);
	CHECK_INT(talloc_free(l), 0);
	CHECK(talloc_named_const(y, 100, "z") != NULL);
	_talloc_set_destructor(x, NULL);
	CHECK_INT(talloc_free(x), 0);
}

static void *grandparent, *below_the_limit;

static int steal_grandparent(void *ptr)
{
	(void)ptr;
	talloc_steal(below_the_limit, grandparent);
	return 0;
}

/*
 * A chunk is stolen to below a limit that hangs below a dying chunk of its own,
 * which has no parent any more: no loop, since that place moves away.
 */
static void limit_below_a_dying_chunk(void)
{
	void *dying, *limited, *last;
	size_t bytes;
	char want[64];

	grandparent = node(NULL, "grandparent");
	dying = node(grandparent, "dying");
	node(grandparent, "newer");
	limited = node(dying, "limited");
	last = node(dying, "last");
	talloc_increase_ref_count(limited);
	CHECK_INT(talloc_set_memlimit(limited, 0), 0);
	below_the_limit = node(limited, "below");
	_talloc_set_destructor(last, steal_grandparent);
	CHECK_INT(talloc_free(dying), 0);
	CHECK(talloc_parent(limited) == NULL);
	CHECK_STR(tree_of(limited), "limited{below{grandparent{newer}}}");
	bytes = talloc_total_size(limited) + talloc_total_blocks(limited) * OUR_HEADER;
	snprintf(want, sizeof(want), "cur_size = %zu bytes", bytes);
	CHECK(strstr(text_of(talloc_report, limited), want) != NULL);
	CHECK_INT(talloc_free(limited), 0);
}

static void *held;

static int resize_held(void *ptr)
{
	(void)ptr;
	held = talloc_realloc_size(NULL, held, 100000);
	return 0;
}

/* A context may be resized while its children are freed. */
static void resized_while_children_go(void)
{
	held = node(NULL, "held");
	_talloc_set_destructor(node(held, "child"), resize_held);
	talloc_free_children(held);
	CHECK_INT(talloc_get_size(held), 100000);
	CHECK_INT(talloc_total_blocks(held), 1);
	CHECK_INT(talloc_free(held), 0);
}

int main(void)
{
	alarm(20);
	RUN(children_in_a_loop);
	RUN(loop_leaves_its_limit);
	RUN(member_leaves_its_limit);
	RUN(limit_below_a_dying_chunk);
	RUN(resized_while_children_go);
	TEST_END();
}
