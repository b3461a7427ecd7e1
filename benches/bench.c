/*
 * Workloads, timed on whichever libtalloc.so.2 the loader finds, and what malloc
 * takes for the same (their names begin with malloc_).
 *
 * usage: bench list               names
 *        bench timed              those of them that are nanoseconds, no more
 *        bench run [NAME...]      lines "row value unit", a few seconds for all
 *        bench rows               names of the rows that can be counted
 *        bench count ROW COUNT    a row, about COUNT operations inside measured()
 *        bench nothing            what starting costs
 *
 * Each workload has a process of its own, so that none finds the heap of
 * another (but for session, which is about that); one that fills the memory has a
 * new process for each round. A row says the best of many short batches, or of
 * some rounds: the others are what the machine did besides.
 *
 * Rows that end in _kept are to be run with TALLOC_THREAD_CACHE in the environment.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>

#define TIME_FOR_ONE 0.1 /* seconds, if the least number of rounds is done */
#define LEAST_ROUNDS 3
#define FILLS_MEMORY 100000 /* operations of a round, or more; more time, too */
#define LEAST_COUNTED 1000  /* operations of a round: fewer are not counted */
#define TEXT_OF_48 "a text of 48 bytes: six words more and a full stop"

static void *root, *inner, *other, *text;
static void **nodes;
static void *volatile sink;

