/*
 * exit() in a signal handler, at any moment of what the program does: the autofree
 * context is freed and the leak report written, or the program ends with a fault as the
 * original does, but it ends.
 *
 * usage: signal_exit [ROUNDS]     of each case
 */
#include "../test.h"

#include <stdatomic.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* --- a malloc that can be interrupted --------------------------------------- */

/*
 * The C library's has locks, and a handler that ends the process in the midst of it may
 * wait for one for ever, whoever called it.  This one has none, so that only those of the
 * library are tested; nothing is used again, since each child lives for milliseconds.
 */
static _Alignas(16) char heap[1 << 28];
static atomic_size_t taken;

void *malloc(size_t size)
{
	size_t bytes = (size + 31) & ~(size_t)15, at = atomic_fetch_add(&taken, bytes);

	if (size > sizeof(heap) || at + bytes > sizeof(heap))
		return NULL;
	*(size_t *)(heap + at) = size;
	return heap + at + 16;
}

void free(void *block)
{
	(void)block;
}

void *calloc(size_t n, size_t size)
{
	return n != 0 && size > sizeof(heap) / n ? NULL : malloc(n * size);
}

void *realloc(void *block, size_t size)
{
	void *other = malloc(size);
	size_t old = block != NULL ? *(size_t *)((char *)block - 16) : 0;

	if (other != NULL && old > 0)
		memcpy(other, block, old < size ? old : size);
	return other;
}

static void leave(int signal)
{
	(void)signal;
	exit(7);
}

static int agree(void *ptr)
{
	(void)ptr;
	return 0;
}

/* --- what the signal comes into -------------------------------------------- */

static void *autofree;

static void top_level(void)
{
	void *a = talloc_named_const(NULL, 10, "a"), *b = talloc_named_const(NULL, 300, "b");

	talloc_steal(a, b);
	a = talloc_realloc_size(NULL, a, 5000);
	talloc_free(a);
}

static void below_autofree(void)
{
	void *a = talloc_named_const(autofree, 10, "a"), *b = talloc_pool(a, 500);
	char *text = talloc_asprintf(b, "%100d", 1);

	_talloc_set_destructor(a, agree);
	text = talloc_asprintf_append(text, "%500d", 1);
	talloc_reference(a, text);
	talloc_set_memlimit(a, 100000);
	talloc_free(a);
}

static void from_one_to_the_other(void)
{
	void *a = talloc_named_const(NULL, 10, "a"), *cache = talloc_pool_cache(autofree, 300, 30);
	void *b = talloc_cache(cache);

	talloc_steal(NULL, b);
	talloc_steal(autofree, a);
	talloc_increase_ref_count(a);
	talloc_unlink(NULL, a);
	talloc_free(b);
	talloc_free(cache);
	talloc_free(a);
}

static void looks(void)
{
	static FILE *null_file;

	if (null_file == NULL)
		null_file = fopen("/dev/null", "w");
	talloc_report_depth_file(NULL, 0, -1, null_file);
	talloc_total_size(NULL);
	top_level();
}

static void switches(void)
{
	talloc_disable_null_tracking();
	talloc_enable_null_tracking();
	top_level();
}

static void (*operation)(void);
static bool full, threads;

static void *in_a_thread(void *unused)
{
	sigset_t all;

	/* the main thread gets the signal */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;)
		top_level();
	return unused;
}

static void go_on(unsigned int microseconds)
{
	struct rlimit no_core = { 0, 0 };
	struct itimerval t = { { 0, 0 }, { 0, (long)microseconds } };
	pthread_t thread;
	int i;

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGVTALRM, leave);
	signal(SIGALRM, leave);
	if (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)
		_exit(90);
	if (full)
		talloc_enable_leak_report_full();
	else
		talloc_enable_leak_report();
	autofree = talloc_autofree_context();
	for (i = 0; i < 20; i++)
		_talloc_set_destructor(talloc_named_const(i % 2 ? autofree : NULL, 10, "stays"), agree);
	for (i = 0; threads && i < 2; i++)
		if (pthread_create(&thread, NULL, in_a_thread, NULL) != 0)
			_exit(90);
	setitimer(ITIMER_REAL, &t, NULL);
	for (;;)
		operation();
}

/* How many did not end, of those that ran at the same time. */
static int hung, ended_well;

static void rounds(int count)
{
	int i, step, status;

	for (i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			go_on(500 + (unsigned int)i * 37 % 1500);
		if (pid < 0)
			exit(99);
		/* it needs some milliseconds, but others may be at work */
		for (step = 0; waitpid(pid, &status, WNOHANG) != pid; step++) {
			if (step > 1600) {
				hung++;
				kill(pid, SIGKILL);
				waitpid(pid, &status, 0);
				break;
			}
			usleep(step < 100 ? 500 : 4000);
		}
		ended_well += WIFEXITED(status) && WEXITSTATUS(status) == 7;
		if (hung > 0)
			break; /* not all of them six seconds */
	}
}

#define CASE(fn) { #fn, fn }

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		CASE(top_level), CASE(below_autofree), CASE(from_one_to_the_other), CASE(looks),
		CASE(switches),
	};
	int count = argc > 1 ? atoi(argv[1]) : 60;
	size_t c;

	for (c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (threads = false;; threads = true) {
			operation = cases[c].fn;
			full = c % 2;
			hung = ended_well = 0;
			fflush(stdout);
			rounds(count);
			printf("%s - exit() in a handler while %s%s: all come to an end\n",
			       hung == 0 ? "ok" : "not ok", cases[c].name,
			       threads ? ", with threads" : "");
			if (hung > 0) {
				fprintf(stderr, "%s: %d hung\n", cases[c].name, hung);
				test_failures++;
			}
			/* some moments are good ones, or nothing has been seen */
			CHECK(ended_well > 0);
			if (threads)
				break;
		}
	TEST_END();
}
