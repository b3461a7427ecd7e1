/*
 * Leaves chunks behind, for report-env.sh; also on the original.
 *
 * usage: leaves WORD...
 *
 *   full, short    asks for a report itself, first of all
 *   nothing        frees all that it made
 *   long           a name of 20,000 bytes
 *   autofree       a chunk in the autofree context, and a handler that says when that goes
 *   forks          eight children that exit at once, and leave 200 chunks each
 *   _exit          ends by that
 *   scribble       writes over the environment
 *   off            switches null tracking off
 *   number, user   says the number of its process, its effective user
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <talloc.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* autofree */

enum { CHILDREN = 8, CHUNKS = 200 };

static int freed(void *p)
{
	(void)p;
	puts("autofree");
	return 0;
}

static void handler(void)
{
	puts("handler");
	fflush(stdout);
}

static void forks(void)
{
	int start[2], i, k;
	char byte;

	fflush(stdout);
	if (pipe(start) != 0)
		exit(2);
	for (i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid < 0)
			exit(2);
		if (pid != 0)
			continue;
		close(start[1]);
		for (k = 0; k < CHUNKS; k++) {
			void *c = talloc_size(NULL, 1);

			if (talloc_set_name(c, "child %d chunk %03d %0200d", i, k, 0) == NULL)
				_exit(2);
		}
		/* All of them go on when the last end of the pipe is closed. */
		if (read(start[0], &byte, 1) != 0)
			_exit(2);
		exit(0);
	}
	close(start[0]);
	close(start[1]);
	for (i = 0; i < CHILDREN; i++) {
		int status;

		if (wait(&status) < 0 || status != 0)
			exit(2);
	}
}

static int is(int argc, char **argv, const char *word)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static char name[20001];
	void *top, *other;

	if (is(argc, argv, "full"))
		talloc_enable_leak_report_full();
	if (is(argc, argv, "short"))
		talloc_enable_leak_report();
	if (is(argc, argv, "number"))
		printf("%d\n", (int)getpid());
	if (is(argc, argv, "user"))
		printf("%d\n", (int)geteuid());
	if (is(argc, argv, "autofree")) {
		if (atexit(handler) != 0)
			return 2;
		talloc_set_destructor(talloc_named_const(talloc_autofree_context(), 1, "in autofree"),
				      freed);
	}
	top = talloc_named_const(NULL, 100, "top");
	other = talloc_named_const(NULL, 20, "other");
	talloc_strdup(top, "some text");
	talloc_named_const(talloc_named_const(top, 5, "deep"), 6, "deeper");
	if (talloc_reference(other, top) == NULL)
		return 2;
	printf("%s\n", talloc_parent(top) == NULL ? "no parent" : talloc_get_name(talloc_parent(top)));
	if (is(argc, argv, "long")) {
		memset(name, 'n', sizeof name - 1);
		talloc_named_const(other, 1, name);
	}
	if (is(argc, argv, "nothing")) {
		talloc_free(other);
		talloc_free(top);
	}
	if (is(argc, argv, "forks"))
		forks();
	if (is(argc, argv, "scribble") && getenv("TALLOC_REPORT") != NULL)
		memset(getenv("TALLOC_REPORT"), 'x', strlen(getenv("TALLOC_REPORT")));
	if (is(argc, argv, "off"))
		talloc_disable_null_tracking();
	fflush(stdout);
	if (is(argc, argv, "_exit"))
		_exit(0);
	return 7;
}
