/*
 * A signal handler that looks at trees while the program is in the middle of changing
 * them: it may see one state or the other, but nothing of it ends the program.
 *
 * usage: signal_looks [SECONDS]     for each of the cases
 */
#include "../test.h"

#include <signal.h>
#include <sys/time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* What is looked at: it lives as long as the test. */
static void *top, *kept, *home, *cache, *pool, *limited;
static void *volatile below_kept;
static bool shared; /* the null context, too */
static volatile unsigned long looks;
static volatile size_t sum;
static FILE *null_file;

static void count(const void *ptr, int depth, int max_depth, int is_ref, void *data)
{
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)data;
	sum += (size_t)(talloc_get_name(ptr) != NULL);
}

static void look(int signal)
{
	const void *ptr[] = { top, kept, below_kept, cache, pool, limited };
	unsigned long n = looks++;
	const void *at = ptr[n % 6];
	int error = errno;

	(void)signal;
	switch (n / 6 % 9) {
	case 0:
		sum += talloc_total_size(at) + talloc_total_blocks(at);
		break;
	case 1:
		talloc_report_depth_cb(at, 0, 100, count, NULL);
		break;
	case 2:
		sum += talloc_parent(at) != NULL;
		sum += talloc_parent_name(at) != NULL;
		break;
	case 3:
		sum += strlen(talloc_get_name(at)) + talloc_get_size(at);
		break;
	case 4:
		sum += talloc_find_parent_byname(at, "top") != NULL;
		sum += talloc_find_parent_byname(at, "nobody") != NULL;
		break;
	case 5:
		sum += (size_t)talloc_is_parent(at, top) + (size_t)talloc_is_parent(top, at);
		break;
	case 6:
		sum += talloc_reference_count(at);
		break;
	case 7:
		if (shared) {
			sum += talloc_total_size(NULL) + talloc_total_blocks(NULL);
			break;
		}
		/* fall through */
	default:
		if (shared)
			talloc_report_depth_cb(NULL, 0, 3, count, NULL);
		break;
	}
	errno = error;
}

/* --- what is going on meanwhile, each with "ctx" and what lies below it ------- */

static int agree(void *ptr)
{
	sum += talloc_get_size(ptr);
	return 0;
}

static int refuse(void *ptr)
{
	_talloc_set_destructor(ptr, agree);
	return -1;
}

static void makes_and_frees(void *ctx)
{
	void *a = talloc_named_const(ctx, 10, "a"), *b = talloc_named_const(ctx, 10, "b");

	talloc_free(talloc_named_const(ctx, 300, "c"));
	talloc_free(a);
	talloc_zero_size(b, 5000);
	talloc_free(b);
}

static void frees_trees(void *ctx)
{
	void *outer = talloc_named_const(ctx, 0, "outer"), *a = talloc_named_const(outer, 0, "a");
	void *ptr = a;
	int i;

	for (i = 0; i < 12; i++) {
		ptr = talloc_named_const(i % 3 ? ptr : a, 10, "node");
		if (i % 4 == 0)
			_talloc_set_destructor(ptr, i % 8 ? agree : refuse);
	}
	if (talloc_total_blocks(a) != 13)
		exit(91);
	talloc_free_children(a);
	talloc_strdup(a, "text");
	/* with what has refused */
	talloc_free(outer);
}

static void steals(void *ctx)
{
	void *a = talloc_named_const(ctx, 10, "a"), *b = talloc_named_const(ctx, 10, "b");
	void *c = talloc_named_const(a, 10, "c");

	talloc_steal(a, b);
	talloc_steal(ctx, c);
	talloc_steal(b, c);
	b = talloc_move(ctx, &b);
	talloc_steal(c, ctx ? talloc_reparent(ctx, kept, a) : talloc_steal(kept, a));
	talloc_steal(NULL, b);
	talloc_free(b);
}

static void reallocs(void *ctx)
{
	char *a = talloc_size(ctx, 20), *c;
	void *b = talloc_named_const(ctx, 5, "b");

	c = talloc_strdup(a, "c");
	a = talloc_realloc_size(ctx, a, 3000);
	c = talloc_asprintf_append(c, "%500d", 1);
	a = talloc_realloc_size(ctx, a, 70);
	a = talloc_realloc_size(ctx, a, 200000);
	c = talloc_strdup_append_buffer(c, "more");
	talloc_free(b);
	talloc_realloc_size(ctx, a, 0);
	sum += c != NULL;
}

static void refers(void *ctx)
{
	void *a = talloc_named_const(ctx, 10, "a"), *b = talloc_named_const(ctx, 10, "b");
	void *c = talloc_named_const(b, 10, "c");

	talloc_reference(a, c);
	talloc_reference(a, kept);
	talloc_reference(top, c);
	talloc_increase_ref_count(c);
	talloc_unlink(NULL, c);
	talloc_unlink(a, kept);
	talloc_unlink(b, c);
	talloc_unlink(top, c);
	talloc_reference(b, a);
	talloc_unlink(b, a);
	talloc_free(a);
	talloc_free(b);
}

static void pools(void *ctx)
{
	void *own = talloc_pool(ctx, 1000), *a, *b;

	a = talloc_named_const(own, 100, "a");
	b = talloc_named_const(a, 100, "b");
	a = talloc_realloc_size(own, a, 300);
	b = talloc_realloc_size(a, b, 2000);
	talloc_steal(pool, talloc_strdup(pool, "member"));
	talloc_steal(ctx, b);
	talloc_free(own);
	talloc_free(b);
	talloc_free_children(pool);
}

