/*
 * Mistakes that are no attacks: pointers that are not a chunk's, members of a pool
 * that is gone, and destructors that free what is being freed around them.
 */
#include "../misuse.h"

/* --- pointers that are not a chunk's --- */

static void nobody_takes(void *ptr, const char *what)
{
	bad_pointer = ptr;
	all_calls_end_with(UNKNOWN, UNKNOWN "\n", what);
}

static void interior_pointers(void)
{
	char *chunk = talloc_zero_size(NULL, 1000), *pool = talloc_pool(NULL, 1000);
	char *member = talloc_zero_size(pool, 200);

	nobody_takes(chunk + 1, "a byte into a chunk");
	nobody_takes(chunk + 8, "a word into a chunk");
	nobody_takes(chunk + 16, "16 bytes into a chunk");
	nobody_takes(chunk + 500, "the middle of a chunk");
	nobody_takes(chunk - 16, "before a chunk");
	nobody_takes(member + 8, "a word into a pool member");
	nobody_takes(member + 150, "the middle of a pool member");
	CHECK_INT(talloc_free(chunk), 0);
	CHECK_INT(talloc_free(pool), 0);
}

static char in_data[1024] = "text";

static void memory_of_others(void)
{
	char on_stack[1024], *below = calloc(1, 1024), *from_malloc = calloc(1, 1024);
	int i;

	/* what lies before a block can be read, if there is another one below */
	if (below > from_malloc) {
		char *lower = from_malloc;

		from_malloc = below;
		below = lower;
	}

	for (i = 0; i < 1024; i++)
		on_stack[i] = (char)i;
	nobody_takes(on_stack + 512, "an address on the stack");
	nobody_takes(in_data + 512, "a static object");
	nobody_takes(from_malloc, "a block of malloc");
	nobody_takes(from_malloc + 512, "the middle of a block of malloc");
	free(from_malloc);
	free(below);
}

/* --- members of a pool that is gone --- */

static size_t pool_size;

static void a_member_twice(void)
{
	void *pool = talloc_pool(NULL, pool_size), *member = talloc_named_const(pool, 10, "m");

	talloc_set_log_fn(log_out);
	_talloc_free(pool, "the/pool.c:1");
	_talloc_free(member, "the/member.c:2");
}

static void a_stolen_member_twice(void)
{
	void *pool = talloc_pool(NULL, pool_size), *member = talloc_named_const(pool, 10, "m");

	talloc_steal(NULL, member);
	talloc_set_log_fn(log_out);
	_talloc_free(pool, "the/pool.c:1");
	printf("%d\n", _talloc_free(member, "the/member.c:2"));
	_talloc_free(member, "the/member.c:3");
}

static void a_pool_twice(void)
{
	void *pool = talloc_pool(NULL, pool_size), *member = talloc_named_const(pool, 10, "m");

	talloc_steal(NULL, member);
	talloc_set_log_fn(log_out);
	_talloc_free(pool, "the/pool.c:1");
	_talloc_free(pool, "the/pool.c:2");
}

static void members_after_their_pool(void)
{
	/* room that malloc keeps, whatever else it does with it */
	for (pool_size = 1000; pool_size <= 9000; pool_size += 4000) {
		struct outcome *o = run_apart(a_member_twice, true);

		CHECK_STR(o->reason, AFTER_FREE);
		CHECK(ends_with(o->out, FIRST_FREE "the/pool.c:1\n" AFTER_FREE "\n"));
		o = run_apart(a_stolen_member_twice, true);
		CHECK_STR(o->reason, AFTER_FREE);
		CHECK(strncmp(o->out, "0\n", 2) == 0);
		CHECK(ends_with(o->out, FIRST_FREE "the/member.c:2\n" AFTER_FREE "\n"));
		o = run_apart(a_pool_twice, true);
		CHECK_STR(o->reason, AFTER_FREE);
		CHECK(ends_with(o->out, FIRST_FREE "the/pool.c:1\n" AFTER_FREE "\n"));
	}
}

/* --- destructors that free what is being freed --- */

enum place { IN_HEAP, IN_POOL, REFERENCED, PLACES };

static const char *const place_names[PLACES] = { "heap", "pool", "referenced" };

static struct {
	void *top, *root, *owner, *parent, *newer, *victim, *kid, *older;
	bool refuses;
	int deaths, answer;
} s;

static void free_the_parent(void)
{
	s.answer = talloc_free(s.parent);
}

static void free_the_root(void)
{
	s.answer = talloc_free(s.root);
}

static void free_a_newer_sibling(void)
{
	s.answer = talloc_free(s.newer);
}

static void free_an_older_sibling(void)
{
	s.answer = talloc_free(s.older);
}

static void free_all_siblings(void)
{
	talloc_free_children(s.parent);
}

static void free_its_child(void)
{
	s.answer = talloc_free(s.kid);
}

static void free_itself(void)
{
	s.answer = talloc_free(s.victim);
}

static void free_itself_by_its_child(void)
{
	s.answer = s.kid != NULL ? talloc_free(talloc_parent(s.kid)) : -1;
}

static void unlink_itself(void)
{
	s.answer = talloc_unlink(s.parent, s.victim);
}

