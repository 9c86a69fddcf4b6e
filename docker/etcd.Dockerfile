# etcd from Debian's packages. It takes its settings from ETCD_* variables, as the project's own image does.
ARG ETCD_BASE=debian:bookworm-slim
FROM ${ETCD_BASE}
LABEL org.opencontainers.image.title="etcd"
RUN set -eu; \
    apt-get update; \
    apt-get install -y --no-install-recommends etcd-server etcd-client; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*; \
    useradd --system --uid 10002 --no-create-home --shell /usr/sbin/nologin etcd-data; \
    install -d -m 700 -o etcd-data -g etcd-data /var/lib/etcd-data
ENV ETCDCTL_API=3 ETCD_DATA_DIR=/var/lib/etcd-data/data
USER 10002
VOLUME /var/lib/etcd-data
EXPOSE 2379 2380
# Asks for the quorum: a member that is cut off from the others is not healthy.
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s CMD ["etcdctl", "--command-timeout=3s", "endpoint", "health"]
CMD ["etcd"]
