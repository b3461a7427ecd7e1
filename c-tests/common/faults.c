/*
 * Bad pointers: every function that takes a chunk looks at it first.  Each
 * call is made in a process of its own, which ends in the abort function.
 */
#include "../test.h"
#include "../calls.h"

#include <signal.h>

static void *pool;
static size_t which;
static void *bad_pointer;

static void log_out(const char *message)
{
	fputs(message, stderr);
}

static void make_call(void)
{
	talloc_set_log_fn(log_out);
	all_calls[which].call(bad_pointer);
	fputs("came back\n", stderr);
}

/* With fields: what surrounds the pointer, so that no field is a pointer. */
static char foreign[1024] __attribute__((aligned(16)));

static void all_calls_with(const char *reason, const char *logged)
{
	for (which = 0; which < CALL_COUNT; which++) {
		struct outcome *o = run_apart(make_call, true);

		printf("# %s\n", all_calls[which].name);
		CHECK(o->aborted);
		CHECK_STR(o->reason, reason);
		CHECK_STR(o->out, logged);
		CHECK(WIFEXITED(o->status) && WEXITSTATUS(o->status) == 42);
	}
}

static void setup(void)
{
	good = talloc_named_const(NULL, 10, "good");
	other = talloc_named_const(NULL, 10, "other");
	pool = talloc_pool(NULL, 4096);
	null_file = fopen("/dev/null", "w");
}

static void foreign_memory(void)
{
	bad_pointer = foreign + 512;
	all_calls_with("Bad talloc magic value - unknown value",
		       "Bad talloc magic value - unknown value\n");
}

static void other_foreign_memory(void)
{
	static const int bytes[] = { 0xff, 'a', 0x01, 0x80 };
	size_t i;

	bad_pointer = foreign + 512;
	for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct outcome *o;

		memset(foreign, bytes[i], sizeof(foreign) - 1);
		for (which = 0; strcmp(all_calls[which].name, "get_name") != 0; which++)
			;
		o = run_apart(make_call, true);
		CHECK_STR(o->reason, "Bad talloc magic value - unknown value");
		which = 0;
		o = run_apart(make_call, true);
		CHECK_STR(o->reason, "Bad talloc magic value - unknown value");
	}
	memset(foreign, 0, sizeof(foreign));
}

static void freed_pool_member(void)
{
	bad_pointer = talloc_named_const(pool, 100, "member");
	/* another one behind it, so that the pool does not start again */
	talloc_named_const(pool, 100, "behind");
	memset(bad_pointer, 0, 100);
	if (_talloc_free(bad_pointer, "the/place.c:123") != 0)
		exit(98);
	all_calls_with("Bad talloc magic value - access after free",
		       "talloc: access after free error - first free may be at the/place.c:123\n"
		       "Bad talloc magic value - access after free\n");
}

/* --- the place of the first free --- */

static struct outcome *look_at(void *ptr)
{
	bad_pointer = ptr;
	for (which = 0; strcmp(all_calls[which].name, "get_name") != 0; which++)
		;
	return run_apart(make_call, true);
}

#define AFTER_FREE(place)                                                          \
	"talloc: access after free error - first free may be at " place "\n"       \
	"Bad talloc magic value - access after free\n"

static void place_of_the_first_free(void)
{
	void *member = talloc_named_const(pool, 10, "member");
	void *child = talloc_named_const(member, 10, "child");
	void *grandchild = talloc_named_const(child, 10, "grandchild");
	const char *place;
	char want[512];

	talloc_named_const(pool, 10, "behind");
	_talloc_free(member, "top:1");
	/* all that went with it */
	CHECK_STR(look_at(member)->out, AFTER_FREE("top:1"));
	CHECK_STR(look_at(child)->out, AFTER_FREE("top:1"));
	CHECK_STR(look_at(grandchild)->out, AFTER_FREE("top:1"));

	member = talloc_named_const(pool, 10, "member");
	talloc_named_const(pool, 10, "behind");
	/* on one line, so that both places are the same */
	talloc_free(member); place = __location__;
	snprintf(want, sizeof(want), AFTER_FREE("%s"), place);
	CHECK_STR(look_at(member)->out, want);
}

