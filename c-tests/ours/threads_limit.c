/*
 * A limit on the null context, which all top-level chunks count against, and four
 * threads that make and free them: what is counted is what is there, to the byte.
 */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define THREADS 4
#define LIMIT 1000000

#ifndef STEPS
#define STEPS 400000
#endif

static void *null;
static atomic_int refused, wrong;

/* What a report says is counted. */
static long counted(void)
{
	const char *text = strstr(text_of(talloc_report, null), "cur_size = ");

	return text ? atol(text + strlen("cur_size = ")) : -1;
}

static unsigned int next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(*seed >> 33);
}

/* --- what threads do --------------------------------------------------------- */

static void *make_and_free(void *number)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		void *ptr = talloc_named_const(NULL, 100, "task");

		refused += ptr == NULL;
		wrong += ptr != NULL && talloc_free(ptr) != 0;
	}
	return number;
}

/* As much as there is, so that some of it is refused. */
static void *hold_and_let_go(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;
	void *held[64] = { NULL };
	int i;

	for (i = 0; i < STEPS; i++) {
		void **slot = &held[next_random(&seed) % 64];

		if (*slot != NULL) {
			wrong += talloc_free(*slot) != 0;
			*slot = NULL;
		} else {
			*slot = talloc_size(NULL, next_random(&seed) % 16000);
			refused += *slot == NULL;
		}
	}
	for (i = 0; i < 64; i++)
		wrong += held[i] != NULL && talloc_free(held[i]) != 0;
	return number;
}

static void *grow_and_shrink(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;
	char *held[8] = { NULL };
	int i;

	for (i = 0; i < STEPS; i++) {
		char **slot = &held[next_random(&seed) % 8];
		char *ptr = talloc_realloc_size(NULL, *slot, 1 + next_random(&seed) % 60000);

		if (ptr != NULL)
			*slot = ptr;
		else
			refused++;
	}
	for (i = 0; i < 8; i++)
		wrong += held[i] != NULL && talloc_free(held[i]) != 0;
	return number;
}

static void *trees_and_pools(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;
	int i;

	for (i = 0; i < STEPS / 8; i++) {
		void *top = talloc_init("tree %d", i), *pool, *cache, *part;

		if (top == NULL) {
			refused++;
			continue;
		}
		pool = talloc_pool(top, next_random(&seed) % 20000);
		cache = talloc_pool_cache(NULL, 1000, 100);
		talloc_set_memlimit(top, 100000);
		part = talloc_strdup(top, "part");
		if (pool == NULL || cache == NULL || part == NULL) {
			refused++;
		} else {
			talloc_reference(cache, part);
			part = talloc_size(pool, 300);
			talloc_realloc_size(pool, part, 30000);
			talloc_strdup(talloc_cache(cache), "below an object");
		}
		wrong += talloc_free(top) != 0;
		wrong += cache != NULL && talloc_free(cache) != 0;
	}
	return number;
}

/* Down into a tree that is limited itself, and up again; named by their parent, too. */
static void *steal_about(void *number)
{
	void *home = talloc_named_const(NULL, 0, "home");
	int i;

	/* others may have taken all there is by then */
	if (home == NULL) {
		refused++;
		return number;
	}
	talloc_set_memlimit(home, 50000);
	for (i = 0; i < STEPS / 4; i++) {
		void *a = talloc_named_const(i % 2 ? NULL : null, 200, "a");
		void *b = talloc_named_const(home, 300, "b");

		if (a == NULL || b == NULL)
			refused++;
		if (b != NULL)
			talloc_steal(NULL, b);
		if (a != NULL && b != NULL)
			talloc_steal(b, a);
		if (a != NULL && b != NULL)
			talloc_steal(home, a);
		wrong += b != NULL && talloc_free(b) != 0;
		wrong += a != NULL && talloc_free(a) != 0;
	}
	wrong += talloc_free(home) != 0;
	return number;
}

/* Others free what one has made. */
static struct {
	pthread_mutex_t lock;
	void *ptr[32];
} shelf = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *pass_on(void *number)
{
	uint64_t seed = (uint64_t)(intptr_t)number;
	int i;

	for (i = 0; i < STEPS / 2; i++) {
		void *ptr = talloc_size(NULL, next_random(&seed) % 9000), *other;
		int k = (int)(next_random(&seed) % 32);

		refused += ptr == NULL;
		pthread_mutex_lock(&shelf.lock);
		other = shelf.ptr[k];
		shelf.ptr[k] = ptr;
		pthread_mutex_unlock(&shelf.lock);
		wrong += other != NULL && talloc_free(other) != 0;
	}
	return number;
}

