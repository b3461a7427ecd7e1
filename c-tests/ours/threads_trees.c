/*
 * Trees that belong to one thread at a time: separate ones worked on in eight
 * threads at once, and ones that go from thread to thread.
 */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define THREADS 8

/* Can be made smaller for a tool that makes programs slow. */
#ifndef STEPS
#define STEPS 100000
#endif
#ifndef HANDOVERS
#define HANDOVERS 20000
#endif

static atomic_int bad;

static void run_threads(void *(*fn)(void *), void *arg, size_t arg_size)
{
	pthread_t thread[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, fn, (char *)arg + arg_size * (size_t)i))
			exit(99);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static unsigned int next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(*seed >> 33);
}

/* --- separate trees --- */

/*
 * A random walk. What is checked is that the same seed gives the same answers
 * in eight threads at once as it gives alone: all that can be seen of the tree
 * is mixed into one number.
 */
#define SLOTS 96

struct object {
	char bytes[16];
};

struct walk_state {
	uint64_t seed, hash;
	void *top;
	void *slot[SLOTS]; /* NULL once its destructor has run */
	int slot_size[SLOTS];
	bool refusing;
	int destroyed, made;
};

static _Thread_local struct walk_state *walking;

static void mix(uint64_t value)
{
	walking->hash = (walking->hash ^ value) * 1099511628211u;
}

static int slot_of(const void *ptr)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (walking->slot[i] == ptr)
			return i;
	return ptr == walking->top ? SLOTS : -1;
}

/*
 * Loops of parents are no affair of this test. They come about when what refuses
 * to go, or has more than one reference, is handed to one that lies below it.
 */
static bool may_refuse(int i)
{
	return i % 4 == 0;
}

static int walk_destructor(void *ptr)
{
	int i = slot_of(ptr);

	mix((uint64_t)i);
	if (i < 0 || i == SLOTS) {
		bad++;
		return 0;
	}
	if (walking->refusing && may_refuse(i) && next_random(&walking->seed) % 4 == 0)
		return -1;
	walking->slot[i] = NULL;
	walking->destroyed++;
	return 0;
}

/* What a slot holds is filled with a byte of its own. */
static void fill(int i, int from)
{
	int size = walking->slot_size[i];

	if (size > from)
		memset((char *)walking->slot[i] + from, i + 1, (size_t)(size - from));
}

static void check_fill(int i, int size)
{
	const unsigned char *p = walking->slot[i];
	int k;

	for (k = 0; k < size; k++)
		if (p[k] != (unsigned char)(i + 1)) {
			bad++;
			return;
		}
}

static void remember(int i, void *ptr, int size)
{
	mix(ptr != NULL);
	if (ptr == NULL)
		return;
	walking->slot[i] = ptr;
	walking->slot_size[i] = size;
	fill(i, 0);
	_talloc_set_destructor(ptr, walk_destructor);
	walking->made++;
}

static void count_shown(const void *ptr, int depth, int max_depth, int is_ref, void *number)
{
	(void)ptr;
	(void)max_depth;
	*(int *)number += 1 + depth + 1000 * is_ref;
}

static void walk_make(int i, void *ctx)
{
	struct walk_state *w = walking;
	int size = 16 + (int)(next_random(&w->seed) % 600);
	char *text;

	switch (next_random(&w->seed) % 8) {
	case 0:
		remember(i, talloc_pooled_object(ctx, struct object, 20, 3000), 16);
		break;
	case 1:
		remember(i, talloc_pool(ctx, (size_t)size * 8), 0);
		break;
	case 2:
		remember(i, talloc_pool_cache(ctx, 2048, 100), 0);
		break;
	case 3:
		text = talloc_asprintf(ctx, "slot %d of %d", i, size);
		mix(text != NULL && strlen(text) > 8);
		remember(i, text, 0);
		if (text != NULL && strncmp(text, "slot ", 5) != 0)
			bad++;
		break;
	default:
		remember(i, talloc_named_const(ctx, (size_t)size, "plain"), size);
		break;
	}
}