static void place_when_parts_went_before(void)
{
	void *member = talloc_named_const(pool, 10, "member");
	void *child = talloc_named_const(member, 10, "child");

	talloc_named_const(pool, 10, "behind");
	_talloc_free(child, "child:1");
	_talloc_free(member, "member:2");
	CHECK_STR(look_at(child)->out, AFTER_FREE("child:1"));
	CHECK_STR(look_at(member)->out, AFTER_FREE("member:2"));
}

static void places_without_a_place(void)
{
	struct outcome *o;
	void *member = talloc_named_const(pool, 10, "member");
	void *child = talloc_named_const(member, 10, "child");

	/* which place this is, is the library's own affair */
	talloc_named_const(pool, 10, "behind");
	talloc_free_children(member);
	o = look_at(child);
	CHECK_STR(o->reason, "Bad talloc magic value - access after free");
	CHECK(strstr(o->out, "talloc: access after free error - first free may be at ") == o->out);
	talloc_unlink(pool, member);
	o = look_at(member);
	CHECK_STR(o->reason, "Bad talloc magic value - access after free");
	CHECK(strstr(o->out, "talloc: access after free error - first free may be at ") == o->out);

	member = talloc_named_const(pool, 10, "member");
	talloc_named_const(pool, 10, "behind");
	CHECK(talloc_realloc_size(pool, member, 500) != member);
	o = look_at(member);
	CHECK_STR(o->reason, "Bad talloc magic value - access after free");
}

static void freed_pool_with_a_member_alive(void)
{
	void *own = talloc_pool(NULL, 1000);
	void *member = talloc_named_const(own, 10, "member");
	struct outcome *o;

	talloc_steal(NULL, member);
	_talloc_free(own, "pool:1");
	o = look_at(own);
	CHECK_STR(o->out, AFTER_FREE("pool:1"));
	CHECK_STR(talloc_get_name(member), "member");
	CHECK_INT(talloc_free(member), 0);
}

static void free_twice(void)
{
	void *member = talloc_named_const(pool, 10, "member");

	talloc_set_log_fn(log_out);
	talloc_named_const(pool, 10, "behind");
	_talloc_free(member, "first:1");
	_talloc_free(member, "second:2");
}

static void double_free(void)
{
	struct outcome *o = run_apart(free_twice, true);

	CHECK_STR(o->reason, "Bad talloc magic value - access after free");
	CHECK_STR(o->out, AFTER_FREE("first:1"));
}

/* --- type mismatch --- */

static void mismatch(void)
{
	talloc_set_log_fn(log_out);
	_talloc_get_type_abort(good, "struct wanted", "file.c:7");
	fputs("came back\n", stderr);
}

static void mismatch_of_null(void)
{
	talloc_set_log_fn(log_out);
	_talloc_get_type_abort(NULL, "struct wanted", "file.c:7");
	fputs("came back\n", stderr);
}

static void mismatch_of_the_unnamed(void)
{
	talloc_set_name_const(good, NULL);
	mismatch();
}

static char returned_reason[512];

static void abort_that_returns(const char *reason)
{
	strcpy(returned_reason, reason);
}