static void *(*const all[])(void *) = {
	make_and_free, hold_and_let_go, grow_and_shrink, trees_and_pools, steal_about, pass_on,
};

static void *a_bit_of_each(void *number)
{
	return all[(uintptr_t)number % 6](number);
}

/* --- before and after ---------------------------------------------------------- */

/* How many of them fit: so many there is room for, no more and no less. */
static int how_many(size_t size)
{
	int n = 0;

	while (talloc_size(null, size) != NULL)
		n++;
	return n;
}

static void run(void *(*fn)(void *), size_t limit, bool some_are_refused)
{
	pthread_t thread[THREADS];
	long before;
	int i, fit, fit_small;

	CHECK_INT(talloc_set_memlimit(null, limit), 0);
	before = counted();
	fit = how_many(10000);
	CHECK(fit >= (int)(limit / 10300) && fit <= (int)(limit / 10000));
	talloc_free_children(null);
	fit_small = how_many(1);
	talloc_free_children(null);
	CHECK_INT(counted(), before);
	wrong = refused = 0;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, fn, (void *)(intptr_t)(i + 1)) != 0)
			exit(99);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 32; i++)
		if (shelf.ptr[i] != NULL) {
			talloc_free(shelf.ptr[i]);
			shelf.ptr[i] = NULL;
		}
	CHECK_INT(wrong, 0);
	/* nothing is kept back from whom there is room for */
	if (!some_are_refused)
		CHECK_INT(refused, 0);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	CHECK_INT(counted(), before);
	CHECK_INT(how_many(10000), fit);
	talloc_free_children(null);
	CHECK_INT(how_many(1), fit_small);
	talloc_free_children(null);
}

static void made_and_freed(void) { run(make_and_free, LIMIT, false); }
static void held(void) { run(hold_and_let_go, LIMIT / 2, true); }
static void resized(void) { run(grow_and_shrink, LIMIT / 2, true); }
static void trees(void) { run(trees_and_pools, LIMIT / 10, true); }
static void stolen(void) { run(steal_about, LIMIT, false); }
static void passed_on(void) { run(pass_on, LIMIT / 10, true); }
static void everything(void) { run(a_bit_of_each, LIMIT / 2, true); }

/* While all hold as much as they may, the sum of it is within the limit. */
static pthread_barrier_t barrier;

static void *fill_up(void *number)
{
	int i, n = 0;
	void *mine[4000];

	for (i = 0; i < 20; i++) {
		while (n < 4000 && (mine[n] = talloc_size(NULL, 1000)) != NULL)
			n++;
		pthread_barrier_wait(&barrier);
		/* one looks, the others wait */
		if ((int)(intptr_t)number == i % THREADS) {
			size_t blocks = talloc_total_blocks(NULL);

			wrong += talloc_total_size(NULL) > LIMIT || blocks < LIMIT / 1200 ||
				 talloc_size(NULL, 1000) != NULL;
		}
		pthread_barrier_wait(&barrier);
		while (n > 0)
			wrong += talloc_free(mine[--n]) != 0;
	}
	return NULL;
}

static void filled_up(void)
{
	pthread_barrier_init(&barrier, NULL, THREADS);
	run(fill_up, LIMIT, true);
	pthread_barrier_destroy(&barrier);
}

/* Without a limit there is none, and a limit set later counts what is there. */
static void set_later(void)
{
	void *ptr = talloc_size(NULL, 5000);
	long with, without;

	talloc_set_memlimit(null, 0);
	CHECK(talloc_size(NULL, 2 * LIMIT) != NULL);
	talloc_free_children(null);
	ptr = talloc_size(NULL, 5000);
	talloc_set_memlimit(null, LIMIT);
	with = counted();
	CHECK_INT(talloc_free(ptr), 0);
	without = counted();
	CHECK(with - without >= 5000 && with - without < 5200);
}

int main(void)
{
	void *probe;

	alarm(100);
	talloc_enable_null_tracking();
	probe = talloc_new(NULL);
	null = talloc_parent(probe);
	talloc_free(probe);
	RUN(made_and_freed);
	RUN(held);
	RUN(resized);
	RUN(trees);
	RUN(stolen);
	RUN(passed_on);
	RUN(everything);
	RUN(filled_up);
	RUN(set_later);
	TEST_END();
}
