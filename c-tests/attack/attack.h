/*
 * What the attack suites share: an attack runs in a process of its own, and
 * whoever started it sees what came of it.
 *
 * The attacker owns the bait, a few pages that both processes see.  So what an
 * attack wrote there is seen however the process ended.
 */
#ifndef TALLOC_C_TESTS_ATTACK_H
#define TALLOC_C_TESTS_ATTACK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
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
#include <ucontext.h>
#include <unistd.h>

#include <talloc.h>

/*
 * Worst first: an attack that wrote and then was caught did write.  CRASHED: on a
 * write, on a jump, or in malloc; GUESSED: one of these, but no more when the process
 * has another secret; WILD_READ: on a read, where a link leads to no memory of the
 * process.
 */
enum verdict { RAN, WRITTEN, CRASHED, HUNG, GUESSED, WILD_READ, CAUGHT, NO_EFFECT, VERDICTS };

static const char *const verdict_names[VERDICTS] = { "ran",	 "written",   "crashed", "hung",
						     "guessed", "wild read", "caught",  "no effect" };

/* How a process of an attack ends, if it is not killed. */
enum { DONE = 0, DID_RUN = 81, WAS_CAUGHT, DID_HARM, NO_SCENE, DID_READ };

enum { BAIT = 8192 };

static struct {
	unsigned char bait[BAIT], before[BAIT];
	/* words of the bait that may be written: links that the attacker prepared
	 * with the right address of the victim */
	unsigned char is_link[BAIT / 8];
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

/* Where the bait was written; -1 for nowhere. */
static int bait_is_written_at(void)
{
	int i;

	if (memcmp(shared->bait, shared->before, BAIT) == 0)
		return -1;
	for (i = 0; i < BAIT; i++)
		if (shared->bait[i] != shared->before[i] && !shared->is_link[i / 8])
			return i;
	return -1;
}

#if defined(__x86_64__) || defined(__i386__)
#ifdef __x86_64__
enum { INSTRUCTION = REG_RIP };
#else
enum { INSTRUCTION = REG_EIP };
#endif

/* For addresses that no memory can have, the processor does not say what it was
 * about to do there: the instruction does.  What is not known is no read. */
static bool is_reading(const unsigned char *at)
{
	while (*at == 0x66 || *at == 0xf2 || *at == 0xf3 || (*at & 0xf0) == 0x40)
		at++;
	switch (*at) {
	case 0x8b: case 0x8a: case 0x3b: case 0x3a: case 0x39: case 0x38: case 0x03: case 0x0b:
	case 0x23: case 0x2b: case 0x33: case 0x84: case 0x85: case 0x63: case 0x69: case 0x6b:
		return true;
	case 0x80: case 0x81: case 0x83:
		return (at[1] >> 3 & 7) == 7; /* cmp */
	case 0xf6: case 0xf7: /* test, mul */
		return (at[1] >> 3 & 7) != 2 && (at[1] >> 3 & 7) != 3;
	case 0xc5: case 0xc4: case 0x62:
		return true; /* the C library's string functions */
	case 0x0f:
		switch (at[1]) {
		case 0x10: case 0x12: case 0x16: case 0x28: case 0x6e: case 0x6f: case 0x74:
		case 0xb6: case 0xb7: case 0xbe: case 0xaf: case 0xa3: case 0xfb:
			return true;
		}
	}
	return false;
}
#endif

/* The verdict on how a process of ours crashed: its exit status. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	bool is_read = false;

	(void)info;
#if defined(__x86_64__) || defined(__i386__)
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (regs[REG_TRAPNO] == 14)
		is_read = (regs[REG_ERR] & (2 | 16)) == 0; /* no write, no fetch */
	else
		is_read = is_reading((const unsigned char *)regs[INSTRUCTION]);
#else
	/* nobody says what it was; the bait says what was written */
	(void)context;
	is_read = true;
#endif
	if (is_read)
		_exit(DID_READ);
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	raise(signal);
}

/* The attack is made, with its arguments; DONE if it came back. */
typedef int attack_fn(const void *arguments);

