/*
 * A context that was stolen to below itself: whichever chunk of the loop is freed, all of it
 * goes, whatever else hangs below its chunks, before and behind the one that is freed.
 */
#include "../test.h"

enum { NOTHING, A_NAME, A_CHILD, A_LARGE_ONE, A_DESTRUCTOR, KINDS };

static int gone;

static int goes(void *ptr)
{
	(void)ptr;
	gone++;
	return 0;
}

static void hang(void *parent, int what)
{
	switch (what) {
	case A_NAME:
		talloc_set_name(parent, "name %d", what);
		break;
	case A_CHILD:
		talloc_named_const(parent, 7, "child");
		break;
	case A_LARGE_ONE:
		talloc_named_const(parent, 5000, "large");
		break;
	case A_DESTRUCTOR:
		_talloc_set_destructor(talloc_named_const(parent, 9, "asked"), goes);
		break;
	}
}

static void loop(bool in_a_pool, int before, int behind, int which, int first)
{
	void *root = in_a_pool ? talloc_pool(NULL, 20000) : talloc_new(NULL);
	void *a = talloc_named_const(root, 10, "a"), *b;

	hang(a, first);
	b = talloc_named_const(a, 20, "b");
	hang(a, before);
	hang(b, behind);
	talloc_steal(b, a);
	hang(b, before);
	hang(a, behind);
	gone = 0;
	CHECK_INT(talloc_free(which ? a : b), 0);
	printf("%d %d %d %d %d: %d asked, %zu left\n", in_a_pool, before, behind, which, first, gone,
	       talloc_total_blocks(root));
	CHECK_INT(talloc_free(root), 0);
}

static void loops(void)
{
	int i;

	for (i = 0; i < 4 * KINDS * KINDS * KINDS; i++)
		loop(i & 1, i / 4 % KINDS, i / 4 / KINDS % KINDS, i >> 1 & 1,
		     i / 4 / KINDS / KINDS);
}

int main(void)
{
	alarm(60);
	RUN(loops);
	TEST_END();
}
