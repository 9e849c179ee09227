#pragma once

#include <stddef.h>

/// Lets this thread allocate `bytes` more than is allocated now, and no more at any time, until
/// the limit is lifted. An allocation that wants more fails, and with it, in Swift, the process.
void swerve_limit_allocation(size_t bytes);

void swerve_lift_allocation_limit(void);
