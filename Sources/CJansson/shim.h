#include <jansson.h>
// `malloc_usable_size`, which Swift's Glibc module leaves out: the reader's memory budget.
#include <malloc.h>
