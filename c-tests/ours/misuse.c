/*
 * Mistakes that this library sees and the original does not, or not always: a use
 * after the free of a block that malloc had given, copies of chunks, overruns.
 */
#define MORE_CALLS(X)                                                               \
	X(PTR, pool_cache, talloc_pool_cache(bad, 100, 10))                         \
	X(PTR, cache, talloc_cache(bad))                                            \
	X(PTR, cache_zero, talloc_cache_zero(bad))                                  \
	X(PTR, realloc_array_zero, _talloc_realloc_array_zero(good, bad, 1, 20, "name")) \
	X(PTR, realloc_array_zero_under, _talloc_realloc_array_zero(bad, NULL, 1, 20, "name")) \
	X(NONE, asprintf_addsep, talloc_asprintf_addsep((char **)&bad, ",", "%d", 1))
#include "../attack/layout.h"
#include "../misuse.h"

#include <signal.h>
#include <stddef.h>

enum { HEADER = sizeof(struct header) };

static void used_after_free(void *ptr, const char *what)
{
	bad_pointer = ptr;
	all_calls_end_with(AFTER_FREE, FIRST_FREE "the/place.c:1\n" AFTER_FREE "\n", what);
}

/* --- use after free --- */

static void after_free(void)
{
	void *ptr = talloc_named_const(NULL, 300, "ptr"), *child, *object, *cache;

	_talloc_free(ptr, "the/place.c:1");
	used_after_free(ptr, "freed");

	ptr = talloc_named_const(NULL, 400, "ptr");
	child = talloc_named_const(talloc_named_const(ptr, 500, "child"), 600, "grandchild");
	_talloc_free(ptr, "the/place.c:1");
	used_after_free(child, "freed with all above it");

	cache = talloc_pool_cache(NULL, 1000, 100);
	object = talloc_cache(cache);
	talloc_cache(cache);
	_talloc_free(object, "the/place.c:1");
	used_after_free(object, "freed object of a cache");
	object = talloc_cache(cache);
	talloc_steal(NULL, object);
	_talloc_free(cache, "the/place.c:1");
	used_after_free(cache, "freed cache, an object alive");
	CHECK_INT(talloc_free(object), 0);
}

/* --- double free --- */

static void *twice;

static void free_twice(void)
{
	talloc_set_log_fn(log_out);
	_talloc_free(twice, "the/first.c:1");
	_talloc_free(twice, "the/second.c:2");
}

static void free_with_the_parent_first(void)
{
	talloc_set_log_fn(log_out);
	_talloc_free(talloc_parent(twice), "the/first.c:1");
	_talloc_free(twice, "the/second.c:2");
}

static void seen_twice(void *ptr, const char *what)
{
	struct outcome *o;

	twice = ptr;
	o = run_apart(free_twice, true);
	expect(strcmp(o->reason, AFTER_FREE) == 0, what, "reason");
	expect(ends_with(o->out, FIRST_FREE "the/first.c:1\n" AFTER_FREE "\n"), what, "log");
	o = run_apart(free_twice, false);
	expect(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT, what, "abort()");
	o = run_apart(free_with_the_parent_first, true);
	expect(strcmp(o->reason, AFTER_FREE) == 0, what, "reason, parent first");
	expect(ends_with(o->out, FIRST_FREE "the/first.c:1\n" AFTER_FREE "\n"), what,
	       "log, parent first");
}

static void double_free(void)
{
	void *top = talloc_new(NULL), *pool = talloc_pool(top, 1000);
	void *cache = talloc_pool_cache(top, 1000, 100);

	talloc_named_const(pool, 10, "member");
	talloc_cache(cache);
	seen_twice(talloc_named_const(top, 10, "small"), "small chunk");
	seen_twice(talloc_named_const(top, 900, "large"), "larger chunk");
	seen_twice(talloc_named_const(pool, 100, "member"), "pool member");
	seen_twice(talloc_cache(cache), "cache object");
	seen_twice(talloc_strdup(top, "text"), "string");
	CHECK_INT(talloc_free(top), 0);
}

/* --- objects of a cache that is gone --- */

static void an_object_after_its_cache(void)
{
	void *cache = talloc_pool_cache(NULL, 1000, 100), *object = talloc_cache(cache);

	talloc_set_log_fn(log_out);
	_talloc_free(cache, "the/first.c:1");
	_talloc_free(object, "the/second.c:2");
}

static void a_stolen_object_twice(void)
{
	void *cache = talloc_pool_cache(NULL, 1000, 100), *object = talloc_cache(cache);

	talloc_steal(NULL, object);
	talloc_set_log_fn(log_out);
	talloc_free(cache);
	_talloc_free(object, "the/first.c:1");
	_talloc_free(object, "the/second.c:2");
}

