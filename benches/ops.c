/*
 * One workload, COUNT times: what benches/ops.sh counts the instructions of.
 *
 * usage: ops WORKLOAD COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

static void *root, *pool, *text;

static void churn(int i)
{
	(void)i;
	talloc_free(talloc_named_const(root, 48, "churn"));
}

static void tree_of_three(const void *ctx, int i)
{
	void *p = talloc_size(ctx, (size_t)(i % 100));

	talloc_strdup(p, "foo bar");
	talloc_size(p, 64);
	talloc_free(p);
}

static void tree3(int i)
{
	tree_of_three(root, i);
}

static void pool_tree3(int i)
{
	tree_of_three(pool, i);
}

static void formatted(int i)
{
	talloc_free(talloc_asprintf(root, "%d %s", i, "hello"));
}

static void memdup(int i)
{
	talloc_free(talloc_memdup(root, &i, sizeof(i)));
}

static void wide(int i)
{
	(void)i;
	talloc_named_const(root, 48, "wide");
}

static void reference(int i)
{
	(void)i;
	talloc_reference(root, text);
	talloc_unlink(root, text);
}

static void zeroed(int i)
{
	(void)i;
	talloc_free(talloc_zero_size(root, 64));
}

static void append(int i)
{
	text = talloc_strdup_append_buffer(text, "seven b");
	if (i % 100 == 99) {
		talloc_free(text);
		text = talloc_strdup(pool, "");
	}
}

static const struct {
	const char *name;
	void (*run)(int i);
} workloads[] = {
	{ "churn", churn },   { "tree3", tree3 },         { "pool_tree3", pool_tree3 },
	{ "memdup", memdup }, { "formatted", formatted }, { "zeroed", zeroed },
	{ "wide", wide },     { "reference", reference }, { "append", append },
};

int main(int argc, char **argv)
{
	size_t w;
	int i, count = argc == 3 ? atoi(argv[2]) : 0;

	for (w = 0; w < sizeof(workloads) / sizeof(workloads[0]); w++) {
		if (argc == 2 && strcmp(argv[1], "list") == 0)
			puts(workloads[w].name);
		if (argc != 3 || strcmp(argv[1], workloads[w].name) != 0)
			continue;
		root = talloc_new(NULL);
		pool = talloc_pool(NULL, 10240);
		text = talloc_strdup(pool, "");
		for (i = 0; i < count; i++)
			workloads[w].run(i);
		talloc_free(text);
		talloc_free(pool);
		talloc_free(root);
		return 0;
	}
	return argc == 2 ? 0 : 2;
}
