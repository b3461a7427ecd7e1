/* Names: how they are given, kept, compared, and searched for. */
#include "test.h"

#include <signal.h>
#include <wchar.h>

struct apple {
	int weight;
};

struct pear {
	int weight;
};

/* Not representable in the C locale: a format error for %ls. */
static const wchar_t bad_wide[] = { 0x100, 0 };

static void test_const_names(void)
{
	void *ctx = talloc_new(NULL);
	char name[] = "changing";
	void *p = talloc_named_const(ctx, 4, name);

	/* The pointer is kept, not a copy of the text. */
	CHECK(talloc_get_name(p) == name);
	name[0] = 'C';
	CHECK_STR(talloc_get_name(p), "Changing");
	CHECK_INT(talloc_total_blocks(p), 1);
	CHECK_INT(talloc_total_size(p), 4);
	talloc_set_name_const(p, "other");
	CHECK_STR(talloc_get_name(p), "other");
	CHECK_INT(talloc_total_blocks(p), 1);
	talloc_set_name_const(p, "");
	CHECK_STR(talloc_get_name(p), "");
	talloc_free(ctx);
}

static void test_unnamed(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc_named_const(ctx, 4, NULL);

	CHECK_STR(talloc_get_name(p), "UNNAMED");
	CHECK_STR(talloc_get_name(_talloc(ctx, 1)), "UNNAMED");
	CHECK_STR(talloc_get_name(talloc_pool(ctx, 100)), "UNNAMED");
	CHECK_STR(talloc_get_name(talloc_realloc_fn(ctx, NULL, 3)), "UNNAMED");
	talloc_set_name_const(p, "x");
	CHECK_STR(talloc_get_name(p), "x");
	talloc_set_name_const(p, NULL);
	CHECK_STR(talloc_get_name(p), "UNNAMED");
	/* The stand-in counts as the name when a name is checked ... */
	CHECK(talloc_check_name(p, "UNNAMED") == p);
	CHECK(talloc_check_name(p, "x") == NULL);
	/* ... but a search passes a chunk without a name by. */
	CHECK(talloc_find_parent_byname(p, "UNNAMED") == NULL);
	/* And the name of a parent without one is NULL, not the stand-in. */
	CHECK(talloc_parent_name(talloc_size(p, 1)) == NULL);
	talloc_free(ctx);
}

static void test_set_name(void)
{
	void *ctx = talloc_new(NULL);
	char *p = talloc_named_const(ctx, 10, "old");
	const char *first, *second;
	char *text;

	first = talloc_set_name(p, "chunk %d of %s", 7, "nine");
	CHECK_STR(first, "chunk 7 of nine");
	CHECK(talloc_get_name(p) == first);
	/* The text is a child of its own, as long as it needs to be. */
	CHECK(talloc_parent(first) == p);
	CHECK_STR(talloc_get_name(first), ".name");
	CHECK_INT(talloc_get_size(first), 16);
	CHECK_INT(talloc_total_blocks(p), 2);
	CHECK_INT(talloc_total_size(p), 26);
	CHECK_STR(children_of(p), ".name ");

	/* A second name leaves the first where it is. */
	second = talloc_set_name(p, "%s", "two");
	CHECK(second != first);
	CHECK_STR(talloc_get_name(p), "two");
	CHECK_STR(first, "chunk 7 of nine");
	CHECK_INT(talloc_total_blocks(p), 3);
	CHECK_INT(talloc_total_size(p), 30);
	CHECK_STR(children_of(p), ".name .name ");

	/* So does a constant one, and a name made out of the present name. */
	talloc_set_name_const(p, "three");
	CHECK_INT(talloc_total_blocks(p), 3);
	talloc_set_name(p, "<%s>", talloc_get_name(p));
	talloc_set_name(p, "<%s>", talloc_get_name(p));
	CHECK_STR(talloc_get_name(p), "<<three>>");
	CHECK_INT(talloc_total_blocks(p), 5);

	/* Freeing the children keeps the name in use, and only that. */
	talloc_size(p, 1);
	talloc_free_children(p);
	CHECK_STR(talloc_get_name(p), "<<three>>");
	CHECK_INT(talloc_total_blocks(p), 2);

	CHECK_STR(talloc_set_name(p, "%s", ""), "");
	CHECK_STR(talloc_get_name(p), "");

	/* Names longer than any buffer on a stack. */
	text = malloc(100001);
	memset(text, 'n', 100000);
	text[100000] = '\0';
	CHECK_STR(talloc_set_name(p, "%s", text), text);
	CHECK_STR(talloc_get_name(p), text);
	free(text);

	CHECK_INT(talloc_free(p), 0);
	CHECK_INT(talloc_total_blocks(ctx), 1);
	talloc_free(ctx);
}

