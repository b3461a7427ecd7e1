/*
 * The reason of an abort arrives where stderr goes to, however that stream is buffered
 * and whoever wrote it, and the abort comes whatever stands in the way.
 */
#define _GNU_SOURCE
#include "../test.h"

#ifndef __GLIBC__
int main(void)
{
	TEST_SKIP("stderr is always the same stream here");
}
#else

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#define UNKNOWN "Bad talloc magic value - unknown value\n"
#define FREED "Bad talloc magic value - access after free\n"
#define MISMATCH "f:1: Type mismatch: name[good] expected[wanted]\n"

static void *good;

/* --- the fault --- */

static char foreign[1024] __attribute__((aligned(16)));

static void unknown(void)
{
	talloc_get_name(foreign + 512);
}

static void after_free(void)
{
	void *pool = talloc_pool(NULL, 1000), *ptr = talloc_named_const(pool, 1, "ptr");

	talloc_named_const(pool, 1, "behind");
	_talloc_free(ptr, "p:1");
	_talloc_free(ptr, "p:2");
}

static void mismatch(void)
{
	_talloc_get_type_abort(good, "wanted", "f:1");
}

static const struct {
	void (*happen)(void);
	const char *reason;
} faults[] = { { unknown, UNKNOWN }, { after_free, FREED }, { mismatch, MISMATCH } };

enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

/* --- who writes --- */

static void no_one(void)
{
}

static void library(void)
{
	talloc_set_log_stderr();
}

static void put(const char *message)
{
	fputs(message, stderr);
}

static void program(void)
{
	talloc_set_log_fn(put);
}

static void formatted(const char *message)
{
	fprintf(stderr, "%s", message);
	fprintf(stderr, "%*s", 3000, "\n");
}

static void program_much(void)
{
	talloc_set_log_fn(formatted);
}

static void (*const writers[])(void) = { no_one, library, program, program_much };

enum { WRITERS = sizeof(writers) / sizeof(writers[0]) };

/* --- where to --- */

static char file[] = "/tmp/faults_flushed.XXXXXX";

static void reopened(void)
{
	if (freopen(file, "w", stderr) == NULL)
		exit(90);
}

static void appended(void)
{
	if (freopen(file, "a", stderr) == NULL)
		exit(90);
	setvbuf(stderr, NULL, _IOFBF, 100000);
}

static void by_line(void)
{
	reopened();
	setvbuf(stderr, NULL, _IOLBF, 100000);
}

static void another_stream(void)
{
	stderr = fopen(file, "w");
}

static int cookie_fd;

static ssize_t write_on(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	return write(cookie_fd, data, size);
}

static void own_stream(void)
{
	cookie_io_functions_t io = { NULL, write_on, NULL, NULL };

	cookie_fd = open(file, O_WRONLY | O_TRUNC);
	stderr = fopencookie(NULL, "w", io);
	setvbuf(stderr, NULL, _IOFBF, 5000);
}

static void (*const streams[])(void) = { reopened, appended, by_line, another_stream, own_stream };

enum { STREAMS = sizeof(streams) / sizeof(streams[0]) };

/* --- all of them --- */

static size_t fault, writer, stream;

static void go_wrong(void)
{
	streams[stream]();
	fputs("before it\n", stderr);
	writers[writer]();
	faults[fault].happen();
}

static const char *written(void)
{
	static char text[8192];
	FILE *f = fopen(file, "r");
	size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);

	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	return text;
}

static void clear(void)
{
	FILE *f = fopen(file, "w");

	if (f != NULL)
		fclose(f);
}

static void each_arrives(void)
{
	for (stream = 0; stream < STREAMS; stream++)
		for (writer = 0; writer < WRITERS; writer++)
			for (fault = 0; fault < FAULTS; fault++) {
				struct outcome *o;
				const char *text;

				clear();
				o = run_apart(go_wrong, false);
				text = written();
				CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
				CHECK(strncmp(text, "before it\n", 10) == 0);
				CHECK(strstr(text, faults[fault].reason) != NULL);
				CHECK_STR(o->out, "");
			}
}

/* --- what stands in the way --- */

static sigjmp_buf back;

static void jump_back(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

/* A test framework goes on after each abort. */
static void jump_out_of_the_abort(void)
{
	volatile int i;

	reopened();
	signal(SIGABRT, jump_back);
	for (i = 0; i < 5; i++)
		if (sigsetjmp(back, 1) == 0)
			unknown();
	_exit(3);
}

static void after_a_jump(void)
{
	struct outcome *o;

	clear();
	o = run_apart(jump_out_of_the_abort, false);
	CHECK(WIFEXITED(o->status) && WEXITSTATUS(o->status) == 3);
	CHECK_STR(written(), UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN);
}

static void *has_it(void *unused)
{
	flockfile(stderr);
	*(volatile int *)unused = 1;
	for (;;)
		pause();
	return NULL;
}

static void another_thread_has_it(void)
{
	static volatile int locked;
	pthread_t thread;

	writers[writer]();
	talloc_set_log_fn(writer == 0 ? NULL : log_gather);
	pthread_create(&thread, NULL, has_it, (void *)&locked);
	while (!locked)
		sched_yield();
	alarm(20);
	unknown();
}

static void while_another_thread_has_it(void)
{
	for (writer = 0; writer < 2; writer++) {
		struct outcome *o = run_apart(another_thread_has_it, false);

		CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	}
}

static ssize_t write_wrongly(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	if (write(1, data, size) < 0)
		return -1;
	unknown();
	return (ssize_t)size;
}

static void stream_is_at_fault(void)
{
	cookie_io_functions_t io = { NULL, write_wrongly, NULL, NULL };

	stderr = fopencookie(NULL, "w", io);
	unknown();
}

static void the_stream_is_at_fault_itself(void)
{
	struct outcome *o = run_apart(stream_is_at_fault, false);

	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
	CHECK_STR(o->out, UNKNOWN);
}

static void closed(void)
{
	fclose(stderr);
	talloc_set_log_fn(log_gather);
	unknown();
}

static void without_stderr(void)
{
	struct outcome *o = run_apart(closed, false);

	CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
}

/* An abort function has the last word; nothing is written for it. */
static void abort_function_is_called(void)
{
	reopened();
	fputs("waiting\n", stderr);
	talloc_set_abort_fn(test_abort_fn);
	mismatch();
}

static void an_abort_function(void)
{
	struct outcome *o;

	clear();
	o = run_apart(abort_function_is_called, false);
	CHECK_INT(WEXITSTATUS(o->status), 42);
	CHECK_STR(o->reason, "f:1: Type mismatch: name[good] expected[wanted]");
	CHECK_STR(written(), "waiting\n");
}

int main(void)
{
	int fd = mkstemp(file);

	if (fd < 0)
		return 99;
	close(fd);
	good = talloc_named_const(NULL, 1, "good");
	RUN(each_arrives);
	RUN(after_a_jump);
	RUN(while_another_thread_has_it);
	RUN(the_stream_is_at_fault_itself);
	RUN(without_stderr);
	RUN(an_abort_function);
	unlink(file);
	TEST_END();
}
#endif
