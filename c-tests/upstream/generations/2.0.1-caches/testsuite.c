/*
 * The shape of the variant with static pool caches: the tests of 2.0.1, which
 * time with functions of their own, and a second program beside them.
 */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

static struct timeval timeval_current(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return now;
}

static double timeval_elapsed(struct timeval *since)
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

static bool test_reference(void)
{
	void *one = talloc_new(NULL), *two = talloc_new(NULL);
	char *text = talloc_strdup(one, "shared");
	bool good = talloc_reference(two, text) == text && talloc_reference_count(text) == 1;

	talloc_free(one);
	good = good && talloc_parent(text) == two;
	talloc_free(two);
	return say("reference", good);
}

static bool test_cache(void)
{
	void *cache = talloc_pool_cache(NULL, 4 * 64, 64);
	char *object = talloc_cache_zero(cache);
	bool good = object != NULL && object[0] == 0 && object[63] == 0 &&
		    talloc_get_size(object) == 64;

	good = talloc_free(object) == 0 && good;
	return say("cache", talloc_free(cache) == 0 && good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	good &= test_reference();
	good &= test_cache();
	good &= test_time();
	return good;
}
