/*
 * A signal handler reports on a tree that nobody is changing, while the program is
 * inside malloc: a report does not go there.
 */
#include "../test.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void *top;
static FILE *null_file;
static volatile sig_atomic_t reports;

static void look(int number)
{
	(void)number;
	talloc_report_full(top, null_file);
	reports++;
}

static void *volatile blocks[64];

static void in_malloc(void)
{
	/* once each time, so that the program gets on, however slow it is */
	struct itimerval soon = { { 0, 0 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
	time_t end = time(NULL) + 3;
	unsigned i = 0;

	signal(SIGALRM, look);
	while (time(NULL) < end && reports < 2000) {
		unsigned k;

		setitimer(ITIMER_REAL, &soon, NULL);
		for (k = 0; k < 3000; k++, i++) {
			free(blocks[i * 7 % 64]);
			blocks[i * 7 % 64] = malloc(i * 37 % 5000);
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%d\n", reports > 0);
}

int main(void)
{
	struct outcome *o;
	int i;

	null_file = fopen("/dev/null", "w");
	top = talloc_named_const(NULL, 0, "top");
	for (i = 0; i < 300; i++)
		talloc_named_const(i % 10 ? top : talloc_new(top), 10, "a chunk with a name");
	/* its buffer is made now */
	talloc_report_full(top, null_file);
	for (i = 0; i < 3; i++) {
		o = run_apart(in_malloc, false);
		CHECK_STR(o->out, "1\n");
		CHECK_INT(o->status, 0);
	}
	TEST_END();
}
