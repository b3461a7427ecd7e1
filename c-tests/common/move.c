/* Moving: steal, move, reparent, what they log, and what becomes of the order. */
#include "test.h"

static void *a, *b;         /* two contexts without a parent */
static char *x, *y, *z;     /* children of a: "z y x " */

static void set_up(void)
{
	a = talloc_named_const(NULL, 0, "a");
	b = talloc_named_const(NULL, 0, "b");
	x = talloc_named_const(a, 1, "x");
	y = talloc_named_const(a, 2, "y");
	z = talloc_named_const(a, 3, "z");
	log_start();
}

static void tear_down(void)
{
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_free(a), 0);
	CHECK_INT(talloc_free(b), 0);
}

static void test_steal(void)
{
	set_up();
	CHECK(talloc_steal(b, y) == y);
	CHECK(talloc_parent(y) == b);
	CHECK_STR(children_of(a), "z x ");
	CHECK_STR(children_of(b), "y ");
	/* To the front of the new parent's list. */
	CHECK(talloc_steal(b, x) == x);
	CHECK_STR(children_of(b), "x y ");
	CHECK(talloc_steal(b, z) == z);
	CHECK_STR(children_of(b), "z x y ");
	CHECK_STR(children_of(a), "");
	CHECK_INT(talloc_total_size(a), 0);
	CHECK_INT(talloc_total_size(b), 6);
	/* With all that hangs below, deeper, and back up. */
	CHECK(talloc_steal(z, x) == x);
	CHECK(talloc_steal(x, y) == y);
	CHECK(talloc_parent(y) == x && talloc_parent(x) == z && talloc_parent(z) == b);
	CHECK(talloc_steal(a, z) == z);
	CHECK_INT(talloc_total_size(a), 6);
	CHECK_INT(talloc_total_size(b), 0);
	CHECK(talloc_steal(a, y) == y);
	CHECK_STR(children_of(a), "y z ");
	CHECK_STR(children_of(z), "x ");
	CHECK_STR(log_text, "");
	tear_down();
}

/* The parent is the same after it, but the child is its newest now. */
static void test_steal_to_present_parent(void)
{
	set_up();
	CHECK(talloc_steal(a, x) == x);
	CHECK(talloc_parent(x) == a);
	CHECK_STR(children_of(a), "x z y ");
	CHECK(talloc_steal(a, z) == z);
	CHECK_STR(children_of(a), "z x y ");
	CHECK(talloc_steal(a, z) == z);
	CHECK_STR(children_of(a), "z x y ");
	/* An only child. */
	talloc_steal(b, x);
	CHECK(talloc_steal(b, x) == x);
	CHECK_STR(children_of(b), "x ");
	CHECK_INT(talloc_total_size(a), 5);
	CHECK_STR(log_text, "");
	tear_down();
}

static void test_steal_to_itself(void)
{
	set_up();
	CHECK(talloc_steal(x, x) == x);
	CHECK(talloc_steal(y, y) == y);
	CHECK(talloc_parent(x) == a);
	CHECK_STR(children_of(a), "z y x ");
	CHECK_STR(children_of(x), "");
	CHECK(talloc_steal(a, a) == a);
	CHECK(talloc_parent(a) == NULL);
	CHECK_INT(talloc_total_blocks(a), 4);
	CHECK_STR(log_text, "");
	tear_down();
}

static void test_nothing_to_move(void)
{
	void *none = NULL;

	set_up();
	CHECK(talloc_steal(a, none) == NULL);
	CHECK(talloc_steal(NULL, none) == NULL);
	CHECK(talloc_move(a, &none) == NULL);
	CHECK(none == NULL);
	CHECK(talloc_move(NULL, &none) == NULL);
	CHECK(talloc_reparent(a, b, NULL) == NULL);
	CHECK(talloc_reparent(NULL, NULL, NULL) == NULL);
	CHECK_STR(children_of(a), "z y x ");
	CHECK_STR(log_text, "");
	tear_down();
}

