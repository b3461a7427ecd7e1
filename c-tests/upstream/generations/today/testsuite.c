/*
 * The shape that may come: all that times is the helpers', and so are the
 * program and the header of the tests.
 */
#include "replace.h"
#include "system/time.h"
#include "system/wait.h"
#include "system/filesys.h"
#include "system/dir.h"
#include "system/threads.h"
#include <talloc.h>
#include "talloc_testsuite.h"

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

static bool test_between(void)
{
	struct timeval from = { 10, 900000 }, to = { 12, 150000 };
	double seconds = timeval_elapsed2(&from, &to);

	return say("between", seconds > 1.249 && seconds < 1.251);
}

static bool test_burn(void)
{
	struct {
		int before;
		char secret[16];
		int after;
	} *login = talloc_zero(NULL, __typeof__(*login));
	bool good;

	memset(login, 0xff, sizeof(*login));
	BURN_PTR_SIZE(login->secret, ARRAY_SIZE(login->secret));
	good = login->before == -1 && login->after == -1 && login->secret[0] == 0 &&
	       memcmp(login->secret, login->secret + 1, 15) == 0;
	talloc_free(login);
	return say("burn", good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	good &= test_between();
	good &= test_burn();
	good &= test_time();
	return good;
}