static void walk_realloc(int i)
{
	struct walk_state *w = walking;
	int old = w->slot_size[i], size = 1 + (int)(next_random(&w->seed) % 3000);
	void *ptr;

	if (old == 0)
		return;
	ptr = talloc_realloc_size(NULL, w->slot[i], (size_t)size);
	mix(ptr != NULL);
	if (ptr == NULL)
		return;
	w->slot[i] = ptr;
	w->slot_size[i] = size;
	check_fill(i, old < size ? old : size);
	fill(i, old);
}

static void walk_step(void)
{
	struct walk_state *w = walking;
	int i = (int)(next_random(&w->seed) % SLOTS), k = (int)(next_random(&w->seed) % SLOTS);
	void *ptr = w->slot[i], *ctx = w->slot[k] != NULL ? w->slot[k] : w->top;
	int shown = 0;

	if (ptr == NULL) {
		walk_make(i, ctx);
		return;
	}
	check_fill(i, w->slot_size[i]);
	switch (next_random(&w->seed) % 20) {
	case 0:
	case 1:
	case 2:
		mix((uint64_t)talloc_free(ptr));
		break;
	case 3:
		talloc_free_children(ptr);
		break;
	case 4:
	case 5:
	case 6:
		walk_realloc(i);
		break;
	case 7:
	case 8:
	case 9:
		if (!talloc_is_parent(ctx, ptr))
			mix(talloc_steal(ctx, ptr) == ptr);
		break;
	case 10:
	case 11:
		if (!may_refuse(i) && talloc_reference_count(ptr) == 0)
			mix(talloc_reference(ctx, ptr) == ptr);
		break;
	case 12:
		/* nor when a parent takes its hand off what it is below itself */
		if (talloc_parent(ptr) != ctx || talloc_reference_count(ptr) == 0)
			mix((uint64_t)talloc_unlink(ctx, ptr));
		break;
	case 13:
		mix((uint64_t)talloc_set_memlimit(ptr, 2000 + next_random(&w->seed) % 20000));
		break;
	case 14:
		mix((uint64_t)talloc_set_memlimit(ptr, 0));
		break;
	case 15:
		mix(talloc_strdup(ctx, "a text of no slot") != NULL);
		break;
	case 16:
		/* not a cache: NULL */
		mix(talloc_cache_zero(ptr) != NULL);
		break;
	case 17:
		/* each name stays as a child */
		if (talloc_total_blocks(ptr) < 20)
			talloc_set_name(ptr, "name %d", i);
		mix((uint64_t)talloc_get_name(ptr)[0]);
		break;
	case 18:
		talloc_report_depth_cb(ptr, 0, 6, count_shown, &shown);
		mix((uint64_t)shown);
		mix(talloc_find_parent_byname(ptr, "top") == w->top);
		break;
	case 19:
		mix(talloc_reparent(talloc_parent(ptr), talloc_parent(ptr), ptr) != NULL);
		break;
	}
	if (w->slot[i] != NULL) {
		mix(talloc_get_size(w->slot[i]));
		mix(talloc_reference_count(w->slot[i]));
		mix((uint64_t)slot_of(talloc_parent(w->slot[i])));
	}
}

static void *walk(void *state)
{
	struct walk_state *w = state;
	uint64_t seed = w->seed;
	int i;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	walking = w;
	w->top = talloc_named_const(NULL, 0, "top");
	w->refusing = true;
	for (i = 0; i < STEPS; i++) {
		walk_step();
		if (i % 64 == 0) {
			mix(talloc_total_size(w->top));
			mix(talloc_total_blocks(w->top));
		}
	}
	w->refusing = false;
	if (talloc_free(w->top) != 0)
		bad++;
	/* what refused has perhaps no parent now, but one that refers to it */
	for (i = 0; i < SLOTS * SLOTS; i++)
		if (w->slot[i % SLOTS] != NULL)
			talloc_free(w->slot[i % SLOTS]);
	if (w->made != w->destroyed)
		bad++;
	mix((uint64_t)w->made);
	walking = NULL;
	return NULL;
}