/* This library's own; the original has none. */
static void *(*pool_cache)(const void *, size_t, size_t);
static void *(*cache_take)(const void *);

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Without the time that others had the processor. */
static double used(void)
{
	return seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* For batches too short for a system call. */
static double wall(void)
{
	return seconds(CLOCK_MONOTONIC);
}

static unsigned long chance_state = 1;

static unsigned long chance(void)
{
	chance_state = chance_state * 6364136223846793005UL + 1442695040888963407UL;
	return chance_state >> 33;
}

/* callgrind counts what happens below this one. */
static __attribute__((noinline)) void measured(void (*phase)(long), long n)
{
	phase(n);
	__asm__ volatile("" ::: "memory");
}

/* ---- one operation, again and again ------------------------------------- */

static void begin_root(long n)
{
	(void)n;
	root = talloc_new(NULL);
}

static void end_root(void)
{
	if (root != NULL)
		talloc_free(root);
}

static void churn(long n)
{
	while (n-- > 0)
		talloc_free(talloc_named_const(root, 48, "churn"));
}

static void malloc_churn(long n)
{
	while (n-- > 0) {
		sink = malloc(48);
		free(sink);
	}
}

static void tree_of_three(const void *ctx, long i)
{
	void *p = talloc_size(ctx, (size_t)(i % 100));

	talloc_strdup(p, "foo bar");
	talloc_size(p, 64);
	talloc_free(p);
}

static void tree3(long n)
{
	long i;

	for (i = 0; i < n; i++)
		tree_of_three(root, i);
}

static void malloc_tree3(long n)
{
	void *volatile p, *volatile q, *volatile r;
	long i;

	for (i = 0; i < n; i++) {
		p = malloc((size_t)(i % 100));
		q = strdup("foo bar");
		r = malloc(64);
		free(r);
		free(q);
		free(p);
	}
}

static void mix(long n)
{
	while (n-- > 0) {
		talloc_free(talloc_size(root, 1000));
		talloc_free(talloc_strdup(root, TEXT_OF_48));
		talloc_free(talloc_size(root, 128 * 1024));
	}
}

static void malloc_mix(long n)
{
	while (n-- > 0) {
		sink = malloc(1000);
		free(sink);
		sink = strdup(TEXT_OF_48);
		free(sink);
		sink = malloc(128 * 1024);
		free(sink);
	}
}

static void begin_pool(long n)
{
	(void)n;
	root = talloc_pool(NULL, 10240);
}

static void begin_limit(long n)
{
	begin_root(n);
	talloc_set_memlimit(root, 1 << 20);
}

static void pool_fill(long n)
{
	void *pool;
	int i;

	for (; n > 0; n -= 80) {
		pool = talloc_pool(root, 80 * 160);
		for (i = 0; i < 80; i++)
			talloc_size(pool, 40);
		talloc_free(pool);
	}
}

static void formatted(long n)
{
	while (n-- > 0)
		talloc_free(talloc_asprintf(root, "%ld %s", n, "hello"));
}

static void memdup(long n)
{
	while (n-- > 0)
		talloc_free(talloc_memdup(root, &n, sizeof(n)));
}

static void malloc_memdup(long n)
{
	void *volatile p;

	while (n-- > 0) {
		p = malloc(sizeof(n));
		memcpy(p, &n, sizeof(n));
		free(p);
	}
}

static void zeroed(long n)
{
	while (n-- > 0)
		talloc_free(talloc_zero_size(root, 64));
}

static void malloc_zeroed(long n)
{
	while (n-- > 0) {
		sink = calloc(1, 64);
		free(sink);
	}
}

static void begin_reference(long n)
{
	begin_root(n);
	inner = talloc_new(root);
	text = talloc_strdup(inner, "referred to");
}

static void reference(long n)
{
	while (n-- > 0) {
		talloc_reference(root, text);
		talloc_unlink(root, text);
	}
}

/* A chunk two levels down, and another parent; none of them is alone. */
static void begin_two(long n)
{
	begin_root(n);
	inner = talloc_new(root);
	other = talloc_new(root);
	talloc_named_const(inner, 48, "stays");
	talloc_named_const(other, 48, "stays");
	text = talloc_named_const(inner, 48, "struct moved");
}

static void steal2(long n)
{
	for (; n > 0; n -= 2) {
		talloc_steal(other, text);
		talloc_steal(inner, text);
	}
}

static void type_abort(long n)
{
	while (n-- > 0)
		sink = _talloc_get_type_abort(text, "struct moved", "");
}

static void parent(long n)
{
	while (n-- > 0)
		sink = talloc_parent(text);
}

static void is_parent(long n)
{
	while (n-- > 0)
		sink = (void *)(long)talloc_is_parent(text, root);
}

static int goes(void *p)
{
	(void)p;
	return 0;
}

static void destructor(long n)
{
	while (n-- > 0) {
		_talloc_set_destructor(text, (int (*)(void *))goes);
		_talloc_set_destructor(text, NULL);
	}
}

static void begin_top(long n)
{
	(void)n;
	root = NULL;
}

static void begin_tracked(long n)
{
	begin_top(n);
	talloc_enable_null_tracking();
}

static void end_tracked(void)
{
	talloc_disable_null_tracking();
}

static void top(long n)
{
	while (n-- > 0)
		talloc_free(talloc_new(NULL));
}

/*
 * What a file server reads into: three requests are under way. malloc gives the
 * pages of three back, but keeps those of one.
 */
static void buffer(size_t size, long n)
{
	void *p[3];
	int i;

	for (; n > 0; n -= 3) {
		for (i = 0; i < 3; i++) {
			p[i] = talloc_size(root, size);
			memset(p[i], i, size);
		}
		for (i = 0; i < 3; i++)
			talloc_free(p[i]);
	}
}

static void buffer1m(long n)
{
	buffer(1 << 20, n);
}

static void buffer4m(long n)
{
	buffer(4 << 20, n);
}

/* ---- what an event loop does for a request, as Samba's ------------------------- */

static void on_end(void *p)
{
	_talloc_set_destructor(p, (int (*)(void *))goes);
}

/* An object with room for its state and an immediate event, and a timer beside it. */
static void sub_request(void *ctx, void *frame)
{
	void *req = _talloc_pooled_object(ctx, 200, "request", 2, 300);
	void *state = _talloc_zero(req, 100, "state");
	void *event = _talloc_zero(req, 64, "event");
	void *timer = _talloc_zero(root, 96, "timer");
	void *answer;

	on_end(req);
	on_end(event);
	on_end(timer);
	talloc_strdup(state, "hello world");
	answer = talloc_memdup(frame, "an answer", 10);
	talloc_steal(_talloc_get_type_abort(state, "state", ""), answer);
	talloc_free(timer);
	talloc_free(event);
	talloc_free(req);
}

static void request(long n)
{
	while (n-- > 0) {
		void *frame = talloc_pool(root, 8192);
		void *mem = talloc_named_const(root, 64, "mem");

		talloc_set_name_const(frame, "frame");
		on_end(frame);
		sub_request(mem, frame);
		sub_request(frame, frame);
		talloc_free(mem);
		talloc_free(frame);
	}
}

static void begin_cache(long n)
{
	(void)n;
	root = pool_cache(NULL, 1000 * 64, 64);
}

static void cache(long n)
{
	while (n-- > 0)
		talloc_free(cache_take(root));
}

static void malloc_cache(long n)
{
	while (n-- > 0) {
		sink = malloc(64);
		free(sink);
	}
}

/* ---- something that grows ------------------------------------------------ */

static void begin_text(long n)
{
	begin_root(n);
	text = talloc_strdup(root, "");
}

static void append(long n)
{
	while (n-- > 0)
		text = talloc_strdup_append_buffer(text, "seven b");
}

static void append_formatted(long n)
{
	long i;

	for (i = 0; i < n; i++)
		text = talloc_asprintf_append_buffer(text, "%ld,", i);
}

static void array(long n)
{
	int *a = NULL;
	long i;

	for (i = 0; i < n; i++) {
		a = talloc_realloc(root, a, int, (unsigned)i + 1);
		a[i] = (int)i;
	}
}

static void end_nodes(void)
{
	free(nodes);
	end_root();
}

/* Small lists that all live, as a program has them that has just begun. */
static void begin_lists(long n)
{
	begin_root(n);
	nodes = malloc((size_t)n * sizeof(*nodes));
}

static void lists(long n)
{
	long i;

	for (i = 0; i < n; i++)
		nodes[i] = talloc_size(root, 8);
	for (i = 0; i < n; i++)
		nodes[i] = talloc_realloc_size(root, nodes[i], 16);
}

static void wide_build(long n)
{
	while (n-- > 0)
		talloc_named_const(root, 48, "wide");
}

static void wide200_build(long n)
{
	while (n-- > 0)
		talloc_named_const(root, 200, "wide");
}

static void free_root(long n)
{
	(void)n;
	talloc_free(root);
	root = NULL;
}

static void begin_irregular(long n)
{
	nodes = malloc((size_t)n * sizeof(*nodes));
	memset(nodes, 0, (size_t)n * sizeof(*nodes));
	nodes[0] = root = talloc_new(NULL);
	chance_state = 1; /* the same tree each time */
}


static void irregular_build(long n)
{
	long i;

	for (i = 1; i < n; i++)
		nodes[i] = talloc_size(nodes[chance() % (unsigned long)i], (size_t)(i % 200));
}

/* Below an earlier one, always: no loops. */
static void irregular_steal(long n)
{
	long i;

	for (i = 1; i < n; i++)
		talloc_steal(nodes[chance() % (unsigned long)i], nodes[i]);
}

static void irregular_total(long n)
{
	(void)n;
	sink = (void *)talloc_total_size(root);
}

static const struct workload {
	const char *name;
	long n; /* operations of a batch */
	void (*begin)(long n);
	struct {
		const char *name;
		void (*run)(long n);
	} phases[4];
	void (*end)(void);
} workloads[] = {
	{ "churn", 20000, begin_root, { { "churn", churn } }, end_root },
	{ "malloc_churn", 20000, begin_root, { { "malloc_churn", malloc_churn } }, end_root },
	{ "tree3", 20000, begin_root, { { "tree3", tree3 } }, end_root },
	{ "malloc_tree3", 20000, begin_root, { { "malloc_tree3", malloc_tree3 } }, end_root },
	{ "mix", 10000, begin_root, { { "mix", mix } }, end_root },
	{ "malloc_mix", 10000, begin_root, { { "malloc_mix", malloc_mix } }, end_root },
	{ "pool_tree3", 20000, begin_pool, { { "pool_tree3", tree3 } }, end_root },
	{ "pool_fill", 20000, begin_root, { { "pool_fill", pool_fill } }, end_root },
	{ "limit_tree3", 20000, begin_limit, { { "limit_tree3", tree3 } }, end_root },
	{ "wide", 600000, begin_root, { { "wide_build", wide_build }, { "wide_free", free_root } }, end_root },
	{ "wide200", 300000, begin_root, { { "wide200_build", wide200_build }, { "wide200_free", free_root } }, end_root },
	{ "irregular",
	  200000,
	  begin_irregular,
	  { { "irregular_build", irregular_build },
	    { "irregular_steal", irregular_steal },
	    { "irregular_total", irregular_total },
	    { "irregular_free", free_root } },
	  end_nodes },
	{ "append", 400000, begin_text, { { "append", append } }, end_root },
	{ "append_formatted", 400000, begin_text, { { "append_formatted", append_formatted } }, end_root },
	{ "array", 200000, begin_root, { { "array", array } }, end_root },
	{ "lists", 100000, begin_lists, { { "lists", lists } }, end_nodes },
	{ "formatted", 20000, begin_root, { { "formatted", formatted } }, end_root },
	{ "memdup", 20000, begin_root, { { "memdup", memdup } }, end_root },
	{ "malloc_memdup", 20000, begin_root, { { "malloc_memdup", malloc_memdup } }, end_root },
	{ "zeroed", 20000, begin_root, { { "zeroed", zeroed } }, end_root },
	{ "malloc_zeroed", 20000, begin_root, { { "malloc_zeroed", malloc_zeroed } }, end_root },
	{ "reference", 20000, begin_reference, { { "reference", reference } }, end_root },
	{ "request", 2000, begin_root, { { "request", request } }, end_root },
	{ "cache", 20000, begin_cache, { { "cache", cache } }, end_root },
	{ "malloc_cache", 20000, begin_root, { { "malloc_cache", malloc_cache } }, end_root },
	{ "steal2", 20000, begin_two, { { "steal2", steal2 } }, end_root },
	{ "type_abort", 20000, begin_two, { { "type_abort", type_abort } }, end_root },
	{ "parent", 20000, begin_two, { { "parent", parent } }, end_root },
	{ "is_parent", 20000, begin_two, { { "is_parent", is_parent } }, end_root },
	{ "destructor", 20000, begin_two, { { "destructor", destructor } }, end_root },
	{ "top", 20000, begin_top, { { "top", top } }, end_root },
	{ "top_tracked", 20000, begin_tracked, { { "top_tracked", top } }, end_tracked },
	{ "buffer1m", 60, begin_root, { { "buffer1m", buffer1m } }, end_root },
	{ "buffer1m_kept", 60, begin_root, { { "buffer1m_kept", buffer1m } }, end_root },
	{ "buffer4m", 15, begin_root, { { "buffer4m", buffer4m } }, end_root },
	{ "buffer4m_kept", 15, begin_root, { { "buffer4m_kept", buffer4m } }, end_root },
};
#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))
#define PHASES 4

static void row(const char *name, double value, const char *unit)
{
	printf("%s %.4g %s\n", name, value, unit);
}

/* What the rounds found so far; they may be processes. */
static double *best;

static void time_round(const struct workload *w)
{
	double took;
	int p;

	w->begin(w->n);
	for (p = 0; p < PHASES && w->phases[p].name != NULL; p++) {
		took = used();
		measured(w->phases[p].run, w->n);
		took = used() - took;
		if (best[p] == 0 || took < best[p])
			best[p] = took;
	}
	w->end();
}

/* 1 in a new process, 0 in the one that waited for it. */
static int in_new_process(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		return 1;
	if (child < 0 || waitpid(child, &status, 0) != child)
		_exit(1);
	if (!WIFEXITED(status))
		raise(WTERMSIG(status));
	return 0;
}

/* Rounds here, or each of them in a process of its own. */
static void time_rounds(const struct workload *w, int apart, int least, double time)
{
	double since = wall();
	int round;

	for (round = 0; round < least || wall() - since < time; round++) {
		if (!apart) {
			time_round(w);
		} else if (in_new_process()) {
			time_round(w);
			_exit(0);
		}
	}
}

static int fills(const struct workload *w)
{
	return w->n >= FILLS_MEMORY;
}

static void time_workload(const struct workload *w)
{
	int p;

	time_rounds(w, fills(w), LEAST_ROUNDS, (fills(w) ? 3 : 1) * TIME_FOR_ONE);
	for (p = 0; p < PHASES && w->phases[p].name != NULL; p++)
		row(w->phases[p].name, best[p] / (double)w->n * 1e9, "ns");
}

/* ---- memory of many children --------------------------------------------- */

/* statm, where there is nothing better, may be wrong by some pages for each thread. */
static double resident(void)
{
	char line[256];
	long n = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f != NULL && n == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Rss: %ld kB", &n) != 1)
			n = 0;
	if (f != NULL)
		fclose(f);
	if (n > 0)
		return (double)n * 1024;
	f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%*d %ld", &n) != 1)
		n = 0;
	if (f != NULL)
		fclose(f);
	return (double)n * (double)sysconf(_SC_PAGESIZE);
}

static double in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)m.uordblks + (double)m.hblkhd;
}

