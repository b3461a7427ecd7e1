/*
 * The shape up to 2.1.9: threads came, and functions that time are still the
 * tests' own; here with their types in a line of their own.
 */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>

#ifdef HAVE_PTHREAD
#include <pthread.h>
#endif

#include "talloc_testsuite.h"

static struct timeval
timeval_current(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return now;
}

static double
timeval_elapsed(struct timeval *since)
{
	struct timeval now = timeval_current();

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
	struct timeval start = timeval_current();
	unsigned made = 0;

	do {
		void *p = talloc_size(NULL, 100);

		if (p == NULL)
			return say("time", false);
		talloc_free(p);
		made++;
	} while (timeval_elapsed(&start) < 0.01);
	return say("time", made > 100);
}

#ifdef HAVE_PTHREAD
static void *build(void *unused)
{
	return talloc_strdup(NULL, "made in a thread");
}
#endif

static bool test_threads(void)
{
	bool good = false;

#ifdef HAVE_PTHREAD
	pthread_t thread;
	void *made = NULL;

	good = pthread_create(&thread, NULL, build, NULL) == 0 &&
	       pthread_join(thread, &made) == 0 && made != NULL &&
	       strcmp(talloc_steal(NULL, made), "made in a thread") == 0;
	talloc_free(made);
#endif
	return say("threads", good);
}

static bool test_limit(void)
{
	void *root = talloc_new(NULL);
	bool good = talloc_set_memlimit(root, 4096) == 0 && talloc_size(root, 5000) == NULL;

	talloc_free(root);
	return say("memlimit", good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	setlinebuf(stdout);
	good &= test_threads();
	good &= test_limit();
	good &= test_time();
	return good;
}
