/*
 * Bad pointers when the abort function returns: the call fails cleanly, with
 * NULL, -1 or 0, and touches nothing.  And the last words of an abort that
 * nobody listens to.
 */
#include "../test.h"

#include <signal.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void *good, *other, *pool;
static FILE *null_file;
static int walked;

static void count_walk(const void *ptr, int depth, int max_depth, int is_ref, void *private_data)
{
	(void)ptr;
	(void)depth;
	(void)max_depth;
	(void)is_ref;
	(void)private_data;
	walked++;
}

__attribute__((format(printf, 3, 4)))
static char *with_list(char *(*fn)(char *, const char *, va_list), char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = fn(s, fmt, ap);
	va_end(ap);
	return s;
}

__attribute__((format(printf, 2, 3)))
static char *new_with_list(const void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = talloc_vasprintf(ctx, fmt, ap);
	va_end(ap);
	return s;
}

static int accept_free(void *ptr)
{
	(void)ptr;
	return 0;
}

static char *addbuf(void *bad)
{
	char *s = bad;

	/* on failure it sets the string to NULL */
	talloc_asprintf_addbuf(&s, "%d", 1);
	return s;
}

static void *move_to(void *bad)
{
	void *ptr = good;

	return _talloc_move(bad, &ptr);
}

/* X(kind, name, call): kind is PTR for NULL, NEG for -1, NUL for 0, or NONE. */
#define CALLS(X)                                                                   \
	X(NEG, free, talloc_free(bad))                                             \
	X(NONE, free_children, talloc_free_children(bad))                          \
	X(NEG, unlink, talloc_unlink(good, bad))                                   \
	X(NEG, unlink_null, talloc_unlink(NULL, bad))                              \
	X(PTR, steal, _talloc_steal_loc(good, bad, "here"))                        \
	X(PTR, steal_to, _talloc_steal_loc(bad, good, "here"))                     \
	X(PTR, steal_to_null, _talloc_steal_loc(NULL, bad, "here"))                \
	X(PTR, move, _talloc_move(good, &bad))                                     \
	X(PTR, move_to, move_to(bad))                                              \
	X(PTR, reparent, talloc_reparent(good, other, bad))                        \
	X(PTR, reference, _talloc_reference_loc(good, bad, "here"))                \
	X(PTR, reference_by, _talloc_reference_loc(bad, good, "here"))             \
	X(NUL, reference_count, talloc_reference_count(bad))                       \
	X(NEG, increase_ref_count, talloc_increase_ref_count(bad))                 \
	X(NONE, set_destructor, _talloc_set_destructor(bad, accept_free))          \
	X(PTR, set_name, talloc_set_name(bad, "%d", 1))                            \
	X(NONE, set_name_const, talloc_set_name_const(bad, "name"))                \
	X(PTR, get_name, talloc_get_name(bad))                                     \
	X(PTR, check_name, talloc_check_name(bad, "name"))                         \
	X(PTR, get_type_abort, _talloc_get_type_abort(bad, "name", "here"))        \
	X(PTR, parent, talloc_parent(bad))                                         \
	X(PTR, parent_name, talloc_parent_name(bad))                               \
	X(PTR, find_parent_byname, talloc_find_parent_byname(bad, "name"))         \
	X(NUL, is_parent, talloc_is_parent(bad, good))                             \
	X(NONE, show_parents, talloc_show_parents(bad, null_file))                 \
	X(NUL, get_size, talloc_get_size(bad))                                     \
	X(NUL, total_size, talloc_total_size(bad))                                 \
	X(NUL, total_blocks, talloc_total_blocks(bad))                             \
	X(NONE, report, talloc_report(bad, null_file))                             \
	X(NONE, report_full, talloc_report_full(bad, null_file))                   \
	X(NONE, report_depth_file, talloc_report_depth_file(bad, 0, 1, null_file)) \
	X(NONE, report_depth_cb, talloc_report_depth_cb(bad, 0, 1, count_walk, NULL)) \
	X(NEG, set_memlimit, talloc_set_memlimit(bad, 1000))                       \
	X(PTR, named_const, talloc_named_const(bad, 1, "name"))                    \
	X(PTR, named, talloc_named(bad, 1, "%d", 1))                               \
	X(PTR, plain, _talloc(bad, 1))                                             \
	X(PTR, zero, _talloc_zero(bad, 1, "name"))                                 \
	X(PTR, array, _talloc_array(bad, 1, 1, "name"))                            \
	X(PTR, zero_array, _talloc_zero_array(bad, 1, 1, "name"))                  \
	X(PTR, memdup, _talloc_memdup(bad, "x", 1, "name"))                        \
	X(PTR, a_pool, talloc_pool(bad, 100))                                      \
	X(PTR, pooled_object, _talloc_pooled_object(bad, 1, "name", 1, 1))         \
	X(PTR, realloc, _talloc_realloc(good, bad, 20, "name"))                    \
	X(PTR, realloc_under, _talloc_realloc(bad, NULL, 20, "name"))              \
	X(PTR, realloc_to_nothing, _talloc_realloc(good, bad, 0, "name"))          \
	X(PTR, realloc_array, _talloc_realloc_array(good, bad, 1, 20, "name"))     \
	X(PTR, realloc_fn, talloc_realloc_fn(good, bad, 20))                       \
	X(PTR, strdup, talloc_strdup(bad, "x"))                                    \
	X(PTR, strndup, talloc_strndup(bad, "x", 1))                               \
	X(PTR, asprintf, talloc_asprintf(bad, "%d", 1))                            \
	X(PTR, vasprintf, new_with_list(bad, "%d", 1))                             \
	X(PTR, strdup_append, talloc_strdup_append(bad, "x"))                      \
	X(PTR, strdup_append_buffer, talloc_strdup_append_buffer(bad, "x"))        \
	X(PTR, strndup_append, talloc_strndup_append(bad, "x", 1))                 \
	X(PTR, strndup_append_buffer, talloc_strndup_append_buffer(bad, "x", 1))   \
	X(PTR, asprintf_append, talloc_asprintf_append(bad, "%d", 1))              \
	X(PTR, asprintf_append_buffer, talloc_asprintf_append_buffer(bad, "%d", 1)) \
	X(PTR, vasprintf_append, with_list(talloc_vasprintf_append, bad, "%d", 1)) \
	X(PTR, vasprintf_append_buffer, with_list(talloc_vasprintf_append_buffer, bad, "%d", 1)) \
	X(PTR, asprintf_addbuf, addbuf(bad))

enum kind { PTR, NEG, NUL, NONE };

#define MAKE_PTR(call) return (intptr_t)(call)
#define MAKE_NEG(call) return (intptr_t)(call)
#define MAKE_NUL(call) return (intptr_t)(call)
#define MAKE_NONE(call) call; return 0
#define MAKE_CALL(kind, name, call) \
	static intptr_t call_##name(void *bad) { MAKE_##kind(call); }
CALLS(MAKE_CALL)

#define LIST_CALL(kind, name, call) { kind, #name, call_##name },
static const struct {
	enum kind kind;
	const char *name;
	intptr_t (*call)(void *bad);
} all_calls[] = { CALLS(LIST_CALL) };

#define CALL_COUNT (sizeof(all_calls) / sizeof(all_calls[0]))

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

	CHECK_INT(answer, all_calls[which].kind == NEG ? -1 : 0);
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
