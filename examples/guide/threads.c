/* Guide, chapter 8: threads. */
#include <pthread.h>
#include <stdio.h>
#include <talloc.h>

enum { COUNT = 4 };

struct answer {
	int sum;
};

/* part: worker */
/* A tree of its own: nobody else knows it, so no lock is needed. */
static void *work(void *argument)
{
	int up_to = *(const int *)argument;
	TALLOC_CTX *mine = talloc_new(NULL);
	int *numbers = talloc_array(mine, int, up_to);
	struct answer *answer = talloc_zero(mine, struct answer);

	if (numbers == NULL || answer == NULL)
		return NULL;
	for (int i = 0; i < up_to; i++)
		answer->sum += numbers[i] = i + 1;
	talloc_steal(NULL, answer); /* out of this tree, to be handed over */
	talloc_free(mine);
	return answer;
}
/* end */

int main(void)
{
	/* part: join */
	pthread_t thread[COUNT];
	int up_to[COUNT] = { 10, 100, 1000, 10000 };
	void *answers = talloc_new(NULL), *result;

	for (int i = 0; i < COUNT; i++)
		if (pthread_create(&thread[i], NULL, work, &up_to[i]) != 0)
			return 1;
	for (int i = 0; i < COUNT; i++) {
		if (pthread_join(thread[i], &result) != 0 || result == NULL)
			return 1;
		talloc_steal(answers, result); /* into the tree of this thread */
		printf("1 + ... + %d = %d\n", up_to[i], ((struct answer *)result)->sum);
	}
	talloc_free(answers);
	/* end */
	return 0;
}
