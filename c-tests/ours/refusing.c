/*
 * Children that refuse for ever, and refer to themselves, to their parent or around:
 * whoever frees comes back, what is left is whole, and it goes once nobody refuses.
 */
#include "../test.h"
#include "../refusing.h"

static size_t seen;

static void look_at_it(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)depth;
	(void)max_depth;
	(void)unused;
	seen++;
	if (!is_ref && talloc_get_size(ptr) != 10 && strcmp(talloc_get_name(ptr), "null_context") != 0 &&
	    strcmp(talloc_get_name(ptr), "top") != 0)
		exit(97);
	if (!is_ref && strcmp(talloc_get_name(ptr), "null_context") != 0)
		_talloc_set_destructor(ptr, NULL);
}

static void try_it(void)
{
	void *null, *probe;

	alarm(20);
	build();
	refusals = -1;
	probe = talloc_new(NULL);
	null = talloc_parent(probe);
	talloc_free(probe);
	the_way->go();
	/* as all of them are found below the null context */
	talloc_report_depth_cb(NULL, 0, -1, look_at_it, NULL);
	if (talloc_total_blocks(NULL) != seen || seen < 1)
		exit(96);
	talloc_free_children(null);
	if (talloc_total_blocks(NULL) != 1 || talloc_total_size(NULL) != 0)
		exit(95);
	printf("gone");
}

/* A root with no parent at all, that nothing is told about. */
static void without_tracking(void)
{
	char *ptr;

	alarm(20);
	ptr = node(NULL, "ptr");
	child = node(ptr, "child");
	below = node(child, "below");
	_talloc_set_destructor(child, refuse_some);
	the_layout->refer();
	refusals = -1;
	_talloc_free(ptr, "here");
	if (strcmp(talloc_get_name(child), "child") != 0 || talloc_total_blocks(child) < 2)
		exit(94);
	_talloc_set_destructor(child, NULL);
	talloc_unlink(child, child);
	printf("%d", talloc_free(child));
}

static void tell(const char *how, const char *want)
{
	struct outcome *o = run_apart(the_way ? try_it : without_tracking, true);
	bool good = o->status == 0 && strcmp(o->out, want) == 0;

	printf("%s - %s, %s\n", good ? "ok" : "not ok", the_layout->name, how);
	if (!good) {
		fprintf(stderr, "%s, %s: status %#x, %s %s\n", the_layout->name, how,
			(unsigned int)o->status, o->reason, o->out);
		test_failures++;
	}
}

int main(void)
{
	size_t l, w;

	for (l = 0; l < LAYOUTS; l++) {
		the_layout = &layouts[l];
		for (w = 0; w < WAYS; w++) {
			the_way = &ways[w];
			in_a_pool = (l + w) % 2;
			tell(the_way->name, "gone");
		}
	}
	the_way = NULL;
	for (l = 0; l < LAYOUTS; l++)
		if (layouts[l].refer == itself || layouts[l].refer == below_holds_itself) {
			the_layout = &layouts[l];
			tell("no null context", "0");
		}
	TEST_END();
}