/* Blocks that malloc itself keeps count as in use; it shall have them all. */
static void fill_malloc(void)
{
	void *volatile some[7];
	size_t size;
	int i;

	for (size = 24; size < 1040; size += 16) {
		for (i = 0; i < 7; i++)
			some[i] = malloc(size);
		for (i = 0; i < 7; i++)
			free(some[i]);
	}
}

/*
 * Pages count what any source of blocks takes. The first ones do not count, nor
 * does what asking takes the first time.
 */
static void memory(void)
{
	const long n = 600000;
	double bytes = resident(), held;

	fill_malloc();
	held = in_use();
	begin_root(n);
	wide_build(n / 6);
	bytes = resident();
	wide_build(n - n / 6);
	bytes = (resident() - bytes) / (double)(n - n / 6);
	free_root(n);
	row("wide_bytes", bytes, "B");

	begin_irregular(20000);
	irregular_build(20000);
	end_nodes();
	row("held", (in_use() - held) / 1024, "KiB");
}

/*
 * What is left of the pages after a tree, and many chunks freed in any order, when
 * malloc gives back all it can.
 */
static void trim(void)
{
	const long n = 200000;
	double bytes;
	long i, with;
	void *p;

	begin_root(n);
	free_root(n);
	fill_malloc();
	bytes = resident();
	begin_irregular(n);
	irregular_build(n);
	free_root(n);
	for (i = 0; i < n; i++)
		nodes[i] = talloc_size(NULL, chance() % 400);
	for (i = n - 1; i >= 0; i--) {
		with = (long)(chance() % (unsigned long)(i + 1));
		p = nodes[with];
		nodes[with] = nodes[i];
		talloc_free(p);
	}
	free(nodes);
	malloc_trim(0);
	row("trim", (resident() - bytes) / 1024, "KiB");
}

