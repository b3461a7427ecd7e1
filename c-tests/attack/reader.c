/*
 * The reader who computes: he has read one, two, four or eight whole headers (head
 * and sealed destructor), knows all addresses, sizes, flags and the formulas of
 * src/mac.rs, and solves for the keys.
 *
 *   head = ((place + 1) * K1 + payload) * K2      seal = ((place + 1) * K1 + address) * K3
 *
 * usage: reader [-n PROCESSES] [TITLE]
 *
 * With one read each key is as likely as another, and what he forges is right as
 * often as a guess: in one of 2^23 tries.  That is tried and is what the exit status
 * is about (1 if it was right far more often).  With two the formula is solved bit by bit,
 * from the lowest on; how often that leads to a forged size, a header in another place,
 * and a function of his that is run, is printed as it is.
 *
 * Each process of the second part is a new one, since the keys live as long as that.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "attack.h"
#include "layout.h"

enum { READS = 8, SPREAD = 1 << 15 };

static uint64_t inverse(uint64_t k)
{
	uint64_t x = k;
	int i;

	for (i = 0; i < 5; i++)
		x *= 2 - k * x;
	return x;
}

static uint64_t state;

static uint64_t random_word(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* ---- the solver ---- */

struct reading {
	uint64_t place, payload, head;
};

/* The low bits of what K1 is if the inverse of K2 is k. */
static uint64_t place_key(const struct reading *r, uint64_t k)
{
	return (r->head * k - r->payload) * inverse(r->place + 1);
}

/* All k, as far as there is room, that fit the readings; answers how many. */
static int solve(const struct reading *r, int n, uint64_t *found, uint64_t *next)
{
	int count = 1, bit, i, j, choice;

	found[0] = 1; /* odd */
	for (bit = 0; bit < 64; bit++) {
		uint64_t mask = bit == 63 ? ~(uint64_t)0 : ((uint64_t)2 << bit) - 1;
		int kept = 0;

		for (i = 0; i < count; i++) {
			for (choice = 0; choice < (bit == 0 ? 1 : 2); choice++) {
				uint64_t k = found[i] | (uint64_t)choice << bit;
				uint64_t key = place_key(&r[0], k);

				for (j = 1; j < n; j++)
					if (((place_key(&r[j], k) ^ key) & mask) != 0)
						break;
				if (j == n && kept < SPREAD)
					next[kept++] = k;
			}
		}
		if (kept == SPREAD) /* a part of them, by chance */
			for (i = 0; i < SPREAD / 2; i++) {
				int at = (int)(random_word() % (uint64_t)kept);

				next[at] = next[--kept];
			}
		memcpy(found, next, (size_t)kept * sizeof(*found));
		count = kept;
	}
	return count;
}

/* ---- one process: reads, solves, forges ---- */

static int of_the_program(void *ptr)
{
	(void)ptr;
	return 0;
}

static const void *size_at;
static size_t size_wanted;

static int ask_for_size(const void *unused)
{
	(void)unused;
	return talloc_get_size(size_at) == size_wanted ? DID_RUN : DONE;
}

static int free_victim(const void *victim)
{
	talloc_free((void *)victim);
	return DONE;
}

enum { SIZE_FORGED = 1, MOVED = 2, WAS_RUN = 4, SOLVED = 8, NO_SOLUTION = 16 };

/* Destructor is a flag, the lowest but one. */
#define DTOR ((uint64_t)1 << (FLAG_BITS + 1))

