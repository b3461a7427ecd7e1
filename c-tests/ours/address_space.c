/*
 * Under a limit of the address space: what has been given back can be had again in
 * another size, by whatever function, before any of them says that there is none.
 * Each case in a process of its own.
 */
#include "../test.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define MIB (1024 * 1024ul)
/* Room beyond what the process has. */
#define ROOM (48 * MIB)

static void **kept; /* what was had, outside of the limit */
static size_t had, most;

static void limit_memory(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	struct rlimit limit;

	if (f == NULL || fscanf(f, "%ld", &pages) != 1)
		exit(90);
	fclose(f);
	most = ROOM / 64;
	kept = mmap(NULL, most * sizeof(void *), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (kept == MAP_FAILED)
		exit(90);
	limit.rlim_cur = limit.rlim_max = (unsigned long)pages * (unsigned long)sysconf(_SC_PAGESIZE) +
		most * sizeof(void *) + ROOM;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		exit(90);
}

static void *top;

/* All there is, in chunks of this size. */
static void use_up(size_t size)
{
	while (had < most && (kept[had] = talloc_size(top, size)) != NULL)
		had++;
	if (had < 20 || had == most)
		exit(91);
}

/* So many of a hundred go, the newest, which lie together. */
static size_t give_back(size_t percent, size_t size)
{
	size_t n = had * percent / 100, i;

	for (i = 0; i < n; i++)
		if (talloc_free(kept[--had]) != 0)
			exit(92);
	return n * size;
}

static void enough(size_t again, size_t given)
{
	/* of what musl's malloc has got back it can use less in another size */
#ifdef __GLIBC__
	size_t least = given / 2;
#else
	size_t least = given / 4;
#endif

	printf("%s", again >= least ? "enough" : "too little");
	if (again < least)
		fprintf(stderr, " %zu of %zu bytes", again, given);
}

static size_t small, large;

static void by_size(void)
{
	size_t given, again = 0;

	use_up(small);
	given = give_back(20, small);
	while (talloc_size(top, large) != NULL)
		again += large;
	enough(again, given);
}

/* In a tree of their own, freed with its top. */
static void by_tree(void)
{
	size_t given = 0, again = 0, i;
	void *tree;

	top = talloc_new(NULL);
	tree = talloc_new(top);
	for (i = 0; i < 8 * MIB / (small + 100); i++)
		given += talloc_size(tree, small) != NULL ? small : 0;
	use_up(small);
	talloc_free(tree);
	while (talloc_size(top, large) != NULL)
		again += large;
	enough(again, given);
}

static void by_function(size_t (*get)(void))
{
	size_t given, again = 0, n;

	use_up(small);
	given = give_back(20, small);
	while ((n = get()) != 0)
		again += n;
	enough(again, given);
}

static size_t a_pool(void) { return talloc_pool(top, large) ? large : 0; }
static size_t a_cache(void) { return talloc_pool_cache(top, large, large / 3) ? large : 0; }
static size_t an_object(void)
{
	return _talloc_pooled_object(top, large / 2, "object", 2, large / 2) ? large : 0;
}
static size_t a_zero_array(void) { return talloc_zero_array(top, char, large) ? large : 0; }
static size_t a_text(void) { return talloc_asprintf(top, "%*d", (int)large, 1) ? large : 0; }
static size_t a_copy(void)
{
	static char from[65536];

	return talloc_memdup(top, from, large) ? large : 0;
}

static void by_pools(void) { by_function(a_pool); }
static void by_caches(void) { by_function(a_cache); }
static void by_objects(void) { by_function(an_object); }
static void by_arrays(void) { by_function(a_zero_array); }
static void by_texts(void) { by_function(a_text); }
static void by_copies(void) { by_function(a_copy); }

/* A chunk that grows, and texts. */
static void by_growing(void)
{
	size_t given, again = 0;
	char *one = talloc_size(top, 10), *larger;

	use_up(small);
	given = give_back(40, small);
	while ((larger = talloc_realloc_size(top, one, again + large)) != NULL) {
		one = larger;
		again += large;
	}
	/* the old place of it is needed as well at the end */
	enough(2 * again, given);
}

static void by_appending(void)
{
	size_t given, again = 0;

	use_up(small);
	given = give_back(20, small);
	for (;;) {
		char *text = talloc_strdup(top, "a"), *longer;

		if (text == NULL)
			break;
		longer = talloc_asprintf_append_buffer(text, "%*d", (int)large, 1);
		if (longer == NULL)
			break;
		again += large;
	}
	enough(again, given);
}

static void by_many_growing(void)
{
	size_t given, again = 0, i, n = 400;
	char *row[400];

	for (i = 0; i < n; i++)
		row[i] = talloc_size(top, 10);
	use_up(small);
	given = give_back(10, small);
	for (i = 0; i < n && row[i] != NULL; i++) {
		row[i] = talloc_realloc_size(top, row[i], large);
		again += row[i] != NULL ? large : 0;
	}
	/* there were no more of them */
	enough(i == n ? given : again, given);
}

/*
 * Blocks of pools, which were emptied or freed.  Not the smallest ones: where address space
 * is short, only so many pools have room of their own.
 */
static void after_pools(void)
{
	size_t given, again = 0, size = 30 * small;

	while (had < most && (kept[had] = talloc_pool(top, size)) != NULL)
		had++;
	given = give_back(20, size);
	while (talloc_size(top, large) != NULL)
		again += large;
	enough(again, given);
}

/* What is left is what there was: large chunks give room for small ones. */
static void there_and_back(void)
{
	size_t given, again = 0;

	use_up(large);
	given = give_back(20, large);
	while (talloc_size(top, small) != NULL)
		again += small + 96;
	enough(again, given);
}

#define CASE(fn) { #fn, fn }

static void (*the_case)(void);

static void run_case(void)
{
	limit_memory();
	if (top == NULL)
		top = talloc_new(NULL);
	the_case();
}

static void map_too_much(void)
{
	limit_memory();
	exit(mmap(NULL, 4 * ROOM, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : 1);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		CASE(by_size), CASE(by_tree), CASE(by_pools), CASE(by_caches), CASE(by_objects),
		CASE(by_arrays), CASE(by_texts), CASE(by_copies), CASE(by_growing),
		CASE(by_appending), CASE(by_many_growing), CASE(after_pools), CASE(there_and_back),
	};
	static const size_t sizes[][2] = { { 40, 3000 }, { 100, 10000 }, { 700, 1200 }, { 200, 50000 } };
	size_t c, s;

	if (run_apart(map_too_much, false)->status != 0)
		TEST_SKIP("a limit of the address space has no effect");
	for (c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct outcome *o;
			bool good;

			the_case = cases[c].fn;
			small = sizes[s][0];
			large = sizes[s][1];
			o = run_apart(run_case, true);
			good = o->status == 0 && strcmp(o->out, "enough") == 0;
			printf("%s - %s, %zu then %zu\n", good ? "ok" : "not ok", cases[c].name,
			       small, large);
			if (!good) {
				fprintf(stderr, "%s, %zu, %zu: status %#x, %s %s\n", cases[c].name,
					small, large, (unsigned int)o->status, o->reason, o->out);
				test_failures++;
			}
		}
	TEST_END();
}