/* ---- a size that comes late ------------------------------------------------ */

/* In a new process: as the first size of all, or after many of another. */
static double of_400(int late)
{
	const long n = 200000, batch = 20000;
	double took;
	long i, round;

	*best = 0;
	if (!in_new_process())
		return *best / (double)batch;
	begin_root(n);
	if (late) {
		nodes = malloc((size_t)n * sizeof(*nodes));
		for (i = 0; i < n; i++)
			nodes[i] = talloc_size(root, 200);
		for (i = 0; i < n; i++)
			talloc_free(nodes[i]);
	}
	for (round = 0; round < 40; round++) {
		took = used();
		for (i = 0; i < batch; i++)
			talloc_free(talloc_size(root, 400));
		took = used() - took;
		if (round == 0 || took < *best)
			*best = took;
	}
	_exit(0);
}

static void late(void)
{
	double fresh = 1, after = 1, took;
	int i;

	for (i = 0; i < 3; i++) {
		took = of_400(0);
		if (took < fresh)
			fresh = took;
		took = of_400(1);
		if (took < after)
			after = took;
	}
	row("late_fresh", fresh * 1e9, "ns");
	row("late_after", after * 1e9, "ns");
	row("late", after / fresh, "x");
}

/* ---- a tree that is built again ----------------------------------------------- */

#define AGAIN 8
/* So many chunks in all, of what has fewer. */
#define AGAIN_IN_ALL 1600000

/* Trees of five chunks or so, of up to 300 bytes. */
static void mixed_build(long n)
{
	void *top = NULL, *below = NULL;

	while (n-- > 0) {
		if (top == NULL || chance() % 5 == 0)
			top = talloc_size(root, chance() % 100);
		else if (below == NULL || chance() % 4 != 0)
			below = talloc_size(top, chance() % 300);
		else
			talloc_strdup(below, "a text below it");
	}
}

