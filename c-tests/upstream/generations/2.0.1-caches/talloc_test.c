/*
 * The variant's second program: no tests that are named, no helper headers but
 * the list beside it; objects of a static pool cache in that list.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <talloc.h>
#include "list.h"

#define OBJECTS 50

struct order {
	struct list link;
	int number;
	char item[40];
};

static int delivered;

static int deliver(struct order *order)
{
	delivered += order->number;
	return 0;
}

int main(void)
{
	struct list orders;
	struct timeval start, end;
	void *shop = talloc_new(NULL);
	void *cache = talloc_pool_cache(shop, OBJECTS * sizeof(struct order), sizeof(struct order));
	int round, i, sum = 0;

	list_start(&orders);
	gettimeofday(&start, NULL);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < OBJECTS; i++) {
			struct order *order = i % 2 ? talloc_cache(cache) : talloc_cache_zero(cache);

			assert(order != NULL);
			assert(i % 2 || order->item[39] == 0);
			memset(order->item, 'x', sizeof(order->item));
			order->number = i;
			talloc_set_destructor(order, deliver);
			list_add(&orders, &order->link);
			sum += i;
		}
		assert(talloc_cache(cache) == NULL);
		assert(talloc_total_blocks(cache) == OBJECTS + 1);
		while (orders.after != &orders) {
			struct order *order = LIST_MEMBER(orders.after, struct order, link);

			list_take(&order->link);
			assert(talloc_free(order) == 0);
		}
	}
	gettimeofday(&end, NULL);
	assert(delivered == sum);
	talloc_free(shop);
	printf("%d objects in %ld microseconds\n", 100 * OBJECTS,
	       (end.tv_sec - start.tv_sec) * 1000000L + end.tv_usec - start.tv_usec);
	return 0;
}
