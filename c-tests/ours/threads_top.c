/*
 * Eight threads that do all there is to do with top-level chunks while null
 * tracking is on, and what a report of the null context says each time that
 * they are quiet.
 */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define THREADS 8
#define HELD 128

/* Can be made smaller for a tool that makes programs slow. */
#ifndef PHASES
#define PHASES 40
#endif
#ifndef STEPS
#define STEPS 20000
#endif

static atomic_int bad;
static pthread_barrier_t barrier;

/* At the front of each chunk that is held. */
struct top {
	int owner, seen;
	size_t size; /* of the user's memory, or 0 for a pool, which has none */
};

static struct thread {
	pthread_t id;
	int number;
	uint64_t seed;
	void *home;            /* a tree of its own, top-level as well */
	struct top *held[HELD]; /* top-level chunks */
	/* what the null context has below it because of this thread */
	size_t blocks, size, tops;
} threads[THREADS];

static unsigned int next_random(struct thread *t)
{
	t->seed = t->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(t->seed >> 33);
}

/* Chunks on their way from one thread to another. */
#define QUEUE 16

static struct {
	pthread_mutex_t lock;
	struct top *top[QUEUE];
	int count;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *null_context(void)
{
	static void *null;

	if (null == NULL) {
		void *ptr = talloc_new(NULL);

		null = talloc_parent(ptr);
		talloc_free(ptr);
	}
	return null;
}

static struct top *top_make(struct thread *t)
{
	size_t size = sizeof(struct top) + next_random(t) % 500;
	struct top *top;

	switch (next_random(t) % 6) {
	case 0:
		top = (struct top *)talloc_init("%*d", (int)sizeof(struct top), t->number);
		/* its text is a child: no memory of its own yet */
		if (top != NULL)
			top = talloc_realloc_size(NULL, top, size);
		break;
	case 1:
		top = _talloc_pooled_object(NULL, sizeof(struct top), "pooled", 4, 400);
		size = sizeof(struct top);
		if (top != NULL)
			talloc_strdup(top, "in the pool");
		break;
	case 2:
		/* comes to the top from below */
		top = talloc_named_const(t->home, size, "stolen");
		talloc_steal(NULL, top);
		break;
	case 3:
		top = talloc_named_const(NULL, size, "limited");
		talloc_set_memlimit(top, 1 << 20);
		talloc_named_const(top, 10, "under a limit");
		break;
	case 4:
		top = talloc_named_const(null_context(), size, "by its name");
		break;
	default:
		top = talloc_named_const(NULL, size, "plain");
		break;
	}
	if (top == NULL) {
		bad++;
		return NULL;
	}
	top->owner = t->number;
	top->seen = 0;
	top->size = size;
	return top;
}

static void top_free(struct thread *t, struct top *top)
{
	int left = 0;

	switch (next_random(t) % 5) {
	case 0:
		left = talloc_unlink(NULL, top);
		break;
	case 1:
		talloc_steal(t->home, top);
		left = talloc_free(top);
		break;
	case 2:
		talloc_steal(t->home, top);
		talloc_free_children(t->home);
		break;
	case 3:
		if (talloc_realloc_size(NULL, top, 0) != NULL)
			left = 1;
		break;
	default:
		left = talloc_free(top);
		break;
	}
	if (left != 0)
		bad++;
}

/* Something happens to it, and it is top-level afterwards as before. */
static struct top *top_work(struct thread *t, struct top *top)
{
	size_t size = sizeof(struct top) + next_random(t) % 3000;
	void *ptr;

	switch (next_random(t) % 8) {
	case 0:
	case 1:
		ptr = talloc_realloc_size(NULL, top, size);
		if (ptr != NULL) {
			top = ptr;
			top->size = size;
		} else if (strcmp(talloc_get_name(top), "pooled") != 0) {
			bad++; /* only a pool may not */
		}
		break;
	case 2:
		talloc_steal(t->home, top);
		talloc_steal(NULL, top);
		break;
	case 3:
		ptr = top;
		ptr = talloc_move(t->home, &ptr);
		talloc_reparent(t->home, NULL, ptr);
		break;
	case 4:
		/* a reference by nobody hangs beside it */
		if (talloc_increase_ref_count(top) != 0 || talloc_reference_count(top) != 1 ||
		    talloc_unlink(NULL, top) != 0)
			bad++;
		break;
	case 5:
		/* to the front of the list */
		talloc_steal(NULL, top);
		break;
	case 6:
		/* the only reference takes over */
		ptr = talloc_named_const(NULL, 0, "referrer");
		talloc_reference(ptr, top);
		if (talloc_free(top) != 0 || talloc_parent(top) != ptr)
			bad++;
		talloc_steal(NULL, top);
		talloc_free(ptr);
		break;
	case 7:
		ptr = talloc_named_const(top, 1, "child");
		talloc_steal(NULL, ptr);
		if (talloc_parent(ptr) != null_context() || talloc_free(ptr) != 0)
			bad++;
		break;
	}
	return top;
}

/* First in, first out: what comes out was another thread's. */
static struct top *top_exchange(struct thread *t, struct top *top)
{
	struct top *other = NULL;

