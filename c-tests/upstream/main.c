/*
 * For a tree that has no program of its own around its tests. Some testsuite.c
 * has: this one is weak, and gives way.
 */
#include "replace.h"
#include "talloc_testsuite.h"

__attribute__((weak)) int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return torture_local_talloc(NULL) ? 0 : 1;
}
