# Each step can be run by hand on Debian 12: the first half in a clone, the second as root.

FROM swift:6.3-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libmicrohttpd-dev libopenblas-dev libjansson-dev libgnutls28-dev libsqlite3-dev \
      zlib1g-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift Package.resolved* ./
RUN swift package resolve
COPY Sources Sources
COPY Tests Tests
COPY loadtest loadtest
RUN swift build -c release --product swerve --static-swift-stdlib \
 && strip .build/release/swerve

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libmicrohttpd12 libopenblas0-pthread libjansson4 libgnutls30 libsqlite3-0 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/.build/release/swerve /usr/local/bin/swerve
# Any uid may run this image: what it owns, everyone may write.
RUN mkdir /workspace && chmod 0777 /workspace
ENV SWERVE_WORKSPACE=/workspace
VOLUME /workspace
USER 65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["swerve", "health"]
# SIGTERM drains. `--tls-upstream` says that something in front of the container ends TLS.
ENTRYPOINT ["swerve"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--tls-upstream"]
