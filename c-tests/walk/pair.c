/*
 * Runs the walk (walk.c) on this library and on the original, each in a process
 * of its own, and compares what they write.
 *
 *	pair [options] LIBDIR
 *
 *	--calls N      stop after so many calls of the walk (default 300000)
 *	--minutes M    go on for so long instead, with progress on the terminal
 *	--seed S       this seed only; with --calls or --minutes: from this one on
 *	--steps N      steps of each walk (default 1500)
 *	--original D   where the original is, if the loader does not find it
 *	--walk FILE    the walk; default: "walk" beside this program
 *	--no-shrink    differences are not shrunk
 *	--explain      shrink the cases where only the original fails, too
 *	--no-wild      leave out the walks of ours alone in which nothing is avoided
 *
 * Exit status: 0 no difference (or no original to compare with), 1 a difference,
 * 2 it could not run.
 *
 * A difference is shrunk: steps are left out as long as the two still differ.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_TABLE 128

static const char *walk_path;
static const char *original_dir;
static char ours_dir[4096];      /* a copy, so that a rebuild does no harm */
static unsigned steps = 1500;
static unsigned time_limit = 20; /* seconds for one walk */

static char *functions[MAX_TABLE], *profiles[MAX_TABLE], *avoided[MAX_TABLE],
	*silent[MAX_TABLE];
static size_t n_functions, n_profiles, n_avoided, n_silent;