static void separate(void)
{
	static struct walk_state alone[THREADS], together[THREADS];
	int i, made = 0;

	bad = 0;
	for (i = 0; i < THREADS; i++) {
		alone[i].seed = together[i].seed = (uint64_t)(1000 + i);
		walk(&alone[i]);
		made += alone[i].made > STEPS / 10;
	}
	CHECK_INT(bad, 0);
	/* the walks do something, and not all the same */
	CHECK_INT(made, THREADS);
	CHECK(alone[0].hash != alone[1].hash);
	run_threads(walk, together, sizeof(together[0]));
	CHECK_INT(bad, 0);
	for (i = 0; i < THREADS; i++)
		CHECK(together[i].hash == alone[i].hash);
}

/* --- from hand to hand --- */

/*
 * The first chunk of a tree that is handed over says what is in it; nobody but
 * the thread that has taken it out of the queue looks into it.
 */
struct parcel {
	size_t blocks, size; /* of the whole, as talloc counts */
	void *part;          /* some chunk in it */
	char *text;
	void *pool, *cache;
	pthread_t maker;
};

#define QUEUE 32

static struct {
	pthread_mutex_t lock;
	struct parcel *parcel[QUEUE];
	int count;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static atomic_long parcels_made, parcels_freed, freed_elsewhere;

static int parcel_destructor(struct parcel *p)
{
	parcels_freed++;
	freed_elsewhere += !pthread_equal(p->maker, pthread_self());
	return 0;
}

static void describe(struct parcel *p)
{
	p->blocks = talloc_total_blocks(p);
	p->size = talloc_total_size(p);
}

static struct parcel *parcel_make(void *ctx, uint64_t *seed)
{
	struct parcel *p = talloc_zero(ctx, struct parcel);

	if (p == NULL)
		return NULL;
	parcels_made++;
	p->maker = pthread_self();
	talloc_set_destructor(p, parcel_destructor);
	p->part = talloc_named(p, 40, "part %u", next_random(seed) % 100);
	p->text = talloc_strdup(p->part, "text");
	/* a loop through a reference, and two that are none */
	talloc_reference(p->part, p->text);
	talloc_reference(p->text, p->part);
	if (next_random(seed) % 2 == 0) {
		p->pool = talloc_pool(p, 2000);
		talloc_reference(p, talloc_strdup(p->pool, "in the pool"));
	}
	if (next_random(seed) % 2 == 0) {
		p->cache = talloc_pool_cache(p, 4000, 100);
		talloc_named(talloc_cache(p->cache), 5, "below an object");
	}
	if (next_random(seed) % 4 == 0)
		talloc_set_memlimit(p->part, 1 << 20);
	describe(p);
	return p;
}

/* Looks at it, and changes it so that each kind of block comes and goes. */
static void parcel_work(struct parcel *p, uint64_t *seed)
{
	void *ptr;

	if (strcmp(talloc_get_name(p), "struct parcel") != 0 || strncmp(p->text, "text", 4) != 0 ||
	    talloc_total_blocks(p) != p->blocks || talloc_total_size(p) != p->size)
		bad++;
	switch (next_random(seed) % 8) {
	case 0:
		ptr = talloc_realloc_size(p, p->part, 40 + next_random(seed) % 4000);
		/* it has a reference, so it cannot */
		if (ptr != NULL)
			bad++;
		break;
	case 1:
		ptr = talloc_named_const(p, 0, "between");
		if (talloc_steal(ptr, p->part) != p->part ||
		    talloc_steal(p, p->part) != p->part || talloc_free(ptr) != 0)
			bad++;
		break;
	case 2:
		if (p->cache != NULL && (ptr = talloc_cache(p->cache)) != NULL)
			talloc_free(ptr);
		break;
	case 3:
		if (p->pool != NULL)
			talloc_free(talloc_asprintf(p->pool, "%d", (int)next_random(seed)));
		break;
	case 4:
		if (p->pool != NULL) {
			talloc_free(p->pool);
			p->pool = NULL;
		}
		break;
	case 5:
		if (p->pool == NULL)
			p->pool = talloc_pool(p, 1000);
		break;
	case 6:
		/* what is stolen out of the cache keeps its memory alive */
		if (p->cache != NULL) {
			ptr = talloc_cache(p->cache);
			if (ptr != NULL) {
				talloc_steal(p, ptr);
				talloc_free(p->cache);
				p->cache = NULL;
				memset(ptr, 1, 100);
				talloc_free(ptr);
			}
		}
		break;
	case 7:
		talloc_set_memlimit(p, next_random(seed) % 2 != 0 ? 1 << 20 : 0);
		break;
	}
	describe(p);
}

static struct parcel *swap_with_queue(struct parcel *p, uint64_t *seed)
{
	struct parcel *other = NULL;

