#include <talloc.h>

int main(void)
{
	void *cache = talloc_pool_cache(NULL, 100, 10);
	int i;

	for (i = 0; i < 10; i++)
		if (talloc_cache(cache) == NULL)
			return 0;
	/* an eleventh of ten */
	return talloc_cache(cache) == NULL ? 1 : 0;
}
