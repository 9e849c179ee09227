#ifndef SWERVE_CMICROHTTPD_H
#define SWERVE_CMICROHTTPD_H

#include <microhttpd.h>

// Swift cannot call a variadic function. This is `MHD_start_daemon` with its options in an
// array (`MHD_OPTION_ARRAY`), ended by an entry whose option is `MHD_OPTION_END`.
struct MHD_Daemon *swerve_start_daemon(
    unsigned int flags, uint16_t port, MHD_AccessHandlerCallback handler, void *handler_cls,
    struct MHD_OptionItem *options);

#endif