/*
 * What malloc gave back in one order it hands out in another, which changes from time to
 * time: so all of them count, but the first. Small trees have one row: what malloc does not
 * join when they are freed it does when they are built.
 */
static void again_with(const char *name, void (*build)(long n), long n)
{
	double built, freed, took;
	long times = n * AGAIN < AGAIN_IN_ALL ? AGAIN_IN_ALL / n : AGAIN, i;
	int round;
	char row_name[48];

	best[0] = best[1] = 0;
	for (round = 0; round < LEAST_ROUNDS; round++) {
		if (!in_new_process())
			continue;
		built = freed = 0;
		for (i = 0; i <= times; i++) {
			begin_root(n);
			took = used();
			build(n);
			built += i > 0 ? used() - took : 0;
			took = used();
			free_root(n);
			freed += i > 0 ? used() - took : 0;
		}
		if (best[0] == 0 || built < best[0])
			best[0] = built;
		if (best[1] == 0 || freed < best[1])
			best[1] = freed;
		_exit(0);
	}
	built = best[0] / (double)(n * times) * 1e9;
	freed = best[1] / (double)(n * times) * 1e9;
	if (times > AGAIN) {
		row(name, built + freed, "ns");
		return;
	}
	snprintf(row_name, sizeof(row_name), "%s_build", name);
	row(row_name, built, "ns");
	snprintf(row_name, sizeof(row_name), "%s_free", name);
	row(row_name, freed, "ns");
}

static void again(void)
{
	again_with("again", wide_build, 600000);
	again_with("again200", wide200_build, 300000);
	again_with("again_mixed", mixed_build, 200000);
	again_with("again_mixed4k", mixed_build, 4000);
	again_with("again_mixed1k", mixed_build, 1000);
}

/* ---- all of them in one process ----------------------------------------------- */

#define TURNS 5
#define TIME_OF_A_TURN 0.02

/* Shared with the processes that come of this one. */
static void *shared_room(size_t size)
{
	void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED) {
		perror("bench");
		exit(1);
	}
	return room;
}

static int is_possible(size_t i);

/* malloc's own are no part of it, nor those that want another environment. */
static int is_in_session(size_t i)
{
	const char *name = workloads[i].name, *end = strrchr(name, '_');

	return is_possible(i) && strncmp(name, "malloc_", 7) != 0 && (end == NULL || strcmp(end, "_kept") != 0);
}

