/*
 * Places and names that are NULL, as bindings to other languages pass them, in every
 * message that has one.
 */
#include "../test.h"

static void log_out(const char *message)
{
	fputs(message, stderr);
}

static const char *said_by(void (*fn)(void))
{
	struct outcome *o = run_apart(fn, true);

	printf("# %s\n", o->reason);
	return o->out;
}

static void *top, *child, *owner, *pool;

static void setup(void)
{
	top = talloc_named_const(NULL, 1, "top");
	child = talloc_named_const(top, 1, "child");
	owner = talloc_named_const(NULL, 1, "owner");
	pool = talloc_pool(NULL, 1000);
	talloc_set_log_fn(log_out);
}

static void free_with_references(void)
{
	_talloc_reference_loc(owner, child, NULL);
	_talloc_reference_loc(top, child, "r:2");
	_talloc_reference_loc(owner, child, NULL);
	if (_talloc_free(child, NULL) != -1)
		log_out("not refused\n");
}

static void free_with_a_place(void)
{
	_talloc_reference_loc(owner, child, NULL);
	_talloc_free(child, "f:1");
}

static void steal_with_references(void)
{
	_talloc_reference_loc(owner, child, NULL);
	if (_talloc_steal_loc(owner, child, NULL) != child)
		log_out("not stolen\n");
}

static void steal_with_a_place(void)
{
	_talloc_reference_loc(owner, child, "r:1");
	_talloc_steal_loc(owner, child, "s:1");
	_talloc_reference_loc(top, child, NULL);
	_talloc_steal_loc(NULL, child, NULL);
}

static void references(void)
{
	CHECK_STR(said_by(free_with_references),
		  "ERROR: talloc_free with references at (null)\n"
		  "\treference at (null)\n\treference at r:2\n\treference at (null)\n");
	CHECK_STR(said_by(free_with_a_place),
		  "ERROR: talloc_free with references at f:1\n\treference at (null)\n");
	CHECK_STR(said_by(steal_with_references),
		  "WARNING: talloc_steal with references at (null)\n\treference at (null)\n");
	CHECK_STR(said_by(steal_with_a_place),
		  "WARNING: talloc_steal with references at s:1\n\treference at r:1\n"
		  "WARNING: talloc_steal with references at (null)\n"
		  "\treference at (null)\n\treference at r:1\n");
}

static void nowhere(void)
{
	_talloc_get_type_abort(child, "wanted", NULL);
}

static void null_nowhere(void)
{
	_talloc_get_type_abort(NULL, "wanted", NULL);
}

static void null_as_null(void)
{
	_talloc_get_type_abort(NULL, NULL, "l:1");
}

static void all_null(void)
{
	_talloc_get_type_abort(NULL, NULL, NULL);
}

static void unnamed_nowhere(void)
{
	talloc_set_name_const(child, NULL);
	_talloc_get_type_abort(child, "wanted", NULL);
}

static void type_mismatch(void)
{
	CHECK_STR(said_by(nowhere), "(null): Type mismatch: name[child] expected[wanted]\n");
	CHECK_STR(said_by(null_nowhere), "(null): Type mismatch: name[NULL] expected[wanted]\n");
	CHECK_STR(said_by(null_as_null), "l:1: Type mismatch: name[NULL] expected[(null)]\n");
	CHECK_STR(said_by(all_null), "(null): Type mismatch: name[NULL] expected[(null)]\n");
	CHECK_STR(said_by(unnamed_nowhere),
		  "(null): Type mismatch: name[UNNAMED] expected[wanted]\n");
}

/* Freed without a place, it keeps its name where the place would be. */
static void free_twice(void)
{
	void *member = talloc_named_const(pool, 10, "its name");

	talloc_named_const(pool, 10, "behind");
	_talloc_free(member, NULL);
	_talloc_free(member, "second:1");
}

static void free_the_unnamed_twice(void)
{
	void *member = talloc_named_const(pool, 10, NULL);

	talloc_named_const(pool, 10, "behind");
	_talloc_free(member, NULL);
	_talloc_free(member, NULL);
}

static void access_after_free(void)
{
	CHECK_STR(said_by(free_twice),
		  "talloc: access after free error - first free may be at its name\n"
		  "Bad talloc magic value - access after free\n");
	CHECK_STR(said_by(free_the_unnamed_twice),
		  "talloc: access after free error - first free may be at (null)\n"
		  "Bad talloc magic value - access after free\n");
}

static void reports(void)
{
	talloc_set_name_const(child, NULL);
	_talloc_reference_loc(owner, child, NULL);
	CHECK_STR(without_addresses(text_of(talloc_report_full, top)),
		  "full talloc report on 'top' (total      2 bytes in   2 blocks)\n"
		  "    UNNAMED                        contains      1 bytes in   1 blocks (ref 1)\n");
	CHECK_STR(text_of(talloc_report_full, owner),
		  "full talloc report on 'owner' (total      1 bytes in   2 blocks)\n"
		  "    reference to: UNNAMED\n");
	CHECK_STR(text_of(talloc_show_parents, child),
		  "talloc parents of 'UNNAMED'\n\t'UNNAMED'\n\t'top'\n");
}

int main(void)
{
	setup();
	RUN(references);
	RUN(type_mismatch);
	RUN(access_after_free);
	RUN(reports);
	TEST_END();
}
