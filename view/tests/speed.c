/* A million chunks; "end" when they are there. */
#include <stdio.h>
#include <stdlib.h>
#include <talloc.h>

int main(void)
{
	void *top, *parent, *item;
	char line[100];
	int i, k;

	while (fgets(line, sizeof line, stdin) != NULL) {
		top = talloc_named_const(NULL, 0, "top");
		for (i = 0; i < 1000; i++) {
			parent = talloc_named_const(top, 100, "struct thing");
			for (k = 0; k < 500; k++) {
				item = talloc_named_const(parent, 40, "item");
				if (talloc_asprintf(item, "text %d", k) == NULL)
					abort();
			}
		}
		printf("end\n");
		fflush(stdout);
	}
	return 0;
}