/* New parent NULL: no parent at all ... */
static void test_steal_to_null(void)
{
	set_up();
	CHECK(talloc_steal(NULL, y) == y);
	CHECK(talloc_parent(y) == NULL);
	CHECK_STR(children_of(a), "z x ");
	CHECK(talloc_steal(NULL, y) == y);
	CHECK(talloc_parent(y) == NULL);
	talloc_steal(NULL, z);
	CHECK(talloc_parent(z) == NULL);
	CHECK_STR(children_of(a), "x ");
	/* Gone from a: freeing a leaves them alone. */
	CHECK_INT(talloc_free(a), 0);
	y[1] = 'y';
	z[2] = 'z';
	CHECK_STR(talloc_get_name(y), "y");
	a = talloc_named_const(NULL, 0, "a");
	talloc_steal(a, y);
	talloc_steal(a, z);
	CHECK_STR(children_of(a), "z y ");
	tear_down();
}

/* ... or the null context, while that is there. */
static void test_steal_to_null_context(void)
{
	void *null_ctx;

	talloc_enable_null_tracking_no_autofree();
	set_up();
	null_ctx = talloc_parent(a);
	CHECK_STR(children_of(null_ctx), "b a ");
	CHECK(talloc_steal(NULL, y) == y);
	CHECK(talloc_parent(y) == null_ctx);
	CHECK_STR(children_of(null_ctx), "y b a ");
	CHECK(talloc_steal(NULL, a) == a);
	CHECK_STR(children_of(null_ctx), "a y b ");
	CHECK(talloc_steal(null_ctx, b) == b);
	CHECK_STR(children_of(null_ctx), "b a y ");
	CHECK(talloc_steal(a, y) == y);
	CHECK_STR(children_of(null_ctx), "b a ");
	CHECK_STR(log_text, "");
	tear_down();
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_disable_null_tracking();
}

static void test_move(void)
{
	char *p;

	set_up();
	p = x;
	CHECK(talloc_move(b, &p) == x);
	CHECK(p == NULL);
	CHECK(talloc_parent(x) == b);
	/* Present parent: the same as a steal. */
	p = y;
	CHECK(talloc_move(a, &p) == y);
	CHECK(p == NULL);
	CHECK_STR(children_of(a), "y z ");
	p = y;
	CHECK(talloc_move(y, &p) == y);
	CHECK(p == NULL);
	CHECK(talloc_parent(y) == a);
	p = z;
	CHECK(talloc_move(NULL, &p) == z);
	CHECK(p == NULL);
	CHECK(talloc_parent(z) == NULL);
	p = z;
	CHECK(talloc_move(a, &p) == z);
	CHECK_STR(children_of(a), "z y ");
	/* A member that is moved is its own new owner. */
	{
		struct holder {
			char *kept;
		} *h = talloc(b, struct holder);

		h->kept = x;
		p = talloc_move(a, &h->kept);
		CHECK(p == x && h->kept == NULL);
		CHECK_STR(children_of(a), "x z y ");
	}
	CHECK_STR(log_text, "");
	tear_down();
}

#define WARNING "WARNING: talloc_steal with references at "
#define LINES "\treference at second\n\treference at first\n"

/* Two references on y, by r1 (older) and r2. */
static void *r1, *r2;

static void set_up_references(void)
{
	set_up();
	r1 = talloc_named_const(NULL, 0, "r1");
	r2 = talloc_named_const(NULL, 0, "r2");
	CHECK(_talloc_reference_loc(r1, y, "first") == y);
	CHECK(_talloc_reference_loc(r2, y, "second") == y);
}

static void tear_down_references(void)
{
	talloc_free(r1);
	talloc_free(r2);
	tear_down();
}