static void unlink_itself_from_its_owner(void)
{
	s.answer = talloc_unlink(s.owner, s.victim);
}

static void free_its_owner(void)
{
	s.answer = talloc_free(s.owner);
}

static void resize_itself_to_nothing(void)
{
	s.answer = talloc_realloc_size(s.parent, s.victim, 0) != NULL;
}

static void go_elsewhere_and_free_that(void)
{
	talloc_steal(s.owner, s.victim);
	s.answer = talloc_free(s.owner);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{ "frees its parent", free_the_parent },
	{ "frees the root", free_the_root },
	{ "frees a newer sibling", free_a_newer_sibling },
	{ "frees an older sibling", free_an_older_sibling },
	{ "frees all its parent's children", free_all_siblings },
	{ "frees its child", free_its_child },
	{ "frees itself", free_itself },
	{ "frees the parent of its child", free_itself_by_its_child },
	{ "unlinks itself", unlink_itself },
	{ "unlinks itself from its owner", unlink_itself_from_its_owner },
	{ "frees its owner", free_its_owner },
	{ "resizes itself to nothing", resize_itself_to_nothing },
	{ "goes elsewhere and frees that", go_elsewhere_and_free_that },
};

enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

static void start_at_the_victim(void)
{
	printf("%d", talloc_free(s.victim));
}

static void start_at_the_parent(void)
{
	printf("%d", talloc_free(s.parent));
}

static void start_at_the_root(void)
{
	printf("%d", talloc_free(s.root));
}

static void start_with_children(void)
{
	talloc_free_children(s.parent);
}

static void start_with_unlink(void)
{
	printf("%d", talloc_unlink(s.parent, s.victim));
}

static const struct {
	const char *name;
	void (*run)(void);
} starts[] = {
	{ "free of it", start_at_the_victim },
	{ "free of the parent", start_at_the_parent },
	{ "free of the root", start_at_the_root },
	{ "free_children of the parent", start_with_children },
	{ "unlink", start_with_unlink },
};

enum { STARTS = sizeof(starts) / sizeof(starts[0]) };

static size_t deed, start;
static enum place place;

/* Nobody frees the dead: that would be another mistake. */
static int dies(void *ptr)
{
	void **const all[] = { &s.root, &s.owner, &s.parent, &s.newer, &s.kid, &s.older };
	size_t i;

	printf(" %s", talloc_get_name(ptr));
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (*all[i] == ptr)
			*all[i] = NULL;
	return 0;
}

static int does_its_deed(void *ptr)
{
	printf(" %s(", talloc_get_name(ptr));
	if (s.deaths++ == 0)
		deeds[deed].run();
	printf(")=%d", s.answer);
	return s.refuses ? -1 : 0;
}

static void *mortal(const void *ctx, const char *name)
{
	void *ptr = talloc_named_const(ctx, 40, name);

	_talloc_set_destructor(ptr, dies);
	return ptr;
}

/* Who died, in order, what the calls answered, and what is left. */
static void one_free(void)
{
	s.top = place == IN_POOL ? talloc_pool(NULL, 4096) : talloc_new(NULL);
	talloc_set_name_const(s.top, "top");
	s.root = mortal(s.top, "root");
	s.owner = mortal(s.root, "owner");
	s.parent = mortal(s.root, "parent");
	s.older = mortal(s.parent, "older");
	s.victim = mortal(s.parent, "victim");
	s.kid = mortal(s.victim, "kid");
	s.newer = mortal(s.parent, "newer");
	_talloc_set_destructor(s.victim, does_its_deed);
	if (place == REFERENCED)
		talloc_reference(s.owner, s.victim);
	starts[start].run();
	printf(", %d deaths, left: %s;", s.deaths, tree_of(s.top));
	_talloc_set_destructor(s.top, NULL);
	s.refuses = false;
	s.answer = talloc_free(s.top);
	printf(" %d, %d deaths\n", s.answer, s.deaths);
}

/* The original dies of it; ours/misuse.c has it. */
static bool is_too_much(void)
{
	return s.refuses && place != REFERENCED && deeds[deed].run == free_the_root &&
	       starts[start].run == start_at_the_parent;
}

static void destructors(void)
{
	char how[200];

	for (place = 0; place < PLACES; place++) {
		for (deed = 0; deed < DEEDS; deed++) {
			for (start = 0; start < STARTS; start++) {
				struct outcome *o;

				if (is_too_much())
					continue;
				o = run_apart(one_free, true);
				snprintf(how, sizeof(how), "%s, %s%s", starts[start].name,
					 place_names[place], s.refuses ? ", refuses" : "");
				expect(o->status == 0 && !o->aborted, deeds[deed].name, how);
				/* the original says the same */
				printf("%s", o->out);
			}
		}
	}
}

static void destructors_that_refuse(void)
{
	s.refuses = true;
	destructors();
}

int main(void)
{
	good = talloc_named_const(NULL, 10, "good");
	other = talloc_named_const(NULL, 10, "other");
	null_file = fopen("/dev/null", "w");
	RUN(interior_pointers);
	RUN(memory_of_others);
	RUN(members_after_their_pool);
	RUN(destructors);
	RUN(destructors_that_refuse);
	TEST_END();
}