/* The middle one of the turns of a phase. */
static double middle(double (*turns)[PHASES], int p)
{
	double sorted[TURNS];
	int i, at;

	for (i = 0; i < TURNS; i++) {
		for (at = i; at > 0 && sorted[at - 1] > turns[i][p]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = turns[i][p];
	}
	return sorted[TURNS / 2];
}

/*
 * One process does each workload after the other. While it waits before each turn,
 * the same is timed in a process that has done nothing yet.
 */
static void session(void)
{
	double (*alone)[TURNS][PHASES] = shared_room(WORKLOADS * sizeof(*alone));
	double (*there)[TURNS][PHASES] = shared_room(WORKLOADS * sizeof(*there));
	int go[2], done[2], p, turn;
	char byte = 0, name[48];
	size_t i;
	pid_t child;

	if (pipe(go) != 0 || pipe(done) != 0 || (child = fork()) < 0) {
		perror("bench");
		exit(1);
	}
	close(go[child == 0 ? 1 : 0]);
	close(done[child == 0 ? 0 : 1]);
	for (i = 0; i < WORKLOADS; i++) {
		const struct workload *w = &workloads[i];

		for (turn = 0; is_in_session(i) && turn < TURNS; turn++) {
			if (child == 0) {
				if (read(go[0], &byte, 1) != 1)
					_exit(1);
				best = there[i][turn];
				time_rounds(w, 0, 1, fills(w) ? 0 : TIME_OF_A_TURN);
				if (write(done[1], &byte, 1) != 1)
					_exit(1);
				continue;
			}
			if (in_new_process()) {
				best = alone[i][turn];
				time_rounds(w, 0, 1, fills(w) ? 0 : TIME_OF_A_TURN);
				_exit(0);
			}
			if (write(go[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1)
				exit(1);
		}
	}
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	for (i = 0; i < WORKLOADS; i++) {
		for (p = 0; is_in_session(i) && p < PHASES && workloads[i].phases[p].name != NULL; p++) {
			snprintf(name, sizeof(name), "session_%s", workloads[i].phases[p].name);
			row(name, middle(there[i], p) / (double)workloads[i].n * 1e9, "ns");
			snprintf(name, sizeof(name), "alone_%s", workloads[i].phases[p].name);
			row(name, middle(alone[i], p) / (double)workloads[i].n * 1e9, "ns");
		}
	}
}

/* ---- a cache of a million objects ---------------------------------------- */

#define MANY 1000000L
#define SOME 64L

/* Best of some batches: free and take again the same few objects. */
static double exchange(long stride)
{
	double least = 1, took;
	long i, round;

	for (round = 0; round < 50; round++) {
		took = wall();
		for (i = 0; i < SOME; i++) {
			talloc_free(nodes[i * stride]);
			nodes[i * stride] = cache_take(root);
		}
		took = wall() - took;
		if (took < least)
			least = took;
	}
	return least / SOME;
}

/*
 * A full cache against the same one while it was almost empty. The objects are
 * the same number, so that both find them in the processor's cache.
 */
static void cache_full(void)
{
	const long tenth = MANY / 10;
	double few, full, first = 0, last = 0;
	long i;

	nodes = malloc((size_t)MANY * sizeof(*nodes));
	memset(nodes, 0, (size_t)MANY * sizeof(*nodes));
	root = pool_cache(NULL, (size_t)MANY * 64, 64);
	for (i = 0; i < SOME; i++)
		nodes[i] = cache_take(root);
	few = exchange(1);
	for (; i < MANY; i++) {
		if (i == tenth)
			first = used();
		else if (i == 2 * tenth)
			first = used() - first;
		else if (i == MANY - tenth)
			last = used();
		nodes[i] = cache_take(root);
	}
	last = used() - last;
	full = exchange(MANY / SOME);
	row("cache_fill", last / (double)tenth * 1e9, "ns");
	row("cache_fill_flat", last / first, "x");
	row("cache_full", full * 1e9, "ns");
	row("cache_full_flat", full / few, "x");
	talloc_free(root);
}

/* ---- two threads ---------------------------------------------------------- */

static atomic_int together;

struct share {
	int threads;
	int with_malloc;
};

static void *thread_of_trees(void *arg)
{
	const struct share *share = arg;
	void *top = talloc_new(NULL);
	long i;

	atomic_fetch_add(&together, 1);
	while (atomic_load(&together) < share->threads)
		;
	if (share->with_malloc)
		malloc_tree3(20000);
	else
		for (i = 0; i < 20000; i++)
			tree_of_three(top, i);
	talloc_free(top);
	return NULL;
}

static double best_of_threads(int threads, int with_malloc, int rounds)
{
	struct share share = { threads, with_malloc };
	double least = 1e9, took;
	pthread_t other;

	while (rounds-- > 0) {
		atomic_store(&together, 0);
		if (threads == 2 && pthread_create(&other, NULL, thread_of_trees, &share) != 0)
			exit(1);
		/* the other one comes when it runs */
		while (atomic_load(&together) < threads - 1)
			;
		took = wall();
		thread_of_trees(&share);
		if (threads == 2)
			pthread_join(other, NULL);
		took = wall() - took;
		if (took < least)
			least = took;
	}
	return least;
}

static void *nothing(void *unused)
{
	return unused;
}

/* Twice the work against one thread's, in a process that has threads. */
static void threads(void)
{
	pthread_t one;

	if (pthread_create(&one, NULL, nothing, NULL) != 0)
		exit(1);
	pthread_join(one, NULL);
	row("threads", 2 * best_of_threads(1, 0, 100) / best_of_threads(2, 0, 100), "x");
	row("malloc_threads", 2 * best_of_threads(1, 1, 100) / best_of_threads(2, 1, 100), "x");
}

/* ---- many threads ------------------------------------------------------------- */

#define THREADS 64

static pthread_barrier_t all_there, all_seen;

static void ten_chunks(void)
{
	void *top = talloc_new(NULL);
	size_t i;

	for (i = 1; i < 10; i++)
		talloc_size(top, i * 40);
	talloc_free(top);
}

static void *small_thread(void *with_chunks)
{
	if (with_chunks != NULL)
		ten_chunks();
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_seen);
	return NULL;
}

/* In a new process: bytes of memory while the threads idle, and when they are gone. */
static void memory_of_threads(int with_chunks, double *idle, double *gone)
{
	pthread_t thread[THREADS];
	double held;
	int i;

	if (!in_new_process()) {
		*idle = best[0];
		*gone = best[1];
		return;
	}
	fill_malloc();
	ten_chunks();
	(void)resident(); /* asking takes something, too */
	held = resident();
	pthread_barrier_init(&all_there, NULL, THREADS + 1);
	pthread_barrier_init(&all_seen, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, small_thread, with_chunks ? &all_there : NULL) != 0)
			_exit(1);
	pthread_barrier_wait(&all_there);
	best[0] = resident() - held;
	pthread_barrier_wait(&all_seen);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	best[1] = resident() - held;
	_exit(0);
}

/* Above what threads take that do nothing. */
static void threads64(void)
{
	double idle, gone, idle_nothing, gone_nothing;

	memory_of_threads(0, &idle_nothing, &gone_nothing);
	memory_of_threads(1, &idle, &gone);
	row("threads64", (idle - idle_nothing) / THREADS / 1024, "KiB");
	row("threads64_ended", (gone - gone_nothing) / THREADS / 1024, "KiB");
}

/* ---- siblings -------------------------------------------------------------- */

#define VICTIMS 32L

static void sibling_parent(long i)
{
	sink = talloc_parent(nodes[i]);
}

static void sibling_unlink(long i)
{
	talloc_unlink(root, nodes[i]);
}

static void sibling_steal(long i)
{
	talloc_steal(inner, nodes[i]);
}

static void sibling_reference(long i)
{
	talloc_reference(inner, nodes[i]);
	talloc_unlink(inner, nodes[i]);
}

static void again_nothing(long i)
{
	(void)i;
}

static void again_made(long i)
{
	nodes[i] = talloc_named_const(root, 48, "sibling");
}

static void again_home(long i)
{
	talloc_steal(root, nodes[i]);
}

static const struct {
	const char *name;
	void (*run)(long i);
	void (*restore)(long i);
} on_siblings[] = {
	{ "parent", sibling_parent, again_nothing },
	{ "reference", sibling_reference, again_nothing },
	{ "steal", sibling_steal, again_home },
	{ "unlink", sibling_unlink, again_made },
};
#define ON_SIBLINGS (sizeof(on_siblings) / sizeof(on_siblings[0]))

static void touch(long at)
{
	const volatile char *p = nodes[at];

	(void)p[-96];
	(void)p[-64];
	(void)p[-32];
	(void)p[0];
	(void)p[47];
}

/*
 * Other victims in each batch, spread over all siblings. They and the ones
 * beside them are brought into the processor's cache first: what is asked is
 * whether the work grows, not how far the memory is.
 */
static double on_some(size_t what, long n)
{
	long i, batch, victims[VICTIMS], step = n / VICTIMS;
	double least = 1e9, took, since = wall();

	for (batch = 0; batch < 30 && (batch == 0 || wall() - since < 0.02); batch++) {
		for (i = 0; i < VICTIMS; i++) {
			victims[i] = 1 + i * step + (long)(chance() % (unsigned long)(step - 2));
			touch(victims[i] - 1);
			touch(victims[i]);
			touch(victims[i] + 1);
		}
		took = wall();
		for (i = 0; i < VICTIMS; i++)
			on_siblings[what].run(victims[i]);
		took = wall() - took;
		for (i = 0; i < VICTIMS; i++)
			on_siblings[what].restore(victims[i]);
		if (took < least)
			least = took;
	}
	return least / VICTIMS;
}

static void siblings(void)
{
	static const struct {
		long n;
		const char *name;
	} sizes[] = { { 1000, "1k" }, { 10000, "10k" }, { 100000, "100k" }, { 1000000, "1m" } };
	double few[ON_SIBLINGS] = { 0 }, most[ON_SIBLINGS] = { 0 }, took;
	char name[40];
	size_t s, what;
	long i;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		nodes = malloc((size_t)sizes[s].n * sizeof(*nodes));
		root = talloc_new(NULL);
		inner = talloc_new(NULL);
		for (i = 0; i < sizes[s].n; i++)
			again_made(i);
		for (what = 0; what < ON_SIBLINGS; what++) {
			took = on_some(what, sizes[s].n);
			snprintf(name, sizeof(name), "%s_%s", on_siblings[what].name, sizes[s].name);
			row(name, took * 1e9, "ns");
			if (s == 0)
				few[what] = took;
			if (took > most[what])
				most[what] = took;
		}
		talloc_free(root);
		talloc_free(inner);
		free(nodes);
	}
	for (what = 0; what < ON_SIBLINGS; what++) {
		snprintf(name, sizeof(name), "%s_flat", on_siblings[what].name);
		row(name, most[what] / few[what], "x");
	}
}