static void test_warning(void)
{
	const char *where;
	char want[300];

	set_up_references();
	CHECK(_talloc_steal_loc(b, y, "here") == y);
	CHECK_STR(log_text, WARNING "here\n" LINES);
	CHECK(talloc_parent(y) == b);
	CHECK_INT(talloc_reference_count(y), 2);
	CHECK_STR(children_of(r1), "->y ");
	CHECK_STR(children_of(r2), "->y ");

	/* The macro says where it was called. */
	log_start();
	where = __location__; CHECK(talloc_steal(a, y) == y);
	snprintf(want, sizeof(want), WARNING "%s\n" LINES, where);
	CHECK_STR(log_text, want);
	CHECK(talloc_parent(y) == a);

	/* To its parent without a word, but to the front. */
	log_start();
	talloc_steal(a, z);
	CHECK(_talloc_steal_loc(a, y, "here") == y);
	CHECK_STR(log_text, "");
	CHECK_STR(children_of(a), "y z x ");

	/* To itself: no move, but the words. */
	CHECK(_talloc_steal_loc(y, y, "self") == y);
	CHECK_STR(log_text, WARNING "self\n" LINES);
	CHECK(talloc_parent(y) == a);

	/* To the owner of a reference: it has both then. */
	log_start();
	CHECK(_talloc_steal_loc(r1, y, "owner") == y);
	CHECK_STR(log_text, WARNING "owner\n" LINES);
	CHECK(talloc_parent(y) == r1);
	CHECK_STR(children_of(r1), "y ->y ");
	CHECK_INT(talloc_reference_count(y), 2);

	/* To nowhere; there, NULL is the parent it has. */
	log_start();
	CHECK(_talloc_steal_loc(NULL, y, "null") == y);
	CHECK_STR(log_text, WARNING "null\n" LINES);
	CHECK(talloc_parent(y) == NULL);
	log_start();
	CHECK(_talloc_steal_loc(NULL, y, "null") == y);
	CHECK_STR(log_text, "");
	CHECK(_talloc_steal_loc(y, y, "self") == y);
	CHECK_STR(log_text, WARNING "self\n" LINES);
	talloc_steal(a, y);
	tear_down_references();
}

/* A move has no place to tell of but its own; the other lines are the same. */
static void test_warning_of_move(void)
{
	char *p;

	set_up_references();
	p = y;
	CHECK(talloc_move(b, &p) == y);
	CHECK(p == NULL);
	CHECK(talloc_parent(y) == b);
	CHECK(strncmp(log_text, WARNING, strlen(WARNING)) == 0);
	CHECK(strchr(log_text, '\n') != NULL);
	CHECK_STR(strchr(log_text, '\n'), "\n" LINES);
	log_start();
	p = y;
	CHECK(talloc_move(b, &p) == y);
	CHECK_STR(log_text, "");
	tear_down_references();
}

/* Tracking on: the null context is a parent, but NULL is not its name. */
static void test_warning_tracking(void)
{
	void *null_ctx;

	talloc_enable_null_tracking_no_autofree();
	set_up_references();
	null_ctx = talloc_parent(a);
	CHECK(_talloc_steal_loc(NULL, y, "null") == y);
	CHECK_STR(log_text, WARNING "null\n" LINES);
	CHECK(talloc_parent(y) == null_ctx);
	log_start();
	CHECK(_talloc_steal_loc(NULL, y, "again") == y);
	CHECK_STR(log_text, WARNING "again\n" LINES);
	log_start();
	CHECK(_talloc_steal_loc(null_ctx, y, "named") == y);
	CHECK_STR(log_text, "");
	CHECK(talloc_parent(y) == null_ctx);
	talloc_steal(a, y);
	tear_down_references();
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_disable_null_tracking();
}

static int log_calls, log_bad;

static void count_log(const char *message)
{
	const char *end = strchr(message, '\n');

	log_calls++;
	if (end == NULL || end[1] != '\0')
		log_bad++;
}