static int process(int reads)
{
	static uint64_t found[SPREAD], next[SPREAD];
	struct reading r[READS];
	struct header *h[READS];
	int count, i, result = 0;
	uint64_t k2, k1, pick;
	uint64_t evil = (uintptr_t)planted, good = (uintptr_t)of_the_program;
	/* one header, before and after its chunk grew by a byte within its block */
	bool two_states = reads == 0;

	state ^= (uint64_t)getpid() << 32 ^ header_of(talloc_new(NULL))->head;
	for (i = 0; i < READS; i++) {
		/* odd sizes and even ones, in places near each other */
		char *p = talloc_named_const(talloc_new(NULL), (size_t)(40 + i), "victim");

		talloc_set_destructor((void *)p, of_the_program);
		h[i] = header_of(p);
		r[i] = (struct reading){ (uintptr_t)h[i], (uint64_t)(40 + i) | DTOR, h[i]->head };
	}
	if (two_states) {
		reads = 2;
		h[0] = h[4];
		r[0] = r[4];
		talloc_realloc_size(NULL, user_of(h[0]), 45);
		r[1] = (struct reading){ r[0].place, r[0].payload + 1, h[0]->head };
	}
	if (reads == 1) {
		/* each is as good as another */
		pick = random_word() | 1;
	} else {
		count = solve(r, reads, found, next);
		if (count == 0)
			return NO_SOLUTION;
		result |= count == 1 ? SOLVED : 0;
		pick = found[random_word() % (uint64_t)count];
	}
	k1 = place_key(&r[0], pick);
	k2 = inverse(pick);

	/* another size in the same place */
	size_at = user_of(h[0]);
	size_wanted = 900;
	h[0]->head = ((r[0].place + 1) * k1 + (900 | DTOR)) * k2;
	result |= verdict_of(ask_for_size, NULL) == RAN ? SIZE_FORGED : 0;
	h[0]->head = two_states ? r[1].head : r[0].head;

	/* a chunk of his own */
	size_wanted = 48;
	{
		static char own[256] __attribute__((aligned(64)));

		((struct header *)own)->head = (((uintptr_t)own + 1) * k1 + 48) * k2;
		size_at = own + sizeof(struct header);
	}
	result |= verdict_of(ask_for_size, NULL) == RAN ? MOVED : 0;

	/* his function for the first destructor: K3 from the seal that was read there, as far as
	 * it can be */
	{
		uint64_t word = (r[0].place + 1) * k1 + good, k3 = random_word() | 1;
		int zeros = word == 0 ? 64 : __builtin_ctzll(word);

		if (reads > 1 && zeros < 64)
			k3 = (h[0]->extra >> zeros) * inverse(word >> zeros) |
			     (zeros > 0 ? random_word() << (64 - zeros) : 0);
		h[0]->extra = ((r[0].place + 1) * k1 + evil) * k3;
	}
	result |= verdict_of(free_victim, user_of(h[0])) == RAN ? WAS_RUN : 0;
	return result;
}

/* ---- one read, many tries ---- */

static void ignored(const char *reason)
{
	(void)reason;
}

struct tries {
	const char *name;
	long tries, right;
};

/* How often `head` in this place passes for alive. */
static void attempt(struct tries *t, struct header *at, uint64_t head)
{
	uint64_t was = at->head;

	at->head = head;
	t->tries++;
	/* a name is there, whatever the size */
	t->right += talloc_parent(user_of(at)) != NULL && head != was;
	at->head = was;
}

