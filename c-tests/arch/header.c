/* Prints how many bytes the header of a chunk takes: the distance of two in a pool. */
#include <stdio.h>
#include <talloc.h>

int main(void)
{
	void *pool = talloc_pool(NULL, 1000);
	char *a = talloc_size(pool, 64), *b = talloc_size(pool, 64);

	printf("%d\n", (int)(b - a) - 64);
	return talloc_free(pool);
}