/* Each line is a call of its own, with the newline in it. */
static void test_log_calls(void)
{
	set_up_references();
	talloc_set_log_fn(count_log);
	_talloc_steal_loc(b, y, "here");
	CHECK_INT(log_calls, 3);
	CHECK_INT(log_bad, 0);
	tear_down_references();
}

static void test_no_log_function(void)
{
	set_up_references();
	talloc_set_log_fn(NULL);
	CHECK(_talloc_steal_loc(b, y, "here") == y);
	CHECK(talloc_parent(y) == b);
	CHECK_STR(log_text, "");
	tear_down_references();
}

static void test_reparent_parent(void)
{
	set_up();
	CHECK(talloc_reparent(a, b, y) == y);
	CHECK(talloc_parent(y) == b);
	CHECK_STR(children_of(a), "z x ");
	CHECK_STR(children_of(b), "y ");
	CHECK(talloc_reparent(a, b, x) == x);
	CHECK_STR(children_of(b), "x y ");
	/* From and to the same: newest again. */
	CHECK(talloc_reparent(b, b, y) == y);
	CHECK_STR(children_of(b), "y x ");
	/* Under itself it cannot get. */
	CHECK(talloc_reparent(b, y, y) == y);
	CHECK(talloc_parent(y) == b);
	/* Not the parent: nothing happens. */
	CHECK(talloc_reparent(b, a, z) == NULL);
	CHECK(talloc_reparent(NULL, b, z) == NULL);
	CHECK(talloc_reparent(z, b, z) == NULL);
	CHECK(talloc_reparent(y, a, x) == NULL);
	CHECK_STR(children_of(a), "z ");
	CHECK_STR(children_of(b), "y x ");
	/* NULL stands for no parent. */
	CHECK(talloc_reparent(a, NULL, z) == z);
	CHECK(talloc_parent(z) == NULL);
	CHECK(talloc_reparent(NULL, NULL, z) == z);
	CHECK(talloc_reparent(a, b, z) == NULL);
	CHECK(talloc_reparent(NULL, b, z) == z);
	CHECK_STR(children_of(b), "z y x ");
	CHECK_STR(log_text, "");
	tear_down();
}

static void test_reparent_references(void)
{
	set_up_references();
	/* The parent, without a warning. */
	CHECK(talloc_reparent(a, b, y) == y);
	CHECK(talloc_parent(y) == b);
	CHECK_STR(children_of(r1), "->y ");
	CHECK_STR(log_text, "");

	/* A reference, to the front of the new owner's list. */
	talloc_named_const(a, 0, "newer");
	CHECK(talloc_reparent(r2, a, y) == y);
	CHECK_STR(children_of(r2), "");
	CHECK_STR(children_of(a), "->y newer z x ");
	CHECK(talloc_parent(y) == b);
	CHECK_INT(talloc_reference_count(y), 2);
	CHECK(talloc_reparent(r2, a, y) == NULL);

	/* Moved is not made anew: place and age stay. */
	log_start();
	_talloc_steal_loc(a, y, "here");
	CHECK_STR(log_text, WARNING "here\n" LINES);
	log_start();

	/* a is parent and owner: the parent comes first, the reference stays. */
	CHECK(talloc_reparent(a, b, y) == y);
	CHECK(talloc_parent(y) == b);
	CHECK_STR(children_of(a), "->y newer z x ");
	/* Once more: the reference it is. */
	CHECK(talloc_reparent(a, r2, y) == y);
	CHECK_STR(children_of(a), "newer z x ");
	CHECK_STR(children_of(r2), "->y ");
	CHECK(talloc_parent(y) == b);
	CHECK(talloc_reparent(a, r2, y) == NULL);

	/* To NULL and back: a handle without an owner. */
	CHECK(talloc_reparent(r2, NULL, y) == y);
	CHECK_STR(children_of(r2), "");
	CHECK_INT(talloc_reference_count(y), 2);
	CHECK(talloc_reparent(NULL, r2, y) == y);
	CHECK_STR(children_of(r2), "->y ");
	CHECK(talloc_reparent(NULL, r2, y) == NULL);
	CHECK_STR(log_text, "");
	tear_down_references();
}

