/* Texts below one parent, one moved, all freed. */
#include <stdio.h>
#include <talloc.h>

struct item {
	int number;
	char *text;
};

static int freed;

static int count(struct item *item)
{
	freed += item->number;
	return 0;
}

int main(void)
{
	void *top = talloc_new(NULL);
	struct item *item = NULL;

	for (int i = 1; i <= 10; i++) {
		item = talloc(top, struct item);
		item->number = i;
		item->text = talloc_asprintf(item, "item %d", i);
		talloc_set_destructor(item, count);
	}
	talloc_steal(NULL, item);
	printf("%zu blocks, %s\n", talloc_total_blocks(top), item->text);
	talloc_free(top);
	printf("%d, %s\n", freed, talloc_get_name(item));
	talloc_free(item);
	printf("%d\n", freed);
	return 0;
}
