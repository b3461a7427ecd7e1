/*
 * talloc_free(), talloc_free_children() and TALLOC_FREE(): results, order, what
 * is left, and the filling of freed memory.
 */
#include "../test.h"

/* What the destructors below were called for, in order. */
static char calls[1024];

static int note(void *ptr)
{
	strcat(calls, talloc_get_name(ptr));
	strcat(calls, " ");
	return 0;
}

static void *node(const void *ctx, const char *name)
{
	void *ptr = talloc_named_const(ctx, 10, name);

	_talloc_set_destructor(ptr, note);
	return ptr;
}

static void results(void)
{
	void *top, *child;

	CHECK_INT(talloc_free(NULL), -1);
	CHECK_INT(talloc_free(talloc_new(NULL)), 0);
	CHECK_INT(talloc_free(talloc_size(NULL, 0)), 0);
	CHECK_INT(talloc_free(talloc_size(NULL, 5000000)), 0);

	top = talloc_named_const(NULL, 10, "top");
	child = talloc_named_const(top, 10, "child");
	talloc_named_const(child, 10, "grandchild");
	CHECK_INT(talloc_total_blocks(top), 3);
	CHECK_INT(talloc_free(child), 0);
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_total_size(top), 10);
	CHECK_INT(talloc_free(top), 0);
}

static void the_macro(void)
{
	void *ptr = talloc_new(NULL);

	TALLOC_FREE(ptr);
	CHECK(ptr == NULL);
	TALLOC_FREE(ptr);
	CHECK(ptr == NULL);
}

static void the_macro_forgets_what_refuses_too(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *child = talloc_named_const(top, 0, "child");
	void *held = child;

	talloc_reference(top, child);
	log_start();
	TALLOC_FREE(child);
	talloc_set_log_fn(NULL);
	CHECK(child == NULL);
	CHECK_INT(talloc_reference_count(held), 1);
	CHECK_STR(tree_of(top), "top{*child child}");
	CHECK_INT(talloc_free(top), 0);
}

static void siblings_stay_in_order(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *part[5];

	part[0] = talloc_named_const(top, 0, "0");
	part[1] = talloc_named_const(top, 0, "1");
	part[2] = talloc_named_const(top, 0, "2");
	part[3] = talloc_named_const(top, 0, "3");
	part[4] = talloc_named_const(top, 0, "4");
	CHECK_STR(tree_of(top), "top{4 3 2 1 0}");
	CHECK_INT(talloc_free(part[2]), 0);
	CHECK_STR(tree_of(top), "top{4 3 1 0}");
	CHECK_INT(talloc_free(part[4]), 0);
	CHECK_STR(tree_of(top), "top{3 1 0}");
	CHECK_INT(talloc_free(part[0]), 0);
	CHECK_STR(tree_of(top), "top{3 1}");
	CHECK(talloc_parent(part[1]) == top);
	CHECK(talloc_parent(part[3]) == top);
	CHECK_INT(talloc_free(part[3]), 0);
	CHECK(talloc_parent(part[1]) == top);
	CHECK_INT(talloc_free(part[1]), 0);
	CHECK_STR(tree_of(top), "top");
	talloc_named_const(top, 0, "again");
	CHECK_STR(tree_of(top), "top{again}");
	CHECK_INT(talloc_free(top), 0);
}

static void newest_first_parents_first(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a");
	void *b = node(top, "b");

	node(a, "a1");
	node(a, "a2");
	node(b, "b1");
	node(b, "b2");
	node(top, "c");
	calls[0] = '\0';
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(calls, "top c b b2 b1 a a2 a1 ");
}

static void children_only(void)
{
	void *top = node(NULL, "top");
	void *a = node(top, "a");

	node(a, "a1");
	node(top, "b");
	calls[0] = '\0';
	talloc_free_children(top);
	CHECK_STR(calls, "b a a1 ");
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_total_size(top), 10);

	/* nothing left to do */
	calls[0] = '\0';
	talloc_free_children(top);
	CHECK_STR(calls, "");
	node(top, "later");
	CHECK_STR(tree_of(top), "top{later}");
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(calls, "top later ");
}

