/*
 * Something of everything, whatever malloc there is: what chunks hold is looked at all
 * the time, and they are aligned as blocks of malloc are.  Prints the same everywhere.
 *
 * usage: mixed [ALIGNMENT]     which malloc is known to have, and no better
 */
#include "../test.h"

#define MORE_CALLS(X)                                                               \
	X(NONE, asprintf_addsep, talloc_asprintf_addsep((char **)&bad, ",", "%d", 1)) \
	X(PTR, realloc_array_zero, _talloc_realloc_array_zero(good, bad, 1, 20, "name")) \
	X(PTR, cache_below, talloc_cache(talloc_pool_cache(bad, 100, 10)))          \
	X(PTR, zero_from_a_cache, talloc_cache_zero(talloc_pool_cache(bad, 100, 100)))
#include "../calls.h"

static unsigned long digest = 5381;
static uintptr_t align;
static unsigned int misaligned;

static void mix(unsigned long value)
{
	digest = digest * 33 + value;
}

static unsigned int next_random(void)
{
	static uint64_t seed = 20;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(seed >> 33);
}

/* As small as malloc has it for blocks that could be chunks, and no more than 16. */
static void find_alignment(void)
{
	void *block[600];
	uintptr_t all = 16;
	int i;

	for (i = 0; i < 600; i++) {
		block[i] = malloc((size_t)i + 1);
		all |= (uintptr_t)block[i];
	}
	for (i = 0; i < 600; i++)
		free(block[i]);
	align = all & -all;
}

static void *aligned(void *ptr)
{
	misaligned += (uintptr_t)ptr % align != 0;
	return ptr;
}

/* --- every function -------------------------------------------------------- */

static void every_function(void)
{
	size_t i, in_pool;

	null_file = fopen("/dev/null", "w");
	CHECK(null_file != NULL);
	talloc_enable_null_tracking();
	for (in_pool = 0; in_pool < 2; in_pool++)
		for (i = 0; i < CALL_COUNT; i++) {
			void *top = in_pool ? talloc_pool(NULL, 5000) : talloc_new(NULL), *ptr, *root;

			good = aligned(talloc_named_const(top, 100, "good"));
			other = aligned(talloc_named_const(good, 17, "other"));
			ptr = aligned(talloc_zero_size(good, 30));
			talloc_set_name_const(ptr, "name");
			aligned(talloc_strdup(ptr, "a child"));
			all_calls[i].call(ptr);
			root = talloc_new(NULL);
			ptr = talloc_parent(root);
			talloc_free_children(ptr);
		}
	CHECK_INT(talloc_total_blocks(NULL), 1);
	CHECK_INT(misaligned, 0);
	fclose(null_file);
}

/* --- chunks that become larger and smaller --------------------------------- */

static unsigned char byte_of(unsigned int seed, size_t i)
{
	return (unsigned char)(seed + i * 7 + (i >> 8));
}

static void fill(char *ptr, unsigned int seed, size_t from, size_t to)
{
	for (; from < to; from++)
		ptr[from] = (char)byte_of(seed, from);
}

static size_t damage(const char *ptr, unsigned int seed, size_t size)
{
	size_t i, found = 0;

	for (i = 0; i < size; i++)
		found += (unsigned char)ptr[i] != byte_of(seed, i);
	return found;
}

/* Down and up again a little, as a block would have it from the one to the other. */
static void down_and_up(void)
{
	void *places[3];
	size_t p, size, down, up, damaged = 0, refused = 0;

	places[0] = talloc_new(NULL);
	places[1] = talloc_pool(NULL, 30000);
	places[2] = talloc_named_const(NULL, 0, "limited");
	talloc_set_memlimit(places[2], 1 << 20);
	for (p = 0; p < 3; p++) {
		for (size = 3; size < 1400; size += 31)
			for (down = 1; down <= size && down < 64; down = down * 2 + 1)
				for (up = 0; up < 80; up += 13) {
					char *ptr = aligned(talloc_size(places[p], size));
					size_t less = size - down > 0 ? size - down : 1;

					fill(ptr, 1, 0, size);
					ptr = aligned(talloc_realloc_size(places[p], ptr, less));
					damaged += damage(ptr, 1, less);
					ptr = aligned(talloc_realloc_size(places[p], ptr, less + up));
					damaged += damage(ptr, 1, less);
					fill(ptr, 1, less, less + up);
					refused += talloc_get_size(ptr) != less + up;
					refused += talloc_free(ptr) != 0;
				}
		mix(talloc_total_blocks(places[p]));
		CHECK_INT(talloc_free(places[p]), 0);
	}
	CHECK_INT(damaged, 0);
	CHECK_INT(refused, 0);
}

/* --- rows of texts and numbers --------------------------------------------- */

struct person {
	char *name, *notes;
	unsigned int *numbers;
	size_t count;
	void *shared;
};

