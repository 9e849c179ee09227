#ifndef SWERVE_CMICROHTTPD_H
#define SWERVE_CMICROHTTPD_H

#include <microhttpd.h>

// Swift cannot call a variadic function. This is `MHD_start_daemon` with its options in an
// array (`MHD_OPTION_ARRAY`), ended by an entry whose option is `MHD_OPTION_END`.
struct MHD_Daemon *swerve_start_daemon(
    unsigned int flags, uint16_t port, MHD_AccessHandlerCallback handler, void *handler_cls,
    struct MHD_OptionItem *options);

// `MHD_get_connection_info` is variadic too: one function for each question we ask.

// What `MHD_OPTION_NOTIFY_CONNECTION` stored for the connection.
static inline void *swerve_connection_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

static inline int swerve_connection_descriptor(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

static inline const struct sockaddr *swerve_connection_address(
    struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info ? info->client_addr : NULL;
}

// Bytes of the head as they came: request line, header lines and the empty line. 0 when unknown.
static inline size_t swerve_request_head_size(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info ? info->header_size : 0;
}

// The GnuTLS session of a TLS connection, else NULL.
static inline void *swerve_connection_tls_session(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info ? info->tls_session : NULL;
}

#endif