/* ---- reports ---------------------------------------------------------------- */

static ssize_t discard(void *unused, const char *bytes, size_t n)
{
	(void)unused;
	(void)bytes;
	return (ssize_t)n;
}

/*
 * A million chunks, or fewer, in trees of n: seconds for each chunk. Chains, if
 * not wide.
 */
static double report(int wide, long chunks, long n, int depth, int rounds)
{
	cookie_io_functions_t nowhere = { .write = discard };
	long trees = chunks / n, t, i;
	double took;
	FILE *f;
	void *p;

	if (!in_new_process())
		return *best / (double)chunks;
	f = fopencookie(NULL, "w", nowhere);
	nodes = malloc((size_t)trees * sizeof(*nodes));
	for (t = 0; t < trees; t++) {
		nodes[t] = p = talloc_new(NULL);
		for (i = 1; i < n; i++)
			p = talloc_named_const(wide ? nodes[t] : p, 16, "reported");
	}
	for (i = 0; i < rounds; i++) {
		took = used();
		for (t = 0; t < trees; t++)
			talloc_report_depth_file(nodes[t], 0, depth, f);
		fflush(f);
		took = used() - took;
		if (i == 0 || took < *best)
			*best = took;
	}
	_exit(0);
}

#define REPORTED 1000000L

/*
 * Large trees against small ones, as many chunks in all: memory is equally far.
 *
 * The text of a chain is quadratic by its indentation in any library. So ten
 * lines are asked of the long chains: each of them has the total of all below.
 * The short one is printed whole.
 */
static void report_wide(void)
{
	double few = report(1, REPORTED, 1000, -1, 2), many = report(1, REPORTED, REPORTED, -1, 2);

	row("report_wide_1k", few * 1e9, "ns");
	row("report_wide_1m", many * 1e9, "ns");
	row("report_wide_flat", many / few, "x");
}

static void report_chain_short(void)
{
	row("report_chain_2k", report(0, 2000, 2000, -1, 3) * 1e9, "ns");
}

/* The original walks over the chain by recursion: it needs the stack. */
static void report_chain(void)
{
	double few = report(0, REPORTED, 10000, 10, 3), many;

	row("report_chain_10k", few * 1e9, "ns");
	fflush(stdout);
	many = report(0, REPORTED, REPORTED, 10, 3);
	row("report_chain_1m", many * 1e9, "ns");
	row("report_chain_flat", many / few, "x");
}

