/*
 * The shape of the oldest: everything in one file, the program as well; no
 * header of the tests' own. It times with functions of its own.
 */
#include "replace.h"
#include "system/time.h"
#include "talloc.h"

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

static bool test_tree(void)
{
	char *root = talloc_strdup(NULL, "root"), *leaf = talloc_strdup(root, "leaf");
	bool good = talloc_parent(leaf) == root && talloc_total_blocks(root) == 2;

	return say("tree", talloc_free(root) == 0 && good);
}

struct torture_context;
bool torture_local_talloc(struct torture_context *tctx);

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = test_tree();

	return test_time() && good;
}

int main(void)
{
	return torture_local_talloc(NULL) ? 0 : -1;
}
