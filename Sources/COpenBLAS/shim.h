// Debian offers several BLAS libraries behind `cblas.h`; this one name is OpenBLAS's own.
#include <cblas-openblas.h>

#include "row_products.h"
#include "vector_functions.h"