/* Two references by one owner: the newest goes first. */
static void test_reparent_twice_referenced(void)
{
	set_up();
	_talloc_reference_loc(b, y, "first");
	_talloc_reference_loc(b, y, "second");
	CHECK_STR(children_of(b), "->y ->y ");
	CHECK(talloc_reparent(b, x, y) == y);
	CHECK_STR(children_of(b), "->y ");
	CHECK_STR(children_of(x), "->y ");
	/* It was the newest that went, so the other one is left with b. */
	CHECK_INT(talloc_unlink(x, y), 0);
	_talloc_steal_loc(z, y, "here");
	CHECK_STR(log_text, WARNING "here\n"
			    "\treference at first\n");
	/* From and to the same owner: to the front of its list. */
	talloc_named_const(b, 0, "newer");
	CHECK_STR(children_of(b), "newer ->y ");
	CHECK(talloc_reparent(b, b, y) == y);
	CHECK_STR(children_of(b), "->y newer ");
	tear_down();
}

/* With tracking on, top-level chunks have a parent, which is not NULL. */
static void test_reparent_tracking(void)
{
	void *null_ctx;

	talloc_enable_null_tracking_no_autofree();
	set_up();
	null_ctx = talloc_parent(a);
	CHECK(talloc_reparent(a, NULL, y) == y);
	CHECK(talloc_parent(y) == null_ctx);
	CHECK(talloc_reparent(NULL, b, y) == NULL);
	CHECK(talloc_parent(y) == null_ctx);
	CHECK(talloc_reparent(NULL, NULL, y) == NULL);
	CHECK(talloc_reparent(null_ctx, b, y) == y);
	CHECK(talloc_parent(y) == b);

	/* A reference from nowhere is one from the null context. */
	talloc_reference(x, y);
	CHECK(talloc_reparent(x, NULL, y) == y);
	CHECK_STR(children_of(null_ctx), "->y b a ");
	CHECK(talloc_reparent(NULL, x, y) == NULL);
	CHECK(talloc_reparent(null_ctx, x, y) == y);
	CHECK_STR(children_of(x), "->y ");
	CHECK_STR(children_of(null_ctx), "b a ");
	CHECK_STR(log_text, "");
	talloc_unlink(x, y);
	tear_down();
	CHECK_INT(talloc_total_blocks(NULL), 1);
	talloc_disable_null_tracking();
}

/* Into a child of its own: a ring that hangs nowhere, until it is taken apart. */
static void test_ring(void)
{
	set_up();
	talloc_steal(x, y);
	CHECK(talloc_steal(y, x) == x);
	CHECK(talloc_parent(x) == y && talloc_parent(y) == x);
	CHECK_STR(children_of(a), "z ");
	CHECK_STR(children_of(x), "y ");
	CHECK_STR(children_of(y), "x ");
	CHECK_INT(talloc_total_blocks(x), 2);
	CHECK_INT(talloc_total_size(x), 3);
	CHECK_INT(talloc_total_blocks(a), 2);
	CHECK(talloc_steal(a, x) == x);
	CHECK_STR(children_of(a), "x z ");
	CHECK_STR(children_of(x), "y ");
	CHECK_STR(children_of(y), "");
	CHECK_INT(talloc_total_blocks(a), 4);
	CHECK_STR(log_text, "");
	tear_down();
}

static char freed[64];

static int note_free(char *p)
{
	strcat(freed, talloc_get_name(p));
	return 0;
}

/* Who is freed when is decided by where things are now. */
static void test_free_after_moves(void)
{
	set_up();
	talloc_set_destructor(x, note_free);
	talloc_set_destructor(y, note_free);
	talloc_set_destructor(z, note_free);
	freed[0] = '\0';
	talloc_steal(b, x);
	talloc_steal(b, z);
	talloc_free_children(a);
	CHECK_STR(freed, "y");
	talloc_free_children(b);
	CHECK_STR(freed, "yzx");
	tear_down();
}

