/*
 * What every test program of this folder shares.
 *
 * A program includes this file, lists its tests in main() with RUN(), and ends
 * with TEST_END().  Each CHECK prints one line that begins with "ok" or
 * "not ok", so that the output of two runs (on this library and on the
 * original) can be compared with diff.  Nothing that differs from run to run
 * (addresses, times, magic numbers) may be printed.
 */
#ifndef TALLOC_C_TESTS_TEST_H
#define TALLOC_C_TESTS_TEST_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

static int test_failures;

/* What this library makes of the platform: see src/platform.rs and src/header.rs. */
enum { OUR_ALIGN = 16, OUR_HEADER = sizeof(void *) == 8 ? 64 : 48 };

/* What malloc aligns to, at least. */
enum { TEST_ALIGN = _Alignof(max_align_t) };

/* A limit that no test reaches. */
#define TEST_PLENTY (SIZE_MAX / 2)

/* The smallest stack that a thread may have, 64 KiB at least. */
#define TEST_SMALL_STACK \
	(PTHREAD_STACK_MIN > 65536 ? (size_t)PTHREAD_STACK_MIN : (size_t)65536)

/* Bytes that malloc has handed out; 0 always where it does not tell. */
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
#include <malloc.h>
__attribute__((unused)) static size_t test_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
#else
__attribute__((unused)) static size_t test_in_use(void)
{
	return 0;
}
#endif

/* The last line of a program for which this C library has not what it needs. */
#define TEST_SKIP(why)                   \
	do {                             \
		printf("skip - %s\n", why); \
		return 77;               \
	} while (0)

#define CHECK(cond) test_check((cond) ? 1 : 0, #cond, __FILE__, __LINE__)
#define CHECK_STR(got, want) test_check_str((got), (want), #got, __FILE__, __LINE__)
#define CHECK_INT(got, want) \
	test_check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)

__attribute__((unused)) static int test_check(int good, const char *text,
					      const char *file, int line)
{
	printf("%s - %s\n", good ? "ok" : "not ok", text);
	if (!good) {
		test_failures++;
		fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
	}
	return good;
}

__attribute__((unused)) static int test_check_str(const char *got, const char *want,
						  const char *text, const char *file,
						  int line)
{
	int good = (got == NULL || want == NULL) ? got == want : strcmp(got, want) == 0;

	if (!good)
		fprintf(stderr, "%s:%d: %s\n  got:  %s\n  want: %s\n", file, line, text,
			got ? got : "(NULL)", want ? want : "(NULL)");
	return test_check(good, text, file, line);
}

__attribute__((unused)) static int test_check_int(long long got, long long want,
						  const char *text, const char *file,
						  int line)
{
	if (got != want)
		fprintf(stderr, "%s:%d: %s: got %lld, want %lld\n", file, line, text, got,
			want);
	return test_check(got == want, text, file, line);
}

#define RUN(fn)                          \
	do {                             \
		printf("# %s\n", #fn);   \
		fn();                    \
		fflush(stdout);          \
	} while (0)

#define TEST_END() return test_failures ? 1 : 0

/*
 * Log lines, gathered.  log_start() clears the text and takes the log
 * function; log_text holds what was logged since then.
 */
static char log_text[65536];

__attribute__((unused)) static void log_gather(const char *message)
{
	size_t used = strlen(log_text);

	snprintf(log_text + used, sizeof(log_text) - used, "%s", message);
}

__attribute__((unused)) static void log_start(void)
{
	log_text[0] = '\0';
	talloc_set_log_fn(log_gather);
}

/*
 * What a function leaves behind when it runs in a process of its own:
 * captured stdout and stderr, how it ended, and the reason given to the abort
 * function (which ends the process with status 42).
 */
struct outcome {
	bool aborted;      /* the abort function was called */
	int status;        /* as from waitpid() */
	char reason[512];  /* of the abort */
	char out[65536];   /* stdout and stderr together, in order */
};

static int test_reason_fd = -1;

__attribute__((unused)) static void test_abort_fn(const char *reason)
{
	ssize_t n = write(test_reason_fd, reason, strlen(reason));

	fflush(stdout);
	fflush(stderr);
	_exit(n >= 0 ? 42 : 43);
}

/* own_abort: install test_abort_fn first.  The function ends through exit(),
 * so handlers registered with atexit() run. */
__attribute__((unused)) static struct outcome *run_apart(void (*fn)(void), bool own_abort)
{
	static struct outcome o;
	char *emulator;
	int out[2], reason[2];
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	memset(&o, 0, sizeof(o));
	fflush(stdout);
	fflush(stderr);
	if (pipe(out) != 0 || pipe(reason) != 0)
		exit(99);
	pid = fork();
	if (pid < 0)
		exit(99);
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		close(reason[0]);
		setvbuf(stdout, NULL, _IONBF, 0);
		test_reason_fd = reason[1];
		alarm(60);
		if (own_abort)
			talloc_set_abort_fn(test_abort_fn);
		fn();
		exit(0);
	}
	close(out[1]);
	close(reason[1]);
	while ((n = read(out[0], o.out + used, sizeof(o.out) - 1 - used)) > 0)
		used += (size_t)n;
	/* an emulator has a word of its own on how it ended */
	emulator = strstr(o.out, "qemu: uncaught target signal ");
	if (emulator != NULL)
		*emulator = '\0';
	n = read(reason[0], o.reason, sizeof(o.reason) - 1);
	o.aborted = n > 0;
	close(out[0]);
	close(reason[0]);
	waitpid(pid, &o.status, 0);
	return &o;
}