static void type_mismatch(void)
{
	struct outcome *o = run_apart(mismatch, true);

	CHECK_STR(o->reason, "file.c:7: Type mismatch: name[good] expected[struct wanted]");
	CHECK_STR(o->out, "file.c:7: Type mismatch: name[good] expected[struct wanted]\n");
	o = run_apart(mismatch_of_null, true);
	CHECK_STR(o->reason, "file.c:7: Type mismatch: name[NULL] expected[struct wanted]");
	o = run_apart(mismatch_of_the_unnamed, true);
	CHECK_STR(o->reason, "file.c:7: Type mismatch: name[UNNAMED] expected[struct wanted]");

	/* an abort function that returns: the answer is NULL */
	talloc_set_abort_fn(abort_that_returns);
	log_start();
	CHECK(_talloc_get_type_abort(good, "x", "f:1") == NULL);
	CHECK_STR(returned_reason, "f:1: Type mismatch: name[good] expected[x]");
	CHECK_STR(log_text, "f:1: Type mismatch: name[good] expected[x]\n");
	CHECK(_talloc_get_type_abort(NULL, "x", "f:2") == NULL);
	CHECK_STR(returned_reason, "f:2: Type mismatch: name[NULL] expected[x]");
	talloc_set_log_fn(NULL);
	talloc_set_abort_fn(NULL);
	CHECK(_talloc_get_type_abort(good, "good", "f:3") == good);
}

/* --- where the words go --- */

static void mismatch_default_abort(void)
{
	talloc_set_abort_fn(NULL);
	mismatch();
}

static void mismatch_log_stderr(void)
{
	talloc_set_log_stderr();
	talloc_set_abort_fn(NULL);
	_talloc_get_type_abort(good, "struct wanted", "file.c:7");
}

static void mismatch_log_stopped(void)
{
	talloc_set_log_stderr();
	talloc_set_log_fn(NULL);
	_talloc_get_type_abort(good, "struct wanted", "file.c:7");
}

static void mismatch_abort_unset(void)
{
	talloc_set_log_stderr();
	talloc_set_abort_fn(abort_that_returns);
	talloc_set_abort_fn(NULL);
	_talloc_get_type_abort(good, "struct wanted", "file.c:7");
}

static void logging(void)
{
	struct outcome *o = run_apart(mismatch_default_abort, false);

	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK_STR(o->out, "file.c:7: Type mismatch: name[good] expected[struct wanted]\n");
	o = run_apart(mismatch_log_stderr, false);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK_STR(o->out, "file.c:7: Type mismatch: name[good] expected[struct wanted]\n");
	/* logging switched off again: the abort function still hears of it */
	o = run_apart(mismatch_log_stopped, true);
	CHECK_STR(o->reason, "file.c:7: Type mismatch: name[good] expected[struct wanted]");
	CHECK_STR(o->out, "");
	o = run_apart(mismatch_abort_unset, false);
	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
}

static void references_to_stderr(void)
{
	void *top = talloc_named_const(NULL, 10, "top");
	void *child = talloc_named_const(top, 10, "child");

	talloc_set_log_stderr();
	_talloc_reference_loc(top, child, "r:1");
	_talloc_free(child, "f:2");
}

static void quiet_by_default(void)
{
	void *top = talloc_named_const(NULL, 10, "top");
	void *child = talloc_named_const(top, 10, "child");

	_talloc_reference_loc(top, child, "r:1");
	_talloc_free(child, "f:2");
	talloc_steal(child, top);
}

static void log_lines_to_stderr(void)
{
	CHECK_STR(run_apart(references_to_stderr, false)->out,
		  "ERROR: talloc_free with references at f:2\n\treference at r:1\n");
	CHECK_STR(run_apart(quiet_by_default, false)->out, "");
}

static int pieces;
static char piece[4][256];

static void log_pieces(const char *message)
{
	if (pieces < 4)
		snprintf(piece[pieces], sizeof(piece[0]), "%s", message);
	pieces++;
}