static void in_a_cage(void)
{
	static char stack[16384];
	struct rlimit none = { 0, 0 }, memory = { 3ul << 30, 3ul << 30 };
#if defined(__x86_64__) || defined(__i386__)
	struct itimerval time = { { 0, 0 }, { 0, 50000 } };
#else
	struct itimerval time = { { 0, 0 }, { 2, 0 } }; /* under an emulator, perhaps */
#endif
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int fd = fileno(null_file);

	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
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
	memset(shared->is_link, 0, sizeof(shared->is_link));
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
	/* there is no such thing to attack in this scene */
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SCENE)
		return VERDICTS;
	if (bait_is_written_at() >= 0 || (WIFEXITED(status) && WEXITSTATUS(status) == DID_HARM))
		return WRITTEN;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM))
		return HUNG;
	if (!WIFEXITED(status))
		return CRASHED;
	switch (WEXITSTATUS(status)) {
	case DID_READ:
		return WILD_READ;
	case WAS_CAUGHT:
		return CAUGHT;
	case DONE:
		return shared->reason[0] != '\0' ? CAUGHT : NO_EFFECT;
	}
	return CRASHED;
}

/* ---- was it a guess? ---- */

/*
 * All attacks of a suite are on processes with one secret.  A word that passes for a
 * sealed one passes by chance (docs/security.md says how often), and with another secret
 * it does not: what goes through is tried again in programs of their own.
 */
enum { OTHER_SECRETS = 12, MOST_TRIED_AGAIN = 200 };

/* So many words may pass by chance in a run, and so many did. */
enum { MOST_GUESSES = 6 };
static int guesses;

static const char again_flag[] = "--again";

static bool is_bad(enum verdict verdict)
{
	return verdict <= HUNG;
}

/* This program, to make that attack alone; its verdict. */
static enum verdict in_another_program(const void *arguments, size_t size)
{
	char hex[1024] = "";
	size_t i;
	pid_t pid;
	int status;

	for (i = 0; i < size && 2 * i + 3 < sizeof(hex); i++)
		sprintf(hex + 2 * i, "%02x", ((const unsigned char *)arguments)[i]);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "attack", again_flag, hex, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > VERDICTS) {
		fprintf(stderr, "attack: cannot be tried again\n");
		exit(2);
	}
	return (enum verdict)WEXITSTATUS(status);
}

/* For `main`, when the suite is set up: is that all there is to do? */
static void try_again_if_told(int argc, char **argv, attack_fn *attack, void *arguments,
			      size_t size)
{
	unsigned int byte;
	size_t i;

	if (argc != 3 || strcmp(argv[1], again_flag) != 0)
		return;
	for (i = 0; i < size; i++) {
		if (sscanf(argv[2] + 2 * i, "%2x", &byte) != 1)
			exit(127);
		((unsigned char *)arguments)[i] = (unsigned char)byte;
	}
	exit(verdict_of(attack, arguments));
}

/* The verdict that counts.  What is the same in the first bytes is one guess: one word in
 * one place, whatever follows. */
static enum verdict verdict_of_any_secret(attack_fn *attack, const void *arguments, size_t size,
					  size_t word)
{
	static int tried_again;
	static unsigned char guessed[256];
	enum verdict verdict = verdict_of(attack, arguments);
	int i;

	if (!is_bad(verdict) || tried_again == MOST_TRIED_AGAIN)
		return verdict;
	tried_again++;
	for (i = 0; i < OTHER_SECRETS; i++)
		if (is_bad(in_another_program(arguments, size)))
			return verdict;
	guesses += guesses == 0 || memcmp(guessed, arguments, word) != 0;
	memcpy(guessed, arguments, word);
	return GUESSED;
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

static bool is_withstood(const struct row *row)
{
	int bad = 0, v;

	for (v = 0; is_bad((enum verdict)v); v++)
		bad += row->verdicts[v];
	return bad == 0;
}

static void print_head(const char *title)
{
	int v;

	printf("%-34s %7s", title, "attacks");
	for (v = 0; v < VERDICTS; v++)
		printf(" %9s", verdict_names[v]);
	printf("\n");
}

static void print_row(const char *title, const struct row *row)
{
	int v;

	printf("%-34s %7d", title, row->attacks);
	for (v = 0; v < VERDICTS; v++)
		printf(" %9d", row->verdicts[v]);
	printf("\n");
}

#endif
