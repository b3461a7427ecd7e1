/*
 * The shape of 2.5.0, without a program and a header beside it: it burns, and
 * has one function that times; the other is the helpers'.
 */
#include "replace.h"
#include "system/time.h"
#include "system/threads.h"
#include <talloc.h>
#include "talloc_testsuite.h"

static inline struct timeval timeval_current(void)
{
	struct timeval now = { 0 };

	gettimeofday(&now, NULL);
	return now;
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

static bool test_burn(void)
{
	uint8_t key[32];
	uint8_t *copy;
	size_t i;
	bool good;

	memset(key, 0xa5, sizeof(key));
	copy = talloc_memdup(NULL, key, sizeof(key));
	good = copy != NULL && memcmp(copy, key, sizeof(key)) == 0;
	BURN_PTR_SIZE(key, sizeof(key));
	BURN_PTR_SIZE(copy, talloc_get_size(copy));
	for (i = 0; i < sizeof(key); i++)
		good &= key[i] == 0 && copy[i] == 0;
	talloc_free(copy);
	return say("burn", good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	good &= test_burn();
	good &= test_time();
	return good;
}
