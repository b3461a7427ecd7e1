/* docs/debugging.md: bugs to be found. One argument says which. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

struct request {
	char name[16];
};

static void overrun(void *pool)
{
	char *text = talloc_strdup(pool, "seven b");

	talloc_zero(pool, struct request);
	strcpy(text, "seven bytes and more");
}

static void after_free(void *pool)
{
	struct request *r = talloc_zero(pool, struct request);

	talloc_free(r);
	r->name[0] = 'x';
}

static void twice(void *pool)
{
	struct request *r = talloc_zero(pool, struct request);

	talloc_free(r);
	talloc_free(r);
}

static void forgotten(void)
{
	talloc_zero(NULL, struct request); /* no parent, and nobody knows where it is */
}

static void fills(void *ctx)
{
	for (int i = 0; i < 1000; i++)
		talloc_asprintf(ctx, "line %d of a log that nobody reads", i);
}

int main(int argc, char **argv)
{
	const char *bug = argc > 1 ? argv[1] : "";
	void *pool = talloc_pool(NULL, 4096);

	talloc_set_log_stderr();
	if (strcmp(bug, "overrun") == 0)
		overrun(pool);
	else if (strcmp(bug, "after_free") == 0)
		after_free(pool);
	else if (strcmp(bug, "twice") == 0)
		twice(pool);
	else if (strcmp(bug, "forgotten") == 0)
		forgotten();
	else if (strcmp(bug, "fills") == 0)
		fills(pool);
	else
		return 2;
	talloc_free(pool);
	return 0;
}
