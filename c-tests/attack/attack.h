/*
 * What the attack suites share: an attack runs in a process of its own, and
 * whoever started it sees what came of it.
 *
 * The attacker owns the bait, a few pages that both processes see.  So what an
 * attack wrote there is seen however the process ended.
 */
#ifndef TALLOC_C_TESTS_ATTACK_H
#define TALLOC_C_TESTS_ATTACK_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

/* Worst first: an attack that wrote and then was caught did write. */
enum verdict { RAN, WRITTEN, CRASHED, CAUGHT, NO_EFFECT, VERDICTS };

static const char *const verdict_names[VERDICTS] = { "ran", "written", "crashed", "caught",
						     "no effect" };

/* How a process of an attack ends, if it is not killed. */
enum { DONE = 0, DID_RUN = 81, WAS_CAUGHT = 82, DID_HARM = 83, NO_SCENE = 84 };

enum { BAIT = 8192 };

static struct {
	unsigned char bait[BAIT], before[BAIT];
	char reason[256]; /* what the abort function was told */
} *shared;

/* The first half is for a plain buffer, the second for forged chunks. */
#define BAIT_AT(offset) (shared->bait + (offset))

static FILE *null_file;

/* What the attacker would like to run. */
static int planted(void *ptr)
{
	(void)ptr;
	_exit(DID_RUN);
}

/* A suite may know more that must not be written, which the parent cannot see. */
static bool (*is_harmed)(void);

static void end(int status)
{
	_exit(is_harmed != NULL && is_harmed() ? DID_HARM : status);
}

/* Should the abort function return, the call must fail and do nothing more. */
static bool abort_returns;

static void caught(const char *reason)
{
	if (shared->reason[0] == '\0')
		snprintf(shared->reason, sizeof(shared->reason), "%s", reason);
	if (!abort_returns)
		end(WAS_CAUGHT);
}

/* All of a line is read, whoever's name is in it. */
static void log_line(const char *line)
{
	fputs(line, null_file);
}

static void open_bait(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	null_file = fopen("/dev/null", "w");
	if (shared == MAP_FAILED || null_file == NULL) {
		perror("attack");
		exit(2);
	}
}

/* To be called when the trap is set: from here on nobody may write the bait. */
static void bait_is_laid(void)
{
	memcpy(shared->before, shared->bait, BAIT);
}

/* The attack is made, with its arguments; DONE if it came back. */
typedef int attack_fn(const void *arguments);

static void in_a_cage(void)
{
	struct rlimit none = { 0, 0 }, memory = { 1 << 30, 1 << 30 };
	struct itimerval time = { { 0, 0 }, { 0, 20000 } };
	int fd = fileno(null_file);

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_AS, &memory);
	/* of its own processor time, since the machine may be busy; then of ours */
	setitimer(ITIMER_PROF, &time, NULL);
	alarm(20);
	dup2(fd, 1);
	dup2(fd, 2);
}

static enum verdict verdict_of(attack_fn *attack, const void *arguments)
{
	pid_t pid;
	int status;

	memset(shared->bait, 0x5a, BAIT);
	memcpy(shared->before, shared->bait, BAIT);
	shared->reason[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		in_a_cage();
		talloc_set_log_fn(log_line);
		talloc_set_abort_fn(caught);
		end(attack(arguments));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("attack");
		exit(2);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == DID_RUN)
		return RAN;
	if (memcmp(shared->bait, shared->before, BAIT) != 0 ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == DID_HARM))
		return WRITTEN;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WAS_CAUGHT)
		return CAUGHT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == DONE)
		return shared->reason[0] != '\0' ? CAUGHT : NO_EFFECT;
	/* there is no such thing to attack in this scene */
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SCENE)
		return VERDICTS;
	return CRASHED;
}

/* ---- the table ---- */

struct row {
	int attacks, verdicts[VERDICTS];
};

static void count_verdict(struct row *row, enum verdict verdict)
{
	if (verdict == VERDICTS)
		return;
	row->attacks++;
	row->verdicts[verdict]++;
}

static bool is_bad(enum verdict verdict)
{
	return verdict <= CRASHED;
}

static bool is_withstood(const struct row *row)
{
	return row->verdicts[RAN] + row->verdicts[WRITTEN] + row->verdicts[CRASHED] == 0;
}

static void print_head(const char *title)
{
	printf("%-34s %7s %7s %7s %7s %7s %9s\n", title, "attacks", "ran", "written", "crashed",
	       "caught", "no effect");
}

static void print_row(const char *title, const struct row *row)
{
	printf("%-34s %7d %7d %7d %7d %7d %9d\n", title, row->attacks, row->verdicts[RAN],
	       row->verdicts[WRITTEN], row->verdicts[CRASHED], row->verdicts[CAUGHT],
	       row->verdicts[NO_EFFECT]);
}

#endif