static void caches(void *ctx)
{
	void *own = talloc_pool_cache(ctx, 300, 30), *a = talloc_cache(own), *b = talloc_cache(cache);
	void *c = talloc_cache_zero(own);

	talloc_set_name_const(b, "object");
	talloc_steal(ctx, c);
	talloc_strdup(b, "below an object");
	b = talloc_realloc_size(cache, b, 500);
	talloc_free(a);
	talloc_steal(own, b);
	talloc_free(own);
	talloc_free(c);
}

static void limits(void *ctx)
{
	void *a = talloc_named_const(ctx, 10, "a"), *b;

	talloc_set_memlimit(a, 2000);
	b = talloc_named_const(a, 1000, "b");
	sum += talloc_size(a, 1000) != NULL;
	talloc_steal(limited, b);
	b = talloc_realloc_size(limited, b, 3000);
	sum += talloc_size(limited, 1 << 20) != NULL;
	talloc_set_memlimit(limited, sum % 2 ? 100000 : 90000);
	talloc_steal(a, b);
	talloc_free(a);
}

static void names(void *ctx)
{
	void *a = talloc_init("name %d", 7);

	talloc_set_name(kept, "kept %d", 1);
	talloc_set_name_const(kept, "kept");
	below_kept = kept;
	talloc_free_children(kept);
	talloc_steal(ctx, a);
	talloc_set_name(a, "another %100d", 3);
	below_kept = talloc_named_const(kept, 5, "below kept");
	talloc_set_destructor((char *)a, NULL);
	talloc_free(a);
}

static void (*operation)(void *ctx);
static void *(*context)(void);

static void *at_the_top(void) { return NULL; }
static void *below_top(void) { return home; }
static void *new_each_time(void) { return talloc_new(top); }

static unsigned int milliseconds = 60;

static long long now(void)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static void set_timer(long microseconds)
{
	struct itimerval t = { { 0, microseconds }, { 0, microseconds } };

	if (setitimer(ITIMER_REAL, &t, NULL) != 0)
		exit(92);
}

static void stuck(int signal)
{
	static const char text[] = "stuck\n";

	(void)signal;
	_exit(write(2, text, sizeof(text) - 1) > 0 ? 93 : 94);
}

/* With a timer of its own, of another length each time. */
static void while_it_goes_on(void)
{
	struct sigaction action = { .sa_handler = look };
	long long end;
	size_t blocks;
	pid_t child;

	if (shared)
		talloc_enable_null_tracking();
	top = talloc_named_const(NULL, 10, "top");
	kept = talloc_named_const(top, 10, "kept");
	below_kept = talloc_named_const(kept, 5, "below kept");
	home = talloc_named_const(top, 10, "home");
	cache = talloc_pool_cache(top, 3000, 30);
	pool = talloc_pool(top, 3000);
	limited = talloc_named_const(top, 10, "limited");
	talloc_set_memlimit(limited, 100000);
	blocks = talloc_total_blocks(shared ? NULL : top);
	signal(SIGUSR1, stuck);
	/* the alarm clock is in use: another process is the clock for what hangs */
	child = fork();
	if (child == 0) {
		pid_t parent = getppid();
		unsigned int i;

		for (i = 0; i < 100 + milliseconds / 10; i++) {
			usleep(50000);
			if (getppid() != parent)
				_exit(0);
		}
		kill(parent, SIGUSR1);
		_exit(0);
	}
	sigaction(SIGALRM, &action, NULL);
	set_timer(97);
	for (end = now() + milliseconds * 1000LL; now() < end || looks < milliseconds;) {
		int i;

		for (i = 0; i < 50; i++) {
			void *ctx = context();

			operation(ctx);
			if (context == new_each_time)
				talloc_free(ctx);
		}
	}
	set_timer(0);
	signal(SIGALRM, SIG_IGN);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* and all is as it should be */
	if (talloc_total_blocks(shared ? NULL : top) != blocks)
		exit(96);
	talloc_report_full(top, null_file);
	exit(talloc_free(top) != 0);
}

#define CASE(fn) { #fn, fn }

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void *);
	} operations[] = {
		CASE(makes_and_frees), CASE(frees_trees), CASE(steals), CASE(reallocs), CASE(refers),
		CASE(pools), CASE(caches), CASE(limits), CASE(names),
	};
	static const struct {
		const char *name;
		void *(*fn)(void);
		bool shared;
	} places[] = {
		{ "top-level, tracked", at_the_top, true },
		{ "in a tree, tracked", below_top, true },
		{ "in a tree of its own", new_each_time, false },
	};
	size_t o, p;

#if defined(__arm__) && __ARM_ARCH < 7
	TEST_SKIP("before ARM version 7 a head is written in two halves, and a handler may see one");
#endif
	if (argc > 1)
		milliseconds = (unsigned int)(atof(argv[1]) * 1000);
	null_file = fopen("/dev/null", "w");
	if (null_file == NULL)
		return 99;
	for (o = 0; o < sizeof(operations) / sizeof(operations[0]); o++)
		for (p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
			struct outcome *out;

			operation = operations[o].fn;
			context = places[p].fn;
			shared = places[p].shared;
			out = run_apart(while_it_goes_on, true);
			printf("%s - looking while it %s, %s\n", out->status == 0 ? "ok" : "not ok",
			       operations[o].name, places[p].name);
			fflush(stdout);
			if (out->status != 0) {
				fprintf(stderr, "%s, %s: status %#x, %s %s\n", operations[o].name,
					places[p].name, (unsigned int)out->status, out->reason, out->out);
				test_failures++;
			}
		}
	TEST_END();
}
