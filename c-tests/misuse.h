/*
 * What the tests of misuse look with: every entry point gets a bad pointer, and says
 * what it should, last.
 */
#ifndef TALLOC_C_TESTS_MISUSE_H
#define TALLOC_C_TESTS_MISUSE_H

#include "test.h"
#include "calls.h"

#define UNKNOWN "Bad talloc magic value - unknown value"
#define AFTER_FREE "Bad talloc magic value - access after free"
#define FIRST_FREE "talloc: access after free error - first free may be at "

static void log_out(const char *message)
{
	fputs(message, stderr);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static int expect(bool good, const char *what, const char *how)
{
	printf("%s - %s, %s\n", good ? "ok" : "not ok", what, how);
	if (!good)
		fprintf(stderr, "failed: %s, %s\n", what, how);
	test_failures += !good;
	return good;
}

static size_t which;
static void *bad_pointer;

static void make_call(void)
{
	talloc_set_log_fn(log_out);
	all_calls[which].call(bad_pointer);
	fputs("came back\n", stderr);
}

/* The reason comes last, whatever else is logged before it. */
static void all_calls_end_with(const char *reason, const char *logged, const char *what)
{
	for (which = 0; which < CALL_COUNT; which++) {
		struct outcome *o = run_apart(make_call, true);

		if (!expect(o->aborted && strcmp(o->reason, reason) == 0 &&
				    ends_with(o->out, logged),
			    what, all_calls[which].name))
			fprintf(stderr, "  status %#x, reason '%s', output: %s\n",
				(unsigned int)o->status, o->reason, o->out);
	}
}

#endif