/* The first, a middle and the last of many, by turns. */
static void test_many(void)
{
	int i, bad = 0;
	void *chunks[300];

	set_up();
	for (i = 0; i < 300; i++)
		chunks[i] = talloc_size(b, 1);
	for (i = 0; i < 3000; i++) {
		int n = (i * 71) % 300;

		if (talloc_steal(i % 2 ? a : b, chunks[n]) != chunks[n] ||
		    talloc_parent(chunks[n]) != (i % 2 ? a : b))
			bad++;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(talloc_total_blocks(a) + talloc_total_blocks(b), 305);
	tear_down();
}

/* From no parent to one and back, among others and alone, tracked and not. */
static void test_to_and_from_none(void)
{
	int tracked;

	for (tracked = 0; tracked < 2; tracked++) {
		void *before, *p, *q, *after;

		if (tracked)
			talloc_enable_null_tracking();
		set_up();
		before = talloc_named_const(NULL, 1, "before");
		p = talloc_named_const(NULL, 1, "p");
		q = talloc_named_const(p, 2, "q");
		after = talloc_named_const(NULL, 1, "after");
		CHECK(talloc_steal(a, p) == p);
		CHECK(talloc_parent(p) == a);
		CHECK_STR(children_of(p), "q ");
		CHECK(talloc_steal(NULL, p) == p);
		CHECK(talloc_parent(p) == talloc_parent(before));
		CHECK(talloc_steal(NULL, p) == p);
		CHECK(talloc_steal(p, after) == after);
		CHECK(talloc_steal(after, before) == before);
		CHECK_STR(children_of(p), "after q ");
		CHECK(talloc_steal(b, q) == q);
		CHECK(talloc_steal(NULL, q) == q);
		CHECK_INT(talloc_unlink(NULL, q), 0);
		CHECK_INT(talloc_unlink(a, p), -1);
		CHECK_INT(talloc_unlink(after, before), 0);
		CHECK_STR(children_of(p), "after ");
		CHECK_INT(talloc_unlink(p, p), -1);
		CHECK_INT(talloc_unlink(NULL, p), 0);
		tear_down();
		if (tracked) {
			CHECK_INT(talloc_total_blocks(NULL), 1);
			talloc_disable_null_tracking();
		}
	}
}

/* Out of a pool and into it: the memory stays where it is. */
static void test_pool(void)
{
	char *pool, *member;

	set_up();
	pool = talloc_pool(a, 1000);
	member = talloc_strdup(pool, "member");
	CHECK(talloc_steal(b, member) == member);
	CHECK(talloc_parent(member) == b);
	CHECK(talloc_steal(pool, x) == x);
	CHECK_STR(children_of(pool), "x ");
	CHECK_INT(talloc_free(pool), 0);
	/* The pool is gone, what was stolen from it is not. */
	CHECK_STR(member, "member");
	CHECK_STR(children_of(b), "member ");
	CHECK_INT(talloc_free(member), 0);
	tear_down();
}

int main(void)
{
	RUN(test_steal);
	RUN(test_steal_to_present_parent);
	RUN(test_steal_to_itself);
	RUN(test_nothing_to_move);
	RUN(test_steal_to_null);
	RUN(test_steal_to_null_context);
	RUN(test_move);
	RUN(test_warning);
	RUN(test_warning_of_move);
	RUN(test_warning_tracking);
	RUN(test_log_calls);
	RUN(test_no_log_function);
	RUN(test_reparent_parent);
	RUN(test_reparent_references);
	RUN(test_reparent_twice_referenced);
	RUN(test_reparent_tracking);
	RUN(test_ring);
	RUN(test_free_after_moves);
	RUN(test_many);
	RUN(test_to_and_from_none);
	RUN(test_pool);
	TEST_END();
}
