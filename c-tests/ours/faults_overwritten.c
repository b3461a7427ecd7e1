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
	memset((char *)child - OUR_HEADER, 0x55, 4);
	CHECK_INT(talloc_free(top), 0);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
}

/* Where in a header the word is that leads to a record. */
#define HOME (16 + 4 * sizeof(void *))

/* A pool's record is out of reach; what leads there is not. */
static void overwritten_home(void)
{
	char *pool = talloc_pool(NULL, 1000), *other = talloc_pool(NULL, 1000);
	void *member = node(pool, "member"), **home = (void **)((char *)member - OUR_HEADER + HOME), *was = *home;

	node(other, "member of the other");
	survive_aborts();
	*home = *(void **)(other - OUR_HEADER + HOME);
	CHECK_INT(talloc_free(member), -1);
	CHECK_STR(abort_reason, "Bad talloc magic value - unknown value");
	survive_aborts();
	*home = NULL;
	CHECK(node(member, "child") == NULL || abort_reason[0] == '\0');
	*home = was;
	talloc_set_abort_fn(NULL);
	talloc_free(other);
}

int main(void)
{
	RUN(bad_contexts);
	RUN(overwritten_header_of_a_child);
	RUN(overwritten_home);
	TEST_END();
}