static bool try_with_one_read(long n)
{
	static char own[4096] __attribute__((aligned(64)));
	struct tries guesses = { "made up", 0, 0 };
	struct tries same = { "changed by a product with a guess", 0, 0 };
	struct tries keys = { "made with a pair of keys that fits", 0, 0 };
	struct tries moved = { "moved, with a pair of keys that fits", 0, 0 };
	struct tries near = { "moved by a small difference", 0, 0 };
	struct tries *all[] = { &guesses, &same, &keys, &moved, &near };
	void *top = talloc_new(NULL), *p = talloc_named_const(top, 48, "read");
	struct header *h = header_of(p), *copy = (struct header *)own;
	struct reading r = { (uintptr_t)h, 48, h->head };
	uint64_t head = h->head;
	bool withstood = true;
	long i;
	size_t j;

	*copy = *h;
	talloc_set_abort_fn(ignored);
	state = head ^ (uint64_t)getpid();
	for (i = 0; i < n; i++) {
		uint64_t guess = random_word() | 1, k = random_word() | 1, k1 = place_key(&r, k);
		uint64_t k2 = inverse(k);

		attempt(&guesses, h, random_word());
		/* differences of the payload in one high bit: those of the head are in few */
		attempt(&same, h, head + (guess << (i & 1 ? 39 : 32 + i % 7)));
		attempt(&keys, h, ((r.place + 1) * k1 + 900 + (uint64_t)(i & 1)) * k2);
		attempt(&moved, copy, (((uintptr_t)copy + 1) * k1 + 48) * k2);
		attempt(&near, copy, head + ((uintptr_t)copy - r.place) * guess);
	}
	talloc_set_abort_fn(NULL);
	printf("%-42s %10s %7s %9s\n", "one header read, then a head", "tries", "alive", "by chance");
	for (j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
		double chance = (double)all[j]->tries / (1 << 24);

		printf("%-42s %10ld %7ld %9.3f\n", all[j]->name, all[j]->tries, all[j]->right, chance);
		/* by chance in one of many thousand runs */
		withstood &= (double)all[j]->right < 6 + 4 * chance;
	}
	/* what was read is valid in its place, whatever became of the chunk: not promised */
	talloc_set_abort_fn(ignored);
	talloc_free(p);
	h->head = head;
	printf("%-42s %10d %7d %9s\n", "written back in its place after the free", 1,
	       talloc_get_size(p) == 48, "-");
	h->head = ~head;
	talloc_set_abort_fn(NULL);
	talloc_free(top);
	return withstood;
}

/* ---- the solver on keys of its own: one that cannot solve would prove nothing ---- */

static bool solver_solves(void)
{
	static uint64_t found[SPREAD], next[SPREAD];
	struct reading r[READS];
	uint64_t k1, k2;
	int i, count;

	state = 1;
	k1 = random_word();
	k2 = random_word() | 1;
	for (i = 0; i < READS; i++) {
		r[i].place = 0x555500000000 + 112 * (uint64_t)i;
		r[i].payload = (40 + (uint64_t)i) | DTOR;
		r[i].head = ((r[i].place + 1) * k1 + r[i].payload) * k2;
	}
	count = solve(r, READS, found, next);
	for (i = 0; i < count; i++)
		if (found[i] == inverse(k2))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *title = "this library, by one who reads";
	int processes = 16, i, j;
	bool withstood;

	open_bait();
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-p") == 0 && i + 1 < argc)
			return 100 + process(atoi(argv[++i]));
		else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
			processes = atoi(argv[++i]);
		else if (strcmp(argv[i], "-v") != 0)
			title = argv[i];
	}
	check_layout();
	if (!solver_solves()) {
		fprintf(stderr, "the solver does not solve\n");
		return 2;
	}
	printf("%s\n", title);
	withstood = try_with_one_read(4000000);
	printf("%-42s %9s %6s %9s %9s\n", "headers read, then one try each", "processes", "size",
	       "elsewhere", "ran");
	for (i = 0; i <= READS; i = i == 0 ? 1 : 2 * i) {
		int size = 0, moved = 0, ran = 0;
		char text[64], number[16];

		for (j = 0; j < processes; j++) {
			int status;
			pid_t pid;

			snprintf(number, sizeof(number), "%d", i);
			fflush(stdout);
			pid = fork();
			if (pid == 0) {
				execl("/proc/self/exe", argv[0], "-p", number, (char *)NULL);
				_exit(2);
			}
			if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
			    WEXITSTATUS(status) < 100) {
				fprintf(stderr, "a process ended with %#x\n", (unsigned int)status);
				return 2;
			}
			status = WEXITSTATUS(status) - 100;
			size += (status & SIZE_FORGED) != 0;
			moved += (status & MOVED) != 0;
			ran += (status & WAS_RUN) != 0;
		}
		snprintf(text, sizeof(text), i == 0 ? "1, in two states" : "%d", i);
		printf("%-42s %9d %6d %9d %9d\n", text, processes, size, moved, ran);
		if (i == 1)
			withstood &= size + moved + ran == 0;
	}
	return withstood ? 0 : 1;
}