static void die(const char *what)
{
	fprintf(stderr, "pair: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one walk ----------------------------------------------------------- */

struct run {
	char *text;
	size_t used, room;
	int status;
	bool late;
	pid_t pid;
	int fd;
};

static void start(struct run *run, const char *dir, char *const *argv)
{
	int fds[2];

	run->used = 0;
	run->late = false;
	if (run->room == 0) {
		run->room = 1 << 18;
		run->text = malloc(run->room);
	}
	if (run->text == NULL || pipe2(fds, O_CLOEXEC) != 0)
		die("pipe");
	run->pid = fork();
	if (run->pid < 0)
		die("fork");
	if (run->pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		dup2(null, 0);
		dup2(fds[1], 1);
		dup2(null, 2);
		if (dir != NULL)
			setenv("LD_LIBRARY_PATH", dir, 1);
		else
			unsetenv("LD_LIBRARY_PATH");
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	run->fd = fds[0];
}

/* Reads what there is; false at the end. */
static bool collect(struct run *run)
{
	ssize_t n;

	if (run->room - run->used < 1 << 16) {
		run->room *= 2;
		run->text = realloc(run->text, run->room);
		if (run->text == NULL)
			die("realloc");
	}
	n = read(run->fd, run->text + run->used, run->room - run->used - 1);
	if (n > 0) {
		run->used += (size_t)n;
		return true;
	}
	return false;
}

static void finish(struct run *run)
{
	close(run->fd);
	run->text[run->used] = '\0';
	waitpid(run->pid, &run->status, 0);
}

/* One or more libraries at once, the original first or left out. */
static void run_walks(struct run *runs, int n, uint64_t seed, unsigned number, const char *only,
		      unsigned every, const char *flag)
{
	char seed_text[24], number_text[24], every_text[24];
	struct pollfd fds[2];
	double end = now() + time_limit;
	char *argv[12];
	int argc = 0, open_ones = n;

	snprintf(seed_text, sizeof(seed_text), "%llu", (unsigned long long)seed);
	snprintf(number_text, sizeof(number_text), "%u", number);
	snprintf(every_text, sizeof(every_text), "%u", every);
	argv[argc++] = (char *)walk_path;
	argv[argc++] = "-d";
	argv[argc++] = every_text;
	if (flag != NULL)
		argv[argc++] = (char *)flag;
	if (only != NULL) {
		argv[argc++] = "-o";
		argv[argc++] = (char *)only;
	}
	argv[argc++] = seed_text;
	argv[argc++] = number_text;
	argv[argc] = NULL;
	for (int i = 0; i < n; i++) {
		start(&runs[i], i + 1 < n ? original_dir : ours_dir, argv);
		fds[i] = (struct pollfd){ .fd = runs[i].fd, .events = POLLIN };
	}
	while (open_ones > 0) {
		double left = end - now();

		if (left <= 0 || runs[0].used > 1 << 28 || runs[n - 1].used > 1 << 28) {
			for (int i = 0; i < n; i++) {
				if (fds[i].fd < 0)
					continue;
				runs[i].late = true;
				/* the group: its children too */
				kill(-runs[i].pid, SIGKILL);
				kill(runs[i].pid, SIGKILL);
			}
			break;
		}
		poll(fds, (nfds_t)n, (int)(left * 1000) + 1);
		for (int i = 0; i < n; i++) {
			if (fds[i].fd >= 0 && fds[i].revents != 0 && !collect(&runs[i])) {
				fds[i].fd = -1;
				open_ones--;
			}
		}
	}
	for (int i = 0; i < n; i++) {
		finish(&runs[i]);
		if (WIFEXITED(runs[i].status) && WEXITSTATUS(runs[i].status) == 127) {
			fprintf(stderr, "pair: %s does not run\n", walk_path);
			exit(2);
		}
	}
}

/* ---- comparing ---------------------------------------------------------- */

enum verdict { SAME, DIFFERENT, OURS_FAILED, ORIGINAL_FAILED };

struct compared {
	enum verdict verdict;
	unsigned step;           /* where it was seen */
	char how[160];
};

static bool failed(const struct run *run)
{
	return run->late || !WIFEXITED(run->status) || WEXITSTATUS(run->status) != 0;
}

static const char *how_failed(const struct run *run)
{
	static char text[2][64];
	static unsigned next;
	char *t = text[next++ % 2];

	if (run->late)
		snprintf(t, sizeof(text[0]), "hangs");
	else if (WIFSIGNALED(run->status))
		snprintf(t, sizeof(text[0]), "%s", strsignal(WTERMSIG(run->status)));
	else
		snprintf(t, sizeof(text[0]), "ends with status %d", WEXITSTATUS(run->status));
	return t;
}

/* The number of the last step that begins before a place. */
static unsigned step_at(const char *text, size_t at)
{
	while (at > 0) {
		at--;
		if (text[at] == '#' && (at == 0 || text[at - 1] == '\n'))
			return (unsigned)atoi(text + at + 1);
	}
	return 0;
}

/* Did the step that begins before a place die in a child process?  A "fault"
 * is meant to. */
static bool child_died(const char *text, size_t at)
{
	const char *begin, *end, *died;

	while (at > 0 && !(text[at] == '#' && text[at - 1] == '\n'))
		at--;
	begin = text + at;
	end = strstr(begin, "\n#");
	died = strstr(begin, "\n    ended by signal ");
	if (died == NULL || (end != NULL && died > end))
		return false;
	begin += strcspn(begin, " \n");
	return strncmp(begin, " fault", 6) != 0;
}

static void compare(struct run runs[2], struct compared *c)
{
	size_t same = 0, line = 0;
	unsigned last;

	c->verdict = SAME;
	c->step = 0;
	while (same < runs[0].used && same < runs[1].used &&
	       runs[0].text[same] == runs[1].text[same]) {
		same++;
		if (runs[0].text[same - 1] == '\n')
			line = same;
	}
	if (failed(&runs[1])) {
		c->verdict = OURS_FAILED;
		c->step = step_at(runs[1].text, runs[1].used);
		snprintf(c->how, sizeof(c->how), "ours: %s%s%s", how_failed(&runs[1]),
			 failed(&runs[0]) ? "; original: " : "",
			 failed(&runs[0]) ? how_failed(&runs[0]) : "");
		return;
	}
	if (same == runs[0].used && same == runs[1].used && !failed(&runs[0]))
		return;
	/* the step itself begins the line in which they differ, or stands before */
	c->step = step_at(runs[0].text, line + (line < runs[0].used));
	if (failed(&runs[0])) {
		/* what it wrote in its last step but one may be trusted, more not */
		last = step_at(runs[0].text, runs[0].used);
		snprintf(c->how, sizeof(c->how), "original: %s in step %u, ours goes on",
			 how_failed(&runs[0]), last);
		if (c->step + 1 >= last) {
			c->verdict = ORIGINAL_FAILED;
			c->step = last;
			return;
		}
	} else if (child_died(runs[0].text, line) && !child_died(runs[1].text, line)) {
		c->verdict = ORIGINAL_FAILED;
		snprintf(c->how, sizeof(c->how),
			 "original: dies in a child process of step %u, ours goes on", c->step);
		return;
	} else {
		snprintf(c->how, sizeof(c->how), "transcripts differ");
	}
	c->verdict = DIFFERENT;
}

/* ---- shrinking ---------------------------------------------------------- */

/* One walk of ours in which nothing is avoided. */
static bool survives(struct run *alone, uint64_t seed)
{
	run_walks(alone, 1, seed, steps, NULL, 8, "-w");
	return !failed(alone) && strstr(alone->text, "\n@complaints 0\n") != NULL;
}

/* A list of step numbers as the walk wants it. */
static char *as_list(const unsigned *list, size_t n)
{
	char *text = malloc(n * 12 + 2), *t = text;

	if (text == NULL)
		die("malloc");
	*t = '\0';
	for (size_t i = 0; i < n;) {
		size_t k = i;

		while (k + 1 < n && list[k + 1] == list[k] + 1)
			k++;
		t += sprintf(t, "%s%u", i > 0 ? "," : "", list[i]);
		if (k > i)
			t += sprintf(t, "-%u", list[k]);
		i = k + 1;
	}
	if (n == 0)
		strcpy(text, "0");
	return text;
}

static struct run shrink_runs[2];

static bool still(uint64_t seed, unsigned number, const unsigned *list, size_t n,
		  enum verdict wanted)
{
	struct compared c;
	char *text = as_list(list, n);

	run_walks(shrink_runs, 2, seed, number, text, 1, NULL);
	free(text);
	compare(shrink_runs, &c);
	return c.verdict == wanted;
}

/* Leaves out ever smaller parts as long as the verdict is the same. */
static size_t shrink(uint64_t seed, unsigned number, unsigned *list, size_t n,
		     enum verdict wanted)
{
	unsigned *without = malloc((n + 1) * sizeof(*without));
	unsigned was = time_limit;
	double end = now() + 120;
	size_t part = n;
	bool some;

	if (without == NULL)
		die("malloc");
	time_limit = 3;
	do {
		some = false;
		part = part > 1 ? (part + 1) / 2 : 1;
		for (size_t at = 0; at < n && now() < end;) {
			size_t len = at + part < n ? part : n - at;

			memcpy(without, list, at * sizeof(*list));
			memcpy(without + at, list + at + len, (n - at - len) * sizeof(*list));
			if (still(seed, number, without, n - len, wanted)) {
				n -= len;
				memcpy(list, without, n * sizeof(*list));
				some = true;
			} else {
				at += len;
			}
		}
	} while ((part > 1 || some) && now() < end);
	time_limit = was;
	free(without);
	return n;
}

static const char *line_of(const char *text, char *line, size_t room)
{
	size_t n = strcspn(text, "\n");

	snprintf(line, room, "%.*s", (int)n, text);
	return text[n] == '\n' ? text + n + 1 : text + n;
}

/* A line of a digest. */
static bool is_state(const char *line)
{
	size_t n = strspn(line, " ");

	return n == 4 && (strncmp(line + n, "all: ", 5) == 0 ||
			  strncmp(line + n, "AUTOFREE: ", 10) == 0 ||
			  (line[n] == 'c' && strspn(line + n + 1, "0123456789_") > 0 &&
			   strstr(line, " bytes in ") != NULL));
}

/* Both transcripts in one, from the first difference on side by side, up to the
 * end of the step that differs; of the states before, only the last one. */
static void show(struct run runs[2])
{
	static const char *const who[] = { "original", "ours" };
	const char *a = runs[0].text, *b = runs[1].text;
	const char *last = a, *before_last = a;
	char x[1000], y[1000];
	size_t same = 0;

	while (a[same] != '\0' && a[same] == b[same]) {
		same++;
		if (a[same - 1] == '\n' && a[same] == '#') {
			before_last = last;
			last = a + same;
		}
	}
	while (*a != '\0' && *b != '\0') {
		const char *next_a = line_of(a, x, sizeof(x));
		const char *next_b = line_of(b, y, sizeof(y));

		if (strcmp(x, y) != 0)
			break;
		if (x[0] != '@' && (a >= before_last || !is_state(x)))
			printf("    %s\n", x);
		a = next_a;
		b = next_b;
	}
	for (int i = 0; i < 2; i++) {
		const char *t = i == 0 ? a : b;
		int n = 0;

		printf("  %s%s:\n", who[i], failed(&runs[i]) ? " (which fails)" : "");
		while (*t != '\0' && (n == 0 || *t != '#') && n < 14) {
			t = line_of(t, x, sizeof(x));
			if (x[0] != '@')
				printf("    %s\n", x);
			n++;
		}
	}
}

static void explain(uint64_t seed, const struct compared *found, bool may_shrink)
{
	unsigned number = found->step < steps ? found->step : steps;
	unsigned *list = malloc((number + 1) * sizeof(*list));
	struct compared c;
	size_t n = number;
	char *text;

	if (list == NULL)
		die("malloc");
	for (unsigned i = 0; i < number; i++)
		list[i] = i + 1;
	if (!still(seed, number, list, n, found->verdict)) {
		/* seen at the end of the walk only */
		n = steps;
		number = steps;
		list = realloc(list, (n + 1) * sizeof(*list));
		if (list == NULL)
			die("realloc");
		for (unsigned i = 0; i < number; i++)
			list[i] = i + 1;
	}
	if (may_shrink)
		n = shrink(seed, number, list, n, found->verdict);
	text = as_list(list, n);
	run_walks(shrink_runs, 2, seed, number, text, 1, "-v");
	compare(shrink_runs, &c);
	printf("  shrunk to %zu steps: walk -v -d1 -o %s %llu %u\n", n, n < 200 ? text : "...",
	       (unsigned long long)seed, number);
	show(shrink_runs);
	fflush(stdout);
	free(text);
	free(list);
}

/* ---- coverage ----------------------------------------------------------- */

static unsigned long long calls[MAX_TABLE], turned_back[MAX_TABLE];
static unsigned char *pairs;
static unsigned long long all_calls;

static void note(const char *text)
{
	const char *at = strstr(text, "\n@calls");
	char *end;

	if (at == NULL)
		return;
	end = (char *)at + 7;
	for (size_t i = 0; i < n_functions; i++) {
		unsigned long n = strtoul(end, &end, 10);

		calls[i] += n;
		all_calls += n;
	}
	at = strstr(text, "\n@avoided");
	end = at != NULL ? (char *)at + 9 : "";
	for (size_t i = 0; i < n_avoided; i++)
		turned_back[i] += strtoul(end, &end, 10);
	at = strstr(text, "\n@pairs ");
	if (at == NULL)
		return;
	at += 8;
	for (size_t i = 0; i < n_functions * n_functions && at[i] >= '0'; i++)
		pairs[i] |= at[i] == '1';
}

/* ---- setting up --------------------------------------------------------- */

static void keep(char *table[], size_t *n, const char *text)
{
	if (*n < MAX_TABLE)
		table[(*n)++] = strdup(text);
}

/* Asks the walk which library it gets; says whether it is ours. */
static bool about(const char *dir, char *library, size_t room, bool tables)
{
	char *argv[] = { (char *)walk_path, "-V", NULL };
	struct run run = { 0 };
	bool ours = false;
	char line[1000];

	start(&run, dir, argv);
	while (collect(&run))
		;
	finish(&run);
	library[0] = '\0';
	for (const char *t = run.text; *t != '\0';) {
		t = line_of(t, line, sizeof(line));
		if (strncmp(line, "library ", 8) == 0)
			snprintf(library, room, "%s", line + 8);
		else if (strcmp(line, "ours") == 0)
			ours = true;
		else if (!tables)
			continue;
		else if (strncmp(line, "function ", 9) == 0)
			keep(functions, &n_functions, line + 9);
		else if (strncmp(line, "profile ", 8) == 0)
			keep(profiles, &n_profiles, line + 8);
		else if (strncmp(line, "avoided ", 8) == 0)
			keep(avoided, &n_avoided, line + 8);
		else if (strncmp(line, "silent ", 7) == 0)
			keep(silent, &n_silent, line + 7);
	}
	free(run.text);
	return ours;
}

static char copied[4200];

static void remove_copy(void)
{
	if (copied[0] != '\0') {
		unlink(copied);
		rmdir(ours_dir);
	}
}

static void on_signal(int sig)
{
	remove_copy();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void copy_library(const char *from_dir)
{
	const char *tmp = getenv("TMPDIR");
	char from[4200], bytes[1 << 16];
	size_t n;
	FILE *in, *out;

	snprintf(from, sizeof(from), "%s/libtalloc.so.2", from_dir);
	snprintf(ours_dir, sizeof(ours_dir), "%s/talloc-pair.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(ours_dir) == NULL)
		die(ours_dir);
	snprintf(copied, sizeof(copied), "%s/libtalloc.so.2", ours_dir);
	atexit(remove_copy);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	in = fopen(from, "rb");
	if (in == NULL)
		die(from);
	out = fopen(copied, "wb");
	if (out == NULL)
		die(copied);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0) {
		if (fwrite(bytes, 1, n, out) != n)
			die(copied);
	}
	fclose(in);
	if (fclose(out) != 0)
		die(copied);
}

static void usage(void)
{
	fprintf(stderr, "usage: pair [--calls N] [--minutes M] [--seed S] [--steps N]\n"
			"            [--original DIR] [--walk FILE] [--no-shrink] [--explain]\n"
			"            [--no-wild] LIBDIR\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned long long want_calls = 300000, seed = 1, last_seed = UINT64_MAX;
	double minutes = 0, begin = now(), said = begin;
	bool wild = true, may_shrink = true, explain_all = false, bounded = false, one = false;
	const char *libdir = NULL;
	char library[2][1000], beside[4096];
	struct run runs[2] = { { 0 }, { 0 } }, alone = { 0 };
	unsigned long long seeds = 0, differences = 0, ours_failed = 0, survived = 0, reached = 0;
	unsigned long long per_profile[MAX_TABLE] = { 0 };
	size_t used = 0;
	double took;

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--calls") == 0)
			want_calls = strtoull(next, NULL, 10), bounded = true, i++;
		else if (strcmp(argv[i], "--minutes") == 0)
			minutes = atof(next), i++;
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(next, NULL, 10), one = true, i++;
		else if (strcmp(argv[i], "--steps") == 0)
			steps = (unsigned)atoi(next), i++;
		else if (strcmp(argv[i], "--original") == 0)
			original_dir = next, i++;
		else if (strcmp(argv[i], "--walk") == 0)
			walk_path = next, i++;
		else if (strcmp(argv[i], "--no-shrink") == 0)
			may_shrink = false;
		else if (strcmp(argv[i], "--no-wild") == 0)
			wild = false;
		else if (strcmp(argv[i], "--explain") == 0)
			explain_all = true;
		else if (argv[i][0] == '-' || libdir != NULL)
			usage();
		else
			libdir = argv[i];
	}
	if (libdir == NULL || steps == 0)
		usage();
	if (one && !bounded && minutes == 0)
		last_seed = seed;
	if (walk_path == NULL) {
		const char *slash = strrchr(argv[0], '/');

		snprintf(beside, sizeof(beside), "%.*swalk",
			 slash != NULL ? (int)(slash - argv[0] + 1) : 0, argv[0]);
		walk_path = slash != NULL ? beside : "./walk";
	}
	if (minutes > 0 && !one)
		seed = (unsigned long long)time(NULL) % 1000000 * 1000;

	copy_library(libdir);
	if (!about(ours_dir, library[1], sizeof(library[1]), true)) {
		printf("not ok - walk: %s/libtalloc.so.2 does not run\n", libdir);
		return 1;
	}
	if (about(original_dir, library[0], sizeof(library[0]), false) || library[0][0] == '\0') {
		printf("ok - walk # SKIP no other libtalloc.so.2 on this system to compare with\n");
		return 0;
	}
	pairs = calloc(n_functions, n_functions);
	if (pairs == NULL)
		die("calloc");
	printf("original: %s\nours: %s/libtalloc.so.2 (%s)\n", library[0], libdir,
	       strrchr(library[1], ' ') != NULL ? strrchr(library[1], ' ') + 1 : "?");
	printf("from seed %llu, %u steps each\n", seed, steps);
	fflush(stdout);

	for (; seed <= last_seed; seed++) {
		struct compared c;

		if (minutes > 0 ? now() - begin > minutes * 60
				: last_seed == UINT64_MAX && all_calls >= want_calls)
			break;
		run_walks(runs, 2, seed, steps, NULL, 8, NULL);
		compare(runs, &c);
		note(runs[1].text);
		seeds++;
		per_profile[seed % n_profiles]++;
		if (c.verdict != SAME) {
			printf("seed %llu (%s), step %u: %s\n", seed, profiles[seed % n_profiles],
			       c.step, c.how);
			fflush(stdout);
			differences += c.verdict == DIFFERENT;
			ours_failed += c.verdict == OURS_FAILED;
			survived += c.verdict == ORIGINAL_FAILED;
			if (explain_all || (may_shrink && c.verdict != ORIGINAL_FAILED &&
					    differences + ours_failed <= 10))
				explain(seed, &c, may_shrink);
		}
		/* where the original would not get through, ours has to */
		if (wild && !survives(&alone, seed)) {
			printf("seed %llu (%s), nothing avoided: ours: %s (walk -w %llu %u)\n", seed,
			       profiles[seed % n_profiles],
			       failed(&alone) ? how_failed(&alone) : "corrupts", seed, steps);
			ours_failed++;
		}
		if (isatty(2) && now() - said > 1) {
			said = now();
			fprintf(stderr, "\r%.0f s: %llu seeds, %llu calls, %llu differences ",
				said - begin, seeds, all_calls, differences + ours_failed);
		}
	}
	if (isatty(2))
		fprintf(stderr, "\n");
	took = now() - begin;

	for (size_t i = 0; i < n_functions; i++) {
		used += calls[i] > 0;
		for (size_t k = 0; k < n_functions; k++)
			reached += pairs[i * n_functions + k];
	}
	printf("\ncalls per function:\n");
	for (size_t i = 0; i < n_functions; i++)
		printf("  %8llu %s%s", calls[i], functions[i], i % 2 == 1 ? "\n" : "");
	printf("\nprofiles (walks):");
	for (size_t i = 0; i < n_profiles; i++)
		printf(" %s %llu", profiles[i], per_profile[i]);
	printf("\ndeliberate differences, avoided so often:\n");
	for (size_t i = 0; i < n_avoided; i++)
		printf("  %8llu %s\n", turned_back[i], avoided[i]);
	printf("never printed:\n");
	for (size_t i = 0; i < n_silent; i++)
		printf("  %s\n", silent[i]);
	printf("\n%llu calls in %llu walks, %.1f s, %.0f calls/s\n", all_calls, seeds, took,
	       took > 0 ? (double)all_calls / took : 0);
	printf("functions: %zu of %zu; pairs (one after the other): %llu of %zu\n", used, n_functions,
	       reached, n_functions * n_functions);
	printf("differences: %llu; ours failed: %llu; only the original failed: %llu\n", differences,
	       ours_failed, survived);
	if (differences + ours_failed > 0) {
		printf("not ok - walk: %llu of %llu walks differ\n", differences + ours_failed, seeds);
		return 1;
	}
	printf("ok - walk: %llu calls compared, %zu functions, %llu pairs\n", all_calls, used,
	       reached);
	return 0;
}
