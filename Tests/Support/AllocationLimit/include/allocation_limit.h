#pragma once

#include <stddef.h>

/// Lets this process allocate `bytes` more than is allocated now, and no more, until the limit is
/// lifted. An allocation that wants more fails, and with it, in Swift, the process.
///
/// Returns 0, or -1 when so little cannot be enforced.
int swerve_limit_allocation(size_t bytes);

void swerve_lift_allocation_limit(void);
