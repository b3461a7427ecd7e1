/* A small process for memory.sh: `memory N` makes and frees a few chunks, N times. */
#include <fcntl.h>
#include <stdlib.h>
#include <talloc.h>
#include <unistd.h>

/* Reads without malloc: what is printed is what there was. */
static void print(const char *path)
{
	static char text[1 << 16];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		_exit(3);
	while ((n = read(fd, text, sizeof(text))) > 0)
		if (write(STDOUT_FILENO, text, (size_t)n) != n)
			_exit(3);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	void *all = rounds > 0 ? talloc_new(NULL) : NULL;

	for (int i = 0; i < rounds; i++) {
		char *text = talloc_strdup(all, "a text of a few words");
		void *some = talloc_size(all, 64);

		if (text == NULL || some == NULL || talloc_zero_size(some, 100) == NULL)
			return 3;
		if (i % 2)
			talloc_free(some);
	}
	if (all != NULL)
		talloc_free(all);
	print("/proc/self/smaps");
	return 0;
}
