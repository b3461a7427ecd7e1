/*
 * Runs a test program again and again, each time with another allocation of
 * libtalloc failing, and says whether the library survived.
 *
 *	each SECONDS VERDICT.SO NAME PROGRAM [+]
 *
 * The first run, in which nothing fails, counts the allocations and shows which
 * signals the program means to end its children by.  Then the k-th fails for
 * every k, and for every fourth of them also all after it: first one k for each
 * place in the program that calls for memory, then the others, in an order which
 * is spread evenly at any moment, until SECONDS of processor time are over; the
 * places may take three times as much.  A run goes on for some time after the
 * failure, then it is cut.  With "+" all after the k-th fail for every k, and none
 * alone: that is for a library which keeps blocks and would ask once more.
 *
 * One line on stdout; the verdicts are told in verdict.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failing_malloc.h"

static const char *preload, *program;
static struct run *run;
static int run_fd;
static int main_status; /* of the program itself */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What all runs have taken; other programs on this machine shall not count. */
static double spent(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

enum result { ENDED, HUNG };

/* All processes of the run have ended when this returns. */
static enum result start(const char *what, double cut, double hangs)
{
	double begin = now(), told = 0;
	enum result result = ENDED;
	char fd[20];
	pid_t pid;

	memset(run, 0, offsetof(struct run, site));
	snprintf(fd, sizeof(fd), "%d", run_fd);
	pid = fork();
	if (pid < 0)
		exit(99);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		setenv(FAILING_MALLOC, what, 1);
		setenv(FAILING_MALLOC_FD, fd, 1);
		setenv("LD_PRELOAD", preload, 1);
		execl(program, program, (char *)NULL);
		_exit(98);
	}
	setpgid(pid, pid);
	for (;;) {
		int status;
		pid_t gone = waitpid(-1, &status, WNOHANG);
		struct timespec moment = { 0, 300000 };

		if (gone < 0 && errno == ECHILD)
			return result;
		if (gone == pid)
			main_status = status;
		if (gone > 0)
			continue;
		nanosleep(&moment, NULL);
		if (told == 0 && run->failed > 0)
			told = now() + cut;
		if (now() - begin > hangs) {
			result = HUNG;
			kill(-pid, SIGKILL);
		} else if (told != 0 && now() > told) {
			kill(-pid, SIGTERM);
			told = now() + 0.05;
		}
	}
}

/* The signals of the first run, which has no failures. */
static struct run meant;

static int is_meant(const struct ending *e)
{
	int i;

	for (i = 0; i < meant.endings && i < ENDINGS; i++) {
		const struct ending *m = &meant.ending[i];

		if (m->signal == e->signal && m->caller == e->caller &&
		    strcmp(m->function, e->function) == 0)
			return 1;
	}
	return 0;
}

static long own, dead, cut, faults;

static void judge(const char *what)
{
	int i;

	for (i = 0; i < run->endings && i < ENDINGS; i++) {
		const struct ending *e = &run->ending[i];

		if (e->verdict == CUT) {
			cut++;
		} else if (e->failed == 0 || is_meant(e)) {
			continue;
		} else if (e->verdict == OF_THE_PROGRAM) {
			own++;
		} else if (e->verdict == DEAD_POINTER) {
			dead++;
		} else {
			faults++;
			fprintf(stderr, "%s: allocation %s: signal %d in %s, called at %lx; library:%s\n",
				program, what, e->signal, e->function, (unsigned long)e->caller, e->at);
		}
	}
}

static long common_divisor(long a, long b)
{
	return b == 0 ? a : common_divisor(b, a % b);
}

/* The order in which allocations fail; how many places there are is answered. */
static long put_in_order(long *order, long total)
{
	static unsigned char known[1 << 24];
	long i, n = 0, places, stride = (long)((double)total * 0.618) + 1;
	char *taken = calloc((size_t)total + 1, 1);

	if (taken == NULL)
		exit(99);
	while (common_divisor(stride, total) != 1)
		stride++;
	for (i = 1; i <= total && i < SITES; i++) {
		uint32_t site = run->site[i] % sizeof(known);

		if (known[site]++ == 0) {
			order[n++] = i;
			taken[i] = 1;
		} else {
			known[site] = 1;
		}
	}
	places = n;
	/* The places evenly too: they may not all get their turn. */
	for (i = places - 1; i > 0; i--) {
		long j = i * 7919 % (i + 1), k = order[i];

		order[i] = order[j];
		order[j] = k;
	}
	for (i = 0; i < total; i++) {
		long k = i * stride % total + 1;

		if (!taken[k])
			order[n++] = k;
	}
	free(taken);
	return places;
}

int main(int argc, char **argv)
{
	double begin, seconds, once;
	long i, places, total, *order, done = 0, runs = 0, met = 0;
	const char *name;
	char what[30];
	int all_alone = argc == 6 && strcmp(argv[5], "+") == 0;

	if (argc != 5 && !all_alone) {
		fprintf(stderr, "usage: each SECONDS VERDICT.SO NAME PROGRAM [+]\n");
		return 2;
	}
	seconds = atof(argv[1]);
	preload = argv[2];
	name = argv[3];
	program = argv[4];
	/* What a child of a child leaves behind is waited for too. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	run_fd = memfd_create("run", 0);
	if (run_fd < 0 || ftruncate(run_fd, sizeof(*run)) != 0)
		return 99;
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, run_fd, 0);
	if (run == MAP_FAILED)
		return 99;

	begin = now();
	if (start("0", 60, 90) != ENDED || WIFSIGNALED(main_status) || run->calls == 0) {
		printf("not ok - %s: does not run, though nothing fails (status %x)\n", name,
		       (unsigned)main_status);
		return 1;
	}
	once = now() - begin;
	begin = spent();
	meant = *run;
	total = meant.calls;
	order = malloc((size_t)total * sizeof(*order));
	if (order == NULL)
		return 99;
	places = put_in_order(order, total);
	for (i = 0; i < total; i++) {
		long k = order[i];
		int all;

		if (i > 0 && spent() - begin > (i < places ? seconds * 3 : seconds))
			break;
		done++;
		for (all = all_alone; all < (all_alone || i % 4 == 0 ? 2 : 1); all++) {
			snprintf(what, sizeof(what), "%ld%s", k, all ? "+" : "");
			if (start(what, 0.06, once * 5 + 15) == HUNG) {
				faults++;
				fprintf(stderr, "%s: allocation %s: it hangs in the library\n",
					program, what);
			}
			runs++;
			met += run->failed > 0;
			judge(what);
		}
	}
	printf("%s - %s: %ld of %ld allocations failing, of %ld of %ld places, %ld runs (%ld cut); signals in "
	       "the program %ld, for dead pointers it gave %ld, in the library %ld\n",
	       faults == 0 && met > 0 ? "ok" : "not ok", name, done, total,
	       done < places ? done : places, places, runs, cut, own, dead, faults);
	return faults != 0 || met == 0;
}