static void objects_after_their_cache(void)
{
	struct outcome *o = run_apart(an_object_after_its_cache, true);

	CHECK_STR(o->reason, AFTER_FREE);
	CHECK(ends_with(o->out, FIRST_FREE "the/first.c:1\n" AFTER_FREE "\n"));
	o = run_apart(a_stolen_object_twice, true);
	CHECK_STR(o->reason, AFTER_FREE);
	CHECK(ends_with(o->out, FIRST_FREE "the/first.c:1\n" AFTER_FREE "\n"));
}

/* --- copies --- */

/* A header is good for nothing elsewhere. */
static void copies(void)
{
	static char copy[HEADER + 100] __attribute__((aligned(16)));
	char *ptr = talloc_zero_size(NULL, 100), *holder = talloc_zero_size(NULL, 500);
	char *pool = talloc_pool(NULL, 1000), *member = talloc_zero_size(pool, 100);

	memcpy(copy, ptr - HEADER, sizeof(copy));
	bad_pointer = copy + HEADER;
	all_calls_end_with(UNKNOWN, UNKNOWN "\n", "a copy of a chunk");
	memcpy(copy, member - HEADER, sizeof(copy));
	all_calls_end_with(UNKNOWN, UNKNOWN "\n", "a copy of a pool member");
	memcpy(holder + 128, ptr - HEADER, HEADER + 100);
	bad_pointer = holder + 128 + HEADER;
	all_calls_end_with(UNKNOWN, UNKNOWN "\n", "a copy inside another chunk");
	memcpy(member + 16, member - HEADER, HEADER);
	bad_pointer = member + 16 + HEADER;
	all_calls_end_with(UNKNOWN, UNKNOWN "\n", "a copy inside itself");
	talloc_free(ptr);
	talloc_free(holder);
	talloc_free(pool);
}

/* --- overruns --- */

enum kind { HEAP, POOL, CACHE, KINDS };

static const char *const kind_names[KINDS] = { "heap", "pool", "cache" };

/* 48 bytes and a header are what fits into a slot, and a block, without waste,
 * but for the word in which malloc has the size of the block behind. */
enum { SIZE = 48, BLOCK_SIZE = 56 };

static void *parent, *beside;
static char *below, *above;

/* Two that are neighbours in memory, and among their parent's children. */
static bool make_neighbours(enum kind kind)
{
	ptrdiff_t apart = (kind == HEAP ? BLOCK_SIZE + 8 : SIZE) + HEADER;
	char *last = NULL, *ptr;
	int i;

	parent = kind == POOL ? talloc_pool(NULL, 4096) : talloc_new(NULL);
	if (kind == CACHE)
		parent = talloc_pool_cache(NULL, 50 * SIZE, SIZE);
	beside = talloc_new(NULL);
	for (i = 0; i < 16; i++, last = ptr) {
		ptr = kind == CACHE ? talloc_cache(parent) :
				      talloc_size(parent, kind == HEAP ? BLOCK_SIZE : SIZE);
		below = ptr < last ? ptr : last;
		above = ptr < last ? last : ptr;
		if (above - below == apart)
			return true;
	}
	return false;
}

/* What comes next.  The free of the lower one may go well: then it has to be seen in
 * that of the upper one. */
enum next { FREE_ABOVE, FREE_BELOW, FREE_PARENT, FREE_STOLEN_ABOVE, FREE_STOLEN_BELOW, NEXTS };

static const char *const next_names[NEXTS] = {
	"then free of the upper one", "then free of the lower one, and of the upper one",
	"then free of both",
	"then free of the upper one, stolen before",
	"then free of the lower one, stolen before, and of the upper one",
};

static enum kind kind;
static enum next next;
static size_t length;
static int filler;

static void overrun(void)
{
	char *from;
	size_t i;

	if (!make_neighbours(kind)) {
		printf("no neighbours\n");
		return;
	}
	if (next >= FREE_STOLEN_ABOVE)
		talloc_steal(beside, next == FREE_STOLEN_ABOVE ? above : below);
	talloc_set_log_fn(log_out);
	from = above - HEADER;
	/* by chance it may be the byte that is there */
	if (*from == (char)filler)
		filler ^= 2;
	for (i = 0; i < length; i++)
		from[i] = (char)filler;
	talloc_free(next == FREE_PARENT ? parent :
		    next == FREE_BELOW || next == FREE_STOLEN_BELOW ? below : above);
	if (next == FREE_BELOW || next == FREE_STOLEN_BELOW)
		talloc_free(above);
}

static void overruns(void)
{
	static const size_t lengths[] = { 1, 8, 16, 64 };
	static const int fillers[] = { 0, 'A', 0xff };
	size_t l, f;
	char what[100];

	for (kind = 0; kind < KINDS; kind++) {
		for (l = 0; l < 4; l++) {
			for (f = 0; f < 3; f++) {
				for (next = 0; next < NEXTS; next++) {
					struct outcome *o;

					length = lengths[l];
					filler = fillers[f];
					snprintf(what, sizeof(what), "%s: %zu bytes of %#x too far",
						 kind_names[kind], length, (unsigned int)filler);
					o = run_apart(overrun, true);
					expect(strcmp(o->reason, UNKNOWN) == 0 &&
						       ends_with(o->out, UNKNOWN "\n"),
					       what, next_names[next]);
				}
			}
		}
	}
}

