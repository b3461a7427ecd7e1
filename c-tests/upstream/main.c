/* For a tree that has no program of its own around its tests. */
#include "replace.h"
#include "talloc_testsuite.h"

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return torture_local_talloc(NULL) ? 0 : 1;
}
