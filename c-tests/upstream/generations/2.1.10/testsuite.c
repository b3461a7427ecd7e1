/*
 * The shape from 2.1.10 on: what times has a name of its own, so that it gets
 * into nobody's way; a child that must abort.
 */
#include "replace.h"
#include "system/time.h"
#include "system/wait.h"
#include <talloc.h>
#include "talloc_testsuite.h"

static struct timeval local_timeval_current(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return now;
}

static double local_timeval_elapsed(struct timeval *since)
{
	struct timeval now = local_timeval_current();

	return (now.tv_sec - since->tv_sec) + (now.tv_usec - since->tv_usec) * 1.0e-6;
}

static bool say(const char *test, bool good)
{
	if (good)
		printf("success: %s\n", test);
	else
		printf("failure: %s [\nwrong\n]\n", test);
	return good;
}

static bool test_time(void)
{
	struct timeval start = local_timeval_current();
	unsigned made = 0;

	do {
		void *p = talloc_size(NULL, 100);

		if (p == NULL)
			return say("time", false);
		talloc_free(p);
		made++;
	} while (local_timeval_elapsed(&start) < 0.01);
	return say("time", made > 100);
}

static bool test_abort(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		int *p = talloc_zero(NULL, int);

		fclose(stderr);
		talloc_get_type_abort(p, struct stat);
		_exit(0);
	}
	return say("abort", child > 0 && waitpid(child, &status, 0) == child &&
			    WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static bool test_pooled_object(void)
{
	struct stat *object = talloc_pooled_object(NULL, struct stat, 2, 200);
	char *text = talloc_strdup(object, "inside");
	size_t distance = (uintptr_t)text - (uintptr_t)object;
	bool good = object != NULL && distance < sizeof(*object) + 400;

	talloc_free(object);
	return say("pooled object", good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	good &= test_abort();
	good &= test_pooled_object();
	good &= test_time();
	return good;
}