	pthread_mutex_lock(&queue.lock);
	if (queue.count == QUEUE || (queue.count > 0 && next_random(t) % 2 == 0)) {
		other = queue.top[0];
		memmove(queue.top, queue.top + 1, sizeof(queue.top[0]) * (size_t)--queue.count);
	}
	queue.top[queue.count++] = top;
	pthread_mutex_unlock(&queue.lock);
	return other;
}

static void step(struct thread *t)
{
	struct top **slot = &t->held[next_random(t) % HELD];
	struct top *top = *slot;

	if (top == NULL) {
		*slot = top_make(t);
		return;
	}
	if (top->owner != t->number || talloc_parent(top) != null_context() ||
	    talloc_get_size(top) != top->size)
		bad++;
	switch (next_random(t) % 4) {
	case 0:
		top_free(t, top);
		*slot = NULL;
		break;
	case 1:
		top = top_exchange(t, top);
		if (top != NULL)
			top->owner = t->number;
		*slot = top;
		break;
	default:
		*slot = top_work(t, top);
		break;
	}
}

static void take_stock(struct thread *t)
{
	int i;

	t->blocks = talloc_total_blocks(t->home);
	t->size = talloc_total_size(t->home);
	t->tops = 1;
	for (i = 0; i < HELD; i++)
		if (t->held[i] != NULL) {
			t->blocks += talloc_total_blocks(t->held[i]);
			t->size += talloc_total_size(t->held[i]);
			t->tops++;
		}
}

static size_t tops_shown, blocks_shown, tops_marked;

static void show(const void *ptr, int depth, int max_depth, int is_ref, void *unused)
{
	(void)max_depth;
	(void)unused;
	blocks_shown += depth > 0;
	tops_shown += depth == 1;
	if (is_ref || (depth == 1 && talloc_parent(ptr) != null_context()))
		bad++;
	/* each once */
	if (depth == 1 && talloc_get_size(ptr) >= sizeof(struct top)) {
		struct top *top = (struct top *)ptr;

		bad += top->seen++ != 0;
		tops_marked++;
	}
}

/* Nobody else is doing anything now. */
static void look(void)
{
	size_t blocks = 0, size = 0, tops = 0, lines = 0;
	unsigned long said_size = 0, said_blocks = 0;
	FILE *f = tmpfile();
	char line[512];
	int i, k;

	for (i = 0; i < THREADS; i++) {
		blocks += threads[i].blocks;
		size += threads[i].size;
		tops += threads[i].tops;
	}
	for (i = 0; i < queue.count; i++) {
		blocks += talloc_total_blocks(queue.top[i]);
		size += talloc_total_size(queue.top[i]);
		tops++;
	}
	tops_shown = blocks_shown = tops_marked = 0;
	talloc_report_depth_cb(NULL, 0, -1, show, NULL);
	if (talloc_total_blocks(NULL) != blocks + 1 || talloc_total_size(NULL) != size ||
	    tops_shown != tops || blocks_shown != blocks || tops_marked != tops - THREADS)
		bad++;
	for (i = 0; i < THREADS; i++)
		for (k = 0; k < HELD; k++)
			if (threads[i].held[k] != NULL)
				bad += threads[i].held[k]->seen-- != 1;
	for (i = 0; i < queue.count; i++)
		bad += queue.top[i]->seen-- != 1;
	/* the same as a text */
	if (f == NULL)
		exit(99);
	talloc_report_full(NULL, f);
	rewind(f);
	if (fgets(line, sizeof(line), f) == NULL ||
	    sscanf(line, "full talloc report on 'null_context' (total %lu bytes in %lu blocks)",
		   &said_size, &said_blocks) != 2)
		bad++;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, " contains ") != NULL)
			lines++;
	fclose(f);
	if (said_size != size || said_blocks != blocks + 1 || lines != blocks)
		bad++;
}

static void *run(void *arg)
{
	struct thread *t = arg;
	int phase, i;

	for (phase = 0; phase < PHASES; phase++) {
		for (i = 0; i < STEPS; i++)
			step(t);
		take_stock(t);
		pthread_barrier_wait(&barrier);
		if (t->number == phase % THREADS)
			look();
		pthread_barrier_wait(&barrier);
	}
	for (i = 0; i < HELD; i++)
		if (t->held[i] != NULL)
			top_free(t, t->held[i]);
	if (talloc_total_blocks(t->home) != 1 || talloc_free(t->home) != 0)
		bad++;
	return NULL;
}

static void run_threads(void)
{
	int i;

	null_context();
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		memset(t, 0, sizeof(*t));
		t->number = i;
		t->seed = (uint64_t)(31 + i);
		t->home = talloc_named_const(NULL, 0, "home");
		talloc_set_memlimit(t->home, 1 << 24);
		if (pthread_create(&t->id, NULL, run, t) != 0)
			exit(99);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&barrier);
	while (queue.count > 0)
		if (talloc_free(queue.top[--queue.count]) != 0)
			bad++;
}

static void top_level(void)
{
	talloc_enable_null_tracking();
	run_threads();
	CHECK_INT(bad, 0);
	CHECK_STR(tree_of(NULL), "null_context");
	CHECK_INT(talloc_total_blocks(NULL), 1);
	CHECK_INT(talloc_total_size(NULL), 0);
}

int main(void)
{
	alarm(110);
	RUN(top_level);
	TEST_END();
}