static void children_only_inside_a_tree(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *mid, *other;

	talloc_named_const(top, 0, "older");
	mid = talloc_named_const(top, 0, "mid");
	other = talloc_named_const(top, 0, "newer");
	talloc_named_const(mid, 0, "1");
	talloc_named_const(mid, 0, "2");
	talloc_named_const(other, 0, "3");
	talloc_free_children(mid);
	CHECK_STR(tree_of(top), "top{newer{3} mid older}");
	CHECK_INT(talloc_free(top), 0);
}

static void children_of_null(void)
{
	void *ptr;

	talloc_free_children(NULL);
	CHECK(1);
	talloc_enable_null_tracking_no_autofree();
	ptr = talloc_named_const(NULL, 0, "kept");
	/* nothing happens to what the null context holds */
	talloc_free_children(NULL);
	CHECK_STR(tree_of(NULL), "null_context{kept}");
	CHECK_INT(talloc_free(ptr), 0);
	talloc_disable_null_tracking();
}

static void the_name_stays(void)
{
	void *top = talloc_named_const(NULL, 0, "top");

	talloc_named_const(top, 0, "older than the name");
	talloc_set_name(top, "name %d", 1);
	talloc_named_const(top, 0, "newer than the name");
	CHECK_STR(tree_of(top), "name 1{newer than the name .name older than the name}");
	talloc_free_children(top);
	CHECK_STR(talloc_get_name(top), "name 1");
	CHECK_STR(tree_of(top), "name 1{.name}");
	/* the name alone */
	talloc_free_children(top);
	CHECK_STR(tree_of(top), "name 1{.name}");

	/* only the name in use is kept */
	talloc_named_const(top, 0, "child");
	talloc_set_name(top, "name %d", 2);
	CHECK_STR(tree_of(top), "name 2{.name child .name}");
	talloc_free_children(top);
	CHECK_STR(tree_of(top), "name 2{.name}");

	/* not in use any more */
	talloc_set_name_const(top, "constant");
	CHECK_STR(tree_of(top), "constant{.name}");
	talloc_free_children(top);
	CHECK_STR(tree_of(top), "constant");
	CHECK_INT(talloc_free(top), 0);
}

static void a_name_that_lives_elsewhere(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *ptr = talloc_named_const(top, 0, "ptr");
	void *name;

	talloc_set_name(ptr, "named");
	name = (void *)(uintptr_t)talloc_get_name(ptr);
	talloc_steal(top, name);
	talloc_named_const(ptr, 0, "child");
	talloc_free_children(ptr);
	CHECK_STR(tree_of(top), "top{.name named}");
	CHECK_INT(talloc_free(top), 0);
}

static void names_of_children_go(void)
{
	void *top = talloc_named_const(NULL, 0, "top");

	talloc_named(top, 10, "child %s", "one");
	talloc_strdup(top, "text");
	CHECK_STR(tree_of(top), "top{text child one{.name}}");
	talloc_free_children(top);
	CHECK_STR(tree_of(top), "top");
	CHECK_INT(talloc_free(top), 0);
}

static void many(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	void *mid[100];
	int i, j;

	for (i = 0; i < 100; i++) {
		mid[i] = talloc_named_const(top, 1, "mid");
		for (j = 0; j < 100; j++)
			talloc_named_const(mid[i], (size_t)j * 10, "leaf");
	}
	CHECK_INT(talloc_total_blocks(top), 10101);
	for (i = 0; i < 100; i += 2)
		if (talloc_free(mid[(i * 37) % 100]) != 0)
			break;
	CHECK_INT(i, 100);
	CHECK_INT(talloc_total_blocks(top), 5051);
	CHECK_INT(talloc_total_size(top), 50 * (1 + 49500));
	talloc_free_children(top);
	CHECK_INT(talloc_total_blocks(top), 1);
	CHECK_INT(talloc_free(top), 0);
}