/* Any child whose memory is the name is kept when the children are freed. */
static void test_child_as_name(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc_named(ctx, 0, "made");
	const char *name = talloc_get_name(p);
	char *text;
	int i;

	/* A name chunk that was stolen is a name all the same. */
	talloc_steal(ctx, name);
	talloc_size(p, 1);
	talloc_free_children(p);
	CHECK_INT(talloc_total_blocks(p), 1);
	CHECK_STR(talloc_get_name(p), "made");
	CHECK(talloc_parent(name) == ctx);

	talloc_size(p, 1);
	text = talloc_strdup(p, "text");
	talloc_size(p, 2);
	talloc_set_name_const(p, text);
	talloc_free_children(p);
	CHECK_STR(children_of(p), "text ");
	CHECK_STR(talloc_get_name(p), "text");
	CHECK(talloc_parent(text) == p);

	/* What is below the name stays with it, in a pool, too. */
	for (i = 0; i < 2; i++) {
		void *parent = i ? talloc_pool(ctx, 1000) : talloc_new(ctx);

		talloc_size(parent, 1);
		CHECK(talloc_set_name(parent, "%s", "named") != NULL);
		talloc_set_name_const(talloc_size(talloc_get_name(parent), 3), "below it");
		talloc_size(parent, 2);
		talloc_free_children(parent);
		CHECK_INT(talloc_total_blocks(parent), 3);
		CHECK_STR(children_of(talloc_get_name(parent)), "below it ");
	}
	CHECK_INT(talloc_free(ctx), 0);
}

static void test_named_and_init(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc_named(ctx, 20, "%s-%d", "n", 3);
	void *top = talloc_init("top %c", 'x');

	CHECK_STR(talloc_get_name(p), "n-3");
	CHECK(talloc_parent(p) == ctx);
	CHECK_INT(talloc_get_size(p), 20);
	CHECK_INT(talloc_total_size(p), 24);
	CHECK_INT(talloc_total_blocks(p), 2);
	CHECK_STR(children_of(p), ".name ");

	CHECK_STR(talloc_get_name(top), "top x");
	CHECK(talloc_parent(top) == NULL);
	CHECK_INT(talloc_get_size(top), 0);
	CHECK_INT(talloc_total_size(top), 6);
	CHECK_INT(talloc_total_blocks(top), 2);
	CHECK_INT(talloc_free(top), 0);

	p = talloc_named(NULL, 0, "loose");
	CHECK(talloc_parent(p) == NULL);
	CHECK_STR(talloc_get_name(p), "loose");
	CHECK_INT(talloc_free(p), 0);
	talloc_free(ctx);
}

