/*
 * Bad pointers when the abort function returns: the call fails cleanly, with
 * NULL, -1 or 0, and touches nothing.  And the last words of an abort that
 * nobody listens to.
 */
#include "../test.h"
#include "../calls.h"

#include <signal.h>

static void *pool;

static int aborts;
static char abort_reason[512];

static void abort_that_returns(const char *reason)
{
	/* the first is what counts */
	if (aborts++ > 0)
		return;
	snprintf(abort_reason, sizeof(abort_reason), "%s", reason);
}

static size_t which;
static void *bad_pointer;
static const char *bad_reason;
/* What must be the same afterwards: the bytes around the bad pointer. */
static unsigned char *bytes;
static size_t byte_count;
static unsigned char before[4096];

static void make_call(void)
{
	intptr_t answer;

	alarm(10);
	aborts = 0;
	walked = 0;
	memcpy(before, bytes, byte_count);
	talloc_set_abort_fn(abort_that_returns);
	answer = all_calls[which].call(bad_pointer);
	talloc_set_abort_fn(NULL);

	CHECK_INT(answer, all_calls[which].refusal == NEG ? -1 : 0);
	CHECK(aborts >= 1);
	CHECK_STR(abort_reason, bad_reason);
	CHECK(memcmp(before, bytes, byte_count) == 0);
	CHECK_INT(walked, 0);
	/* the good ones are as they were, and work */
	CHECK_STR(tree_of(good), "good{child}");
	CHECK_STR(tree_of(other), "other");
	CHECK(talloc_parent(good) == NULL);
	CHECK_INT(talloc_reference_count(good), 0);
	CHECK(talloc_strdup(good, "text") != NULL);
	CHECK_INT(talloc_free(good), 0);
	CHECK_INT(talloc_free(other), 0);
	fflush(stdout);
	_exit(test_failures ? 1 : 0);
}

static void all_calls_return(void)
{
	for (which = 0; which < CALL_COUNT; which++) {
		struct outcome *o = run_apart(make_call, false);

		printf("# %s\n%s", all_calls[which].name, o->out);
		if (o->status != 0) {
			if (WIFSIGNALED(o->status))
				printf("not ok - ended by signal %d\n", WTERMSIG(o->status));
			fprintf(stderr, "%s failed:\n%s", all_calls[which].name, o->out);
			test_failures++;
		}
	}
}

static void setup(void)
{
	good = talloc_named_const(NULL, 10, "good");
	talloc_named_const(good, 10, "child");
	other = talloc_named_const(NULL, 10, "other");
	pool = talloc_pool(NULL, 4096);
	null_file = fopen("/dev/null", "w");
}

static unsigned char foreign[1024] __attribute__((aligned(16)));

static void foreign_memory(void)
{
	bad_pointer = foreign + 512;
	bad_reason = "Bad talloc magic value - unknown value";
	bytes = foreign;
	byte_count = sizeof(foreign);
	all_calls_return();
	/* the same with text all over */
	memset(foreign, 'a', sizeof(foreign) - 1);
	all_calls_return();
}

static void freed_pool_member(void)
{
	unsigned char *member = talloc_named_const(pool, 100, "member");

	talloc_named_const(pool, 100, "behind");
	memset(member, 0, 100);
	talloc_free(member);
	bad_pointer = member;
	bad_reason = "Bad talloc magic value - access after free";
	bytes = member - 32;
	byte_count = 132;
	all_calls_return();
	CHECK_INT(talloc_free(pool), 0);
}

/* --- pointers that are only compared --- */

static void the_other_argument(void)
{
	memset(foreign, 0, sizeof(foreign));
	talloc_set_abort_fn(abort_that_returns);
	CHECK_INT(talloc_is_parent(good, foreign + 512), 0);
	CHECK_INT(talloc_unlink(foreign + 512, good), -1);
	talloc_set_abort_fn(NULL);
	CHECK_STR(tree_of(good), "good{child}");
}

/* --- each fault is told once --- */

static int lines;

static void count_lines(const char *message)
{
	(void)message;
	lines++;
}

static void told_before_the_abort(void)
{
	talloc_set_log_fn(count_lines);
	talloc_set_abort_fn(abort_that_returns);
	aborts = lines = 0;
	CHECK_INT(talloc_free(foreign + 512), -1);
	CHECK_INT(aborts, 1);
	CHECK_INT(lines, 1);
	aborts = lines = 0;
	CHECK(_talloc_get_type_abort(good, "x", "f:1") == NULL);
	CHECK_INT(aborts, 1);
	CHECK_INT(lines, 1);
	talloc_set_log_fn(NULL);
	talloc_set_abort_fn(NULL);
}

/* --- last words --- */

static void nobody_listens(void)
{
	talloc_get_name(foreign + 512);
}

static void nobody_listens_to_a_mismatch(void)
{
	_talloc_get_type_abort(good, "wanted", "file.c:3");
}

static void listeners_were_taken_away(void)
{
	talloc_set_log_stderr();
	talloc_set_log_fn(NULL);
	talloc_set_abort_fn(abort_that_returns);
	talloc_set_abort_fn(NULL);
	nobody_listens();
}

static void log_to_stderr(void)
{
	talloc_set_log_stderr();
	nobody_listens();
}

static void say_logged(const char *message)
{
	fprintf(stderr, "logged: %s", message);
}

static void log_function(void)
{
	talloc_set_log_fn(say_logged);
	nobody_listens();
}

static void use_after_free(void)
{
	void *own = talloc_pool(NULL, 1000);
	void *member = talloc_named_const(own, 10, "member");

	talloc_named_const(own, 10, "behind");
	_talloc_free(member, "place:5");
	talloc_get_name(member);
}

static void abort_function_only(void)
{
	talloc_set_abort_fn(test_abort_fn);
	nobody_listens();
}

static void last_words(void)
{
	struct outcome *o;

	o = run_apart(nobody_listens, false);
	CHECK_STR(o->out, "Bad talloc magic value - unknown value\n");
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	o = run_apart(nobody_listens_to_a_mismatch, false);
	CHECK_STR(o->out, "file.c:3: Type mismatch: name[good] expected[wanted]\n");
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	o = run_apart(listeners_were_taken_away, false);
	CHECK_STR(o->out, "Bad talloc magic value - unknown value\n");
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	/* never twice */
	o = run_apart(log_to_stderr, false);
	CHECK_STR(o->out, "Bad talloc magic value - unknown value\n");
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	o = run_apart(log_function, false);
	CHECK_STR(o->out, "logged: Bad talloc magic value - unknown value\n");
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	/* the reason comes last, whatever else is told */
	o = run_apart(use_after_free, false);
	CHECK(strstr(o->out, "Bad talloc magic value - access after free\n") != NULL);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	/* an abort function has it, and stderr stays empty */
	o = run_apart(abort_function_only, false);
	CHECK_STR(o->reason, "Bad talloc magic value - unknown value");
	CHECK_STR(o->out, "");
}

int main(void)
{
	setup();
	RUN(foreign_memory);
	RUN(freed_pool_member);
	RUN(the_other_argument);
	RUN(told_before_the_abort);
	RUN(last_words);
	TEST_END();
}