/* What report(f) writes to its FILE, as a string. */
__attribute__((unused)) static const char *text_of(void (*report)(const void *, FILE *),
						   const void *ptr)
{
	static char text[65536];
	FILE *f = tmpfile();
	size_t n;

	if (f == NULL)
		exit(99);
	report(ptr, f);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* The names of what hangs directly below ptr, newest first, each followed by a
 * space; a reference is "->" and the name of its target. */
static char test_children[4096];

__attribute__((unused)) static void test_add_child(const void *ptr, int depth,
						   int max_depth, int is_ref, void *private)
{
	size_t used = strlen(test_children);

	(void)max_depth;
	(void)private;
	if (depth > 0)
		snprintf(test_children + used, sizeof(test_children) - used, "%s%s ",
			 is_ref ? "->" : "", talloc_get_name(ptr));
}

__attribute__((unused)) static const char *children_of(const void *ptr)
{
	test_children[0] = '\0';
	talloc_report_depth_cb(ptr, 0, 1, test_add_child, NULL);
	return test_children;
}

/*
 * The tree below ptr in one line, as talloc_report_depth_cb() walks it:
 * "top{newer{its child} older{*referenced}}".
 */
static struct {
	char text[8192];
	int depth;
} test_tree;

__attribute__((unused)) static void test_tree_node(const void *ptr, int depth, int max_depth,
						   int is_ref, void *unused)
{
	size_t used = strlen(test_tree.text);
	char *end = test_tree.text + used;
	size_t room = sizeof(test_tree.text) - used;
	int up = test_tree.depth - depth;

	(void)max_depth;
	(void)unused;
	if (used > 0 && up < 0)
		snprintf(end, room, "{");
	else if (used > 0)
		snprintf(end, room, "%.*s ", up, "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}");
	used = strlen(test_tree.text);
	snprintf(test_tree.text + used, sizeof(test_tree.text) - used, "%s%s",
		 is_ref ? "*" : "", talloc_get_name(ptr));
	test_tree.depth = depth;
}

__attribute__((unused)) static const char *tree_of(const void *ptr)
{
	size_t used;

	test_tree.text[0] = '\0';
	test_tree.depth = 0;
	talloc_report_depth_cb(ptr, 0, -1, test_tree_node, NULL);
	used = strlen(test_tree.text);
	snprintf(test_tree.text + used, sizeof(test_tree.text) - used, "%.*s",
		 test_tree.depth, "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}");
	return test_tree.text;
}

/* A report's text with the addresses at the line ends cut off. */
__attribute__((unused)) static const char *without_addresses(const char *text)
{
	static char plain[65536];
	size_t n = 0;

	while (*text != '\0' && n < sizeof(plain) - 1) {
		if (strncmp(text, " 0x", 3) == 0) {
			text += 3;
			text += strspn(text, "0123456789abcdef");
			continue;
		}
		plain[n++] = *text++;
	}
	plain[n] = '\0';
	return plain;
}

#endif
