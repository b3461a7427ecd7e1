/*
 * Memory of the library that somebody has written over, and more bad pointers: an
 * abort function that returns gets the reason, and the call fails.
 */
#include "../test.h"

static void *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 100, name);
}

static char abort_reason[200];

static void remember_reason(const char *reason)
{
	snprintf(abort_reason, sizeof(abort_reason), "%s", reason);
}

/* The abort function returns. */
static void survive_aborts(void)
{
	abort_reason[0] = '\0';
	talloc_set_abort_fn(remember_reason);
}

static void bad_contexts(void)
{
	static char zeros[256];
	void *good = node(NULL, "good");

	survive_aborts();
	CHECK(talloc_pool_cache(zeros + 128, 100, 10) == NULL);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
	survive_aborts();
	CHECK(talloc_reparent(zeros + 128, NULL, good) == NULL);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
	survive_aborts();
	CHECK(talloc_reparent(NULL, zeros + 128, good) == NULL);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
	survive_aborts();
	CHECK(talloc_get_name(NULL) == NULL);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
	talloc_free(good);
}

static void overwritten_header_of_a_child(void)
{
	void *top = node(NULL, "top"), *child = node(top, "child");

	survive_aborts();
	memset((char *)child - 64, 0x55, 4);
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
}

/* Only somebody who writes where he must not can make a pool lose count. */
static void overwritten_pool(void)
{
	char *pool = talloc_pool(NULL, 1000);
	unsigned live[8], *end = (unsigned *)(pool - 64), *at;
	void *member;

	memcpy(live, end - 8, sizeof(live));
	member = node(pool, "member");
	for (at = end - 1; at > end - 8 && *at != live[at - (end - 8)] + 1; at--)
		;
	survive_aborts();
	*at = 0;
	talloc_free(member);
	CHECK_STR(abort_reason, "Pool object count zero!");
}

int main(void)
{
	RUN(bad_contexts);
	RUN(overwritten_header_of_a_child);
	RUN(overwritten_pool);
	TEST_END();
}