	pthread_mutex_lock(&queue.lock);
	if (queue.count > 0 && (queue.count == QUEUE || next_random(seed) % 4 != 0)) {
		int i = (int)(next_random(seed) % (unsigned int)queue.count);

		other = queue.parcel[i];
		queue.parcel[i] = queue.parcel[--queue.count];
	}
	if (p != NULL)
		queue.parcel[queue.count++] = p;
	pthread_mutex_unlock(&queue.lock);
	return other;
}

static void *hand_on(void *state)
{
	uint64_t *seed = state;
	void *home = talloc_named_const(NULL, 0, "home");
	int i;

	/* what comes in and goes out is charged to a limit of this thread */
	talloc_set_memlimit(home, 1 << 24);
	for (i = 0; i < HANDOVERS; i++) {
		struct parcel *p;

		p = parcel_make(next_random(seed) % 2 != 0 ? home : NULL, seed);
		if (p == NULL) {
			bad++;
			continue;
		}
		/* a tree that has a parent in this thread cannot be handed over */
		talloc_steal(NULL, p);
		p = swap_with_queue(p, seed);
		if (p == NULL)
			continue;
		talloc_steal(home, p);
		parcel_work(p, seed);
		if (next_random(seed) % 4 == 0) {
			talloc_steal(NULL, p);
			p = swap_with_queue(p, seed);
			if (p == NULL)
				continue;
		}
		if (talloc_free(p) != 0)
			bad++;
	}
	if (talloc_total_blocks(home) != 1 || talloc_free(home) != 0)
		bad++;
	return NULL;
}

static void hand_over(void)
{
	uint64_t seed[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		seed[i] = (uint64_t)(77 + i);
	bad = 0;
	parcels_made = parcels_freed = freed_elsewhere = 0;
	run_threads(hand_on, seed, sizeof(seed[0]));
	while (queue.count > 0)
		if (talloc_free(queue.parcel[--queue.count]) != 0)
			bad++;
	CHECK_INT(bad, 0);
	CHECK_INT(parcels_made, THREADS * HANDOVERS);
	CHECK_INT(parcels_freed, THREADS * HANDOVERS);
	CHECK(freed_elsewhere > 0);
}

static void hand_over_with_null_tracking(void)
{
	talloc_enable_null_tracking();
	hand_over();
	CHECK_STR(tree_of(NULL), "null_context");
	separate();
	CHECK_STR(tree_of(NULL), "null_context");
	talloc_disable_null_tracking();
}

int main(void)
{
	alarm(110);
	RUN(separate);
	RUN(hand_over);
	RUN(hand_over_with_null_tracking);
	TEST_END();
}