static void whole_lines(void)
{
	void *ptr = talloc_named_const(NULL, 10, "100%d%s");

	pieces = 0;
	talloc_set_log_fn(log_pieces);
	talloc_set_abort_fn(abort_that_returns);
	_talloc_get_type_abort(ptr, "x%n", "f%s:1");
	CHECK_INT(pieces, 1);
	CHECK_STR(piece[0], "f%s:1: Type mismatch: name[100%d%s] expected[x%n]\n");
	CHECK_STR(returned_reason, "f%s:1: Type mismatch: name[100%d%s] expected[x%n]");
	talloc_set_log_fn(NULL);
	talloc_set_abort_fn(NULL);
	CHECK_INT(talloc_free(ptr), 0);
}

/* --- the magic --- */

static int magic_of_the_parent;

static void print_magic_of_fork(void)
{
	printf("%d", talloc_test_get_magic() == magic_of_the_parent);
}

static void magic(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int magics[8];
	int i, differ = 0;

	self[n > 0 ? n : 0] = '\0';
	magic_of_the_parent = talloc_test_get_magic();
	talloc_free(talloc_new(NULL));
	CHECK(talloc_test_get_magic() == magic_of_the_parent);
	CHECK_STR(run_apart(print_magic_of_fork, false)->out, "1");

	/* of eight programs, at least two do not have the same */
	for (i = 0; i < 8; i++) {
		int fd[2];
		pid_t pid;

		magics[i] = 0;
		if (pipe(fd) != 0)
			exit(99);
		pid = fork();
		if (pid == 0) {
			dup2(fd[1], 1);
			execl(self, "faults", "magic", (char *)NULL);
			_exit(99);
		}
		close(fd[1]);
		if (read(fd[0], &magics[i], sizeof(int)) != sizeof(int))
			magics[i] = magics[0];
		close(fd[0]);
		waitpid(pid, NULL, 0);
		differ |= magics[i] != magics[0];
	}
	CHECK(differ);
}

/* --- what NULL does --- */

static void null_pointers(void)
{
	void *nothing = NULL;

	CHECK_INT(talloc_free(NULL), -1);
	CHECK_INT(talloc_unlink(good, NULL), -1);
	CHECK(talloc_steal(good, nothing) == NULL);
	CHECK(talloc_move(good, &nothing) == NULL);
	CHECK(talloc_reparent(good, other, NULL) == NULL);
	CHECK(talloc_reference(good, nothing) == NULL);
	CHECK_INT(talloc_increase_ref_count(NULL), -1);
	CHECK(talloc_check_name(NULL, "x") == NULL);
	CHECK(talloc_parent(NULL) == NULL);
	CHECK(talloc_parent_name(NULL) == NULL);
	CHECK(talloc_find_parent_byname(NULL, "x") == NULL);
	CHECK_INT(talloc_is_parent(NULL, good), 0);
	CHECK_INT(talloc_is_parent(good, NULL), 0);
	CHECK_INT(talloc_get_size(NULL), 0);
	CHECK_INT(talloc_total_size(NULL), 0);
	CHECK_INT(talloc_total_blocks(NULL), 0);
	CHECK(talloc_strdup(good, NULL) == NULL);
	CHECK(talloc_strndup(good, NULL, 5) == NULL);
	CHECK(talloc_memdup(good, NULL, 5) == NULL);
	talloc_free_children(NULL);
	talloc_report(good, NULL);
	talloc_report_full(good, NULL);
	talloc_report_depth_file(good, 0, -1, NULL);
	CHECK_STR(tree_of(good), "good");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "magic") == 0) {
		int value = talloc_test_get_magic();

		return write(1, &value, sizeof(value)) == sizeof(value) ? 0 : 1;
	}
	setup();
	RUN(foreign_memory);
	RUN(other_foreign_memory);
	RUN(freed_pool_member);
	RUN(place_of_the_first_free);
	RUN(place_when_parts_went_before);
	RUN(places_without_a_place);
	RUN(freed_pool_with_a_member_alive);
	RUN(double_free);
	RUN(type_mismatch);
	RUN(logging);
	RUN(log_lines_to_stderr);
	RUN(whole_lines);
	RUN(magic);
	RUN(null_pointers);
	TEST_END();
}
