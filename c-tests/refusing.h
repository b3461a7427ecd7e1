/*
 * Children that refuse to go while references lead to them from themselves, from
 * their parent, from below, and around; to be included after test.h.
 *
 * Each layout hangs below "dying", the newest child of "top":
 *
 *	top { dying { child { below } other } heir }
 */
#ifndef TALLOC_C_TESTS_REFUSING_H
#define TALLOC_C_TESTS_REFUSING_H

static char *top, *heir, *dying, *other, *child, *below;

/* How often whoever refuses still does so; less than 0: for ever. */
static int refusals;
static char asked[512];

static int refuse_some(void *ptr)
{
	if (strlen(asked) < sizeof(asked) - 32) {
		strcat(asked, talloc_get_name(ptr));
		strcat(asked, " ");
	}
	if (refusals == 0)
		return 0;
	refusals -= refusals > 0;
	return -1;
}

static char *node(const void *ctx, const char *name)
{
	return talloc_named_const(ctx, 10, name);
}

#define REFER(from, to) (void)_talloc_reference_loc(from, to, "here")

static void none(void) { }
static void itself(void) { REFER(child, child); }
static void itself_twice(void) { REFER(child, child); REFER(child, child); }
static void its_parent(void) { REFER(dying, child); }
static void its_parent_twice(void) { REFER(dying, child); REFER(dying, child); }
static void its_child(void) { REFER(below, child); }
static void itself_then_its_parent(void) { REFER(child, child); REFER(dying, child); }
static void its_parent_then_itself(void) { REFER(dying, child); REFER(child, child); }
static void itself_then_its_child(void) { REFER(child, child); REFER(below, child); }
static void itself_then_its_sibling(void) { REFER(child, child); REFER(other, child); }
static void its_sibling_then_itself(void) { REFER(other, child); REFER(child, child); }
static void itself_then_an_heir(void) { REFER(child, child); REFER(heir, child); }
static void an_heir_then_itself(void) { REFER(heir, child); REFER(child, child); }
static void two_in_a_ring(void) { REFER(child, other); REFER(other, child); }
static void two_that_hold_themselves(void)
{
	REFER(child, child);
	REFER(other, other);
	_talloc_set_destructor(other, refuse_some);
}
static void three_in_a_ring(void) { REFER(child, other); REFER(other, below); REFER(below, child); }
static void a_ring_through_the_heir(void) { REFER(child, heir); REFER(heir, child); }
static void below_holds_itself(void)
{
	REFER(below, below);
	_talloc_set_destructor(below, refuse_some);
}
static void all_refuse_in_a_ring(void)
{
	two_in_a_ring();
	_talloc_set_destructor(other, refuse_some);
	_talloc_set_destructor(below, refuse_some);
}

#define LAYOUT(fn) { #fn, fn }
static const struct layout {
	const char *name;
	void (*refer)(void);
} layouts[] = {
	LAYOUT(none), LAYOUT(itself), LAYOUT(itself_twice), LAYOUT(its_parent),
	LAYOUT(its_parent_twice), LAYOUT(its_child), LAYOUT(itself_then_its_parent),
	LAYOUT(its_parent_then_itself), LAYOUT(itself_then_its_child),
	LAYOUT(itself_then_its_sibling), LAYOUT(its_sibling_then_itself),
	LAYOUT(itself_then_an_heir), LAYOUT(an_heir_then_itself), LAYOUT(two_in_a_ring),
	LAYOUT(two_that_hold_themselves), LAYOUT(three_in_a_ring),
	LAYOUT(a_ring_through_the_heir), LAYOUT(below_holds_itself),
	LAYOUT(all_refuse_in_a_ring),
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* How it is tried. */
static int free_it(void) { return _talloc_free(dying, "here"); }
static int free_its_children(void) { talloc_free_children(dying); return 0; }
static int unlink_it(void) { return talloc_unlink(top, dying); }
static int free_the_top(void) { return _talloc_free(top, "here"); }

static const struct way {
	const char *name;
	int (*go)(void);
} ways[] = {
	{ "freed", free_it },
	{ "children freed", free_its_children },
	{ "unlinked", unlink_it },
	{ "freed with the top", free_the_top },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static const struct layout *the_layout;
static const struct way *the_way;
static bool in_a_pool;

static void build(void)
{
	talloc_enable_null_tracking();
	top = in_a_pool ? talloc_pool(NULL, 4096) : talloc_named_const(NULL, 0, "top");
	talloc_set_name_const(top, "top");
	heir = node(top, "heir");
	dying = node(top, "dying");
	other = node(dying, "other");
	child = node(dying, "child");
	below = node(child, "below");
	_talloc_set_destructor(child, refuse_some);
	the_layout->refer();
	asked[0] = '\0';
}

#endif