/* A name that cannot be made: nothing of the chunk stays, or the name is gone. */
static void test_name_failures(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc_named_const(ctx, 1, "before");

	CHECK(talloc_set_name(p, "%ls", bad_wide) == NULL);
	CHECK_STR(talloc_get_name(p), "UNNAMED");
	CHECK_INT(talloc_total_blocks(p), 1);
	CHECK(talloc_named(ctx, 5, "%ls", bad_wide) == NULL);
	CHECK(talloc_init("%ls", bad_wide) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 2);

	/* A limit stands for memory that has run out. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	CHECK_INT(talloc_set_memlimit(ctx, 10000), 0);
#pragma GCC diagnostic pop
	talloc_set_name_const(p, "before");
	CHECK(talloc_set_name(p, "%20000d", 1) == NULL);
	CHECK_STR(talloc_get_name(p), "UNNAMED");
	CHECK(talloc_named(ctx, 1, "%20000d", 1) == NULL);
	CHECK(talloc_named(ctx, 20000, "%d", 1) == NULL);
	CHECK_INT(talloc_total_blocks(ctx), 2);
	CHECK_STR(talloc_set_name(p, "%d", 1), "1");
	talloc_free(ctx);
}

static void test_string_names(void)
{
	void *ctx = talloc_new(NULL);
	char *s = talloc_strdup(ctx, "text");

	CHECK(talloc_get_name(s) == s);
	s[0] = 'n';
	CHECK_STR(talloc_get_name(s), "next");
	CHECK(talloc_check_name(s, "next") == s);
	CHECK(talloc_check_name(s, s) == s);
	talloc_set_name_const(s, "label");
	CHECK_STR(talloc_get_name(s), "label");
	CHECK_STR(s, "next");
	talloc_free(ctx);
}

static void get_handle(const void *ptr, int depth, int max_depth, int is_ref, void *private)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	if (is_ref)
		++*(int *)private;
}

/* A handle is a child like any other, but is reported as what it refers to. */
static void test_reference_names(void)
{
	void *ctx = talloc_new(NULL);
	void *owner = talloc_named_const(ctx, 0, "owner");
	void *p = talloc_named_const(ctx, 5, "target");
	int refs = 0;

	CHECK(talloc_reference(owner, p) == p);
	CHECK_STR(children_of(owner), "->target ");
	talloc_report_depth_cb(owner, 0, -1, get_handle, &refs);
	CHECK_INT(refs, 1);
	CHECK_STR(talloc_get_name(p), "target");
	talloc_free(owner);
	talloc_free(ctx);
}

static void test_check_name(void)
{
	void *ctx = talloc_new(NULL);
	const char *name = "fruit";
	char same[] = "fruit";
	void *p = talloc_named_const(ctx, 1, name);

	CHECK(talloc_check_name(p, name) == p);
	CHECK(talloc_check_name(p, same) == p);
	CHECK(talloc_check_name(p, "frui") == NULL);
	CHECK(talloc_check_name(p, "fruits") == NULL);
	CHECK(talloc_check_name(p, "") == NULL);
	CHECK(talloc_check_name(NULL, "fruit") == NULL);
	CHECK(talloc_check_name(NULL, NULL) == NULL);
	talloc_set_name(p, "made %d", 1);
	CHECK(talloc_check_name(p, "made 1") == p);
	CHECK(talloc_check_name(p, "fruit") == NULL);
	talloc_free(ctx);
}

static void test_types(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc(ctx, struct apple);
	struct apple *a;

	CHECK_STR(talloc_get_name(p), "struct apple");
	a = talloc_get_type(p, struct apple);
	CHECK(a == p);
	CHECK(talloc_get_type(p, struct pear) == NULL);
	CHECK(talloc_get_type(NULL, struct pear) == NULL);
	/* The text counts, not the type: one blank between the words. */
	CHECK(talloc_get_type(p, struct   apple) == p);
	CHECK(talloc_get_type(p, const struct apple) == NULL);

	talloc_set_type(p, struct pear);
	CHECK_STR(talloc_get_name(p), "struct pear");
	CHECK(talloc_get_type(p, struct pear) == p);
	CHECK(talloc_get_type(p, struct apple) == NULL);
	CHECK(talloc_get_type_abort(p, struct pear) == p);

	/* An array has the name of its element. */
	CHECK(talloc_get_type(talloc_array(ctx, struct apple, 3), struct apple) != NULL);
	CHECK(talloc_get_type(talloc_zero(ctx, struct apple), struct apple) != NULL);
	talloc_free(ctx);
}

#define MISMATCH ": Type mismatch: name[struct apple] expected[struct pear]"

static char abort_reason[300];
static int aborts;

static void note_abort(const char *reason)
{
	aborts++;
	snprintf(abort_reason, sizeof(abort_reason), "%s", reason);
}

/* The abort function comes back: the answer is NULL and nothing is harmed. */
static void test_type_abort_returns(void)
{
	void *ctx = talloc_new(NULL);
	void *p = talloc(ctx, struct apple);
	const char *where;
	char want[300];

	log_start();
	talloc_set_abort_fn(note_abort);
	aborts = 0;
	CHECK(_talloc_get_type_abort(p, "struct apple", "here:1") == p);
	CHECK_INT(aborts, 0);
	CHECK_STR(log_text, "");

	CHECK(_talloc_get_type_abort(p, "struct pear", "here:1") == NULL);
	CHECK_INT(aborts, 1);
	CHECK_STR(abort_reason, "here:1" MISMATCH);
	CHECK_STR(log_text, "here:1" MISMATCH "\n");

	log_start();
	CHECK(_talloc_get_type_abort(NULL, "struct pear", "here:2") == NULL);
	CHECK_INT(aborts, 2);
	CHECK_STR(abort_reason, "here:2: Type mismatch: name[NULL] expected[struct pear]");
	CHECK_STR(log_text, "here:2: Type mismatch: name[NULL] expected[struct pear]\n");

	log_start();
	where = __location__; CHECK(talloc_get_type_abort(p, struct pear) == NULL);
	snprintf(want, sizeof(want), "%s" MISMATCH, where);
	CHECK_INT(aborts, 3);
	CHECK_STR(abort_reason, want);

	talloc_set_name_const(p, NULL);
	CHECK(_talloc_get_type_abort(p, "int", "x") == NULL);
	CHECK_STR(abort_reason, "x: Type mismatch: name[UNNAMED] expected[int]");
	CHECK(_talloc_get_type_abort(p, "UNNAMED", "x") == p);
	CHECK_INT(aborts, 4);
	talloc_set_name(p, "%s", "in[t]%s");
	CHECK(_talloc_get_type_abort(p, "int", "x") == NULL);
	CHECK_STR(abort_reason, "x: Type mismatch: name[in[t]%s] expected[int]");

	talloc_set_abort_fn(NULL);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(ctx), 0);
}

