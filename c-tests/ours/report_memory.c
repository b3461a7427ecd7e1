/*
 * What a report needs while it is made: a third of what the chunks have, or less. And
 * it names each chunk, whose name is long and lies in the tree, over many blocks of notes.
 */
#include "../test.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* KiB, of /proc/self/status. */
static long status(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long value = -1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = atol(line + strlen(key));
	if (f != NULL)
		fclose(f);
	return value;
}

static void needs_a_third_of_the_chunks(void)
{
	enum { COUNT = 300000 };
	FILE *f = fopen("/dev/null", "w");
	void *top = talloc_new(NULL);
	long most;
	int i;

	for (i = 0; i < COUNT; i++)
		talloc_size(top, 1);
	if (status("VmHWM:") < 0) {
		printf("skip - this kernel does not tell the most memory\n");
	} else {
		most = status("VmHWM:") + COUNT / 1024 * OUR_HEADER / 2 + 1024;
		talloc_report_full(top, f);
		CHECK(status("VmHWM:") <= most);
	}
	fclose(f);
	talloc_free(top);
}

static void names_each(void)
{
	enum { COUNT = 20000 };
	void *top = talloc_named_const(NULL, 0, "top");
	char *text = NULL, *line, *rest, *wanted;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int i, equal = 0;

	for (i = 0; i < COUNT; i++) {
		void *p = talloc_size(top, 3);

		talloc_set_name(p, "%0*d", 1 + i * 7 % 300, i);
		if (i % 3 == 0)
			talloc_set_memlimit(p, 100000 + (size_t)i);
		if (i % 5 == 0)
			talloc_reference(p, top);
	}
	talloc_report_full(top, f);
	fclose(f);
	line = strtok_r(text, "\n", &rest);
	for (i = COUNT - 1; i >= 0; i--) {
		/* Up to its child, the name. */
		wanted = talloc_asprintf(NULL, "    %0*d ", 1 + i * 7 % 300, i);
		do {
			line = strtok_r(NULL, "\n", &rest);
		} while (line != NULL && (strncmp(line, wanted, strlen(wanted)) != 0 ||
					  strstr(line, " contains ") == NULL));
		if (line != NULL && strstr(line, "blocks (ref 0)") != NULL)
			equal++;
		talloc_free(wanted);
	}
	CHECK(equal == COUNT);
	free(text);
	talloc_free(top);
}

int main(void)
{
	RUN(needs_a_third_of_the_chunks);
	RUN(names_each);
	TEST_END();
}
