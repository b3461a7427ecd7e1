/*
 * One thread looks at the null context while others make, move and free top-level chunks:
 * what it sees is whole. (A name or a size that its owner is just changing is seen as it was or
 * as it will be, so that ThreadSanitizer has something to say.) Should a chunk have been overwritten, the program's functions run
 * without a lock.
 */
#include "../test.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

#define LOOKS 30000

#define THREADS 3
#define MOST 4 /* top-level chunks of a thread at a time */

static atomic_bool done;
static FILE *nowhere;

static void *in_a_thread(void *unused)
{
	while (!done) {
		void *chunk[MOST];
		int i;

		for (i = 0; i < MOST; i++)
			chunk[i] = talloc_named_const(NULL, (size_t)(100 + i), "one of many");
		chunk[1] = talloc_realloc_size(NULL, chunk[1], 2000);
		for (i = 0; i < MOST; i++)
			talloc_free(chunk[i]);
	}
	return unused;
}

static void looks(void)
{
	pthread_t thread[THREADS];
	void *stays = talloc_named_const(NULL, 7, "stays");
	size_t most = 1 + 1 + THREADS * MOST;
	int i, too_few = 0, too_many = 0;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, in_a_thread, NULL) != 0)
			exit(99);
	for (i = 0; i < LOOKS; i++) {
		size_t blocks = talloc_total_blocks(NULL), size = talloc_total_size(NULL);

		too_few += blocks < 2 || size < 7;
		too_many += blocks > most || size > 7 + THREADS * (MOST - 1) * 103 + THREADS * 2000;
		talloc_report_depth_file(NULL, 0, -1, nowhere);
	}
	done = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_INT(too_few, 0);
	CHECK_INT(too_many, 0);
	CHECK_INT(talloc_total_blocks(NULL), 2);
	CHECK_INT(talloc_free(stays), 0);
}

/* ---- a chunk that was overwritten ------------------------------------------------- */

static int came, logged;
static jmp_buf out;
static bool jump;

static void *make_and_free(void *unused)
{
	talloc_free(talloc_named_const(NULL, 10, "of another thread"));
	return unused;
}

/* Another thread gets what it wants meanwhile. */
static void let_another_work(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, make_and_free, NULL) != 0)
		exit(99);
	pthread_join(thread, NULL);
}

static void log_it(const char *line)
{
	(void)line;
	logged++;
	let_another_work();
}

static void abort_it(const char *reason)
{
	(void)reason;
	came++;
	let_another_work();
	if (jump)
		longjmp(out, 1);
}

static void look(int how)
{
	if (how == 0)
		talloc_total_size(NULL);
	else
		talloc_report_depth_file(NULL, 0, -1, nowhere);
}

static void without_a_lock(void)
{
	/* the header begins with its check; it lies before what the user has */
	enum { HEADER = sizeof(void *) == 8 ? 64 : 48 };
	char *older = talloc_named_const(NULL, 10, "older");
	char *newer = talloc_named_const(NULL, 10, "newer");
	char before[8];
	int how;

	talloc_set_log_fn(log_it);
	talloc_set_abort_fn(abort_it);
	memcpy(before, older - HEADER, sizeof(before));
	memset(older - HEADER, 0x35, sizeof(before));
	for (how = 0; how < 4; how++) {
		came = logged = 0;
		jump = how >= 2;
		if (setjmp(out) == 0)
			look(how % 2);
		CHECK_INT(came, 1);
		CHECK(logged > 0);
		/* nor is it held afterwards */
		let_another_work();
	}
	memcpy(older - HEADER, before, sizeof(before));
	talloc_set_abort_fn(NULL);
	talloc_set_log_fn(NULL);
	CHECK_INT(talloc_total_blocks(NULL), 3);
	CHECK_INT(talloc_free(older), 0);
	CHECK_INT(talloc_free(newer), 0);
}

int main(void)
{
	alarm(110);
	nowhere = fopen("/dev/null", "w");
	if (nowhere == NULL)
		return 99;
	talloc_enable_null_tracking();
	RUN(looks);
	RUN(without_a_lock);
	CHECK_INT(talloc_total_blocks(NULL), 1);
	fclose(nowhere);
	TEST_END();
}