/* Names beyond the size of any fixed buffer: nothing is cut off. */
static char *long_reason;

static void keep_reason(const char *reason)
{
	long_reason = strdup(reason);
}

static void test_type_abort_long(void)
{
	char name[3001], *want = malloc(4000);
	void *p;

	memset(name, 'q', 3000);
	name[3000] = '\0';
	p = talloc_named_const(NULL, 1, name);
	snprintf(want, 4000, "l: Type mismatch: name[%s] expected[int]", name);
	talloc_set_abort_fn(keep_reason);
	CHECK(_talloc_get_type_abort(p, "int", "l") == NULL);
	CHECK_STR(long_reason, want);
	talloc_set_abort_fn(NULL);
	free(long_reason);
	free(want);
	talloc_free(p);
}

static void mismatch(void)
{
	void *p = talloc(NULL, struct apple);

	talloc_set_log_stderr();
	_talloc_get_type_abort(p, "struct pear", "there:9");
}

static void test_type_abort_ends(void)
{
	struct outcome *o = run_apart(mismatch, true);

	CHECK(o->aborted);
	CHECK(WIFEXITED(o->status) && WEXITSTATUS(o->status) == 42);
	CHECK_STR(o->reason, "there:9" MISMATCH);
	CHECK_STR(o->out, "there:9" MISMATCH "\n");

	/* Without a function of one's own it is abort(). */
	o = run_apart(mismatch, false);
	CHECK(!o->aborted);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK_STR(o->out, "there:9" MISMATCH "\n");
}

