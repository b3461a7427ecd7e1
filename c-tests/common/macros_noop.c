/* With TALLOC_GET_TYPE_ABORT_NOOP the type check is but a cast. */
#define TALLOC_GET_TYPE_ABORT_NOOP 1
#include "test.h"

struct thing {
	int number;
};

static void test_noop(void)
{
	void *v = talloc_named_const(NULL, 8, "something else");
	void *none = NULL;

	CHECK(talloc_get_type_abort(v, struct thing) == v);
	CHECK(talloc_get_type_abort(none, struct thing) == NULL);
	CHECK(_Generic(talloc_get_type_abort(v, struct thing), struct thing *: 1, default: 0));
	CHECK(talloc_get_type(v, struct thing) == NULL);
	CHECK_INT(talloc_free(v), 0);
}

int main(void)
{
	RUN(test_noop);
	TEST_END();
}