static const struct {
	const char *name;
	void (*run)(void);
} others[] = {
	{ "memory", memory },
	{ "trim", trim },
	{ "late", late },
	{ "again", again },
	{ "session", session },
	{ "cache_full", cache_full },
	{ "threads", threads },
	{ "threads64", threads64 },
	{ "siblings", siblings },
	{ "report_wide", report_wide },
	{ "report_chain_short", report_chain_short },
	{ "report_chain", report_chain },
};
#define OTHERS (sizeof(others) / sizeof(others[0]))

/* ---- which, and how ----------------------------------------------------------- */

static int is_known(const char *name)
{
	size_t i;

	for (i = 0; i < WORKLOADS + OTHERS; i++)
		if (strcmp(name, i < WORKLOADS ? workloads[i].name : others[i - WORKLOADS].name) == 0)
			return 1;
	return 0;
}

static int is_wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return 1;
	return argc == 2;
}

static int is_possible(size_t i)
{
	if (i >= WORKLOADS)
		return others[i - WORKLOADS].run != cache_full || pool_cache != NULL;
	return workloads[i].begin != begin_cache || pool_cache != NULL;
}

/* A process that dies says nothing more of its rows; that is an answer, too. */
static void in_a_process(size_t i)
{
	const char *name = i < WORKLOADS ? workloads[i].name : others[i - WORKLOADS].name;
	struct rusage usage;
	int status;
	pid_t child;

	if (!is_possible(i))
		return;
	memset(best, 0, PHASES * sizeof(*best));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(60);
		if (i >= WORKLOADS)
			others[i - WORKLOADS].run();
		else
			time_workload(&workloads[i]);
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child) {
		perror("bench");
		exit(1);
	}
	if (!WIFEXITED(status))
		fprintf(stderr, "%s: signal %d\n", name, WTERMSIG(status));
	else if (strncmp(name, "malloc_", 7) != 0)
		printf("rss_%s %ld KiB\n", name, usage.ru_maxrss);
}

static int run(int argc, char **argv)
{
	Dl_info info;
	size_t i;
	int a;

	for (a = 2; a < argc; a++) {
		if (!is_known(argv[a])) {
			fprintf(stderr, "bench: no workload %s\n", argv[a]);
			return 2;
		}
	}
	best = shared_room(PHASES * sizeof(*best));
	if (dladdr(dlsym(RTLD_DEFAULT, "_talloc_free"), &info) != 0)
		printf("library %s path\n", info.dli_fname);
	if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) != 0)
		printf("malloc %s path\n", info.dli_fname);
	for (i = 0; i < WORKLOADS + OTHERS; i++)
		if (is_wanted(i < WORKLOADS ? workloads[i].name : others[i - WORKLOADS].name, argc, argv))
			in_a_process(i);
	return 0;
}

static int count(const char *name, long n)
{
	size_t i;
	int p;

	for (i = 0; i < WORKLOADS; i++) {
		const struct workload *w = &workloads[i];

		for (p = 0; p < PHASES && w->phases[p].name != NULL; p++)
			if (strcmp(name, w->phases[p].name) == 0)
				goto found;
		continue;
found:
		if (!is_possible(i))
			return 3;
		w->begin(n);
		for (p = 0; p < PHASES && w->phases[p].name != NULL; p++) {
			if (strcmp(name, w->phases[p].name) == 0)
				measured(w->phases[p].run, n);
			else
				w->phases[p].run(n);
		}
		w->end();
		return 0;
	}
	fprintf(stderr, "bench: no row %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t i;
	int p;

	if (argc == 2 && strcmp(what, "nothing") == 0)
		return 0;
	pool_cache = (void *(*)(const void *, size_t, size_t))dlsym(RTLD_DEFAULT, "talloc_pool_cache");
	cache_take = (void *(*)(const void *))dlsym(RTLD_DEFAULT, "talloc_cache");
	/* The first free of a thread is like no other, and no program stops there. */
	talloc_free(talloc_new(NULL));
	if (strcmp(what, "run") == 0)
		return run(argc, argv);
	if (argc == 4 && strcmp(what, "count") == 0 && atol(argv[3]) > 1)
		return count(argv[2], atol(argv[3]));
	if (argc == 2 && strcmp(what, "list") == 0) {
		for (i = 0; i < WORKLOADS + OTHERS; i++)
			puts(i < WORKLOADS ? workloads[i].name : others[i - WORKLOADS].name);
		return 0;
	}
	if (argc == 2 && strcmp(what, "timed") == 0) {
		for (i = 0; i < WORKLOADS; i++)
			puts(workloads[i].name);
		return 0;
	}
	if (argc == 2 && strcmp(what, "rows") == 0) {
		for (i = 0; i < WORKLOADS; i++)
			for (p = 0; p < PHASES && workloads[i].phases[p].name != NULL; p++)
				if (workloads[i].n >= LEAST_COUNTED)
					puts(workloads[i].phases[p].name);
		return 0;
	}
	fprintf(stderr, "usage: bench list | timed | rows | run [NAME...] | count ROW COUNT\n");
	return 2;
}