static int nothing_to_say(void *ptr)
{
	(void)ptr;
	return 0;
}

/* --- a head that was overwritten, when the abort function returns --- */

static int reasons;

static void comes_back(const char *reason)
{
	reasons += strcmp(reason, UNKNOWN) == 0;
}

/* The chunk stays, and nothing is put in its place. */
static void wrong_heads(void)
{
	static const uint64_t changes[] = { 1, (uint64_t)1 << 8, (uint64_t)1 << 40, 48 };
	enum { PLAIN, WITH_DESTRUCTOR, MEMBER, FORMS };
	size_t i;
	int form, call;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		for (form = PLAIN; form < FORMS; form++) {
			for (call = 0; call < 4; call++) {
				void *top = form == MEMBER ? talloc_pool(NULL, 1000) : talloc_new(NULL);
				char *ptr = talloc_size(top, 48), *other;
				uint64_t head = header_of(ptr)->head;

				if (form == WITH_DESTRUCTOR) {
					_talloc_set_destructor(ptr, nothing_to_say);
					head = header_of(ptr)->head;
				}
				header_of(ptr)->head = head ^ changes[i];
				reasons = 0;
				talloc_set_abort_fn(comes_back);
				if (call == 0)
					CHECK_INT(talloc_free(ptr), -1);
				else if (call == 1)
					CHECK(talloc_realloc_size(top, ptr, 2000) == NULL);
				else if (call == 2)
					CHECK(talloc_realloc_size(top, ptr, 40) == NULL);
				else
					talloc_free_children(top);
				CHECK(reasons > 0);
				talloc_set_abort_fn(NULL);
				CHECK(header_of(ptr)->head == (head ^ changes[i]));
				other = talloc_size(NULL, 48);
				CHECK(other != ptr);
				talloc_free(other);
			}
		}
	}
}

/* --- last words --- */

static void use_a_copy(void)
{
	static char copy[HEADER + 100] __attribute__((aligned(16)));
	char *ptr = talloc_zero_size(NULL, 100);

	memcpy(copy, ptr - HEADER, sizeof(copy));
	talloc_get_name(copy + HEADER);
}

static void free_twice_quietly(void)
{
	void *ptr = talloc_new(NULL);

	_talloc_free(ptr, "the/first.c:1");
	_talloc_free(ptr, "the/second.c:2");
}

static void overrun_quietly(void)
{
	if (make_neighbours(POOL)) {
		memset(above - HEADER, 'A', 16);
		talloc_free(above);
	}
}

static void nobody_listens(void)
{
	struct outcome *o = run_apart(use_a_copy, false);

	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK_STR(o->out, UNKNOWN "\n");
	o = run_apart(free_twice_quietly, false);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK(ends_with(o->out, AFTER_FREE "\n"));
	o = run_apart(overrun_quietly, false);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK(ends_with(o->out, UNKNOWN "\n"));
}

/* --- a destructor that frees the root and then refuses --- */

static void *root;

static int free_the_root(void *ptr)
{
	void *top = root;

	root = NULL;
	if (top != NULL)
		printf("%d %s ", talloc_free(top), talloc_get_name(ptr));
	return -1;
}

static void refuses_in_ruins(void)
{
	void *middle, *ptr;

	root = talloc_named_const(NULL, 10, "root");
	middle = talloc_named_const(root, 10, "middle");
	talloc_named_const(middle, 10, "older");
	ptr = talloc_named_const(middle, 10, "ptr");
	talloc_named_const(ptr, 10, "kid");
	talloc_named_const(middle, 10, "newer");
	_talloc_set_destructor(ptr, free_the_root);
	printf("%d ", talloc_free(middle));
	printf("%s ", tree_of(ptr));
	_talloc_set_destructor(ptr, NULL);
	printf("%d", talloc_free(ptr));
}

static void destructor_in_ruins(void)
{
	struct outcome *o = run_apart(refuses_in_ruins, true);

	CHECK_INT(o->status, 0);
	CHECK_STR(o->out, "0 ptr 0 ptr{kid} 0");
}

int main(void)
{
	good = talloc_named_const(NULL, 10, "good");
	other = talloc_named_const(NULL, 10, "other");
	null_file = fopen("/dev/null", "w");
	RUN(after_free);
	RUN(double_free);
	RUN(objects_after_their_cache);
	RUN(copies);
	RUN(overruns);
	RUN(wrong_heads);
	RUN(nobody_listens);
	RUN(destructor_in_ruins);
	TEST_END();
}
