/*
 * A child that refuses once, or some times, and refers to itself, to its parent or
 * around: how often it is asked, and where it is afterwards.  Each in a process of
 * its own, which says what came of it.
 */
#include "../test.h"
#include "../refusing.h"

static int how_often;

static void try_it(void)
{
	int result;

	alarm(20);
	build();
	refusals = how_often;
	result = the_way->go();
	printf("%d; %s; %s", result, asked, tree_of(NULL));
}

/* For each layout, each way, refusing once and three times: the result; who was asked; what is left. */
static const char *const expected[] = {
	/* none */
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* itself */
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* itself_twice */
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* its_parent */
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* its_parent_twice */
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* its_child */
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context",
	"0; child ; null_context",
	/* itself_then_its_parent */
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* its_parent_then_itself */
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* itself_then_its_child */
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context",
	"0; child ; null_context",
	/* itself_then_its_sibling */
	"0; child child ; null_context{top{heir}}",
	"0; child child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child child ; null_context",
	/* its_sibling_then_itself */
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* itself_then_an_heir */
	"0; ; null_context{top{heir{child{*child below}}}}",
	"0; ; null_context{top{heir{child{*child below}}}}",
	"0; ; null_context{top{dying heir{child{*child below}}}}",
	"0; ; null_context{top{dying heir{child{*child below}}}}",
	"0; ; null_context{top{heir{child{*child below}}}}",
	"0; ; null_context{top{heir{child{*child below}}}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* an_heir_then_itself */
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} dying heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* two_in_a_ring */
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context{top{dying heir}}",
	"0; child child ; null_context{top{child{below} dying heir}}",
	"0; child child ; null_context{top{heir}}",
	"0; child child ; null_context{top{child{below} heir}}",
	"0; child child ; null_context",
	"0; child child child ; null_context{child{below}}",
	/* two_that_hold_themselves */
	"0; child child other ; null_context{top{heir}}",
	"0; child child other other ; null_context{top{child{below} heir}}",
	"0; child child other ; null_context{top{dying heir}}",
	"0; child child other other ; null_context{top{child{below} dying heir}}",
	"0; child child other ; null_context{top{heir}}",
	"0; child child other other ; null_context{top{child{below} heir}}",
	"0; child child other ; null_context",
	"0; child child other other child ; null_context",
	/* three_in_a_ring */
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{dying heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context{top{heir}}",
	"0; child ; null_context",
	"0; child ; null_context",
	/* a_ring_through_the_heir */
	"0; ; null_context{top{heir{child{*heir below}}}}",
	"0; ; null_context{top{heir{child{*heir below}}}}",
	"0; ; null_context{top{dying heir{child{*heir below}}}}",
	"0; ; null_context{top{dying heir{child{*heir below}}}}",
	"0; ; null_context{top{heir{child{*heir below}}}}",
	"0; ; null_context{top{heir{child{*heir below}}}}",
	"0; child child ; null_context",
	"0; child child ; null_context{child{below}}",
	/* below_holds_itself */
	"0; child ; null_context{top{child{below{*below}} heir}}",
	"0; child ; null_context{top{child{below{*below}} heir}}",
	"0; child ; null_context{top{child{below{*below}} dying heir}}",
	"0; child ; null_context{top{child{below{*below}} dying heir}}",
	"0; child ; null_context{top{child{below{*below}} heir}}",
	"0; child ; null_context{top{child{below{*below}} heir}}",
	"0; child child below ; null_context",
	"0; child child ; null_context{child{below{*below}}}",
	/* all_refuse_in_a_ring */
	"0; other ; null_context{top{heir}}",
	"0; other ; null_context{top{heir}}",
	"0; other ; null_context{top{dying heir}}",
	"0; other ; null_context{top{dying heir}}",
	"0; other ; null_context{top{heir}}",
	"0; other ; null_context{top{heir}}",
	"0; other ; null_context",
	"0; other ; null_context",
};

int main(void)
{
	size_t l, w, next = 0;

	for (l = 0; l < LAYOUTS; l++)
		for (w = 0; w < WAYS; w++)
			for (how_often = 1; how_often <= 3; how_often += 2) {
				const char *want = next < sizeof(expected) / sizeof(expected[0]) ?
					expected[next++] : "";
				struct outcome *o;
				bool good;

				the_layout = &layouts[l];
				the_way = &ways[w];
				in_a_pool = (l + w) % 2;
				o = run_apart(try_it, true);
				good = strcmp(o->out, want) == 0 && o->status == 0;
				printf("%s - %s, %s, refuses %d: %s\n", good ? "ok" : "not ok",
				       the_layout->name, the_way->name, how_often, o->out);
				if (!good) {
					fprintf(stderr, "%s, %s, %d, status %#x\n  got:  %s\n  want: %s\n",
						the_layout->name, the_way->name, how_often,
						(unsigned int)o->status, o->out, want);
					test_failures++;
				}
			}
	CHECK_INT(next, sizeof(expected) / sizeof(expected[0]));
	TEST_END();
}
