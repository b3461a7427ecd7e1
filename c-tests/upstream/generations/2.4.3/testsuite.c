/*
 * The shape from 2.4.3 on: secrets are burnt.
 */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>

#ifdef HAVE_PTHREAD
#include <pthread.h>
#endif

#include "talloc_testsuite.h"

static bool say(const char *test, bool good)
{
	if (good)
		printf("success: %s\n", test);
	else
		printf("failure: %s [\nwrong\n]\n", test);
	return good;
}

static bool test_burn(void)
{
	char *secret = talloc_strdup(NULL, "secret words");
	size_t i, n = talloc_get_size(secret);
	bool good = n == 13;

	/* an argument that is more than a name */
	BURN_PTR_SIZE(secret + 1, n - (size_t)2);
	good &= secret[0] == 's';
	for (i = 1; i < n; i++)
		good &= secret[i] == 0;
	if (good)
		BURN_PTR_SIZE(secret, n);
	else
		printf("# not burnt\n");
	good &= secret[0] == 0;
	talloc_free(secret);
	return say("burn", good);
}

static bool test_addbuf(void)
{
	char *text = talloc_strdup(NULL, "1");
	bool good;

	talloc_asprintf_addbuf(&text, "+%d", 2);
	good = text != NULL && strcmp(text, "1+2") == 0;
	talloc_free(text);
	return say("addbuf", good);
}

bool torture_local_talloc(struct torture_context *tctx)
{
	bool good = true;

	good &= test_burn();
	good &= test_addbuf();
	return good;
}