static void people(void)
{
	enum { PEOPLE = 30, ROUNDS = 40 };
	void *top = talloc_named_const(NULL, 0, "people"), *cache, *pool;
	struct person *all[PEOPLE];
	unsigned int i, r, bad_texts = 0, bad_numbers = 0;
	size_t k;

	cache = talloc_pool_cache(top, PEOPLE * sizeof(struct person), sizeof(struct person));
	pool = talloc_pool(top, 20000);
	for (i = 0; i < PEOPLE; i++) {
		all[i] = aligned(i % 3 == 0 ? talloc_cache_zero(cache) :
				 talloc_zero_size(i % 3 == 1 ? pool : top, sizeof(struct person)));
		all[i]->name = aligned(talloc_asprintf(all[i], "person %u", i));
		all[i]->notes = aligned(talloc_strdup(i % 2 ? pool : (void *)all[i], ""));
		if (i > 0)
			all[i]->shared = talloc_reference(all[i], all[i - 1]->name);
	}
	for (r = 0; r < ROUNDS; r++)
		for (i = 0; i < PEOPLE; i++) {
			struct person *p = all[i];
			char word[9];

			snprintf(word, sizeof(word), "%08u", r * PEOPLE + i);
			p->notes = aligned(r % 2 ? talloc_strdup_append(p->notes, word) :
					   talloc_asprintf_append_buffer(p->notes, "%s", word));
			bad_texts += strcmp(p->notes + strlen(p->notes) - 8, word) != 0;
			bad_texts += talloc_get_size(p->notes) != strlen(p->notes) + 1;
			p->numbers = aligned(talloc_realloc(p, p->numbers, unsigned int, p->count + 5));
			for (k = 0; k < 5; k++, p->count++)
				p->numbers[p->count] = i * 10000 + (unsigned int)p->count;
			for (k = 0; k < p->count; k++)
				bad_numbers += p->numbers[k] != i * 10000 + k;
			if ((r + i) % 13 == 12) {
				p->numbers = talloc_realloc(p, p->numbers, unsigned int, 2);
				p->count = 2;
				TALLOC_FREE(p->notes);
				p->notes = talloc_strndup(p, "fresh text", 6);
			}
			if (r % 10 == 9 && i % 5 == 0)
				talloc_steal(i % 2 ? top : (void *)all[(i + 1) % PEOPLE], p->notes);
		}
	CHECK_INT(bad_texts, 0);
	CHECK_INT(bad_numbers, 0);
	mix(talloc_total_size(top));
	mix(talloc_total_blocks(top));
	CHECK_INT(talloc_free(top), 0);
}

/* --- at random ------------------------------------------------------------- */

#define LIVE 50

static struct {
	char *ptr;
	size_t size;
	unsigned int seed;
	bool root; /* has been another's parent */
} live[LIVE];

static void *contexts[5];

static void at_random(void)
{
	size_t damaged = 0, wrong_size = 0, total = 0;
	int step, i;

	contexts[0] = talloc_new(NULL);
	contexts[1] = talloc_pool(NULL, 40000);
	contexts[2] = talloc_pool(contexts[1], 10000);
	contexts[3] = talloc_pool_cache(NULL, LIVE * 64, 64);
	contexts[4] = talloc_named_const(NULL, 0, "limited");
	talloc_set_memlimit(contexts[4], 40000);
	for (step = 0; step < 20000; step++) {
		unsigned int r = next_random() % 8, n = next_random() % LIVE;
		unsigned int context = next_random() % 5;
		size_t size = next_random() % (next_random() % 8 ? 300 : 9000);
		char *ptr = live[n].ptr;

		if (ptr == NULL) {
			if (context == 3) {
				ptr = talloc_cache(contexts[3]);
				size = 64;
			} else {
				ptr = talloc_size(contexts[context], size);
			}
			mix(ptr != NULL);
			if (ptr == NULL)
				continue;
			live[n].seed = next_random();
			fill(ptr, live[n].seed, 0, size);
		} else {
			damaged += damage(ptr, live[n].seed, live[n].size);
			wrong_size += talloc_get_size(ptr) != live[n].size;
			if (r == 0) {
				wrong_size += talloc_free(ptr) != 0;
				live[n].ptr = NULL;
				continue;
			}
			if (r < 4) {
				char *moved;

				size += size == 0;
				moved = talloc_realloc_size(NULL, ptr, size);
				mix(moved != NULL);
				if (moved == NULL)
					continue;
				ptr = moved;
				damaged += damage(ptr, live[n].seed, size < live[n].size ? size : live[n].size);
				if (size > live[n].size)
					fill(ptr, live[n].seed, live[n].size, size);
			} else {
				size = live[n].size;
				if (r == 4)
					talloc_steal(contexts[context], ptr);
				else if (r == 5)
					talloc_set_name(ptr, "named %u", n);
				else if (r == 6)
					talloc_free_children(ptr);
				else
					talloc_strdup(ptr, "below it");
			}
		}
		live[n].ptr = aligned(ptr);
		live[n].size = size;
	}
	for (i = 0; i < 5; i++) {
		mix(talloc_total_size(contexts[i]));
		mix(talloc_total_blocks(contexts[i]));
	}
	for (i = 0; i < LIVE; i++)
		if (live[i].ptr != NULL) {
			damaged += damage(live[i].ptr, live[i].seed, live[i].size);
			total += talloc_get_size(live[i].ptr);
		}
	mix(total);
	CHECK_INT(damaged, 0);
	CHECK_INT(wrong_size, 0);
	for (i = 0; i < 5; i++)
		if (i != 2)
			CHECK_INT(talloc_free(contexts[i]), 0);
	CHECK_INT(talloc_total_blocks(NULL), 1);
}

int main(int argc, char **argv)
{
	alarm(60);
	find_alignment();
	CHECK(argc < 2 || align == (uintptr_t)atoi(argv[1]));
	RUN(every_function);
	RUN(down_and_up);
	RUN(people);
	RUN(at_random);
	CHECK_INT(misaligned, 0);
	printf("digest %lu\n", digest);
	TEST_END();
}
