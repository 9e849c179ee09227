// Debian offers several BLAS libraries behind `cblas.h`; this one name is OpenBLAS's own.
#include <cblas-openblas.h>

// Of the builds with threads: ends those that the library starts when it is loaded.
extern int blas_thread_shutdown_(void) __attribute__((weak));

// Each of them asks for work without a pause, some 45 ms of a CPU, before it sleeps.
static inline void swerve_use_one_blas_thread(void) {
  openblas_set_num_threads(1);
  if (blas_thread_shutdown_) blas_thread_shutdown_();
}

#include "row_products.h"
#include "vector_functions.h"