static void test_find_parent(void)
{
	struct apple *apple = talloc(NULL, struct apple);
	void *mid = talloc_named_const(apple, 0, "mid");
	struct pear *pear = talloc(mid, struct pear);
	void *inner = talloc_named(pear, 0, "inner%d", 1);
	void *leaf = talloc_named_const(inner, 1, "mid");
	char copy[] = "struct apple";

	/* The chunk itself is looked at first, then upwards. */
	CHECK(talloc_find_parent_byname(leaf, "mid") == leaf);
	CHECK(talloc_find_parent_byname(inner, "mid") == mid);
	CHECK(talloc_find_parent_byname(inner, "inner1") == inner);
	CHECK(talloc_find_parent_byname(leaf, copy) == apple);
	CHECK(talloc_find_parent_byname(apple, copy) == apple);
	CHECK(talloc_find_parent_byname(leaf, "nobody") == NULL);
	CHECK(talloc_find_parent_byname(mid, "struct pear") == NULL);
	CHECK(talloc_find_parent_byname(NULL, "mid") == NULL);
	CHECK(talloc_find_parent_byname(NULL, NULL) == NULL);
	CHECK(talloc_find_parent_bytype(leaf, struct apple) == apple);
	CHECK(talloc_find_parent_bytype(leaf, struct pear) == pear);
	CHECK(talloc_find_parent_bytype(mid, struct pear) == NULL);

	/* A chunk with siblings, and one that is neither first nor last. */
	talloc_named_const(inner, 0, "sib1");
	talloc_named_const(pear, 0, "sib2");
	talloc_named_const(mid, 0, "sib3");
	CHECK(talloc_find_parent_byname(leaf, copy) == apple);
	CHECK(talloc_find_parent_byname(leaf, "sib2") == NULL);
	/* Names made by a format keep a chunk of theirs: its parent is the owner. */
	CHECK(talloc_find_parent_byname(talloc_get_name(inner), "inner1") == inner);

	/* With tracking on there is one level more. */
	talloc_enable_null_tracking_no_autofree();
	CHECK(talloc_find_parent_byname(leaf, "null_context") == NULL);
	talloc_steal(NULL, apple);
	CHECK(talloc_find_parent_byname(leaf, "null_context") == talloc_parent(apple));
	CHECK(talloc_find_parent_byname(leaf, "null_context") != NULL);
	talloc_disable_null_tracking();
	CHECK_INT(talloc_free(apple), 0);
}

static void test_parent_name(void)
{
	void *top = talloc_named_const(NULL, 0, "top");
	char *p = talloc_strdup(top, "p");
	void *q = talloc_size(p, 1);

	CHECK(talloc_parent_name(NULL) == NULL);
	CHECK(talloc_parent_name(top) == NULL);
	CHECK_STR(talloc_parent_name(p), "top");
	CHECK_STR(talloc_parent_name(q), "p");
	CHECK(talloc_parent_name(q) == p);
	talloc_size(top, 1);
	talloc_size(p, 1);
	CHECK_STR(talloc_parent_name(p), "top");
	CHECK_STR(talloc_parent_name(q), "p");
	talloc_set_name(top, "renamed %d", 1);
	CHECK_STR(talloc_parent_name(p), "renamed 1");
	talloc_steal(top, q);
	CHECK_STR(talloc_parent_name(q), "renamed 1");
	talloc_enable_null_tracking_no_autofree();
	talloc_steal(NULL, q);
	CHECK_STR(talloc_parent_name(q), "null_context");
	CHECK(talloc_parent_name(talloc_parent(q)) == NULL);
	talloc_disable_null_tracking();
	CHECK(talloc_parent_name(q) == NULL);
	talloc_free(q);
	CHECK_INT(talloc_free(top), 0);
}

static void test_new_names(void)
{
	void *ctx = talloc_new(NULL); CHECK_STR(talloc_get_name(ctx), "talloc_new: " __location__);

	CHECK_INT(talloc_get_size(ctx), 0);
	CHECK_STR(talloc_get_name(talloc(ctx, unsigned long)), "unsigned long");
	CHECK_STR(talloc_get_name(talloc(ctx, char *)), "char *");
	CHECK_STR(talloc_get_name(talloc_zero(ctx, struct apple)), "struct apple");
	CHECK_STR(talloc_get_name(_talloc_array(ctx, 1, 1, "arr")), "arr");
	CHECK_STR(talloc_get_name(_talloc_zero_array(ctx, 1, 1, "zarr")), "zarr");
	CHECK_STR(talloc_get_name(talloc_realloc(ctx, NULL, struct pear, 2)), "struct pear");
	talloc_free(ctx);
}

int main(void)
{
	RUN(test_const_names);
	RUN(test_unnamed);
	RUN(test_set_name);
	RUN(test_child_as_name);
	RUN(test_named_and_init);
	RUN(test_name_failures);
	RUN(test_string_names);
	RUN(test_reference_names);
	RUN(test_check_name);
	RUN(test_types);
	RUN(test_type_abort_returns);
	RUN(test_type_abort_long);
	RUN(test_type_abort_ends);
	RUN(test_find_parent);
	RUN(test_parent_name);
	RUN(test_new_names);
	TEST_END();
}