static void from_pools(void)
{
	void *pool = talloc_pool(NULL, 4096);
	void *a, *b;

	talloc_set_name_const(pool, "pool");
	a = node(pool, "a");
	b = node(a, "b");
	node(pool, "c");
	calls[0] = '\0';
	CHECK_INT(talloc_free(b), 0);
	CHECK_STR(tree_of(pool), "pool{c a}");
	talloc_free_children(pool);
	CHECK_STR(calls, "b c a ");
	CHECK_STR(tree_of(pool), "pool");

	/* a member that was stolen away outlives its pool */
	a = node(pool, "a");
	memset(a, 7, 10);
	node(a, "below");
	talloc_steal(NULL, a);
	calls[0] = '\0';
	CHECK_INT(talloc_free(pool), 0);
	CHECK_STR(calls, "");
	CHECK_STR(tree_of(a), "a{below}");
	CHECK_INT(((char *)a)[9], 7);
	CHECK_INT(talloc_free(a), 0);
	CHECK_STR(calls, "a below ");
}

static void depth_of_a_thousand(void)
{
	void *top = talloc_new(NULL), *ptr = top;
	int i;

	for (i = 0; i < 1000; i++)
		ptr = talloc_named_const(ptr, 3, "link");
	CHECK_INT(talloc_total_blocks(top), 1001);
	CHECK_INT(talloc_total_size(top), 3000);
	CHECK_INT(talloc_free(top), 0);
}

/*
 * Freed memory may be looked at only while it lies in a pool that is still
 * there, and the environment is read once: so each value has a process.
 */
static int all_bytes(const void *ptr, size_t size, int value)
{
	const volatile unsigned char *byte = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		if (byte[i] != value)
			return 0;
	return 1;
}

static int fill_child(int value)
{
	void *pool = talloc_pool(NULL, 8192);
	char *first = talloc_size(pool, 100);
	char *below = talloc_size(first, 33);
	char *other = talloc_size(pool, 50);
	char *last = talloc_size(pool, 64);
	char *moved;
	int failed = 0;

	memset(first, 1, 100);
	memset(below, 2, 33);
	memset(other, 3, 50);
	memset(last, 4, 64);
	if (talloc_free(first) != 0)
		failed |= 1;
	if (!all_bytes(first, 100, value < 0 ? 1 : value))
		failed |= 2;
	if (!all_bytes(below, 33, value < 0 ? 2 : value))
		failed |= 4;
	if (!all_bytes(other, 50, 3) || !all_bytes(last, 64, 4))
		failed |= 8;
	/* not the last member: it has to move, and its old place is freed */
	moved = talloc_realloc_size(pool, other, 1000);
	if (moved == other || !all_bytes(moved, 50, 3))
		failed |= 16;
	if (value >= 0 && !all_bytes(other, 50, value))
		failed |= 32;
	if (!all_bytes(last, 64, 4))
		failed |= 64;
	if (talloc_free(pool) != 0)
		failed |= 128;
	return failed;
}

static int fill_run(const char *text, const char *value)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;
	pid_t pid;

	self[n > 0 ? n : 0] = '\0';
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (text != NULL)
			setenv("TALLOC_FREE_FILL", text, 1);
		else
			unsetenv("TALLOC_FREE_FILL");
		execl(self, "free", value, (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fill(void)
{
	CHECK_INT(fill_run(NULL, "-1"), 0);
	CHECK_INT(fill_run("0x5a", "90"), 0);
	CHECK_INT(fill_run("90", "90"), 0);
	CHECK_INT(fill_run("0132", "90"), 0);
	CHECK_INT(fill_run("255", "255"), 0);
	CHECK_INT(fill_run("0", "0"), 0);
	/* whatever strtoul() makes of it, cut to a byte */
	CHECK_INT(fill_run("300", "44"), 0);
	CHECK_INT(fill_run("-1", "255"), 0);
	CHECK_INT(fill_run("", "0"), 0);
	CHECK_INT(fill_run("junk", "0"), 0);
	CHECK_INT(fill_run("0x5a junk", "90"), 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return fill_child(atoi(argv[1]));
	RUN(results);
	RUN(the_macro);
	RUN(the_macro_forgets_what_refuses_too);
	RUN(siblings_stay_in_order);
	RUN(newest_first_parents_first);
	RUN(children_only);
	RUN(children_only_inside_a_tree);
	RUN(children_of_null);
	RUN(the_name_stays);
	RUN(a_name_that_lives_elsewhere);
	RUN(names_of_children_go);
	RUN(many);
	RUN(from_pools);
	RUN(depth_of_a_thousand);
	RUN(fill);
	TEST_END();
}
